//! One TLS connection over buffers that are the caller's.

use std::fmt;

use rustls::HandshakeKind;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

use super::TlsTarget;
use super::failure::reason;
use super::pool::{HELD_BYTES_MAX, Lent, Pool};
use crate::metrics::TlsFailure;

/// RFC 8446 5.1: type, version, length.
const HEADER_BYTES: usize = 5;
/// RFC 5246 6.2.3, the longest of any version: 2^14 and 2048 for what protects it.
const BODY_BYTES_MAX: usize = (16 << 10) + 2048;
/// What a record's protection adds at most, header included.
const RECORD_EXTRA_BYTES: usize = 64;
const FRAGMENT_BYTES: usize = 16 << 10;
/// close_notify, in a record.
const ALERT_BYTES: usize = 2 + RECORD_EXTRA_BYTES;

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsEnd {
    /// The peer said so (close_notify): what came is complete.
    Closed,
    Failed(TlsFailure),
}

/// The client's side. What `feed` and `encrypt` leave to be sent is taken with `take_output`.
pub struct TlsSession {
    connection: UnbufferedClientConnection,
    pool: Pool,
    /// An incomplete record, and before it what rustls keeps of a handshake message that goes on in it.
    held: Option<Lent>,
    /// Where the incomplete record begins in `held`.
    record_at: usize,
    /// Flights of the handshake, key updates, alerts.
    output: Vec<u8>,
    /// The first byte has come: it tells TLS from anything else.
    begun: bool,
    end: Option<TlsEnd>,
}

impl TlsSession {
    /// The first flight waits to be taken.
    pub fn new(target: &TlsTarget, pool: &Pool) -> Result<TlsSession, TlsFailure> {
        let connection = UnbufferedClientConnection::new(target.config.clone(), target.name.clone());
        let mut session = TlsSession {
            connection: connection.map_err(|e| reason(&e))?,
            pool: pool.clone(),
            held: None,
            record_at: 0,
            output: Vec::new(),
            begun: false,
            end: None,
        };
        session.look_again();
        Ok(session)
    }

    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The handshake took up an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// For tests: memory of the pool that the connection has at this moment.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes.capacity())
    }

    /// Nothing more comes, and why.
    pub fn end(&self) -> Option<TlsEnd> {
        self.end
    }

    /// Takes bytes of the connection, cut anywhere, and appends the plaintext of the records they complete: at
    /// most what one record and `input` hold. Records that lie in `input` as a whole are decrypted there, which
    /// spoils it. After `end` nothing is taken any more.
    pub fn feed(&mut self, input: &mut [u8], plain: &mut Vec<u8>) {
        if let Some(&first) = input.first()
            && !std::mem::replace(&mut self.begun, true)
            && !is_record_type(first)
        {
            self.end = Some(TlsEnd::Failed(TlsFailure::PlainText));
        }
        let mut rest = input;
        while !rest.is_empty() && self.end.is_none() {
            let taken = match record_bytes(rest) {
                Some(bytes) if self.held.is_none() && bytes <= rest.len() => {
                    self.take_whole(&mut rest[..bytes], plain);
                    bytes
                }
                _ => self.gather(rest, plain),
            };
            rest = &mut rest[taken..];
        }
    }

    /// A record that is all there.
    fn take_whole(&mut self, record: &mut [u8], plain: &mut Vec<u8>) {
        let used = self.process(record, plain);
        if used < record.len() && self.end.is_none() {
            // A handshake message goes on in the next record.
            let mut held = self.pool.lend();
            held.bytes.extend_from_slice(&record[used..]);
            self.record_at = held.bytes.len();
            self.held = Some(held);
        }
    }

    /// Adds to the incomplete record, up to its end; gives how much of `input` that took.
    fn gather(&mut self, input: &[u8], plain: &mut Vec<u8>) -> usize {
        let mut held = self.held.take().unwrap_or_else(|| self.pool.lend());
        let record = &held.bytes[self.record_at..];
        let missing = record_bytes(record).unwrap_or(HEADER_BYTES) - record.len();
        if held.bytes.len() + missing > HELD_BYTES_MAX {
            self.end = Some(TlsEnd::Failed(TlsFailure::Broken));
            return input.len();
        }
        let taken = missing.min(input.len());
        held.bytes.reserve_exact(missing);
        held.bytes.extend_from_slice(&input[..taken]);
        let record = &held.bytes[self.record_at..];
        if record_bytes(record) == Some(record.len()) {
            let used = self.process(&mut held.bytes, plain);
            held.bytes.drain(..used);
            self.record_at = held.bytes.len();
        }
        if !held.bytes.is_empty() && self.end.is_none() {
            self.held = Some(held);
        }
        taken
    }

    /// Gives how much of `records` is done with; the rest must come again, in front of what follows.
    fn process(&mut self, records: &mut [u8], plain: &mut Vec<u8>) -> usize {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut records[used..]);
            used += discard;
            match state {
                // What came before it is valid.
                Err(e) => {
                    self.end = Some(TlsEnd::Failed(reason(&e)));
                    self.take_alert();
                    return used;
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        plain.extend_from_slice(record.payload);
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.output),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.end = self.end.or(Some(TlsEnd::Closed)),
                _ => return used,
            }
        }
    }

    /// Why we end, for the peer. Records must not be looked at again: rustls would fail once more, or not find them.
    fn take_alert(&mut self) {
        while self.connection.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.connection.process_tls_records(&mut []).state
        {
            encode(&mut data, &mut self.output);
        }
    }

    /// The same without anything new: rustls wants to see again what it has of a handshake message.
    fn look_again(&mut self) {
        let mut held = self.held.take();
        let bytes = held.as_mut().map_or(&mut [][..], |held| &mut held.bytes);
        let used = self.process(bytes, &mut Vec::new());
        debug_assert_eq!(used, 0, "done with bytes that were looked at before");
        self.held = held;
    }

    /// Bytes wait to be sent: a flight of the handshake, an answer to a key update, an alert.
    pub fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Appends all that waits to be sent.
    pub fn take_output(&mut self, output: &mut Vec<u8>) {
        // Its memory goes, too: flights are rare.
        output.extend_from_slice(&std::mem::take(&mut self.output));
    }

    /// Appends the records of `plain`, behind all that waits to be sent. The handshake must be done.
    pub fn encrypt(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        assert!(!self.is_handshaking(), "application data during the handshake");
        self.look_again();
        self.take_output(output);
        let at = output.len();
        let mut room = plain.len() + plain.len().div_ceil(FRAGMENT_BYTES) * RECORD_EXTRA_BYTES;
        loop {
            output.resize(at + room, 0);
            match self.with_traffic(|traffic| traffic.encrypt(plain, &mut output[at..])) {
                Some(Ok(written)) => return output.truncate(at + written),
                Some(Err(EncryptError::InsufficientSize(needed))) => room = needed.required_size,
                // After 2^24 records and more, where TLS 1.2 cannot change its keys.
                Some(Err(EncryptError::EncryptExhausted)) | None => {
                    self.end = Some(TlsEnd::Failed(TlsFailure::Broken));
                    return output.truncate(at);
                }
            }
        }
    }

    /// `None`: nothing can be sent any more.
    fn with_traffic<R>(
        &mut self,
        write: impl FnOnce(&mut WriteTraffic<'_, ClientConnectionData>) -> R,
    ) -> Option<R> {
        let bytes = self.held.as_mut().map_or(&mut [][..], |held| &mut held.bytes);
        match self.connection.process_tls_records(bytes).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => Some(write(&mut traffic)),
            _ => None,
        }
    }

    /// Appends what the peer should still hear: that no more will come, or why this ends.
    pub fn farewell(&mut self, output: &mut Vec<u8>) {
        if !self.is_handshaking() && !matches!(self.end, Some(TlsEnd::Failed(_))) {
            self.look_again();
            let mut alert = [0; ALERT_BYTES];
            let written = self.with_traffic(|traffic| traffic.queue_close_notify(&mut alert));
            let written = written.and_then(Result::ok).unwrap_or(0);
            self.output.extend_from_slice(&alert[..written]);
        }
        if self.end != Some(TlsEnd::Failed(TlsFailure::PlainText)) {
            self.take_output(output);
        }
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession")
            .field("handshaking", &self.is_handshaking())
            .field("held", &self.held)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

fn encode(data: &mut EncodeTlsData<'_, ClientConnectionData>, output: &mut Vec<u8>) {
    let at = output.len();
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        output.resize(at + needed.required_size, 0);
        data.encode(&mut output[at..])
            .expect("the size that was asked for");
    }
}

/// Of the record that begins here, header included; `None`: its header is not all there. Of one that no TLS peer
/// sends only the header, so that it is refused at once and not waited for.
fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let [kind, major, _, high, low] = *bytes.first_chunk::<HEADER_BYTES>()?;
    let body = usize::from(u16::from_be_bytes([high, low]));
    let possible = is_record_type(kind) && major == 3 && body <= BODY_BYTES_MAX;
    Some(HEADER_BYTES + if possible { body } else { 0 })
}

/// change_cipher_spec, alert, handshake, application_data (RFC 8446 5.1).
fn is_record_type(byte: u8) -> bool {
    (20..=23).contains(&byte)
}
