//! The requests of all ranks in rank 0's document.

use super::*;

/// Enough that a document consists mostly of its requests.
const MANY: &str = "executor: per-vu-iterations\nvus: 10\niterations: 600\nmax_duration: 60s\n";
const LIGHT: &str = "requests:\n  - { name: light, kind: light, timeout: 20s }\n";

const RANKS: usize = 5;
/// 550 KiB, or twice as much: room for what one rank writes, and not for the requests of all.
const LIMIT_BLOCKS: u32 = 1100;

#[test]
fn the_details_of_all_ranks_are_those_that_merge_finds() {
    let mock = quick_mock();
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{MANY}{LIGHT}"));
    let output = dir.path("out.json");
    let target = url(&mock);
    let csv = dir.path("tables");
    let words = [
        &profile,
        "--target",
        &target,
        "-o",
        &output,
        "--details",
        "--gather-details",
    ];
    let (first, address) = rank_0_of(RANKS, &[&words[..], &["--csv", &csv]].concat());
    let words = [&words[..], &["--coordinate", &address]].concat();
    let others = (1..RANKS).map(|number| rank(number, RANKS, &words));
    for run in std::iter::once(first).chain(others).collect::<Vec<_>>() {
        run.wait().expect(0);
    }
    let found = read(&output);
    let details = found["details"].as_array().unwrap();
    assert_eq!(details.len(), 6000);
    let own: Vec<String> = (0..RANKS)
        .map(|n| dir.path(&format!("out.rank-{n}.json")))
        .collect();
    let again = dir.path("again.json");
    let words: Vec<&str> = own
        .iter()
        .map(String::as_str)
        .chain(["--output", &again])
        .collect();
    ran(&[&["merge"], &words[..]].concat()).expect(0);
    assert_eq!(&read(&again)["details"], &found["details"]);
    let table = std::fs::read_to_string(Path::new(&csv).join("requests.csv")).unwrap();
    assert_eq!(table.lines().count(), 6001, "a head and every request");
    let left = dir.names().into_iter().filter(|name| name.contains("jsonl"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_full_disk_at_rank_0_costs_no_rank_its_details() {
    let mock = quick_mock();
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{MANY}{LIGHT}"));
    let output = dir.path("out.json");
    let target = url(&mock);
    let words = [
        &profile,
        "--target",
        &target,
        "-o",
        &output,
        "--details",
        "--gather-details",
    ];
    let mut limited = with_file_limit(LIMIT_BLOCKS);
    limited
        .args(words)
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
    let found = read(&output);
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
        let own = read(&dir.path(&format!("out.rank-{number}.json")));
        assert_eq!(own["details"].as_array().unwrap().len(), 1200, "{number}");
    }
}
