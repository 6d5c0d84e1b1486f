//! Describes the turns and the sessions of conversations that have ended.

use crate::metrics::{Outcome, Sample};
use crate::units::Nanos;

/// Largest number of turns between two snapshots: 1.5 MB, of which a host gives what is used. At half of it a snapshot
/// is due. Only where no empty snapshot has come back by then are further ones counted in `lost`.
pub const TURNS_PER_SNAPSHOT_MAX: usize = 1 << 15;

/// One turn that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnEnded {
    /// Its number in its session, from 1.
    pub turn: u16,
    pub outcome: Outcome,
    pub ttft: Option<Nanos>,
    pub latency: Nanos,
    /// The server's count of what it read, if it states one.
    pub prompt_tokens: Option<u32>,
    pub output_tokens: u32,
}

impl TurnEnded {
    /// Returns the turn that a sample of a conversation is of.
    fn of(sample: &Sample) -> TurnEnded {
        TurnEnded {
            turn: sample.turn,
            outcome: sample.outcome,
            ttft: sample.first_token.map(|at| at.saturating_sub(sample.due)),
            latency: sample.done.saturating_sub(sample.due),
            prompt_tokens: sample.prompt_tokens,
            output_tokens: sample.output_tokens,
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// All its turns are ok, or were cancelled and carried on.
    Completed,
    /// A turn failed.
    Failed,
    /// The load ended first.
    Incomplete,
    /// Its user cancelled a turn and went away.
    Cancelled,
}

/// One session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnded {
    pub end: SessionEnd,
    /// Turns that were made.
    pub turns: u16,
    /// From when the first turn was due to the end of the last, pauses included.
    pub duration: Nanos,
    /// What else is known of a session whose requests wait for one another; `None` for a conversation.
    pub graph: Option<GraphEnded>,
}

/// What is known of a session whose requests waited for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphEnded {
    /// How long it took in the trace.
    pub recorded: Nanos,
    /// The delays on its critical path, from one request to the next that waited for it. It spent the rest of its time
    /// waiting for answers.
    pub delays: Nanos,
}

/// The turns and sessions of one core since its previous snapshot.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    pub turns: Vec<TurnEnded>,
    pub ended: Vec<SessionEnded>,
    pub started: u64,
    /// Turns and sessions for which there was no room. Their requests are counted everywhere else.
    pub lost: u64,
    /// Sessions that ended because there was no memory for their history.
    pub full: u64,
    /// Bytes that the histories of the core take together, and the most that they took.
    pub history_now: u64,
    pub history_peak: u64,
}

impl Sessions {
    /// Takes a request that has ended, if it is a turn.
    #[inline]
    pub(super) fn push_turn(&mut self, sample: &Sample) {
        if sample.turn > 0 {
            self.push(sample);
        }
    }

    #[cold]
    fn push(&mut self, sample: &Sample) {
        match self.turns.len() < TURNS_PER_SNAPSHOT_MAX {
            true => self.turns.push(TurnEnded::of(sample)),
            false => self.lost += 1,
        }
    }

    pub(super) fn push_session(&mut self, ended: SessionEnded) {
        match self.ended.len() < TURNS_PER_SNAPSHOT_MAX {
            true => self.ended.push(ended),
            false => self.lost += 1,
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.turns.len().max(self.ended.len()) >= TURNS_PER_SNAPSHOT_MAX / 2
    }

    pub(super) fn reset(&mut self) {
        let Sessions {
            turns,
            ended,
            started,
            lost,
            full,
            history_now,
            history_peak,
        } = self;
        turns.clear();
        ended.clear();
        *started = 0;
        *lost = 0;
        *full = 0;
        *history_now = 0;
        *history_peak = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.ended.is_empty() && self.started == 0 && self.lost == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn a_turn_has_the_times_of_its_request_and_other_requests_are_none() {
        let ms = MILLISECOND;
        let mut sessions = Sessions::default();
        let single = Sample {
            due: 10 * ms,
            sent: Some(10 * ms),
            first_byte: Some(13 * ms),
            first_token: Some(13 * ms),
            ..Sample::ended(Outcome::Ok, 20 * ms)
        };
        sessions.push_turn(&single);
        assert!(sessions.is_empty());
        sessions.push_turn(&Sample {
            turn: 3,
            prompt_tokens: Some(70),
            output_tokens: 5,
            ..single
        });
        let expected = TurnEnded {
            turn: 3,
            outcome: Outcome::Ok,
            ttft: Some(3 * ms),
            latency: 10 * ms,
            prompt_tokens: Some(70),
            output_tokens: 5,
        };
        assert_eq!(sessions.turns, [expected]);
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut sessions = Sessions::default();
        let turn = Sample {
            turn: 1,
            ..Sample::ended(Outcome::Ok, 1)
        };
        for _ in 0..TURNS_PER_SNAPSHOT_MAX + 2 {
            sessions.push_turn(&turn);
        }
        assert!(sessions.is_due());
        assert_eq!((sessions.turns.len(), sessions.lost), (TURNS_PER_SNAPSHOT_MAX, 2));
        sessions.reset();
        assert!(sessions.is_empty() && !sessions.is_due());
    }
}
