//! Interprets the bytes of one response and notes when they arrived. Knows neither sockets nor clocks.

mod gathered;
mod verdict;

use super::body::Body;
pub use super::expected::{Arrivals, Expected, Progress, TokenSink};
use super::failing::cause_of_document;
use super::kept::Kept;
use crate::api::{Alike, EventFacts, Malformed, ReadEvent, ServerTimes, StreamState, Usage};
use crate::http1::{Head, Limits, ResponseParser, Step};
use crate::metrics::{Answer, Cause, Evidence, FinishKind, FinishWord, Outcome, Place, TokenSource};
use crate::sse::{EVENT_BYTES_MAX, EventParser, Framing, Item, UNNAMED, begins_a_stream};
use crate::units::Nanos;
use crate::workload::Cut;
use gathered::Gathered;

/// Longest body that is read as one JSON document; a longer one is `too_large`.
const JSON_BYTES_MAX: usize = 16 << 20;

/// Reads the responses of one connection, one after another.
#[derive(Debug)]
pub struct ResponseReader {
    http: ResponseParser,
    events: EventParser,
    stream: StreamState,
    /// The bytes that are read as a whole, that cannot be classified yet, or that show why the response failed.
    kept: Kept,
    /// Bytes of the response that have been read.
    read_bytes: u64,
    body: Body,
    expected: Expected,
    /// The response ends as cancelled with the token event that makes this 0; 0 from the start for never.
    tokens_to_cut: u32,
    pub status: u16,
    pub arrivals: Arrivals,
    /// Token events at the instant of the first, and the server's count by then.
    events_at_first: u32,
    counted_at_first: u32,
    /// Number of tokens that a JSON answer reported.
    tokens: (u32, TokenSource),
    /// Token counts that a JSON answer stated.
    usage: Option<Usage>,
    times: ServerTimes,
    text: bool,
    finish: Option<FinishWord>,
    cause: Option<Cause>,
    untyped: bool,
    /// The text of the answer, if a conversation carries it on.
    gathered: Option<Box<Gathered>>,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    pub fn new() -> ResponseReader {
        ResponseReader {
            http: ResponseParser::new(),
            events: EventParser::new(Framing::Events),
            stream: StreamState::default(),
            kept: Kept::default(),
            read_bytes: 0,
            body: Body::Awaited,
            expected: Expected::Light,
            tokens_to_cut: 0,
            status: 0,
            arrivals: Arrivals::default(),
            events_at_first: 0,
            counted_at_first: 0,
            tokens: (0, TokenSource::None),
            usage: None,
            times: ServerTimes::default(),
            text: false,
            finish: None,
            cause: None,
            untyped: false,
            gathered: None,
        }
    }

    /// Prepares for the response to the next request.
    pub fn begin(&mut self, expected: Expected) {
        self.http.begin(expected.method());
        self.release();
        self.kept.begin();
        self.read_bytes = 0;
        self.stream = StreamState::default();
        self.body = Body::Awaited;
        self.expected = expected;
        self.tokens_to_cut = 0;
        self.status = 0;
        self.arrivals = Arrivals::default();
        (self.events_at_first, self.counted_at_first) = (0, 0);
        (self.tokens, self.usage) = ((0, TokenSource::None), None);
        self.times = ServerTimes::default();
        (self.text, self.finish) = (false, None);
        (self.cause, self.untyped) = (None, false);
        if let Some(gathered) = &mut self.gathered {
            gathered.begin(expected);
        }
    }

    /// Reads a word of each part that a piece of an answer needs, and returns nothing of interest. Done for several
    /// readers in a row, it brings them into the cache at once, and not one after another as they are used.
    pub fn touch(&self) -> usize {
        let (tokens, _) = self.stream.output_tokens();
        self.held_bytes() ^ tokens as usize ^ self.arrivals.last as usize ^ self.read_bytes as usize
    }

    /// Says how many answers the request asks for. A stream of several is complete once each has ended.
    pub fn expect_answers(&mut self, count: u32) {
        self.stream = StreamState::of_answers(count);
    }

    /// Cancels the response at the token event that `cut` says, if it is one.
    pub fn cut_at_token(&mut self, cut: Option<Cut>) {
        if let Some(Cut::Tokens(count)) = cut {
            self.tokens_to_cut = count;
        }
    }

    /// Returns true for a stream whose first token has not arrived. The timeout of the first token applies only then.
    pub fn awaits_token(&self) -> bool {
        matches!(self.expected, Expected::Stream(_)) && self.arrivals.first_token.is_none()
    }

    /// Frees memory that only a large response needed, once the response has been recorded.
    pub fn release(&mut self) {
        self.events.reset();
        self.kept.release();
    }

    /// Returns the memory that the response takes so far, in bytes.
    pub fn held_bytes(&self) -> usize {
        let gathered = self.gathered.as_ref().map_or(0, |gathered| gathered.held_bytes());
        self.http.held_bytes() + self.events.held_bytes() + self.kept.bytes.capacity() + gathered
    }

    pub fn output_tokens(&self) -> (u32, TokenSource) {
        match self.body {
            Body::Events(..) => self.stream.output_tokens(),
            _ => self.tokens,
        }
    }

    /// Returns the token counts that the server stated.
    pub fn usage(&self) -> Option<Usage> {
        match self.body {
            Body::Events(..) => self.stream.usage(),
            _ => self.usage,
        }
    }

    /// Returns the server's count of what it read; `None` if it states none.
    pub fn prompt_tokens(&self) -> Option<u32> {
        // A prompt has at least one token, and readers give 0 where there is no count.
        let stated = self.usage().map(|usage| usage.prompt_tokens);
        stated.filter(|tokens| *tokens > 0)
    }

    /// Returns how many of the output tokens had arrived at the instant of the first: by the server's count if it sends
    /// one along the stream, otherwise by events.
    pub fn tokens_at_first(&self) -> u32 {
        let (all, _) = self.output_tokens();
        // A count that is complete in the first event says nothing about what has arrived.
        match self.counted_at_first < all {
            true => self.counted_at_first.max(self.events_at_first),
            false => self.events_at_first,
        }
    }

    /// Returns what was noticed about the answer, given its outcome.
    pub fn answer(&self, outcome: Outcome) -> Answer {
        let (finish, text) = match self.body {
            Body::Events(..) => (self.stream.finish(), self.arrivals.first_token.is_some()),
            _ => (self.finish, self.text),
        };
        let is_over = matches!(outcome, Outcome::Ok | Outcome::BadFinish);
        Answer {
            finish: finish.filter(|_| is_over),
            cause: self.cause.filter(|_| outcome.is_failure()),
            without_text: outcome == Outcome::Ok && self.expected != Expected::Light && !text,
            untyped: self.untyped,
        }
    }

    /// Returns what the response showed, if it failed.
    pub fn evidence(&self) -> Evidence<'_> {
        self.kept.evidence(matches!(self.body, Body::Events(..)))
    }

    /// Records what there was instead of an answer.
    pub fn instead(&mut self, place: Place) {
        self.kept.instead(place);
    }

    /// Records the cause of a failure, unless the reader has found one.
    pub fn blame(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
    }

    /// Returns the outcome that the status alone decided: a 500 whose body is cut, reset or garbled stays a 500.
    pub fn refusal(&self) -> Option<Outcome> {
        match self.body {
            Body::Skipped(outcome) if self.status >= 300 && outcome != Outcome::Malformed => Some(outcome),
            _ => None,
        }
    }

    /// Returns the times that the server reported about itself.
    pub fn server_times(&self) -> ServerTimes {
        match self.body {
            Body::Events(..) => self.stream.times(),
            _ => self.times,
        }
    }

    /// Reads bytes that arrived at `arrived`, which must not be earlier than the previous read.
    pub fn read(&mut self, mut input: &[u8], arrived: Nanos, sink: &mut impl TokenSink) -> Progress {
        debug_assert!(arrived >= self.arrivals.last, "reads come in order");
        self.arrivals.last = arrived;
        self.arrivals.first_byte.get_or_insert(arrived);
        let mut together = Together::default();
        loop {
            let step = match self.http.step(input, &Limits::DEFAULT) {
                Ok(step) => step,
                Err(e) => return over(self.bad_http(e, input)),
            };
            match step {
                Step::NeedMore => {
                    if matches!(self.body, Body::Awaited) {
                        self.kept.head_part(input);
                    }
                    self.read_bytes += input.len() as u64;
                    return Progress::More;
                }
                Step::Interim { consumed, .. } => input = self.after(input, consumed),
                Step::Head { consumed, head } => {
                    self.kept.head(&input[..consumed], head.status);
                    input = self.after(input, consumed);
                    self.begin_body(&head);
                    if let Body::Skipped(outcome) = self.body
                        && outcome == Outcome::UnsupportedEncoding
                    {
                        return over(outcome);
                    }
                }
                Step::Body { consumed, data } => {
                    input = self.after(input, consumed);
                    if let Err(outcome) = self.read_body(data, arrived, sink, &mut together) {
                        return over(outcome);
                    }
                }
                Step::End { consumed, end } => {
                    return Progress::Over {
                        outcome: self.verdict(),
                        reusable: end.keep_alive && consumed == input.len(),
                    };
                }
            }
        }
    }

    fn after<'a>(&mut self, input: &'a [u8], consumed: usize) -> &'a [u8] {
        self.read_bytes += consumed as u64;
        &input[consumed..]
    }

    fn begin_body(&mut self, head: &Head) {
        self.status = head.status;
        if head.content_encoded {
            self.kept.is_compressed();
        }
        (self.body, self.cause) = Body::after(head, self.expected);
        if let Body::Events(_, framing) = self.body {
            self.events.begin(framing);
        }
    }

    #[inline]
    fn read_body<'a>(
        &mut self,
        data: &'a [u8],
        arrived: Nanos,
        sink: &mut impl TokenSink,
        together: &mut Together<'a>,
    ) -> Result<(), Outcome> {
        match self.body {
            Body::Events(read, _) => self.read_events(read, data, arrived, sink, together),
            Body::Untold(read, framing) => {
                self.kept.bytes.extend_from_slice(data);
                match begins_a_stream(&self.kept.bytes, framing) {
                    None => Ok(()),
                    Some(true) => {
                        self.events.begin(framing);
                        self.body = Body::Events(read, framing);
                        self.untyped = true;
                        let begin = std::mem::take(&mut self.kept.bytes);
                        self.read_events(read, &begin, arrived, sink, &mut Together::default())
                    }
                    Some(false) => {
                        self.cause = Some(cause_of_document(&self.kept.bytes));
                        self.body = Body::Skipped(Outcome::NotStreamed);
                        Ok(())
                    }
                }
            }
            Body::Json(_) if self.kept.bytes.len() + data.len() > JSON_BYTES_MAX => Err(Outcome::TooLarge),
            Body::Json(_) => {
                self.kept.bytes.extend_from_slice(data);
                Ok(())
            }
            Body::Skipped(Outcome::Ok) => Ok(()),
            Body::Skipped(_) => {
                self.kept.body_part(data);
                Ok(())
            }
            Body::Awaited => unreachable!("a body comes after its head"),
        }
    }

    fn read_events<'a>(
        &mut self,
        read: ReadEvent,
        mut data: &'a [u8],
        arrived: Nanos,
        sink: &mut impl TokenSink,
        together: &mut Together<'a>,
    ) -> Result<(), Outcome> {
        while !data.is_empty() {
            let (consumed, item) = self
                .events
                .step(data, EVENT_BYTES_MAX)
                .map_err(|_| Outcome::TooLarge)?;
            match item {
                Some(Item::Event { name, data: event }) => {
                    self.arrivals.first_event.get_or_insert(arrived);
                    self.kept.events = self.kept.events.saturating_add(1);
                    let facts = match together.read(&mut self.stream, read, data, (name, event)) {
                        Ok(facts) => facts,
                        Err(e) => {
                            self.cause = Some(e.cause());
                            self.kept.malformed_event(event, e);
                            return Err(Outcome::Malformed);
                        }
                    };
                    if facts.error
                        || facts
                            .finish
                            .is_some_and(|word| word.kind() == FinishKind::Failure)
                    {
                        self.kept.event(event);
                    }
                    if facts.token {
                        if let Some(gathered) = &mut self.gathered {
                            gathered.event(event);
                        }
                        let first = *self.arrivals.first_token.get_or_insert(arrived);
                        if first == arrived {
                            self.events_at_first += 1;
                            self.counted_at_first = self.stream.usage().map_or(0, |u| u.completion_tokens);
                        }
                        self.arrivals.of_text(&facts, arrived);
                        if let Some(last) = self.arrivals.last_token.replace(arrived) {
                            self.arrivals.gaps += 1;
                            sink.gap(arrived - last);
                        }
                        together.tokens += 1;
                        if together.tokens > 1 {
                            sink.coalesced();
                        }
                        sink.token(event, arrived);
                        if self.tokens_to_cut > 0 {
                            self.tokens_to_cut -= 1;
                            if self.tokens_to_cut == 0 {
                                return Err(Outcome::Cancelled);
                            }
                        }
                    }
                }
                Some(Item::UnknownField { name, value }) => {
                    self.stream.unknown_field(name, value);
                    if name == b"error" {
                        self.kept.event(value);
                    }
                }
                Some(Item::Comment | Item::Retry(_)) | None => {}
            }
            data = &data[consumed..];
        }
        Ok(())
    }
}

/// What came of an answer in one read.
#[derive(Default)]
struct Together<'a> {
    tokens: u32,
    events: Alike<'a>,
}

impl<'a> Together<'a> {
    /// Reads an event that was found in `data`, or was put together from several reads.
    #[inline]
    fn read(
        &mut self,
        stream: &mut StreamState,
        read: ReadEvent,
        data: &'a [u8],
        (name, event): (&[u8], &[u8]),
    ) -> Result<EventFacts, Malformed> {
        let name_in = match name == UNNAMED {
            true => Some(UNNAMED),
            false => part_of(data, name),
        };
        match (name_in, part_of(data, event)) {
            (Some(name), Some(event)) => stream.read_among(read, &mut self.events, name, event),
            _ => stream.read(read, name, event),
        }
    }
}

/// Returns `part` with the lifetime of `whole`, if it lies in it.
#[inline]
fn part_of<'a>(whole: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    let at = (part.as_ptr().addr()).checked_sub(whole.as_ptr().addr())?;
    whole.get(at..at.checked_add(part.len())?)
}

fn over(outcome: Outcome) -> Progress {
    Progress::Over {
        outcome,
        reusable: false,
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
