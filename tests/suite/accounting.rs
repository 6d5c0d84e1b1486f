//! What becomes of a request that we lose count of: debug builds lose one when they are asked to.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::MockOptions;
use llmload_uring::units::MILLISECOND;
use serde_json::Value;

const BUG: &str = "hint: this is a bug in llmload-uring; please report it, with the command line\n";

fn profile(dir: &Dir) -> String {
    let text = "executor: per-vu-iterations\nvus: 2\niterations: 5\nmax_duration: 60s\nmodels: [m]\nprompts: [Hi]\n\
                requests:\n  - { name: stream, stream: true, max_tokens: 4, timeout: 20s }\n";
    dir.write("profile.yaml", text)
}

/// A document that does not add up, which `document` would not take.
fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_internal(document: &Value) {
    let run = &document["run"];
    assert_eq!(
        (&run["exit_code"], &run["verdict"]),
        (&Value::from(1), &Value::from("internal_error"))
    );
}

#[test]
fn a_request_without_an_outcome_is_a_bug_that_the_run_reports_with_its_figures() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (profile, output) = (profile(&dir), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let words = [&profile, "--target", &target, "--cores", "1", "--output", &output];
    let ended = Live::spawn(program().args(words).env("LLMLOAD_TEST_LOSE", "v1-3"));
    let ended = ended.wait().expect(1);
    ended.one_error("the requests of this run do not add up");
    let figures = "cause: in total: 10 started, 9 ok, 0 failed, 0 interrupted, 0 in flight\n       \
                   kind of request `stream`: 10 started, 9 ok, 0 failed, 0 interrupted\n       \
                   core 0: 10 started, 9 ok, 0 failed, 0 interrupted\n";
    assert!(ended.stderr.contains(figures), "{}", ended.stderr);
    assert!(ended.stderr.contains(BUG), "{}", ended.stderr);
    // Summary and document are written all the same, and say so.
    let stopped = "a worker of the generator failed";
    assert!(ended.stdout.contains(stopped), "{}", ended.stdout);
    let document = read(&output);
    assert_internal(&document);
    assert_eq!(document["run"]["stopped_by"], "failure");
    assert_eq!(
        (&document["totals"]["requests"], &document["totals"]["ok"]),
        (&Value::from(10), &Value::from(9))
    );
}

#[test]
fn rates_cover_the_load_without_its_wind_down() {
    let slow = MockOptions {
        ttft: 700 * MILLISECOND,
        ..mock_options()
    };
    let (mock, dir) = (mock(slow), Dir::new());
    let text = "executor: constant-vus\nvus: 2\nduration: 1s\ngraceful_stop: 50s\nmodels: [m]\nprompts: [Hi]\n\
                requests:\n  - { name: stream, stream: true, max_tokens: 4, timeout: 50s }\n";
    let (profile, output) = (dir.write("profile.yaml", text), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let ended = ran(&[&profile, "--target", &target, "--output", &output]).expect(0);
    let document = document(&output);
    let (totals, rates) = (&document["totals"], &document["rates"]);
    // Each user is in the middle of a request when the second is over.
    assert_eq!(totals["after_load"]["ok"], 2);
    assert_eq!(rates["load_seconds"], 1.0);
    let within = totals["ok"].as_u64().unwrap() - 2;
    assert_eq!(rates["requests_per_second"].as_f64(), Some(within as f64));
    assert_eq!(document["kinds"]["stream"]["rates"], *rates);
    assert!(
        ended.stdout.contains(" tok/s   over 1.0 s of load\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_request_lost_in_the_warm_up_ends_the_run() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (profile, output) = (profile(&dir), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let words = ["--target", &target, "--warmup", "100ms", "--output", &output];
    let ended = Live::spawn(
        program()
            .arg(&profile)
            .args(words)
            .env("LLMLOAD_TEST_LOSE", "v0-0"),
    );
    let ended = ended.wait().expect(1);
    ended.one_error("the requests of this run do not add up");
    let document = document(&output);
    assert_internal(&document);
    assert_eq!(document["totals"]["requests"], 0, "nothing was measured");
}

#[test]
fn a_merge_that_loses_a_request_is_reported_as_a_bug() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let profile = profile(&dir);
    let target = format!("http://{}", mock.address);
    let parts = ["1/2", "2/2"].map(|shard| {
        let part = dir.path(&format!("{}.json", &shard[..1]));
        ran(&[&profile, "--target", &target, "--shard", shard, "--output", &part]).expect(0);
        part
    });
    let output = dir.path("merged.json");
    let words = ["merge", &parts[0], &parts[1], "--output", &output];
    ran(&words).expect(0);
    assert_eq!(document(&output)["run"]["exit_code"], 0);

    let losing = program()
        .args(words)
        .env("LLMLOAD_TEST_MERGE_LOSES_A_REQUEST", "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8(losing.stderr).unwrap();
    assert_eq!(losing.status.code(), Some(1), "{stderr}");
    let figures = "error: the requests of the merged document do not add up\n\
                   cause: in total: 10 started, 9 ok, 0 failed, 0 interrupted, 0 in flight\n       \
                   all kinds of request together: 10 started, 10 ok, 0 failed, 0 interrupted\n       \
                   all outcomes together: 10 started, 10 ok, 0 failed, 0 interrupted\n       \
                   all shards together: 10 started, 10 ok, 0 failed, 0 interrupted\n";
    assert_eq!(stderr, format!("{figures}{BUG}"));
    assert!(!losing.stdout.is_empty(), "the summary is printed all the same");
    assert_internal(&read(&output));
}
