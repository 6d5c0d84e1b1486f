//! Event streams: `tests/corpus/sse.json`.

use llmload_uring::sse::{EVENT_BYTES_MAX, Item, SseError, SseParser};
use serde::Deserialize;

use super::{Checks, Due, Written, vector_of, vectors_to_check};

vector_of!("sse.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) class: String,
    #[serde(default)]
    why: String,
    /// How large an event may be, where it is not the limit that the program has.
    #[serde(default = "event_bytes_max")]
    limit: usize,
    parts: Vec<Part>,
    /// The last byte of the parts makes the event too large.
    #[serde(default)]
    too_large: bool,
    /// Bytes that came behind a too large event.
    #[serde(default)]
    behind: String,
    /// At the end of the stream something is lost.
    #[serde(default)]
    pending: bool,
    /// What was complete of it.
    #[serde(default)]
    pending_data: Option<String>,
    #[serde(default)]
    pub(super) covers: Vec<String>,
}

fn event_bytes_max() -> usize {
    EVENT_BYTES_MAX
}

/// Bytes, and the item that is out at the last of them; of repeated bytes at the last of each repetition.
#[derive(Deserialize)]
struct Part(Written, #[serde(default)] Option<Says>);

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Says {
    Event { event: Option<Written>, data: Written },
    Retry { retry: u64 },
    Unknown { unknown: Written, value: Written },
    Comment(Comment),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Comment {
    Comment,
}

#[derive(Clone, Debug)]
enum Said {
    Event { name: Vec<u8>, data: Vec<u8> },
    Retry(u64),
    Unknown { name: Vec<u8>, value: Vec<u8> },
    Comment,
}

impl Says {
    fn said(&self) -> Said {
        match self {
            Says::Event { event, data } => Said::Event {
                name: event.as_ref().map_or(b"message".to_vec(), Written::bytes),
                data: data.bytes(),
            },
            Says::Retry { retry } => Said::Retry(*retry),
            Says::Unknown { unknown, value } => Said::Unknown {
                name: unknown.bytes(),
                value: value.bytes(),
            },
            Says::Comment(Comment::Comment) => Said::Comment,
        }
    }
}

fn same(expected: &Said, seen: &Item<'_>) -> bool {
    match (expected, seen) {
        (Said::Event { name: n, data: d }, Item::Event { name, data }) => n == name && d == data,
        (Said::Retry(a), Item::Retry(b)) => a == b,
        (Said::Unknown { name: n, value: v }, Item::UnknownField { name, value }) => n == name && v == value,
        (Said::Comment, Item::Comment) => true,
        _ => false,
    }
}

/// A vector ready to be read.
struct Script<'a> {
    vector: &'a Vector,
    input: Vec<u8>,
    ends_at: usize,
    edges: Vec<usize>,
    expected: Vec<(usize, Said)>,
}

impl<'a> Script<'a> {
    fn new(vector: &'a Vector) -> Self {
        let (mut input, mut edges, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for Part(bytes, says) in &vector.parts {
            let (once, times) = match (bytes, says) {
                (Written::Repeated { times, of }, Some(_)) => (super::unescaped(of), *times),
                (bytes, _) => (bytes.bytes(), 1),
            };
            let said = says.as_ref().map(Says::said);
            for _ in 0..times {
                input.extend_from_slice(&once);
                edges.push(input.len());
                expected.extend(said.clone().map(|said| (input.len(), said)));
            }
        }
        let ends_at = input.len();
        input.extend_from_slice(&super::unescaped(&vector.behind));
        Script {
            vector,
            input,
            ends_at,
            edges,
            expected,
        }
    }

    /// Reads the input once, and says what the parser got wrong.
    fn read(&self, chunks: &[&[u8]]) -> Result<(), String> {
        let (mut parser, mut due, mut fed) = (SseParser::new(), Due::new(&self.expected), 0);
        for chunk in chunks {
            if let Err(error) = self.feed(&mut parser, chunk, fed, &mut due)? {
                due.check(self.ends_at)?;
                let in_time = fed < self.ends_at && self.ends_at <= fed + chunk.len();
                return match self.vector.too_large && in_time {
                    true => Ok(()),
                    false => Err(format!("{error} in the read behind byte {fed}")),
                };
            }
            fed += chunk.len();
            due.check(fed)?;
        }
        if self.vector.too_large {
            return Err("all bytes were read, and nothing is too large".to_string());
        }
        let pending = (parser.pending_event(), parser.pending_data());
        let data = self.vector.pending_data.as_deref().map(str::as_bytes);
        match pending == (self.vector.pending, data) {
            true => Ok(()),
            false => Err(format!("at the end {pending:?} is pending")),
        }
    }

    fn feed(
        &self,
        parser: &mut SseParser,
        chunk: &[u8],
        fed: usize,
        due: &mut Due<Said>,
    ) -> Result<Result<(), SseError>, String> {
        let mut taken = 0;
        loop {
            let (consumed, item) = match parser.step(&chunk[taken..], self.vector.limit) {
                Ok(step) => step,
                Err(error) => return Ok(Err(error)),
            };
            taken += consumed;
            match item {
                Some(item) => due.came(fed + taken, item, same)?,
                None if taken == chunk.len() => return Ok(Ok(())),
                None => return Err(format!("{} bytes were left", chunk.len() - taken)),
            }
        }
    }
}

#[test]
fn every_stream_gives_its_items_at_every_cut_each_at_its_byte() {
    let mut checks = Checks::default();
    for vector in &vectors_to_check::<Vector>() {
        let script = Script::new(vector);
        checks.add(vector, (&script.input, &script.edges), |chunks| {
            script.read(chunks)
        });
    }
    checks.finish();
}
