//! Bodies in pieces: an event or other bytes, and what is said at the last of them. Put on the wire they are a response
//! whose every instant is known.

use llmload_uring::api::{Api, EventFacts, ServerTimes, Usage};
use llmload_uring::engine::response::Expected;
use llmload_uring::metrics::{Cause, FinishWord, Outcome, TokenSource};
use llmload_uring::units::Nanos;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::reading::Seen;

use super::Written;

/// A JSON object stands for an event with that data, written as it is here; anything else for the bytes themselves.
/// What the event says follows in words: `nothing`, or of `answer`, `thought` and `call` (a token of each),
/// `cumulative`, `finish` or `finish=WORD`, `error`, `done`; or `malformed`. Without words no event is complete.
#[derive(Deserialize)]
pub(super) struct Piece(
    Box<RawValue>,
    #[serde(default)] Option<String>,
    #[serde(default)] Counted,
);

/// The server's own counts and times.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    reasoning_tokens: Option<u32>,
    prompt_ms: Option<f64>,
    decode_ms: Option<f64>,
}

/// The bytes of a JSON value of the corpus: an object as it is written there, or those that it writes.
pub(super) fn document(raw: &RawValue) -> Vec<u8> {
    let text = raw.get();
    if text.starts_with('{') {
        assert!(!text.contains('\n'), "an object on one line: {text}");
        return text.as_bytes().to_vec();
    }
    let written: Written = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    written.bytes()
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        let bytes = document(&self.0);
        match self.0.get().starts_with('{') {
            true => [b"data: ", &bytes[..], b"\n\n"].concat(),
            false => bytes,
        }
    }

    /// `Err`: it is malformed.
    fn says(&self) -> Option<Result<EventFacts, ()>> {
        let counted = &self.2;
        let mut facts = EventFacts {
            usage: counted.completion_tokens.map(|completion_tokens| Usage {
                completion_tokens,
                prompt_tokens: counted.prompt_tokens.unwrap_or(0),
                cached_tokens: counted.cached_tokens,
                reasoning_tokens: counted.reasoning_tokens,
            }),
            times: times(counted.prompt_ms, counted.decode_ms),
            ..EventFacts::default()
        };
        for word in self.1.as_ref()?.split(' ') {
            match word {
                "nothing" => {}
                "call" => (facts.token, facts.call) = (true, true),
                "cumulative" => facts.cumulative = true,
                "thought" => (facts.token, facts.thought) = (true, true),
                "answer" => (facts.token, facts.answer) = (true, true),
                "finish" => facts.finish = Some(finish_in(self.0.get())),
                "error" => facts.error = true,
                "done" => facts.done = true,
                "malformed" => return Some(Err(())),
                word if word.starts_with("finish=") => {
                    facts.finish = Some(FinishWord::of(&word.as_bytes()["finish=".len()..]));
                }
                other => panic!("what is {other}?"),
            }
        }
        Some(Ok(facts))
    }
}

/// The last finish reason that is written there; `stop` where there is none, as in llama.cpp's own API.
fn finish_in(written: &str) -> FinishWord {
    let words = written.split("\"finish_reason\":\"").skip(1);
    let words = words.map(|rest| rest.split('"').next().unwrap_or_default());
    let last = words.filter(|word| !word.is_empty()).last();
    last.map_or(FinishWord::STOP, |word| FinishWord::of(word.as_bytes()))
}

/// A good answer has no cause, and one of the causes that a vector names is that.
pub(super) fn assert_caused(name: &str, seen: &Seen, cause: Option<&str>) {
    let found = seen.cause.map(Cause::name);
    match cause {
        Some(_) => assert_eq!(found, cause, "{name}"),
        None if !seen.outcome.is_failure() => assert_eq!(found, None, "{name}"),
        None => {}
    }
}

/// Of milliseconds as a server writes them.
pub(super) fn times(prompt_ms: Option<f64>, decode_ms: Option<f64>) -> ServerTimes {
    let nanos = |ms: f64| (ms * 1e6).round() as Nanos;
    ServerTimes {
        prompt: prompt_ms.map(nanos),
        decode: decode_ms.map(nanos),
    }
}

/// `[n, "server"]`: the number of output tokens, and who counted.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Tokens(u32, Counter);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Counter {
    Server,
    Events,
    None,
}

impl Tokens {
    pub(super) fn expected(self) -> (u32, TokenSource) {
        let source = match self.1 {
            Counter::Server => TokenSource::Server,
            Counter::Events => TokenSource::Events,
            Counter::None => TokenSource::None,
        };
        (self.0, source)
    }
}

/// `stream chat`, `whole llamacpp`, `light` and the like.
pub(super) fn asked(words: &str) -> Expected {
    let api = |name| Api::from_name(name).unwrap_or_else(|| panic!("no API is called {name}"));
    match words.split_once(' ') {
        None if words == "light" => Expected::Light,
        Some(("stream", name)) => Expected::Stream(api(name)),
        Some(("whole", name)) => Expected::Whole(api(name)),
        _ => panic!("what is {words}?"),
    }
}

pub(super) fn outcome(name: &str) -> Outcome {
    let found = Outcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    found.unwrap_or_else(|| panic!("no outcome is called {name}"))
}

/// A response on the wire, written part by part.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) bytes: Vec<u8>,
    /// Where each byte of the body went.
    body_at: Vec<usize>,
}

impl Wire {
    pub(super) fn framing(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn body(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.body_at.extend(start..start + bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn chunk(&mut self, bytes: &[u8], capitals: bool) {
        match capitals {
            true => self.framing(format!("{:X}\r\n", bytes.len()).as_bytes()),
            false => self.framing(format!("{:x}\r\n", bytes.len()).as_bytes()),
        }
        self.body(bytes);
        self.framing(b"\r\n");
    }
}

/// What a body's events say, each with the number of body bytes that complete it.
#[derive(Default)]
pub(super) struct Said(pub(super) Vec<(usize, Result<EventFacts, ()>)>);

impl Said {
    /// The bytes of `pieces`, whose events are taken in.
    pub(super) fn take<'a>(&mut self, pieces: impl IntoIterator<Item = &'a Piece>, before: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend(piece.bytes());
            self.0
                .extend(piece.says().map(|says| (before + bytes.len(), says)));
        }
        bytes
    }

    /// Asserts that a byte-by-byte reading of `wire` as a stream gave each event its instant.
    pub(super) fn check(&self, name: &str, wire: &Wire, seen: &Seen) {
        let instant = |end: usize| wire.body_at[end - 1] as Nanos;
        let first = self.0.first().map(|(end, _)| instant(*end));
        let good = self
            .0
            .iter()
            .map_while(|(end, says)| Some((*end, says.as_ref().ok()?)));
        let tokens: Vec<Nanos> = good
            .filter(|(_, facts)| facts.token)
            .map(|(end, _)| instant(end))
            .collect();
        let a = seen.arrivals;
        assert_eq!(seen.tokens, tokens, "{name}: token events");
        assert_eq!(
            (a.first_byte, a.first_event),
            (Some(0), first),
            "{name}: first event"
        );
        let ends = (tokens.first().copied(), tokens.last().copied());
        assert_eq!(
            (a.first_token, a.last_token),
            ends,
            "{name}: first and last token"
        );
        assert_eq!(seen.coalesced, 0, "{name}");
        let malformed = self.0.iter().find(|(_, says)| says.is_err());
        if let Some((end, _)) = malformed {
            assert_eq!(seen.over, Some(instant(*end)), "{name}: malformed");
        }
    }

    /// The last times that the events give.
    pub(super) fn times(&self) -> ServerTimes {
        let facts = self.0.iter().filter_map(|(_, says)| says.ok());
        facts.fold(ServerTimes::default(), |so_far, facts| ServerTimes {
            prompt: facts.times.prompt.or(so_far.prompt),
            decode: facts.times.decode.or(so_far.decode),
        })
    }
}
