//! The files that the result document is written to: the one that was named, and a new one in the results' folder.

use crate::error::Failure;
use crate::output::error::unwritten;
use crate::output::{OutputFile, Spooled};
use crate::result::RunResult;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The most names tried for the same second.
const SAME_SECOND_MAX: usize = 1_000;

/// The files of one result document, all found writable before the run.
#[derive(Clone, Debug, Default)]
pub struct OutputFiles(Vec<OutputFile>);

impl OutputFiles {
    /// Prepares the files. `output` is the file that was named. `results` is a folder, created if it does not exist,
    /// and the time that names the file in it.
    pub fn prepare(
        output: Option<&Path>,
        results: Option<(&Path, OffsetDateTime)>,
    ) -> Result<OutputFiles, Failure> {
        let mut files = Vec::new();
        if let Some((folder, now)) = results {
            std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, "create", &e))?;
            files.push(OutputFile::prepare(&free_name(folder, now))?);
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

    /// Returns the files that exist only while documents are being written.
    pub fn temporaries(&self) -> Vec<PathBuf> {
        let all = self.0.iter().filter_map(OutputFile::temporary);
        all.map(Path::to_path_buf).collect()
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(OutputFile::path)
    }

    /// Writes all documents; a failure does not prevent the others from being written. The spool is removed when all
    /// documents are complete.
    pub fn write(&self, result: &RunResult, details: Option<&Spooled>) -> Vec<Failure> {
        let written = self.0.iter().map(|file| file.write(result, details));
        let mut errors: Vec<Failure> = written.filter_map(Result::err).collect();
        if errors.is_empty()
            && !self.0.is_empty()
            && let Some(spooled) = details
        {
            errors.extend(spooled.remove().err());
        }
        errors
    }
}

/// Returns a free name: `test_run_20261122_030405.json`, UTC. The second file of the same second ends in `_2.json`.
fn free_name(folder: &Path, now: OffsetDateTime) -> PathBuf {
    let (date, time) = (now.date(), now.time());
    let stem = format!(
        "test_run_{:04}{:02}{:02}_{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let names = (1..SAME_SECOND_MAX).map(|n| match n {
        1 => format!("{stem}.json"),
        _ => format!("{stem}_{n}.json"),
    });
    let last = folder.join(format!("{stem}_{SAME_SECOND_MAX}.json"));
    names
        .map(|name| folder.join(name))
        .find(|path| !path.exists())
        .unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_folder_is_named_by_its_second_and_never_by_one_that_is_there() {
        let folder = std::env::temp_dir().join(format!("llmload-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap();
        let first = free_name(&folder, now);
        assert_eq!(first, folder.join("test_run_20260102_030405.json"));
        std::fs::write(&first, "{}").unwrap();
        assert_eq!(
            free_name(&folder, now),
            folder.join("test_run_20260102_030405_2.json")
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
