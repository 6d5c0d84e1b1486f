//! Why a file is not a run: where, what, and what to pass instead.

use crate::error::{ExitCode, Failure, Reason};
use crate::json::{Fault, JsonError};
use std::io::ErrorKind;
use std::path::Path;

pub type Result<T> = std::result::Result<T, ReadError>;

#[derive(Debug)]
pub struct ReadError {
    file: String,
    place: Option<String>,
    what: String,
    hint: String,
}

/// What [`super::read_run`] takes, for hints.
pub const TAKES: &str = "pass a result document of llmload-uring, a k6 summary (--summary-export, handleSummary or \
     the new machine-readable one), k6's --out json or csv (plain or gz), or oha's JSON";

impl ReadError {
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> ReadError {
        ReadError {
            file: String::new(),
            place: None,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// What to do, where it is a document of ours that is wrong.
    pub(super) fn or_hint(self, hint: &str) -> ReadError {
        match self.hint == TAKES {
            true => ReadError {
                hint: hint.to_owned(),
                ..self
            },
            false => self,
        }
    }

    /// A byte, a line, a key.
    pub fn at(mut self, place: impl Into<String>) -> ReadError {
        self.place.get_or_insert(place.into());
        self
    }

    pub(super) fn in_file(mut self, path: &Path) -> ReadError {
        self.file = path.display().to_string();
        self
    }

    /// The file ends where more was due.
    pub(super) fn cut(place: impl Into<String>, expected: &str) -> ReadError {
        let what = format!("the file ends here, expected {expected}");
        ReadError::new(
            what,
            "the file is cut: copy it again, or repeat the run that wrote it",
        )
        .at(place)
    }

    /// Reading failed, or unpacking did.
    pub(super) fn io(cause: &std::io::Error, place: impl Into<String>) -> ReadError {
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
        ReadError::new(what, hint).at(place)
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl From<JsonError> for ReadError {
    fn from(error: JsonError) -> ReadError {
        let place = error.place();
        match error.fault {
            Fault::Io(cause) => ReadError::io(&cause, place),
            Fault::Cut(expected) => ReadError::cut(place, &expected),
            Fault::Wrong(what) => ReadError::new(what, TAKES).at(place),
        }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.place.as_ref().map_or(String::new(), |p| format!("{p}: "));
        let text = format!("{}: {place}{}", self.file, self.what);
        f.write_str(&crate::error::escape(&text))
    }
}

impl std::error::Error for ReadError {}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::new(ExitCode::Config, Reason::new(error.to_string()).hint(error.hint))
    }
}

/// A piece of a foreign file inside a message: short, on one line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * CHARS_MAX)]);
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < bytes.len() {
        short.push_str("...");
    }
    format!("`{}`", short.replace(['\n', '\t'], " "))
}

/// serde_json's message; its line and column are those of a piece, not of the file.
pub(super) fn without_position(e: &serde_json::Error) -> String {
    let text = e.to_string();
    match text.rfind(" at line ") {
        Some(i) => text[..i].to_string(),
        None => text,
    }
}
