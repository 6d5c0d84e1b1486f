//! One golden file per format. `UPDATE_GOLDEN=1 cargo test --test suite output_golden` writes them anew.

use crate::common;
use crate::common::results;
use llmload_uring::error::ExitCode;
use llmload_uring::json::JsonError;
use llmload_uring::judge::{Judge, Judged, Vus};
use llmload_uring::metrics::{
    Answer, CoreCounters, FinishWord, METRICS, Outcome, Recorder, Sample, Snapshot, TlsFailure, TokenSource,
};
use llmload_uring::output::{DetailSpool, OutputFile, OutputFiles, Spooled, View, summary};
use llmload_uring::plan::AnalysisLimits;
use llmload_uring::plan::{Executor, Threshold};
use llmload_uring::report::{Aggregator, LiveRanks, progress_line};
use llmload_uring::result::{
    Detail, Grade, GroupFigures, Grouping, ManagedServerFigures, ManagedServerRow, Ordered, RULES, Required,
    RunFacts, RunResult, ServerCounts, analyse, each_detail, read,
};
use llmload_uring::server::{ServerSample, ServerSamples};
use llmload_uring::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SERIES: [&str; 3] = ["short", "stream", "light"];
/// 2026-01-02 03:04:05 UTC less one second, as the run is due from second 1 of the monotonic clock.
const REALTIME_OFFSET: i128 = 1_767_323_044_000_000_000;

/// The n-th request: spread-out times and a failure now and then, all by arithmetic.
fn request(n: u64) -> Sample {
    let series = (n % 3) as u16;
    let streamed = series == 1;
    let due = SECOND + n * 10 * MILLISECOND;
    let ttft = (5 + n * 7 % 40) * MILLISECOND;
    let outcome = match n {
        n if n % 97 == 96 => Outcome::Http503,
        n if n % 113 == 112 => Outcome::TimeoutTotal,
        598 | 599 => Outcome::Interrupted,
        _ => Outcome::Ok,
    };
    let answered = outcome != Outcome::TimeoutTotal;
    let first_token = due + ttft;
    let last_token = first_token + (20 + n % 300) * MILLISECOND;
    Sample {
        vu: (n % 20) as u32,
        iteration: n / 20,
        series,
        half: None,
        turn: 0,
        outcome,
        status: match outcome {
            Outcome::Http503 => 503,
            Outcome::TimeoutTotal => 0,
            _ => 200,
        },
        due,
        sent: Some(due + 30 * MICROSECOND),
        connecting: 10 * MICROSECOND,
        first_byte: answered.then_some(due + 900 * MICROSECOND),
        first_event: (answered && streamed).then_some(due + MILLISECOND),
        first_token: (answered && streamed).then_some(first_token),
        first_answer: (answered && streamed).then_some(first_token + n % 3 * MILLISECOND),
        first_thought: None,
        first_call: None,
        last_token: (answered && streamed).then_some(last_token),
        done: match outcome {
            Outcome::TimeoutTotal => due + 60 * SECOND,
            _ => last_token + 200 * MICROSECOND,
        },
        schedule_lag: 20 * MICROSECOND + n % 13,
        queue_wait: None,
        output_tokens: if answered && series < 2 { 20 } else { 0 },
        asked: Default::default(),
        tokens_at_first: 0,
        gaps: if answered && streamed { 19 } else { 0 },
        token_source: [TokenSource::Server, TokenSource::Events, TokenSource::None][usize::from(series)],
        prompt_tokens: None,
        cached_tokens: None,
        reasoning_tokens: None,
        server_prompt: None,
        server_decode: None,
        answer: Answer {
            finish: answered.then_some(FinishWord::STOP),
            ..Answer::default()
        },
        chosen_to_cancel: false,
        good: None,
    }
}

/// 600 requests over 6 s on two cores, a row a second.
pub fn run(spool: Option<&mut DetailSpool>) -> Aggregator {
    let mut aggregator = Aggregator::new(2, SERIES.len());
    let mut recorders = [0, 1].map(|core| Recorder::new(core, SERIES.len(), true));
    let mut spool = spool;
    for second in 0..6 {
        for n in second * 100..(second + 1) * 100 {
            let recorder = &mut recorders[(n % 20 % 2) as usize];
            offer(recorder, &request(n));
        }
        for (core, recorder) in recorders.iter_mut().enumerate() {
            recorder.counters().wall_ns += SECOND;
            recorder.counters().reads += 330;
            recorder.counters().busy_ns += [300, 850][core] * MILLISECOND;
            recorder.counters().set_vus_running(10);
            recorder.counters().set_connections_open(10);
            let full = recorder.take(Snapshot::new(core as u16, SERIES.len(), true));
            aggregator.append_snapshot(&full);
            if let Some(spool) = &mut spool {
                spool.append(&full.details, &[]).unwrap();
            }
        }
        aggregator.tick((second + 1) * SECOND, 20);
    }
    assert_eq!(aggregator.merged().ledger(&[], true).imbalance(), [""; 0]);
    aggregator
}

fn offer(recorder: &mut Recorder, sample: &Sample) {
    recorder.started(sample.series);
    if sample.iteration == 0 {
        recorder.connect(sample.series, 150 * MICROSECOND);
        recorder.counters().connections_opened += 1;
    }
    if let (Some(first), Some(last)) = (sample.first_token, sample.last_token) {
        for _ in 0..19 {
            recorder.gap(sample.series, (last - first) / 19);
        }
        recorder.counters().token_events += 20;
        recorder.counters().coalesced_events += 1;
        recorder.reap_lag(40 * MICROSECOND + last % 1000 * MICROSECOND);
    }
    recorder.counters().bytes_sent += 300;
    recorder.counters().bytes_received += 4_000;
    recorder.finish(sample);
}

fn server_samples() -> ServerSamples {
    let mut samples = ServerSamples::default();
    for second in 0..=6 {
        samples.push(ServerSample {
            elapsed: second * SECOND,
            cpu_percent: (second > 0).then_some(40.0 + second as f64),
            rss_bytes: (50 + second % 4) << 20,
        });
    }
    samples
}

/// All of it in one window of 6 s.
fn judged(aggregator: &Aggregator, duration: Nanos) -> Judged {
    let thresholds = [
        ("failed", "rate<0.10"),
        ("latency", "p(95)<15000"),
        ("ttft{stream:true}", "p(99)<40"),
        ("tls", "max<10"),
        ("server_rss_growth", "value<1024"),
    ]
    .map(|(metric, text)| Threshold::parse(metric, text).unwrap());
    let kinds = [
        common::kind("short", 1, false, SECOND),
        common::kind("stream", 1, true, SECOND),
        common::light(1),
    ];
    let executor = Executor::ConstantVus {
        vus: 20,
        duration: 6 * SECOND,
    };
    let mut judge = Judge::new(thresholds.to_vec(), &kinds, &executor, Vec::new());
    let series = &aggregator.merged().series;
    judge.append_series(series, series);
    let vus = Vus {
        planned: 20,
        running: 20,
    };
    assert_eq!(judge.tick(6 * SECOND, vus), None);
    judge.finish(duration, &[], None)
}

/// The summary as a document has it.
fn plain(result: &RunResult) -> String {
    summary(result, &View::plain(false))
}

pub fn result(aggregator: &Aggregator) -> RunResult {
    result_of(aggregator, &[], &[0; SERIES.len()])
}

pub fn result_of(aggregator: &Aggregator, servers: &[&str], server_of_series: &[u16]) -> RunResult {
    let duration: Nanos = 6_250 * MILLISECOND;
    let grouping = Grouping {
        servers: servers.iter().map(|name| (*name).to_string()).collect(),
        server_of_kind: server_of_series.to_vec(),
        ..results::kinds(&SERIES)
    };
    let facts = RunFacts {
        config: json!({"profile": "golden", "vus": 20, "api_key": "***"}),
        judged: judged(aggregator, duration),
        managed_server: Some(ManagedServerFigures {
            counts: Some(ServerCounts {
                requests: 590,
                errors: 6,
                server_errors: 6,
                client_requests: 590,
                client_errors: 6,
                client_server_errors: 6,
                ..ServerCounts::default()
            }),
            resources: server_samples().summary(),
        }),
        managed_server_timeline: server_samples()
            .rows
            .iter()
            .map(ManagedServerRow::from_sample)
            .collect(),
        ..results::facts("golden", duration, grouping)
    };
    let mut result = RunResult::build(facts, aggregator);
    result.judge(&AnalysisLimits::default(), Required::default(), Vec::new());
    result.summary = plain(&result);
    result
}

/// A directory of this test's own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("llmload-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn prepared(path: &Path) -> OutputFiles {
    OutputFiles::prepare(Some(path), None).unwrap()
}

fn spool_for(output: &OutputFiles) -> DetailSpool {
    let path = output.spool_path().unwrap();
    DetailSpool::create(&path, &SERIES.map(str::to_string), REALTIME_OFFSET).unwrap()
}

/// Runs, spools and writes; gives the document's path.
fn written(scratch: &Scratch) -> (PathBuf, RunResult) {
    let path = scratch.0.join("result.json");
    let output = prepared(&path);
    let mut spool = spool_for(&output);
    let result = result(&run(Some(&mut spool)));
    let spooled: Spooled = spool.finish();
    assert_eq!(spooled.lost, 0);
    assert!(output.write(&result, Some(&spooled)).1.is_empty());
    (path, result)
}

pub fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let differs = golden.lines().zip(found.lines()).find(|(a, b)| a != b);
    if let Some((golden, found)) = differs {
        panic!("{name} differs: golden `{golden}`, found `{found}`");
    }
    assert_eq!(golden.len(), found.len(), "{name} is longer or shorter");
}

#[test]
fn each_rule_of_the_analysis_passes_and_warns_by_its_limit() {
    let result = result(&run(None));
    let grades = |limits: &AnalysisLimits| -> Vec<Grade> {
        analyse(&result, limits).iter().map(|f| f.grade).collect()
    };
    let loose = AnalysisLimits {
        error_rate_max: 1.0,
        cut_max: 1.0,
        p90_latency_max: 3600 * SECOND,
        ttft_p50_good: 3600 * SECOND,
        ttft_p50_max: 3600 * SECOND,
        tail_ratio_max: 1e6,
        contention_error_rate_max: 1.0,
        coalesced_max: 1.0,
        stamps_missing_max: 1.0,
        server_count_difference_max: 1.0,
        server_time_difference_max: 1.0,
        fail_on_findings: false,
    };
    assert_eq!(grades(&loose), [Grade::Pass; 8]);
    let strict = AnalysisLimits {
        error_rate_max: 0.0,
        cut_max: 0.0,
        p90_latency_max: 1,
        ttft_p50_good: 1,
        ttft_p50_max: 1,
        tail_ratio_max: 1.0,
        contention_error_rate_max: 0.0,
        coalesced_max: 0.0,
        stamps_missing_max: 0.0,
        server_count_difference_max: 0.0,
        server_time_difference_max: 0.0,
        fail_on_findings: false,
    };
    use Grade::{Fail, Pass, Warning};
    // No stamp is missing in this run.
    assert_eq!(
        grades(&strict),
        [Fail, Warning, Warning, Warning, Warning, Fail, Pass, Warning]
    );
}

#[test]
fn only_findings_about_the_server_fail_a_run_that_asks_for_it() {
    let mut result = result(&run(None));
    result.thresholds.clear();
    let mut judged = |limits: AnalysisLimits| {
        result.judge(&limits, Required::default(), Vec::new());
        let said = plain(&result).contains("\nfinding    WARNING cut_requests: ");
        (result.run.exit_code.code(), result.run.verdict.clone(), said)
    };
    let limits = |fail_on_findings, cut_max, coalesced_max| AnalysisLimits {
        fail_on_findings,
        cut_max,
        coalesced_max,
        contention_error_rate_max: 1.0,
        ..AnalysisLimits::default()
    };
    assert_eq!(
        judged(limits(true, 0.0, 1.0)),
        (99, "findings_failed".to_owned(), true)
    );
    assert_eq!(
        judged(limits(false, 0.0, 1.0)),
        (0, "not_judged".to_owned(), false)
    );
    assert_eq!(judged(limits(true, 1.0, 0.0)), (0, "passed".to_owned(), false));
}

#[test]
fn requests_cut_by_the_end_are_in_the_headline_and_graded() {
    let mut result = result(&run(None));
    let t = &mut result.totals;
    (t.requests, t.ok, t.failed, t.interrupted) = (23, 3, 0, 20);
    t.interrupted_elapsed_max_seconds = 2.94;
    let text = plain(&result);
    let head = "\nrequests   3 of 23 finished, 20 still running after up to 2.94 s\n\
                finished   ok 3 (100.00 %)   failed 0\n";
    assert!(text.contains(head), "{text}");
    let grade = |result: &RunResult| {
        let findings = analyse(result, &AnalysisLimits::default());
        findings
            .iter()
            .find(|f| f.rule == "cut_requests")
            .map(|f| f.grade)
    };
    assert_eq!(grade(&result), Some(Grade::Fail));
    result.totals.ok = 100;
    assert_eq!(grade(&result), Some(Grade::Warning));
    result.totals.ok = 1_000;
    assert_eq!(grade(&result), Some(Grade::Pass));
    result.totals.interrupted = 0;
    assert_eq!(grade(&result), None);
}

#[test]
fn two_documents_share_one_spool_which_is_removed_after_both() {
    let scratch = Scratch::new("two");
    let folder = scratch.0.join("results");
    let now = time::OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap();
    let named = scratch.0.join("named.json");
    let output = OutputFiles::prepare(Some(&named), Some((&folder, now))).unwrap();
    let mut spool = spool_for(&output);
    spool.append(&[request(1)], &[]).unwrap();
    let spooled = spool.finish();
    assert!(output.write(&result(&run(None)), Some(&spooled)).1.is_empty());
    let own = folder.join("test_run_20260102_030405.json");
    assert_eq!(std::fs::read(&named).unwrap(), std::fs::read(&own).unwrap());
    drop(output);
    assert_eq!(scratch.files(), ["named.json", "results"]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn the_document_equals_the_golden_file() {
    let scratch = Scratch::new("golden");
    let (path, _) = written(&scratch);
    let text = std::fs::read_to_string(path).unwrap();
    // 600 details and 45 KB of histograms say nothing to a reader: some lines and the format's mark stay.
    let mut shown: Vec<String> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let cut = line.find("\"hdr\": \"").map(|at| &line[..at + 14]);
        if !line.starts_with("{\"request_id\"") || i < 16 || !line.ends_with(',') {
            shown.push(cut.map_or(line.to_string(), |cut| format!("{cut}...\"")));
        }
    }
    assert_golden("result.json", &(shown.join("\n") + "\n"));
}

#[test]
fn the_document_is_json_with_config_and_details_first_and_every_count_adding_up() {
    let scratch = Scratch::new("document");
    let (path, result) = written(&scratch);
    assert_eq!(scratch.files(), ["result.json"]);
    let text = std::fs::read_to_string(path).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let order = [
        "\"schema\"",
        "\"config\"",
        "\"details\"",
        "\"run\"",
        "\"summary\"",
    ];
    let places: Vec<usize> = order.iter().map(|key| text.find(key).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");

    let totals = &document["totals"];
    let sum: u64 = totals["by_outcome"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(totals["requests"], sum);
    assert_eq!(document["details"].as_array().unwrap().len() as u64, sum);
    let rows = document["timeline"].as_array().unwrap();
    assert_eq!(
        rows.iter().map(|r| r["requests"].as_u64().unwrap()).sum::<u64>(),
        sum
    );
    assert_eq!(document["summary"], result.summary);
    assert_eq!(document["run"]["exit_code"], 99);
    assert_eq!(document["run"]["started_at"], "2026-01-02T03:04:05Z");
    assert_eq!(result.run.exit_code, ExitCode::ThresholdFailed);
    let first = &document["details"][0];
    let detail: Detail = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(serde_json::to_value(&detail).unwrap(), *first);
    assert_eq!(first["request_id"], "v0-0");
    assert_eq!(first["start_ts"], 1_767_323_045.0);
    assert_eq!(first["error"], Value::Null);
    let mut keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    keys.sort();
    let shape = [
        "connecting",
        "end_ts",
        "endpoint",
        "error",
        "first_byte",
        "latency",
        "output_tokens",
        "request_id",
        "sent",
        "start_ts",
        "status",
        "tps",
        "ttfa",
        "ttft",
    ];
    assert_eq!(keys, shape);
}

#[test]
fn a_document_that_is_read_and_written_again_with_its_details_is_the_same_bytes() {
    let scratch = Scratch::new("again");
    let (path, _) = written(&scratch);
    let text = std::fs::read(&path).unwrap();
    let document = read(text.as_slice()).unwrap();
    assert_eq!(document.details, Some(600));
    let again = prepared(&scratch.0.join("again.json"));
    let mut spool = DetailSpool::create(&again.spool_path().unwrap(), &[], 0).unwrap();
    let listed = each_detail(text.as_slice(), |json, _| {
        spool.append_line(json).unwrap();
        Ok::<(), JsonError>(())
    });
    assert_eq!(listed.unwrap(), Some(600));
    spool.flush_lines().unwrap();
    assert!(again.write(&document, Some(&spool.finish())).1.is_empty());
    assert!(std::fs::read(scratch.0.join("again.json")).unwrap() == text);
}

#[test]
fn a_document_without_details_and_one_with_none_are_json() {
    let scratch = Scratch::new("empty");
    let path = scratch.0.join("result.json");
    let output = prepared(&path);
    let result = result(&run(None));
    assert!(output.write(&result, None).1.is_empty());
    let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["details"], Value::Null);
    let spooled = spool_for(&output).finish();
    assert!(output.write(&result, Some(&spooled)).1.is_empty());
    let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["details"], json!([]));
    drop(output);
    assert_eq!(scratch.files(), ["result.json"]);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_the_old_document_and_the_spool() {
    let full = prepared(Path::new("/dev/full"));
    assert_eq!(full.spool_path(), None);
    let result = result(&run(None));
    let error = full.write(&result, None).1.remove(0);
    assert_eq!(error.exit, ExitCode::Output);
    assert!(
        error
            .to_string()
            .starts_with("error: /dev/full: cannot write: No space left"),
        "{error}"
    );
    assert!(error.to_string().contains("\nhint: free space"), "{error}");

    // A spool that somebody has emptied stands for any failure with the details.
    let scratch = Scratch::new("full");
    let path = scratch.0.join("result.json");
    std::fs::write(&path, "{}").unwrap();
    let output = prepared(&path);
    let mut spool = spool_for(&output);
    spool.append(&[request(1)], &[]).unwrap();
    let spooled = spool.finish();
    let named = std::fs::File::options()
        .write(true)
        .open(output.spool_path().unwrap());
    named.unwrap().set_len(0).unwrap();
    let (_, errors) = output.write(&result, Some(&spooled));
    assert_eq!(errors.len(), 1);
    let error = errors[0].to_string();
    assert!(
        error.contains("was truncated by another process") && error.contains("without its details"),
        "{error}"
    );
    let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["details"], Value::Null);
    drop(output);
    assert_eq!(scratch.files(), ["result.json", "result.json.details.jsonl"]);
}

#[test]
fn a_folder_that_disappears_takes_neither_the_other_document_nor_the_details_with_it() {
    let scratch = Scratch::new("gone");
    let folder = scratch.0.join("results");
    let now = time::OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap();
    let named = scratch.0.join("named.json");
    for gone in ["removed", "renamed"] {
        let output = OutputFiles::prepare(Some(&named), Some((&folder, now))).unwrap();
        let mut spool = spool_for(&output);
        assert!(output.spool_path().unwrap().starts_with(&folder));
        spool.append(&[request(1)], &[]).unwrap();
        match gone {
            "removed" => std::fs::remove_dir_all(&folder).unwrap(),
            _ => std::fs::rename(&folder, scratch.0.join("moved")).unwrap(),
        }
        let (_, errors) = output.write(&result(&run(None)), Some(&spool.finish()));
        assert_eq!(errors.len(), 1, "{gone}");
        let error = errors[0].to_string();
        assert!(
            error.contains("results/test_run_20260102_030405.json: cannot write: its directory"),
            "{error}"
        );
        let document: Value = serde_json::from_slice(&std::fs::read(&named).unwrap()).unwrap();
        assert_eq!(document["details"].as_array().unwrap().len(), 1, "{gone}");
        std::fs::remove_file(&named).unwrap();
    }
}

#[test]
fn a_spool_on_a_full_disk_fails_once_and_counts_what_is_lost() {
    let names = SERIES.map(str::to_string);
    let path = Path::new("/dev/full");
    let full = std::fs::File::options().write(true).open(path).unwrap();
    let mut spool = DetailSpool::in_file(full, path, &names, 0);
    let samples: Vec<Sample> = (0..10).map(request).collect();
    let error = spool.append(&samples, &[]).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    spool.append(&samples, &[]).unwrap();
    assert_eq!(spool.finish().lost, 20);
}

#[test]
fn the_gaps_of_each_request_stand_in_its_own_line() {
    let scratch = Scratch::new("gaps");
    let output = prepared(&scratch.0.join("result.json"));
    let mut spool = spool_for(&output);
    let samples: Vec<Sample> = [(1, 2), (3, 0), (5, 3)]
        .map(|(n, gaps)| Sample { gaps, ..request(n) })
        .to_vec();
    let gaps = [1_000, 2_000_400, 5_000_000_000, 0, 999];
    spool.append(&samples, &gaps).unwrap();
    // Those of a later snapshot that has none.
    spool.append(&samples[1..2], &[]).unwrap();
    let text = std::fs::read_to_string(output.spool_path().unwrap()).unwrap();
    let of_line = |line: &str| serde_json::from_str::<Detail>(line).unwrap().gaps;
    let read: Vec<Option<Vec<f64>>> = text.lines().map(of_line).collect();
    let expected = [
        Some(vec![0.000_001, 0.002]),
        None,
        Some(vec![5.0, 0.0, 0.000_001]),
        None,
    ];
    assert_eq!(read, expected);
}

#[test]
fn an_unwritable_place_is_detected_before_the_run() {
    let scratch = Scratch::new("prepare");
    let directory = OutputFile::prepare(&scratch.0).unwrap_err();
    assert!(
        directory.to_string().contains("cannot create: is a directory"),
        "{directory}"
    );
    let missing = OutputFile::prepare(&scratch.0.join("no/result.json")).unwrap_err();
    assert!(
        missing.to_string().contains("hint: create the directory"),
        "{missing}"
    );
    OutputFile::prepare(&scratch.0.join("result.json")).unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn a_spool_that_was_cut_by_a_kill_is_readable_line_by_line() {
    let scratch = Scratch::new("kill");
    let output = prepared(&scratch.0.join("result.json"));
    let mut spool = spool_for(&output);
    let samples: Vec<Sample> = (0..2_000).map(request).collect();
    spool.append(&samples, &[]).unwrap();
    // No finish: the process is gone.
    drop(spool);
    let text = std::fs::read_to_string(output.spool_path().unwrap()).unwrap();
    assert_eq!(text.lines().count(), 2_000);
    for line in text.lines() {
        let _: Value = serde_json::from_str(line).unwrap();
    }
}

#[test]
fn with_several_servers_there_is_a_row_for_each_and_one_for_each_of_their_kinds() {
    let aggregator = run(None);
    let alone = result(&aggregator);
    assert_eq!(alone.servers, None);
    let result = result_of(&aggregator, &["Thinker", "Flash"], &[1, 0, 1]);
    let names = |rows: &Ordered<GroupFigures>| -> Vec<String> {
        rows.0.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(result.servers.as_ref().unwrap()), ["Thinker", "Flash"]);
    let kinds = &result.kinds;
    assert_eq!(
        *kinds, alone.kinds,
        "the kinds' rows are those of a run with one server"
    );
    let row = |index: usize| &kinds.0[index].1;
    let servers = result.servers.as_ref().unwrap();
    let [thinker, flash] = [0, 1].map(|index| &servers.0[index].1);
    assert_eq!(thinker, row(1));
    let requests = |index: usize| row(index).totals.requests;
    assert_eq!(flash.totals.requests, requests(0) + requests(2));
    assert!(requests(0) > 0 && requests(1) > 0 && requests(2) > 0);
    let count = |group: &GroupFigures| group.metrics.0[0].1.count;
    assert_eq!(count(flash), count(row(0)) + count(row(2)));
    let document: Value = serde_json::to_value(&result).unwrap();
    assert_eq!(
        document["servers"]["Flash"]["totals"]["requests"],
        flash.totals.requests
    );
}

#[test]
fn no_control_character_from_a_name_reaches_the_summary() {
    let aggregator = run(None);
    let mut result = result(&aggregator);
    result.run.profile = "evil\x1b]0;title\x07".to_string();
    result.kinds.0[0].0 = "\u{202e}\u{9b}2Jname\r".to_string();
    let text = plain(&result);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn the_progress_line_keeps_the_form_that_scripts_read() {
    let aggregator = run(None);
    assert_eq!(
        progress_line(&aggregator, 6 * SECOND, 90 * SECOND, None),
        "[Progress @ 6s] Active Users: 20 | Requests: 600 | RPS: 97.8 | TPS: 1320.0 tok/s | \
         P90 Latency: 0.32s | Errors: 1.8% | Time Left: 90s"
    );
    assert_eq!(
        progress_line(&Aggregator::new(1, 1), 0, 120 * SECOND, None),
        "[Progress @ 0s] Active Users: 0 | Requests: 0 | RPS: 0.0 | TPS: 0.0 tok/s | \
         P90 Latency: - | Errors: 0.0% | Time Left: 120s"
    );
    for (ranks, end) in [
        (LiveRanks::Whole { there: 4, all: 4 }, " | 4 ranks"),
        (LiveRanks::Whole { there: 3, all: 4 }, " | 3 of 4 ranks"),
        (LiveRanks::Part { rank: 2, all: 4 }, " | rank 2 of 4"),
    ] {
        let alone = progress_line(&aggregator, 6 * SECOND, 90 * SECOND, None);
        let of_ranks = progress_line(&aggregator, 6 * SECOND, 90 * SECOND, Some(ranks));
        assert_eq!(of_ranks, format!("{alone}{end}"));
    }
}

#[test]
fn every_metric_outcome_and_counter_is_in_the_documentation() {
    let docs = include_str!("../../docs/METRICS.md");
    let counters = format!("{:?}", CoreCounters::default());
    let fields = counters
        .split(['{', ',', ' '])
        .filter_map(|word| word.strip_suffix(':'));
    let mut names: Vec<String> = fields.map(str::to_string).collect();
    assert_eq!(names.len(), 29);
    names.extend(METRICS.iter().map(|m| m.key.to_string()));
    names.extend(Outcome::ALL.iter().map(|o| o.name().to_string()));
    names.extend(RULES.iter().map(|r| r.name.to_string()));
    for name in names {
        assert!(docs.contains(&format!("| `{name}` |")), "{name} has no row");
    }
    for name in TlsFailure::ALL.map(TlsFailure::name) {
        assert!(docs.contains(&format!("`{name}`")), "{name} is not explained");
    }
}
