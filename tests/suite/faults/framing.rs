//! Answers that two readers would read differently, and others that no server sends: each has one class, whatever it
//! looks like, and none is taken for two.

use super::attacker::{FINISH, STREAM, TOKEN};
use super::*;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

fn says(name: &'static str, outcome: &'static str, exit_code: i32, text: String) -> Case {
    case(name, outcome, exit_code, move |victim| {
        victim.say(&text);
    })
}

/// A whole stream of one token.
fn whole() -> String {
    [TOKEN, FINISH].concat()
}

/// The same under a head with these fields, which say more of its length than one may.
fn with(fields: &str) -> String {
    [STREAM_HEAD, fields, "\r\n", &whole()].concat()
}

fn chunks(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len())
}

/// What the head says of the length, where it says two things or none.
const LENGTHS: [(&str, &str); 8] = [
    ("two lengths", "Content-Length: 140\r\nContent-Length: 5\r\n"),
    ("two in one", "Content-Length: 140, 5\r\n"),
    ("less than nothing", "Content-Length: -1\r\n"),
    ("a sign", "Content-Length: +140\r\n"),
    ("more than 64 bits", "Content-Length: 18446744073709551616\r\n"),
    ("gzip before chunked", "Transfer-Encoding: gzip, chunked\r\n"),
    (
        "chunked twice",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    ("a blank before the colon", "Content-Length : 140\r\n"),
];

/// Sizes of chunks that are none.
const SIZES: [(&str, &str); 3] = [
    ("a chunk of 2^64 - 1", "ffffffffffffffff\r\n"),
    ("a chunk of less than nothing", "-1\r\n"),
    ("a chunk of 0x5", "0x5\r\n"),
];

#[test]
fn a_length_that_can_be_read_in_two_ways_is_malformed() {
    let of_length = |(name, fields)| says(name, "malformed", 114, with(fields));
    let of_size = |(name, size): (_, &str)| says(name, "malformed", 115, [CHUNKED, size, &whole()].concat());
    let zeros = ["0".repeat(1_000_000), chunks(&whole())].concat();
    let without_cr = chunks(&whole()).replace("\r\n", "\n");
    let long = "Content-Length: 4611686018427387904\r\nConnection: close\r\n";
    let mut cases: Vec<Case> = LENGTHS.into_iter().map(of_length).collect();
    cases.extend(SIZES.into_iter().map(of_size));
    cases.push(of_size(("a chunk of 1,000,000 zeros", &zeros)));
    cases.push(of_size(("a chunk without CR", &without_cr)));
    cases.push(says(
        "2^62 bytes, of which few come",
        "truncated",
        115,
        with(long),
    ));
    withstand_each(&cases, PATIENT, |_, _| {});
    let length = whole().len();
    let both = [
        STREAM_HEAD,
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        &chunks(&whole()),
    ];
    let good = [
        says(
            "the same length twice",
            "ok",
            0,
            with(&format!("Content-Length: {length}, {length}\r\n")),
        ),
        says("chunked, with a length", "ok", 0, both.concat()),
    ];
    withstand_each(&good, PATIENT, |_, _| {});
}

/// Status lines with which no answer begins.
const FIRST_LINES: [(&str, &str); 5] = [
    ("NUL in the reason", "HTTP/1.1 200 O\0K\r\n"),
    ("HTTP/3.0", "HTTP/3.0 200 OK\r\n"),
    ("status 099", "HTTP/1.1 099 OK\r\n"),
    ("status 2000", "HTTP/1.1 2000 OK\r\n"),
    (
        "an interim answer with a body",
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
    ),
];

/// Whole heads after which nothing can be read as an answer, each with its outcome.
const HEADS: [(&str, &str, &str); 4] = [
    ("status 999", "malformed", "HTTP/1.1 999 OK\r\n"),
    (
        "another protocol",
        "malformed",
        "HTTP/1.1 101 Switching Protocols\r\n",
    ),
    ("no content", "not_streamed", "HTTP/1.1 204 No Content\r\n"),
    ("not modified", "redirect", "HTTP/1.1 304 Not Modified\r\n"),
];

#[test]
fn what_is_no_head_of_http_1_is_malformed() {
    let stream = &STREAM["HTTP/1.1 200 OK\r\n".len()..];
    let of_line = |(name, line): (_, &str)| says(name, "malformed", 114, [line, stream, &whole()].concat());
    let of_head =
        |(name, outcome, head)| says(name, outcome, 115, [head, "Connection: close\r\n\r\n"].concat());
    let mut cases: Vec<Case> = FIRST_LINES.into_iter().map(of_line).collect();
    cases.extend(HEADS.into_iter().map(of_head));
    cases.extend([
        says("NUL in a name", "malformed", 114, with("X\0Y: a\r\n")),
        says("NUL in a value", "malformed", 114, with("X: a\0b\r\n")),
        says("HTTP/0.9", "malformed", 114, "<html>Hi</html>".to_owned()),
        says(
            "only CR",
            "malformed",
            114,
            STREAM.replace("\r\n", "\r") + &whole(),
        ),
        case("blank lines without an end", "too_large", 114, |victim| {
            victim.flood("\r\n")
        }),
        case("cookies without an end", "too_large", 114, |victim| {
            victim.say("HTTP/1.1 200 OK\r\n");
            victim.flood("Set-Cookie: a=b\r\n");
        }),
    ]);
    withstand_each(&cases, PATIENT, |_, _| {});
}

#[test]
fn events_that_no_server_sends_have_their_class_and_counts_that_cannot_be_are_none() {
    let event = |data: &str| [STREAM, TOKEN, "data: ", data, "\n\n", FINISH].concat();
    let usage = |count: &str| {
        let finish = "\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]";
        let counts = format!("\"prompt_tokens\":{count},\"completion_tokens\":{count}");
        event(&format!("{{{finish},\"usage\":{{{counts}}}}}"))
    };
    let lines = "data:\n".repeat(1_000_000);
    let words: String = (0..10_000)
        .map(|i| format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"w{i}\"}}]}}\n\n"))
        .collect();
    let cases = [
        says(
            "an event of 1,000,000 empty lines",
            "ok",
            0,
            [STREAM, &lines, "\n", &whole()].concat(),
        ),
        says(
            "a list over 100,000 lines",
            "malformed",
            115,
            [STREAM, &"data: [\n".repeat(100_000), "\n"].concat(),
        ),
        says(
            "nothing but its end",
            "truncated",
            115,
            [STREAM, "data: [DONE]\n\n"].concat(),
        ),
        says(
            "10,000 words for its end",
            "ok",
            0,
            [STREAM, TOKEN, &words, "data: [DONE]\n\n"].concat(),
        ),
        says(
            "bytes that are no text",
            "ok",
            0,
            event("{\"choices\":[],\"x\":\"\u{fffd}\"}"),
        ),
        says(
            "a choice far away",
            "ok",
            0,
            event("{\"choices\":[{\"index\":4000000000,\"delta\":{}}]}"),
        ),
        says("fewer tokens than none", "ok", 0, usage("-5")),
        says("half a token", "ok", 0, usage("2.5")),
        says("more than 64 bits", "ok", 0, usage("18446744073709551616")),
        says("more than a number holds", "ok", 0, usage("1e308")),
        says("a list of tokens", "ok", 0, usage("[1]")),
    ];
    withstand_each(&cases, PATIENT, |case, run| {
        let requests = run.document["totals"]["ok"].as_u64().unwrap();
        let tokens = run.document["totals"]["output_tokens"].as_u64().unwrap();
        assert_eq!(tokens, requests, "{}: one event with text in each", case.name);
    });
}
