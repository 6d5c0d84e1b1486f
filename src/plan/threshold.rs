//! Thresholds in k6's grammar: `p(95)<15000`, `rate<0.10`, `count<100`. Times are milliseconds.

use crate::config::{Reason, nearest, quoted};
use crate::metrics::Outcome;

/// Metrics that have a distribution, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trend {
    Latency,
    LatencyOk,
    ServiceTime,
    Ttfb,
    Ttft,
    Tbt,
    Tpot,
    Connect,
    Tls,
    ScheduleLag,
}

impl Trend {
    pub const ALL: [Trend; 10] = [
        Trend::Latency,
        Trend::LatencyOk,
        Trend::ServiceTime,
        Trend::Ttfb,
        Trend::Ttft,
        Trend::Tbt,
        Trend::Tpot,
        Trend::Connect,
        Trend::Tls,
        Trend::ScheduleLag,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Trend::Latency => "latency",
            Trend::LatencyOk => "latency_ok",
            Trend::ServiceTime => "service_time",
            Trend::Ttfb => "ttfb",
            Trend::Ttft => "ttft",
            Trend::Tbt => "tbt",
            Trend::Tpot => "tpot",
            Trend::Connect => "connect",
            Trend::Tls => "tls",
            Trend::ScheduleLag => "schedule_lag",
        }
    }
}

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdMetric {
    Trend(Trend),
    /// Failed requests over finished ones, 0 to 1.
    Failed,
    /// Requests with this outcome.
    Outcome(Outcome),
    /// Requests whose outcome `Outcome::is_connection_error`.
    ConnectionErrors,
    /// Requests whose outcome `Outcome::is_timeout`.
    Timeouts,
    Requests,
    Iterations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MetricKind {
    Trend,
    Rate,
    Counter,
}

impl ThresholdMetric {
    /// Every metric, in the order that help and errors list them.
    pub fn all() -> impl Iterator<Item = ThresholdMetric> {
        let trends = Trend::ALL.into_iter().map(ThresholdMetric::Trend);
        let counts = [
            ThresholdMetric::Failed,
            ThresholdMetric::ConnectionErrors,
            ThresholdMetric::Timeouts,
            ThresholdMetric::Requests,
            ThresholdMetric::Iterations,
        ];
        let outcomes = Outcome::ALL.into_iter().map(ThresholdMetric::Outcome);
        trends.chain(counts).chain(outcomes)
    }

    pub fn name(self) -> &'static str {
        match self {
            ThresholdMetric::Trend(trend) => trend.name(),
            ThresholdMetric::Failed => "failed",
            ThresholdMetric::Outcome(outcome) => outcome.name(),
            ThresholdMetric::ConnectionErrors => "connection_errors",
            ThresholdMetric::Timeouts => "timeouts",
            ThresholdMetric::Requests => "requests",
            ThresholdMetric::Iterations => "iterations",
        }
    }

    fn named(name: &str) -> Option<ThresholdMetric> {
        ThresholdMetric::all().find(|metric| metric.name() == name)
    }

    fn kind(self) -> MetricKind {
        match self {
            ThresholdMetric::Trend(_) => MetricKind::Trend,
            ThresholdMetric::Failed => MetricKind::Rate,
            ThresholdMetric::Outcome(_)
            | ThresholdMetric::ConnectionErrors
            | ThresholdMetric::Timeouts
            | ThresholdMetric::Requests
            | ThresholdMetric::Iterations => MetricKind::Counter,
        }
    }
}

/// Which figure of the metric. `Med` is the 50th percentile. `Rate` is per second for a counter and a share
/// from 0 to 1 for `failed`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    Avg,
    Min,
    Med,
    Max,
    /// 0 to 100.
    Percentile(f64),
    Count,
    Rate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
}

/// In k6's order, so that `<=` is not read as `<` and a stray `=`.
const OPS: [(&str, Op); 7] = [
    ("<=", Op::AtMost),
    ("<", Op::Below),
    (">=", Op::AtLeast),
    (">", Op::Above),
    ("===", Op::Equal),
    ("==", Op::Equal),
    ("!=", Op::NotEqual),
];

impl Op {
    pub fn holds(self, observed: f64, value: f64) -> bool {
        match self {
            Op::AtMost => observed <= value,
            Op::Below => observed < value,
            Op::AtLeast => observed >= value,
            Op::Above => observed > value,
            Op::Equal => observed == value,
            Op::NotEqual => observed != value,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    pub metric: ThresholdMetric,
    pub aggregation: Aggregation,
    pub op: Op,
    /// Milliseconds for a trend, a share from 0 to 1 for `failed`, else a count or a count per second.
    pub value: f64,
    /// As written.
    pub text: String,
}

/// What became of a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// `None`: the metric has no samples, which fails.
    pub observed: Option<f64>,
    pub ok: bool,
}

impl Threshold {
    /// `metric` and its expression. The error says what is wrong and names the nearest that would do.
    pub fn parse(metric: &str, text: &str) -> Result<Threshold, Reason> {
        let found = ThresholdMetric::named(metric).ok_or_else(|| unknown_metric(metric))?;
        let wrong = |what: String| {
            let forms = forms(found.kind());
            Reason::new(format!("threshold {}: {what}", quoted(text)))
                .hint(format!("`{metric}` takes {forms}"))
        };
        let (at, symbol, op) = OPS
            .iter()
            .find_map(|(symbol, op)| text.find(symbol).map(|at| (at, *symbol, *op)))
            .ok_or_else(|| wrong("no comparison, one of < <= > >= == !=".into()))?;
        let (left, right) = (text[..at].trim(), text[at + symbol.len()..].trim());
        let aggregation = parse_aggregation(left).map_err(wrong)?;
        if !suits(found.kind(), aggregation) {
            return Err(wrong(format!("{} is no figure of `{metric}`", quoted(left))));
        }
        let value = parse_value(found.kind(), right).map_err(wrong)?;
        Ok(Threshold {
            metric: found,
            aggregation,
            op,
            value,
            text: text.trim().to_owned(),
        })
    }

    /// `observe` gives the figure, or `None` where the metric has no samples.
    pub fn judge(&self, observe: impl FnOnce(ThresholdMetric, Aggregation) -> Option<f64>) -> Verdict {
        let observed = observe(self.metric, self.aggregation).filter(|value| !value.is_nan());
        let ok = observed.is_some_and(|value| self.op.holds(value, self.value));
        Verdict { observed, ok }
    }
}

fn unknown_metric(metric: &str) -> Reason {
    let names: Vec<&str> = ThresholdMetric::all().map(ThresholdMetric::name).collect();
    let hint = match nearest(metric, &names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("one of {}", names.join(", ")),
    };
    Reason::new(format!("unknown metric {}", quoted(metric))).hint(hint)
}

fn suits(kind: MetricKind, aggregation: Aggregation) -> bool {
    match kind {
        MetricKind::Trend => !matches!(aggregation, Aggregation::Count | Aggregation::Rate),
        MetricKind::Rate => aggregation == Aggregation::Rate,
        MetricKind::Counter => matches!(aggregation, Aggregation::Count | Aggregation::Rate),
    }
}

fn forms(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Trend => "avg, min, med, max or p(N), in ms: `p(95)<15000`",
        MetricKind::Rate => "rate, a share from 0 to 1: `rate<0.10`",
        MetricKind::Counter => "count, or rate for a count per second: `count<100`",
    }
}

fn parse_aggregation(text: &str) -> Result<Aggregation, String> {
    Ok(match text {
        "avg" => Aggregation::Avg,
        "min" => Aggregation::Min,
        "med" => Aggregation::Med,
        "max" => Aggregation::Max,
        "count" => Aggregation::Count,
        "rate" => Aggregation::Rate,
        _ => {
            let rank = text.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
            let rank = rank.ok_or_else(|| format!("unknown figure {}", quoted(text)))?;
            match rank.trim().parse::<f64>() {
                Ok(rank) if (0.0..=100.0).contains(&rank) => Aggregation::Percentile(rank),
                _ => return Err(format!("{} is no percentile from 0 to 100", quoted(text))),
            }
        }
    })
}

/// A number. A share may be written as a percentage: `rate<10%` is `rate<0.1`.
fn parse_value(kind: MetricKind, text: &str) -> Result<f64, String> {
    let (digits, unit) = match text.strip_suffix('%') {
        Some(digits) if kind == MetricKind::Rate => (digits.trim_end(), 100.0),
        _ => (text, 1.0),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    match digits.parse::<f64>() {
        Ok(value) if plain && value.is_finite() => Ok(value / unit),
        _ => Err(format!("{} is no number", quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(metric: &str, text: &str) -> Threshold {
        Threshold::parse(metric, text).unwrap()
    }

    fn refused(metric: &str, text: &str) -> String {
        Threshold::parse(metric, text).unwrap_err().to_string()
    }

    #[test]
    fn the_profiles_thresholds_are_read() {
        let latency = parse("latency", "p(95)<15000");
        assert_eq!(latency.metric, ThresholdMetric::Trend(Trend::Latency));
        assert_eq!(latency.aggregation, Aggregation::Percentile(95.0));
        assert_eq!((latency.op, latency.value), (Op::Below, 15_000.0));
        assert_eq!(parse("failed", "rate<0.10").value, 0.10);
        assert_eq!(parse("failed", "rate < 10 %").value, 0.10);
        assert_eq!(
            parse("connection_errors", "count<100").aggregation,
            Aggregation::Count
        );
        assert_eq!(parse("requests", "rate>=4.5").aggregation, Aggregation::Rate);
    }

    #[test]
    fn every_operator_is_told_from_those_it_begins_with() {
        let op = |text: &str| parse("ttft", text).op;
        assert_eq!(op("max<=1"), Op::AtMost);
        assert_eq!(op("max<1"), Op::Below);
        assert_eq!(op("max>=1"), Op::AtLeast);
        assert_eq!(op("max>1"), Op::Above);
        assert_eq!(op("max===1"), Op::Equal);
        assert_eq!(op("max==1"), Op::Equal);
        assert_eq!(op(" med != 1e3 "), Op::NotEqual);
    }

    #[test]
    fn every_metric_name_is_its_own_and_finds_its_metric() {
        let mut seen = std::collections::HashSet::new();
        for metric in ThresholdMetric::all() {
            assert!(seen.insert(metric.name()), "{}", metric.name());
            assert_eq!(ThresholdMetric::named(metric.name()), Some(metric));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_would_do() {
        assert!(refused("latencey", "max<1").contains("did you mean `latency`?"));
        assert!(refused("latency", "rate<1").contains("`rate` is no figure of `latency`"));
        assert!(refused("failed", "count<1").contains("rate<0.10"));
        assert!(refused("ok", "p(95)<1").contains("no figure of `ok`"));
        assert!(refused("latency", "p(101)<1").contains("from 0 to 100"));
        assert!(refused("latency", "p95<1").contains("unknown figure `p95`"));
        assert!(refused("latency", "max").contains("no comparison"));
        assert!(refused("latency", "max<").contains("no number"));
        assert!(refused("latency", "max<inf").contains("no number"));
        assert!(refused("latency", "max<10%").contains("no number"));
        assert!(refused("latency", "max<1=").contains("no number"));
        assert!(refused("latency", "p(NaN)<1").contains("from 0 to 100"));
        assert!(refused("latency", "max=1").contains("no comparison"));
    }

    #[test]
    fn a_metric_without_samples_fails() {
        let threshold = parse("ttft", "p(99)>0");
        assert_eq!(
            threshold.judge(|_, _| None),
            Verdict {
                observed: None,
                ok: false
            }
        );
        assert!(!threshold.judge(|_, _| Some(f64::NAN)).ok);
    }

    #[test]
    fn the_figure_asked_for_is_the_one_judged() {
        let threshold = parse("ttft", "p(99)<500");
        let judged = threshold.judge(|metric, aggregation| {
            assert_eq!(metric, ThresholdMetric::Trend(Trend::Ttft));
            assert_eq!(aggregation, Aggregation::Percentile(99.0));
            Some(499.9)
        });
        assert_eq!(
            judged,
            Verdict {
                observed: Some(499.9),
                ok: true
            }
        );
        assert!(!threshold.judge(|_, _| Some(500.0)).ok);
    }
}
