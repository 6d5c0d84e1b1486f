//! Servers as users have them: with one model or several, behind a key, still loading, or somebody else's port.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::Mock;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

const ANSWER: &str =
    r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#;
const PLAIN: &str = "executor: per-vu-iterations\niterations: 1\nprompts: [Hi]\n\
                     requests: [{ name: plain, max_tokens: 10 }]\n";

/// What came with a completion.
struct Asked {
    authorization: String,
    model: String,
}

/// A server with these models that wants `key` as its bearer token, if there is one. Ends with the test's process.
fn server(models: &'static str, key: Option<&'static str>) -> (SocketAddr, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut authorization, mut length) = (String::new(), String::new(), 0);
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap_or(0) > 2 {
                let lower = line.to_lowercase();
                if let Some(n) = lower.strip_prefix("content-length: ") {
                    length = n.trim().parse().unwrap();
                } else if lower.starts_with("authorization: ") {
                    authorization = line[15..].trim_end().to_owned();
                } else if first.is_empty() {
                    first.clone_from(&line);
                }
                line.clear();
            }
            let mut body = vec![0; length];
            let _ = stream.read_exact(&mut body);
            let refused = key.is_some_and(|key| authorization != format!("Bearer {key}"));
            let (status, text) = match (refused, first.starts_with("POST")) {
                (true, _) => (401, "{}"),
                (false, true) => (200, ANSWER),
                (false, false) => (200, models),
            };
            if first.starts_with("POST") {
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let model = body["model"].as_str().unwrap().to_owned();
                let _ = tell.send(Asked { authorization, model });
            }
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{text}",
                text.len()
            );
        }
    });
    (address, asked)
}

const ONE: &str = r#"{"data":[{"id":"org/only"}]}"#;
const TWO: &str = r#"{"data":[{"id":"left"},{"id":"right"}]}"#;

#[test]
fn a_profile_asks_a_server_for_its_only_model_and_the_document_says_so() {
    let (address, asked) = server(ONE, None);
    let dir = Dir::new();
    let (profile, output) = (dir.write("p.yaml", PLAIN), dir.path("result.json"));
    let target = format!("http://{address}");
    let ended = ran(&[&profile, "--target", &target, "-o", &output]).expect(0);
    assert!(
        ended.stderr.contains("model `org/only`, its only one"),
        "{}",
        ended.stderr
    );
    assert_eq!(asked.recv().unwrap().model, "org/only");
    let result = document(&output);
    assert_eq!(
        result["config"]["requests"][0]["models"],
        serde_json::json!(["org/only"])
    );
}

#[test]
fn several_models_are_listed_and_an_option_says_which() {
    let (address, asked) = server(TWO, None);
    let target = format!("http://{address}");
    let ended = ran(&["load", "--target", &target]).expect(104);
    ended.one_error("the server has 2 models, and none is chosen: `left`, `right`");
    assert!(ended.stderr.contains("--model NAME"), "{}", ended.stderr);
    let dir = Dir::new();
    let profile = dir.write("p.yaml", PLAIN);
    ran(&[&profile, "--target", &target, "--model", "right"]).expect(0);
    assert_eq!(asked.recv().unwrap().model, "right");
}

#[test]
fn a_missing_or_wrong_key_is_reported_before_the_load() {
    let (address, asked) = server(ONE, Some("s3cret"));
    let target = format!("http://{address}");
    for (key, says) in [
        (None, "requires a key, but none was sent"),
        (Some("wr0ng"), "does not accept the key that was sent"),
    ] {
        let mut command = program();
        command.args(["load", "--target", &target]);
        if let Some(key) = key {
            command.env("LLMLOAD_API_KEY", key);
        }
        let ended = Live::spawn(&mut command).wait().expect(114);
        ended.one_error(says);
        for named in ["LLMLOAD_API_KEY", "--api-key-file", "--header"] {
            assert!(ended.stderr.contains(named), "{}", ended.stderr);
        }
        assert!(!ended.stderr.contains("wr0ng"), "{}", ended.stderr);
    }
    assert_eq!(asked.try_iter().count(), 0, "the load has begun");
}

#[test]
fn openai_api_key_is_used_with_a_note_if_ours_is_not_set() {
    let (address, asked) = server(ONE, Some("s3cret"));
    let target = format!("http://{address}");
    let dir = Dir::new();
    let profile = dir.write("p.yaml", PLAIN);
    let mut command = program();
    command
        .env("OPENAI_API_KEY", "s3cret")
        .args([&profile, "--target", &target]);
    let ended = Live::spawn(&mut command).wait().expect(0);
    assert_eq!(
        ended.stderr.matches("OPENAI_API_KEY").count(),
        1,
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    assert_eq!(asked.recv().unwrap().authorization, "Bearer s3cret");
}

#[test]
fn each_server_of_a_document_gets_its_own_key_and_no_other() {
    let (a, asked_a) = server(ONE, Some("key-a"));
    let (b, asked_b) = server(ONE, Some("key-b"));
    let dir = Dir::new();
    let text = format!(
        "servers:\n  - {{ name: A, base_url: 'http://{a}/v1', api_key_env: KEY_OF_A }}\n  - {{ name: B, base_url: \
         'http://{b}/v1', headers: {{ Authorization: 'Bearer ${{KEY_OF_B}}' }} }}\n{}vus: 2\n",
        PLAIN.replace("iterations: 1", "iterations: 2")
    );
    let profile = dir.write("p.yaml", &text);
    let unset = ran(&[&profile]).expect(104).stderr;
    for name in ["KEY_OF_A", "KEY_OF_B"] {
        assert!(
            unset.contains(&format!("environment variable {name} is not set")),
            "{unset}"
        );
    }
    let output = dir.path("result.json");
    let mut command = program();
    command
        .env("KEY_OF_A", "key-a")
        .env("KEY_OF_B", "key-b")
        .env("LLMLOAD_API_KEY", "key-of-all")
        .args([&profile, "-o", &output]);
    let ended = Live::spawn(&mut command).wait().expect(0);
    for (asked, key) in [(asked_a, "Bearer key-a"), (asked_b, "Bearer key-b")] {
        let sent: Vec<String> = asked.try_iter().map(|asked| asked.authorization).collect();
        assert!(
            !sent.is_empty() && sent.iter().all(|sent| sent == key),
            "{sent:?}"
        );
    }
    let written = std::fs::read_to_string(&output).unwrap();
    for text in [&ended.stderr, &ended.stdout, &written] {
        assert!(!text.contains("key-a") && !text.contains("key-b"), "{text}");
    }
    assert!(written.contains("KEY_OF_A"), "a variable's name is no secret");
}

#[test]
fn ctrl_c_ends_the_wait_for_a_target() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://{free}");
    let mut live = Live::start(&["load", "--target", &target, "--wait-for-target", "10m"]);
    live.wait_for_stderr("connection refused), up to 600 s");
    live.signal(Signal::INT);
    let ended = live.wait().expect(105);
    assert!(
        ended.stderr.ends_with("interrupted before the load began\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_target_that_starts_late_is_waited_for() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://{free}");
    let args = [
        "quick-smoke",
        "--target",
        &target,
        "--wait-for-target",
        "2m",
        "--think-time",
        "0",
    ];
    let mut live = Live::start(&args);
    live.wait_for_stderr("waiting for target");
    let mut options = mock_options();
    options.listen = free;
    let _mock = mock(options);
    let ended = live.wait().expect(0);
    assert!(ended.stderr.contains(": ready after "), "{}", ended.stderr);
}

#[test]
fn an_unknown_variable_is_warned_about_and_ignored() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    for (quiet, warnings) in [(false, 1), (true, 0)] {
        let mut command = program();
        command
            .env("LLMLOAD_VUSS", "9")
            .args(["quick-smoke", "--think-time", "0", "--target", &target]);
        if quiet {
            command.arg("--quiet");
        }
        let ended = Live::spawn(&mut command).wait().expect(0);
        let found = ended
            .stderr
            .matches("LLMLOAD_VUSS; did you mean LLMLOAD_VUS?")
            .count();
        assert_eq!(found, warnings, "{}", ended.stderr);
    }
}

#[test]
fn a_mock_is_refused_at_a_port_where_another_server_listens() {
    let first = mock(mock_options());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    for taken in [first.address, other.local_addr().unwrap()] {
        let mut options = mock_options();
        options.listen = taken;
        let refused = Mock::start(options).err().map(|e| e.kind());
        assert_eq!(refused, Some(std::io::ErrorKind::AddrInUse));
    }
    // Its own cores share it.
    let mut options = mock_options();
    options.cpus = vec![options.cpus[0]; 3];
    mock(options);
}
