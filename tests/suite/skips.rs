//! The record of skipped tests, which `tests/what_was_skipped.rs` prints.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use crate::common::live::Dir;
use crate::common::records::{Process, folder};
use crate::common::{Guard, skipped};

/// Not a test of its own: skipped in the runs below.
#[test]
#[ignore = "skips itself; run by another test"]
fn skipping() {
    skipped("skipping", &std::env::var("NEEDS").unwrap());
}

/// As cargo does: two test programs one after the other. It stays until its standard input ends.
fn run_of_two_programs(cargo: &str, needs: &str) -> Guard {
    let script = r#""$0" --exact skips::skipping --ignored >&2; NEEDS="$NEEDS, too" "$0" --exact skips::skipping --ignored >&2
        echo done; read line"#;
    let mut child: Child = Command::new(cargo)
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("NEEDS", needs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "done\n");
    Guard(child)
}

#[test]
fn two_runs_at_once_each_have_their_own_record_of_what_they_skipped() {
    let dir = Dir::new();
    let cargo = dir.path("cargo");
    symlink("/bin/sh", &cargo).unwrap();
    let runs = ["a moon", "a tide"].map(|needs| (needs, run_of_two_programs(&cargo, needs)));
    for (needs, run) in &runs {
        let pid = run.0.id();
        let path = folder().join(format!("{pid}-{}", Process::of(pid).unwrap().started));
        let record = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let line = format!("skipped: skipping: needs {needs}");
        assert_eq!(record, format!("{line}\n{line}, too\n"));
    }
}
