//! Judges thresholds step by step, if a plan asks for it, to find the peak that still passes.

use crate::judge::ThresholdResult;
use crate::plan::Plateau;
use crate::units::{Nanos, SECOND, seconds};
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
    /// True if all thresholds hold.
    pub ok: bool,
    pub thresholds: Vec<ThresholdResult>,
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
    current: Option<Current>,
    judged: Vec<StepResult>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    index: usize,
    from: Nanos,
    to: Nanos,
    requests: u64,
}

impl Steps {
    pub fn new(plateaus: Vec<Plateau>) -> Steps {
        Steps {
            plateaus,
            current: None,
            judged: Vec::new(),
        }
    }

    /// Returns the step that contains the whole period from `start` to `end`.
    fn at(&self, start: Nanos, end: Nanos) -> Option<usize> {
        let settled = |p: &Plateau| start >= p.start + SETTLE && end <= p.end;
        self.plateaus.iter().position(settled)
    }

    /// Returns true if a step has ended before this period and has to be closed.
    pub fn must_close(&self, start: Nanos, end: Nanos) -> bool {
        let now = self.at(start, end);
        self.current.is_some_and(|current| Some(current.index) != now)
    }

    /// Returns true if requests that ended in this period belong to a step.
    pub fn record(&mut self, start: Nanos, end: Nanos, requests: u64) -> bool {
        let Some(index) = self.at(start, end) else {
            return false;
        };
        let current = self.current.get_or_insert(Current {
            index,
            from: start,
            to: end,
            requests: 0,
        });
        current.to = end;
        current.requests += requests;
        true
    }

    /// Returns true if the plan asks for steps.
    pub fn are_judged(&self) -> bool {
        !self.plateaus.is_empty()
    }

    /// Returns how long the current step has been judged; 0 without one.
    pub fn span(&self) -> Nanos {
        self.current.map_or(0, |current| current.to - current.from)
    }

    pub fn close(&mut self, thresholds: Vec<ThresholdResult>) {
        let Some(Current {
            index,
            from,
            to,
            requests,
        }) = self.current.take()
        else {
            return;
        };
        self.judged.push(StepResult {
            vus: self.plateaus[index].vus,
            from_seconds: seconds(from),
            to_seconds: seconds(to),
            requests,
            requests_per_second: requests as f64 / seconds(to - from),
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
    pub(super) fn decisive(&self) -> Option<&StepResult> {
        let peak = |step: &&StepResult| step.ok && Some(step.vus) == self.peak_vus;
        self.judged.iter().find(peak).or_else(|| self.judged.first())
    }
}
