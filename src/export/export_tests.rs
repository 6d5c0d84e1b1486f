use std::collections::BTreeSet;
use std::io::Result;

use serde_json::Value;

use super::*;
use crate::documents_tests::{document, first_column};
use crate::result::sample;

struct Listed(Vec<Detail>);

impl Rows for Listed {
    fn each(&mut self, take: &mut dyn FnMut(&Detail) -> Result<()>) -> Result<()> {
        self.0.iter().try_for_each(take)
    }
}

/// An ok request that was due at 1000 s, waited 10 ms, connected for 20 ms, had its tokens after 130, 140 and 160 ms
/// and ended after 200 ms.
fn detail() -> Detail {
    Detail {
        request_id: "v0-0".to_owned(),
        pair: None,
        session: None,
        turn: None,
        x_request_id: None,
        endpoint: "chat".to_owned(),
        start_ts: 1000.0,
        end_ts: 1000.2,
        status: Some(200),
        sent: Some(0.03),
        connecting: Some(0.02),
        first_byte: Some(0.1),
        ttft: Some(0.13),
        ttfa: Some(0.14),
        last_token: Some(0.16),
        gaps: Some(vec![0.01, 0.02]),
        latency: 0.2,
        asked_prompt_tokens: None,
        prompt_tokens: Some(7),
        cached_tokens: Some(3),
        asked_output_tokens: None,
        output_tokens: 3,
        reasoning_tokens: Some(1),
        tps: 15.0,
        error: None,
        good: None,
        cause: None,
    }
}

fn rows() -> Listed {
    let slower = Detail {
        request_id: "v1-0".to_owned(),
        start_ts: 1000.5,
        sent: Some(0.0),
        connecting: None,
        ttft: Some(0.2),
        ttfa: Some(0.2),
        last_token: Some(0.6),
        gaps: Some(vec![0.4]),
        latency: 0.7,
        prompt_tokens: None,
        asked_prompt_tokens: Some(9),
        output_tokens: 5,
        reasoning_tokens: None,
        ..detail()
    };
    let failed = Detail {
        request_id: "v2-0".to_owned(),
        status: Some(503),
        ttft: None,
        ttfa: None,
        last_token: None,
        gaps: None,
        output_tokens: 0,
        error: Some("http_503".to_owned()),
        cause: Some("no_reason".to_owned()),
        ..detail()
    };
    let cut = Detail {
        request_id: "v3-0".to_owned(),
        error: Some("interrupted".to_owned()),
        ..detail()
    };
    let alone = Detail {
        request_id: "r1-alone-v0-0".to_owned(),
        ..detail()
    };
    Listed(vec![detail(), slower, failed, cut, alone])
}

fn written(which: Document, rows: &mut dyn Rows) -> String {
    let mut out = Vec::new();
    write(which, &sample::full(), rows, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn parsed(which: Document) -> Value {
    serde_json::from_str(&written(which, &mut rows())).unwrap()
}

fn near(value: &Value, expected: f64) {
    let found = value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} instead of {expected}"));
    assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
}

#[test]
fn vllm_counts_from_the_moment_a_request_is_taken_up_to_its_last_token() {
    let file = parsed(Document::VllmDetailed);
    for (key, count) in [
        ("num_prompts", 3),
        ("completed", 2),
        ("failed", 1),
        ("total_input_tokens", 16),
        ("total_output_tokens", 8),
        ("max_concurrent_requests", 2),
    ] {
        assert_eq!(file[key], count, "{key}");
    }
    // 120 and 200 ms.
    near(&file["mean_ttft_ms"], 160.0);
    near(&file["std_ttft_ms"], 40.0);
    near(&file["p99_ttft_ms"], 199.2);
    // 30 ms over two tokens, 400 ms over four.
    near(&file["median_tpot_ms"], 57.5);
    near(&file["mean_itl_ms"], 430.0 / 3.0);
    near(&file["p50_itl_ms"], 20.0);
    // 150 and 600 ms.
    near(&file["mean_e2el_ms"], 375.0);
    near(&file["mean_client_queue_time_ms"], 5.0);
    let lists = [
        ("ttfts", "[0.12,0.2,0.0]"),
        ("itls", "[[0.01,0.02],[0.4],[]]"),
        ("latencies", "[0.15,0.6,0.0]"),
        ("queue_times", "[0.01,0.0,0.01]"),
        ("input_lens", "[7,9,7]"),
        ("output_lens", "[3,5,0]"),
        ("errors", r#"["","","http_503"]"#),
    ];
    for (key, expected) in lists {
        assert_eq!(file[key].to_string(), expected, "{key}");
    }
    let duration = sample::full().run.duration_seconds;
    near(&file["request_throughput"], 2.0 / duration);
    near(&file["total_token_throughput"], 24.0 / duration);
    let summary = parsed(Document::Vllm);
    assert!(summary.get("ttfts").is_none() && summary["latencies"] == file["latencies"]);
    assert_eq!(summary["p99_itl_ms"], file["p99_itl_ms"]);
}

#[test]
fn aiperf_has_a_line_for_each_request_and_statistics_of_those_that_are_ok() {
    let text = written(Document::AiperfRecords, &mut rows());
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    let (metadata, metrics) = (&lines[0]["metadata"], &lines[0]["metrics"]);
    assert_eq!(metadata["credit_issued_ns"], 1_000_000_000_000_u64);
    assert_eq!(metadata["request_start_ns"], 1_000_010_000_000_u64);
    assert_eq!(metadata["request_end_ns"], 1_000_160_000_000_u64);
    for (tag, value) in [
        ("request_latency", 150.0),
        ("time_to_first_token", 120.0),
        ("time_to_first_output_token", 130.0),
        ("inter_token_latency", 15.0),
        ("output_sequence_length", 3.0),
        ("output_token_count", 2.0),
        ("http_req_waiting", 70.0),
        ("http_req_duration", 170.0),
        ("credit_to_start_latency", 10.0),
    ] {
        near(&metrics[tag]["value"], value);
    }
    assert_eq!(metrics["inter_chunk_latency"]["value"].to_string(), "[10.0,20.0]");
    assert_eq!(lines[2]["error"]["code"], 503);
    assert_eq!(lines[2]["error"]["message"], "http_503: no_reason");
    assert_eq!(lines[2]["metrics"].to_string(), "{}");
    assert_eq!(lines[3]["metadata"]["was_cancelled"], true);
    assert_eq!(lines[3]["error"]["code"], 499);
    let summary = parsed(Document::AiperfSummary);
    near(&summary["time_to_first_token"]["avg"], 160.0);
    near(&summary["benchmark_duration"]["avg"], 1.09);
    near(&summary["request_throughput"]["avg"], 2.0 / 1.09);
    near(&summary["request_count"]["avg"], 2.0);
    near(&summary["error_request_count"]["avg"], 1.0);
    assert_eq!(summary["inter_chunk_latency"]["count"], 3);
}

#[test]
fn a_benchmark_report_has_the_other_tools_times_and_without_requests_those_that_it_can() {
    let report = parsed(Document::BenchmarkReport);
    let aggregate = &report["results"]["request_performance"]["aggregate"];
    near(&aggregate["latency"]["time_to_first_token"]["mean"], 0.16);
    near(&aggregate["latency"]["request_latency"]["max"], 0.6);
    near(&aggregate["requests"]["input_length"]["mean"], 8.0);
    let totals = sample::full().totals;
    assert_eq!(aggregate["requests"]["total"], totals.requests);
    let without: Value = serde_json::from_str(&written(Document::BenchmarkReport, &mut NoRows)).unwrap();
    let latency = &without["results"]["request_performance"]["aggregate"]["latency"];
    assert!(latency.get("time_to_first_token").is_none());
    let service = sample::full()
        .metric(crate::metrics::MetricId::ServiceTime)
        .unwrap()
        .mean;
    near(&latency["request_latency"]["mean"], service.unwrap() / 1e3);
}

#[test]
fn k6_calls_a_failed_threshold_true_in_one_shape_and_not_ok_in_the_other() {
    let (flat, nested) = (parsed(Document::K6Export), parsed(Document::K6Summary));
    let result = sample::full();
    assert!(!result.thresholds.is_empty());
    for threshold in &result.thresholds {
        let of =
            |file: &Value| file["metrics"][&threshold.metric]["thresholds"][&threshold.expression].clone();
        assert_eq!(of(&flat), !threshold.ok, "{}", threshold.metric);
        assert_eq!(of(&nested)["ok"], threshold.ok, "{}", threshold.metric);
    }
    let service = result.metric(crate::metrics::MetricId::ServiceTime).unwrap();
    let flat = &flat["metrics"]["http_req_duration"];
    near(&flat["avg"], service.mean.unwrap());
    near(&flat["p(95)"], service.p95.unwrap());
    assert_eq!(
        nested["metrics"]["http_req_duration"]["values"]["p(95)"],
        flat["p(95)"]
    );
    assert_eq!(
        nested["metrics"]["http_req_failed"]["values"]["passes"],
        result.totals.failed
    );
    let connects = result.metric(crate::metrics::MetricId::Connect).unwrap().count;
    let ended = result.totals.ok + result.totals.failed;
    let figures = &nested["metrics"]["http_req_connecting"]["values"];
    assert_eq!(figures["count"], connects.max(ended));
}

#[test]
fn a_request_that_needed_no_connection_counts_as_0_in_k6() {
    let mut result = sample::full();
    result.totals.ok = 10_000;
    let mut out = Vec::new();
    write(Document::K6Export, &result, &mut NoRows, &mut out).unwrap();
    let file: Value = serde_json::from_slice(&out).unwrap();
    let figures = &file["metrics"]["http_req_connecting"];
    assert_eq!(figures["count"], 10_000 + result.totals.failed);
    assert_eq!(
        (&figures["min"], &figures["med"], &figures["p(90)"]),
        (&Value::from(0.0), &Value::from(0.0), &Value::from(0.0))
    );
    let connect = result.metric(crate::metrics::MetricId::Connect).unwrap();
    near(&figures["max"], connect.max.unwrap());
    let all = (10_000 + result.totals.failed) as f64;
    near(
        &figures["avg"],
        connect.mean.unwrap() * connect.count as f64 / all,
    );
}

#[test]
fn names_from_elsewhere_are_escaped_and_a_number_is_always_one() {
    let mut rows = rows();
    rows.0[0].endpoint = "a\"\u{1b}[2J\u{202e}\n</script>".to_owned();
    rows.0[1].x_request_id = Some("x\u{7f}".to_owned());
    let mut result = sample::full();
    result.run.models = Some(vec!["m\u{9b}31m\"".to_owned()]);
    result.run.duration_seconds = 0.0;
    for format in &FORMATS {
        for (_, which) in format.files {
            let mut out = Vec::new();
            write(*which, &result, &mut rows, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let hidden = |c: char| crate::error::is_unsafe(c) && !matches!(c, '\n' | '\t');
            assert!(!text.contains(hidden), "{which:?}: {text}");
            let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            let values: Vec<Value> = values.map(|value| value.unwrap()).collect();
            assert!(!values.is_empty(), "{which:?}");
        }
    }
}

#[test]
fn a_document_that_lacks_what_a_format_needs_is_refused_with_the_option_that_keeps_it() {
    let mut result = sample::full();
    let mut refused = |needs, details: Option<u64>, rows: &mut Listed| {
        result.details = details;
        let checked = check(needs, &result, rows).unwrap();
        checked.err().map(|reason| reason.to_string()).unwrap_or_default()
    };
    let none = refused(Needs::Requests, None, &mut rows());
    assert!(
        none.contains("does not list its requests") && none.contains("`--details`"),
        "{none}"
    );
    assert_eq!(refused(Needs::Figures, None, &mut rows()), "");
    assert_eq!(refused(Needs::Gaps, Some(5), &mut rows()), "");
    let mut older = rows();
    older.0[1].sent = None;
    let text = refused(Needs::Requests, Some(5), &mut older);
    assert!(text.contains("no `sent`"), "{text}");
    let mut without = rows();
    without.0[1].gaps = None;
    assert_eq!(refused(Needs::Requests, Some(5), &mut without), "");
    let text = refused(Needs::Gaps, Some(5), &mut without);
    assert!(
        text.contains("no `gaps`") && text.contains("`--export`"),
        "{text}"
    );
}

/// Returns the keys of a file as the page writes them.
fn keys(which: Document) -> BTreeSet<String> {
    let file = parsed(which);
    let members = file.as_object().unwrap();
    match which {
        Document::Vllm | Document::VllmDetailed => {
            let generic = |key: &String| match key.strip_suffix("_ms").and_then(|k| k.split_once('_')) {
                Some((_, metric)) => format!("STAT_{metric}_ms"),
                None => key.clone(),
            };
            members.keys().map(generic).collect()
        }
        Document::AiperfRecords | Document::AiperfSummary => members.keys().cloned().collect(),
        Document::BenchmarkReport => {
            let aggregate = &file["results"]["request_performance"]["aggregate"];
            let groups = aggregate.as_object().unwrap().iter();
            let of_group = |(group, keys): (&String, &Value)| -> Vec<String> {
                let keys = keys.as_object().unwrap().keys();
                keys.map(|key| format!("{group}.{key}")).collect()
            };
            groups.flat_map(of_group).collect()
        }
        Document::K6Export | Document::K6Summary => {
            let result = sample::full();
            let is_ours = |key: &String| {
                result.metrics.get(key).is_some() || result.thresholds.iter().any(|t| t.metric == *key)
            };
            let all = file["metrics"].as_object().unwrap().keys();
            all.filter(|key| !is_ours(key)).cloned().collect()
        }
    }
}

#[test]
fn the_page_lists_exactly_the_formats_and_their_keys() {
    let page = document("docs/EXPORTS.md");
    let names: BTreeSet<String> = FORMATS.iter().map(|format| format.name.to_owned()).collect();
    assert_eq!(
        first_column(&page, "# A result in the formats of other tools"),
        names
    );
    let sections = [
        (
            "## vLLM",
            Document::VllmDetailed,
            ["details_lost", "STAT_e2el_including_client_queue_ms"].as_slice(),
        ),
        (
            "## AIPerf",
            Document::AiperfSummary,
            ["good_request_count", "goodput"].as_slice(),
        ),
        ("## llm-d", Document::BenchmarkReport, [].as_slice()),
        ("## k6", Document::K6Export, ["dropped_iterations"].as_slice()),
        ("## k6", Document::K6Summary, ["dropped_iterations"].as_slice()),
    ];
    for (heading, which, only_sometimes) in sections {
        let mut found = keys(which);
        found.extend(only_sometimes.iter().map(|key| (*key).to_owned()));
        assert_eq!(first_column(&page, heading), found, "{heading}");
    }
}
