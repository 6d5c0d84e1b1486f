//! The subcommand `merge`: reads the documents of all shards and writes the merged one.

use crate::cli::MergeArgs;
use crate::error::{ExitCode, Failure, Reason, lossless};
use crate::json::JsonError;
use crate::merge::{DetailCheck, Part, imbalance, merge};
use crate::output::{self, DetailSpool, OutputFile, Spooled};
use crate::result::{RunResult, Warning, each_detail};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The size of one read. It is large because documents with details have hundreds of megabytes.
const READ_BYTES: usize = 256 * 1024;

/// The outcome of a merge, with the exit code of the merged run.
#[derive(Debug)]
pub struct Merged {
    pub summary: String,
    pub exit: ExitCode,
    /// A bug in the merge itself, if the figures do not add up; the document carries its exit code.
    pub failure: Option<Failure>,
}

/// Returns the failure for documents that cannot be merged.
fn refused(reason: Reason) -> Failure {
    Failure::new(ExitCode::Config, reason)
}

pub fn run(args: &MergeArgs) -> Result<Merged, Failure> {
    let mut seen = Vec::new();
    for path in &args.documents {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            let reason = Reason::new("this document was given twice").hint("name each document once");
            return Err(refused(reason.within(name_of(path))));
        }
        seen.push(real);
    }
    let mut parts = Vec::new();
    for path in &args.documents {
        parts.push(Part::read(&name_of(path), || open(path)).map_err(refused)?);
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
        Some(path) => copy_details(&path, &parts, &args.documents, &mut result)?,
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

/// Makes a bug on purpose in debug builds, so that tests can see how one is reported. Release builds must not have
/// this.
#[cfg(debug_assertions)]
fn lose_a_request(result: &mut RunResult) {
    if std::env::var_os("LLMLOAD_TEST_MERGE_LOSES_A_REQUEST").is_some() {
        result.totals.ok -= 1;
    }
}

/// Returns the name of a document in errors and in the merged document.
fn name_of(path: &Path) -> String {
    lossless(path.as_os_str().as_bytes()).into_owned()
}

fn open(path: &Path) -> Result<BufReader<File>, Reason> {
    let file = File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        // The document is read twice, which a pipe does not allow.
        false => Err(std::io::Error::other("not a regular file")),
    });
    let file = file.map_err(|e| {
        let reason = Reason::new(format!("cannot be read: {e}"))
            .hint("merge accepts only files written by --output FILE");
        reason.within(name_of(path))
    })?;
    Ok(BufReader::with_capacity(READ_BYTES, file))
}

/// The reason why the requests of a document could not be copied.
enum CopyError {
    Unreadable(JsonError),
    Refused(Reason),
    Unwritten(Failure),
}

impl From<JsonError> for CopyError {
    fn from(error: JsonError) -> CopyError {
        CopyError::Unreadable(error)
    }
}

impl CopyError {
    fn into_failure(self, part: &Part) -> Failure {
        match self {
            CopyError::Unreadable(error) => refused(Part::unreadable(&part.name, &error)),
            CopyError::Refused(reason) => refused(reason),
            CopyError::Unwritten(failure) => failure,
        }
    }
}

/// Copies the requests of all documents, shard after shard, with one at a time in memory. Returns `None` if no document
/// has any.
fn copy_details(
    path: &Path,
    parts: &[Part],
    documents: &[PathBuf],
    result: &mut RunResult,
) -> Result<Option<Spooled>, Failure> {
    let mut spool = DetailSpool::create(path, &[], 0)?;
    let copied = copy_parts(&mut spool, parts, documents);
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
            format!("there are no details in {}", without.join(", ")),
            "run all shards with --details; all other figures include the requests of every shard",
        ));
    }
    Ok(Some(spooled))
}

/// Copies the details of each part, and returns the names of the documents that have none.
fn copy_parts(
    spool: &mut DetailSpool,
    parts: &[Part],
    documents: &[PathBuf],
) -> Result<Vec<String>, Failure> {
    let mut without = Vec::new();
    // The parts are in the order of their shards, the documents in the order of the command line.
    let of_part = |part: &Part| documents.iter().find(|path| name_of(path) == part.name);
    for (part, path) in parts.iter().filter_map(|part| Some((part, of_part(part)?))) {
        let has_details = copy_part(spool, part, path).map_err(|error| error.into_failure(part))?;
        if !has_details {
            without.push(part.name.clone());
        }
    }
    spool.flush_lines()?;
    Ok(without)
}

/// Copies the details of one document; returns false if it has none.
fn copy_part(spool: &mut DetailSpool, part: &Part, path: &Path) -> Result<bool, CopyError> {
    let mut check = DetailCheck::new(part);
    let document = open(path).map_err(CopyError::Refused)?;
    let count = each_detail(document, |json, detail| {
        check.take(detail).map_err(CopyError::Refused)?;
        spool.append_line(json).map_err(CopyError::Unwritten)
    })?;
    if count.is_some() {
        check.finish().map_err(CopyError::Refused)?;
    }
    Ok(count.is_some())
}
