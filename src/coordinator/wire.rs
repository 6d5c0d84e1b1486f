//! One connection between two ranks: frames over TLS over a socket that never blocks.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustix::event::{PollFd, PollFlags};

use crate::coordination::{BINDING_BYTES, BINDING_LABEL, Frames, Message, encode};
use crate::units::Nanos;

/// How much is read of one connection before another has its turn.
const TURN_BYTES: usize = 1 << 20;

pub struct Wire {
    socket: TcpStream,
    tls: rustls::Connection,
    frames: Frames,
    /// Nothing more is said: what the peer still says is read and dropped until then, because the kernel would
    /// otherwise reset the connection, and our last words with it.
    closing: Option<Nanos>,
}

impl Wire {
    pub fn new(socket: TcpStream, mut tls: rustls::Connection) -> std::io::Result<Wire> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        // A document is longer than the buffer that rustls keeps by itself; a frame has its own limit.
        tls.set_buffer_limit(None);
        Ok(Wire {
            socket,
            tls,
            frames: Frames::default(),
            closing: None,
        })
    }

    /// Returns what is waited for: bytes, and room for those that have to go out.
    pub fn watched(&self) -> PollFd<'_> {
        let flags = match self.tls.wants_write() {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        PollFd::new(&self.socket, flags)
    }

    /// Returns the bytes that this session derives, once both sides are in it.
    pub fn binding(&self) -> Option<[u8; BINDING_BYTES]> {
        if self.tls.is_handshaking() {
            return None;
        }
        let bytes = [0; BINDING_BYTES];
        self.tls.export_keying_material(bytes, BINDING_LABEL, None).ok()
    }

    /// Lets frames be long.
    pub fn trust(&mut self) {
        self.frames.trust();
    }

    /// Queues a message and sends what the socket takes.
    pub fn send(&mut self, message: &Message) -> Result<(), String> {
        if self.closing.is_some() {
            return Ok(());
        }
        let bytes = encode(message).map_err(|e| e.to_string())?;
        self.tls.writer().write_all(&bytes).map_err(|e| e.to_string())?;
        self.flush()
    }

    /// Sends what waits, as far as the socket takes it.
    pub fn flush(&mut self) -> Result<(), String> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        if self.closing.is_some() {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Ends the connection when all that was said is out, at `until` at the latest.
    pub fn close(&mut self, until: Nanos) {
        if self.closing.is_none() {
            self.tls.send_close_notify();
            self.closing = Some(until);
        }
    }

    pub fn closing(&self) -> Option<Nanos> {
        self.closing
    }

    /// Reads what has arrived and appends its messages.
    ///
    /// # Errors
    /// Fails if the connection is over, with the reason in words.
    pub fn read(&mut self, messages: &mut Vec<Message>) -> Result<(), String> {
        let mut taken = 0;
        let mut piece = [0; 16 << 10];
        while taken < TURN_BYTES {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err("the connection ended".to_owned()),
                Ok(bytes) => taken += bytes,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.to_string()),
            }
            let state = self.tls.process_new_packets();
            // An alert that says why goes out in either case.
            let flushed = self.flush();
            state.map_err(|e| format!("no TLS of a rank: {e}"))?;
            flushed?;
            loop {
                match self.tls.reader().read(&mut piece) {
                    Ok(0) => return Err("the connection ended".to_owned()),
                    Ok(bytes) if self.closing.is_none() => self.frames.push(&piece[..bytes]),
                    Ok(_) => continue,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) => return Err(e.to_string()),
                }
                while let Some(message) = self.frames.next_message().map_err(|e| e.to_string())? {
                    messages.push(message);
                }
            }
        }
        Ok(())
    }
}
