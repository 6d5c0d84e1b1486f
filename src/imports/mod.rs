//! What the importers of other tools' configurations have in common: the profile that one makes, with what it could not
//! carry over, the checksum that protects it from being replaced, and the decoding of a file.

mod stamp;
mod text;

pub use stamp::{Importer, is_as_written, stamped};
pub use text::decode;

use crate::error::{one_line, yaml_escaped};
use std::fmt::Write as _;

/// A profile, with notes on how it differs from what it was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub profile: String,
    /// Everything that is not carried over, each with the reason.
    pub left_out: Vec<String>,
    /// What has another name or unit here, or nearly the same meaning.
    pub renamed: Vec<String>,
    /// What a reader should know besides: what has no effect on the load, where the requests come from.
    pub notes: Vec<String>,
    /// The profile names its servers, so it can't be combined with a target.
    pub names_servers: bool,
}

/// Writes lines as comments of a profile below a title; nothing if there are none.
pub fn comments(title: &str, lines: &[String]) -> String {
    let mut out = String::new();
    if !lines.is_empty() {
        let _ = writeln!(out, "# {title}:");
    }
    for line in lines {
        let _ = writeln!(out, "#   {}", one_line(line));
    }
    out
}

/// Writes a text as a value of a profile.
pub fn yaml_text(text: &str) -> String {
    format!("\"{}\"", yaml_escaped(text))
}
