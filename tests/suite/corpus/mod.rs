//! The project's own corpus (`tests/corpus/*.json`): HTTP responses, event streams, APIs' events and whole answers in
//! the manner of known servers, each with what must be read from it. `docs/CONFORMANCE.md` says how a vector is
//! written and counts them by class; the vectors that stand beside the project are a second opinion.
//!
//! A vector is a list of parts: bytes, and what must be out at the last of them. So the earliest byte of everything
//! is in the vector to be seen, and no offset is counted by hand.

mod api;
mod conformance;
mod http;
mod pieces;
mod responses;
mod second_opinion;
mod sse;

pub use api::{documents, plain_reader};
pub use responses::on_the_wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Inputs up to this size are cut in two at every place, larger ones at the edges of their parts and at every
/// `STRIDE`th byte.
const EVERY_CUT_BYTES_MAX: usize = 2 << 10;
/// A prime, so that the cuts fall on ever new places of parts of equal length.
const STRIDE: usize = 997;
/// Larger inputs are read in pieces of fixed sizes instead of byte by byte.
const BY_BYTE_MAX: usize = 256 << 10;

/// The head that the vectors of every file have.
trait Vector: DeserializeOwned {
    /// The file, in `tests/corpus`.
    const FILE: &str;
    fn name(&self) -> &str;
    fn class(&self) -> &str;
    /// Why it is in the corpus.
    fn why(&self) -> &str;
}

/// Implements [`Vector`] for the type of a file's vectors.
macro_rules! vector_of {
    ($file:literal) => {
        impl super::Vector for Vector {
            const FILE: &str = $file;

            fn name(&self) -> &str {
                &self.name
            }

            fn class(&self) -> &str {
                &self.class
            }

            fn why(&self) -> &str {
                &self.why
            }
        }
    };
}
use vector_of;

/// Reads the vectors of a file. No two have the same name, because tables and tests refer to them by it.
fn vectors<V: Vector>() -> Vec<V> {
    let path = format!("{}/tests/corpus/{}", env!("CARGO_MANIFEST_DIR"), V::FILE);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let vectors: Vec<V> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut seen = BTreeSet::new();
    for vector in &vectors {
        let name = vector.name();
        assert!(seen.insert(name), "{path}: two vectors are called {name}");
    }
    vectors
}

/// Reads the vectors of a file to check them, and prints their counts, which `--nocapture` shows.
fn vectors_to_check<V: Vector>() -> Vec<V> {
    let counts = counts::<V>();
    println!("{}: {} vectors", V::FILE, counts.values().sum::<usize>());
    for (class, count) in &counts {
        println!("  {count:4}  {class}");
    }
    vectors()
}

/// The number of vectors in each class.
type Counts = BTreeMap<String, usize>;

fn counts<V: Vector>() -> Counts {
    let mut counts = Counts::new();
    for vector in vectors::<V>() {
        *counts.entry(vector.class().to_owned()).or_default() += 1;
    }
    counts
}

/// The outcome of checking vectors at every cut of their input.
#[derive(Default)]
struct Checks {
    readings: u64,
    failures: Vec<String>,
}

impl Checks {
    /// Reads `input` at every cut with `read`, and keeps the first mistake.
    fn add<V: Vector>(
        &mut self,
        vector: &V,
        (input, edges): (&[u8], &[usize]),
        read: impl Fn(&[&[u8]]) -> Result<(), String>,
    ) {
        let mut first: Option<(Cut, String)> = None;
        self.readings += at_every_cut(input, edges, |cut, chunks| {
            if first.is_none() {
                first = read(chunks).err().map(|mistake| (cut, mistake));
            }
        });
        if let Some((cut, mistake)) = first {
            let (name, why) = (vector.name(), vector.why());
            self.failures.push(format!("{name} ({why}) {cut}: {mistake}"));
        }
    }

    fn finish(self) {
        println!("{} readings", self.readings);
        assert!(self.failures.is_empty(), "{:#?}", self.failures);
    }
}

/// Bytes as the corpus writes them.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Written {
    /// A string in which `\xHH` stands for a byte that is no character.
    Text(String),
    Repeated {
        times: usize,
        of: String,
    },
    Several(Vec<Written>),
}

impl Written {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Written::Text(text) => unescaped(text),
            Written::Repeated { times, of } => unescaped(of).repeat(*times),
            Written::Several(all) => all.iter().map(Written::bytes).collect::<Vec<_>>().concat(),
        }
    }
}

/// `text` with each `\xHH` as its byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hex digits behind \\x"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// How an input was cut into reads.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Every(usize),
    At(usize),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Whole => write!(f, "read whole"),
            Cut::Every(1) => write!(f, "read byte by byte"),
            Cut::Every(bytes) => write!(f, "read {bytes} bytes at a time"),
            Cut::At(at) => write!(f, "cut at {at}"),
        }
    }
}

/// Calls `check` with `input` whole, byte by byte, and cut in two at every place. Returns how often it did.
fn at_every_cut(input: &[u8], edges: &[usize], mut check: impl FnMut(Cut, &[&[u8]])) -> u64 {
    check(Cut::Whole, &[input]);
    let sizes: &[usize] = if input.len() <= BY_BYTE_MAX {
        &[1]
    } else {
        &[4_096, 65_537]
    };
    for &size in sizes {
        let chunks: Vec<&[u8]> = input.chunks(size).collect();
        check(Cut::Every(size), &chunks);
    }
    let cuts = cuts(input.len(), edges);
    for &at in &cuts {
        let (first, second) = input.split_at(at);
        check(Cut::At(at), &[first, second]);
    }
    1 + sizes.len() as u64 + cuts.len() as u64
}

/// Where an input of `bytes` bytes is cut in two.
fn cuts(bytes: usize, edges: &[usize]) -> Vec<usize> {
    if bytes <= EVERY_CUT_BYTES_MAX {
        return (0..=bytes).collect();
    }
    let around = |edge: &usize| [edge.saturating_sub(1), *edge, edge + 1];
    // Edges of thousands of equal parts say no more than some of them.
    let some = edges.iter().step_by(1 + edges.len() / 50);
    let stride = if bytes <= BY_BYTE_MAX { STRIDE } else { bytes };
    let mut cuts: Vec<usize> = some.flat_map(around).chain((0..bytes).step_by(stride)).collect();
    cuts.retain(|at| *at <= bytes);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// What must come out of a reading, each with the number of input bytes by which it must be out, and not before.
struct Due<'a, T> {
    expected: &'a [(usize, T)],
    next: usize,
}

impl<'a, T: fmt::Debug> Due<'a, T> {
    fn new(expected: &'a [(usize, T)]) -> Self {
        Due { expected, next: 0 }
    }

    /// Something came out once `at` bytes were taken.
    fn came<S: fmt::Debug>(
        &mut self,
        at: usize,
        seen: S,
        equal: impl Fn(&T, &S) -> bool,
    ) -> Result<(), String> {
        match self.expected.get(self.next) {
            Some((due, item)) if *due == at && equal(item, &seen) => {
                self.next += 1;
                Ok(())
            }
            Some((due, item)) => Err(format!(
                "{} at byte {at}, where {} at byte {due} is due",
                short(&seen),
                short(item)
            )),
            None => Err(format!("{} at byte {at}, where nothing is due", short(&seen))),
        }
    }

    /// `fed` bytes were given: what was due by then must be out.
    fn check(&self, fed: usize) -> Result<(), String> {
        match self.expected.get(self.next) {
            Some((due, item)) if *due <= fed => Err(format!(
                "{} is due at byte {due}, and {fed} bytes were read",
                short(item)
            )),
            _ => Ok(()),
        }
    }
}

/// Debug output that a terminal can bear.
fn short(value: &impl fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if text.len() > 200 {
        text.truncate(text.floor_char_boundary(200));
        text.push('…');
    }
    text
}
