//! `compare` and `baseline` from the outside: exit codes, what is printed where, what is written.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use llmload_uring::metrics::{Answer, Outcome, Recorder, Sample, Snapshot, TokenSource};
use llmload_uring::plan::AnalysisLimits;
use llmload_uring::report::Aggregator;
use llmload_uring::result::{Required, RunResult};
use llmload_uring::units::SECOND;
use serde_json::{Value, json};

use crate::common::results;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("llmload-compare-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn run(&self, args: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_llmload-uring");
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        command.env_remove("LLMLOAD_BASELINES").output().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_rule_that_cannot_be_read_is_a_bad_configuration_as_a_threshold_is() {
    let scratch = Scratch::new("rule");
    let output = scratch.run(&["compare", "a.json", "b.json", "--fail-on", "latncy p95 > +10%"]);
    assert_eq!(code(&output), Some(104), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("did you mean `latency`?"),
        "{}",
        stderr(&output)
    );
    let output = scratch.run(&["compare", "a.json"]);
    assert_eq!(code(&output), Some(2));
}

#[test]
fn a_file_that_is_not_there_is_a_bad_configuration() {
    let scratch = Scratch::new("missing");
    let output = scratch.run(&["compare", "no-such.json", "neither.json"]);
    assert_eq!(code(&output), Some(104), "{}", stderr(&output));
    assert!(
        stderr(&output).starts_with("error: no-such.json"),
        "{}",
        stderr(&output)
    );
    let output = scratch.run(&["compare", "@main", "neither.json"]);
    assert_eq!(code(&output), Some(104));
    assert!(
        stderr(&output).contains("no baseline `main` in .llmload/baselines"),
        "{}",
        stderr(&output)
    );
    let output = scratch.run(&["baseline", "save", "../main", "x.json"]);
    assert_eq!(code(&output), Some(104));
    assert!(
        stderr(&output).contains("is not a valid name for a baseline"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_empty_folder_lists_nothing() {
    let scratch = Scratch::new("list");
    let output = scratch.run(&["baseline", "list", "--folder", "kept"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (Some(0), "there are no baselines in kept\n")
    );
}

/// A result document of a minute: each second 50 latencies between 100 and 200 ms and `slower` percent above that.
fn document(slower: u64) -> String {
    let mut load = Aggregator::new(1, 1);
    let mut recorder = Recorder::new(0, 1, false);
    for second in 1..=60u64 {
        for i in 0..50u64 {
            let ms = 100 + (i * 37 + second * 11) % 100;
            recorder.started(0);
            recorder.finish(&Sample {
                asked: Default::default(),
                vu: 0,
                iteration: second * 50 + i,
                series: 0,
                half: None,
                turn: 0,
                outcome: Outcome::Ok,
                status: 200,
                due: 0,
                sent: Some(0),
                connecting: 0,
                first_byte: None,
                first_event: None,
                first_token: None,
                first_answer: None,
                first_thought: None,
                first_call: None,
                last_token: None,
                done: ms * (100 + slower) * 10_000,
                schedule_lag: 0,
                queue_wait: None,
                output_tokens: 10,
                tokens_at_first: 0,
                gaps: 0,
                token_source: TokenSource::Server,
                prompt_tokens: None,
                cached_tokens: None,
                reasoning_tokens: None,
                server_prompt: None,
                server_decode: None,
                answer: Answer::default(),
                chosen_to_cancel: false,
                good: None,
            });
        }
        load.append_snapshot(&recorder.take(Snapshot::new(0, 1, false)));
        load.tick(second * SECOND, 5);
    }
    let facts = results::facts("load", 60 * SECOND, results::kinds(&["plain"]));
    let mut result = RunResult::build(facts, &load);
    result.judge(&AnalysisLimits::default(), Required::default(), Vec::new());
    serde_json::to_string(&result).unwrap()
}

fn with_documents(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    for (file, slower) in [("base.json", 0), ("same.json", 0), ("slow.json", 20)] {
        std::fs::write(scratch.0.join(file), document(slower)).unwrap();
    }
    scratch
}

#[test]
fn a_document_that_contradicts_itself_does_not_pass() {
    let scratch = with_documents("contradiction");
    let say = |change: fn(&mut Value)| {
        let mut new: Value = serde_json::from_str(&document(0)).unwrap();
        change(&mut new);
        std::fs::write(scratch.0.join("new.json"), new.to_string()).unwrap();
        let output = scratch.run(&[
            "compare",
            "base.json",
            "new.json",
            "--fail-on",
            "error_rate > +1pp",
        ]);
        assert_eq!((code(&output), stdout(&output).as_str()), (Some(104), ""));
        let saved = scratch.run(&["baseline", "save", "new", "new.json"]);
        assert_eq!(code(&saved), Some(104), "it is no baseline either");
        stderr(&output)
    };
    let text = say(|d| {
        d["totals"]["failed"] = json!(3000);
        d["totals"]["ok"] = json!(0);
    });
    assert!(
        text.starts_with("error: new.json: `totals.ok`: 0 is not that of"),
        "{text}"
    );
    assert!(text.contains("was it edited?"), "{text}");
    let text = say(|d| d["totals"]["requests"] = json!(30_000));
    assert!(
        text.starts_with("error: new.json: `totals.requests`: 30000 is not the sum of 3000 ok"),
        "{text}"
    );
    let text = say(|d| d["rates"]["error_rate"] = json!(7.0));
    assert!(
        text.starts_with("error: new.json: `rates.error_rate`: 7 is not"),
        "{text}"
    );
    let text = say(|d| d["schema"] = json!("llmload-uring/1"));
    assert!(
        text.contains("`schema`: is `llmload-uring/1`, of an earlier version"),
        "{text}"
    );
    assert!(
        text.contains("\nhint: repeat the run with this version"),
        "{text}"
    );
}

#[test]
fn a_slowdown_beyond_the_rule_exits_99_and_an_equal_run_0() {
    let scratch = with_documents("gate");
    let rule = ["--fail-on", "latency p95 > +10%"];
    let output = scratch.run(&["compare", "base.json", "slow.json", rule[0], rule[1]]);
    assert_eq!(code(&output), Some(99), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("FAIL  latency p95 > +10%  B +"), "{text}");
    assert!(!text.contains('\x1b'), "colour in a pipe: {text}");
    let output = scratch.run(&["compare", "base.json", "same.json", rule[0], rule[1]]);
    assert_eq!(code(&output), Some(0), "{}", stdout(&output));
    let output = scratch.run(&[
        "compare",
        "base.json",
        "same.json",
        "slow.json",
        rule[0],
        rule[1],
        "--format",
        "csv",
    ]);
    assert_eq!(code(&output), Some(99));
    assert!(
        stdout(&output).starts_with("metric,stat,unit,"),
        "rules are no part of a CSV file"
    );
    assert!(
        stderr(&output).contains("FAIL  latency p95 > +10%  C +"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_rule_about_a_missing_metric_does_not_pass() {
    let scratch = with_documents("absent");
    let output = scratch.run(&[
        "compare",
        "base.json",
        "slow.json",
        "--fail-on",
        "ttft p95 > +10%",
    ]);
    assert_eq!(code(&output), Some(104));
    assert!(
        stderr(&output).contains("not in both A and B"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_baseline_is_compared_with_and_only_overwritten_with_force() {
    let scratch = with_documents("baseline");
    let save = ["baseline", "save", "main", "base.json"];
    assert_eq!(code(&scratch.run(&save)), Some(0));
    let facts = std::fs::read_to_string(scratch.0.join(".llmload/baselines/main.facts.json")).unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(
        (&facts["name"], &facts["profile"]),
        (&json!("main"), &json!("load"))
    );
    assert!(facts["host"].as_str().is_some_and(|host| !host.is_empty()));
    let again = scratch.run(&save);
    assert_eq!(code(&again), Some(104));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    let output = scratch.run(&["compare", "@main", "slow.json"]);
    assert_eq!(code(&output), Some(0));
    assert!(stdout(&output).starts_with("WORSE "), "{}", stdout(&output));
    assert!(stdout(&output).contains("\nA  @main"), "{}", stdout(&output));
    let shown = stdout(&scratch.run(&["baseline", "show", "main"]));
    assert!(shown.contains("profile  load"), "{shown}");
    assert!(stdout(&scratch.run(&["baseline", "list"])).contains("\nmain "));
}

#[test]
fn a_plot_or_an_output_that_cannot_be_written_exits_112() {
    let scratch = with_documents("plot");
    let output = scratch.run(&[
        "compare",
        "base.json",
        "slow.json",
        "--plot",
        "no/such/folder.svg",
    ]);
    assert_eq!(code(&output), Some(112));
    assert!(
        stderr(&output).contains("no/such/folder.svg: cannot write"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        code(&scratch.run(&["compare", "base.json", "slow.json", "--plot", "plot.svg"])),
        Some(0)
    );
    let svg = std::fs::read_to_string(scratch.0.join("plot.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_llmload-uring"));
    command
        .args(["compare", "base.json", "slow.json"])
        .current_dir(&scratch.0)
        .stdout(full)
        .stderr(Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(112));
}

#[test]
fn a_plot_whose_name_says_another_format_is_refused_with_the_name_to_use() {
    let scratch = with_documents("plot-ending");
    for (name, better) in [
        ("p.png", "p.svg"),
        ("p", "p.svg"),
        ("p.svg.gz", "p.svg"),
        ("p.pdf", "p.svg"),
    ] {
        let output = scratch.run(&["compare", "base.json", "slow.json", "--plot", name]);
        assert_eq!(code(&output), Some(104), "{name}");
        let told = stderr(&output);
        assert!(told.contains("does not end in .svg"), "{told}");
        assert!(told.ends_with(&format!("hint: --plot {better}\n")), "{told}");
        assert!(!scratch.0.join(name).exists(), "{name}");
    }
    let output = scratch.run(&["compare", "base.json", "slow.json", "--plot", "P.SVG"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
}

/// A result that another tool wrote.
fn peer(file: &str) -> String {
    format!("{}/tests/corpus/peers/{file}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn results_of_other_tools_are_shown_side_by_side_with_what_each_figure_is() {
    let scratch = Scratch::new("peers");
    let (vllm, sglang) = (peer("vllm-detailed.json"), peer("sglang-details.jsonl"));
    let from = format!("aiperf:{}", peer("aiperf-records.jsonl"));
    let output = scratch.run(&["compare", &vllm, &sglang, "--from", &from]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for expected in [
        "read as the result of `vllm bench serve`",
        "read as AIPerf's profile_export.jsonl",
        "not judged: defined differently",
        "A: ttft: from the send to the first event that has choices",
        "B: ttft: from the send (connecting included) to the first event with text",
        "11.38",
    ] {
        assert!(text.contains(expected), "{text}\nlacks {expected}");
    }
    let output = scratch.run(&[
        "compare",
        &vllm,
        &sglang,
        "--format",
        "json",
        "--fail-on",
        "ttft p50 > +10%",
    ]);
    assert_eq!(code(&output), Some(104));
    assert!(
        stderr(&output).contains("define `ttft` differently"),
        "{}",
        stderr(&output)
    );
    let twice = std::fs::read_to_string(&sglang).unwrap().repeat(2);
    std::fs::write(scratch.0.join("two.jsonl"), twice).unwrap();
    let output = scratch.run(&["compare", "two.jsonl#1", "sglang:two.jsonl#2", "--format", "csv"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
}

#[test]
fn a_run_that_is_not_the_one_that_was_named_is_refused() {
    let scratch = Scratch::new("peers-wrong");
    let (vllm, guidellm) = (peer("vllm-summary.json"), peer("guidellm.json.gz"));
    for (args, exit, expected) in [
        (
            vec![format!("guidellm:{vllm}"), guidellm.clone()],
            104,
            "not a result of guidellm",
        ),
        (
            vec![format!("{vllm}#2"), guidellm.clone()],
            104,
            "has no run 2: it holds one run",
        ),
        (
            vec![format!("vlm:{vllm}"), guidellm.clone()],
            104,
            "did you mean `vllm`?",
        ),
        (
            vec![vllm.clone(), "--from".into(), "vlm:x".into()],
            2,
            "did you mean `vllm`?",
        ),
        (
            vec![vllm.clone(), "--from".into(), guidellm.clone()],
            2,
            "does not say the tool",
        ),
        (
            vec![vllm.clone(), "--from".into(), "vllm:".into()],
            2,
            "does not say the file",
        ),
        (
            vec![vllm.clone(), peer("README.md")],
            104,
            "begins with `# Results that",
        ),
    ] {
        let args: Vec<&str> = ["compare"]
            .into_iter()
            .chain(args.iter().map(String::as_str))
            .collect();
        let output = scratch.run(&args);
        assert_eq!(code(&output), Some(exit), "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(expected),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains("hint:"), "{args:?}: {}", stderr(&output));
    }
    for file in [&vllm, &guidellm, &peer("vegeta.csv"), &peer("oha.json")] {
        let output = scratch.run(&["merge", file, &peer("vllm-detailed.json")]);
        assert_eq!(code(&output), Some(104), "{}", stderr(&output));
        let text = stderr(&output);
        assert!(
            text.contains("percentiles") && text.contains("cannot be merged"),
            "{text}"
        );
    }
}
