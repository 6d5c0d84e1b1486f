//! One TLS connection over buffers that are the caller's.

use std::io::{BufRead, Write};

use rustls::{ClientConnection, HandshakeKind};

use super::TlsTarget;
use super::failure::reason;
use crate::metrics::TlsFailure;

/// Bytes that rustls holds for us at most, each way: a record or two.
const BUFFER_LIMIT: usize = 64 << 10;

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsEnd {
    /// The peer said so (close_notify): what came is complete.
    Closed,
    Failed(TlsFailure),
}

/// The client's side. What `feed` and `encrypt` leave to be sent is taken with `take_output`.
#[derive(Debug)]
pub struct TlsSession {
    connection: ClientConnection,
    /// The first byte has come: it tells TLS from anything else.
    begun: bool,
    end: Option<TlsEnd>,
}

impl TlsSession {
    /// The first flight waits to be taken.
    pub fn new(target: &TlsTarget) -> Result<TlsSession, TlsFailure> {
        let connection = ClientConnection::new(target.config.clone(), target.name.clone());
        let mut connection = connection.map_err(|e| reason(&e))?;
        connection.set_buffer_limit(Some(BUFFER_LIMIT));
        Ok(TlsSession {
            connection,
            begun: false,
            end: None,
        })
    }

    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The handshake took up an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Nothing more comes, and why.
    pub fn end(&self) -> Option<TlsEnd> {
        self.end
    }

    /// Takes bytes of the connection, cut anywhere, and appends the plaintext of the records they complete: at
    /// most what one record and `input` hold. After `end` nothing is taken any more.
    pub fn feed(&mut self, mut input: &[u8], plain: &mut Vec<u8>) {
        if let Some(&first) = input.first()
            && !std::mem::replace(&mut self.begun, true)
            && !is_record_type(first)
        {
            self.end = Some(TlsEnd::Failed(TlsFailure::PlainText));
        }
        while !input.is_empty() && self.end.is_none() {
            let taken = self.connection.read_tls(&mut input);
            let processed = self.connection.process_new_packets();
            // What came before an error is still valid.
            self.drain(plain);
            self.end = match (taken, processed) {
                (_, Err(e)) => Some(TlsEnd::Failed(reason(&e))),
                (_, Ok(state)) if state.peer_has_closed() => Some(TlsEnd::Closed),
                (Ok(1..), Ok(_)) => None,
                // rustls takes nothing although its buffers are empty: longer than any record or handshake.
                (_, Ok(_)) => Some(TlsEnd::Failed(TlsFailure::Broken)),
            };
        }
    }

    fn drain(&mut self, plain: &mut Vec<u8>) {
        let mut reader = self.connection.reader();
        // An error says only that there is no more for now.
        while let Ok(chunk @ [_, ..]) = reader.fill_buf() {
            plain.extend_from_slice(chunk);
            let length = chunk.len();
            reader.consume(length);
        }
    }

    /// Bytes wait to be sent: a flight of the handshake, an answer to a key update, an alert.
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Appends all that waits to be sent.
    pub fn take_output(&mut self, output: &mut Vec<u8>) {
        while self.connection.wants_write() {
            self.connection
                .write_tls(output)
                .expect("writing to a vector does not fail");
        }
    }

    /// Appends the records of `plain`, behind all that waits to be sent. The handshake must be done.
    pub fn encrypt(&mut self, mut plain: &[u8], output: &mut Vec<u8>) {
        assert!(!self.is_handshaking(), "application data during the handshake");
        self.take_output(output);
        while !plain.is_empty() {
            let taken = self.connection.writer().write(plain);
            let taken = taken.expect("the writer takes what its limit allows");
            assert!(taken > 0, "no room in an empty buffer");
            plain = &plain[taken..];
            self.take_output(output);
        }
    }

    /// Appends what the peer should still hear: that no more will come, or why this ends.
    pub fn farewell(&mut self, output: &mut Vec<u8>) {
        if !self.is_handshaking() && !matches!(self.end, Some(TlsEnd::Failed(_))) {
            self.connection.send_close_notify();
        }
        if self.end != Some(TlsEnd::Failed(TlsFailure::PlainText)) {
            self.take_output(output);
        }
    }
}

/// change_cipher_spec, alert, handshake, application_data (RFC 8446 5.1).
fn is_record_type(byte: u8) -> bool {
    (20..=23).contains(&byte)
}
