//! How sure a run is of its percentiles: intervals in the document, and thresholds that few requests cannot decide.

use crate::common::live::*;
use crate::common::*;
use serde_json::Value;

/// Runs `requests` streams with these options, and returns the document and the summary.
fn run(requests: u32, options: &[&str], exit: i32) -> (Value, String) {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let text = format!(
        "executor: shared-iterations\nvus: 10\niterations: {requests}\nmax_duration: 60s\nmodels: [m]\n\
         prompts: [Hi]\nrequests:\n  - {{ name: stream, stream: true, max_tokens: 4, timeout: 60s }}\n"
    );
    let (profile, output) = (dir.write("profile.yaml", &text), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let words = [&profile, "--target", &target, "--output", &output];
    let ended = Live::spawn(program().args(words).args(options))
        .wait()
        .expect(exit);
    (document(&output), ended.stdout)
}

fn ends(figures: &Value, key: &str) -> [f64; 2] {
    let list = figures[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key}: {figures}"));
    [list[0].as_f64().unwrap(), list[1].as_f64().unwrap()]
}

#[test]
fn each_percentile_has_its_interval_or_too_few_values_for_one() {
    let (found, summary) = run(100, &["--summary", "full"], 0);
    let latency = &found["metrics"]["latency"];
    for key in ["p50", "p90", "p95"] {
        let [low, high] = ends(latency, &format!("{key}_interval"));
        let figure = latency[key].as_f64().unwrap();
        assert!(low <= figure && figure <= high, "{key}: {low} {figure} {high}");
    }
    assert_eq!(latency["p99_interval"], Value::Null);
    assert!(latency.get("independent").is_none());
    let tbt = &found["metrics"]["tbt"];
    // Each stream has the same number of gaps.
    assert_eq!(tbt["independent"], 100);
    assert_eq!(tbt["count"].as_u64().unwrap() % 100, 0);
    assert_eq!(tbt["p99_interval"], Value::Null);
    assert!(
        summary.contains("95 % range") && summary.contains("too few"),
        "{summary}"
    );
    let (found, _) = run(400, &[], 0);
    let [low, high] = ends(&found["metrics"]["ttft"], "p99_interval");
    assert!(
        low <= high && found["metrics"]["tbt"]["independent"] == 400,
        "{low} {high}"
    );
}

#[test]
fn a_threshold_that_few_requests_cannot_decide_says_so_and_fails_if_that_is_required() {
    let rule = [
        "--threshold",
        "latency: p(99)<60000",
        "--threshold",
        "latency: med<60000",
    ];
    let (found, summary) = run(50, &rule, 0);
    let decided = |n: usize| &found["thresholds"][n]["decided"];
    assert_eq!(
        (decided(0), decided(1)),
        (&Value::Bool(false), &Value::Bool(true))
    );
    assert!(found["thresholds"][0].get("interval").is_none());
    assert!(ends(&found["thresholds"][1], "interval")[1] < 60_000.0);
    assert!(
        summary.contains("both thresholds hold, 1 not decided"),
        "{summary}"
    );
    assert!(summary.contains("not decided: too few"), "{summary}");
    let (found, summary) = run(50, &[&rule[..], &["--require-decided"]].concat(), 99);
    assert_eq!(found["run"]["verdict"], "threshold_failed");
    assert_eq!(found["thresholds"][0]["ok"], false);
    assert_eq!(found["thresholds"][1]["ok"], true);
    assert!(
        summary.contains("1 of 2 thresholds failed, 1 not decided"),
        "{summary}"
    );
}
