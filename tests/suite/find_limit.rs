//! `find-limit` as a program, against a mock of known capacity. The search itself is tested in simulated time
//! (`src/limit/search_tests.rs`).

use crate::common::live::{Dir, mock_requests};
use crate::common::*;
use llmload_uring::mock::capacity::{Capacity, CapacityOptions};
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::MILLISECOND;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Output};
use std::sync::Arc;

/// A server that takes ten times as long for the first token when more than `at` requests are there.
pub(crate) fn cliff(at: u32) -> MockOptions {
    let options = CapacityOptions {
        cliff: Some(at),
        ..CapacityOptions::default()
    };
    MockOptions {
        ttft: 10 * MILLISECOND,
        gap: MILLISECOND,
        capacity: Arc::new(Capacity::new(options)),
        ..mock_options()
    }
}

fn document(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("llmload-limit-{name}-{}.json", std::process::id()))
}

fn find_limit(target: &str, more: &[&str]) -> Output {
    let args = [
        "find-limit",
        "smoke",
        "--target",
        target,
        "--think-time",
        "0",
        "--no-validate",
    ];
    run_program(&[&args, more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(path: &PathBuf) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_limit_of_a_cliff_is_in_the_document_with_its_interval_and_what_broke() {
    let mock = mock(cliff(5));
    let (path, picture) = (document("cliff"), document("cliff").with_extension("svg"));
    let output = find_limit(
        &format!("http://{}", mock.address),
        &[
            "--slo",
            "ttft: p(90)<60",
            "--from",
            "4",
            "--to",
            "8",
            "--settle",
            "1s",
            "--probe-time",
            "8s-10s",
            "--output",
            path.to_str().unwrap(),
            "--svg",
            picture.to_str().unwrap(),
            "--expect",
            ">=5",
        ],
    );
    let (said, warned) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}\n{warned}");
    assert!(said.starts_with("LIMIT  5 users hold ("), "{said}");
    let result = read(&path);
    let answer = &result["answer"];
    assert_eq!(
        (&result["schema"], &answer["limit"]),
        (&"llmload-uring/limit/1".into(), &5.0.into())
    );
    assert_eq!(
        (&answer["low"], &answer["high"]),
        (&5.0.into(), &6.0.into()),
        "{said}"
    );
    assert_eq!(answer["ended_by"], "found");
    assert_eq!(answer["broke_first"]["slos"][0]["slo"], "ttft: p(90)<60");
    assert_eq!(answer["expected"]["ok"], true);
    assert_eq!(result["summary"], said.split("\nSaved to").next().unwrap());
    let picture_text = std::fs::read_to_string(&picture).unwrap();
    std::fs::remove_file(picture).unwrap();
    assert!(picture_text.starts_with("<svg") && picture_text.contains("TTFT, ms"));
}

#[test]
fn not_even_one_user_holding_has_an_exit_code_of_its_own() {
    let mock = mock(cliff(5));
    let target = format!("http://{}", mock.address);
    let output = find_limit(
        &target,
        &["--slo", "ttft: p(90)<1", "--settle", "0", "--probe-time", "5s-5s"],
    );
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(116),
        "{said}\n{}",
        text(&output.stderr)
    );
    assert!(said.starts_with("LIMIT  not even one user holds"), "{said}");
    assert!(said.contains("broke first ttft: p(90)<1 at 1 user: "), "{said}");
}

/// Starts a search with probes of 5 s, and returns once the second counts requests; with it, the rest of what it says.
fn within_second_probe(mock: &Mock, output: &PathBuf) -> (Child, Lines<BufReader<ChildStderr>>) {
    let target = format!("http://{}", mock.address);
    let mut child = program()
        .args(["find-limit", "smoke", "--no-validate", "--think-time", "0"])
        .args(["--target", &target, "--slo", "ttft: p(90)<60"])
        .args(["--settle", "0", "--probe-time", "5s-5s", "-o"])
        .arg(output)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("probe 1: 1 user ")));
    let before = mock_requests(mock.address);
    wait_until("the next probe counts requests", || {
        mock_requests(mock.address) > before + 20
    });
    (child, lines)
}

#[test]
fn ctrl_c_reports_the_probes_so_far() {
    let mock = mock(cliff(5));
    let path = document("signal");
    let (mut child, lines) = within_second_probe(&mock, &path);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    lines.for_each(drop);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(105), "{said}");
    assert!(said.contains("ended       by a signal"), "{said}");
    let result = read(&path);
    assert_eq!(result["answer"]["ended_by"], "interrupted");
    let probes = result["probes"].as_array().unwrap();
    let ended_early: Vec<&Value> = probes.iter().map(|probe| &probe["ended_early"]).collect();
    assert_eq!(ended_early, [false, true]);
    assert!(probes[1]["requests"].as_u64() > Some(0), "{said}");
    // The first user held, whatever came of the rest.
    assert!(result["answer"]["limit"].as_f64() >= Some(1.0), "{said}");
}

#[test]
fn a_server_that_ends_within_a_probe_ends_the_search_and_its_probe_decides_nothing() {
    let mock = mock(cliff(50));
    let path = document("dies");
    let (mut child, lines) = within_second_probe(&mock, &path);
    mock.stop();
    let warned: Vec<String> = lines.map(|line| line.unwrap()).collect();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(114), "{said}\n{warned:?}");
    let result = read(&path);
    let answer = &result["answer"];
    assert_eq!(
        (&answer["ended_by"], &answer["limit"]),
        (&"server".into(), &1.0.into())
    );
    assert_eq!(answer["high"], Value::Null, "{said}");
    assert_eq!(result["probes"].as_array().unwrap().len(), 2);
    assert!(
        said.contains("since 2 users; whether that load was the reason"),
        "{said}"
    );
}

#[test]
fn dropped_arrivals_that_break_an_slo_are_told_with_its_figure() {
    let mock = mock(cliff(50));
    let path = document("dropped");
    let load = [
        "--over",
        "rate",
        "--from",
        "400/s",
        "--to",
        "400/s",
        "--max-in-flight",
        "1",
    ];
    let slo = ["--slo", "ttft: p(90)<5s", "-o", path.to_str().unwrap()];
    let output = find_limit(
        &format!("http://{}", mock.address),
        &[&load[..], &SHORT, &slo].concat(),
    );
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(116),
        "{said}\n{}",
        text(&output.stderr)
    );
    let line = said.lines().find(|line| line.starts_with("broke first")).unwrap();
    assert!(
        line.contains("ttft: p(90)<5s at 400/s: ") && line.contains(" ms") && line.contains("; with "),
        "{said}"
    );
    assert!(
        line.contains(" arrivals that no user could take, ") && line.ends_with(" % violate it"),
        "{said}"
    );
    let result = read(&path);
    let slo = &result["answer"]["broke_first"]["slos"][0];
    assert!(slo["dropped"].as_u64() > Some(100), "{slo}");
    assert!(slo["violated_percent"].as_f64() > Some(10.0), "{slo}");
}

#[test]
fn a_server_that_is_gone_ends_the_search() {
    let mock = mock(cliff(5));
    let target = format!("http://{}", mock.address);
    mock.stop();
    let output = find_limit(&target, &["--slo", "ttft: p(90)<60"]);
    assert_eq!(output.status.code(), Some(114), "{}", text(&output.stderr));
}

/// Finds a level again that holds or does not for sure, in as few seconds as a search takes.
const SHORT: [&str; 6] = ["--settle", "0", "--probe-time", "5s-5s", "--max-time", "10s"];

/// Two kinds at 5 and 15 requests a second, of which the second begins late.
const KINDS: &str = "\
duration: 1m
models: [m]
prompts: { prompt_tokens: 10 }
requests:
  - { name: interactive, rate: 5, stream: true, max_tokens: 5 }
  - { name: batch, rate: 15, start_time: 30s, duration: 30s, stream: true, max_tokens: 5 }
thresholds: { 'ttft{request:batch}': 'p(90)<5000', 'failed': 'rate<0.01' }
";

const RAMP: &str = "\
executor: ramping-vus
start_vus: 1
stages: [{ duration: 10s, target: 20 }]
models: [m]
prompts: { prompt_tokens: 10 }
requests: [{ name: chat, stream: true, max_tokens: 5 }]
thresholds: { 'ttft{steady:true}': 'p(90)<5000' }
";

#[test]
fn goodput_is_an_slo_and_a_limit_below_the_expected_one_fails() {
    let mock = mock(cliff(5));
    let path = document("goodput");
    let output = find_limit(
        &format!("http://{}", mock.address),
        &[
            "--goodput",
            "ttft:60 latency:5000",
            "--slo",
            "goodput: rate>0.9",
            "--from",
            "4",
            "--to",
            "8",
            "--settle",
            "1s",
            "--probe-time",
            "8s-10s",
            "--expect",
            ">=50",
            "--io",
            "epoll",
            "-o",
            path.to_str().unwrap(),
        ],
    );
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(99), "{said}\n{}", text(&output.stderr));
    let result = read(&path);
    assert_eq!(result["answer"]["limit"], 5.0, "{said}");
    assert_eq!(result["answer"]["expected"]["ok"], false);
    assert_eq!(result["answer"]["expected"]["decided"], true);
    assert_eq!(
        result["answer"]["broke_first"]["slos"][0]["slo"],
        "goodput: rate>0.9"
    );
    // Goodput counts failures, so no SLO about them is added.
    assert_eq!(result["search"]["slos"].as_array().unwrap().len(), 1);
    // What drove the sockets is told, as of a run.
    assert_eq!(
        result["client"]["io"],
        serde_json::json!({ "driver": "epoll", "reason": null })
    );
    assert!(said.contains("; sockets driven by epoll"), "{said}");
}

#[test]
fn kinds_with_rates_of_their_own_are_raised_together_from_the_start() {
    let mock = mock(mock_options());
    let (dir, path) = (Dir::new(), document("kinds"));
    let file = dir.write("kinds.yaml", KINDS);
    let target = format!("http://{}", mock.address);
    let range = ["--from", "40/s", "--to", "40/s", "--expect", ">=40"];
    for over in [&[][..], &["--over", "rate"]] {
        let args = ["find-limit", &file, "--target", &target, "--no-validate", "-o"];
        let args = [&args, &[path.to_str().unwrap()][..], &range, &SHORT, over].concat();
        let output = run_program(&args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let result = read(&path);
        assert_eq!(
            (&result["search"]["over"], &result["answer"]["limit"]),
            (&"rate".into(), &40.0.into())
        );
        // `batch` is asked about, and would not have begun yet in a run.
        assert!(result["probes"][0]["slos"][0]["observed"].is_number(), "{result}");
    }
}

#[test]
fn a_ramp_is_held_at_each_load_so_that_its_steady_part_may_be_asked_of() {
    let mock = mock(mock_options());
    let (dir, path) = (Dir::new(), document("ramp"));
    let file = dir.write("ramp.yaml", RAMP);
    let target = format!("http://{}", mock.address);
    let args = ["find-limit", &file, "--target", &target, "--no-validate", "-o"];
    let range = ["--from", "2", "--to", "2"];
    let output = run_program(&[&args, &[path.to_str().unwrap()][..], &range, &SHORT].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result = read(&path);
    assert_eq!(result["answer"]["limit"], 2.0);
    let said = text(&output.stdout);
    assert!(
        !said.contains("the limit is the server's"),
        "no load failed: {said}"
    );
    assert!(result["probes"][0]["slos"][0]["observed"].is_number(), "{result}");
}

#[test]
fn what_has_no_effect_on_a_search_is_noted() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let text_of = format!("{RAMP}repeat: 3\nsteps: true\n");
    let file = dir.write("notes.yaml", &text_of);
    let target = format!("http://{}", mock.address);
    let args = ["find-limit", &file, "--target", &target, "--no-validate"];
    let output = run_program(&[&args, &["--from", "2", "--to", "2"][..], &SHORT].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for key in ["repeat", "steps"] {
        assert!(
            said.contains(&format!("notes.yaml: `{key}` has no effect in a search: ")),
            "{said}"
        );
    }
}

#[test]
fn documents_that_compare_servers_are_refused() {
    let dir = Dir::new();
    for key in ["paired", "contention"] {
        let text_of = format!(
            "executor: constant-vus\nvus: 2\nduration: 10s\n{key}: true\nmodels: [m]\nservers:\n{}{}\
             prompts: {{ prompt_tokens: 10 }}\nrequests: [{{ name: chat, max_tokens: 5 }}]\n\
             thresholds: {{ ttft: 'p(90)<60' }}\n",
            "  - { name: a, base_url: 'http://127.0.0.1:9/v1/chat/completions' }\n",
            "  - { name: b, base_url: 'http://127.0.0.1:9/v1/chat/completions' }\n",
        );
        let file = dir.write("servers.yaml", &text_of);
        let output = run_program(&["find-limit", &file]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{key}: {said}");
        let what = format!("`{key}` does not go with `find-limit`");
        assert!(
            said.contains(&what) && said.matches("error:").count() == 1,
            "{said}"
        );
    }
}

#[test]
fn a_generator_that_is_the_limit_is_not_fit() {
    let mock = mock(mock_options());
    let load = ["--over", "rate", "--from", "500000/s", "--to", "500000/s"];
    let output = find_limit(
        &format!("http://{}", mock.address),
        &[&load[..], &SHORT, &["--slo", "ttft: p(90)<5000", "--require-fit"]].concat(),
    );
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(113),
        "{said}\n{}",
        text(&output.stderr)
    );
    assert!(
        said.contains("the generator was the limit first, at 500000/s"),
        "{said}"
    );
}

#[test]
fn a_limit_that_no_figure_or_every_figure_meets_is_refused() {
    for (slo, what) in [
        ("ttft: p(95)<-5", "no load can meet it"),
        ("ttft: p(95)<0", "no load can meet it"),
        ("ttft: p(95)>=0", "every load meets it"),
        ("failed: rate<0", "no load can meet it"),
        ("failed: rate<=1", "every load meets it"),
        ("goodput: rate>1", "no load can meet it"),
        ("failed: rate<200%", "every load meets it"),
    ] {
        let goodput = ["--goodput", "ttft:500", "--slo", slo];
        let output = find_limit("http://127.0.0.1:9", &goodput);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{slo}: {said}");
        assert!(said.contains(&format!("--slo: {what}")), "{slo}: {said}");
    }
}

#[test]
fn a_time_that_is_too_short_for_one_probe_is_refused() {
    let slo = ["--slo", "ttft: p(95)<500", "--max-time", "10s"];
    for (more, hint) in [
        (["--settle", "3s"], "or a shorter --settle"),
        (["--warmup", "4s"], "or a shorter --warmup or --settle"),
    ] {
        let output = find_limit("http://127.0.0.1:9", &[&slo[..], &more].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{said}");
        assert!(
            said.contains("--max-time: 10s is too short for one probe: "),
            "{said}"
        );
        assert!(
            said.contains(hint) && said.matches("error:").count() == 1,
            "{said}"
        );
    }
}

#[test]
fn what_a_search_cannot_do_is_refused_before_anything_is_sent() {
    let slo = ["--slo", "ttft: p(95)<500"];
    for (args, code, what) in [
        (
            &["--slo", "ttft"][..],
            104,
            "--slo: `ttft` has no metric and expression",
        ),
        (&["--slo", "tfft: p(95)<5"], 104, "unknown metric `tfft`"),
        (
            &["--slo", "requests: count>100"],
            104,
            "an SLO cannot be about a count",
        ),
        (
            &["--slo", "server_rss_growth: value<5"],
            104,
            "an SLO cannot be about the growth of memory",
        ),
        (
            &["--slo", "ttft{request:x}: p(95)<5"],
            104,
            "no request `x` in the mix",
        ),
        (&["--from", "0"], 104, "--from: `0` is below the minimum of 1"),
        (
            &["--from", "1.5"],
            104,
            "--from: 1.5 is not a whole number of users",
        ),
        (
            &["--from", "20", "--to", "10"],
            104,
            "--from: 20 is more than --to, 10",
        ),
        (&["--to", "x"], 2, "--to"),
        (&["--to", "99999999"], 104, "--to"),
        (&["--resolution", "0"], 104, "--resolution"),
        (&["--resolution", "x"], 2, "--resolution"),
        (
            &["--max-time", "1s"],
            104,
            "--max-time: `1s` is shorter than the minimum of 10s",
        ),
        (&["--probe-time", "1s-5s"], 104, "--probe-time"),
        (&["--expect", "200"], 2, "--expect"),
        (
            &["--expect", ">=2/s"],
            104,
            "--expect: a rate is given, but the search is over users",
        ),
        (&["--from", "300/m"], 104, "--from: a rate is given"),
        (&["--to", "5/s"], 104, "--to: a rate is given"),
        (&["--svg", "x.png"], 104, "--svg: `x.png` does not end in .svg"),
        (&["--vus", "5"], 104, "--vus: contradicts `find-limit`"),
        (&["--rate", "5"], 104, "--rate: contradicts `find-limit`"),
        (&["--duration", "5s"], 104, "--duration: contradicts `find-limit`"),
        (&["--paired"], 104, "--paired: does not go with `find-limit`"),
        (&["--shard", "1/2"], 104, "--shard: does not go with `find-limit`"),
        (&["--over", "cores"], 2, "--over"),
    ] {
        let with_slo = if args.contains(&"--slo") {
            &[][..]
        } else {
            &slo[..]
        };
        let output = find_limit("http://127.0.0.1:9", &[args, with_slo].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(what), "{args:?}: {said}");
    }
}
