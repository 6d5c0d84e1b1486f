//! Defines the errors of a response.

use std::fmt;

/// The reason why a response could not be read to its end. The connection must not be used again after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpError {
    BadStatusLine,
    BadVersion,
    BadHeader,
    BadContentLength,
    BadTransferEncoding,
    BadChunk,
    /// A limit of [`super::Limits`] was exceeded.
    TooLarge,
    /// The peer closed the connection inside the head.
    IncompleteHeaders,
    /// The peer closed the connection inside the body, or before the last chunk of a chunked body.
    IncompleteBody,
    /// The peer closed the connection before the first byte of the status line.
    EmptyReply,
    /// The status is 101 although no upgrade was requested.
    UnexpectedUpgrade,
    TooManyInterim,
    /// The first bytes are an HTTP/2 frame, so the server speaks only HTTP/2.
    Http2Preface,
    /// The first bytes are a TLS record, so the port expects TLS.
    TlsRecord,
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
            HttpError::IncompleteHeaders => "the server closed the connection inside the response's headers",
            HttpError::IncompleteBody => "the server closed the connection before the end of the response",
            HttpError::EmptyReply => "the server closed the connection without a response",
            HttpError::UnexpectedUpgrade => {
                "the server switched protocols without being asked to (status 101)"
            }
            HttpError::TooManyInterim => "the server sent too many 1xx responses",
            HttpError::Http2Preface => "the server speaks only HTTP/2",
            HttpError::TlsRecord => "the server answered with TLS; use an https:// target",
        })
    }
}

impl std::error::Error for HttpError {}
