//! The facts that an event or a body states, in the same terms for every API.

use std::fmt;

use crate::metrics::{Cause, FinishKind, FinishWord, Outcome, TokenSource};
use crate::units::Nanos;

/// The server's own token counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub completion_tokens: u32,
    /// Those of the prompt, cached ones included; 0 if the server does not state them.
    pub prompt_tokens: u32,
    /// Those of the prompt that the server took from its cache; `None` if it does not say.
    pub cached_tokens: Option<u32>,
    /// Those of the answer that are thoughts; `None` if the server does not say.
    pub reasoning_tokens: Option<u32>,
}

impl Usage {
    /// Returns the larger of each count. Counts grow along a stream, so the largest is the latest, and neither a
    /// placeholder of zeros nor one choice's share of several can take its place.
    pub(super) fn max(self, other: Usage) -> Usage {
        Usage {
            completion_tokens: self.completion_tokens.max(other.completion_tokens),
            prompt_tokens: self.prompt_tokens.max(other.prompt_tokens),
            cached_tokens: self.cached_tokens.max(other.cached_tokens),
            reasoning_tokens: self.reasoning_tokens.max(other.reasoning_tokens),
        }
    }
}

/// The times that a server states for a request (llama.cpp's `timings`, Ollama's durations); `None` where it states
/// none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerTimes {
    /// Time for reading the prompt.
    pub prompt: Option<Nanos>,
    /// Time for generating the answer. It grows along a stream that has it in every event.
    pub decode: Option<Nanos>,
}

impl ServerTimes {
    /// Converts milliseconds as a server writes them. A negative time counts as missing; one beyond 584 years becomes
    /// the longest there is.
    pub(super) fn nanos(ms: f64) -> Option<Nanos> {
        // The cast saturates.
        (ms >= 0.0).then(|| (ms * 1e6).round() as Nanos)
    }
}

/// The kinds of generated text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Answer or refusal.
    Answer,
    Thought,
    /// The name or the arguments of a tool call.
    Call,
}

/// Several answers to one request (`n`): those that have been seen, and those of them that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// A bit for each number of a choice. OpenAI's APIs give 128 at most; choices beyond are not told apart.
    seen: u128,
    ended: u128,
}

impl Choices {
    /// Takes in one choice.
    #[inline(always)]
    pub(super) fn add(&mut self, number: u64, has_ended: bool) {
        let bit = 1u128.checked_shl(u32::try_from(number).unwrap_or(u32::MAX));
        self.seen |= bit.unwrap_or(0);
        self.ended |= bit.filter(|_| has_ended).unwrap_or(0);
    }

    pub(super) fn merge(&mut self, other: Choices) {
        self.seen |= other.seen;
        self.ended |= other.ended;
    }

    /// Tells whether one that has been seen has not ended.
    pub(super) fn has_open(self) -> bool {
        self.seen & !self.ended != 0
    }
}

/// The facts stated by one event of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// The event carries generated text: answer, refusal, reasoning, or a tool call's name or arguments.
    pub token: bool,
    /// Some of that text is answer or refusal.
    pub answer: bool,
    /// Some of that text is a thought.
    pub thought: bool,
    /// Some of that text is a tool call.
    pub call: bool,
    /// The text is all text so far (SGLang), so that it has a new token only if the server's count has grown.
    pub cumulative: bool,
    /// The word that ends the stream in the API's terms: a choice's `finish_reason`, llama.cpp's `"stop": true`; of
    /// several the worst.
    pub finish: Option<FinishWord>,
    /// The server's token counts. Cumulative if it sends them in every event.
    pub usage: Option<Usage>,
    pub times: ServerTimes,
    /// The server reports a failure inside the stream.
    pub error: bool,
    /// The event says that nothing follows: the `[DONE]` sentinel, or Anthropic's `message_stop`.
    pub done: bool,
    /// The choices that the event is about, where the API answers a request several times.
    pub choices: Choices,
}

impl EventFacts {
    /// Returns true if the event carries more than thoughts: an answer, a refusal or a tool call.
    pub fn is_answer(&self) -> bool {
        self.answer || self.call || self.token && !self.thought
    }

    /// Adds text of a kind if it is `there`.
    #[inline(always)]
    pub(super) fn add(&mut self, piece: Piece, there: bool) {
        self.token |= there;
        match piece {
            Piece::Answer => self.answer |= there,
            Piece::Thought => self.thought |= there,
            Piece::Call => self.call |= there,
        }
    }

    pub(super) fn finish_with(&mut self, word: FinishWord) {
        self.finish = FinishWord::worse_of(self.finish, Some(word));
    }
}

/// The facts stated by the body of a non-streaming answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// The body contains generated text of any kind, or whatever else was asked for.
    pub text: bool,
    /// The answer is no generated text (embeddings, scores), so that it has no tokens.
    pub is_no_text: bool,
    pub finish: Option<FinishWord>,
    pub usage: Option<Usage>,
    pub times: ServerTimes,
    /// The body of a 200 contains an error object.
    pub error: bool,
    /// One of several answers in the body has not ended.
    pub has_open_choice: bool,
}

impl BodyFacts {
    pub fn outcome(&self) -> Outcome {
        match self.finish.map(|word| word.kind()) {
            _ if self.error => Outcome::StreamError,
            Some(FinishKind::Failure) => Outcome::BadFinish,
            Some(FinishKind::Success | FinishKind::Unknown) if !self.has_open_choice => Outcome::Ok,
            _ => Outcome::Truncated,
        }
    }

    /// Returns the server's count. Without `usage` there is nothing to count in a body.
    pub fn output_tokens(&self) -> (u32, TokenSource) {
        match self.usage.filter(|_| !self.is_no_text) {
            Some(usage) => (usage.completion_tokens, TokenSource::Server),
            None => (0, TokenSource::None),
        }
    }
}

/// The reasons why an event or a body is not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is not JSON, or is nested deeper than 127 levels. Line and column count from 1.
    Json { line: usize, column: usize },
    /// It is JSON, but a number, a string, a list or the like.
    NotAnObject,
    /// One document is followed by another: the line end or the blank line between two events is missing.
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
        is_no_text: false,
        finish: facts.finish,
        usage: facts.usage,
        times: facts.times,
        error: facts.error,
        has_open_choice: facts.choices.has_open(),
    }
}
