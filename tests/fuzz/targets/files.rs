//! Targets for files of results: our own documents, and those of other tools.

use super::pieces::Pieces;
use super::plain::{assert_clear, assert_line, assert_markup, assert_plain, assert_table};
use llmload_uring::calibration;
use llmload_uring::compare::read::{Choice, Wanted, read_from};
use llmload_uring::compare::{Comparison, Run, Tool, csv, json, markdown, plot, text};
use llmload_uring::config::reread;
use llmload_uring::error::{escape, safe_json};
use llmload_uring::json::JsonError;
use llmload_uring::merge::{Part, merge};
use llmload_uring::output::{View, summary};
use llmload_uring::page::{Loaded, page};
use llmload_uring::result::{self, RunResult};
use llmload_uring::tables;
use serde_json::Value;
use std::io::BufRead;

/// A result document: in pieces it is the same, what is read is written and read again as the same, and shown as what
/// cannot harm a terminal, a table or a page.
pub fn result(data: &[u8]) {
    let pieces = Pieces::new(data);
    // The words of an error may show as much as had come, so that in pieces only its place is the same.
    let place = |error: JsonError| error.place();
    let schema = result::schema_of(data).map_err(place);
    assert_eq!(schema, result::schema_of(pieces.clone()).map_err(place));
    let read = result::read(data);
    let placed = read.as_ref().map_err(JsonError::place);
    assert_eq!(placed.cloned(), result::read(pieces.clone()).map_err(place));
    let details = |input: &mut dyn BufRead| {
        let mut lines = Vec::new();
        let count = result::each_detail(input, |bytes, _| {
            lines.push(bytes.to_vec());
            Ok::<(), JsonError>(())
        });
        (lines, count.map_err(place))
    };
    assert_eq!(details(&mut { data }), details(&mut pieces.clone()));
    pieces.assert_linear(3);
    match &read {
        Err(error) => assert_clear(error),
        Ok(read) => {
            let written = serde_json::to_vec(&read).expect("a document can be written");
            let again = result::read(written.as_slice()).expect("what was written can be read");
            // The details stay in the file.
            let kept = RunResult {
                details: None,
                ..read.clone()
            };
            assert_eq!(again, kept);
            let _ = reread(&read.config, "r.json");
            match read.check() {
                Err(error) => assert_clear(&error),
                Ok(()) => assert_shown(read),
            }
        }
    }
}

/// Everything that `show` and `report` make of a document that they take.
fn assert_shown(read: &RunResult) {
    assert_plain(&escape(&summary(read, &View::plain(true))));
    assert_plain(&escape(&tables::of_run(read)));
    let mut table = Vec::new();
    tables::figures(read, &mut table).expect("memory can be written");
    tables::timeline(read, &mut { Vec::new() }).expect("memory can be written");
    assert_table(&String::from_utf8(table).expect("text"));
    assert_markup(&page(&[Loaded::of_run("r.json", read)], None));
}

/// Documents of the parts of a run: what is merged is a document.
pub fn merged(data: &[u8]) {
    let part = |name: &str| Part::read(name, || Ok(data));
    let (one, two) = match (part("a.json"), part("b.json")) {
        (Ok(one), Ok(two)) => (one, two),
        (Err(error), _) | (_, Err(error)) => return assert_clear(&error),
    };
    let mut alone = [one];
    match merge(&mut alone, true) {
        Err(error) => assert_clear(&error),
        Ok(merged) => {
            let written = serde_json::to_vec(&merged).expect("a document can be written");
            let again = result::read(written.as_slice()).expect("what was merged can be read");
            assert_eq!(again.totals, merged.totals);
            assert_eq!(again.metrics, merged.metrics);
        }
    }
    let [one] = alone;
    let error = merge(&mut [one, two], true).expect_err("a part is given twice");
    assert_clear(&error);
}

/// A calibration of a host.
pub fn calibration(data: &[u8]) {
    let Ok(given) = std::str::from_utf8(data) else {
        return;
    };
    match calibration::read(given) {
        Err(error) => assert_clear(&error),
        Ok(read) => {
            assert_plain(&escape(&calibration::text(&read)));
            let written = serde_json::to_string(&read).expect("a calibration can be written");
            let again = calibration::read(&written).expect("what was written can be read");
            assert_eq!(format!("{again:?}"), format!("{read:?}"));
        }
    }
}

fn read_run(open: impl Fn() -> Box<dyn BufRead>, wanted: Wanted) -> Result<Run, String> {
    read_from(open, "run", wanted).map_err(|error| {
        assert_clear(&error);
        assert!(error.hint.is_some(), "{error}");
        error.to_string()
    })
}

/// The results of other tools and of this one, as `compare` reads them: the same in pieces, and shown as what cannot
/// harm.
pub fn compare(data: &[u8]) {
    // What is asked for hangs on the length, so that any file is an input as it is.
    let wanted = match data.len() % 8 {
        n @ 0..2 => Wanted {
            tool: Some(Tool::ALL[data.len() / 8 % Tool::ALL.len()]),
            choice: Choice(Some(1 + n as u64)),
        },
        _ => Wanted::default(),
    };
    let pieces = Pieces::new(data);
    let whole: std::rc::Rc<[u8]> = data.into();
    let one = read_run(|| Box::new(std::io::Cursor::new(whole.clone())), wanted);
    let cut = read_run(|| Box::new(pieces.clone()), wanted);
    pieces.assert_linear(4);
    let run = match (one, cut) {
        (Ok(one), Ok(cut)) => {
            assert_eq!(format!("{one:?}"), format!("{cut:?}"), "in pieces");
            one
        }
        (Err(_), Err(_)) => return,
        (one, cut) => panic!("whole {one:?}, in pieces {cut:?}"),
    };
    let runs = [run.clone(), run];
    let comparison = Comparison::new(&runs);
    assert_plain(&escape(&text::text(&comparison, &[], false)));
    assert_plain(&escape(&markdown::markdown(&comparison, &[])));
    assert_table(&csv::csv(&comparison));
    let shown = safe_json(&json::json(&comparison, &[])).into_owned();
    assert_plain(&shown);
    serde_json::from_str::<Value>(&shown).expect("a comparison is JSON");
    assert_markup(&plot::svg(&runs));
    comparison
        .footnotes
        .iter()
        .for_each(|note| assert_line(&escape(note)));
}
