//! The folder of a result's tables.

use super::{Requests, figures, probes, timeline};
use crate::error::{ExitCode, Failure, Reason, lossless, shown_path};
use crate::output::{OutputFile, Spooled, unwritten};
use crate::result::{Detail, RunResult};
use serde_json::Value;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The table of requests, which a result without details does not have.
const REQUESTS: &str = "requests.csv";

/// Writes the requests of a result, one by one.
pub type EachRequest<'a> = dyn FnMut(&mut dyn FnMut(&Detail) -> Result<()>) -> Result<()> + 'a;

/// The tables of one result in a folder, all of them found writable beforehand.
#[derive(Clone, Debug)]
pub struct TableFolder {
    folder: PathBuf,
    tables: Vec<OutputFile>,
}

impl TableFolder {
    /// Prepares the tables of a run, in a folder that is made if it does not exist. Another run that writes one of them
    /// at the same time is refused.
    pub fn of_run(folder: &Path) -> std::result::Result<TableFolder, Failure> {
        TableFolder::prepare(folder, &["timeline.csv", "metrics.csv", REQUESTS])
    }

    /// Prepares the table of a search for the limit.
    pub fn of_search(folder: &Path) -> std::result::Result<TableFolder, Failure> {
        TableFolder::prepare(folder, &["probes.csv"])
    }

    fn prepare(folder: &Path, names: &[&str]) -> std::result::Result<TableFolder, Failure> {
        if std::fs::metadata(folder).is_ok_and(|found| !found.is_dir()) {
            let name = lossless(folder.as_os_str().as_bytes());
            let reason = Reason::new("this is a file, and the tables need a folder");
            let reason = reason.hint("name a folder with --csv; it is made if it does not exist");
            return Err(Failure::new(ExitCode::Output, reason.at(&*name, 0)));
        }
        std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, "create", &e))?;
        let tables = names.iter().map(|name| OutputFile::prepare(&folder.join(name)));
        Ok(TableFolder {
            folder: folder.to_path_buf(),
            tables: tables.collect::<std::result::Result<_, _>>()?,
        })
    }

    /// Returns the name of the folder as a summary shows it.
    pub fn name(&self) -> String {
        shown_path(&self.folder)
    }

    /// Returns the files that exist only while this process has the names.
    pub fn temporaries(&self) -> Vec<PathBuf> {
        self.tables.iter().flat_map(OutputFile::temporaries).collect()
    }

    /// Returns the place for details while the run goes on, if no document has one.
    pub fn spool_path(&self) -> Option<PathBuf> {
        self.tables.last().and_then(OutputFile::spool_path)
    }
}

/// The outcome of writing: the folder's name if all tables are complete.
pub type Written = std::result::Result<String, Unwritten>;

/// What could not be written.
#[derive(Debug)]
pub struct Unwritten {
    pub failures: Vec<Failure>,
    /// The requests are among it.
    pub requests: bool,
}

impl TableFolder {
    /// Writes the tables of a run, each of which appears under its name when it is complete. `each` gives its requests
    /// one by one; without it there is no table of requests, and one of an earlier run is removed.
    pub fn write_run(&self, result: &RunResult, each: Option<&mut EachRequest<'_>>) -> Written {
        let [of_time, of_metrics, of_requests] = self.tables.as_slice() else {
            let failures = vec![Failure::internal("the folder is not that of a run")];
            return Err(Unwritten {
                failures,
                requests: true,
            });
        };
        let requests = match each {
            Some(each) => of_requests.write_with(|out| {
                let mut table = Requests::begin(out)?;
                each(&mut |detail| table.row(detail))
            }),
            None => self.remove_requests(),
        };
        let without_requests = requests.is_err();
        let written = [
            of_time.write_with(|out| timeline(result, out)),
            of_metrics.write_with(|out| figures(result, out)),
            requests,
        ];
        self.all(written, without_requests)
    }

    /// Writes the table of a search.
    pub fn write_search(&self, document: &Value) -> Written {
        let tables = self.tables.iter();
        self.all(
            tables.map(|table| table.write_with(|out| probes(document, out))),
            false,
        )
    }

    fn all(
        &self,
        written: impl IntoIterator<Item = std::result::Result<(), Failure>>,
        requests: bool,
    ) -> Written {
        let failures: Vec<Failure> = written.into_iter().filter_map(std::result::Result::err).collect();
        match failures.is_empty() {
            true => Ok(self.name()),
            false => Err(Unwritten { failures, requests }),
        }
    }

    /// Removes the requests of an earlier run, which would be taken for those of this one.
    fn remove_requests(&self) -> std::result::Result<(), Failure> {
        let path = self.folder.join(REQUESTS);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {
                std::fs::remove_file(&path).map_err(|e| unwritten(&path, "remove", &e))
            }
            _ => Ok(()),
        }
    }
}

/// Gives the requests that a run has spooled.
pub fn each_spooled(spooled: &Spooled, take: &mut dyn FnMut(&Detail) -> Result<()>) -> Result<()> {
    spooled.each_line(|line| {
        let detail = serde_json::from_slice(line).map_err(|e| Error::new(ErrorKind::InvalidData, e))?;
        take(&detail)
    })
}
