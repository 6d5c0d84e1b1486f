//! Options in combination: each of them changes what the server receives, or is refused by its name, whatever the
//! requests are made of.

use std::collections::BTreeSet;

use crate::common::live::*;
use crate::common::*;

const CHAT: &str = "/v1/chat/completions";

/// What requests are made of: the path, and the options that say it. `D/` is the folder of the datasets.
const MODES: [(&str, &str, &[&str]); 9] = [
    ("made", CHAT, &["--prompt-tokens", "5"]),
    ("texts", CHAT, &["--dataset", "custom:D/texts"]),
    ("messages", CHAT, &["--dataset", "openai:D/messages"]),
    ("whole bodies", CHAT, &["--dataset", "raw:D/bodies"]),
    ("lengths", "/v1/completions", &["--dataset", "mooncake:D/lengths"]),
    ("ids", "/v1/completions", &["--token-ids=7-99"]),
    ("conversation", CHAT, &["--turns", "2"]),
    ("embeddings", "/v1/embeddings", &[]),
    ("scores", "/v1/rerank", &[]),
];

/// Options that say what bodies or headers hold.
const OPTIONS: [&[&str]; 21] = [
    &["--prompt", "hello"],
    &["--prompt-tokens", "7"],
    &["--token-ids=5-90"],
    &["--prefix-groups", "3", "--prefix-tokens", "9"],
    &["--dataset-sample", "shuffle"],
    &["--dataset-block", "100"],
    &["--max-tokens", "77"],
    &["--model", "other"],
    &["--turns", "3"],
    &["--max-tokens-key", "max_completion_tokens"],
    &["--stream-options", "false"],
    &["--streaming-ratio", "0"],
    &["--ignore-eos"],
    &["--min-tokens", "1"],
    &["--temperature", "0.5"],
    &["--stop", "X"],
    &["--choices", "2"],
    &["--system", "SYS"],
    &["--tools", r#"[{"type":"function","function":{"name":"f"}}]"#],
    &["--extra-body", r#"{"priority":5}"#],
    &["--header", "x-a: b"],
];

/// A row of each kind of dataset. The lengths are those of one block and a half.
const ROWS: [(&str, &str); 4] = [
    ("texts", r#"{"prompt":"p N","output_tokens":3}"#),
    ("messages", r#"{"messages":[{"role":"user","content":"q N"}]}"#),
    (
        "bodies",
        r#"{"model":"m","messages":[{"role":"user","content":"q N"}],"max_tokens":4}"#,
    ),
    (
        "lengths",
        r#"{"timestamp":N,"input_length":700,"output_length":5,"hash_ids":[1,N]}"#,
    ),
];

/// The program's exit code and errors, and what the server received, without what differs between two runs alike.
fn sent(path: &str, words: &[&str]) -> (i32, String, BTreeSet<String>) {
    let mock = recording_mock();
    let url = format!("http://{}{path}", mock.address);
    let all = [
        &[
            "quick-smoke",
            "--target",
            &url,
            "--no-validate",
            "--think-time",
            "0",
        ][..],
        &["--vus", "1", "-i", "4"],
        words,
    ];
    let ended = ran(&all.concat());
    let got = received(mock.address).into_iter().map(|got| {
        let mut headers = got.headers;
        for own in ["host", "content-length", "x-request-id"] {
            headers.as_object_mut().unwrap().remove(own);
        }
        format!("{headers} {}", got.body)
    });
    (ended.code.unwrap_or(-1), ended.stderr, got.collect())
}

#[test]
fn every_option_about_bodies_changes_what_is_sent_or_is_refused_by_name() {
    let dir = Dir::new();
    for (name, row) in ROWS {
        let rows: Vec<String> = (2..7).map(|n| row.replace('N', &n.to_string())).collect();
        dir.write(name, &rows.join("\n"));
    }
    let folder = dir.path("");
    let mut silent = Vec::new();
    let (mut changed, mut refused) = (0, 0);
    for (mode, path, made) in MODES {
        let made: Vec<String> = made.iter().map(|word| word.replace("D/", &folder)).collect();
        let made: Vec<&str> = made.iter().map(String::as_str).collect();
        let (code, errors, plain) = sent(path, &made);
        assert!(code == 0 && !plain.is_empty(), "{mode}: {errors}");
        for option in OPTIONS {
            let name = option[0].split('=').next().unwrap();
            // Given twice it is refused anyway.
            if made.iter().any(|word| word.split('=').next() == Some(name)) {
                continue;
            }
            let (code, errors, got) = sent(path, &[&made[..], option].concat());
            let key = name.trim_start_matches("--").replace('-', "_");
            let key = if name == "--choices" { "`n`" } else { key.as_str() };
            let names_it = [name, key, &key.replace('_', " "), "conversation", "token ids"];
            match code {
                0 if got != plain => changed += 1,
                2 | 104 if names_it.iter().any(|said| errors.contains(said)) && got.is_empty() => {
                    refused += 1
                }
                _ => silent.push(format!("{mode} with {option:?}: exit code {code}: {errors}")),
            }
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
    assert!(
        changed > 80 && refused > 30,
        "{changed} changed, {refused} refused"
    );
}
