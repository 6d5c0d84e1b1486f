//! What a run writes: names that other runs want at the same time, names that stand for something else, folders that go
//! away, limits, and readers that do not read.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use llmload_uring::mock::Mock;
use rustix::process::Signal;
use serde_json::Value;

use crate::common::live::*;
use crate::common::*;

fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A load that goes on until it is stopped.
fn long<'a>(target: &'a str, output: &'a str) -> Vec<&'a str> {
    let mut args = vec![
        "quick-smoke",
        "--vus",
        "2",
        "--duration",
        "60s",
        "--think-time",
        "5ms",
    ];
    args.extend(["--target", target, "--details", "--output", output]);
    args
}

/// Two requests.
fn short<'a>(target: &'a str, output: &'a str) -> Vec<&'a str> {
    let mut args = vec![
        "quick-smoke",
        "--vus",
        "1",
        "--iterations",
        "2",
        "--think-time",
        "0",
    ];
    args.extend(["--target", target, "--details", "--output", output]);
    args
}

fn target(mock: &Mock) -> String {
    format!("http://{}", mock.address)
}

fn wait_for_details(live: &mut Live, spool: &str) {
    wait_until("details are on disk", || {
        assert!(!live.is_over(), "{}", live.stderr());
        std::fs::metadata(spool).is_ok_and(|m| m.len() > 0)
    });
}

#[test]
fn a_file_that_another_run_is_writing_is_refused_by_name_before_any_load() {
    let (mock, idle, dir) = (mock(mock_options()), mock(mock_options()), Dir::new());
    let (first, second) = (target(&mock), target(&idle));
    let output = dir.path("r.json");
    let mut live = Live::start(&long(&first, &output));
    wait_for_details(&mut live, &dir.path("r.json.details.jsonl"));
    let refused = ran(&short(&second, &output)).expect(112);
    refused.one_error("r.json: another run is writing this file (process ");
    assert_eq!(
        get_json(idle.address, "/mock/stats")["connections"],
        1,
        "only this question"
    );
    live.signal(Signal::INT);
    live.wait().expect(105);
    let document = json(&output);
    let details = document["details"].as_array().unwrap().len() as u64;
    assert_eq!(document["totals"]["requests"].as_u64().unwrap(), details);
    assert_eq!(dir.names(), ["r.json"]);
}

#[test]
fn runs_of_one_second_have_a_document_each_with_their_own_requests() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, results) = (target(&mock), dir.path("results"));
    let runs: Vec<(u64, Live)> = (1..=4)
        .map(|requests| {
            let n = requests.to_string();
            let args = [
                "quick-smoke",
                "--vus",
                "1",
                "--iterations",
                &n,
                "--think-time",
                "0",
                "--details",
            ];
            let rest = ["--target", &target, "--results-dir", &results];
            (requests, Live::start(&[&args[..], &rest[..]].concat()))
        })
        .collect();
    let mut expected: Vec<u64> = Vec::new();
    for (requests, live) in runs {
        live.wait().expect(0);
        expected.push(requests);
    }
    let files: Vec<_> = std::fs::read_dir(&results)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let mut found: Vec<u64> = files
        .iter()
        .map(|path| {
            let document = json(path.to_str().unwrap());
            let requests = document["totals"]["requests"].as_u64().unwrap();
            assert_eq!(document["details"].as_array().unwrap().len() as u64, requests);
            requests
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_link_or_a_fifo_at_the_name_of_the_details_is_refused_and_the_other_file_untouched() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, output) = (target(&mock), dir.path("r.json"));
    let (spool, victim) = (dir.path("r.json.details.jsonl"), dir.write("victim", "precious"));
    symlink(&victim, &spool).unwrap();
    ran(&short(&target, &output))
        .expect(112)
        .one_error("r.json.details.jsonl: it is a link");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    std::fs::remove_file(&spool).unwrap();
    assert!(Command::new("mkfifo").arg(&spool).status().unwrap().success());
    ran(&short(&target, &output))
        .expect(112)
        .one_error("r.json.details.jsonl: it is a FIFO");
    assert_eq!(
        get_json(mock.address, "/mock/stats")["connections"],
        1,
        "only this question"
    );
    assert_eq!(dir.names(), ["r.json.details.jsonl", "victim"]);
}

#[test]
fn details_of_a_killed_run_are_kept_with_a_note_and_its_name_can_be_used() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, output) = (target(&mock), dir.path("r.json"));
    let spool = dir.path("r.json.details.jsonl");
    let mut live = Live::start(&long(&target, &output));
    wait_for_details(&mut live, &spool);
    assert_eq!(
        std::fs::metadata(&spool).unwrap().permissions().mode() & 0o777,
        0o600
    );
    live.signal(Signal::KILL);
    live.wait();
    let left = std::fs::read(&spool).unwrap();
    let ended = ran(&short(&target, &output)).expect(0);
    let kept = "r.json.details.killed-1.jsonl";
    assert!(
        ended
            .stderr
            .contains("details of a run that was killed are kept: "),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains(kept), "{}", ended.stderr);
    assert_eq!(std::fs::read(dir.path(kept)).unwrap(), left);
    assert_eq!(json(&output)["totals"]["requests"], 2);
    assert_eq!(dir.names(), ["r.json", kept]);
}

#[test]
fn a_folder_removed_during_the_run_is_reported_and_the_other_document_has_the_details() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, output, results) = (target(&mock), dir.path("r.json"), dir.path("results"));
    for rename in [false, true] {
        let mut args = long(&target, &output);
        args.extend(["--results-dir", &results]);
        let mut live = Live::start(&args);
        let has_details = || {
            let entries = std::fs::read_dir(&results).ok()?;
            let mut spools = entries.filter_map(|e| Some(e.ok()?.path()));
            spools.find(|path| path.extension().is_some_and(|e| e == "jsonl"))
        };
        wait_until("details are on disk", || {
            assert!(!live.is_over(), "{}", live.stderr());
            has_details().is_some_and(|path| std::fs::metadata(path).is_ok_and(|m| m.len() > 0))
        });
        match rename {
            false => std::fs::remove_dir_all(&results).unwrap(),
            true => std::fs::rename(&results, dir.path("moved")).unwrap(),
        }
        live.signal(Signal::INT);
        let ended = live.wait();
        assert!(
            ended.stdout.contains("requests"),
            "the summary is there: {}",
            ended.stdout
        );
        ended.one_error("/results/test_run_");
        assert!(
            ended.stderr.contains("removed or renamed during the run"),
            "{}",
            ended.stderr
        );
        let document = json(&output);
        let details = document["details"].as_array().unwrap().len() as u64;
        assert_eq!(document["totals"]["requests"].as_u64().unwrap(), details);
        std::fs::remove_file(&output).unwrap();
    }
}

#[test]
fn a_limit_of_file_sizes_is_an_error_of_the_output_and_the_summary_is_printed() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, output) = (target(&mock), dir.write("r.json", "old"));
    let mut command = with_file_limit(2);
    command.args(short(&target, &output));
    let ended = Live::spawn(&mut command).wait().expect(112);
    assert!(ended.stdout.contains("requests   2   "), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("r.json: cannot write: File too large"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("ulimit -f"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "old");
}

#[test]
fn lost_output_is_112_but_a_closed_pipe_is_not_an_error() {
    let dir = Dir::new();
    let options = dir.write("k6.json", r#"{"vus": 2, "duration": "5s"}"#);
    let commands: [&[&str]; 9] = [
        &["--help"],
        &["run", "--help"],
        &["--version"],
        &["man"],
        &["completions", "bash"],
        &["probe"],
        &["profiles"],
        &["import-k6", &options],
        &["config", "check", "quick-smoke"],
    ];
    for args in commands {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = program();
        let ended = command.args(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        // A host that lacks something is told so besides; the output is what counts first.
        assert_eq!(ended.status.code(), Some(112), "{args:?}: {stderr}");
        assert!(
            stderr.contains("error: standard output: cannot write: No space left"),
            "{args:?}: {stderr}"
        );
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = program()
            .args(args)
            .stdout(OwnedFd::from(writer))
            .output()
            .unwrap();
        let stderr = String::from_utf8(closed.stderr).unwrap();
        assert!(!stderr.contains("standard output"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_dash_means_standard_input_or_output() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let target = target(&mock);
    let profile = "executor: per-vu-iterations\nvus: 1\niterations: 2\nmax_duration: 30s\nmodels: [m]\nprompts: [Hi]\n\
                   requests:\n  - { name: chat, weight: 1, kind: chat, stream: true, max_tokens: 10, timeout: 20s }\n";
    let path = dir.write("profile.yaml", profile);
    let results = dir.path("results");
    let starts: [&[&str]; 2] = [&["run", "--config", "-", "--results-dir", &results], &["-"]];
    for start in starts {
        let mut command = program();
        command
            .args(start)
            .args(["--target", &target, "--output", "-"])
            .stdin(std::fs::File::open(&path).unwrap());
        let ended = Live::spawn(&mut command).wait().expect(0);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["totals"]["requests"], 2);
        assert!(
            ended.stderr.contains("requests   2   ok 2"),
            "the summary: {}",
            ended.stderr
        );
    }
    let name = std::fs::read_dir(&results)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let name = name.to_str().unwrap();
    let mut command = program();
    command
        .args(["compare", "-", name])
        .stdin(std::fs::File::open(name).unwrap());
    let ended = Live::spawn(&mut command).wait().expect(0);
    assert!(ended.stdout.contains("latency"), "{}", ended.stdout);
    ran(&["compare", "-", "-"])
        .expect(104)
        .one_error("standard input is given twice");
}

#[test]
fn a_shard_is_merged_from_a_pipe_into_standard_output() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let target = target(&mock);
    for shard in ["1/2", "2/2"] {
        let output = dir.path(&format!("{}.json", &shard[..1]));
        let mut args = vec![
            "quick-smoke",
            "--vus",
            "2",
            "--iterations",
            "4",
            "--think-time",
            "0",
        ];
        args.extend([
            "--shard",
            shard,
            "--target",
            &target,
            "--details",
            "--output",
            &output,
        ]);
        ran(&args).expect(0);
    }
    let (first, second) = (dir.path("1.json"), dir.path("2.json"));
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "cat \"$0\" | \"$@\"",
            &first,
            env!("CARGO_BIN_EXE_llmload-uring"),
        ])
        .args(["merge", "-", &second, "--output", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = Live::spawn(&mut command).wait().expect(0);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["totals"]["requests"], 4);
    let merged = dir.path("m.json");
    ran(&["merge", &first, &second, "--output", &merged]).expect(0);
    assert_eq!(json(&merged)["details"].as_array().unwrap().len(), 4);
    assert_eq!(dir.names(), ["1.json", "2.json", "m.json"]);
}

#[test]
fn a_plot_has_to_end_in_svg_and_is_written_whole() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, output) = (target(&mock), dir.path("r.json"));
    ran(&short(&target, &output)).expect(0);
    let wrong = dir.path("plot.png");
    let refused = ran(&["compare", &output, &output, "--plot", &wrong]).expect(104);
    refused.one_error("does not end in .svg");
    assert!(refused.stderr.contains("plot.svg"), "{}", refused.stderr);
    let plot = dir.path("plot.svg");
    ran(&["compare", &output, &output, "--plot", &plot]).expect(0);
    assert!(
        std::fs::read_to_string(&plot)
            .unwrap()
            .trim_end()
            .ends_with("</svg>")
    );
    assert_eq!(dir.names(), ["plot.svg", "r.json"]);
}

#[test]
fn an_unread_standard_error_delays_neither_the_load_nor_the_document() {
    let (mock, dir) = (mock(mock_options()), Dir::new());
    let (target, output) = (target(&mock), dir.path("r.json"));
    let (reader, writer) = std::io::pipe().unwrap();
    // Full before the run begins.
    let flags = rustix::io::ioctl_fionbio(&writer, true);
    flags.unwrap();
    let chunk = [b'x'; 4096];
    while rustix::io::write(&writer, &chunk).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut command = program();
    let mut args = vec![
        "quick-smoke",
        "--vus",
        "2",
        "--duration",
        "3s",
        "--think-time",
        "5ms",
    ];
    args.extend(["--target", &target, "--details", "--output", &output]);
    let child = command.args(args).stderr(OwnedFd::from(writer)).spawn().unwrap();
    drop(command);
    let ended = Live::without_stderr(child).wait().expect(0);
    assert!(ended.stdout.contains("requests"), "{}", ended.stdout);
    let document = json(&output);
    assert!(document["run"]["duration_seconds"].as_f64().unwrap() < 10.0);
    let details = document["details"].as_array().unwrap().len() as u64;
    assert_eq!(document["totals"]["requests"].as_u64().unwrap(), details);
    let rows = document["timeline"].as_array().unwrap();
    assert!(rows.len() >= 3 && rows[..3].iter().all(|row| row["requests"].as_u64().unwrap() > 0));
    drop(reader);
}
