//! Faults that are planted to see that a test notices them: `scripts/planted-faults.sh` does it with each patch in
//! `tests/planted`. Here only that each of them still fits the program, and that no fault on the page is without one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::page::{quoted, rows};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Faults on the page that no line of the program can be blamed for, each with the reason.
const NOT_PLANTED: [(&str, &str); 0] = [];

/// One patch: what it says at its top, and what it changes.
struct Patch {
    name: String,
    text: String,
}

impl Patch {
    /// The value of a line such as `# test: …` at the top.
    fn says(&self, what: &str) -> Option<&str> {
        let lines = self.text.lines().take_while(|line| line.starts_with('#'));
        let mut values =
            lines.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.strip_prefix(": "));
        values.next()
    }

    /// The name of its test, without the modules.
    fn test(&self) -> &str {
        let test = self
            .says("test")
            .unwrap_or_else(|| panic!("{}: no `# test: `", self.name));
        test.rsplit("::").next().unwrap_or(test)
    }

    /// The files that it changes; of each change the lines that it expects.
    fn expected(&self) -> Vec<(String, String)> {
        let mut expected = Vec::new();
        let mut file = "";
        for line in self.text.lines() {
            if let Some(name) = line.strip_prefix("+++ b/") {
                file = name.split('\t').next().unwrap_or(name);
            } else if line.starts_with("@@ ") {
                expected.push((file.to_owned(), String::new()));
            } else if let Some((_, lines)) = expected.last_mut()
                && let Some(kept) = line.strip_prefix([' ', '-'])
            {
                *lines += kept;
                lines.push('\n');
            }
        }
        expected
    }
}

fn patches() -> Vec<Patch> {
    let folder = Path::new(ROOT).join("tests/planted");
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    let read = |path: &PathBuf| Patch {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_planted_fault_fits_the_program_at_one_place_and_names_its_test() {
    let patches = patches();
    assert!(patches.len() >= 30, "{}", patches.len());
    for patch in &patches {
        let name = &patch.name;
        assert!(name.ends_with(".patch"), "{name}: a patch is named so");
        assert!(patch.says("fault").is_some(), "{name}: no `# fault: `");
        let test = patch.says("test").unwrap_or_default();
        let place = test
            .split_once(' ')
            .filter(|(target, _)| ["suite", "lib", "alone"].contains(target));
        assert!(
            place.is_some(),
            "{name}: `# test: {test}` is not a target and the path of a test"
        );
        let expected = patch.expected();
        assert!(!expected.is_empty(), "{name}: changes nothing");
        for (file, lines) in expected {
            assert!(file.starts_with("src/"), "{name}: {file} is not the program");
            let text = std::fs::read_to_string(Path::new(ROOT).join(&file));
            let text = text.unwrap_or_else(|e| panic!("{name}: {file}: {e}"));
            let places = format!("\n{text}").matches(&format!("\n{lines}")).count();
            assert_eq!(
                places, 1,
                "{name}: these lines have to be in {file} once:\n{lines}"
            );
        }
    }
}

#[test]
fn every_fault_on_the_page_is_planted_or_says_why_not() {
    let (rows, patches) = (rows(), patches());
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/FAULTS.md")).unwrap();
    let tests =
        |row: &[String; 4]| -> Vec<String> { quoted(&row[3]).into_iter().map(str::to_owned).collect() };
    let several = |test: &str| {
        rows.iter()
            .filter(|row| tests(row).iter().any(|name| name == test))
            .count()
            > 1
    };
    let mut planted = BTreeSet::new();
    for patch in &patches {
        let test = patch.test();
        let of_test = rows
            .iter()
            .filter(|row| tests(row).iter().any(|name| name == test));
        let of_test: Vec<&str> = of_test.map(|row| row[0].as_str()).collect();
        if of_test.is_empty() {
            // Readers of foreign bytes have a table of their own.
            let is_named = page.contains(&format!("`{test}`"));
            assert!(is_named, "{}: docs/FAULTS.md names no {test}", patch.name);
            continue;
        }
        let row = match patch.says("row") {
            Some(row) => row,
            None => {
                assert!(
                    !several(test),
                    "{}: `# row: ` has to say which of {of_test:?}",
                    patch.name
                );
                of_test[0]
            }
        };
        assert!(
            of_test.contains(&row),
            "{}: {row} is none of {of_test:?}",
            patch.name
        );
        planted.insert(row);
    }
    let excused = |fault: &str| {
        NOT_PLANTED
            .iter()
            .any(|(row, why)| *row == fault && !why.is_empty())
    };
    for row in &rows {
        let fault = row[0].as_str();
        assert_ne!(
            planted.contains(fault),
            excused(fault),
            "{fault}: needs a patch in tests/planted, or a reason"
        );
    }
}
