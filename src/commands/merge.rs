//! `llmload-uring merge`: reads the documents, writes the merged one.

use crate::cli::MergeArgs;
use crate::error::{ExitCode, Failure, Mistake, Reason, lossless};
use crate::merge::part::{belongs, stream_details};
use crate::merge::{Part, imbalance, merge};
use crate::output::{self, DetailSpool, OutputFile, Spooled};
use crate::result::{RunResult, Warning};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
            return Err(reason.at(named(path), 0).into());
        }
        seen.push(real);
    }
    let mut parts = Vec::new();
    for path in &args.documents {
        parts.push(Part::read(&named(path), open(path)?).map_err(refused)?);
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
        Some(path) => details(&path, &parts, &mut result)?,
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
        result.totals.traffic.ok -= 1;
    }
}

/// As errors and the merged document name it.
fn named(path: &Path) -> String {
    lossless(path.as_os_str().as_bytes()).into_owned()
}

fn open(path: &Path) -> Result<BufReader<File>, Mistake> {
    let file = File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        // It is read twice.
        false => Err(std::io::Error::other("no regular file")),
    });
    let file = file.map_err(|e| {
        let reason = Reason::new(format!("cannot be read: {e}"));
        reason
            .hint("merge takes what --output FILE wrote")
            .at(named(path), 0)
    })?;
    Ok(BufReader::with_capacity(READ_BYTES, file))
}

/// Why the requests of a document were not copied.
enum Stopped {
    /// No request of this shard's.
    Foreign(String),
    Unwritten(Failure),
}

/// The requests of all documents, shard after shard, one at a time in memory. `None`: no document has any.
fn details(path: &Path, parts: &[Part], result: &mut RunResult) -> Result<Option<Spooled>, Failure> {
    let mut spool = DetailSpool::create(path, &[], 0)?;
    let copied = copy(&mut spool, parts);
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
        result.warnings.push(Warning {
            rule: "details_missing",
            message: format!("no details in {}", without.join(", ")),
            advice: "--details for all shards; all other figures have their requests",
        });
    }
    Ok(Some(spooled))
}

/// Names of the documents that have no details.
fn copy(spool: &mut DetailSpool, parts: &[Part]) -> Result<Vec<String>, Failure> {
    let mut without = Vec::new();
    for part in parts {
        let shard = part.shard;
        let copied = stream_details(open(Path::new(&part.name))?, |element| {
            if !belongs(element, shard) {
                return Err(Stopped::Foreign(element.chars().take(60).collect()));
            }
            spool.append_line(element).map_err(Stopped::Unwritten)
        });
        let copied = copied.map_err(|e| {
            let reason = Reason::new(format!("its details: {e}"));
            reason.hint("was it changed meanwhile?").at(part.name.as_str(), 0)
        })?;
        match copied {
            Ok(Some(_)) => {}
            Ok(None) => without.push(part.name.clone()),
            Err(Stopped::Unwritten(e)) => return Err(e),
            Err(Stopped::Foreign(element)) => {
                let reason = Reason::new(format!("no request of shard {shard}: {element}"));
                let hint = "was it changed? merge takes what --output FILE wrote";
                return Err(reason.hint(hint).at(part.name.as_str(), 0).into());
            }
        }
    }
    spool.flush_lines()?;
    Ok(without)
}
