//! Implements HTTP/1.1 without sockets: requests are written into a buffer, and responses are read from slices.
//!
//! A [`ResponseParser`] takes the bytes of one connection, cut anywhere, and reports what it finds: a head, body slices
//! that point into the caller's bytes, and the end. `docs/CONFORMANCE.md` lists the deviations from RFC 9112 that it
//! tolerates, with reasons.

mod chunked;
mod error;
mod head;
#[cfg(test)]
mod properties;
pub mod request;
mod response;

pub use error::HttpError;
pub use head::{ContentType, HEADERS_MAX, location};
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

/// Limits of what a server may send. Exceeding one ends the response with [`HttpError::TooLarge`], except for interim
/// responses ([`HttpError::TooManyInterim`]) and chunk extensions ([`HttpError::BadChunk`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of status line and headers, the empty line included. Empty lines before the status line have the same
    /// limit of their own.
    pub head_bytes_max: usize,
    /// Header fields in one head; a value above [`HEADERS_MAX`] has no effect.
    pub headers_max: usize,
    /// Bytes of chunk extensions and blanks after chunk sizes, beyond an allowance of 16 bytes per chunk and two per
    /// body byte.
    pub chunk_extension_bytes_max: usize,
    /// Bytes after the last chunk.
    pub trailer_bytes_max: usize,
    /// 1xx responses before the final one.
    pub interim_max: u32,
    /// Body bytes without framing.
    pub body_bytes_max: u64,
}

impl Limits {
    pub const DEFAULT: Limits = Limits {
        head_bytes_max: 64 << 10,
        headers_max: HEADERS_MAX,
        chunk_extension_bytes_max: 16 << 10,
        trailer_bytes_max: 64 << 10,
        interim_max: 16,
        // An answer of a million tokens with 250 bytes per event takes a quarter of this.
        body_bytes_max: 1 << 30,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
