//! What can be wrong with a response.

use std::fmt;

/// Why a response could not be read to its end. After any of these the connection must not be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpError {
    BadStatusLine,
    BadVersion,
    BadHeader,
    BadContentLength,
    BadTransferEncoding,
    BadChunk,
    /// A limit of [`super::Limits`] was reached.
    TooLarge,
    /// The peer closed inside the head.
    IncompleteHeaders,
    /// The peer closed inside the body, or before a chunked body's last chunk.
    IncompleteBody,
    /// The peer closed before the first byte of the status line.
    EmptyReply,
    /// 101 although no upgrade was asked for.
    UnexpectedUpgrade,
    TooManyInterim,
    /// The first bytes are an HTTP/2 frame: the server speaks HTTP/2 only.
    Http2Preface,
    /// The first bytes are a TLS record: the port wants TLS.
    TlsRecord,
}

impl HttpError {
    /// The error's class. The two foreign protocols share the class of a bad status line.
    pub fn name(self) -> &'static str {
        match self {
            HttpError::BadStatusLine | HttpError::Http2Preface | HttpError::TlsRecord => "bad_status_line",
            HttpError::BadVersion => "bad_version",
            HttpError::BadHeader => "bad_header",
            HttpError::BadContentLength => "bad_content_length",
            HttpError::BadTransferEncoding => "bad_transfer_encoding",
            HttpError::BadChunk => "bad_chunk",
            HttpError::TooLarge => "too_large",
            HttpError::IncompleteHeaders => "incomplete_headers",
            HttpError::IncompleteBody => "incomplete_body",
            HttpError::EmptyReply => "empty_reply",
            HttpError::UnexpectedUpgrade => "unexpected_upgrade",
            HttpError::TooManyInterim => "too_many_interim",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HttpError::BadStatusLine => "the response does not begin with an HTTP/1 status line",
            HttpError::BadVersion => "the response's HTTP version is neither 1.0 nor 1.1",
            HttpError::BadHeader => "a header of the response is malformed",
            HttpError::BadContentLength => "the response's content-length is malformed or ambiguous",
            HttpError::BadTransferEncoding => "the response's transfer-encoding is not plain `chunked`",
            HttpError::BadChunk => "the response's chunked framing is broken",
            HttpError::TooLarge => "the response exceeds a size limit",
            HttpError::IncompleteHeaders => "the server closed inside the response's headers",
            HttpError::IncompleteBody => "the server closed before the response's end",
            HttpError::EmptyReply => "the server closed without a response",
            HttpError::UnexpectedUpgrade => "the server switched protocols unasked (status 101)",
            HttpError::TooManyInterim => "the server sent too many 1xx responses",
            HttpError::Http2Preface => "the server speaks HTTP/2 only",
            HttpError::TlsRecord => "the server answered with TLS; use an https:// target",
        })
    }
}

impl std::error::Error for HttpError {}
