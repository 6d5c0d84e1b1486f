//! What the server of each API receives, whole and streamed: the exact body, member by member, and the path.

use serde_json::{Value, json};

use crate::common::live::*;
use crate::common::*;

/// What a server of an API is sent.
struct Sent {
    /// The path of the target.
    path: &'static str,
    /// The paths that are asked for a stream and for a whole answer.
    asked: [&'static str; 2],
    options: &'static [&'static str],
    /// The body but for `stream`.
    body: Value,
    /// The body has a member `stream`.
    says_stream: bool,
}

/// The paths whose answers are no text, so that they have no limit.
const GENERATE_NOTHING: [&str; 3] = ["/v1/embeddings", "/v1/rerank", "/v1/score"];

const SYSTEM: [&str; 2] = ["--system", "Be \"brief\"."];

/// The APIs of the newer servers, and those that generate nothing.
fn all() -> Vec<Sent> {
    let sent = |path, options, body| Sent {
        path,
        asked: [path, path],
        options,
        body,
        says_stream: true,
    };
    vec![
        sent(
            "/v1/responses",
            &["--temperature", "0.5", "--top-p", "0.9", "--ignore-eos"],
            json!({"model": "m", "input": "Hi there", "instructions": "Be \"brief\".", "max_output_tokens": 9,
                   "temperature": 0.5, "top_p": 0.9, "ignore_eos": true}),
        ),
        sent(
            "/v1/messages",
            &["--temperature", "0.5", "--top-k", "5", "--stop", "END"],
            json!({"model": "m", "messages": [{"role": "user", "content": "Hi there"}], "system": "Be \"brief\".",
                   "max_tokens": 9, "temperature": 0.5, "top_k": 5, "stop_sequences": ["END"]}),
        ),
        sent(
            "/api/generate",
            &["--temperature", "0.5", "--sampling-seed", "3", "--stop", "END"],
            json!({"model": "m", "prompt": "Hi there", "system": "Be \"brief\".",
                   "options": {"num_predict": 9, "temperature": 0.5, "seed": 3, "stop": ["END"]}}),
        ),
        sent(
            "/api/chat",
            &["--top-p", "0.9"],
            json!({"model": "m", "messages": [{"role": "system", "content": "Be \"brief\"."},
                                              {"role": "user", "content": "Hi there"}],
                   "options": {"num_predict": 9, "top_p": 0.9}}),
        ),
        sent(
            "/generate",
            &["--ignore-eos", "--min-tokens", "2", "--sampling-seed", "3"],
            json!({"text": "Be \"brief\".\n\nHi there",
                   "sampling_params": {"max_new_tokens": 9, "ignore_eos": true, "min_new_tokens": 2,
                                       "sampling_seed": 3}}),
        ),
        Sent {
            asked: ["/generate_stream", "/generate"],
            says_stream: false,
            ..sent(
                "/generate_stream",
                &["--temperature", "0.5", "--sampling-seed", "3", "--stop", "END"],
                json!({"inputs": "Be \"brief\".\n\nHi there",
                       "parameters": {"max_new_tokens": 9, "details": true, "temperature": 0.5, "seed": 3,
                                      "stop": ["END"]}}),
            )
        },
        Sent {
            asked: ["/v2/models/m/generate_stream", "/v2/models/m/generate"],
            ..sent(
                "/v2/models/m/generate",
                &["--temperature", "0.5", "--top-k", "5"],
                json!({"text_input": "Be \"brief\".\n\nHi there", "max_tokens": 9, "temperature": 0.5, "top_k": 5}),
            )
        },
    ]
}

/// Makes one request with these options, and returns it as the server got it.
fn one(path: &str, more: &[&str]) -> Got {
    let mock = recording_mock();
    let url = format!("http://{}{path}", mock.address);
    let usual = [
        "quick-smoke",
        "--target",
        &url,
        "--no-validate",
        "--vus",
        "1",
        "-i",
        "1",
    ];
    let asked = ["--model", "m", "--prompt", "Hi there", "--think-time", "0"];
    let limit = match GENERATE_NOTHING.contains(&path) {
        true => &[][..],
        false => &["--max-tokens", "9"],
    };
    let out = run_program(&[&usual[..], &asked, limit, more].concat());
    assert!(
        out.status.success(),
        "{path}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let mut all = received(mock.address);
    assert_eq!(all.len(), 1, "{path}");
    all.remove(0)
}

#[test]
fn each_api_gets_its_own_body_for_a_stream_and_for_a_whole_answer() {
    for api in all() {
        for (stream, asked) in [true, false].into_iter().zip(api.asked) {
            let ratio = if stream { "1" } else { "0" };
            let options = [&["--streaming-ratio", ratio], &SYSTEM[..], api.options].concat();
            let got = one(api.path, &options);
            let mut expected = api.body.clone();
            if api.says_stream {
                expected["stream"] = stream.into();
            }
            assert_eq!((got.path.as_str(), got.json()), (asked, expected));
            let version = got.header("anthropic-version");
            assert_eq!(version.is_some(), api.path == "/v1/messages", "{}", api.path);
            assert!(got.header("x-request-id").is_some(), "{}", api.path);
        }
    }
}

#[test]
fn apis_that_generate_nothing_get_texts_without_a_limit_or_a_stream() {
    for (path, expected) in [
        (
            "/v1/embeddings",
            json!({"model": "m", "input": "Hi there", "encoding_format": "float"}),
        ),
        ("/v1/rerank", json!({"model": "m", "query": "Hi there"})),
        ("/v1/score", json!({"model": "m", "text_1": "Hi there"})),
    ] {
        for seed in ["1", "2"] {
            let got = one(path, &["--seed", seed]);
            let mut body = got.json();
            // What a query is compared with.
            for others in ["documents", "text_2"] {
                if let Some(texts) = body.as_object_mut().unwrap().remove(others) {
                    assert!(!texts.as_array().unwrap().is_empty(), "{path}");
                    assert_ne!(path, "/v1/embeddings");
                }
            }
            assert_eq!((got.path.as_str(), body), (path, expected.clone()));
        }
    }
}

/// A further member wins over what is written, wherever the API has it.
#[test]
fn a_further_member_reaches_each_api_where_it_belongs() {
    for (path, extra, at, value) in [
        (
            "/v1/responses",
            r#"{"reasoning":{"effort":"low"}}"#,
            "/reasoning/effort",
            json!("low"),
        ),
        (
            "/v1/messages",
            r#"{"thinking":{"type":"enabled"}}"#,
            "/thinking/type",
            json!("enabled"),
        ),
        (
            "/api/generate",
            r#"{"options":{"num_ctx":4096}}"#,
            "/options/num_ctx",
            json!(4096),
        ),
        ("/api/chat", r#"{"keep_alive":"5m"}"#, "/keep_alive", json!("5m")),
        (
            "/generate",
            r#"{"sampling_params":{"min_p":0.1}}"#,
            "/sampling_params/min_p",
            json!(0.1),
        ),
        (
            "/generate_stream",
            r#"{"parameters":{"best_of":1}}"#,
            "/parameters/best_of",
            json!(1),
        ),
        (
            "/v2/models/m/generate",
            r#"{"bad_words":"x"}"#,
            "/bad_words",
            json!("x"),
        ),
        ("/v1/embeddings", r#"{"dimensions":8}"#, "/dimensions", json!(8)),
        ("/v1/rerank", r#"{"top_n":1}"#, "/top_n", json!(1)),
        (
            "/v1/score",
            r#"{"truncate_prompt_tokens":8}"#,
            "/truncate_prompt_tokens",
            json!(8),
        ),
    ] {
        let body = one(path, &["--extra-body", extra]).json();
        assert_eq!(body.pointer(at), Some(&value), "{path}: {body}");
        assert!(body.as_object().unwrap().len() > 1, "{path}: {body}");
    }
}

/// The path, the path of the list of models, and the model that the head of the summary shows.
const HEADS: [(&str, Option<&str>); 6] = [
    ("/completion", None),
    ("/generate", None),
    ("/v1/embeddings", Some("  mock")),
    ("/rerank", Some("  mock")),
    ("/v2/rerank", Some("  mock")),
    ("/score", Some("  mock")),
];

#[test]
fn the_summary_names_the_model_that_requests_name_wherever_the_list_of_models_is() {
    for (path, model) in HEADS {
        let mock = recording_mock();
        let url = format!("http://{}{path}", mock.address);
        let dir = Dir::new();
        let output = dir.path("result.json");
        let words = ["load", "--target", &url, "--no-validate", "--vus", "1", "-i", "4"];
        let ended = ran(&[&words[..], &["--details", "--output", &output]].concat()).expect(0);
        let head = ended.stdout.lines().nth(1).unwrap_or_default();
        assert!(head.starts_with("load  http"), "{path}: {head}");
        assert!(
            !head.contains(" models") && !head.contains("default"),
            "{path}: {head}"
        );
        let document = document(&output);
        match model {
            Some(model) => assert!(head.contains(model), "{path}: {head}"),
            None => assert_eq!(document["run"]["models"], json!([]), "{path}"),
        }
        for got in received(mock.address) {
            assert_eq!(got.path, path);
            if model.is_some() {
                assert_eq!(got.json()["model"], "mock", "{path}");
            }
        }
        let generates = model.is_none();
        for detail in document["details"].as_array().unwrap() {
            assert_eq!(
                detail.get("asked_output_tokens").is_some(),
                generates,
                "{path}: {detail}"
            );
        }
        let note = ended.stderr.contains("get whole answers");
        assert_eq!(note, !generates, "{path}: {}", ended.stderr);
    }
}
