//! What can go wrong with the output: the run goes on, the summary is printed, the exit code is 112.

use std::path::{Path, PathBuf};

use crate::error::{ExitCode, Failure};

#[derive(Debug)]
pub struct OutputError {
    pub path: PathBuf,
    /// What was attempted: `create`, `write`, `rename`.
    pub action: &'static str,
    pub cause: std::io::Error,
}

impl OutputError {
    pub(crate) fn of(path: &Path, action: &'static str, cause: std::io::Error) -> OutputError {
        OutputError {
            path: path.to_path_buf(),
            action,
            cause,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self.cause.kind() {
            std::io::ErrorKind::StorageFull => {
                "free space, or name another disk with --output or --results-dir"
            }
            std::io::ErrorKind::NotFound => "make the directory first",
            std::io::ErrorKind::PermissionDenied => {
                "name a directory that you may write to with --output or --results-dir"
            }
            std::io::ErrorKind::IsADirectory => "name a file in it with --output",
            _ => "name another file with --output, another directory with --results-dir",
        }
    }
}

impl std::fmt::Display for OutputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display().to_string();
        write!(
            f,
            "{}: cannot {}: {}",
            crate::error::escape(&path),
            self.action,
            self.cause
        )
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        Failure::new(ExitCode::Output, &error, None, error.hint())
    }
}
