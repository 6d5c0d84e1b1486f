//! Turns of conversations and pairs of requests that their users cancel.

use std::collections::{BTreeMap, HashSet};

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::MILLISECOND;
use serde_json::{Value, json};

/// Sessions of which every fourth turn is cut at the third of ten tokens.
fn document_of(load: &str, conversation: &str) -> String {
    format!(
        "{load}seed: 7\nmodels: [m]\nprompts: {{ prompt_tokens: 10 }}\nrequests:\n  \
         - {{ name: talk, stream: true, max_tokens: 10, timeout: 20s, cancel: {{ share: 25%, after_tokens: 3 }}, \
         conversation: {{ {conversation} }} }}\n"
    )
}

const BY_USER: &str = "executor: per-vu-iterations\nvus: 4\niterations: 5\n";
const SHARED: &str = "executor: shared-iterations\nvus: 4\niterations: 20\n";
const AT_A_RATE: &str = "executor: constant-arrival-rate\nrate: 20\nduration: 990ms\nmax_vus: 64\n";

fn slow_mock() -> Mock {
    mock(MockOptions {
        tokens: 10,
        ttft: 2 * MILLISECOND,
        gap: 15 * MILLISECOND,
        record: 10_000,
        ..mock_options()
    })
}

/// The ids of the turns that were cancelled, with their tokens.
fn cancelled(document: &Value) -> Vec<String> {
    let details = document["details"].as_array().unwrap().iter();
    let cut = details.filter(|one| one["error"] == "cancelled");
    let mut ids: Vec<String> = cut
        .map(|one| format!("{} {}", one["request_id"], one["output_tokens"]))
        .collect();
    ids.sort_unstable();
    ids
}

/// The ids of all turns that were made.
fn made(document: &Value) -> HashSet<String> {
    let details = document["details"].as_array().unwrap().iter();
    details.map(|one| one["request_id"].to_string()).collect()
}

/// Compares which turns were cancelled, as far as both runs made them: the end of a load at a rate cuts sessions.
fn assert_same(a: &Value, b: &Value, what: &str) {
    let (of_a, of_b) = (made(a), made(b));
    let both = |ids: Vec<String>| -> Vec<String> {
        let was_made = |id: &&str| of_a.contains(*id) && of_b.contains(*id);
        let kept = ids
            .iter()
            .filter(|one| one.split(' ').next().filter(was_made).is_some());
        kept.cloned().collect()
    };
    assert_eq!(both(cancelled(a)), both(cancelled(b)), "{what}");
}

#[test]
fn the_same_turns_are_cancelled_on_any_number_of_cores_and_shards() {
    let dir = Dir::new();
    let mock = slow_mock();
    let target = format!("http://{}", mock.address);
    for shape in [BY_USER, SHARED, AT_A_RATE] {
        for keys in ["turns: 2-5, on_cancel: continue", "turns: 2-5"] {
            let file = dir.write("c.yaml", &document_of(shape, keys));
            let run = |name: &str, more: &[&str]| {
                let output = dir.path(name);
                let words = [&file, "--target", &target, "--details", "-o", &output];
                ran(&[&words[..], more].concat()).expect(0);
                output
            };
            let whole = document(run("one.json", &["--cores", "1"]));
            let cut = cancelled(&whole);
            assert!(cut.len() >= 5, "{shape}{keys}: {cut:?}");
            assert_eq!(whole["totals"]["cancelled"], cut.len());
            let two = document(run("two.json", &["--cores", "2"]));
            assert_same(&whole, &two, shape);
            // Four cores in two processes.
            let parts = [("1.json", "1/2"), ("2.json", "2/2")]
                .map(|(name, shard)| run(name, &["--shard", shard, "--cores", "2"]));
            let merged = dir.path("merged.json");
            ran(&["merge", &parts[0], &parts[1], "-o", &merged]).expect(0);
            let merged = document(&merged);
            assert_same(&whole, &merged, shape);
            if shape != AT_A_RATE {
                assert_eq!(cancelled(&merged), cut);
                assert_eq!(merged["sessions"]["cancelled"], whole["sessions"]["cancelled"]);
            }
        }
    }
}

#[test]
fn a_user_goes_away_with_the_turn_or_goes_on_after_what_had_arrived() {
    let dir = Dir::new();
    for (keys, goes_on) in [
        ("turns: 4", false),
        ("turns: 4, on_cancel: end", false),
        ("turns: 4, on_cancel: continue", true),
    ] {
        let mock = slow_mock();
        let (file, output) = (
            dir.write("c.yaml", &document_of(SHARED, keys)),
            dir.path("r.json"),
        );
        let target = format!("http://{}", mock.address);
        ran(&[&file, "--target", &target, "-o", &output]).expect(0);
        let found = document(&output);
        let (sessions, cut) = (&found["sessions"], found["totals"]["cancelled"].as_u64().unwrap());
        assert!(cut >= 10, "{found}");
        let by_turn = sessions["turns"].as_array().unwrap().iter();
        let of_turns: u64 = by_turn.filter_map(|row| row["cancelled"].as_u64()).sum();
        assert_eq!(of_turns, cut);
        // What the server was told that it had said.
        let mut partial = 0;
        for got in received(mock.address) {
            for message in got.json()["messages"].as_array().unwrap() {
                if message["role"] == "assistant" {
                    let words = message["content"].as_str().unwrap().split_whitespace().count();
                    assert!(words == 10 || words == 3, "{message}");
                    partial += u64::from(words == 3);
                }
            }
        }
        match goes_on {
            true => {
                assert_eq!(
                    (&sessions["completed"], &sessions["turns_made"]),
                    (&json!(20), &json!(80))
                );
                assert_eq!(cut, 20, "a quarter of 80 turns");
                assert!(partial > 0, "{keys}");
            }
            false => {
                assert_eq!(sessions["cancelled"], cut);
                assert_eq!(sessions["completed"], 20 - cut);
                assert_eq!(partial, 0);
            }
        }
    }
}

#[test]
fn both_requests_of_a_pair_are_cut_at_the_same_point() {
    let dir = Dir::new();
    let (base, other) = (slow_mock(), slow_mock());
    let text = format!(
        "{SHARED}servers:\n- {{name: direct, base_url: 'http://{}/v1/chat/completions'}}\n\
         - {{name: gateway, base_url: 'http://{}/v1/chat/completions'}}\n\
         paired: true\nmodels: [m]\nprompts: {{ prompt_tokens: 10 }}\nrequests:\n  \
         - {{ name: chat, stream: true, max_tokens: 10, cancel: 50% after 2-4 tokens }}\n",
        base.address, other.address
    );
    let (file, output) = (dir.write("c.yaml", &text), dir.path("r.json"));
    ran(&["run", &file, "--details", "-o", &output]).expect(0);
    let found = document(&output);
    let paired = &found["paired"];
    assert_eq!(
        (&paired["pairs"], &paired["both_ok"], &paired["cancelled"]),
        (&json!(20), &json!(10), &json!(10)),
        "{paired}"
    );
    // The time to the first token was seen in all pairs, the whole time in those that came to their end.
    let pairs = |metric: &str| paired["differences"][metric]["pairs"].clone();
    assert_eq!((pairs("ttft"), pairs("latency")), (json!(20), json!(10)));
    let mut cut: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for one in found["details"].as_array().unwrap() {
        if one["error"] == "cancelled" {
            cut.entry(one["pair"].as_str().unwrap())
                .or_default()
                .push(&one["output_tokens"]);
        }
    }
    assert_eq!(cut.len(), 10);
    assert!(cut.values().all(|at| at.len() == 2 && at[0] == at[1]), "{cut:?}");
    for mock in [&base, &other] {
        wait_until("the mock has noticed all", || {
            get_json(mock.address, "/mock/stats")["abandoned"] == 10
        });
    }
}
