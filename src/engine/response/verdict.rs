//! Decides what became of a response that has ended, or that cannot be read on.

use super::ResponseReader;
use crate::api::{ReadBody, StreamEnd};
use crate::engine::body::Body;
use crate::engine::failing::{cause_of, outcome_of};
use crate::http1::HttpError;
use crate::metrics::{Cause, Outcome};

impl ResponseReader {
    /// HTTP cannot be read on from `input`.
    pub(super) fn bad_http(&mut self, error: HttpError, input: &[u8]) -> Outcome {
        if self.refusal().is_none() {
            let in_head = matches!(self.body, Body::Awaited);
            self.kept.bad_http(error, input, self.read_bytes, in_head);
        }
        self.broken(error)
    }

    /// Ends the response because the peer closed the connection. `None` means that not one byte of it had arrived.
    pub fn eof(&mut self) -> Option<Outcome> {
        match self.http.eof() {
            Ok(_) => Some(self.verdict()),
            Err(HttpError::EmptyReply) => None,
            Err(e) => Some(self.broken(e)),
        }
    }

    fn broken(&mut self, error: HttpError) -> Outcome {
        if let Some(outcome) = self.refusal() {
            return outcome;
        }
        let cause = match error {
            HttpError::IncompleteBody => Some(self.cause_of_cut()),
            other => cause_of(other),
        };
        self.cause = self.cause.or(cause);
        outcome_of(error)
    }

    /// The peer closed before the body's end.
    fn cause_of_cut(&self) -> Cause {
        let is_complete = match self.body {
            Body::Events(..) => self.stream.is_complete() || self.stream.is_done(),
            Body::Json(read) => {
                read(&self.kept.bytes).is_ok_and(|facts| facts.finish.is_some() && !facts.has_open_choice)
            }
            _ => false,
        };
        match (is_complete, self.http.is_chunked()) {
            (false, _) => Cause::CutInBody,
            (true, true) => Cause::NoLastChunk,
            (true, false) => Cause::ShortBody,
        }
    }

    /// Returns the outcome of a response that is complete by the rules of HTTP; its content decides.
    pub(super) fn verdict(&mut self) -> Outcome {
        match self.body {
            Body::Events(read, _) => {
                // Some servers omit the blank line after the last event.
                if let Some(data) = self.events.pending_data()
                    && !self.stream.is_done()
                {
                    // An event that cannot be read is the rest of a cut one.
                    let name = self.events.pending_name();
                    let facts = self.stream.read(read, name, data).unwrap_or_default();
                    if facts.error {
                        self.kept.event(data);
                    }
                    if let Some(gathered) = self.gathered.as_mut().filter(|_| facts.token) {
                        gathered.event(data);
                    }
                }
                self.verdict_of_stream()
            }
            Body::Json(read) => self.verdict_of_json(read),
            Body::Untold(..) if self.kept.bytes.trim_ascii().is_empty() => {
                self.cause = Some(Cause::EmptyBody);
                Outcome::NotStreamed
            }
            Body::Untold(..) => {
                self.cause = Some(Cause::CutInEvent);
                Outcome::Truncated
            }
            Body::Skipped(outcome) => outcome,
            Body::Awaited => Outcome::Malformed,
        }
    }

    fn verdict_of_stream(&mut self) -> Outcome {
        let is_cut = self.events.pending_event();
        let end = match self.stream.verdict_at_end() {
            StreamEnd::NoEvents if is_cut => StreamEnd::Truncated,
            end => end,
        };
        self.cause = match end {
            StreamEnd::Truncated if self.stream.is_done() => Some(Cause::DoneWithoutFinish),
            StreamEnd::Truncated | StreamEnd::OpenChoice if is_cut => {
                self.kept.cut_event(self.events.pending_bytes());
                Some(Cause::CutInEvent)
            }
            StreamEnd::Truncated => Some(Cause::NoFinish),
            StreamEnd::OpenChoice => Some(Cause::OpenChoice),
            StreamEnd::NoEvents => Some(Cause::NoEvents),
            StreamEnd::Ok | StreamEnd::Error | StreamEnd::BadFinish => None,
        };
        end.outcome()
    }

    fn verdict_of_json(&mut self, read: ReadBody) -> Outcome {
        match read(&self.kept.bytes) {
            Ok(facts) => {
                self.tokens = facts.output_tokens();
                (self.usage, self.times) = (facts.usage, facts.times);
                (self.text, self.finish) = (facts.text, facts.finish);
                let outcome = facts.outcome();
                if let Some(gathered) = &mut self.gathered {
                    gathered.body(&self.kept.bytes);
                }
                self.cause = (outcome == Outcome::Truncated).then_some(match facts.finish {
                    Some(_) => Cause::OpenChoice,
                    None => Cause::NoFinish,
                });
                outcome
            }
            Err(e) => {
                self.kept.malformed_body(e);
                self.cause = Some(match self.kept.bytes.trim_ascii().is_empty() {
                    true => Cause::EmptyBody,
                    false => e.cause(),
                });
                Outcome::Malformed
            }
        }
    }
}
