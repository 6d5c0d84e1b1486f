//! Loads whose requests arrive at a rate, whether or not earlier ones have been answered.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::MockOptions;
use llmload_uring::units::{MILLISECOND, MINUTE};
use serde_json::Value;

/// Runs a profile of one streamed request with this shape, and returns its document and its summary.
fn run(shape: &str, options: &[&str], mock_options: MockOptions, exit: i32) -> (Value, String) {
    let mock = mock(mock_options);
    let dir = Dir::new();
    let text = format!(
        "{shape}graceful_stop: 10s\nmodels: [m]\nprompts: [Hi]\n\
         requests:\n  - {{ name: stream, stream: true, max_tokens: 4, timeout: 60s }}\n"
    );
    let (profile, output) = (dir.write("profile.yaml", &text), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let words = [&profile, "--target", &target, "--output", &output, "--details"];
    let ended = Live::spawn(program().args(words).args(options))
        .wait()
        .expect(exit);
    let document = serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap();
    (document, ended.stdout)
}

fn totals(document: &Value, key: &str) -> u64 {
    document["totals"][key].as_u64().unwrap()
}

#[test]
fn dropped_arrivals_can_fail_a_threshold() {
    let slow = MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    };
    let shape = format!("{CONSTANT}max_vus: 5\n");
    for (limit, exit) in [("count<95", 99), ("count<96", 115)] {
        let threshold = format!("dropped_iterations: {limit}");
        let of_kind = format!("dropped_iterations{{request:stream}}: {limit}");
        let options = [
            "--graceful-stop",
            "0s",
            "--threshold",
            &threshold,
            "--threshold",
            &of_kind,
        ];
        let (document, _) = run(&shape, &options, slow.clone(), exit);
        for threshold in document["thresholds"].as_array().unwrap() {
            assert_eq!(threshold["observed"], 95.0, "{threshold}");
        }
    }
}

#[test]
fn users_from_the_start_take_the_first_arrivals_before_they_have_run() {
    // As many users as requests ever: each of the first arrivals is due before most users had a turn, and none may be
    // dropped for that.
    for (rate, due) in [("33.3", 34), ("50", 50), ("397.7", 398)] {
        let shape = format!(
            "executor: constant-arrival-rate\nrate: {rate}\nduration: 1s\npre_allocated_vus: 400\nmax_vus: 400\n"
        );
        let (document, _) = run(&shape, &["--cpus", "0"], mock_options(), 0);
        let found = (
            totals(&document, "requests"),
            totals(&document, "dropped_iterations"),
        );
        assert_eq!(found, (due, 0), "{rate}");
    }
}

const CONSTANT: &str = "executor: constant-arrival-rate\nrate: 100\nduration: 1s\n";

#[test]
fn each_arrival_of_the_plan_is_sent_once_on_any_number_of_cores() {
    for cores in ["1", "2"] {
        let (document, _) = run(CONSTANT, &["--cores", cores], mock_options(), 0);
        assert_eq!(
            (totals(&document, "requests"), totals(&document, "ok")),
            (100, 100)
        );
        assert_eq!(totals(&document, "dropped_iterations"), 0);
        let details = document["details"].as_array().unwrap();
        let mut numbers: Vec<u64> = details
            .iter()
            .map(|detail| detail["request_id"].as_str().unwrap()[1..].parse().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
    }
}

#[test]
fn a_frozen_server_does_not_stop_the_clock() {
    let frozen = MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    };
    let shape = format!("{CONSTANT}max_vus: 5\n");
    let (document, summary) = run(&shape, &["--graceful-stop", "0s"], frozen, 115);
    assert_eq!(
        (totals(&document, "requests"), totals(&document, "interrupted")),
        (5, 5)
    );
    assert_eq!(totals(&document, "dropped_iterations"), 95);
    assert_eq!(document["kinds"]["stream"]["totals"]["dropped_iterations"], 95);
    assert!(summary.contains("95 of 100 arrivals"), "{summary}");
    assert!(summary.contains("offered 100.0/s, achieved 0.0/s"), "{summary}");
    let rules: Vec<&str> = document["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["rule"].as_str().unwrap())
        .collect();
    assert!(rules.contains(&"dropped"), "{rules:?}");
}

#[test]
fn a_queue_drops_nothing_within_the_load_and_its_wait_is_latency_but_not_our_lag() {
    let slow = MockOptions {
        ttft: 30 * MILLISECOND,
        tokens: 1,
        ..mock_options()
    };
    let shape = format!("{CONSTANT}max_vus: 1\nwhen_full: queue\n");
    let (document, summary) = run(&shape, &["--summary", "full"], slow, 0);
    let (requests, dropped) = (
        totals(&document, "requests"),
        totals(&document, "dropped_iterations"),
    );
    // One user at 30 ms each makes at most 34 of them.
    assert_eq!(requests + dropped, 100);
    assert!((2..=34).contains(&requests), "{requests}");
    let max = |metric: &str| document["metrics"][metric]["max"].as_f64().unwrap();
    // The last began late by about the time that the others took.
    assert!(
        max("latency") > 10.0 * (requests as f64 - 1.0),
        "{}",
        max("latency")
    );
    assert!(max("latency") > max("service_time") + max("schedule_lag"));
    // All but the first waited, and the wait has figures of its own.
    assert_eq!(totals(&document, "offered"), 100);
    assert_eq!(totals(&document, "queued"), requests - 1);
    assert_eq!(document["metrics"]["queue_wait"]["count"], requests);
    assert_eq!(document["metrics"]["queue_wait"]["min"], 0.0);
    assert!(max("latency") >= max("queue_wait"));
    let longest = totals(&document, "peak_waiting");
    assert!(
        (dropped..=99).contains(&longest),
        "{longest} for {dropped} dropped at the end"
    );
    assert!(
        summary.contains("waited for a user") && summary.contains("longest queue"),
        "{summary}"
    );
}

#[test]
fn offered_and_achieved_rate_stand_in_one_line() {
    let (document, summary) = run(
        CONSTANT,
        &["--threshold", "offered: rate>90; sent: count==100"],
        mock_options(),
        0,
    );
    assert_eq!(document["rates"]["offered_per_second"], 100.0);
    assert_eq!(document["rates"]["sent_per_second"], 100.0);
    assert_eq!(document["thresholds"][1]["observed"], 100.0);
    assert!(
        summary.contains("\narrivals   offered 100.0/s, achieved "),
        "{summary}"
    );
    assert_eq!(document["metrics"].get("queue_wait"), None);

    // Two users of 50 ms each take 40 per second at most.
    let slow = MockOptions {
        ttft: 50 * MILLISECOND,
        tokens: 1,
        ..mock_options()
    };
    let shape = format!("{CONSTANT}max_vus: 2\n");
    let (document, summary) = run(&shape, &[], slow, 0);
    let dropped = totals(&document, "dropped_iterations");
    assert!(dropped >= 58, "{dropped}");
    assert_eq!(totals(&document, "requests") + dropped, 100);
    assert_eq!(totals(&document, "sent"), totals(&document, "requests"));
    let rows = document["timeline"].as_array().unwrap();
    let in_rows: u64 = rows.iter().filter_map(|row| row["dropped"].as_u64()).sum();
    assert_eq!(in_rows, dropped);
    let text = summary.replace('\n', " ");
    assert!(text.contains(&format!("{dropped} of 100 arrivals")), "{summary}");
}

#[test]
fn a_closed_loop_offers_nothing_and_a_comparison_says_that_rates_differ() {
    let closed = "executor: per-vu-iterations\nvus: 2\niterations: 20\n";
    let (document, summary) = run(closed, &[], mock_options(), 0);
    assert_eq!((totals(&document, "offered"), totals(&document, "sent")), (0, 40));
    assert_eq!(document["rates"].get("offered_per_second"), None);
    assert!(!summary.contains("offered"), "{summary}");

    let dir = Dir::new();
    let mut paths = vec![dir.write("closed.json", &document.to_string())];
    for rate in ["100", "50"] {
        let shape = format!("executor: constant-arrival-rate\nrate: {rate}\nduration: 1s\n");
        let (document, _) = run(&shape, &[], mock_options(), 0);
        paths.push(dir.write(&format!("{rate}.json"), &document.to_string()));
    }
    let words = ["compare", &paths[1], &paths[2], &paths[0]];
    let shown = Live::start(&words).wait().stdout;
    let line = shown.lines().find(|line| line.contains("100/s, constant"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    assert!(
        line.contains("rate") && line.contains("50/s, constant"),
        "{shown}"
    );
    assert!(shown.contains("offered_per_second"), "{shown}");
}

#[test]
fn an_open_loop_ends_with_its_time_even_if_no_request_arrives_at_the_end() {
    let shape = "executor: ramping-arrival-rate\nstart_rate: 50\n\
                 stages: [{duration: 500ms, target: 50}, {duration: 0s, target: 0}, {duration: 500ms, target: 0}]\n";
    let (document, _) = run(shape, &[], mock_options(), 0);
    assert_eq!(totals(&document, "requests"), 25);
    assert_eq!(document["run"]["stopped_by"], "plan");
}
