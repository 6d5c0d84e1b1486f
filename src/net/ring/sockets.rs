//! Options and calls of sockets for which socket2 has no function that is safe.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::buffers::CONTROL_BYTES;
use super::find_stamp;
use crate::units::Nanos;

/// Asks the kernel to stamp arriving segments (SO_TIMESTAMPNS).
pub fn enable_receive_stamps(fd: &OwnedFd) -> io::Result<()> {
    switch_on(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)
}

/// Lets a bind to an address leave the choice of the port to the connect (IP_BIND_ADDRESS_NO_PORT), for both families.
/// Otherwise a port would serve one connection of that address, and not one for each peer.
pub fn choose_port_at_connect(fd: &OwnedFd) -> io::Result<()> {
    switch_on(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)
}

fn switch_on(fd: &OwnedFd, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is a live c_int of the size given.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Receives what has arrived, without waiting. Also returns when its last segment arrived, by CLOCK_REALTIME, if the
/// kernel stamped it.
///
/// It is here, and not in `net/epoll`, because socket2 leaves control messages in memory that only `unsafe` may read;
/// and so that a stamp is read by the same lines whichever way the bytes came.
pub fn receive_stamped(fd: &OwnedFd, space: &mut [u8]) -> io::Result<(usize, Option<Nanos>)> {
    // Control messages are aligned as their lengths are, which are u64.
    let mut control = [0u64; CONTROL_BYTES / 8];
    let mut part = libc::iovec {
        iov_base: space.as_mut_ptr().cast(),
        iov_len: space.len(),
    };
    // SAFETY: an all-zero msghdr is a valid one: null pointers with zero lengths.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: the header points to one live part and to live control memory, each of the length that it gives, and
    // nothing else uses them during the call.
    let received = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    if received < 0 {
        return Err(io::Error::last_os_error());
    }
    let filled = (header.msg_controllen as usize).min(CONTROL_BYTES);
    let mut bytes = [0; CONTROL_BYTES];
    for (to, word) in bytes.chunks_exact_mut(8).zip(control) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    Ok((received as usize, find_stamp(&bytes[..filled])))
}
