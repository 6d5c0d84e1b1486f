//! The HTTP/1.1 response parser against vectors from public test suites and captures of real servers.

use crate::common::{http_error_name, shared_material};
use base64::Engine;
use llmload_uring::http1::{HttpError, Limits, Method, ResponseParser, Step};
use serde_json::Value;

/// What a client makes of one response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    status: Option<u16>,
    body: Vec<u8>,
    error: Option<&'static str>,
    keep_alive: bool,
    interim: Vec<u16>,
    ended: bool,
}

fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, method: Method, peer_closes: bool) -> Answer {
    let mut parser = ResponseParser::new();
    parser.begin(method);
    let mut answer = Answer::default();
    for chunk in chunks {
        if let Err(error) = feed(&mut parser, chunk, &mut answer) {
            answer.error = Some(http_error_name(error));
            return answer;
        }
    }
    if peer_closes && !answer.ended {
        match parser.eof() {
            Ok(end) => {
                assert_eq!(end.body_bytes, answer.body.len() as u64);
                (answer.ended, answer.keep_alive) = (true, end.keep_alive);
            }
            Err(error) => answer.error = Some(http_error_name(error)),
        }
    }
    answer
}

fn feed(parser: &mut ResponseParser, mut rest: &[u8], answer: &mut Answer) -> Result<(), HttpError> {
    if answer.ended {
        answer.keep_alive &= rest.is_empty();
        return Ok(());
    }
    loop {
        let consumed = match parser.step(rest, &Limits::DEFAULT)? {
            Step::NeedMore => return Ok(()),
            Step::Interim { consumed, status } => {
                answer.interim.push(status);
                consumed
            }
            Step::Head { consumed, head } => {
                answer.status = Some(head.status);
                consumed
            }
            Step::Body { consumed, data } => {
                assert!(!data.is_empty());
                answer.body.extend_from_slice(data);
                consumed
            }
            Step::End { consumed, end } => {
                assert_eq!(end.body_bytes, answer.body.len() as u64);
                answer.ended = true;
                // What is left over is nobody's answer: the connection is not reusable.
                answer.keep_alive = end.keep_alive && consumed == rest.len();
                return Ok(());
            }
        };
        rest = &rest[consumed..];
    }
}

struct Vector {
    name: String,
    level: String,
    method: Method,
    peer_closes: bool,
    input: Vec<u8>,
    expected: Answer,
}

/// Where we answer otherwise than a `may` vector proposes; docs/CONFORMANCE.md says why.
fn decide(name: &str, expected: &mut Answer) {
    let refuse = |expected: &mut Answer, error| {
        *expected = Answer {
            error: Some(error),
            ..Answer::default()
        }
    };
    match name {
        "hdr-value-ctl1" | "hdr-value-esc" => refuse(expected, "bad_header"),
        "cl-extra-crlf" => expected.keep_alive = false,
        "i100-flood" => expected.interim.truncate(16),
        _ => {}
    }
}

fn base64(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(value.as_str().unwrap())
        .unwrap()
}

fn vectors(test: &str) -> Vec<Vector> {
    let Some(path) = shared_material(test, "vectors/http_response.json") else {
        return Vec::new();
    };
    let list: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(list.len() >= 220, "the vectors are there");
    list.iter().map(vector).collect()
}

fn vector(json: &Value) -> Vector {
    let text = |key: &str| json[key].as_str().unwrap().to_string();
    let want = &json["expect"];
    let error = want["error"].as_str().map(|e| &*e.to_string().leak());
    let mut expected = Answer {
        status: want["status"].as_u64().map(|s| s as u16),
        body: base64(&want["body"]),
        error,
        keep_alive: want["keep_alive"].as_bool().unwrap(),
        interim: want["interim"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|s| s.as_u64().unwrap() as u16)
            .collect(),
        ended: error.is_none(),
    };
    let input = match json["input_parts"].as_array() {
        None => base64(&json["input"]),
        Some(parts) => parts
            .iter()
            .flat_map(|part| base64(&part[0]).repeat(part[1].as_u64().unwrap() as usize))
            .collect(),
    };
    if json["level"] == "may" {
        decide(json["name"].as_str().unwrap(), &mut expected);
    }
    Vector {
        name: text("name"),
        level: text("level"),
        method: match &*text("request_method") {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            other => panic!("unknown method {other}"),
        },
        peer_closes: json["server_closes_after"].as_bool().unwrap(),
        input,
        expected,
    }
}

impl Vector {
    fn run<'a>(&self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Answer {
        run(chunks, self.method, self.peer_closes)
    }
}

#[test]
fn every_vector_read_whole_or_byte_by_byte_gives_the_expected_answer() {
    let mut failures = Vec::new();
    for v in vectors("every_vector_read_whole_or_byte_by_byte_gives_the_expected_answer") {
        let whole = v.run([&v.input[..]]);
        let bytes = v.run(v.input.chunks(1));
        for (how, answer) in [("whole", whole), ("bytes", bytes)] {
            if answer != v.expected {
                let (level, name) = (&v.level, &v.name);
                let answer = Answer {
                    body: Vec::new(),
                    ..answer
                };
                failures.push(format!("{level} {name} {how}: {answer:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_vector_gives_the_same_answer_at_every_two_way_split() {
    for v in vectors("every_vector_gives_the_same_answer_at_every_two_way_split") {
        // Large inputs repeat themselves; a prime stride lands in every part of them.
        let stride = if v.input.len() <= 2048 { 1 } else { 997 };
        for at in (0..=v.input.len()).step_by(stride) {
            let (first, second) = v.input.split_at(at);
            assert_eq!(v.run([first, second]), v.expected, "{} cut at {at}", v.name);
        }
    }
}

#[test]
fn no_strict_prefix_of_a_vector_ends_with_another_answer() {
    for v in vectors("no_strict_prefix_of_a_vector_ends_with_another_answer") {
        if v.input.len() > 2048 {
            continue;
        }
        for at in 0..v.input.len() {
            let answer = run([&v.input[..at]], v.method, false);
            if answer.ended {
                let what = |a: &Answer| (a.status, a.body.clone(), a.interim.clone(), a.error);
                assert_eq!(what(&answer), what(&v.expected), "{} first {at} bytes", v.name);
            }
        }
    }
}

#[test]
fn captured_responses_of_real_servers_end_cleanly_however_they_are_cut() {
    let test = "captured_responses_of_real_servers_end_cleanly_however_they_are_cut";
    let Some(folder) = shared_material(test, "wire-samples") else {
        return;
    };
    let mut count = 0;
    for server in ["llamacpp", "llmsim", "nginx", "guidellm-mock"] {
        for file in std::fs::read_dir(folder.join(server)).unwrap() {
            let path = file.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            if path.extension().is_none_or(|e| e != "raw") || !input.starts_with(b"HTTP/1.") {
                continue;
            }
            let whole = run([&input[..]], Method::Post, true);
            assert_eq!(run(input.chunks(1), Method::Post, true), whole, "{path:?}");
            assert_eq!(run(input.chunks(7), Method::Post, true), whole, "{path:?}");
            let is_cut = path.ends_with("scenario_lt-cut.raw");
            assert_eq!(whole.ended, !is_cut, "{path:?} {:?}", whole.error);
            count += 1;
        }
    }
    assert!(count > 20, "{count} captures were read");
}

#[test]
fn foreign_protocols_are_recognised_at_any_cut() {
    let settings = b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d\0\x04\0\x10\0\0\0\x06\0\x01\0\0\0\0\x08";
    let alert = b"\x15\x03\x01\0\x02\x02F";
    let cases: [(&[u8], HttpError); 4] = [
        (settings, HttpError::Http2Preface),
        (alert, HttpError::TlsRecord),
        (b"\x15\x04\x01", HttpError::BadStatusLine),
        (b"SSH-2.0-OpenSSH_9.2\r\n", HttpError::BadStatusLine),
    ];
    for (input, expected) in cases {
        for size in 1..=input.len() {
            let mut parser = ResponseParser::new();
            parser.begin(Method::Get);
            let error = input
                .chunks(size)
                .find_map(|chunk| parser.step(chunk, &Limits::DEFAULT).err());
            assert_eq!(error, Some(expected));
            assert_eq!(parser.step(b"", &Limits::DEFAULT), Err(expected), "errors stay");
        }
    }
}

#[test]
fn limits_apply_at_the_same_byte_at_any_cut() {
    let limits = Limits {
        head_bytes_max: 60,
        headers_max: 2,
        body_bytes_max: 10,
        ..Limits::DEFAULT
    };
    let long_head = b"HTTP/1.1 200 OK\r\nX: 0123456789012345678901234567890123456789\r\n\r\n";
    let many_headers = b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n";
    let until_close = b"HTTP/1.1 200 OK\r\n\r\n01234567890";
    let length = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n";
    let blank = [b'\n'; 61];
    let cases: [(&[u8], usize); 6] = [
        (long_head, 0),
        (many_headers, 0),
        (&blank, 0),
        (until_close, 10),
        (length, 10),
        (chunked, 10),
    ];
    for (input, body_bytes) in cases {
        for size in 1..=input.len() {
            let mut parser = ResponseParser::new();
            parser.begin(Method::Get);
            let (mut seen, mut error) = (0, None);
            'input: for mut chunk in input.chunks(size) {
                loop {
                    match parser.step(chunk, &limits) {
                        Ok(Step::Head { consumed, .. }) => chunk = &chunk[consumed..],
                        Ok(Step::Body { consumed, data }) => {
                            seen += data.len();
                            chunk = &chunk[consumed..];
                        }
                        Ok(_) => break,
                        Err(e) => {
                            error = Some(e);
                            break 'input;
                        }
                    }
                }
            }
            assert_eq!((seen, error), (body_bytes, Some(HttpError::TooLarge)), "{size}");
        }
    }
}

#[test]
fn one_parser_reads_response_after_response() {
    let mut parser = ResponseParser::new();
    for (method, input) in [
        (
            Method::Get,
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..],
        ),
        (Method::Head, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        (
            Method::Post,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nt: u\r\n\r\n",
        ),
        (
            Method::Post,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n",
        ),
    ] {
        for cut in 0..input.len() {
            parser.begin(method);
            let mut answer = Answer::default();
            feed(&mut parser, &input[..cut], &mut answer).unwrap();
            feed(&mut parser, &input[cut..], &mut answer).unwrap();
            assert!(answer.ended && answer.keep_alive);
            let late = parser.step(b"late", &Limits::DEFAULT).unwrap();
            assert!(matches!(late, Step::End { consumed: 0, end } if !end.keep_alive));
        }
    }
}
