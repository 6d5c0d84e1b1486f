//! Reads the responses of one connection, one after another.

use super::chunked::{ChunkStep, Chunked};
use super::head::{self, EndFinder, Fields, SNIFF_BYTES, Sniffed};
use super::{ContentType, HttpError, Limits, Method};

/// What [`ResponseParser::step`] found at the start of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// All input is consumed and more is needed.
    NeedMore,
    /// A 1xx response other than 101. Another head follows.
    Interim { consumed: usize, status: u16 },
    /// The final response's head. Call again with the rest of the input, even if that is empty.
    Head { consumed: usize, head: Head },
    /// Body bytes that point into the input, never empty. `consumed` also counts the framing before and after them.
    Body { consumed: usize, data: &'a [u8] },
    /// The response is over.
    End { consumed: usize, end: End },
}

/// The facts from a final response's head that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub version_minor: u8,
    pub content_type: ContentType,
    /// There is a Content-Encoding other than `identity`.
    pub content_encoded: bool,
    /// There is a Location.
    pub location: bool,
    /// Retry-After, if it is given in seconds; a date is not read.
    pub retry_after_seconds: Option<u32>,
    /// Length of the body if the head gives it; 0 if there can be no body.
    pub body_bytes: Option<u64>,
    /// Both Content-Length and Transfer-Encoding are present. The body is read as chunked, and the connection is not
    /// kept.
    pub ambiguous_length: bool,
    /// The connection may be used again after this response's end.
    pub keep_alive: bool,
}

/// The end of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The head allows another request on this connection. Bytes after the end answer no request (RFC 9112, 9.2): a
    /// caller that has input left after `End`, or receives some before its next request, must still close the
    /// connection. Otherwise the next request gets a stale answer with a time to first byte near zero.
    pub keep_alive: bool,
    pub body_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Upgraded,
    NoBody,
    Length,
    Chunked,
    UntilClose,
    Done,
    Failed(HttpError),
}

/// Reads the responses of one connection from slices, cut anywhere. Body bytes are never copied, and a head is copied
/// only if it is cut.
#[derive(Debug)]
pub struct ResponseParser {
    /// The beginning of a head that was cut.
    gathered: Vec<u8>,
    chunked: Chunked,
    /// Bytes left of a body of known length.
    remaining: u64,
    body_bytes: u64,
    blank_bytes: u32,
    interim_count: u32,
    phase: Phase,
    end_finder: EndFinder,
    to_head_request: bool,
    keep_alive: bool,
    chunked_body: bool,
}

// There is one parser per connection, and a core may have 10,000 connections.
const _: () = assert!(size_of::<ResponseParser>() <= 128);

/// A buffer for a cut head is freed if it is larger than this.
const KEPT_BYTES_MAX: usize = 1024;

impl Default for ResponseParser {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseParser {
    /// Creates an idle parser: [`begin`](Self::begin) must be called before [`step`](Self::step).
    pub fn new() -> Self {
        ResponseParser {
            gathered: Vec::new(),
            chunked: Chunked::new(),
            remaining: 0,
            body_bytes: 0,
            blank_bytes: 0,
            interim_count: 0,
            phase: Phase::Idle,
            end_finder: EndFinder::default(),
            to_head_request: false,
            keep_alive: false,
            chunked_body: false,
        }
    }

    /// Prepares for the response to a request with this method.
    pub fn begin(&mut self, method: Method) {
        self.body_bytes = 0;
        self.blank_bytes = 0;
        self.interim_count = 0;
        self.keep_alive = false;
        self.to_head_request = method == Method::Head;
        self.begin_head();
    }

    /// Takes a prefix of `input`. Call again with the rest until it returns `NeedMore` or `End`. An error is final, and
    /// is returned again until the next [`begin`](Self::begin). If no response is expected, this consumes nothing and
    /// returns `End` without `keep_alive`.
    #[inline]
    pub fn step<'a>(&mut self, input: &'a [u8], limits: &Limits) -> Result<Step<'a>, HttpError> {
        let result = if self.phase == Phase::Chunked {
            self.step_chunked(input, limits)
        } else {
            self.step_other(input, limits)
        };
        if let Err(error) = result {
            self.phase = Phase::Failed(error);
            self.give_back();
        }
        result
    }

    /// Ends the response because the peer closed the connection. Returns an error unless that is a valid end: the body
    /// is delimited by the close, or was already complete.
    pub fn eof(&mut self) -> Result<End, HttpError> {
        let result = match self.phase {
            Phase::Idle => Err(HttpError::EmptyReply),
            Phase::Head => Err(self.eof_in_head()),
            Phase::Upgraded => Err(HttpError::UnexpectedUpgrade),
            Phase::Chunked => Err(HttpError::IncompleteBody),
            Phase::Length if self.remaining > 0 => Err(HttpError::IncompleteBody),
            Phase::NoBody | Phase::Length | Phase::UntilClose | Phase::Done => Ok(End {
                keep_alive: false,
                body_bytes: self.body_bytes,
            }),
            Phase::Failed(error) => Err(error),
        };
        self.phase = match result {
            Ok(_) => Phase::Done,
            Err(error) => Phase::Failed(error),
        };
        self.keep_alive = false;
        self.give_back();
        result
    }

    /// Returns the memory that the parser holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.gathered.capacity()
    }

    /// Returns true if the body is chunked, also after an error.
    pub fn is_chunked(&self) -> bool {
        self.chunked_body
    }

    fn eof_in_head(&self) -> HttpError {
        if self.gathered.is_empty() {
            return match self.interim_count {
                0 => HttpError::EmptyReply,
                _ => HttpError::IncompleteHeaders,
            };
        }
        let first = &self.gathered[..self.gathered.len().min(b"HTTP/".len())];
        if b"HTTP/".starts_with(first) {
            HttpError::IncompleteHeaders
        } else {
            HttpError::BadStatusLine
        }
    }

    #[inline]
    fn step_chunked<'a>(&mut self, input: &'a [u8], limits: &Limits) -> Result<Step<'a>, HttpError> {
        match self.chunked.step(input, limits, self.room(limits))? {
            ChunkStep::NeedMore => Ok(Step::NeedMore),
            ChunkStep::Data { consumed, data } => {
                self.body_bytes += data.len() as u64;
                Ok(Step::Body { consumed, data })
            }
            ChunkStep::End { consumed } => Ok(self.end(consumed)),
        }
    }

    fn step_other<'a>(&mut self, input: &'a [u8], limits: &Limits) -> Result<Step<'a>, HttpError> {
        match self.phase {
            Phase::Head => self.step_head(input, limits),
            Phase::Upgraded => Err(HttpError::UnexpectedUpgrade),
            Phase::NoBody => Ok(self.end(0)),
            Phase::Length if self.remaining == 0 => Ok(self.end(0)),
            Phase::Length => {
                let data = self.plain_body(input, self.remaining, limits)?;
                self.remaining -= data.len() as u64;
                Ok(body_or_need_more(data))
            }
            Phase::UntilClose => Ok(body_or_need_more(self.plain_body(input, u64::MAX, limits)?)),
            Phase::Chunked => self.step_chunked(input, limits),
            Phase::Failed(error) => Err(error),
            Phase::Idle | Phase::Done => {
                self.keep_alive &= input.is_empty();
                Ok(self.end(0))
            }
        }
    }

    fn plain_body<'a>(
        &mut self,
        input: &'a [u8],
        remaining: u64,
        limits: &Limits,
    ) -> Result<&'a [u8], HttpError> {
        let take = remaining.min(self.room(limits)).min(input.len() as u64) as usize;
        if take == 0 && !input.is_empty() {
            return Err(HttpError::TooLarge);
        }
        self.body_bytes += take as u64;
        Ok(&input[..take])
    }

    fn room(&self, limits: &Limits) -> u64 {
        limits.body_bytes_max.saturating_sub(self.body_bytes)
    }

    fn end<'a>(&mut self, consumed: usize) -> Step<'a> {
        self.phase = Phase::Done;
        let end = End {
            keep_alive: self.keep_alive,
            body_bytes: self.body_bytes,
        };
        Step::End { consumed, end }
    }

    fn begin_head(&mut self) {
        self.phase = Phase::Head;
        self.end_finder = EndFinder::default();
        self.give_back();
    }

    fn give_back(&mut self) {
        if self.gathered.capacity() > KEPT_BYTES_MAX {
            self.gathered = Vec::new();
        }
        self.gathered.clear();
    }

    fn step_head<'a>(&mut self, input: &'a [u8], limits: &Limits) -> Result<Step<'a>, HttpError> {
        let mut skipped = 0;
        if self.gathered.is_empty() {
            // RFC 9112, 2.2: empty lines before the status line are ignored.
            skipped = input.iter().take_while(|&&b| matches!(b, b'\r' | b'\n')).count();
            let blank_bytes = self.blank_bytes as usize + skipped;
            if blank_bytes > limits.head_bytes_max {
                return Err(HttpError::TooLarge);
            }
            self.blank_bytes = u32::try_from(blank_bytes).unwrap_or(u32::MAX);
        }
        let rest = &input[skipped..];
        if rest.is_empty() {
            return Ok(Step::NeedMore);
        }
        let end = match self.sniff(rest)? {
            Sniffed::Http => self.end_finder.find(rest),
            _ => None,
        };
        if self.gathered.len() + end.unwrap_or(rest.len()) > limits.head_bytes_max {
            return Err(HttpError::TooLarge);
        }
        let Some(end) = end else {
            self.gathered.extend_from_slice(rest);
            return Ok(Step::NeedMore);
        };
        let fields = if self.gathered.is_empty() {
            head::parse(&rest[..end], limits)?
        } else {
            self.gathered.extend_from_slice(&rest[..end]);
            head::parse(&self.gathered, limits)?
        };
        self.finish_head(&fields, skipped + end, limits)
    }

    /// Checks the first bytes of a head, some of which may have come with earlier input.
    fn sniff(&self, rest: &[u8]) -> Result<Sniffed, HttpError> {
        if self.gathered.len() >= SNIFF_BYTES {
            return Ok(Sniffed::Http);
        }
        let mut first = [0; SNIFF_BYTES];
        let old = self.gathered.len();
        let new = rest.len().min(SNIFF_BYTES - old);
        first[..old].copy_from_slice(&self.gathered);
        first[old..old + new].copy_from_slice(&rest[..new]);
        match head::sniff(&first[..old + new]) {
            Sniffed::Foreign(error) => Err(error),
            sniffed => Ok(sniffed),
        }
    }

    fn finish_head<'a>(
        &mut self,
        fields: &Fields,
        consumed: usize,
        limits: &Limits,
    ) -> Result<Step<'a>, HttpError> {
        self.begin_head();
        if fields.status < 200 && fields.status != 101 {
            self.interim_count += 1;
            if self.interim_count > limits.interim_max {
                return Err(HttpError::TooManyInterim);
            }
            let status = fields.status;
            return Ok(Step::Interim { consumed, status });
        }
        let ambiguous_length = fields.chunked && fields.content_length.is_some();
        self.phase = self.framing(fields);
        self.chunked_body = self.phase == Phase::Chunked;
        self.keep_alive = match fields.version_minor {
            _ if fields.says_close || ambiguous_length || self.phase == Phase::UntilClose => false,
            // RFC 9112, 6.1: chunked framing from an HTTP/1.0 server is faulty.
            0 => fields.says_keep_alive && !fields.chunked,
            _ => true,
        };
        self.chunked = Chunked::new();
        self.remaining = fields.content_length.unwrap_or(0);
        let head = Head {
            status: fields.status,
            version_minor: fields.version_minor,
            content_type: fields.content_type,
            content_encoded: fields.content_encoded,
            location: fields.location,
            retry_after_seconds: fields.retry_after_seconds,
            body_bytes: match self.phase {
                Phase::NoBody => Some(0),
                Phase::Length => fields.content_length,
                _ => None,
            },
            ambiguous_length,
            keep_alive: self.keep_alive,
        };
        Ok(Step::Head { consumed, head })
    }

    /// Decides how the body is delimited, by the rules of RFC 9112, 6.3, in their order.
    fn framing(&self, fields: &Fields) -> Phase {
        match fields.status {
            101 => Phase::Upgraded,
            _ if self.to_head_request => Phase::NoBody,
            204 | 304 => Phase::NoBody,
            _ if fields.chunked => Phase::Chunked,
            _ if fields.content_length.is_some() => Phase::Length,
            _ => Phase::UntilClose,
        }
    }
}

fn body_or_need_more(data: &[u8]) -> Step<'_> {
    match data.len() {
        0 => Step::NeedMore,
        consumed => Step::Body { consumed, data },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cut_head_is_copied_and_a_large_copy_is_given_back() {
        let limits = Limits::DEFAULT;
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(9000));
        let mut parser = ResponseParser::new();
        parser.begin(Method::Get);
        let step = parser.step(head.as_bytes(), &limits).unwrap();
        assert!(matches!(step, Step::Head { consumed, .. } if consumed == head.len()));
        assert_eq!(parser.gathered.capacity(), 0);
        parser.begin(Method::Get);
        for byte in head.as_bytes().chunks(1) {
            parser.step(byte, &limits).unwrap();
        }
        assert_eq!(parser.phase, Phase::UntilClose);
        assert_eq!(parser.gathered.capacity(), 0);
    }

    #[test]
    fn a_head_is_reported_with_the_facts_that_matter() {
        let input = b"HTTP/1.0 429 Slow\r\nContent-Type: Text/Event-Stream ; charset=x\r\nRetry-After: 7\r\n\
            Content-Encoding: gzip\r\nLocation: /x\r\nContent-Length: 0005\r\nConnection: keep-alive\r\n\r\n";
        let mut parser = ResponseParser::new();
        parser.begin(Method::Get);
        let expected = Head {
            status: 429,
            version_minor: 0,
            content_type: ContentType::EventStream,
            content_encoded: true,
            location: true,
            retry_after_seconds: Some(7),
            body_bytes: Some(5),
            ambiguous_length: false,
            keep_alive: true,
        };
        let step = parser.step(input, &Limits::DEFAULT).unwrap();
        let consumed = input.len();
        assert_eq!(
            step,
            Step::Head {
                consumed,
                head: expected
            }
        );
    }

    #[test]
    fn content_types_are_recognised_without_their_parameters() {
        for (line, expected) in [
            ("Content-Type: text/event-stream;\r\n", ContentType::EventStream),
            (
                "content-type:application/json; charset=utf-8\r\n",
                ContentType::Json,
            ),
            ("Content-Type: application/problem+json\r\n", ContentType::Json),
            ("Content-Type: text/html\r\n", ContentType::Other),
            ("Content-Type:\r\n", ContentType::Other),
            ("", ContentType::None),
        ] {
            let mut parser = ResponseParser::new();
            parser.begin(Method::Get);
            let input = format!("HTTP/1.1 200 OK\r\n{line}\r\n");
            let Ok(Step::Head { head, .. }) = parser.step(input.as_bytes(), &Limits::DEFAULT) else {
                panic!("{line}");
            };
            assert_eq!(head.content_type, expected);
        }
    }
}
