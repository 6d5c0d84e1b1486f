//! The driver of one core queues operations, waits in the ring, and hands completions to the tasks that own them.

mod again;
mod complete;
mod connections;
mod tasks;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::SockAddr;

use crate::host::Io;
use crate::net::ahead::Ahead;
use crate::net::backend::{Backend, Completion, Features, Key, Op, Wait};
use crate::net::clock::{self, Offset};
use crate::net::conn::{Conn, ConnId, Inbox, TaskSlot};

use crate::net::timers::Timers;
use crate::net::wait::{Turn, WaitPolicy, before_timer};
use crate::units::{MILLISECOND, Nanos, SECOND};

/// Completions that one wait may gather: half the buffers, so that a full batch of reads leaves the other half free.
const GATHER: usize = (crate::net::ring::BUFFERS / 2) as usize;
/// The same while an instant is ahead that must not be missed: what has gathered is received in one call, about 2 us
/// each, and that must fit into the time in which the loop polls.
const GATHER_AHEAD: usize = 8;
/// Connections that are brought into the cache at once. A core has about ten reads of memory under way at a time.
pub(super) const TOUCHED: usize = 8;
/// Completions taken out of the ring before the tasks run.
const DRAIN_MAX: usize = 4096;
/// A turn longer than this counts as a stall of the loop, and so does a wait that ends this much after its limit.
const STALL: Nanos = 10 * MILLISECOND;
/// Longest wait. It is short so that a process that was stopped, or a thread that did not get its CPU back, shows as a
/// late end of a wait even if nothing was due.
const WAIT_MAX: Nanos = 100 * MILLISECOND;
/// How long a limit waits for a loop that does not catch up with what arrives.
const BEHIND_MAX: Nanos = SECOND;

/// Calls to submit what is left at the end of a core.
const SUBMIT_MAX: u32 = 1_000;

/// When the kernel acknowledges what has arrived, after each request that has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Whenever it sees fit.
    AsTheKernelDoes,
    /// With each read.
    AtOnce,
    /// 40 ms later, or with the second read if that comes sooner.
    Delayed,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub io: Io,
    pub kernel_stamps: bool,
    pub acks: Acks,
    /// Leaves Nagle's algorithm on. Only the mock uses it.
    pub nagle: bool,
    pub min_wait_us: u32,
    /// Shortest wait for a timer. Setting the hardware timer and sleeping costs more than 10 us on a virtual machine,
    /// so with thousands of timers per second it pays to handle several at once.
    pub timer_slack: Nanos,
    /// Expected number of connections, from which the size of the completion queue follows.
    pub connections: u32,
    /// The addresses that `connect` refers to by index.
    pub addresses: Vec<SocketAddr>,
    /// The addresses of this host that connections are made from, in turn; empty if the system chooses. Each address to
    /// connect to has at least one of its family, if there are any.
    pub sources: Vec<IpAddr>,
    /// Sends go out by a call of their own while the socket takes them, and not with the next turn of the ring.
    /// Arrivals at a rate need it; it costs a call for each request.
    pub sends_at_once: bool,
    /// Limit of concurrent connects. Without one, connect times would measure our own queue: the median was 620 ms with
    /// 10,000 connects in flight, and 15 ms with 256.
    pub connects_in_flight_max: u32,
    /// A connect that takes longer than this no longer counts towards that limit, or it would limit the requests to a
    /// distant server, and a server that does not answer would keep connects to others waiting.
    pub connect_turn_max: Nanos,
}

/// Counts since the start of the driver. The engine adds the differences to its own counters.
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
    /// Time spent on polling for the next instant.
    pub polling: Nanos,
    pub loop_stalls: u64,
    /// Longest turn, or delay after the limit of a wait.
    pub longest_stall: Nanos,
}

pub struct Driver {
    backend: Backend,
    /// Sends go out by a call of their own: the plan needs it, or the backend has no other way.
    sends_at_once: bool,
    options: Options,
    conns: Vec<Conn>,
    free_conns: Vec<u32>,
    tasks: Vec<TaskSlot>,
    free_tasks: Vec<u32>,
    inbox: Inbox,
    /// Request timeouts by task. Most of them are only ever moved to a later time.
    limits: Timers,
    /// Sleeps by task.
    sleeps: Timers,
    connects_in_flight: u32,
    /// Connects that count towards the limit.
    connect_turns: u32,
    /// Those of them that were started, oldest first, with the instant at which they stop counting. Those that have
    /// ended are left in it and skipped.
    connects_begun: VecDeque<(Nanos, ConnId)>,
    connects_waiting: VecDeque<u32>,
    /// Handshakes under way. Like a connect, each is followed by a send that is already due.
    pub(super) handshakes: u32,
    /// Receives to arm again once buffers have been given back.
    rearm: Vec<(u32, u32)>,
    /// Connections with sends queued since the ring was last entered; they are stamped just before it is entered again.
    unsent: Vec<u32>,
    accepted: VecDeque<ConnId>,
    /// Connections with bytes that the loop is to read.
    arrived: Vec<ConnId>,
    acceptor: Option<(OwnedFd, u32)>,
    /// The listener ran out of descriptors, and accepts again when a connection closes.
    accept_paused: bool,
    kick: Option<(OwnedFd, u32)>,
    pub(super) kicked: bool,
    /// A task was made runnable by another task. It is behind the driver in the executor's queue, so the driver must
    /// take one more turn before it may block.
    runnable: bool,
    /// Completions may be left in the ring.
    left: bool,
    /// When the loop last asked the kernel for all that has arrived.
    looked_at: Nanos,
    /// Everything that had arrived by then has been taken.
    seen: Nanos,
    /// Since when the loop has not been able to take all.
    behind_since: Option<Nanos>,
    offset: Offset,
    policy: WaitPolicy,
    turn: Turn,
    turn_at: Nanos,
    ahead: Ahead,
    /// When the wait should end at the latest; 0 before the first one.
    wake_by: Nanos,
    /// For how long nothing was taken from the ring before this turn, a wait within its limit left out.
    unseen: Nanos,
    /// Time at the beginning of this turn.
    now: Nanos,
    batch: Vec<Completion>,
    counters: NetCounters,
}

impl Driver {
    pub fn new(options: Options) -> io::Result<Driver> {
        let addresses = options.addresses.iter().map(|a| SockAddr::from(*a)).collect();
        let backend = Backend::new(options.io, options.connections, addresses)?;
        let now = clock::monotonic();
        Ok(Driver {
            sends_at_once: options.sends_at_once || backend.sends_by_call(),
            backend,
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
            connect_turns: 0,
            connects_begun: VecDeque::new(),
            connects_waiting: VecDeque::new(),
            handshakes: 0,
            rearm: Vec::new(),
            unsent: Vec::new(),
            accepted: VecDeque::new(),
            arrived: Vec::new(),
            acceptor: None,
            accept_paused: false,
            kick: None,
            kicked: false,
            runnable: false,
            left: false,
            looked_at: now,
            seen: now,
            behind_since: None,
            offset: Offset::new(),
            turn: Turn::default(),
            turn_at: now,
            ahead: Ahead::default(),
            wake_by: 0,
            unseen: 0,
            now,
            batch: Vec::with_capacity(DRAIN_MAX),
            counters: NetCounters::default(),
        })
    }

    pub fn features(&self) -> Features {
        self.backend.features()
    }

    pub fn counters(&mut self) -> NetCounters {
        self.counters.cq_overflows = u64::from(self.backend.overflows());
        self.counters.clock_steps = self.offset.steps;
        self.counters
    }

    pub fn wall_offset(&self) -> i64 {
        self.offset.nanos()
    }

    pub fn note_coalesced(&mut self) {
        self.turn.coalesced += 1;
    }

    pub fn is_runnable(&self) -> bool {
        self.runnable
    }

    /// Takes the instant at which a task is to be woken that no timer wakes, as it is known at `now`. Restores whether
    /// a task was runnable before.
    pub fn note_next_due(&mut self, due: Option<Nanos>, now: Nanos, was_runnable: bool) {
        self.ahead.set(due, now);
        self.runnable = was_runnable;
    }

    pub fn note_runnable(&mut self) {
        self.runnable = true;
    }

    /// Submits the operations that the tasks queued, and waits unless a task is runnable.
    pub fn enter(&mut self) -> io::Result<()> {
        self.rearm_receives()?;
        let now = clock::monotonic();
        self.unseen = now - self.now;
        self.note_delay(self.unseen);
        self.counters.polling += self.ahead.polled(now);
        for slot in self.unsent.drain(..) {
            let conn = &mut self.conns[slot as usize];
            if conn.sent_at == 0 {
                conn.sent_at = now;
            }
        }
        let wait = self.wait(now);
        self.wake_by = now;
        if let Wait::Yes { timeout, .. } = wait {
            self.counters.waits += 1;
            self.wake_by += timeout.unwrap_or(WAIT_MAX);
        }
        let gather = match wait {
            // Whether a limit has passed takes a look at everything. The kernel gives 20 reads to who wants fewer.
            Wait::No if self.limits.next().is_some_and(|at| at <= now) => {
                self.looked_at = now;
                DRAIN_MAX
            }
            Wait::No => 1,
            _ if self.ahead.wake_at().is_some() => GATHER_AHEAD,
            _ => GATHER,
        };
        self.backend.enter(wait, gather)
    }

    fn note_delay(&mut self, delay: Nanos) {
        self.counters.loop_stalls += u64::from(delay > STALL);
        self.counters.longest_stall = self.counters.longest_stall.max(delay);
    }

    fn wait(&mut self, now: Nanos) -> Wait {
        let turn = Turn {
            connecting: self.connects_in_flight > 0 || self.handshakes > 0,
            elapsed: now - self.turn_at,
            ..self.turn
        };
        self.turn = Turn::default();
        self.turn_at = now;
        let min_wait_us = self.policy.next(turn, now, self.ahead.wake_at());
        let is_runnable = std::mem::take(&mut self.runnable);
        if std::mem::take(&mut self.left) {
            return Wait::Left;
        }
        if is_runnable {
            return Wait::No;
        }
        let turn_ends = self.next_connect_turn();
        let others = [self.limits.next(), self.sleeps.next(), turn_ends]
            .into_iter()
            .flatten()
            .min();
        let next = [others, self.ahead.wake_at()].into_iter().flatten().min();
        match next {
            Some(at) if at <= now => {
                self.ahead.begin_poll(now, others);
                Wait::No
            }
            _ => Wait::Yes {
                timeout: Some(next.map_or(WAIT_MAX, |at| {
                    (at - now).max(self.options.timer_slack).min(WAIT_MAX)
                })),
                min_wait_us: before_timer(min_wait_us, others.map(|at| at.saturating_sub(now))),
            },
        }
    }

    /// Takes completions and due timers, and wakes the tasks that they belong to.
    pub fn reap(&mut self) -> io::Result<()> {
        self.now = clock::monotonic();
        if self.wake_by > 0 {
            let late = self.now.saturating_sub(self.wake_by);
            self.note_delay(late);
            self.unseen += late;
        }
        self.offset.refresh(self.now);
        let mut batch = std::mem::take(&mut self.batch);
        let most = self.ahead.room(self.now).min(DRAIN_MAX);
        let conns = &self.conns;
        self.backend
            .drain(&mut batch, most, |slot| conns[slot as usize].fd.as_ref());
        self.ahead.found(batch.len());
        self.turn.completions += batch.len() as u32;
        self.counters.completions += batch.len() as u64;
        for completions in batch.chunks(TOUCHED) {
            self.touch(completions);
            for completion in completions {
                self.complete(completion)?;
            }
        }
        // A full batch may have left completions in the ring.
        self.left = batch.len() == most;
        batch.clear();
        self.batch = batch;
        self.end_long_connect_turns();
        while let Some(task) = self.sleeps.pop_due(self.now) {
            self.wake(task);
        }
        self.note_look();
        while let Some(task) = self.limits.pop_due(self.seen) {
            self.tasks[task as usize].is_late = true;
            self.wake(task);
        }
        Ok(())
    }

    /// Notes up to when all that had arrived has been taken. A loop that is behind all the time must not keep limits
    /// from passing.
    fn note_look(&mut self) {
        if !self.left && self.rearm.is_empty() && self.backend.has_given_all() {
            (self.seen, self.behind_since) = (self.looked_at, None);
            return;
        }
        let since = *self.behind_since.get_or_insert(self.now);
        if self.now - since > BEHIND_MAX {
            self.seen = self.seen.max(self.now - BEHIND_MAX);
        }
    }

    fn rearm_receives(&mut self) -> io::Result<()> {
        if !self.backend.has_free_buffers() {
            // Receives armed now would end at once, and the loop would spin until a task reads.
            return Ok(());
        }
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

    /// Gives up the wakers at the end of the run, and with them the tasks that wait. Tasks hold the driver, and the
    /// driver holds their wakers, so without this neither would ever be freed.
    ///
    /// Operations still queued are submitted first, because a queued close is the only owner of its descriptor; also
    /// when a signal interrupts it.
    pub fn release_tasks(&mut self) -> io::Result<Vec<TaskSlot>> {
        for _ in 0..SUBMIT_MAX {
            self.backend.enter(Wait::No, 1)?;
            if !self.backend.has_queued() {
                break;
            }
        }
        Ok(std::mem::take(&mut self.tasks))
    }

    /// Panics unless the buffers lent are exactly those that wait in inboxes, and the connection counts agree. No task
    /// may hold a buffer at that time.
    pub fn invariants(&self) {
        let waiting: usize = self.conns.iter().map(|conn| self.inbox.waiting(conn)).sum();
        assert_eq!(
            usize::from(self.backend.buffers_lent()),
            waiting,
            "the number of buffers lent differs from the number that wait in inboxes"
        );
        let open = self.conns.iter().filter(|c| c.fd.is_some()).count() as u64;
        assert_eq!(open, self.counters.connections_open);
        assert_eq!(self.free_conns.len() as u64 + open, self.conns.len() as u64);
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
