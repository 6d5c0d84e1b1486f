//! k6's executors, which say how VUs start and stop, or when requests arrive. An executor answers questions about
//! itself, here and in the files next to this one, so that no other room matches on its kinds.

mod by_kind;
mod holds;
mod lanes;
mod limits;
mod open;
mod reshape;
mod sessions;
mod trace;
mod trace_text;
mod words;

pub use by_kind::{KindArrivals, KindShape, RatesByKind};
pub use lanes::Lane;
pub use open::{OpenLoop, RateStage, WhenFull};
pub use trace::{Rounds, Tail, Trace, TraceSettings};
pub use trace_text::{parse_rounds, parse_window, read_rounds, read_window};

use crate::metrics::NumberedBy;
use crate::plan::VuSchedule;
use crate::units::{Nanos, Rate, duration_text};
use serde::Serialize;

/// A stage: the VU count moves linearly within `duration` until `target` VUs run. A duration of 0 is a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    #[serde(serialize_with = "duration_text")]
    pub duration: Nanos,
    pub target: u32,
}

/// An executor, serialised as a document writes it: `executor` is its name, next to its fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "executor", rename_all = "kebab-case")]
pub enum Executor {
    ConstantVus {
        vus: u32,
        #[serde(serialize_with = "duration_text")]
        duration: Nanos,
    },
    RampingVus {
        start_vus: u32,
        stages: Vec<Stage>,
        #[serde(serialize_with = "duration_text")]
        graceful_ramp_down: Nanos,
    },
    /// Each VU makes `iterations` requests of its own.
    PerVuIterations {
        vus: u32,
        iterations: u64,
        #[serde(serialize_with = "duration_text")]
        max_duration: Nanos,
    },
    /// The VUs take `iterations` requests from one shared count, as fast as each can.
    SharedIterations {
        vus: u32,
        iterations: u64,
        #[serde(serialize_with = "duration_text")]
        max_duration: Nanos,
    },
    /// Requests arrive at this rate, whether or not earlier ones have been answered.
    ConstantArrivalRate {
        rate: Rate,
        #[serde(serialize_with = "duration_text")]
        duration: Nanos,
        #[serde(flatten)]
        open: OpenLoop,
    },
    /// Requests arrive at a rate that moves from stage to stage.
    RampingArrivalRate {
        start_rate: Rate,
        stages: Vec<RateStage>,
        #[serde(flatten)]
        open: OpenLoop,
    },
    /// Requests arrive at the instants of a dataset's rows.
    Trace(Trace),
    /// Each kind of request arrives at a rate of its own. A document writes one of the two names above, and the rates
    /// next to the kinds.
    #[serde(untagged)]
    RatesByKind(RatesByKind),
}

/// How the requests of a run are numbered, which their ids show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Each VU numbers its own.
    ByVu,
    /// All VUs together. Chance decides which VU makes a request, but not what it asks for.
    Together,
    /// Each kind of request by itself.
    ByKind,
}

impl Numbering {
    /// Returns what numbers a request of this VU and this kind of the mix.
    pub fn of(self, vu: u32, kind: u16) -> NumberedBy {
        match self {
            Numbering::ByVu => NumberedBy::Vu(vu),
            Numbering::Together => NumberedBy::All,
            Numbering::ByKind => NumberedBy::Kind(kind),
        }
    }
}

/// A period in which the planned number of VUs stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plateau {
    pub vus: u32,
    /// Elapsed time at which it begins.
    pub start: Nanos,
    pub end: Nanos,
}

/// The stage that an instant lies in, for the progress display.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageAt {
    /// Index of the stage, from 0.
    pub index: usize,
    pub count: usize,
    /// Number of VUs at the beginning of this stage.
    pub from: u32,
    /// Number of VUs at its end.
    pub target: u32,
    /// Elapsed time at which it ends.
    pub ends_at: Nanos,
    /// Planned arrivals per second at its beginning and at its end, of all shards, if requests arrive at a rate.
    pub rates: Option<[f64; 2]>,
}

impl Executor {
    /// Returns k6's name for it.
    pub fn name(&self) -> &'static str {
        match self {
            Executor::ConstantVus { .. } => "constant-vus",
            Executor::RampingVus { .. } => "ramping-vus",
            Executor::PerVuIterations { .. } => "per-vu-iterations",
            Executor::SharedIterations { .. } => "shared-iterations",
            Executor::ConstantArrivalRate { .. } => "constant-arrival-rate",
            Executor::RampingArrivalRate { .. } => "ramping-arrival-rate",
            Executor::Trace(_) => "trace",
            Executor::RatesByKind(rates) => rates.name(),
        }
    }

    /// Returns the most VUs at once, of all shards together.
    pub fn vus_of_all(&self) -> u32 {
        match self {
            Executor::ConstantVus { vus, .. }
            | Executor::PerVuIterations { vus, .. }
            | Executor::SharedIterations { vus, .. } => *vus,
            Executor::RampingVus {
                start_vus, stages, ..
            } => {
                let highest = stages.iter().map(|stage| stage.target).max();
                highest.unwrap_or(0).max(*start_vus)
            }
            Executor::ConstantArrivalRate { open, .. } | Executor::RampingArrivalRate { open, .. } => {
                open.max_vus
            }
            Executor::Trace(trace) => trace.open.max_vus,
            Executor::RatesByKind(rates) => rates.open.max_vus,
        }
    }

    /// Returns the duration without graceful stop. If the executor counts iterations this is its limit, not an
    /// expectation.
    pub fn duration(&self) -> Nanos {
        match self {
            Executor::ConstantVus { duration, .. } | Executor::ConstantArrivalRate { duration, .. } => {
                *duration
            }
            Executor::PerVuIterations { max_duration, .. }
            | Executor::SharedIterations { max_duration, .. } => *max_duration,
            Executor::RampingVus { stages, .. } => stages.iter().map(|stage| stage.duration).sum(),
            Executor::RampingArrivalRate { stages, .. } => stages.iter().map(|stage| stage.duration).sum(),
            Executor::Trace(trace) => trace.duration(),
            Executor::RatesByKind(rates) => rates.end(),
        }
    }

    /// Returns how many requests all VUs make together, if they take them from one shared count. Which VU takes which
    /// is a matter of chance.
    #[inline]
    pub fn shared_iterations(&self) -> Option<u64> {
        match self {
            Executor::SharedIterations { iterations, .. } => Some(*iterations),
            _ => None,
        }
    }

    /// Returns how many requests each VU makes, if it counts its own.
    #[inline]
    pub fn iterations_per_vu(&self) -> Option<u64> {
        match self {
            Executor::PerVuIterations { iterations, .. } => Some(*iterations),
            _ => None,
        }
    }

    /// Returns the number of requests, over all shards, that ends the run before its duration does, if the executor
    /// counts them.
    pub fn iterations_of_all(&self) -> Option<u64> {
        let by_vu = |each: u64| each.saturating_mul(u64::from(self.vus_of_all()));
        self.shared_iterations().or(self.iterations_per_vu().map(by_vu))
    }

    /// Returns the time that a VU has to finish its request when the schedule stops it before the end; 0 if the
    /// schedule stops none.
    pub fn graceful_ramp_down(&self) -> Nanos {
        match self {
            Executor::RampingVus {
                graceful_ramp_down, ..
            } => *graceful_ramp_down,
            _ => 0,
        }
    }

    /// Returns whether requests are numbered over all VUs together: then neither their content nor their target
    /// depends on which VU makes them.
    pub fn numbers_together(&self) -> bool {
        self.shared_iterations().is_some() || self.open_loop().is_some()
    }

    /// Returns how the requests of a run are numbered.
    pub fn numbering(&self) -> Numbering {
        match self {
            Executor::RatesByKind(_) => Numbering::ByKind,
            _ if self.numbers_together() => Numbering::Together,
            _ => Numbering::ByVu,
        }
    }

    /// Returns the planned VU counts of all shards. The engine counts iterations, so in this schedule the VUs of
    /// executors with iterations run until the time limit; it starts further VUs of an open loop as they are needed.
    pub fn schedule_of_all(&self) -> VuSchedule {
        match self {
            Executor::RampingVus {
                start_vus, stages, ..
            } => VuSchedule::ramp(*start_vus, stages),
            Executor::ConstantArrivalRate { open, .. }
            | Executor::RampingArrivalRate { open, .. }
            | Executor::Trace(Trace { open, .. })
            | Executor::RatesByKind(RatesByKind { open, .. }) => {
                VuSchedule::constant(open.pre_allocated_vus, self.duration())
            }
            _ => VuSchedule::constant(self.vus_of_all(), self.duration()),
        }
    }

    /// Returns the elapsed time at which the final ramp-down begins, that is, the last stages that only lower the
    /// count, down to 0. A server cannot break for good under that load, so it is not judged. For executors whose VUs
    /// stop together it is the end.
    pub fn load_end(&self) -> Nanos {
        let Executor::RampingVus {
            start_vus, stages, ..
        } = self
        else {
            return self.duration();
        };
        let mut begins = self.duration();
        for (index, stage) in stages.iter().enumerate().rev() {
            let from = index
                .checked_sub(1)
                .map_or(*start_vus, |before| stages[before].target);
            let goes_down = stage.target < from || (stage.target, from) == (0, 0);
            if !goes_down {
                break;
            }
            begins -= stage.duration;
        }
        begins
    }

    /// Returns the stages that hold their number of VUs, in order; consecutive stages at the same level are one
    /// plateau. Executors without stages have none.
    pub fn plateaus(&self) -> Vec<Plateau> {
        let Executor::RampingVus {
            start_vus, stages, ..
        } = self
        else {
            return Vec::new();
        };
        let mut out: Vec<Plateau> = Vec::new();
        let (mut vus, mut start) = (*start_vus, 0);
        for stage in stages {
            let end = start + stage.duration;
            if stage.target == vus && vus > 0 && end > start {
                match out.last_mut() {
                    Some(last) if last.vus == vus && last.end == start => last.end = end,
                    _ => out.push(Plateau { vus, start, end }),
                }
            }
            (vus, start) = (stage.target, end);
        }
        out
    }

    /// Returns the stage that `elapsed` lies in; from the end on, the last one.
    pub fn stage_at(&self, elapsed: Nanos) -> StageAt {
        let whole = StageAt {
            index: 0,
            count: 1,
            from: self.vus_of_all(),
            target: self.vus_of_all(),
            ends_at: self.duration(),
            rates: None,
        };
        let (start_vus, stages) = match self {
            Executor::RampingVus {
                start_vus, stages, ..
            } => (start_vus, stages),
            _ => return self.rate_stage_at(elapsed).unwrap_or(whole),
        };
        let mut found = whole;
        let (mut from, mut ends_at) = (*start_vus, 0);
        for (index, stage) in stages.iter().enumerate() {
            ends_at += stage.duration;
            found = StageAt {
                index,
                count: stages.len(),
                from: std::mem::replace(&mut from, stage.target),
                target: stage.target,
                ends_at,
                rates: None,
            };
            if elapsed < ends_at {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
pub(super) mod tests;
