//! The traps of k6's formats, one test each; on the captured files where they show it.

use super::captured_tests::{captured, trend};
use super::{read_run, run_of_bytes};
use crate::compare::{Figure, Format, Run, Stat, Values};

fn read(text: &str) -> Run {
    try_read(text.as_bytes()).unwrap()
}

fn try_read(bytes: &[u8]) -> Result<Run, crate::error::Reason> {
    run_of_bytes(bytes, "test")
}

fn verdicts(run: &Run) -> Vec<(&str, &str, bool)> {
    let mut all: Vec<_> = run
        .thresholds
        .iter()
        .map(|t| (&*t.metric, &*t.expression, t.ok))
        .collect();
    all.sort_unstable();
    all
}

fn value(run: &Run, metric: &str) -> f64 {
    run.scalars
        .iter()
        .find(|s| s.metric == metric)
        .unwrap_or_else(|| panic!("no {metric}"))
        .value
}

#[test]
fn true_in_the_export_means_that_a_threshold_was_crossed() {
    let test = "true_in_the_export_means_that_a_threshold_was_crossed";
    let Some(file) = captured(test, "chaos_thresholds_failed_summary_export.json") else {
        return;
    };
    let run = read_run(&file, "chaos").unwrap();
    // 7 of 49 failed and p(95) was 448 ms.
    assert_eq!(
        verdicts(&run),
        [
            ("http_req_duration", "p(95)<2000", true),
            ("http_req_failed", "rate<0.01", false)
        ]
    );
    let Some(file) = captured(test, "smoke_handleSummary.json") else {
        return;
    };
    let run = read_run(&file, "smoke").unwrap();
    assert_eq!(
        verdicts(&run),
        [("http_req_failed", "rate<0.01", true)],
        "handleSummary says ok"
    );
}

#[test]
fn passes_of_http_req_failed_are_failures() {
    let test = "passes_of_http_req_failed_are_failures";
    let Some(file) = captured(test, "v2/llama_tiny_stream_summary_export.json") else {
        return;
    };
    let run = read_run(&file, "llama").unwrap();
    assert_eq!(
        (value(&run, "failed"), value(&run, "error_rate")),
        (51.0, 0.10625)
    );
}

#[test]
fn types_that_the_export_does_not_state_are_inferred() {
    let run = read(
        r#"{"metrics":{"http_reqs":{"rate":2,"count":10},"vus":{"value":1,"min":1,"max":7},
        "own_trend":{"avg":5,"count":4},"own_rate":{"value":0.25,"passes":1,"fails":3},
        "own_counter":{"count":3,"rate":0.6},"http_req_duration":{"p(99)":4}}}"#,
    );
    assert_eq!(run.format, Format::K6SummaryExport);
    assert_eq!((run.facts.peak_vus, run.facts.requests), (Some(7), Some(10)));
    assert_eq!(
        trend(&run, "service_time").unwrap().values.percentile(99.0),
        Some(4.0)
    );
    let other = |name: &str| &run.others.iter().find(|o| o.source == name).unwrap().figure;
    assert!(matches!(other("own_trend"), Figure::Values(v) if v.mean() == Some(5.0) && v.count() == Some(4)));
    assert!(matches!(
        other("own_rate"),
        Figure::Share {
            share: 0.25,
            of: Some(4)
        }
    ));
    assert!(matches!(other("own_counter"), Figure::Number(3.0)));
}

#[test]
fn a_missing_duration_is_count_over_rate() {
    let run = read(r#"{"metrics":{"http_reqs":{"count":10,"rate":4}},"root_group":{}}"#);
    assert_eq!(run.facts.duration_seconds, Some(2.5));
    let run = read(r#"{"metrics":{"iterations":{"count":9,"rate":3},"http_reqs":{"count":0,"rate":0}}}"#);
    assert_eq!(run.facts.duration_seconds, Some(3.0));
}

#[test]
fn percentile_keys_of_all_three_spellings_are_read() {
    for key in ["p(95)", "p95", "p95.00", "p(95.0)"] {
        let text = format!(r#"{{"metrics":{{"http_req_duration":{{"avg":1,"{key}":7.5}}}}}}"#);
        let run = read(&text);
        assert_eq!(
            trend(&run, "service_time").unwrap().values.percentile(95.0),
            Some(7.5),
            "{key}"
        );
    }
    let text = r#"{"metrics":{"http_req_duration":{"avg":1,"p(99.9)":8,"p(100)":9,"med":3,"p(50)":3}}}"#;
    let values = read(text).trends[0].values.clone();
    assert_eq!((values.percentile(99.9), values.max()), (Some(8.0), None));
    assert_eq!(
        (values.percentile(100.0), values.percentile(50.0)),
        (Some(9.0), Some(3.0))
    );
    let Values::Summary { stats, .. } = values else {
        panic!()
    };
    assert_eq!(
        stats.iter().filter(|(s, _)| *s == Stat::Percentile(50.0)).count(),
        1
    );
}

#[test]
fn counters_without_a_rate_are_divided_by_the_duration() {
    let test = "counters_without_a_rate_are_divided_by_the_duration";
    let Some(file) = captured(test, "v2/smoke_new_machine_readable.json") else {
        return;
    };
    let run = read_run(&file, "machine").unwrap();
    // 5 requests in 1.4177631929999999 s.
    assert!((value(&run, "requests_per_second") - 3.5266820472465183).abs() < 1e-9);
    assert!(run.thresholds.is_empty());
    assert!(
        run.notes.iter().any(|n| n.contains("--summary-mode=full")),
        "{:?}",
        run.notes
    );
    assert!(run.notes.iter().any(|n| n.contains("no thresholds")));
}

#[test]
fn both_spellings_of_the_machine_readable_summary_are_read() {
    let run = read(
        r#"{"version":"1.0.0","metadata":{"k6Version":"2.0.0","generatedAt":"2026-01-01T00:00:00Z"},
        "config":{"duration":4},"results":{"metrics":[{"name":"http_req_duration","type":"trend","contains":"time",
        "values":{"avg":1,"p(90)":2,"p95.00":3}}]}}"#,
    );
    assert_eq!(run.facts.tool.as_deref(), Some("k6 2.0.0"));
    let values = &trend(&run, "service_time").unwrap().values;
    assert_eq!(
        (values.percentile(90.0), values.percentile(95.0)),
        (Some(2.0), Some(3.0))
    );
}

#[test]
fn a_wrong_share_of_old_checks_is_computed_from_its_counts() {
    let run = read(r#"{"metrics":{"checks":{"value":0,"passes":12,"fails":0}}}"#);
    assert_eq!(value(&run, "checks"), 1.0);
    assert!(
        run.notes
            .iter()
            .any(|n| n.contains("states 0, but its own counts give 1")),
        "{:?}",
        run.notes
    );
}

#[test]
fn null_statistics_are_left_out_with_a_note() {
    let run = read(
        r#"{"metrics":{"http_req_duration":{"avg":null,"min":1,"p(95)":null},
        "http_req_waiting":{"avg":null,"max":null},"http_reqs":{"count":1,"rate":null}},
        "state":{"testRunDurationMs":null}}"#,
    );
    let values = &trend(&run, "service_time").unwrap().values;
    assert_eq!(
        (values.mean(), values.min(), values.percentile(95.0)),
        (None, Some(1.0), None)
    );
    assert!(trend(&run, "ttfb").is_none());
    assert_eq!(
        run.notes.iter().filter(|n| n.contains("null")).count(),
        3,
        "{:?}",
        run.notes
    );
}

#[test]
fn a_submetric_is_kept_apart_from_its_metric() {
    let test = "a_submetric_is_kept_apart_from_its_metric";
    let Some(file) = captured(test, "chaos_thresholds_failed_summary_export.json") else {
        return;
    };
    let run = read_run(&file, "chaos").unwrap();
    assert_eq!(
        trend(&run, "service_time").unwrap().values.percentile(50.0),
        Some(375.888076)
    );
    let part = run
        .others
        .iter()
        .find(|o| o.source == "http_req_duration{expected_response:true}")
        .unwrap();
    assert_eq!(part.unit, "ms");
    assert!(matches!(&part.figure, Figure::Values(v) if v.percentile(50.0) == Some(388.0407835)));
}

#[test]
fn waiting_is_ttfb_and_iterations_are_marked_as_including_think_time() {
    let test = "waiting_is_ttfb_and_iterations_are_marked_as_including_think_time";
    let Some(file) = captured(test, "sat_ns_handleSummary.json") else {
        return;
    };
    let run = read_run(&file, "sat").unwrap();
    assert_eq!(trend(&run, "ttfb").unwrap().source, "http_req_waiting");
    assert_eq!(
        trend(&run, "iteration").unwrap().differs,
        Some("includes think time")
    );
    assert!(trend(&run, "ttft").is_none());
}

#[test]
fn a_script_s_own_first_token_trend_is_not_compared_with_ttft_and_the_note_says_why() {
    let test = "a_script_s_own_first_token_trend_is_not_compared_with_ttft_and_the_note_says_why";
    let Some(file) = captured(test, "ttft_check_gpt4o_handleSummary.json") else {
        return;
    };
    let run = read_run(&file, "ttft").unwrap();
    assert!(trend(&run, "ttft").is_none());
    let own = run
        .others
        .iter()
        .find(|o| o.source == "time_to_first_token")
        .unwrap();
    assert!(matches!(&own.figure, Figure::Values(v) if v.percentile(95.0) == Some(147.4213796)));
    let note = run
        .notes
        .iter()
        .find(|n| n.contains("time_to_first_token"))
        .unwrap();
    assert!(
        note.contains("those of `http_req_waiting`"),
        "its least value is http_req_waiting's: {note}"
    );

    let run = read(r#"{"metrics":{"my_ttft":{"avg":5,"min":2},"http_req_waiting":{"avg":1,"min":1}}}"#);
    assert!(
        run.notes.iter().any(|n| n.contains("which may measure anything")),
        "{:?}",
        run.notes
    );
}

#[test]
fn xk6_llm_s_metrics_are_ours_and_outrank_those_of_a_health_check() {
    let run = read(
        r#"{"metrics":{"llm_requests":{"count":20,"rate":2},"llm_errors":{"count":1,"rate":0.1},
        "llm_ttft":{"avg":50,"p(95)":80},"llm_itl":{"avg":5},"llm_tpot":{"avg":6},
        "llm_request_duration":{"avg":900},
        "llm_completion_tokens":{"count":400,"rate":40},"http_req_duration":{"avg":1},
        "http_reqs":{"count":1,"rate":0.1},
        "http_req_failed":{"value":0,"passes":0,"fails":1}}}"#,
    );
    let named = |metric| trend(&run, metric).map(|t| (&*t.source, t.differs.is_some()));
    assert_eq!(named("ttft"), Some(("llm_ttft", true)));
    assert_eq!(named("tbt"), Some(("llm_itl", true)));
    assert_eq!(named("tpot"), Some(("llm_tpot", true)));
    assert_eq!(named("service_time"), Some(("llm_request_duration", true)));
    assert_eq!(
        (value(&run, "requests"), value(&run, "requests_per_second")),
        (20.0, 2.0)
    );
    assert_eq!(
        (value(&run, "error_rate"), value(&run, "output_tokens_per_second")),
        (0.05, 40.0)
    );
    assert!(run.others.iter().any(|o| o.source == "http_req_duration"));
    assert!(
        run.notes
            .iter()
            .any(|n| n.contains("`http_reqs` is not compared")),
        "{:?}",
        run.notes
    );
}

#[test]
fn the_different_meaning_of_xk6_sse_s_metrics_is_noted() {
    let run = read(
        r#"{"metrics":{"sse_event":{"count":100,"rate":10},"http_reqs":{"count":10,"rate":1},
        "http_req_duration":{"avg":30},"http_req_sending":{"avg":3}}}"#,
    );
    let service = trend(&run, "service_time").unwrap();
    assert_eq!(
        service.differs,
        Some("xk6-sse: from connecting to the end, TLS included")
    );
    assert_eq!(service.values.count(), None);
    assert!(
        run.notes.iter().any(|n| n.contains("twice a request")),
        "{:?}",
        run.notes
    );
}

#[test]
fn requests_of_setup_and_teardown_are_counted_with_a_note() {
    let test = "requests_of_setup_and_teardown_are_counted_with_a_note";
    let Some(file) = captured(test, "smoke_points.ndjson") else {
        return;
    };
    let run = read_run(&file, "points").unwrap();
    assert!(
        run.notes
            .iter()
            .any(|n| n.starts_with("2 of the requests were made by setup()")),
        "{:?}",
        run.notes
    );
    assert_eq!(run.facts.target.as_deref(), Some("http://127.0.0.1:18083"));
    assert_eq!(run.facts.started_at.as_deref(), Some("2026-11-21T20:09:50.569Z"));
    // 50.57 to 52.66: three seconds of wall clock. The one request of second 51 to 52 among them ends in it.
    let slices = &trend(&run, "service_time").unwrap().slices;
    assert_eq!(slices.len(), 3);
    assert_eq!(slices.iter().map(|s| s.count).sum::<u64>(), 7);
    assert!((slices[0].elapsed - 0.430106).abs() < 1e-6, "{slices:?}");
    assert!((slices[2].elapsed - slices[0].elapsed - 2.0).abs() < 1e-9);
}
