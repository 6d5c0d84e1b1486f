//! Failures of the output. The run continues, the summary is printed, and the exit code reports the failure.

use std::path::Path;

use crate::error::{ExitCode, Failure, Reason, lossless};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

/// Makes the failure that the file at `path` could not be written; `action` is what was attempted (`create`, `write`,
/// `rename`).
pub(crate) fn unwritten(path: &Path, action: &str, cause: &std::io::Error) -> Failure {
    let hint = match cause.kind() {
        ErrorKind::StorageFull => "free space, or name another disk with --output or --results-dir",
        ErrorKind::FileTooLarge => "raise the limit of a file's size: ulimit -f unlimited",
        ErrorKind::NotFound => "create the directory first",
        ErrorKind::PermissionDenied => {
            "choose a directory that you may write to with --output or --results-dir"
        }
        ErrorKind::IsADirectory => {
            "choose a file in it with --output, or give the directory to --results-dir for a file per run"
        }
        _ => "choose another file with --output, or another directory with --results-dir",
    };
    let reason = Reason::new(format!("cannot {action}: {cause}")).hint(hint);
    let name = lossless(path.as_os_str().as_bytes());
    Failure::new(ExitCode::Output, reason.at(name, 0))
}
