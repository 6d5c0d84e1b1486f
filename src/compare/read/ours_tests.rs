use super::super::run_of_bytes;
use super::*;
use crate::metrics::MetricId;
use crate::result::sample;
use serde_json::json;

fn document() -> Value {
    serde_json::to_value(sample::full()).unwrap()
}

fn read_value(document: &Value) -> Result<Run> {
    run_of_bytes(&serde_json::to_vec_pretty(document).unwrap(), "ours")
}

/// As other tools rewrite documents: `schema` is not in the first bytes.
fn with_its_keys_in_order(document: &Value) -> Vec<u8> {
    let mut document = document.clone();
    document["config"]["description"] = json!("x".repeat(100_000));
    let text = serde_json::to_vec(&document).unwrap();
    assert!(schema_in(&text[..64 * 1024]).is_none());
    text
}

#[test]
fn a_result_document_gives_its_exact_figures_and_its_timeline() {
    let document = sample::full();
    let run = run_of(&document, "ours").unwrap();
    let f = &run.facts;
    assert_eq!(
        (f.profile.as_deref(), f.seed, f.exit_code, f.requests),
        (Some("sample"), Some(7), Some(113), Some(180))
    );
    assert_eq!(f.stamp_source.as_deref(), Some("kernel"));
    assert_eq!(f.host.as_deref(), Some("Linux 6.18.0, Some CPU, 2 CPUs"));
    assert_eq!(f.tool.as_deref(), Some("llmload-uring 0.1.0"));
    let names: Vec<&str> = run.trends.iter().map(|t| t.metric).collect();
    assert_eq!(names.len(), MetricId::COUNT, "{names:?}");
    let said = document.metrics.get("latency").unwrap();
    let latency = &run.trends[0];
    assert_eq!(
        (latency.metric, latency.values.count()),
        ("latency", Some(said.count))
    );
    assert_eq!(
        (latency.values.min(), latency.values.max()),
        (said.min, said.max),
        "to the last bit"
    );
    assert_eq!(latency.values.percentile(95.0), said.p95);
    let slices: Vec<u64> = latency.slices.iter().map(|s| s.count).collect();
    assert_eq!((slices.len(), slices.iter().sum::<u64>()), (6, said.count));
    let scalar = |metric| run.scalars.iter().find(|s| s.metric == metric).unwrap();
    assert_eq!(
        (scalar("error_rate").value, scalar("error_rate").of),
        (document.rates.error_rate, Some(174))
    );
    assert_eq!(
        scalar("requests").slices.iter().map(|s| s.sum).sum::<f64>(),
        180.0
    );
    assert_eq!((run.thresholds.len(), run.thresholds[1].ok), (3, false));
    assert!(run.notes[0].starts_with("warning: "), "{:?}", run.notes);
}

#[test]
fn metrics_without_values_are_left_out() {
    let mut document = document();
    let empty = json!({"count": 0, "min": null, "mean": null, "max": null, "p50": null, "p90": null, "p95": null,
        "p99": null, "p999": null, "out_of_range": 0, "hdr": null});
    document["metrics"]["tls"] = empty;
    document["metrics"]
        .as_object_mut()
        .unwrap()
        .remove("server_prompt");
    let document = read(document.to_string().as_bytes()).unwrap();
    let run = run_of(&document, "ours").unwrap();
    assert_eq!(run.trends.len(), MetricId::COUNT - 2);
}

#[test]
fn repeated_runs_are_read_from_their_short_form() {
    let run = read_value(&document()).unwrap();
    assert_eq!(run.repeats.len(), 2);
    assert_eq!(run.repeats[1].label, "ours run 2");
    assert_eq!(run.repeats[1].facts.requests, Some(90));
    assert_eq!(run.repeats[1].trends[0].slices.len(), 3);
}

#[test]
fn sorting_the_keys_of_a_document_does_not_change_it() {
    let again = with_its_keys_in_order(&document());
    let run = run_of_bytes(&again, "ours").unwrap();
    assert_eq!(run.facts, read_value(&document()).unwrap().facts);
}

#[test]
fn a_wrong_document_is_refused_by_place() {
    let say = |change: fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        read_value(&document).unwrap_err().to_string()
    };
    let text = say(|d| d["schema"] = json!("llmload-uring/1"));
    assert!(
        text.contains("`schema`: is `llmload-uring/1`, of an earlier version")
            && text.contains("repeat the run"),
        "{text}"
    );
    let text = say(|d| d["metrics"]["latency"]["count"] = json!(11));
    assert!(text.contains("`metrics.latency`: encoded histogram"), "{text}");
    let text = say(|d| d["repeats"][1]["metrics"]["latency"]["hdr"] = json!("AAAA"));
    assert!(
        text.contains("`repeats[1].metrics.latency`: encoded histogram"),
        "{text}"
    );
    let text = say(|d| d["totals"]["failed"] = json!("one"));
    assert!(
        text.contains("in `totals.failed`: found `\"one\"`") && text.contains("edited"),
        "{text}"
    );
    let text = say(|d| d["timeline"][1]["latency"] = json!(3));
    assert!(text.contains("in `timeline[1].latency`: found `3`"), "{text}");
    let text = say(|d| drop(d.as_object_mut().unwrap().remove("metrics")));
    assert!(text.contains("in `metrics`: is missing"), "{text}");
    let text = run_of_bytes(
        &with_its_keys_in_order(&{
            let mut document = document();
            document["schema"] = json!("llmload-uring/1");
            document
        }),
        "ours",
    );
    assert!(text.unwrap_err().to_string().contains("of an earlier version"));
}

/// By itself, for it reads the peak of the whole process:
/// `cargo test --lib a_million_details -- --ignored`
#[test]
#[ignore = "writes 100 MB"]
fn a_million_details_twice_stay_under_100_mib() {
    use std::io::Write;
    let path = std::env::temp_dir().join(format!("llmload-million-{}.json", std::process::id()));
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut whole = sample::full();
    // The list may have more requests than the totals.
    whole.config["contention"] = json!(true);
    let whole = serde_json::to_string(&whole).unwrap();
    let line = format!("{{\"request_id\":\"v0-0\",\"error\":\"{}\"}}", "x".repeat(60));
    write!(out, "{{\"schema\": \"{}\", \"details\": [", crate::result::SCHEMA).unwrap();
    for i in 0..1_000_000 {
        let comma = if i == 0 { "" } else { ",\n" };
        write!(out, "{comma}{line}").unwrap();
    }
    let (_, rest) = whole.split_once(',').unwrap();
    write!(out, "],{rest}").unwrap();
    out.into_inner().unwrap();
    for _ in 0..2 {
        let run = crate::compare::read::read_run(&path, "million").unwrap();
        assert_eq!(run.trends.len(), MetricId::COUNT);
    }
    std::fs::remove_file(&path).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak: {kib} KiB");
    assert!(kib < 100 * 1024, "{kib} KiB");
}
