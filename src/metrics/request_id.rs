//! The id of a request: what numbers it, in words that the details, a header and so a server's log share.

use std::io::Write;

use super::{Half, Sample};

/// What a request's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberedBy {
    /// The requests of this VU.
    Vu(u32),
    /// The requests of all VUs.
    All,
    /// The requests of this kind of the mix.
    Kind(u16),
}

/// The id of a request, unique within its pass: `v12-3` is the fourth request of VU 12, `i12` the thirteenth of all,
/// `k0-12` the thirteenth of the first kind. The two requests of a pair, and the turns of a session, end in their
/// number: `v12-3.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    pub by: NumberedBy,
    pub iteration: u64,
    /// Which of a pair it is.
    pub half: Option<Half>,
    /// Its number in its session, from 1; 0 if it belongs to none.
    pub turn: u16,
}

impl RequestId {
    /// Returns the id of a request that has ended.
    pub fn of(sample: &Sample, by: NumberedBy) -> RequestId {
        RequestId {
            by,
            iteration: sample.iteration,
            half: sample.half,
            turn: sample.turn,
        }
    }

    /// Appends the id. It allocates nothing if `out` has room.
    pub fn append(&self, out: &mut Vec<u8>) {
        self.append_group(out);
        let number = match self.half {
            Some(half) => half as u16 + 1,
            None => self.turn,
        };
        if number > 0 {
            write!(out, ".{number}").expect(INFALLIBLE);
        }
    }

    /// Appends the id of its pair or session, or its own if it belongs to none.
    pub fn append_group(&self, out: &mut Vec<u8>) {
        let n = self.iteration;
        let written = match self.by {
            NumberedBy::Vu(vu) => write!(out, "v{vu}-{n}"),
            NumberedBy::All => write!(out, "i{n}"),
            NumberedBy::Kind(kind) => write!(out, "k{kind}-{n}"),
        };
        written.expect(INFALLIBLE);
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_numbers_the_request() {
        for (by, half, turn, expected) in [
            (NumberedBy::Vu(12), None, 0, "v12-3"),
            (NumberedBy::All, None, 0, "i3"),
            (NumberedBy::Kind(1), Some(Half::First), 0, "k1-3.1"),
            (NumberedBy::Vu(0), Some(Half::Second), 0, "v0-3.2"),
            (NumberedBy::Vu(0), None, 7, "v0-3.7"),
        ] {
            let id = RequestId {
                by,
                iteration: 3,
                half,
                turn,
            };
            let mut out = Vec::new();
            id.append(&mut out);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
