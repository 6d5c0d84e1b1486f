//! Finds the end of a response head and reads the fields that matter.

use std::mem::MaybeUninit;

use super::{HttpError, Limits};

/// Largest number of header fields in a head. They are parsed on the stack, at 32 bytes each.
pub const HEADERS_MAX: usize = 256;

/// The media type of a response. Parameters do not matter: an event stream is UTF-8 whatever its charset says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentType {
    EventStream,
    Json,
    /// One JSON document per line.
    JsonLines,
    Other,
    /// There is no Content-Type.
    #[default]
    None,
}

/// The fields of a head, before their meaning for the body is decided.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub(super) status: u16,
    pub(super) version_minor: u8,
    pub(super) content_type: ContentType,
    pub(super) content_encoded: bool,
    pub(super) location: bool,
    pub(super) retry_after_seconds: Option<u32>,
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) says_close: bool,
    pub(super) says_keep_alive: bool,
}

/// Finds the empty line that ends a head, across any number of slices. Each byte is examined once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EndFinder {
    #[default]
    InLine,
    AfterLf,
    AfterLfCr,
}

impl EndFinder {
    /// Returns the number of bytes of `input` up to and including the head's last LF.
    pub(super) fn find(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < input.len() {
            *self = match (*self, input[at]) {
                (EndFinder::AfterLf | EndFinder::AfterLfCr, b'\n') => return Some(at + 1),
                (EndFinder::AfterLf, b'\r') => EndFinder::AfterLfCr,
                _ => {
                    at += memchr::memchr(b'\n', &input[at..]).unwrap_or(input.len() - at);
                    if at == input.len() {
                        EndFinder::InLine
                    } else {
                        EndFinder::AfterLf
                    }
                }
            };
            at += 1;
        }
        None
    }
}

/// The protocol that the first bytes of a response indicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    Http,
    /// Too few bytes: it may still become HTTP, or another protocol that has its own error.
    TooShort,
    Foreign(HttpError),
}

/// Length of an HTTP/2 frame header, which is enough to distinguish all protocols.
pub(super) const SNIFF_BYTES: usize = 9;

/// Recognises the protocol from the first bytes after skipped empty lines.
pub(super) fn sniff(first: &[u8]) -> Sniffed {
    const HTTP: &[u8] = b"HTTP/";
    if first.starts_with(HTTP) {
        return Sniffed::Http;
    }
    if HTTP.starts_with(first) {
        return Sniffed::TooShort;
    }
    // TLS: an alert (0x15) or a handshake (0x16) record, then major version 3.
    if matches!(first[0], 0x15 | 0x16) {
        return match first.get(1) {
            None => Sniffed::TooShort,
            Some(3) => Sniffed::Foreign(HttpError::TlsRecord),
            Some(_) => Sniffed::Foreign(HttpError::BadStatusLine),
        };
    }
    if !may_be_http2_frame(first) {
        return Sniffed::Foreign(HttpError::BadStatusLine);
    }
    if first.len() < SNIFF_BYTES {
        return Sniffed::TooShort;
    }
    Sniffed::Foreign(HttpError::Http2Preface)
}

/// Returns true if the bytes may begin an HTTP/2 frame. A server's first frame is SETTINGS (4), or GOAWAY (7) if it
/// gives up at once; both are on stream 0 and shorter than the initial maximum of 2^14 (RFC 9113, 4.1 and 4.2).
fn may_be_http2_frame(first: &[u8]) -> bool {
    first
        .iter()
        .take(SNIFF_BYTES)
        .enumerate()
        .all(|(i, &byte)| match i {
            0 => byte == 0,
            1 => byte <= 0x40,
            2 => true,
            3 => matches!(byte, 4 | 7),
            4 => byte <= 1,
            _ => byte == 0,
        })
}

/// Parses a complete head, including its empty line.
pub(super) fn parse(head: &[u8], limits: &Limits) -> Result<Fields, HttpError> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let slots = &mut slots[..limits.headers_max.min(HEADERS_MAX)];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, head, slots);
    match parsed {
        Ok(httparse::Status::Complete(n)) if n == head.len() => {}
        Ok(_) => return Err(HttpError::BadHeader),
        Err(error) => return Err(explain(error, head)),
    }
    let status = response.code.unwrap_or(0);
    if !(100..=999).contains(&status) {
        return Err(HttpError::BadStatusLine);
    }
    let mut fields = Fields {
        status,
        version_minor: response.version.unwrap_or(0),
        ..Fields::default()
    };
    let mut codings = Codings::None;
    for header in response.headers.iter() {
        fields.read(header.name, header.value, &mut codings)?;
    }
    fields.chunked = match codings {
        Codings::None => false,
        Codings::Chunked => true,
        Codings::Unsupported => return Err(HttpError::BadTransferEncoding),
    };
    Ok(fields)
}

/// The combined value of all Transfer-Encoding fields. Anything but exactly one `chunked` is refused: no other coding
/// was requested, and parsers disagree about where such a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Codings {
    None,
    Chunked,
    Unsupported,
}

impl Fields {
    fn read(&mut self, name: &str, value: &[u8], codings: &mut Codings) -> Result<(), HttpError> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        match name.len() {
            8 if is("Location") => self.location = true,
            10 if is("Connection") => {
                for token in list(value) {
                    self.says_close |= token.eq_ignore_ascii_case(b"close");
                    self.says_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            11 if is("Retry-After") => {
                self.retry_after_seconds = decimal(trim(value)).and_then(|n| n.try_into().ok());
            }
            12 if is("Content-Type") => self.content_type = content_type(value),
            14 if is("Content-Length") => {
                for item in list(value) {
                    let length = decimal(item).ok_or(HttpError::BadContentLength)?;
                    if self.content_length.is_some_and(|known| known != length) {
                        return Err(HttpError::BadContentLength);
                    }
                    self.content_length = Some(length);
                }
            }
            16 if is("Content-Encoding") => {
                self.content_encoded |=
                    list(value).any(|c| !c.is_empty() && !c.eq_ignore_ascii_case(b"identity"));
            }
            17 if is("Transfer-Encoding") => {
                let plain = trim(value).eq_ignore_ascii_case(b"chunked");
                *codings = match *codings {
                    Codings::None if plain => Codings::Chunked,
                    _ => Codings::Unsupported,
                };
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns the value of the first Location of a head, or of a part of one that has the whole line.
pub fn location(head: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"location:";
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let begin = line
            .get(..NAME.len())
            .filter(|begin| begin.eq_ignore_ascii_case(NAME));
        let value = line.strip_suffix(b"\n").filter(|_| begin.is_some())?;
        Some(trim(&value[NAME.len()..])).filter(|value| !value.is_empty())
    })
}

/// Returns the class of an error of httparse.
fn explain(error: httparse::Error, head: &[u8]) -> HttpError {
    let line_end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let line = &head[..line_end];
    match error {
        httparse::Error::Version if has_other_version(line) => HttpError::BadVersion,
        httparse::Error::Version | httparse::Error::Status => HttpError::BadStatusLine,
        httparse::Error::TooManyHeaders => HttpError::TooLarge,
        _ if memchr::memchr(b'\r', line).is_some_and(|cr| cr + 1 < line.len()) => HttpError::BadStatusLine,
        httparse::Error::HeaderValue if has_control_in_transfer_encoding(head) => {
            HttpError::BadTransferEncoding
        }
        _ => HttpError::BadHeader,
    }
}

/// Returns true if the line begins with a well-formed version, such as `HTTP/5.6 `.
fn has_other_version(line: &[u8]) -> bool {
    matches!(
        line,
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'0'..=b'9',
            b'.',
            b'0'..=b'9',
            b' ',
            ..
        ]
    )
}

/// Returns true for `Transfer-Encoding: \x0bchunked` and its like. It is a trick that makes two parsers see different
/// framing, so it has an error of its own.
fn has_control_in_transfer_encoding(head: &[u8]) -> bool {
    const NAME: &[u8] = b"transfer-encoding:";
    head.split(|&b| b == b'\n').any(|line| {
        line.len() > NAME.len()
            && line[..NAME.len()].eq_ignore_ascii_case(NAME)
            && line[NAME.len()..]
                .iter()
                .any(|&b| b.is_ascii_control() && !matches!(b, b'\t' | b'\r' | 0))
    })
}

fn content_type(value: &[u8]) -> ContentType {
    let essence = trim(value.split(|&b| b == b';').next().unwrap_or_default());
    if essence.eq_ignore_ascii_case(b"text/event-stream") {
        return ContentType::EventStream;
    }
    let suffix_at = essence.len().saturating_sub(b"+json".len());
    if essence.eq_ignore_ascii_case(b"application/json")
        || essence[suffix_at..].eq_ignore_ascii_case(b"+json")
    {
        return ContentType::Json;
    }
    const LINES: [&[u8]; 5] = [
        b"application/x-ndjson",
        b"application/ndjson",
        b"application/jsonl",
        b"application/x-jsonlines",
        b"application/json-lines",
    ];
    if LINES.iter().any(|kind| essence.eq_ignore_ascii_case(kind)) {
        return ContentType::JsonLines;
    }
    ContentType::Other
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim)
}

/// Removes blanks around a value. Line ends of a folded value count as blanks.
fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// Reads a number of digits only, at most 2^63 - 1.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0i64, |sum, &byte| {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        })
        .map(|sum| sum as u64)
}

/// Returns true for a `tchar` of RFC 9110, 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
