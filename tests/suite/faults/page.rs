//! docs/FAULTS.md names a test for each fault: they have to exist, and so do the outcomes and exit codes that it names.

use std::collections::BTreeSet;
use std::path::Path;

use llmload_uring::error::ExitCode;
use llmload_uring::metrics::Outcome;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The names of all functions in a folder of Rust.
fn functions(folder: &Path, out: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, out);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn "));
            out.extend(names.filter_map(|name| Some(name.split_once('(')?.0.to_owned())));
        }
    }
}

/// What a table of faults begins with.
const HEAD: &str = "| fault | outcome | exit | test |";

/// The cells of each row of the tables: fault, outcome, exit code, tests.
pub fn rows() -> Vec<[String; 4]> {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/FAULTS.md")).unwrap();
    // Tables that list something else than faults have another head.
    let mut is_of_faults = false;
    let lines = page.lines().filter(|line| {
        is_of_faults = line.starts_with(HEAD) || is_of_faults && line.starts_with('|');
        is_of_faults && !line.starts_with(HEAD) && !line.starts_with("| ---")
    });
    let cells = lines.map(|line| {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect();
        <[String; 4]>::try_from(cells).unwrap_or_else(|_| panic!("not four cells: {line}"))
    });
    cells.collect()
}

pub fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`')
        .enumerate()
        .filter(|(i, _)| i % 2 == 1)
        .map(|(_, word)| word)
        .collect()
}

#[test]
fn every_fault_on_the_page_has_a_test_an_outcome_and_an_exit_code_that_exist() {
    let mut known = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&Path::new(ROOT).join(folder), &mut known);
    }
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
    let codes: Vec<String> = ExitCode::ALL.iter().map(|code| code.code().to_string()).collect();
    let rows = rows();
    for [fault, outcome, exit, tests] in &rows {
        for word in quoted(outcome) {
            assert!(outcomes.contains(&word), "{fault}: no outcome `{word}`");
        }
        for code in exit
            .split([' ', ','])
            .filter(|code| !code.is_empty() && *code != "-")
        {
            assert!(
                codes.iter().any(|known| known == code),
                "{fault}: no exit code {code}"
            );
        }
        let tests = quoted(tests);
        assert!(!tests.is_empty(), "{fault}: no test");
        for test in tests {
            assert!(known.contains(test), "{fault}: no test `{test}`");
        }
    }
    assert!(rows.len() > 60, "{}", rows.len());
}
