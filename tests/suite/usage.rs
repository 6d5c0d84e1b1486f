//! Tokens as the server counts them: the sums of a run against those of a mock that keeps a prefix cache.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::api::{Api, Texts};
use llmload_uring::mock::{Mock, MockOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn counting_mock(reasoning: Option<u32>) -> Mock {
    mock(MockOptions {
        tokens: 10,
        prefix_cache: true,
        reasoning,
        ..mock_options()
    })
}

fn stats(mock: &Mock) -> Value {
    get_json(mock.address, "/mock/stats")
}

/// 60 requests of six groups with a prefix of 64 tokens each, and one shard's share of them.
fn grouped(mock: &Mock, api: Api, stream: bool, ids: bool) -> String {
    let name = api.row().name;
    format!(
        "executor: per-vu-iterations\nvus: 4\niterations: 15\nseed: 5\nmodels: [m]\n\
         server: {{ base_url: 'http://{}', api: {name} }}\n\
         prompts: {{ prefix_groups: 6, prefix_tokens: 64, prompt_tokens: 10-30{} }}\n\
         requests:\n  - {{ name: chat, stream: {stream}, max_tokens: 10 }}\n",
        mock.address,
        if ids { ", token_ids: true" } else { "" }
    )
}

#[test]
fn the_sums_of_every_api_equal_the_servers_own() {
    let dir = Dir::new();
    for (api, states_cached) in [
        (Api::Chat, true),
        (Api::Completions, true),
        (Api::Responses, true),
        (Api::Messages, true),
        (Api::LlamaCpp, true),
        (Api::Sglang, true),
        (Api::OllamaChat, false),
        (Api::Tgi, false),
    ] {
        for stream in [true, false] {
            let mock = counting_mock(None);
            let (file, output) = (
                dir.write("u.yaml", &grouped(&mock, api, stream, false)),
                dir.path("u.json"),
            );
            ran(&[&file, "-o", &output]).expect(0);
            let (document, server) = (document(&output), stats(&mock));
            let usage = &document["totals"]["usage"];
            let name = api.row().name;
            assert_eq!(usage["prompt"]["requests"], 60, "{name} {stream}");
            assert_eq!(
                usage["prompt"]["tokens"], server["prompt_tokens"],
                "{name} {stream}"
            );
            if !states_cached {
                assert!(usage.get("cached").is_none(), "{name}: {usage}");
                assert!(document["rates"].get("cached_share").is_none());
                continue;
            }
            let [cached, prompt] =
                ["cached_tokens", "prompt_tokens"].map(|key| server[key].as_f64().unwrap());
            assert_eq!(
                usage["cached"],
                json!({"requests": 60, "tokens": server["cached_tokens"], "of": server["prompt_tokens"]}),
                "{name} {stream}"
            );
            // 54 of 60 prompts find the four blocks of their group, if nobody else was reading them.
            assert!(cached >= 48.0 * 48.0, "{name}: {cached}");
            let share = document["rates"]["cached_share"].as_f64().unwrap();
            assert!((share - cached / prompt).abs() < 1e-12, "{name}: {share}");
            assert_eq!(document["kinds"]["chat"]["totals"]["usage"], *usage);
            let rows = document["timeline"].as_array().unwrap();
            let sum: u64 = rows.iter().filter_map(|row| row["cached_tokens"].as_u64()).sum();
            assert_eq!(json!(sum), server["cached_tokens"], "{name} {stream}");
        }
    }
}

#[test]
fn every_request_says_what_it_asked_for_and_what_the_server_counted() {
    let dir = Dir::new();
    for api in [Api::Completions, Api::LlamaCpp, Api::Sglang] {
        let mock = counting_mock(Some(4));
        let (file, output) = (
            dir.write("d.yaml", &grouped(&mock, api, true, true)),
            dir.path("d.json"),
        );
        ran(&[&file, "--details", "-o", &output]).expect(0);
        let document = document(&output);
        let details = document["details"].as_array().unwrap();
        assert_eq!(details.len(), 60);
        let mut cached = 0;
        for one in details {
            assert_eq!(one["asked_prompt_tokens"], one["prompt_tokens"], "{one}");
            assert_eq!(one["asked_output_tokens"], one["output_tokens"], "{one}");
            cached += one["cached_tokens"].as_u64().unwrap();
        }
        assert_eq!(json!(cached), document["totals"]["usage"]["cached"]["tokens"]);
    }
}

#[test]
fn thoughts_are_summed_and_a_threshold_looks_at_the_shares() {
    let dir = Dir::new();
    let mock = counting_mock(Some(4));
    let (file, output) = (
        dir.write("t.yaml", &grouped(&mock, Api::Chat, true, false)),
        dir.path("t.json"),
    );
    let run = |thresholds: &[&str], code| {
        let thresholds = thresholds.iter().flat_map(|text| ["--threshold", text]);
        let args: Vec<&str> = [&*file, "-o", &output].into_iter().chain(thresholds).collect();
        ran(&args).expect(code)
    };
    let shown = run(
        &[
            "cached_share: value>50%",
            "reasoning_share: rate>=0.4",
            "total_tokens: count>3000",
        ],
        0,
    );
    let document = document(&output);
    let server = stats(&mock);
    let reasoning = &document["totals"]["usage"]["reasoning"];
    assert_eq!(*reasoning, json!({"requests": 60, "tokens": 240, "of": 600}));
    assert_eq!(server["reasoning_tokens"], 240);
    assert_eq!(document["rates"]["reasoning_share"], 0.4);
    let rates = &document["rates"];
    let [input, output_rate, total] = [
        "input_tokens_per_second",
        "output_tokens_per_second",
        "total_tokens_per_second",
    ]
    .map(|key| rates[key].as_f64().unwrap());
    assert!((input + output_rate - total).abs() < 1e-6 * total, "{rates}");
    let text = shown.stdout;
    assert!(text.contains("stated by 60 answers"), "{text}");
    assert!(text.contains("reasoning 40.00 %"), "{text}");
    run(&["cached_share: rate>0.99"], 99);
}

#[test]
fn shards_add_tokens_and_not_shares() {
    let dir = Dir::new();
    let mock = counting_mock(None);
    let file = dir.write("s.yaml", &grouped(&mock, Api::Chat, true, false));
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("s{}.json", &shard[..1]));
        ran(&[&file, "--shard", shard, "-o", &output]).expect(0);
        output
    });
    let merged = dir.path("merged.json");
    let ended = run_program(&["merge", &parts[0], &parts[1], "-o", &merged]);
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let (merged, server) = (document(&merged), stats(&mock));
    assert_eq!(
        merged["totals"]["usage"]["cached"],
        json!({"requests": 60, "tokens": server["cached_tokens"], "of": server["prompt_tokens"]})
    );
    let of = |document: &Value| document["rates"]["cached_share"].as_f64().unwrap();
    let shares = parts.map(|part| of(&document(&part)));
    assert!(shares[0] < of(&merged) && of(&merged) < shares[1], "{shares:?}");
}

#[test]
fn what_embeds_and_scores_has_input_and_no_output() {
    let dir = Dir::new();
    for api in Api::ALL.into_iter().filter(|api| api.row().texts != Texts::One) {
        let mock = counting_mock(None);
        let name = api.row().name;
        let batch = if api == Api::Score { "" } else { "batch_size: 3\n" };
        let text = format!(
            "{batch}executor: per-vu-iterations\nvus: 2\niterations: 10\nmodels: [m]\nprompts: {{ prompt_tokens: 40 }}\n\
             server: {{ base_url: 'http://{}', api: {name} }}\n\
             requests: [{{ name: e, stream: false, max_tokens: 1 }}]\n",
            mock.address
        );
        let (file, output) = (dir.write("e.yaml", &text), dir.path("e.json"));
        let shown = ran(&[&file, "-o", &output]).expect(0);
        let (document, server) = (document(&output), stats(&mock));
        let usage = &document["totals"]["usage"];
        assert_eq!(usage["prompt"]["tokens"], server["prompt_tokens"], "{name}");
        assert!(document["rates"]["input_tokens_per_second"].as_f64() > Some(0.0));
        assert!(usage.get("cached").is_none(), "{name}");
        assert_eq!(usage["texts"], if batch.is_empty() { 20 } else { 60 }, "{name}");
        assert!(document["rates"]["texts_per_second"].as_f64() > Some(0.0));
        let text = shown.stdout;
        assert!(
            text.contains("input tok/s") && !text.contains("output tok/s"),
            "{text}"
        );
    }
}

#[test]
fn a_batch_is_what_the_server_receives_and_the_same_over_cores_and_shards() {
    let dir = Dir::new();
    let bodies = |api: Api, more: &[&str]| -> BTreeSet<String> {
        let mock = recording_mock();
        let base = format!("http://{}", mock.address);
        let text = format!(
            "executor: per-vu-iterations\nvus: 4\niterations: 5\nmodels: [m]\nseed: 3\n\
             prompts: {{ prompt_tokens: 10-20 }}\nserver: {{ base_url: '{base}', api: {} }}\n\
             requests: [{{ name: e, batch_size: 4, max_tokens: 1 }}]\n",
            api.row().name
        );
        let file = dir.write("b.yaml", &text);
        let args: Vec<&str> = [file.as_str()].into_iter().chain(more.iter().copied()).collect();
        ran(&args).expect(0);
        received(mock.address).into_iter().map(|got| got.body).collect()
    };
    for (api, one, many) in [
        (Api::Embeddings, None, "input"),
        (Api::Rerank, Some("query"), "documents"),
        (Api::Score, Some("text_1"), "text_2"),
    ] {
        let whole = bodies(api, &["--cores", "1"]);
        // One question of the validation besides the 20 of the load.
        let batches: Vec<Value> = whole
            .iter()
            .map(|body| serde_json::from_str::<Value>(body).unwrap())
            .filter(|body| body[many].as_array().is_some_and(|list| list.len() == 4))
            .collect();
        assert_eq!(batches.len(), 20, "{api:?}");
        for body in &batches {
            let mut texts: BTreeSet<&str> = body[many]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t.as_str().unwrap())
                .collect();
            texts.extend(one.map(|one| body[one].as_str().unwrap()));
            assert_eq!(texts.len(), 4 + usize::from(one.is_some()), "{body}");
        }
        assert_eq!(whole, bodies(api, &["--cores", "2"]), "{api:?}");
        let shards: BTreeSet<String> = ["1/2", "2/2"]
            .iter()
            .flat_map(|shard| bodies(api, &["--shard", shard]))
            .collect();
        assert_eq!(whole, shards, "{api:?}");
    }
}

#[test]
fn a_batch_is_refused_where_it_means_nothing() {
    let dir = Dir::new();
    let mock = counting_mock(None);
    let file = dir.write("r.yaml", &grouped(&mock, Api::Chat, true, false));
    let ended = ran(&[&file, "--batch-size", "4"]).expect(104);
    let text = &ended.stderr;
    assert!(
        text.contains("`batch_size` means nothing to chat completions"),
        "{text}"
    );
    assert_eq!(stats(&mock)["requests"], 0);
}
