//! What a request asks for, and what a reader of its response tells while it reads.

use crate::api::{Api, EventFacts};
use crate::http1::Method;
use crate::metrics::Outcome;
use crate::units::Nanos;

/// The kind of answer that the request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Stream(Api),
    Whole(Api),
    /// Any response with status 2xx.
    Light,
}

impl Expected {
    pub fn method(self) -> Method {
        match self {
            Expected::Stream(_) | Expected::Whole(_) => Method::Post,
            Expected::Light => Method::Get,
        }
    }
}

/// Receives each token event as it is found.
pub trait TokenSink {
    /// Receives the time between this token event and the previous one; 0 within one read.
    fn gap(&mut self, gap: Nanos);
    /// Counts a token event that has the same stamp as the previous one.
    fn coalesced(&mut self);
    fn token(&mut self, data: &[u8], arrived: Nanos);
}

/// Arrival times so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    pub first_byte: Option<Nanos>,
    pub first_event: Option<Nanos>,
    pub first_token: Option<Nanos>,
    /// The first token that is more than a thought.
    pub first_answer: Option<Nanos>,
    /// The first token of a thought, and of a tool call.
    pub first_thought: Option<Nanos>,
    pub first_call: Option<Nanos>,
    pub last_token: Option<Nanos>,
    /// Gaps between its token events.
    pub gaps: u32,
    /// Arrival of the last read, whatever it contained.
    pub last: Nanos,
}

impl Arrivals {
    /// Takes in what kinds of text an event has that has some.
    pub(super) fn of_text(&mut self, facts: &EventFacts, arrived: Nanos) {
        if facts.is_answer() {
            self.first_answer.get_or_insert(arrived);
        }
        if facts.thought {
            self.first_thought.get_or_insert(arrived);
        }
        if facts.call {
            self.first_call.get_or_insert(arrived);
        }
    }
}

/// The state after a read: more is needed, or the response is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    Over {
        outcome: Outcome,
        /// The connection may carry another request.
        reusable: bool,
    },
}
