//! Rows of datasets and ids of tokens in a search for the limit, and over shards: what the server received.

use std::collections::BTreeSet;

use crate::common::live::*;
use crate::common::*;
use serde_json::Value;

/// A search that makes one probe, of two users.
const SEARCH: [&str; 14] = [
    "--no-validate",
    "--think-time",
    "0",
    "--from",
    "2",
    "--to",
    "2",
    "--settle",
    "0",
    "--probe-time",
    "5s-5s",
    "--max-time",
    "10s",
    "--slo",
];
const SLO: &str = "ttft: p(90)<5000";

fn completions(mock: &llmload_uring::mock::Mock) -> String {
    format!("http://{}/v1/completions", mock.address)
}

/// The answer of a search.
fn limit(output: &str) -> f64 {
    let document: Value = serde_json::from_str(&std::fs::read_to_string(output).unwrap()).unwrap();
    document["answer"]["limit"]
        .as_f64()
        .unwrap_or_else(|| panic!("{document}"))
}

#[test]
fn a_search_for_the_limit_sends_the_rows_of_a_dataset() {
    let mock = recording_mock();
    let dir = Dir::new();
    let rows: String = (0..40)
        .map(|i| format!("{{\"prompt\":\"prompt {i}\",\"output_tokens\":{}}}\n", i % 3 + 1))
        .collect();
    let dataset = format!("custom:{}", dir.write("d.jsonl", &rows));
    let (url, output) = (completions(&mock), dir.path("limit.json"));
    let words = [
        "find-limit",
        "smoke",
        "--target",
        &url,
        "--dataset",
        &dataset,
        "-o",
        &output,
    ];
    ran(&[&words[..], &SEARCH, &[SLO]].concat()).expect(0);
    assert_eq!(limit(&output), 2.0);
    let got = received(mock.address);
    assert!(got.len() > 40, "{}", got.len());
    for request in &got {
        let body = request.json();
        let number: u64 = body["prompt"]
            .as_str()
            .unwrap()
            .strip_prefix("prompt ")
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(body["max_tokens"], number % 3 + 1);
    }
    let different: BTreeSet<String> = got
        .iter()
        .map(|request| request.json()["prompt"].to_string())
        .collect();
    assert_eq!(different.len(), 40, "every row came");
}

#[test]
fn a_search_for_the_limit_sends_prompts_of_as_many_ids_as_were_asked_for() {
    let mock = recording_mock();
    let dir = Dir::new();
    let (url, output) = (completions(&mock), dir.path("limit.json"));
    let words = [
        "find-limit",
        "smoke",
        "--target",
        &url,
        "--token-ids=5-90",
        "--prompt-tokens",
        "33",
    ];
    ran(&[&words[..], &SEARCH, &[SLO, "-o", &output]].concat()).expect(0);
    assert_eq!(limit(&output), 2.0);
    let got = received(mock.address);
    assert!(got.len() > 40, "{}", got.len());
    for request in &got {
        let body = request.json();
        let ids: Vec<u64> = body["prompt"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap())
            .collect();
        assert_eq!(ids.len(), 33);
        assert!(ids.iter().all(|id| (5..=90).contains(id)), "{ids:?}");
    }
}

/// Runs 24 requests as so many shards of so many cores; returns the prompts and the limits that came.
fn sharded(document: &str, shards: u32, cores: &str) -> BTreeSet<String> {
    let mock = recording_mock();
    let dir = Dir::new();
    let profile = dir.write("p.yaml", &document.replace("HOST", &mock.address.to_string()));
    for shard in 1..=shards {
        let share = format!("{shard}/{shards}");
        ran(&[&profile, "--no-validate", "--shard", &share, "--cores", cores]).expect(0);
    }
    let got = received(mock.address);
    assert_eq!(got.len(), 24, "{document}");
    let seen: BTreeSet<String> = got
        .iter()
        .map(|request| {
            let body = request.json();
            Value::from(vec![body["prompt"].clone(), body["max_tokens"].clone()]).to_string()
        })
        .collect();
    assert_eq!(seen.len(), 24, "no two are equal");
    seen
}

#[test]
fn ids_are_the_same_over_any_number_of_shards_and_cores() {
    for load in [
        "executor: shared-iterations\nvus: 6\niterations: 24\n",
        "executor: per-vu-iterations\nvus: 6\niterations: 4\n",
        "executor: constant-arrival-rate\nrate: 48\nduration: 500ms\narrival: scattered\n",
    ] {
        let document = format!(
            "server: {{ base_url: 'http://HOST/v1/completions' }}\n{load}seed: 5\nmodels: [m]\nprompts: {{ prompt_tokens: \
             30-60, token_ids: true }}\nrequests: [{{ name: r, max_tokens: 3-9, stream: true }}]\n"
        );
        let whole = sharded(&document, 1, "1");
        for (shards, cores) in [(1, "2"), (2, "1"), (3, "2")] {
            assert_eq!(
                sharded(&document, shards, cores),
                whole,
                "{shards} shards of {cores} cores: {load}"
            );
        }
        assert_ne!(sharded(&document.replace("seed: 5", "seed: 6"), 1, "1"), whole);
    }
}
