//! Keeps how far reported times are from true ones, where a server says what the truth is.

use crate::metrics::Distribution;
use crate::units::Nanos;

/// Differences of times, which may be negative: reported minus true.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Those that are not negative.
    over: Distribution,
    /// The sizes of the negative ones.
    under: Distribution,
}

impl Differences {
    /// Records `reported - truth`. Returns false if the difference is out of the range of a distribution.
    pub fn record(&mut self, reported: Nanos, truth: Nanos) -> bool {
        match reported >= truth {
            true => self.over.record(reported - truth),
            false => self.under.record(truth - reported),
        }
    }

    pub fn merge(&mut self, other: &Differences) {
        let Differences { over, under } = other;
        self.over.merge(over);
        self.under.merge(under);
    }

    /// Empties both sides and keeps their memory.
    pub fn reset(&mut self) {
        self.over.reset();
        self.under.reset();
    }

    pub fn count(&self) -> u64 {
        self.over.offered() + self.under.offered()
    }

    /// Returns the difference of rank `ceil(q * count)` in nanoseconds, accurate to 1 us and 0.1 %.
    pub fn quantile(&self, q: f64) -> Option<i64> {
        let (count, below) = (self.count(), self.under.offered());
        if count == 0 {
            return None;
        }
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count);
        // The middle of the rank's step, so that rounding cannot reach the next rank.
        let share = |rank: u64, of: u64| (rank as f64 - 0.5) / of as f64;
        if rank <= below {
            // The largest of these sizes is the smallest difference.
            return self
                .under
                .quantile(share(below + 1 - rank, below))
                .map(|ns| -signed(ns));
        }
        self.over.quantile(share(rank - below, count - below)).map(signed)
    }

    /// Returns the exact smallest difference.
    pub fn min(&self) -> Option<i64> {
        self.under
            .max()
            .map(|ns| -signed(ns))
            .or(self.over.min().map(signed))
    }

    /// Returns the exact largest difference.
    pub fn max(&self) -> Option<i64> {
        self.over
            .max()
            .map(signed)
            .or(self.under.min().map(|ns| -signed(ns)))
    }

    /// Returns the sizes of all differences, whatever their sign.
    pub fn sizes(&self) -> Distribution {
        let mut sizes = self.over.clone();
        sizes.merge(&self.under);
        sizes
    }
}

fn signed(ns: Nanos) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// The errors of a client's figures of streams that were answered completely, by the stamps in their events
/// (`--verify-stamps`). The time for a new connection is left out: it is a metric of its own.
#[derive(Clone, Debug, Default)]
pub struct ClientErrors {
    /// From the instant at which a request was due to its arrival at the server: the true value is 0.
    pub arrival: Differences,
    /// `ttft`; the truth runs from the request's arrival at the server to the send of the first token.
    pub ttft: Differences,
    /// `tbt`; the truth is the time between two sends.
    pub gap: Differences,
    /// `latency`; the truth runs from the request's arrival to the send of the last token.
    pub latency: Differences,
}

impl ClientErrors {
    pub fn merge(&mut self, other: &ClientErrors) {
        let ClientErrors {
            arrival,
            ttft,
            gap,
            latency,
        } = other;
        self.arrival.merge(arrival);
        self.ttft.merge(ttft);
        self.gap.merge(gap);
        self.latency.merge(latency);
    }

    pub fn reset(&mut self) {
        let ClientErrors {
            arrival,
            ttft,
            gap,
            latency,
        } = self;
        for differences in [arrival, ttft, gap, latency] {
            differences.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MICROSECOND;

    /// Differences of so many microseconds.
    fn of(micros: &[i64]) -> Differences {
        let mut differences = Differences::default();
        for us in micros {
            let base = 1_000_000i64;
            let reported = (base + us).cast_unsigned() * MICROSECOND;
            assert!(differences.record(reported, base.cast_unsigned() * MICROSECOND));
        }
        differences
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_differences() {
        let mut micros: Vec<i64> = (-300..700).map(|n| n * 7 % 1_000).collect();
        micros.sort_unstable();
        let differences = of(&micros);
        for (q, rank) in [
            (0.001, 1),
            (0.1, 100),
            (0.3, 300),
            (0.301, 301),
            (0.5, 500),
            (0.99, 990),
            (1.0, 1_000),
        ] {
            let expected = micros[rank - 1] * 1_000;
            assert_eq!(differences.quantile(q), Some(expected), "{q}");
        }
        assert_eq!(differences.min(), Some(micros[0] * 1_000));
        assert_eq!(differences.max(), Some(micros[999] * 1_000));
    }

    #[test]
    fn one_sided_differences_have_their_extremes_on_that_side() {
        let (above, below) = (of(&[3, 1]), of(&[-3, -1]));
        assert_eq!((above.min(), above.max()), (Some(1_000), Some(3_000)));
        assert_eq!((below.min(), below.max()), (Some(-3_000), Some(-1_000)));
        assert_eq!(
            (below.quantile(0.0), below.quantile(1.0)),
            (Some(-3_000), Some(-1_000))
        );
        assert_eq!(Differences::default().quantile(0.5), None);
        assert_eq!(Differences::default().min(), None);
    }

    #[test]
    fn sizes_ignore_the_sign_and_merging_adds() {
        let mut all = of(&[-5, 2]);
        all.merge(&of(&[4]));
        assert_eq!(all.count(), 3);
        assert_eq!(all.sizes().quantile(1.0), Some(5 * MICROSECOND));
        assert_eq!(all.sizes().quantile(0.1), Some(2 * MICROSECOND));
        all.reset();
        assert_eq!((all.count(), all.max()), (0, None));
    }
}
