//! Streams and whole answers of each API: `tests/corpus/api.json`.

use llmload_uring::api::{
    Alike, Api, EventFacts, Malformed, StreamState, chat, llamacpp, messages, ollama, read_event_plain,
    responses, sglang, tgi, triton,
};
use llmload_uring::sse::{EVENT_BYTES_MAX, EventParser, Framing as Events, Item, begins_a_stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::reading::{After, Asked, read_at_every_cut};

use super::pieces::{Piece, Said, Tokens, Wire, asked, assert_caused, document, outcome, times};
use super::{vector_of, vectors, vectors_to_check};

vector_of!("api.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) class: String,
    #[serde(default)]
    why: String,
    api: String,
    /// The body of an event stream, or that of a whole answer.
    #[serde(default)]
    stream: Vec<Piece>,
    #[serde(default)]
    whole: Option<Box<RawValue>>,
    /// The number of answers that were asked for; 0 if the request did not say.
    #[serde(default)]
    answers: u32,
    /// The peer closes before HTTP's end.
    #[serde(default)]
    cut: bool,
    pub(super) outcome: String,
    tokens: Tokens,
    /// Of a whole answer: milliseconds for the prompt and for the answer.
    #[serde(default)]
    times: Option<(f64, f64)>,
    /// What exactly was wrong, where the outcome has several causes. Of a body with a length the missing last chunk is
    /// a missing rest.
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    pub(super) covers: Vec<String>,
}

impl Vector {
    fn api(&self) -> Api {
        Api::from_name(&self.api).unwrap_or_else(|| panic!("no API is called {}", self.api))
    }

    fn asked(&self, how: &str) -> Asked {
        Asked {
            expected: asked(&format!("{how} {}", self.api)),
            answers: self.answers.max(1),
        }
    }
}

/// How a body is put on the wire.
#[derive(Clone, Copy, Debug)]
enum Framing {
    ChunkPerPiece,
    ChunksOf(usize),
    Length,
    UntilClose,
}

const FRAMINGS: [Framing; 4] = [
    Framing::ChunkPerPiece,
    Framing::ChunksOf(7),
    Framing::Length,
    Framing::UntilClose,
];

/// The response with `vector`'s stream, and what its events say.
fn response(vector: &Vector, framing: Framing) -> (Wire, Said) {
    let (mut wire, mut said) = (Wire::default(), Said::default());
    let mut pieces = Vec::new();
    let mut bytes = 0;
    for piece in &vector.stream {
        pieces.push(said.take([piece], bytes));
        bytes += pieces.last().map_or(0, Vec::len);
    }
    let body = pieces.concat();
    let kind = match vector.api().row().framing {
        Events::Events => "text/event-stream",
        Events::Lines => "application/x-ndjson",
    };
    wire.framing(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n").as_bytes());
    match framing {
        Framing::ChunkPerPiece | Framing::ChunksOf(_) => {
            wire.framing(b"Transfer-Encoding: chunked\r\n\r\n");
            match framing {
                Framing::ChunksOf(size) => body.chunks(size).for_each(|chunk| wire.chunk(chunk, true)),
                _ => pieces.iter().for_each(|piece| wire.chunk(piece, false)),
            }
            if !vector.cut {
                wire.framing(b"0\r\n\r\n");
            }
        }
        Framing::Length => {
            let promised = body.len() + usize::from(vector.cut);
            wire.framing(format!("Content-Length: {promised}\r\n\r\n").as_bytes());
            wire.body(&body);
        }
        Framing::UntilClose => {
            wire.framing(b"\r\n");
            wire.body(&body);
        }
    }
    (wire, said)
}

/// The `data` of every event, and every whole answer.
pub fn documents() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for vector in &vectors::<Vector>() {
        found.extend(vector.whole.as_deref().map(document));
        let body = Said::default().take(&vector.stream, 0);
        each_item(vector.api(), &body, |item| {
            if let Item::Event { data, .. } = item {
                found.push(data.to_vec());
            }
        });
    }
    found
}

/// The reader of an API that is based on `serde_json` alone.
pub fn plain_reader(api: Api) -> fn(&[u8], &[u8]) -> Result<EventFacts, Malformed> {
    match api {
        Api::Chat | Api::Completions => read_event_plain::<chat::Chat>,
        Api::LlamaCpp => read_event_plain::<llamacpp::LlamaCpp>,
        Api::Responses => read_event_plain::<responses::Responses>,
        Api::Messages => read_event_plain::<messages::Messages>,
        Api::Ollama | Api::OllamaChat => read_event_plain::<ollama::Ollama>,
        Api::Tgi => read_event_plain::<tgi::Tgi>,
        Api::Sglang => read_event_plain::<sglang::Sglang>,
        Api::Triton => read_event_plain::<triton::Triton>,
        _ => panic!("{api:?} does not stream"),
    }
}

fn each_item(api: Api, body: &[u8], mut take: impl FnMut(Item<'_>)) {
    let mut parser = EventParser::new(api.row().framing);
    let mut at = 0;
    while let (consumed, Some(item)) = parser.step(&body[at..], EVENT_BYTES_MAX).expect("a small stream") {
        at += consumed;
        take(item);
    }
}

#[test]
fn both_readers_give_the_facts_of_the_vector_for_every_event() {
    let vectors: Vec<Vector> = vectors_to_check();
    for vector in vectors.iter().filter(|v| v.whole.is_none()) {
        let (name, why) = (&vector.name, &vector.why);
        let mut said = Said::default();
        let body = said.take(&vector.stream, 0);
        let api = vector.api();
        let read_event = api.row().read_event.expect("it streams");
        let mut state = StreamState::default();
        let mut read = Vec::new();
        each_item(api, &body, |item| match item {
            Item::Event { name: event, data } => {
                let plain = plain_reader(api)(event, data);
                assert_eq!(
                    read_event(&mut Alike::default(), event, data),
                    plain,
                    "{name}: fast and plain"
                );
                let facts = state.read(read_event, event, data).map_err(|_| ());
                // Which answers an event is about shows in the outcome.
                read.push(facts.map(|facts| EventFacts {
                    choices: Default::default(),
                    ..facts
                }));
            }
            Item::UnknownField { name, value } => state.unknown_field(name, value),
            Item::Comment | Item::Retry(_) => {}
        });
        let expected: Vec<_> = said.0.into_iter().map(|(_, says)| says).collect();
        // What comes behind a malformed event is not read in a run.
        let until = expected.iter().position(Result::is_err).unwrap_or(expected.len());
        assert!(read.len() >= expected.len().min(until + 1), "{name}: events");
        read.truncate(expected.len());
        assert_eq!(read, expected, "{name} ({why})");
    }
}

#[test]
fn the_corpus_has_good_and_bad_streams_and_answers_for_every_api() {
    let vectors: Vec<Vector> = vectors();
    for row in Api::ALL.map(|api| api.row()) {
        let api = row.name;
        let mut streams = vec!["ok", "truncated", "stream_error", "malformed"];
        streams.retain(|_| row.streams());
        let mut answers = vec!["ok"];
        for vector in vectors.iter().filter(|v| v.api == api) {
            let missing = if vector.whole.is_some() {
                &mut answers
            } else {
                &mut streams
            };
            missing.retain(|outcome| *outcome != vector.outcome);
        }
        assert!(
            streams.is_empty() && answers.is_empty(),
            "{api}: no {streams:?}, {answers:?}"
        );
    }
}

#[test]
fn every_stream_has_the_same_outcome_and_instants_in_any_framing_at_every_cut() {
    for vector in vectors::<Vector>().iter().filter(|v| v.whole.is_none()) {
        for framing in FRAMINGS {
            // Without framing nobody can tell a cut from the end.
            if vector.cut && matches!(framing, Framing::UntilClose) {
                continue;
            }
            let (wire, said) = response(vector, framing);
            let name = format!("{} ({}) as {framing:?}", vector.name, vector.why);
            let seen = read_at_every_cut(&name, vector.asked("stream"), &wire.bytes);
            assert_eq!(seen.outcome, outcome(&vector.outcome), "{name}");
            assert_eq!(seen.output_tokens, vector.tokens.expected(), "{name}");
            assert_eq!(seen.times, said.times(), "{name}");
            let cause = vector.cause.as_deref().map(|cause| match framing {
                Framing::Length if cause == "no_last_chunk" => "short_body",
                _ => cause,
            });
            assert_caused(&name, &seen, cause);
            let after = match (framing, &*vector.outcome) {
                (_, "malformed") => After::Closed,
                (Framing::UntilClose, _) => After::Eof,
                _ if vector.cut => After::Eof,
                _ => After::Kept,
            };
            assert_eq!((seen.status, seen.after), (200, after), "{name}");
            said.check(&name, &wire, &seen);
        }
    }
}

#[test]
fn every_whole_answer_has_the_outcome_of_its_vector_and_is_never_a_stream() {
    for vector in &vectors::<Vector>() {
        let Some(whole) = &vector.whole else { continue };
        let mut wire = Wire::default();
        let body = document(whole);
        wire.framing(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
        wire.framing(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        wire.body(&body);
        let name = format!("{} ({})", vector.name, vector.why);
        let seen = read_at_every_cut(&name, vector.asked("whole"), &wire.bytes);
        let end = (seen.outcome, seen.after, seen.output_tokens);
        let expected = (outcome(&vector.outcome), After::Kept, vector.tokens.expected());
        assert_eq!(end, expected, "{name}");
        assert_caused(&name, &seen, vector.cause.as_deref());
        let (prompt, decode) = vector.times.unzip();
        assert_eq!(seen.times, times(prompt, decode), "{name}");
        assert!(
            seen.tokens.is_empty() && seen.arrivals.first_event.is_none(),
            "{name}"
        );
        let seen = read_at_every_cut(&name, vector.asked("stream"), &wire.bytes);
        // Unless it is one: its type does not matter.
        let is_stream = begins_a_stream(&body, Events::Events) == Some(true);
        let expected = if is_stream { "ok" } else { "not_streamed" };
        assert_eq!(seen.outcome, outcome(expected), "{name}");
    }
}
