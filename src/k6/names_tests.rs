use super::*;

#[track_caller]
fn carried(metric: &str, expression: &str, declared: &[Declared]) -> (&'static str, f64) {
    match meaning(metric, expression, declared) {
        Meaning::As { metric, factor } => (metric, factor),
        other => panic!("{metric}: {other:?}"),
    }
}

#[track_caller]
fn refused(metric: &str, expression: &str, declared: &[Declared]) -> String {
    match meaning(metric, expression, declared) {
        Meaning::None(why) => why,
        other => panic!("{metric}: {other:?}"),
    }
}

fn made(name: &str, of: Type, added: &[&str]) -> Vec<Declared> {
    vec![Declared {
        name: name.into(),
        of,
        added: added.iter().map(|code| (*code).to_owned()).collect(),
    }]
}

#[test]
fn metrics_of_k6_extensions_have_names_of_ours() {
    for (theirs, ours, factor) in [
        ("llm_ttft", "ttft", 1.0),
        ("llm_itl", "tbt", 1.0),
        ("llm_tpot", "tpot", 1.0),
        ("llm_request_duration", "latency", 1.0),
        ("llm_response_headers", "ttfb", 1.0),
        ("llm_token_latency", "tbt", 1.0),
        ("llm_inter_chunk_latency", "tbt", 1.0),
        ("llm_completion_time", "latency", 1.0),
        ("llm_request_latency", "latency", 1.0),
        ("llm_emit_first_token_second", "ttft", 1e3),
        ("llamacpp_emit_first_token_second", "ttft", 1e3),
        ("llm_ttft_ms", "ttft", 1.0),
        ("llm_time_to_first_token", "ttft", 1.0),
        ("chat_time_to_first_token", "ttft", 1.0),
        ("streaming_first_token_latency", "ttft", 1.0),
        ("time_to_first_token", "ttft", 1.0),
        ("time_to_first_token_ms", "ttft", 1.0),
        ("timeToFirstToken", "ttft", 1.0),
        ("first_token_latency", "ttft", 1.0),
        ("first_token_time", "ttft", 1.0),
        ("TTFT", "ttft", 1.0),
        ("ttft_s", "ttft", 1e3),
        ("ttft_seconds", "ttft", 1e3),
        ("TPoT", "tpot", 1.0),
        ("itl_ms", "tbt", 1.0),
        ("itl_us", "tbt", 1e-3),
        ("inter_token_latency", "tbt", 1.0),
        ("time_per_output_token", "tpot", 1.0),
        ("time_to_first_byte", "ttfb", 1.0),
        ("e2e_ms", "latency", 1.0),
        ("end_to_end_latency", "latency", 1.0),
        ("llm_latency", "latency", 1.0),
        ("stream_total_ms", "latency", 1.0),
    ] {
        assert_eq!(carried(theirs, "p(95)<1", &[]), (ours, factor), "{theirs}");
    }
}

#[test]
fn failures_and_successes_are_shares_or_counts_as_the_script_declares_them() {
    for name in [
        "errors",
        "error_rate",
        "llm_error_rate",
        "failed_requests",
        "stream_errors",
    ] {
        assert_eq!(carried(name, "rate<0.1", &[]).0, "failed", "{name}");
        let rate = made(name, Type::Rate, &[]);
        assert_eq!(carried(name, "rate<0.1", &rate).0, "failed", "{name}");
        let counter = made(name, Type::Counter, &[]);
        assert_eq!(carried(name, "count<3", &counter).0, "failures", "{name}");
        assert_eq!(carried(name, "rate<3", &counter).0, "failures", "{name}");
    }
    assert_eq!(carried("success_rate", "rate>0.9", &[]).0, "checks");
    assert_eq!(carried("llm_success", "rate>0.9", &[]).0, "checks");
    assert_eq!(
        carried("ok", "rate>0.9", &made("ok", Type::Rate, &[])).0,
        "checks"
    );
    assert_eq!(carried("ok", "rate>2", &made("ok", Type::Counter, &[])).0, "ok");
    // Counters of the extensions: per second, not a share.
    assert_eq!(carried("llm_errors", "count<10", &[]).0, "failures");
    assert_eq!(carried("llm_errors", "rate<0.1", &[]).0, "failures");
    assert_eq!(carried("llm_requests", "count>10", &[]).0, "ok");
    assert_eq!(carried("total_requests", "count>10", &[]).0, "requests");
}

#[test]
fn the_values_that_a_script_adds_give_the_unit_that_a_name_does_not() {
    let of = |added: &[&str]| made("ttft", Type::Trend, added);
    let meant = |added: &[&str]| carried("ttft", "p(95)<2", &of(added));
    assert_eq!(meant(&[]), ("ttft", 1.0));
    assert_eq!(meant(&["Date.now()-start"]), ("ttft", 1.0));
    assert_eq!(meant(&["(Date.now()-start)/1000"]), ("ttft", 1e3));
    assert_eq!(meant(&["(first-start)/1.e3"]), ("ttft", 1e3));
    assert_eq!(meant(&["res.timings.waiting"]), ("ttfb", 1.0));
    assert_eq!(meant(&["res.timings.duration"]), ("service_time", 1.0));
    assert_eq!(meant(&["res.timings.waiting", "Date.now()-start"]), ("ttft", 1.0));
    let milliseconds = made("ttft_ms", Type::Trend, &["micros/1000"]);
    assert_eq!(carried("ttft_ms", "p(95)<2", &milliseconds), ("ttft", 1.0));
}

#[test]
fn a_metric_of_another_type_or_without_a_counterpart_is_refused_with_why() {
    let gauge = made("ttft", Type::Gauge, &[]);
    assert!(refused("ttft", "value<1", &gauge).contains("a Gauge in the script"));
    let rate = made("timeouts", Type::Rate, &[]);
    assert!(refused("timeouts", "rate<0.1", &rate).contains("a Rate in the script and a Counter here"));
    assert!(
        refused("timeouts", "rate<0.1", &[]).contains("is a share or, for a counter, a number per second")
    );
    assert!(refused("ttft", "rate<0.1", &[]).contains("no such figure"));
    for name in [
        "llm_tokens_per_second",
        "tokens_per_sec",
        "llm_tokens_second",
        "llm_tps",
    ] {
        assert!(refused(name, "p(5)>20", &[]).contains("`tpot`"), "{name}");
    }
    for name in ["llm_completion_tokens", "llm_total_tokens", "tokens_generated"] {
        assert!(refused(name, "count>0", &[]).contains("tokens"), "{name}");
    }
    assert!(refused("llm_goodput", "rate>0.9", &[]).contains("`goodput: rate>0.95`"));
}

#[test]
fn k6s_own_and_unknown_metrics_are_not_renamed() {
    for name in [
        "http_req_duration",
        "http_req_failed",
        "http_reqs",
        "checks",
        "iterations",
        "vus",
        "login_time_s",
        "memory_mb",
        "llm_cost_usd",
        "timeouts",
        "my_trend",
    ] {
        assert_eq!(meaning(name, "count<1", &[]), Meaning::Same, "{name}");
    }
}

/// The guide's table of names, row by row.
#[test]
fn the_guide_lists_the_names_as_the_code_has_them() {
    let guide = include_str!("../../docs/FROM-K6.md");
    let (_, section) = guide
        .split_once("## Metrics of extensions and of scripts")
        .unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let quoted =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut checked = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let ours = quoted(cells[1]);
        for name in quoted(cells[0]) {
            let expression = match ours.first().map(String::as_str) {
                Some("failed" | "checks") => "rate<0.1",
                Some("failures" | "ok") => "count<1",
                _ => "p(95)<1",
            };
            match (meaning(&name, expression, &[]), ours.first()) {
                (Meaning::As { metric, .. }, Some(ours)) => assert_eq!(metric, ours, "{name}"),
                (Meaning::None(_), None) => {}
                (found, _) => panic!("{name}: {found:?} in {row}"),
            }
            checked += 1;
        }
    }
    assert!(checked >= 25, "{checked}");
}
