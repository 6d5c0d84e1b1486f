use super::*;
use crate::metrics::{Distribution, MetricId};
use crate::units::MILLISECOND;
use serde_json::json;
use std::io::Cursor;

fn figures(ms: impl Iterator<Item = u64>) -> Value {
    let mut d = Distribution::new();
    ms.for_each(|ms| {
        d.record(ms * MILLISECOND);
    });
    serde_json::to_value(MetricFigures::of(&d)).unwrap()
}

fn document() -> Value {
    json!({
        "schema": SCHEMA,
        "config": {"profile": "load", "seed": 7},
        "details": [{"request_id": "v0-0", "error": "a } ] \" brace"}, {"request_id": "v0-1"}],
        "host": {"kernel": "6.18.0", "cpu": "Some CPU", "cpus_allowed": [0, 1]},
        "run": {"profile": "load", "target": "http://127.0.0.1:8080", "started_at": "2026-01-02T03:04:05Z",
            "duration_seconds": 2.0, "exit_code": 99, "versions": {"llmload-uring": "0.1.0"}},
        "totals": {"requests": 12, "ok": 9, "failed": 1, "interrupted": 2, "peak_vus": 3, "output_tokens": 40},
        "rates": {"requests_per_second": 5.0, "error_rate": 0.1},
        "metrics": {"latency": figures(1..=10), "ttft": figures([3, 5].into_iter()), "tls": figures(0..0)},
        "timeline": [
            {"elapsed": 1.0, "requests": 4, "errors": 1, "output_tokens": 30,
             "latency": {"count": 4, "sum": 10.0, "p50": 2.0, "p99": 4.0}, "ttft": {"count": 0, "sum": 0.0}},
            {"elapsed": 2.0, "requests": 6, "errors": 0, "output_tokens": 10,
             "latency": {"count": 6, "sum": 45.0}, "ttft": {"count": 2, "sum": 8.0}}],
        "client": {"stamp_source": "kernel"},
        "thresholds": [{"metric": "latency", "expression": "p(95)<5", "observed": 10.0, "ok": false}],
        "warnings": [{"rule": "interrupted", "message": "requests cut by the end: 2", "advice": "wait"}]
    })
}

fn read(document: &Value) -> Result<Run> {
    let bytes = serde_json::to_vec_pretty(document).unwrap();
    Members::read(Box::new(Cursor::new(bytes))).and_then(|m| run(&m, "ours"))
}

#[test]
fn a_result_document_gives_its_exact_figures_and_its_timeline() {
    let run = read(&document()).unwrap();
    let RunFacts {
        profile,
        seed,
        stamp_source,
        host,
        tool,
        exit_code,
        ..
    } = &run.facts;
    assert_eq!(
        (profile.as_deref(), *seed, *exit_code),
        (Some("load"), Some(7), Some(99))
    );
    assert_eq!(stamp_source.as_deref(), Some("kernel"));
    assert_eq!(host.as_deref(), Some("Linux 6.18.0, Some CPU, 2 CPUs"));
    assert_eq!(tool.as_deref(), Some("llmload-uring 0.1.0"));
    let names: Vec<&str> = run.trends.iter().map(|t| t.metric).collect();
    assert_eq!(names, ["latency", "ttft"], "one without values is left out");
    let latency = &run.trends[0];
    let values = &latency.values;
    assert_eq!(
        (values.min(), values.mean(), values.max()),
        (Some(1.0), Some(5.5), Some(10.0))
    );
    assert_eq!(
        values.percentile(50.0),
        Some(5.003),
        "the upper end of its bucket"
    );
    assert_eq!(
        latency
            .slices
            .iter()
            .map(|s| (s.count, s.sum))
            .collect::<Vec<_>>(),
        [(4, 10.0), (6, 45.0)]
    );
    let scalar = |metric| run.scalars.iter().find(|s| s.metric == metric).unwrap();
    assert_eq!(
        (scalar("error_rate").value, scalar("error_rate").of),
        (0.1, Some(10))
    );
    assert_eq!(scalar("output_tokens").slices[1].sum, 10.0);
    assert_eq!((run.thresholds.len(), run.thresholds[0].ok), (1, false));
    assert_eq!(run.notes, ["warned: requests cut by the end: 2"]);
}

#[test]
fn runs_of_repeat_are_read_in_small() {
    let mut document = document();
    let mut part = serde_json::Map::new();
    for key in ["run", "totals", "rates", "metrics", "timeline"] {
        part.insert(key.to_string(), document[key].clone());
    }
    document["repeats"] = json!([part.clone(), part]);
    let run = read(&document).unwrap();
    assert_eq!(run.repeats.len(), 2);
    assert_eq!(run.repeats[1].label, "ours run 2");
    assert_eq!(run.repeats[1].trends[0].values.mean(), Some(5.5));
    assert_eq!(run.repeats[1].trends[0].slices.len(), 2);
}

#[test]
fn a_wrong_document_is_refused_by_place() {
    let say = |change: fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        read(&document).unwrap_err().to_string()
    };
    let text = say(|d| d["schema"] = json!("llmload-uring/2"));
    assert!(text.contains("`schema`: is `llmload-uring/2`"), "{text}");
    let text = say(|d| d["metrics"]["latency"]["count"] = json!(11));
    assert!(text.contains("`metrics.latency`: encoded histogram"), "{text}");
    let text = say(|d| d["totals"]["failed"] = json!("one"));
    assert!(text.contains("`totals.failed`: found `\"one\"`"), "{text}");
    let text = say(|d| d["timeline"][1]["latency"] = json!(3));
    assert!(text.contains("in `timeline[1].latency`: found `3`"), "{text}");
    let text = say(|d| drop(d.as_object_mut().unwrap().remove("metrics")));
    assert!(text.contains("`metrics`: is missing"), "{text}");
}

#[test]
fn every_metric_of_the_table_is_read_under_its_key() {
    let mut document = document();
    for metric in &METRICS {
        document["metrics"][metric.key] = figures(1..=3);
    }
    let run = read(&document).unwrap();
    assert_eq!(run.trends.len(), MetricId::COUNT);
}

fn written(name: &str, text: &[u8]) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("llmload-{name}-{}.json", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn details_are_handed_on_one_by_one_as_they_are() {
    let path = written("details", &serde_json::to_vec_pretty(&document()).unwrap());
    let mut ids = Vec::new();
    each_detail(&path, |detail| {
        let detail: Value = serde_json::from_slice(detail).unwrap();
        ids.push(detail["request_id"].as_str().unwrap().to_string());
    })
    .unwrap();
    assert!(!read_document(&path).unwrap().values.contains_key("details"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ids, ["v0-0", "v0-1"]);
}

/// By itself, for it reads the peak of the whole process:
/// `cargo test --lib a_million_details -- --ignored`
#[test]
#[ignore = "writes 100 MB"]
fn a_million_details_twice_stay_under_100_mib() {
    let mut text = b"{\"details\": [\n".to_vec();
    let line = format!("{{\"request_id\":\"v0-0\",\"error\":\"{}\"}}", "x".repeat(60));
    let path = written("million", b"");
    {
        use std::io::Write;
        let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        out.write_all(&text).unwrap();
        for i in 0..1_000_000 {
            let comma = if i == 0 { "" } else { ",\n" };
            write!(out, "{comma}{line}").unwrap();
        }
        let rest = serde_json::to_string(&document()).unwrap();
        write!(
            out,
            "],{}",
            rest.trim_start_matches('{').replace("\"details\"", "\"other\"")
        )
        .unwrap();
    }
    text.clear();
    for _ in 0..2 {
        assert_eq!(
            crate::compare::read::read_run(&path, "million")
                .unwrap()
                .trends
                .len(),
            2
        );
    }
    std::fs::remove_file(&path).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 100 * 1024, "{kib} KiB");
}
