//! The fuzz targets on their seeds, on what fuzzing found, and on both with small damage. `scripts/fuzz.sh` finds more.

use crate::api_differential::{Random, damage};
use crate::corpus;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../fuzz/targets/mod.rs"]
#[allow(dead_code)] // The fuzzers, and the tests that run alone, count allocations.
mod targets;

/// Damaged inputs for each seed.
const DAMAGED: usize = 40;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(name)
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The seeds of a target: its own, and what the project has of that form.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = files(&folder("seeds").join(target));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds.extend(files(&folder("findings").join(target)));
    match target {
        "document" => {
            let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
            seeds.extend(files(&profiles));
        }
        "compare" => {
            let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/peers");
            seeds.extend(files(&peers));
        }
        "response" => {
            let wire = corpus::on_the_wire();
            let small = wire.iter().filter(|bytes| bytes.len() < 2_000);
            seeds.extend(small.step_by(7).map(|bytes| [&[0], &bytes[..]].concat()));
        }
        "event" => {
            let events = corpus::documents();
            seeds.extend(events.iter().step_by(3).map(|bytes| [&[0], &bytes[..]].concat()));
        }
        _ => {}
    }
    seeds
}

fn check(target: &str) {
    let mut random = Random(20_261_130);
    for seed in seeds(target) {
        let mut data = seed.clone();
        for _ in 0..=DAMAGED {
            if let Err(why) = catch_unwind(AssertUnwindSafe(|| targets::run(target, &data))) {
                println!("{target}: {}", data.escape_ascii());
                std::panic::resume_unwind(why);
            }
            if random.below(4) == 0 {
                data.clone_from(&seed);
            }
            damage(&mut data, &mut random);
        }
    }
}

macro_rules! holds {
    ($($name:ident),*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

holds!(
    response,
    http,
    chunks,
    events,
    event,
    exposition,
    tls,
    frames,
    json,
    document,
    k6,
    inference_perf,
    dataset,
    lengths,
    result,
    merged,
    calibration,
    compare,
    threshold,
    url,
    value,
    text
);

#[test]
fn every_target_is_tested_and_has_a_fuzzer() {
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let fuzzers: BTreeSet<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|bin| bin.split('"').nth(1))
        .collect();
    let known: BTreeSet<&str> = targets::TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(known, fuzzers);
    assert_eq!(known, TESTED.iter().copied().collect());
}
