//! HTTP responses: `tests/corpus/http.json`.

use llmload_uring::http1::{ContentType, Head, HttpError, Limits, Method, ResponseParser, Step};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::common::http_error_name;

use super::{Checks, Due, Written, vector_of, vectors, vectors_to_check};

/// How binding the answer is: RFC 9112 and all sane readers, most of them, or our choice.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Must,
    Should,
    May,
}

vector_of!("http.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) level: Level,
    #[serde(default)]
    why: String,
    #[serde(default)]
    method: Asked,
    #[serde(default)]
    limits: LimitsGiven,
    parts: Vec<Part>,
    /// The peer closes behind the parts, and only that ends the response.
    #[serde(default)]
    peer_closes: bool,
    /// `kept`, `closed` (ended well, but the connection may carry no other request), or the error's name. Without a
    /// close it must be out at the last byte of the parts.
    pub(super) ends: String,
    /// Bytes that came behind all that.
    #[serde(default)]
    behind: String,
    #[serde(default)]
    pub(super) covers: Vec<String>,
}

/// Bytes, and what is said at the last of them: `interim N`, `head N` and facts of it; `body` is said of each byte.
#[derive(Deserialize)]
struct Part(
    Written,
    #[serde(default)] Option<String>,
    #[serde(default)] Map<String, Value>,
);

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Asked {
    #[default]
    Get,
    Head,
    Post,
}

/// Limits other than those the program has.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsGiven {
    head_bytes_max: Option<usize>,
    body_bytes_max: Option<u64>,
    trailer_bytes_max: Option<usize>,
    chunk_extension_bytes_max: Option<usize>,
}

impl LimitsGiven {
    fn limits(&self) -> Limits {
        let all = Limits::DEFAULT;
        Limits {
            head_bytes_max: self.head_bytes_max.unwrap_or(all.head_bytes_max),
            body_bytes_max: self.body_bytes_max.unwrap_or(all.body_bytes_max),
            trailer_bytes_max: self.trailer_bytes_max.unwrap_or(all.trailer_bytes_max),
            chunk_extension_bytes_max: self
                .chunk_extension_bytes_max
                .unwrap_or(all.chunk_extension_bytes_max),
            ..all
        }
    }
}

#[derive(Debug)]
enum Said {
    Interim(u16),
    Head { status: u16, facts: Map<String, Value> },
    Body(u8),
}

/// A vector ready to be read.
struct Script<'a> {
    vector: &'a Vector,
    method: Method,
    limits: Limits,
    /// The parts, then what came behind.
    input: Vec<u8>,
    /// Where the parts end.
    ends_at: usize,
    edges: Vec<usize>,
    expected: Vec<(usize, Said)>,
}

impl<'a> Script<'a> {
    fn new(vector: &'a Vector) -> Self {
        let (mut input, mut edges, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for Part(bytes, says, facts) in &vector.parts {
            let bytes = bytes.bytes();
            let start = input.len();
            input.extend_from_slice(&bytes);
            edges.push(input.len());
            let status = |word: &str| word.parse().unwrap_or_else(|_| panic!("{}: {word}", vector.name));
            match says
                .as_deref()
                .map(|says| says.split_once(' ').unwrap_or((says, "")))
            {
                None => {}
                Some(("interim", word)) => expected.push((input.len(), Said::Interim(status(word)))),
                Some(("head", word)) => {
                    let (status, facts) = (status(word), facts.clone());
                    expected.push((input.len(), Said::Head { status, facts }));
                }
                Some(("body", "")) => {
                    let each = bytes.iter().enumerate();
                    expected.extend(each.map(|(i, byte)| (start + i + 1, Said::Body(*byte))));
                }
                Some(other) => panic!("{}: what is {other:?}?", vector.name),
            }
        }
        let ends_at = input.len();
        input.extend_from_slice(&super::unescaped(&vector.behind));
        Script {
            vector,
            method: match vector.method {
                Asked::Get => Method::Get,
                Asked::Head => Method::Head,
                Asked::Post => Method::Post,
            },
            limits: vector.limits.limits(),
            input,
            ends_at,
            edges,
            expected,
        }
    }

    /// Reads the input once, and says what the parser got wrong.
    fn read(&self, chunks: &[&[u8]]) -> Result<(), String> {
        let mut parser = ResponseParser::new();
        parser.begin(self.method);
        let mut due = Due::new(&self.expected);
        let mut reuse = None;
        let mut fed = 0;
        for chunk in chunks {
            match self.feed(&mut parser, chunk, fed, &mut due, &mut reuse)? {
                Ok(()) => {}
                Err(error) => return self.failed(&mut parser, error, fed..fed + chunk.len(), &due),
            }
            fed += chunk.len();
            due.check(fed)?;
        }
        match reuse {
            Some(_) if self.vector.peer_closes => Err("over before the close".to_string()),
            Some(reuse) => self.verdict(if reuse { "kept" } else { "closed" }),
            None if self.vector.peer_closes => match parser.eof() {
                Ok(end) if end.keep_alive => Err("a closed connection may be used again".to_string()),
                Ok(end) => self.bodied(end.body_bytes).and_then(|()| self.verdict("closed")),
                Err(error) => self.verdict(name_of(error)),
            },
            None => Err("all bytes were read, and it is not over".to_string()),
        }
    }

    /// Gives the parser one read. `Ok(Err(_))` is an error that the parser reports; `Err(_)` is a mistake it makes.
    fn feed(
        &self,
        parser: &mut ResponseParser,
        chunk: &[u8],
        fed: usize,
        due: &mut Due<Said>,
        reuse: &mut Option<bool>,
    ) -> Result<Result<(), HttpError>, String> {
        let mut taken = 0;
        loop {
            let rest = &chunk[taken..];
            let step = match parser.step(rest, &self.limits) {
                Ok(step) => step,
                Err(error) => return Ok(Err(error)),
            };
            match step {
                Step::NeedMore => return Ok(Ok(())),
                Step::Interim { consumed, status } => {
                    taken += consumed;
                    due.came(fed + taken, Said::Interim(status), same)?;
                }
                Step::Head { consumed, head } => {
                    taken += consumed;
                    let facts = facts_of(&head);
                    due.came(
                        fed + taken,
                        Said::Head {
                            status: head.status,
                            facts,
                        },
                        same,
                    )?;
                }
                Step::Body { consumed, data } => {
                    if data.is_empty() {
                        return Err("a body slice without a byte".to_string());
                    }
                    // A slice of the input tells which bytes it took for body.
                    let from = data.as_ptr().addr() - chunk.as_ptr().addr();
                    for (i, byte) in data.iter().enumerate() {
                        due.came(fed + from + i + 1, Said::Body(*byte), same)?;
                    }
                    taken += consumed;
                }
                Step::End { consumed, end } => {
                    taken += consumed;
                    let at = fed + taken;
                    if reuse.is_none() && at != self.ends_at {
                        return Err(format!("over at byte {at}, not {}", self.ends_at));
                    }
                    self.bodied(end.body_bytes)?;
                    // What is left over is nobody's answer.
                    let alone = taken == chunk.len() && end.keep_alive;
                    *reuse = Some(reuse.unwrap_or(true) && alone);
                    return Ok(Ok(()));
                }
            }
        }
    }

    fn failed(
        &self,
        parser: &mut ResponseParser,
        error: HttpError,
        read: std::ops::Range<usize>,
        due: &Due<Said>,
    ) -> Result<(), String> {
        due.check(self.ends_at)?;
        let in_time = read.start < self.ends_at && self.ends_at <= read.end;
        if !in_time || self.vector.peer_closes {
            return Err(format!("{} in the read of bytes {read:?}", name_of(error)));
        }
        if parser.step(b"", &self.limits) != Err(error) || parser.eof() != Err(error) {
            return Err(format!("{} does not stay", name_of(error)));
        }
        self.verdict(name_of(error))
    }

    fn bodied(&self, body_bytes: u64) -> Result<(), String> {
        let is_body = |(_, said): &&(usize, Said)| matches!(said, Said::Body(_));
        match self.expected.iter().filter(is_body).count() as u64 {
            expected if expected == body_bytes => Ok(()),
            expected => Err(format!("{body_bytes} body bytes are told, not {expected}")),
        }
    }

    fn verdict(&self, verdict: &str) -> Result<(), String> {
        match verdict == self.vector.ends {
            true => Ok(()),
            false => Err(format!("ends {verdict}, not {}", self.vector.ends)),
        }
    }

    fn is_good(&self) -> bool {
        matches!(&*self.vector.ends, "kept" | "closed")
    }
}

/// The error's name, and which foreign protocol spoke.
fn name_of(error: HttpError) -> &'static str {
    match error {
        HttpError::Http2Preface => "bad_status_line (HTTP/2)",
        HttpError::TlsRecord => "bad_status_line (TLS)",
        other => http_error_name(other),
    }
}

fn facts_of(head: &Head) -> Map<String, Value> {
    let content_type = match head.content_type {
        ContentType::EventStream => "event_stream",
        ContentType::Json => "json",
        ContentType::JsonLines => "json_lines",
        ContentType::Other => "other",
        ContentType::None => "none",
    };
    let facts = json!({
        "length": head.body_bytes,
        "content_type": content_type,
        "encoded": head.content_encoded,
        "location": head.location,
        "retry_after": head.retry_after_seconds,
        "ambiguous": head.ambiguous_length,
    });
    facts.as_object().cloned().unwrap_or_default()
}

fn same(expected: &Said, seen: &Said) -> bool {
    match (expected, seen) {
        (Said::Interim(a), Said::Interim(b)) => a == b,
        (Said::Body(a), Said::Body(b)) => a == b,
        (
            Said::Head {
                status: a,
                facts: wanted,
            },
            Said::Head { status: b, facts },
        ) => a == b && wanted.iter().all(|(key, value)| facts.get(key) == Some(value)),
        _ => false,
    }
}

#[test]
fn every_response_is_read_as_its_vector_says_at_every_cut_and_each_part_at_its_byte() {
    let mut checks = Checks::default();
    for vector in &vectors_to_check::<Vector>() {
        let script = Script::new(vector);
        checks.add(vector, (&script.input, &script.edges), |chunks| {
            script.read(chunks)
        });
    }
    checks.finish();
}

/// Only the response's own end, never a close before it, makes an answer whole.
#[test]
fn a_response_closed_before_its_end_is_never_complete() {
    let mut closes = 0;
    for vector in &vectors::<Vector>() {
        let script = Script::new(vector);
        if !script.is_good() || vector.peer_closes || script.ends_at > super::EVERY_CUT_BYTES_MAX {
            continue;
        }
        for end in 0..script.ends_at {
            let mut parser = ResponseParser::new();
            parser.begin(script.method);
            let (mut due, mut reuse) = (Due::new(&script.expected), None);
            let fed = script.feed(&mut parser, &script.input[..end], 0, &mut due, &mut reuse);
            assert_eq!(fed, Ok(Ok(())), "{} closed at {end}", vector.name);
            assert!(parser.eof().is_err(), "{} closed at {end}", vector.name);
            closes += 1;
        }
    }
    assert!(closes > 5_000, "only {closes} closes");
}
