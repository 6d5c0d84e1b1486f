//! The driver of one core: queues operations, waits in the ring, hands completions to the tasks that own them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::Waker;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::clock::{self, Offset};
use super::conn::{Conn, ConnId, Connecting, Ended, Filled, Inbox, NO_BUFFER, Signal, TaskId, TaskSlot};
use super::ring::{Completion, Features, Key, Op, Ring, Wait, enable_receive_stamps};
use super::timers::Timers;
use super::wait::{Turn, WaitPolicy};
use crate::units::{MILLISECOND, Nanos};

/// Completions a wait may gather; half the buffers, so that a full batch of reads leaves the other half.
const GATHER: usize = (super::ring::BUFFERS / 2) as usize;
/// Completions taken out of the ring before the tasks run.
const DRAIN_MAX: usize = 4096;
/// A turn that keeps the loop from the ring for longer than this is counted as a stall.
const STALL: Nanos = 10 * MILLISECOND;

#[derive(Clone, Debug)]
pub struct Options {
    pub kernel_stamps: bool,
    pub quickack: bool,
    /// Leaves Nagle's algorithm on; for the mock.
    pub nagle: bool,
    pub min_wait_us: u32,
    /// Expected connections, for the size of the completion queue.
    pub connections: u32,
    /// Where `connect` goes, by index.
    pub addresses: Vec<SocketAddr>,
    /// All at once would measure the queue in front of us: 10,000 connects in flight read p50 620 ms, 256 read 15 ms.
    pub connects_in_flight_max: u32,
}

/// Counted since the start; the engine turns differences into its own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCounters {
    pub connections_opened: u64,
    pub connections_open: u64,
    pub connections_peak: u64,
    pub buffer_shortages: u64,
    pub cq_overflows: u64,
    pub stamps_missing: u64,
    pub clock_steps: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub reads: u64,
    pub completions: u64,
    pub waits: u64,
    pub loop_stalls: u64,
}

pub struct Driver {
    ring: Ring,
    options: Options,
    conns: Vec<Conn>,
    free_conns: Vec<u32>,
    tasks: Vec<TaskSlot>,
    free_tasks: Vec<u32>,
    inbox: Inbox,
    /// Request timeouts by task: lazy, mostly moved later.
    limits: Timers,
    /// Sleeps by task.
    sleeps: Timers,
    connects_in_flight: u32,
    connects_waiting: VecDeque<u32>,
    /// Receives to arm again once buffers have been given back.
    rearm: Vec<(u32, u32)>,
    /// Sends queued since the ring was last entered: stamped just before it is.
    unsent: Vec<u32>,
    accepted: VecDeque<ConnId>,
    acceptor: Option<(OwnedFd, u32)>,
    kick: Option<(OwnedFd, u32)>,
    pub(super) kicked: bool,
    /// A task was made runnable by another task: it stands behind the driver in the executor's queue, so the
    /// driver must come round once more before it may block.
    runnable: bool,
    offset: Offset,
    policy: WaitPolicy,
    turn: Turn,
    turn_at: Nanos,
    /// The clock as of this turn.
    now: Nanos,
    batch: Vec<Completion>,
    counters: NetCounters,
}

impl Driver {
    pub fn new(options: Options) -> io::Result<Driver> {
        let addresses = options.addresses.iter().map(|a| SockAddr::from(*a)).collect();
        let ring = Ring::new(options.connections, addresses)?;
        let now = clock::monotonic();
        Ok(Driver {
            ring,
            policy: WaitPolicy::new(options.min_wait_us),
            options,
            conns: Vec::new(),
            free_conns: Vec::new(),
            tasks: Vec::new(),
            free_tasks: Vec::new(),
            inbox: Inbox::new(),
            limits: Timers::default(),
            sleeps: Timers::default(),
            connects_in_flight: 0,
            connects_waiting: VecDeque::new(),
            rearm: Vec::new(),
            unsent: Vec::new(),
            accepted: VecDeque::new(),
            acceptor: None,
            kick: None,
            kicked: false,
            runnable: false,
            offset: Offset::new(),
            turn: Turn::default(),
            turn_at: now,
            now,
            batch: Vec::with_capacity(DRAIN_MAX),
            counters: NetCounters::default(),
        })
    }

    pub fn features(&self) -> Features {
        self.ring.features
    }

    pub fn counters(&mut self) -> NetCounters {
        self.counters.cq_overflows = u64::from(self.ring.overflows());
        self.counters.clock_steps = self.offset.steps;
        self.counters
    }

    pub fn wall_offset(&self) -> i64 {
        self.offset.nanos()
    }

    pub fn note_coalesced(&mut self) {
        self.turn.coalesced += 1;
    }

    pub fn note_runnable(&mut self) {
        self.runnable = true;
    }

    // ---- tasks ----

    pub fn new_task(&mut self) -> TaskId {
        let slot = self.free_tasks.pop().unwrap_or_else(|| {
            self.tasks.push(TaskSlot::default());
            self.tasks.len() as u32 - 1
        });
        self.tasks[slot as usize] = TaskSlot {
            in_use: true,
            ..TaskSlot::default()
        };
        TaskId(slot)
    }

    pub fn free_task(&mut self, task: TaskId) {
        self.limits.clear(task.0);
        self.sleeps.clear(task.0);
        let Some(slot) = self.tasks.get_mut(task.0 as usize) else {
            return;
        };
        assert!(slot.in_use, "a task is freed once");
        *slot = TaskSlot::default();
        self.free_tasks.push(task.0);
    }

    pub fn signal(&self, task: TaskId) -> Signal {
        self.tasks[task.0 as usize].signal
    }

    /// Called by tasks only: the driver wakes on its own account by `wake`.
    pub fn set_signal(&mut self, task: TaskId, signal: Signal) {
        self.tasks[task.0 as usize].signal = signal;
        if signal != Signal::None {
            self.wake(task.0);
            self.runnable = true;
        }
    }

    pub fn wake_from_task(&mut self, task: TaskId) {
        self.wake(task.0);
        self.runnable = true;
    }

    pub fn park(&mut self, task: TaskId, waker: &Waker) {
        let slot = &mut self.tasks[task.0 as usize];
        if !slot.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
    }

    pub fn limit(&mut self, task: TaskId, deadline: Nanos) {
        self.limits.set(task.0, deadline);
    }

    pub fn unlimit(&mut self, task: TaskId) {
        self.limits.clear(task.0);
    }

    pub fn sleep(&mut self, task: TaskId, deadline: Nanos) {
        self.sleeps.set(task.0, deadline);
    }

    pub fn now(&self) -> Nanos {
        self.now
    }

    fn wake(&mut self, task: u32) {
        if let Some(waker) = &self.tasks[task as usize].waker {
            waker.wake_by_ref();
        }
    }

    // ---- connections ----

    fn conn(&mut self, id: ConnId) -> &mut Conn {
        let conn = &mut self.conns[id.slot as usize];
        assert!(
            conn.generation == id.generation && conn.fd.is_some() && !conn.closing,
            "use of a closed connection"
        );
        conn
    }

    fn open(&mut self, fd: OwnedFd, owner: u32) -> ConnId {
        let slot = self.free_conns.pop().unwrap_or_else(|| {
            self.conns.push(Conn::free());
            self.conns.len() as u32 - 1
        });
        let conn = &mut self.conns[slot as usize];
        conn.open(fd, owner);
        self.counters.connections_open += 1;
        ConnId {
            slot,
            generation: conn.generation,
        }
    }

    /// Takes a place among the connects in flight, or queues the task for one.
    pub fn connect_permit(&mut self, task: TaskId) -> bool {
        if self.connects_in_flight < self.options.connects_in_flight_max {
            self.connects_in_flight += 1;
            return true;
        }
        if !self.connects_waiting.contains(&task.0) {
            self.connects_waiting.push_back(task.0);
        }
        false
    }

    pub fn leave_connect_queue(&mut self, task: TaskId) {
        self.connects_waiting.retain(|t| *t != task.0);
    }

    /// Starts a connect; the caller holds a permit, which ends with the connect's completion or this error.
    pub fn connect(&mut self, task: TaskId, address: usize) -> io::Result<ConnId> {
        match self.start_connect(task, address) {
            Ok(id) => Ok(id),
            Err(e) => {
                self.end_connect_permit();
                Err(e)
            }
        }
    }

    fn start_connect(&mut self, task: TaskId, address: usize) -> io::Result<ConnId> {
        let to = self.options.addresses[address];
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(!self.options.nagle)?;
        let fd = OwnedFd::from(socket);
        if self.options.kernel_stamps {
            enable_receive_stamps(&fd)?;
        }
        let id = self.open(fd, task.0);
        let key = key(Op::Connect, id);
        let conn = &mut self.conns[id.slot as usize];
        conn.connecting = Connecting::InFlight;
        conn.connect_started = clock::monotonic();
        conn.in_flight += 1;
        if let Some(fd) = &conn.fd {
            self.ring.connect(fd, address, key)?;
        }
        Ok(id)
    }

    fn end_connect_permit(&mut self) {
        self.connects_in_flight -= 1;
        if let Some(task) = self.connects_waiting.pop_front() {
            self.wake(task);
            self.runnable = true;
        }
    }

    /// `None`: still connecting. Else errno or 0, and how long it took.
    pub fn connect_result(&mut self, id: ConnId) -> Option<(i32, Nanos)> {
        let conn = self.conn(id);
        match conn.connecting {
            Connecting::Done(errno) => Some((errno, conn.connect_done - conn.connect_started)),
            Connecting::No | Connecting::InFlight => None,
        }
    }

    fn arm_receive(&mut self, id: ConnId) -> io::Result<()> {
        let conn = &mut self.conns[id.slot as usize];
        debug_assert!(!conn.receiving);
        conn.receiving = true;
        conn.in_flight += 1;
        match &conn.fd {
            Some(fd) => self.ring.receive(fd, key(Op::Recv, id)),
            None => unreachable!("an open connection has a descriptor"),
        }
    }

    /// A buffer for the next request, with the capacity of the last one.
    pub fn take_spare(&mut self, id: ConnId) -> Vec<u8> {
        let mut spare = std::mem::take(&mut self.conn(id).spare);
        spare.clear();
        spare
    }

    /// Queues a send; its first byte is stamped just before the ring is entered.
    pub fn send(&mut self, id: ConnId, bytes: Vec<u8>) -> io::Result<()> {
        let conn = self.conn(id);
        conn.sent_at = 0;
        conn.send_error = 0;
        conn.send_from = 0;
        debug_assert!(!conn.sending);
        conn.sending = true;
        conn.in_flight += 1;
        self.unsent.push(id.slot);
        self.counters.bytes_sent += bytes.len() as u64;
        let conn = &self.conns[id.slot as usize];
        match &conn.fd {
            Some(fd) => self.ring.send(fd, bytes, 0, key(Op::Send, id)),
            None => unreachable!("an open connection has a descriptor"),
        }
    }

    /// Sends what the socket takes now, past the ring: for the mock, whose events carry the instant of the call.
    pub fn send_now(&mut self, id: ConnId, bytes: &[u8]) -> io::Result<usize> {
        let conn = self.conn(id);
        let Some(fd) = &conn.fd else {
            unreachable!("an open connection has a descriptor")
        };
        let sent = SockRef::from(fd).send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)?;
        self.counters.bytes_sent += sent as u64;
        Ok(sent)
    }

    pub fn sent_at(&mut self, id: ConnId) -> Option<Nanos> {
        let at = self.conn(id).sent_at;
        (at != 0).then_some(at)
    }

    pub fn sending(&mut self, id: ConnId) -> bool {
        self.conn(id).sending
    }

    /// Wakes the owner when the send under way has ended.
    pub fn want_flush(&mut self, id: ConnId) {
        self.conn(id).flushing = true;
    }

    pub fn send_error(&mut self, id: ConnId) -> i32 {
        self.conn(id).send_error
    }

    pub fn pop(&mut self, id: ConnId) -> Option<(u16, Filled)> {
        let conn = &mut self.conns[id.slot as usize];
        self.inbox.pop(conn)
    }

    pub fn ended(&mut self, id: ConnId) -> Option<(Ended, Nanos)> {
        self.conn(id).ended
    }

    pub fn has_unread(&mut self, id: ConnId) -> bool {
        let conn = self.conn(id);
        conn.first != NO_BUFFER || conn.ended.is_some()
    }

    pub fn payload(&self, buffer: u16, bytes: u16) -> &[u8] {
        self.ring.payload(buffer, bytes as usize)
    }

    pub fn give_back(&mut self, buffer: u16) {
        self.ring.give_back(buffer);
    }

    /// A close with RST instead of FIN.
    pub fn reset_on_close(&mut self, id: ConnId) -> io::Result<()> {
        match &self.conn(id).fd {
            Some(fd) => SockRef::from(fd).set_linger(Some(std::time::Duration::ZERO)),
            None => Ok(()),
        }
    }

    pub fn close(&mut self, id: ConnId) {
        let conn = self.conn(id);
        conn.closing = true;
        let waiting_for_permit = conn.connecting == Connecting::InFlight;
        debug_assert!(!waiting_for_permit || conn.in_flight > 0);
        while let Some((buffer, _)) = self.inbox.pop(&mut self.conns[id.slot as usize]) {
            self.ring.give_back(buffer);
        }
        if self.conns[id.slot as usize].in_flight > 0 {
            self.conns[id.slot as usize].in_flight += 1;
            if let Some(fd) = &self.conns[id.slot as usize].fd {
                // An error here is the ring's, which the next enter reports.
                let _ = self.ring.cancel_all(fd, key(Op::Cancel, id));
            }
        } else {
            self.finish_close(id.slot);
        }
    }

    fn finish_close(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        debug_assert!(conn.in_flight == 0 && conn.closing && conn.first == NO_BUFFER);
        let id = ConnId {
            slot,
            generation: conn.generation,
        };
        conn.generation = conn.generation.wrapping_add(1);
        conn.closing = false;
        if let Some(fd) = conn.fd.take() {
            let _ = self.ring.close(fd, key(Op::Close, id));
            self.counters.connections_open -= 1;
        }
        self.free_conns.push(slot);
    }

    // ---- listening and kicks ----

    pub fn listen(&mut self, listener: OwnedFd, acceptor: TaskId) -> io::Result<()> {
        if self.options.kernel_stamps {
            // Accepted sockets inherit it.
            enable_receive_stamps(&listener)?;
        }
        self.ring.accept(&listener, plain_key(Op::Accept))?;
        self.acceptor = Some((listener, acceptor.0));
        Ok(())
    }

    pub fn pop_accepted(&mut self) -> Option<ConnId> {
        self.accepted.pop_front()
    }

    /// Completions of the connection wake `owner` from now on.
    pub fn set_owner(&mut self, id: ConnId, owner: TaskId) {
        self.conn(id).owner = owner.0;
    }

    /// From now on a write to `fd` wakes `task`.
    pub fn watch_kick(&mut self, fd: OwnedFd, task: TaskId) -> io::Result<()> {
        self.ring.read_kick(&fd, plain_key(Op::Kick))?;
        self.kick = Some((fd, task.0));
        Ok(())
    }

    // ---- the loop ----

    /// Submits what the tasks queued, and waits unless a task is runnable.
    pub fn enter(&mut self) -> io::Result<()> {
        self.rearm_receives()?;
        let now = clock::monotonic();
        if now - self.now > STALL {
            self.counters.loop_stalls += 1;
        }
        for slot in self.unsent.drain(..) {
            let conn = &mut self.conns[slot as usize];
            if conn.sent_at == 0 {
                conn.sent_at = now;
            }
        }
        let wait = self.wait(now);
        if wait != Wait::No {
            self.counters.waits += 1;
        }
        self.ring.enter(wait, GATHER)
    }

    fn wait(&mut self, now: Nanos) -> Wait {
        let turn = Turn {
            connecting: self.connects_in_flight > 0,
            elapsed: now - self.turn_at,
            ..self.turn
        };
        self.turn = Turn::default();
        self.turn_at = now;
        let min_wait_us = self.policy.next(turn);
        if std::mem::take(&mut self.runnable) {
            return Wait::No;
        }
        let next = match (self.limits.next(), self.sleeps.next()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match next {
            Some(at) if at <= now => Wait::No,
            _ => Wait::Yes {
                timeout: next.map(|at| at - now),
                min_wait_us,
            },
        }
    }

    /// Takes completions and due timers, and wakes the tasks they belong to.
    pub fn reap(&mut self) -> io::Result<()> {
        self.now = clock::monotonic();
        self.offset.refresh(self.now);
        let mut batch = std::mem::take(&mut self.batch);
        self.ring.drain(&mut batch, DRAIN_MAX);
        self.turn.completions += batch.len() as u32;
        self.counters.completions += batch.len() as u64;
        for completion in &batch {
            self.complete(completion)?;
        }
        // A full batch may have left completions behind.
        self.runnable |= batch.len() == DRAIN_MAX;
        batch.clear();
        self.batch = batch;
        while let Some(task) = self.sleeps.pop_due(self.now) {
            self.wake(task);
        }
        while let Some(task) = self.limits.pop_due(self.now) {
            self.wake(task);
        }
        Ok(())
    }

    fn complete(&mut self, completion: &Completion) -> io::Result<()> {
        let Key { op, slot, generation } = completion.key;
        match op {
            Op::Kick => return self.complete_kick(),
            Op::Accept => return self.complete_accept(completion),
            Op::Close => return Ok(()),
            Op::Connect | Op::Recv | Op::Send | Op::Cancel => {}
        }
        let id = ConnId { slot, generation };
        if self.conns[slot as usize].generation != generation {
            unreachable!("a slot is reused only after its last completion");
        }
        if !completion.more {
            self.conns[slot as usize].in_flight -= 1;
        }
        match op {
            Op::Connect => self.complete_connect(id, completion.result)?,
            Op::Recv => self.complete_receive(id, completion)?,
            Op::Send => self.complete_send(id, completion)?,
            _ => {}
        }
        let conn = &self.conns[slot as usize];
        if conn.closing && conn.in_flight == 0 {
            self.finish_close(slot);
        }
        Ok(())
    }

    fn complete_connect(&mut self, id: ConnId, result: i32) -> io::Result<()> {
        self.end_connect_permit();
        let now = self.now;
        let conn = &mut self.conns[id.slot as usize];
        conn.connecting = Connecting::Done(-result.min(0));
        conn.connect_done = now;
        if conn.closing {
            return Ok(());
        }
        let owner = conn.owner;
        if result == 0 {
            self.counters.connections_opened += 1;
            self.count_peak();
            self.arm_receive(id)?;
        }
        self.wake(owner);
        Ok(())
    }

    fn count_peak(&mut self) {
        let c = &mut self.counters;
        c.connections_peak = c.connections_peak.max(c.connections_open);
    }

    fn complete_receive(&mut self, id: ConnId, completion: &Completion) -> io::Result<()> {
        let slot = id.slot as usize;
        if !completion.more {
            self.conns[slot].receiving = false;
        }
        if self.conns[slot].closing {
            if let Some(buffer) = completion.buffer {
                self.ring.give_back(buffer);
            }
            return Ok(());
        }
        let mut ended = None;
        match (completion.result, completion.buffer) {
            (n, Some(buffer)) if n > 0 => {
                if !self.deliver(slot, buffer, n as usize) {
                    ended = Some(Ended::Eof);
                }
            }
            (n, Some(buffer)) => {
                self.ring.give_back(buffer);
                ended = Some(end_of(n));
            }
            (n, None) if -n == libc::ENOBUFS => self.counters.buffer_shortages += 1,
            (n, None) => ended = Some(end_of(n)),
        }
        if let Some(ended) = ended {
            self.conns[slot].ended = Some((ended, self.now));
        } else if !completion.more {
            self.rearm.push((id.slot, id.generation));
        }
        let owner = self.conns[slot].owner;
        self.wake(owner);
        Ok(())
    }

    /// Puts a filled buffer into the connection's inbox; false if it holds nothing: the peer has closed.
    fn deliver(&mut self, slot: usize, buffer: u16, result: usize) -> bool {
        let received = self.ring.received(buffer, result);
        if received.payload_bytes == 0 {
            self.ring.give_back(buffer);
            return false;
        }
        let stamp = received
            .stamp_realtime
            .map(|at| self.offset.to_monotonic(at, self.now));
        if stamp.is_none() && self.options.kernel_stamps {
            self.counters.stamps_missing += 1;
        }
        self.counters.reads += 1;
        self.counters.bytes_received += received.payload_bytes as u64;
        let filled = Filled {
            next: NO_BUFFER,
            bytes: received.payload_bytes as u16,
            stamp: stamp.unwrap_or(self.now),
            reaped: self.now,
            kernel_stamped: stamp.is_some(),
        };
        self.inbox.push(&mut self.conns[slot], buffer, filled);
        true
    }

    fn complete_send(&mut self, id: ConnId, completion: &Completion) -> io::Result<()> {
        let bytes = self.ring.take_sent(completion);
        let conn = &mut self.conns[id.slot as usize];
        conn.sending = false;
        if completion.result < 0 {
            conn.send_error = -completion.result;
            conn.spare = bytes;
            let owner = conn.owner;
            self.wake(owner);
            return Ok(());
        }
        conn.send_from += completion.result as u32;
        if (conn.send_from as usize) < bytes.len() && !conn.closing {
            conn.in_flight += 1;
            conn.sending = true;
            let from = conn.send_from as usize;
            return match &conn.fd {
                Some(fd) => self.ring.send(fd, bytes, from, key(Op::Send, id)),
                None => unreachable!("an open connection has a descriptor"),
            };
        }
        conn.spare = bytes;
        if std::mem::take(&mut conn.flushing) {
            let owner = conn.owner;
            self.wake(owner);
        }
        let conn = &self.conns[id.slot as usize];
        if self.options.quickack
            && let Some(fd) = &conn.fd
        {
            // The send has put the socket back into delayed-ACK mode: without this a server with Nagle on holds
            // back its first events for 40 ms. A socket that was reset meanwhile refuses, and shows that elsewhere.
            let _ = SockRef::from(fd).set_tcp_quickack(true);
        }
        Ok(())
    }

    fn complete_kick(&mut self) -> io::Result<()> {
        self.kicked = true;
        if let Some((fd, task)) = self.kick.take() {
            self.ring.read_kick(&fd, plain_key(Op::Kick))?;
            self.kick = Some((fd, task));
            self.wake(task);
        }
        Ok(())
    }

    fn complete_accept(&mut self, completion: &Completion) -> io::Result<()> {
        let Some((listener, task)) = self.acceptor.take() else {
            return Ok(());
        };
        if completion.result >= 0 {
            let fd = self.ring.accepted(completion);
            SockRef::from(&fd).set_tcp_nodelay(!self.options.nagle)?;
            let id = self.open(fd, task);
            self.counters.connections_opened += 1;
            self.count_peak();
            self.arm_receive(id)?;
            self.accepted.push_back(id);
        }
        if !completion.more {
            self.ring.accept(&listener, plain_key(Op::Accept))?;
        }
        self.acceptor = Some((listener, task));
        self.wake(task);
        Ok(())
    }

    fn rearm_receives(&mut self) -> io::Result<()> {
        let mut rearm = std::mem::take(&mut self.rearm);
        for (slot, generation) in rearm.drain(..) {
            let conn = &self.conns[slot as usize];
            let alive = conn.generation == generation && conn.fd.is_some() && !conn.closing;
            if alive && !conn.receiving && conn.ended.is_none() {
                self.arm_receive(ConnId { slot, generation })?;
            }
        }
        self.rearm = rearm;
        Ok(())
    }

    /// The end of the run: gives up the wakers, and with them the tasks that wait. Tasks hold the driver and the
    /// driver their wakers, so without this neither would ever be freed.
    pub fn let_go(&mut self) -> Vec<TaskSlot> {
        std::mem::take(&mut self.tasks)
    }

    /// Buffers lent are exactly those that wait in inboxes, once no task holds one.
    pub fn invariants(&self) {
        assert!(self.ring.buffers_lent() <= super::ring::BUFFERS);
        let open = self.conns.iter().filter(|c| c.fd.is_some()).count() as u64;
        assert_eq!(open, self.counters.connections_open);
        assert_eq!(self.free_conns.len() as u64 + open, self.conns.len() as u64);
    }
}

fn end_of(result: i32) -> Ended {
    if result == 0 {
        Ended::Eof
    } else {
        Ended::Error(-result)
    }
}

fn key(op: Op, id: ConnId) -> Key {
    Key {
        op,
        slot: id.slot,
        generation: id.generation,
    }
}

fn plain_key(op: Op) -> Key {
    Key {
        op,
        slot: 0,
        generation: 0,
    }
}
