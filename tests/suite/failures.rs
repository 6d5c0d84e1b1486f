//! Why requests failed: what the first answer of each kind said, in the summary and in the document.

use crate::common::live::*;
use crate::common::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llmload_uring::engine::EngineOptions;
use llmload_uring::metrics::{Outcome, Place};
use llmload_uring::units::SECOND;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

const KEY: &str = "sk-CANARY/0815+4711";
const LOAD: &str = "executor: shared-iterations\nvus: 2\niterations: 4\nmodels: [m]\nprompts: [Hi]\n\
                    requests:\n  - {name: r, weight: 1, kind: chat, stream: true, max_tokens: 8, timeout: 5s}\n";

/// Reads one request, head and body.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A server with a models list that answers every POST so, each on its own connection. It ends with the test's process.
fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let Some(asked) = request(&mut stream) else { return };
                let said = match asked.starts_with("POST") {
                    true => answer(&asked),
                    false => response("200 OK", "", r#"{"object":"list","data":[{"id":"m"}]}"#),
                };
                let _ = stream.write_all(said.as_bytes());
            });
        }
    });
    address
}

/// The load against such a server: how it ended, and its document.
fn load(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Ended, Value) {
    let address = server(answer);
    let dir = Dir::new();
    let (profile, output) = (dir.write("p.yaml", LOAD), dir.path("result.json"));
    let target = format!("http://{address}/v1/chat/completions");
    let mut command = program();
    command.args([&profile, "--target", &target, "--cores", "1", "-o", &output]);
    command.env("LLMLOAD_API_KEY", KEY);
    let ended = Live::spawn(&mut command).wait();
    let document = document(&output);
    (ended, document)
}

fn first(document: &Value) -> &Value {
    &document["failures"][0]
}

#[test]
fn the_servers_own_words_are_in_the_summary_the_error_and_the_document() {
    let body = r#"{"object":"error","message":"The model `m` does not exist.\u001b[2J","code":404}"#;
    let (ended, document) = load(move |_| response("404 Not Found", "", body));
    let ended = ended.expect(115);
    let line = "why        4 x http_4xx 404: The model `m` does not exist.\\u{1b}[2J\n";
    assert!(ended.stdout.contains(line), "{}", ended.stdout);
    assert!(ended.stdout.contains("hint: name a model"), "{}", ended.stdout);
    assert!(
        ended
            .stderr
            .contains("cause: 4 x http_4xx 404: The model `m` does not exist."),
        "{}",
        ended.stderr
    );
    assert_eq!(first(&document)["count"], 4);
    assert_eq!(first(&document)["outcome"], "http_4xx");
    assert_eq!(first(&document)["status"], 404);
    assert_eq!(first(&document)["body"], body);
    assert_eq!(document["failures"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_that_is_repeated_is_in_neither_in_any_form() {
    let (ended, document) = load(|asked| {
        let key = asked
            .lines()
            .find_map(|line| line.split_once("Bearer ").map(|(_, key)| key))
            .unwrap();
        let escaped: String = key.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let percent: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let base64 = STANDARD.encode(format!("Bearer {key}"));
        let body = format!("{{\"message\":\"wrong: {key}, {escaped}, {percent}, {base64}.\"}}");
        response("401 Unauthorized", "", &body)
    });
    assert_eq!(
        first(&document)["body"],
        "{\"message\":\"wrong: ***, ***, ***, ***.\"}"
    );
    assert!(
        ended
            .stdout
            .contains("4 x http_4xx 401: wrong: ***, ***, ***, ***."),
        "{}",
        ended.stdout
    );
    let all = format!("{}{}{document}", ended.stdout, ended.stderr);
    assert!(!all.contains("CANARY"), "{all}");
}

#[test]
fn a_malformed_answer_shows_its_place_and_its_bytes() {
    const STREAM: &str = "Content-Type: text/event-stream\r\nConnection: close\r\n";
    let good = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let cases: [(String, &str, &str, &str, &str); 6] = [
        (
            response("200 OK", STREAM, &format!("{good}data: {{\"a\": nope}}\n\n")),
            "malformed",
            "not_json",
            "event 2, byte 8",
            "{\"a\": nope}",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\r\nwhat is this\r\n\r\n".to_owned(),
            "malformed",
            "bad_header",
            "in the headers",
            "HTTP/1.1 200 OK\\r\\nA: b\\r\\nwhat is this",
        ),
        (
            "220 mail.example.com ESMTP\r\n".to_owned(),
            "malformed",
            "bad_status_line",
            "in the headers",
            "220 mail.example.com ESMTP",
        ),
        (
            response(
                "200 OK",
                STREAM,
                &format!("{good}data: {{\"error\":{{\"message\":\"no memory\"}}}}\n\n"),
            ),
            "stream_error",
            "",
            "event 2",
            "{\"error\":{\"message\":\"no memory\"}}",
        ),
        (
            response("200 OK", STREAM, &format!("{good}data: {{\"choi")),
            "truncated",
            "cut_in_event",
            "event 2",
            "data: {\"choi",
        ),
        (
            response(
                "200 OK",
                "Content-Type: text/html\r\n",
                "<html>Bad gateway</html>",
            ),
            "not_streamed",
            "html",
            "",
            "<html>Bad gateway</html>",
        ),
    ];
    for (answer, outcome, cause, place, body) in cases {
        let (ended, document) = load(move |_| answer.clone());
        let failure = first(&document);
        assert_eq!(failure["outcome"], outcome, "{failure}");
        assert_eq!(failure["cause"].as_str().unwrap_or(""), cause, "{failure}");
        assert_eq!(failure["place"].as_str().unwrap_or(""), place, "{failure}");
        assert_eq!(failure["body"], body, "{failure}");
        assert!(
            ended.stdout.contains(&format!("4 x {outcome}")),
            "{}",
            ended.stdout
        );
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains("no response"), "there was one: {all}");
    }
}

#[test]
fn an_answer_that_is_not_http_is_not_called_no_response() {
    let (ended, _) = load(|_| "220 mail.example.com ESMTP\r\n".to_owned());
    let ended = ended.expect(114);
    assert!(
        ended
            .stderr
            .contains("nothing that came during the whole run was an HTTP response"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("220 mail.example.com ESMTP"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_redirect_is_told_with_where_it_leads_and_what_to_load() {
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!(
            "Location: https://other.example/v1/chat/completions?key={}\r\n",
            KEY
        );
        let (ended, document) = load(move |_| response(status, &location, "moved"));
        let failure = first(&document);
        assert_eq!(failure["outcome"], "redirect", "{failure}");
        assert_eq!(
            failure["location"],
            "https://other.example/v1/chat/completions?key=***"
        );
        assert_eq!(
            failure["hint"],
            "load the address that it leads to: --target https://other.example/v1/chat/completions"
        );
        let words: Vec<&str> = ended.stdout.split_whitespace().collect();
        assert!(
            words.join(" ").contains("to https://other.example/v1"),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn a_redirect_before_the_load_is_an_error_that_says_where_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if let Some(asked) = request(&mut stream) {
                let path = asked.split(' ').nth(1).unwrap();
                let location = format!("Location: https://secure.example{path}\r\n");
                let _ = stream.write_all(response("301 Moved Permanently", &location, "").as_bytes());
            }
        }
    });
    for target in ["", "/v1", "/v1/chat/completions"] {
        let ended = ran(&["smoke", "--target", &format!("http://{address}{target}")]).expect(114);
        assert!(
            ended
                .stderr
                .contains("status 301: redirected to https://secure.example/v1/models; redirects are not"),
            "{target}: {}",
            ended.stderr
        );
        assert!(
            ended
                .stderr
                .contains("hint: load the address that it leads to: --target https://secure.example/v1"),
            "{target}: {}",
            ended.stderr
        );
    }
}

#[test]
fn answers_that_fill_the_memory_of_all_users_are_too_large_and_the_run_goes_on() {
    for (begin, stream) in [("data: ", true), ("{\"id\": \"", false)] {
        let asked = AtomicU32::new(0);
        let address = server(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            0..4 => {
                let kind = if stream {
                    "text/event-stream"
                } else {
                    "application/json"
                };
                let body = format!("{begin}{}", "a".repeat(4 << 20));
                response("200 OK", &format!("Content-Type: {kind}\r\n"), &body)
            }
            _ => response("404 Not Found", "", "gone"),
        });
        let options = EngineOptions {
            answer_bytes_max: 1 << 20,
            ..engine_options(1)
        };
        let plan = plan(shared(4, 12), vec![kind("r", 1, stream, 20 * SECOND)]);
        let ran = run(plan, address, options, |_| {});
        let total = &ran.merged.total;
        assert_eq!(
            (total.outcome(Outcome::TooLarge), total.outcome(Outcome::Http4xx)),
            (4, 8)
        );
        let failures = ran.merged.failures.by_count();
        let large = failures
            .iter()
            .find(|one| one.kind.outcome == Outcome::TooLarge)
            .unwrap();
        assert_eq!(large.place, Place::Memory(1 << 20));
        if !stream {
            assert!(large.text().starts_with(begin.as_bytes()) && large.cut.after);
        }
    }
}

/// A server that refuses `max_tokens`, as newer hosted models do.
fn newer(asked: &str) -> String {
    if asked.contains("\"max_tokens\"") {
        let says = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
        return response(
            "400 Bad Request",
            "",
            &format!("{{\"error\":{{\"message\":\"{says}\"}}}}"),
        );
    }
    let choice = |part: &str| {
        format!("{{\"choices\":[{{\"{part}\":{{\"content\":\"a\"}},\"finish_reason\":\"stop\"}}]}}")
    };
    match asked.contains("\"stream\":true") {
        true => response(
            "200 OK",
            "Content-Type: text/event-stream\r\nConnection: close\r\n",
            &format!("data: {}\n\ndata: [DONE]\n\n", choice("delta")),
        ),
        false => response("200 OK", "Connection: close\r\n", &choice("message")),
    }
}

#[test]
fn a_built_in_load_finds_out_that_max_tokens_is_refused() {
    let target = format!("http://{}/v1", server(newer));
    let dir = Dir::new();
    let output = dir.path("result.json");
    let shape = [
        "--vus",
        "1",
        "--iterations",
        "10",
        "--think-time",
        "0",
        "-o",
        &output,
    ];
    let run = |more: &[&str]| {
        let mut command = program();
        command
            .args(["high-concurrency", "--target", &target])
            .args(shape)
            .args(more);
        Live::spawn(&mut command).wait()
    };
    let ended = run(&[]);
    assert!(
        ended
            .stderr
            .contains("refuses `max_tokens`, so the run sends `max_completion_tokens`"),
        "{}",
        ended.stderr
    );
    assert_eq!(document(&output)["totals"]["ok"], 10, "{}", ended.stdout);
    let ended = run(&["--no-validate"]);
    assert!(document(&output)["totals"]["by_outcome"]["http_4xx"].as_u64() > Some(0));
    assert!(ended.stdout.contains("--max-tokens-key"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("validation:"), "{}", ended.stderr);
    // Whoever has chosen is not asked.
    let ended = run(&[
        "--max-tokens-key",
        "max_completion_tokens",
        "--stream-options",
        "false",
    ]);
    assert!(!ended.stderr.contains("validation:"), "{}", ended.stderr);
    assert_eq!(document(&output)["totals"]["ok"], 10, "{}", ended.stdout);
}
