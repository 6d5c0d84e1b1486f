//! Prompts that are exactly as long as asked, by the count of a server whose words are different numbers of tokens.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::tokens::{TokenizeForm, count_prompt};
use llmload_uring::mock::{Mock, MockOptions};
use serde_json::{Value, json};

fn counting(form: TokenizeForm) -> Mock {
    mock(MockOptions {
        record: 10_000,
        tokenize: Some(form),
        ..mock_options()
    })
}

/// What a run of 24 requests sent and wrote.
struct Sent {
    /// The bodies of the load, in the order of their texts.
    bodies: Vec<Value>,
    document: Value,
    stderr: String,
}

impl Sent {
    fn tokens(&self) -> BTreeSet<u32> {
        self.bodies.iter().map(count_prompt).collect()
    }
}

/// Runs 24 requests whose document has these keys besides.
fn run(mock: SocketAddr, path: &str, keys: &str, options: &[&str]) -> Sent {
    let before = received(mock).len();
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "server: {{ base_url: 'http://{mock}{path}' }}\nexecutor: shared-iterations\nvus: 3\niterations: 24\n\
         models: [mock]\nseed: 5\n{keys}\n"
    );
    let file = dir.write("doc.yaml", &text);
    let mut args = vec!["run", &file, "--no-validate", "--output", &output];
    args.extend(options);
    let ended = ran(&args).expect(0);
    let mut bodies: Vec<Value> = received(mock)[before..]
        .iter()
        .filter(|got| !got.path.ends_with("/tokenize"))
        .map(Got::json)
        // Questions before the load ask for answers of 16 tokens, the load for 20.
        .filter(|body| !body.to_string().contains(":16"))
        .collect();
    bodies.sort_by_key(Value::to_string);
    Sent {
        bodies,
        document: document(&output),
        stderr: ended.stderr,
    }
}

const KIND: &str = "requests: [{ name: r, max_tokens: 20 }]";

#[test]
fn the_server_counts_the_tokens_that_were_asked_for_over_each_api() {
    for (form, path) in [
        (TokenizeForm::Vllm, "/v1/chat/completions"),
        (TokenizeForm::Vllm, "/v1/completions"),
        (TokenizeForm::Vllm, "/v1/responses"),
        (TokenizeForm::Vllm, "/v1/messages"),
        (TokenizeForm::LlamaCpp, "/v1/chat/completions"),
        (TokenizeForm::LlamaCpp, "/completion"),
        (TokenizeForm::Tgi, "/v1/chat/completions"),
    ] {
        let mock = counting(form);
        let keys = format!("prompts: {{ prompt_tokens: 200 }}\ntokenizer: server\n{KIND}");
        let sent = run(mock.address, path, &keys, &[]);
        assert_eq!(sent.bodies.len(), 24, "{path}: {}", sent.stderr);
        assert_eq!(sent.tokens(), [200].into(), "{path}: {}", sent.stderr);
        let lengths = &sent.document["totals"]["lengths"]["prompt"];
        assert_eq!(
            (&lengths["asked"], &lengths["served"]),
            (&json!(4800), &json!(4800)),
            "{lengths}"
        );
        let said = "its prompts have exactly the tokens asked for";
        assert!(sent.stderr.contains(said), "{path}: {}", sent.stderr);
        let different: BTreeSet<String> = sent.bodies.iter().map(Value::to_string).collect();
        assert_eq!(different.len(), 24, "no two prompts are equal");
    }
}

#[test]
fn without_a_tokenizer_the_lengths_differ_and_the_warning_names_the_option() {
    let mock = counting(TokenizeForm::Vllm);
    let keys = format!("prompts: {{ prompt_tokens: 200 }}\n{KIND}");
    let sent = run(mock.address, "/v1/chat/completions", &keys, &[]);
    assert!(
        sent.tokens().iter().all(|tokens| *tokens > 220),
        "{:?}",
        sent.tokens()
    );
    let warnings = sent.document["warnings"].to_string();
    assert!(warnings.contains("--tokenizer server"), "{warnings}");
}

#[test]
fn prefixes_system_prompts_and_distributions_count_as_well() {
    let mock = counting(TokenizeForm::Vllm);
    let path = "/v1/chat/completions";
    for (keys, expected) in [
        (
            "prompts: { prompt_tokens: 90, prefix: 'Sum up what follows: ' }",
            90..=90,
        ),
        (
            "prompts: { prompt_tokens: 90 }\nsystem: You are a terse assistant of few words.",
            90..=90,
        ),
        (
            "prompts: { prefix_groups: 3, prefix_tokens: 60, prompt_tokens: 25 }",
            85..=85,
        ),
        (
            "prompts: { prefix_groups: 3, prefix_tokens: 1, prompt_tokens: 25 }",
            26..=26,
        ),
        (
            "prompts: { prompt_tokens: 'normal(mean=100,std=30,min=40,max=160)' }",
            40..=160,
        ),
    ] {
        let sent = run(
            mock.address,
            path,
            &format!("{keys}\ntokenizer: server\n{KIND}"),
            &[],
        );
        let lengths = &sent.document["totals"]["lengths"]["prompt"];
        assert_eq!(lengths["asked"], lengths["served"], "{keys}: {lengths}");
        assert!(
            sent.tokens().iter().all(|tokens| expected.contains(tokens)),
            "{keys}: {:?}",
            sent.tokens()
        );
    }
}

#[test]
fn the_same_seed_is_the_same_traffic_on_any_number_of_cores_and_over_shards() {
    let mock = counting(TokenizeForm::Vllm);
    let keys = format!("prompts: {{ prompt_tokens: 40-300 }}\ntokenizer: server\n{KIND}");
    let bodies = |options: &[&str]| run(mock.address, "/v1/completions", &keys, options).bodies;
    let one = bodies(&["--cores", "1"]);
    assert_eq!(one, bodies(&["--cores", "2"]));
    let mut shards = bodies(&["--shard", "1/2"]);
    shards.extend(bodies(&["--shard", "2/2"]));
    shards.sort_by_key(Value::to_string);
    assert_eq!(one, shards);
}

#[test]
fn the_texts_of_conversations_have_their_own_tokens() {
    let mock = counting(TokenizeForm::Vllm);
    let keys = format!(
        "prompts: {{ prompt_tokens: 30 }}\nconversation: {{ turns: 2, system_tokens: 50 }}\ntokenizer: server\n{KIND}"
    );
    let sent = run(mock.address, "/v1/chat/completions", &keys, &[]);
    let count = |text: &Value| count_prompt(&json!({"prompt": text})) - 1;
    for body in &sent.bodies {
        let messages = body["messages"].as_array().unwrap();
        for message in messages {
            match message["role"].as_str().unwrap() {
                "system" => assert_eq!(count(&message["content"]), 50, "{message}"),
                "user" => assert_eq!(count(&message["content"]), 30, "{message}"),
                _ => {}
            }
        }
    }
}

#[test]
fn blocks_of_a_trace_are_as_long_as_the_trace_says() {
    let mock = counting(TokenizeForm::Vllm);
    let dir = Dir::new();
    let row = |ids: &str, tokens: u32| {
        format!(
            "{{\"input_length\": {tokens}, \"output_length\": 20, \"hash_ids\": [{ids}], \"timestamp\": 0}}\n"
        )
    };
    let trace = dir.write(
        "trace.jsonl",
        &(row("1, 2", 1024) + &row("1, 3", 1000) + &row("1", 700)),
    );
    let keys = format!("dataset: {{ format: mooncake, file: '{trace}' }}\ntokenizer: server\n{KIND}");
    let sent = run(mock.address, "/v1/chat/completions", &keys, &[]);
    assert_eq!(sent.tokens(), [700, 1000, 1024].into());
    let beginnings: BTreeSet<String> = sent
        .bodies
        .iter()
        .map(|body| body["messages"][0]["content"].as_str().unwrap()[..900].to_owned())
        .collect();
    assert_eq!(beginnings.len(), 1, "equal ids are equal texts");
}

#[test]
fn a_file_counts_words_and_the_server_says_what_it_adds() {
    let mock = counting(TokenizeForm::Vllm);
    // Four characters of a word with its blank are a token, as the mock has it.
    let dir = Dir::new();
    let file = dir.write("tokenizer.json", &mock_tokenizer());
    for path in [file.as_str(), dir.path("").as_str()] {
        let keys = format!("prompts: {{ prompt_tokens: 150 }}\ntokenizer: '{path}'\n{KIND}");
        let sent = run(mock.address, "/v1/chat/completions", &keys, &[]);
        assert_eq!(sent.tokens(), [150].into(), "{}", sent.stderr);
    }
    // A tokenizer of another model is noticed.
    let other = dir.write("other.json", &mock_tokenizer().replace("{1,4}", "{1,3}"));
    let keys = format!("prompts: {{ prompt_tokens: 150 }}\ntokenizer: '{other}'\n{KIND}");
    let sent = run(mock.address, "/v1/chat/completions", &keys, &[]);
    assert!(
        sent.stderr.contains("it does not count as this tokenizer does"),
        "{}",
        sent.stderr
    );
}

/// Returns a tokenizer.json that splits texts as the mock does.
fn mock_tokenizer() -> String {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": " ?[^ ]+"}, "behavior": "Isolated", "invert": false},
            {"type": "Split", "pattern": {"Regex": ".{1,4}"}, "behavior": "Isolated", "invert": false}
        ]},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    })
    .to_string()
}

#[test]
fn a_server_that_cannot_count_ends_the_run_before_the_load() {
    let mock = recording_mock();
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let args = [
        "run",
        "smoke",
        "--target",
        &target,
        "--model",
        "mock",
        "--prompt-tokens",
        "100",
        "--tokenizer",
        "server",
        "--no-validate",
    ];
    let ended = ran(&args).expect(114);
    let expected = format!(
        "error: tokenizer: POST http://{}/tokenize: status 404",
        mock.address
    );
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    let sent = received(mock.address);
    assert!(
        sent.iter().all(|got| got.path == "/tokenize"),
        "the load was not sent"
    );
}

#[test]
fn prompts_that_are_shorter_than_what_the_server_adds_are_refused() {
    let mock = counting(TokenizeForm::Vllm);
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let args = [
        "run",
        "smoke",
        "--target",
        &target,
        "--model",
        "mock",
        "--prompt-tokens",
        "5",
        "--tokenizer",
        "server",
    ];
    let ended = ran(&args).expect(104);
    // One token begins the prompt, four and three are around the message and the answer, and the first word is one.
    assert!(
        ended.stderr.contains("ask for prompts of at least 9 tokens"),
        "{}",
        ended.stderr
    );
}

#[test]
fn shards_whose_prompts_other_tokenizers_counted_are_not_merged() {
    let mock = counting(TokenizeForm::Vllm);
    let dir = Dir::new();
    let file = dir.path("tokenizer.json");
    let shard = |number: u32, tokenizer: &str| {
        std::fs::write(&file, tokenizer).unwrap();
        let output = dir.path(&format!("{number}-{}.json", tokenizer.len()));
        let target = format!("http://{}/v1/chat/completions", mock.address);
        let (part, usual) = (
            format!("{number}/2"),
            "smoke --no-validate --vus 2 --iterations 4 --think-time 0",
        );
        let words = [
            "--target",
            &target,
            "--model",
            "mock",
            "--prompt-tokens",
            "100",
            "--tokenizer",
            &file,
        ];
        let usual: Vec<&str> = usual.split(' ').collect();
        ran(&[&usual[..], &words, &["--shard", &part, "--output", &output]].concat()).expect(0);
        output
    };
    let (same, other) = (mock_tokenizer(), mock_tokenizer().replace("{1,4}", "{1,30}"));
    let (first, second, odd) = (shard(1, &same), shard(2, &same), shard(2, &other));
    let merged = dir.path("merged.json");
    ran(&["merge", &first, &second, "--output", &merged]).expect(0);
    assert_eq!(
        document(&merged)["run"]["token_counts"],
        document(&first)["run"]["token_counts"]
    );
    let refused = ran(&["merge", &first, &odd]).expect(104);
    assert!(
        refused.stderr.contains("not the same counts of tokens: "),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--tokenizer"), "{}", refused.stderr);
}
