//! Reads the file of any supported tool into a run. The format is recognized by the content; the name does not matter.
//!
//! ```text
//! file -> unpacked -> first bytes -> one JSON object -> ours, k6's summaries, oha's, other tools' (`peers/`)
//!                                 -> JSON lines      -> k6's --out json, AIPerf's and vegeta's requests
//!                                 -> CSV             -> k6's --out csv, vegeta's requests
//! ```
//!
//! Files are read forwards and only once. Memory holds one member of an object or one line at a time, and at most
//! [`crate::compare::RAW_VALUES_MAX`] samples of a metric; more are kept as a histogram.

mod csv;
mod error;
mod from_send;
mod input;
mod k6;
mod k6_summary;
mod members;
mod oha;
mod ours;
mod peers;
mod points;
mod samples;

#[cfg(test)]
mod captured_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod k6_tests;

pub use from_send::align;
pub use input::LINE_BYTES_MAX;
pub use peers::Choice;

use crate::compare::{Run, Tool};
use crate::error::{Mistake, Reason, lossless};
use crate::result::Schema;
use error::{Result, io};
use input::Content;
use members::Members;
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A file, and what was said about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The tool that wrote it, if that was said: another tool's file is refused then.
    pub tool: Option<Tool>,
    /// Which of its runs is meant.
    pub choice: Choice,
}

/// Reads the run in the file at `path`, under the name `label`.
pub fn read_run(path: &Path, label: &str) -> std::result::Result<Run, Mistake> {
    read_wanted(path, label, Wanted::default())
}

/// Reads the run that is wanted of the file at `path`.
pub fn read_wanted(path: &Path, label: &str, wanted: Wanted) -> std::result::Result<Run, Mistake> {
    input::open(path)
        .and_then(|content| run_of(content, label, wanted, || input::open_again(path)))
        .map_err(|reason| reason.at(lossless(path.as_os_str().as_bytes()), 0))
}

/// Reads the run that is wanted of a content, which each call of `open` gives from its beginning.
pub fn read_from(
    open: impl Fn() -> Box<dyn BufRead>,
    label: &str,
    wanted: Wanted,
) -> std::result::Result<Run, Reason> {
    let content = || input::content(open());
    run_of(content()?, label, wanted, content)
}

/// Reads a run from its content. `again` opens the same content from its beginning.
fn run_of(content: Content, label: &str, wanted: Wanted, again: impl Fn() -> Result<Content>) -> Result<Run> {
    let run = run_of_any(content, label, wanted, again)?;
    match wanted.tool {
        Some(tool) if run.format.tool() != tool => Err(Reason::new(format!(
            "is {}, not a result of {}",
            run.format.description(),
            tool.name()
        ))
        .hint(format!(
            "write {}:FILE, or the file alone",
            run.format.tool().name()
        ))),
        _ => Ok(run),
    }
}

fn run_of_any(
    content: Content,
    label: &str,
    wanted: Wanted,
    again: impl Fn() -> Result<Content>,
) -> Result<Run> {
    let choice = wanted.choice;
    let mut bytes = match content {
        Content::Points(bytes) => return choice.check(1).and_then(|()| points::run(bytes, label)),
        Content::Csv(bytes) => return choice.check(1).and_then(|()| csv::run(bytes, label)),
        Content::VegetaCsv(bytes) => return peers::vegeta_csv(bytes, label, choice),
        Content::Object(bytes) => bytes,
    };
    let head = bytes.fill_buf().map_err(|e| io(&e, "byte 0"))?;
    if let Some(schema) = ours::schema_in(head) {
        return choice.check(1).and_then(|()| ours::run(bytes, &schema, label));
    }
    if let Some(format) = peers::Marks::in_head(head).format() {
        return peers::run(bytes, format, label, choice);
    }
    let members = Members::read(bytes)?;
    // We write the schema first, but a tool that sorts keys moves it to a later place.
    if let Some(schema) = members.text("schema")?.filter(|schema| Schema::is_ours(schema)) {
        choice.check(1)?;
        return match again()? {
            Content::Object(bytes) => ours::run(bytes, &schema, label),
            _ => Err(members.unknown()),
        };
    }
    if let Some(format) = k6_summary::format(&members) {
        return choice
            .check(1)
            .and_then(|()| k6_summary::run(&members, format, label));
    }
    if oha::is_oha(&members) {
        return choice.check(1).and_then(|()| oha::run(&members, label));
    }
    // The marks of other tools may come late as well. A pipe cannot be read again, and has them in its head or not.
    if let Ok(Content::Object(whole)) = again()
        && let Some(format) = peers::Marks::in_whole(whole)?
            .format()
            .or_else(|| wanted.tool?.format())
        && let Content::Object(bytes) = again()?
    {
        return peers::run(bytes, format, label, choice);
    }
    Err(members.unknown())
}

#[cfg(test)]
fn run_of_bytes(bytes: &[u8], label: &str) -> Result<Run> {
    let open = || -> Box<dyn BufRead> { Box::new(std::io::Cursor::new(bytes.to_vec())) };
    read_from(open, label, Wanted::default())
}
