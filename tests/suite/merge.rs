//! One plan run whole and in shards, in simulated time and against the mock: the same requests, the same result.

use crate::common::live::*;
use crate::common::*;
use clap::Parser;
use llmload_uring::cli::{Cli, MergeArgs, RunArgs, Summary};
use llmload_uring::commands::merge;
use llmload_uring::config::load_plan;
use llmload_uring::judge::Judge;
use llmload_uring::metrics::{
    Answer, AskedTokens, Cause, FinishWord, Outcome, Recorder, Sample, Snapshot, TokenSource,
};
use llmload_uring::output::{DetailSpool, OutputFile, View, summary};
use llmload_uring::plan::{Executor, Phases, Plan};
use llmload_uring::report::Aggregator;
use llmload_uring::result::{Grouping, Layout, PhaseTimes, Required, Run, RunFacts, RunResult, ShardFigures};
use llmload_uring::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use llmload_uring::workload::{Draw, Shares, Turns, TurnsAt};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

const CORES: u32 = 2;
/// 2026-01-02 03:04:05 UTC.
const STARTED: i128 = 1_767_323_045_000_000_000;

const MIX: &str = "\
graceful_stop: 5s
think_time: 1ms-40ms
seed: 77
models: [a, b, c]
prompts: [Hi, Why, 'A longer one']
goodput: { ttft: 25ms, latency: 150ms }
requests:
  - { name: stream, weight: 6, kind: chat, stream: true, max_tokens: 10-90, timeout: 20s }
  - { name: plain, weight: 3, kind: chat, stream: false, max_tokens: 5-20, timeout: 20s }
  - { name: light, weight: 1, kind: light, timeout: 20s }
thresholds:
  failed: rate<0.10
  latency: [p(95)<400, avg<10]
  'ttft{stream:true}': p(99)<500
  http_503: count<1000
  goodput: rate>0.01
  good: count>9
  'service_time{expected_response:true}': p(90)<300
  'latency{stream:true,steady:true}': p(90)<200
";

const RAMP: &str = "executor: ramping-vus\nstart_vus: 3\nstages:\n  - { duration: 4s, target: 29 }\n  \
                    - { duration: 3s, target: 29 }\n  - { duration: 2s, target: 0 }\n";
const SHARED: &str = "executor: shared-iterations\nvus: 30\niterations: 1003\nmax_duration: 8s\n";
const PER_VU: &str = "executor: per-vu-iterations\nvus: 11\niterations: 40\nmax_duration: 9s\n";

/// Some number that depends on all of them.
fn mix(words: &[u64]) -> u64 {
    words.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, word| {
        let hash = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 29)
    })
}

/// The server's answer to one request: of its content alone, whoever sends it and when.
fn answer(plan: &Plan, draw: &Draw, owner: u32, vu: u32, iteration: u64, due: Nanos) -> Sample {
    let hash = mix(&[
        u64::from(owner),
        iteration,
        u64::from(draw.kind),
        u64::from(draw.max_tokens),
    ]);
    let name = &plan.workload.kinds[usize::from(draw.kind)].name;
    let streamed = name.ends_with("stream");
    // As llama.cpp does; its clock is ahead of ours now and then.
    let stated = name.starts_with("llama/");
    let sent = due + 20 * MICROSECOND + hash % 5_000;
    let first = sent + MILLISECOND + hash % (30 * MILLISECOND);
    let last = first + hash % (200 * MILLISECOND);
    let outcome = match hash % 41 {
        0 => Outcome::Http503,
        _ => Outcome::Ok,
    };
    let mut sample = Sample {
        vu,
        iteration,
        series: draw.kind,
        half: None,
        turn: 0,
        chosen_to_cancel: false,
        outcome,
        status: if outcome == Outcome::Ok { 200 } else { 503 },
        due,
        sent: Some(sent),
        connecting: 0,
        first_byte: Some(first),
        first_event: streamed.then_some(first),
        first_token: streamed.then_some(first),
        first_answer: streamed.then_some(first),
        first_thought: None,
        first_call: None,
        last_token: streamed.then_some(last),
        done: last + 7 * MICROSECOND,
        schedule_lag: sent - due,
        queue_wait: None,
        output_tokens: draw.max_tokens,
        asked: AskedTokens {
            prompt: draw.prompt_tokens,
            output: draw.max_tokens,
            texts: 0,
        },
        tokens_at_first: 0,
        gaps: u32::from(streamed),
        prompt_tokens: streamed.then_some(8),
        cached_tokens: streamed.then_some(3),
        reasoning_tokens: None,
        token_source: if streamed {
            TokenSource::Events
        } else {
            TokenSource::None
        },
        server_prompt: stated.then_some((first - due) * (10 + hash % 20) / 25),
        server_decode: stated.then_some(last - first),
        answer: Answer {
            finish: Some(FinishWord::of(
                [b"stop" as &[u8], b"length", b"odd"][hash as usize % 3],
            )),
            cause: (outcome != Outcome::Ok).then_some(Cause::CutInBody),
            without_text: hash.is_multiple_of(5),
            untyped: hash.is_multiple_of(7),
        },
        good: None,
    };
    let kind = &plan.workload.kinds[usize::from(draw.kind)];
    sample.good = kind.goodput.judge(&sample, streamed);
    sample
}

/// What a request asks for, of whom.
type Asked = (u32, u64, u16, u32, u64, u32, Nanos);

struct Simulated {
    samples: Vec<(u32, Sample)>,
    asked: Vec<Asked>,
}

/// All VUs of a plan's part, each an event at the time its next request is due; the lowest first.
fn simulate(plan: &Plan) -> Simulated {
    let schedule = plan.schedule_of_shard();
    let wanted = |local: u32, at: Nanos| schedule.planned_at(at) > local;
    let mut due: BinaryHeap<Reverse<(Nanos, u32)>> = BinaryHeap::new();
    for local in 0..plan.vus_of_shard() {
        let begins = schedule.steps().iter().find(|step| step.vus > local).unwrap();
        due.push(Reverse((begins.at, local)));
    }
    let mut made = vec![0u64; plan.vus_of_shard() as usize];
    let (mut taken, mut samples, mut asked) = (0, Vec::new(), Vec::new());
    let shares = Shares::new(&plan.workload.servers);
    let mut routed = Routed::of(plan, &shares);
    while let Some(Reverse((at, local))) = due.pop() {
        if !wanted(local, at) {
            continue;
        }
        let vu = plan.shard.vu(local);
        let own = &mut made[local as usize];
        let (owner, iteration) = match plan.executor {
            Executor::SharedIterations { iterations, .. } => {
                let n = plan.shard.iteration(taken);
                taken += 1;
                if n >= iterations {
                    continue;
                }
                (0, n)
            }
            Executor::PerVuIterations { iterations, .. } if *own >= iterations => continue,
            _ => (vu, *own),
        };
        *own += 1;
        let endpoint = routed.next(local, iteration, &shares);
        let draw = plan.workload.draw(plan.seed, owner, iteration, endpoint, 1);
        let sample = answer(plan, &draw, owner, vu, iteration, at);
        asked.push((
            owner,
            iteration,
            draw.kind,
            draw.model,
            draw.prompt,
            draw.max_tokens,
            draw.think,
        ));
        due.push(Reverse((sample.done + draw.think, local)));
        samples.push((local, sample));
    }
    samples.sort_by_key(|(_, sample)| sample.done);
    asked.sort_unstable();
    Simulated { samples, asked }
}

fn run_args(words: &[&str]) -> RunArgs {
    Cli::try_parse_from(std::iter::once("llmload-uring").chain(words.iter().copied()))
        .unwrap()
        .run
}

/// Which server each request goes to, as the engine decides it.
enum Routed {
    Shared(TurnsAt),
    OfUsers(Vec<Turns>),
}

impl Routed {
    fn of(plan: &Plan, shares: &Shares) -> Routed {
        let first = shares.first(plan.seed);
        let mut stagger = TurnsAt::starting_with(first, shares);
        match plan.executor {
            Executor::SharedIterations { .. } => Routed::Shared(stagger),
            _ => Routed::OfUsers(
                (0..plan.vus_of_shard())
                    .map(|local| {
                        let first = stagger.slot(u64::from(plan.shard.vu(local)), shares);
                        Turns::starting_with(first, shares)
                    })
                    .collect(),
            ),
        }
    }

    fn next(&mut self, local: u32, iteration: u64, shares: &Shares) -> u16 {
        match self {
            Routed::Shared(turns) => turns.slot(iteration, shares),
            Routed::OfUsers(users) => users[local as usize].next(shares),
        }
    }
}

/// Runs `profile` in simulated time, whole or a part of it, and writes the document that the program would.
fn run_simulated(dir: &Dir, profile: &str, shard: Option<&str>) -> (PathBuf, Simulated) {
    let shard_words: Vec<&str> = shard.iter().flat_map(|shard| ["--shard", shard]).collect();
    let (config, plan) = load_plan(&run_args(&[&[profile, "--details"], &shard_words[..]].concat())).unwrap();
    let simulated = simulate(&plan);
    let name = shard.map_or("whole".to_owned(), |shard| shard.replace('/', "-of-"));
    let path = PathBuf::from(dir.path(&format!("{name}.json")));
    let series: Vec<String> = plan.workload.kinds.iter().map(|kind| kind.name.clone()).collect();
    let output = OutputFile::prepare(&path).unwrap();
    let mut spool = DetailSpool::create(&output.spool_path().unwrap(), &series, STARTED).unwrap();
    spool = spool.with_ids(plan.executor.numbering(), plan.workload.kinds_in_mix());
    let end = plan.executor.schedule_of_all().end().min(20 * SECOND) + 2 * SECOND;
    let mut aggregator = Aggregator::new(CORES as usize, series.len());
    let mut judge = Judge::from_plan(&plan);
    let mut recorders: Vec<Recorder> = (0..CORES as u16)
        .map(|c| Recorder::of_phases(c, series.len(), plan.is_phased(), true))
        .collect();
    let phases = Phases::of(&plan.executor);
    let steady: Vec<[Nanos; 2]> = phases.holds().iter().map(|hold| [hold.start, hold.end]).collect();
    recorders
        .iter_mut()
        .for_each(|recorder| recorder.hold(steady.clone()));
    let mut left = simulated.samples.iter().peekable();
    for second in 1..=end / SECOND {
        let planned = plan.schedule_of_shard().planned_at(second * SECOND);
        while let Some((local, sample)) = left.next_if(|(_, s)| s.done <= second * SECOND) {
            let recorder = &mut recorders[(local % CORES) as usize];
            let slot = recorder.slot(sample.series, sample.due);
            recorder.started(slot);
            recorder.finish(sample);
            if sample.iteration == 0 {
                recorder.connect(slot, 90 * MICROSECOND);
                recorder.counters().connections_opened += 1;
            }
            recorder.reap_lag(sample.done % (3 * MILLISECOND));
            recorder.counters().token_events += u64::from(sample.output_tokens);
            recorder.counters().bytes_sent += 200;
        }
        for (core, recorder) in (0u32..).zip(&mut recorders) {
            let mine = u64::from(planned / CORES + u32::from(core < planned % CORES));
            recorder.counters().wall_ns += SECOND;
            recorder.counters().busy_ns += 100 * MILLISECOND;
            recorder.counters().set_vus_running(mine);
            recorder.counters().set_connections_open(mine);
            let full = recorder.take(Snapshot::of_phases(
                core as u16,
                series.len(),
                plan.is_phased(),
                true,
            ));
            aggregator.append_snapshot(&full);
            judge.append_snapshot(&full);
            spool.append(&full.details, &[]).unwrap();
        }
        aggregator.tick(second * SECOND, u64::from(planned));
    }
    assert!(left.next().is_none(), "the simulated run ends within {end} ns");
    assert_eq!(aggregator.merged().ledger(&[], true).imbalance(), [""; 0]);
    let facts = results::facts(&plan.profile, end, Grouping::from_plan(&plan));
    let facts = RunFacts {
        config: serde_json::to_value(&config).unwrap(),
        run: Run {
            shard: config.run.shard.map(ShardFigures::from_shard),
            layout: match config.document_names_servers() {
                true => Layout::Workload,
                false => Layout::Profile,
            },
            ..facts.run
        },
        judged: judge.finish(end, &[], None),
        phases: PhaseTimes {
            steady: phases.steady_within(0, end),
            holds: phases.holds().to_vec(),
        },
        ..facts
    };
    let mut result = RunResult::build(facts, &aggregator);
    let required = Required {
        fit: config.require_fit,
        decided: config.require_decided,
    };
    result.judge(&config.analysis, required, Vec::new());
    result.summary = summary(&result, &View::plain(false));
    output.write(&result, Some(&spool.finish())).unwrap();
    (path, simulated)
}

fn profile(dir: &Dir, shape: &str) -> String {
    let path = dir.path("profile.yaml");
    std::fs::write(&path, format!("{shape}{MIX}")).unwrap();
    path
}

const SERVERS: &str = "\
servers:
  - { name: vllm, base_url: 'http://127.0.0.1:8001/v1/chat/completions', weight: 0.3, model_alias: big }
  - { name: llama, base_url: 'http://127.0.0.1:8002/completion', weight: 0.7 }
analysis: { error_rate_max: 0.001 }
require_fit: true
";

fn merged(documents: &[PathBuf], output: &Path) -> merge::Merged {
    merge::run(&MergeArgs {
        report: None,
        csv: None,
        documents: documents.to_vec(),
        output: Some(output.to_path_buf()),
        partial: false,
        summary: Summary::Brief,
    })
    .unwrap()
}

fn read(path: &Path) -> Value {
    results::read_back(path);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// All of `found` equals all of `wanted`; a mean may be off by what 15 digits leave open.
#[track_caller]
fn same(place: &str, wanted: &Value, found: &Value) {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(
                a.keys().collect::<Vec<_>>(),
                b.keys().collect::<Vec<_>>(),
                "{place}"
            );
            for (key, value) in a {
                same(&format!("{place}.{key}"), value, &b[key]);
            }
        }
        (Value::Number(a), Value::Number(b)) if place.ends_with(".mean") || place.ends_with(".sum") => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= a.abs() * 1e-12, "{place}: {a} and {b}");
        }
        _ => assert_eq!(wanted, found, "{place}"),
    }
}

/// A timeline with what adds: the quantiles of a row do not.
fn sums(timeline: &Value) -> Value {
    let mut rows = timeline.clone();
    for row in rows.as_array_mut().unwrap() {
        for metric in ["latency", "ttft", "tbt"] {
            let spread = row[metric].as_object_mut().unwrap();
            for quantile in ["p50", "p90", "p99"] {
                spread.remove(quantile);
            }
        }
    }
    rows
}

fn ids(document: &Value) -> Vec<String> {
    let details = document["details"].as_array().unwrap();
    let mut lines: Vec<String> = details.iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn two_four_and_eight_merged_shards_equal_the_single_run_in_simulated_time() {
    for shape in [RAMP, PER_VU] {
        let dir = Dir::new();
        let profile = profile(&dir, shape);
        let (whole, single) = run_simulated(&dir, &profile, None);
        let whole = read(&whole);
        assert!(single.samples.len() > 400, "{}", single.samples.len());
        for count in [2, 4, 8] {
            let mut asked = Vec::new();
            let mut documents = Vec::new();
            // The order in which they are named does not matter.
            for number in (1..=count).rev() {
                let (path, part) = run_simulated(&dir, &profile, Some(&format!("{number}/{count}")));
                asked.extend(part.asked);
                documents.push(path);
            }
            asked.sort_unstable();
            assert!(
                asked == single.asked,
                "{count} shards send other requests than one process"
            );

            let path = PathBuf::from(dir.path("merged.json"));
            let shown = merged(&documents, &path);
            let found = read(&path);
            for key in ["schema", "totals", "rates", "metrics", "kinds"] {
                same(key, &whole[key], &found[key]);
            }
            let (rows, sum_of_rows) = (sums(&whole["timeline"]), sums(&found["timeline"]));
            for (i, (a, b)) in rows
                .as_array()
                .unwrap()
                .iter()
                .zip(sum_of_rows.as_array().unwrap())
                .enumerate()
            {
                same(&format!("timeline[{i}]"), a, b);
            }
            assert_eq!(ids(&whole), ids(&found));
            assert_eq!(found["run"]["merged"]["shards"], count);
            assert_eq!(found["run"]["started_at"], whole["run"]["started_at"]);
            assert_eq!(found["run"]["exit_code"], whole["run"]["exit_code"]);
            assert_eq!(shown.exit.code(), 99, "avg<10 fails");
            assert_eq!(
                found["client"]["reap_lag"]["count"],
                whole["client"]["reap_lag"]["count"]
            );
            assert_eq!(
                found["client"]["cores"].as_array().unwrap().len(),
                2 * count as usize
            );
            assert_eq!(found["parts"].as_array().unwrap().len(), count as usize);
            for (judged, wanted) in found["thresholds"]
                .as_array()
                .unwrap()
                .iter()
                .zip(whole["thresholds"].as_array().unwrap())
            {
                assert_eq!(
                    (&judged["metric"], &judged["expression"]),
                    (&wanted["metric"], &wanted["expression"])
                );
                if wanted["metric"].as_str().unwrap().contains("expected_response") {
                    assert_eq!(judged["observed"], Value::Null);
                    assert!(
                        judged["not_recomputed"]
                            .as_str()
                            .unwrap()
                            .contains("values of failed requests")
                    );
                } else {
                    same("thresholds.mean", &wanted["observed"], &judged["observed"]);
                    assert_eq!(judged["ok"], wanted["ok"]);
                    assert!(
                        judged["not_recomputed"]
                            .as_str()
                            .unwrap()
                            .contains("breaking point")
                    );
                }
            }
        }
    }
}

#[test]
fn shards_split_shared_iterations_and_each_is_made_once() {
    let dir = Dir::new();
    let profile = profile(&dir, SHARED);
    let (whole, single) = run_simulated(&dir, &profile, None);
    assert_eq!(single.asked.len(), 1003);
    for count in [2, 4, 8] {
        let parts: Vec<_> = (1..=count)
            .map(|number| run_simulated(&dir, &profile, Some(&format!("{number}/{count}"))))
            .collect();
        let mut asked: Vec<Asked> = parts.iter().flat_map(|(_, part)| part.asked.clone()).collect();
        asked.sort_unstable();
        assert!(asked == single.asked, "{count} shards");
        let path = PathBuf::from(dir.path("merged.json"));
        merged(
            &parts.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(),
            &path,
        );
        let (whole, found) = (read(&whole), read(&path));
        // Who takes which request depends on the other processes; what it is and how long it takes do not.
        for key in [
            "requests",
            "ok",
            "failed",
            "by_outcome",
            "by_status",
            "output_tokens",
            "token_events",
        ] {
            same(key, &whole["totals"][key], &found["totals"][key]);
        }
        let ids = |document: &Value| {
            let details = document["details"].as_array().unwrap().iter();
            let mut ids: Vec<_> = details.map(|detail| detail["request_id"].to_string()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&whole), ids(&found));
        for metric in ["latency", "service_time", "ttft", "tpot"] {
            same(metric, &whole["metrics"][metric], &found["metrics"][metric]);
        }
    }
}

#[test]
fn with_two_servers_the_merged_rows_equal_those_of_the_single_run() {
    for shape in [RAMP, PER_VU] {
        let dir = Dir::new();
        let profile = profile(&dir, &format!("{SERVERS}{shape}"));
        let (whole_path, single) = run_simulated(&dir, &profile, None);
        let whole = read(&whole_path);
        let parts: Vec<_> = (1..=3)
            .map(|number| run_simulated(&dir, &profile, Some(&format!("{number}/3"))))
            .collect();
        let mut asked: Vec<Asked> = parts.iter().flat_map(|(_, part)| part.asked.clone()).collect();
        asked.sort_unstable();
        assert!(asked == single.asked, "the same requests to the same servers");
        let documents: Vec<PathBuf> = parts.iter().map(|(path, _)| path.clone()).collect();
        let path = PathBuf::from(dir.path("merged.json"));
        let shown = merged(&documents, &path);
        let found = read(&path);
        for key in [
            "totals",
            "rates",
            "metrics",
            "kinds",
            "servers",
            "server_timings",
            "analysis",
        ] {
            same(key, &whole[key], &found[key]);
        }
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&found["servers"]), ["llama", "vllm"]);
        assert_eq!(keys(&found["kinds"]).len(), 6);
        assert!(found["server_timings"]["prompt"]["server_over"].as_u64().unwrap() > 0);
        assert_eq!(found["servers"]["vllm"]["metrics"]["server_prompt"], Value::Null);
        assert_eq!(found["analysis"][0]["grade"], "FAIL", "the document's own limit");
        assert_eq!(
            (&found["client"]["limit"], &found["client"]["fit_required"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(found["config"]["servers"], whole["config"]["servers"]);
        assert!(
            shown.summary.contains("=== Per-Endpoint Breakdown ==="),
            "{}",
            shown.summary
        );

        let (whole, merged) = (whole_path.to_str().unwrap(), path.to_str().unwrap());
        let compared = run_program(&["compare", whole, merged, "--format", "json"]);
        let text = String::from_utf8_lossy(&compared.stdout).into_owned();
        assert_eq!(
            compared.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&compared.stderr)
        );
        let table: Value = serde_json::from_str(&text).unwrap();
        let rows = table["rows"].as_array().unwrap();
        let p95 = rows
            .iter()
            .find(|row| row["metric"] == "latency" && row["stat"] == "p95")
            .unwrap_or_else(|| panic!("{text}"));
        assert_eq!(p95["base"], p95["runs"][0]["value"], "{p95}");
    }
}

#[test]
fn a_shard_whose_generator_was_the_limit_makes_the_whole_untrustworthy_where_fitness_is_asked_for() {
    let dir = Dir::new();
    let profile = profile(&dir, &format!("{SERVERS}{PER_VU}"));
    let paths = ["1/2", "2/2"].map(|shard| run_simulated(&dir, &profile, Some(shard)).0);
    let mut busy = read(&paths[1]);
    busy["client"]["cores"][0]["buffer_shortages"] = json!(3);
    std::fs::write(&paths[1], busy.to_string()).unwrap();
    let output = PathBuf::from(dir.path("merged.json"));
    let shown = merged(&paths, &output);
    let found = read(&output);
    assert_eq!(shown.exit.code(), 113);
    assert_eq!(found["run"]["verdict"], "not_trustworthy");
    assert_eq!(found["client"]["limit_reasons"][0]["rule"], "buffer_shortages");
    assert!(
        shown.summary.contains("NOT FIT (buffer_shortages)"),
        "{}",
        shown.summary
    );
}

#[test]
fn a_shard_that_has_no_vu_is_an_empty_part_that_merges() {
    let dir = Dir::new();
    let profile = profile(
        &dir,
        "executor: per-vu-iterations\nvus: 2\niterations: 30\nmax_duration: 60s\n",
    );
    let (whole, _) = run_simulated(&dir, &profile, None);
    let parts: Vec<PathBuf> = ["1/3", "2/3", "3/3"]
        .map(|shard| run_simulated(&dir, &profile, Some(shard)).0)
        .to_vec();
    let empty = read(&parts[2]);
    assert_eq!(empty["totals"]["requests"], 0);
    assert_eq!(empty["run"]["exit_code"], 0);
    assert_eq!(empty["thresholds"], json!([]));
    let path = PathBuf::from(dir.path("merged.json"));
    merged(&parts, &path);
    same("totals", &read(&whole)["totals"], &read(&path)["totals"]);
}

/// The error of a merge of these documents, as texts.
fn refused(dir: &Dir, documents: &[Value], partial: bool) -> String {
    let paths: Vec<PathBuf> = documents
        .iter()
        .enumerate()
        .map(|(i, document)| {
            let path = PathBuf::from(dir.path(&format!("part-{i}.json")));
            std::fs::write(&path, document.to_string()).unwrap();
            path
        })
        .collect();
    refused_paths(&paths, partial)
}

fn refused_paths(documents: &[PathBuf], partial: bool) -> String {
    let args = MergeArgs {
        report: None,
        csv: None,
        documents: documents.to_vec(),
        output: None,
        partial,
        summary: Summary::Brief,
    };
    let failure = merge::run(&args).unwrap_err();
    assert_eq!(failure.exit.code(), 104, "{failure}");
    assert!(failure.to_string().starts_with("error: "), "{failure}");
    failure.to_string()
}

#[test]
fn shards_of_different_runs_are_refused_with_the_difference() {
    let dir = Dir::new();
    let profile = profile(
        &dir,
        "executor: per-vu-iterations\nvus: 4\niterations: 5\nmax_duration: 60s\n",
    );
    let paths = ["1/2", "2/2"].map(|shard| run_simulated(&dir, &profile, Some(shard)).0);
    let (whole, _) = run_simulated(&dir, &profile, None);
    let (third, _) = run_simulated(&dir, &profile, Some("3/4"));
    let [one, two] = [read(&paths[0]), read(&paths[1])];
    let changed = |document: &Value, pointer: &str, value: Value| {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    let text = refused_paths(&[paths[0].clone(), paths[0].clone()], false);
    assert!(text.contains("given twice"), "{text}");
    let text = refused_paths(std::slice::from_ref(&whole), false);
    assert!(text.contains("a whole run, not of a shard"), "{text}");
    let text = refused_paths(&[paths[0].clone(), third], false);
    assert!(text.contains("not the same plan: 2 shards in"), "{text}");
    let text = refused(&dir, std::slice::from_ref(&one), false);
    assert!(
        text.contains("shards 2 of 2 are missing") && text.contains("--partial"),
        "{text}"
    );
    for (other, what) in [
        (one.clone(), "are both shard 1/2"),
        (changed(&two, "/config/seed", json!(5)), "config.seed: 77 in"),
        (
            changed(&two, "/config/requests/1/weight", json!(4)),
            "config.requests[1].weight: 3 in",
        ),
        (
            changed(&two, "/run/versions/llmload-uring", json!("0.2.0")),
            "not the same version",
        ),
        (
            changed(&two, "/schema", json!("llmload-uring/9")),
            "`schema`: is `llmload-uring/9`, of a later version",
        ),
        (
            changed(&two, "/schema", json!("llmload-uring/1")),
            "`schema`: is `llmload-uring/1`, of an earlier version",
        ),
        (
            changed(&two, "/totals/requests", json!(1)),
            "part-1.json: `totals.requests`: 1 is not the sum of 9 ok, 1 failed, 0 interrupted, 0 cancelled and 0 in flight",
        ),
        (
            changed(&two, "/totals/in_flight", json!(1)),
            "`totals.requests`: 10 is not the sum of 9 ok, 1 failed, 0 interrupted, 0 cancelled and 1 in flight",
        ),
        (
            changed(&two, "/kinds/plain/totals/ok", json!(7)),
            "`kinds.plain.totals.requests`: ",
        ),
        (
            changed(&two, "/kinds/plain/totals/by_outcome", json!({"ok": u64::MAX})),
            "`kinds.plain.totals.by_outcome`: ",
        ),
        (
            changed(&two, "/kinds/plain/metrics/latency/count", json!(999)),
            "`kinds.plain.metrics.latency`: encoded histogram",
        ),
        (
            changed(&two, "/kinds/plain/metrics/latency/hdr", json!("AAAA")),
            "not in HdrHistogram's V2 compressed form",
        ),
        (
            changed(&two, "/run/started_at", json!("yesterday")),
            "`run.started_at`: `yesterday`",
        ),
        (
            changed(&two, "/client/cores", json!("x")),
            "in `client.cores`: found `\"x\"`, expected an array",
        ),
        (
            changed(&two, "/timeline", json!([])),
            "`timeline[].requests`: 0 in its rows, 10 in the totals",
        ),
        (json!({"metrics": {}}), "it has no `schema`"),
        (json!([1]), "expected an object"),
    ] {
        let text = refused(&dir, &[one.clone(), other], false);
        assert!(text.contains(what), "{what}: {text}");
    }
    // Where the process ran, and from which addresses, is its own business.
    let mut elsewhere = changed(&two, "/config/run/cores", json!(7));
    elsewhere["config"]["source_address"] = json!("127.0.0.9");
    let both = [one.clone(), elsewhere];
    let paths: Vec<PathBuf> = (0..2)
        .map(|i| PathBuf::from(dir.path(&format!("p{i}.json"))))
        .collect();
    for (path, document) in paths.iter().zip(&both) {
        std::fs::write(path, document.to_string()).unwrap();
    }
    let joined = PathBuf::from(dir.path("joined.json"));
    merged(&paths, &joined);
    let text = refused_paths(&[joined, paths[1].clone()], false);
    assert!(text.contains("has already been merged"), "{text}");
    let cut = PathBuf::from(dir.path("cut.json"));
    std::fs::write(&cut, &one.to_string()[..2_000]).unwrap();
    assert!(refused_paths(&[cut], false).contains("the file ends here"));
    assert!(refused_paths(&[PathBuf::from("/nowhere/x.json")], false).contains("cannot be read"));
}

#[test]
fn details_with_missing_or_repeated_requests_are_refused() {
    for shape in [PER_VU, SHARED] {
        let dir = Dir::new();
        let profile = profile(&dir, shape);
        let paths = ["1/2", "2/2"].map(|shard| run_simulated(&dir, &profile, Some(shard)).0);
        let [one, two] = [read(&paths[0]), read(&paths[1])];
        let listed = two["details"].as_array().unwrap().len();
        assert!(listed > 100, "{listed}");
        let output = dir.path("merged.json");
        let refused = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut other = two.clone();
            change(other["details"].as_array_mut().unwrap());
            let files = [
                dir.write("one.json", &one.to_string()),
                dir.write("other.json", &other.to_string()),
            ];
            let ended = ran(&["merge", &files[0], &files[1], "--output", &output]).expect(104);
            assert!(!Path::new(&output).exists(), "{}", ended.stderr);
            ended.one_error("other.json: ");
            ended.stderr
        };
        let counted = format!("`totals.requests` is {listed} and 0 were lost");
        for change in [
            (&|d: &mut Vec<Value>| d.truncate(listed - 3)) as &dyn Fn(&mut Vec<Value>),
            &|d| d.clear(),
            &|d| d.push(d[0].clone()),
        ] {
            let text = refused(change);
            assert!(
                text.contains("other.json: `details`: ") && text.contains(&counted),
                "{text}"
            );
        }
        // The number is right, a request is not.
        let text = refused(&|d| d[listed - 1] = d[0].clone());
        assert!(text.contains("is listed twice"), "{text}");
        let text = refused(&|d| d[0] = one["details"][0].clone());
        assert!(
            text.contains("`details[0]`") && text.contains("is not one of shard 2/2"),
            "{text}"
        );
        let text = refused(&|d| d[7] = json!({"request_id": 3}));
        assert!(text.contains("in `details[7]`: request_id: found `3`"), "{text}");
    }
}

#[test]
fn with_partial_the_shards_that_exist_are_joined_and_missing_ones_listed() {
    let dir = Dir::new();
    let profile = profile(&dir, RAMP);
    let paths = ["1/3", "3/3"].map(|shard| run_simulated(&dir, &profile, Some(shard)).0);
    let mut late = read(&paths[1]);
    late["run"]["started_at"] = json!("2026-01-02T03:04:07.250Z");
    std::fs::write(&paths[1], late.to_string()).unwrap();
    let output = PathBuf::from(dir.path("merged.json"));
    let shown = merge::run(&MergeArgs {
        report: None,
        csv: None,
        documents: paths.to_vec(),
        output: Some(output.clone()),
        partial: true,
        summary: Summary::Brief,
    })
    .unwrap();
    let (first, found) = (read(&paths[0]), read(&output));
    assert_eq!(found["run"]["merged"]["missing_shards"], json!([2]));
    assert_eq!(found["run"]["merged"]["start_skew_seconds"], 2.25);
    assert!(
        shown
            .summary
            .contains("merged from 2 of 3 shards, which began 2.250 s apart"),
        "{}",
        shown.summary
    );
    let rules: Vec<&str> = found["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["rule"].as_str().unwrap())
        .collect();
    assert!(
        rules.contains(&"shards_missing") && rules.contains(&"start_skew"),
        "{rules:?}"
    );
    // Moved by two whole seconds: row 3 has the third second of one and the first of the other.
    let requests = |document: &Value, row: usize| document["timeline"][row]["requests"].as_u64().unwrap();
    assert_eq!(requests(&found, 1), requests(&first, 1));
    assert_eq!(requests(&found, 2), requests(&first, 2) + requests(&late, 0));
    let sum = |document: &Value| -> u64 {
        document["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["requests"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(sum(&found), sum(&first) + sum(&late));
    let seconds = |document: &Value| document["run"]["duration_seconds"].as_f64().unwrap();
    assert!((seconds(&found) - (seconds(&late) + 2.25)).abs() < 1e-9);
}

#[test]
fn two_simultaneous_shards_merge_to_the_counts_of_the_mock() {
    let mut options = mock_options();
    options.stamp = false;
    let (alone, shared) = (mock(options.clone()), mock(options));
    let dir = Dir::new();
    let profile = dir.path("profile.yaml");
    let text = "executor: per-vu-iterations\nvus: 5\niterations: 12\nmax_duration: 60s\nmodels: [m, n]\n\
                prompts: [Hi, Why]\nrequests:\n  - { name: stream, weight: 2, kind: chat, stream: true, \
                max_tokens: 10-99, timeout: 20s }\n  - { name: light, weight: 1, kind: light, timeout: 20s }\n";
    std::fs::write(&profile, text).unwrap();
    let url = |mock: &llmload_uring::mock::Mock| format!("http://{}", mock.address);
    let ended = Live::start(&[&profile, "--target", &url(&alone)])
        .wait()
        .expect(0);
    assert!(ended.stdout.contains("requests   60   ok 60"), "{}", ended.stdout);

    let now = std::time::SystemTime::now();
    let at = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() + 3.0;
    let (at, target) = (format!("{at:.3}"), url(&shared));
    let files = [dir.path("1.json"), dir.path("2.json")];
    let runs = ["1/2", "2/2"].iter().zip(&files).map(|(shard, file)| {
        let words = [
            &profile,
            "--shard",
            shard,
            "--start-at",
            &at,
            "--target",
            &target,
            "--details",
            "-o",
            file,
        ];
        Live::start(&words)
    });
    let runs: Vec<Live> = runs.collect();
    for run in runs {
        let ended = run.wait().expect(0);
        assert!(
            ended.stderr.contains("ready; the load begins in"),
            "{}",
            ended.stderr
        );
        assert!(
            ended
                .stdout
                .contains(" of 2: figures and thresholds of its own requests; `merge` joins all"),
            "{}",
            ended.stdout
        );
    }
    let output = dir.path("merged.json");
    let merging = run_program(&["merge", &files[0], &files[1], "--output", &output]);
    assert_eq!(
        merging.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&merging.stderr)
    );
    let found = read(Path::new(&output));
    let (one, both) = (
        get_json(alone.address, "/mock/stats"),
        get_json(shared.address, "/mock/stats"),
    );
    assert_eq!(found["totals"]["requests"], 60);
    assert_eq!(found["details"].as_array().unwrap().len(), 60);
    assert_eq!(both["streams"], found["kinds"]["stream"]["totals"]["requests"]);
    assert_eq!(one["bodies_digest"], both["bodies_digest"], "the same bodies");
    for file in &files {
        let part = read(Path::new(file));
        let late = part["run"]["start"]["late_seconds"].as_f64().unwrap();
        assert!((0.0..10.0).contains(&late), "{late}");
    }
    let gap = found["run"]["merged"]["start_skew_seconds"].as_f64().unwrap();
    assert!((0.0..10.0).contains(&gap), "{gap}");
}

#[test]
fn each_shard_warms_up_with_its_own_users_and_the_start_is_that_of_the_warm_up() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let profile = dir.path("profile.yaml");
    let text = "executor: constant-vus\nvus: 3\nduration: 1s\nwarmup: 1s\nthink_time: 20ms\nmodels: [m]\n\
                prompts: [Hi]\nrequests:\n  - { name: plain, kind: chat, stream: false, max_tokens: 5, timeout: 20s }\n";
    std::fs::write(&profile, text).unwrap();
    let target = format!("http://{}", mock.address);
    let files = [dir.path("1.json"), dir.path("2.json")];
    let runs = ["1/2", "2/2"].iter().zip(&files).map(|(shard, file)| {
        let words = [
            "--shard",
            shard,
            "--start-at",
            "+1s",
            "--target",
            &target,
            "-o",
            file,
        ];
        Live::start(&[&[profile.as_str()], &words[..]].concat())
    });
    let runs: Vec<Live> = runs.collect();
    for run in runs {
        run.wait().expect(0);
    }
    let output = PathBuf::from(dir.path("merged.json"));
    merged(&files.each_ref().map(PathBuf::from), &output);
    let (parts, found) = (files.each_ref().map(|file| read(Path::new(file))), read(&output));
    let requests = |document: &Value| document["warmup"]["requests"].as_u64().unwrap();
    assert!(parts.iter().all(|part| requests(part) > 0));
    assert_eq!(requests(&found), requests(&parts[0]) + requests(&parts[1]));
    let sent = |document: &Value| document["totals"]["requests"].as_u64().unwrap();
    assert_eq!(sent(&found), sent(&parts[0]) + sent(&parts[1]));
    assert_eq!(parts[0]["totals"]["peak_vus"], 2, "of 3 users");
    let instant = |value: &Value| {
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(value.as_str().unwrap(), format).unwrap()
    };
    for part in &parts {
        let (run, start) = (&part["run"], &part["run"]["start"]);
        let since = (instant(&run["started_at"]) - instant(&start["at"])).as_seconds_f64();
        let late = start["late_seconds"].as_f64().unwrap();
        assert!(
            late >= 0.0 && since - late > 0.99,
            "measured {since} s behind the instant, late by {late}"
        );
    }
}

#[test]
fn a_past_start_is_refused_and_ctrl_c_ends_the_wait_for_one() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let past = run_program(&[
        "quick-smoke",
        "--target",
        &target,
        "--start-at",
        "2020-01-01T00:00:00Z",
    ]);
    assert_eq!(past.status.code(), Some(104));
    assert!(String::from_utf8_lossy(&past.stderr).contains("--start-at: the start time was "));
    let mut live = Live::start(&[
        "quick-smoke",
        "--target",
        &target,
        "--start-at",
        "+10m",
        "-o",
        "/dev/null",
    ]);
    live.wait_for_stderr("ready; the load begins in");
    live.signal(rustix::process::Signal::INT);
    let ended = live.wait().expect(105);
    assert!(
        ended.stderr.contains("interrupted before the load began"),
        "{}",
        ended.stderr
    );
}
