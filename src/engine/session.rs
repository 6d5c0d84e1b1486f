//! Carries out a session: all turns of a conversation, one after another, each with what was said before it.

use super::cancel;
use super::connections::VuConnections;
use super::core::CoreState;
use super::planned::Planned;
use super::rest::Rest;
use super::vu::pause_after;
use crate::metrics::{Outcome, RequestId, Sample, SessionEnd, SessionEnded};
use crate::net::clock;
use crate::units::Nanos;
use crate::workload::{Conversation, Draw, History, HistoryMode, OnCancel, OnFailure, SessionKey, Turn};

/// What a session has said and heard so far. Its memory is given back when it ends, however it ends.
struct Session<'a> {
    core: &'a CoreState,
    conversation: &'a Conversation,
    key: SessionKey,
    /// Names it in the affinity header.
    id: String,
    history: History,
    /// Bytes that the history takes, as they are counted.
    held: usize,
    turns: u16,
    made: u16,
    end: SessionEnd,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.core.histories.give_back(self.held);
        let here = self.core.histories_here.get() - self.held;
        self.core.histories_here.set(here);
        if let Ok(mut recorder) = self.core.recorder.try_borrow_mut() {
            recorder.histories(here as u64);
        }
    }
}

/// Makes the turns of the session that `first` begins. Returns the outcome of the last one, and the pause that the plan
/// has after the session.
pub(super) async fn carry_out(
    core: &CoreState,
    connections: &mut VuConnections,
    (owner, target): (u32, u16),
    first: &Draw,
    planned: Planned,
) -> (Outcome, Nanos) {
    let Some(mut session) = Session::begin(core, connections.vu(), owner, first, &planned) else {
        return (Outcome::Interrupted, 0);
    };
    let mut rest = Rest::new(core);
    let of = (owner, planned.iteration);
    let cuts = cancel::cuts(core, &mut connections.made, of, first.kind);
    let (begun, mut planned) = (planned.due, planned);
    let (mut outcome, mut done) = (Outcome::Interrupted, begun);
    for number in 0..session.turns {
        let draw = core.plan.workload.draw_turn(session.key, number);
        planned.turn = number + 1;
        planned.cut = cuts.and_then(|cuts| cuts.of(number));
        let connection = connections.connection_to(core, target);
        if number > 0 {
            connection.replace_stale(core, &draw, &mut planned).await;
        }
        let is_last = planned.turn == session.turns;
        connection
            .reader()
            .gather(session.keeps_answers() && !is_last && session.keeps_answer(number));
        let turn = session.turn(number);
        let sample = connection.request(core, (&draw, Some(&turn)), planned).await;
        (outcome, done) = (sample.outcome, sample.done);
        let goes_on = session.heard(&sample, connection.reader().gathered());
        connection.reader().gather(false);
        if is_last || !goes_on {
            break;
        }
        let now = clock::monotonic();
        let pause = core
            .plan
            .pause_before((session.key, number + 1), now.saturating_sub(begun), draw.think);
        let pause = pause_after(outcome, pause);
        planned.due = now + pause;
        planned.ready = planned.due;
        if !rest.until(core, connections, planned.due).await {
            session.cut();
            break;
        }
    }
    session.record(done.saturating_sub(begun));
    rest.end(core, connections);
    (outcome, first.think)
}

impl<'a> Session<'a> {
    /// Begins the session of an arrival or an iteration; `None` if the kind has none.
    fn begin(
        core: &'a CoreState,
        vu: u32,
        owner: u32,
        first: &Draw,
        planned: &Planned,
    ) -> Option<Session<'a>> {
        let workload = &core.plan.workload;
        let key = SessionKey::of(core.plan.seed, owner, planned.iteration, first);
        core.recorder.borrow_mut().session_started();
        Some(Session {
            core,
            conversation: workload.conversation(first.kind)?,
            key,
            id: id(core, vu, first.kind, planned.iteration),
            history: History::default(),
            held: 0,
            turns: workload.turns(key),
            made: 0,
            end: SessionEnd::Completed,
        })
    }

    fn keeps_answers(&self) -> bool {
        self.conversation.history == HistoryMode::Full
    }

    /// Tells whether a later turn repeats the answer to this one.
    fn keeps_answer(&self, number: u16) -> bool {
        self.core.plan.workload.keeps_answer(self.key, number)
    }

    fn turn(&self, number: u16) -> Turn<'_> {
        Turn {
            key: self.key,
            number,
            history: &self.history,
            id: &self.id,
        }
    }

    /// Takes the answer to a turn. Returns false if the session ends with it.
    fn heard(&mut self, sample: &Sample, reply: &[u8]) -> bool {
        let turn = self.made;
        self.made += 1;
        match sample.outcome {
            Outcome::Ok if self.keeps_answers() && self.made < self.turns && self.keeps_answer(turn) => {
                self.keep(turn, reply)
            }
            Outcome::Cancelled => self.cancelled(turn, reply),
            Outcome::Interrupted => {
                self.cut();
                false
            }
            outcome if outcome.is_failure() => {
                self.end = SessionEnd::Failed;
                self.conversation.on_failure == OnFailure::Continue
            }
            _ => true,
        }
    }

    /// Takes a turn that its user cancelled. What had arrived of the answer belongs to what was said, if the session
    /// goes on; a turn without any is left out, as one that failed.
    fn cancelled(&mut self, turn: u16, reply: &[u8]) -> bool {
        if self.conversation.on_cancel == OnCancel::End {
            if self.end == SessionEnd::Completed {
                self.end = SessionEnd::Cancelled;
            }
            return false;
        }
        let is_said = self.keeps_answers() && self.keeps_answer(turn);
        let keeps = is_said && self.made < self.turns && !reply.is_empty();
        !keeps || self.keep(turn, reply)
    }

    /// Keeps an answer. Returns false if there is no memory for it.
    fn keep(&mut self, turn: u16, reply: &[u8]) -> bool {
        self.history.keep(turn, reply);
        let now = self.history.held_bytes();
        let more = now.saturating_sub(self.held);
        if !self.core.histories.take(more) {
            self.end = SessionEnd::Failed;
            self.core.recorder.borrow_mut().history_full();
            return false;
        }
        self.held = now;
        let here = self.core.histories_here.get() + more;
        self.core.histories_here.set(here);
        self.core.recorder.borrow_mut().histories(here as u64);
        true
    }

    /// Notes that the load has ended before the session, unless it had failed by then.
    fn cut(&mut self) {
        if self.end == SessionEnd::Completed {
            self.end = SessionEnd::Incomplete;
        }
    }

    fn record(&self, duration: Nanos) {
        let ended = SessionEnded {
            end: self.end,
            turns: self.made,
            duration,
            graph: None,
        };
        self.core.recorder.borrow_mut().session_ended(ended);
        self.core.send_details();
    }
}

/// Returns the name of a session: the one that the details have, after the seed, so that a warm-up has other sessions.
pub(super) fn id(core: &CoreState, vu: u32, kind: u16, number: u64) -> String {
    let id = RequestId {
        by: core.numbered_by(vu, kind),
        iteration: number,
        half: None,
        turn: 0,
    };
    let mut out = format!("{:x}-", core.plan.seed).into_bytes();
    id.append_group(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
