//! Which requests their users cancel, and when: an exact share of each kind of request, by the seed.

use std::fmt;

use serde::{Serialize, Serializer};

use super::random::{keyed, up_to};
use crate::units::{Nanos, Span, fnv, format_duration, format_span};

/// The parts of a share: it is kept in millionths.
const WHOLE: u32 = 1_000_000;
/// Separates the choices about cancelling from all others.
const CANCEL_SEED: u64 = 0x6361_6e63_656c;
/// What a user's number adds to the phase of its choices: 2^64 divided by the golden ratio, so that the phases of any
/// number of users are spread evenly.
const STAGGER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A share of all, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    pub const NONE: Share = Share(0);
    pub const WHOLE: Share = Share(WHOLE);

    pub fn millionths(self) -> u64 {
        u64::from(self.0)
    }

    /// Rounds to a millionth; `None` outside of 0 to 1.
    pub fn of(share: f64) -> Option<Share> {
        (0.0..=1.0)
            .contains(&share)
            .then(|| Share((share * f64::from(WHOLE)).round() as u32))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / f64::from(WHOLE / 100))
    }
}

/// When a user cancels a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAt {
    /// When so many token events have arrived.
    Tokens(Span<u32>),
    /// So long after the request was sent.
    After(Span<Nanos>),
}

impl fmt::Display for CancelAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CancelAt::Tokens(Span { min: 1, max: 1 }) => f.write_str("1 token"),
            CancelAt::Tokens(span) => write!(f, "{} tokens", format_span(*span, |n| n.to_string())),
            CancelAt::After(span) => f.write_str(&format_span(*span, format_duration)),
        }
    }
}

/// The share of a kind's requests that are cancelled, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    pub share: Share,
    pub at: CancelAt,
}

/// Shows it as the option writes it: `10% after 5 tokens`.
impl fmt::Display for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {}", self.share, self.at)
    }
}

/// Serialises it as in a document: `{share: 10%, after_tokens: "5"}`.
impl Serialize for Cancel {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self.at {
            CancelAt::Tokens(span) => ("after_tokens", format_span(span, |n| n.to_string())),
            CancelAt::After(span) => ("after", format_span(span, format_duration)),
        };
        to.collect_map([("share", self.share.to_string()), (key, value)])
    }
}

/// The point at which one request is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Tokens(u32),
    After(Nanos),
}

/// Chooses the requests of one kind that are cancelled.
///
/// The requests of a sequence are taken in windows of as many as one in which one falls due, and each window has the
/// number that the share leaves for it: what is not a whole request is carried on to the next. So after n requests the
/// number of chosen ones is off by less than two, and at the end of a window by less than one. Within a window the seed
/// decides which it is. Users who count their own requests begin at different points of a window, spread evenly, so
/// that the share holds over all users as well from the first request on.
#[derive(Clone, Copy, Debug)]
pub struct Chooser {
    cancel: Cancel,
    key: u64,
}

impl Chooser {
    /// Makes the choices for the kind called `name` of a run with this seed.
    pub fn new(cancel: Cancel, seed: u64, name: &str) -> Chooser {
        Chooser {
            cancel,
            key: keyed([seed, CANCEL_SEED, fnv(name.as_bytes()), 0]),
        }
    }

    /// Returns where request number `number` of a sequence is cut, if it is one that is cancelled. `user` tells the
    /// sequences apart; it is 0 if there is only one.
    pub fn cut(&self, user: u32, number: u64) -> Option<Cut> {
        self.chooses(user, number).then(|| {
            let bits = keyed([self.key, u64::from(user), number, 2]);
            match self.cancel.at {
                // Lossless, because it is never above the end of the span.
                CancelAt::Tokens(Span { min, max }) => {
                    Cut::Tokens(min + up_to(u64::from(max - min), bits) as u32)
                }
                CancelAt::After(Span { min, max }) => Cut::After(min + up_to(max - min, bits)),
            }
        })
    }

    fn chooses(&self, user: u32, number: u64) -> bool {
        let Share(share) = self.cancel.share;
        if share == 0 {
            return false;
        }
        let window = u64::from(WHOLE.div_ceil(share));
        let first = number - number % window;
        // The same turn for all users, so that the share of each round of requests stays what it is.
        let turn = up_to(window - 1, keyed([self.key, first, 0, 1]));
        let place = first + (number % window + turn) % window;
        let phase = self.key.wrapping_add(u64::from(user).wrapping_mul(STAGGER));
        // In parts of a request of which 2^32 times `WHOLE` are one.
        let one = u128::from(WHOLE) << 32;
        let phase = (u128::from(phase) * one) >> 64;
        let due_by = |n: u64| (u128::from(n) * (u128::from(share) << 32) + phase) / one;
        due_by(place + 1) > due_by(place)
    }
}

#[cfg(test)]
#[path = "cancel_tests.rs"]
mod tests;
