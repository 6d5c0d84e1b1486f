//! A claim on a document's name: one process at a time writes it, also where several hosts share the folder.
//!
//! The claim is a file `.NAME.lock` in the document's folder. It appears together with its content and its lock,
//! because it is made under another name and linked (`link` fails on a name that exists, also on NFS). The process that
//! made it removes it. The kernel drops the lock of a process that was killed, and the next claimant on the same host
//! takes the file over. A claim of another host is left alone, because locks may not reach that far.

use crate::error::{ExitCode, Failure, Reason, lossless, shown_path};
use crate::output::error::unwritten;
use crate::output::place::{FOR_ALL, create_new, hidden_beside, is_at, kind_of, unique};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The number of attempts. A name or a lock that changes while it is looked at is looked at again.
const ATTEMPTS_MAX: usize = 16;
/// The largest content of a claim.
const HOLDER_BYTES_MAX: u64 = 4096;

/// A claim that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    lock: PathBuf,
    file: File,
}

/// The reason why a name could not be claimed.
#[derive(Debug)]
pub(super) enum Unclaimed {
    /// Another run has claimed it, as the error says.
    Held(Failure),
    Failed(Failure),
}

impl Unclaimed {
    pub fn failure(self) -> Failure {
        match self {
            Unclaimed::Held(failure) | Unclaimed::Failed(failure) => failure,
        }
    }
}

/// The process that a claim belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    /// The kernel's number for this boot, which differs for two hosts of one name and is the same for containers of one
    /// host.
    boot: String,
    pid: u32,
}

impl Claim {
    /// Claims the document at `document`.
    pub fn of(document: &Path) -> Result<Claim, Unclaimed> {
        let failed = |e: &io::Error| Unclaimed::Failed(unwritten(document, "create", e));
        let unnamed = || failed(&ErrorKind::InvalidFilename.into());
        let lock = hidden_beside(document, "lock").ok_or_else(unnamed)?;
        for _ in 0..ATTEMPTS_MAX {
            match place(&lock) {
                Ok(file) => return Ok(Claim { lock, file }),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed(&e)),
            }
            match take_over(&lock) {
                Ok(Taken::Ours(file)) => return Ok(Claim { lock, file }),
                Ok(Taken::Gone) => {}
                Ok(Taken::HeldBy(holder)) => return Err(Unclaimed::Held(held(document, &lock, &holder))),
                Err(e) => return Err(Unclaimed::Failed(unwritten(&lock, "open", &e))),
            }
        }
        Err(Unclaimed::Held(held(document, &lock, &Holder::default())))
    }

    pub fn path(&self) -> &Path {
        &self.lock
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if is_at(&self.file, &self.lock) {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

impl Holder {
    fn mine() -> Holder {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Holder {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: boot.trim().to_owned(),
            pid: std::process::id(),
        }
    }

    /// Reads the holder. A claim that cannot be read belongs to an unknown process.
    fn read(file: &File) -> Holder {
        let mut text = Vec::new();
        let read = file.take(HOLDER_BYTES_MAX).read_to_end(&mut text);
        read.ok()
            .and_then(|_| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Writes the holder. If the disk is full, the empty file is enough of a claim.
    fn write(&self, mut file: &File) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = file.write_all(&text);
        }
    }

    /// Tells whether the process of this claim has ended. `locked` means that the kernel has given us its lock.
    fn is_gone(&self, locked: bool) -> bool {
        let mine = Holder::mine();
        let same_kernel = self.boot == mine.boot && !mine.boot.is_empty();
        match locked {
            // An earlier boot of this host has ended, and so have its processes.
            true => same_kernel || self.host == mine.host || *self == Holder::default(),
            false => same_kernel && self.host == mine.host && !is_running(self.pid),
        }
    }
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Makes the claim appear, complete, under its name.
fn place(lock: &Path) -> io::Result<File> {
    let ending = format!("{}.new", unique());
    let temporary = hidden_beside(lock, &ending).ok_or(ErrorKind::InvalidFilename)?;
    let file = create_new(&temporary, FOR_ALL)?;
    let _ = file.try_lock();
    Holder::mine().write(&file);
    let linked = fs::hard_link(&temporary, lock);
    // An answer that was lost on the way to a file server may turn a success into an error.
    let linked = match file.metadata() {
        Ok(now) if now.nlink() == 2 => Ok(()),
        _ => linked,
    };
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => Ok(file),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(e),
        // This file system has no links.
        Err(_) => place_without_links(lock),
    }
}

fn place_without_links(lock: &Path) -> io::Result<File> {
    let file = create_new(lock, FOR_ALL)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        // Another process saw it between the two calls, and has it now.
        return Err(ErrorKind::AlreadyExists.into());
    }
    Holder::mine().write(&file);
    Ok(file)
}

enum Taken {
    Ours(File),
    /// Its process has just removed it.
    Gone,
    HeldBy(Holder),
}

/// Takes a claim from a process that has ended.
fn take_over(lock: &Path) -> io::Result<Taken> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(lock);
    let mut file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Taken::Gone),
        // It belongs to another user.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return Ok(Taken::HeldBy(of_another_user(lock))),
        Err(e) => return Err(e),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other(format!("it is {}", kind_of(&found))));
    }
    let locked = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => return Ok(Taken::HeldBy(Holder::read(&file))),
        Err(TryLockError::Error(_)) => false,
    };
    if !is_at(&file, lock) {
        return Ok(Taken::Gone);
    }
    let holder = Holder::read(&file);
    if !holder.is_gone(locked) {
        return Ok(Taken::HeldBy(holder));
    }
    file.set_len(0)?;
    file.rewind()?;
    Holder::mine().write(&file);
    Ok(Taken::Ours(file))
}

fn of_another_user(lock: &Path) -> Holder {
    File::open(lock).map_or_else(|_| Holder::default(), |file| Holder::read(&file))
}

/// Returns the failure for a name that another run has claimed.
fn held(document: &Path, lock: &Path, holder: &Holder) -> Failure {
    let mine = Holder::mine();
    let name = lossless(document.as_os_str().as_bytes());
    let refused = |what: String, hint: String| {
        Failure::new(ExitCode::Output, Reason::new(what).hint(hint).at(&*name, 0))
    };
    if *holder == mine {
        let hint = "choose another file with --output, or another directory with --results-dir";
        return refused(
            "two documents of this run have this name".to_owned(),
            hint.to_owned(),
        );
    }
    let process = match holder.pid {
        0 => String::new(),
        pid if holder.host == mine.host => format!(" (process {pid})"),
        pid => format!(" (process {pid} on {})", holder.host),
    };
    let hint = match holder.boot == mine.boot {
        true => "wait until it has ended, or choose another file with --output".to_owned(),
        false => format!(
            "wait until it has ended, or choose another file with --output; if it was killed, remove {}",
            shown_path(lock)
        ),
    };
    refused(format!("another run is writing this file{process}"), hint)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
