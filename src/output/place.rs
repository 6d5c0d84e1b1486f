//! Creates files in a folder without following a link or overwriting a file of another process.

use crate::error::Failure;
use crate::output::error::unwritten;
use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The permissions of a claim, before the umask: other users have to read whose it is.
pub(super) const FOR_ALL: u32 = 0o644;
/// The permissions of everything else that is written. Results and what is made of them hold prompts, the beginnings of
/// answers, headers and addresses; who is to read them is for their owner to say.
pub(super) const FOR_OWNER: u32 = 0o600;

/// Creates the file. O_EXCL makes this fail if anything has the name already, links included.
pub(super) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

/// Creates a file for its owner alone, under a name that only this process uses: that of a document that it has
/// claimed, for example. One that is already there was left by a dead process with the same number.
pub(crate) fn create_temporary(path: &Path) -> io::Result<File> {
    match create_new(path, FOR_OWNER) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create_new(path, FOR_OWNER)
        }
        other => other,
    }
}

/// Tells whether the open `file` still has the name `path`.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Returns `.NAME.ENDING` in the same folder; `None` if the path does not end in a name.
pub(super) fn hidden_beside(path: &Path, ending: &str) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(format!(".{ending}"));
    Some(path.with_file_name(name))
}

/// Returns a word that no other process has, on this host or another.
pub(super) fn unique() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", std::process::id())
}

/// Describes what a name refers to if it is not a regular file, for an error.
pub(super) fn kind_of(found: &fs::Metadata) -> &'static str {
    let kind = found.file_type();
    match () {
        () if kind.is_symlink() => "a link",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

/// Opens a file that no folder lists, and that is removed when it is closed.
pub(crate) fn unnamed() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!(".llmload-{}", unique()));
    let file = create_new(&path, FOR_OWNER)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Writes a file completely or not at all: under another name first, which is then renamed. A device or a pipe is
/// written directly.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |e: io::Error| unwritten(path, "write", &e);
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::write(path, content).map_err(failed);
    }
    let unnamed = || failed(ErrorKind::InvalidFilename.into());
    let temporary = hidden_beside(path, &format!("{}.tmp", unique())).ok_or_else(unnamed)?;
    let placed = create_new(&temporary, FOR_OWNER)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&temporary, path));
    placed.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        failed(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_written_whole_and_a_link_of_its_name_is_not_followed() {
        let folder = std::env::temp_dir().join(format!("llmload-place-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, other) = (folder.join("plot.svg"), folder.join("other"));
        fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        write_whole(&path, b"<svg/>").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"<svg/>");
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        let error = write_whole(Path::new("/dev/full"), b"<svg/>").unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
