//! The files that the result document is written to: the one that was given, and a new one in the results' folder.

use crate::error::Failure;
use crate::output::claim::Unclaimed;
use crate::output::error::unwritten;
use crate::output::{OutputFile, Spooled, spool_file};
use crate::result::date_and_time;
use serde::Serialize;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The most names tried for the same second.
const SAME_SECOND_MAX: usize = 1_000;

/// The files of one result document, all found writable before the run.
#[derive(Clone, Debug, Default)]
pub struct OutputFiles(Vec<OutputFile>);

impl OutputFiles {
    /// Prepares the files. `output` is the file that was given. `results` is a folder, created if it does not exist,
    /// and the time that names the file in it.
    pub fn prepare(
        output: Option<&Path>,
        results: Option<(&Path, OffsetDateTime)>,
    ) -> Result<OutputFiles, Failure> {
        let mut files = Vec::new();
        if let Some((folder, now)) = results {
            std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, "create", &e))?;
            files.push(free_file(folder, now)?);
        }
        if let Some(path) = output {
            files.push(OutputFile::prepare(path)?);
        }
        Ok(OutputFiles(files))
    }

    /// Returns the path of the spool for details, next to the first regular file; `None` if there is no such file.
    pub fn spool_path(&self) -> Option<PathBuf> {
        self.0.iter().find_map(OutputFile::spool_path)
    }

    /// Refuses a link or a FIFO at [`Self::spool_path`], which only a spool would detect.
    pub fn check_spool(&self) -> Result<(), Failure> {
        self.spool_path().map_or(Ok(()), |path| spool_file::check(&path))
    }

    /// Returns the files that exist only while this process has the names.
    pub fn temporaries(&self) -> Vec<PathBuf> {
        self.0.iter().flat_map(OutputFile::temporaries).collect()
    }

    /// Tells whether a document goes to standard output, to which nothing else may be written then.
    pub fn use_standard_output(&self) -> bool {
        self.0.iter().any(OutputFile::is_standard_output)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names of the documents as the summary shows them.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(OutputFile::name).collect()
    }

    /// Writes all documents; a failure does not prevent the others from being written. Returns the names of those that
    /// were written, and the failures. The spool is removed when all documents are complete.
    pub fn write<T: Serialize>(&self, result: &T, details: Option<&Spooled>) -> (Vec<String>, Vec<Failure>) {
        let mut names = Vec::new();
        let mut errors = Vec::new();
        for file in &self.0 {
            match file.write(result, details) {
                Ok(()) => names.push(file.name()),
                Err(failure) => errors.push(failure),
            }
        }
        if errors.is_empty()
            && !self.0.is_empty()
            && let Some(spooled) = details
        {
            errors.extend(spooled.remove().err());
        }
        (names, errors)
    }
}

/// Returns the first free name of this second: not that of a document, of a run that is still going on, or of details
/// that a killed run has left. It is `test_run_20261122_030405.json`, in UTC; a second one of the same second ends in
/// `_2.json`.
fn free_file(folder: &Path, now: OffsetDateTime) -> Result<OutputFile, Failure> {
    let stem = format!("test_run_{}", date_and_time(now, '_'));
    let is_there = |path: &Path| std::fs::symlink_metadata(path).is_ok();
    for n in 1..=SAME_SECOND_MAX {
        let path = folder.join(match n {
            1 => format!("{stem}.json"),
            _ => format!("{stem}_{n}.json"),
        });
        if is_there(&path) {
            continue;
        }
        let file = match OutputFile::claim(&path) {
            Ok(file) => file,
            Err(Unclaimed::Held(_)) => continue,
            Err(Unclaimed::Failed(failure)) => return Err(failure),
        };
        let spool_is_there = file.spool_path().is_some_and(|spool| is_there(&spool));
        // The process that had the name until now may have written the document in the meantime.
        if !spool_is_there && !is_there(&path) {
            return Ok(file);
        }
    }
    let cause = std::io::Error::other(format!(
        "there are already {SAME_SECOND_MAX} results of this second"
    ));
    Err(unwritten(folder, "create a file in it", &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_file_is_named_by_its_second_and_never_like_an_existing_or_claimed_one() {
        let folder = std::env::temp_dir().join(format!("llmload-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap();
        let name = |ending: &str| folder.join(format!("test_run_20260102_030405{ending}"));
        let first = free_file(&folder, now).unwrap();
        assert_eq!(first.path, name(".json"));
        let second = free_file(&folder, now).unwrap();
        assert_eq!(second.path, name("_2.json"), "the first is still going on");
        std::fs::write(&first.path, "{}").unwrap();
        drop((first, second));
        std::fs::write(name("_2.json.details.jsonl"), "left").unwrap();
        assert_eq!(free_file(&folder, now).unwrap().path, name("_3.json"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
