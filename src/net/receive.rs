//! What arrives on a connection, and how a task waits for it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::Poll;

use super::Net;
use super::conn::{ConnId, Ended, Filled, Signal, TaskId};
use super::driver::Driver;
use crate::units::Nanos;

/// Received bytes in a buffer of the kernel's ring. The buffer goes back when the chunk is consumed or dropped, so
/// that none is ever lost. Until then no other connection of the core can use it: consume the chunk at once, before
/// any other wait.
#[must_use = "its bytes are lost if it is dropped unread"]
pub struct Chunk<'net> {
    driver: &'net RefCell<Driver>,
    buffer: u16,
    bytes: u16,
    /// Arrival of the last segment in the chunk.
    pub stamp: Nanos,
    /// The instant at which our loop took it from the ring.
    pub reaped: Nanos,
    pub kernel_stamped: bool,
    unseen: Nanos,
}

impl<'net> Chunk<'net> {
    fn new(driver: &'net RefCell<Driver>, buffer: u16, filled: Filled) -> Chunk<'net> {
        Chunk {
            driver,
            buffer,
            bytes: filled.bytes,
            stamp: filled.stamp,
            reaped: filled.reaped,
            kernel_stamped: filled.kernel_stamped,
            unseen: Nanos::from(filled.unseen),
        }
    }

    /// Returns for how long the bytes waited for our loop. Without a kernel's stamp nobody knows: then it is the
    /// longest that it can have been while the loop worked, which a wake-up that comes late is not in.
    pub fn lag(&self) -> Nanos {
        match self.kernel_stamped {
            true => self.reaped.saturating_sub(self.stamp),
            false => self.unseen,
        }
    }

    /// Reads the bytes and gives their buffer back. `read` must not call the `Net` that the chunk came from.
    pub fn consume<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self.driver.borrow().payload(self.buffer, self.bytes))
    }

    /// Does the same for a reader that changes the bytes while it reads them.
    pub fn consume_mut<R>(self, read: impl FnOnce(&mut [u8]) -> R) -> R {
        read(self.driver.borrow_mut().payload_mut(self.buffer, self.bytes))
    }
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        self.driver.borrow_mut().give_back(self.buffer);
    }
}

impl std::fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk")
            .field("buffer", &self.buffer)
            .field("bytes", &self.bytes)
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub enum Received<'net> {
    Data(Chunk<'net>),
    Ended(Ended, Nanos),
    SendFailed(i32),
    Timeout,
    /// The task was told to stop.
    Stopped,
}

impl Net {
    /// Waits for the next bytes of the connection, in order, or its end. It is a time-out only if nothing had arrived
    /// by the deadline, however late this looks.
    pub async fn receive(&self, task: TaskId, conn: ConnId, deadline: Nanos) -> Received<'_> {
        let mut waits = false;
        poll_fn(|cx| {
            if let Some(received) = self.received(task, conn, waits) {
                return Poll::Ready(received);
            }
            let mut d = self.0.borrow_mut();
            d.park(task, cx.waker());
            d.set_limit(task, deadline);
            waits = true;
            Poll::Pending
        })
        .await
    }

    /// Waits like [`Self::receive`] until `is_over` says that nothing more is awaited, and returns `None` then.
    /// Whatever arrives after the first look is read by the loop ([`Self::drive`]), which also moves the deadline
    /// ([`Self::set_limit`]): the task is woken when its answer is over, and not for each piece.
    pub async fn receive_by_loop(
        &self,
        task: TaskId,
        conn: ConnId,
        deadline: Nanos,
        is_over: impl Fn() -> bool,
    ) -> Option<Received<'_>> {
        let mut waits = false;
        let received = poll_fn(|cx| {
            if waits && is_over() {
                return Poll::Ready(None);
            }
            if let Some(received) = self.received(task, conn, waits) {
                return Poll::Ready(Some(received));
            }
            let mut d = self.0.borrow_mut();
            d.park(task, cx.waker());
            if !std::mem::replace(&mut waits, true) {
                d.set_limit(task, deadline);
                d.set_read_by_loop(conn, true);
            }
            Poll::Pending
        })
        .await;
        if waits {
            self.0.borrow_mut().set_read_by_loop(conn, false);
        }
        received
    }

    /// Returns what there is to tell of a connection without waiting. `waits` says that a limit was set for it.
    fn received(&self, task: TaskId, conn: ConnId, waits: bool) -> Option<Received<'_>> {
        let mut d = self.0.borrow_mut();
        if let Some((buffer, filled)) = d.pop(conn) {
            return Some(Received::Data(Chunk::new(&self.0, buffer, filled)));
        }
        if let Some((ended, at)) = d.ended(conn) {
            return Some(Received::Ended(ended, at));
        }
        let errno = d.send_error(conn);
        if errno != 0 {
            return Some(Received::SendFailed(errno));
        }
        if d.signal(task) == Signal::Hard {
            return Some(Received::Stopped);
        }
        (waits && d.is_late(task)).then_some(Received::Timeout)
    }

    /// Sets the instant until which a task waits at most.
    pub fn set_limit(&self, task: TaskId, deadline: Nanos) {
        self.0.borrow_mut().set_limit(task, deadline);
    }

    /// Wakes a task for what the loop has read for it in this turn.
    pub fn wake_in_turn(&self, task: TaskId) {
        self.0.borrow_mut().wake_in_turn(task);
    }

    /// Returns the next bytes that have already arrived, without waiting.
    pub fn receive_now(&self, conn: ConnId) -> Option<Chunk<'_>> {
        let popped = self.0.borrow_mut().pop(conn);
        popped.map(|(buffer, filled)| Chunk::new(&self.0, buffer, filled))
    }
}
