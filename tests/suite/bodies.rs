//! What bodies and headers say, as the server got it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::common::{Got, program, received, recording_mock, run_program};

/// Runs three requests with these options, and returns what the server got. `path` says which API.
fn sent(address: SocketAddr, path: &str, words: &[&str]) -> Vec<Got> {
    let url = format!("http://{address}{path}");
    let mut line = vec![
        "quick-smoke",
        "--target",
        &url,
        "--no-validate",
        "--vus",
        "1",
        "-i",
        "3",
        "--think-time",
        "0",
    ];
    line.extend(words);
    let out = run_program(&line);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    received(address)
}

/// The body without what each request has of its own.
fn settings_of(got: &Got) -> Value {
    let mut body = got.json();
    let members = body.as_object_mut().unwrap();
    for own in [
        "model",
        "messages",
        "prompt",
        "max_tokens",
        "stream",
        "stream_options",
        "n_predict",
        "cache_prompt",
    ] {
        members.remove(own);
    }
    body
}

#[test]
fn options_reach_the_server_in_the_words_of_its_api() {
    let mock = recording_mock();
    let words = [
        "--ignore-eos",
        "--temperature",
        "0",
        "--top-p",
        "0.95",
        "--top-k",
        "-1",
        "--sampling-seed",
        "7",
        "--stop",
        "END",
        "--stop",
        "\n\n",
        "--extra-body",
        r#"{"priority": 5}"#,
    ];
    let expected = json!({
        "ignore_eos": true, "temperature": 0, "top_p": 0.95, "top_k": -1, "seed": 7, "stop": ["END", "\n\n"],
        "priority": 5,
    });
    for path in ["/v1/chat/completions", "/v1/completions", "/completion"] {
        let before = received(mock.address).len();
        let all = sent(mock.address, path, &words);
        assert_eq!(all.len(), before + 3, "{path}");
        for got in &all[before..] {
            assert_eq!((got.path.as_str(), settings_of(got)), (path, expected.clone()));
        }
    }
}

#[test]
fn a_system_prompt_comes_first_in_each_api() {
    let mock = recording_mock();
    let words = ["--system", "Be \"brief\".", "--prompt", "Hi", "--max-tokens", "9"];
    let chat = sent(mock.address, "/v1/chat/completions", &words)
        .pop()
        .unwrap()
        .json();
    assert_eq!(
        chat["messages"],
        json!([{"role": "system", "content": "Be \"brief\"."}, {"role": "user", "content": "Hi"}])
    );
    for path in ["/v1/completions", "/completion"] {
        let body = sent(mock.address, path, &words).pop().unwrap().json();
        assert_eq!(body["prompt"], "Be \"brief\".\n\nHi", "{path}");
    }
}

#[test]
fn further_members_win_over_what_the_program_writes_and_a_null_removes() {
    let mock = recording_mock();
    let extra =
        r#"{"model": "other", "max_completion_tokens": 3, "stream_options": null, "temperature": null}"#;
    let words = [
        "--temperature",
        "1",
        "--streaming-ratio",
        "1",
        "--extra-body",
        extra,
    ];
    for got in sent(mock.address, "/v1/chat/completions", &words) {
        let body = got.json();
        let names: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            BTreeSet::from(["max_completion_tokens", "messages", "model", "stream"]),
            "{body}"
        );
        assert_eq!((&body["model"], &body["stream"]), (&json!("other"), &json!(true)));
    }
}

#[test]
fn values_come_from_files_and_from_the_environment() {
    let mock = recording_mock();
    let folder = tempfolder("bodies-files");
    let (system, tools, extra) = (folder.join("s.txt"), folder.join("t.json"), folder.join("e.json"));
    std::fs::write(&system, "From a file.").unwrap();
    std::fs::write(&tools, r#"[{"type":"function","function":{"name":"look"}}]"#).unwrap();
    std::fs::write(&extra, "{\n  \"tenant\": \"a\"\n}\n").unwrap();
    let at = |path: &std::path::Path| format!("@{}", path.display());
    let url = format!("http://{}/v1/chat/completions", mock.address);
    let out = program()
        .args(["quick-smoke", "--target", &url, "--no-validate", "-i", "1"])
        .args(["--system", &at(&system), "--tools", &at(&tools)])
        .env("LLMLOAD_EXTRA_BODY", at(&extra))
        .env("LLMLOAD_MIN_TOKENS", "4")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let got = received(mock.address).pop().unwrap();
    let body = got.json();
    assert_eq!(
        body["messages"][0],
        json!({"role": "system", "content": "From a file."})
    );
    assert_eq!(
        settings_of(&got),
        json!({"min_tokens": 4, "tools": [{"type": "function", "function": {"name": "look"}}], "tenant": "a"})
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

fn tempfolder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn validation_asks_with_the_same_members() {
    let mock = recording_mock();
    let url = format!("http://{}/v1/chat/completions", mock.address);
    let out = run_program(&[
        "quick-smoke",
        "--target",
        &url,
        "-i",
        "1",
        "--min-tokens",
        "40",
        "--ignore-eos",
    ]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let all = received(mock.address);
    let chat: Vec<&Got> = all
        .iter()
        .filter(|got| got.path == "/v1/chat/completions")
        .collect();
    assert_eq!(chat.len(), 3);
    for got in &chat {
        assert_eq!(settings_of(got), json!({"min_tokens": 40, "ignore_eos": true}));
        // A limit below the least would be refused.
        assert!(got.json()["max_tokens"].as_u64().unwrap() >= 40, "{}", got.body);
    }
}

/// Options, the exit code, and what the error says.
const WRONG: &[(&[&str], i32, &str)] = &[
    (
        &["--temperature", "warm"],
        2,
        "error: --temperature: `warm` is not a number",
    ),
    (
        &["--temperature", "-1"],
        104,
        "error: --temperature: `-1` is below the minimum of 0",
    ),
    (&["--top-p", "0"], 104, "error: --top-p: `0` is not above 0"),
    (
        &["--choices", "two"],
        2,
        "error: --choices: `two` is not a whole number",
    ),
    (
        &["--extra-body", "{priority: 1}"],
        2,
        "error: --extra-body: not JSON at line 1 column 2",
    ),
    (
        &["--extra-body", "[1]"],
        2,
        "error: --extra-body: a list, not a JSON object",
    ),
    (
        &["--extra-body", r#"{"stream": true}"#],
        104,
        "error: --extra-body: `stream` cannot be a further member",
    ),
    (
        &["--extra-body", "@/no/such.json"],
        104,
        "error: --extra-body: `/no/such.json` cannot be read",
    ),
    (
        &["--extra-body", "@"],
        2,
        "error: --extra-body: no file follows `@`",
    ),
    (&["--system", " "], 104, "error: --system: the text is blank"),
    (
        &["--tools", "{}"],
        104,
        "error: --tools: the tools are not a list",
    ),
    (&["--stop", ""], 104, "error: --stop: the text is empty"),
    (
        &["--min-tokens", "5"],
        104,
        "`min_tokens` has no place in llama.cpp's own completions",
    ),
    (
        &["--choices", "2"],
        104,
        "`n` has no place in llama.cpp's own completions",
    ),
    (
        &["--extra-inputs", "ignore_eos:true"],
        2,
        "`--extra-body '{ \"NAME\": VALUE}'`",
    ),
    (&["--system-prompt", "x"], 2, "`--system TEXT`"),
];

#[test]
fn wrong_options_are_refused_before_anything_is_sent() {
    let mock = recording_mock();
    let url = format!("http://{}/completion", mock.address);
    for (words, exit, expected) in WRONG {
        let mut line = vec!["quick-smoke", "--target", &url, "--no-validate"];
        line.extend(*words);
        let out = run_program(&line);
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(err.contains(*expected), "{words:?}: {err}");
        assert_eq!(out.status.code(), Some(*exit), "{words:?}: {err}");
    }
    assert!(received(mock.address).is_empty());
}

#[test]
fn a_kind_has_headers_and_members_of_its_own() {
    let mock = recording_mock();
    let folder = tempfolder("bodies-kinds");
    let document = folder.join("classes.yaml");
    let text = format!(
        "server: {{ base_url: 'http://{}/v1' }}\nexecutor: shared-iterations\nvus: 2\niterations: 20\n\
         prompts: [Hi]\ntemperature: 0\nrequests:\n\
         \x20 - {{ name: fast, max_tokens: 5, headers: {{ x-class: fast }}, extra_body: {{ priority: 0 }} }}\n\
         \x20 - {{ name: slow, max_tokens: 9, headers: {{ X-Key: '${{BODY_KEY}}' }}, ignore_eos: true, temperature: 1 }}\n",
        mock.address
    );
    std::fs::write(&document, text).unwrap();
    let out = program()
        .args([document.to_str().unwrap(), "--header", "X-Class: all"])
        .env("BODY_KEY", "s3cret")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let all = received(mock.address);
    assert_eq!(all.len(), 20);
    assert!(all.windows(2).all(|two| two[0].arrived_ns <= two[1].arrived_ns));
    let mut seen = BTreeSet::new();
    for got in &all {
        let is_fast = got.header("x-key").is_none();
        seen.insert(is_fast);
        let expected = match is_fast {
            true => (Some("fast"), None, json!({"temperature": 0, "priority": 0})),
            false => (
                Some("all"),
                Some("s3cret"),
                json!({"temperature": 1, "ignore_eos": true}),
            ),
        };
        assert_eq!(
            (got.header("x-class"), got.header("x-key"), settings_of(got)),
            expected
        );
    }
    assert_eq!(seen.len(), 2, "both kinds were drawn");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The ids of all requests that the mock got, from header `name`.
fn ids(address: SocketAddr, name: &str) -> Vec<String> {
    let all = received(address);
    let ids = all.iter().filter_map(|got| got.header(name).map(str::to_owned));
    ids.collect()
}

#[test]
fn every_request_has_an_id_that_is_its_own_and_stands_in_the_details() {
    let mock = recording_mock();
    let url = format!("http://{}/v1/chat/completions", mock.address);
    let folder = tempfolder("bodies-ids");
    let result = folder.join("r.json");
    let file = result.to_str().unwrap();
    let words = [
        "smoke",
        "--target",
        &url,
        "--no-validate",
        "--vus",
        "4",
        "-i",
        "20",
        "--think-time",
        "0",
        "--warmup",
        "100ms",
        "--details",
        "-o",
        file,
        "--seed",
        "3",
    ];
    let mut listed = BTreeSet::new();
    for part in [["--shard", "1/2"], ["--shard", "2/2"], ["--repeat", "2"]] {
        let mut line = words.to_vec();
        line.extend(part);
        let out = run_program(&line);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let document: Value = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
        for detail in document["details"].as_array().unwrap() {
            let id = detail["x_request_id"].as_str().unwrap().to_owned();
            assert!(
                id.ends_with(&format!("-{}", detail["request_id"].as_str().unwrap())),
                "{detail}"
            );
            assert!(listed.insert(id), "{detail}");
        }
    }
    assert_eq!(listed.len(), 60);
    let all = ids(mock.address, "x-request-id");
    assert_eq!(all.len(), received(mock.address).len(), "each has one");
    let own: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(own.len(), all.len(), "no two are the same");
    assert!(listed.is_subset(&own));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_header_of_ids_has_the_name_that_was_asked_for_and_a_configured_one_stays() {
    let mock = recording_mock();
    sent(
        mock.address,
        "/v1/chat/completions",
        &["--request-id-header", "X-Trace"],
    );
    assert_eq!(
        (
            ids(mock.address, "x-trace").len(),
            ids(mock.address, "x-request-id").len()
        ),
        (3, 0)
    );
    sent(
        mock.address,
        "/v1/chat/completions",
        &["--request-id-header", "none"],
    );
    assert_eq!(ids(mock.address, "x-request-id").len(), 0);
    sent(
        mock.address,
        "/v1/chat/completions",
        &["--header", "x-request-id: mine"],
    );
    assert_eq!(ids(mock.address, "x-request-id"), ["mine"; 3]);
    for wrong in ["", "a b", "Host"] {
        let out = run_program(&["quick-smoke", "--request-id-header", wrong]);
        let err = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(104), "{wrong}: {err}");
        assert!(err.starts_with("error: --request-id-header: "), "{err}");
    }
}

/// The recipe of the page for those who come from other tools, with a tenth of its requests.
#[test]
fn the_recipe_of_vllm_bench_sends_and_gets_what_it_says() {
    let mock = recording_mock();
    let url = format!("http://{}/v1/chat/completions", mock.address);
    let folder = tempfolder("bodies-recipe");
    let result = folder.join("r.json");
    let out = run_program(&[
        "load",
        "--target",
        &url,
        "--model",
        "M",
        "--vus",
        "5",
        "--iterations",
        "100",
        "--prompt-tokens",
        "100",
        "--max-tokens",
        "10",
        "--ignore-eos",
        "--streaming-ratio",
        "1",
        "--think-time",
        "0",
        "-o",
        result.to_str().unwrap(),
    ]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let document: Value = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
    assert_eq!(document["totals"]["requests"], 100);
    assert_eq!(document["totals"]["output_tokens"], 1_000);
    let all: Vec<Value> = received(mock.address).iter().map(Got::json).collect();
    let load = &all[all.len() - 100..];
    for body in load {
        assert_eq!(body["model"], "M");
        assert_eq!(
            (&body["max_tokens"], &body["ignore_eos"]),
            (&json!(10), &json!(true))
        );
        assert_eq!(
            (&body["stream"], &body["messages"].as_array().unwrap().len()),
            (&json!(true), &1)
        );
        // One common word is one token; the server's template comes on top.
        let text = body["messages"][0]["content"].as_str().unwrap();
        assert_eq!(text.split_whitespace().count(), 100, "{text}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
