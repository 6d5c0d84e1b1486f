//! The driver of one core: queues operations, waits in the ring, hands completions to the tasks that own them.

mod complete;
mod connections;
mod tasks;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::SockAddr;

use crate::net::clock::{self, Offset};
use crate::net::conn::{Conn, ConnId, Inbox, TaskSlot};
use crate::net::ring::{Completion, Features, Key, Op, Ring, Wait};
use crate::net::timers::Timers;
use crate::net::wait::{Turn, WaitPolicy};
use crate::units::{MILLISECOND, Nanos};

/// Completions a wait may gather; half the buffers, so that a full batch of reads leaves the other half.
const GATHER: usize = (crate::net::ring::BUFFERS / 2) as usize;
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
    /// A wait for a timer is at least this long. Setting the hardware timer and sleeping costs more than 10 us on a
    /// virtual machine: with thousands of timers a second it pays to take several at once.
    pub timer_slack: Nanos,
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
    /// Exchanges that precede a request: like a connect, each is followed by a send that is due.
    pub(super) handshakes: u32,
    /// Receives to arm again once buffers have been given back.
    rearm: Vec<(u32, u32)>,
    /// Sends queued since the ring was last entered: stamped just before it is.
    unsent: Vec<u32>,
    accepted: VecDeque<ConnId>,
    acceptor: Option<(OwnedFd, u32)>,
    /// The listener ran out of descriptors: it accepts again when a connection closes.
    accept_paused: bool,
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
            handshakes: 0,
            rearm: Vec::new(),
            unsent: Vec::new(),
            accepted: VecDeque::new(),
            acceptor: None,
            accept_paused: false,
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
            connecting: self.connects_in_flight > 0 || self.handshakes > 0,
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
                timeout: next.map(|at| (at - now).max(self.options.timer_slack)),
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

    fn rearm_receives(&mut self) -> io::Result<()> {
        if self.ring.buffers_lent() == crate::net::ring::BUFFERS {
            // Armed now they would end at once, and the loop would spin until a task reads.
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

    /// The end of the run: gives up the wakers, and with them the tasks that wait. Tasks hold the driver and the
    /// driver their wakers, so without this neither would ever be freed.
    ///
    /// What the tasks queued last is submitted: a queued close is all that still knows its descriptor.
    pub fn let_go(&mut self) -> io::Result<Vec<TaskSlot>> {
        self.ring.enter(Wait::No, 0)?;
        Ok(std::mem::take(&mut self.tasks))
    }

    /// Buffers lent are exactly those that wait in inboxes, once no task holds one; each waits in one inbox.
    pub fn invariants(&self) {
        let waiting: usize = self.conns.iter().map(|conn| self.inbox.waiting(conn)).sum();
        assert_eq!(
            usize::from(self.ring.buffers_lent()),
            waiting,
            "buffers lent and buffers that wait in inboxes"
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
