//! Keeps the kernel's receive stamps switched on from before the first connection of the load.
//!
//! The kernel stamps arriving packets only while some socket asks for it, and it switches that on a little after the
//! first one asked (`net_enable_timestamp` leaves the work to a kernel thread). The first reads of a run would have no
//! stamp. One socket that asks earlier, and is kept, spares all of them that.

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::{Domain, MaybeUninitSlice, MsgHdrMut, SockRef, Socket, Type};

use super::ring::enable_receive_stamps;

/// A host whose kernel thread needs longer has no time for a load either.
const LIMIT: Duration = Duration::from_secs(1);
/// Room for one control message with a time, twice over.
const CONTROL_BYTES: usize = 64;

/// A socket that asks for receive stamps for as long as it lives. It is never bound, so that it takes no port from the
/// load.
#[derive(Debug)]
pub struct Stamping {
    _socket: OwnedFd,
}

impl Stamping {
    /// Returns when the kernel stamps what arrives, or after a second. `None` if this host has no loopback connection
    /// to see it with: the load then begins as it would without, and counts what has no stamp.
    pub fn switch_on() -> Option<Stamping> {
        let socket = OwnedFd::from(Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?);
        enable_receive_stamps(&socket).ok()?;
        let (mut sender, receiver) = loopback_pair().ok()?;
        let receiver: OwnedFd = receiver.into();
        enable_receive_stamps(&receiver).ok()?;
        // Closed by a reset, the connection leaves no port in TIME_WAIT.
        SockRef::from(&receiver).set_linger(Some(Duration::ZERO)).ok()?;
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            sender.write_all(b"x").ok()?;
            if receive_is_stamped(&receiver).ok()? {
                break;
            }
        }
        Some(Stamping { _socket: socket })
    }
}

/// Connects a socket to itself over loopback; nobody else's connection is taken for it.
fn loopback_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    sender.set_nodelay(true)?;
    loop {
        let (receiver, peer) = listener.accept()?;
        if peer == sender.local_addr()? {
            receiver.set_read_timeout(Some(LIMIT))?;
            return Ok((sender, receiver));
        }
    }
}

/// Receives the next bytes, and returns whether the kernel sent a control message with them. Only stamps are asked for.
fn receive_is_stamped(receiver: &OwnedFd) -> io::Result<bool> {
    let mut bytes = [MaybeUninit::uninit(); 16];
    let mut control = [MaybeUninit::uninit(); CONTROL_BYTES];
    let mut buffers = [MaybeUninitSlice::new(&mut bytes)];
    let mut message = MsgHdrMut::new()
        .with_buffers(&mut buffers)
        .with_control(&mut control);
    let received = SockRef::from(receiver).recvmsg(&mut message, 0)?;
    if received == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(message.control_len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_stamping_starts_every_read_has_a_stamp() {
        let _on = Stamping::switch_on().unwrap();
        let (mut sender, receiver) = loopback_pair().unwrap();
        let receiver: OwnedFd = receiver.into();
        enable_receive_stamps(&receiver).unwrap();
        for _ in 0..100 {
            sender.write_all(b"x").unwrap();
            assert!(receive_is_stamped(&receiver).unwrap());
        }
    }

    #[test]
    fn a_read_that_asked_for_no_stamp_has_none() {
        let _on = Stamping::switch_on().unwrap();
        let (mut sender, receiver) = loopback_pair().unwrap();
        sender.write_all(b"x").unwrap();
        assert!(!receive_is_stamped(&receiver.into()).unwrap());
    }
}
