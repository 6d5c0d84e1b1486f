//! Responses read at every cut by what reads them in a run, with the byte that gave each instant.

use llmload_uring::api::ServerTimes;
use llmload_uring::engine::response::{Arrivals, Expected, Progress, ResponseReader, TokenSink};
use llmload_uring::metrics::{Cause, Outcome, TokenSource};
use llmload_uring::units::Nanos;

/// Responses up to this size are cut at every byte, larger ones at every `STRIDE`th.
const EVERY_CUT_BYTES_MAX: usize = 8 << 10;
/// A prime, so that the cuts fall on ever new places of events of equal length.
const STRIDE: usize = 61;

/// How a connection stands after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    Kept,
    Closed,
    /// HTTP gave no end: the peer's close is it.
    Eof,
}

/// What a request asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub expected: Expected,
    /// The number of answers to it.
    pub answers: u32,
}

impl From<Expected> for Asked {
    fn from(expected: Expected) -> Asked {
        Asked { expected, answers: 1 }
    }
}

#[derive(Default)]
struct Sink {
    tokens: Vec<Nanos>,
    gaps: Vec<Nanos>,
    coalesced: u32,
}

impl TokenSink for Sink {
    fn gap(&mut self, gap: Nanos) {
        self.gaps.push(gap);
    }
    fn coalesced(&mut self) {
        self.coalesced += 1;
    }
    fn token(&mut self, _: &[u8], arrived: Nanos) {
        self.tokens.push(arrived);
    }
}

/// What came of one reading. Instants are the offsets of the last bytes of the reads that gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub outcome: Outcome,
    pub after: After,
    pub status: u16,
    pub arrivals: Arrivals,
    /// Instants of the token events.
    pub tokens: Vec<Nanos>,
    pub gaps: Vec<Nanos>,
    pub coalesced: u32,
    pub output_tokens: (u32, TokenSource),
    pub times: ServerTimes,
    pub cause: Option<Cause>,
    /// When it was over; `None`: not before the close.
    pub over: Option<Nanos>,
}

/// Reads `bytes` in parts that end before each of `cuts`. A part arrives at the offset of its last byte. What is left
/// when it is over is not read: whoever owns the connection must close it.
pub fn read(reader: &mut ResponseReader, asked: impl Into<Asked>, bytes: &[u8], cuts: &[usize]) -> Seen {
    let mut sink = Sink::default();
    let asked = asked.into();
    reader.begin(asked.expected);
    reader.expect_answers(asked.answers);
    let mut from = 0;
    let mut over = None;
    for &to in cuts.iter().chain([&bytes.len()]) {
        let arrived = (to - 1) as Nanos;
        if let Progress::Over { outcome, reusable } = reader.read(&bytes[from..to], arrived, &mut sink) {
            let after = match reusable && to == bytes.len() {
                true => After::Kept,
                false => After::Closed,
            };
            over = Some((outcome, after, arrived));
            break;
        }
        from = to;
    }
    let (outcome, after, over) = match over {
        Some((outcome, after, at)) => (outcome, after, Some(at)),
        // Nothing but empty lines is no answer, as if the peer had closed at once.
        None => (reader.eof().unwrap_or(Outcome::Reset), After::Eof, None),
    };
    Seen {
        outcome,
        after,
        status: reader.status,
        arrivals: reader.arrivals,
        tokens: sink.tokens,
        gaps: sink.gaps,
        coalesced: sink.coalesced,
        output_tokens: reader.output_tokens(),
        times: reader.server_times(),
        cause: reader.answer(outcome).cause,
        over,
    }
}

/// What cut reading must give, from what the byte-by-byte reading gave: the same, each instant moved to the last
/// byte of the read that holds its byte.
fn moved(single: &Seen, bytes: usize, cuts: &[usize]) -> Seen {
    let read_of = |at: Nanos| {
        let end = cuts.iter().copied().find(|cut| *cut as Nanos > at);
        end.unwrap_or(bytes) as Nanos - 1
    };
    let tokens: Vec<Nanos> = single.tokens.iter().map(|at| read_of(*at)).collect();
    let gaps: Vec<Nanos> = tokens.windows(2).map(|w| w[1] - w[0]).collect();
    let a = single.arrivals;
    Seen {
        coalesced: gaps.iter().filter(|gap| **gap == 0).count() as u32,
        arrivals: Arrivals {
            first_byte: a.first_byte.map(read_of),
            first_event: a.first_event.map(read_of),
            first_token: a.first_token.map(read_of),
            first_answer: a.first_answer.map(read_of),
            first_thought: a.first_thought.map(read_of),
            first_call: a.first_call.map(read_of),
            last_token: a.last_token.map(read_of),
            gaps: a.gaps,
            last: read_of(a.last),
        },
        tokens,
        gaps,
        over: single.over.map(read_of),
        ..single.clone()
    }
}

/// Checks that a reading at `cuts` says what the byte-by-byte reading does.
pub fn check_cuts(asked: impl Into<Asked>, bytes: &[u8], cuts: &[usize]) {
    let asked = asked.into();
    let every: Vec<usize> = (1..bytes.len()).collect();
    let single = read(&mut ResponseReader::new(), asked, bytes, &every);
    let mut reader = ResponseReader::new();
    for cuts in [&[], cuts] {
        let seen = read(&mut reader, asked, bytes, cuts);
        assert_eq!(
            seen,
            moved(&single, bytes.len(), cuts),
            "{asked:?} cut at {cuts:?}"
        );
    }
}

/// Reads at all cuts and gives the byte-by-byte reading, for the caller to compare with what it expects.
pub fn read_at_every_cut(name: &str, asked: impl Into<Asked>, bytes: &[u8]) -> Seen {
    let asked = asked.into();
    let mut reader = ResponseReader::new();
    let every: Vec<usize> = (1..bytes.len()).collect();
    let single = read(&mut reader, asked, bytes, &every);
    assert_eq!(single, moved(&single, bytes.len(), &every), "{name}");
    let check = |reader: &mut ResponseReader, cuts: &[usize]| {
        let seen = read(reader, asked, bytes, cuts);
        assert_eq!(
            seen,
            moved(&single, bytes.len(), cuts),
            "{name} as {asked:?} cut at {cuts:?}"
        );
    };
    check(&mut reader, &[]);
    for size in [2, 3, 7, 100, 1_448, 1_968, 4_096] {
        let cuts: Vec<usize> = (size..bytes.len()).step_by(size).collect();
        check(&mut reader, &cuts);
    }
    let stride = if bytes.len() <= EVERY_CUT_BYTES_MAX {
        1
    } else {
        STRIDE
    };
    for cut in (1..bytes.len()).step_by(stride) {
        check(&mut reader, &[cut]);
    }
    single
}
