use super::*;
use crate::api::Api;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

const PLAIN: Access<'_> = Access {
    tls: None,
    sources: &[],
};

/// What a server says to each path; 404 for the rest. It answers until all that is asked has been.
struct Says {
    path: &'static str,
    streaming: bool,
    bytes: Vec<u8>,
    /// Only a request that holds this gets the answer.
    refuses: Option<&'static str>,
}

fn http(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn json(status: u16, body: &str) -> Vec<u8> {
    http(status, "application/json", body)
}

const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":7,\"prompt_tokens\":1}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ANSWER: &str =
    r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"completion_tokens":3}}"#;

fn events(parts: &[&str]) -> Vec<u8> {
    http(200, "text/event-stream", &parts.concat())
}

fn good() -> Vec<Says> {
    let says = |path, streaming, bytes| Says {
        path,
        streaming,
        bytes,
        refuses: None,
    };
    vec![
        says("/health", false, json(200, "{}")),
        says(
            "/v1/models",
            false,
            json(200, r#"{"data":[{"id":"m"},{"id":"n"}]}"#),
        ),
        says("/v1/chat/completions", false, json(200, ANSWER)),
        says(
            "/v1/chat/completions",
            true,
            events(&[TOKEN, FINISH, USAGE, DONE]),
        ),
        says(
            "/v1/responses",
            false,
            json(200, r#"{"status":"completed","output":[],"error":null}"#),
        ),
    ]
}

/// With one answer in place of another.
fn but(path: &'static str, streaming: bool, bytes: Vec<u8>) -> Vec<Says> {
    let mut table = good();
    let row = table
        .iter_mut()
        .find(|says| says.path == path && says.streaming == streaming);
    row.unwrap().bytes = bytes;
    table
}

fn serve(listener: TcpListener, table: Vec<Says>) -> Vec<String> {
    let mut heads = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = Vec::new();
        let mut chunk = [0u8; 4096];
        loop {
            let n = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..n]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                assert!(n > 0, "a request without an end");
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .map_or(0, |n| n.parse().unwrap());
            if body.len() == length {
                break;
            }
        }
        let text = String::from_utf8(request).unwrap();
        let path = text.split(' ').nth(1).unwrap().to_owned();
        if path == "/quit" {
            return heads;
        }
        let streaming = text.contains("\"stream\":true");
        let path = path.split('?').next().unwrap();
        let said = table
            .iter()
            .filter(|says| says.path == path && says.streaming == streaming)
            .find(|says| says.refuses.is_none_or(|member| text.contains(member)));
        let bytes = said.map_or_else(|| json(404, "{}"), |says| says.bytes.clone());
        stream.write_all(&bytes).unwrap();
        heads.push(text);
    }
    heads
}

struct Validated {
    result: Result<Wording, Failure>,
    said: Vec<String>,
    requests: Vec<String>,
}

pub(in crate::discover) fn target(address: SocketAddr) -> Target {
    Target {
        origin: format!("http://{address}"),
        authority: address.to_string(),
        addresses: vec![address],
        api: Api::Chat,
        api_path: "/v1/chat/completions?key=CANARY".to_owned(),
        stream_path: "/v1/chat/completions?key=CANARY".to_owned(),
        light_paths: vec!["/health".to_owned()],
        named_paths: crate::workload::NamedPaths::all("/v1/models"),
        headers: vec![("authorization".to_owned(), "Bearer sk-CANARY-2".to_owned())],
        wording: Default::default(),
    }
}

fn run(table: Vec<Says>) -> Validated {
    run_asking(table, Wording::default())
}

fn run_asking(table: Vec<Says>, asked: Wording) -> Validated {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || serve(listener, table));
    let mut said = Vec::new();
    let question = Question {
        ids: None,
        model: "m",
        prompt: "Hi",
        wording: asked,
        settings: &BodySettings::default(),
    };
    let result = validate(
        &target(address),
        PLAIN,
        Some(question),
        Extent::All,
        Duration::from_secs(20),
        &mut |line| {
            said.push(line.to_owned());
        },
    );
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /quit HTTP/1.1\r\n\r\n").unwrap();
    Validated {
        result,
        said,
        requests: server.join().unwrap(),
    }
}

#[test]
fn a_good_server_is_asked_five_times_with_the_key_and_each_answer_is_printed() {
    let ran = run(good());
    ran.result.unwrap();
    let expected = [
        "validation: GET /health: 200",
        "validation: GET /v1/models: 200, models 2",
        "validation: POST /v1/chat/completions: 200, finished, 3 tokens",
        "validation: POST /v1/chat/completions streaming: 200, 1 token events, finished, usage 7 tokens",
        "validation: POST /v1/responses: 200, completed",
    ];
    assert_eq!(ran.said, expected);
    assert_eq!(ran.requests.len(), 5);
    for request in &ran.requests {
        assert!(
            request.contains("authorization: Bearer sk-CANARY-2\r\n"),
            "{request}"
        );
    }
    assert!(ran.requests[4].starts_with("POST /v1/responses?key=CANARY HTTP/1.1"));
}

/// Paths and notes of what is asked.
fn asked(row: &Row) -> Vec<String> {
    let question = Question {
        ids: None,
        model: "m",
        prompt: "Hi",
        wording: Wording::default(),
        settings: &BodySettings::default(),
    };
    let target = target(([127, 0, 0, 1], 1).into());
    let checks = checks(row, &target, Some(question), Extent::All);
    let shown = checks
        .iter()
        .map(|check| format!("{}{}", check.shown_path(), check.note));
    shown.collect()
}

#[test]
fn a_server_is_asked_only_for_what_its_api_has() {
    let chat = *Api::Chat.row();
    let completion = "/v1/chat/completions";
    let streaming = "/v1/chat/completions streaming";
    assert_eq!(
        asked(&chat),
        ["/health", "/v1/models", completion, streaming, "/v1/responses"]
    );
    let no_stream = Row {
        read_event: None,
        ..chat
    };
    assert_eq!(
        asked(&no_stream),
        ["/health", "/v1/models", completion, "/v1/responses"]
    );
    let bare = Row {
        prefixes: &[],
        models: None,
        side_question: None,
        ..chat
    };
    assert_eq!(asked(&bare), ["/health", completion, streaming]);
}

#[test]
fn the_absence_of_optional_endpoints_is_not_a_failure() {
    for status in [404, 405, 501] {
        let mut table = but("/health", false, json(status, ""));
        for says in table.iter_mut().filter(|says| says.path == "/v1/responses") {
            says.bytes = json(status, "no such path");
        }
        let ran = run(table);
        ran.result.unwrap();
        assert_eq!(
            ran.said[0],
            format!("validation: GET /health: not there ({status})")
        );
        assert_eq!(
            ran.said[4],
            format!("validation: POST /v1/responses: not there ({status})")
        );
    }
}

/// Each answer table and a part of the error that it gives; ORIGIN stands for the server's.
#[track_caller]
fn fail(cases: Vec<(Vec<Says>, &str)>) {
    for (table, part) in cases {
        let error = run(table).result.unwrap_err();
        assert_eq!(error.exit, crate::error::ExitCode::Target);
        let text = error.to_string();
        assert!(text.starts_with("error: validation: "), "{text}");
        let address = text.split("http://").nth(1).unwrap().split('/').next().unwrap();
        let part = part.replace("ORIGIN", &format!("http://{address}"));
        assert!(text.contains(&part), "`{part}` is not in: {text}");
    }
}

#[test]
fn each_failure_names_endpoint_status_and_the_beginning_of_the_body() {
    fail(vec![
        (
            but("/health", false, json(503, "loading")),
            "GET ORIGIN/health: status 503; its body begins `loading`",
        ),
        (
            but("/v1/models", false, json(200, "[]")),
            "GET ORIGIN/v1/models: status 200: the body is not a list of models; its body begins `[]`",
        ),
        (
            but("/v1/models", false, json(500, "")),
            "GET ORIGIN/v1/models: status 500; its body is empty",
        ),
        (
            but(
                "/v1/responses",
                false,
                json(200, r#"{"status":"failed","output":[]}"#),
            ),
            "POST ORIGIN/v1/responses: status 200: not a completed response;",
        ),
    ]);
}

#[test]
fn a_whole_answer_that_is_refused_broken_or_unfinished_is_an_error_that_says_so() {
    let whole = |bytes| but("/v1/chat/completions", false, bytes);
    fail(vec![
        (
            whole(json(503, "busy")),
            "POST ORIGIN/v1/chat/completions: status 503; its body begins `busy`",
        ),
        (
            whole(json(200, "{\"choices\":[")),
            "status 200: answer: not JSON at line 1",
        ),
        (
            whole(json(
                200,
                r#"{"choices":[{"message":{"content":"a"},"finish_reason":null}]}"#,
            )),
            "status 200: no finish_reason;",
        ),
        (
            whole(json(200, r#"{"error":{"message":"x"}}"#)),
            "status 200: an error object instead of an answer; its body begins `{\"error\"",
        ),
        (
            whole(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
            "status 200: the answer broke off after 4 bytes",
        ),
    ]);
}

#[test]
fn a_stream_with_an_error_or_without_token_finish_or_usage_is_an_error_that_says_so() {
    let chat = "/v1/chat/completions";
    let stream = |parts: &[&str]| but(chat, true, events(parts));
    let error = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    fail(vec![
        (
            stream(&[TOKEN, error]),
            "POST ORIGIN/v1/chat/completions streaming: status 200: an error event, `{\"error\":{\"message\":\"out of memory\"}}`",
        ),
        (
            stream(&[TOKEN, USAGE, DONE]),
            "streaming: status 200: no finish_reason; its body begins `data: {",
        ),
        (
            stream(&[TOKEN, FINISH, DONE]),
            "streaming: status 200: no usage, although it was asked for;",
        ),
        (
            stream(&[FINISH, USAGE, DONE]),
            "streaming: status 200: no token (no event has text);",
        ),
        (
            stream(&[]),
            "streaming: status 200: no token (no event has text), no finish_reason, no usage",
        ),
        (
            stream(&["data: {\"choi\n\n"]),
            "streaming: status 200: answer: not JSON at line 1",
        ),
        (
            but(chat, true, json(200, ANSWER)),
            "streaming: status 200: not an event stream: the content type",
        ),
    ]);
}

#[test]
fn escape_sequences_and_our_own_key_in_a_body_are_not_shown() {
    let body = "wrong key sk-CANARY-2 in ?key=CANARY\u{1b}[2J\u{202e}";
    let ran = run(but("/v1/chat/completions", false, json(401, body)));
    let error = ran.result.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`wrong key *** in ?key=***\\u{1b}[2J\\u{202e}`"),
        "{text}"
    );
    assert!(!text.contains("CANARY"), "{text}");
    assert!(text.contains("LLMLOAD_API_KEY"), "{text}");
    assert_eq!(ran.said.len(), 2);
}

#[test]
fn a_server_that_never_answers_is_reported_after_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = target(listener.local_addr().unwrap());
    let limit = Duration::from_millis(30);
    let error = validate(&target, PLAIN, None, Extent::All, limit, &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().contains("/health: no answer within 0.0"),
        "{error}"
    );
    assert_eq!(error.exit, crate::error::ExitCode::Target);
}

/// What a server says that takes one wording and refuses the other.
fn strict(refused: &'static str, streaming: bool, status: u16, body: &str) -> Vec<Says> {
    let mut table = good();
    table.insert(
        0,
        Says {
            path: "/v1/chat/completions",
            streaming,
            bytes: json(status, body),
            refuses: Some(refused),
        },
    );
    table
}

const NO_MAX_TOKENS: &str = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this
    model. Use 'max_completion_tokens' instead."}}"#;
const NO_STREAM_OPTIONS: &str =
    r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options","include_usage"]}]}"#;

#[test]
fn the_wording_that_a_server_accepts_is_found_by_its_refusals() {
    let forbidden = r#"{"detail":[{"type":"extra_forbidden","loc":["body","max_tokens"]}]}"#;
    for (status, body) in [(400, NO_MAX_TOKENS), (422, forbidden)] {
        let mut table = strict("\"max_tokens\"", false, status, body);
        table.extend(strict("\"max_tokens\"", true, status, body).into_iter().take(1));
        let ran = run(table);
        let wording = ran.result.unwrap();
        assert_eq!(wording.token_limit, Some(TokenLimitKey::MaxCompletionTokens));
        assert_eq!(wording.stream_options, None);
        assert!(
            ran.said[2].contains("the server refuses `max_tokens`"),
            "{:?}",
            ran.said
        );
        assert!(
            ran.requests[4].contains("\"max_completion_tokens\":16"),
            "{:?}",
            ran.requests
        );
    }
    let mut table = strict("stream_options", true, 422, NO_STREAM_OPTIONS);
    // Such a server may not count tokens unless asked.
    let stream = table.iter_mut().rfind(|says| says.streaming).unwrap();
    stream.bytes = events(&[TOKEN, FINISH, DONE]);
    let ran = run(table);
    assert_eq!(ran.result.unwrap().stream_options, Some(false));
    assert!(
        ran.said[3].contains("the server refuses `stream_options`"),
        "{:?}",
        ran.said
    );
}

#[test]
fn wording_in_the_configuration_is_kept_and_the_error_names_the_option() {
    let asked = Wording {
        token_limit: Some(TokenLimitKey::MaxTokens),
        stream_options: Some(true),
    };
    let table = || strict("\"max_tokens\"", false, 400, NO_MAX_TOKENS);
    let error = run_asking(table(), asked).result.unwrap_err().to_string();
    assert!(error.contains("--max-tokens-key"), "{error}");
    let table = strict("stream_options", true, 422, NO_STREAM_OPTIONS);
    let error = run_asking(table, asked).result.unwrap_err().to_string();
    assert!(error.contains("--stream-options false"), "{error}");
    // A limit that is only too large does not need another key.
    let large = r#"{"error":"max_tokens is too large: 16"}"#;
    let error = run(but("/v1/chat/completions", false, json(400, large)));
    assert_eq!(error.requests.len(), 3);
    assert!(error.result.is_err());
}

#[test]
fn a_missing_key_and_a_refused_key_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let without = Target {
        headers: Vec::new(),
        ..target(listener.local_addr().unwrap())
    };
    let refused = || but("/v1/models", false, json(401, "{}"));
    let server = std::thread::spawn(move || serve(listener, refused()));
    let error = validate(
        &without,
        PLAIN,
        None,
        Extent::All,
        Duration::from_secs(20),
        &mut |_| {},
    )
    .unwrap_err();
    let mut stream = std::net::TcpStream::connect(without.addresses[0]).unwrap();
    stream.write_all(b"GET /quit HTTP/1.1\r\n\r\n").unwrap();
    server.join().unwrap();
    let text = error.to_string();
    assert!(text.contains("requires a key, but none was sent"), "{text}");
    let text = run(refused()).result.unwrap_err().to_string();
    assert!(text.contains("does not accept the key that was sent"), "{text}");
}
