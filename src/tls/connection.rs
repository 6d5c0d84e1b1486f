//! Drives one TLS connection over the caller's buffers.

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

/// Length of a record header: type, version and length (RFC 8446, 5.1).
const HEADER_BYTES: usize = 5;
/// Longest record body of any version: 2^14, and 2048 for its protection (RFC 5246, 6.2.3).
const BODY_BYTES_MAX: usize = (16 << 10) + 2048;
/// Most bytes that protection adds to a record, header included.
const RECORD_EXTRA_BYTES: usize = 64;
const FRAGMENT_BYTES: usize = 16 << 10;
/// Length of a record with close_notify.
const ALERT_BYTES: usize = 2 + RECORD_EXTRA_BYTES;

/// The reason why no more data comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsEnd {
    /// The peer announced the end (close_notify), so the data is complete.
    Closed,
    Failed(TlsFailure),
}

/// The client's side of a TLS connection. Output of `feed` and `encrypt` is taken with `take_output`.
pub struct TlsConnection {
    connection: UnbufferedClientConnection,
    pool: Pool,
    /// An incomplete record, after the beginning of a handshake message that continues in it.
    held: Option<Lent>,
    /// Offset of the incomplete record in `held`.
    record_at: usize,
    /// Output that waits to be sent: flights of the handshake, key updates, alerts.
    output: Vec<u8>,
    /// The first byte has arrived, which shows whether the peer uses TLS.
    has_first_byte: bool,
    end: Option<TlsEnd>,
}

impl TlsConnection {
    /// Creates the connection, whose first flight then waits in the output.
    pub fn new(target: &TlsTarget, pool: &Pool) -> Result<TlsConnection, TlsFailure> {
        let connection = UnbufferedClientConnection::new(target.config.clone(), target.name.clone());
        let mut connection = TlsConnection {
            connection: connection.map_err(|e| reason(&e))?,
            pool: pool.clone(),
            held: None,
            record_at: 0,
            output: Vec::new(),
            has_first_byte: false,
            end: None,
        };
        connection.process_held();
        Ok(connection)
    }

    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Returns true if the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Returns the size of the buffer that the connection holds now.
    pub fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes.capacity())
    }

    /// Returns why no more data comes; `None` while the connection is open.
    pub fn end(&self) -> Option<TlsEnd> {
        self.end
    }

    /// Takes bytes of the connection, cut anywhere, and appends the plaintext of the records that they complete: at
    /// most as much as one record and `input` contain. Records that are complete in `input` are decrypted in place,
    /// which overwrites it. After the end, input is ignored.
    pub fn feed(&mut self, input: &mut [u8], plain: &mut Vec<u8>) {
        if let Some(&first) = input.first()
            && !std::mem::replace(&mut self.has_first_byte, true)
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

    /// Takes a record that is complete in the input.
    fn take_whole(&mut self, record: &mut [u8], plain: &mut Vec<u8>) {
        let used = self.process(record, plain);
        if used < record.len() && self.end.is_none() {
            // A handshake message continues in the next record.
            let mut held = self.pool.lend();
            held.bytes.extend_from_slice(&record[used..]);
            self.record_at = held.bytes.len();
            self.held = Some(held);
        }
    }

    /// Completes the incomplete record as far as possible. Returns how many bytes of `input` it took.
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

    /// Processes records. Returns how many bytes are finished; the rest must be given again, before the bytes that
    /// follow.
    fn process(&mut self, records: &mut [u8], plain: &mut Vec<u8>) -> usize {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut records[used..]);
            used += discard;
            match state {
                // The plaintext before the error is valid.
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

    /// Takes the alert that tells the peer why we end. Records must not be processed again, because rustls would fail
    /// again or not find them.
    fn take_alert(&mut self) {
        while self.connection.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.connection.process_tls_records(&mut []).state
        {
            encode(&mut data, &mut self.output);
        }
    }

    /// Processes no new bytes, so that rustls reaches its next state. It needs the beginning of a handshake message
    /// again.
    fn process_held(&mut self) {
        let mut held = self.held.take();
        let bytes = held.as_mut().map_or(&mut [][..], |held| &mut held.bytes);
        let used = self.process(bytes, &mut Vec::new());
        debug_assert_eq!(used, 0, "bytes that were processed before are finished only now");
        self.held = held;
    }

    /// Returns true if bytes wait to be sent: a flight of the handshake, an answer to a key update, or an alert.
    pub fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Appends all bytes that wait to be sent.
    pub fn take_output(&mut self, output: &mut Vec<u8>) {
        // This also frees the memory, because flights are rare.
        output.extend_from_slice(&std::mem::take(&mut self.output));
    }

    /// Appends all bytes that wait to be sent, then `plain` in records. The handshake must be complete.
    pub fn encrypt(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        assert!(!self.is_handshaking(), "application data during the handshake");
        self.process_held();
        self.take_output(output);
        let at = output.len();
        let mut room = plain.len() + plain.len().div_ceil(FRAGMENT_BYTES) * RECORD_EXTRA_BYTES;
        loop {
            output.resize(at + room, 0);
            match self.with_traffic(|traffic| traffic.encrypt(plain, &mut output[at..])) {
                Some(Ok(written)) => return output.truncate(at + written),
                Some(Err(EncryptError::InsufficientSize(needed))) => room = needed.required_size,
                // This happens after 2^24 records or more, because TLS 1.2 cannot change its keys.
                Some(Err(EncryptError::EncryptExhausted)) | None => {
                    self.end = Some(TlsEnd::Failed(TlsFailure::Broken));
                    return output.truncate(at);
                }
            }
        }
    }

    /// Calls `write` if data can be sent. Returns `None` if nothing can be sent any more.
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

    /// Appends the last output for the peer: close_notify, or the alert that says why the connection ends.
    pub fn close(&mut self, output: &mut Vec<u8>) {
        if !self.is_handshaking() && !matches!(self.end, Some(TlsEnd::Failed(_))) {
            self.process_held();
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

impl fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnection")
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
            .expect("the output has the required size");
    }
}

/// Returns the length of the record that begins here, header included; `None` if its header is incomplete. For a
/// record that no TLS peer sends, it is the length of the header alone, so that it is refused at once.
fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let [kind, major, _, high, low] = *bytes.first_chunk::<HEADER_BYTES>()?;
    let body = usize::from(u16::from_be_bytes([high, low]));
    let possible = is_record_type(kind) && major == 3 && body <= BODY_BYTES_MAX;
    Some(HEADER_BYTES + if possible { body } else { 0 })
}

/// Returns true for change_cipher_spec, alert, handshake and application_data (RFC 8446, 5.1).
fn is_record_type(byte: u8) -> bool {
    (20..=23).contains(&byte)
}
