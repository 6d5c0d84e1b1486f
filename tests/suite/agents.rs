//! Traces of agents: sessions whose requests wait for one another, with subagents side by side.

use std::collections::BTreeMap;

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::MINUTE;
use rustix::process::Signal;
use serde_json::Value;

/// A session of 9 requests, told from one another by the lengths of their prompts: 2 in a row, a subagent of 2 requests
/// and one of 3 beside each other, and 2 that join them. It took 1.3 s, of which 0.3 s were delays.
const SESSION: &str = r#"{"id":"ID","block_size":16,"hash_id_scope":"local","requests":[
{"t":0.0,"in":40,"out":3,"hash_ids":[1,2,3],"api_time":0.1},
{"t":0.15,"in":50,"out":3,"hash_ids":[1,2,3,4],"api_time":0.15},
{"t":0.4,"type":"subagent","agent_id":"a","duration_ms":500,"requests":[
 {"t":0.4,"in":60,"out":3,"hash_ids":[1,7],"api_time":0.2},{"t":0.7,"in":70,"out":3,"hash_ids":[1,7],"api_time":0.2}]},
{"t":0.4,"type":"subagent","agent_id":"b","duration_ms":600,"requests":[
 {"t":0.4,"in":80,"out":3,"api_time":0.2},{"t":0.6,"in":90,"out":3,"api_time":0.2},{"t":0.8,"in":100,"out":3,"api_time":0.2}]},
{"t":1.05,"in":110,"out":3,"api_time":0.1},
{"t":1.15,"in":120,"out":3,"api_time":0.15}]}"#;

/// What the request with each length of prompt waits for.
const WAITS: [(u64, &[u64]); 9] = [
    (40, &[]),
    (50, &[40]),
    (60, &[50]),
    (70, &[60]),
    (80, &[50]),
    (90, &[80]),
    (100, &[90]),
    (110, &[70, 100]),
    (120, &[110]),
];

fn sessions(count: usize) -> String {
    let one = |i: usize| SESSION.replace('\n', "").replace("ID", &format!("s{i}")) + "\n";
    (0..count).map(one).collect()
}

/// A profile with one kind of request.
const PROFILE: &str = "executor: constant-vus\nvus: 1\nduration: 20s\nmodels: [m]\ngraceful_stop: 5s\n\
                       requests:\n  - { name: agent, stream: true, max_tokens: 4, timeout: 30s }\n";

struct Replayed {
    mock: Mock,
    dir: Dir,
    ended: Ended,
}

impl Replayed {
    fn document(&self) -> Value {
        document(self.dir.path("result.json"))
    }

    /// The lengths of all prompts that the server got, in the order of their arrival.
    fn lengths(&self) -> Vec<u64> {
        received(self.mock.address).iter().map(length).collect()
    }
}

fn length(got: &Got) -> u64 {
    got.json()["prompt"].as_array().unwrap().len() as u64
}

fn start(trace: &str, profile: &str, options: &[&str], mock_options: MockOptions) -> (Live, Mock, Dir) {
    let mock = mock(MockOptions {
        record: 10_000,
        ..mock_options
    });
    let dir = Dir::new();
    let (profile, output) = (dir.write("profile.yaml", profile), dir.path("result.json"));
    let dataset = format!("weka:{}", dir.write("trace.jsonl", trace));
    let target = format!("http://{}/v1/completions", mock.address);
    let words = [&profile, "--target", &target, "--output", &output, "--details"];
    let words = words.into_iter().chain(["--dataset", &dataset]);
    let live = Live::spawn(program().args(words).args(options));
    (live, mock, dir)
}

fn replay(trace: &str, profile: &str, options: &[&str], code: i32) -> Replayed {
    let (live, mock, dir) = start(trace, profile, options, mock_options());
    let ended = live.wait().expect(code);
    Replayed { mock, dir, ended }
}

/// Checks that each request began after all that it waits for had ended, by the details of the document.
fn check_order(document: &Value) {
    let mut sessions: BTreeMap<String, BTreeMap<u64, [f64; 2]>> = BTreeMap::new();
    for detail in document["details"].as_array().unwrap() {
        let begun = detail["start_ts"].as_f64().unwrap();
        let end = detail["end_ts"].as_f64().unwrap();
        let session = detail["session"].as_str().unwrap().to_owned();
        let turn = detail["turn"].as_u64().unwrap();
        let before = sessions.entry(session).or_default().insert(turn, [begun, end]);
        assert_eq!(before, None, "{detail}");
    }
    for (session, turns) in sessions {
        assert_eq!(turns.len(), WAITS.len(), "{session}");
        for (turn, (_, before)) in (1..).zip(WAITS) {
            for length in before {
                let other = WAITS.iter().position(|(own, _)| own == length).unwrap() as u64 + 1;
                // The clocks of the document have a resolution of microseconds.
                assert!(
                    turns[&turn][0] >= turns[&other][1] - 2e-6,
                    "{session}: {turn} before the end of {other}"
                );
            }
        }
    }
}

#[test]
fn each_session_is_replayed_once_and_each_request_waits_for_those_before_it() {
    for options in [
        &["--replay", "--cores", "1"][..],
        &["--replay", "--cores", "2", "--vus", "2"],
        &["--iterations", "4", "--vus", "3", "--cores", "2"],
    ] {
        let ran = replay(
            &sessions(4),
            PROFILE,
            &[options, &["--delay-scale", "0.1"]].concat(),
            0,
        );
        let document = ran.document();
        assert_eq!(document["totals"]["ok"], 36, "{options:?}");
        check_order(&document);
        let mut lengths = ran.lengths();
        lengths.sort_unstable();
        let expected: Vec<u64> = WAITS.iter().flat_map(|(length, _)| [*length; 4]).collect();
        assert_eq!(lengths, expected);
        let details = document["details"].as_array().unwrap().iter();
        let mut asked: Vec<u64> = details
            .map(|detail| detail["asked_prompt_tokens"].as_u64().unwrap())
            .collect();
        asked.sort_unstable();
        assert_eq!(asked, expected);
        let sessions = &document["sessions"];
        assert_eq!(
            (&sessions["started"], &sessions["completed"]),
            (&4.into(), &4.into())
        );
        assert_eq!(
            (&sessions["turns_made"], &sessions["turns_max"]),
            (&36.into(), &9.into())
        );
        let graphs = &sessions["graphs"];
        let mean = |name: &str| graphs[name]["mean"].as_f64().unwrap();
        assert!((mean("recorded") - 1_300.0).abs() < 2.0, "{graphs}");
        // The way through subagent b, without its second and third request's delays, of which there are none.
        assert!(mean("delays") >= 15.0 - 0.1, "{graphs}");
        assert!(ran.ended.stdout.contains("times as long"), "{}", ran.ended.stdout);
    }
}

#[test]
fn the_same_seed_sends_the_same_on_any_number_of_cores_and_shards() {
    let bodies = |runs: &[&[&str]]| -> Vec<String> {
        let mut all = Vec::new();
        for options in runs {
            let ran = replay(
                &sessions(5),
                PROFILE,
                &[&["--replay", "--delay-scale", "0"], *options].concat(),
                0,
            );
            all.extend(received(ran.mock.address).into_iter().map(|got| got.body));
        }
        all.sort_unstable();
        all
    };
    let one = bodies(&[&["--cores", "1"]]);
    assert_eq!(one.len(), 45);
    assert_eq!(one, bodies(&[&["--cores", "2", "--vus", "3"]]));
    assert_eq!(
        one,
        bodies(&[
            &["--shard", "1/2", "--vus", "4"],
            &["--shard", "2/2", "--vus", "4"]
        ])
    );
}

#[test]
fn shards_that_list_their_requests_are_merged_although_subagents_end_in_any_order() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", PROFILE);
    let dataset = format!("weka:{}", dir.write("trace.jsonl", &sessions(5)));
    let target = format!("http://{}/v1/completions", mock.address);
    let files = ["1/2", "2/2"].map(|part| {
        let file = dir.path(&format!("{}.json", &part[..1]));
        let words = [&profile, "--target", &target, "--dataset", &dataset, "--replay"];
        let more = ["--delay-scale", "0", "--vus", "4", "--shard", part];
        ran(&[&words[..], &more, &["--details", "--output", &file]].concat()).expect(0);
        file
    });
    let output = dir.path("merged.json");
    ran(&["merge", &files[0], &files[1], "--output", &output]).expect(0);
    let merged = document(&output);
    assert_eq!(merged["details"].as_array().unwrap().len(), 45);
    assert_eq!(merged["sessions"]["completed"], 5);
}

#[test]
fn equal_ids_are_equal_blocks_within_a_session_and_not_beyond() {
    let ran = replay(
        &sessions(2),
        PROFILE,
        &["--replay", "--vus", "1", "--delay-scale", "0"],
        0,
    );
    let prompts: Vec<Vec<Value>> = received(ran.mock.address)
        .iter()
        .map(|got| got.json()["prompt"].as_array().unwrap().clone())
        .collect();
    let of = |length: usize| -> Vec<&Vec<Value>> {
        prompts.iter().filter(|prompt| prompt.len() == length).collect()
    };
    assert_eq!(of(40)[0][..], of(50)[0][..40]);
    assert_eq!(of(60)[0][..32], of(70)[0][..32]);
    assert_ne!(of(40)[0], of(40)[1]);
}

#[test]
fn subagents_are_in_flight_at_the_same_time() {
    // Two agents from the beginning on, and a server that answers neither.
    let trace = r#"{"id":"x","requests":[
{"t":0,"type":"subagent","agent_id":"a","requests":[{"t":0,"in":40,"out":3,"api_time":1},{"t":1,"in":41,"out":3,"api_time":1}]},
{"t":0,"type":"subagent","agent_id":"b","requests":[{"t":0,"in":50,"out":3,"api_time":1}]},
{"t":2,"in":60,"out":3,"api_time":1}]}"#
        .replace('\n', "");
    let slow = MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    };
    let profile = PROFILE.replace("timeout: 30s", "timeout: 20m");
    let (live, mock, dir) = start(&trace, &profile, &["--replay", "--cores", "1"], slow);
    wait_until("both are there", || mock_requests(mock.address) == 2);
    live.signal(Signal::INT);
    live.signal(Signal::INT);
    let ended = live.wait();
    let document = document(dir.path("result.json"));
    let totals = &document["totals"];
    assert_eq!(
        (&totals["requests"], &totals["interrupted"]),
        (&2.into(), &2.into()),
        "{ended:?}"
    );
    let sessions = &document["sessions"];
    assert_eq!(
        (&sessions["started"], &sessions["incomplete"]),
        (&1.into(), &1.into())
    );
    let mut lengths: Vec<u64> = received(mock.address).iter().map(length).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [40, 50]);
}

/// Replays a session to a server that fails every request, with more keys of the dataset. Returns how many requests it
/// got, and the document.
fn fail(keys: &str) -> (usize, Value) {
    let dir = Dir::new();
    let trace = dir.write("t.jsonl", &sessions(1));
    let dataset = format!("dataset: {{ format: weka, file: {trace:?}, delay_scale: 0{keys} }}\nmodels");
    let profile = dir.write("p.yaml", &PROFILE.replace("models", &dataset));
    let failing = mock(MockOptions {
        record: 100,
        faults: faults(&[(Fault::Status(503), 1)], 1),
        ..mock_options()
    });
    let target = format!("http://{}/v1/completions", failing.address);
    let output = dir.path("r.json");
    let words = [
        "run",
        &profile,
        "--target",
        &target,
        "--replay",
        "--no-validate",
        "--output",
        &output,
    ];
    ran(&words);
    (received(failing.address).len(), document(&output))
}

#[test]
fn a_failed_request_ends_its_session_or_does_not() {
    for (keys, requests) in [("", 1), (", on_failure: end", 1), (", on_failure: continue", 9)] {
        let (got, document) = fail(keys);
        let sessions = &document["sessions"];
        assert_eq!((got, &sessions["failed"]), (requests, &1.into()), "{keys}");
        assert_eq!(sessions["turns_made"], requests, "{keys}");
    }
}

#[test]
fn sessions_begin_at_a_rate_or_one_after_another_until_the_end() {
    let run = replay(
        &sessions(3),
        PROFILE,
        &["--rate", "20", "--duration", "500ms", "--delay-scale", "0"],
        0,
    );
    let document = run.document();
    assert_eq!(document["sessions"]["started"], 10);
    assert!(run.lengths().len() >= 10);
    let looped = replay(
        &sessions(3),
        PROFILE,
        &[
            "--replay",
            "--trace-loop",
            "3",
            "--vus",
            "2",
            "--delay-scale",
            "0",
        ],
        0,
    );
    assert_eq!(looped.document()["sessions"]["completed"], 9);
    assert_eq!(looped.lengths().len(), 81);
}

#[test]
fn what_cannot_be_done_with_agents_is_refused_by_name() {
    let dir = Dir::new();
    let dataset = format!("weka:{}", dir.write("trace.jsonl", &sessions(1)));
    let prompts = format!("custom:{}", dir.write("custom.jsonl", "{\"prompt\": \"Hi\"}\n"));
    for (words, part) in [
        (
            &["--dataset", &dataset, "--replay", "--time-scale", "0.5"][..],
            "a time scale of 0.5 has no effect",
        ),
        (
            &["--dataset", &dataset, "--replay", "--trace-window", "1m.."],
            "the window 1m.. has no effect",
        ),
        (
            &["--dataset", &dataset, "--replay", "--trace-spread", "3s"],
            "the spread within 3s has no effect",
        ),
        (
            &["--dataset", &dataset, "--replay", "--trace-loop", "true"],
            "repeated until the end needs one",
        ),
        (
            &["--dataset", &dataset, "--cancel", "10% after 1s"],
            "session of a trace",
        ),
        (
            &["--dataset", &prompts, "--delay-scale", "0.5"],
            "--delay-scale: has no effect",
        ),
    ] {
        let words = [&["smoke", "--target", "http://127.0.0.1:9"], words].concat();
        let ended = ran(&words).expect(104);
        assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn conversations_of_sglang_are_replayed_once_with_the_answers_of_the_server() {
    let dir = Dir::new();
    let turn =
        |role: &str, text: String| format!(r#"{{"messages":[{{"role":"{role}","content":"{text}"}}]}}"#);
    let one = |i: usize| {
        format!(
            "[{},{}]",
            turn("user", format!("ask {i}")),
            turn("tool", format!("found {i}"))
        )
    };
    let text = format!(
        r#"{{"metadata":{{}},"conversations":[{}]}}"#,
        (0..3).map(one).collect::<Vec<_>>().join(",")
    );
    let dataset = format!("agentic_trace:{}", dir.write("trace.json", &text));
    let mock = recording_mock();
    let (profile, output) = (dir.write("p.yaml", PROFILE), dir.path("r.json"));
    let target = format!("http://{}", mock.address);
    let words = [
        &profile,
        "--target",
        &target,
        "--dataset",
        &dataset,
        "--replay",
        "--output",
        &output,
    ];
    let more = ["--turns", "all", "--vus", "2", "--cores", "2"];
    ran(&[&words[..], &more].concat()).expect(0);
    let all = received(mock.address);
    assert_eq!(all.len(), 6);
    let words = |got: &Got| -> Vec<String> {
        let body = got.json();
        let messages = body["messages"].as_array().unwrap().iter();
        messages
            .map(|one| one["role"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut roles: Vec<Vec<String>> = all.iter().map(words).collect();
    roles.sort();
    assert_eq!(roles[0], ["user"]);
    assert_eq!(roles[5], ["user", "assistant", "tool"]);
    assert_eq!(document(&output)["sessions"]["completed"], 3);
}

#[test]
fn each_request_of_a_session_names_it_in_the_header_that_was_asked_for() {
    let dir = Dir::new();
    let trace = dir.write("t.jsonl", &sessions(3));
    let keys = "delay_scale: 0, affinity_header: x-session";
    let dataset = format!("dataset: {{ format: weka, file: {trace:?}, {keys} }}\nmodels");
    let profile = dir.write("p.yaml", &PROFILE.replace("models", &dataset));
    let mock = recording_mock();
    let target = format!("http://{}/v1/completions", mock.address);
    let output = dir.path("r.json");
    let words = [
        "run",
        &profile,
        "--target",
        &target,
        "--replay",
        "--vus",
        "2",
        "--no-validate",
    ];
    ran(&[&words[..], &["--output", &output, "--details"]].concat()).expect(0);
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for got in received(mock.address) {
        *named
            .entry(got.header("x-session").unwrap().to_owned())
            .or_default() += 1;
    }
    assert_eq!(
        named.values().copied().collect::<Vec<_>>(),
        [WAITS.len(); 3],
        "{named:?}"
    );
    let document = document(&output);
    for detail in document["details"].as_array().unwrap() {
        let session = detail["session"].as_str().unwrap();
        assert!(
            named.keys().any(|name| name.ends_with(&format!("-{session}"))),
            "{detail}"
        );
    }
    let header = &document["config"]["requests"][0]["dataset"]["affinity_header"];
    assert_eq!(header, "x-session", "{}", document["config"]);
}
