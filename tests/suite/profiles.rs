//! The built-in profiles from outside: each runs, in little time, against the mock; thresholds end and judge runs.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use llmload_uring::plan::{Executor, Stage};
use llmload_uring::profiles;
use llmload_uring::units::SECOND;
use serde_json::Value;

/// Of one user who goes on for as long as `duration`.
fn profile(duration: &str, thresholds: &str) -> String {
    format!(
        "executor: constant-vus\nvus: 2\nduration: {duration}\ngraceful_stop: 5s\nthink_time: 5ms\n\
         models: [m]\nprompts: [Hi]\n\
         requests:\n  - {{ name: stream, weight: 1, stream: true, max_tokens: 10, timeout: 5s }}\n  \
         - {{ name: plain, weight: 1, max_tokens: 10, timeout: 5s }}\nthresholds:\n{thresholds}"
    )
}

fn threshold<'a>(document: &'a Value, metric: &str) -> &'a Value {
    let thresholds = document["thresholds"].as_array().unwrap();
    let found = thresholds.iter().find(|t| t["metric"] == metric);
    found.unwrap_or_else(|| panic!("no threshold on {metric}: {thresholds:#?}"))
}

#[test]
fn every_profile_runs_in_a_hundredth_of_its_time() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    // Those that name their servers have tests of their own.
    let names = profiles::names().filter(|name| !["workload", "mixed_warfare"].contains(name));
    for name in names {
        let output = dir.path(&format!("{name}.json"));
        let mut args = vec![name, "--target", &target, "--output", &output, "--time-scale"];
        // What is a thousandth for soak is two seconds; smoke must be long enough to ask at all.
        args.push(match name {
            "soak" => "0.001",
            "smoke" | "endpoints" => "0.1",
            _ => "0.01",
        });
        if !name.ends_with("smoke") && name != "endpoints" {
            args.extend(["--vus", "16"]);
        }
        args.extend(["--summary", "full"]);
        let ended = ran(&args).expect(0);
        let document = document(&output);
        assert!(
            document["totals"]["ok"].as_u64().unwrap() >= 3,
            "{name}: {document:#}"
        );
        assert_eq!(document["totals"]["failed"], 0, "{name}");
        assert!(
            document["thresholds"]
                .as_array()
                .unwrap()
                .iter()
                .all(|t| t["ok"] == true)
        );
        assert!(ended.stdout.contains(&format!("\n{name}  ")), "{}", ended.stdout);
        if name == "soak" {
            assert_eq!(threshold(&document, "server_rss_growth")["not_applicable"], true);
            assert!(
                ended.stdout.contains("n/a   server_rss_growth < 1,024 KiB/min"),
                "{}",
                ended.stdout
            );
        }
    }
}

#[test]
fn a_short_run_of_endpoints_asks_each_kind_at_least_once() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let args = [
        "endpoints",
        "--iterations",
        "6",
        "--think-time",
        "0",
        "-o",
        &output,
    ];
    ran(&args).expect(0);
    let document = document(&output);
    let kinds = document["kinds"].as_object().unwrap();
    assert_eq!(kinds.len(), 6);
    for (name, kind) in kinds {
        assert_eq!(kind["totals"]["requests"], 1, "{name}");
    }
}

#[test]
fn the_profile_endpoints_asks_each_path_as_often_as_the_simulator_counts() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let args = [
        "endpoints",
        "--vus",
        "2",
        "--iterations",
        "120",
        "--think-time",
        "0",
        "--summary",
        "full",
        "-o",
        &output,
    ];
    let ended = ran(&args).expect(0);
    assert!(
        ended.stdout.contains("by its own count: agrees"),
        "{}",
        ended.stdout
    );
    let document = document(&output);
    for name in ["health", "models", "model", "stats", "stream", "plain"] {
        let totals = &document["kinds"][name]["totals"];
        assert!(totals["ok"].as_u64().unwrap() > 0, "{name}: {totals}");
        assert_eq!(totals["failed"], 0, "{name}: {totals}");
    }
}

#[test]
fn throughput_prints_its_steps_and_the_peak_that_passes() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    // Steps of 3 s with 1 to 4 users; the limits are wide, since a debug build on a busy host is no measurement.
    let path = dir.write(
        "steps.yaml",
        "executor: ramping-vus\nstart_vus: 1\nstages:\n  - { duration: 3s, target: 1 }\n  \
         - { duration: 0s, target: 4 }\n  - { duration: 3s, target: 4 }\nsteps: true\n\
         simulator: { latency: instant, tokens: 16 }\nthink_time: 1ms\nmodels: [gpt-4o]\nprompts: [Hi]\n\
         requests:\n  - { name: stream, stream: true, max_tokens: 16 }\n\
         thresholds:\n  failed: rate<0.5\n  latency: p(50)<2000\n",
    );
    let ended = ran(&[&path, "-o", &output]).expect(0);
    assert!(
        ended.stdout.contains("peak       4 users: every threshold holds"),
        "{}",
        ended.stdout
    );
    let document = document(&output);
    assert_eq!(document["steps"]["peak_vus"], 4);
    let steps = document["steps"]["judged"].as_array().unwrap();
    let vus: Vec<&Value> = steps.iter().map(|step| &step["vus"]).collect();
    assert_eq!(vus, [1, 4]);
    for step in steps {
        assert!(step["output_tokens_per_second"].as_f64() > Some(0.0), "{step}");
        assert!(step["ttft"]["p99"].as_f64() > Some(0.0), "{step}");
        assert!(step["latency"]["p50"].as_f64() > Some(0.0), "{step}");
    }
    let thresholds = document["thresholds"].as_array().unwrap();
    assert!(
        thresholds
            .iter()
            .all(|t| t["ok"] == true && t["breaking_point"].is_null())
    );
    assert_eq!(document["config"]["simulator"]["latency"], "instant");
}

#[test]
fn a_threshold_option_or_variable_can_fail_a_run() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let args = ["quick-smoke", "--think-time", "0", "--target", &target];
    ran(&args).expect(0);
    let mut option = args.to_vec();
    option.extend(["--threshold", "latency: p(95)<1"]);
    let ended = ran(&option).expect(99);
    assert!(
        ended.stdout.contains("FAIL  latency p95 < 1 ms"),
        "{}",
        ended.stdout
    );
    let mut command = program();
    command
        .args(args)
        .env("LLMLOAD_SUMMARY", "full")
        .env("LLMLOAD_THRESHOLD", "checks: rate>0.5; http_req_duration: max<1");
    let ended = Live::spawn(&mut command).wait().expect(99);
    assert!(
        ended.stdout.contains("FAIL  http_req_duration max < 1 ms"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("PASS  checks > 50 %"), "{}", ended.stdout);
    let mut none = args.to_vec();
    none.extend(["--threshold", "tls: max<1000"]);
    let ended = ran(&none).expect(99);
    assert!(ended.stdout.contains("no samples"), "{}", ended.stdout);
}

#[test]
fn a_threshold_that_aborts_ends_a_long_run_early_with_99() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Status(503), 10)], 10);
    let mock = mock(options);
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = profile(
        "10m",
        "  failed:\n    - { threshold: rate<0.5, abortOnFail: true, delayAbortEval: 2s }\n",
    );
    let path = dir.write("abort.yaml", &text);
    let ended = ran(&[&path, "--target", &target, "-o", &output]).expect(99);
    let said = "stopping: threshold `failed < 50 %` does not hold (100 %);";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("FAILED  exit 99: the only threshold failed, ended after "),
        "{}",
        ended.stdout
    );
    let document = document(&output);
    assert_eq!(document["run"]["stopped_by"], "threshold");
    assert_eq!(document["run"]["verdict"], "threshold_failed");
    assert_eq!(document["run"]["exit_code"], 99);
    let duration = document["run"]["duration_seconds"].as_f64().unwrap();
    assert!((2.0..30.0).contains(&duration), "{duration}");
    assert_eq!(threshold(&document, "failed")["ok"], false);
    // It failed from the first window on.
    assert_eq!(
        threshold(&document, "failed")["breaking_point"]["elapsed_seconds"],
        1.0
    );
    assert_eq!(threshold(&document, "failed")["breaking_point"]["vus"], 2);
}

#[test]
fn thresholds_with_tags_are_judged_only_by_their_requests() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    let output = dir.path("result.json");
    // A stream of the mock takes ten events of 1 ms, a whole answer none of that.
    let path = dir.write(
        "tags.yaml",
        &profile(
            "1s",
            "  latency{stream:true}: min>5\n  ttft{request:plain}: max<60000\n  \
             http_req_failed{expected_response:true}: rate==0\n",
        ),
    );
    let ended = ran(&[&path, "--target", &target, "-o", &output]).expect(99);
    let document = document(&output);
    assert_eq!(
        threshold(&document, "latency{stream:true}")["ok"],
        true,
        "{}",
        ended.stdout
    );
    // A whole answer has no first token.
    assert_eq!(
        threshold(&document, "ttft{request:plain}")["observed"],
        Value::Null
    );
    assert_eq!(threshold(&document, "ttft{request:plain}")["ok"], false);
    assert_eq!(
        threshold(&document, "http_req_failed{expected_response:true}")["ok"],
        true
    );
}

#[test]
fn profiles_are_listed_and_shown() {
    let ended = ran(&["profiles"]).expect(0);
    let names: Vec<&str> = ended.stdout.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(names, profiles::names().collect::<Vec<_>>());
    for name in names {
        let shown = ran(&["profiles", "show", name]).expect(0);
        let keys = ["\nthresholds:\n", "\nworkload:\n"];
        assert!(
            keys.iter().any(|key| shown.stdout.contains(key)),
            "{}",
            shown.stdout
        );
    }
    ran(&["profiles", "show", "spiek"])
        .expect(104)
        .one_error("`spiek`: unknown profile");
}

#[test]
fn a_shown_profile_runs_from_a_file_as_the_built_in_one() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    let shown = ran(&["profiles", "show", "quick-smoke"]).expect(0);
    let path = dir.write("mine.yaml", &shown.stdout);
    ran(&[&path, "--target", &target, "--no-validate"]).expect(0);
    assert_eq!(mock_requests(mock.address), 3);
}

#[test]
fn each_row_of_the_timeline_has_the_vus_of_the_schedule_at_its_instant() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    let output = dir.path("result.json");
    ran(&[
        "load",
        "--stages",
        "2s:20,1s:20,2s:0",
        "--think-time",
        "0",
        "--target",
        &target,
        "--output",
        &output,
        "--quiet",
    ])
    .expect(0);
    let result = document(&output);
    let stage = |seconds: u64, target: u32| Stage {
        duration: seconds * SECOND,
        target,
    };
    let executor = Executor::RampingVus {
        start_vus: 1,
        stages: vec![stage(2, 20), stage(1, 20), stage(2, 0)],
        graceful_ramp_down: 30 * SECOND,
    };
    let schedule = executor.schedule_of_all();
    let rows = result["timeline"].as_array().unwrap();
    assert!(rows.len() >= 5, "{rows:?}");
    for row in rows {
        let elapsed = (row["elapsed_seconds"].as_f64().unwrap() * SECOND as f64).round() as u64;
        let planned = u64::from(schedule.planned_at(elapsed));
        assert_eq!(row["vus_planned"].as_u64().unwrap(), planned, "{row}");
        // Those in graceful ramp-down may still run; the mock answers within 12 ms, so few do.
        assert!(row["vus_running"].as_u64().unwrap() <= planned + 10, "{row}");
    }
}
