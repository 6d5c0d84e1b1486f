//! Keeps the progress of an answer on its timeline.

use super::script::AnswerTimes;
use crate::units::Nanos;

/// The progress of an answer.
pub struct Writes {
    pub arrived: Nanos,
    /// When it has a place.
    pub begins: Nanos,
    /// When the first token is due, apart from the connection's phase.
    pub first_due: Nanos,
    pub tokens: u32,
    pub first: Option<Nanos>,
    pub last: Option<Nanos>,
}

impl Writes {
    pub fn new(arrived: Nanos, begins: Nanos, first_due: Nanos) -> Writes {
        Writes {
            arrived,
            begins,
            first_due,
            tokens: 0,
            first: None,
            last: None,
        }
    }

    pub fn record(&mut self, tokens: u32, now: Nanos) {
        self.tokens += tokens;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// Returns the times as a llama.cpp server measures them, with the last token at `now`.
    pub fn times_at(&self, now: Nanos) -> AnswerTimes {
        let first = self.first.unwrap_or(now);
        AnswerTimes {
            prompt: first.saturating_sub(self.arrived),
            decode: now.saturating_sub(first),
        }
    }
}
