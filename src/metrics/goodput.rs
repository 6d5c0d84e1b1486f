//! Goodput: whether a request meets all of several limits, and how many do.

use crate::metrics::{MetricId, Outcome, Sample};
use crate::units::{Nanos, format_duration};
use serde::{Deserialize, Serialize, Serializer};

/// The limits that a good request meets, all of them. A request without limits is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goodput {
    /// At most one for each metric, in the order of [`Goodput::METRICS`].
    limits: Vec<(MetricId, Nanos)>,
}

impl Goodput {
    /// The metrics that limits can be set for: those that a single request has one value of.
    pub const METRICS: [MetricId; 6] = [
        MetricId::Ttft,
        MetricId::Ttfa,
        MetricId::Tpot,
        MetricId::Latency,
        MetricId::ServiceTime,
        MetricId::Ttfb,
    ];

    /// Adds a limit of one of `METRICS`. Returns false if the metric has one already, or cannot have one.
    pub fn limit(&mut self, metric: MetricId, at_most: Nanos) -> bool {
        let has_one = self.limits.iter().any(|(other, _)| *other == metric);
        let rank = |id: &MetricId| Goodput::METRICS.iter().position(|metric| metric == id);
        if has_one || rank(&metric).is_none() {
            return false;
        }
        self.limits.push((metric, at_most));
        self.limits.sort_by_key(|(id, _)| rank(id));
        true
    }

    pub fn limits(&self) -> &[(MetricId, Nanos)] {
        &self.limits
    }

    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Tells whether a metric is about generated text, which the answer to a light GET does not have.
    pub fn is_of_text(metric: MetricId) -> bool {
        matches!(metric, MetricId::Ttft | MetricId::Ttfa | MetricId::Tpot)
    }

    /// Returns the limits that make sense for a request without text.
    pub fn without_text(&self) -> Goodput {
        let mut limits = self.limits.clone();
        limits.retain(|(metric, _)| !Goodput::is_of_text(*metric));
        Goodput { limits }
    }

    /// Returns whether a request that has ended is good; `None` if it has no limits or we cut it. `streamed` says
    /// that the answer to it is a stream.
    ///
    /// The rules are those of `vllm bench serve`: a value at its limit is good, a failed request never is, a whole
    /// answer has its first token when it is there, and an answer of one token has no time per token that could be too
    /// long. An answer that lacks the text that a limit is about is not good.
    pub fn judge(&self, sample: &Sample, streamed: bool) -> Option<bool> {
        if self.is_empty() || sample.outcome.is_cut() {
            return None;
        }
        let is_met = |(metric, at_most): &(MetricId, Nanos)| {
            value(*metric, sample, streamed).is_some_and(|value| value <= *at_most)
        };
        Some(sample.outcome == Outcome::Ok && self.limits.iter().all(is_met))
    }
}

/// Serialises limits as in a document: `{ttft: 500ms, tpot: 30ms}`.
impl Serialize for Goodput {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(
            self.limits
                .iter()
                .map(|(id, at_most)| (id.key(), format_duration(*at_most))),
        )
    }
}

/// Shows limits in a sentence: `ttft <= 500ms, tpot <= 30ms`.
impl std::fmt::Display for Goodput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (metric, at_most)) in self.limits.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} <= {}", metric.key(), format_duration(*at_most))?;
        }
        Ok(())
    }
}

/// Returns the value that a limit is compared with; `None` if the request lacks what it is about.
fn value(metric: MetricId, sample: &Sample, streamed: bool) -> Option<Nanos> {
    if Goodput::is_of_text(metric) && sample.answer.without_text {
        return None;
    }
    let own = metric.row().value(sample);
    match metric {
        MetricId::Ttft | MetricId::Ttfa if !streamed => MetricId::Latency.row().value(sample),
        // One token, or all in one read: no time passed between tokens.
        MetricId::Tpot => own.or(Some(0)),
        _ => own,
    }
}

/// How many requests were compared with limits, and how many of them met all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodCounts {
    /// Ok and failed requests that have limits.
    pub judged: u64,
    pub good: u64,
}

impl GoodCounts {
    pub fn is_empty(&self) -> bool {
        *self == GoodCounts::default()
    }

    pub fn count(&mut self, good: Option<bool>) {
        self.judged += u64::from(good.is_some());
        self.good += u64::from(good == Some(true));
    }

    pub fn merge(&mut self, other: &GoodCounts) {
        let GoodCounts { judged, good } = other;
        self.judged = self.judged.saturating_add(*judged);
        self.good = self.good.saturating_add(*good);
    }

    /// Returns good / judged; `None` while nothing has been judged.
    pub fn share(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.good as f64 / self.judged as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    fn limits(limits: &[(MetricId, u64)]) -> Goodput {
        let mut goodput = Goodput::default();
        for (metric, ms) in limits {
            assert!(goodput.limit(*metric, ms * MILLISECOND));
        }
        goodput
    }

    /// A stream of 5 tokens: the first after 100 ms, the last after 140 ms, done after 150 ms.
    fn stream() -> Sample {
        let ms = |n: u64| Some(n * MILLISECOND);
        Sample {
            first_byte: ms(20),
            first_event: ms(100),
            first_token: ms(100),
            first_answer: ms(120),
            last_token: ms(140),
            output_tokens: 5,
            tokens_at_first: 1,
            ..Sample::ended(Outcome::Ok, 150 * MILLISECOND)
        }
    }

    #[test]
    fn a_request_is_good_if_it_meets_every_limit_and_a_value_at_its_limit_does() {
        use MetricId::{Latency, ServiceTime, Tpot, Ttfa, Ttfb, Ttft};
        let all = [
            (Ttft, 100),
            (Ttfa, 120),
            (Tpot, 10),
            (Latency, 150),
            (ServiceTime, 150),
            (Ttfb, 20),
        ];
        assert_eq!(limits(&all).judge(&stream(), true), Some(true));
        for (metric, ms) in all {
            assert_eq!(limits(&[(metric, ms)]).judge(&stream(), true), Some(true));
            let short = limits(&[(metric, ms - 1)]);
            assert_eq!(short.judge(&stream(), true), Some(false), "{metric:?}");
        }
    }

    #[test]
    fn failed_requests_are_never_good_and_those_that_we_cut_are_not_judged() {
        let easy = limits(&[(MetricId::Latency, 10_000)]);
        for outcome in Outcome::ALL {
            let expected = match outcome {
                Outcome::Ok => Some(true),
                Outcome::Interrupted | Outcome::Cancelled => None,
                _ => Some(false),
            };
            let sample = Sample::ended(outcome, MILLISECOND);
            assert_eq!(easy.judge(&sample, false), expected, "{outcome:?}");
        }
        assert_eq!(Goodput::default().judge(&stream(), true), None);
    }

    #[test]
    fn a_whole_answer_has_its_first_token_at_its_end_and_no_time_between_tokens() {
        let whole = Sample {
            output_tokens: 50,
            ..Sample::ended(Outcome::Ok, 150 * MILLISECOND)
        };
        let judge = |limit| limits(&[limit]).judge(&whole, false);
        assert_eq!(judge((MetricId::Ttft, 150)), Some(true));
        assert_eq!(judge((MetricId::Ttft, 149)), Some(false));
        assert_eq!(judge((MetricId::Ttfa, 149)), Some(false));
        assert_eq!(judge((MetricId::Tpot, 1)), Some(true));
    }

    #[test]
    fn a_stream_without_the_text_that_a_limit_is_about_is_not_good() {
        let thoughts = Sample {
            first_answer: None,
            ..stream()
        };
        assert_eq!(
            limits(&[(MetricId::Ttfa, 1_000)]).judge(&thoughts, true),
            Some(false)
        );
        assert_eq!(
            limits(&[(MetricId::Ttft, 1_000)]).judge(&thoughts, true),
            Some(true)
        );
        let mut empty = Sample::ended(Outcome::Ok, MILLISECOND);
        empty.answer.without_text = true;
        for metric in [MetricId::Ttft, MetricId::Ttfa, MetricId::Tpot] {
            assert_eq!(
                limits(&[(metric, 1_000)]).judge(&empty, true),
                Some(false),
                "{metric:?}"
            );
            assert_eq!(
                limits(&[(metric, 1_000)]).judge(&empty, false),
                Some(false),
                "{metric:?}"
            );
        }
        assert_eq!(
            limits(&[(MetricId::Latency, 1_000)]).judge(&empty, true),
            Some(true)
        );
    }

    #[test]
    fn one_token_and_tokens_of_one_read_have_no_time_per_token_that_is_too_long() {
        let one = Sample {
            last_token: Some(100 * MILLISECOND),
            output_tokens: 1,
            first_answer: Some(100 * MILLISECOND),
            ..stream()
        };
        assert_eq!(limits(&[(MetricId::Tpot, 1)]).judge(&one, true), Some(true));
    }

    #[test]
    fn a_metric_has_one_limit_and_a_gap_none() {
        let mut goodput = limits(&[(MetricId::Latency, 9), (MetricId::Ttft, 5)]);
        assert!(!goodput.limit(MetricId::Ttft, 1));
        assert!(!goodput.limit(MetricId::Tbt, 1));
        let names: Vec<&str> = goodput.limits().iter().map(|(id, _)| id.key()).collect();
        assert_eq!(names, ["ttft", "latency"]);
        assert_eq!(
            goodput.without_text().limits(),
            [(MetricId::Latency, 9 * MILLISECOND)]
        );
    }
}
