//! From a file of whatever tool to a run. What it is, its content says; its name does not matter.
//!
//! ```text
//! file -> unpacked -> first bytes -> one JSON object -> ours, k6's summaries, oha's
//!                                 -> JSON lines      -> k6's --out json
//!                                 -> CSV             -> k6's --out csv
//! ```
//!
//! Files are read forwards and once. Of objects one member is held at a time, of lines one line; of samples
//! [`crate::compare::RAW_VALUES_MAX`] values of a metric, beyond that a histogram.

mod csv;
mod document;
mod error;
mod input;
mod k6;
mod k6_summary;
mod oha;
pub mod ours;
mod points;
mod samples;

#[cfg(test)]
mod captured_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod k6_tests;

pub use document::{Members, Row, RowSpread};
pub use error::ReadError;
pub use input::LINE_BYTES_MAX;

use crate::compare::Run;
use input::Content;
use std::path::Path;

/// The run that the file at `path` holds, under the name `label`.
pub fn read_run(path: &Path, label: &str) -> Result<Run, ReadError> {
    input::open(path)
        .and_then(|content| run_of(content, label))
        .map_err(|e| e.in_file(path))
}

fn run_of(content: Content, label: &str) -> Result<Run, ReadError> {
    let members = match content {
        Content::Points(bytes) => return points::run(bytes, label),
        Content::Csv(bytes) => return csv::run(bytes, label),
        Content::Object(bytes) => Members::read(bytes)?,
    };
    if ours::is_ours(&members) {
        return ours::run(&members, label);
    }
    if let Some(format) = k6_summary::format(&members) {
        return k6_summary::run(&members, format, label);
    }
    if oha::is_oha(&members) {
        return oha::run(&members, label);
    }
    Err(members.unknown())
}
