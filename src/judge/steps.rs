//! Judges thresholds step by step, if a plan asks for it, to find the peak that still passes.

use crate::judge::ThresholdResult;
use crate::metrics::{Distribution, MetricId, SeriesTotals};
use crate::plan::Plateau;
use crate::units::{Nanos, SECOND, millis, seconds};
use serde::{Deserialize, Serialize};

/// The time at the beginning of a step that is not judged: the new users connect in it, and requests of the previous
/// step end in it.
pub const SETTLE: Nanos = SECOND;

/// One step and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    pub vus: u32,
    /// Beginning of the judged period, since the start of the load.
    pub from_seconds: f64,
    pub to_seconds: f64,
    /// Requests that ended in the step, ok and failed.
    pub requests: u64,
    pub requests_per_second: f64,
    /// Tokens of these requests, all in the step in which their request ended.
    #[serde(default)]
    pub output_tokens: u64,
    #[serde(default)]
    pub output_tokens_per_second: f64,
    /// Times of these requests; `None` in documents of older versions.
    #[serde(default)]
    pub ttft: Option<StepTimes>,
    #[serde(default)]
    pub latency: Option<StepTimes>,
    /// True if all thresholds hold.
    pub ok: bool,
    pub thresholds: Vec<ThresholdResult>,
}

/// A time in one step: milliseconds, null if there are no values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTimes {
    pub count: u64,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
}

impl StepTimes {
    fn from_distribution(d: &Distribution) -> StepTimes {
        let at = |q: f64| d.quantile(q).map(millis);
        StepTimes {
            count: d.offered(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
        }
    }
}

/// All steps that lasted long enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepsResult {
    /// The most users at which all thresholds hold.
    pub peak_vus: Option<u32>,
    pub judged: Vec<StepResult>,
}

/// The progress of a run through its steps.
#[derive(Debug)]
pub(super) struct Steps {
    plateaus: Vec<Plateau>,
    /// What ended since the last tick.
    open: Figures,
    current: Option<Current>,
    judged: Vec<StepResult>,
}

#[derive(Clone, Debug)]
struct Current {
    index: usize,
    from: Nanos,
    to: Nanos,
    figures: Figures,
}

/// The figures of requests that ended, ok and failed.
#[derive(Clone, Debug, Default)]
struct Figures {
    requests: u64,
    output_tokens: u64,
    ttft: Distribution,
    latency: Distribution,
}

impl Figures {
    fn merge(&mut self, other: &Figures) {
        let Figures {
            requests,
            output_tokens,
            ttft,
            latency,
        } = other;
        self.requests += requests;
        self.output_tokens += output_tokens;
        self.ttft.merge(ttft);
        self.latency.merge(latency);
    }

    fn reset(&mut self) {
        let Figures {
            requests,
            output_tokens,
            ttft,
            latency,
        } = self;
        (*requests, *output_tokens) = (0, 0);
        ttft.reset();
        latency.reset();
    }
}

impl Steps {
    pub fn new(plateaus: Vec<Plateau>) -> Steps {
        Steps {
            plateaus,
            open: Figures::default(),
            current: None,
            judged: Vec::new(),
        }
    }

    /// Adds what ended since the last snapshot of a series.
    pub fn append_series(&mut self, series: &SeriesTotals) {
        if !self.are_judged() {
            return;
        }
        self.open.requests += series.completed();
        self.open.output_tokens += series.output_tokens;
        self.open.ttft.merge(series.metric(MetricId::Ttft));
        self.open.latency.merge(series.metric(MetricId::Latency));
    }

    /// Returns the step that contains the whole period from `start` to `end`.
    fn at(&self, start: Nanos, end: Nanos) -> Option<usize> {
        let settled = |p: &Plateau| start >= p.start + SETTLE && end <= p.end;
        self.plateaus.iter().position(settled)
    }

    /// Returns true if a step has ended before this period and has to be closed.
    pub fn must_close(&self, start: Nanos, end: Nanos) -> bool {
        let now = self.at(start, end);
        self.current
            .as_ref()
            .is_some_and(|current| Some(current.index) != now)
    }

    /// Closes a period. Returns true if requests that ended in it belong to a step.
    pub fn record(&mut self, start: Nanos, end: Nanos) -> bool {
        let index = self.at(start, end);
        if let Some(index) = index {
            let current = self.current.get_or_insert_with(|| Current {
                index,
                from: start,
                to: end,
                figures: Figures::default(),
            });
            current.to = end;
            current.figures.merge(&self.open);
        }
        self.open.reset();
        index.is_some()
    }

    /// Returns true if the plan asks for steps.
    pub fn are_judged(&self) -> bool {
        !self.plateaus.is_empty()
    }

    /// Returns how long the current step has been judged; 0 without one.
    pub fn span(&self) -> Nanos {
        self.current
            .as_ref()
            .map_or(0, |current| current.to - current.from)
    }

    pub fn close(&mut self, thresholds: Vec<ThresholdResult>) {
        let Some(Current {
            index,
            from,
            to,
            figures,
        }) = self.current.take()
        else {
            return;
        };
        self.judged.push(StepResult {
            vus: self.plateaus[index].vus,
            from_seconds: seconds(from),
            to_seconds: seconds(to),
            requests: figures.requests,
            requests_per_second: figures.requests as f64 / seconds(to - from),
            output_tokens: figures.output_tokens,
            output_tokens_per_second: figures.output_tokens as f64 / seconds(to - from),
            ttft: Some(StepTimes::from_distribution(&figures.ttft)),
            latency: Some(StepTimes::from_distribution(&figures.latency)),
            ok: thresholds.iter().all(|threshold| threshold.ok),
            thresholds,
        });
    }

    /// Returns the steps; `None` if the plan asked for none.
    pub fn finish(self) -> Option<StepsResult> {
        let passed = self.judged.iter().filter(|step| step.ok);
        (!self.plateaus.is_empty()).then_some(StepsResult {
            peak_vus: passed.map(|step| step.vus).max(),
            judged: self.judged,
        })
    }
}

impl StepsResult {
    /// Returns the step that the run is judged by: the highest that passes, otherwise the first.
    pub fn decisive(&self) -> Option<&StepResult> {
        let peak = |step: &&StepResult| step.ok && Some(step.vus) == self.peak_vus;
        self.judged.iter().find(peak).or_else(|| self.judged.first())
    }
}
