//! What an event or a body says, in the same words for every API.

use std::fmt;

use crate::metrics::{Cause, FinishKind, FinishWord, Outcome, TokenSource};
use crate::units::Nanos;

/// The server's own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub completion_tokens: u32,
    pub prompt_tokens: u32,
}

/// How long the server says it took (llama.cpp's `timings`), as far as it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerTimes {
    /// `prompt_ms`: reading the prompt.
    pub prompt: Option<Nanos>,
    /// `predicted_ms`: generating the answer. Grows along a stream that has it in every event.
    pub decode: Option<Nanos>,
}

impl ServerTimes {
    /// Milliseconds as a server writes them; a time below 0 is none, one beyond 584 years is the longest there is.
    pub(super) fn nanos(ms: f64) -> Option<Nanos> {
        // The cast saturates.
        (ms >= 0.0).then(|| (ms * 1e6).round() as Nanos)
    }
}

/// What one event of a stream says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// Carries generated text: answer, refusal, reasoning, or a tool call's name or arguments.
    pub token: bool,
    /// Some of that text is answer or refusal.
    pub answer: bool,
    /// Some of that text is a thought.
    pub thought: bool,
    /// The end as the API has it: a choice with its `finish_reason`, llama.cpp's `"stop": true`. Of several the worst.
    pub finish: Option<FinishWord>,
    /// From `usage`, else from llama.cpp's `timings`. Cumulative where a server sends it in every event.
    pub usage: Option<Usage>,
    pub times: ServerTimes,
    /// The server reports a failure inside the stream.
    pub error: bool,
    /// The `[DONE]` sentinel.
    pub done: bool,
}

impl EventFacts {
    /// Carries more than thoughts: an answer, a refusal or a tool call.
    pub fn is_answer(&self) -> bool {
        self.answer || self.token && !self.thought
    }

    pub(super) fn finish_with(&mut self, word: FinishWord) {
        self.finish = FinishWord::worse_of(self.finish, Some(word));
    }
}

/// What the body of a non-streaming answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Holds generated text of any kind.
    pub text: bool,
    pub finish: Option<FinishWord>,
    pub usage: Option<Usage>,
    pub times: ServerTimes,
    /// An error object inside a 200.
    pub error: bool,
}

impl BodyFacts {
    pub fn outcome(&self) -> Outcome {
        match self.finish.map(|word| word.kind()) {
            _ if self.error => Outcome::StreamError,
            Some(FinishKind::Failure) => Outcome::BadFinish,
            Some(FinishKind::Success | FinishKind::Unknown) => Outcome::Ok,
            None => Outcome::Truncated,
        }
    }

    /// Without `usage` there is nothing to count in a body.
    pub fn output_tokens(&self) -> (u32, TokenSource) {
        match self.usage {
            Some(usage) => (usage.completion_tokens, TokenSource::Server),
            None => (0, TokenSource::None),
        }
    }
}

/// Not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not JSON, or nested deeper than 127 levels. Line and column count from 1.
    Json { line: usize, column: usize },
    /// JSON, but a number, a string, a list or the like.
    NotAnObject,
    /// A document, and behind it the next one: the line end or the blank line between two events is missing.
    RunTogether,
}

impl Malformed {
    pub fn cause(self) -> Cause {
        match self {
            Malformed::Json { .. } => Cause::NotJson,
            Malformed::NotAnObject => Cause::NotAnObject,
            Malformed::RunTogether => Cause::EventsRunTogether,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Json { line, column } => {
                write!(f, "answer: not JSON at line {line} column {column}")
            }
            Malformed::NotAnObject => write!(f, "answer: JSON, but not an object"),
            Malformed::RunTogether => write!(f, "answer: two events in one, with no blank line between them"),
        }
    }
}

impl std::error::Error for Malformed {}

pub(super) fn body_facts(facts: EventFacts) -> BodyFacts {
    BodyFacts {
        text: facts.token,
        finish: facts.finish,
        usage: facts.usage,
        times: facts.times,
        error: facts.error,
    }
}
