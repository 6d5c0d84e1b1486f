//! Conversations whose turns are the rows of a dataset: what the server receives, turn by turn.

use std::collections::BTreeMap;

use crate::common::live::*;
use crate::common::*;
use serde_json::{Value, json};

/// The header that names the session in these tests.
const SESSION: &str = "x-session";

const MULTI_TURN: &str = r#"{"session_id":"s1","turns":[{"text":"s1 a","output_length":3},{"text":"s1 b","delay":5},{"text":"s1 c","delay":5,"output_length":4}]}
{"session_id":"s2","turns":["s2 a","s2 b"]}
{"session_id":"s3","turns":["s3 a"]}
"#;

/// Same sessions as rows of Mooncake's form as AIPerf has them, mixed and with times.
const MOONCAKE: &str = r#"{"session_id":"s1","timestamp":0,"text_input":"s1 a","output_length":3}
{"session_id":"s2","timestamp":40,"text_input":"s2 a"}
{"session_id":"s1","delay":400,"text_input":"s1 b"}
{"session_id":"s3","timestamp":80,"text_input":"s3 a"}
{"session_id":"s2","timestamp":90,"text_input":"s2 b"}
{"session_id":"s1","delay":5,"text_input":"s1 c","output_length":4}
"#;

const SHAREGPT: &str = r#"[{"id":"x","conversations":[{"from":"human","value":"q0"},{"from":"gpt","value":"r0"},{"from":"human","value":"q1"},{"from":"gpt","value":"r1"}]},
{"id":"x","conversations":[{"from":"human","value":"p0"},{"from":"gpt","value":"z"},{"from":"human","value":"p1"}]}]"#;

const OPENAI: &str = r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"q0"},{"role":"assistant","content":"r0"},{"role":"user","content":"q1"}],"max_tokens":3,"top_p":0.5}
"#;

struct Ran {
    /// The bodies that the server received, by session, each in the order of their arrival.
    sessions: BTreeMap<String, Vec<Value>>,
    /// The document of the last part.
    document: Value,
    ended: Ended,
    dir: Dir,
}

/// A document of conversations with these keys.
fn document_of(keys: &str) -> String {
    format!(
        "executor: shared-iterations\nvus: 2\niterations: 3\nmodels: [m]\nseed: 5\nrequests:\n  - name: talk\n    stream: true\n    \
         max_tokens: 6\n    conversation: {{ affinity_header: {SESSION}, {keys} }}\n"
    )
}

fn run(text: &str, dataset: (&str, &str), more: &[&[&str]]) -> Ran {
    let (dir, server) = (Dir::new(), recording_mock());
    let file = dir.write("doc.yaml", text);
    let dataset = format!("{}:{}", dataset.0, dir.write("d.jsonl", dataset.1));
    let target = format!("http://{}/v1/chat/completions", server.address);
    let mut last = None;
    for (i, more) in more.iter().enumerate() {
        let output = dir.path(&format!("result-{i}.json"));
        let words = [
            "run",
            &file,
            "--target",
            &target,
            "--dataset",
            &dataset,
            "-o",
            &output,
            "--details",
        ];
        let ended = ran(&[&words[..], more].concat()).expect(0);
        last = Some((ended, document(&output)));
    }
    let mut sessions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for got in received(server.address) {
        // What validates the server belongs to no session.
        if let Some(session) = got.header(SESSION) {
            sessions.entry(session.to_owned()).or_default().push(got.json());
        }
    }
    let (ended, document) = last.unwrap();
    Ran {
        sessions,
        document,
        ended,
        dir,
    }
}

/// Returns the messages of each turn of each session in short, `u:TEXT` or `a` for an answer of the mock.
fn said(ran: &Ran) -> Vec<Vec<String>> {
    let short = |message: &Value| {
        let (role, content) = (
            message["role"].as_str().unwrap(),
            message["content"].as_str().unwrap(),
        );
        match role {
            "assistant" if content.starts_with("tok ") => "a".to_owned(),
            _ => format!("{}:{content}", &role[..1]),
        }
    };
    let turn = |body: &Value| -> String {
        let messages = body["messages"].as_array().unwrap();
        messages.iter().map(short).collect::<Vec<_>>().join(" ")
    };
    let mut all: Vec<Vec<String>> = ran
        .sessions
        .values()
        .map(|bodies| bodies.iter().map(turn).collect())
        .collect();
    all.sort();
    all
}

fn three_sessions() -> Vec<Vec<&'static str>> {
    vec![
        vec!["u:s1 a", "u:s1 a a u:s1 b", "u:s1 a a u:s1 b a u:s1 c"],
        vec!["u:s2 a", "u:s2 a a u:s2 b"],
        vec!["u:s3 a"],
    ]
}

#[test]
fn each_turn_has_the_rows_before_it_and_the_servers_own_answers() {
    for options in [
        &[&["--cores", "1"][..]][..],
        &[&["--cores", "2"]],
        &[&["--shard", "1/2"], &["--shard", "2/2"]],
    ] {
        for dataset in [("multi_turn", MULTI_TURN), ("mooncake", MOONCAKE)] {
            let ran = run(&document_of("turns: all"), dataset, options);
            assert_eq!(said(&ran), three_sessions(), "{options:?} {}", dataset.0);
            let limits = |bodies: &Vec<Value>| bodies.iter().map(|body| body["max_tokens"].clone()).collect();
            let first: Vec<Value> = ran
                .sessions
                .values()
                .map(limits)
                .find(|all: &Vec<_>| all.len() == 3)
                .unwrap();
            assert_eq!(first, [json!(3), json!(6), json!(4)], "the rows' own lengths");
        }
    }
}

#[test]
fn the_result_counts_turns_and_sessions_of_rows_and_merges_them() {
    let whole = run(
        &document_of("turns: all"),
        ("multi_turn", MULTI_TURN),
        &[&["--cores", "2"]],
    );
    let sessions = &whole.document["sessions"];
    assert_eq!(
        (&sessions["started"], &sessions["completed"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(sessions["turns_made"], 6);
    let by_turn: Vec<&Value> = sessions["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["ok"])
        .collect();
    assert_eq!(by_turn, [3, 2, 1]);
    assert!(
        whole
            .ended
            .stderr
            .contains("its rows are the turns of 3 conversations, of up to 3 turns"),
        "{}",
        whole.ended.stderr
    );
    let parts = run(
        &document_of("turns: all"),
        ("multi_turn", MULTI_TURN),
        &[&["--shard", "1/2"], &["--shard", "2/2"]],
    );
    let merged = parts.dir.path("merged.json");
    let [first, second] = ["result-0.json", "result-1.json"].map(|name| parts.dir.path(name));
    ran(&["merge", &first, &second, "-o", &merged]).expect(0);
    let merged = document(&merged);
    let counts = |document: &Value| {
        let sessions = &document["sessions"];
        let by_turn: Vec<Value> = sessions["turns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["ok"].clone())
            .collect();
        (
            sessions["started"].clone(),
            sessions["turns_made"].clone(),
            by_turn,
        )
    };
    assert_eq!(counts(&merged), counts(&whole.document));
    assert_eq!(merged["config"]["requests"][0]["conversation"]["turns"], "all");
}

#[test]
fn all_turns_of_sharegpt_and_of_messages_are_sent_with_the_answers_that_are_asked_for() {
    let two = [&["-i", "2"][..]];
    let ran = run(&document_of("turns: all"), ("sharegpt", SHAREGPT), &two);
    assert_eq!(said(&ran), [["u:p0", "u:p0 a u:p1"], ["u:q0", "u:q0 a u:q1"]]);
    let ran = run(&document_of("history: dataset"), ("sharegpt", SHAREGPT), &two);
    assert_eq!(
        said(&ran),
        [["u:p0", "u:p0 a:z u:p1"], ["u:q0", "u:q0 a:r0 u:q1"]]
    );
    let ran = run(&document_of("history: delta"), ("sharegpt", SHAREGPT), &two);
    assert_eq!(said(&ran), [["u:p0", "u:p1"], ["u:q0", "u:q1"]]);
    let one = [&["-i", "1"][..]];
    let ran = run(
        &document_of("turns: 1-5"),
        ("openai", OPENAI),
        &[&["-i", "1", "--turns", "all"]],
    );
    assert_eq!(said(&ran), [["s:S u:q0", "s:S u:q0 a u:q1"]]);
    let bodies = ran.sessions.values().next().unwrap();
    assert!(
        bodies
            .iter()
            .all(|body| body["top_p"] == 0.5 && body["max_tokens"] == 3)
    );
    let ran = run(&document_of("turns: 1"), ("openai", OPENAI), &one);
    assert_eq!(said(&ran), [["s:S u:q0"]], "turns are the most");
}

#[test]
fn an_option_alone_makes_conversations_of_a_dataset() {
    let (dir, server) = (Dir::new(), recording_mock());
    let target = format!("http://{}", server.address);
    let dataset = format!("multi_turn:{}", dir.write("d.jsonl", MULTI_TURN));
    let words = [
        "load",
        "--target",
        &target,
        "--dataset",
        &dataset,
        "--vus",
        "1",
        "--no-validate",
    ];
    let load = ["--turns", "all", "--iterations", "3", "--delay-scale", "0"];
    ran(&[&words[..], &load].concat()).expect(0);
    let lengths: Vec<usize> = received(server.address)
        .iter()
        .map(|got| got.json()["messages"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1, 3, 5, 1, 3, 1]);
}

#[test]
fn sessions_of_a_trace_begin_at_their_instants_and_go_on_after_their_delays() {
    for cores in [&["--cores", "1"][..], &["--cores", "2"]] {
        let replay = [cores, &["--replay"]].concat();
        let text = document_of("turns: all").replace(
            "executor: shared-iterations\nvus: 2\niterations: 3",
            "executor: constant-vus\nduration: 1s",
        );
        let ran = run(&text, ("mooncake", MOONCAKE), &[&replay]);
        assert_eq!(said(&ran), three_sessions(), "{cores:?}");
        let details = ran.document["details"].as_array().unwrap();
        let mut order: Vec<(f64, String)> = details
            .iter()
            .map(|one| {
                (
                    one["start_ts"].as_f64().unwrap(),
                    one["request_id"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ids: Vec<&str> = order.iter().map(|(_, id)| id.as_str()).collect();
        // The second turn of the first session waits for 400 ms, until all others are over.
        assert_eq!(ids, ["i0.1", "i1.1", "i2.1", "i1.2", "i0.2", "i0.3"], "{cores:?}");
        let rows =
            ["rows", "rows_in_window", "rows_following"].map(|key| ran.document["trace"][key].as_u64());
        assert_eq!(rows, [Some(6), Some(3), Some(3)]);
    }
}

#[test]
fn what_rows_lack_for_conversations_is_refused_by_name() {
    let dir = Dir::new();
    let custom = dir.write("c.jsonl", "{\"prompt\":\"a\"}\n");
    let talks = dir.write("m.jsonl", MULTI_TURN);
    let gpt = dir.write("s.json", SHAREGPT);
    let open = dir.write("o.jsonl", OPENAI);
    let check = |words: &[&str], part: &str| {
        let all = [
            "config",
            "check",
            "load",
            "--target",
            "http://127.0.0.1:9/v1/chat/completions",
        ];
        let ended = ran(&[&all[..], words].concat()).expect(104);
        // A system prompt is the mistake of each of the two kinds.
        let times = if words.contains(&"--system") { 2 } else { 1 };
        assert_eq!(
            ended.stderr.matches(part).count(),
            times,
            "{words:?}: {}",
            ended.stderr
        );
    };
    let (custom, talks) = (format!("custom:{custom}"), format!("multi_turn:{talks}"));
    let (gpt, open) = (format!("sharegpt:{gpt}"), format!("openai:{open}"));
    check(&["--dataset", &custom, "--turns", "all"], "belong to no sessions");
    check(
        &["--turns", "all"],
        "error: --turns: takes the turns of a dataset, and request",
    );
    check(
        &["--dataset", &talks, "--replay"],
        "have no timestamps, so nothing says when its sessions begin",
    );
    check(
        &[
            "--dataset",
            &talks,
            "--turns",
            "all",
            "--replay",
            "--trace-window",
            "1m..",
        ],
        "the window 1m.. has no effect",
    );
    check(&["--dataset", &talks, "--delay-scale", "2"], "has no effect");
    check(
        &["--dataset", &open, "--system", "Be brief."],
        "row 1 of the dataset begins with a message of the system",
    );
    check(
        &["--dataset", &open, "--system", "Be brief.", "--turns", "all"],
        "row 1 of the dataset begins",
    );
    let text = format!(
        "{}    dataset: {{ format: sharegpt, file: '{}', filter: vllm }}\n",
        document_of("turns: all"),
        &gpt[9..]
    );
    let file = dir.write("filter.yaml", &text);
    let ended = ran(&["config", "check", &file]).expect(104);
    assert!(
        ended
            .stderr
            .contains("`filter: vllm` looks at the first turn alone"),
        "{}",
        ended.stderr
    );
}
