//! The system calls on sockets that do not block. Each is repeated when a signal interrupts it.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use socket2::{SockAddr, SockRef};

use super::steps::Step;
use super::{Epoll, troubles};
use crate::net::clock::timespec;
use crate::net::ring::receive_stamped;
use crate::units::{MILLISECOND, Nanos};

impl Epoll {
    /// Returns true if the last call fetched all events, and no connection has to be read further.
    pub fn has_given_all(&self) -> bool {
        self.fetched_all && self.ready.is_empty() && self.done.is_empty()
    }
}

fn repeated<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        let result = match troubles::interrupts() {
            true => Err(ErrorKind::Interrupted.into()),
            false => call(),
        };
        match result {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Receives what has arrived. Also returns when, by CLOCK_REALTIME, if the kernel stamped it.
pub fn receive(fd: &OwnedFd, space: &mut [u8]) -> io::Result<(usize, Option<Nanos>)> {
    let most = troubles::part(space.len())?;
    repeated(|| receive_stamped(fd, &mut space[..most]))
}

pub fn send(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let most = troubles::part(bytes.len())?;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    repeated(|| SockRef::from(fd).send_with_flags(&bytes[..most], flags))
}

pub fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    repeated(|| Ok(SockRef::from(listener).accept()?.0.into()))
}

/// Reads an eventfd, which sets it to zero.
pub fn read_eventfd(fd: &OwnedFd) -> io::Result<()> {
    repeated(|| Ok(rustix::io::read(fd, &mut [0; 8]).map(|_| ())?))
}

/// How far a connect is.
pub enum Connect {
    UnderWay,
    Done,
    /// Holds errno.
    Failed(i32),
}

/// Begins a connect, or asks how one has ended, by connecting again as io_uring does: then a wake-up for nothing is no
/// connection.
pub fn connect(fd: &OwnedFd, address: &SockAddr) -> Connect {
    match SockRef::from(fd).connect(address).map_err(|e| errno(&e)) {
        Ok(()) | Err(libc::EISCONN) => Connect::Done,
        // Interrupted, it goes on as well.
        Err(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => Connect::UnderWay,
        Err(errno) => Connect::Failed(errno),
    }
}

pub fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Waits for events for one step of a longer wait; a signal ends it as well.
pub fn wait<'e>(fd: &OwnedFd, events: &'e mut [Event], step: Step) -> io::Result<&'e [Event]> {
    let found = if troubles::interrupts() {
        Err(Errno::INTR)
    } else {
        match step {
            Step::Millis(millis) => epoll::wait(fd, &mut *events, Some(&timespec(millis * MILLISECOND))),
            Step::Exact(length) => wait_exactly(fd, events, length),
        }
    };
    match found {
        Ok(found) => Ok(&events[..found]),
        Err(Errno::INTR) => Ok(&[]),
        Err(e) => Err(e.into()),
    }
}

/// `ppoll` takes nanoseconds, on every kernel and with every filter.
fn wait_exactly(fd: &OwnedFd, events: &mut [Event], length: Nanos) -> Result<usize, Errno> {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    match poll(&mut fds, Some(&timespec(length)))? {
        0 => Ok(0),
        _ => epoll::wait(fd, events, Some(&timespec(0))),
    }
}
