//! Goodput from the option or the document to the figures, against a mock. Limits lie far from what the mock does, so
//! that every count is exact.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::MockOptions;
use llmload_uring::mock::fault::Fault;
use serde_json::{Value, json};

/// One kind whose requests are all good unless they fail, one whose are never, one without limits.
const KINDS: &str = "\
executor: per-vu-iterations
vus: 4
iterations: 30
models: [m]
prompts: [Hi]
goodput: { latency: 1h, ttft: 1h, tpot: 1h }
requests:
  - { name: easy, stream: true, max_tokens: 4 }
  - { name: whole, stream: false, max_tokens: 4 }
  - { name: hard, stream: true, max_tokens: 4, goodput: 'latency:1h ttft:1us' }
  - { name: probe, kind: light, goodput: { ttfb: 1h } }
";

struct Ran {
    document: Value,
    summary: String,
}

fn ran(text: &str, options: &[&str], exit: i32) -> Ran {
    let mock = mock(MockOptions {
        faults: faults(&[(Fault::Status(503), 1)], 10),
        ..mock_options()
    });
    let dir = Dir::new();
    let (profile, output) = (dir.write("profile.yaml", text), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let words = [&profile, "--target", &target, "--output", &output, "--details"];
    let ended = Live::spawn(program().args(words).args(options))
        .wait()
        .expect(exit);
    Ran {
        document: document(&output),
        summary: ended.stdout,
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn requests_that_meet_all_limits_of_their_kind_are_counted_everywhere() {
    let ran = ran(
        KINDS,
        &[
            "--summary",
            "full",
            "--threshold",
            "goodput{request:easy}: rate<1; good: count>1",
        ],
        0,
    );
    let d = &ran.document;
    let of = |kind: &str| &d["kinds"][kind]["totals"];
    for kind in ["easy", "whole", "probe"] {
        let totals = of(kind);
        let ended = count(&totals["ok"]) + count(&totals["failed"]);
        assert_eq!(totals["goodput"]["judged"], ended, "{kind}");
        assert_eq!(totals["goodput"]["good"], totals["ok"], "{kind}");
    }
    assert_eq!(of("hard")["goodput"]["good"], 0);
    assert!(count(&of("easy")["failed"]) > 0, "some failed: {d}");
    let (judged, good) = (
        count(&d["totals"]["goodput"]["judged"]),
        count(&d["totals"]["goodput"]["good"]),
    );
    assert_eq!(judged, 120);
    let share = d["rates"]["goodput"].as_f64().unwrap();
    assert!((share - good as f64 / judged as f64).abs() < 1e-12);
    let rows = d["timeline"].as_array().unwrap();
    let in_rows: u64 = rows
        .iter()
        .filter_map(|row| row["goodput"]["good"].as_u64())
        .sum();
    assert_eq!(in_rows, good);
    let details = d["details"].as_array().unwrap();
    assert_eq!(
        details.iter().filter(|detail| detail["good"] == true).count() as u64,
        good
    );
    assert_eq!(d["thresholds"][1]["observed"], good as f64);
    assert!(ran.summary.contains("goodput"), "{}", ran.summary);
    assert!(ran.summary.contains("by the limits of each"), "{}", ran.summary);
}

#[test]
fn the_option_replaces_all_limits_of_the_document_and_the_configuration_says_which_hold() {
    let ran = ran(KINDS, &["--goodput", "latency:1h, tpot:1h"], 0);
    let d = &ran.document;
    assert_eq!(d["totals"]["goodput"]["good"], d["totals"]["ok"]);
    let limits = |at: usize| &d["config"]["requests"][at]["goodput"];
    assert_eq!(limits(2), &json!({"tpot": "1h", "latency": "1h"}));
    assert_eq!(limits(3), &json!({"latency": "1h"}));
}

#[test]
fn without_limits_there_is_no_goodput_and_a_threshold_on_it_is_refused() {
    let plain = KINDS
        .lines()
        .filter(|line| !line.contains("goodput:"))
        .collect::<Vec<&str>>()
        .join("\n");
    let ran = ran(&plain, &[], 0);
    for (at, key) in [
        ("totals", "goodput"),
        ("rates", "goodput"),
        ("rates", "good_requests_per_second"),
    ] {
        assert_eq!(ran.document[at].get(key), None, "{at}.{key}");
    }
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &plain);
    let ended = super::common::live::ran(&[&profile, "--threshold", "goodput: rate>0.9"]);
    assert_eq!(ended.code, Some(104));
    ended.one_error("needs limits that say what a good request is");
}

#[test]
fn limits_that_cannot_be_read_are_refused_with_their_place() {
    for (words, code, part) in [
        (vec!["smoke", "--goodput", "ttft"], 2, "`ttft` has no limit"),
        (vec!["smoke", "--goodput", "ttft:fast"], 2, "unknown unit"),
        (
            vec!["smoke", "--goodput", "itl:30"],
            104,
            "the mean time per token",
        ),
        (
            vec!["smoke", "--goodput", "ttft:0"],
            104,
            "shorter than the minimum",
        ),
        (vec!["smoke", "--goodput", "ttft:500", "tpot:30"], 2, "in quotes"),
        (
            vec!["--goodput", "ttft:500", "latency:5s", "smoke"],
            2,
            "in quotes",
        ),
        (vec!["--goodput", "ttft:500", "latency:5s"], 2, "in quotes"),
    ] {
        let ended = super::common::live::ran(&words);
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
    }
}
