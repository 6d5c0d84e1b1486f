//! Thresholds as people read them: every figure with its unit.

use crate::plan::{Aggregation, Op, Threshold, ThresholdMetric};
use crate::units::{decimal, grouped_decimals, percent_with, significant, time_unit};

/// The unit of a threshold's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Milliseconds, shown in the unit that suits them.
    Time,
    /// 0 to 1, shown in percent.
    Share,
    Count,
    PerSecond,
    KibPerMinute,
}

impl Threshold {
    /// Returns the rule in words and units: `latency p95 < 120 ms`, `failed < 10 %`.
    pub fn says(&self) -> String {
        let figure = match self.aggregation {
            Aggregation::Avg => " mean".to_owned(),
            Aggregation::Min => " min".to_owned(),
            Aggregation::Med => " p50".to_owned(),
            Aggregation::Max => " max".to_owned(),
            Aggregation::Percentile(rank) => format!(" p{}", decimal(rank)),
            Aggregation::Count | Aggregation::Rate | Aggregation::Value => String::new(),
        };
        format!("{}{figure} {} {}", self.key, self.op.symbol(), self.limit())
    }

    /// Returns the limit with its unit, and no digit more than it was written with.
    fn limit(&self) -> String {
        let value = self.value;
        match self.unit() {
            Unit::Time if value == 0.0 => "0 ms".to_owned(),
            Unit::Time => {
                let (unit, length) = time_unit(value);
                format!("{} {unit}", decimal(value / length))
            }
            Unit::Share => format!("{} %", decimal(value * 100.0)),
            Unit::Count => trimmed(value),
            Unit::PerSecond => format!("{}/s", trimmed(value)),
            Unit::KibPerMinute => format!("{} KiB/min", trimmed(value)),
        }
    }

    /// Returns an observed figure with its unit. It has as many digits as it takes to be on the same side of the limit
    /// as the figure itself: 139.007 ms does not hold `< 139 ms`, so it is not shown as `139 ms`.
    pub fn shown(&self, observed: f64) -> String {
        let is_true_to = |shown: f64| {
            let same_side = self.op.holds(shown, self.value) == self.op.holds(observed, self.value);
            same_side && (shown == self.value) == (observed == self.value)
        };
        match self.unit() {
            Unit::Time if observed == 0.0 => "0 ms".to_owned(),
            Unit::Time => {
                let (unit, length) = time_unit(observed);
                let texts = (3..10).map(|digits| significant(observed / length, digits));
                let text = first_true(texts, |shown| is_true_to(shown * length));
                format!("{text} {unit}")
            }
            Unit::Share => percent_with(observed, |shown| {
                is_true_to(shown)
                    && (shown == 0.0) == (observed == 0.0)
                    && (shown == 1.0) == (observed == 1.0)
            }),
            Unit::Count => trimmed(observed),
            Unit::PerSecond => format!("{}/s", with_decimals(observed, is_true_to)),
            Unit::KibPerMinute => format!("{} KiB/min", with_decimals(observed, is_true_to)),
        }
    }

    fn unit(&self) -> Unit {
        match (self.metric, self.aggregation) {
            (ThresholdMetric::Trend(_), _) => Unit::Time,
            (ThresholdMetric::Paired(_), _) => Unit::Time,
            (ThresholdMetric::PairedFailed, _) => Unit::Share,
            (metric, _) if metric.is_share() => Unit::Share,
            (ThresholdMetric::ServerRssGrowth, _) => Unit::KibPerMinute,
            (_, Aggregation::Rate) => Unit::PerSecond,
            _ => Unit::Count,
        }
    }
}

impl Op {
    fn symbol(self) -> &'static str {
        match self {
            Op::AtMost => "<=",
            Op::Below => "<",
            Op::AtLeast => ">=",
            Op::Above => ">",
            Op::Equal => "==",
            Op::NotEqual => "!=",
        }
    }
}

/// Returns the first text whose number `is_true_to` accepts, or the last one.
fn first_true(texts: impl Iterator<Item = String> + Clone, is_true_to: impl Fn(f64) -> bool) -> String {
    let fits = |text: &String| text.parse().is_ok_and(&is_true_to);
    texts
        .clone()
        .find(fits)
        .or_else(|| texts.last())
        .unwrap_or_default()
}

fn with_decimals(x: f64, is_true_to: impl Fn(f64) -> bool) -> String {
    let decimals = (1..8).find(|n| format!("{x:.n$}").parse().is_ok_and(&is_true_to));
    grouped_decimals(x, decimals.unwrap_or(8))
}

/// Groups thousands, and leaves out decimals that are zero.
fn trimmed(x: f64) -> String {
    let text = decimal(x);
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    grouped_decimals(x, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_figures_have_units() {
        for (metric, text, says, observed, shown) in [
            ("latency", "p(95)<15000", "latency p95 < 15 s", 139.007, "139 ms"),
            (
                "ttft{stream:true}",
                "p(99)<40",
                "ttft{stream:true} p99 < 40 ms",
                44.0,
                "44.0 ms",
            ),
            ("latency", "med<=0.5", "latency p50 <= 500 us", 0.0123, "12.3 us"),
            ("latency", "avg<1500", "latency mean < 1.5 s", 0.0, "0 ms"),
            ("latency", "p(99.9)<1", "latency p99.9 < 1 ms", 2.0, "2.00 ms"),
            ("failed", "rate<0.10", "failed < 10 %", 0.0061, "0.61 %"),
            ("failed", "rate<0.10", "failed < 10 %", 0.0, "0 %"),
            ("checks", "rate>0.999", "checks > 99.9 %", 1.0, "100 %"),
            ("timeouts", "count<5000", "timeouts < 5,000", 12_345.0, "12,345"),
            (
                "requests",
                "rate>=1000",
                "requests >= 1,000/s",
                2584.0976,
                "2,584.1/s",
            ),
            (
                "server_rss_growth",
                "value<1024",
                "server_rss_growth < 1,024 KiB/min",
                12.25,
                "12.2 KiB/min",
            ),
        ] {
            let threshold = Threshold::parse(metric, text).unwrap();
            assert_eq!(threshold.says(), says);
            assert_eq!(threshold.shown(observed), shown, "{says}");
        }
    }

    #[test]
    fn a_figure_close_to_its_limit_is_shown_on_its_own_side() {
        for (metric, text, observed, shown) in [
            ("latency", "p(95)<139", 139.007, "139.01 ms"),
            ("latency", "p(95)<139", 138.9, "138.9 ms"),
            ("latency", "p(95)<1000", 999.9, "0.9999 s"),
            ("latency", "p(95)<=139", 139.0, "139 ms"),
            ("failed", "rate<0.1", 0.100_01, "10.001 %"),
            ("failed", "rate<0.5", 0.000_001, "0.0001 %"),
            ("requests", "rate>10", 10.01, "10.01/s"),
        ] {
            let threshold = Threshold::parse(metric, text).unwrap();
            assert_eq!(threshold.shown(observed), shown, "{text}");
        }
    }
}
