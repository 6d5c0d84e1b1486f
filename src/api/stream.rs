//! The verdict on a whole stream, fed event by event.

use super::{Alike, Choices, EventFacts, Malformed, ReadEvent, ServerTimes, Usage};
use crate::metrics::{FinishKind, FinishWord, Outcome, TokenSource};

/// The ways in which a stream can end once its body is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// It ended as the API ends a good stream (`finish_reason`, `"stop": true`), without an error.
    Ok,
    /// The server reported a failure inside the stream.
    Error,
    /// It ended with a finish reason that says it was given up: `abort`, `error`, `timeout` and the like.
    BadFinish,
    /// It had events but not that end, with or without `[DONE]`, however cleanly the body ended.
    Truncated,
    /// Several answers were asked for, and one that began has no end.
    OpenChoice,
    /// It had no event at all.
    NoEvents,
}

impl StreamEnd {
    pub fn outcome(self) -> Outcome {
        match self {
            StreamEnd::Ok => Outcome::Ok,
            StreamEnd::Error => Outcome::StreamError,
            StreamEnd::BadFinish => Outcome::BadFinish,
            StreamEnd::Truncated | StreamEnd::OpenChoice => Outcome::Truncated,
            StreamEnd::NoEvents => Outcome::NotStreamed,
        }
    }
}

/// The facts that a stream has stated so far. After `[DONE]` nothing counts any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    token_events: u32,
    usage: Option<Usage>,
    times: ServerTimes,
    any_event: bool,
    finish: Option<FinishWord>,
    error: bool,
    done: bool,
    /// Several answers were asked for.
    is_of_several: bool,
    choices: Choices,
}

impl StreamState {
    /// Begins the stream of so many answers to one request. Only of several is each one's end waited for: servers that
    /// give one may number its tokens where others number answers (TGI 1.4).
    pub fn of_answers(count: u32) -> StreamState {
        StreamState {
            is_of_several: count > 1,
            ..StreamState::default()
        }
    }

    /// Reads one event as the stream's API does and adds its facts. After `[DONE]` the bytes are not read, because they
    /// need not be JSON.
    pub fn read(&mut self, read: ReadEvent, name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        self.read_among(read, &mut Alike::default(), name, data)
    }

    /// Does the same for an event that came together with others of the stream.
    pub fn read_among<'a>(
        &mut self,
        read: ReadEvent,
        alike: &mut Alike<'a>,
        name: &'a [u8],
        data: &'a [u8],
    ) -> Result<EventFacts, Malformed> {
        if self.done {
            return Ok(EventFacts::default());
        }
        let mut facts = read(alike, name, data)?;
        if facts.cumulative && !self.has_grown(&facts) {
            (facts.token, facts.answer) = (false, false);
        }
        self.event(&facts);
        Ok(facts)
    }

    /// Tells whether the server has counted further tokens, where an event repeats the text before it.
    fn has_grown(&self, facts: &EventFacts) -> bool {
        let count = |usage: Option<Usage>| usage.map_or(0, |usage| usage.completion_tokens);
        // Without counts every event counts.
        facts.usage.is_none() || count(facts.usage) > count(self.usage)
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
        self.choices.merge(facts.choices);
        self.times = ServerTimes {
            prompt: facts.times.prompt.or(self.times.prompt),
            decode: facts.times.decode.or(self.times.decode),
        };
        if let Some(new) = facts.usage {
            self.usage = Some(self.usage.unwrap_or_default().max(new));
        }
    }

    /// Takes a line whose field the event-stream standard does not know. Older llama.cpp sends a field named
    /// `error` with status 200, then `[DONE]` (ggml-org/llama.cpp pull request 16109).
    pub fn unknown_field(&mut self, name: &[u8], _value: &[u8]) {
        self.error |= !self.done && name == b"error";
    }

    /// Returns the word that the stream ended with; of several the worst.
    pub fn finish(&self) -> Option<FinishWord> {
        self.finish
    }

    fn has_open_choice(&self) -> bool {
        self.is_of_several && self.choices.has_open()
    }

    /// Returns true once every answer has ended.
    pub fn is_complete(&self) -> bool {
        self.finish.is_some() && !self.has_open_choice()
    }

    /// Returns true after `[DONE]` and its like.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Returns the verdict on the stream, once the body has ended.
    pub fn verdict_at_end(&self) -> StreamEnd {
        if self.error {
            StreamEnd::Error
        } else if let Some(word) = self.finish {
            match word.kind() {
                FinishKind::Failure => StreamEnd::BadFinish,
                _ if self.has_open_choice() => StreamEnd::OpenChoice,
                FinishKind::Success | FinishKind::Unknown => StreamEnd::Ok,
            }
        } else if self.any_event {
            StreamEnd::Truncated
        } else {
            StreamEnd::NoEvents
        }
    }

    /// Returns the largest prompt and completion counts that the server has given.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Returns the latest times that the server has given.
    pub fn times(&self) -> ServerTimes {
        self.times
    }

    /// Returns the server's count, or the number of token events if it gives none, or gives 0 despite text.
    pub fn output_tokens(&self) -> (u32, TokenSource) {
        match self.usage {
            Some(usage) if usage.completion_tokens > 0 || self.token_events == 0 => {
                (usage.completion_tokens, TokenSource::Server)
            }
            _ => (self.token_events, TokenSource::Events),
        }
    }
}
