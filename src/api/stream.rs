//! A whole stream's verdict, fed event by event.

use super::{EventFacts, Malformed, ReadEvent, ServerTimes, Usage};
use crate::metrics::{FinishKind, FinishWord, Outcome, TokenSource};

/// How a stream whose body came to its end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The end that the API has for a good stream (`finish_reason`, `"stop": true`), and no error.
    Ok,
    /// The server reported a failure inside the stream.
    Error,
    /// It ended with a finish reason that says it was given up: `abort`, `error`, `timeout` and the like.
    BadFinish,
    /// Events, but not that end: with or without `[DONE]`, however clean the end.
    Truncated,
    /// Not one event.
    NoEvents,
}

impl StreamEnd {
    pub fn outcome(self) -> Outcome {
        match self {
            StreamEnd::Ok => Outcome::Ok,
            StreamEnd::Error => Outcome::StreamError,
            StreamEnd::BadFinish => Outcome::BadFinish,
            StreamEnd::Truncated => Outcome::Truncated,
            StreamEnd::NoEvents => Outcome::NotStreamed,
        }
    }
}

/// What a stream has said so far. After `[DONE]` nothing counts any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    token_events: u32,
    usage: Option<Usage>,
    times: ServerTimes,
    any_event: bool,
    finish: Option<FinishWord>,
    error: bool,
    done: bool,
}

impl StreamState {
    /// Reads one event as the stream's API does and takes it in. After `[DONE]` the bytes are not even read, as they
    /// need not be JSON.
    pub fn read(&mut self, read: ReadEvent, name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        if self.done {
            return Ok(EventFacts::default());
        }
        let facts = read(name, data)?;
        self.event(&facts);
        Ok(facts)
    }

    pub fn event(&mut self, facts: &EventFacts) {
        if self.done {
            return;
        }
        self.any_event = true;
        self.token_events = self.token_events.saturating_add(u32::from(facts.token));
        self.finish = FinishWord::worse_of(self.finish, facts.finish);
        self.error |= facts.error;
        self.done |= facts.done;
        self.times = ServerTimes {
            prompt: facts.times.prompt.or(self.times.prompt),
            decode: facts.times.decode.or(self.times.decode),
        };
        if let Some(new) = facts.usage {
            // Counts grow along a stream, so the largest is the latest, and neither a placeholder of zeros
            // nor one choice's share of several can take its place.
            let old = self.usage.unwrap_or_default();
            self.usage = Some(Usage {
                completion_tokens: old.completion_tokens.max(new.completion_tokens),
                prompt_tokens: old.prompt_tokens.max(new.prompt_tokens),
            });
        }
    }

    /// A line whose field the event-stream standard does not know: older llama.cpp sends a field named
    /// `error` with status 200, then `[DONE]` (ggml-org/llama.cpp pull request 16109).
    pub fn unknown_field(&mut self, name: &[u8], _value: &[u8]) {
        self.error |= !self.done && name == b"error";
    }

    /// The word that the stream ended with; of several the worst.
    pub fn finish(&self) -> Option<FinishWord> {
        self.finish
    }

    /// `[DONE]` was seen.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The verdict on what came, once the body is at its end.
    pub fn verdict_at_end(&self) -> StreamEnd {
        if self.error {
            StreamEnd::Error
        } else if let Some(word) = self.finish {
            match word.kind() {
                FinishKind::Success | FinishKind::Unknown => StreamEnd::Ok,
                FinishKind::Failure => StreamEnd::BadFinish,
            }
        } else if self.any_event {
            StreamEnd::Truncated
        } else {
            StreamEnd::NoEvents
        }
    }

    /// The largest prompt and completion counts the server has given.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The latest times the server has given.
    pub fn times(&self) -> ServerTimes {
        self.times
    }

    /// The server's count; the number of token-bearing events where it gives none, or gives 0 beside text.
    pub fn output_tokens(&self) -> (u32, TokenSource) {
        match self.usage {
            Some(usage) if usage.completion_tokens > 0 || self.token_events == 0 => {
                (usage.completion_tokens, TokenSource::Server)
            }
            _ => (self.token_events, TokenSource::Events),
        }
    }
}
