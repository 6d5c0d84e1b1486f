//! The seam between the driver of a core and the kernel: operations are queued here, and completions come out.
//!
//! The words are those of io_uring, because the driver is written for it. Epoll ([`crate::net::epoll`]) answers in the
//! same words, so that everything above this file is one program, whichever of them the host allows.

use std::io;
use std::os::fd::OwnedFd;

use socket2::SockAddr;

use crate::host::Io;
use crate::net::epoll::Epoll;
use crate::net::ring::{Ring, Sizes};
#[cfg(debug_assertions)]
use crate::net::troubled::Troubled;
use crate::units::Nanos;

/// The kind of an operation, kept in the top byte of `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    Connect = 1,
    Recv = 2,
    Send = 3,
    Cancel = 4,
    Close = 5,
    Kick = 6,
    Accept = 7,
}

/// Operation, slot and generation. The generation keeps a late completion from touching a slot that has been reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub op: Op,
    pub slot: u32,
    pub generation: u32,
}

/// Number of slots that fit into a key.
pub const SLOTS_MAX: u32 = 1 << 24;

/// One completion.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    pub key: Key,
    /// A number of bytes, a descriptor, 0, or a negative errno.
    pub result: i32,
    /// The operation continues; this is not its last completion.
    pub more: bool,
    /// The provided buffer that the operation filled.
    pub buffer: Option<u16>,
}

/// Tells `enter` how long to wait for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Submits and returns: there are completions left.
    Left,
    /// Submits, runs deferred work and returns.
    No,
    Yes {
        /// Longest wait; `None` means no limit.
        timeout: Option<Nanos>,
        /// Time to gather completions before the first one may end the wait.
        min_wait_us: u32,
    },
}

/// Contents of a filled receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    pub payload_bytes: usize,
    /// Arrival of the last segment in the buffer by CLOCK_REALTIME, if the kernel stamped it.
    pub stamp_realtime: Option<Nanos>,
}

/// Kernel features found at setup, which `probe` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    pub io: Io,
    /// Of io_uring: work is deferred until the loop asks for it.
    pub defer_taskrun: bool,
    pub min_wait: bool,
}

/// One core's way to the kernel.
///
/// A call is matched to the variant, which is the same for all of a core's life, so that a processor predicts it. A
/// core has one, and its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Backend {
    Ring(Ring),
    Epoll(Epoll),
    /// A ring that a test has asked to be in trouble.
    #[cfg(debug_assertions)]
    Troubled(Troubled),
}

macro_rules! each {
    ($self:expr, $one:ident => $call:expr) => {
        match $self {
            Backend::Ring($one) => $call,
            Backend::Epoll($one) => $call,
            #[cfg(debug_assertions)]
            Backend::Troubled($one) => $call,
        }
    };
}

impl Backend {
    /// Sets up what `io` names. This must run on the thread that will use it.
    pub fn new(io: Io, connections: u32, addresses: Vec<SockAddr>) -> io::Result<Backend> {
        Ok(match io {
            #[cfg(debug_assertions)]
            Io::Uring if Troubled::is_wanted() => Backend::Troubled(Troubled::new(connections, addresses)?),
            Io::Uring => Backend::Ring(Ring::new(Sizes::of(connections), addresses)?),
            Io::Epoll => Backend::Epoll(Epoll::new(addresses)?),
        })
    }

    pub fn features(&self) -> Features {
        match self {
            Backend::Ring(ring) => ring.features,
            #[cfg(debug_assertions)]
            Backend::Troubled(ring) => ring.features(),
            Backend::Epoll(_) => Features {
                io: Io::Epoll,
                defer_taskrun: false,
                min_wait: true,
            },
        }
    }

    /// Returns true if a send is a call of its own in any case, so that it may as well be made and stamped at once.
    pub fn sends_by_call(&self) -> bool {
        matches!(self, Backend::Epoll(_))
    }

    /// Returns true if the last look at the kernel has given all that had arrived, once it has been drained.
    pub fn has_given_all(&self) -> bool {
        match self {
            Backend::Epoll(epoll) => epoll.has_given_all(),
            _ => true,
        }
    }

    pub fn connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        each!(self, io => io.connect(fd, address, key))
    }

    /// Waits for the end of a connect that is under way.
    pub fn await_connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        each!(self, io => io.await_connect(fd, address, key))
    }

    /// Receives until a completion without `more`.
    pub fn receive(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        each!(self, io => io.receive(fd, key))
    }

    /// Sends `bytes[from..]`, or the beginning of it. At most one send per slot may be under way; `take_sent` returns
    /// the buffer.
    pub fn send(&mut self, fd: &OwnedFd, bytes: Vec<u8>, from: usize, key: Key) -> io::Result<()> {
        each!(self, io => io.send(fd, bytes, from, key))
    }

    /// Returns the buffer of a completed send.
    pub fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        each!(self, io => io.take_sent(completion))
    }

    /// Accepts connections until a completion without `more`. Each completion's result is a new descriptor.
    pub fn accept(&mut self, listener: &OwnedFd, key: Key) -> io::Result<()> {
        each!(self, io => io.accept(listener, key))
    }

    /// Takes over the descriptor of a successful accept completion.
    pub fn accepted(&mut self, completion: &Completion) -> OwnedFd {
        each!(self, io => io.accepted(completion))
    }

    /// Cancels one operation. Both the operation and the cancellation still get their own last completion.
    pub fn cancel(&mut self, operation: Key, key: Key) -> io::Result<()> {
        each!(self, io => io.cancel(operation, key))
    }

    /// Closes a descriptor. No operation may be under way on it.
    pub fn close(&mut self, fd: OwnedFd, key: Key) -> io::Result<()> {
        each!(self, io => io.close(fd, key))
    }

    /// Reads an eventfd once, so that another thread can end a wait.
    pub fn read_kick(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        each!(self, io => io.read_kick(fd, key))
    }

    /// Submits what is queued and waits as `wait` says, for `want` completions where it gathers them. A timeout or a
    /// signal is not an error.
    pub fn enter(&mut self, wait: Wait, want: usize) -> io::Result<()> {
        match self {
            Backend::Ring(ring) => ring.enter(wait, want),
            #[cfg(debug_assertions)]
            Backend::Troubled(ring) => ring.enter(wait, want),
            Backend::Epoll(epoll) => epoll.enter(wait),
        }
    }

    /// Appends the available completions to `out`, at most `max`. `descriptors` returns the open one of a slot.
    pub fn drain<'a>(
        &mut self,
        out: &mut Vec<Completion>,
        max: usize,
        descriptors: impl Fn(u32) -> Option<&'a OwnedFd>,
    ) {
        match self {
            Backend::Ring(ring) => ring.drain(out, max),
            #[cfg(debug_assertions)]
            Backend::Troubled(ring) => ring.drain(out, max),
            Backend::Epoll(epoll) => epoll.drain(out, max, descriptors),
        }
    }

    pub fn overflows(&mut self) -> u32 {
        match self {
            Backend::Ring(ring) => ring.overflows(),
            #[cfg(debug_assertions)]
            Backend::Troubled(ring) => ring.overflows(),
            Backend::Epoll(_) => 0,
        }
    }

    /// Returns true if the kernel has not taken all that was queued.
    pub fn has_queued(&mut self) -> bool {
        match self {
            Backend::Ring(ring) => ring.has_queued(),
            #[cfg(debug_assertions)]
            Backend::Troubled(ring) => ring.has_queued(),
            Backend::Epoll(_) => false,
        }
    }

    /// Returns true if a receive would find a buffer.
    pub fn has_free_buffers(&self) -> bool {
        each!(self, io => io.has_free_buffers())
    }

    pub fn buffers_lent(&self) -> u16 {
        each!(self, io => io.buffers_lent())
    }

    /// Says what a completed receive has put into its buffer.
    pub fn received(&self, id: u16, result: usize) -> Received {
        each!(self, io => io.received(id, result))
    }

    pub fn payload(&self, id: u16, payload_bytes: usize) -> &[u8] {
        each!(self, io => io.payload(id, payload_bytes))
    }

    pub fn payload_mut(&mut self, id: u16, payload_bytes: usize) -> &mut [u8] {
        each!(self, io => io.payload_mut(id, payload_bytes))
    }

    pub fn give_back(&mut self, id: u16) {
        each!(self, io => io.give_back(id));
    }
}
