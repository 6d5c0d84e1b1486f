//! One hostile text through everything that the program shows or writes as text: what was typed, the environment,
//! documents, paths, answers of servers, logs of children, files of other runs. Nothing of it may reach a terminal.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use clap::{Arg, CommandFactory};
use llmload_uring::cli::Cli;
use llmload_uring::output::block;
use llmload_uring::units::SECOND;
use serde_json::{Value, json};

use crate::common::gateway::{Gateway, Manner};
use crate::common::live::Dir;
use crate::common::*;
use crate::live::figures_of_two;

/// Erases the screen, sets a title, overwrites, turns the direction, hides a word, and forges a line.
const HOSTILE: &str = "a\x1b[2J\x1b]0;t\x07\r\x08\x0c\x7f\u{9b}\u{85}\u{61c}\u{200b}\u{200d}\u{200e}\u{200f}\u{202a}\
                       \u{202e}\u{2028}\u{2029}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0001}\u{e0041}\nerror: forged\tz";

/// The list is written down here once more, so that a gap in the program's own is seen.
fn is_raw(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[track_caller]
fn check(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    for line in text.lines() {
        assert!(!line.contains(is_raw), "{what}: {line:?}");
        assert!(
            !line.starts_with("error: forged"),
            "{what}: a forged line: {text:?}"
        );
    }
    assert!(!text.contains('\r'), "{what}: {text:?}");
}

/// Runs the program in `dir`; whatever it says is checked.
#[track_caller]
fn run_with(dir: &Dir, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = program();
    command
        .args(args)
        .current_dir(dir.path(""))
        .envs(env.iter().copied());
    let output = command.output().unwrap();
    let what = format!("{args:?} {env:?}");
    check(&what, &output.stdout);
    check(&what, &output.stderr);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(!shown.contains("panicked"), "{what}: {shown}");
    output
}

#[track_caller]
fn run(dir: &Dir, args: &[&str]) -> Output {
    run_with(dir, args, &[])
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{said}{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Gives `status` and a hostile body to everyone, until the test's process ends.
fn server(status: &'static str, content_type: &'static str, body: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, body) = (stream.unwrap(), body.clone());
            std::thread::spawn(move || {
                let mut chunk = [0; 16 << 10];
                let _ = stream.read(&mut chunk);
                let length = body.len();
                // With a control in its head an answer is none, and nobody reads its body.
                let name = if status.contains('\x1b') {
                    "\x1b[2J"
                } else {
                    "\u{202e}"
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nX-Name: {name}\r\nContent-Type: {content_type}\r\n\
                     Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            });
        }
    });
    address
}

/// The document with one text after the other replaced: each leaf, and each key.
fn poisoned(document: &Value) -> Vec<Value> {
    let mut out = vec![Value::from(HOSTILE)];
    match document {
        Value::Object(map) => {
            for (key, value) in map {
                for worse in poisoned(value) {
                    let mut map = map.clone();
                    map.insert(key.clone(), worse);
                    out.push(map.into());
                }
                let mut map = map.clone();
                let value = map.remove(key).unwrap();
                map.insert(HOSTILE.to_owned(), value);
                out.push(map.into());
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                for worse in poisoned(first) {
                    let mut items = items.clone();
                    items[0] = worse;
                    out.push(items.into());
                }
            }
        }
        _ => {}
    }
    out
}

fn options_of(command: &clap::Command) -> Vec<Arg> {
    let takes = |arg: &&Arg| arg.get_action().takes_values() && arg.get_long().is_some();
    command.get_arguments().filter(takes).cloned().collect()
}

#[test]
fn hostile_options_and_variables_of_a_run_are_shown_escaped() {
    let dir = Dir::new();
    for arg in options_of(&Cli::command()) {
        let option = format!("--{}={HOSTILE}", arg.get_long().unwrap());
        let mut args = vec!["smoke", "--no-validate", &option];
        // A port that nobody listens on: a run that gets so far ends there.
        if !["target", "config"].contains(&arg.get_long().unwrap()) {
            args.push("--target=http://127.0.0.1:1");
        }
        let code = run(&dir, &args).status.code();
        assert_ne!(code, Some(0), "{option:?}");
        if let Some(name) = arg.get_env() {
            args.retain(|word| *word != option);
            run_with(&dir, &args, &[(name.to_str().unwrap(), HOSTILE)]);
        }
    }
    for name in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"] {
        ends_with(
            &run_with(&dir, &["smoke", "--shard", "auto"], &[(name, HOSTILE)]),
            104,
        );
    }
}

#[test]
fn hostile_words_and_options_of_every_command_are_shown_escaped() {
    let dir = Dir::new();
    let kept = dir.path(HOSTILE);
    let yaml = format!("{HOSTILE}.yaml");
    for words in [
        &[HOSTILE][..],
        &[&yaml],
        &["run", HOSTILE],
        &["smoke", HOSTILE],
        &["config", "check", HOSTILE],
        &["config", "check", &yaml],
        &["config", HOSTILE],
        &["profiles", "show", HOSTILE],
        &["compare", HOSTILE, HOSTILE],
        &["compare", &format!("@{HOSTILE}"), HOSTILE],
        &["baseline", "list", "--folder", HOSTILE],
        &["baseline", "show", HOSTILE],
        &["baseline", "save", HOSTILE, HOSTILE],
        &["baseline", "save", "main", HOSTILE],
        &["merge", HOSTILE, HOSTILE],
        &["report", HOSTILE, "-o", HOSTILE],
        &["show", HOSTILE, "-o", HOSTILE],
        &["import-k6", HOSTILE],
        &["import-inference-perf", HOSTILE],
        &["import", HOSTILE, HOSTILE],
        &["import", "inference-perf", HOSTILE],
        &["mock", HOSTILE],
        &["probe", HOSTILE],
        &["completions", HOSTILE],
    ] {
        run(&dir, words);
    }
    for command in Cli::command().get_subcommands().filter(|sub| !sub.is_hide_set()) {
        for arg in options_of(command) {
            let (name, option) = (
                command.get_name(),
                format!("--{}={HOSTILE}", arg.get_long().unwrap()),
            );
            match name {
                "run" => {}
                "mock" => drop(run(
                    &dir,
                    &[name, "--listen=127.0.0.1:0", "--max-seconds=1", &option],
                )),
                "report" if arg.get_long() != Some("output") => {
                    drop(run(&dir, &[name, &kept, "--output", "page.html", &option]));
                }
                "compare" | "merge" => drop(run(&dir, &[name, &kept, &kept, &option])),
                _ => drop(run(&dir, &[name, &kept, &option])),
            }
        }
    }
    run(&dir, &["probe", "--vus", "3"]);
    run(&dir, &["probe", "--vus", "3", "--json"]);
}

/// Every key that a document may have, written as JSON, which is YAML.
fn whole_document() -> Value {
    json!({
        "description": "x",
        "servers": [
            { "name": "a", "base_url": "http://127.0.0.1:1/v1", "model_alias": "m", "weight": 0.5, "api": "chat" },
            { "name": "b", "base_url": "http://127.0.0.1:2/completion", "weight": 1, "api": "llamacpp" },
        ],
        "validate": false, "require_fit": false, "seed": 42,
        "executor": "ramping-vus", "start_vus": 1,
        "stages": [{ "duration": "10s", "target": 4 }],
        "graceful_ramp_down": "1s", "graceful_stop": "5s", "think_time": "10ms-20ms",
        "models": ["m"], "prompts": ["Hi"],
        "requests": [
            { "name": "r", "weight": 1, "kind": "chat", "stream": true, "max_tokens": "5-9", "models": ["m"],
              "timeout": "9s", "connect_timeout": "1s", "first_token_timeout": "2s", "idle_timeout": "3s",
              "prompts": { "min_tokens": 5, "prefix": "p" } },
            { "name": "l", "weight": 1, "kind": "light", "path": "health", "timeout": "1s" },
        ],
        "thresholds": {
            "ttft{request:r}": [{ "threshold": "p(99)<500", "abortOnFail": true, "delayAbortEval": "1s" }],
            "failed": "rate<0.5",
        },
        "steps": true, "repeat": 1, "warmup": "1s", "contention": false, "paired": false, "paired_prompts": "same",
        "results_dir": "results", "output": "o.json", "details": true,
        "analysis": { "p90_latency_max": 10 },
        "prometheus": {
            "enabled": true, "pushgateway_url": "http://127.0.0.1:9091", "job_name": "j", "instance_name": "i",
            "push_interval_seconds": 10, "username": "u", "password": "p",
        },
    })
}

#[test]
fn hostile_keys_and_values_of_a_document_are_shown_escaped() {
    let dir = Dir::new();
    let whole = whole_document();
    let mut accepted = 0;
    let variants = poisoned(&whole);
    assert!(variants.len() > 120, "{}", variants.len());
    for variant in std::iter::once(&whole).chain(&variants) {
        let path = dir.write("w.yaml", &variant.to_string());
        let output = run(&dir, &["config", "check", &path]);
        accepted += usize::from(output.status.success());
    }
    // Texts that mean nothing to the program: descriptions, prompts, models, paths.
    assert!(accepted > 8, "{accepted}");
    let path = dir.write(HOSTILE, &format!("executor: [{HOSTILE}"));
    ends_with(
        &run(
            &dir,
            &[
                "config",
                "check",
                &format!("./{}", Path::new(&path).file_name().unwrap().to_str().unwrap()),
            ],
        ),
        104,
    );
}

const LOAD: &str = "executor: shared-iterations\nvus: 2\niterations: 40\nmax_duration: 20s\ngraceful_stop: 5s\n\
                    think_time: 1ms\nmodels: [m]\nprompts: [Hi]\nrequests:\n  - { name: r, weight: 1, stream: true, \
                    max_tokens: 5, timeout: 5s }\n";

/// Runs a profile of a hostile name into a document of a hostile name; gives its path.
fn result(dir: &Dir, target: SocketAddr, more: &[&str]) -> (Output, PathBuf) {
    let profile = format!("./{HOSTILE}.yaml");
    dir.write(&profile, LOAD);
    let target = format!("http://{target}/v1/chat/completions");
    let output = format!("{HOSTILE}{}.json", more.len());
    let args = [
        &[
            profile.as_str(),
            "--target",
            &target,
            "--output",
            &output,
            "--details",
        ],
        more,
    ]
    .concat();
    let ended = run(dir, &args);
    let path = PathBuf::from(dir.path(&output));
    check("the document", &fs::read(&path).unwrap());
    (ended, path)
}

#[test]
fn a_profile_and_a_result_of_hostile_names_are_shown_escaped() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (ended, path) = result(&dir, mock.address, &[]);
    ends_with(&ended, 0);
    assert!(String::from_utf8_lossy(&ended.stdout).contains("\\u{1b}[2J"));
    let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        document["run"]["profile"],
        format!("./{HOSTILE}.yaml"),
        "kept as it is for programs"
    );
    let (ended, _) = result(&dir, mock.address, &["--threshold", "latency: p(99)<0.001"]);
    ends_with(&ended, 99);
    let full = format!("/dev/full/{HOSTILE}");
    ends_with(
        &run(
            &dir,
            &[
                "smoke",
                "--target",
                &format!("http://{}", mock.address),
                "-o",
                &full,
            ],
        ),
        112,
    );
}

#[test]
fn a_path_that_is_not_utf_8_is_shown_and_the_configuration_still_written() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let path = OsStr::from_bytes(b"r\xff\x1b[2J.json");
    let mut command = program();
    command
        .args(["smoke", "--iterations", "4", "--target"])
        .arg(format!("http://{}", mock.address))
        .arg("--output")
        .arg(path)
        .current_dir(dir.path(""));
    ends_with(&command.output().unwrap(), 0);
    let document = fs::read(Path::new(&dir.path("")).join(path)).unwrap();
    check("the document", &document);
    let document: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document["config"]["run"]["output"], "r\\xff\x1b[2J.json");
    let mut command = program();
    let output = command.args(["compare", "x"]).arg(path).output().unwrap();
    check("a path", &output.stderr);
    let mut command = program();
    let output = command
        .args(["smoke", "--cacert"])
        .arg(path)
        .args(["--target", "https://127.0.0.1:1"])
        .output();
    let output = output.unwrap();
    check("a path", &output.stderr);
}

#[test]
fn the_live_block_of_a_hostile_profile_is_plain() {
    for width in [30, 80, 200] {
        let figures = llmload_uring::report::LiveFigures {
            profile: HOSTILE.to_owned(),
            target: HOSTILE.to_owned(),
            newest_failure: Some(HOSTILE.to_owned()),
            ranks: None,
            models: vec![HOSTILE.to_owned()],
            servers: vec![llmload_uring::report::LiveServer {
                name: HOSTILE.to_owned(),
                models: vec![HOSTILE.to_owned()],
                ..figures_of_two().servers[0].clone()
            }],
            elapsed: 3 * SECOND,
            ..figures_of_two()
        };
        for line in block(&figures, (width, 100), true) {
            let bare = line.replace("\x1b[31m", "").replace("\x1b[0m", "");
            check("the live block", bare.as_bytes());
            assert!(bare.chars().count() <= width, "{bare}");
        }
    }
}

#[test]
fn answers_of_hostile_servers_are_shown_escaped() {
    let dir = Dir::new();
    let event = json!({ "error": { "message": HOSTILE } });
    let models = json!({ "data": [{ "id": HOSTILE }] }).to_string();
    let (plain, json) = ("text/plain", "application/json");
    let mut said = Vec::new();
    for (status, content_type, body) in [
        ("200 OK", plain, HOSTILE.to_owned()),
        ("200 \x1b[2J\u{202e}", json, models.clone()),
        ("200 \u{202e}", json, models),
        ("200 OK", json, event.to_string()),
        (
            "200 OK",
            "text/event-stream",
            format!("data: {event}\n\ndata: {HOSTILE}\n\n"),
        ),
        ("401 \x1b[2J", plain, HOSTILE.to_owned()),
        ("401 Unauthorized", plain, HOSTILE.to_owned()),
        ("404 Not Found", plain, HOSTILE.to_owned()),
        ("500 \u{202e}", plain, HOSTILE.to_owned()),
        ("503 Busy", plain, HOSTILE.to_owned()),
        ("\x1b[2J", plain, HOSTILE.to_owned()),
    ] {
        let address = server(status, content_type, body);
        for url in [
            format!("http://{address}"),
            format!("http://{address}/v1/chat/completions"),
        ] {
            let ended = run(&dir, &["quick-smoke", "--target", &url]);
            assert_ne!(ended.status.code(), Some(0), "{status:?}");
            said.extend(ended.stderr);
        }
        let url = format!("http://{address}/v1/chat/completions");
        run(
            &dir,
            &[
                "quick-smoke",
                "--no-validate",
                "--target",
                &url,
                "--output",
                "o.json",
            ],
        );
        if let Ok(document) = fs::read(dir.path("o.json")) {
            check(status, &document);
        }
        run(&dir, &["quick-smoke", "--port", &address.port().to_string()]);
    }
    let said = String::from_utf8_lossy(&said);
    for shown in ["its body begins `a\\u{1b}[2J", "model `a\\u{1b}[2J"] {
        assert!(said.contains(shown), "nobody says {shown}: {said}");
    }
}

#[test]
fn the_last_words_of_a_hostile_child_are_shown_escaped() {
    let dir = Dir::new();
    let script = dir.write(HOSTILE, "");
    fs::write(
        &script,
        format!("printf '%s' '{HOSTILE}' >&2\nprintf '\\377\\n' >&2\nexit 3\n"),
    )
    .unwrap();
    let command = format!("sh '{script}'");
    let ended = run(
        &dir,
        &[
            "smoke",
            "--server-cmd",
            &command,
            "--health-url",
            "http://127.0.0.1:1/",
        ],
    );
    ends_with(&ended, 114);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("cause: a\\u{1b}[2J") && said.contains("\\xff"),
        "{said}"
    );
    let ended = run(
        &dir,
        &[
            "smoke",
            "--server-cmd",
            &format!("'{script}'"),
            "--health-url",
            "http://127.0.0.1:1/",
        ],
    );
    ends_with(&ended, 114);
}

#[test]
fn answers_of_a_hostile_pushgateway_are_shown_escaped() {
    let gateway = Gateway::start(Manner::Answers("400 Bad Request", HOSTILE));
    let mock = mock(mock_options());
    let dir = Dir::new();
    let url = format!("http://{}", gateway.address);
    let (ended, _) = result(&dir, mock.address, &["--pushgateway", &url, "--push-required"]);
    ends_with(&ended, 112);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("status 400: a\\u{1b}[2J"), "{said}");
}

/// Two shards of a run, as documents.
fn shards(dir: &Dir) -> [Value; 2] {
    let mock = mock(mock_options());
    ["1/2", "2/2"].map(|shard| {
        let (ended, path) = result(dir, mock.address, &["--shard", shard]);
        ends_with(&ended, 0);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    })
}

#[test]
fn hostile_texts_in_results_are_shown_escaped_by_compare_and_merge() {
    let dir = Dir::new();
    let [first, second] = shards(&dir);
    let (plain, other) = (
        dir.write("plain.json", &first.to_string()),
        dir.write("other.json", &second.to_string()),
    );
    ends_with(&run(&dir, &["merge", &plain, &other, "-o", "merged.json"]), 0);
    let hostile = dir.path(HOSTILE);
    let mut read = 0;
    let variants = poisoned(&first);
    assert!(variants.len() > 400, "{}", variants.len());
    for (i, variant) in variants.iter().enumerate() {
        let differs = |keys: &[&str]| keys.iter().any(|key| variant.get(key) != first.get(key));
        // In sections whose texts are shown, each of them; elsewhere one in so many.
        let stride = match () {
            () if differs(&["run", "host", "warnings", "schema"]) => 1,
            () if differs(&["config", "thresholds"]) => 5,
            () => 40,
        };
        if i % stride != 0 {
            continue;
        }
        fs::write(&hostile, variant.to_string()).unwrap();
        let ended = run(&dir, &["compare", &hostile, &plain]);
        read += usize::from(ended.status.success());
        if ended.status.success() && differs(&["run"]) {
            for format in ["md", "csv", "json"] {
                run(
                    &dir,
                    &["compare", &hostile, &plain, "--format", format, "--plot", "p.svg"],
                );
                check("the plot", &fs::read(dir.path("p.svg")).unwrap());
            }
            run(&dir, &["baseline", "save", "kept", &hostile, "--force"]);
            run(&dir, &["baseline", "show", "kept"]);
            run(&dir, &["baseline", "list"]);
        }
        let ended = run(&dir, &["merge", &hostile, &other, "-o", "merged.json"]);
        if ended.status.success() {
            check("the merged document", &fs::read(dir.path("merged.json")).unwrap());
        }
    }
    assert!(read > 20, "{read}");
}

#[test]
fn hostile_texts_in_files_of_other_tools_are_shown_escaped() {
    let dir = Dir::new();
    let summary = json!({
        "metrics": {
            "http_req_duration": { "avg": 1.0, "min": 0.5, "med": 1.0, "max": 2.0, "p(90)": 1.5, "p(95)": 1.8,
                "thresholds": { "p(95)<1": true } },
            "http_reqs": { "count": 10, "rate": 1.0 },
            "my_trend": { "avg": 1.0, "min": 0.5, "med": 1.0, "max": 2.0, "p(90)": 1.5, "p(95)": 1.8 },
        },
        "root_group": { "name": "", "path": "" },
    });
    let options = json!({
        "options": { "scenarios": { "s": { "executor": "constant-vus", "vus": 1, "duration": "1s", "exec": "f" } },
            "thresholds": { "http_req_failed": ["rate<0.1"] }, "userAgent": "x", "tags": { "a": "b" } },
    });
    let plain = dir.write("plain.json", &summary.to_string());
    let hostile = dir.path(HOSTILE);
    for variant in poisoned(&summary) {
        fs::write(&hostile, variant.to_string()).unwrap();
        run(&dir, &["compare", &hostile, &plain]);
    }
    for variant in poisoned(&options) {
        fs::write(&hostile, variant.to_string()).unwrap();
        run(&dir, &["import-k6", &hostile]);
        run(&dir, &["import-k6", &hostile, "-o", HOSTILE]);
    }
    for text in [
        HOSTILE.to_owned(),
        format!("{{\"{HOSTILE}"),
        format!("metric_name,timestamp,metric_value,{HOSTILE}\nhttp_req_duration,{HOSTILE},{HOSTILE},x\n"),
        format!("{{\"type\":\"Point\",\"metric\":\"{HOSTILE}\",\"data\":{{}}}}\n"),
        format!("export const options = {{ vus: {HOSTILE} }}"),
    ] {
        fs::write(&hostile, text).unwrap();
        for words in [
            &["compare", &hostile, &plain][..],
            &["merge", &hostile, &plain],
            &["import-k6", &hostile],
            &["import-inference-perf", &hostile],
        ] {
            assert_ne!(run(&dir, words).status.code(), Some(0), "{words:?}");
        }
    }
}
