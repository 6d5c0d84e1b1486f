//! `--export` from the outside: what is written where, what is refused, and what agrees with the document.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::common::live::{Dir, document, ran};
use crate::json_schema::mistakes;

/// The command of a short run, with further arguments.
fn run_with(more: &[&str]) -> crate::common::live::Ended {
    let args = [
        "smoke",
        "--duration",
        "1s",
        "--streaming-ratio",
        "1",
        "--think-time",
        "0",
    ];
    ran(&[&args, more].concat())
}

const REPORT_SCHEMA: &str = include_str!("../corpus/llm-d/br_v0_2_1_json_schema.json");

fn report_schema() -> Value {
    serde_json::from_str(REPORT_SCHEMA).unwrap()
}

#[test]
fn the_schema_of_reports_finds_what_is_wrong_with_one() {
    let report = serde_json::json!({
        "run": {"time": {}},
        "scenario": {"load": {"metadata": {}, "native": {}, "standardized": {"rate_qps": 0, "source": "made"}}},
        "results": {"request_performance": {"aggregate": {"requests": {"total": -1.5, "rest": 1}}}},
    });
    let found = mistakes(&report_schema(), &report).join("\n");
    for what in [
        "/run: `uid` is missing",
        "is not above 0",
        "is not one of [\"random\"",
        "/total: is not \"integer\"",
        "/rest: is not in the schema",
    ] {
        assert!(found.contains(what), "{what}\n{found}");
    }
}

/// Reads the file of another tool.
fn read(path: impl AsRef<std::path::Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_run_writes_the_files_of_other_tools_and_they_agree_with_its_document() {
    let dir = Dir::new();
    let result = dir.path("r.json");
    let mut args = vec!["--output".to_owned(), result.clone()];
    let names = ["vllm", "vllm-detailed", "llm-d", "k6", "k6-summary", "aiperf"];
    for name in names {
        args.extend(["--export".to_owned(), format!("{name}={}", dir.path(name))]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = run_with(&args).expect(0);
    let aiperf = dir.path("aiperf/profile_export_aiperf.json");
    for name in ["vllm-detailed", "profile_export.jsonl"] {
        assert!(ended.stdout.contains(name), "{}", ended.stdout);
    }
    let ours = document(&result);
    let ok = number(&ours["totals"]["ok"]);
    assert!(ours["details"][0]["gaps"].as_array().unwrap().len() > 2);
    let vllm = read(dir.path("vllm-detailed"));
    assert_eq!(number(&vllm["completed"]), ok);
    assert_eq!(
        number(&vllm["total_output_tokens"]),
        number(&ours["totals"]["output_tokens"])
    );
    // Nobody waits here, so that both count from nearly the same instant.
    let (theirs, due) = (
        number(&vllm["mean_ttft_ms"]),
        number(&ours["metrics"]["ttft"]["mean"]),
    );
    assert!(theirs <= due + 0.001 && theirs > 0.0, "{theirs} {due}");
    let tbt = &ours["metrics"]["tbt"];
    assert!((number(&vllm["mean_itl_ms"]) - number(&tbt["mean"])).abs() < 0.001);
    for list in [
        "ttfts",
        "itls",
        "latencies",
        "start_times",
        "queue_times",
        "errors",
        "generated_texts",
    ] {
        assert_eq!(vllm[list].as_array().unwrap().len() as f64, ok, "{list}");
    }
    let k6 = read(dir.path("k6"));
    assert_eq!(number(&k6["metrics"]["http_reqs"]["count"]), ok);
    let p95 = number(&ours["metrics"]["service_time"]["p95"]);
    assert!((number(&k6["metrics"]["http_req_duration"]["p(95)"]) - p95).abs() < 1e-6);
    let report = read(dir.path("llm-d"));
    assert_eq!(mistakes(&report_schema(), &report), [""; 0]);
    let latency = &report["results"]["request_performance"]["aggregate"]["latency"];
    let seconds = number(&latency["time_to_first_token"]["mean"]);
    assert!((seconds * 1e3 - theirs).abs() < 1e-6);
    assert!((number(&read(&aiperf)["time_to_first_token"]["avg"]) - theirs).abs() < 1e-6);
    let lines = fs::read_to_string(dir.path("aiperf/profile_export.jsonl")).unwrap();
    assert_eq!(lines.lines().count() as f64, ok);
    for file in names.map(|name| dir.path(name)).into_iter().chain([aiperf]) {
        let mode = fs::metadata(&file).unwrap();
        assert!(
            mode.is_dir() || mode.permissions().mode() & 0o777 == 0o600,
            "{file}"
        );
    }
}

#[test]
fn an_export_needs_no_document_and_may_go_to_standard_output() {
    let dir = Dir::new();
    let path = dir.path("v.json");
    run_with(&["--export", &format!("vllm={path}")]).expect(0);
    assert!(number(&read(&path)["completed"]) > 0.0);
    assert_eq!(dir.names(), ["v.json"]);
    let ended = run_with(&["--export", "k6=-"]).expect(0);
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(number(&summary["metrics"]["http_reqs"]["count"]) > 0.0);
}

#[test]
fn an_export_that_cannot_be_written_is_refused_before_the_run() {
    let dir = Dir::new();
    let file = dir.path("a.json");
    let nowhere = format!("vllm={}", dir.path("no/a.json"));
    let ended = run_with(&["--export", &nowhere]).expect(112);
    assert_eq!(ended.stdout, "");
    ended.one_error("no/a.json: cannot create");
    let folder = format!("k6={}", dir.path(""));
    run_with(&["--export", &folder])
        .expect(112)
        .one_error("directory");
    let (vllm, k6) = (format!("vllm={file}"), format!("k6={file}"));
    let same = "writes to the same place";
    run_with(&["--export", &vllm, "--export", &k6])
        .expect(104)
        .one_error(same);
    run_with(&["--export", &vllm, "--output", &file])
        .expect(104)
        .one_error(same);
    run_with(&["--export", &vllm, "--report", &file])
        .expect(104)
        .one_error(same);
    run_with(&["--export", "vllm=-", "--output", "-"])
        .expect(104)
        .one_error("writes to the same place");
    run_with(&["--export", "vllm=-", "--output", "/dev/stdout"])
        .expect(104)
        .one_error("standard output is given twice");
    run_with(&["--export", &vllm, "--no-details"])
        .expect(104)
        .one_error("which is made from single requests");
    for (wrong, what) in [
        ("vllm", "has no `=`"),
        ("vlm=x", "`vlm` is not a format"),
        ("vllm=", "has no path"),
        ("aiperf=-", "several files"),
    ] {
        run_with(&["--export", wrong]).expect(2).one_error(what);
    }
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn a_failed_run_is_exported_with_its_failures() {
    let dir = Dir::new();
    let (vllm, aiperf) = (dir.path("v.json"), dir.path("a"));
    let exports = [format!("vllm-detailed={vllm}"), format!("aiperf={aiperf}")];
    let args = [
        "--export",
        &exports[0],
        "--export",
        &exports[1],
        "--chaos",
        "--iterations",
        "60",
    ];
    ran(&[["smoke"].as_slice(), &args].concat());
    let file = read(&vllm);
    assert!(number(&file["failed"]) > 0.0);
    let errors = file["errors"].as_array().unwrap();
    assert_eq!(
        errors.iter().filter(|error| *error != "").count() as f64,
        number(&file["failed"])
    );
    let lines = fs::read_to_string(dir.path("a/profile_export.jsonl")).unwrap();
    let failed = lines.lines().filter(|line| line.contains("\"error\"")).count();
    assert_eq!(failed as f64, number(&file["failed"]));
}
