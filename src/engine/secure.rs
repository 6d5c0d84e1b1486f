//! TLS on a VU's connection: the handshake, what goes out, what comes in, the end. A plain connection passes
//! through unchanged.

use super::core::CoreState;
use super::exchange::{Life, Session};
use super::response::Progress;
use crate::metrics::{Outcome, TlsFailure};
use crate::net::{Chunk, ConnId, Net, Received, Signal, clock};
use crate::tls::{TlsEnd, TlsSession};
use crate::units::Nanos;

impl Session {
    /// The handshake on a new connection, if the target speaks TLS. After an error the connection is closed.
    pub(super) async fn secure(
        &mut self,
        core: &CoreState,
        conn: ConnId,
        deadline: Nanos,
        life: &mut Life,
    ) -> Result<(), Outcome> {
        let Some(target) = &core.options.tls[usize::from(self.endpoint)] else {
            return Ok(());
        };
        let begun = clock::monotonic();
        core.net.begin_handshake();
        let user = self.user.get_or_insert_with(|| Box::new(target.for_user()));
        let new = TlsSession::new(user, &core.tls_pool).map_err(|reason| failed(core, reason));
        let done = match new {
            Ok(new) => self.handshake(core, new, conn, deadline).await,
            Err(outcome) => Err(outcome),
        };
        core.net.end_handshake();
        let took = clock::monotonic() - begun;
        life.connecting += took;
        match done {
            Ok(resumed) => {
                let mut recorder = core.recorder.borrow_mut();
                recorder.tls(life.series, took);
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

    /// Whether an earlier session was resumed. The client's last flight of TLS 1.3 is left to go out with the
    /// request.
    async fn handshake(
        &mut self,
        core: &CoreState,
        new: TlsSession,
        conn: ConnId,
        deadline: Nanos,
    ) -> Result<bool, Outcome> {
        let tls = self.tls.insert(Box::new(new));
        while tls.is_handshaking() {
            // A send must have gone out before the next one.
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
                        // An answer before the request.
                        None => return Err(Outcome::Malformed),
                        Some(TlsEnd::Closed) => return Err(failed(core, TlsFailure::Closed)),
                        Some(TlsEnd::Failed(reason)) => return Err(failed(core, reason)),
                    }
                }
                Received::Ended(..) | Received::SendFailed(_) => {
                    return Err(failed(core, TlsFailure::Closed));
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
                _ => failed(core, TlsFailure::Closed),
            });
        }
        Ok(resumed)
    }

    /// Appends to `bytes` what `write` writes, encrypted where the connection is.
    pub(super) fn seal(&mut self, core: &CoreState, bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
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

    /// Sends what TLS itself has to answer, a key update, once the request is out.
    pub(super) fn answer(&mut self, core: &CoreState, conn: ConnId, life: &mut Life) {
        let Some(tls) = &mut self.tls else {
            return;
        };
        if !tls.wants_write() || core.net.sending(conn) {
            return;
        }
        life.sent = core.net.sent_at(conn).or(life.sent);
        life.answered = true;
        let mut bytes = core.net.take_spare(conn);
        tls.take_output(&mut bytes);
        // An error here is the ring's, which the next enter reports.
        let _ = core.net.send(conn, bytes);
    }

    /// The kept connection may carry another request. Tickets and key updates that TLS sends between two requests
    /// are read; anything else that came belongs to no request.
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

    /// Sleeps until `until`, or until the task is told to stop. What a peer sends meanwhile is looked at at once, so
    /// that it keeps no buffer from others; a connection that is no longer fit for a request is closed.
    pub async fn rest(&mut self, core: &CoreState, until: Nanos) -> Signal {
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

    /// Another endpoint's turn comes: what this one's server sends until its next use keeps no buffer.
    pub(super) fn put_aside(&mut self, core: &CoreState) {
        let Some(conn) = self.conn else { return };
        match self.is_quiet(core, conn) {
            true => core.net.set_idle(conn, true),
            false => {
                self.close(&core.net);
                self.stale = true;
            }
        }
    }

    /// Its turn has come again.
    pub(super) fn take_up(&mut self, core: &CoreState) {
        if let Some(conn) = self.conn {
            core.net.set_idle(conn, false);
        }
    }

    pub(super) fn tls_end(&self) -> Option<TlsEnd> {
        self.tls.as_ref().and_then(|tls| tls.end())
    }

    /// TLS came to its end before the response did.
    pub(super) fn outcome_of_end(&mut self, core: &CoreState, end: TlsEnd) -> Outcome {
        match end {
            TlsEnd::Closed => self.reader.eof().unwrap_or(Outcome::Reset),
            TlsEnd::Failed(reason) => failed(core, reason),
        }
    }

    /// The peer closed the connection. Under TLS that is no end of a body unless it was announced: anyone on the
    /// way could have cut it (RFC 9112 9.8).
    pub(super) fn outcome_of_eof(&mut self) -> Outcome {
        match self.reader.eof().unwrap_or(Outcome::Reset) {
            Outcome::Ok if self.tls.is_some() => Outcome::Truncated,
            outcome => outcome,
        }
    }

    /// Tells the peer that no more will come, as far as the socket takes it now.
    pub(super) fn farewell(&mut self, net: &Net, conn: ConnId) {
        let Some(mut tls) = self.tls.take() else {
            return;
        };
        if net.sending(conn) || net.is_ended(conn) {
            return;
        }
        let mut bytes = Vec::new();
        tls.farewell(&mut bytes);
        if !bytes.is_empty() {
            // A socket that takes no more, or is gone, is about to be closed anyway.
            let _ = net.send_now(conn, &bytes);
        }
    }
}

/// Decrypts a chunk and reads what it completed, all with one stamp.
pub(super) fn take_sealed(
    core: &CoreState,
    tls: &mut TlsSession,
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

fn failed(core: &CoreState, reason: TlsFailure) -> Outcome {
    core.recorder.borrow_mut().counters().tls_failed(reason);
    Outcome::TlsFailed
}
