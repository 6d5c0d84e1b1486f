//! Creates the file of a spool, which is new, for this process alone, and never replaces what a killed run has left.

use crate::error::{ExitCode, Failure, Reason, lossless};
use crate::output::error::unwritten;
use crate::output::place::{FOR_OWNER, create_new, kind_of};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The number of killed runs whose details are kept in one folder.
const KEPT_MAX: u32 = 1_000;

/// Refuses a link, a FIFO or a device that has the name of a spool, before anything is sent.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            let what = format!(
                "it is {}: the details of the run need this name for a file",
                kind_of(&found)
            );
            let hint = "remove it, choose another file with --output, or leave out --details";
            let name = lossless(path.as_os_str().as_bytes());
            Err(Failure::new(
                ExitCode::Output,
                Reason::new(what).hint(hint).at(name, 0),
            ))
        }
        _ => Ok(()),
    }
}

/// Returns the file, and the place of the details of a killed run that had its name.
pub(super) fn create(path: &Path) -> Result<(File, Option<PathBuf>), Failure> {
    let created = |e: io::Error| unwritten(path, "create", &e);
    match create_new(path, FOR_OWNER) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        other => return Ok((other.map_err(created)?, None)),
    }
    check(path)?;
    let kept = match fs::metadata(path) {
        // It is from a run that was killed before its first request had ended.
        Ok(found) if found.len() == 0 => {
            fs::remove_file(path).map_err(created)?;
            None
        }
        _ => Some(set_aside(path).map_err(created)?),
    };
    Ok((create_new(path, FOR_OWNER).map_err(created)?, kept))
}

/// Renames `r.json.details.jsonl` to `r.json.details.killed-1.jsonl`, or to the first such name that is free.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let stem = path.with_extension("");
    for number in 1..=KEPT_MAX {
        let mut name = OsString::from(&stem);
        name.push(format!(".killed-{number}.jsonl"));
        let name = PathBuf::from(name);
        match fs::hard_link(path, &name) {
            Ok(()) => return fs::remove_file(path).map(|()| name),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            // This file system has no links. A process that looks for a free name now has claimed another document.
            Err(_) if fs::symlink_metadata(&name).is_err() => return fs::rename(path, &name).map(|()| name),
            Err(_) => {}
        }
    }
    Err(io::Error::other(format!(
        "there are already details of {KEPT_MAX} killed runs"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("llmload-spool-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn spools_of_killed_runs_are_kept_and_only_the_owner_can_read_one() {
        let folder = folder("kept");
        let path = folder.join("r.json.details.jsonl");
        for (left, kept) in [
            ("first", "r.json.details.killed-1.jsonl"),
            ("second", "r.json.details.killed-2.jsonl"),
        ] {
            fs::write(&path, left).unwrap();
            let (file, found) = create(&path).unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(found.unwrap(), folder.join(kept));
            assert_eq!(fs::read_to_string(folder.join(kept)).unwrap(), left);
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, "").unwrap();
        assert_eq!(create(&path).unwrap().1, None, "nothing was in it");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_a_fifo_and_a_folder_are_refused_with_their_kind() {
        let folder = folder("kinds");
        let path = folder.join("r.json.details.jsonl");
        let victim = folder.join("victim");
        fs::write(&victim, "precious").unwrap();
        let fifo = || {
            assert!(
                std::process::Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            )
        };
        let kinds: [(&str, &dyn Fn()); 4] = [
            ("a link", &|| std::os::unix::fs::symlink(&victim, &path).unwrap()),
            ("a link", &|| {
                std::os::unix::fs::symlink(folder.join("nothing"), &path).unwrap()
            }),
            ("a FIFO", &fifo),
            ("a directory", &|| fs::create_dir(&path).unwrap()),
        ];
        for (name, make) in kinds {
            make();
            let failure = create(&path).unwrap_err();
            assert_eq!(failure.exit, ExitCode::Output);
            assert!(
                failure.to_string().contains(&format!("it is {name}")),
                "{failure}"
            );
            let _ = fs::remove_file(&path);
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        fs::remove_dir_all(folder).unwrap();
    }
}
