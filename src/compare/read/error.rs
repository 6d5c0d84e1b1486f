//! The reasons why a file cannot be read as a run: where and what is wrong, and what to pass instead.

use crate::error::{Reason, lossless, printable};
use crate::json::{Fault, JsonError};
use std::fmt::Display;
use std::io::ErrorKind;

pub type Result<T> = std::result::Result<T, Reason>;

/// The formats that [`super::read_run`] reads, for hints.
pub const FORMATS: &str = "pass a result document of llmload-uring, a k6 summary (--summary-export, handleSummary or \
     the new machine-readable one), k6's --out json or csv, the JSON of oha, vllm, sglang, guidellm, aiperf, \
     inference-perf or vegeta, or vegeta's CSV, each plain or gzipped (docs/COMPARE.md)";

/// Returns the reason why a file is wrong, with a hint about what to pass instead.
pub(super) fn wrong(what: impl Into<String>) -> Reason {
    Reason::new(what).hint(FORMATS)
}

/// Returns the reason why reading or unpacking failed.
pub(super) fn io(cause: &std::io::Error, place: impl Display) -> Reason {
    let (what, hint) = match cause.kind() {
        ErrorKind::UnexpectedEof => (
            "the gzip data ends before its end mark".to_string(),
            "the file is incomplete: copy it again, or unpack what is there (zcat FILE > PART) and pass that",
        ),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => (
            format!("the gzip data is damaged: {cause}"),
            "copy the file again, or repeat the run that wrote it",
        ),
        _ => (
            format!("cannot be read: {cause}"),
            "check the disk and the file's permissions",
        ),
    };
    Reason::new(what).within(place).hint(hint)
}

/// Returns the reason for a fault in a JSON file; `hint` is for text that is not what was expected.
pub(super) fn json(error: JsonError, hint: &str) -> Reason {
    let place = error.place();
    match error.fault {
        Fault::Io(cause) => io(&cause, place),
        Fault::Cut(expected) => Reason::new(format!("the file ends here, but {expected} was expected"))
            .within(place)
            .hint("the file is incomplete: copy it again, or repeat the run that wrote it"),
        Fault::Wrong(what) => Reason::new(what).within(place).hint(hint),
    }
}

/// Gives the hint of the readers of other tools' files.
impl From<JsonError> for Reason {
    fn from(error: JsonError) -> Reason {
        json(error, FORMATS)
    }
}

/// Quotes a piece of a foreign file for a message, short and on one line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 40;
    let text = lossless(&bytes[..bytes.len().min(4 * CHARS_MAX)]);
    format!("`{}`", printable(&text, CHARS_MAX))
}

/// Returns serde_json's message without its line and column, which are those of a piece, not of the file.
pub(super) fn without_position(e: &serde_json::Error) -> String {
    let text = e.to_string();
    match text.rfind(" at line ") {
        Some(i) => text[..i].to_string(),
        None => text,
    }
}
