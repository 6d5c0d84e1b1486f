//! Thresholds in k6's grammar: `p(95)<15000`, `rate<0.10`, `count<100`, on a metric of all requests or of those that
//! `{tag:value}` selects. Times are milliseconds.

mod grammar;

use self::grammar::{forms, parse_aggregation, parse_value, suits};
use crate::error::{Reason, nearest, quoted};
use crate::metrics::{METRICS, MetricId, Outcome, PAIRED_METRICS, Source};
use crate::plan::selector::{Selector, split_key};
use crate::units::{Nanos, decimal};

/// A metric that thresholds can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdMetric {
    /// A metric of the table, in milliseconds.
    Trend(MetricId),
    /// Failed requests over finished ones, 0 to 1.
    Failed,
    /// Requests that are ok over finished ones, 0 to 1.
    Checks,
    /// The number of failed requests, of which `Failed` is the share.
    Failures,
    /// Requests that meet the limits of goodput over those that have limits, 0 to 1.
    Goodput,
    /// The number of requests that meet them, of which `Goodput` is the share.
    Good,
    /// Requests with this outcome.
    Outcome(Outcome),
    /// Requests whose outcome `Outcome::is_connection_error`.
    ConnectionErrors,
    /// Requests whose outcome `Outcome::is_timeout`.
    Timeouts,
    Requests,
    Iterations,
    /// Arrivals at a rate that no user could take; they never became requests.
    DroppedIterations,
    /// Arrivals at a rate that were due, dropped ones included.
    Offered,
    /// Requests that went out.
    Sent,
    /// Requests that waited for a free user.
    Queued,
    /// Requests that went out late by our own delay over those that went out, 0 to 1.
    Late,
    /// Tokens of prompts, as servers count them.
    InputTokens,
    /// Tokens of answers.
    OutputTokens,
    /// Tokens of prompts and of answers.
    TotalTokens,
    /// Cached tokens over those of prompts, in answers that state both, 0 to 1.
    CachedShare,
    /// Reasoning tokens over those of answers, in answers that state both, 0 to 1.
    ReasoningShare,
    /// Growth of a managed server's memory, in KiB per minute; it does not concern requests.
    ServerRssGrowth,
    /// By how much the second of two servers is slower, within pairs of requests, in milliseconds.
    Paired(MetricId),
    /// By how much a larger share of its requests fails, -1 to 1.
    PairedFailed,
}

/// The section of the result document about pairs, as a path begins with it: `paired.ttft` is `paired_ttft`.
const PAIRED_SECTION: &str = "paired.";

/// k6's names for metrics that have another name here.
const ALIASES: [(&str, ThresholdMetric); 6] = [
    ("http_req_duration", ThresholdMetric::Trend(MetricId::ServiceTime)),
    ("http_req_waiting", ThresholdMetric::Trend(MetricId::Ttfb)),
    ("http_req_connecting", ThresholdMetric::Trend(MetricId::Connect)),
    ("http_req_tls_handshaking", ThresholdMetric::Trend(MetricId::Tls)),
    ("http_req_failed", ThresholdMetric::Failed),
    ("http_reqs", ThresholdMetric::Requests),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MetricKind {
    Trend,
    Rate,
    /// A share of tokens. They are not independent of each other as requests are.
    TokenShare,
    Counter,
    Gauge,
    /// A difference of times between two servers.
    PairedTime,
    /// A difference of shares between two servers.
    PairedShare,
}

impl ThresholdMetric {
    /// Returns every metric, in the order in which help and errors list them.
    pub fn all() -> impl Iterator<Item = ThresholdMetric> {
        let trends = METRICS.iter().map(|metric| ThresholdMetric::Trend(metric.id));
        let counts = [
            ThresholdMetric::Failed,
            ThresholdMetric::Checks,
            ThresholdMetric::Failures,
            ThresholdMetric::Goodput,
            ThresholdMetric::Good,
            ThresholdMetric::ConnectionErrors,
            ThresholdMetric::Timeouts,
            ThresholdMetric::Requests,
            ThresholdMetric::Iterations,
            ThresholdMetric::DroppedIterations,
            ThresholdMetric::Offered,
            ThresholdMetric::Sent,
            ThresholdMetric::Queued,
            ThresholdMetric::Late,
            ThresholdMetric::InputTokens,
            ThresholdMetric::OutputTokens,
            ThresholdMetric::TotalTokens,
            ThresholdMetric::CachedShare,
            ThresholdMetric::ReasoningShare,
            ThresholdMetric::ServerRssGrowth,
        ];
        let outcomes = Outcome::ALL.into_iter().map(ThresholdMetric::Outcome);
        let paired = PAIRED_METRICS.into_iter().map(ThresholdMetric::Paired);
        let paired = paired.chain([ThresholdMetric::PairedFailed]);
        trends.chain(counts).chain(outcomes).chain(paired)
    }

    pub fn name(self) -> &'static str {
        match self {
            ThresholdMetric::Trend(id) => id.key(),
            ThresholdMetric::Failed => "failed",
            ThresholdMetric::Checks => "checks",
            ThresholdMetric::Failures => "failures",
            ThresholdMetric::Goodput => "goodput",
            ThresholdMetric::Good => "good",
            ThresholdMetric::Outcome(outcome) => outcome.name(),
            ThresholdMetric::ConnectionErrors => "connection_errors",
            ThresholdMetric::Timeouts => "timeouts",
            ThresholdMetric::Requests => "requests",
            ThresholdMetric::Iterations => "iterations",
            ThresholdMetric::DroppedIterations => "dropped_iterations",
            ThresholdMetric::Offered => "offered",
            ThresholdMetric::Sent => "sent",
            ThresholdMetric::Queued => "queued",
            ThresholdMetric::Late => "late",
            ThresholdMetric::InputTokens => "input_tokens",
            ThresholdMetric::OutputTokens => "output_tokens",
            ThresholdMetric::TotalTokens => "total_tokens",
            ThresholdMetric::CachedShare => "cached_share",
            ThresholdMetric::ReasoningShare => "reasoning_share",
            ThresholdMetric::ServerRssGrowth => "server_rss_growth",
            ThresholdMetric::Paired(MetricId::Ttft) => "paired_ttft",
            ThresholdMetric::Paired(MetricId::Tpot) => "paired_tpot",
            ThresholdMetric::Paired(_) => "paired_latency",
            ThresholdMetric::PairedFailed => "paired_failed",
        }
    }

    fn named(name: &str) -> Option<ThresholdMetric> {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let of_pairs = name
            .strip_prefix(PAIRED_SECTION)
            .map(|figure| format!("paired_{figure}"));
        let name = of_pairs.as_deref().unwrap_or(name);
        alias
            .map(|(_, metric)| *metric)
            .or_else(|| ThresholdMetric::all().find(|metric| metric.name() == name))
    }

    fn kind(self) -> MetricKind {
        match self {
            ThresholdMetric::Trend(_) => MetricKind::Trend,
            ThresholdMetric::Failed
            | ThresholdMetric::Checks
            | ThresholdMetric::Goodput
            | ThresholdMetric::Late => MetricKind::Rate,
            ThresholdMetric::CachedShare | ThresholdMetric::ReasoningShare => MetricKind::TokenShare,
            ThresholdMetric::ServerRssGrowth => MetricKind::Gauge,
            ThresholdMetric::Paired(_) => MetricKind::PairedTime,
            ThresholdMetric::PairedFailed => MetricKind::PairedShare,
            ThresholdMetric::Failures
            | ThresholdMetric::Good
            | ThresholdMetric::Outcome(_)
            | ThresholdMetric::ConnectionErrors
            | ThresholdMetric::Timeouts
            | ThresholdMetric::Requests
            | ThresholdMetric::Iterations
            | ThresholdMetric::DroppedIterations
            | ThresholdMetric::Offered
            | ThresholdMetric::Sent
            | ThresholdMetric::Queued
            | ThresholdMetric::InputTokens
            | ThresholdMetric::OutputTokens
            | ThresholdMetric::TotalTokens => MetricKind::Counter,
        }
    }

    /// Tells whether the metric is a share from 0 to 1.
    pub fn is_share(self) -> bool {
        matches!(self.kind(), MetricKind::Rate | MetricKind::TokenShare)
    }

    /// Tells whether the metric is a share of tokens.
    pub fn is_share_of_tokens(self) -> bool {
        self.kind() == MetricKind::TokenShare
    }

    /// Tells whether the metric counts tokens, which are not kept apart by the outcome of their request.
    fn is_of_tokens(self) -> bool {
        use ThresholdMetric::{InputTokens, OutputTokens, TotalTokens};
        self.is_share_of_tokens() || matches!(self, InputTokens | OutputTokens | TotalTokens)
    }

    /// Tells whether the metric compares the two requests of pairs.
    pub fn is_of_pairs(self) -> bool {
        matches!(self, ThresholdMetric::Paired(_) | ThresholdMetric::PairedFailed)
    }

    /// Tells whether the metric is known only at the end of a run, from something else than counted requests.
    pub fn is_of_the_end(self) -> bool {
        self.is_of_pairs() || self == ThresholdMetric::ServerRssGrowth
    }

    /// Tells whether the limits of goodput have to be known.
    pub fn is_of_goodput(self) -> bool {
        matches!(self, ThresholdMetric::Goodput | ThresholdMetric::Good)
    }

    /// Tells whether the metric is about sending, whatever came of the request.
    fn is_of_sending(self) -> bool {
        use ThresholdMetric::{Late, Offered, Queued, Sent};
        matches!(self, Offered | Sent | Queued | Late)
    }

    /// Refuses tags that make no sense for this metric.
    fn check_tags(self, selector: &Selector) -> Result<(), Reason> {
        let name = self.name();
        if self.is_of_pairs() && !selector.is_empty() {
            let what = format!("`{name}` compares the two servers in all pairs, so it has no tags");
            return Err(Reason::new(what));
        }
        if self.kind() == MetricKind::Gauge && !selector.is_empty() {
            let what = format!("`{name}` is a figure of the server, not of requests, so it has no tags");
            return Err(Reason::new(what));
        }
        if self == ThresholdMetric::DroppedIterations && selector.expected_response.is_some() {
            let what = format!("`{name}` are arrivals that never became requests, so they have no response");
            return Err(Reason::new(what).hint("remove the tag `expected_response`"));
        }
        if self.is_of_sending() && selector.expected_response.is_some() {
            let what = format!("`{name}` is about sending, whatever the response was");
            return Err(Reason::new(what).hint("remove the tag `expected_response`"));
        }
        if self.is_of_tokens() && selector.expected_response.is_some() {
            let what = format!("`{name}` counts the tokens of all requests, whatever the response was");
            return Err(Reason::new(what).hint("remove the tag `expected_response`"));
        }
        if self.is_of_goodput() && selector.expected_response.is_some() {
            let what = format!("`{name}` is about the outcome already: a failed request is never good");
            return Err(Reason::new(what).hint("remove the tag `expected_response`"));
        }
        match self {
            ThresholdMetric::Trend(id)
                if matches!(id.row().source, Source::Engine) && selector.expected_response.is_some() =>
            {
                let what = format!("`{name}` is measured before the outcome is known");
                Err(Reason::new(what).hint("remove the tag `expected_response`"))
            }
            _ => Ok(()),
        }
    }
}

/// The figure of a metric that is compared. `Med` is the 50th percentile. `Rate` is per second for a counter, and a
/// share from 0 to 1 for `failed`, `checks` and `goodput`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    Avg,
    Min,
    Med,
    Max,
    /// A percentile, 0 to 100.
    Percentile(f64),
    Count,
    Rate,
    /// The value of a gauge.
    Value,
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

/// The operators in k6's order, so that `<=` is not read as `<` and a stray `=`.
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

/// Below it a limit of the time of an answer, without a unit, is told to be milliseconds.
const MILLISECONDS_MIN: f64 = 10.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    pub metric: ThresholdMetric,
    pub selector: Selector,
    pub aggregation: Aggregation,
    pub op: Op,
    /// Milliseconds for a trend, a share from 0 to 1 for `failed`, `checks`, `goodput` and shares of tokens, KiB per
    /// minute for `server_rss_growth`, else a count or a count per second.
    pub value: f64,
    /// If it fails during the run, but not before this much time has passed, the run ends.
    pub abort_after: Option<Nanos>,
    /// Metric with its tags, as written.
    pub key: String,
    /// Expression as written.
    pub text: String,
}

impl Threshold {
    /// Parses a key, `metric` or `metric{tag:value}`, and its expression. The error says what is wrong and suggests
    /// what would be right.
    pub fn parse(key: &str, text: &str) -> Result<Threshold, Reason> {
        let (metric, selector) = split_key(key)?;
        let found = ThresholdMetric::named(metric).ok_or_else(|| unknown_metric(metric))?;
        found.check_tags(&selector)?;
        let wrong = |what: String| {
            let forms = forms(found.kind());
            Reason::new(format!("threshold {}: {what}", quoted(text)))
                .hint(format!("`{metric}` takes {forms}"))
        };
        let (at, symbol, op) = OPS
            .iter()
            .find_map(|(symbol, op)| text.find(symbol).map(|at| (at, *symbol, *op)))
            .ok_or_else(|| wrong("it has no comparison: use one of < <= > >= == !=".into()))?;
        let (left, right) = (text[..at].trim(), text[at + symbol.len()..].trim());
        let aggregation = parse_aggregation(left).map_err(wrong)?;
        if !suits(found.kind(), aggregation) {
            return Err(wrong(format!("{} is not a figure of `{metric}`", quoted(left))));
        }
        let value = parse_value(found.kind(), right).map_err(wrong)?;
        Ok(Threshold {
            metric: found,
            selector,
            aggregation,
            op,
            value,
            abort_after: None,
            key: key.trim().to_owned(),
            text: text.trim().to_owned(),
        })
    }

    /// Returns what to say of a time that was probably meant as seconds: few answers take less than this many
    /// milliseconds.
    pub fn trap(&self) -> Option<String> {
        use MetricId::{Latency, LatencyOk, ServiceTime, Ttfa, Ttfb, Ttft};
        let of_answers = [Latency, LatencyOk, ServiceTime, Ttfb, Ttft, Ttfa];
        let is_time = matches!(self.metric, ThresholdMetric::Trend(id) if of_answers.contains(&id));
        let is_bare = self.text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        (is_time && is_bare && self.value > 0.0 && self.value < MILLISECONDS_MIN).then(|| {
            let (key, text, value) = (&self.key, &self.text, decimal(self.value));
            format!(
                "threshold {} is in milliseconds; for seconds write `{value}s`",
                quoted(&format!("{key}: {text}"))
            )
        })
    }

    /// Returns the quantile that is compared, above 0 and below 1; `None` if it is another figure.
    pub fn quantile(&self) -> Option<f64> {
        let percent = match self.aggregation {
            Aggregation::Med => 50.0,
            Aggregation::Percentile(percent) => percent,
            _ => return None,
        };
        (percent > 0.0 && percent < 100.0).then_some(percent / 100.0)
    }

    /// Returns whether the verdict is the same wherever in this interval the figure lies.
    pub fn is_decided(&self, [low, high]: [f64; 2]) -> bool {
        let is_outside = self.value < low || self.value > high;
        match self.op {
            Op::Equal | Op::NotEqual => is_outside || low == high,
            _ => self.holds(low) == self.holds(high),
        }
    }

    pub fn holds(&self, observed: f64) -> bool {
        !observed.is_nan() && self.op.holds(observed, self.value)
    }
}

fn unknown_metric(metric: &str) -> Reason {
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    let names: Vec<&str> = ThresholdMetric::all()
        .map(ThresholdMetric::name)
        .chain(aliases)
        .collect();
    let hint = match nearest(&metric.to_lowercase(), &names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the metrics are {}", names.join(", ")),
    };
    Reason::new(format!("unknown metric {}", quoted(metric))).hint(hint)
}

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;
