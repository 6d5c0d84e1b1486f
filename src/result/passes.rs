//! Sections of the document on a run of several passes: the warm-up, each repetition and their spread, contention.

use crate::judge::{Judged, ThresholdResult};
use crate::metrics::MetricId;
use crate::report::Aggregator;
use crate::result::contention::Contention;
use crate::result::groups::{metrics, rates};
use crate::result::paired::Paired;
use crate::result::{
    MetricFigures, Ordered, Rates, RowFigures, SessionFigures, StoppedBy, Totals, rfc3339, rows_of_document,
};
use crate::units::{Nanos, is_zero, seconds};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The sections of a run of several passes; empty if a run has only one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PassFigures {
    pub warmup: Option<WarmUp>,
    pub repeats: Vec<Repeat>,
    /// Spread across the repetitions.
    pub spread: Vec<Spread>,
    pub contention: Option<Contention>,
    /// The servers compared request by request.
    pub paired: Option<Paired>,
    /// Turns and sessions of conversations.
    pub sessions: Option<SessionFigures>,
}

/// The warm-up, which is excluded from all other figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WarmUp {
    pub duration_seconds: f64,
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
}

impl WarmUp {
    /// Adds another warm-up of this process.
    pub fn append(&mut self, load: &Aggregator, duration: Nanos) {
        let total = &load.merged().total;
        self.duration_seconds += seconds(duration);
        self.requests += total.started;
        self.ok += total.ok();
        self.failed += total.failed();
        self.interrupted += total.interrupted();
        self.cancelled += total.cancelled();
    }

    /// Merges the warm-up of another process, which ran at the same time.
    pub fn merge(self, other: WarmUp) -> WarmUp {
        let WarmUp {
            duration_seconds,
            requests,
            ok,
            failed,
            interrupted,
            cancelled,
        } = other;
        WarmUp {
            duration_seconds: self.duration_seconds.max(duration_seconds),
            requests: self.requests + requests,
            ok: self.ok + ok,
            failed: self.failed + failed,
            interrupted: self.interrupted + interrupted,
            cancelled: self.cancelled + cancelled,
        }
    }
}

/// One repetition of a plan, in the shape of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    pub run: RepeatRun,
    pub totals: Totals,
    pub rates: Rates,
    pub metrics: Ordered<MetricFigures>,
    pub thresholds: Vec<ThresholdResult>,
    pub timeline: Vec<RowFigures>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatRun {
    pub number: u32,
    pub started_at: String,
    pub duration_seconds: f64,
    pub stopped_by: StoppedBy,
}

/// The time of a repetition and how it ended.
#[derive(Clone, Copy, Debug)]
pub struct RepeatFacts {
    pub started_at_unix_ns: i128,
    pub duration: Nanos,
    /// Time from the start of the load to its end, which rates divide by.
    pub loaded: Nanos,
    pub stopped_by: StoppedBy,
}

impl Repeat {
    pub fn new(number: u32, facts: RepeatFacts, load: &Aggregator, judged: &Judged) -> Repeat {
        let total = &load.merged().total;
        Repeat {
            run: RepeatRun {
                number,
                started_at: rfc3339(facts.started_at_unix_ns),
                duration_seconds: seconds(facts.duration),
                stopped_by: facts.stopped_by,
            },
            totals: Totals::from_load(load),
            rates: rates(total, facts.loaded),
            metrics: metrics(total),
            thresholds: judged.thresholds.clone(),
            timeline: rows_of_document(load.timeline()),
        }
    }

    fn quantile(&self, id: MetricId, pick: fn(&MetricFigures) -> Option<f64>) -> Option<f64> {
        self.metrics.get(id.key()).and_then(pick)
    }
}

/// A figure across the repetitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub figure: String,
    /// Unit: `ms` or `/s`; empty for a share.
    pub unit: String,
    /// Number of repetitions that have the figure.
    pub runs: usize,
    pub mean: f64,
    /// Standard deviation of the sample; `None` with one run.
    pub standard_deviation: Option<f64>,
    pub min: f64,
    pub max: f64,
    /// Half the width of the 95 % interval of the mean by Student's t; `None` with one run.
    pub half_width: Option<f64>,
}

type Figure = (&'static str, &'static str, fn(&Repeat) -> Option<f64>);

/// The figures that are compared across repetitions.
const FIGURES: [Figure; 17] = [
    ("requests_per_second", "/s", |r| Some(r.rates.requests_per_second)),
    ("output_tokens_per_second", "/s", |r| {
        Some(r.rates.output_tokens_per_second)
    }),
    ("input_tokens_per_second", "/s", |r| {
        r.rates.input_tokens_per_second
    }),
    ("total_tokens_per_second", "/s", |r| {
        r.rates.total_tokens_per_second
    }),
    ("texts_per_second", "/s", |r| r.rates.texts_per_second),
    ("error_rate", "", |r| Some(r.rates.error_rate)),
    ("cached_share", "", |r| r.rates.cached_share),
    ("reasoning_share", "", |r| r.rates.reasoning_share),
    ("goodput", "", |r| r.rates.goodput),
    ("good_requests_per_second", "/s", |r| {
        r.rates.good_requests_per_second
    }),
    ("latency_p50", "ms", |r| r.quantile(MetricId::Latency, |m| m.p50)),
    ("latency_p90", "ms", |r| r.quantile(MetricId::Latency, |m| m.p90)),
    ("latency_p99", "ms", |r| r.quantile(MetricId::Latency, |m| m.p99)),
    ("ttft_p50", "ms", |r| r.quantile(MetricId::Ttft, |m| m.p50)),
    ("ttft_p99", "ms", |r| r.quantile(MetricId::Ttft, |m| m.p99)),
    ("tbt_p50", "ms", |r| r.quantile(MetricId::Tbt, |m| m.p50)),
    ("tbt_p99", "ms", |r| r.quantile(MetricId::Tbt, |m| m.p99)),
];

/// Computes the spread of each figure; figures that no repetition has are left out.
pub fn spread(repeats: &[Repeat]) -> Vec<Spread> {
    FIGURES
        .iter()
        .filter_map(|(figure, unit, pick)| {
            let values: Vec<f64> = repeats.iter().filter_map(pick).collect();
            spread_of(figure, unit, &values)
        })
        .collect()
}

fn spread_of(figure: &str, unit: &str, values: &[f64]) -> Option<Spread> {
    let n = values.len();
    let min = values.iter().copied().reduce(f64::min)?;
    let max = values.iter().copied().reduce(f64::max)?;
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let standard_deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    let half_width = standard_deviation.and_then(|deviation| {
        let t = StudentsT::new(0.0, 1.0, (n - 1) as f64).ok()?.inverse_cdf(0.975);
        Some(t * deviation / (n as f64).sqrt())
    });
    Some(Spread {
        figure: figure.to_owned(),
        unit: unit.to_owned(),
        runs: n,
        mean,
        standard_deviation,
        min,
        max,
        half_width,
    })
}

/// Joins the verdicts on all repetitions. A threshold holds if it held in each; its figure and breaking point are those
/// of the first repetition that failed, otherwise of the last. Steps are those of the last.
pub fn judged_together(mut each: Vec<Judged>) -> Option<Judged> {
    let mut together = each.pop()?;
    for earlier in each.iter().rev() {
        for (result, before) in together.thresholds.iter_mut().zip(&earlier.thresholds) {
            let is_graver = result.ok && !result.is_undecided() && before.is_undecided();
            if !before.ok || is_graver {
                result.clone_from(before);
            }
        }
        together.steps = together.steps.or_else(|| earlier.steps.clone());
    }
    Some(together)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_textbook_one() {
        // t(0.975, 2) = 4.302653; deviation 1, root of 3.
        let spread = spread_of("x", "ms", &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.min, spread.max), (2.0, 1.0, 3.0));
        assert_eq!(spread.standard_deviation, Some(1.0));
        assert!((spread.half_width.unwrap() - 4.302_652_7 / 3f64.sqrt()).abs() < 1e-6);
        let one = spread_of("x", "ms", &[5.0]).unwrap();
        assert_eq!((one.standard_deviation, one.half_width), (None, None));
        assert_eq!(spread_of("x", "ms", &[]), None);
    }

    #[test]
    fn a_threshold_that_failed_once_has_failed() {
        let judged = |observed: f64| Judged {
            thresholds: vec![ThresholdResult {
                metric: "latency".into(),
                expression: "p(95)<10".into(),
                observed: Some(observed),
                ok: observed < 10.0,
                ..ThresholdResult::default()
            }],
            steps: None,
        };
        let together = |list: &[f64]| {
            let judged = judged_together(list.iter().map(|x| judged(*x)).collect()).unwrap();
            (judged.thresholds[0].ok, judged.thresholds[0].observed)
        };
        assert_eq!(together(&[1.0, 2.0, 3.0]), (true, Some(3.0)));
        assert_eq!(together(&[1.0, 20.0, 30.0]), (false, Some(20.0)));
        assert!(judged_together(Vec::new()).is_none());
    }
}
