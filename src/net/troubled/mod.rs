//! A ring in trouble, in debug builds only and when a test asks for it: what a kernel may do to whoever uses io_uring,
//! and does too rarely for a test to wait for it. It stands between the driver and the ring, where a run without
//! troubles has nothing.
//!
//! Troubles are real where they can be: a queue of four entries is full, two buffers are used up, a receive is
//! cancelled behind the driver's back and a send is given fewer bytes. Only what the kernel says is made up then, and
//! only what it may say.

mod chance;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;

use socket2::SockAddr;

use super::backend::{Completion, Features, Key, Op, Received, SLOTS_MAX, Wait};
use super::ring::{Ring, Sizes};
use crate::units::{MICROSECOND, Nanos};
use chance::{Chance, Trouble};

/// Waits for which a completion or a cancellation is late, at most.
const LATE_MAX: u32 = 24;
/// A wait while something is late.
const LATE_WAIT: Nanos = 50 * MICROSECOND;
/// The key of cancellations that the driver knows nothing of.
const OURS: Key = Key {
    op: Op::Cancel,
    slot: SLOTS_MAX - 1,
    generation: u32::MAX,
};

/// A multishot receive that is about to end.
struct Ending {
    /// What it has brought last, which is held back: it may be its last completion.
    last: Option<Completion>,
    /// What it says at its end if it says that and not its data.
    errno: i32,
}

/// A completion that comes after so many waits.
struct Late {
    waits: u32,
    completion: Completion,
}

pub struct Troubled {
    ring: Ring,
    chance: Chance,
    late: VecDeque<Late>,
    endings: HashMap<(u32, u32), Ending>,
    /// Cancellations that begin after so many waits.
    late_cancels: Vec<(u32, Key)>,
    fresh: Vec<Completion>,
}

impl Troubled {
    pub fn is_wanted() -> bool {
        Chance::is_wanted()
    }

    pub fn new(connections: u32, addresses: Vec<SockAddr>) -> io::Result<Troubled> {
        let chance = Chance::new();
        let sizes = match chance.is_tiny() {
            true => Sizes {
                submissions: 4,
                completions: 8,
                buffers: 2,
            },
            false => Sizes::of(connections),
        };
        Ok(Troubled {
            ring: Ring::new(sizes, addresses)?,
            chance,
            late: VecDeque::new(),
            endings: HashMap::new(),
            late_cancels: Vec::new(),
            fresh: Vec::new(),
        })
    }

    pub fn features(&self) -> Features {
        self.ring.features
    }

    /// Says that an operation has ended, which the kernel has never seen or knows better.
    fn say(&mut self, key: Key, errno: i32) {
        let completion = Completion {
            key,
            result: -errno,
            more: false,
            buffer: None,
        };
        self.come_late(completion);
    }

    fn come_late(&mut self, completion: Completion) {
        let waits = self.chance.below(LATE_MAX);
        self.late.push_back(Late { waits, completion });
    }

    /// Returns with what an operation ends before it begins, if it does.
    fn interruption(&mut self) -> Option<i32> {
        let errno = [libc::EINTR, libc::EAGAIN][self.chance.below(2) as usize];
        self.chance.makes(Trouble::Interrupted).then_some(errno)
    }

    /// The kernel refuses to make room in a full queue now and then.
    fn refuse(&mut self) {
        self.ring.refusals = u32::from(self.chance.makes(Trouble::Full));
    }

    pub fn connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        self.refuse();
        match self.interruption() {
            Some(errno) => self.say(key, errno),
            None => self.ring.connect(fd, address, key)?,
        }
        Ok(())
    }

    pub fn await_connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        self.ring.await_connect(fd, address, key)
    }

    pub fn receive(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        self.refuse();
        if self.chance.makes(Trouble::Shortage) {
            self.say(key, libc::ENOBUFS);
        } else if let Some(errno) = self.interruption() {
            self.say(key, errno);
        } else {
            self.ring.receive(fd, key)?;
        }
        Ok(())
    }

    pub fn send(&mut self, fd: &OwnedFd, bytes: Vec<u8>, from: usize, key: Key) -> io::Result<()> {
        self.refuse();
        if let Some(errno) = self.interruption() {
            self.ring.keep_send(key, bytes);
            self.say(key, errno);
            return Ok(());
        }
        let rest = bytes.len() - from;
        let most = match self.chance.makes(Trouble::Short) {
            true => [1, rest.div_ceil(2)][self.chance.below(2) as usize].min(rest),
            false => rest,
        };
        self.ring.send_part(fd, bytes, from..from + most, key)
    }

    pub fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        self.ring.take_sent(completion)
    }

    pub fn accept(&mut self, listener: &OwnedFd, key: Key) -> io::Result<()> {
        match self.interruption() {
            Some(errno) => self.say(key, errno),
            None => self.ring.accept(listener, key)?,
        }
        Ok(())
    }

    pub fn accepted(&mut self, completion: &Completion) -> OwnedFd {
        self.ring.accepted(completion)
    }

    /// A cancellation may come too late: its operation then goes on for a while, and may end as if nobody had cancelled
    /// it.
    pub fn cancel(&mut self, operation: Key, key: Key) -> io::Result<()> {
        self.refuse();
        if !self.chance.makes(Trouble::Race) {
            return self.ring.cancel(operation, key);
        }
        let errno = [libc::ENOENT, libc::EALREADY][self.chance.below(2) as usize];
        self.say(key, errno);
        self.late_cancels.push((self.chance.below(LATE_MAX), operation));
        Ok(())
    }

    pub fn close(&mut self, fd: OwnedFd, key: Key) -> io::Result<()> {
        self.refuse();
        self.ring.close(fd, key)
    }

    pub fn read_kick(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        match self.interruption() {
            Some(errno) => self.say(key, errno),
            None => self.ring.read_kick(fd, key)?,
        }
        Ok(())
    }

    pub fn enter(&mut self, wait: Wait, want: usize) -> io::Result<()> {
        for (waits, operation) in std::mem::take(&mut self.late_cancels) {
            match waits {
                0 => self.ring.cancel(operation, OURS)?,
                _ => self.late_cancels.push((waits - 1, operation)),
            }
        }
        if self.chance.makes(Trouble::Interrupted) {
            // A signal came before anything was submitted.
            return Ok(());
        }
        let something_is_late = !self.late.is_empty() || !self.late_cancels.is_empty();
        let wait = match wait {
            Wait::Yes { timeout, .. } if something_is_late => Wait::Yes {
                timeout: Some(timeout.unwrap_or(LATE_WAIT).min(LATE_WAIT)),
                min_wait_us: 0,
            },
            wait => wait,
        };
        self.ring.enter(wait, want)
    }

    pub fn has_queued(&mut self) -> bool {
        self.ring.has_queued()
    }

    pub fn drain(&mut self, out: &mut Vec<Completion>, max: usize) {
        let mut fresh = std::mem::take(&mut self.fresh);
        self.ring.drain(&mut fresh, max);
        for completion in fresh.drain(..) {
            match completion.key {
                OURS => {}
                key if key.op == Op::Recv => self.end_receive(completion),
                _ => self.pass(completion),
            }
        }
        self.fresh = fresh;
        self.deliver(out);
    }

    /// Ends a multishot receive behind the driver's back, or takes its end.
    fn end_receive(&mut self, completion: Completion) {
        let key = completion.key;
        let at = (key.slot, key.generation);
        if completion.more {
            let last = match self.endings.get_mut(&at) {
                Some(Ending {
                    last: last @ Some(_), ..
                }) => last.replace(completion),
                Some(_) => Some(completion),
                None => self.begin_to_end(at, completion),
            };
            last.into_iter().for_each(|completion| self.pass(completion));
            return;
        }
        let was_cancelled = completion.result == -libc::ECANCELED;
        match (self.endings.remove(&at), was_cancelled) {
            (Some(Ending { last: Some(last), .. }), true) => self.pass(Completion { more: false, ..last }),
            (Some(Ending { last: None, errno }), true) => self.pass(Completion {
                result: -errno,
                ..completion
            }),
            (ending, _) => {
                let last = ending.and_then(|ending| ending.last);
                last.into_iter().for_each(|last| self.pass(last));
                self.pass(completion);
            }
        }
    }

    /// Begins to end a receive that has just brought something, by chance. Returns what is passed on at once.
    fn begin_to_end(&mut self, at: (u32, u32), completion: Completion) -> Option<Completion> {
        if !self.chance.makes(Trouble::Ends) || self.ring.cancel(completion.key, OURS).is_err() {
            return Some(completion);
        }
        let with_data = self.chance.below(2) == 0;
        let errno = [libc::ENOBUFS, libc::EINTR, libc::EAGAIN][self.chance.below(3) as usize];
        let (last, rest) = match with_data {
            true => (Some(completion), None),
            false => (None, Some(completion)),
        };
        self.endings.insert(at, Ending { last, errno });
        rest
    }

    /// Passes a completion on, at once or late.
    fn pass(&mut self, mut completion: Completion) {
        match (completion.key.op, completion.result) {
            // It is done all the same.
            (Op::Close, 0) if self.chance.makes(Trouble::Interrupted) => completion.result = -libc::EINTR,
            // It goes on, and is done when it is asked for again.
            (Op::Connect, 0) if self.chance.makes(Trouble::Interrupted) => {
                completion.result = [-libc::EINTR, -libc::EALREADY][self.chance.below(2) as usize];
            }
            // Nobody would close a descriptor that came too late.
            (Op::Accept, _) => return self.late.push_back(Late { waits: 0, completion }),
            _ => {}
        }
        match self.chance.makes(Trouble::Late) {
            true => self.come_late(completion),
            false => self.late.push_back(Late { waits: 0, completion }),
        }
    }

    /// Delivers what is late no longer. Completions of one operation stay in their order.
    fn deliver(&mut self, out: &mut Vec<Completion>) {
        let mut held = HashSet::new();
        self.late.retain_mut(|late| {
            let key = late.completion.key;
            let operation = (key.op as u8, key.slot, key.generation);
            let is_due = late.waits == 0 && !held.contains(&operation);
            late.waits = late.waits.saturating_sub(1);
            if is_due {
                out.push(late.completion);
            } else {
                held.insert(operation);
            }
            !is_due
        });
    }

    pub fn overflows(&mut self) -> u32 {
        self.ring.overflows()
    }

    pub fn has_free_buffers(&self) -> bool {
        self.ring.has_free_buffers()
    }

    /// Returns the number of buffers that the driver has.
    pub fn buffers_lent(&self) -> u16 {
        let late = self.late.iter().map(|late| late.completion);
        let ending = self.endings.values().filter_map(|ending| ending.last);
        let here = late.chain(ending).filter(|one| one.buffer.is_some()).count();
        self.ring.buffers_lent() - here as u16
    }

    pub fn received(&self, id: u16, result: usize) -> Received {
        self.ring.received(id, result)
    }

    pub fn payload(&self, id: u16, payload_bytes: usize) -> &[u8] {
        self.ring.payload(id, payload_bytes)
    }

    pub fn payload_mut(&mut self, id: u16, payload_bytes: usize) -> &mut [u8] {
        self.ring.payload_mut(id, payload_bytes)
    }

    pub fn give_back(&mut self, id: u16) {
        self.ring.give_back(id);
    }
}
