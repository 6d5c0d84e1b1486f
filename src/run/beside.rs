//! What is written beside the documents of a run: its page (`--report`), its tables (`--csv`) and its exports
//! (`--export`).

use std::path::PathBuf;

use crate::cli::RunArgs;
use crate::error::{ExitCode, Failure, Reason};
use crate::export::{Needs, Rows, kept};
use crate::limit::LimitResult;
use crate::output::{self, ExportFiles, OutputFile, OutputFiles, Spooled};
use crate::page::{Loaded, page};
use crate::result::{Detail, RunResult};
use crate::tables::{EachRequest, TableFolder, each_spooled};

/// The requests of a run that has ended, as exports read them.
struct SpooledRows<'a>(&'a Spooled);

impl Rows for SpooledRows<'_> {
    fn each(&mut self, take: &mut dyn FnMut(&Detail) -> std::io::Result<()>) -> std::io::Result<()> {
        each_spooled(self.0, take)
    }
}

/// The files beside the documents, all found writable before the run.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    page: Option<OutputFile>,
    tables: Option<TableFolder>,
    exports: ExportFiles,
    /// The exports are made from single requests.
    exports_requests: bool,
}

impl Beside {
    /// Prepares the files of a run before anything is sent.
    pub fn of_run(args: &RunArgs, files: &OutputFiles) -> Result<Beside, Failure> {
        let tables = args.csv.as_deref().map(TableFolder::of_run).transpose()?;
        let beside = Beside::new(args, files, tables)?;
        let (output, report) = (args.output.as_deref(), args.report.as_deref());
        let exports = ExportFiles::prepare(&args.exports, &[("--output", output), ("--report", report)])?;
        let is_taken = files.use_standard_output() || beside.uses_standard_output();
        if is_taken && exports.use_standard_output() {
            let what = "standard output is given twice, for the result and for an export";
            let reason = Reason::new(what).hint("name a file for one of them: `--export vllm=result.json`");
            return Err(Failure::new(ExitCode::Config, reason.at("--export", 0)));
        }
        Ok(Beside {
            exports,
            exports_requests: kept(&args.exports) > Needs::Figures,
            ..beside
        })
    }

    /// Prepares the files of a search for the limit.
    pub fn of_search(args: &RunArgs, files: &OutputFiles) -> Result<Beside, Failure> {
        let tables = args.csv.as_deref().map(TableFolder::of_search).transpose()?;
        Beside::new(args, files, tables)
    }

    /// Standard output has room for one text.
    fn new(args: &RunArgs, files: &OutputFiles, tables: Option<TableFolder>) -> Result<Beside, Failure> {
        let page = args.report.as_deref().map(OutputFile::prepare).transpose()?;
        if files.use_standard_output() && page.as_ref().is_some_and(OutputFile::is_standard_output) {
            let what = "standard output is given twice, for the result and for its page";
            let reason = Reason::new(what).hint("name a file for one of them: `--report page.html`");
            return Err(Failure::new(ExitCode::Config, reason.at("--report", 0)));
        }
        Ok(Beside {
            page,
            tables,
            ..Beside::default()
        })
    }

    /// Returns the files that exist only while this process has the names.
    pub fn temporaries(&self) -> Vec<PathBuf> {
        let tables = self.tables.iter().flat_map(TableFolder::temporaries);
        let page = self.page.iter().flat_map(OutputFile::temporaries);
        page.chain(tables).chain(self.exports.temporaries()).collect()
    }

    /// Returns the names as the summary shows them.
    pub fn names(&self) -> Vec<String> {
        let page = self.page.iter().map(OutputFile::name);
        let tables = self.tables.iter().map(TableFolder::name);
        page.chain(tables).chain(self.exports.names()).collect()
    }

    /// Tells whether the page or an export has standard output, to which nothing else may be written then.
    pub fn uses_standard_output(&self) -> bool {
        let by_page = self.page.as_ref().is_some_and(OutputFile::is_standard_output);
        by_page || self.exports.use_standard_output()
    }

    /// Tells whether requests are written one by one even if no document lists them.
    pub fn lists_requests(&self) -> bool {
        self.tables.is_some() || self.exports_requests
    }

    /// Returns the place of the details while the run goes on, if no document has one.
    pub fn spool_path(&self) -> Option<PathBuf> {
        self.tables.as_ref().and_then(TableFolder::spool_path)
    }

    /// Refuses a link or a FIFO at [`Self::spool_path`], which only a spool would detect.
    pub fn check_spool(&self) -> Result<(), Failure> {
        self.spool_path()
            .map_or(Ok(()), |path| output::check_spool(&path))
    }

    /// Writes what is beside the documents of a run: that it cannot be written loses nothing of them. Returns the names
    /// of what was written, and whether the requests are in no table that was to have them.
    pub fn write_run(
        &self,
        result: &RunResult,
        spooled: Option<&Spooled>,
        failures: &mut Vec<Failure>,
    ) -> (Vec<String>, bool) {
        let mut without_requests = false;
        let mut saved = self.write_page(|| Loaded::of_run(&result.run.profile, result), failures);
        if let Some(tables) = &self.tables {
            let mut each = |take: &mut dyn FnMut(&Detail) -> std::io::Result<()>| match spooled {
                Some(spooled) => each_spooled(spooled, take),
                None => Ok(()),
            };
            let each: &mut EachRequest<'_> = &mut each;
            match tables.write_run(result, spooled.is_some().then_some(each)) {
                Ok(name) => saved.push(name),
                Err(unwritten) => {
                    failures.extend(unwritten.failures);
                    without_requests = unwritten.requests;
                }
            }
        }
        let mut rows = spooled.map(SpooledRows);
        let rows = rows.as_mut().map(|rows| rows as &mut dyn Rows);
        self.exports.write(result, rows, &mut saved, failures);
        (saved, without_requests)
    }

    /// Writes what is beside the document of a search.
    pub fn write_search(&self, result: &LimitResult, failures: &mut Vec<Failure>) -> Vec<String> {
        let mut saved = self.write_page(|| Loaded::of_search(&result.run.profile, result), failures);
        if let Some(tables) = &self.tables {
            let document = serde_json::to_value(result).unwrap_or_default();
            match tables.write_search(&document) {
                Ok(name) => saved.push(name),
                Err(unwritten) => failures.extend(unwritten.failures),
            }
        }
        saved
    }

    fn write_page(&self, loaded: impl FnOnce() -> Loaded, failures: &mut Vec<Failure>) -> Vec<String> {
        let Some(file) = &self.page else {
            return Vec::new();
        };
        match file.write_text(&page(&[loaded()], None)) {
            Ok(()) => vec![file.name()],
            Err(failure) => {
                failures.push(failure);
                Vec::new()
            }
        }
    }
}
