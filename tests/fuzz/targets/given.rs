//! Targets for what a user gives: documents, other tools' configurations, data, options.

use super::chosen;
use super::pieces::Pieces;
use super::plain::assert_plain;
use llmload_uring::config::read_profile;
use llmload_uring::dataset::{Filter, Format, ReadOptions, Turns};
use llmload_uring::error::Reason;
use llmload_uring::imports::Imported;
use llmload_uring::json::{DEPTH_MAX, JsonError, Scanner};
use llmload_uring::lengths::Lengths;
use llmload_uring::{inference_perf, k6};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;

/// JSON, by the program's own scanner: it parses what serde_json does, and finds the end of what that takes.
pub fn json(data: &[u8]) {
    let plain = serde_json::from_slice::<Value>(data);
    let mut scanner = Scanner::new(data);
    let parsed = scanner
        .parse::<Value>()
        .and_then(|value| scanner.end().map(|()| value));
    let pieces = Pieces::new(data);
    let mut scanner = Scanner::new(pieces.clone());
    let cut = scanner
        .parse::<Value>()
        .and_then(|value| scanner.end().map(|()| value));
    pieces.assert_linear(1);
    // The words of an error may show as much as had come.
    let placed = |read: &Result<Value, JsonError>| read.as_ref().map_err(JsonError::place).cloned();
    assert_eq!(placed(&parsed), placed(&cut), "in pieces");
    let mut scanner = Scanner::new(data);
    let skipped = scanner.skip().and_then(|()| scanner.end());
    match (&parsed, &plain) {
        (Ok(ours), Ok(theirs)) => {
            assert!(is_same(ours, theirs), "{ours:?}, by serde_json {theirs:?}");
            assert!(skipped.is_ok(), "what can be parsed cannot be skipped");
        }
        (Ok(_), Err(e)) => panic!("the scanner takes what serde_json does not: {e}"),
        // The scanner has limits of its own, and reads documents: a number at the top may go on.
        (Err(e), Ok(Value::Object(_) | Value::Array(_))) if data.len() < DEPTH_MAX => {
            panic!("the scanner refuses what serde_json takes: {e}")
        }
        (Err(_), _) => {}
    }
    for error in parsed.err().into_iter().chain(skipped.err()) {
        assert_plain(&error);
    }
}

/// Tells whether two values are the same. A fraction with many digits may be its neighbour: serde_json rounds so unless
/// it is built for more, and ours is the nearest one.
fn is_same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let bits = |n: &serde_json::Number| n.as_f64().map_or(0, f64::to_bits);
            bits(a).abs_diff(bits(b)) <= 1
        }
        _ => ours == theirs,
    }
}

/// A profile, or a workload. What is read has a plan.
pub fn document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Files that a document names are another matter.
    if ["file", "path", "cacert", "source", "dataset"]
        .iter()
        .any(|word| text.contains(word))
    {
        return;
    }
    if let Err(mistakes) = read_profile("p.yaml", text) {
        assert_plain(&mistakes);
    }
}

fn check_import(imported: Result<Imported, impl Display>) {
    match imported {
        Err(mistakes) => assert_plain(&mistakes),
        Ok(imported) => {
            if let Err(mistakes) = read_profile("imported.yaml", &imported.profile) {
                panic!(
                    "what was imported is no profile: {mistakes}\n{}",
                    imported.profile
                );
            }
        }
    }
}

/// k6's options, as JSON or in a script.
pub fn k6(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let env = BTreeMap::new();
    check_import(k6::import(&k6::Request {
        text,
        from: "script.js",
        mix: "smoke",
        env: &env,
    }));
}

/// A configuration of inference-perf.
pub fn inference_perf(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.contains("path") || text.contains("file") {
        return;
    }
    check_import(inference_perf::import(text, "config.yml"));
}

/// Rows of each format of a dataset.
pub fn dataset(data: &[u8]) {
    let (which, data) = chosen(data);
    let names: Vec<&str> = Format::names().collect();
    let format = Format::from_name(names[which % names.len()]).expect("a name of a format");
    let turns = match which / names.len() % 3 {
        0 => Turns::First,
        1 => Turns::All { answers: false },
        _ => Turns::All { answers: true },
    };
    let options = ReadOptions {
        filter: Filter::None,
        turns,
        ..ReadOptions::of(format)
    };
    let mut no_file = || Err(io::Error::other("no files here"));
    let pieces = Pieces::new(data);
    let cut = llmload_uring::dataset::read(Box::new(pieces.clone()), "d.jsonl", options, &mut no_file);
    let whole = llmload_uring::dataset::read(Box::new(data), "d.jsonl", options, &mut no_file);
    match (&cut, &whole) {
        (Ok(cut), Ok(whole)) => assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "in pieces"),
        (Err(cut), Err(whole)) => assert_eq!(cut.len(), whole.len(), "in pieces"),
        (cut, whole) => panic!("whole {whole:?}, in pieces {cut:?}"),
    }
    pieces.assert_linear(2);
    match whole {
        Ok(found) => found.left_out.iter().for_each(assert_plain),
        Err(mistakes) => {
            assert!(
                !mistakes.is_empty() && mistakes.len() <= 101,
                "{} mistakes",
                mistakes.len()
            );
            mistakes.iter().for_each(assert_plain);
        }
    }
}

/// Lengths in tokens: what is read draws within its own limits.
pub fn lengths(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let no_file = |_: &str| Err(Reason::new("no files here"));
    match Lengths::parse(text, &(1..=1_000_000), &no_file) {
        Err(error) => assert_plain(&format!("{error:?}")),
        Ok(lengths) => {
            let (min, max) = (lengths.min(), lengths.max());
            assert!(1 <= min && min <= max && max <= 1_000_000, "{min} to {max}");
            for bits in [0, 1, u64::MAX / 3, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
                let drawn = lengths.draw(bits);
                assert!(
                    (min..=max).contains(&drawn),
                    "{drawn} is not within {min} to {max}"
                );
            }
            let mean = lengths.mean();
            assert!(
                mean >= f64::from(min) - 1e-6 && mean <= f64::from(max) + 1e-6,
                "the mean is {mean}"
            );
            assert_plain(&lengths.in_words());
        }
    }
}
