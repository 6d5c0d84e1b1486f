//! Writes the result document, completely or not at all.

use crate::error::Failure;
use crate::output::Spooled;
use crate::output::error::unwritten;
use crate::output::layout::Layout;
use crate::result::RunResult;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file for the document that was found writable before the run.
#[derive(Clone, Debug)]
pub struct OutputFile {
    path: PathBuf,
    way: Destination,
}

#[derive(Clone, Debug)]
enum Destination {
    /// Written to this temporary file, which is renamed when it is complete.
    Renamed(PathBuf),
    /// Written in place, because it is a device or a pipe. It stays open from the check on: the reader of a pipe ends
    /// when its last writer closes it.
    InPlace(Arc<File>),
}

impl OutputFile {
    /// Checks what can be checked before the run: that the path is not a directory, and that a file can be created in
    /// its directory. An existing document stays as it is until the new one is complete.
    pub fn prepare(path: &Path) -> Result<OutputFile, Failure> {
        match std::fs::metadata(path) {
            Ok(m) if m.is_dir() => {
                let cause = std::io::Error::from(ErrorKind::IsADirectory);
                return Err(unwritten(path, "create", &cause));
            }
            Ok(m) if !m.is_file() => {
                let device = OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(|e| unwritten(path, "open", &e))?;
                return Ok(OutputFile {
                    path: path.to_path_buf(),
                    way: Destination::InPlace(Arc::new(device)),
                });
            }
            _ => {}
        }
        let Some(name) = path.file_name() else {
            let cause = std::io::Error::from(ErrorKind::InvalidFilename);
            return Err(unwritten(path, "create", &cause));
        };
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        create_new(&temporary).map_err(|e| unwritten(path, "create", &e))?;
        // The file is removed until it is needed, so that a kill during the run leaves no stray file.
        std::fs::remove_file(&temporary).map_err(|e| unwritten(path, "create", &e))?;
        Ok(OutputFile {
            path: path.to_path_buf(),
            way: Destination::Renamed(temporary),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that `write` fills before it is renamed; `None` for a device or a pipe.
    pub fn temporary(&self) -> Option<&Path> {
        match &self.way {
            Destination::Renamed(temporary) => Some(temporary),
            Destination::InPlace(_) => None,
        }
    }

    /// Returns the path of the spool for this document's details; `None` for a device or a pipe, which has no file next
    /// to it.
    pub fn spool_path(&self) -> Option<PathBuf> {
        self.temporary()?;
        let mut path = self.path.clone().into_os_string();
        path.push(".details.jsonl");
        Some(path.into())
    }

    /// Writes the document. It appears under its name only when it is complete; after an error the old document, if
    /// any, is still there.
    pub fn write(&self, result: &RunResult, details: Option<&Spooled>) -> Result<(), Failure> {
        let temporary = match &self.way {
            Destination::Renamed(temporary) => temporary,
            Destination::InPlace(device) => {
                return device
                    .try_clone()
                    .and_then(|file| write_document(file, result, details).map(drop))
                    .map_err(|e| unwritten(&self.path, "write", &e));
            }
        };
        let complete = create_new(temporary)
            .and_then(|file| write_document(file, result, details))
            .and_then(|file| file.sync_data());
        if let Err(e) = complete {
            let _ = std::fs::remove_file(temporary);
            return Err(unwritten(&self.path, "write", &e));
        }
        std::fs::rename(temporary, &self.path).map_err(|e| {
            let _ = std::fs::remove_file(temporary);
            unwritten(&self.path, "rename to", &e)
        })
    }
}

/// Creates a new file with O_EXCL, so that a link that somebody else put there is never followed. A file of this name
/// belongs to a process that has died, since our process id is in it.
fn create_new(path: &Path) -> std::io::Result<File> {
    let open = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)
    };
    match open() {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            open()
        }
        other => other,
    }
}

fn write_document(file: File, result: &RunResult, details: Option<&Spooled>) -> std::io::Result<File> {
    let out = BufWriter::with_capacity(64 * 1024, file);
    let mut serializer = serde_json::Serializer::with_formatter(out, Layout::new(details));
    result.serialize(&mut serializer)?;
    let mut out = serializer.into_inner();
    out.write_all(b"\n")?;
    out.into_inner().map_err(|e| e.into_error())
}
