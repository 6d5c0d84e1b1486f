//! Streams in the dialects that servers speak, event by event, against what each must amount to.
//! The vectors stand beside the project, in `../shared/vectors/sse.json`.

use crate::common::shared_material;
use crate::corpus;
use llmload_uring::api::chat::Chat;
use llmload_uring::api::{Alike, Api, EventFacts, StreamEnd, StreamState, read_event_among};
use llmload_uring::metrics::{Outcome, TokenSource};
use serde_json::Value;

/// APIs with events of their own.
const OTHER_APIS: [(&str, Api); 2] = [
    ("anthropic-messages", Api::Messages),
    ("openai-responses", Api::Responses),
];
const NATIVE: &str = "llamacpp-completion";

fn vectors(test: &str) -> Vec<Value> {
    let Some(path) = shared_material(test, "vectors/sse.json") else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(path).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).expect("the vectors are a JSON list");
    all.into_iter().filter(|v| v["llm"].is_object()).collect()
}

fn text(value: &Value) -> &[u8] {
    value.as_str().unwrap_or_default().as_bytes()
}

/// What a vector's events amount to, both readings compared on the way.
struct Told {
    state: StreamState,
    facts: Vec<EventFacts>,
    malformed: bool,
}

/// As the vector's own API.
fn tell(vector: &Value) -> Told {
    let name = vector["llm"]["api"].as_str().unwrap_or_default();
    let other = OTHER_APIS.iter().find(|(other, _)| *other == name);
    match other {
        Some((_, api)) => tell_as(*api, vector),
        None if name == NATIVE => tell_as(Api::LlamaCpp, vector),
        None => tell_as(Api::Chat, vector),
    }
}

fn is_other(vector: &Value) -> bool {
    let name = vector["llm"]["api"].as_str().unwrap_or_default();
    OTHER_APIS.iter().any(|(other, _)| *other == name)
}

fn tell_as(api: Api, vector: &Value) -> Told {
    let read = api.row().read_event.expect("it streams");
    let mut told = Told {
        state: StreamState::default(),
        facts: Vec::new(),
        malformed: false,
    };
    for field in vector["expect_state"]["ignored_fields"]
        .as_array()
        .into_iter()
        .flatten()
    {
        told.state.unknown_field(text(field), b"{}");
    }
    for event in vector["expect"].as_array().expect("events") {
        let (name, data) = (text(&event["event"]), text(&event["data"]));
        let plain = corpus::plain_reader(api)(name, data);
        assert_eq!(read(&mut Alike::default(), name, data), plain, "{event}");
        match told.state.read(read, name, data) {
            Ok(facts) => told.facts.push(facts),
            Err(_) => told.malformed = true,
        }
    }
    told
}

fn outcome(told: &Told) -> &'static str {
    match (told.malformed, told.state.verdict_at_end()) {
        (true, _) => "malformed_json",
        (false, StreamEnd::Ok) => "ok",
        (false, StreamEnd::Error) => "stream_error",
        (false, StreamEnd::BadFinish) => "bad_finish",
        (false, StreamEnd::Truncated | StreamEnd::OpenChoice) => "truncated",
        (false, StreamEnd::NoEvents) => "no_events",
    }
}

fn position(facts: &[EventFacts], is: impl Fn(&EventFacts) -> bool) -> Value {
    facts.iter().position(is).into()
}

#[test]
fn every_stream_of_a_known_api_has_the_outcome_of_its_vector() {
    let mut seen = 0;
    for vector in vectors("every_stream_of_a_known_api_has_the_outcome_of_its_vector") {
        let (name, llm) = (&vector["name"], &vector["llm"]);
        seen += 1;
        let told = tell(&vector);
        if name == "llm-done-then-garbage" {
            // Its events are of no API in particular: here they only show that what follows is not read.
            assert!(!told.malformed && told.state.is_done());
            assert_eq!(told.state.verdict_at_end(), StreamEnd::Truncated);
            continue;
        }
        assert_eq!(outcome(&told), llm["outcome"], "{name}: outcome");
        if llm.get("first_token_event").is_some() {
            let first = position(&told.facts, |facts| facts.token);
            assert_eq!(first, llm["first_token_event"], "{name}: first token");
        }
        if llm.get("first_answer_event").is_some() {
            let first = position(&told.facts, |facts| facts.answer);
            assert_eq!(first, llm["first_answer_event"], "{name}: first answer");
        }
        if let Some(events) = llm["content_events"].as_u64() {
            let answers = told.facts.iter().filter(|facts| facts.answer).count();
            assert_eq!(answers as u64, events, "{name}: content events");
        }
        if let Some(finish) = llm.get("finish_reason") {
            let finished = told.facts.iter().any(|facts| facts.finish.is_some());
            assert_eq!(finished, !finish.is_null(), "{name}: finish");
        }
        if let Some(done) = llm["done_sentinel"].as_bool() {
            assert_eq!(told.state.is_done(), done, "{name}: [DONE]");
        }
        check_tokens(name, llm, &told);
    }
    println!("{seen} streams");
    assert!(seen == 0 || seen >= 29, "only {seen} of the vectors were found");
}

/// Read in the words of the other API a stream has no end: only its own makes it good.
#[test]
fn a_stream_read_as_another_api_is_never_ok() {
    for vector in vectors("a_stream_read_as_another_api_is_never_ok") {
        let is_chat = !is_other(&vector) && vector["llm"]["api"] != NATIVE;
        let other = if is_chat { Api::LlamaCpp } else { Api::Chat };
        let told = tell_as(other, &vector);
        assert_ne!(outcome(&told), "ok", "{}", vector["name"]);
        assert!(
            !told.facts.iter().any(|facts| facts.finish.is_some()),
            "{}",
            vector["name"]
        );
    }
}

fn check_tokens(name: &Value, llm: &Value, told: &Told) {
    let Some(usage) = llm.get("usage") else {
        return;
    };
    let (tokens, source) = told.state.output_tokens();
    if usage.is_null() {
        let events = told.facts.iter().filter(|facts| facts.token).count();
        assert_eq!((tokens as usize, source), (events, TokenSource::Events), "{name}");
    } else {
        let found = told.state.usage().expect("usage");
        assert_eq!(found.completion_tokens, usage["completion_tokens"], "{name}");
        assert_eq!(found.prompt_tokens, usage["prompt_tokens"], "{name}");
        assert_eq!((tokens, source), (found.completion_tokens, TokenSource::Server));
    }
}

/// The other APIs have ends of their own. Read as chat streams they must not pass for good ones.
#[test]
fn a_stream_of_another_api_is_never_an_ok_chat_stream() {
    for vector in vectors("a_stream_of_another_api_is_never_an_ok_chat_stream") {
        if is_other(&vector) {
            let told = tell_as(Api::Chat, &vector);
            assert_ne!(outcome(&told), "ok", "{}", vector["name"]);
            let named = vector["expect"][0]["event"] == "error" || vector["expect"][1]["event"] == "error";
            if named {
                assert_eq!(outcome(&told), "stream_error", "{}", vector["name"]);
            }
        }
    }
}

fn state_of(events: &[&str]) -> StreamState {
    let mut state = StreamState::default();
    for event in events {
        state
            .read(read_event_among::<Chat>, b"message", event.as_bytes())
            .expect("an object");
    }
    state
}

#[test]
fn neither_done_nor_tokens_nor_usage_make_a_stream_good_without_a_finish() {
    let word = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#;
    let usage = r#"{"choices":[],"usage":{"completion_tokens":1,"prompt_tokens":2}}"#;
    let empty = r#"{"choices":[{"delta":{},"finish_reason":""}]}"#;
    let state = state_of(&[word, empty, usage, "[DONE]"]);
    assert_eq!(state.verdict_at_end(), StreamEnd::Truncated);
    assert_eq!(state.verdict_at_end().outcome(), Outcome::Truncated);
    assert_eq!(state_of(&["[DONE]"]).verdict_at_end(), StreamEnd::Truncated);
    assert_eq!(state_of(&[]).verdict_at_end(), StreamEnd::NoEvents);
}

#[test]
fn an_error_outweighs_a_finish_but_not_after_done() {
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let error = r#"{"error":{"message":"x"}}"#;
    let before = state_of(&[finish, error, "[DONE]"]);
    assert_eq!(before.verdict_at_end(), StreamEnd::Error);
    let mut after = state_of(&[finish, "[DONE]", error]);
    after.unknown_field(b"error", b"{}");
    assert_eq!(after.verdict_at_end(), StreamEnd::Ok);
}

#[test]
fn timings_count_tokens_where_usage_is_absent() {
    let word = r#"{"choices":[{"delta":{"content":"a"}}],"timings":{"predicted_n":1}}"#;
    let last = r#"{"choices":[{"delta":{},"finish_reason":"length"}],
        "timings":{"cache_n":5,"prompt_n":52,"predicted_n":6,"predicted_ms":1.5}}"#;
    let state = state_of(&[word, last]);
    assert_eq!(state.output_tokens(), (6, TokenSource::Server));
    assert_eq!(state.usage().map(|usage| usage.prompt_tokens), Some(57));
    let both = r#"{"usage":{"completion_tokens":12},"timings":{"predicted_n":13}}"#;
    assert_eq!(state_of(&[both]).output_tokens(), (12, TokenSource::Server));
}

#[test]
fn a_usage_of_zero_with_text_is_a_placeholder() {
    let word = r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":0}}"#;
    assert_eq!(state_of(&[word, word]).output_tokens(), (2, TokenSource::Events));
    let silent = r#"{"choices":[],"usage":{"completion_tokens":0}}"#;
    assert_eq!(state_of(&[silent]).output_tokens(), (0, TokenSource::Server));
}
