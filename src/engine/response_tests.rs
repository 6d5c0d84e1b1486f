//! Responses in parts, each part with its instant.

use super::*;
use crate::api::Api;

#[derive(Default)]
struct Sink {
    gaps: Vec<Nanos>,
    coalesced: u32,
    tokens: u32,
}

impl TokenSink for Sink {
    fn gap(&mut self, gap: Nanos) {
        self.gaps.push(gap);
    }
    fn coalesced(&mut self) {
        self.coalesced += 1;
    }
    fn token(&mut self, _: &[u8], _: Nanos) {
        self.tokens += 1;
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn token(text: &str) -> String {
    chunk(&format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    ))
}

fn finish() -> String {
    chunk(
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":7}}\n\n",
    )
}

#[test]
fn a_role_chunk_is_an_event_but_not_a_token() {
    let mut reader = ResponseReader::new();
    let mut sink = Sink::default();
    reader.begin(Expected::Stream(Api::Chat));
    let role = chunk("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n");
    let reads = [
        (10, HEAD.to_string()),
        (20, role),
        (30, chunk(": ping\n\n")),
        (40, token("a")),
        (90, token("b") + &token("c")),
    ];
    for (at, bytes) in reads {
        assert_eq!(reader.read(bytes.as_bytes(), at, &mut sink), Progress::More);
    }
    let end = finish() + &chunk("data: [DONE]\n\n") + "0\r\n\r\n";
    let over = Progress::Over {
        outcome: Outcome::Ok,
        reusable: true,
    };
    assert_eq!(reader.read(end.as_bytes(), 100, &mut sink), over);
    let expected = Arrivals {
        first_byte: Some(10),
        first_event: Some(20),
        first_token: Some(40),
        first_answer: Some(40),
        first_thought: None,
        first_call: None,
        last_token: Some(90),
        gaps: 2,
        last: 100,
    };
    assert_eq!(reader.arrivals, expected);
    assert_eq!(sink.gaps, [50, 0]);
    assert_eq!((sink.coalesced, sink.tokens), (1, 3));
    assert_eq!(reader.output_tokens(), (7, TokenSource::Server));
}

#[test]
fn a_clean_end_without_a_finish_is_truncated_and_further_bytes_forbid_reuse() {
    let mut reader = ResponseReader::new();
    reader.begin(Expected::Stream(Api::Chat));
    let bytes = HEAD.to_string() + &token("a") + &chunk("data: [DONE]\n\n") + "0\r\n\r\nHTTP/1.1 200 OK\r\n";
    let over = Progress::Over {
        outcome: Outcome::Truncated,
        reusable: false,
    };
    assert_eq!(reader.read(bytes.as_bytes(), 1, &mut Sink::default()), over);
}

#[test]
fn the_status_decides_before_the_body() {
    for (status, outcome) in [
        (204, Outcome::Ok),
        (302, Outcome::Redirect),
        (404, Outcome::Http4xx),
        (429, Outcome::Http429),
        (500, Outcome::Http5xx),
        (503, Outcome::Http503),
    ] {
        let mut reader = ResponseReader::new();
        reader.begin(Expected::Light);
        let bytes = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        let over = Progress::Over {
            outcome,
            reusable: true,
        };
        assert_eq!(reader.read(bytes.as_bytes(), 1, &mut Sink::default()), over);
    }
}

#[test]
fn json_instead_of_a_stream_is_not_streamed() {
    let mut reader = ResponseReader::new();
    reader.begin(Expected::Stream(Api::Chat));
    let bytes = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let progress = reader.read(bytes.as_bytes(), 1, &mut Sink::default());
    assert!(matches!(
        progress,
        Progress::Over {
            outcome: Outcome::NotStreamed,
            ..
        }
    ));
    assert_eq!(reader.arrivals.first_token, None);
}

#[test]
fn a_close_before_any_byte_differs_from_a_cut() {
    let mut reader = ResponseReader::new();
    reader.begin(Expected::Stream(Api::Chat));
    assert_eq!(reader.eof(), None);
    reader.begin(Expected::Stream(Api::Chat));
    reader.read(&HEAD.as_bytes()[..20], 1, &mut Sink::default());
    assert_eq!(reader.eof(), Some(Outcome::Truncated));
}

/// Reads whole at an instant each; gives the reader and what became of it.
fn read_parts(asked: Expected, parts: &[&str]) -> (ResponseReader, Outcome) {
    let mut reader = ResponseReader::new();
    reader.begin(asked);
    for (i, part) in parts.iter().enumerate() {
        let arrived = 10 * (i as Nanos + 1);
        if let Progress::Over { outcome, .. } = reader.read(part.as_bytes(), arrived, &mut Sink::default()) {
            return (reader, outcome);
        }
    }
    let outcome = reader.eof().expect("bytes came");
    (reader, outcome)
}

#[test]
fn thoughts_and_answers_have_their_own_first_instants() {
    let thought = chunk("data: {\"choices\":[{\"delta\":{\"thinking\":\"Hm\"}}]}\n\n");
    let call =
        chunk("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}}]}\n\n");
    for answer in [token("a"), call] {
        let end = finish() + "0\r\n\r\n";
        let parts = [HEAD, &thought, &thought, &answer, &end];
        let (reader, outcome) = read_parts(Expected::Stream(Api::Chat), &parts);
        let a = reader.arrivals;
        assert_eq!(
            (a.first_token, a.first_answer, a.last_token),
            (Some(20), Some(40), Some(40))
        );
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(reader.answer(outcome).finish, Some(FinishWord::STOP));
    }
}

#[test]
fn tokens_at_the_first_instant_come_from_the_servers_count_or_its_events() {
    let counted = |n: u32| {
        let usage = format!("\"usage\":{{\"completion_tokens\":{n}}}");
        chunk(&format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}],{usage}}}\n\n"
        ))
    };
    let end = finish() + "0\r\n\r\n";
    for (first, at_first) in [
        (token("a"), 1),
        (token("a") + &token("b"), 2),
        (counted(4), 4),
        (counted(2) + &counted(5), 5),
        // A count of the whole answer from the beginning on.
        (counted(7), 1),
    ] {
        let (reader, _) = read_parts(Expected::Stream(Api::Chat), &[HEAD, &first, &token("c"), &end]);
        assert_eq!(
            (reader.output_tokens().0, reader.tokens_at_first()),
            (7, at_first),
            "{first}"
        );
    }
}

#[test]
fn a_good_answer_without_text_is_noticed_in_every_form() {
    let whole = |text: &str| {
        let choice = format!("{{\"message\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}");
        let body = format!("{{\"choices\":[{choice}]}}");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let stream = |text: &str| HEAD.to_string() + &token(text) + &finish() + "0\r\n\r\n";
    let light = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_string();
    for (asked, response, without) in [
        (Expected::Stream(Api::Chat), stream(""), true),
        (Expected::Stream(Api::Chat), stream("a"), false),
        (Expected::Whole(Api::Chat), whole(""), true),
        (Expected::Whole(Api::Chat), whole("a"), false),
        (Expected::Light, light, false),
    ] {
        let (reader, outcome) = read_parts(asked, &[&response]);
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(
            reader.answer(outcome).without_text,
            without,
            "{asked:?} {response}"
        );
    }
}

#[test]
fn a_stream_without_its_content_type_is_read_and_noted() {
    let head = HEAD.replace("text/event-stream", "text/plain");
    let end = finish() + "0\r\n\r\n";
    let json = "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let (reader, outcome) = read_parts(
        Expected::Stream(Api::Chat),
        &[&head, &chunk("da"), &chunk("ta: "), &chunk(json), &end],
    );
    assert_eq!((outcome, reader.answer(outcome).untyped), (Outcome::Ok, true));
    assert_eq!(reader.arrivals.first_token, Some(40));
    let typed = [HEAD, &chunk("data: "), &chunk(json), &end];
    let (reader, outcome) = read_parts(Expected::Stream(Api::Chat), &typed);
    assert_eq!((outcome, reader.answer(outcome).untyped), (Outcome::Ok, false));
}

#[test]
fn an_error_status_wins_over_the_fate_of_its_body() {
    let refusal = |rest: &str| format!("HTTP/1.1 500 X\r\n{rest}");
    for rest in [
        "content-length: 9\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\nzz",
    ] {
        let (reader, outcome) = read_parts(Expected::Stream(Api::Chat), &[&refusal(rest)]);
        assert_eq!(
            (outcome, reader.refusal()),
            (Outcome::Http5xx, Some(Outcome::Http5xx))
        );
    }
    let (reader, outcome) = read_parts(
        Expected::Light,
        &["HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nhalf"],
    );
    assert_eq!((outcome, reader.refusal()), (Outcome::Truncated, None));
    assert_eq!(reader.answer(outcome).cause, Some(Cause::CutInBody));
}

/// What a failed response showed: place, text, and whether it was cut.
fn shown(expected: Expected, bytes: &[u8], piece: usize) -> (Place, String, bool) {
    let mut reader = ResponseReader::new();
    let mut sink = Sink::default();
    reader.begin(expected);
    let is_over = bytes
        .chunks(piece)
        .any(|part| reader.read(part, 10, &mut sink) != Progress::More);
    if !is_over {
        reader.eof();
    }
    let evidence = reader.evidence();
    let cut = evidence.cut.before || evidence.cut.after;
    (
        evidence.place,
        String::from_utf8_lossy(evidence.text).into_owned(),
        cut,
    )
}

#[test]
fn what_a_failure_shows_is_the_same_however_its_bytes_come() {
    let (stream, whole) = (Expected::Stream(Api::Chat), Expected::Whole(Api::Chat));
    let refused = |body: &str| format!("HTTP/1.1 400 No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\n nope}";
    let long = "x".repeat(600);
    let bad = format!(
        "{HEAD}{}{}",
        token("a"),
        chunk(&format!("data: {{\"{long}\": nope}}\n\n"))
    );
    let cases = [
        (
            stream,
            refused("{\"error\":\"no\"}"),
            Place::Body,
            "{\"error\":\"no\"}".to_owned(),
            false,
        ),
        (stream, refused(&long), Place::Body, "x".repeat(512), true),
        (stream, refused(""), Place::Body, String::new(), false),
        (
            whole,
            json.to_owned(),
            Place::Json { line: 2, column: 3 },
            "{\"a\":\n nope}".to_owned(),
            false,
        ),
        (
            stream,
            bad,
            Place::InEvent { event: 2, byte: 607 },
            format!("{}\": nope}}", "x".repeat(166)),
            true,
        ),
        (
            stream,
            "HTTP/1.1 302 F\r\nLOCATION: /there \r\ncontent-length: 2\r\n\r\nno".to_owned(),
            Place::Location,
            "/there".to_owned(),
            false,
        ),
        (
            stream,
            format!("{HEAD}{}", token("a")),
            Place::AfterEvents(1),
            String::new(),
            false,
        ),
    ];
    for (expected, bytes, place, text, cut) in cases {
        for piece in [1, 7, usize::MAX] {
            let shown = shown(expected, bytes.as_bytes(), piece.min(bytes.len()));
            assert_eq!(shown, (place, text.clone(), cut), "{bytes} in pieces of {piece}");
        }
    }
}

#[test]
fn a_refusal_like_the_one_before_needs_no_more_memory() {
    let mut reader = ResponseReader::new();
    let body = "x".repeat(3000);
    let bytes = format!("HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut capacity = None;
    for _ in 0..3 {
        reader.begin(Expected::Stream(Api::Chat));
        let progress = reader.read(bytes.as_bytes(), 10, &mut Sink::default());
        assert!(matches!(
            progress,
            Progress::Over {
                outcome: Outcome::Http5xx,
                reusable: true
            }
        ));
        let now = reader.kept.bytes.capacity();
        assert!(now <= 1024, "{now}");
        assert_eq!(*capacity.get_or_insert(now), now);
    }
}
