//! Carries out one request: connects if needed, sends, reads the response to its end, and records one outcome.

use super::core::CoreState;
use super::finished::{self, Asked};
use super::limits::Limits;
use super::planned::Planned;
use super::reading::{Ending, Reading};
use super::response::{Expected, ResponseReader};
use super::traffic::Noted;
use crate::metrics::{AskedTokens, NumberedBy, Outcome, Place, RequestId, Sample};
use crate::net::{ConnId, ConnectError, Ended, Net, Received, TaskId, clock};
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
    /// `None` while it is lent to the loop.
    reading: Option<Box<Reading>>,
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
#[derive(Clone, Copy)]
pub(super) struct RequestState {
    pub target: u16,
    series: u16,
    /// Where its figures go ([`crate::metrics::Recorder::slot`]).
    pub slot: u16,
    pub due: Nanos,
    ready: Nanos,
    /// Time spent on connecting, TLS included, over all attempts.
    pub connecting: Nanos,
    pub sent: Option<Nanos>,
    cut: Option<Cut>,
    asked: AskedTokens,
    /// TLS has sent output of its own since the request, so `sent` must stay as it is.
    pub tls_output_sent: bool,
    /// What this core's account of its traffic has of the request.
    pub noted: Noted,
    pub id: RequestId,
}

impl RequestState {
    fn new(target: u16, (series, slot): (u16, u16), planned: &Planned, by: NumberedBy) -> RequestState {
        RequestState {
            target,
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
            reading: Some(Box::new(Reading::new())),
            connects: 0,
        }
    }

    /// Returns the reader of the connection's answers, and what decrypts them.
    fn parts(&mut self) -> (&mut Reading, Option<&mut TlsConnection>) {
        match &mut self.reading {
            Some(reading) => (reading, self.tls.as_deref_mut()),
            None => unreachable!("a reader is lent only while its user waits"),
        }
    }

    fn reading(&mut self) -> &mut Reading {
        self.parts().0
    }

    pub(super) fn reader(&mut self) -> &mut ResponseReader {
        &mut self.reading().reader
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
        let by = core.numbered_by(self.vu, draw.kind);
        let mut request = RequestState::new(self.target, (series, slot), &planned, by);
        let api = core.targets[usize::from(self.target)].api;
        request.asked = core.plan.workload.asked(draw, api, 1);
        let (outcome, done) = self.attempts(core, (draw, turn), &mut request).await;
        core.net.clear_limit(self.task);
        if core.plan.connection.is_per_request() {
            self.close(&core.net);
        }
        let sample = self.record(core, &request, outcome, done, &planned);
        self.reader().release();
        self.has_memory(core);
        sample
    }

    /// Counts the memory that the connection holds. Returns false if all connections together hold too much.
    fn has_memory(&mut self, core: &CoreState) -> bool {
        let (reading, tls) = self.parts();
        reading.has_memory(core, tls.as_deref())
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
            let reading = self.reading();
            reading.reader.begin(expected);
            reading.gaps.clear();
            reading.reader.cut_at_token(request.cut);
            reading.witness = None;
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
            self.reader().expect_answers(answers);
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
        let by = core.numbered_by(self.vu, draw.kind);
        let mut request = RequestState::new(self.target, (series, slot), planned, by);
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
                self.reader().instead(Place::Errno(errno));
                Err(Outcome::ConnectFailed)
            }
            Err(ConnectError::Resource(errno)) => {
                self.reader().instead(Place::Errno(errno));
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
            let received = match &self.tls {
                None => match self.receive_by_loop(core, conn, &limits, request).await {
                    Ok(ending) => return self.finish(core, conn, ending),
                    Err(received) => received,
                },
                Some(_) => {
                    let deadline = limits.deadline(self.reader());
                    core.net.receive(self.task, conn, deadline).await
                }
            };
            self.reading().note_sent(&core.net, conn, request);
            let untouched = self.reader().arrivals.first_byte.is_none();
            let (outcome, done) = match received {
                Received::Data(chunk) => {
                    let arrived = chunk.stamp;
                    let (reading, tls) = self.parts();
                    if let Some(ending) = reading.read(core, chunk, tls, (request, &limits)) {
                        return self.finish(core, conn, ending);
                    }
                    match self.tls_end() {
                        None => {
                            self.send_tls_output(core, conn, request);
                            continue;
                        }
                        Some(TlsEnd::Closed) if untouched && reused => return Attempt::Stale,
                        Some(end) => (self.outcome_of_end(core, end), arrived),
                    }
                }
                Received::Ended(_, _) | Received::SendFailed(_) if untouched && reused => {
                    return Attempt::Stale;
                }
                Received::Ended(Ended::Eof, at) => (self.outcome_of_eof(), at),
                Received::Ended(Ended::Error(errno), at) => (self.broken(errno), at),
                Received::SendFailed(errno) => (self.broken(errno), clock::monotonic()),
                Received::Timeout => {
                    let now = clock::monotonic();
                    (limits.outcome(self.reader(), now), now)
                }
                Received::Stopped => (Outcome::Interrupted, clock::monotonic()),
            };
            self.close(&core.net);
            return Attempt::Finished(outcome, done);
        }
    }

    /// Lends the reader to the loop until the answer is over, and returns how it ended; or what else there is to tell
    /// of the connection.
    async fn receive_by_loop<'net>(
        &mut self,
        core: &'net CoreState,
        conn: ConnId,
        limits: &Limits,
        request: &mut RequestState,
    ) -> Result<Ending, Received<'net>> {
        let deadline = limits.deadline(self.reader());
        if let Some(reading) = self.reading.take() {
            let mut lent = core.lent.borrow_mut();
            lent.lend(conn, reading, (*request, *limits, self.task));
        }
        let is_over = || core.lent.borrow().is_over(conn);
        let received = core.net.receive_by_loop(self.task, conn, deadline, is_over).await;
        let (reading, state, ending) = core.lent.borrow_mut().take(conn);
        (self.reading, *request) = (Some(reading), state);
        match (ending, received) {
            (Some(ending), _) => Ok(ending),
            (None, Some(received)) => Err(received),
            (None, None) => unreachable!("an answer that is over has an end"),
        }
    }

    /// Ends a request whose answer ended so.
    fn finish(&mut self, core: &CoreState, conn: ConnId, ending: Ending) -> Attempt {
        match ending {
            Ending::Over { outcome, reusable } => {
                // After an answer that came before the request was out, part of the request is still to be sent.
                if !reusable || core.net.sending(conn) {
                    self.close(&core.net);
                }
                Attempt::Finished(outcome, self.reader().arrivals.last)
            }
            Ending::Cut(outcome, done) => {
                self.close(&core.net);
                Attempt::Finished(outcome, done)
            }
        }
    }

    /// The connection broke with this errno. What the status had decided by then stays decided.
    fn broken(&mut self, errno: i32) -> Outcome {
        let outcome = match finished::outcome_of_errno(errno) {
            Outcome::Reset => self.reader().refusal().unwrap_or(Outcome::Reset),
            outcome => outcome,
        };
        if self.reader().arrivals.first_byte.is_none() {
            self.reader().instead(Place::Errno(errno));
        }
        outcome
    }

    fn record(
        &mut self,
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
        let mut sample = finished::sample(&asked, self.reader(), outcome, done);
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
        let reading = self.reading();
        recorder.finish_with_gaps(&sample, &reading.gaps);
        if let Some(witness) = &reading.witness {
            witness.judge(&sample, request.connecting, &mut recorder);
        }
        if outcome.is_failure() {
            let mut evidence = self.reader().evidence();
            if let Some(reason) = core.tls_failure.take().filter(|_| outcome == Outcome::TlsFailed) {
                evidence.place = Place::Tls(reason);
            }
            recorder.show_failure(request.target, &sample, &evidence);
        }
        drop(recorder);
        core.send_details();
        sample
    }
}
