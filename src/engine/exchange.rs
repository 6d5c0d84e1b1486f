//! Carries out one request: connects if needed, sends, reads the response to its end, and records one outcome.

use super::core::CoreState;
use super::finished::{self, Asked};
use super::limits::Limits;
use super::memory::Held;
use super::planned::Planned;
use super::response::{Expected, Progress, ResponseReader, TokenSink};
use super::secure::read_encrypted;
use super::traffic::Noted;
use super::witness::Witness;
use crate::metrics::{AskedTokens, NumberedBy, Outcome, Place, Recorder, RequestId, Sample};
use crate::net::{Chunk, ConnId, ConnectError, Ended, Net, Received, TaskId, clock};
use crate::tls::{TlsConnection, TlsEnd, TlsTarget};
use crate::units::Nanos;
use crate::workload::{Cut, Draw, Timeouts, Turn, encode_request};

/// A VU's connection to one target, with the reader of its responses.
pub struct VuConnection {
    pub(super) task: TaskId,
    vu: u32,
    pub(super) target: u16,
    pub(super) conn: Option<ConnId>,
    /// The TLS state of `conn`, if the target uses TLS.
    pub(super) tls: Option<Box<TlsConnection>>,
    /// The target with the TLS connections that this user may resume.
    pub(super) tls_target: Option<Box<TlsTarget>>,
    /// The connection ended while it was not in use, and was closed.
    pub(super) stale: bool,
    pub(super) reader: ResponseReader,
    /// The gaps between the tokens of the answer, if they are kept.
    gaps: Vec<Nanos>,
    /// What the server says about the answer, with `--verify-stamps`.
    witness: Option<Witness>,
    /// Its share of the memory for unfinished answers.
    held: Held,
    /// Number of connects so far, so that a target's addresses are used in turn.
    connects: u32,
}

/// The result of one attempt on one connection.
pub(super) enum Attempt {
    Finished(Outcome, Nanos),
    /// A reused connection was closed or reset before any response byte, which is not an answer of the server.
    Stale,
}

/// Facts for the sample, collected while the request is in flight.
pub(super) struct RequestState {
    series: u16,
    /// Where its figures go ([`Recorder::slot`]).
    pub slot: u16,
    due: Nanos,
    ready: Nanos,
    /// Time spent on connecting, TLS included, over all attempts.
    pub connecting: Nanos,
    pub sent: Option<Nanos>,
    cut: Option<Cut>,
    asked: AskedTokens,
    /// TLS has sent output of its own since the request, so `sent` must stay as it is.
    pub tls_output_sent: bool,
    /// What this core's account of its traffic has of the request.
    noted: Noted,
    id: RequestId,
}

impl RequestState {
    fn new(series: u16, slot: u16, planned: &Planned, by: NumberedBy) -> RequestState {
        RequestState {
            series,
            slot,
            due: planned.due,
            ready: planned.ready,
            connecting: 0,
            sent: None,
            cut: planned.cut,
            asked: AskedTokens::default(),
            tls_output_sent: false,
            noted: Noted::Nothing,
            id: RequestId {
                by,
                iteration: planned.iteration,
                half: planned.half,
                turn: planned.turn,
            },
        }
    }
}

impl VuConnection {
    pub fn new(task: TaskId, vu: u32, target: u16) -> VuConnection {
        VuConnection {
            task,
            vu,
            target,
            conn: None,
            tls: None,
            tls_target: None,
            stale: false,
            reader: ResponseReader::new(),
            gaps: Vec::new(),
            witness: None,
            held: Held::default(),
            connects: 0,
        }
    }

    pub fn close(&mut self, net: &Net) {
        if let Some(conn) = self.conn.take() {
            self.send_close_notify(net, conn);
            net.close(conn);
        }
    }

    /// Sends the request that `draw` describes, with what was said before it if it is a turn of a conversation, records
    /// its sample and returns it.
    pub async fn request(
        &mut self,
        core: &CoreState,
        (draw, turn): (&Draw, Option<&Turn<'_>>),
        planned: Planned,
    ) -> Sample {
        debug_assert_eq!(
            core.plan.workload.kinds[usize::from(draw.kind)].server,
            self.target
        );
        let series = core.series_of(draw.kind, planned.due);
        let slot = {
            let mut recorder = core.recorder.borrow_mut();
            let slot = recorder.slot(series, planned.due);
            recorder.started(slot);
            if core.plan.executor.open_loop().is_some() {
                recorder.arrived(slot, planned.due);
            }
            slot
        };
        let mut request = RequestState::new(series, slot, &planned, core.numbered_by(self.vu, draw.kind));
        let api = core.targets[usize::from(self.target)].api;
        request.asked = core.plan.workload.asked(draw, api, 1);
        let (outcome, done) = self.attempts(core, (draw, turn), &mut request).await;
        core.net.clear_limit(self.task);
        if core.plan.connection.is_per_request() {
            self.close(&core.net);
        }
        let sample = self.record(core, &request, outcome, done, &planned);
        self.reader.release();
        self.has_memory(core);
        sample
    }

    /// Counts the memory that the connection holds. Returns false if all connections together hold too much.
    fn has_memory(&mut self, core: &CoreState) -> bool {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held_bytes());
        let gaps = self.gaps.capacity() * size_of::<Nanos>();
        self.held.set(&core.memory, self.reader.held_bytes() + tls + gaps)
    }

    async fn attempts(
        &mut self,
        core: &CoreState,
        (draw, turn): (&Draw, Option<&Turn<'_>>),
        request: &mut RequestState,
    ) -> (Outcome, Nanos) {
        let kind = &core.plan.workload.kinds[usize::from(draw.kind)];
        let api = core.targets[usize::from(self.target)].api;
        let expected = match kind.call.stream() {
            Some(true) if api.row().streams() => Expected::Stream(api),
            Some(_) => Expected::Whole(api),
            None => Expected::Light,
        };
        loop {
            self.reader.begin(expected);
            self.gaps.clear();
            self.reader.cut_at_token(request.cut);
            self.witness = None;
            let (conn, reused) = match self.connection(core, &kind.timeouts, request).await {
                Ok(found) => found,
                Err(outcome) => return (outcome, clock::monotonic()),
            };
            let (bytes, answers) = {
                let mut bytes = core.net.take_spare(conn);
                let mut answers = 1;
                let mut body = core.body_scratch.borrow_mut();
                let (plan, target) = (&core.plan.workload, self.target);
                let id = core.sent_id(request.id);
                self.encrypt(core, &mut bytes, |out| {
                    let target = &core.targets[usize::from(target)];
                    answers = encode_request(out, &mut body, target, plan, (draw, turn), id.as_ref());
                });
                (bytes, answers)
            };
            self.reader.expect_answers(answers);
            request.asked = core.plan.workload.asked(draw, api, answers);
            request.tls_output_sent = false;
            if core.net.send(conn, bytes).is_err() {
                self.close(&core.net);
                return (Outcome::ClientResource, clock::monotonic());
            }
            core.traffic.sent(self.target, &mut request.noted);
            let attempt = self
                .read_response(core, conn, reused, &kind.timeouts, request)
                .await;
            match attempt {
                Attempt::Finished(outcome, done) => return (outcome, done),
                Attempt::Stale => {
                    self.close(&core.net);
                    core.recorder.borrow_mut().counters().stale_reconnects += 1;
                }
            }
        }
    }

    /// Connects again if the server has closed the connection while it was idle, before the next turn of a session goes
    /// out. The turn is then due when the new connection stands: that servers close idle connections is no part of how
    /// fast they answer. Without success the turn is due when it was, and makes its own attempt.
    pub async fn replace_stale(&mut self, core: &CoreState, draw: &Draw, planned: &mut Planned) {
        let is_usable = match self.conn {
            Some(conn) => self.is_quiet(core, conn),
            None => !self.stale,
        };
        if is_usable {
            return;
        }
        let series = core.series_of(draw.kind, planned.due);
        let slot = core.recorder.borrow().slot(series, planned.due);
        let mut request = RequestState::new(series, slot, planned, core.numbered_by(self.vu, draw.kind));
        let timeouts = &core.plan.workload.kinds[usize::from(draw.kind)].timeouts;
        if self.connection(core, timeouts, &mut request).await.is_ok() {
            planned.due = clock::monotonic();
            planned.ready = planned.due;
        }
        core.net.clear_limit(self.task);
    }

    /// Returns the kept connection if it is still usable, or a new one; and whether it was used before.
    async fn connection(
        &mut self,
        core: &CoreState,
        timeouts: &Timeouts,
        request: &mut RequestState,
    ) -> Result<(ConnId, bool), Outcome> {
        if let Some(conn) = self.conn {
            if self.is_quiet(core, conn) {
                return Ok((conn, true));
            }
            // It was closed while idle, or has bytes that belong to no request, so it must not be used again.
            self.close(&core.net);
            self.stale = true;
        }
        if std::mem::take(&mut self.stale) {
            core.recorder.borrow_mut().counters().stale_reconnects += 1;
        }
        let route = core.route(self.target, self.vu, self.connects);
        self.connects = self.connects.wrapping_add(1);
        let total = request.ready + timeouts.total;
        match core.net.connect(self.task, route, total, timeouts.connect).await {
            Ok((conn, took)) => {
                let begun = clock::monotonic() - took;
                let deadline = timeouts.connect.map_or(total, |t| total.min(begun + t));
                self.conn = Some(conn);
                request.connecting += took;
                core.recorder.borrow_mut().connect(request.slot, took);
                if core.options.tls[usize::from(self.target)].is_some() {
                    // Boxed because each user's task would otherwise hold 9 KiB for a handshake, even without TLS
                    // (scripts/many-users.sh).
                    Box::pin(self.establish_tls(core, conn, deadline, request)).await?;
                }
                Ok((conn, false))
            }
            Err(ConnectError::Failed(errno)) => {
                self.reader.instead(Place::Errno(errno));
                Err(Outcome::ConnectFailed)
            }
            Err(ConnectError::Resource(errno)) => {
                self.reader.instead(Place::Errno(errno));
                Err(Outcome::ClientResource)
            }
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
        request: &mut RequestState,
    ) -> Attempt {
        let start = clock::monotonic();
        let limits = Limits::new(timeouts, request.ready, start, request.cut);
        loop {
            let deadline = limits.deadline(&self.reader);
            let received = core.net.receive(self.task, conn, deadline).await;
            if !request.tls_output_sent
                && (request.sent.is_none() || self.reader.arrivals.first_byte.is_none())
            {
                request.sent = core.net.sent_at(conn);
            }
            let untouched = self.reader.arrivals.first_byte.is_none();
            let arrived = match &received {
                Received::Data(chunk) => chunk.stamp,
                _ => 0,
            };
            let (outcome, done) = match received {
                Received::Data(chunk) => match self.read_chunk(core, chunk, request) {
                    Progress::More if !self.has_memory(core) => {
                        self.reader.instead(Place::Memory(core.memory.max() as u64));
                        (self.reader.refusal().unwrap_or(Outcome::TooLarge), arrived)
                    }
                    Progress::More if limits.have_passed(&self.reader) => {
                        let last = self.reader.arrivals.last;
                        (limits.outcome(&self.reader, last), last)
                    }
                    Progress::More => match self.tls_end() {
                        None => {
                            self.send_tls_output(core, conn, request);
                            continue;
                        }
                        Some(TlsEnd::Closed) if untouched && reused => return Attempt::Stale,
                        Some(end) => (self.outcome_of_end(core, end), arrived),
                    },
                    Progress::Over { outcome, reusable } => {
                        let outcome = limits.of_answer(&self.reader, outcome);
                        // After an answer that came before the request was out, part of the request is still to be
                        // sent.
                        if !reusable || core.net.sending(conn) {
                            self.close(&core.net);
                        }
                        return Attempt::Finished(outcome, self.reader.arrivals.last);
                    }
                },
                Received::Ended(_, _) | Received::SendFailed(_) if untouched && reused => {
                    return Attempt::Stale;
                }
                Received::Ended(Ended::Eof, at) => (self.outcome_of_eof(), at),
                Received::Ended(Ended::Error(errno), at) => (self.broken(errno), at),
                Received::SendFailed(errno) => (self.broken(errno), clock::monotonic()),
                Received::Timeout => {
                    let now = clock::monotonic();
                    (limits.outcome(&self.reader, now), now)
                }
                Received::Stopped => (Outcome::Interrupted, clock::monotonic()),
            };
            self.close(&core.net);
            return Attempt::Finished(outcome, done);
        }
    }

    /// Reads a chunk, and counts everything that is counted per read.
    fn read_chunk(&mut self, core: &CoreState, chunk: Chunk<'_>, request: &mut RequestState) -> Progress {
        // This is the only place that decides when bytes arrived: not before the request went out, and not before
        // the previous read. The kernel's stamps use the wall clock, which may have been set in the meantime.
        let earliest = request.sent.unwrap_or(request.due).max(self.reader.arrivals.last);
        let arrived = chunk.stamp.max(earliest);
        let mut recorder = core.recorder.borrow_mut();
        recorder.reap_lag(chunk.lag());
        let mut sink = RecorderSink {
            recorder: &mut recorder,
            slot: request.slot,
            coalesced: false,
            gaps: core.options.gaps.then_some(&mut self.gaps),
            witness: core.options.verify_stamps.then_some(&mut self.witness),
        };
        let reader = &mut self.reader;
        let progress = match &mut self.tls {
            None => chunk.consume(|bytes| reader.read(bytes, arrived, &mut sink)),
            Some(tls) => {
                let read = |plain: &[u8]| reader.read(plain, arrived, &mut sink);
                read_encrypted(core, tls, chunk, read)
            }
        };
        if sink.coalesced {
            core.net.note_coalesced();
        }
        if self.reader.arrivals.first_token.is_some() {
            core.traffic.answering(self.target, &mut request.noted);
        }
        progress
    }

    /// The connection broke with this errno. What the status had decided by then stays decided.
    fn broken(&mut self, errno: i32) -> Outcome {
        let outcome = match finished::outcome_of_errno(errno) {
            Outcome::Reset => self.reader.refusal().unwrap_or(Outcome::Reset),
            outcome => outcome,
        };
        if self.reader.arrivals.first_byte.is_none() {
            self.reader.instead(Place::Errno(errno));
        }
        outcome
    }

    fn record(
        &self,
        core: &CoreState,
        request: &RequestState,
        outcome: Outcome,
        done: Nanos,
        planned: &Planned,
    ) -> Sample {
        let asked = Asked {
            vu: self.vu,
            iteration: planned.iteration,
            series: request.series,
            half: planned.half,
            turn: planned.turn,
            due: request.due,
            ready: request.ready,
            connecting: request.connecting,
            sent: request.sent,
            chosen_to_cancel: request.cut.is_some(),
            tokens: request.asked,
        };
        let mut sample = finished::sample(&asked, &self.reader, outcome, done);
        finished::hide_secrets(&mut sample, &core.options.masks);
        let wait = request.ready.saturating_sub(request.due);
        sample.queue_wait = core.may_queue().then_some(wait);
        let kind = core.kind_of(request.series);
        sample.good = kind.goodput.judge(&sample, kind.call.stream() == Some(true));
        core.traffic.ended(self.target, request.noted, outcome);
        #[cfg(debug_assertions)]
        if super::sabotage::loses(self.vu, planned.iteration) {
            return sample;
        }
        let mut recorder = core.recorder.borrow_mut();
        recorder.finish_with_gaps(&sample, &self.gaps);
        if let Some(witness) = &self.witness {
            witness.judge(&sample, request.connecting, &mut recorder);
        }
        if outcome.is_failure() {
            let mut evidence = self.reader.evidence();
            if let Some(reason) = core.tls_failure.take().filter(|_| outcome == Outcome::TlsFailed) {
                evidence.place = Place::Tls(reason);
            }
            recorder.show_failure(self.target, &sample, &evidence);
        }
        drop(recorder);
        core.send_details();
        sample
    }
}

struct RecorderSink<'a> {
    recorder: &'a mut Recorder,
    slot: u16,
    coalesced: bool,
    gaps: Option<&'a mut Vec<Nanos>>,
    witness: Option<&'a mut Option<Witness>>,
}

impl TokenSink for RecorderSink<'_> {
    fn gap(&mut self, gap: Nanos) {
        self.recorder.gap(self.slot, gap);
        if let Some(gaps) = &mut self.gaps {
            gaps.push(gap);
        }
    }

    fn coalesced(&mut self) {
        self.coalesced = true;
        self.recorder.counters().coalesced_events += 1;
    }

    fn token(&mut self, data: &[u8], arrived: Nanos) {
        self.recorder.counters().token_events += 1;
        if let Some(witness) = &mut self.witness {
            Witness::hear(witness, data, arrived, self.recorder);
        }
    }
}
