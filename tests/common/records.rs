//! Where the skips of a run are recorded. A run is one `cargo test`, which starts each test program as a process of
//! its own, so the record is a file, named after that cargo: its process id and the instant it was started, because
//! ids are given out again. Runs at the same time therefore have a file each, and a run never finds an older one's.

use std::path::{Path, PathBuf};

/// A process, as /proc describes it.
pub struct Process {
    name: String,
    parent: u32,
    /// In clock ticks since the machine was started.
    pub started: u64,
}

impl Process {
    /// `None` where there is no such process.
    pub fn of(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold any character. Field 4 is the parent, field 22 the start.
        let (name, rest) = stat.split_once(" (")?.1.rsplit_once(") ")?;
        let mut fields = rest.split_whitespace().skip(1);
        Some(Process {
            name: name.to_owned(),
            parent: fields.next()?.parse().ok()?,
            started: fields.nth(17)?.parse().ok()?,
        })
    }
}

/// The nearest cargo above this process (a runner may stand between them), or else the parent.
fn cargo() -> u32 {
    let parent = std::os::unix::process::parent_id();
    let mut at = parent;
    while let Some(process) = Process::of(at) {
        if process.name.starts_with("cargo") {
            return at;
        }
        at = process.parent;
    }
    parent
}

/// Beside the folder of test programs, which belongs to the build, as the records do.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("a test program knows its path");
    let programs = program.parent().and_then(Path::parent);
    programs
        .expect("a test program is in a folder of the build")
        .join("skipped")
}

/// The record of the run that this process belongs to.
pub fn of_this_run() -> PathBuf {
    let cargo = cargo();
    let started = Process::of(cargo).map_or(0, |process| process.started);
    folder().join(format!("{cargo}-{started}"))
}
