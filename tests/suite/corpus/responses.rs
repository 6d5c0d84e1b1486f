//! Whole responses in the manner of known servers: `tests/corpus/responses.json`.

use std::collections::BTreeMap;

use llmload_uring::engine::response::{Expected, ResponseReader};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::reading::{After, Seen, read, read_at_every_cut};

use super::pieces::{Piece, Said, Tokens, Wire, asked, assert_caused, document, outcome, times};
use super::{vector_of, vectors, vectors_to_check};

vector_of!("responses.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) class: String,
    #[serde(default)]
    why: String,
    pub(super) asked: String,
    /// The head line by line; the value `*` stands for the body's length.
    #[serde(default)]
    head: Vec<String>,
    /// The body: chunk by chunk, or the events alone, or a document as it is.
    #[serde(default)]
    chunks: Option<Vec<Vec<Piece>>>,
    #[serde(default)]
    events: Vec<Piece>,
    #[serde(default)]
    document: Option<Box<RawValue>>,
    /// In place of head and body: bytes, the last of which is the end.
    #[serde(default)]
    raw: Option<String>,
    /// Sizes of chunks are written so.
    #[serde(default)]
    capitals: bool,
    /// Events go out in chunks of this size.
    #[serde(default)]
    rechunked: Option<usize>,
    /// The peer closes in place of the last chunk.
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    behind: String,
    pub(super) outcome: String,
    pub(super) after: After,
    tokens: Tokens,
    #[serde(default)]
    times: Option<(f64, f64)>,
    /// Other things that may have been asked for, and what comes of this response then.
    #[serde(default)]
    also: BTreeMap<String, String>,
    /// What exactly was wrong, where the outcome has several causes.
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    pub(super) covers: Vec<String>,
}

impl Vector {
    fn on_the_wire(&self) -> (Wire, Said) {
        let (mut wire, mut said) = (Wire::default(), Said::default());
        if let Some(raw) = &self.raw {
            wire.framing(&super::unescaped(raw));
        } else if let Some(chunks) = &self.chunks {
            self.write_head(&mut wire, 0);
            let mut bytes = 0;
            for chunk in chunks {
                let chunk = said.take(chunk, bytes);
                bytes += chunk.len();
                wire.chunk(&chunk, self.capitals);
            }
            self.write_last_chunk(&mut wire);
        } else {
            let body = match &self.document {
                Some(document_) => document(document_),
                None => said.take(&self.events, 0),
            };
            self.write_head(&mut wire, body.len());
            match self.rechunked {
                Some(size) => {
                    body.chunks(size)
                        .for_each(|chunk| wire.chunk(chunk, self.capitals));
                    self.write_last_chunk(&mut wire);
                }
                None => wire.body(&body),
            }
        }
        wire.framing(&super::unescaped(&self.behind));
        (wire, said)
    }

    fn write_head(&self, wire: &mut Wire, body_bytes: usize) {
        for line in &self.head {
            let line = line.replace(": *", &format!(": {body_bytes}"));
            wire.framing(format!("{line}\r\n").as_bytes());
        }
        wire.framing(b"\r\n");
    }

    fn write_last_chunk(&self, wire: &mut Wire) {
        if !self.cut {
            wire.framing(b"0\r\n\r\n");
        }
    }

    /// Where the response is over, unless the close is its end.
    fn end(&self, wire: &Wire) -> u64 {
        (wire.bytes.len() - super::unescaped(&self.behind).len()) as u64 - 1
    }

    fn check(&self, wire: &Wire, said: &Said) {
        let name = format!("{} ({})", self.name, self.why);
        let seen = read_at_every_cut(&name, asked(&self.asked), &wire.bytes);
        assert_eq!(
            (seen.outcome, seen.after),
            (outcome(&self.outcome), self.after),
            "{name}"
        );
        assert_caused(&name, &seen, self.cause.as_deref());
        assert_eq!(seen.output_tokens, self.tokens.expected(), "{name}");
        let over = (self.after != After::Eof).then(|| self.end(wire));
        assert_eq!(seen.over, over, "{name}: over");
        self.check_status(&name, &seen);
        said.check(&name, wire, &seen);
        let expected = match self.times {
            Some((prompt, decode)) => times(Some(prompt), Some(decode)),
            None => said.times(),
        };
        assert_eq!(seen.times, expected, "{name}");
    }

    /// The status is that of the last status line of the head.
    fn check_status(&self, name: &str, seen: &Seen) {
        let mut lines = self.head.iter().rev();
        if let Some(line) = lines.find_map(|line| line.strip_prefix("HTTP/1.1 ")) {
            assert_eq!(seen.status.to_string(), line[..3], "{name}");
        }
    }
}

/// Every response as it is on the wire.
pub fn on_the_wire() -> Vec<Vec<u8>> {
    vectors::<Vector>()
        .iter()
        .map(|v| v.on_the_wire().0.bytes)
        .collect()
}

#[test]
fn every_response_has_the_outcome_and_instants_of_its_vector_at_every_cut() {
    let vectors: Vec<Vector> = vectors_to_check();
    for vector in &vectors {
        let (wire, said) = vector.on_the_wire();
        vector.check(&wire, &said);
    }
}

#[test]
fn the_outcome_of_a_response_depends_on_the_request() {
    let mut asked_otherwise = 0;
    for vector in &vectors::<Vector>() {
        let (wire, _) = vector.on_the_wire();
        for (words, expected) in &vector.also {
            let name = format!("{} as {words}", vector.name);
            let seen = read_at_every_cut(&name, asked(words), &wire.bytes);
            assert_eq!(seen.outcome, outcome(expected), "{name}");
            vector.check_status(&name, &seen);
            asked_otherwise += 1;
        }
    }
    assert!(asked_otherwise > 50, "{asked_otherwise}");
}

/// Also where all tokens, the finish and `[DONE]` have come.
#[test]
fn a_response_closed_before_its_end_is_never_good() {
    let mut reader = ResponseReader::new();
    let mut closes = 0;
    for vector in vectors::<Vector>()
        .iter()
        .filter(|v| v.after != After::Eof && v.raw.is_none())
    {
        let (wire, _) = vector.on_the_wire();
        let expected = asked(&vector.asked);
        for end in 1..=vector.end(&wire) as usize {
            let seen = read(&mut reader, expected, &wire.bytes[..end], &[]);
            let closed = (seen.outcome, seen.after);
            // A status that refuses has decided once it has come.
            let expected = match seen.status {
                300.. => outcome(&vector.outcome),
                _ => outcome("truncated"),
            };
            assert_eq!(closed, (expected, After::Eof), "{} closed at {end}", vector.name);
            closes += 1;
        }
        reader.begin(expected);
        assert_eq!(reader.eof(), None, "before the first byte it is stale");
    }
    assert!(closes > 20_000, "{closes}");
}

/// One reader, response after response, whatever came before.
#[test]
fn a_reader_keeps_nothing_of_the_response_before() {
    let vectors: Vec<Vector> = vectors();
    let wires: Vec<(Expected, Vec<u8>)> = vectors
        .iter()
        .map(|v| (asked(&v.asked), v.on_the_wire().0.bytes))
        .collect();
    let fresh =
        |(expected, bytes): &(Expected, Vec<u8>)| read(&mut ResponseReader::new(), *expected, bytes, &[]);
    let alone: Vec<Seen> = wires.iter().map(fresh).collect();
    let mut reader = ResponseReader::new();
    for stride in [1, 7, 11, 23] {
        for i in (0..wires.len()).map(|i| i * stride % wires.len()) {
            let (expected, bytes) = &wires[i];
            let seen = read(&mut reader, *expected, bytes, &[bytes.len() / 2]);
            let name = &vectors[i].name;
            assert_eq!(
                (seen.outcome, seen.status),
                (alone[i].outcome, alone[i].status),
                "{name}"
            );
            assert_eq!(seen.output_tokens, alone[i].output_tokens, "{name}");
            assert_eq!(
                (seen.tokens.len(), seen.times),
                (alone[i].tokens.len(), alone[i].times),
                "{name}"
            );
        }
    }
}
