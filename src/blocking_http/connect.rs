//! Connects, without the kernel's long pauses between its tries.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::blocking_http::{ProbeError, wire};
use crate::error::is_shortage;

/// How long one try may take. A server with a full queue drops what asks for a connection, and the kernel repeats that
/// after 1, 3, 7 and 15 s (RFC 6298: the time doubles): the connection then comes seconds after the queue has room
/// again. Of the tries every fourth is longer, for a path on which one second is not enough.
const TRIES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Connects from the first of `sources` that is of the family of `address`; without one, the system chooses. Errors
/// distinguish a shortage of this host from an answer of the peer.
pub(super) fn connect(
    address: &SocketAddr,
    sources: &[IpAddr],
    limit: Duration,
) -> Result<TcpStream, ProbeError> {
    let source = sources
        .iter()
        .find(|source| source.is_ipv4() == address.is_ipv4());
    let from = Instant::now();
    let mut tries = TRIES.iter().cycle();
    let connected = loop {
        let left = limit.saturating_sub(from.elapsed()).max(Duration::from_millis(1));
        let at_most = tries.next().map_or(left, |most| left.min(*most));
        let tried = match source {
            None => TcpStream::connect_timeout(address, at_most),
            Some(source) => connect_from(*source, address, at_most),
        };
        match tried {
            Err(e) if e.kind() == io::ErrorKind::TimedOut && at_most < left => {}
            tried => break tried,
        }
    };
    connected.map_err(|e| match e.raw_os_error() {
        // The error also occurs for an address that this host has no route to, such as ::1 without IPv6.
        Some(errno) if is_shortage(errno) && (errno != libc::EADDRNOTAVAIL || has_route(address)) => {
            ProbeError::Shortage(errno)
        }
        _ => wire::explain(&e, limit),
    })
}

/// Tells whether an address accepts connections. Its port is free again at once: the load may need each of its source
/// addresses' ports.
pub fn accepts(address: &SocketAddr, sources: &[IpAddr], limit: Duration) -> Result<(), ProbeError> {
    let stream = connect(address, sources, limit)?;
    if !sources.is_empty() {
        // If this fails the port is not free for a minute.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    Ok(())
}

fn connect_from(source: IpAddr, address: &SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&(*address).into(), limit)?;
    Ok(socket.into())
}

/// Whether packets to the address could leave this host. Ports of UDP are apart from those of TCP.
fn has_route(address: &SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::thread;

    /// The local ports of connections to `port` that have not been answered, as the kernel lists them.
    fn asking(port: u16) -> BTreeSet<String> {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let lines = table.lines().skip(1).map(|line| line.split_whitespace());
        let rows = lines.filter_map(|mut words| Some((words.nth(1)?, words.next()?, words.next()?)));
        let to = format!(":{port:04X}");
        rows.filter(|(_, remote, state)| remote.ends_with(&to) && *state == "02")
            .map(|(local, _, _)| local.to_owned())
            .collect()
    }

    #[test]
    fn a_full_queue_is_asked_again_and_again_and_not_only_when_the_kernel_would() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        // Its queue takes one or two connections; those behind them are not answered.
        let mut waiting = Vec::new();
        while asking(address.port()).is_empty() {
            let next = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            next.set_nonblocking(true).unwrap();
            let _ = next.connect(&address.into());
            waiting.push(next);
        }
        let ours = thread::spawn(move || connect(&address, &[], Duration::from_secs(60)).map(drop));
        let mut tries = BTreeSet::new();
        // The connection that filled the queue asks from one port, and ours from a new one with each try.
        while tries.len() < 3 {
            assert!(!ours.is_finished(), "it gave up after {} tries", tries.len());
            tries.extend(asking(address.port()));
            thread::yield_now();
        }
        listener.set_nonblocking(true).unwrap();
        while !ours.is_finished() {
            let _ = listener.accept();
            thread::yield_now();
        }
        assert_eq!(ours.join().unwrap(), Ok(()));
    }
}
