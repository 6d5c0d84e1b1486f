//! OpenAI-style chat completions: what one event of a stream says, and what the stream or the body amounts to.
//!
//! Two readings of the same bytes: `fast` scans the shapes that servers send and answers "not sure" to all
//! others, `plain` builds the whole document. They never disagree: what `fast` leaves, `plain` decides.
//!
//! Text is never kept and its characters decide nothing, so bytes that are not UTF-8 are read as the
//! event-stream standard decodes them, with replacement characters, and do not fail a request.

mod fast;
mod plain;
mod stream;

use std::fmt;

use crate::metrics::{Outcome, TokenSource};

pub use stream::{StreamEnd, StreamState};

/// The server's own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub completion_tokens: u32,
    pub prompt_tokens: u32,
}

/// What one event of a chat completion stream says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// Carries generated text: answer, refusal, reasoning, or a tool call's name or arguments.
    pub token: bool,
    /// Some of that text is answer or refusal.
    pub answer: bool,
    /// A choice has its `finish_reason`.
    pub finish: bool,
    /// From `usage`, else from llama.cpp's `timings`. Cumulative where a server sends it in every event.
    pub usage: Option<Usage>,
    /// The server reports a failure inside the stream.
    pub error: bool,
    /// The `[DONE]` sentinel.
    pub done: bool,
}

/// What the body of a non-streaming answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Holds generated text of any kind.
    pub text: bool,
    pub finish: bool,
    pub usage: Option<Usage>,
    /// An error object inside a 200.
    pub error: bool,
}

impl BodyFacts {
    pub fn outcome(&self) -> Outcome {
        match (self.error, self.finish) {
            (true, _) => Outcome::StreamError,
            (false, true) => Outcome::Ok,
            (false, false) => Outcome::Truncated,
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
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Json { line, column } => {
                write!(f, "chat answer: not JSON at line {line} column {column}")
            }
            Malformed::NotAnObject => write!(f, "chat answer: JSON, but not an object"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Which member of a choice holds the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Delta,
    Message,
}

impl Part {
    fn key(self) -> &'static str {
        match self {
            Part::Delta => "delta",
            Part::Message => "message",
        }
    }
}

/// Reads one event of a stream: `name` is its `event` field, `data` its joined `data` lines.
pub fn read_event(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    match read_event_fast(name, data) {
        Some(facts) => Ok(facts),
        None => read_event_plain(name, data),
    }
}

/// The fast reading alone; `None` where it is not sure. Allocates nothing.
pub fn read_event_fast(name: &[u8], data: &[u8]) -> Option<EventFacts> {
    if data.first() != Some(&b'{') || name == b"error" {
        return None;
    }
    fast::read(data, Part::Delta)
}

/// The plain reading alone.
pub fn read_event_plain(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    let said = data.trim_ascii();
    if name == b"error" {
        // Whatever it carries: some servers send plain text here.
        Ok(EventFacts {
            error: true,
            ..EventFacts::default()
        })
    } else if said == b"[DONE]" {
        Ok(EventFacts {
            done: true,
            ..EventFacts::default()
        })
    } else if said.is_empty() {
        // Some gateways keep a stream alive with empty events.
        Ok(EventFacts::default())
    } else {
        plain::read(data, Part::Delta)
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(body: &[u8]) -> Result<BodyFacts, Malformed> {
    match fast::read(body, Part::Message) {
        Some(facts) => Ok(body_facts(facts)),
        None => read_body_plain(body),
    }
}

/// The plain reading alone.
pub fn read_body_plain(body: &[u8]) -> Result<BodyFacts, Malformed> {
    plain::read(body, Part::Message).map(body_facts)
}

fn body_facts(facts: EventFacts) -> BodyFacts {
    BodyFacts {
        text: facts.token,
        finish: facts.finish,
        usage: facts.usage,
        error: facts.error,
    }
}
