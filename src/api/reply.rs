//! The text of an answer, for conversations that carry it on. Nothing else keeps text.
//!
//! Texts are gathered as the inside of a JSON string, with the escapes that they came with: a request that repeats an
//! answer needs nothing else.

use serde_json::Value;

use super::body::write_string;
use super::scan::{Scan, Text};

/// Appends the text of the answer in an event, or in a body, to the inside of a JSON string. Thoughts, refusals and
/// calls of tools are not carried on.
pub type ReadReply = fn(&[u8], &mut Vec<u8>);

/// The two readers of an API's texts.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Reads the data of an event of a stream.
    pub of_event: ReadReply,
    /// Reads the body of an answer that came in one piece.
    pub of_body: ReadReply,
}

/// Appends a string as it was sent. Gives up on bytes that are not UTF-8.
pub(super) fn append_raw(text: Text<'_>, out: &mut Vec<u8>) -> Option<()> {
    std::str::from_utf8(text.raw).ok()?;
    out.extend_from_slice(text.raw);
    Some(())
}

/// Appends a text, escaped.
pub(super) fn append(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    write_string(out, text);
    // The inside of the string: both its quotes go.
    out.pop();
    out.remove(start);
}

/// Reads with `fast`, or with `plain` if that is not sure: it may have appended a part by then.
pub(super) fn read(
    data: &[u8],
    out: &mut Vec<u8>,
    fast: impl Fn(&mut Scan, &mut Vec<u8>) -> Option<()>,
    plain: impl Fn(&Value, &mut Vec<u8>),
) {
    let before = out.len();
    let mut scan = Scan::new(data);
    if fast(&mut scan, out).and_then(|()| scan.end()).is_some() {
        return;
    }
    out.truncate(before);
    if let Ok(document) = super::chat::plain::document(data) {
        plain(&document, out);
    }
}
