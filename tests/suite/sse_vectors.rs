//! The SSE parser against vectors from public test suites, and against a naive twin.

use crate::common::shared_material;
use base64::Engine;
use llmload_uring::sse::{Framing, Item, SseParser, begins_a_stream};
use proptest::prelude::*;
use serde_json::Value;

const EVENT_BYTES_MAX: usize = 100 << 20;

/// An item with its bytes copied, and the number of input bytes after which it was out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Event { name: Vec<u8>, data: Vec<u8>, at: usize },
    Comment,
    Retry(u64),
    Unknown(Vec<u8>, Vec<u8>),
}

fn feed(parser: &mut SseParser, chunk: &[u8], fed: usize, sink: &mut impl FnMut(Seen)) {
    let mut at = 0;
    loop {
        let (consumed, item) = parser.step(&chunk[at..], EVENT_BYTES_MAX).unwrap();
        at += consumed;
        assert!(at <= chunk.len(), "consumed more than was given");
        let Some(item) = item else {
            assert_eq!(at, chunk.len(), "without an item all input is taken");
            return;
        };
        sink(match item {
            Item::Event { name, data } => Seen::Event {
                name: name.to_vec(),
                data: data.to_vec(),
                at: fed + at,
            },
            Item::Comment => Seen::Comment,
            Item::Retry(millis) => Seen::Retry(millis),
            Item::UnknownField { name, value } => Seen::Unknown(name.to_vec(), value.to_vec()),
        });
    }
}

fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Seen>, bool) {
    let (mut parser, mut seen, mut fed) = (SseParser::new(), Vec::new(), 0);
    for chunk in chunks {
        feed(&mut parser, chunk, fed, &mut |item| seen.push(item));
        fed += chunk.len();
    }
    (seen, parser.pending_event())
}

/// `[3, 5, ...]` or `{"every": n}`.
fn cut<'a>(input: &'a [u8], split: &Value) -> Vec<&'a [u8]> {
    if let Some(every) = split["every"].as_u64() {
        return input.chunks(every as usize).collect();
    }
    let (mut chunks, mut rest) = (Vec::new(), input);
    for length in split.as_array().unwrap() {
        let (chunk, behind) = rest.split_at(length.as_u64().unwrap() as usize);
        chunks.push(chunk);
        rest = behind;
    }
    chunks.push(rest);
    chunks
}

fn vectors(test: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(shared_material(test, "vectors/sse.json")?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn base64(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(value.as_str().unwrap())
        .unwrap()
}

fn check(name: &str, vector: &Value, seen: &[Seen], pending: bool, how: &str) {
    let expected = vector["expect"].as_array().unwrap();
    let events: Vec<_> = seen
        .iter()
        .filter_map(|item| match item {
            Seen::Event { name, data, at } => Some((name, data, *at)),
            _ => None,
        })
        .collect();
    assert_eq!(events.len(), expected.len(), "{name} {how}: {seen:?}");
    for ((event, data, at), want) in events.into_iter().zip(expected) {
        let text = String::from_utf8_lossy(data);
        assert_eq!(
            String::from_utf8_lossy(event),
            want["event"].as_str().unwrap(),
            "{name} {how}"
        );
        assert_eq!(text, want["data"].as_str().unwrap(), "{name} {how}");
        assert_eq!(at as u64, want["at"].as_u64().unwrap(), "{name} {how}: at");
        if want.get("data_raw").is_some() {
            assert_eq!(*data, base64(&want["data_raw"]), "{name} {how}: raw");
        }
    }
    let state = &vector["expect_state"];
    let comments = seen.iter().filter(|i| **i == Seen::Comment).count();
    assert_eq!(
        comments as u64,
        state["comments"].as_u64().unwrap(),
        "{name} {how}: comments"
    );
    let retries: Vec<_> = seen
        .iter()
        .filter_map(|item| match item {
            Seen::Retry(millis) => Some(Value::from(*millis)),
            _ => None,
        })
        .collect();
    assert_eq!(Value::from(retries), state["retries"], "{name} {how}: retries");
    assert_eq!(pending, state["pending_at_eof"], "{name} {how}: pending");
    for field in state["ignored_fields"].as_array().into_iter().flatten() {
        let field = field.as_str().unwrap().as_bytes();
        assert!(
            seen.iter()
                .any(|i| matches!(i, Seen::Unknown(name, _) if name == field)),
            "{name} {how}: unknown field"
        );
    }
}

#[test]
fn every_vector_gives_its_events_at_the_right_byte_at_every_split() {
    let Some(vectors) = vectors("every_vector_gives_its_events_at_the_right_byte_at_every_split") else {
        return;
    };
    let mut runs = 0;
    for vector in vectors.iter().filter(|v| v.get("input").is_some()) {
        let (name, input) = (vector["name"].as_str().unwrap(), base64(&vector["input"]));
        for split in vector["splits"].as_array().unwrap() {
            let (seen, pending) = run(cut(&input, split));
            check(name, vector, &seen, pending, &split.to_string());
            runs += 1;
        }
    }
    println!("{runs} runs");
    assert!(runs > 1500, "the vectors are there");
}

#[test]
fn every_small_vector_gives_the_same_at_every_two_way_split() {
    let Some(vectors) = vectors("every_small_vector_gives_the_same_at_every_two_way_split") else {
        return;
    };
    for vector in vectors.iter().filter(|v| v.get("input").is_some()) {
        let (name, input) = (vector["name"].as_str().unwrap(), base64(&vector["input"]));
        for at in 0..=input.len().min(2048) {
            let (first, second) = input.split_at(at);
            let (seen, pending) = run([first, second]);
            check(name, vector, &seen, pending, &format!("cut at {at}"));
        }
    }
}

#[test]
fn every_generated_vector_gives_its_events_at_its_splits() {
    let Some(vectors) = vectors("every_generated_vector_gives_its_events_at_its_splits") else {
        return;
    };
    for vector in vectors.iter().filter(|v| v.get("input_gen").is_some()) {
        let generator = &vector["input_gen"];
        let part = |key: &str| generator[key].as_str().unwrap().as_bytes();
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let fill = part("fill").repeat(number(&generator["count"]));
        let once = [part("prefix"), &fill, part("suffix")].concat();
        let input = once.repeat(number(&generator["repeat"]));
        for split in vector["splits"].as_array().unwrap() {
            let (mut parser, mut fed, mut events) = (SseParser::new(), 0, 0);
            for chunk in cut(&input, split) {
                feed(&mut parser, chunk, fed, &mut |item| {
                    let Seen::Event { name, data, at } = item else {
                        panic!("only events");
                    };
                    events += 1;
                    assert_eq!(name, b"message");
                    assert_eq!(data.len(), number(&vector["expect_gen"]["data_len"]));
                    assert_eq!(at, events * once.len());
                });
                fed += chunk.len();
            }
            assert_eq!(events, number(&vector["expect_gen"]["events"]));
            assert!(!parser.pending_event());
        }
    }
}

/// The standard read literally, on the whole stream.
fn naive(input: &[u8]) -> (Vec<Seen>, bool) {
    let mut seen = Vec::new();
    let (mut name, mut data) = (Vec::new(), Vec::<Vec<u8>>::new());
    let mut start = 0;
    let mut first = true;
    let mut at = 0;
    while at < input.len() {
        if input[at] != b'\r' && input[at] != b'\n' {
            at += 1;
            continue;
        }
        let mut line = &input[start..at];
        if first && line.starts_with(b"\xef\xbb\xbf") {
            line = &line[3..];
        }
        first = false;
        let complete_at = at + 1;
        at += if input[at..].starts_with(b"\r\n") { 2 } else { 1 };
        start = at;
        if line.is_empty() {
            if !data.is_empty() {
                if name.is_empty() {
                    name = b"message".to_vec();
                }
                seen.push(Seen::Event {
                    name: name.clone(),
                    data: data.join(&b'\n'),
                    at: complete_at,
                });
            }
            (name, data) = (Vec::new(), Vec::new());
            continue;
        }
        let mut halves = line.splitn(2, |&b| b == b':');
        let field = halves.next().unwrap();
        let value = halves.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" => seen.push(Seen::Comment),
            b"data" => data.push(value.to_vec()),
            b"event" => name = value.to_vec(),
            b"id" => {}
            b"retry" => {
                let text = std::str::from_utf8(value).unwrap_or("");
                if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                    seen.extend(text.parse().ok().map(Seen::Retry));
                }
            }
            _ => seen.push(Seen::Unknown(field.to_vec(), value.to_vec())),
        }
    }
    // An unfinished line counts only if it may be one of a stream.
    let rest = input[start..].trim_ascii();
    let is_field = !rest.is_empty() && begins_a_stream(&input[start..], Framing::Events) != Some(false);
    let pending = !data.is_empty() || !name.is_empty() || is_field;
    (seen, pending)
}

/// `input` cut at `cuts`, each taken modulo what is left and one.
fn cut_at<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let (mut chunks, mut rest) = (Vec::new(), input);
    for cut in cuts {
        let (chunk, behind) = rest.split_at(cut % (rest.len() + 1));
        chunks.push(chunk);
        rest = behind;
    }
    chunks.push(rest);
    chunks
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n"]).prop_map(|s| s.as_bytes().to_vec()),
        4 => prop::sample::select(vec![
            "data: {\"x\":1}", "data:", "data", "data:  y", "event: ping", "event:", "event", "id: 7", "id",
            "retry: 10", "retry:99999999999999999999", "retry: x", ": note", ":", "error: {}", "foo", " data",
            "\u{feff}", "é", "datax: z", ":data: q",
        ]).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_stream_at_any_cuts_gives_the_events_of_the_naive_parser(
        fragments in prop::collection::vec(fragment(), 0..24),
        cuts in prop::collection::vec(0usize..40, 0..16),
    ) {
        let input = fragments.concat();
        prop_assert_eq!(run(cut_at(&input, &cuts)), naive(&input));
        prop_assert_eq!(run(input.chunks(1)), naive(&input));
    }

    #[test]
    fn limits_apply_in_the_same_way_at_any_cut(
        fragments in prop::collection::vec(fragment(), 0..16),
        cuts in prop::collection::vec(0usize..40, 0..8),
        limit in 0usize..40,
    ) {
        let input = fragments.concat();
        let outcome = |chunks: Vec<&[u8]>| {
            let mut parser = SseParser::new();
            let mut items = 0;
            for mut chunk in chunks {
                loop {
                    match parser.step(chunk, limit) {
                        Err(error) => return (items, Some(error)),
                        Ok((_, None)) => break,
                        Ok((consumed, Some(_))) => {
                            items += 1;
                            chunk = &chunk[consumed..];
                        }
                    }
                }
            }
            (items, None)
        };
        prop_assert_eq!(outcome(cut_at(&input, &cuts)), outcome(vec![&input]));
    }
}

#[test]
fn a_done_line_without_its_blank_line_is_still_found() {
    let mut parser = SseParser::new();
    assert_eq!(parser.pending_data(), None);
    assert_eq!(parser.step(b"data: [DONE]\n", 100), Ok((13, None)));
    assert_eq!(parser.pending_data(), Some(&b"[DONE]"[..]));
    assert!(parser.pending_event());
    parser.step(b"\n", 100).unwrap();
    assert_eq!(parser.pending_data(), None);
    assert!(!parser.pending_event());
}

#[test]
fn a_parser_that_is_reset_reads_another_stream_from_its_start() {
    let mut parser = SseParser::new();
    parser.step(b"event: a\ndata: x\ndat", 100).unwrap();
    parser.reset();
    assert!(!parser.pending_event());
    let (_, item) = parser.step(b"\xef\xbb\xbfdata: y\r\r", 100).unwrap();
    let expected = Item::Event {
        name: b"message",
        data: b"y",
    };
    assert_eq!(item, Some(expected));
}
