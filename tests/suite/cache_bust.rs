//! `cache_bust`: no two prompts begin alike, by the count of a mock that keeps a prefix cache, and by what it received.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::{Mock, MockOptions};
use serde_json::Value;

const TEXT: &str =
    "all of these words come again in each of the prompts of this kind so that a cache would have them";

fn caching_mock() -> Mock {
    mock(MockOptions {
        record: 10_000,
        prefix_cache: true,
        ..mock_options()
    })
}

/// What a run sent, and what the server read of it from its cache.
struct Sent {
    bodies: Vec<Value>,
    prompt_tokens: u64,
    cached_tokens: u64,
    /// The configuration of the result.
    config: Value,
}

impl Sent {
    fn texts(&self) -> BTreeSet<String> {
        self.bodies.iter().map(Value::to_string).collect()
    }

    fn tag(&self) -> &str {
        let tag = &self.config["requests"][0]["cache_bust"];
        tag.as_str().unwrap_or_else(|| panic!("{}", self.config))
    }
}

/// Runs 24 requests, or sessions, whose document has these keys besides.
fn run(mock: &Mock, path: &str, keys: &str, options: &[&str]) -> Sent {
    let stats = || {
        let stats = get_json(mock.address, "/mock/stats");
        ["prompt_tokens", "cached_tokens"].map(|key| stats[key].as_u64().unwrap())
    };
    let (before, [prompt, cached]) = (received(mock.address).len(), stats());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "server: {{ base_url: 'http://{}{path}' }}\nexecutor: shared-iterations\nvus: 3\niterations: 24\n\
         models: [mock]\nseed: 5\n{keys}\n",
        mock.address
    );
    let file = dir.write("doc.yaml", &text);
    let mut args = vec![
        "run",
        &file,
        "--no-validate",
        "--think-time",
        "0",
        "--output",
        &output,
    ];
    args.extend(options);
    ran(&args).expect(0);
    let bodies = received(mock.address)[before..].iter().map(Got::json).collect();
    let [prompt_now, cached_now] = stats();
    Sent {
        bodies,
        prompt_tokens: prompt_now - prompt,
        cached_tokens: cached_now - cached,
        config: document(&output)["config"].clone(),
    }
}

/// Kinds of prompts: the path they are sent to, their keys, and whether they are exactly as long as asked.
fn kinds(dir: &Dir) -> Vec<(&'static str, String, bool)> {
    let text = dir.write("c.jsonl", &format!("{{\"prompt\":\"{TEXT}\"}}\n"));
    let message = |content: &str| format!("{{\"messages\":[{{\"content\":{content},\"role\":\"user\"}}]}}\n");
    let parts = format!(r#"[{{"text":"{TEXT}","type":"text"}}]"#);
    let messages = [message(&format!("\"{TEXT}\"")), message(&parts)].concat();
    let messages = dir.write("o.jsonl", &messages);
    let trace = "{\"timestamp\":0,\"input_length\":70,\"output_length\":3,\"hash_ids\":[1,2,3,4,5]}\n";
    let trace = dir.write("t.jsonl", trace);
    let listed = format!("prompts: ['{TEXT}']\nmax_tokens: 3");
    vec![
        ("/v1/chat/completions", listed.clone(), false),
        (
            "/v1/chat/completions",
            format!("{listed}\nsystem: '{TEXT}'"),
            false,
        ),
        ("/v1/completions", listed.clone(), false),
        ("/v1/messages", format!("{listed}\nsystem: '{TEXT}'"), false),
        ("/v1/responses", listed, false),
        (
            "/v1/completions",
            "prompts: { prompt_tokens: 40, token_ids: true }".to_owned(),
            true,
        ),
        (
            "/v1/chat/completions",
            "prompts: { prompt_tokens: 40 }".to_owned(),
            true,
        ),
        (
            "/v1/chat/completions",
            format!("prompts: {{ prefix: '{TEXT}', prompt_tokens: 40 }}"),
            false,
        ),
        (
            "/v1/chat/completions",
            format!("dataset: {{ format: custom, file: '{text}' }}"),
            false,
        ),
        (
            "/v1/chat/completions",
            format!("dataset: {{ format: openai, file: '{messages}' }}"),
            false,
        ),
        (
            "/v1/completions",
            format!("dataset: {{ format: mooncake, file: '{trace}', block: 16 }}"),
            true,
        ),
        (
            "/v1/chat/completions",
            format!("dataset: {{ format: mooncake, file: '{trace}', block: 16 }}"),
            true,
        ),
    ]
}

#[test]
fn no_cache_has_the_beginning_of_a_prompt_in_this_run_or_the_next() {
    let dir = Dir::new();
    for (path, kind, is_exact) in kinds(&dir) {
        let mock = caching_mock();
        let keys = format!(
            "requests:\n  - name: chat\n    stream: true\n    max_tokens: 4\n    {}",
            kind.replace('\n', "\n    ")
        );
        let keys = keys.replace("max_tokens: 3", "weight: 1");
        let usual = [run(&mock, path, &keys, &[]), run(&mock, path, &keys, &[])];
        assert!(usual[1].cached_tokens >= 24 * 16, "{path} {kind}");
        let busted = [(); 2].map(|()| run(&mock, path, &keys, &["--cache-bust"]));
        for sent in &busted {
            assert_eq!(sent.cached_tokens, 0, "{path} {kind}");
            assert_eq!(sent.texts().len(), 24, "{path} {kind}");
            assert!(
                !is_exact || sent.prompt_tokens == usual[0].prompt_tokens,
                "{path} {kind}"
            );
        }
        assert_ne!(busted[0].tag(), busted[1].tag());
        let again = run(
            &mock,
            path,
            &format!("{keys}\n    cache_bust: {}", busted[0].tag()),
            &["--cores", "1"],
        );
        assert_eq!(again.texts(), busted[0].texts(), "{path} {kind}");
        assert!(again.cached_tokens > 0, "{path} {kind}");
    }
}

/// The words of a text that vary.
fn beginning(text: &str) -> String {
    text.split_whitespace().take(8).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_turns_of_a_session_begin_alike_and_those_of_others_do_not() {
    let dir = Dir::new();
    let row = |i: usize| {
        let turns = format!("{{\"text\":\"{TEXT}\"}}");
        format!("{{\"session_id\":\"s{i}\",\"turns\":[{turns},{turns},{turns}]}}\n")
    };
    let rows = dir.write("m.jsonl", &(0..4).map(row).collect::<String>());
    let conversation = "conversation: { turns: 3 }";
    for (path, keys) in [
        (
            "/v1/chat/completions",
            format!("prompts: ['{TEXT}']\n{conversation}"),
        ),
        ("/v1/completions", format!("prompts: ['{TEXT}']\n{conversation}")),
        (
            "/v1/chat/completions",
            "prompts: { prompt_tokens: 30 }\nconversation: { turns: 3, system_tokens: 32 }".to_owned(),
        ),
        (
            "/v1/chat/completions",
            "prompts: { prompt_tokens: 30 }\nconversation: { turns: 3 }".to_owned(),
        ),
        (
            "/v1/chat/completions",
            format!("dataset: {{ format: multi_turn, file: '{rows}' }}\nconversation: {{ turns: all }}"),
        ),
    ] {
        let mock = caching_mock();
        let keys =
            format!("{keys}\ncache_bust: true\nrequests:\n  - {{ name: talk, stream: true, max_tokens: 3 }}");
        for sent in [run(&mock, path, &keys, &[]), run(&mock, path, &keys, &[])] {
            assert_eq!(sent.bodies.len(), 72, "{path} {keys}");
            let mut turns: BTreeMap<String, u32> = BTreeMap::new();
            for body in &sent.bodies {
                let first = body["messages"][0]["content"]
                    .as_str()
                    .or(body["prompt"].as_str());
                *turns.entry(beginning(first.unwrap())).or_default() += 1;
            }
            assert_eq!(turns.len(), 24, "{path} {keys}");
            assert!(turns.values().all(|turns| *turns == 3), "{path} {keys}");
            // The second turn finds one block of the first at least, the third those of the second.
            assert!(
                sent.cached_tokens >= 24 * 3 * 16,
                "{path} {keys}: {}",
                sent.cached_tokens
            );
            let repeated = 24 * sent.prompt_tokens / 72 * 2;
            assert!(
                sent.cached_tokens < repeated,
                "{path} {keys}: {}",
                sent.cached_tokens
            );
        }
    }
}

#[test]
fn the_requests_of_an_agents_session_share_what_the_trace_says() {
    let dir = Dir::new();
    let trace = r#"{"id":"s","block_size":16,"hash_id_scope":"local","requests":[
        {"t":0.0,"in":40,"out":3,"hash_ids":[1,2,3]},{"t":0.01,"in":50,"out":3,"hash_ids":[1,2,3,4]}]}"#;
    let trace = dir.write("a.jsonl", &(trace.replace('\n', "") + "\n"));
    let mock = caching_mock();
    let keys = format!(
        "cache_bust: true\ndataset: {{ format: weka, file: '{trace}' }}\n\
         requests:\n  - {{ name: agent, stream: true, max_tokens: 3 }}"
    );
    for _ in 0..2 {
        let sent = run(&mock, "/v1/completions", &keys, &[]);
        let begins = |body: &Value| body["prompt"].as_array().unwrap()[..32].to_vec();
        let mut sessions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for body in &sent.bodies {
            let length = body["prompt"].as_array().unwrap().len();
            sessions
                .entry(format!("{:?}", begins(body)))
                .or_default()
                .push(length);
        }
        assert_eq!(sessions.len(), 24);
        assert!(
            sessions.values().all(|lengths| lengths == &[40, 50]),
            "{sessions:?}"
        );
        assert_eq!(
            sent.cached_tokens,
            24 * 32,
            "the second request has two blocks of the first"
        );
    }
}

#[test]
fn passes_and_shards_begin_differently_and_merge() {
    let mock = caching_mock();
    let keys = format!("requests:\n  - {{ name: chat, stream: true, max_tokens: 4, prompts: ['{TEXT}'] }}");
    let repeated = run(
        &mock,
        "/v1/completions",
        &keys,
        &["--cache-bust", "--repeat", "3"],
    );
    assert_eq!((repeated.texts().len(), repeated.cached_tokens), (72, 0));
    let dir = Dir::new();
    let text = format!(
        "server: {{ base_url: 'http://{}/v1/completions' }}\nexecutor: shared-iterations\nvus: 4\niterations: 24\n\
         models: [mock]\nseed: 5\n{keys}\n",
        mock.address
    );
    let file = dir.write("doc.yaml", &text);
    let (whole, before) = (
        run(
            &mock,
            "/v1/completions",
            &keys,
            &["--cache-bust=t1", "--vus", "4"],
        ),
        received(mock.address).len(),
    );
    for (option, is_equal) in [("--cache-bust=t1", true), ("--cache-bust", false)] {
        let from = received(mock.address).len();
        let parts = ["1/2", "2/2"].map(|shard| {
            let output = dir.path(&format!("{}{is_equal}.json", &shard[..1]));
            let args = [
                "run",
                &file,
                "--no-validate",
                "--think-time",
                "0",
                "--shard",
                shard,
                option,
                "-o",
                &output,
            ];
            ran(&args).expect(0);
            output
        });
        let sent: BTreeSet<String> = received(mock.address)[from..]
            .iter()
            .map(|got| got.json().to_string())
            .collect();
        assert_eq!(sent.len(), 24);
        assert_eq!(sent == whole.texts(), is_equal, "{option}");
        ran(&["merge", &parts[0], &parts[1], "-o", &dir.path("merged.json")]).expect(0);
        assert_eq!(document(dir.path("merged.json"))["totals"]["requests"], 24);
    }
    assert_eq!(received(mock.address).len() - before, 48);
}

#[test]
fn a_made_prompt_of_counted_words_stays_exactly_as_long_as_asked() {
    use llmload_uring::mock::tokens::{TokenizeForm, count_prompt};
    let mock = mock(MockOptions {
        record: 10_000,
        tokenize: Some(TokenizeForm::Vllm),
        ..mock_options()
    });
    let dir = Dir::new();
    let trace = "{\"timestamp\":0,\"input_length\":70,\"output_length\":3,\"hash_ids\":[1,2,3,4,5]}\n";
    let trace = dir.write("t.jsonl", trace);
    for (keys, asked) in [
        ("prompts: { prompt_tokens: 64 }".to_owned(), 64),
        (
            "prompts: { prefix: 'Tell me of', prompt_tokens: 64 }".to_owned(),
            64,
        ),
        ("prompts: { prompt_tokens: 64 }\nsystem: Be brief".to_owned(), 64),
        (
            format!("dataset: {{ format: mooncake, file: '{trace}', block: 16, output_length: kind }}"),
            70,
        ),
    ] {
        let document = format!("{keys}\nrequests:\n  - {{ name: chat, stream: true, max_tokens: 20 }}");
        let sent = {
            let stats_less = dir.path("result.json");
            let text = format!(
                "server: {{ base_url: 'http://{}/v1/chat/completions' }}\nexecutor: shared-iterations\nvus: 3\n\
                 iterations: 24\nmodels: [mock]\nseed: 5\n{document}\n",
                mock.address
            );
            let file = dir.write("doc.yaml", &text);
            let from = received(mock.address).len();
            let args = [
                "run",
                &file,
                "--no-validate",
                "--tokenizer",
                "server",
                "--cache-bust",
                "-o",
                &stats_less,
            ];
            ran(&args).expect(0);
            let got = received(mock.address);
            let bodies = got[from..]
                .iter()
                .filter(|got| !got.path.ends_with("/tokenize"))
                .map(Got::json);
            // Questions before the load ask for answers of 16 tokens.
            bodies
                .filter(|body| !body.to_string().contains(":16"))
                .collect::<Vec<Value>>()
        };
        let lengths: BTreeSet<u32> = sent.iter().map(count_prompt).collect();
        assert_eq!((sent.len(), lengths), (24, BTreeSet::from([asked])), "{keys}");
        let different: BTreeSet<String> = sent.iter().map(Value::to_string).collect();
        assert_eq!(different.len(), 24, "{keys}");
    }
}

#[test]
fn what_cannot_begin_differently_is_refused_by_name() {
    let dir = Dir::new();
    let raw = dir.write(
        "raw.jsonl",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n",
    );
    let raw = format!("raw:{raw}");
    let of = |options: &[&str], code: i32, parts: &[&str]| {
        let words = [
            &["load", "--target", "http://127.0.0.1:1/v1/completions"],
            options,
        ]
        .concat();
        let ended = ran(&words).expect(code);
        for part in parts {
            assert!(ended.stderr.contains(part), "{options:?}: {}", ended.stderr);
        }
    };
    of(
        &["--cache-bust", "--prefix-groups", "2", "--prefix-tokens", "64"],
        104,
        &["shared prefixes", "--prefix-groups"],
    );
    of(
        &["--cache-bust", "--dataset", &raw],
        104,
        &["row 1 of the dataset is a whole body"],
    );
    of(
        &["--cache-bust=first_turn_prefix"],
        104,
        &["`first_turn_prefix` is a place as AIPerf has it", "--cache-bust"],
    );
    of(
        &["--cache-bust=a b"],
        104,
        &["--cache-bust: `a b` is neither true, false nor a tag"],
    );
    let embeddings = [
        "load",
        "--target",
        "http://127.0.0.1:1/v1/embeddings",
        "--cache-bust",
    ];
    let ended = ran(&embeddings).expect(104);
    assert!(
        ended
            .stderr
            .contains("`stream` has `cache_bust`, but embeddings has no prompt"),
        "{}",
        ended.stderr
    );
    let document = "server: { base_url: 'http://127.0.0.1:1/v1' }\nexecutor: constant-vus\nvus: 1\nduration: 1s\n\
                    requests:\n  - { name: l, kind: light, cache_bust: true }\n  \
                    - { name: c, max_tokens: 1, prompts: [a], cache_bust: 'x y' }\n";
    let ended = ran(&["run", &dir.write("d.yaml", document)]).expect(104);
    for part in [
        "d.yaml:6",
        "cache_bust` has no effect with kind `light`",
        "d.yaml:7",
        "`requests[1].cache_bust`: `x y` is neither",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}
