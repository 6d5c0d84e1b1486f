//! Clocks that are set, slewed or stand still. Debug builds do that to their own clocks when they are asked to.

use super::*;

/// Streams of 100 ms, for two seconds.
const CLOCK_LOAD: &str = "executor: constant-vus\nvus: 3\nduration: 2s\ngraceful_stop: 1s\nmodels: [m]\nprompts: [Hi]\n\
                          validate: false\nrequests:\n  - { name: r, stream: true, max_tokens: 10, timeout: 20s }\n";

/// Runs the load while this happens to the clocks; gives how it ended and its document.
#[track_caller]
fn run_with(clock: &str, more: &[&str]) -> (Ended, Value) {
    let mut options = mock_options();
    options.gap = 10 * llmload_uring::units::MILLISECOND;
    let mock = mock(options);
    let dir = Dir::new();
    let (profile, output) = (dir.write("p.yaml", CLOCK_LOAD), dir.path("result.json"));
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let mut command = program();
    command.env("LLMLOAD_TEST_CLOCK", clock);
    command.args([
        &profile,
        "--target",
        &target,
        "--cores",
        "1",
        "--summary",
        "full",
        "--output",
        &output,
    ]);
    let ended = Live::spawn(command.args(more)).wait();
    let document = document(&output);
    assert_true(clock, &document, &ended);
    (ended, document)
}

/// Whatever the wall clock shows: nothing takes longer than the run, nothing ends before it began, and no second of the
/// run is missing or there twice.
#[track_caller]
fn assert_true(clock: &str, document: &Value, ended: &Ended) {
    let figure = |at: &str| {
        document
            .pointer(at)
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{at}"))
    };
    let lasted = figure("/run/duration_seconds");
    assert!((2.0..5.0).contains(&lasted), "{clock}: {lasted} s");
    for metric in ["latency", "ttft", "tbt"] {
        let [min, p50, max] = ["min", "p50", "max"].map(|of| figure(&format!("/metrics/{metric}/{of}")));
        assert!(
            min >= 0.0 && max <= lasted * 1e3,
            "{clock}: {metric} {min} to {max}: {}",
            ended.stdout
        );
        // The mock needs 2 ms to the first token, 10 ms for each further one. One read in a thousand may be off.
        let truth = match metric {
            "latency" => 85.0..300.0,
            "ttft" => 1.9..100.0,
            _ => 5.0..60.0,
        };
        assert!(
            truth.contains(&p50),
            "{clock}: {metric} p50 {p50}: {}",
            ended.stdout
        );
    }
    assert_eq!(outcomes(document).len(), 1, "{clock}: {}", ended.stdout);
    let rows = document["timeline"].as_array().unwrap();
    let requests: u64 = rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum();
    assert_eq!(
        requests,
        document["totals"]["requests"].as_u64().unwrap(),
        "{clock}"
    );
    assert!((2..=5).contains(&rows.len()), "{clock}: {} rows", rows.len());
}

fn rules(document: &Value) -> Vec<&str> {
    let reasons = document["client"]["limit_reasons"].as_array().unwrap();
    reasons
        .iter()
        .map(|reason| reason["rule"].as_str().unwrap())
        .collect()
}

#[test]
fn a_wall_clock_that_is_set_moves_no_figure_and_the_run_says_so() {
    for clock in [
        "step=3600000@1000",
        "step=-3600000@1000",
        "step=-20@1000",
        "step=5000@0",
    ] {
        let (ended, document) = run_with(clock, &["--require-fit"]);
        let steps = document["client"]["clock_steps"].as_u64().unwrap();
        match clock.ends_with("@0") {
            // Before the load nobody measures.
            true => assert_eq!(steps, 0, "{clock}"),
            false => {
                assert_eq!(steps, 1, "{clock}");
                assert_eq!(ended.code, Some(113), "{clock}: {ended:?}");
                assert!(
                    rules(&document).contains(&"clock_stepped"),
                    "{clock}: {:?}",
                    rules(&document)
                );
            }
        }
    }
}

#[test]
fn a_slewed_wall_clock_is_no_step_and_moves_no_figure() {
    // The kernel slews by at most 500 ppm, which is 5 us between two looks at the clocks.
    for clock in ["slew=500@0", "slew=-500@0"] {
        let (_, document) = run_with(clock, &[]);
        assert_eq!(document["client"]["clock_steps"], 0, "{clock}");
        assert!(!rules(&document).contains(&"clock_stepped"), "{clock}");
    }
}

#[test]
fn a_machine_that_slept_is_said_and_its_sleep_is_in_no_figure() {
    let (ended, document) = run_with("sleep=5000@1000", &["--require-fit"]);
    let slept = document["client"]["suspended_seconds"].as_f64().unwrap();
    assert!((4.9..5.1).contains(&slept), "{slept}");
    assert_eq!(ended.code, Some(113), "{ended:?}");
    assert!(rules(&document).contains(&"suspended"), "{:?}", rules(&document));
}
