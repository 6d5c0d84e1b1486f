//! Epoll in the words of the ring ([`crate::net::backend`]), for hosts that forbid io_uring.
//!
//! A descriptor is watched once, edge-triggered, for all that can happen to it, and forgotten when it is closed. An
//! edge only notes what its connection may be able to do. What an operation is under way for is tried when completions
//! are taken, and a call that would block withdraws the note until the next edge. A wake-up for nothing, a part of a
//! send and a signal are so all the same case: somebody tries again.

mod buffers;
mod calls;
mod steps;
mod troubles;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use socket2::SockAddr;

use crate::net::backend::{Completion, Key, Op, Received, Wait};
use crate::net::clock;
use crate::net::ring::{BUFFERS, PAYLOAD_BYTES};
use crate::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use buffers::Buffers;
use calls::{Connect, errno};
use steps::Step;

/// Events that one call fetches; the others wait in the kernel.
const EVENTS: usize = 512;
/// Reads of one connection before others have their turn.
const READS_IN_TURN: usize = 8;
/// What the events of the listener and of the eventfd carry; connections carry slot and generation.
const LISTENER: u64 = u64::MAX;
const KICK: u64 = u64::MAX - 1;
const NO_LIMIT: Nanos = 3600 * SECOND;

/// What is known of the connection of one slot.
#[derive(Default)]
struct Slot {
    generation: u32,
    is_watched: bool,
    /// It stands in `ready`.
    is_queued: bool,
    /// The address of a connect under way.
    connecting: Option<usize>,
    receiving: bool,
    sending: Option<Sending>,
    /// The buffer of a send that has ended, until it is fetched.
    sent: Option<Vec<u8>>,
    may_read: bool,
    may_write: bool,
    /// A read that does not fill its buffer does not mean that all is read: an end, an error or urgent data is behind.
    reads_to_end: bool,
}

struct Sending {
    bytes: Vec<u8>,
    from: usize,
}

impl Slot {
    fn can_go_on(&self) -> bool {
        (self.receiving && self.may_read)
            || (self.may_write && (self.connecting.is_some() || self.sending.is_some()))
    }
}

/// A descriptor that is no connection: a second one of the listener, or of the eventfd.
struct Watched {
    fd: OwnedFd,
    is_armed: bool,
    is_ready: bool,
}

impl Watched {
    fn can_go_on(watched: &Option<Watched>) -> bool {
        watched.as_ref().is_some_and(|w| w.is_armed && w.is_ready)
    }
}

pub struct Epoll {
    fd: OwnedFd,
    /// Addresses to connect to.
    addresses: Vec<SockAddr>,
    buffers: Buffers,
    slots: Vec<Slot>,
    /// Slot and generation of the connections that may be able to go on.
    ready: VecDeque<(u32, u32)>,
    /// Completions that nobody has taken yet.
    done: VecDeque<Completion>,
    accepted: VecDeque<OwnedFd>,
    listener: Option<Watched>,
    kick: Option<Watched>,
    events: Vec<Event>,
    fetched_all: bool,
}

impl Epoll {
    pub fn new(addresses: Vec<SockAddr>) -> io::Result<Epoll> {
        let none = Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        };
        Ok(Epoll {
            fd: epoll::create(CreateFlags::CLOEXEC)?,
            addresses,
            buffers: Buffers::new(),
            slots: Vec::new(),
            ready: VecDeque::new(),
            done: VecDeque::new(),
            accepted: VecDeque::new(),
            listener: None,
            kick: None,
            events: vec![none; EVENTS],
            fetched_all: true,
        })
    }

    fn slot(&mut self, key: Key) -> &mut Slot {
        let at = key.slot as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let slot = &mut self.slots[at];
        slot.generation = key.generation;
        slot
    }

    fn watch(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        if std::mem::replace(&mut self.slot(key).is_watched, true) {
            return Ok(());
        }
        let all = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::PRI | EventFlags::ET;
        let data = u64::from(key.slot) << 32 | u64::from(key.generation);
        Ok(epoll::add(&self.fd, fd, EventData::new_u64(data), all)?)
    }

    fn queue(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        if slot.can_go_on() && !std::mem::replace(&mut slot.is_queued, true) {
            self.ready.push_back((at, slot.generation));
        }
    }

    fn complete(&mut self, key: Key, result: i32) {
        self.done.push_back(Completion {
            key,
            result,
            more: false,
            buffer: None,
        });
    }

    pub fn connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        rustix::io::ioctl_fionbio(fd, true)?;
        self.slot(key).connecting = Some(address);
        self.go_on_connecting(fd, key);
        // Over loopback it is done with the return of the first call, which cannot say so yet.
        self.go_on_connecting(fd, key);
        self.watch(fd, key)
    }

    /// A connect under way is waited for as any other is.
    pub fn await_connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        self.connect(fd, address, key)
    }

    fn go_on_connecting(&mut self, fd: &OwnedFd, key: Key) {
        let Some(address) = self.slot(key).connecting else {
            return;
        };
        let result = match calls::connect(fd, &self.addresses[address]) {
            Connect::UnderWay => return self.slot(key).may_write = false,
            Connect::Done => 0,
            Connect::Failed(errno) => -errno,
        };
        self.slot(key).connecting = None;
        self.complete(key, result);
    }

    pub fn receive(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        self.watch(fd, key)?;
        self.slot(key).receiving = true;
        self.queue(key.slot);
        Ok(())
    }

    pub fn send(&mut self, fd: &OwnedFd, bytes: Vec<u8>, from: usize, key: Key) -> io::Result<()> {
        let slot = self.slot(key);
        assert!(
            slot.sending.is_none() && slot.sent.is_none(),
            "two sends in flight on slot {}",
            key.slot
        );
        slot.sending = Some(Sending { bytes, from });
        self.go_on_sending(fd, key);
        Ok(())
    }

    fn go_on_sending(&mut self, fd: &OwnedFd, key: Key) {
        let slot = self.slot(key);
        let Some(Sending { bytes, from }) = slot.sending.take() else {
            return;
        };
        let result = match calls::send(fd, &bytes[from..]) {
            Ok(sent) => sent as i32,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                slot.may_write = troubles::is_ours(&e);
                slot.sending = Some(Sending { bytes, from });
                return self.queue(key.slot);
            }
            Err(e) => -errno(&e),
        };
        slot.sent = Some(bytes);
        self.complete(key, result);
    }

    pub fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        let sent = self.slots[completion.key.slot as usize].sent.take();
        sent.expect("a send completes once")
    }

    pub fn accept(&mut self, listener: &OwnedFd, _: Key) -> io::Result<()> {
        arm(&self.fd, &mut self.listener, listener, LISTENER)
    }

    pub fn accepted(&mut self, completion: &Completion) -> OwnedFd {
        let is_it = |fd: &OwnedFd| fd.as_raw_fd() == completion.result;
        let at = self.accepted.iter().position(is_it);
        at.and_then(|at| self.accepted.remove(at))
            .expect("an accepted connection is taken once")
    }

    pub fn read_kick(&mut self, fd: &OwnedFd, _: Key) -> io::Result<()> {
        arm(&self.fd, &mut self.kick, fd, KICK)
    }

    pub fn cancel(&mut self, operation: Key, key: Key) -> io::Result<()> {
        let slot = self.slot(operation);
        let was_under_way = match operation.op {
            Op::Connect => slot.connecting.take().is_some(),
            Op::Recv => std::mem::take(&mut slot.receiving),
            Op::Send => {
                let sending = slot.sending.take();
                let was_sending = sending.is_some();
                if let Some(Sending { bytes, .. }) = sending {
                    slot.sent = Some(bytes);
                }
                was_sending
            }
            Op::Cancel | Op::Close | Op::Kick | Op::Accept => false,
        };
        if was_under_way {
            self.complete(operation, -libc::ECANCELED);
        }
        self.complete(key, if was_under_way { 0 } else { -libc::ENOENT });
        Ok(())
    }

    pub fn close(&mut self, fd: OwnedFd, key: Key) -> io::Result<()> {
        let slot = self.slot(key);
        assert!(slot.connecting.is_none() && !slot.receiving && slot.sending.is_none());
        *slot = Slot::default();
        // The kernel stops watching it as well.
        drop(fd);
        Ok(())
    }

    pub fn enter(&mut self, wait: Wait) -> io::Result<()> {
        let Wait::Yes { timeout, min_wait_us } = wait else {
            return self.fetch(0).map(|_| ());
        };
        let has_work = !self.done.is_empty()
            || !self.ready.is_empty()
            || Watched::can_go_on(&self.listener)
            || Watched::can_go_on(&self.kick);
        if has_work {
            return self.fetch(0).map(|_| ());
        }
        let mut left = timeout.unwrap_or(NO_LIMIT);
        let gather = (Nanos::from(min_wait_us) * MICROSECOND).min(left);
        if gather > 0 {
            let until = clock::monotonic() + left;
            sleep(gather);
            if self.fetch(0)? > 0 {
                return Ok(());
            }
            left = until.saturating_sub(clock::monotonic());
        }
        self.fetch(left).map(|_| ())
    }

    /// Waits for events for the first step of `timeout` and notes them. Returns their number. The driver, which comes
    /// again with what is left, knows the time best.
    fn fetch(&mut self, timeout: Nanos) -> io::Result<usize> {
        let mut events = std::mem::take(&mut self.events);
        let found = calls::wait(&self.fd, &mut events, Step::of(timeout)).map(<[Event]>::len);
        for event in &events[..*found.as_ref().unwrap_or(&0)] {
            self.note(event.data.u64(), event.flags);
        }
        self.fetched_all = found.as_ref().is_ok_and(|found| *found < EVENTS);
        self.events = events;
        if let Some(at) = troubles::slot_to_wake(self.slots.len()) {
            self.slots[at].may_read = true;
            self.slots[at].may_write = true;
            self.queue(at as u32);
        }
        found
    }

    fn note(&mut self, data: u64, flags: EventFlags) {
        match data {
            LISTENER => self.listener.iter_mut().for_each(|w| w.is_ready = true),
            KICK => self.kick.iter_mut().for_each(|w| w.is_ready = true),
            _ => {
                let (at, generation) = ((data >> 32) as u32, data as u32);
                let slot = &mut self.slots[at as usize];
                if slot.generation != generation || !slot.is_watched {
                    return;
                }
                let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
                let unusual = flags.intersects(ends | EventFlags::PRI);
                slot.reads_to_end |= unusual;
                slot.may_read |= unusual || flags.contains(EventFlags::IN);
                slot.may_write |= flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
                self.queue(at);
            }
        }
    }

    pub fn drain<'a>(
        &mut self,
        out: &mut Vec<Completion>,
        max: usize,
        descriptors: impl Fn(u32) -> Option<&'a OwnedFd>,
    ) {
        self.go_on_accepting(max);
        for _ in 0..self.ready.len() {
            if self.done.len() >= max {
                break;
            }
            let Some((at, generation)) = self.ready.pop_front() else {
                break;
            };
            let slot = &mut self.slots[at as usize];
            if slot.generation != generation || !slot.is_queued {
                continue;
            }
            slot.is_queued = false;
            if let Some(fd) = descriptors(at) {
                self.go_on(fd, at, max);
            }
        }
        let taken = self.done.len().min(max);
        out.extend(self.done.drain(..taken));
    }

    /// Goes on with what is under way on a connection.
    fn go_on(&mut self, fd: &OwnedFd, at: u32, max: usize) {
        let slot = &mut self.slots[at as usize];
        let key = |op| Key {
            op,
            slot: at,
            generation: slot.generation,
        };
        let (connect, send, receive) = (key(Op::Connect), key(Op::Send), key(Op::Recv));
        if slot.may_write {
            self.go_on_connecting(fd, connect);
            self.go_on_sending(fd, send);
        }
        self.go_on_receiving(fd, receive, max);
        self.queue(at);
    }

    fn go_on_receiving(&mut self, fd: &OwnedFd, key: Key, max: usize) {
        for _ in 0..READS_IN_TURN {
            let slot = &mut self.slots[key.slot as usize];
            if !slot.receiving || !slot.may_read || self.done.len() >= max {
                return;
            }
            let Some(id) = self.buffers.take() else {
                slot.receiving = false;
                return self.complete(key, -libc::ENOBUFS);
            };
            let result = calls::receive(fd, self.buffers.space(id));
            if let Ok((bytes @ 1.., stamp)) = result {
                slot.may_read = bytes == PAYLOAD_BYTES || slot.reads_to_end || troubles::are_on();
                self.buffers.stamp(id, stamp);
                self.done.push_back(Completion {
                    key,
                    result: bytes as i32,
                    more: true,
                    buffer: Some(id),
                });
                continue;
            }
            self.buffers.give_back(id);
            match result {
                Err(e) if e.kind() == ErrorKind::WouldBlock => slot.may_read = troubles::is_ours(&e),
                result => {
                    slot.receiving = false;
                    self.complete(key, result.map_or_else(|e| -errno(&e), |_| 0));
                }
            }
        }
    }

    /// Accepts waiting connections, and reads the eventfd.
    fn go_on_accepting(&mut self, max: usize) {
        let key = |op| Key {
            op,
            slot: 0,
            generation: 0,
        };
        while let Some(listener) = self.listener.as_mut().filter(|w| w.is_armed && w.is_ready)
            && self.done.len() < max
        {
            match calls::accept(&listener.fd) {
                Ok(fd) => {
                    self.done.push_back(Completion {
                        key: key(Op::Accept),
                        result: fd.as_raw_fd(),
                        more: true,
                        buffer: None,
                    });
                    self.accepted.push_back(fd);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => listener.is_ready = false,
                Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    listener.is_armed = false;
                    self.complete(key(Op::Accept), -errno(&e));
                }
            }
        }
        if let Some(kick) = self.kick.as_mut().filter(|w| w.is_armed && w.is_ready) {
            kick.is_ready = false;
            if calls::read_eventfd(&kick.fd).is_ok() {
                kick.is_armed = false;
                self.complete(key(Op::Kick), 8);
            }
        }
    }

    pub fn has_free_buffers(&self) -> bool {
        self.buffers.lent() < BUFFERS
    }

    pub fn buffers_lent(&self) -> u16 {
        self.buffers.lent()
    }

    pub fn received(&self, id: u16, result: usize) -> Received {
        self.buffers.received(id, result)
    }

    pub fn payload(&self, id: u16, payload_bytes: usize) -> &[u8] {
        self.buffers.payload(id, payload_bytes)
    }

    pub fn payload_mut(&mut self, id: u16, payload_bytes: usize) -> &mut [u8] {
        &mut self.buffers.space(id)[..payload_bytes]
    }

    pub fn give_back(&mut self, id: u16) {
        self.buffers.give_back(id);
    }
}

/// Arms `watched`, which is made of a second descriptor of `fd` at the first time.
fn arm(epoll: &OwnedFd, watched: &mut Option<Watched>, fd: &OwnedFd, data: u64) -> io::Result<()> {
    if let Some(watched) = watched {
        watched.is_armed = true;
        return Ok(());
    }
    let fd = fd.try_clone()?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    epoll::add(
        epoll,
        &fd,
        EventData::new_u64(data),
        EventFlags::IN | EventFlags::ET,
    )?;
    *watched = Some(Watched {
        fd,
        is_armed: true,
        is_ready: false,
    });
    Ok(())
}

/// Lets events gather; a signal may end it.
fn sleep(length: Nanos) {
    debug_assert!(length < MILLISECOND * 1_000);
    let request = rustix::thread::Timespec {
        tv_sec: 0,
        tv_nsec: length as i64,
    };
    let _ = rustix::thread::nanosleep(&request);
}
