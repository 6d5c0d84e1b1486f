use super::*;
use crate::compare::testing_tests::{run, scalar, trend};
use crate::compare::{Comparison, RunFacts, Values, Why, Word};

/// A request that was due at `i` seconds, went out 5 ms later, had its first token after 60 ms and ended after 260 ms.
fn detail(i: u64, sent: &str, error: &str) -> String {
    format!(
        r#"{{"request_id": "v0-{i}", "endpoint": "chat", "start_ts": {i}.0, "end_ts": {i}.26, {sent} "ttft": 0.06,
        "ttfa": 0.06, "latency": 0.26, "output_tokens": 21, "tps": 1.0, "error": {error}}}"#
    )
}

fn file(name: &str, details: &[String]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("llmload-from-send-{name}-{}.json", std::process::id()));
    std::fs::write(&path, format!("{{\"details\": [{}]}}", details.join(", "))).unwrap();
    path
}

fn ours(ok: u64, failed: u64) -> Run {
    let times = |ms: f64| Values::Raw(vec![ms; (ok + failed) as usize]);
    let trends = vec![
        trend("ttft", times(60.0), Vec::new()),
        trend("service_time", times(255.0), Vec::new()),
    ];
    let scalars = vec![
        scalar("ok", "", ok as f64, None, Vec::new()),
        scalar("failed", "", failed as f64, None, Vec::new()),
        scalar("ok_requests_per_second", "/s", 1.1, None, Vec::new()),
    ];
    run("ours", RunFacts::default(), trends, scalars)
}

/// A run of another tool, whose figures are from the send.
fn theirs() -> Run {
    let definitions = [&CONVERTED[0], &CONVERTED[3]];
    let raw = |ms: f64| Values::Raw(vec![ms; 30]);
    let mut run = run("theirs", RunFacts::default(), Vec::new(), Vec::new());
    run.format = Format::Sglang;
    run.trends = definitions
        .iter()
        .filter_map(|d| d.trend(raw(50.0), Vec::new(), Vec::new()))
        .collect();
    run.scalars = vec![rate("ok_requests_per_second", "request_throughput", 1.0)];
    run
}

fn aligned(name: &str, details: &[String], own: Run) -> Run {
    let path = file(name, details);
    let mut runs = [own, theirs()];
    align(&mut runs, &[Some(path.clone()), None]).unwrap();
    std::fs::remove_file(path).unwrap();
    let [own, _] = runs;
    own
}

fn word(runs: &[Run], name: &str) -> Word {
    let found = Comparison::new(runs);
    let row = found.rows.iter().find(|row| row.name() == name).unwrap();
    row.cells[0].unwrap().word
}

#[test]
fn details_give_times_from_the_send_of_requests_that_are_ok() {
    let mut details: Vec<String> = (0..30).map(|i| detail(i, "\"sent\": 0.005,", "null")).collect();
    details.push(detail(30, "", "\"timeout_total\""));
    let own = aligned("all", &details, ours(30, 1));
    let mean = |metric| {
        own.trends
            .iter()
            .find(|t| t.metric == metric)
            .unwrap()
            .values
            .mean()
            .unwrap()
    };
    for (metric, expected) in [
        ("ttft", 55.0),
        ("ttfa", 55.0),
        ("service_time", 255.0),
        ("tpot", 10.0),
    ] {
        assert!(
            (mean(metric) - expected).abs() < 1e-6,
            "{metric}: {}",
            mean(metric)
        );
    }
    let per_second = own
        .scalars
        .iter()
        .find(|s| s.metric == "ok_requests_per_second")
        .unwrap()
        .value;
    assert!((per_second - 30.0 / (30.26 - 0.005)).abs() < 1e-6, "{per_second}");
    assert_ne!(word(&[own, theirs()], "ttft p50"), Word::Cannot(Why::OtherSense));
}

#[test]
fn what_cannot_be_converted_is_shown_and_not_judged() {
    let untold: Vec<String> = (0..30).map(|i| detail(i, "", "null")).collect();
    let few: Vec<String> = (0..3).map(|i| detail(i, "\"sent\": 0.005,", "null")).collect();
    for (name, details, why) in [
        ("none", &[][..], "it has no details"),
        ("untold", &untold, "do not say when requests went out"),
        ("few", &few, "do not have every request"),
    ] {
        let own = aligned(name, details, ours(30, 1));
        assert!(
            own.notes.iter().any(|note| note.contains(why)),
            "{name}: {:?}",
            own.notes
        );
        for row in ["ttft p50", "service_time mean", "ok_requests_per_second"] {
            assert_eq!(
                word(&[own.clone(), theirs()], row),
                Word::Cannot(Why::OtherSense),
                "{name}: {row}"
            );
        }
    }
}

#[test]
fn without_failures_all_requests_are_those_that_are_ok() {
    let own = aligned("clean", &[], ours(30, 0));
    assert_ne!(
        word(&[own, theirs()], "service_time mean"),
        Word::Cannot(Why::OtherSense)
    );
}

#[test]
fn runs_of_this_program_alone_stay_as_they_are() {
    let mut runs = [ours(30, 0), ours(30, 0)];
    align(&mut runs, &[None, None]).unwrap();
    assert!(
        runs.iter()
            .all(|run| run.notes.is_empty() && run.trends.iter().all(|t| t.sense.is_empty()))
    );
}
