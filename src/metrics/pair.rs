//! Describes two requests for the same thing, one to each of two servers.

use crate::metrics::{METRICS, MetricId, Outcome, Sample, Source};
use crate::units::Nanos;

/// The metrics whose differences within a pair are reported.
pub const PAIRED_METRICS: [MetricId; 3] = [MetricId::Ttft, MetricId::Tpot, MetricId::Latency];
/// Largest number of pairs between two snapshots: 4 MB, of which a host gives what is used. At half of it a snapshot is
/// due. Only where no empty snapshot has come back by then are further ones counted in `lost`.
pub const PAIRS_PER_SNAPSHOT_MAX: usize = 1 << 15;

/// Which of the two requests of a pair a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    First,
    Second,
}

/// Two requests that have ended. Of the two servers the first in the document is the base, and the second the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// When the later of them ended, after the start of the load.
    pub ended: Nanos,
    /// The other server was asked before the base.
    pub other_first: bool,
    /// The outcome at the base and at the other.
    pub outcomes: [Outcome; 2],
    /// The other's value minus the base's, in nanoseconds, for each of `PAIRED_METRICS`; only if both requests are ok
    /// or cancelled and have one.
    pub differences: [Option<i64>; PAIRED_METRICS.len()],
    /// Both answers have the same number of tokens.
    pub same_length: bool,
}

impl Pair {
    /// Compares the request at the other server with that at the base. `begun` is the start of the load.
    pub fn of(base: &Sample, other: &Sample, other_first: bool, begun: Nanos) -> Pair {
        let as_planned = base.outcome.is_as_planned() && other.outcome.is_as_planned();
        let difference = |id: MetricId| {
            let Source::Sample(value) = METRICS[id as usize].source else {
                return None;
            };
            let (base, other) = (value(base)?, value(other)?);
            // Lossless: a request takes less than 292 years.
            as_planned.then_some(other as i64 - base as i64)
        };
        Pair {
            ended: base.done.max(other.done).saturating_sub(begun),
            other_first,
            outcomes: [base.outcome, other.outcome],
            differences: PAIRED_METRICS.map(difference),
            same_length: base.output_tokens == other.output_tokens,
        }
    }
}

/// The pairs of one core since its previous snapshot.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    pub ended: Vec<Pair>,
    /// Pairs of which a request was interrupted or never sent.
    pub incomplete: u64,
    /// Pairs for which there was no room. Their requests are counted everywhere else.
    pub lost: u64,
}

impl Pairs {
    pub(super) fn push(&mut self, pair: Pair) {
        if pair.outcomes.contains(&Outcome::Interrupted) {
            self.incomplete += 1;
        } else if self.ended.len() < PAIRS_PER_SNAPSHOT_MAX {
            self.ended.push(pair);
        } else {
            self.lost += 1;
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.ended.len() >= PAIRS_PER_SNAPSHOT_MAX / 2
    }

    pub(super) fn reset(&mut self) {
        let Pairs {
            ended,
            incomplete,
            lost,
        } = self;
        ended.clear();
        *incomplete = 0;
        *lost = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.incomplete == 0 && self.lost == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TokenSource;
    use crate::units::MILLISECOND;

    fn stream(due: Nanos, first: Nanos, last: Nanos, tokens: u32) -> Sample {
        Sample {
            due,
            sent: Some(due),
            first_byte: Some(first),
            first_token: Some(first),
            last_token: Some(last),
            output_tokens: tokens,
            token_source: TokenSource::Server,
            ..Sample::ended(Outcome::Ok, last)
        }
    }

    #[test]
    fn a_difference_is_the_others_value_minus_the_bases() {
        let ms = MILLISECOND;
        let base = stream(100 * ms, 110 * ms, 150 * ms, 5);
        let other = stream(200 * ms, 207 * ms, 287 * ms, 5);
        let pair = Pair::of(&base, &other, false, 50 * ms);
        let differ = [-3, 10, 37].map(|d| Some(d * ms as i64));
        assert_eq!((pair.differences, pair.ended), (differ, 237 * ms));
        assert!(pair.same_length);

        let failed = Sample {
            outcome: Outcome::Http503,
            ..other
        };
        let pair = Pair::of(&base, &failed, true, 0);
        assert_eq!(pair.differences, [None; 3]);
        assert_eq!(pair.outcomes, [Outcome::Ok, Outcome::Http503]);
    }

    #[test]
    fn pairs_beyond_the_limit_are_counted_and_interrupted_ones_are_no_pairs() {
        let ended = Sample::ended(Outcome::Ok, 5);
        let cut = Sample::ended(Outcome::Interrupted, 9);
        let mut pairs = Pairs::default();
        pairs.push(Pair::of(&ended, &cut, false, 0));
        for _ in 0..PAIRS_PER_SNAPSHOT_MAX + 2 {
            pairs.push(Pair::of(&ended, &ended, false, 0));
        }
        assert!(pairs.is_due());
        assert_eq!((pairs.ended.len(), pairs.incomplete, pairs.lost), (1 << 15, 1, 2));
        pairs.reset();
        assert!(pairs.is_empty());
    }
}
