//! The state that the driver keeps for the connections and tasks of one core.

use std::os::fd::OwnedFd;
use std::task::Waker;

use super::ring::BUFFERS;
use crate::units::Nanos;

pub const NO_BUFFER: u16 = u16::MAX;

/// Names a connection of this core. Using one after `close` is a bug and panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnId {
    /// Returns a number that no other open connection of this core has. They begin at 0 and are used again.
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

/// Names a task that waits on this core's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskId(pub(super) u32);

/// The two ends of a connection to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index into the addresses of the options.
    pub address: usize,
    /// Counts through the source addresses of the options that are of the same family, if there are any.
    pub source_turn: usize,
}

/// Tells a waiting task to stop early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Signal {
    #[default]
    None,
    /// Sleeps end; requests continue.
    Soft,
    /// Everything ends.
    Hard,
}

/// The way in which a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Eof,
    Error(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connecting {
    No,
    InFlight,
    Done(i32),
}

pub struct Conn {
    /// Kept until the last operation has ended; `None` means that the slot is free.
    pub fd: Option<OwnedFd>,
    pub generation: u32,
    pub owner: u32,
    /// Submitted operations whose last completion has not arrived.
    pub in_flight: u8,
    pub receiving: bool,
    /// A send is in flight, so the connection can't carry another request.
    pub sending: bool,
    /// The task waits for the end of the send.
    pub flushing: bool,
    pub closing: bool,
    /// The connection waits for a later request. Data that arrives now is dropped and ends the connection.
    pub idle: bool,
    /// What arrives is read by the loop, and the task is woken for everything else.
    pub read_by_loop: bool,
    pub connecting: Connecting,
    /// Which of the addresses it is connected to.
    pub address: u32,
    /// How often in a row an operation was begun again.
    pub again: u8,
    /// It counts towards the limit of connects in flight.
    pub connect_turn: bool,
    pub connect_started: Nanos,
    pub connect_done: Nanos,
    /// Filled buffers waiting for the task, linked through `Inbox::next`.
    pub first: u16,
    pub last: u16,
    pub ended: Option<(Ended, Nanos)>,
    /// The error that the connect has told of a connection that was made and reset before anybody looked; 0 without.
    /// Reads see what arrived before, and then an end.
    pub broken: i32,
    pub send_error: i32,
    pub send_from: u32,
    /// The instant at which the current request's first byte was handed to the kernel; 0 if it has not been.
    pub sent_at: Nanos,
    /// The instant at which the last request was queued; 0 before the first.
    pub last_request: Nanos,
    /// The last send's buffer, kept for the next request.
    pub spare: Vec<u8>,
}

impl Conn {
    pub fn free() -> Conn {
        Conn {
            fd: None,
            generation: 0,
            owner: 0,
            in_flight: 0,
            receiving: false,
            sending: false,
            flushing: false,
            closing: false,
            idle: false,
            read_by_loop: false,
            connecting: Connecting::No,
            address: 0,
            again: 0,
            connect_turn: false,
            connect_started: 0,
            connect_done: 0,
            first: NO_BUFFER,
            last: NO_BUFFER,
            ended: None,
            broken: 0,
            send_error: 0,
            send_from: 0,
            sent_at: 0,
            last_request: 0,
            spare: Vec::new(),
        }
    }

    /// Returns how the connection ended whose reads ended so.
    pub fn end(&self, read: Ended) -> Ended {
        match self.broken {
            0 => read,
            errno => Ended::Error(errno),
        }
    }

    pub fn open(&mut self, fd: OwnedFd, owner: u32) {
        debug_assert!(self.fd.is_none() && self.in_flight == 0 && self.first == NO_BUFFER);
        let spare = std::mem::take(&mut self.spare);
        *self = Conn {
            fd: Some(fd),
            generation: self.generation,
            owner,
            spare,
            ..Conn::free()
        };
    }
}

/// Describes a filled buffer. `next` links the buffers of one connection.
#[derive(Clone, Copy)]
pub struct Filled {
    pub next: u16,
    pub bytes: u16,
    /// Arrival: the kernel's stamp if there is one, otherwise the time at which it was reaped.
    pub stamp: Nanos,
    pub reaped: Nanos,
    pub kernel_stamped: bool,
    /// Nanoseconds for which the loop had not looked, at most 4 s: the bytes may have been there for that long.
    pub unseen: u32,
}

/// Describes each buffer of the ring, and links those that wait for the same connection.
pub struct Inbox {
    filled: Vec<Filled>,
}

impl Inbox {
    pub fn new() -> Inbox {
        let none = Filled {
            next: NO_BUFFER,
            bytes: 0,
            stamp: 0,
            reaped: 0,
            kernel_stamped: false,
            unseen: 0,
        };
        Inbox {
            filled: vec![none; BUFFERS as usize],
        }
    }

    pub fn push(&mut self, conn: &mut Conn, id: u16, filled: Filled) {
        self.filled[id as usize] = Filled {
            next: NO_BUFFER,
            ..filled
        };
        if conn.first == NO_BUFFER {
            conn.first = id;
        } else {
            self.filled[conn.last as usize].next = id;
        }
        conn.last = id;
    }

    pub fn pop(&mut self, conn: &mut Conn) -> Option<(u16, Filled)> {
        if conn.first == NO_BUFFER {
            return None;
        }
        let id = conn.first;
        let filled = self.filled[id as usize];
        conn.first = filled.next;
        if conn.first == NO_BUFFER {
            conn.last = NO_BUFFER;
        }
        Some((id, filled))
    }

    /// Counts the filled buffers that wait in the connection's inbox.
    pub fn waiting(&self, conn: &Conn) -> usize {
        let first = (conn.first != NO_BUFFER).then_some(conn.first);
        let next = |id: &u16| Some(self.filled[usize::from(*id)].next).filter(|next| *next != NO_BUFFER);
        // The bound ends the walk if the links ever form a cycle.
        std::iter::successors(first, next)
            .take(usize::from(BUFFERS) + 1)
            .count()
    }
}

/// The state of a task's permit to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Permit {
    #[default]
    None,
    Queued,
    /// A connect that ended handed its permit over; it has not been used yet.
    Granted,
}

#[derive(Default)]
pub struct TaskSlot {
    pub permit: Permit,
    pub waker: Option<Waker>,
    pub signal: Signal,
    pub in_use: bool,
    /// Its limit has passed, and nothing that had arrived by then is left to be taken.
    pub is_late: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_out_in_the_order_they_came_in_per_connection() {
        let mut inbox = Inbox::new();
        let mut conns = [Conn::free(), Conn::free()];
        let filled = Filled {
            next: NO_BUFFER,
            bytes: 0,
            stamp: 0,
            reaped: 0,
            kernel_stamped: true,
            unseen: 0,
        };
        for id in 0..10u16 {
            inbox.push(&mut conns[(id % 2) as usize], id, filled);
        }
        assert_eq!(conns.each_ref().map(|conn| inbox.waiting(conn)), [5, 5]);
        for (c, conn) in conns.iter_mut().enumerate() {
            let order: Vec<u16> = std::iter::from_fn(|| inbox.pop(conn).map(|(id, _)| id)).collect();
            assert_eq!(order, (0..10).filter(|id| id % 2 == c as u16).collect::<Vec<_>>());
            assert_eq!((conn.first, conn.last), (NO_BUFFER, NO_BUFFER));
            assert_eq!(inbox.waiting(conn), 0);
        }
    }
}
