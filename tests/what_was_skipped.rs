//! Says at the end of `cargo test` which tests were skipped and why. No test harness: what a passing test prints is
//! hidden. Cargo runs test targets in the order of their names, so this one's name comes after all others.
#![allow(clippy::print_stdout)] // What it is for.

use std::collections::BTreeMap;
use std::fs;

#[path = "common/records.rs"]
mod records;

/// Records of runs that ended before they came this far: their cargo is gone.
fn remove_stale() {
    for entry in fs::read_dir(records::folder()).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let started_by = name
            .split_once('-')
            .and_then(|(pid, started)| Some((pid.parse().ok()?, started.parse().ok()?)));
        let is_live = started_by.is_some_and(|(pid, started): (u32, u64)| {
            records::Process::of(pid).is_some_and(|process| process.started == started)
        });
        if !is_live {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn main() {
    // Asked for the names of its tests, it has none.
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let path = records::of_this_run();
    let record = match fs::read_to_string(&path) {
        Ok(record) => record,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let _ = fs::remove_file(&path);
    remove_stale();
    // The first thing that a test misses is its reason.
    let mut skips = BTreeMap::new();
    for (test, needs) in record.lines().filter_map(|line| line.split_once(": needs ")) {
        skips.entry(test).or_insert(needs);
    }
    match skips.len() {
        0 => println!("0 skipped"),
        count => println!("{count} skipped:"),
    }
    for (test, needs) in skips {
        println!("{test}: needs {needs}");
    }
}
