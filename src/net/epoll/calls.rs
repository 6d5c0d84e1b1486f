//! The system calls on sockets that do not block. Each is repeated when a signal interrupts it.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{SockAddr, SockRef};

use super::troubles;
use crate::net::ring::receive_stamped;
use crate::units::{MILLISECOND, Nanos, SECOND};

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

/// Waits for events, or up to `timeout`; a signal ends the wait as well. `is_precise` is set to false if this kernel
/// knows no timeouts in nanoseconds (epoll_pwait2, Linux 5.11): then `poll` waits for the epoll descriptor.
pub fn wait<'e>(
    fd: &OwnedFd,
    events: &'e mut [Event],
    timeout: Nanos,
    is_precise: &mut bool,
) -> io::Result<&'e [Event]> {
    let timespec = Timespec {
        tv_sec: (timeout / SECOND) as i64,
        tv_nsec: (timeout % SECOND) as i64,
    };
    let is_round = timeout.is_multiple_of(MILLISECOND);
    let found = if troubles::interrupts() {
        Err(Errno::INTR)
    } else if is_round || *is_precise {
        match epoll::wait(fd, &mut *events, Some(&timespec)) {
            // A filter that does not know the call refuses it with EPERM.
            Err(Errno::NOSYS | Errno::PERM) if !is_round => {
                *is_precise = false;
                wait_by_poll(fd, events, &timespec)
            }
            found => found,
        }
    } else {
        wait_by_poll(fd, events, &timespec)
    };
    match found {
        Ok(found) => Ok(&events[..found]),
        Err(Errno::INTR) => Ok(&[]),
        Err(e) => Err(e.into()),
    }
}

fn wait_by_poll(fd: &OwnedFd, events: &mut [Event], timeout: &Timespec) -> Result<usize, Errno> {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(timeout))?;
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    epoll::wait(fd, events, Some(&now))
}
