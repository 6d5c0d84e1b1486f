//! Provides the sockets and timers of one core, on one io_uring or on epoll.
//!
//! A task holds a `TaskId` and waits through it; a connection is a `ConnId`. The rest of the engine sees only a few
//! operations: connect, send, receive a chunk with its stamp, sleep, close. This module knows neither HTTP nor metrics.

mod ahead;
mod backend;
pub mod clock;
mod conn;
mod drive;
mod driver;
mod epoll;
mod kick;
mod receive;
mod resting;
mod ring;
mod stamping;
#[cfg(debug_assertions)]
mod tampered;
mod timers;
#[cfg(debug_assertions)]
mod troubled;
mod wait;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Poll;

pub use backend::Features;
pub use conn::{ConnId, Ended, Route, Signal, TaskId};
pub use driver::{Acks, NetCounters, Options};
pub use kick::Kick;
pub use receive::{Chunk, Received};
pub use ring::{BUFFER_BYTES, BUFFERS, SUBMISSIONS, completion_entries};
pub use stamping::Stamping;

use crate::units::Nanos;
use driver::Driver;

/// The reason why a connect failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The connection was refused or reset, or the address is unreachable. Holds errno.
    Failed(i32),
    /// This host ran out of ports, descriptors or memory. Holds errno.
    Resource(i32),
    Timeout,
    /// The task was told to stop.
    Stopped,
}

/// A handle to one core's driver. It is cheap to clone and stays on its thread.
#[derive(Clone)]
pub struct Net(Rc<RefCell<Driver>>);

impl Net {
    /// Creates the driver. This must run on the thread that will drive it.
    pub fn new(options: Options) -> io::Result<Net> {
        Ok(Net(Rc::new(RefCell::new(Driver::new(options)?))))
    }

    pub fn features(&self) -> Features {
        self.0.borrow().features()
    }

    pub fn counters(&self) -> NetCounters {
        self.0.borrow_mut().counters()
    }

    /// Returns CLOCK_REALTIME - CLOCK_MONOTONIC.
    pub fn wall_offset(&self) -> i64 {
        self.0.borrow().wall_offset()
    }

    pub fn new_task(&self) -> TaskId {
        self.0.borrow_mut().new_task()
    }

    pub fn free_task(&self, task: TaskId) {
        self.0.borrow_mut().free_task(task);
    }

    pub fn signal(&self, task: TaskId) -> Signal {
        self.0.borrow().signal(task)
    }

    pub fn set_signal(&self, task: TaskId, signal: Signal) {
        self.0.borrow_mut().set_signal(task, signal);
    }

    /// Tells the driver that a task was spawned or woken by another task, so it must not block before that task has
    /// run.
    pub fn note_runnable(&self) {
        self.0.borrow_mut().note_runnable();
    }

    /// Tells the driver that a read carried several token events, which means that the loop waits too long.
    pub fn note_coalesced(&self) {
        self.0.borrow_mut().note_coalesced();
    }

    /// Connects the two ends of `route` when it is the task's turn. Returns the connection and the time that connecting
    /// took. `limit` is the longest time for that, which does not contain the wait for the turn.
    pub async fn connect(
        &self,
        task: TaskId,
        route: Route,
        deadline: Nanos,
        limit: Option<Nanos>,
    ) -> Result<(ConnId, Nanos), ConnectError> {
        self.wait_for_connect_permit(task, deadline).await?;
        let begun = clock::monotonic();
        let deadline = limit.map_or(deadline, |limit| deadline.min(begun + limit));
        let conn = self
            .0
            .borrow_mut()
            .connect(task, route)
            .map_err(|e| ConnectError::Resource(e.raw_os_error().unwrap_or(libc::EIO)))?;
        let mut waits = false;
        let result = poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            if d.signal(task) == Signal::Hard {
                return Poll::Ready(Err(ConnectError::Stopped));
            }
            match d.connect_result(conn) {
                Some((0, took)) => Poll::Ready(Ok(took)),
                Some((errno, _)) => Poll::Ready(Err(connect_error(errno))),
                None if waits && d.is_late(task) => Poll::Ready(Err(ConnectError::Timeout)),
                None => {
                    d.park(task, cx.waker());
                    d.set_limit(task, deadline);
                    waits = true;
                    Poll::Pending
                }
            }
        })
        .await;
        match result {
            Ok(took) => Ok((conn, took)),
            Err(e) => {
                self.close(conn);
                Err(e)
            }
        }
    }

    async fn wait_for_connect_permit(&self, task: TaskId, deadline: Nanos) -> Result<(), ConnectError> {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            let error = if d.signal(task) == Signal::Hard {
                Some(ConnectError::Stopped)
            } else if d.now() >= deadline {
                Some(ConnectError::Timeout)
            } else {
                None
            };
            if let Some(e) = error {
                d.leave_connect_queue(task);
                return Poll::Ready(Err(e));
            }
            if d.take_connect_permit(task) {
                return Poll::Ready(Ok(()));
            }
            d.park(task, cx.waker());
            d.set_limit(task, deadline);
            Poll::Pending
        })
        .await
    }

    /// Returns an empty buffer to build the next request in.
    pub fn take_spare(&self, conn: ConnId) -> Vec<u8> {
        self.0.borrow_mut().take_spare(conn)
    }

    /// Queues a request. `receive` reports errors of the socket.
    pub fn send(&self, conn: ConnId, bytes: Vec<u8>) -> io::Result<()> {
        self.0.borrow_mut().send(conn, bytes)
    }

    /// Sends as much as the socket accepts now, without the ring. Returns the number of bytes sent.
    pub fn send_now(&self, conn: ConnId, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().send_now(conn, bytes)
    }

    /// Returns when the first byte of the last `send` was handed to the kernel, if it has been.
    pub fn sent_at(&self, conn: ConnId) -> Option<Nanos> {
        self.0.borrow_mut().sent_at(conn)
    }

    /// Returns true while part of the last `send` has not gone out.
    pub fn sending(&self, conn: ConnId) -> bool {
        self.0.borrow_mut().sending(conn)
    }

    /// Waits until the last `send` has gone out. Returns false if it failed, the connection ended, the task was told to
    /// stop or `deadline` passed.
    pub async fn flush(&self, task: TaskId, conn: ConnId, deadline: Nanos) -> bool {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            let hard = d.signal(task) == Signal::Hard;
            if hard || d.now() >= deadline || d.send_error(conn) != 0 || d.ended(conn).is_some() {
                return Poll::Ready(false);
            }
            if !d.sending(conn) {
                return Poll::Ready(true);
            }
            d.want_flush(conn);
            d.park(task, cx.waker());
            d.set_limit(task, deadline);
            Poll::Pending
        })
        .await
    }

    /// Announces a handshake, which a send will follow at once. Until `end_handshake` the driver does not gather
    /// completions.
    pub fn begin_handshake(&self) {
        self.0.borrow_mut().handshakes += 1;
    }

    pub fn end_handshake(&self) {
        self.0.borrow_mut().handshakes -= 1;
    }

    /// Returns true if the peer has closed the connection or it broke.
    pub fn is_ended(&self, conn: ConnId) -> bool {
        self.0.borrow_mut().ended(conn).is_some()
    }

    /// Returns true if bytes or the end of the connection have arrived that no task has read.
    pub fn has_unread(&self, conn: ConnId) -> bool {
        self.0.borrow_mut().has_unread(conn)
    }

    /// Marks a connection, all of whose bytes have been read, as idle or in use. Anything that arrives while it is idle
    /// ends it: the bytes are dropped, and no task is woken.
    pub fn set_idle(&self, conn: ConnId, idle: bool) {
        self.0.borrow_mut().set_idle(conn, idle);
    }

    /// Waits until `until`, or until the peer has closed the connection.
    pub async fn sleep_while_open(&self, task: TaskId, conn: ConnId, until: Nanos) {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            if d.now() >= until || d.ended(conn).is_some() || d.signal(task) != Signal::None {
                return Poll::Ready(());
            }
            d.park(task, cx.waker());
            d.sleep(task, until);
            Poll::Pending
        })
        .await;
    }

    /// Clears the deadline of the task's request, which has ended.
    pub fn clear_limit(&self, task: TaskId) {
        self.0.borrow_mut().clear_limit(task);
    }

    /// Sleeps until `deadline`, or until the task is told to stop.
    pub async fn sleep_until(&self, task: TaskId, deadline: Nanos) -> Signal {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            let signal = d.signal(task);
            if signal != Signal::None || d.now() >= deadline {
                return Poll::Ready(signal);
            }
            d.park(task, cx.waker());
            d.sleep(task, deadline);
            Poll::Pending
        })
        .await
    }

    /// Sleeps like `sleep_until`, but returns `None` as soon as bytes or the end of `conn` arrive.
    pub async fn sleep_unless_unread(&self, task: TaskId, conn: ConnId, deadline: Nanos) -> Option<Signal> {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            let signal = d.signal(task);
            if signal != Signal::None || d.now() >= deadline {
                return Poll::Ready(Some(signal));
            }
            if d.has_unread(conn) {
                return Poll::Ready(None);
            }
            d.park(task, cx.waker());
            d.sleep(task, deadline);
            Poll::Pending
        })
        .await
    }

    pub fn close(&self, conn: ConnId) {
        self.0.borrow_mut().close(conn);
    }

    /// Makes the next `close` send RST instead of FIN.
    pub fn reset_on_close(&self, conn: ConnId) {
        // A socket that is already gone needs no reset.
        let _ = self.0.borrow_mut().reset_on_close(conn);
    }

    /// Accepts connections of `listener`, which `accept` returns to `acceptor`.
    pub fn listen(&self, listener: OwnedFd, acceptor: TaskId) -> io::Result<()> {
        self.0.borrow_mut().listen(listener, acceptor)
    }

    /// Waits for the next accepted connection, owned by a new task. Returns `None` when told to stop.
    pub async fn accept(&self, acceptor: TaskId) -> Option<(ConnId, TaskId)> {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            if d.signal(acceptor) != Signal::None {
                return Poll::Ready(None);
            }
            if let Some(conn) = d.pop_accepted() {
                let owner = d.new_task();
                d.set_owner(conn, owner);
                return Poll::Ready(Some((conn, owner)));
            }
            d.park(acceptor, cx.waker());
            Poll::Pending
        })
        .await
    }

    pub fn watch_kick(&self, fd: OwnedFd, task: TaskId) -> io::Result<()> {
        self.0.borrow_mut().watch_kick(fd, task)
    }

    /// Sleeps until this core is kicked or `deadline` passes. Returns true if it was kicked.
    pub async fn wait_for_kick(&self, task: TaskId, deadline: Nanos) -> bool {
        poll_fn(|cx| {
            let mut d = self.0.borrow_mut();
            if std::mem::take(&mut d.kicked) {
                return Poll::Ready(true);
            }
            if d.now() >= deadline {
                return Poll::Ready(false);
            }
            d.park(task, cx.waker());
            if deadline != Nanos::MAX {
                d.sleep(task, deadline);
            }
            Poll::Pending
        })
        .await
    }

    /// Ends a `wait_for_kick` of `task` from another task of this core.
    pub fn kick_local(&self, task: TaskId) {
        let mut d = self.0.borrow_mut();
        d.kicked = true;
        d.wake_from_task(task);
    }

    /// Returns the time at the beginning of the driver's current turn.
    pub fn now(&self) -> Nanos {
        self.0.borrow().now()
    }

    /// Panics if the driver's counts do not match what it holds. No chunk may be held at that time.
    pub fn invariants(&self) {
        self.0.borrow().invariants();
    }
}

/// Distinguishes errors of this host from those of the target.
fn connect_error(errno: i32) -> ConnectError {
    match errno {
        libc::EADDRNOTAVAIL
        | libc::EMFILE
        | libc::ENFILE
        | libc::ENOBUFS
        | libc::ENOMEM
        | libc::EADDRINUSE => ConnectError::Resource(errno),
        libc::ETIMEDOUT => ConnectError::Timeout,
        errno => ConnectError::Failed(errno),
    }
}
