//! The files of other tools that a result is exported to, all found writable before the run.

use std::path::{Path, PathBuf};

use crate::error::{ExitCode, Failure, Reason};
use crate::export::{self, Document, Export, Needs, NoRows, Rows};
use crate::output::OutputFile;
use crate::output::error::unwritten;
use crate::result::RunResult;

/// One file, and what is written to it.
#[derive(Clone, Debug)]
struct ExportFile {
    /// What was asked for, as it was written.
    place: String,
    file: OutputFile,
    document: Document,
    keeps: Needs,
}

impl ExportFile {
    fn write(&self, result: &RunResult, rows: &mut dyn Rows) -> Result<(), Failure> {
        self.file
            .write_with(|out| export::write(self.document, result, rows, out))
    }

    fn without_requests(&self) -> Failure {
        let what = "cannot write: the requests that it is made from were not kept";
        let reason = Reason::new(what).hint("run again, and let the run end");
        Failure::new(ExitCode::Output, reason.at(self.file.name(), 0))
    }
}

/// The files of all exports.
#[derive(Clone, Debug, Default)]
pub struct ExportFiles(Vec<ExportFile>);

impl ExportFiles {
    /// Prepares the files, and creates the folders of formats that have several. `others` are the files that the same
    /// command writes besides, with the option of each.
    pub fn prepare(exports: &[Export], others: &[(&str, Option<&Path>)]) -> Result<ExportFiles, Failure> {
        let mut names: Vec<(String, PathBuf)> = others
            .iter()
            .filter_map(|(option, path)| Some(((*option).to_owned(), path.as_ref()?.to_path_buf())))
            .collect();
        for export in exports {
            for (path, _) in export.files() {
                if let Some((other, _)) = names.iter().find(|(_, taken)| is_same(taken, &path)) {
                    let reason = Reason::new(format!("`{other}` writes to the same place"));
                    let reason = reason.hint("give each of them a file of its own");
                    return Err(Failure::new(ExitCode::Config, reason.at(export.place(), 0)));
                }
                names.push((export.place(), path));
            }
        }
        let mut files = Vec::new();
        for export in exports {
            let place = export.place();
            if export.format.is_folder {
                let made = std::fs::create_dir_all(&export.path);
                made.map_err(|e| unwritten(&export.path, "create", &e).within(&place))?;
            }
            for (path, document) in export.files() {
                let file = OutputFile::prepare(&path).map_err(|failure| failure.within(&place))?;
                files.push(ExportFile {
                    place: place.clone(),
                    file,
                    document,
                    keeps: export.format.keeps,
                });
            }
        }
        Ok(ExportFiles(files))
    }

    /// Returns the files that exist only while this process has the names.
    pub fn temporaries(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().flat_map(|export| export.file.temporaries())
    }

    /// Returns the names of all, as a summary shows them.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|export| export.file.name())
    }

    /// Tells whether one of them goes to standard output, to which nothing else may be written then.
    pub fn use_standard_output(&self) -> bool {
        self.0.iter().any(|export| export.file.is_standard_output())
    }

    /// Writes all files. A failure of one does not prevent the others from being written. Without `rows` only those are
    /// written that are made from the figures.
    pub fn write(
        &self,
        result: &RunResult,
        mut rows: Option<&mut dyn Rows>,
        saved: &mut Vec<String>,
        failures: &mut Vec<Failure>,
    ) {
        for export in &self.0 {
            let written = match &mut rows {
                Some(rows) => export.write(result, *rows),
                None if export.keeps == Needs::Figures => export.write(result, &mut NoRows),
                None => Err(export.without_requests()),
            };
            let ExportFile { place, file, .. } = export;
            match written {
                Ok(()) => saved.push(file.name()),
                Err(failure) => failures.push(failure.within(place)),
            }
        }
    }
}

/// Tells whether two paths name the same file, as far as that is known before it is there.
fn is_same(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let whole = |path: &Path| match std::fs::canonicalize(folder(path)) {
        Ok(folder) => path.file_name().map(|name| folder.join(name)),
        Err(_) => std::path::absolute(path).ok(),
    };
    one == other || whole(one).is_some_and(|one| Some(one) == whole(other))
}
