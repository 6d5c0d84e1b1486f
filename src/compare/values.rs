//! The statistics of a trend's values, in whatever form these are kept.

use crate::compare::{Stat, Values};
use crate::units::millis;

/// Percentiles that are closer than this are the same, because 99.9 is not a binary fraction.
const PERCENTILE_CLOSE: f64 = 1e-9;

impl Values {
    pub fn min(&self) -> Option<f64> {
        match self {
            Values::Histogram(d) => d.min().map(millis),
            Values::Raw(values) => values.first().copied(),
            Values::Summary { .. } => self.stated(|s| *s == Stat::Min),
        }
    }

    pub fn max(&self) -> Option<f64> {
        match self {
            Values::Histogram(d) => d.max().map(millis),
            Values::Raw(values) => values.last().copied(),
            Values::Summary { .. } => self.stated(|s| *s == Stat::Max),
        }
    }

    /// Returns percentile `p`, from 0 to 100. For raw values it is k6's: linear between the neighbours of index
    /// p/100 (n - 1) (k6's `metrics/sink.go`). For a histogram it is the upper end of the bucket that holds rank
    /// ceil(p/100 n). For a summary it is the stated figure; 0 and 100 are its minimum and maximum.
    pub fn percentile(&self, p: f64) -> Option<f64> {
        if !(0.0..=100.0).contains(&p) {
            return None;
        }
        match self {
            Values::Histogram(d) => d.quantile(p / 100.0).map(millis),
            Values::Raw(values) => interpolated(values, p / 100.0),
            Values::Summary { .. } => {
                let is_it =
                    |s: &Stat| matches!(s, Stat::Percentile(own) if (own - p).abs() < PERCENTILE_CLOSE);
                self.stated(is_it).or_else(|| match p {
                    0.0 => self.min(),
                    100.0 => self.max(),
                    _ => None,
                })
            }
        }
    }

    fn stated(&self, is_it: impl Fn(&Stat) -> bool) -> Option<f64> {
        match self {
            Values::Summary { stats, .. } => stats.iter().find(|(s, _)| is_it(s)).map(|(_, v)| *v),
            Values::Histogram(_) | Values::Raw(_) => None,
        }
    }
}

fn interpolated(ascending: &[f64], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let at = q * last as f64;
    let below = ascending[at.floor() as usize];
    let above = ascending[(at.ceil() as usize).min(last)];
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Distribution;

    #[test]
    fn raw_percentiles_lie_on_the_line_between_neighbours() {
        let raw = Values::Raw(vec![10.0, 20.0, 40.0, 80.0]);
        let at = |p| raw.percentile(p).unwrap();
        assert_eq!((at(0.0), at(50.0), at(100.0)), (10.0, 30.0, 80.0));
        // 0.9 of 3 steps is 2.7: 40 and seven tenths of the way to 80.
        assert!((at(90.0) - 68.0).abs() < 1e-9);
        assert_eq!(raw.percentile(100.1), None);
        assert_eq!(Values::Raw(vec![7.0]).percentile(95.0), Some(7.0));
        assert_eq!(Values::Raw(vec![]).percentile(95.0), None);
    }

    #[test]
    fn a_summary_has_only_the_figures_that_it_states() {
        let summary = Values::Summary {
            count: None,
            stats: vec![(Stat::Min, 1.0), (Stat::Percentile(99.9), 8.0), (Stat::Max, 9.0)],
        };
        assert_eq!(summary.percentile(100.0 * 0.999), Some(8.0));
        assert_eq!(summary.percentile(0.0), Some(1.0));
        assert_eq!(summary.percentile(100.0), Some(9.0));
        assert_eq!(summary.percentile(99.0), None);
        assert_eq!((summary.mean(), summary.count()), (None, None));
    }

    #[test]
    fn a_histogram_gives_values_by_rank() {
        let mut d = Distribution::new();
        (1..=1000u64).for_each(|ms| {
            d.record(ms * 1_000_000);
        });
        let h = Values::Histogram(Box::new(d));
        let p50 = h.percentile(50.0).unwrap();
        assert!((500.0..500.256).contains(&p50), "{p50}");
        assert_eq!(
            (h.min(), h.mean(), h.max()),
            (Some(1.0), Some(500.5), Some(1000.0))
        );
    }
}
