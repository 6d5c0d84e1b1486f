//! HTTP/1.1 without sockets: requests are written into a buffer, responses are read from slices.
//!
//! A [`ResponseParser`] is given the bytes of one connection, cut anywhere, and reports facts: a head, body
//! slices that point into the caller's bytes, an end. Which deviations from RFC 9112 it tolerates and why is
//! in `docs/CONFORMANCE.md`.

mod chunked;
mod error;
mod head;
#[cfg(test)]
mod properties;
pub mod request;
mod response;

pub use error::HttpError;
pub use head::{ContentType, HEADERS_MAX};
pub use request::{Body, HeaderError, check_authority, check_header, check_path, encode};
pub use response::{End, Head, ResponseParser, Step};

/// Request methods that the tool sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

/// How much of anything a server may send. Reaching one ends the response with [`HttpError::TooLarge`], but
/// for interim responses ([`HttpError::TooManyInterim`]) and chunk extensions ([`HttpError::BadChunk`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Status line and headers, the empty line included; empty lines before the status line have as much.
    pub head_bytes_max: usize,
    /// Header fields in one head; more than [`HEADERS_MAX`] has no effect.
    pub headers_max: usize,
    /// Chunk extensions and blanks behind chunk sizes, beyond the allowance of 16 bytes a chunk and two per body byte.
    pub chunk_extension_bytes_max: usize,
    /// Everything behind the last chunk.
    pub trailer_bytes_max: usize,
    /// 1xx responses before the final one.
    pub interim_max: u32,
    /// Body bytes, framing not counted.
    pub body_bytes_max: u64,
}

impl Limits {
    pub const DEFAULT: Limits = Limits {
        head_bytes_max: 64 << 10,
        headers_max: HEADERS_MAX,
        chunk_extension_bytes_max: 16 << 10,
        trailer_bytes_max: 64 << 10,
        interim_max: 16,
        // An answer of a million tokens at 250 bytes an event is a quarter of this.
        body_bytes_max: 1 << 30,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
