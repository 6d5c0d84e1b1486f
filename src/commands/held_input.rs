//! Standard input as a file, for commands that read a document more than once.

use crate::error::{ExitCode, Failure, Reason};
use crate::output;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// The name of standard input instead of a file.
pub const STANDARD: &str = "-";
/// Its name in errors and in what is written.
pub const STANDARD_NAME: &str = "standard input";

/// The content of standard input, in a file without a name that is gone when this is dropped.
#[derive(Debug)]
pub struct HeldInput(File);

impl HeldInput {
    /// Reads standard input to its end.
    pub fn read() -> Result<HeldInput, Failure> {
        let held = output::unnamed().and_then(|mut held| {
            std::io::copy(&mut std::io::stdin().lock(), &mut held)?;
            Ok(HeldInput(held))
        });
        held.map_err(|e| {
            let reason =
                Reason::new(format!("cannot be read: {e}")).hint("free space in TMPDIR, or name a file");
            Failure::new(ExitCode::Config, reason.within(STANDARD_NAME))
        })
    }

    /// Returns a path that opens the content from its beginning, as long as this is kept.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}
