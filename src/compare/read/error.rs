//! Why a file is not a run: where, what, and what to pass instead.

use crate::error::{Reason, lossless, printable};
use crate::json::{Fault, JsonError};
use std::fmt::Display;
use std::io::ErrorKind;

pub type Result<T> = std::result::Result<T, Reason>;

/// What [`super::read_run`] takes, for hints.
pub const TAKES: &str = "pass a result document of llmload-uring, a k6 summary (--summary-export, handleSummary or \
     the new machine-readable one), k6's --out json or csv (plain or gz), or oha's JSON";

/// Something is wrong with the file; what to pass instead.
pub(super) fn wrong(what: impl Into<String>) -> Reason {
    Reason::new(what).hint(TAKES)
}

/// Reading failed, or unpacking did.
pub(super) fn io(cause: &std::io::Error, place: impl Display) -> Reason {
    let (what, hint) = match cause.kind() {
        ErrorKind::UnexpectedEof => (
            "the gzip data ends before its end mark".to_string(),
            "the file is cut: copy it again, or unpack what is there (zcat FILE > PART) and pass that",
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

/// What a fault of a JSON file means here; `hint` is for a text that is not what was expected.
pub(super) fn json(error: JsonError, hint: &str) -> Reason {
    let place = error.place();
    match error.fault {
        Fault::Io(cause) => io(&cause, place),
        Fault::Cut(expected) => Reason::new(format!("the file ends here, but {expected} was expected"))
            .within(place)
            .hint("the file is cut: copy it again, or repeat the run that wrote it"),
        Fault::Wrong(what) => Reason::new(what).within(place).hint(hint),
    }
}

/// As the readers of other tools' files tell it.
impl From<JsonError> for Reason {
    fn from(error: JsonError) -> Reason {
        json(error, TAKES)
    }
}

/// A piece of a foreign file inside a message: short, on one line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 40;
    let text = lossless(&bytes[..bytes.len().min(4 * CHARS_MAX)]);
    format!("`{}`", printable(&text, CHARS_MAX))
}

/// serde_json's message; its line and column are those of a piece, not of the file.
pub(super) fn without_position(e: &serde_json::Error) -> String {
    let text = e.to_string();
    match text.rfind(" at line ") {
        Some(i) => text[..i].to_string(),
        None => text,
    }
}
