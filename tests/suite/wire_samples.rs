//! Responses captured from real servers, read at every cut: outcome, tokens and the byte that gave each instant.
//! The captures stand beside the project, in `../shared/wire-samples`.

use std::collections::HashSet;

use crate::common::shared_material;
use crate::reading::{self, After, Seen, read};
use llmload_uring::api::{Api, ServerTimes};
use llmload_uring::engine::response::{Expected, ResponseReader};
use llmload_uring::metrics::{Outcome, TokenSource};
use llmload_uring::units::Nanos;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire-samples");
use After::{Closed, Eof, Kept};

/// Expectations, from reading the bytes: `first_event`, `first_token`, `last_token` are the offsets in the file of
/// the line feed that completes the event (the second of the blank line).
struct Stream {
    file: &'static str,
    outcome: Outcome,
    after: After,
    token_events: u32,
    output_tokens: u32,
    source: TokenSource,
    first_event: usize,
    first_token: usize,
    last_token: usize,
}

#[rustfmt::skip]
const fn stream(
    file: &'static str, outcome: Outcome, after: After, token_events: u32,
    (output_tokens, source): (u32, TokenSource), at: [usize; 3],
) -> Stream {
    let [first_event, first_token, last_token] = at;
    Stream { file, outcome, after, token_events, output_tokens, source, first_event, first_token, last_token }
}

use Outcome::{Http4xx, Http5xx, Http429, Http503, Malformed, NotStreamed, Ok as Fine, Truncated};
use TokenSource::{Events, Server};

/// Chat streams, and two of the older text completions, which differ in nothing that counts here.
/// The tokens of the server are `usage.completion_tokens`, with llama.cpp and no usage `timings.predicted_n`.
#[rustfmt::skip]
const STREAMS: [Stream; 18] = [
    // file                                outcome    after   events  output_tokens  first event, first and last token
    stream("llmsim/chat_stream_fast.raw",    Fine,      Kept,   149, (109, Server), [454,  681, 33_614]),
    stream("llmsim/chat_stream_instant.raw", Fine,      Kept,   149, (105, Server), [454,  678, 33_615]),
    // Its 20 reasoning tokens are in the usage and in no event.
    stream("llmsim/scenario_lt-think.raw",   Fine,      Kept,    30, ( 30, Server), [522,  776,  7_916]),
    stream("llmsim/scenario_lt-stall.raw",   Fine,      Kept,    30, ( 30, Server), [522,  744,  7_294]),
    // Closed after the fourth token, in the middle of the chunked body.
    stream("llmsim/scenario_lt-cut.raw",     Truncated, Eof,      4, (  4, Events), [520,  741,  1_418]),
    stream("llamacpp/chat_stream.raw",       Fine,      Kept,    12, ( 12, Server), [473,  737,  3_720]),
    // Comments `:` stand before the first event: they are none.
    stream("llamacpp/chat_stream_ping.raw",  Fine,      Kept,     4, (  4, Server), [585,  851,  1_688]),
    // Four events of progress come before the first token.
    stream("llamacpp/chat_stream_progress.raw", Fine,   Kept,     6, (  6, Server), [540, 1_459, 2_828]),
    stream("llamacpp/chat_stream_usage_timings.raw", Fine, Kept, 12, ( 12, Server), [473,  954,  6_645]),
    stream("llamacpp/b11434_chat_stream.raw", Fine,     Kept,    24, ( 24, Server), [442,  675,  6_176]),
    stream("llamacpp/tiny_chat_stream.raw",  Fine,      Kept,    64, ( 64, Server), [442,  676, 15_796]),
    stream("llamacpp/completions_stream.raw", Fine,     Kept,    12, ( 12, Server), [450,  450,  3_441]),
    // No usage was asked for.
    stream("guidellm-mock/chat_stream.raw",  Fine,      Kept,    32, ( 32, Events), [542,  542,  7_386]),
    stream("guidellm-mock/chat_stream_usage.raw", Fine, Kept,     8, (  8, Server), [542,  542,  2_081]),
    stream("guidellm-mock/completions_stream_usage.raw", Fine, Kept, 8, (8, Server), [518, 518,  1_889]),
    stream("nginx/chat_stream_tls_ec.raw",   Fine,      Kept,   149, (105, Server), [476,  699, 33_606]),
    stream("nginx/chat_stream_tls_off.raw",  Fine,      Kept,   149, (107, Server), [476,  704, 33_613]),
    // Proxied with buffering: the same bytes but for the sizes of the chunks.
    stream("nginx/chat_stream_tls_on.raw",   Fine,      Kept,   149, (108, Server), [476,  703, 33_589]),
];

/// Answered to a client of HTTP/1.0: no chunks, the close is the end.
#[rustfmt::skip]
const CLOSE_DELIMITED: Stream =
    stream("nginx/http10_stream.txt",        Fine,      Eof,    149, (109, Server), [439,  658, 32_704]);

/// llama.cpp's own stream, without `[DONE]`, and its older text completions, read as what they are.
#[rustfmt::skip]
const NATIVE: Stream =
    stream("llamacpp/native_completion_stream.raw", Fine, Kept, 12, (12, Server), [303, 303, 1_698]);
#[rustfmt::skip]
const TEXTS: [Stream; 2] = [
    stream("llamacpp/completions_stream.raw", Fine,     Kept,    12, ( 12, Server), [450,  450,  3_441]),
    stream("guidellm-mock/completions_stream_usage.raw", Fine, Kept, 8, (8, Server), [518, 518,  1_889]),
];

/// Streams of OpenAI's responses and of Anthropic's messages. Their `usage` names the tokens.
#[rustfmt::skip]
const RESPONSES: [Stream; 5] = [
    stream("vllm/responses_stream.raw",      Fine,      Closed,   3, ( 16, Server), [928, 2_379, 2_796]),
    stream("llamacpp/responses_stream.raw",  Fine,      Kept,    12, ( 12, Server), [349, 1_031, 2_656]),
    stream("llmsim/responses_stream_fast.raw", Fine,    Kept,   149, (110, Server), [472, 1_456, 34_417]),
    stream("llmsim/openresponses_stream_fast.raw", Fine, Kept,  149, (105, Server), [424, 1_043, 15_842]),
    stream("guidellm-mock/responses_stream.raw", Fine,  Kept,    32, ( 32, Server), [590, 1_583, 8_174]),
];
#[rustfmt::skip]
const MESSAGES: [Stream; 3] = [
    stream("vllm/messages_stream.raw",       Fine,      Closed,   6, ( 16, Server), [439,  685, 1_307]),
    stream("llamacpp/anthropic_stream.raw",  Fine,      Kept,    12, ( 12, Server), [515,  748, 2_122]),
    stream("llmsim/anthropic_stream_fast.raw", Fine,    Kept,   149, (104, Server), [508,  799, 19_180]),
];

/// Errors: the status decides, whatever was asked for and whatever the body is.
const ERRORS: [(&str, Outcome, After); 12] = [
    ("llmsim/chaos_429.txt", Http429, Kept),
    ("llmsim/chaos_500.txt", Http5xx, Kept),
    ("llmsim/chaos_503.txt", Http503, Kept),
    ("llmsim/chaos_504.txt", Http5xx, Kept),
    ("llmsim/scenario_lt-429.raw", Http429, Kept),
    // Plain text.
    ("llmsim/err_badjson.raw", Http4xx, Kept),
    ("llamacpp/err_404.raw", Http4xx, Closed),
    ("llamacpp/err_badjson.raw", Http4xx, Closed),
    ("llamacpp/err_ctx.raw", Http4xx, Closed),
    ("guidellm-mock/err_badjson.raw", Http5xx, Kept),
    // HTML.
    ("nginx/429_limit_req.txt", Http429, Kept),
    ("nginx/502_upstream_down.txt", Http5xx, Kept),
];

/// 200s with a body that is no chat answer: as light requests ok, as whole answers what is said here.
const OTHERS: [(&str, Outcome); 15] = [
    ("llmsim/stats.raw", Truncated),
    ("llamacpp/get_health.raw", Truncated),
    ("llamacpp/get_props.raw", Truncated),
    ("llamacpp/get_v1_models.raw", Truncated),
    ("llamacpp/b11434_get_health.raw", Truncated),
    ("llamacpp/b11434_get_props.raw", Truncated),
    ("llamacpp/b11434_get_v1_models.raw", Truncated),
    // Prometheus text.
    ("llamacpp/get_metrics.raw", Malformed),
    ("llamacpp/b11434_get_metrics.raw", Malformed),
    // A list.
    ("llamacpp/get_slots.raw", Malformed),
    ("llamacpp/b11434_get_slots.raw", Malformed),
    // Other APIs' answers: JSON without a choice that finished.
    ("llmsim/responses_nonstream.raw", Truncated),
    ("llamacpp/native_completion_nonstream.raw", Truncated),
    // Event streams where one answer was asked for.
    ("llamacpp/chat_stream.raw", Malformed),
    ("llmsim/anthropic_stream_fast.raw", Malformed),
];

/// Whole chat answers: file, completion tokens.
const WHOLE: [(&str, u32); 2] = [
    ("llmsim/chat_nonstream.raw", 112),
    ("guidellm-mock/chat_nonstream.raw", 8),
];

/// Streams of other APIs, none of which has `choices`: events without a finish.
const OTHER_STREAMS: [&str; 7] = [
    "llmsim/anthropic_stream_fast.raw",
    "llmsim/openresponses_stream_fast.raw",
    "llmsim/responses_stream_fast.raw",
    "llamacpp/anthropic_stream.raw",
    "llamacpp/native_completion_stream.raw",
    "llamacpp/responses_stream.raw",
    "guidellm-mock/responses_stream.raw",
];

/// Read at every cut, and over at the last byte or with the close.
fn read_at_every_cut(file: &str, expected: Expected, bytes: &[u8]) -> Seen {
    let seen = reading::read_at_every_cut(file, expected, bytes);
    let last = bytes.len() as Nanos - 1;
    assert!(
        seen.over.is_none_or(|at| at == last),
        "{file} is over at {:?}",
        seen.over
    );
    seen
}

fn samples_are_here(test: &str) -> bool {
    shared_material(test, "wire-samples").is_some()
}

fn bytes_of(file: &str) -> Vec<u8> {
    std::fs::read(format!("{SAMPLES}/{file}")).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn check_stream(s: &Stream) {
    check_stream_as(Api::Chat, s);
}

fn check_stream_as(api: Api, s: &Stream) -> Seen {
    let seen = read_at_every_cut(s.file, Expected::Stream(api), &bytes_of(s.file));
    assert_eq!(
        (seen.outcome, seen.after, seen.status),
        (s.outcome, s.after, 200),
        "{}",
        s.file
    );
    assert_eq!(seen.tokens.len(), s.token_events as usize, "{}", s.file);
    assert_eq!(seen.output_tokens, (s.output_tokens, s.source), "{}", s.file);
    let at = [s.first_event, s.first_token, s.last_token].map(|at| Some(at as Nanos));
    let a = seen.arrivals;
    assert_eq!([a.first_event, a.first_token, a.last_token], at, "{}", s.file);
    assert_eq!(a.first_byte, Some(0), "{}", s.file);
    assert_eq!(seen.coalesced, 0, "{}", s.file);
    seen
}

#[test]
fn chat_streams_give_the_same_facts_and_stamps_at_every_cut() {
    if samples_are_here("chat_streams_give_the_same_facts_and_stamps_at_every_cut") {
        STREAMS.iter().for_each(check_stream);
        check_stream(&CLOSE_DELIMITED);
    }
}

#[test]
fn whole_chat_answers_are_ok_with_the_servers_count() {
    if !samples_are_here("whole_chat_answers_are_ok_with_the_servers_count") {
        return;
    }
    for (file, tokens) in WHOLE {
        let bytes = bytes_of(file);
        let seen = read_at_every_cut(file, Expected::Whole(Api::Chat), &bytes);
        assert_eq!(
            (seen.outcome, seen.after, seen.status),
            (Fine, Kept, 200),
            "{file}"
        );
        assert_eq!(seen.output_tokens, (tokens, Server), "{file}");
        assert!(
            seen.tokens.is_empty() && seen.arrivals.first_event.is_none(),
            "{file}"
        );
        let seen = read_at_every_cut(file, Expected::Stream(Api::Chat), &bytes);
        assert_eq!((seen.outcome, seen.after), (NotStreamed, Kept), "{file}");
        assert_eq!(seen.output_tokens, (0, TokenSource::None), "{file}");
    }
}

/// Nanoseconds of `prompt_ms` and `predicted_ms`.
fn times(prompt: Nanos, decode: Nanos) -> ServerTimes {
    ServerTimes {
        prompt: Some(prompt),
        decode: Some(decode),
    }
}

#[test]
fn llama_cpps_own_streams_and_text_completions_are_ok() {
    if !samples_are_here("llama_cpps_own_streams_and_text_completions_are_ok") {
        return;
    }
    let seen = check_stream_as(Api::LlamaCpp, &NATIVE);
    assert_eq!(seen.times, times(239_710_000, 1_684_047_000));
    let [ours, theirs] = TEXTS.map(|s| check_stream_as(Api::Completions, &s).times);
    assert_eq!(ours, times(569_931_000, 15_439_786_000));
    assert_eq!(theirs, ServerTimes::default());
    // A chat stream may have the times too.
    let chat = read_at_every_cut("chat", Expected::Stream(Api::Chat), &bytes_of(STREAMS[8].file));
    assert_eq!(chat.times, times(13_928_000, 18_010_426_000));
}

#[test]
fn llama_cpps_own_whole_answer_is_ok_with_its_counts_and_times() {
    if !samples_are_here("llama_cpps_own_whole_answer_is_ok_with_its_counts_and_times") {
        return;
    }
    let file = "llamacpp/native_completion_nonstream.raw";
    let seen = read_at_every_cut(file, Expected::Whole(Api::LlamaCpp), &bytes_of(file));
    assert_eq!((seen.outcome, seen.after, seen.status), (Fine, Kept, 200));
    assert_eq!(seen.output_tokens, (12, Server));
    assert_eq!(seen.times, times(56_257_000, 3_375_089_000));
    assert!(seen.tokens.is_empty());
}

#[test]
fn streams_of_responses_and_messages_are_ok_with_the_servers_count() {
    if !samples_are_here("streams_of_responses_and_messages_are_ok_with_the_servers_count") {
        return;
    }
    for s in &RESPONSES {
        check_stream_as(Api::Responses, s);
    }
    for s in &MESSAGES {
        check_stream_as(Api::Messages, s);
    }
    let timed = &RESPONSES[1];
    let seen = read_at_every_cut(
        timed.file,
        Expected::Stream(Api::Responses),
        &bytes_of(timed.file),
    );
    assert_eq!(seen.times, times(936_580_000, 1_163_978_000));
    for (file, api, tokens, after) in [
        ("vllm/responses_whole.raw", Api::Responses, 16, Closed),
        ("llmsim/responses_nonstream.raw", Api::Responses, 106, Kept),
        ("vllm/messages_whole.raw", Api::Messages, 16, Closed),
    ] {
        let seen = read_at_every_cut(file, Expected::Whole(api), &bytes_of(file));
        assert_eq!(
            (seen.outcome, seen.after, seen.output_tokens),
            (Fine, after, (tokens, Server)),
            "{file}"
        );
    }
}

#[test]
fn streams_of_other_apis_are_never_ok_as_llama_cpps_own() {
    if !samples_are_here("streams_of_other_apis_are_never_ok_as_llama_cpps_own") {
        return;
    }
    let others = OTHER_STREAMS.into_iter().filter(|file| *file != NATIVE.file);
    for file in STREAMS.iter().map(|s| s.file).chain(others) {
        let seen = read_at_every_cut(file, Expected::Stream(Api::LlamaCpp), &bytes_of(file));
        assert_eq!(seen.outcome, Truncated, "{file}");
    }
}

#[test]
fn a_native_stream_without_its_stop_is_truncated_however_clean_its_end() {
    if !samples_are_here("a_native_stream_without_its_stop_is_truncated_however_clean_its_end") {
        return;
    }
    let bytes = bytes_of(NATIVE.file);
    let last = b"690\r\ndata: ";
    let from = bytes
        .windows(last.len())
        .position(|w| w == last)
        .expect("the last event");
    let cut = [&bytes[..from], b"0\r\n\r\n"].concat();
    let seen = read_at_every_cut("native without stop", Expected::Stream(Api::LlamaCpp), &cut);
    assert_eq!(
        (seen.outcome, seen.after, seen.times),
        (Truncated, Kept, ServerTimes::default())
    );
    // Its events have counted the tokens so far.
    assert_eq!(seen.output_tokens, (12, Server));
}

#[test]
fn an_error_status_decides_whatever_the_request_and_the_body() {
    if !samples_are_here("an_error_status_decides_whatever_the_request_and_the_body") {
        return;
    }
    for (file, outcome, after) in ERRORS {
        let bytes = bytes_of(file);
        for expected in [
            Expected::Stream(Api::Chat),
            Expected::Whole(Api::Chat),
            Expected::Stream(Api::LlamaCpp),
            Expected::Whole(Api::LlamaCpp),
            Expected::Light,
        ] {
            let seen = read_at_every_cut(file, expected, &bytes);
            assert_eq!((seen.outcome, seen.after), (outcome, after), "{file}");
            assert_eq!(seen.status.to_string().as_bytes(), &bytes[9..12], "{file}");
            assert!(
                seen.tokens.is_empty() && seen.arrivals.first_event.is_none(),
                "{file}"
            );
        }
    }
}

#[test]
fn answers_that_are_not_chat_are_only_ok_for_light_requests() {
    if !samples_are_here("answers_that_are_not_chat_are_only_ok_for_light_requests") {
        return;
    }
    for (file, as_whole) in OTHERS {
        let bytes = bytes_of(file);
        let seen = read_at_every_cut(file, Expected::Light, &bytes);
        assert_eq!(
            (seen.outcome, seen.after, seen.status),
            (Fine, Kept, 200),
            "{file}"
        );
        let seen = read_at_every_cut(file, Expected::Whole(Api::Chat), &bytes);
        assert_eq!((seen.outcome, seen.after), (as_whole, Kept), "{file}");
    }
}

#[test]
fn streams_of_other_apis_are_never_ok_as_chat_streams() {
    if !samples_are_here("streams_of_other_apis_are_never_ok_as_chat_streams") {
        return;
    }
    for file in OTHER_STREAMS {
        let seen = read_at_every_cut(file, Expected::Stream(Api::Chat), &bytes_of(file));
        assert_eq!((seen.outcome, seen.after), (Truncated, Kept), "{file}");
        assert!(seen.tokens.is_empty(), "{file}");
        assert!(seen.arrivals.first_event.is_some(), "{file}");
    }
}

#[test]
fn a_stream_closed_at_any_byte_is_truncated_and_before_the_first_stale() {
    if !samples_are_here("a_stream_closed_at_any_byte_is_truncated_and_before_the_first_stale") {
        return;
    }
    for (file, api) in [
        ("llamacpp/chat_stream_ping.raw", Api::Chat),
        ("guidellm-mock/chat_stream_usage.raw", Api::Chat),
        (NATIVE.file, Api::LlamaCpp),
        (TEXTS[0].file, Api::Completions),
    ] {
        let bytes = bytes_of(file);
        let mut reader = ResponseReader::new();
        for end in 1..bytes.len() {
            let seen = read(&mut reader, Expected::Stream(api), &bytes[..end], &[]);
            assert_eq!(
                (seen.outcome, seen.after),
                (Truncated, Eof),
                "{file} closed at {end}"
            );
        }
        reader.begin(Expected::Stream(Api::Chat));
        assert_eq!(reader.eof(), None);
    }
}

#[test]
fn every_capture_has_its_expectation() {
    if !samples_are_here("every_capture_has_its_expectation") {
        return;
    }
    let streams = STREAMS.iter().map(|s| s.file).chain([CLOSE_DELIMITED.file]);
    let whole = WHOLE.iter().map(|(file, _)| *file);
    let errors = ERRORS.iter().map(|(file, ..)| *file);
    let others = OTHERS.iter().map(|(file, _)| *file);
    let known: HashSet<&str> = streams
        .chain(whole)
        .chain(errors)
        .chain(others)
        .chain(OTHER_STREAMS)
        .collect();
    for server in ["llmsim", "llamacpp", "guidellm-mock", "nginx"] {
        for entry in std::fs::read_dir(format!("{SAMPLES}/{server}")).unwrap() {
            let name = entry.unwrap().file_name();
            let file = format!("{server}/{}", name.to_string_lossy());
            assert!(known.contains(file.as_str()), "{file} has no expectation");
        }
    }
}
