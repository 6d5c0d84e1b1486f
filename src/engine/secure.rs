//! Handles TLS on a VU's connection: the handshake, data in both directions, and the end. On a plain connection data
//! passes through unchanged.

use super::core::CoreState;
use super::exchange::{RequestState, VuConnection};
use super::response::Progress;
use crate::metrics::{Cause, Outcome, TlsFailure};
use crate::net::{Chunk, ConnId, Net, Received, Signal, clock};
use crate::tls::{TlsConnection, TlsEnd};
use crate::units::Nanos;

impl VuConnection {
    /// Makes the handshake on a new connection, if the target uses TLS. After an error the connection is closed.
    pub(super) async fn establish_tls(
        &mut self,
        core: &CoreState,
        conn: ConnId,
        deadline: Nanos,
        request: &mut RequestState,
    ) -> Result<(), Outcome> {
        let Some(target) = &core.options.tls[usize::from(self.target)] else {
            return Ok(());
        };
        let start = clock::monotonic();
        core.net.begin_handshake();
        let target = self.tls_target.get_or_insert_with(|| Box::new(target.for_user()));
        let new = TlsConnection::new(target, &core.tls_pool).map_err(|reason| record_failure(core, reason));
        let done = match new {
            Ok(new) => self.handshake(core, new, conn, deadline).await,
            Err(outcome) => Err(outcome),
        };
        core.net.end_handshake();
        let took = clock::monotonic() - start;
        request.connecting += took;
        match done {
            Ok(resumed) => {
                let mut recorder = core.recorder.borrow_mut();
                recorder.tls(request.slot, took);
                let counters = recorder.counters();
                counters.tls_handshakes += 1;
                counters.tls_resumed += u64::from(resumed);
                Ok(())
            }
            Err(outcome) => {
                self.close(&core.net);
                Err(outcome)
            }
        }
    }

    /// Makes the handshake and returns whether an earlier session was resumed. The client's last flight of TLS 1.3 goes
    /// out together with the request.
    async fn handshake(
        &mut self,
        core: &CoreState,
        new: TlsConnection,
        conn: ConnId,
        deadline: Nanos,
    ) -> Result<bool, Outcome> {
        let tls = self.tls.insert(Box::new(new));
        while tls.is_handshaking() {
            // The previous send must be complete before the next one.
            if tls.wants_write() && core.net.flush(self.task, conn, deadline).await {
                let mut bytes = core.net.take_spare(conn);
                tls.take_output(&mut bytes);
                core.net.send(conn, bytes).map_err(|_| Outcome::ClientResource)?;
            }
            match core.net.receive(self.task, conn, deadline).await {
                Received::Data(chunk) => {
                    let mut plain = core.plain_scratch.borrow_mut();
                    plain.clear();
                    chunk.consume_mut(|bytes| tls.feed(bytes, &mut plain));
                    match tls.end() {
                        None if plain.is_empty() => {}
                        // The server answered before the request.
                        None => return Err(Outcome::Malformed),
                        Some(TlsEnd::Closed) => return Err(record_failure(core, TlsFailure::Closed)),
                        Some(TlsEnd::Failed(reason)) => return Err(record_failure(core, reason)),
                    }
                }
                Received::Ended(..) | Received::SendFailed(_) => {
                    return Err(record_failure(core, TlsFailure::Closed));
                }
                Received::Timeout => return Err(Outcome::TimeoutConnect),
                Received::Stopped => return Err(Outcome::Interrupted),
            }
        }
        let resumed = tls.is_resumed();
        if core.net.sending(conn) && !core.net.flush(self.task, conn, deadline).await {
            return Err(match core.net.signal(self.task) {
                Signal::Hard => Outcome::Interrupted,
                _ if core.net.now() >= deadline => Outcome::TimeoutConnect,
                _ => record_failure(core, TlsFailure::Closed),
            });
        }
        Ok(resumed)
    }

    /// Appends the output of `write` to `bytes`, encrypted if the connection uses TLS.
    pub(super) fn encrypt(
        &mut self,
        core: &CoreState,
        bytes: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        match &mut self.tls {
            None => write(bytes),
            Some(tls) => {
                let mut plain = core.plain_scratch.borrow_mut();
                plain.clear();
                write(&mut plain);
                tls.encrypt(&plain, bytes);
            }
        }
    }

    /// Sends output of TLS itself, such as the answer to a key update, once the request is out.
    pub(super) fn send_tls_output(&mut self, core: &CoreState, conn: ConnId, request: &mut RequestState) {
        let Some(tls) = &mut self.tls else {
            return;
        };
        if !tls.wants_write() || core.net.sending(conn) {
            return;
        }
        request.sent = core.net.sent_at(conn).or(request.sent);
        request.tls_output_sent = true;
        let mut bytes = core.net.take_spare(conn);
        tls.take_output(&mut bytes);
        // An error here comes from the ring itself, and the next `enter` reports it.
        let _ = core.net.send(conn, bytes);
    }

    /// Returns true if the kept connection may carry another request. Tickets and key updates that TLS sends between
    /// two requests are read; any other data belongs to no request.
    pub(super) fn is_quiet(&mut self, core: &CoreState, conn: ConnId) -> bool {
        let Some(tls) = &mut self.tls else {
            return !core.net.has_unread(conn);
        };
        let mut plain = core.plain_scratch.borrow_mut();
        while let Some(chunk) = core.net.receive_now(conn) {
            plain.clear();
            chunk.consume_mut(|bytes| tls.feed(bytes, &mut plain));
            if !plain.is_empty() {
                return false;
            }
        }
        tls.end().is_none() && !core.net.is_ended(conn)
    }

    /// Sleeps until `until`, or until the task is told to stop. Data that arrives in the meantime is read at once, so
    /// that it does not occupy a buffer. A connection that can no longer carry a request is closed.
    pub async fn pause_until(&mut self, core: &CoreState, until: Nanos) -> Signal {
        while let Some(conn) = self.conn {
            if let Some(signal) = core.net.sleep_unless_unread(self.task, conn, until).await {
                return signal;
            }
            if !self.is_quiet(core, conn) {
                self.close(&core.net);
                self.stale = true;
            }
        }
        core.net.sleep_until(self.task, until).await
    }

    /// Makes the connection idle when another target's turn comes, so that data from this one occupies no buffer.
    pub(super) fn set_idle(&mut self, core: &CoreState) {
        let Some(conn) = self.conn else { return };
        match self.is_quiet(core, conn) {
            true => core.net.set_idle(conn, true),
            false => {
                self.close(&core.net);
                self.stale = true;
            }
        }
    }

    /// Makes an idle connection ready for the next request.
    pub(super) fn set_active(&mut self, core: &CoreState) {
        if let Some(conn) = self.conn {
            core.net.set_idle(conn, false);
        }
    }

    pub(super) fn tls_end(&self) -> Option<TlsEnd> {
        self.tls.as_ref().and_then(|tls| tls.end())
    }

    /// Returns the outcome of a response whose TLS connection ended before it was complete.
    pub(super) fn outcome_of_end(&mut self, core: &CoreState, end: TlsEnd) -> Outcome {
        match end {
            TlsEnd::Closed => self.reader().eof().unwrap_or(Outcome::Reset),
            TlsEnd::Failed(reason) => record_failure(core, reason),
        }
    }

    /// Returns the outcome when the peer has closed the connection. With TLS this does not end a body unless it was
    /// announced (close_notify), because anyone on the path could have cut it (RFC 9112, 9.8).
    pub(super) fn outcome_of_eof(&mut self) -> Outcome {
        match self.reader().eof().unwrap_or(Outcome::Reset) {
            Outcome::Ok if self.tls.is_some() => {
                self.reader().blame(Cause::NoCloseNotify);
                Outcome::Truncated
            }
            outcome => outcome,
        }
    }

    /// Tells a TLS peer that no more data will come, as far as the socket accepts it now.
    pub(super) fn send_close_notify(&mut self, net: &Net, conn: ConnId) {
        let Some(mut tls) = self.tls.take() else {
            return;
        };
        if net.sending(conn) || net.is_ended(conn) {
            return;
        }
        let mut bytes = Vec::new();
        tls.close(&mut bytes);
        if !bytes.is_empty() {
            // A socket that accepts no more or is already gone is about to be closed anyway.
            let _ = net.send_now(conn, &bytes);
        }
    }
}

/// Decrypts a chunk and reads the records that it completed, all with one stamp.
pub(super) fn read_encrypted(
    core: &CoreState,
    tls: &mut TlsConnection,
    chunk: Chunk<'_>,
    read: impl FnOnce(&[u8]) -> Progress,
) -> Progress {
    let mut plain = core.plain_scratch.borrow_mut();
    plain.clear();
    chunk.consume_mut(|bytes| tls.feed(bytes, &mut plain));
    let progress = if plain.is_empty() {
        Progress::More
    } else {
        read(&plain)
    };
    match progress {
        Progress::Over { outcome, .. } if tls.end().is_some() => Progress::Over {
            outcome,
            reusable: false,
        },
        progress => progress,
    }
}

/// Counts the failure and returns its outcome.
fn record_failure(core: &CoreState, reason: TlsFailure) -> Outcome {
    core.recorder.borrow_mut().counters().tls_failed(reason);
    core.tls_failure.set(Some(reason));
    Outcome::TlsFailed
}
