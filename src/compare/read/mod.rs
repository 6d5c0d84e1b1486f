//! Reads the file of any supported tool into a run. The format is recognized by the content; the name does not matter.
//!
//! ```text
//! file -> unpacked -> first bytes -> one JSON object -> ours, k6's summaries, oha's
//!                                 -> JSON lines      -> k6's --out json
//!                                 -> CSV             -> k6's --out csv
//! ```
//!
//! Files are read forwards and only once. Memory holds one member of an object or one line at a time, and at most
//! [`crate::compare::RAW_VALUES_MAX`] samples of a metric; more are kept as a histogram.

mod csv;
mod error;
mod input;
mod k6;
mod k6_summary;
mod members;
mod oha;
mod ours;
mod points;
mod samples;

#[cfg(test)]
mod captured_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod k6_tests;

pub use input::LINE_BYTES_MAX;

use crate::compare::Run;
use crate::error::{Mistake, lossless};
use crate::result::Schema;
use error::{Result, io};
use input::Content;
use members::Members;
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Reads the run in the file at `path`, under the name `label`.
pub fn read_run(path: &Path, label: &str) -> std::result::Result<Run, Mistake> {
    input::open(path)
        .and_then(|content| run_of(content, label, || input::open_again(path)))
        .map_err(|reason| reason.at(lossless(path.as_os_str().as_bytes()), 0))
}

/// Reads a run from its content. `again` opens the same content from its beginning.
fn run_of(content: Content, label: &str, again: impl FnOnce() -> Result<Content>) -> Result<Run> {
    let mut bytes = match content {
        Content::Points(bytes) => return points::run(bytes, label),
        Content::Csv(bytes) => return csv::run(bytes, label),
        Content::Object(bytes) => bytes,
    };
    let head = bytes.fill_buf().map_err(|e| io(&e, "byte 0"))?;
    if let Some(schema) = ours::schema_in(head) {
        return ours::run(bytes, &schema, label);
    }
    let members = Members::read(bytes)?;
    // We write the schema first, but a tool that sorts keys moves it to a later place.
    if let Some(schema) = members.text("schema")?.filter(|schema| Schema::is_ours(schema)) {
        return match again()? {
            Content::Object(bytes) => ours::run(bytes, &schema, label),
            Content::Points(_) | Content::Csv(_) => Err(members.unknown()),
        };
    }
    if let Some(format) = k6_summary::format(&members) {
        return k6_summary::run(&members, format, label);
    }
    if oha::is_oha(&members) {
        return oha::run(&members, label);
    }
    Err(members.unknown())
}

#[cfg(test)]
fn run_of_bytes(bytes: &[u8], label: &str) -> Result<Run> {
    let content = || input::content(Box::new(std::io::Cursor::new(bytes.to_vec())));
    run_of(content()?, label, content)
}
