//! The fast reading against the plain one: on the corpus and on recorded streams, on generated JSON, on damaged bytes.
//! `SEED=n` repeats a run; each random test prints its seed.

use crate::agreement::{agree, agree_among, agree_embeddings, agree_native, agree_on, shown};
use crate::common::shared_material;
use crate::corpus;
use llmload_uring::api::chat::{Chat, read_body};
use llmload_uring::api::llamacpp::LlamaCpp;
use llmload_uring::api::messages::Messages;
use llmload_uring::api::responses::Responses;
use llmload_uring::api::{
    Alike, Api, BodyFacts, EventFacts, Malformed, ServerTimes, read_event, read_event_plain,
};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::path::Path;

mod damage;
mod generator;

pub use damage::{Random, damage};

fn seed(test: &str) -> u64 {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is a number"),
        Err(_) => 20_261_121,
    };
    println!("{test}: SEED={seed}");
    seed
}

/// Runs `check` on `cases` byte strings of up to `bytes` bytes; failures shrink.
fn on_random_bytes(test: &str, cases: u32, bytes: usize, check: impl Fn(&[u8])) {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed(test).to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
    TestRunner::new_with_rng(config, rng)
        .run(
            &proptest::collection::vec(proptest::num::u8::ANY, 0..bytes),
            |choices| {
                check(&choices);
                Ok(())
            },
        )
        .unwrap();
}

/// What the project's own corpus holds, then the captures that stand beside the project.
struct Samples {
    all: Vec<Vec<u8>>,
    /// The captures are among them.
    captured: bool,
}

fn samples(test: &str) -> Samples {
    let mut all = corpus::documents();
    for response in corpus::on_the_wire() {
        documents_in(&response, &mut all);
    }
    let ours = all.len();
    if let Some(folder) = shared_material(test, "wire-samples") {
        visit(&folder, &mut all);
        assert!(all.len() > ours, "no events in {}", folder.display());
    }
    let captured = all.len() > ours;
    Samples { all, captured }
}

fn visit(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, found);
        } else if path.extension().is_some_and(|e| e == "raw" || e == "txt") {
            documents_in(&std::fs::read(&path).expect("a readable sample"), found);
        }
    }
}

/// The `data:` lines of a response, and a body that is one JSON document.
fn documents_in(response: &[u8], found: &mut Vec<Vec<u8>>) {
    for line in response.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.strip_prefix(b"data:") {
            Some(data) => found.push(data.trim_ascii_start().to_vec()),
            None if line.starts_with(b"{") => found.push(line.to_vec()),
            None => {}
        }
    }
}

#[test]
fn both_readers_agree_on_recorded_events_and_the_fast_one_reads_them() {
    let Samples { all, captured } =
        samples("both_readers_agree_on_recorded_events_and_the_fast_one_reads_them");
    let (mut chat, mut native, mut unsure) = (0, 0, Vec::new());
    for data in &all {
        let sure = agree(b"", data);
        if data.windows(18).any(|w| w == b"\"tokens_evaluated\"") {
            native += 1;
            if !agree_native(b"", data) {
                unsure.push(String::from_utf8_lossy(data));
            }
        }
        if data.windows(21).any(|w| w == b"chat.completion.chunk") {
            chat += 1;
            if !sure {
                unsure.push(String::from_utf8_lossy(data));
            }
        }
    }
    println!("{} samples, {chat} of them chat events", all.len());
    assert!(unsure.is_empty(), "left to the plain reading: {unsure:#?}");
    let enough = if captured { (340, 22) } else { (40, 8) };
    assert!(chat > enough.0 && native > enough.1, "{chat} {native}");
}

#[test]
fn the_fast_readers_of_responses_and_messages_read_every_recorded_piece_of_text() {
    let Samples { all, captured } =
        samples("the_fast_readers_of_responses_and_messages_read_every_recorded_piece_of_text");
    let (mut of_responses, mut of_messages, mut of_embeddings) = (0, 0, 0);
    let has = |data: &[u8], part: &str| data.windows(part.len()).any(|w| w == part.as_bytes());
    for data in &all {
        let whole = serde_json::from_slice::<serde_json::Value>(data).is_ok();
        if whole && has(data, "\"response.output_text.delta\"") {
            assert!(
                agree_on::<Responses>(b"", data),
                "{}",
                String::from_utf8_lossy(data)
            );
            of_responses += 1;
        }
        if whole && has(data, "\"content_block_delta\"") && has(data, "\"text_delta\"") {
            assert!(
                agree_on::<Messages>(b"", data),
                "{}",
                String::from_utf8_lossy(data)
            );
            of_messages += 1;
        }
        if whole && has(data, "\"embedding\"") {
            assert!(agree_embeddings(data), "{}", String::from_utf8_lossy(data));
            of_embeddings += 1;
        }
    }
    println!("{of_responses} of responses, {of_messages} of messages, {of_embeddings} of embeddings");
    let enough = if captured { (300, 150) } else { (10, 8) };
    assert!(of_responses > enough.0 && of_messages > enough.1 && of_embeddings > 2);
}

/// Every sample as an event of every API under every name that decides something, and some that do not.
#[test]
fn both_readers_agree_whatever_an_event_is_called() {
    let names: [&[u8]; 13] = [
        b"",
        b"message",
        b"ping",
        b"keepalive",
        b"keep-alive",
        b"heartbeat",
        b"error",
        b"Ping",
        b"ping ",
        b"content_block_delta",
        b"message_stop",
        b"response.output_text.delta",
        b"response.completed",
    ];
    let Samples {
        all: mut shapes,
        captured,
    } = samples("both_readers_agree_whatever_an_event_is_called");
    shapes.sort();
    shapes.dedup();
    shapes.retain(|data| data.len() < 3000);
    let (mut tokens, mut signs_of_life) = (0, 0);
    for api in Api::ALL {
        let Some(read) = api.row().read_event else {
            continue;
        };
        for data in &shapes {
            for name in names {
                let facts = read(&mut Alike::default(), name, data);
                let called = String::from_utf8_lossy(name);
                let plain = corpus::plain_reader(api)(name, data);
                assert_eq!(facts, plain, "{api:?} {called} {}", shown(data));
                tokens += u32::from(facts.is_ok_and(|facts| facts.token));
                if matches!(name, b"ping" | b"keepalive" | b"keep-alive" | b"heartbeat") {
                    let says_nothing =
                        facts.is_ok_and(|facts| EventFacts { done: false, ..facts } == EventFacts::default());
                    assert!(says_nothing, "{api:?} {called} {}", shown(data));
                    signs_of_life += 1;
                }
            }
        }
    }
    let readers = Api::ALL.iter().filter(|api| api.row().read_event.is_some());
    assert_eq!(signs_of_life, 4 * shapes.len() * readers.count());
    let enough = if captured { 5_000 } else { 2_500 };
    assert!(tokens > enough, "{tokens} tokens in {} shapes", shapes.len());
}

#[test]
fn an_event_after_one_that_is_like_it_is_read_as_alone() {
    let mut shapes = samples("an_event_after_one_that_is_like_it_is_read_as_alone").all;
    shapes.sort_by_key(Vec::len);
    shapes.dedup_by_key(|data| data.len());
    shapes.retain(|data| data.len() < 3000);
    let mut random = Random(seed("an_event_after_one_that_is_like_it_is_read_as_alone"));
    for shape in &shapes {
        let at: Vec<usize> = (0..20).map(|_| random.below(shape.len().max(1))).collect();
        for name in [&b"message"[..], b"content_block_delta", b"error"] {
            agree_among(name, shape, &at);
        }
    }
    on_random_bytes("an_event_after_one_that_is_like_it", 3_000, 160, |choices| {
        let at: Vec<usize> = choices.iter().map(|&byte| usize::from(byte)).take(8).collect();
        agree_among(b"message", &generator::document(choices), &at);
    });
}

#[test]
fn both_readers_agree_on_damaged_samples() {
    // Equal shapes add nothing: one sample of each length.
    let mut shapes = samples("both_readers_agree_on_damaged_samples").all;
    shapes.sort_by_key(Vec::len);
    shapes.dedup_by_key(|data| data.len());
    let mut random = Random(seed("both_readers_agree_on_damaged_samples"));
    let mut sure = 0;
    for round in 0..60_000 {
        let mut data = shapes[round % shapes.len()].clone();
        if data.len() > 3000 {
            continue;
        }
        for _ in 0..1 + random.below(3) {
            damage(&mut data, &mut random);
        }
        sure += u32::from(agree(b"", &data));
    }
    println!("{} shapes; fast on {sure} of 60000", shapes.len());
}

#[test]
fn both_readers_agree_on_generated_json() {
    let (sure, good, all) = (Tally::default(), Tally::default(), Tally::default());
    let native = Tally::default();
    on_random_bytes("both_readers_agree_on_generated_json", 60_000, 160, |choices| {
        let data = generator::document(choices);
        all.up();
        good.up_if(read_event_plain::<Chat>(b"", &data).is_ok());
        sure.up_if(agree(b"", &data));
        native.up_if(agree_native(b"", &data));
    });
    let native = native.0.get();
    let (sure, good, all) = (sure.0.get(), good.0.get(), all.0.get());
    println!("{all} documents, {good} well-formed, {sure} read fast as chat, {native} as llama.cpp's");
    // The generator is worth something only if it feeds both readings.
    assert!(
        good > all / 4 && sure > all / 10 && sure < good,
        "{all} {good} {sure}"
    );
    assert!(native > all / 10 && native < good, "{all} {good} {native}");
}

#[derive(Default)]
struct Tally(std::cell::Cell<u32>);

impl Tally {
    fn up(&self) {
        self.0.set(self.0.get() + 1);
    }

    fn up_if(&self, yes: bool) {
        self.0.set(self.0.get() + u32::from(yes));
    }
}

#[test]
fn both_readers_agree_on_random_bytes() {
    on_random_bytes("both_readers_agree_on_random_bytes", 20_000, 40, |bytes| {
        agree(b"", bytes);
        let mut string = b"{\"choices\":[{\"delta\":{\"content\":\"".to_vec();
        string.extend_from_slice(bytes);
        string.extend_from_slice(b"\"}}]}");
        agree(b"", &string);
    });
}

#[test]
fn both_readers_agree_on_every_cut_of_an_event() {
    let event = r#"{"id":"é\u00e9\ud83d\ude00","created":-1.5e+3,"choices":[ {"index":0,"delta":{"content":"\"hi\\"},
        "finish_reason":"stop"}],"usage":{"completion_tokens":3,"prompt_tokens":11},"x":[[],{},{"a":[true,false,null]}]}"#;
    assert!(agree(b"", event.as_bytes()));
    for cut in 0..event.len() {
        agree(b"", &event.as_bytes()[..cut]);
        agree(b"", &event.as_bytes()[cut..]);
    }
}

#[test]
fn deep_nesting_is_malformed_without_a_stack_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"choices\":[", "]}")] {
        for depth in [1, 10, 60, 63, 64, 65, 66, 120, 126, 127, 128, 129, 100_000] {
            for (open, close) in [
                (open.repeat(depth), close.repeat(depth)),
                (open.repeat(depth), String::new()),
            ] {
                agree(b"", format!("{open}1{close}").as_bytes());
                agree(b"", format!("{{\"x\":{open}1{close}}}").as_bytes());
                agree(
                    b"",
                    format!("{{\"choices\":[{{\"delta\":{{\"x\":{open}1{close}}}}}]}}").as_bytes(),
                );
            }
        }
    }
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(matches!(
        read_event::<Chat>(b"", deep.as_bytes()),
        Err(Malformed::Json { line: 1, .. })
    ));
}

#[test]
fn both_readers_agree_on_one_wrong_bracket_at_any_depth() {
    for depth in [2, 5, 63, 64, 65, 70, 100] {
        for wrong in 0..depth {
            for (open, close, other) in [("[", "]", "}"), ("{\"a\":", "}", "]")] {
                let mut closing = vec![close; depth];
                closing[wrong] = other;
                let swapped = format!("{{\"x\":{}1{}}}", open.repeat(depth), closing.concat());
                assert!(!agree(b"", swapped.as_bytes()), "{swapped}");
                // The same with the bracket's own opening: right again.
                let mut opening = vec![open; depth];
                opening[depth - 1 - wrong] = if other == "}" { "{\"a\":" } else { "[" };
                let right = format!("{{\"x\":{}1{}}}", opening.concat(), closing.concat());
                assert_eq!(agree(b"", right.as_bytes()), depth <= 64, "{right}");
            }
        }
    }
}

#[test]
fn a_native_stream_ends_with_stop_and_gives_its_counts_and_times() {
    let read = |data: &str| {
        agree(b"", data.as_bytes());
        read_event::<LlamaCpp>(b"", data.as_bytes()).expect("an object")
    };
    let word = read(r#"{"index":0,"content":" the","stop":false,"tokens_predicted":2,"tokens_evaluated":4}"#);
    assert!(word.token && word.answer && word.finish.is_none());
    assert_eq!(
        word.usage.map(|u| (u.completion_tokens, u.prompt_tokens)),
        Some((2, 4))
    );
    let end = read(
        r#"{"content":"","stop":true,"timings":{"cache_n":3,"prompt_n":1,"prompt_ms":239.71,"predicted_n":12,"predicted_ms":1684}}"#,
    );
    assert!(!end.token && end.finish.is_some() && !end.error);
    assert_eq!(
        end.usage.map(|u| (u.completion_tokens, u.prompt_tokens)),
        Some((12, 4))
    );
    let times = ServerTimes {
        prompt: Some(239_710_000),
        decode: Some(1_684_000_000),
    };
    assert_eq!(end.times, times);
    let progress =
        read(r#"{"content":"","stop":false,"prompt_progress":{"total":52,"cache":0,"processed":0}}"#);
    assert!(!progress.token && progress.finish.is_none());
    assert!(read(r#"{"error":{"code":500,"message":"x","type":"server_error"}}"#).error);
    // Only true is the end, and only a string is text.
    for data in [
        r#"{"stop":1,"content":null}"#,
        r#"{"stop":"true","content":["x"]}"#,
        "{}",
    ] {
        let facts = read(data);
        assert!(facts.finish.is_none() && !facts.token, "{data}");
    }
    // A time that is none, and one that no clock has.
    let odd = read(r#"{"timings":{"prompt_ms":-1,"predicted_ms":1e99}}"#);
    assert_eq!((odd.times.prompt, odd.times.decode), (None, Some(u64::MAX)));
}

#[test]
fn both_readers_round_times_of_any_spelling_alike() {
    for number in [
        "0",
        "-0",
        "-0.0",
        "0.1",
        "1e-7",
        "239.71",
        "0.30000000000000004",
        "9007199254740993",
        "1.7976931348623157e99",
        "123456789.123456789123456789",
        "18446744073709.551615",
        "4.9e-99",
        "1E2",
        "null",
        "\"1\"",
        "true",
    ] {
        for key in ["prompt_ms", "predicted_ms", "predicted_n"] {
            agree(b"", format!("{{\"timings\":{{\"{key}\":{number}}}}}").as_bytes());
            agree(
                b"",
                format!("{{\"timings\":{{\"{key}\":7,\"{key}\":{number}}}}}").as_bytes(),
            );
        }
    }
}

#[test]
fn both_readers_agree_on_long_numbers() {
    for digits in [
        1, 8, 9, 10, 11, 19, 20, 21, 63, 64, 65, 300, 308, 309, 310, 400, 5000,
    ] {
        for number in [
            "9".repeat(digits),
            format!("-{}", "9".repeat(digits)),
            format!("0.{}", "9".repeat(digits)),
            format!("{}e99", "9".repeat(digits)),
            format!("{}e-99", "9".repeat(digits)),
            format!("1e{}", "9".repeat(digits)),
            format!("1e{}9", "0".repeat(digits)),
        ] {
            agree(b"", format!("{{\"x\":{number}}}").as_bytes());
            agree(
                b"",
                format!("{{\"usage\":{{\"completion_tokens\":{number}}}}}").as_bytes(),
            );
        }
    }
}

fn facts(data: &str) -> EventFacts {
    agree(b"", data.as_bytes());
    read_event::<Chat>(b"", data.as_bytes()).expect("an object")
}

#[test]
fn every_kind_of_text_is_a_token_but_only_an_answer_counts_as_one() {
    for (delta, token, answer) in [
        (r#"{"role":"assistant"}"#, false, false),
        (r#"{"role":"assistant","content":""}"#, false, false),
        (
            r#"{"role":"assistant","content":null,"refusal":null}"#,
            false,
            false,
        ),
        (r#"{"content":" "}"#, true, true),
        (r#"{"content":"\n"}"#, true, true),
        (r#"{"cont\u0065nt":"x"}"#, true, true),
        (r#"{"content":"","content":"x"}"#, true, true),
        (r#"{"content":"x","content":""}"#, false, false),
        (r#"{"refusal":"no"}"#, true, true),
        (r#"{"reasoning_content":"hm"}"#, true, false),
        (r#"{"reasoning":"hm","content":""}"#, true, false),
        (r#"{"content":[{"type":"text","text":"x"}]}"#, true, true),
        (
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"x"}]}]}"#,
            true,
            false,
        ),
        (
            r#"{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":""}}]}"#,
            true,
            false,
        ),
        (
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}"#,
            true,
            false,
        ),
        (
            r#"{"tool_calls":[{"index":0,"function":{"arguments":""}}]}"#,
            false,
            false,
        ),
        (
            r#"{"tool_calls":[{"type":"custom","custom":{"name":"c","input":"x"}}]}"#,
            true,
            false,
        ),
        (r#"{"tool_calls":null}"#, false, false),
        (r#"{"function_call":{"name":"f"}}"#, true, false),
        (r#"{"x":{"content":"x"}}"#, false, false),
        (r#"null"#, false, false),
    ] {
        let found = facts(&format!("{{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}"));
        assert_eq!((found.token, found.answer), (token, answer), "{delta}");
    }
}

#[test]
fn bytes_that_are_not_utf8_count_as_text() {
    let data = b"{\"choices\":[{\"delta\":{\"content\":\"\xe4\xb8\"}}]}";
    assert!(agree(b"", data));
    assert!(read_event::<Chat>(b"", data).is_ok_and(|facts| facts.token));
    assert!(read_event::<Chat>(b"", b"{\xff}").is_err());
}

#[test]
fn errors_are_seen_in_every_shape() {
    for data in [
        r#"{"error":{"message":"stream failed"}}"#,
        r#"{"error":"bad"}"#,
        r#"{"object":"error","message":"overloaded","code":503}"#,
        r#"{"type":"error","error":{"type":"overloaded_error"}}"#,
        r#"{"choices":[{"delta":{"content":"x"}}],"error":{"code":502}}"#,
    ] {
        assert!(facts(data).error, "{data}");
    }
    for data in [
        r#"{"error":null}"#,
        r#"{"error":""}"#,
        r#"{"x":{"error":1}}"#,
        r#"{"id":"error"}"#,
    ] {
        assert!(!facts(data).error, "{data}");
    }
    for data in ["plain words", "", "{}", "[DONE]"] {
        assert!(read_event::<Chat>(b"error", data.as_bytes()).is_ok_and(|facts| facts.error));
    }
}

#[test]
fn json_that_is_not_an_object_is_malformed() {
    for data in [
        "{bad-json}",
        "{",
        "[]",
        "null",
        "1",
        "\"x\"",
        "{}{}",
        "[DONE",
        "\u{feff}{}",
    ] {
        let read = read_event::<Chat>(b"", data.as_bytes());
        assert!(read.is_err(), "{data}: {read:?}");
        agree(b"", data.as_bytes());
    }
    let said = read_event::<Chat>(b"", b"{bad-json}").unwrap_err().to_string();
    assert_eq!(said, "answer: not JSON at line 1 column 2");
    for data in ["", " ", "\n"] {
        assert_eq!(
            read_event::<Chat>(b"", data.as_bytes()),
            Ok(EventFacts::default())
        );
    }
    assert!(read_event::<Chat>(b"", b"[DONE] ").is_ok_and(|facts| facts.done));
}

#[test]
fn text_finish_usage_and_error_of_a_body_are_read() {
    let whole = br#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",
        "content":"Id in do","tool_calls":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":112}}"#;
    let facts = read_body(whole).unwrap();
    assert!(facts.text && facts.finish.is_some() && !facts.error);
    assert_eq!(facts.output_tokens().0, 112);
    assert_eq!(facts.outcome().name(), "ok");
    let outcome = |body: &[u8]| read_body(body).map(|facts: BodyFacts| facts.outcome().name());
    assert_eq!(outcome(br#"{"error":{"message":"x"}}"#), Ok("stream_error"));
    assert_eq!(
        outcome(br#"{"choices":[{"message":{"content":"x"}}]}"#),
        Ok("truncated")
    );
    assert!(outcome(b"<html>").is_err());
    assert!(outcome(b"").is_err());
    // A body has a message where an event has a delta.
    assert!(
        !read_body(br#"{"choices":[{"delta":{"content":"x"}}]}"#)
            .unwrap()
            .text
    );
}
