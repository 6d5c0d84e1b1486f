//! The page of a run (`--report`), written next to its documents.

use std::path::Path;

use crate::error::{ExitCode, Failure, Reason};
use crate::output::{OutputFile, OutputFiles};
use crate::page::{Loaded, page};

/// Prepares the file of the page before anything is sent. Standard output has room for one text.
pub fn prepare(path: Option<&Path>, files: &OutputFiles) -> Result<Option<OutputFile>, Failure> {
    let file = path.map(OutputFile::prepare).transpose()?;
    if files.use_standard_output() && file.as_ref().is_some_and(OutputFile::is_standard_output) {
        let what = "standard output is given twice, for the result and for its page";
        let reason = Reason::new(what).hint("name a file for one of them: `--report page.html`");
        return Err(Failure::new(ExitCode::Config, reason.at("--report", 0)));
    }
    Ok(file)
}

/// Writes the page, if there is to be one. It is beside the documents: that it cannot be written loses nothing of them.
pub fn write(
    file: Option<&OutputFile>,
    loaded: impl FnOnce() -> Loaded,
    saved: &mut Vec<String>,
    failures: &mut Vec<Failure>,
) {
    let Some(file) = file else { return };
    match file.write_text(&page(&[loaded()], None)) {
        Ok(()) => saved.push(file.name()),
        Err(failure) => failures.push(failure),
    }
}

/// Tells whether the page has standard output, to which nothing else may be written then.
pub fn uses_standard_output(file: Option<&OutputFile>) -> bool {
    file.is_some_and(OutputFile::is_standard_output)
}
