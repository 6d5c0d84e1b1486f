//! Writes the result document, completely or not at all.

use crate::error::{ExitCode, Failure, Reason, lossless, shown_path};
use crate::output::Spooled;
use crate::output::claim::{Claim, Unclaimed};
use crate::output::error::unwritten;
use crate::output::layout::Layout;
use crate::output::place::{create_temporary, hidden_beside};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The name that means standard output instead of a file.
const STANDARD: &str = "-";
/// The time to wait for a FIFO's reader, which is often started a moment after this program.
const READER_WITHIN: Duration = Duration::from_secs(10);
const READER_LOOK_EVERY: Duration = Duration::from_millis(20);

/// A file for the document that was found writable before the run.
#[derive(Clone, Debug)]
pub struct OutputFile {
    pub(super) path: PathBuf,
    way: Destination,
}

#[derive(Clone, Debug)]
enum Destination {
    /// It is written to this file, which is then renamed. The claim keeps other runs away from the name.
    Renamed { temporary: PathBuf, claim: Arc<Claim> },
    /// A device or a pipe is written directly. It is open from the check on, because a pipe's reader leaves when its
    /// last writer does.
    InPlace(Arc<File>),
}

impl OutputFile {
    /// Checks what can be checked before the run: that the path is not a directory, that a file can be created in its
    /// directory, and that no other run is about to write it. An existing document stays as it is until the new one is
    /// complete. `-` is standard output.
    pub fn prepare(path: &Path) -> Result<OutputFile, Failure> {
        let opened = match is_standard(path) {
            true => standard_output(),
            false => match std::fs::metadata(path) {
                Ok(m) if m.is_dir() => Err(ErrorKind::IsADirectory.into()),
                Ok(m) => in_place(path, &m),
                Err(_) => Ok(None),
            },
        };
        match opened.map_err(|e| unwritten(path, "create", &e))? {
            None => OutputFile::claim(path).map_err(Unclaimed::failure),
            Some(device) => Ok(OutputFile {
                path: path.to_path_buf(),
                way: Destination::InPlace(Arc::new(device)),
            }),
        }
    }

    /// Claims the place of a regular file.
    pub(super) fn claim(path: &Path) -> Result<OutputFile, Unclaimed> {
        let failed = |e: std::io::Error| Unclaimed::Failed(unwritten(path, "create", &e));
        let temporary = hidden_beside(path, &format!("{}.tmp", std::process::id()));
        let temporary = temporary.ok_or_else(|| failed(ErrorKind::InvalidFilename.into()))?;
        let claim = Claim::of(path)?;
        create_temporary(&temporary).map_err(failed)?;
        // It is removed until it is needed, so that a kill during the run leaves no stray file.
        std::fs::remove_file(&temporary).map_err(failed)?;
        Ok(OutputFile {
            path: path.to_path_buf(),
            way: Destination::Renamed {
                temporary,
                claim: Arc::new(claim),
            },
        })
    }

    /// Returns the name as the summary shows it.
    pub fn name(&self) -> String {
        match self.is_standard_output() {
            true => "standard output".to_owned(),
            false => shown_path(&self.path),
        }
    }

    /// Returns the files that exist only while this process has the name: the one that `write` renames, and the claim.
    /// A device or a pipe has none.
    pub fn temporaries(&self) -> Vec<PathBuf> {
        match &self.way {
            Destination::Renamed { temporary, claim } => vec![temporary.clone(), claim.path().to_path_buf()],
            Destination::InPlace(_) => Vec::new(),
        }
    }

    /// Tells whether it is standard output, to which nothing else may be written then.
    pub fn is_standard_output(&self) -> bool {
        matches!(self.way, Destination::InPlace(_))
            && (is_standard(&self.path) || descriptor(&self.path) == Some(1))
    }

    /// Returns the path of the spool for this document's details; `None` for a device or a pipe.
    pub fn spool_path(&self) -> Option<PathBuf> {
        if matches!(self.way, Destination::InPlace(_)) {
            return None;
        }
        let mut path = self.path.clone().into_os_string();
        path.push(".details.jsonl");
        Some(path.into())
    }

    /// Writes the document, which appears under its name only when it is complete. On an error the old document, if
    /// any, is still there. If the error is about the details, the new one is there without them.
    pub fn write<T: Serialize>(&self, result: &T, details: Option<&Spooled>) -> Result<(), Failure> {
        let temporary = match &self.way {
            Destination::Renamed { temporary, .. } => temporary,
            Destination::InPlace(device) => {
                return device
                    .try_clone()
                    .and_then(|file| write_document(file, result, details).map(drop))
                    .map_err(|e| unwritten(&self.path, "write", &e));
            }
        };
        let error = match self.replace(temporary, result, details) {
            Ok(()) => return Ok(()),
            Err(e) => vanished(&self.path, &e).unwrap_or_else(|| unwritten(&self.path, "write", &e)),
        };
        match details.filter(|_| self.replace(temporary, result, None).is_ok()) {
            Some(spooled) => Err(error.because(&format!(
                "the document was written without its details; they are in {}",
                shown_path(spooled.path())
            ))),
            None => Err(error),
        }
    }

    /// Writes a text instead of a result document, in the same way.
    pub fn write_text(&self, text: &str) -> Result<(), Failure> {
        self.write_with(|out| out.write_all(text.as_bytes()))
    }

    /// Writes what `write` produces, in the same way.
    pub fn write_with(
        &self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let into = |file: File| {
            let mut out = BufWriter::with_capacity(64 * 1024, file);
            write(&mut out)?;
            out.into_inner().map_err(|e| e.into_error())
        };
        let written = match &self.way {
            Destination::Renamed { temporary, .. } => create_temporary(temporary)
                .and_then(into)
                .and_then(|file| file.sync_data())
                .and_then(|()| std::fs::rename(temporary, &self.path))
                .inspect_err(|_| drop(std::fs::remove_file(temporary))),
            Destination::InPlace(device) => device.try_clone().and_then(into).map(drop),
        };
        written.map_err(|e| vanished(&self.path, &e).unwrap_or_else(|| unwritten(&self.path, "write", &e)))
    }

    fn replace<T: Serialize>(
        &self,
        temporary: &Path,
        result: &T,
        details: Option<&Spooled>,
    ) -> std::io::Result<()> {
        create_temporary(temporary)
            .and_then(|file| write_document(file, result, details))
            .and_then(|file| file.sync_data())
            .and_then(|()| std::fs::rename(temporary, &self.path))
            .inspect_err(|_| drop(std::fs::remove_file(temporary)))
    }
}

/// Returns the failure for a folder that was removed during the run; `None` if it is still there.
fn vanished(path: &Path, error: &std::io::Error) -> Option<Failure> {
    (error.kind() == ErrorKind::NotFound).then(|| {
        let what = "cannot write: its directory was removed or renamed during the run";
        let reason =
            Reason::new(what).hint("leave the directory of --output or --results-dir alone until the end");
        let name = lossless(path.as_os_str().as_bytes());
        Failure::new(ExitCode::Output, reason.at(name, 0))
    })
}

/// Opens a file that is written directly; `None` for a regular file.
fn in_place(path: &Path, found: &std::fs::Metadata) -> std::io::Result<Option<File>> {
    match descriptor(path) {
        Some(1) => return standard_output(),
        // If it is a file, it is written at its end, because this open file has an offset of its own.
        Some(_) => return OpenOptions::new().append(true).open(path).map(Some),
        None if found.is_file() => return Ok(None),
        None => {}
    }
    // It stays open until the file is open for good, because the reader leaves with its last writer.
    let _reader = match found.file_type().is_fifo() {
        true => Some(await_reader(path)?),
        false => None,
    };
    OpenOptions::new().write(true).open(path).map(Some)
}

/// Waits until the FIFO has a reader. Opening it for writing would wait as well, but without a limit.
fn await_reader(path: &Path) -> std::io::Result<File> {
    let begun = std::time::Instant::now();
    loop {
        let probe = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path);
        match probe {
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) && begun.elapsed() < READER_WITHIN => {
                std::thread::sleep(READER_LOOK_EVERY);
            }
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) => {
                let what = format!(
                    "it is a FIFO, and has had no reader for {} s",
                    READER_WITHIN.as_secs()
                );
                return Err(std::io::Error::other(what));
            }
            other => return other,
        }
    }
}

fn standard_output() -> std::io::Result<Option<File>> {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    Ok(Some(stdout.into()))
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// Returns the number of an open file of this process if the path names one: `/dev/stdout`, `/dev/fd/3`,
/// `/proc/self/fd/3`.
fn descriptor(path: &Path) -> Option<u32> {
    let link = std::fs::read_link(path).ok();
    let own = std::fs::canonicalize("/proc/self/fd").ok()?;
    let names_one = |path: &Path| -> Option<u32> {
        let folder = std::fs::canonicalize(path.parent()?).ok()?;
        let number = path.file_name()?.to_str()?.parse().ok()?;
        (folder == own).then_some(number)
    };
    names_one(path).or_else(|| names_one(&link?))
}

fn write_document<T: Serialize>(file: File, result: &T, details: Option<&Spooled>) -> std::io::Result<File> {
    let out = BufWriter::with_capacity(64 * 1024, file);
    let mut serializer = serde_json::Serializer::with_formatter(out, Layout::new(details));
    result.serialize(&mut serializer)?;
    let mut out = serializer.into_inner();
    out.write_all(b"\n")?;
    out.into_inner().map_err(|e| e.into_error())
}
