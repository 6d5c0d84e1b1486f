//! The subcommand `merge`: reads the documents of all shards and writes the merged one.

use crate::cli::{MergeArgs, Summary};
use crate::commands::held_input::{HeldInput, STANDARD, STANDARD_NAME};
use crate::compare::Format;
use crate::compare::read::read_run;
use crate::error::{ExitCode, Failure, Reason, lossless, shown_path};
use crate::json::JsonError;
use crate::merge::{DetailCheck, Part, imbalance, merge};
use crate::output::{self, DetailSpool, OutputFile, Spooled, View};
use crate::page::{Loaded, page};
use crate::result::{Detail, RunResult, Warning, each_detail};
use crate::tables::{EachRequest, TableFolder, each_spooled};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The size of one read. It is large because documents with details have hundreds of megabytes.
const READ_BYTES: usize = 256 * 1024;

/// The output of a merge, and its exit code, which is that of the merged run.
#[derive(Debug)]
pub struct Merged {
    pub summary: String,
    pub exit: ExitCode,
    /// For standard error.
    pub notes: Vec<String>,
    /// The summary is for standard error: the document has standard output.
    pub standard_output_taken: bool,
    /// Why the exit code is not 0.
    pub failure: Option<Failure>,
}

/// Returns the failure for documents that cannot be merged.
fn refused(reason: Reason) -> Failure {
    Failure::new(ExitCode::Config, reason)
}

pub fn run(args: &MergeArgs) -> Result<Merged, Failure> {
    let documents = documents(args)?;
    let mut parts = Vec::new();
    for document in &documents {
        let part = Part::read(&document.name, || document.open());
        parts.push(part.map_err(|reason| refused(of_another_tool(document).unwrap_or(reason)))?);
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
    let files = Files::prepare(args)?;
    let mut notes = Vec::new();
    let spooled = match files.spool_place() {
        Some(place) => copy_details(spool(place, &mut notes)?, &parts, &documents, &mut result)?,
        None => None,
    };
    let full = args.summary == Summary::Full;
    let saved = files.names();
    result.summary = output::summary(&result, &View::plain(full).saved_as(saved.clone()));
    files.write(&result, spooled.as_ref())?;
    let standard_output_taken = files.standard_output_taken();
    let view = View::of_terminal(full, !standard_output_taken).saved_as(saved);
    Ok(Merged {
        summary: output::summary(&result, &view),
        exit: result.run.exit_code,
        notes,
        standard_output_taken,
        failure: failure.or_else(|| result.failure()),
    })
}

/// What a merge writes, all of it found writable beforehand.
struct Files {
    document: Option<OutputFile>,
    page: Option<OutputFile>,
    tables: Option<TableFolder>,
}

impl Files {
    fn prepare(args: &MergeArgs) -> Result<Files, Failure> {
        let files = Files {
            document: args.output.as_deref().map(OutputFile::prepare).transpose()?,
            page: args.report.as_deref().map(OutputFile::prepare).transpose()?,
            tables: args.csv.as_deref().map(TableFolder::of_run).transpose()?,
        };
        if files.standard_outputs().all(|taken| taken) {
            let what = "standard output is given twice, for the document and for its page";
            let hint = "name a file for one of them: `--report page.html`";
            return Err(refused(Reason::new(what).hint(hint)));
        }
        Ok(files)
    }

    fn standard_outputs(&self) -> impl Iterator<Item = bool> {
        [&self.document, &self.page]
            .into_iter()
            .map(|file| file.as_ref().is_some_and(OutputFile::is_standard_output))
    }

    fn standard_output_taken(&self) -> bool {
        self.standard_outputs().any(|taken| taken)
    }

    /// Returns the names as the summary shows them.
    fn names(&self) -> Vec<String> {
        let files = self.document.iter().chain(&self.page).map(OutputFile::name);
        files.chain(self.tables.iter().map(TableFolder::name)).collect()
    }

    /// Returns where the requests of all shards wait: a named file, or one without a name beside standard output.
    /// `None` if nothing lists them.
    fn spool_place(&self) -> Option<Option<PathBuf>> {
        let of_document = self.document.as_ref().map(OutputFile::spool_path);
        of_document.or_else(|| self.tables.as_ref().map(TableFolder::spool_path))
    }

    fn write(&self, result: &RunResult, spooled: Option<&Spooled>) -> Result<(), Failure> {
        if let Some(document) = &self.document {
            document.write(result, spooled)?;
        }
        if let Some(tables) = &self.tables {
            let mut each = |take: &mut dyn FnMut(&Detail) -> io::Result<()>| {
                spooled.map_or(Ok(()), |spooled| each_spooled(spooled, take))
            };
            let each: &mut EachRequest<'_> = &mut each;
            let written = tables.write_run(result, spooled.is_some().then_some(each));
            written.map_err(|mut unwritten| unwritten.failures.swap_remove(0))?;
        }
        // Its lines are in the document and in the table.
        spooled.map_or(Ok(()), Spooled::remove)?;
        if let Some(to) = &self.page {
            to.write_text(&page(&[Loaded::of_run(&result.run.profile, result)], None))?;
        }
        Ok(())
    }
}

/// Makes a bug on purpose in debug builds, so that tests can see how one is reported. Release builds must not have
/// this.
#[cfg(debug_assertions)]
fn lose_a_request(result: &mut RunResult) {
    if std::env::var_os("LLMLOAD_TEST_MERGE_LOSES_A_REQUEST").is_some() {
        result.totals.ok -= 1;
    }
}

/// One of the documents that are joined.
struct Document {
    /// As errors and the merged document name it.
    name: String,
    path: PathBuf,
    /// Keeps what standard input held.
    _held: Option<HeldInput>,
}

/// Returns the reason for a file that is no document of ours, but a result of a tool that `compare` reads.
fn of_another_tool(document: &Document) -> Option<Reason> {
    let format = read_run(&document.path, &document.name).ok()?.format;
    (format != Format::Ours).then(|| {
        let (name, what) = (&document.name, format.description());
        Reason::new(format!(
            "{name}: this is {what}: it has percentiles, and those of several runs cannot be merged into one"
        ))
        .hint("merge joins documents that --output wrote, which hold histograms; `compare` shows others side by side")
    })
}

/// The documents that were named, each once.
fn documents(args: &MergeArgs) -> Result<Vec<Document>, Failure> {
    let mut seen = Vec::new();
    let mut documents = Vec::new();
    for path in &args.documents {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let document = Document::of(path)?;
        if seen.contains(&real) {
            let reason = Reason::new("this document was given twice").hint("name each document once");
            return Err(refused(reason.within(document.name)));
        }
        seen.push(real);
        documents.push(document);
    }
    Ok(documents)
}

impl Document {
    fn of(path: &Path) -> Result<Document, Failure> {
        if path.as_os_str() != STANDARD {
            return Ok(Document {
                name: lossless(path.as_os_str().as_bytes()).into_owned(),
                path: path.to_owned(),
                _held: None,
            });
        }
        let held = HeldInput::read()?;
        Ok(Document {
            name: STANDARD_NAME.to_owned(),
            path: held.path(),
            _held: Some(held),
        })
    }

    fn open(&self) -> Result<BufReader<File>, Reason> {
        let file = fs::metadata(&self.path).and_then(|found| match found.is_file() {
            true => File::open(&self.path),
            // It is read twice.
            false => Err(std::io::Error::other("not a regular file")),
        });
        let file = file.map_err(|e| {
            let reason = Reason::new(format!("cannot be read: {e}"))
                .hint("merge accepts only files written by --output FILE");
            reason.within(self.name.clone())
        })?;
        Ok(BufReader::with_capacity(READ_BYTES, file))
    }
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

/// Where requests wait until the document around them is written.
fn spool(place: Option<PathBuf>, notes: &mut Vec<String>) -> Result<DetailSpool, Failure> {
    let Some(path) = place else {
        return DetailSpool::unnamed(&[], 0);
    };
    let spool = DetailSpool::create(&path, &[], 0)?;
    let kept = spool.kept().map(shown_path);
    notes.extend(kept.map(|kept| format!("details of a run that was killed are kept: {kept}")));
    Ok(spool)
}

/// Copies the requests of all documents, shard after shard, with one at a time in memory. Returns `None` if no document
/// has any.
fn copy_details(
    mut spool: DetailSpool,
    parts: &[Part],
    documents: &[Document],
    result: &mut RunResult,
) -> Result<Option<Spooled>, Failure> {
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

/// Names of the documents that have no details.
fn copy_parts(
    spool: &mut DetailSpool,
    parts: &[Part],
    documents: &[Document],
) -> Result<Vec<String>, Failure> {
    let mut without = Vec::new();
    // The parts are in order of their shards, the documents as they were named.
    let of_part = |part: &Part| documents.iter().find(|document| document.name == part.name);
    for (part, document) in parts.iter().filter_map(|part| Some((part, of_part(part)?))) {
        let has_details = copy_part(spool, part, document).map_err(|error| error.into_failure(part))?;
        if !has_details {
            without.push(part.name.clone());
        }
    }
    spool.flush_lines()?;
    Ok(without)
}

/// Copies the details of a document; returns false if it has none.
fn copy_part(spool: &mut DetailSpool, part: &Part, document: &Document) -> Result<bool, CopyError> {
    let mut check = DetailCheck::new(part);
    let document = document.open().map_err(CopyError::Refused)?;
    let count = each_detail(document, |json, detail| {
        check.take(detail).map_err(CopyError::Refused)?;
        spool.append_line(json).map_err(CopyError::Unwritten)
    })?;
    if count.is_some() {
        check.finish().map_err(CopyError::Refused)?;
    }
    Ok(count.is_some())
}
