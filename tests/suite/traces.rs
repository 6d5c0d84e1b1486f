//! Loads that arrive when the rows of a trace say.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::MockOptions;
use llmload_uring::units::MINUTE;
use serde_json::Value;

/// Six rows of Mooncake's form in 1.5 s; the first is not at 0, and one is out of order.
const TRACE: &str = r#"{"timestamp": 3000, "input_length": 40, "output_length": 3, "hash_ids": [1]}
{"timestamp": 3100, "input_length": 50, "output_length": 4, "hash_ids": [1]}
{"timestamp": 3100, "input_length": 60, "output_length": 5, "hash_ids": [2]}
{"timestamp": 3900, "input_length": 70, "output_length": 6, "hash_ids": [3]}
{"timestamp": 3400, "input_length": 80, "output_length": 7, "hash_ids": [4]}
{"timestamp": 4500, "input_length": 90, "output_length": 8, "hash_ids": [5]}
"#;

/// The milliseconds after the start at which each row is due.
const DUE: [u64; 6] = [0, 100, 100, 900, 400, 1_500];

struct Replayed {
    document: Value,
    stdout: String,
    stderr: String,
}

impl Replayed {
    fn count(&self, key: &str) -> u64 {
        self.document["totals"][key].as_u64().unwrap()
    }

    /// Returns the number of each request's row, and its due time in milliseconds after the start, in order.
    fn due(&self) -> Vec<(u64, u64)> {
        let details = self.document["details"].as_array().unwrap();
        let start = |detail: &Value| detail["start_ts"].as_f64().unwrap();
        let number = |detail: &Value| {
            detail["request_id"].as_str().unwrap()[1..]
                .parse::<u64>()
                .unwrap()
        };
        let mut due: Vec<(u64, f64)> = details.iter().map(|one| (number(one), start(one))).collect();
        due.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let first = due.first().map_or(0.0, |(_, at)| *at);
        let after = |at: f64| ((at - first) * 1e3).round() as u64;
        due.into_iter().map(|(row, at)| (row, after(at))).collect()
    }

    fn minutes(&self, key: &str) -> Vec<f64> {
        let minutes = self.document["trace"]["minutes"].as_array().unwrap();
        minutes
            .iter()
            .map(|minute| minute[key].as_f64().unwrap())
            .collect()
    }
}

/// Replays a trace to the mock.
fn replay(trace: &str, options: &[&str], mock_options: MockOptions, exit: i32) -> Replayed {
    let mock = mock(mock_options);
    let dir = Dir::new();
    let text = "executor: constant-vus\nduration: 1s\nmodels: [m]\ngraceful_stop: 5s\n\
                requests:\n  - { name: row, stream: true, max_tokens: 4, timeout: 30s }\n";
    let (profile, output) = (dir.write("profile.yaml", text), dir.path("result.json"));
    let dataset = format!("mooncake:{}", dir.write("trace.jsonl", trace));
    let target = format!("http://{}/v1/completions", mock.address);
    let words = [&profile, "--target", &target, "--output", &output, "--details"];
    let words = words.into_iter().chain(["--dataset", &dataset, "--replay"]);
    let ended = Live::spawn(program().args(words).args(options))
        .wait()
        .expect(exit);
    Replayed {
        document: serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap(),
        stdout: ended.stdout,
        stderr: ended.stderr,
    }
}

#[test]
fn each_row_is_sent_when_it_says_on_any_number_of_cores() {
    for cores in ["1", "2"] {
        let run = replay(TRACE, &["--cores", cores], mock_options(), 0);
        assert_eq!((run.count("requests"), run.count("ok")), (6, 6));
        let mut expected: Vec<(u64, u64)> = (0..).zip(DUE).collect();
        expected.sort_by_key(|(row, due)| (*due, *row));
        assert_eq!(run.due(), expected);
        assert_eq!(run.document["trace"]["rows_out_of_order"], 1);
        assert!(
            run.stderr.contains("1 rows of the trace stand below"),
            "{}",
            run.stderr
        );
        assert!(run.stdout.contains("trace      6 rows"), "{}", run.stdout);
    }
}

#[test]
fn the_server_gets_each_row_once_in_the_order_of_the_trace() {
    let dir = Dir::new();
    let dataset = format!("mooncake:{}", dir.write("trace.jsonl", TRACE));
    let recording = mock(MockOptions {
        record: 100,
        ..mock_options()
    });
    let target = format!("http://{}/v1/completions", recording.address);
    let words = ["smoke", "--target", &target, "--dataset", &dataset, "--replay"];
    Live::spawn(
        program()
            .args(words)
            .args(["--no-validate", "--time-scale", "0.5", "--cores", "2"]),
    )
    .wait()
    .expect(0);
    let length = |got: &Got| got.json()["prompt"].as_array().unwrap().len();
    let mut lengths: Vec<usize> = received(recording.address).iter().map(length).collect();
    // Two rows have the same timestamp.
    lengths[1..3].sort_unstable();
    assert_eq!(lengths, [40, 50, 60, 80, 70, 90]);
}

#[test]
fn a_window_a_scale_and_a_loop_choose_what_is_sent_and_when() {
    let options = [
        "--trace-window",
        "100ms..900ms",
        "--time-scale",
        "0.5",
        "--trace-loop",
        "2",
    ];
    let run = replay(TRACE, &options, mock_options(), 0);
    // The window is 0.8 s of the trace, 0.4 s of the run; a round is as many rows as the dataset has.
    let expected = [(1, 0), (2, 0), (4, 150), (7, 400), (8, 400), (10, 550)];
    assert_eq!(run.due(), expected);
    assert_eq!(run.document["trace"]["rows_in_window"], 3);
    assert_eq!(run.minutes("arrivals"), [6.0]);
    assert_eq!(run.minutes("sent"), [6.0]);
    assert_eq!(run.minutes("asked_per_second"), [7.5]);
    assert_eq!(run.minutes("trace_per_second"), [3.75]);
}

#[test]
fn shards_send_each_row_once_and_their_paces_add_up() {
    let mut rows = Vec::new();
    for shard in ["1/2", "2/2"] {
        let run = replay(TRACE, &["--shard", shard], mock_options(), 0);
        let due = run.due().len() as f64;
        assert_eq!(run.minutes("arrivals"), [due]);
        rows.extend(run.due().into_iter().map(|(row, _)| row));
    }
    rows.sort_unstable();
    assert_eq!(rows, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn rows_that_no_user_takes_are_dropped_or_wait_and_are_counted_in_their_minute() {
    let slow = MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    };
    let options = ["--max-in-flight", "1", "--graceful-stop", "0s"];
    let run = replay(TRACE, &options, slow, 115);
    assert_eq!((run.count("requests"), run.count("dropped_iterations")), (1, 5));
    assert_eq!(run.minutes("dropped"), [5.0]);
    assert!(
        run.stdout.contains("furthest behind from 0s on"),
        "{}",
        run.stdout
    );
    let options = ["--max-in-flight", "1", "--when-full", "queue"];
    let run = replay(TRACE, &options, mock_options(), 0);
    assert_eq!((run.count("requests"), run.count("dropped_iterations")), (6, 0));
}

#[test]
fn a_duration_ends_a_trace_before_its_rows_do() {
    let run = replay(TRACE, &["--duration", "500ms"], mock_options(), 0);
    let rows: Vec<u64> = run.due().into_iter().map(|(row, _)| row).collect();
    assert_eq!(rows, [0, 1, 2, 4]);
    let endless = ["--trace-loop", "true", "--duration", "2s", "--time-scale", "0.1"];
    let run = replay(TRACE, &endless, mock_options(), 0);
    // A round lasts 1.5 s and a mean gap of 0.3 s of the trace, so 0.18 s: 11 rounds, and three rows of another.
    assert_eq!(run.count("requests"), 66 + 3);
}

/// A session whose second and third rows follow after a delay, and a row that is on its own.
const SESSION: &str = r#"{"session_id": "s", "timestamp": 0, "input_length": 40, "output_length": 3}
{"session_id": "s", "delay": 300, "input_length": 50, "output_length": 3}
{"timestamp": 400, "input_length": 45, "output_length": 3}
{"session_id": "s", "delay": 900, "input_length": 60, "output_length": 3}
"#;

#[test]
fn rows_of_a_session_follow_the_answer_before_them_after_their_delay() {
    for (scale, delays) in [("1", [300, 900]), ("0.1", [30, 90])] {
        let options = ["--delay-scale", scale, "--cores", "2"];
        let run = replay(SESSION, &options, mock_options(), 0);
        let mut due = run.due();
        due.sort_unstable();
        let rows: Vec<u64> = due.iter().map(|(row, _)| *row).collect();
        assert_eq!(rows, [0, 1, 2, 3]);
        let at: Vec<u64> = due.iter().map(|(_, at)| *at).collect();
        assert_eq!(at[2], 400);
        // The answers take time as well.
        assert!(at[1] >= delays[0], "{at:?}");
        assert!(at[3] >= at[1] + delays[1], "{at:?}");
        assert_eq!(run.minutes("arrivals"), [4.0]);
        assert_eq!(run.minutes("sent"), [4.0]);
    }
}

#[test]
fn what_cannot_be_replayed_is_refused_before_anything_is_sent() {
    let dir = Dir::new();
    let trace = dir.write("trace.jsonl", TRACE);
    let dataset = format!("mooncake:{trace}");
    let orphan =
        "{\"timestamp\": 0, \"text_input\": \"a\"}\n{\"session_id\": \"s\", \"text_input\": \"b\"}\n";
    let orphan = format!("mooncake:{}", dir.write("orphan.jsonl", orphan));
    let delta = "{\"session_id\": \"s\", \"timestamp\": 0, \"text_input\": \"a\"}\n\
                 {\"session_id\": \"s\", \"delay\": 5, \"text_input\": \"b\"}\n";
    let delta = format!("mooncake:{}", dir.write("delta.jsonl", delta));
    let untimed = format!("custom:{}", dir.write("custom.jsonl", "{\"prompt\": \"Hi\"}\n"));
    for (words, part) in [
        (
            &["smoke", "--replay"][..],
            "--replay: no dataset says when requests arrive",
        ),
        (
            &["smoke", "--replay", "--dataset", &untimed],
            "have no timestamps",
        ),
        (
            &["smoke", "--replay", "--dataset", &orphan],
            "row 2 of 2 of the dataset has no timestamp",
        ),
        (
            &["smoke", "--replay", "--dataset", &delta],
            "row 2 of 2 of the dataset has only what is new in its session",
        ),
        (
            &["smoke", "--replay", "--dataset", &dataset, "--rate", "5"],
            "--replay: contradicts `--rate`",
        ),
        (
            &["smoke", "--replay", "--dataset", &dataset, "--arrival", "poisson"],
            "--arrival: has no effect",
        ),
        (
            &["smoke", "--replay", "--dataset", &dataset, "--iterations", "5"],
            "--iterations: contradicts a rate",
        ),
        (
            &[
                "smoke",
                "--replay",
                "--dataset",
                &dataset,
                "--trace-window",
                "1h..2h",
            ],
            "--trace-window: no row of the trace is within the window 1h..2h: it ends after 1s500ms",
        ),
        (
            &["smoke", "--replay", "--dataset", &dataset, "--trace-loop", "true"],
            "--trace-loop: a trace that is repeated until the end needs one",
        ),
        (
            &["smoke", "--trace-spread", "3s"],
            "--trace-spread: has no effect",
        ),
    ] {
        let words = [words, &["--target", "http://127.0.0.1:9"]].concat();
        let ended = ran(&words).expect(104);
        assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
    }
}
