//! The requests of all ranks in rank 0's document.

use super::*;

/// Enough that a document consists mostly of its requests.
const MANY: &str = "executor: per-vu-iterations\nvus: 10\niterations: 600\nmax_duration: 60s\n";
const LIGHT: &str = "requests:\n  - { name: light, kind: light, timeout: 20s }\n";

const GATHER: [&str; 2] = ["--details", "--gather-details"];
const RANKS: usize = 5;
/// 550 KiB, or twice as much: room for what one rank writes, and not for the requests of all.
const LIMIT_BLOCKS: u32 = 1100;

#[test]
fn the_details_of_all_ranks_are_those_that_merge_finds() {
    let scene = Scene::of(&format!("{MANY}{LIGHT}"));
    let csv = scene.dir.path("tables");
    let words = scene.words(&GATHER);
    let (first, address) = rank_0_of(RANKS, &[&words[..], &["--csv", &csv]].concat());
    let words = [&words[..], &["--coordinate", &address]].concat();
    let others = (1..RANKS).map(|number| rank(number, RANKS, &words));
    for run in std::iter::once(first).chain(others).collect::<Vec<_>>() {
        run.wait().expect(0);
    }
    let found = scene.whole();
    let details = found["details"].as_array().unwrap();
    assert_eq!(details.len(), 6000);
    assert_eq!(&scene.merged(RANKS, 0)["details"], &found["details"]);
    let table = std::fs::read_to_string(Path::new(&csv).join("requests.csv")).unwrap();
    assert_eq!(table.lines().count(), 6001, "a head and every request");
    let left = scene
        .dir
        .names()
        .into_iter()
        .filter(|name| name.contains("jsonl"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_full_disk_at_rank_0_costs_no_rank_its_details() {
    let scene = Scene::of(&format!("{MANY}{LIGHT}"));
    let words = scene.words(&GATHER);
    let mut limited = with_file_limit(LIMIT_BLOCKS);
    limited
        .args(&words)
        .args(["--coordinate", "127.0.0.1:0"])
        .env("LLMLOAD_COORDINATE_SECRET", SECRET)
        .env("OMPI_COMM_WORLD_RANK", "0")
        .env("OMPI_COMM_WORLD_SIZE", RANKS.to_string());
    let mut first = Live::spawn(&mut limited);
    let address = address_of(&mut first);
    let words = [&words[..], &["--coordinate", &address]].concat();
    let others: Vec<Live> = (1..RANKS).map(|number| rank(number, RANKS, &words)).collect();
    let ended = first.wait().expect(112);
    assert!(
        ended
            .stderr
            .contains("the details of all ranks could not be gathered"),
        "{}",
        ended.stderr
    );
    for run in others {
        run.wait().expect(0);
    }
    let found = scene.whole();
    assert_eq!(
        (&found["details"], &found["totals"]["requests"]),
        (&Value::Null, &json!(6000))
    );
    let warnings = found["warnings"].as_array().unwrap();
    assert!(
        warnings
            .iter()
            .any(|warning| warning["rule"] == "details_missing")
    );
    for number in 0..RANKS {
        let own = scene.own(number);
        assert_eq!(own["details"].as_array().unwrap().len(), 1200, "{number}");
    }
}
