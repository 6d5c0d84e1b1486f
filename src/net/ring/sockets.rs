//! Options of a socket for which socket2 has no function.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

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
