//! `llmload-uring merge`: reads the documents, writes the merged one.

use crate::cli::MergeArgs;
use crate::error::{ExitCode, Failure, Reason, lossless};
use crate::json::JsonError;
use crate::merge::{Listed, Part, imbalance, merge};
use crate::output::{self, DetailSpool, OutputFile, Spooled};
use crate::result::{RunResult, Warning, each_detail};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Read at once: documents with details have hundreds of megabytes.
const READ_BYTES: usize = 256 * 1024;

/// What a merge shows, and its exit code: the merged run's.
#[derive(Debug)]
pub struct Merged {
    pub summary: String,
    pub exit: ExitCode,
    /// The joining went wrong, and the document says so.
    pub failure: Option<Failure>,
}

/// The documents can't be merged.
fn refused(reason: Reason) -> Failure {
    Failure::new(ExitCode::Config, reason)
}

pub fn run(args: &MergeArgs) -> Result<Merged, Failure> {
    let mut seen = Vec::new();
    for path in &args.documents {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            let reason = Reason::new("it is given twice").hint("each document once");
            return Err(refused(reason.within(named(path))));
        }
        seen.push(real);
    }
    let mut parts = Vec::new();
    for path in &args.documents {
        parts.push(Part::read(&named(path), || open(path)).map_err(refused)?);
    }
    let mut result = merge(&mut parts, args.partial).map_err(refused)?;
    #[cfg(debug_assertions)]
    lose_a_request(&mut result);
    let failure = Failure::imbalance(
        "the requests of the merged document do not add up",
        &imbalance(&result, &parts),
    );
    if failure.is_some() {
        result.fail_internally();
    }
    let file = match &args.output {
        Some(path) => Some(OutputFile::prepare(path)?),
        None => None,
    };
    let spooled = match file.as_ref().and_then(OutputFile::spool_path) {
        Some(path) => details(&path, &parts, &args.documents, &mut result)?,
        None => None,
    };
    result.summary = output::summary(&result);
    if let Some(file) = file {
        file.write(&result, spooled.as_ref())?;
    }
    Ok(Merged {
        summary: result.summary,
        exit: result.run.exit_code,
        failure,
    })
}

/// Debug builds only: a mistake of ours on purpose, so that tests can see what becomes of one. A release build must
/// not have a way to it.
#[cfg(debug_assertions)]
fn lose_a_request(result: &mut RunResult) {
    if std::env::var_os("LLMLOAD_TEST_MERGE_LOSES_A_REQUEST").is_some() {
        result.totals.ok -= 1;
    }
}

/// As errors and the merged document name it.
fn named(path: &Path) -> String {
    lossless(path.as_os_str().as_bytes()).into_owned()
}

fn open(path: &Path) -> Result<BufReader<File>, Reason> {
    let file = File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        // It is read twice.
        false => Err(std::io::Error::other("no regular file")),
    });
    let file = file.map_err(|e| {
        let reason =
            Reason::new(format!("cannot be read: {e}")).hint("merge accepts what --output FILE has written");
        reason.within(named(path))
    })?;
    Ok(BufReader::with_capacity(READ_BYTES, file))
}

/// Why the requests of a document were not copied.
enum Stopped {
    Unreadable(JsonError),
    Refused(Reason),
    Unwritten(Failure),
}

impl From<JsonError> for Stopped {
    fn from(error: JsonError) -> Stopped {
        Stopped::Unreadable(error)
    }
}

impl Stopped {
    fn failure(self, part: &Part) -> Failure {
        match self {
            Stopped::Unreadable(error) => refused(Part::unreadable(&part.name, &error)),
            Stopped::Refused(reason) => refused(reason),
            Stopped::Unwritten(failure) => failure,
        }
    }
}

/// The requests of all documents, shard after shard, one at a time in memory. `None`: no document has any.
fn details(
    path: &Path,
    parts: &[Part],
    documents: &[PathBuf],
    result: &mut RunResult,
) -> Result<Option<Spooled>, Failure> {
    let mut spool = DetailSpool::create(path, &[], 0)?;
    let copied = copy(&mut spool, parts, documents);
    let spooled = spool.finish();
    let without = match copied {
        Ok(without) => without,
        Err(failure) => {
            spooled.remove()?;
            return Err(failure);
        }
    };
    if without.len() == parts.len() {
        spooled.remove()?;
        return Ok(None);
    }
    if !without.is_empty() {
        result.warnings.push(Warning::new(
            "details_missing",
            format!("no details in {}", without.join(", ")),
            "--details for all shards; all other figures have their requests",
        ));
    }
    Ok(Some(spooled))
}

/// Names of the documents that have no details.
fn copy(spool: &mut DetailSpool, parts: &[Part], documents: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut without = Vec::new();
    // The parts are in order of their shards, the documents as they were named.
    let of_part = |part: &Part| documents.iter().find(|path| named(path) == part.name);
    for (part, path) in parts.iter().filter_map(|part| Some((part, of_part(part)?))) {
        let has_details = copy_part(spool, part, path).map_err(|stopped| stopped.failure(part))?;
        if !has_details {
            without.push(part.name.clone());
        }
    }
    spool.flush_lines()?;
    Ok(without)
}

/// False: the document has no details.
fn copy_part(spool: &mut DetailSpool, part: &Part, path: &Path) -> Result<bool, Stopped> {
    let mut listed = Listed::new(part);
    let document = open(path).map_err(Stopped::Refused)?;
    let count = each_detail(document, |json, detail| {
        listed.take(detail).map_err(Stopped::Refused)?;
        spool.append_line(json).map_err(Stopped::Unwritten)
    })?;
    if count.is_some() {
        listed.end().map_err(Stopped::Refused)?;
    }
    Ok(count.is_some())
}
