//! Tests that could not test anything say so here, in unit tests and integration tests alike. What a passing test
//! prints is hidden, so it is recorded too: `tests/what_was_skipped.rs` is run last and prints all of it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

#[path = "records.rs"]
pub mod records;

/// Says and records that `test` tested nothing (more), because it needs what is not here.
pub fn skipped(test: &str, needs: &str) {
    let line = format!("skipped: {test}: needs {}\n", needs.replace('\n', " "));
    print!("{line}");
    let path = records::of_this_run();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the records");
    let file = OpenOptions::new().create(true).append(true).open(path);
    // One write, so that lines of tests that run at the same time do not mix.
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.expect("a record of the skipped test");
}

/// A file or folder of the material that stands beside the project and is not part of it, in `../shared`. A checkout
/// without it skips the test.
pub fn shared_material(test: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(name);
    if !path.exists() {
        skipped(test, &format!("../shared/{name}"));
        return None;
    }
    Some(path)
}
