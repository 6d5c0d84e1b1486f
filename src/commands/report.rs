//! The subcommand `report`: one page of HTML for saved documents.

use crate::cli::ReportArgs;
use crate::commands::held_input::{HeldInput, STANDARD, STANDARD_NAME};
use crate::compare::read::read_run;
use crate::compare::{Comparison, Run};
use crate::error::{ExitCode, Failure, Reason, lossless, quoted};
use crate::json::{Fault, JsonError, Scanner};
use crate::limit;
use crate::output::OutputFile;
use crate::page::{Loaded, page};
use crate::result::{Schema, read, schema_of};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most bytes that are kept of the document of a search, which has a row for each probe.
const SEARCH_BYTES_MAX: u64 = 64 * 1024 * 1024;
const WRITTEN_BY_US: &str = "report reads what --output FILE, merge or find-limit has written; `compare` also reads the \
     files of other tools";

/// A document and the file that it is in.
struct Document {
    label: String,
    path: PathBuf,
    loaded: Loaded,
    /// Keeps what standard input held.
    _held: Option<HeldInput>,
}

/// Writes the page. Returns the line that says where it is, unless it is on standard output.
pub fn run(args: &ReportArgs) -> Result<Option<String>, Failure> {
    if args.documents.iter().filter(|name| *name == STANDARD).count() > 1 {
        let reason = Reason::new("standard input is given twice, and can be read once");
        let reason = reason.hint("name the other document by its file");
        return Err(Failure::new(ExitCode::Config, reason.at(STANDARD, 0)));
    }
    let file = OutputFile::prepare(&args.output)?;
    let documents: Vec<Document> = args
        .documents
        .iter()
        .map(|name| load(name))
        .collect::<Result<_, Failure>>()?;
    let runs = runs(&documents)?;
    let comparison = (runs.len() > 1).then(|| Comparison::new(&runs));
    let loaded: Vec<Loaded> = documents.into_iter().map(|document| document.loaded).collect();
    file.write_text(&page(&loaded, comparison.as_ref()))?;
    Ok((!file.is_standard_output()).then(|| format!("Saved to {}\n", file.name())))
}

/// Reads runs once more, as `compare` does.
fn runs(documents: &[Document]) -> Result<Vec<Run>, Failure> {
    let runs = || documents.iter().filter(|document| !document.loaded.is_search());
    if runs().count() < 2 {
        return Ok(Vec::new());
    }
    let read = runs().map(|document| read_run(&document.path, &document.label).map_err(Failure::from));
    read.collect()
}

fn load(name: &OsStr) -> Result<Document, Failure> {
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
    let loaded = loaded(&path, &label).map_err(|reason| {
        let place = reason.at(label.as_str(), 0);
        Failure::new(ExitCode::Config, place)
    })?;
    Ok(Document {
        label,
        path,
        loaded,
        _held: held,
    })
}

fn open(path: &Path) -> Result<impl BufRead, Reason> {
    let file = File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        // It is read twice.
        false => Err(std::io::Error::other("not a regular file")),
    });
    let file = file.map_err(|e| Reason::new(format!("cannot be read: {e}")).hint(WRITTEN_BY_US))?;
    Ok(BufReader::with_capacity(256 * 1024, file))
}

fn loaded(path: &Path, label: &str) -> Result<Loaded, Reason> {
    match schema_of(open(path)?).map_err(unreadable)? {
        Some(schema) if schema == limit::SCHEMA => {
            let mut scanner = Scanner::within(open(path)?, SEARCH_BYTES_MAX);
            let document: serde_json::Value = scanner.parse().map_err(unreadable)?;
            scanner.end().map_err(unreadable)?;
            Ok(Loaded::of_search(label, &document))
        }
        Some(schema) if Schema::is_ours(&schema) => {
            Schema::check(&schema).map_err(|reason| reason.within("`schema`"))?;
            let result = read(open(path)?).map_err(unreadable)?;
            let contradiction = |e: &dyn std::fmt::Display| Reason::new(e.to_string()).hint(WRITTEN_BY_US);
            result.check().map_err(|e| contradiction(&e))?;
            Ok(Loaded::of_run(label, &result))
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

fn unreadable(error: JsonError) -> Reason {
    let hint = match &error.fault {
        Fault::Cut(_) => "the file is incomplete: copy it again, or repeat the run that wrote it",
        Fault::Io(_) => "check the disk and the file's permissions",
        Fault::Wrong(_) => WRITTEN_BY_US,
    };
    Reason::new(error.to_string()).hint(hint)
}
