//! Decides the outcome of a response that cannot be read.

use crate::http1::HttpError;
use crate::metrics::{Cause, Outcome};
use crate::sse::LEADING_BLANKS_MAX;

/// Tells what came instead of a stream, by its beginning. Behind more blanks than a stream may begin with nothing is
/// looked at, because it may come in a later read.
pub(super) fn cause_of_document(begin: &[u8]) -> Cause {
    let bare = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let begin = bare.trim_ascii_start();
    match begin.first() {
        _ if bare.len() - begin.len() > LEADING_BLANKS_MAX => Cause::OtherBody,
        None => Cause::EmptyBody,
        Some(b'{' | b'[') => Cause::JsonDocument,
        Some(b'<') => Cause::Html,
        Some(_) => Cause::OtherBody,
    }
}

pub(super) fn cause_of(error: HttpError) -> Option<Cause> {
    Some(match error {
        HttpError::IncompleteHeaders | HttpError::EmptyReply => Cause::CutInHead,
        HttpError::IncompleteBody => Cause::CutInBody,
        HttpError::BadStatusLine => Cause::BadStatusLine,
        HttpError::TlsRecord => Cause::TlsRecord,
        HttpError::BadVersion => Cause::BadVersion,
        HttpError::BadHeader => Cause::BadHeader,
        HttpError::BadContentLength => Cause::BadContentLength,
        HttpError::BadTransferEncoding => Cause::BadTransferEncoding,
        HttpError::BadChunk => Cause::BadChunk,
        HttpError::UnexpectedUpgrade => Cause::UnexpectedUpgrade,
        HttpError::TooLarge | HttpError::TooManyInterim | HttpError::Http2Preface => return None,
    })
}

pub(super) fn outcome_of(error: HttpError) -> Outcome {
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
