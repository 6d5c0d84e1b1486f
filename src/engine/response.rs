//! Interprets the bytes of one response and notes when they arrived. Knows neither sockets nor clocks.

use crate::api::{Api, ReadBody, ReadEvent, ServerTimes, StreamState};
use crate::http1::{ContentType, Head, HttpError, Limits, Method, ResponseParser, Step};
use crate::metrics::{Outcome, TokenSource};
use crate::sse::{EVENT_BYTES_MAX, Item, SseParser};
use crate::units::Nanos;

/// Longest body that is read as one JSON document; a longer one is `too_large`.
const JSON_BYTES_MAX: usize = 16 << 20;
/// A body buffer larger than this is freed after the request.
const KEPT_BYTES_MAX: usize = 4 << 10;

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
    pub last_token: Option<Nanos>,
    /// Arrival of the last read, whatever it contained.
    pub last: Nanos,
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

#[derive(Clone, Copy, Debug)]
enum Body {
    /// The head has not arrived.
    Awaited,
    /// A stream of events, each read by this function.
    Events(ReadEvent),
    /// One document, read by this function at its end.
    Json(ReadBody),
    /// Read to its end and discarded; the outcome is known from the head.
    Skipped(Outcome),
}

/// Reads the responses of one connection, one after another.
#[derive(Debug)]
pub struct ResponseReader {
    http: ResponseParser,
    sse: SseParser,
    stream: StreamState,
    json: Vec<u8>,
    body: Body,
    expected: Expected,
    pub status: u16,
    pub arrivals: Arrivals,
    /// Number of tokens that a JSON answer reported.
    tokens: (u32, TokenSource),
    times: ServerTimes,
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
            sse: SseParser::new(),
            stream: StreamState::default(),
            json: Vec::new(),
            body: Body::Awaited,
            expected: Expected::Light,
            status: 0,
            arrivals: Arrivals::default(),
            tokens: (0, TokenSource::None),
            times: ServerTimes::default(),
        }
    }

    /// Prepares for the response to the next request.
    pub fn begin(&mut self, expected: Expected) {
        self.http.begin(expected.method());
        self.release();
        self.stream = StreamState::default();
        self.body = Body::Awaited;
        self.expected = expected;
        self.status = 0;
        self.arrivals = Arrivals::default();
        self.tokens = (0, TokenSource::None);
        self.times = ServerTimes::default();
    }

    /// Returns true for a stream whose first token has not arrived. The timeout of the first token applies only then.
    pub fn awaits_token(&self) -> bool {
        matches!(self.expected, Expected::Stream(_)) && self.arrivals.first_token.is_none()
    }

    /// Frees memory that only a large response needed, once the response has been recorded.
    pub fn release(&mut self) {
        self.sse.reset();
        self.json.clear();
        self.json.shrink_to(KEPT_BYTES_MAX);
    }

    pub fn output_tokens(&self) -> (u32, TokenSource) {
        match self.body {
            Body::Events(_) => self.stream.output_tokens(),
            _ => self.tokens,
        }
    }

    /// Returns the times that the server reported about itself.
    pub fn server_times(&self) -> ServerTimes {
        match self.body {
            Body::Events(_) => self.stream.times(),
            _ => self.times,
        }
    }

    /// Reads bytes that arrived at `arrived`, which must not be earlier than the previous read.
    pub fn read(&mut self, mut input: &[u8], arrived: Nanos, sink: &mut impl TokenSink) -> Progress {
        debug_assert!(arrived >= self.arrivals.last, "reads come in order");
        self.arrivals.last = arrived;
        self.arrivals.first_byte.get_or_insert(arrived);
        let mut tokens_in_read = 0;
        loop {
            let step = match self.http.step(input, &Limits::DEFAULT) {
                Ok(step) => step,
                Err(e) => return over(outcome_of_http_error(e)),
            };
            match step {
                Step::NeedMore => return Progress::More,
                Step::Interim { consumed, .. } => input = &input[consumed..],
                Step::Head { consumed, head } => {
                    input = &input[consumed..];
                    self.begin_body(&head);
                    if let Body::Skipped(outcome) = self.body
                        && outcome == Outcome::UnsupportedEncoding
                    {
                        return over(outcome);
                    }
                }
                Step::Body { consumed, data } => {
                    input = &input[consumed..];
                    if let Err(outcome) = self.read_body(data, arrived, sink, &mut tokens_in_read) {
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

    /// Ends the response because the peer closed the connection. `None` means that not one byte of it had arrived.
    pub fn eof(&mut self) -> Option<Outcome> {
        match self.http.eof() {
            Ok(_) => Some(self.verdict()),
            Err(HttpError::EmptyReply) => None,
            Err(e) => Some(outcome_of_http_error(e)),
        }
    }

    fn begin_body(&mut self, head: &Head) {
        self.status = head.status;
        self.body = match head.status {
            200..=299 if head.content_encoded => Body::Skipped(Outcome::UnsupportedEncoding),
            200..=299 => match (self.expected, head.content_type) {
                (Expected::Light, _) => Body::Skipped(Outcome::Ok),
                (Expected::Stream(api), ContentType::EventStream) if head.status == 200 => {
                    match api.row().read_event {
                        Some(read) => Body::Events(read),
                        None => Body::Skipped(Outcome::NotStreamed),
                    }
                }
                (Expected::Stream(_), _) => Body::Skipped(Outcome::NotStreamed),
                (Expected::Whole(api), _) => Body::Json(api.row().read_body),
            },
            300..=399 => Body::Skipped(Outcome::Redirect),
            429 => Body::Skipped(Outcome::Http429),
            503 => Body::Skipped(Outcome::Http503),
            400..=499 => Body::Skipped(Outcome::Http4xx),
            500..=599 => Body::Skipped(Outcome::Http5xx),
            _ => Body::Skipped(Outcome::Malformed),
        };
    }

    #[inline]
    fn read_body(
        &mut self,
        data: &[u8],
        arrived: Nanos,
        sink: &mut impl TokenSink,
        tokens_in_read: &mut u32,
    ) -> Result<(), Outcome> {
        match self.body {
            Body::Events(read) => self.read_events(read, data, arrived, sink, tokens_in_read),
            Body::Json(_) if self.json.len() + data.len() > JSON_BYTES_MAX => Err(Outcome::TooLarge),
            Body::Json(_) => {
                self.json.extend_from_slice(data);
                Ok(())
            }
            Body::Skipped(_) => Ok(()),
            Body::Awaited => unreachable!("a body comes after its head"),
        }
    }

    fn read_events(
        &mut self,
        read: ReadEvent,
        mut data: &[u8],
        arrived: Nanos,
        sink: &mut impl TokenSink,
        tokens_in_read: &mut u32,
    ) -> Result<(), Outcome> {
        while !data.is_empty() {
            let (consumed, item) = self
                .sse
                .step(data, EVENT_BYTES_MAX)
                .map_err(|_| Outcome::TooLarge)?;
            match item {
                Some(Item::Event { name, data: event }) => {
                    self.arrivals.first_event.get_or_insert(arrived);
                    let facts = self
                        .stream
                        .read(read, name, event)
                        .map_err(|_| Outcome::Malformed)?;
                    if facts.token {
                        self.arrivals.first_token.get_or_insert(arrived);
                        if let Some(last) = self.arrivals.last_token.replace(arrived) {
                            sink.gap(arrived - last);
                        }
                        *tokens_in_read += 1;
                        if *tokens_in_read > 1 {
                            sink.coalesced();
                        }
                        sink.token(event, arrived);
                    }
                }
                Some(Item::UnknownField { name, value }) => self.stream.unknown_field(name, value),
                Some(Item::Comment | Item::Retry(_)) | None => {}
            }
            data = &data[consumed..];
        }
        Ok(())
    }

    /// Returns the outcome of a response that is complete by the rules of HTTP; its content decides.
    fn verdict(&mut self) -> Outcome {
        match self.body {
            Body::Events(read) => {
                // Some servers omit the blank line after the last event.
                if let Some(data) = self.sse.pending_data()
                    && !self.stream.is_done()
                {
                    // An error means that this is the rest of a cut event.
                    let _ = self.stream.read(read, b"", data);
                }
                self.stream.verdict_at_end().outcome()
            }
            Body::Json(read) => self.verdict_of_json(read),
            Body::Skipped(outcome) => outcome,
            Body::Awaited => Outcome::Malformed,
        }
    }

    fn verdict_of_json(&mut self, read: ReadBody) -> Outcome {
        match read(&self.json) {
            Ok(facts) => {
                self.tokens = facts.output_tokens();
                self.times = facts.times;
                facts.outcome()
            }
            Err(_) => Outcome::Malformed,
        }
    }
}

fn over(outcome: Outcome) -> Progress {
    Progress::Over {
        outcome,
        reusable: false,
    }
}

fn outcome_of_http_error(error: HttpError) -> Outcome {
    match error {
        HttpError::IncompleteHeaders | HttpError::IncompleteBody | HttpError::EmptyReply => {
            Outcome::Truncated
        }
        HttpError::TooLarge | HttpError::TooManyInterim => Outcome::TooLarge,
        HttpError::Http2Preface => Outcome::Http2Only,
        HttpError::TlsRecord
        | HttpError::BadStatusLine
        | HttpError::BadVersion
        | HttpError::BadHeader
        | HttpError::BadContentLength
        | HttpError::BadTransferEncoding
        | HttpError::BadChunk
        | HttpError::UnexpectedUpgrade => Outcome::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Sink {
        gaps: Vec<Nanos>,
        coalesced: u32,
        tokens: u32,
    }

    impl TokenSink for Sink {
        fn gap(&mut self, gap: Nanos) {
            self.gaps.push(gap);
        }
        fn coalesced(&mut self) {
            self.coalesced += 1;
        }
        fn token(&mut self, _: &[u8], _: Nanos) {
            self.tokens += 1;
        }
    }

    const HEAD: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

    fn chunk(data: &str) -> String {
        format!("{:x}\r\n{data}\r\n", data.len())
    }

    fn token(text: &str) -> String {
        chunk(&format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
        ))
    }

    fn finish() -> String {
        chunk(
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":7}}\n\n",
        )
    }

    #[test]
    fn a_role_chunk_is_an_event_and_no_token() {
        let mut reader = ResponseReader::new();
        let mut sink = Sink::default();
        reader.begin(Expected::Stream(Api::Chat));
        let role = chunk("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n");
        let reads = [
            (10, HEAD.to_string()),
            (20, role),
            (30, chunk(": ping\n\n")),
            (40, token("a")),
            (90, token("b") + &token("c")),
        ];
        for (at, bytes) in reads {
            assert_eq!(reader.read(bytes.as_bytes(), at, &mut sink), Progress::More);
        }
        let end = finish() + &chunk("data: [DONE]\n\n") + "0\r\n\r\n";
        let over = Progress::Over {
            outcome: Outcome::Ok,
            reusable: true,
        };
        assert_eq!(reader.read(end.as_bytes(), 100, &mut sink), over);
        let expected = Arrivals {
            first_byte: Some(10),
            first_event: Some(20),
            first_token: Some(40),
            last_token: Some(90),
            last: 100,
        };
        assert_eq!(reader.arrivals, expected);
        assert_eq!(sink.gaps, [50, 0]);
        assert_eq!((sink.coalesced, sink.tokens), (1, 3));
        assert_eq!(reader.output_tokens(), (7, TokenSource::Server));
    }

    #[test]
    fn a_clean_end_without_a_finish_is_truncated_and_bytes_behind_it_forbid_reuse() {
        let mut reader = ResponseReader::new();
        reader.begin(Expected::Stream(Api::Chat));
        let bytes =
            HEAD.to_string() + &token("a") + &chunk("data: [DONE]\n\n") + "0\r\n\r\nHTTP/1.1 200 OK\r\n";
        let over = Progress::Over {
            outcome: Outcome::Truncated,
            reusable: false,
        };
        assert_eq!(reader.read(bytes.as_bytes(), 1, &mut Sink::default()), over);
    }

    #[test]
    fn the_status_decides_before_the_body() {
        for (status, outcome) in [
            (204, Outcome::Ok),
            (302, Outcome::Redirect),
            (404, Outcome::Http4xx),
            (429, Outcome::Http429),
            (500, Outcome::Http5xx),
            (503, Outcome::Http503),
        ] {
            let mut reader = ResponseReader::new();
            reader.begin(Expected::Light);
            let bytes = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            let over = Progress::Over {
                outcome,
                reusable: true,
            };
            assert_eq!(reader.read(bytes.as_bytes(), 1, &mut Sink::default()), over);
        }
    }

    #[test]
    fn json_where_a_stream_was_asked_for_is_not_streamed() {
        let mut reader = ResponseReader::new();
        reader.begin(Expected::Stream(Api::Chat));
        let bytes = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        let progress = reader.read(bytes.as_bytes(), 1, &mut Sink::default());
        assert!(matches!(
            progress,
            Progress::Over {
                outcome: Outcome::NotStreamed,
                ..
            }
        ));
        assert_eq!(reader.arrivals.first_token, None);
    }

    #[test]
    fn a_close_before_any_byte_differs_from_a_cut() {
        let mut reader = ResponseReader::new();
        reader.begin(Expected::Stream(Api::Chat));
        assert_eq!(reader.eof(), None);
        reader.begin(Expected::Stream(Api::Chat));
        reader.read(&HEAD.as_bytes()[..20], 1, &mut Sink::default());
        assert_eq!(reader.eof(), Some(Outcome::Truncated));
    }
}
