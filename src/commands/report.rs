//! The subcommand `report`: one page of HTML for saved documents.

use crate::cli::ReportArgs;
use crate::commands::held_input::STANDARD;
use crate::commands::saved::{Document, Saved};
use crate::compare::read::read_run;
use crate::compare::{Comparison, Run};
use crate::error::{ExitCode, Failure, Reason};
use crate::output::OutputFile;
use crate::page::{Loaded, page};
use std::ffi::OsStr;

/// A document and what the page takes of it.
struct Shown {
    document: Document,
    loaded: Loaded,
}

/// Writes the page. Returns the line that says where it is, unless it is on standard output.
pub fn run(args: &ReportArgs) -> Result<Option<String>, Failure> {
    if args.documents.iter().filter(|name| *name == STANDARD).count() > 1 {
        let reason = Reason::new("standard input is given twice, and can be read once");
        let reason = reason.hint("name the other document by its file");
        return Err(Failure::new(ExitCode::Config, reason.at(STANDARD, 0)));
    }
    let file = OutputFile::prepare(&args.output)?;
    let shown: Vec<Shown> = args
        .documents
        .iter()
        .map(|name| load(name))
        .collect::<Result<_, Failure>>()?;
    let runs = runs(&shown)?;
    let comparison = (runs.len() > 1).then(|| Comparison::new(&runs));
    let loaded: Vec<Loaded> = shown.into_iter().map(|shown| shown.loaded).collect();
    file.write_text(&page(&loaded, comparison.as_ref()))?;
    Ok((!file.is_standard_output()).then(|| format!("Saved to {}\n", file.name())))
}

/// Reads runs once more, as `compare` does.
fn runs(shown: &[Shown]) -> Result<Vec<Run>, Failure> {
    let runs = || shown.iter().filter(|shown| !shown.loaded.is_search());
    if runs().count() < 2 {
        return Ok(Vec::new());
    }
    let read =
        runs().map(|Shown { document, .. }| read_run(&document.path, &document.label).map_err(Failure::from));
    read.collect()
}

fn load(name: &OsStr) -> Result<Shown, Failure> {
    let document = Document::load(name)?;
    let loaded = match &document.saved {
        Saved::Run(result) => Loaded::of_run(&document.label, result),
        Saved::Search(found) => Loaded::of_search(&document.label, found),
        Saved::Comparison(_) => {
            let reason = Reason::new("this is a comparison, of which there is no page");
            return Err(document.refused(reason.hint("name the documents that were compared")));
        }
    };
    Ok(Shown { document, loaded })
}
