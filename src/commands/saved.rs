//! The documents that this program has saved, for the commands that show them again.

use crate::commands::held_input::{HeldInput, STANDARD, STANDARD_NAME};
use crate::compare::json::SCHEMA as COMPARISON;
use crate::error::{ExitCode, Failure, Reason, lossless, quoted, shown_path};
use crate::json::{Fault, JsonError, Scanner};
use crate::limit;
use crate::result::{RunResult, Schema, read, schema_of};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most bytes that are kept of the document of a search or of a comparison, which has a row for each probe or
/// figure.
const SEARCH_BYTES_MAX: u64 = 64 * 1024 * 1024;
const WRITTEN_BY_US: &str = "this reads what --output FILE, merge or find-limit has written; `compare` also reads the \
     files of other tools";

/// What a document holds.
#[derive(Clone, Debug)]
pub enum Saved {
    /// A run, or several that were merged. Its details stay in the file.
    Run(Box<RunResult>),
    /// What find-limit has found.
    Search(Value),
    /// What `compare --format json` has written.
    Comparison(Value),
}

/// A document and the file that it is in.
#[derive(Debug)]
pub struct Document {
    /// Its name in errors and on what is made of it.
    pub label: String,
    /// A path that opens it, as long as this is kept.
    pub path: PathBuf,
    pub saved: Saved,
    /// Keeps what standard input held.
    _held: Option<HeldInput>,
}

impl Document {
    /// Reads a document, and checks that its figures agree. `-` is standard input.
    pub fn load(name: &OsStr) -> Result<Document, Failure> {
        let (path, label, held) = match name == STANDARD {
            true => {
                let held = HeldInput::read()?;
                (held.path(), STANDARD_NAME.to_owned(), Some(held))
            }
            false => {
                let label = lossless(name.as_bytes()).into_owned();
                (PathBuf::from(name), label, None)
            }
        };
        let saved = read_saved(&path).map_err(|reason| {
            let place = reason.at(label.as_str(), 0);
            Failure::new(ExitCode::Config, place)
        })?;
        Ok(Document {
            label,
            path,
            saved,
            _held: held,
        })
    }

    /// Returns the name as a summary shows it.
    pub fn name(&self) -> String {
        shown_path(&self.label)
    }

    /// Returns the failure for a document that is right and yet not what a command needs.
    pub fn refused(&self, reason: Reason) -> Failure {
        Failure::new(ExitCode::Config, reason.at(self.label.as_str(), 0))
    }

    /// Opens the document at its beginning.
    pub fn open(&self) -> std::io::Result<BufReader<File>> {
        Ok(buffered(File::open(&self.path)?))
    }
}

fn buffered(file: File) -> BufReader<File> {
    BufReader::with_capacity(256 * 1024, file)
}

fn open(path: &Path) -> Result<impl BufRead, Reason> {
    let file = fs::metadata(path).and_then(|found| match found.is_file() {
        true => File::open(path),
        // It is read twice.
        false => Err(std::io::Error::other("not a regular file")),
    });
    let file = file.map_err(|e| Reason::new(format!("cannot be read: {e}")).hint(WRITTEN_BY_US))?;
    Ok(buffered(file))
}

fn read_saved(path: &Path) -> Result<Saved, Reason> {
    match schema_of(open(path)?).map_err(unreadable)? {
        Some(schema) if schema == limit::SCHEMA => tree(path).map(Saved::Search),
        Some(schema) if schema == COMPARISON => tree(path).map(Saved::Comparison),
        Some(schema) if Schema::is_ours(&schema) => {
            Schema::check(&schema).map_err(|reason| reason.within("`schema`"))?;
            let result = read(open(path)?).map_err(unreadable)?;
            let edited = "copy the document again, or repeat the run; was it edited?";
            result
                .check()
                .map_err(|e| Reason::new(e.to_string()).hint(edited))?;
            Ok(Saved::Run(Box::new(result)))
        }
        Some(schema) => {
            let what = format!("`schema` is {}, which is not one of ours", quoted(&schema));
            Err(Reason::new(what).hint(WRITTEN_BY_US))
        }
        None => {
            let what = "this is not a result document, because it has no `schema`";
            Err(Reason::new(what).hint(WRITTEN_BY_US))
        }
    }
}

/// Reads a document that is small enough to be kept.
fn tree(path: &Path) -> Result<Value, Reason> {
    let mut scanner = Scanner::within(open(path)?, SEARCH_BYTES_MAX);
    let document = scanner.parse().map_err(unreadable)?;
    scanner.end().map_err(unreadable)?;
    Ok(document)
}

fn unreadable(error: JsonError) -> Reason {
    let hint = match &error.fault {
        Fault::Cut(_) => "the file is incomplete: copy it again, or repeat the run that wrote it",
        Fault::Io(_) => "check the disk and the file's permissions",
        Fault::Wrong(_) => WRITTEN_BY_US,
    };
    Reason::new(error.to_string()).hint(hint)
}
