//! One request's life: connect if needed, send, read to the end, one outcome.

use super::core::CoreState;
use super::response::{Expected, Progress, ResponseReader, TokenSink};
use super::secure::take_sealed;
use crate::api::find_stamp;
use crate::metrics::{Outcome, Recorder, Sample};
use crate::net::{Chunk, ConnId, ConnectError, Ended, Net, Received, TaskId, clock};
use crate::tls::{TlsEnd, TlsSession, TlsTarget};
use crate::units::Nanos;
use crate::workload::{Draw, Timeouts, encode_request};

/// A VU's connection to one endpoint and what reads it.
pub struct Session {
    pub(super) task: TaskId,
    vu: u32,
    pub(super) endpoint: u16,
    pub(super) conn: Option<ConnId>,
    /// Where the target speaks TLS: of `conn`, and the target with what this user may resume.
    pub(super) tls: Option<Box<TlsSession>>,
    pub(super) user: Option<Box<TlsTarget>>,
    /// The connection ended while nobody used it, and was closed.
    pub(super) stale: bool,
    pub(super) reader: ResponseReader,
    /// Counts connects, so that a target's addresses are used in turn.
    connects: u32,
}

/// How one try on one connection ended.
pub(super) enum Tried {
    Over(Outcome, Nanos),
    /// A reused connection closed or reset before any response byte: not the server's answer.
    Stale,
}

/// What is collected for the sample while the request lives.
pub(super) struct Life {
    pub series: u16,
    due: Nanos,
    /// Spent connecting, TLS included, all tries together.
    pub connecting: Nanos,
    pub sent: Option<Nanos>,
    /// TLS has sent something of its own since the request: `sent` stays as it is.
    pub answered: bool,
}

impl Session {
    pub fn new(task: TaskId, vu: u32, endpoint: u16) -> Session {
        Session {
            task,
            vu,
            endpoint,
            conn: None,
            tls: None,
            user: None,
            stale: false,
            reader: ResponseReader::new(),
            connects: 0,
        }
    }

    pub fn close(&mut self, net: &Net) {
        if let Some(conn) = self.conn.take() {
            self.farewell(net, conn);
            net.close(conn);
        }
    }

    /// Sends the request that `draw` says and records its sample; gives the outcome.
    pub async fn request(&mut self, core: &CoreState, draw: &Draw, iteration: u64, due: Nanos) -> Outcome {
        let series = draw.kind;
        debug_assert_eq!(
            core.plan.workload.kinds[usize::from(series)].endpoint,
            self.endpoint
        );
        core.recorder.borrow_mut().started(series);
        let mut life = Life {
            series,
            due,
            connecting: 0,
            sent: None,
            answered: false,
        };
        let (outcome, done) = self.attempts(core, draw, &mut life).await;
        core.net.clear_limit(self.task);
        self.record(core, &life, outcome, done, iteration);
        self.reader.release();
        outcome
    }

    async fn attempts(&mut self, core: &CoreState, draw: &Draw, life: &mut Life) -> (Outcome, Nanos) {
        let kind = &core.plan.workload.kinds[usize::from(draw.kind)];
        let api = core.targets[usize::from(self.endpoint)].api;
        let expected = match kind.call.stream() {
            Some(true) => Expected::Stream(api),
            Some(false) => Expected::Whole(api),
            None => Expected::Light,
        };
        loop {
            self.reader.begin(expected);
            let (conn, reused) = match self.connection(core, &kind.timeouts, life).await {
                Ok(found) => found,
                Err(outcome) => return (outcome, clock::monotonic()),
            };
            let bytes = {
                let mut bytes = core.net.take_spare(conn);
                let mut body = core.body_scratch.borrow_mut();
                let (plan, endpoint) = (&core.plan.workload, self.endpoint);
                self.seal(core, &mut bytes, |out| {
                    let target = &core.targets[usize::from(endpoint)];
                    encode_request(out, &mut body, target, plan, draw);
                });
                bytes
            };
            life.answered = false;
            if core.net.send(conn, bytes).is_err() {
                self.close(&core.net);
                return (Outcome::ClientResource, clock::monotonic());
            }
            let tried = self.read_response(core, conn, reused, &kind.timeouts, life).await;
            match tried {
                Tried::Over(outcome, done) => return (outcome, done),
                Tried::Stale => {
                    self.close(&core.net);
                    core.recorder.borrow_mut().counters().stale_reconnects += 1;
                }
            }
        }
    }

    /// The kept connection if it is still good, else a new one; and whether it was used before.
    async fn connection(
        &mut self,
        core: &CoreState,
        timeouts: &Timeouts,
        life: &mut Life,
    ) -> Result<(ConnId, bool), Outcome> {
        if let Some(conn) = self.conn {
            if self.is_quiet(core, conn) {
                return Ok((conn, true));
            }
            // Closed while idle, or bytes that belong to no request: not to be used again.
            self.close(&core.net);
            self.stale = true;
        }
        if std::mem::take(&mut self.stale) {
            core.recorder.borrow_mut().counters().stale_reconnects += 1;
        }
        let turn = self.vu as usize + self.connects as usize;
        let address = core.address(self.endpoint, turn);
        self.connects = self.connects.wrapping_add(1);
        let begun = clock::monotonic();
        let total = life.due + timeouts.total;
        let deadline = timeouts.connect.map_or(total, |t| total.min(begun + t));
        match core.net.connect(self.task, address, deadline).await {
            Ok((conn, took)) => {
                self.conn = Some(conn);
                life.connecting += took;
                core.recorder.borrow_mut().connect(life.series, took);
                if core.options.tls[usize::from(self.endpoint)].is_some() {
                    // Boxed: or each plain user's task would carry 9 KiB of handshake (scripts/many-users.sh).
                    Box::pin(self.secure(core, conn, deadline, life)).await?;
                }
                Ok((conn, false))
            }
            Err(ConnectError::Failed(_)) => Err(Outcome::ConnectFailed),
            Err(ConnectError::Resource(_)) => Err(Outcome::ClientResource),
            Err(ConnectError::Timeout) => Err(Outcome::TimeoutConnect),
            Err(ConnectError::Stopped) => Err(Outcome::Interrupted),
        }
    }

    async fn read_response(
        &mut self,
        core: &CoreState,
        conn: ConnId,
        reused: bool,
        timeouts: &Timeouts,
        life: &mut Life,
    ) -> Tried {
        let begun = clock::monotonic();
        loop {
            let deadline = self.deadline(timeouts, life.due, begun);
            let received = core.net.receive(self.task, conn, deadline).await;
            if !life.answered && (life.sent.is_none() || self.reader.arrivals.first_byte.is_none()) {
                life.sent = core.net.sent_at(conn);
            }
            let untouched = self.reader.arrivals.first_byte.is_none();
            let arrived = match &received {
                Received::Data(chunk) => chunk.stamp,
                _ => 0,
            };
            let (outcome, done) = match received {
                Received::Data(chunk) => match self.take(core, chunk, life) {
                    Progress::More => match self.tls_end() {
                        None => {
                            self.answer(core, conn, life);
                            continue;
                        }
                        Some(TlsEnd::Closed) if untouched && reused => return Tried::Stale,
                        Some(end) => (self.outcome_of_end(core, end), arrived),
                    },
                    Progress::Over { outcome, reusable } => {
                        // An answer before the request was out leaves the connection in between two requests.
                        if !reusable || core.net.sending(conn) {
                            self.close(&core.net);
                        }
                        return Tried::Over(outcome, self.reader.arrivals.last);
                    }
                },
                Received::Ended(_, _) | Received::SendFailed(_) if untouched && reused => {
                    return Tried::Stale;
                }
                Received::Ended(Ended::Eof, at) => (self.outcome_of_eof(), at),
                Received::Ended(Ended::Error(errno), at) => (broken(errno), at),
                Received::SendFailed(errno) => (broken(errno), clock::monotonic()),
                Received::Timeout => {
                    let now = clock::monotonic();
                    (self.timed_out(timeouts, life.due, begun, now), now)
                }
                Received::Stopped => (Outcome::Interrupted, clock::monotonic()),
            };
            self.close(&core.net);
            return Tried::Over(outcome, done);
        }
    }

    /// Reads a chunk; everything that is counted per read is counted here.
    fn take(&mut self, core: &CoreState, chunk: Chunk<'_>, life: &Life) -> Progress {
        // The one place that says when bytes arrived: not before the request went out, nor before the read before
        // them. The kernel stamps by the wall clock, which may be set meanwhile.
        let earliest = life.sent.unwrap_or(life.due).max(self.reader.arrivals.last);
        let arrived = chunk.stamp.max(earliest);
        let mut recorder = core.recorder.borrow_mut();
        if chunk.kernel_stamped {
            recorder.reap_lag(chunk.reaped.saturating_sub(chunk.stamp));
        }
        let mut sink = RecorderSink {
            recorder: &mut recorder,
            series: life.series,
            coalesced: false,
            verify: core.options.verify_stamps,
        };
        let reader = &mut self.reader;
        let progress = match &mut self.tls {
            None => chunk.consume(|bytes| reader.read(bytes, arrived, &mut sink)),
            Some(tls) => {
                let read = |plain: &[u8]| reader.read(plain, arrived, &mut sink);
                take_sealed(core, tls, chunk, read)
            }
        };
        if sink.coalesced {
            core.net.note_coalesced();
        }
        progress
    }

    fn deadline(&self, timeouts: &Timeouts, due: Nanos, begun: Nanos) -> Nanos {
        let mut deadline = due + timeouts.total;
        if let Some(t) = timeouts.first_token
            && self.reader.awaits_token()
        {
            deadline = deadline.min(begun + t);
        }
        if let Some(t) = timeouts.idle {
            deadline = deadline.min(begun.max(self.reader.arrivals.last) + t);
        }
        deadline
    }

    fn timed_out(&self, timeouts: &Timeouts, due: Nanos, begun: Nanos, now: Nanos) -> Outcome {
        if now >= due + timeouts.total {
            return Outcome::TimeoutTotal;
        }
        match timeouts.first_token {
            Some(t) if self.reader.awaits_token() && now >= begun + t => Outcome::TimeoutFirstToken,
            _ => Outcome::TimeoutIdle,
        }
    }

    fn record(&self, core: &CoreState, life: &Life, outcome: Outcome, done: Nanos, iteration: u64) {
        #[cfg(debug_assertions)]
        if super::sabotage::loses(self.vu, iteration) {
            return;
        }
        let arrivals = self.reader.arrivals;
        let (output_tokens, token_source) = self.reader.output_tokens();
        let times = self.reader.server_times();
        let lag = life
            .sent
            .map_or(0, |sent| sent.saturating_sub(life.due + life.connecting));
        let sample = Sample {
            vu: self.vu,
            iteration,
            series: life.series,
            outcome,
            status: self.reader.status,
            due: life.due,
            sent: life.sent,
            first_byte: arrivals.first_byte,
            first_event: arrivals.first_event,
            first_token: arrivals.first_token,
            last_token: arrivals.last_token,
            done: done.max(arrivals.last).max(life.sent.unwrap_or(life.due)),
            schedule_lag: lag,
            output_tokens,
            token_source,
            server_prompt: times.prompt,
            server_decode: times.decode,
        };
        core.recorder.borrow_mut().finish(&sample);
    }
}

/// The connection broke with this errno.
fn broken(errno: i32) -> Outcome {
    match errno {
        libc::ETIMEDOUT => Outcome::TimeoutIdle,
        libc::ENOBUFS | libc::ENOMEM => Outcome::ClientResource,
        _ => Outcome::Reset,
    }
}

struct RecorderSink<'a> {
    recorder: &'a mut Recorder,
    series: u16,
    coalesced: bool,
    verify: bool,
}

impl TokenSink for RecorderSink<'_> {
    fn gap(&mut self, gap: Nanos) {
        self.recorder.gap(self.series, gap);
    }

    fn coalesced(&mut self) {
        self.coalesced = true;
        self.recorder.counters().coalesced_events += 1;
    }

    fn token(&mut self, data: &[u8], arrived: Nanos) {
        self.recorder.counters().token_events += 1;
        if self.verify
            && let Some(sent) = find_stamp(data)
        {
            self.recorder.stamp_lag(arrived.saturating_sub(sent));
        }
    }
}
