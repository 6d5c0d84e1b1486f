//! A blocking connection, with TLS where the target has it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::blocking_http::connect::connect;
use crate::blocking_http::{Peer, ProbeError};
use crate::metrics::TlsFailure;
use crate::tls::{Pool, TlsConnection, TlsEnd};

const CHUNK_BYTES: usize = 16 * 1024;
/// How long a server that was asked to close may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(100);

pub(super) struct Wire {
    stream: TcpStream,
    tls: Option<Box<TlsConnection>>,
    deadline: Instant,
    limit: Duration,
    /// The bytes of the last read.
    chunk: Vec<u8>,
    plain: Vec<u8>,
}

impl Wire {
    /// Connects and completes the TLS handshake, if there is one.
    pub(super) fn connect(peer: &Peer<'_>, deadline: Instant) -> Result<Wire, ProbeError> {
        let explain = |e: std::io::Error| explain(&e, peer.limit);
        let stream = connect(&peer.address, peer.sources, peer.limit)?;
        stream.set_nodelay(true).map_err(explain)?;
        let mut wire = Wire {
            stream,
            tls: None,
            deadline,
            limit: peer.limit,
            chunk: vec![0; CHUNK_BYTES],
            plain: Vec::new(),
        };
        if let Some(target) = peer.tls {
            wire.tls = Some(Box::new(
                TlsConnection::new(target, &Pool::default()).map_err(ProbeError::Tls)?,
            ));
            wire.handshake()?;
        }
        Ok(wire)
    }

    fn handshake(&mut self) -> Result<(), ProbeError> {
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            self.flush()?;
            match self.step() {
                Ok(true) => {}
                Ok(false) | Err(ProbeError::Reset) => return Err(ProbeError::Tls(TlsFailure::Closed)),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sends the bytes that TLS has ready.
    fn flush(&mut self) -> Result<(), ProbeError> {
        let mut bytes = Vec::new();
        if let Some(tls) = &mut self.tls {
            tls.take_output(&mut bytes);
        }
        self.write(&bytes)
    }

    /// Writes all bytes before the deadline. A peer that takes a few bytes now and then does not get more time.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), ProbeError> {
        while !bytes.is_empty() {
            let left = self.time_left()?;
            let written = self
                .stream
                .set_write_timeout(Some(left))
                .and_then(|()| self.stream.write(bytes));
            match written {
                Ok(0) => return Err(ProbeError::Reset),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(explain(&e, self.limit)),
            }
        }
        Ok(())
    }

    /// Waits until the server has closed, as it was asked to: the side that closes first keeps the port for a minute.
    pub(super) fn await_close(&mut self) {
        self.deadline = self.deadline.min(Instant::now() + CLOSE_LIMIT);
        while self.read().is_ok_and(|read| read > 0) {}
    }

    fn time_left(&self) -> Result<Duration, ProbeError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(ProbeError::Timeout(self.limit)),
            false => Ok(left),
        }
    }

    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), ProbeError> {
        match &mut self.tls {
            None => self.write(request),
            Some(tls) => {
                let mut bytes = Vec::new();
                tls.encrypt(request, &mut bytes);
                self.write(&bytes)
            }
        }
    }

    /// Returns the next bytes; none at the end.
    pub(super) fn receive(&mut self) -> Result<&[u8], ProbeError> {
        if self.tls.is_none() {
            let read = self.read()?;
            return Ok(&self.chunk[..read]);
        }
        while self.step()? && self.plain.is_empty() {}
        Ok(&self.plain)
    }

    /// Reads once through TLS; returns false if the peer has announced the end.
    fn step(&mut self) -> Result<bool, ProbeError> {
        self.plain.clear();
        let read = self.read()?;
        let Some(tls) = &mut self.tls else {
            return Ok(read > 0);
        };
        tls.feed(&mut self.chunk[..read], &mut self.plain);
        match tls.end() {
            _ if !self.plain.is_empty() => Ok(true),
            Some(TlsEnd::Closed) => Ok(false),
            Some(TlsEnd::Failed(reason)) => {
                let mut bytes = Vec::new();
                tls.close(&mut bytes);
                // The alert is a courtesy: if it does not reach the server, the reason is still returned.
                let _ = self.write(&bytes);
                Err(ProbeError::Tls(reason))
            }
            // Without an announcement anyone on the path may have cut the connection.
            None if read == 0 => Err(ProbeError::Reset),
            None => Ok(true),
        }
    }

    fn read(&mut self) -> Result<usize, ProbeError> {
        loop {
            let left = self.time_left()?;
            let read = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut self.chunk));
            match read {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => return read.map_err(|e| explain(&e, self.limit)),
            }
        }
    }
}

pub(super) fn explain(error: &std::io::Error, limit: Duration) -> ProbeError {
    match error.kind() {
        ErrorKind::ConnectionRefused => ProbeError::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ProbeError::Timeout(limit),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => ProbeError::Reset,
        _ => ProbeError::Unreachable(error.to_string()),
    }
}
