//! What failed requests showed: the first answer of each kind of failure, cut, with the number of requests that failed
//! so. The bytes are those of the server and still have to be filtered before anyone sees them.

use std::fmt;

use crate::metrics::{Cause, Outcome, Sample, TlsFailure};
use crate::units::Cut;

/// Bytes of an answer that are kept.
pub const EVIDENCE_BYTES_MAX: usize = 512;
/// Kinds of failures that are kept apart; requests of further ones are only counted.
pub const FAILURE_KINDS_MAX: usize = 64;

/// Failures that are alike: those with the same outcome, status and cause at the same server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureKind {
    /// Index of the server in the plan.
    pub server: u16,
    pub outcome: Outcome,
    /// HTTP status; 0 if none arrived.
    pub status: u16,
    pub cause: Option<Cause>,
}

/// The place in an answer at which the bytes were found, or what there is instead of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nothing is known.
    #[default]
    Unknown,
    /// There is no answer, but an error of the connection; holds errno.
    Errno(i32),
    Tls(TlsFailure),
    /// The head of the response, which is incomplete or faulty.
    Head,
    /// The target of a redirect.
    Location,
    /// The beginning of the body.
    Body,
    /// The body is compressed, and is not read.
    Compressed,
    /// A document that is not JSON from this line and column on, both from 1.
    Json {
        line: u32,
        column: u32,
    },
    /// An event of a stream, by its number from 1.
    Event(u32),
    /// An event that is not JSON from this byte on, both from 1.
    InEvent {
        event: u32,
        byte: u32,
    },
    /// The stream stopped after this number of events.
    AfterEvents(u32),
    /// This number of bytes of the response was good.
    Byte(u64),
    /// The memory for unfinished answers is used up, whose limit in bytes this is.
    Memory(u64),
}

/// What one failed request showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence<'a> {
    pub place: Place,
    pub text: &'a [u8],
    pub cut: Cut,
}

/// The first evidence of a kind of failure, and the number of its requests.
#[derive(Clone, PartialEq, Eq)]
pub struct FailedRequests {
    pub kind: FailureKind,
    pub count: u64,
    pub place: Place,
    pub cut: Cut,
    bytes: u16,
    text: [u8; EVIDENCE_BYTES_MAX],
}

/// The failed requests of a core since its last snapshot, or of all cores since the start. A snapshot's table has all
/// its memory from the beginning.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    list: Vec<FailedRequests>,
    /// Failed requests of further kinds.
    pub further: u64,
}

impl FailureKind {
    pub fn of(server: u16, sample: &Sample) -> FailureKind {
        FailureKind {
            server,
            outcome: sample.outcome,
            status: sample.status,
            cause: sample.answer.cause,
        }
    }
}

impl FailedRequests {
    fn new(kind: FailureKind, evidence: &Evidence<'_>) -> FailedRequests {
        let mut requests = FailedRequests {
            kind,
            count: 0,
            place: Place::Unknown,
            cut: Cut::default(),
            bytes: 0,
            text: [0; EVIDENCE_BYTES_MAX],
        };
        requests.show(evidence);
        requests
    }

    fn show(&mut self, evidence: &Evidence<'_>) {
        let bytes = evidence.text.len().min(EVIDENCE_BYTES_MAX);
        self.text[..bytes].copy_from_slice(&evidence.text[..bytes]);
        self.bytes = bytes as u16;
        self.place = evidence.place;
        self.cut = evidence.cut;
        self.cut.after |= bytes < evidence.text.len();
    }

    /// Returns the bytes that were kept.
    pub fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.bytes)]
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            place: self.place,
            text: self.text(),
            cut: self.cut,
        }
    }
}

impl fmt::Debug for FailedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedRequests")
            .field("kind", &self.kind)
            .field("count", &self.count)
            .field("place", &self.place)
            .field("text", &String::from_utf8_lossy(self.text()))
            .finish()
    }
}

impl Failures {
    /// Creates a table that allocates nothing later.
    pub fn with_all_memory() -> Failures {
        Failures {
            list: Vec::with_capacity(FAILURE_KINDS_MAX),
            further: 0,
        }
    }

    /// Counts `count` failed requests, and keeps what they showed if nothing was shown before.
    pub fn add(&mut self, kind: FailureKind, count: u64, evidence: &Evidence<'_>) {
        if let Some(known) = self.list.iter_mut().find(|known| known.kind == kind) {
            known.count += count;
            if known.bytes == 0 && !evidence.text.is_empty() {
                known.show(evidence);
            }
            return;
        }
        if self.list.len() == FAILURE_KINDS_MAX {
            self.further += count;
            return;
        }
        self.list.push(FailedRequests::new(kind, evidence));
        if let Some(new) = self.list.last_mut() {
            new.count = count;
        }
    }

    /// Adds those of another core, or of a later time.
    pub fn merge(&mut self, other: &Failures) {
        let Failures { list, further } = other;
        for requests in list {
            self.add(requests.kind, requests.count, &requests.evidence());
        }
        self.further += further;
    }

    pub fn reset(&mut self) {
        let Failures { list, further } = self;
        list.clear();
        *further = 0;
    }

    /// Returns the failed requests, the most frequent kind first; of equals the one that came first.
    pub fn by_count(&self) -> Vec<&FailedRequests> {
        let mut all: Vec<&FailedRequests> = self.list.iter().collect();
        all.sort_by_key(|requests| std::cmp::Reverse(requests.count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16) -> FailureKind {
        FailureKind {
            server: 0,
            outcome: Outcome::Http4xx,
            status,
            cause: None,
        }
    }

    fn body(text: &str) -> Evidence<'_> {
        Evidence {
            place: Place::Body,
            text: text.as_bytes(),
            cut: Cut::default(),
        }
    }

    fn shown(failures: &Failures) -> Vec<(u16, u64, String)> {
        let each = failures.by_count().into_iter();
        each.map(|one| {
            (
                one.kind.status,
                one.count,
                String::from_utf8_lossy(one.text()).into_owned(),
            )
        })
        .collect()
    }

    #[test]
    fn the_first_text_of_each_kind_is_kept_and_all_are_counted() {
        let mut first = Failures::with_all_memory();
        for (status, text) in [(404, ""), (404, "no model"), (404, "later"), (400, "bad")] {
            first.add(kind(status), 1, &body(text));
        }
        let mut second = Failures::with_all_memory();
        for (status, text) in [(400, "other"), (429, "slow"), (400, "x"), (400, "y")] {
            second.add(kind(status), 1, &body(text));
        }
        first.merge(&second);
        let told = |texts: &[(u16, u64, &str)]| -> Vec<(u16, u64, String)> {
            texts
                .iter()
                .map(|(status, n, text)| (*status, *n, (*text).to_owned()))
                .collect()
        };
        assert_eq!(
            shown(&first),
            told(&[(400, 4, "bad"), (404, 3, "no model"), (429, 1, "slow")])
        );
        first.reset();
        assert_eq!(shown(&first), []);
    }

    #[test]
    fn neither_a_long_text_nor_many_kinds_take_more_than_their_share() {
        let mut failures = Failures::with_all_memory();
        let before = failures.list.capacity();
        let long = "x".repeat(EVIDENCE_BYTES_MAX + 1);
        for status in 0..FAILURE_KINDS_MAX as u16 + 3 {
            failures.add(kind(status), 2, &body(&long));
        }
        assert_eq!(failures.list.capacity(), before);
        assert_eq!(failures.list.len(), FAILURE_KINDS_MAX);
        assert_eq!(failures.further, 6);
        assert_eq!(failures.list[0].text().len(), EVIDENCE_BYTES_MAX);
        assert!(failures.list[0].cut.after && !failures.list[0].cut.before);
    }
}
