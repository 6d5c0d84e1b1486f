//! Conversations of several turns: what the server is told of what it said, how sessions end, and their figures.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::live::*;
use crate::common::talker::{AFFINITY, Manners, Talk, Talker};
use crate::common::*;
use llmload_uring::api::Api;
use rustix::process::Signal;
use serde_json::Value;

/// A document whose only kind is a conversation with these keys; `load` is the shape.
fn document_of(talker: &Talker, load: &str, keys: &str) -> String {
    format!(
        "server: {{ base_url: 'http://{}/v1/chat/completions' }}\n{load}\nmodels: [m]\nprompts: {{ prompt_tokens: 8-12 }}\n\
         seed: 5\nrequests:\n  - name: talk\n    stream: true\n    max_tokens: 20\n    \
         conversation: {{ affinity_header: {AFFINITY}, {keys} }}\n",
        talker.address
    )
}

struct Ran {
    document: Value,
    ended: Ended,
    talks: BTreeMap<String, Talk>,
}

fn run(talker: &Talker, text: &str, more: &[&str], code: i32) -> Ran {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let file = dir.write("doc.yaml", text);
    let mut args = vec![
        "run",
        &file,
        "--output",
        &output,
        "--details",
        "--summary",
        "full",
    ];
    args.extend(more);
    let ended = ran(&args).expect(code);
    assert_eq!(talker.wrong(), [""; 0], "{text}");
    Ran {
        document: document(&output),
        ended,
        talks: talker.talks(),
    }
}

const SIX_SESSIONS: &str = "executor: shared-iterations\nvus: 3\niterations: 6";

/// Returns the roles of the messages of a body.
fn roles(body: &Value) -> Vec<&str> {
    let messages = body["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect()
}

/// Returns what the user said in a body for the last time.
fn last_words(body: &Value) -> String {
    let last = body["messages"].as_array().unwrap().last().unwrap();
    last["content"].as_str().unwrap().to_owned()
}

#[test]
fn each_turn_tells_the_server_what_it_has_said() {
    for stream in [true, false] {
        let talker = Talker::start(Manners::default());
        let text = document_of(&talker, SIX_SESSIONS, "turns: 4, system: 'Be brief.'");
        let text = text.replace("stream: true", &format!("stream: {stream}"));
        let ran = run(&talker, &text, &[], 0);
        assert_eq!(ran.talks.len(), 6, "{:?}", ran.talks.keys());
        for (session, talk) in &ran.talks {
            assert_eq!(talk.bodies.len(), 4, "{session}");
            for (turn, body) in talk.bodies.iter().enumerate() {
                let mut wanted = vec!["system"];
                wanted.extend(["user", "assistant"].repeat(turn));
                wanted.push("user");
                assert_eq!(roles(body), wanted, "{session}");
            }
            let said: BTreeSet<String> = talk.bodies.iter().map(last_words).collect();
            assert_eq!(said.len(), 4, "{session}: a user says something new in each turn");
        }
        let sessions = &ran.document["sessions"];
        assert_eq!(sessions["started"], 6);
        assert_eq!(
            (&sessions["completed"], &sessions["failed"]),
            (&6.into(), &0.into())
        );
        assert_eq!(sessions["turns_made"], 24);
        let turns = sessions["turns"].as_array().unwrap();
        assert_eq!(turns.len(), 4);
        for (turn, row) in (1..).zip(turns) {
            assert_eq!((&row["turn"], &row["ok"]), (&turn.into(), &6.into()));
            assert_eq!(row["ttft"]["count"], if stream { 6 } else { 0 });
        }
        assert!(sessions["histories"]["peak_bytes"].as_u64().unwrap() > 0);
        assert!(ran.ended.stdout.contains("by turn"), "{}", ran.ended.stdout);
    }
}

#[test]
fn the_details_name_session_and_turn() {
    let talker = Talker::start(Manners::default());
    let ran = run(&talker, &document_of(&talker, SIX_SESSIONS, "turns: 3"), &[], 0);
    let details = ran.document["details"].as_array().unwrap();
    assert_eq!(details.len(), 18);
    let mut ends: BTreeMap<&str, Vec<(u64, f64)>> = BTreeMap::new();
    for one in details {
        let (session, turn) = (one["session"].as_str().unwrap(), one["turn"].as_u64().unwrap());
        assert_eq!(one["request_id"], format!("{session}.{turn}"));
        assert!(ran.talks.contains_key(&format!("5-{session}")), "{session}");
        ends.entry(session)
            .or_default()
            .push((turn, one["end_ts"].as_f64().unwrap()));
    }
    assert_eq!(ends.len(), 6);
    for turns in ends.values() {
        assert!(turns.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{turns:?}");
    }
}

/// Returns what the users of each session said, in order.
fn words(talks: &BTreeMap<String, Talk>) -> BTreeMap<String, Vec<String>> {
    let said = |talk: &Talk| talk.bodies.iter().map(last_words).collect();
    talks
        .iter()
        .map(|(session, talk)| (session.clone(), said(talk)))
        .collect()
}

#[test]
fn the_same_seed_says_the_same_on_any_number_of_cores_and_shards() {
    let load = "executor: per-vu-iterations\nvus: 6\niterations: 2";
    let said = |parts: &[&[&str]]| {
        let talker = Talker::start(Manners::default());
        let text = document_of(&talker, load, "turns: 2-5");
        for part in parts {
            run(&talker, &text, part, 0);
        }
        words(&talker.talks())
    };
    let one = said(&[&["--cores", "1"]]);
    assert_eq!(one.len(), 12);
    let lengths: BTreeSet<usize> = one.values().map(Vec::len).collect();
    assert!(
        lengths.len() > 1 && lengths.iter().all(|turns| (2..=5).contains(turns)),
        "{lengths:?}"
    );
    assert_eq!(one, said(&[&["--cores", "2"]]));
    assert_eq!(one, said(&[&["--shard", "1/2"], &["--shard", "2/2"]]));
}

#[test]
fn arrivals_at_a_rate_begin_sessions() {
    let talker = Talker::start(Manners::default());
    let load = "executor: constant-arrival-rate\nrate: 10\nduration: 1s\nmax_vus: 40";
    let ran = run(
        &talker,
        &document_of(&talker, load, "turns: 3, think_time: 20ms"),
        &[],
        0,
    );
    let sessions = &ran.document["sessions"];
    let count = |key: &str| sessions[key].as_u64().unwrap();
    assert_eq!((count("started"), count("failed")), (10, 0));
    assert_eq!(count("completed") + count("incomplete"), 10);
    assert!(count("completed") > 5, "{sessions}");
    // A later turn is due after the answer and the pause, so a session of three turns takes two pauses at least.
    assert!(
        sessions["duration"]["min"].as_f64().unwrap() >= 40.0,
        "{sessions}"
    );
}

#[test]
fn a_delta_tells_nothing_and_a_failed_turn_ends_the_session_or_not() {
    let talker = Talker::start(Manners::default());
    let ran = run(
        &talker,
        &document_of(&talker, SIX_SESSIONS, "turns: 3, history: delta"),
        &[],
        0,
    );
    for talk in ran.talks.values() {
        assert!(talk.bodies.iter().all(|body| roles(body) == ["user"]));
        assert_eq!(talk.bodies.len(), 3);
    }
    assert_eq!(ran.document["sessions"]["histories"]["peak_bytes"], 0);
    // The third turn tells two answers, which makes five messages.
    let refuses = Manners {
        refuses_length: Some(5),
        ..Manners::default()
    };
    let talker = Talker::start(refuses);
    let ran = run(&talker, &document_of(&talker, SIX_SESSIONS, "turns: 5"), &[], 0);
    let sessions = &ran.document["sessions"];
    assert_eq!(
        (&sessions["failed"], &sessions["turns_made"]),
        (&6.into(), &18.into())
    );
    assert_eq!(sessions["turns"][2]["failed"], 6);
    let talker = Talker::start(refuses);
    let ran = run(
        &talker,
        &document_of(&talker, SIX_SESSIONS, "turns: 5, on_failure: continue"),
        &[],
        0,
    );
    let sessions = &ran.document["sessions"];
    assert_eq!(
        (&sessions["failed"], &sessions["turns_made"]),
        (&6.into(), &30.into())
    );
    // What was not answered stays out, so that the later turns have five messages as well.
    assert_eq!(sessions["turns"][4]["failed"], 6);
}

#[test]
fn reconnecting_to_a_server_that_hung_up_is_no_part_of_a_turns_times() {
    let talker = Talker::start(Manners {
        hangs_up: true,
        ..Manners::default()
    });
    let ran = run(
        &talker,
        &document_of(&talker, SIX_SESSIONS, "turns: 3, think_time: 50ms"),
        &[],
        0,
    );
    let (totals, metrics) = (&ran.document["totals"], &ran.document["metrics"]);
    assert_eq!(
        (&totals["ok"], &totals["connections_opened"]),
        (&18.into(), &18.into())
    );
    assert_eq!(metrics["connect"]["count"], 18);
    // Every turn but the first of each user finds its connection closed.
    assert_eq!(totals["stale_reconnects"], 15);
    let details = ran.document["details"].as_array().unwrap();
    let later = details.iter().filter(|one| one["turn"].as_u64() > Some(1));
    assert_eq!(later.count(), 12);
}

#[test]
fn a_signal_keeps_the_turns_that_were_made() {
    let talker = Talker::start(Manners::default());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let load = "executor: constant-vus\nvus: 3\nduration: 10m";
    let file = dir.write(
        "doc.yaml",
        &document_of(&talker, load, "turns: 50, think_time: 20ms"),
    );
    let live = Live::start(&["run", &file, "--output", &output, "--details"]);
    wait_until("some turns were made", || {
        talker.talks().values().any(|talk| talk.bodies.len() > 5)
    });
    live.signal(Signal::INT);
    live.wait().expect(105);
    let document = document(&output);
    let sessions = &document["sessions"];
    assert_eq!(
        (&sessions["started"], &sessions["incomplete"]),
        (&3.into(), &3.into())
    );
    let rows = sessions["turns"].as_array().unwrap();
    let turns: u64 = rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum();
    assert_eq!(turns, document["totals"]["requests"].as_u64().unwrap());
    assert_eq!(turns, sessions["turns_made"].as_u64().unwrap());
    assert_eq!(turns, document["details"].as_array().unwrap().len() as u64);
}

#[test]
fn shards_add_up_to_the_whole() {
    let talker = Talker::start(Manners::default());
    let dir = Dir::new();
    let load = "executor: per-vu-iterations\nvus: 4\niterations: 3";
    let file = dir.write("doc.yaml", &document_of(&talker, load, "turns: 4"));
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("{}.json", shard.replace('/', "-")));
        ran(&["run", &file, "--shard", shard, "--output", &output]).expect(0);
        output
    });
    let whole = dir.path("whole.json");
    ran(&["merge", &parts[0], &parts[1], "--output", &whole]).expect(0);
    let [first, second, whole] = [document(&parts[0]), document(&parts[1]), document(&whole)];
    let sum = |pick: &dyn Fn(&Value) -> u64| pick(&first) + pick(&second);
    for key in ["started", "completed", "turns_made"] {
        let of = |d: &Value| d["sessions"][key].as_u64().unwrap();
        assert_eq!(of(&whole), sum(&of), "{key}");
    }
    for turn in 0..4 {
        let of = |d: &Value| d["sessions"]["turns"][turn]["ttft"]["count"].as_u64().unwrap();
        assert_eq!((of(&whole), sum(&of)), (12, 12), "{turn}");
    }
    assert!(whole["summary"].as_str().unwrap().contains("sessions"));
}

#[test]
fn an_option_makes_conversations_of_a_profile_and_a_check_shows_them() {
    let ended = ran(&["config", "check", "smoke", "--turns", "3-8"]).expect(0);
    let said = &ended.stdout;
    assert!(
        said.contains("3 to 8 turns, each with what was said before"),
        "{said}"
    );
    assert!(said.contains("memory    histories of "), "{said}");
    assert!(said.contains("turns: 3-8"), "{said}");
    // What is printed is a document that reads back as the same.
    let dir = Dir::new();
    let again = ran(&["config", "check", &dir.write("again.yaml", said)]).expect(0);
    let keys = |text: &str| text.split_once("---").map(|(_, keys)| keys.to_owned());
    assert_eq!(keys(&again.stdout), keys(said));
    ran(&["config", "check", "smoke", "--turns", "0"]).expect(104);
}

#[test]
fn histories_that_do_not_fit_are_refused_before_anything_is_sent() {
    let talker = Talker::start(Manners::default());
    let dir = Dir::new();
    let load = "executor: constant-vus\nvus: 5000\nduration: 1s";
    let text = document_of(&talker, load, "turns: 1000").replace("max_tokens: 20", "max_tokens: 1000000");
    let file = dir.write("doc.yaml", &text);
    let ended = ran(&["run", &file]).expect(111);
    assert!(
        ended
            .stderr
            .contains("doc.yaml:9: memory: 5000 sessions at a time"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("hint: use fewer users (--vus"),
        "{}",
        ended.stderr
    );
    assert!(talker.talks().is_empty());
}

#[test]
fn answers_are_carried_on_whole_in_every_api_that_has_some() {
    for api in Api::ALL.into_iter().filter(|api| api.row().streams()) {
        let row = api.row();
        for (stream, end) in [(true, row.end_of_streams()), (false, row.end)] {
            let mock = mock(mock_options());
            let prefix = row.prefixes.first().copied().unwrap_or_default();
            let within = row.within.map_or(String::new(), |within| format!("{within}m"));
            let url = format!("http://{}{within}{prefix}{end}", mock.address);
            let dir = Dir::new();
            let file = dir.write(
                "doc.yaml",
                &format!(
                    "server: {{ base_url: '{url}', api: {} }}\nexecutor: per-vu-iterations\nvus: 2\niterations: 8\n\
                     models: [m]\nrequests:\n  - {{ name: a, stream: {stream}, max_tokens: 9, prompts: [p], \
                     conversation: {{ turns: 4 }} }}\n",
                    row.name
                ),
            );
            ran(&["run", &file]).expect(0);
            let stats = get_json(mock.address, "/mock/stats");
            // Sixteen sessions, whose turns repeat none, one, two and three answers.
            let repeated = [&stats["answers_repeated"], &stats["answers_repeated_wrong"]];
            assert_eq!(repeated, [96, 0], "{} stream {stream}", row.name);
        }
    }
}

#[test]
fn the_mock_hears_its_own_answers_again_over_every_load() {
    let text = |at: std::net::SocketAddr, load: &str| {
        format!(
            "server: {{ base_url: 'http://{at}/v1/chat/completions' }}\n{load}\nmodels: [m]\n\
             requests:\n  - {{ name: a, weight: 3, stream: true, max_tokens: 9, prompts: [p], conversation: {{ turns: 4 }} }}\n  \
             - {{ name: b, stream: false, max_tokens: 9, prompts: [q], conversation: {{ turns: 3 }} }}\n  \
             - {{ name: c, stream: true, max_tokens: 9, prompts: [r] }}\n"
        )
    };
    for load in [
        "executor: shared-iterations\nvus: 5\niterations: 60",
        "executor: per-vu-iterations\nvus: 5\niterations: 12",
        "executor: constant-arrival-rate\nrate: 200\nduration: 400ms\nmax_vus: 200",
    ] {
        let mock = mock(mock_options());
        let dir = Dir::new();
        let output = dir.path("result.json");
        let file = dir.write("doc.yaml", &text(mock.address, load));
        ran(&["run", &file, "--output", &output, "--details"]).expect(0);
        let (stats, document) = (get_json(mock.address, "/mock/stats"), document(&output));
        assert_eq!(stats["answers_repeated_wrong"], 0, "{load}");
        // The n-th turn repeats n - 1 answers, and single requests none.
        let details = document["details"].as_array().unwrap();
        let turns = details.iter().filter_map(|one| one["turn"].as_u64());
        let repeated: u64 = turns.map(|turn| turn - 1).sum();
        assert!(repeated > 50, "{load}: {repeated}");
        assert_eq!(stats["answers_repeated"], repeated, "{load}");
        assert!(
            details
                .iter()
                .any(|one| one["endpoint"] == "c" && one["session"].is_null())
        );
    }
}
