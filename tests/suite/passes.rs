//! Runs of several passes: warm-up, repetitions, each endpoint alone before all together.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::Mock;
use llmload_uring::mock::budget::Budget;
use rustix::process::Signal;
use serde_json::Value;

/// One server, three users for so long, each request in the document.
fn one_server(address: SocketAddr, seconds: f64, more: &str) -> String {
    format!(
        "server: {{base_url: 'http://{address}/completion'}}\n\
         workload: {{users: 3, duration_seconds: {seconds}, ramp_up_seconds: 0, think_time: 5ms}}\n\
         prompts: {{min_tokens: 8, max_tokens: 10}}\ndetails: true\n{more}\n"
    )
}

fn requests(value: &Value) -> u64 {
    value["totals"]["requests"].as_u64().unwrap()
}

fn ids(document: &Value) -> HashSet<String> {
    let details = document["details"].as_array().unwrap();
    let ids: HashSet<String> = details
        .iter()
        .map(|entry| entry["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), details.len(), "request ids are unique");
    ids
}

#[test]
fn the_warm_up_of_a_load_at_a_rate_sends_at_that_rate() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let warm = |document: &Value| document["warmup"]["requests"].as_u64().unwrap();
    // Even arrivals: 20 in 0.4 s of 50 per second. The limit of 10,000 in flight starts none of them.
    let target = format!("http://{}", mock.address);
    let at_rate = [
        "load",
        "--target",
        &target,
        "--rate",
        "50",
        "--duration",
        "200ms",
        "--warmup",
        "400ms",
        "--output",
        &output,
    ];
    ran(&at_rate).expect(0);
    let first = document(&output);
    assert_eq!((warm(&first), requests(&first)), (20, 10), "{first:#}");
    assert_eq!(mock_requests(mock.address), 30);
    // Each kind warms up at its own rate, also the one that starts later.
    let kinds = format!(
        "server: {{base_url: 'http://{}/v1'}}\nduration: 300ms\nwarmup: 400ms\nmodels: [m]\nrequests:\n  \
         - {{name: a, rate: 50, max_tokens: 2}}\n  - {{name: b, rate: 20, start_time: 100ms, duration: 200ms, \
         max_tokens: 2}}\n",
        mock.address
    );
    let file = dir.write("kinds.yaml", &kinds);
    let output = dir.path("kinds.json");
    ran(&["run", &file, "--output", &output]).expect(0);
    let second = document(&output);
    assert_eq!((warm(&second), requests(&second)), (28, 19), "{second:#}");
    assert_eq!(mock_requests(mock.address), 30 + 47);
}

#[test]
fn the_warm_up_is_counted_but_excluded_from_all_figures() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let file = dir.write("doc.yaml", &one_server(mock.address, 0.4, ""));
    let ended = ran(&["run", &file, "--warmup", "300ms", "--output", &output]).expect(0);
    let document = document(&output);
    let warm = document["warmup"]["requests"].as_u64().unwrap();
    assert!(warm >= 3, "{document:#}");
    assert_eq!(warm + requests(&document), mock_requests(mock.address));
    assert_eq!(ids(&document).len() as u64, requests(&document));
    let rows = document["timeline"].as_array().unwrap();
    let in_rows: u64 = rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum();
    assert_eq!(in_rows, requests(&document));
    assert!(
        ended
            .stderr
            .contains("warm-up of 300ms, excluded from all results\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains("\nwarm-up "), "{}", ended.stdout);
}

#[test]
fn repetitions_are_added_up_and_their_spread_is_reported() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let file = dir.write("doc.yaml", &one_server(mock.address, 0.4, "repeat: 3"));
    let ended = ran(&["run", &file, "--output", &output, "--summary", "full"]).expect(0);
    let document = document(&output);
    let repeats = document["repeats"].as_array().unwrap();
    assert_eq!(repeats.len(), 3);
    let sum: u64 = repeats.iter().map(requests).sum();
    assert_eq!(sum, requests(&document));
    assert_eq!(sum, mock_requests(mock.address));
    let ids = ids(&document);
    assert_eq!(ids.len() as u64, sum);
    assert!(ids.contains("r1-v0-0") && ids.contains("r3-v0-0"), "{ids:?}");
    let rate = &document["spread"][0];
    assert_eq!(
        (&rate["figure"], &rate["runs"]),
        (&"requests_per_second".into(), &3.into())
    );
    let mean = repeats
        .iter()
        .map(|repeat| repeat["rates"]["requests_per_second"].as_f64().unwrap())
        .sum::<f64>()
        / 3.0;
    assert!((rate["mean"].as_f64().unwrap() - mean).abs() < 1e-9);
    // Three runs of one length may well have as many requests each within their load: then nothing is spread.
    let rate_of = |repeat: &Value| repeat["rates"]["requests_per_second"].as_f64();
    let same = repeats
        .iter()
        .all(|repeat| rate_of(repeat) == rate_of(&repeats[0]));
    assert_eq!(rate["half_width"].as_f64().unwrap() == 0.0, same, "{rate}");
    let ends: Vec<f64> = document["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["elapsed_seconds"].as_f64().unwrap())
        .collect();
    assert!(ends.is_sorted() && *ends.last().unwrap() > 1.0, "{ends:?}");
    assert!(ended.stdout.contains("\n=== Runs (3) ===\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("run 2 of 3: 3 users\n"), "{}", ended.stderr);
}

#[test]
fn a_signal_in_the_second_of_two_runs_keeps_what_was_measured() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let file = dir.write("doc.yaml", &one_server(mock.address, 1.5, "repeat: 20"));
    let mut live = Live::start(&["run", &file, "--output", &output]);
    live.wait_for_stderr("run 2 of 20");
    live.signal(Signal::INT);
    live.wait().expect(105);
    let document = document(&output);
    let repeats = document["repeats"].as_array().unwrap().len();
    assert!((1..20).contains(&repeats), "{repeats} repetitions");
    assert_eq!(requests(&document), mock_requests(mock.address));
    assert_eq!(document["run"]["stopped_by"], "signal");
}

#[test]
fn a_signal_in_the_warm_up_leaves_a_document_without_figures() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let file = dir.write("doc.yaml", &one_server(mock.address, 1.0, "warmup: 1h"));
    let mut live = Live::start(&["run", &file, "--output", &output]);
    live.wait_for_stderr("warm-up of 1h");
    wait_until("the warm-up sends", || mock_requests(mock.address) > 0);
    live.signal(Signal::INT);
    live.wait().expect(105);
    let document = document(&output);
    assert_eq!(requests(&document), 0);
    assert!(document["warmup"]["requests"].as_u64().unwrap() > 0);
}

/// 20 tokens an answer at 400 tokens a second: two users alone wait 100 ms for theirs.
fn contended(budgets: [Arc<Budget>; 2]) -> (Value, Ended) {
    let [thinker, flash]: [Mock; 2] = budgets.map(|budget| {
        let mut options = mock_options();
        options.tokens = 20;
        options.gap = 0;
        options.budget = Some(budget);
        mock(options)
    });
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "servers:\n\
         - {{name: Thinker, base_url: 'http://{}/completion', weight: 0.5}}\n\
         - {{name: Flash, base_url: 'http://{}/completion', weight: 0.5}}\n\
         workload: {{users: 4, duration_seconds: 2, ramp_up_seconds: 0}}\n\
         prompts: {{min_tokens: 8, max_tokens: 20}}\ncontention: true\ndetails: true\n",
        thinker.address, flash.address
    );
    let file = dir.write("doc.yaml", &text);
    let ended = ran(&["run", &file, "--output", &output]).expect(0);
    let document = document(&output);
    let alone: u64 = document["contention"]["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["alone"]["requests"].as_u64().unwrap())
        .sum();
    let sent = mock_requests(thinker.address) + mock_requests(flash.address);
    assert_eq!(alone + requests(&document), sent);
    assert_eq!(ids(&document).len() as u64, sent);
    (document, ended)
}

#[test]
fn contention_is_found_between_two_servers_on_one_token_budget() {
    let shared = Arc::new(Budget::new(400));
    let (document, ended) = contended([shared.clone(), shared]);
    let contention = &document["contention"];
    assert_eq!(contention["found"], true, "{contention:#}");
    for server in contention["servers"].as_array().unwrap() {
        assert_eq!(server["users"], 2);
        let latency = server["ratio"]["latency_p50"].as_f64().unwrap();
        assert!(latency > 1.5, "{server:#}");
        let tokens = server["ratio"]["tokens_per_second"].as_f64().unwrap();
        assert!(tokens < 0.75, "{server:#}");
    }
    let share = contention["combined_share"].as_f64().unwrap();
    assert!((0.35..0.7).contains(&share), "{share}");
    assert!(
        ended
            .stdout
            .contains("\ncontention FOUND: Thinker and Flash slow each other down:"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("\nFlash alone, 2 users\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn no_contention_is_found_between_servers_with_their_own_budgets() {
    let (document, ended) = contended([Arc::new(Budget::new(400)), Arc::new(Budget::new(400))]);
    let contention = &document["contention"];
    assert_eq!(contention["found"], false, "{contention:#}");
    assert!(
        ended.stdout.contains("\ncontention No contention found: "),
        "{}",
        ended.stdout
    );
}
