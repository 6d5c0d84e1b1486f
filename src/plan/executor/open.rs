//! What the executors of an open loop have in common: arrivals at a rate, and the users who take them.

use serde::Serialize;

use super::limits::length_mistakes;
use crate::error::Reason;
use crate::plan::arrivals::{Arrival, Arrivals, GAMMA_SHAPE, RateCurve};
use crate::plan::{Executor, ITERATIONS_MAX, Shard, StageAt, VUS_MAX};
use crate::units::{Nanos, Rate, duration_text};

/// A stage of an open loop: the rate moves linearly within `duration` to `target`. A duration of 0 is a jump.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateStage {
    #[serde(serialize_with = "duration_text")]
    pub duration: Nanos,
    pub target: Rate,
}

/// What happens to an arrival when all users are busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// It is dropped and counted, as k6 does it.
    #[default]
    Drop,
    /// It waits for the next free user. Its latency counts from when it was due.
    Queue,
}

/// The pattern of the arrivals, and the users who take them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OpenLoop {
    pub arrival: Arrival,
    /// VUs that are there from the start.
    pub pre_allocated_vus: u32,
    /// The most VUs, and so the most requests in flight. More than the first are started as they are needed.
    pub max_vus: u32,
    pub when_full: WhenFull,
}

impl Default for OpenLoop {
    fn default() -> OpenLoop {
        OpenLoop {
            arrival: Arrival::Constant,
            pre_allocated_vus: 0,
            max_vus: 1,
            when_full: WhenFull::Drop,
        }
    }
}

impl OpenLoop {
    pub(super) fn mistakes(&self) -> Vec<Reason> {
        let mut wrong = Vec::new();
        if self.max_vus > VUS_MAX {
            wrong.push(Reason::new(format!(
                "{} VUs are above the limit of {VUS_MAX}",
                self.max_vus
            )));
        }
        if self.pre_allocated_vus > self.max_vus {
            let (first, max) = (self.pre_allocated_vus, self.max_vus);
            let what = format!("{first} VUs from the start are more than the most, {max}");
            wrong.push(Reason::new(what).hint("raise `max_vus`, or lower `pre_allocated_vus`"));
        }
        if let Arrival::Gamma(shape) = self.arrival
            && !(GAMMA_SHAPE[0]..=GAMMA_SHAPE[1]).contains(&shape)
        {
            let [min, max] = GAMMA_SHAPE;
            wrong.push(Reason::new(format!(
                "the gamma shape {shape} is outside the limits, {min} to {max}"
            )));
        }
        wrong
    }
}

impl Executor {
    /// Returns the open loop of an executor whose requests arrive at a rate.
    pub fn open_loop(&self) -> Option<&OpenLoop> {
        match self {
            Executor::ConstantArrivalRate { open, .. } | Executor::RampingArrivalRate { open, .. } => {
                Some(open)
            }
            _ => None,
        }
    }

    pub fn open_loop_mut(&mut self) -> Option<&mut OpenLoop> {
        match self {
            Executor::ConstantArrivalRate { open, .. } | Executor::RampingArrivalRate { open, .. } => {
                Some(open)
            }
            _ => None,
        }
    }

    /// Returns this executor for `duration`, if it is an open loop: a ramp becomes its highest rate, as the users of a
    /// closed loop do.
    pub fn open_for(&self, duration: Option<Nanos>) -> Option<Executor> {
        let open = *self.open_loop()?;
        let Some(duration) = duration else {
            return Some(self.clone());
        };
        let rate = match self {
            Executor::RampingArrivalRate {
                start_rate, stages, ..
            } => {
                let rates = stages.iter().map(|stage| stage.target);
                rates.fold(*start_rate, |most, rate| {
                    match rate.per_second() > most.per_second() {
                        true => rate,
                        false => most,
                    }
                })
            }
            Executor::ConstantArrivalRate { rate, .. } => *rate,
            _ => return None,
        };
        Some(Executor::ConstantArrivalRate { rate, duration, open })
    }

    /// Returns the planned rate over time, if there is one.
    pub fn rate_curve(&self) -> Option<RateCurve> {
        match self {
            Executor::ConstantArrivalRate { rate, duration, .. } => {
                let rate = rate.per_second();
                Some(RateCurve::new(rate, [(*duration, rate)]))
            }
            Executor::RampingArrivalRate {
                start_rate, stages, ..
            } => {
                let stages = stages
                    .iter()
                    .map(|stage| (stage.duration, stage.target.per_second()));
                Some(RateCurve::new(start_rate.per_second(), stages))
            }
            _ => None,
        }
    }

    /// Returns the stage of an open loop that `elapsed` lies in; from the end on, the last one.
    pub(super) fn rate_stage_at(&self, elapsed: Nanos) -> Option<StageAt> {
        let vus = self.open_loop()?.max_vus;
        let flat;
        let (mut from, stages): (Rate, &[RateStage]) = match self {
            Executor::ConstantArrivalRate { rate, duration, .. } => {
                flat = [RateStage {
                    duration: *duration,
                    target: *rate,
                }];
                (*rate, &flat)
            }
            Executor::RampingArrivalRate {
                start_rate, stages, ..
            } => (*start_rate, stages),
            _ => return None,
        };
        let (mut found, mut ends_at) = (None, 0);
        for (index, stage) in stages.iter().enumerate() {
            ends_at += stage.duration;
            let begins = std::mem::replace(&mut from, stage.target);
            found = Some(StageAt {
                index,
                count: stages.len(),
                from: vus,
                target: vus,
                ends_at,
                rates: Some([begins.per_second(), stage.target.per_second()]),
            });
            if elapsed < ends_at {
                break;
            }
        }
        found
    }

    /// Returns the arrivals that `core` of `cores` of this shard sends, if the executor has any.
    pub fn arrivals(&self, seed: u64, shard: Shard, (core, cores): (u32, u32)) -> Option<Arrivals> {
        let curve = self.rate_curve()?;
        let arrival = self.open_loop()?.arrival;
        let period = match self {
            Executor::ConstantArrivalRate { rate, .. } if arrival == Arrival::Constant => rate.period(),
            _ => None,
        };
        Some(Arrivals::new(
            curve,
            period,
            (arrival, seed),
            shard,
            (core, cores),
        ))
    }
}

/// Returns what is wrong with the rates of a ramp.
pub(super) fn rate_stage_mistakes(start_rate: Rate, stages: &[RateStage]) -> Vec<Reason> {
    let mut wrong = length_mistakes(stages.iter().map(|stage| stage.duration));
    if start_rate.is_zero() && stages.iter().all(|stage| stage.target.is_zero()) {
        wrong.push(Reason::new("no request ever arrives").hint("set a stage's target above 0"));
    }
    wrong
}

/// Returns what is wrong with the number of arrivals; only for curves whose stages are right.
pub(super) fn arrivals_mistake(curve: &RateCurve) -> Option<Reason> {
    let arrivals = curve.area();
    (arrivals > ITERATIONS_MAX as f64).then(|| {
        Reason::new(format!(
            "{arrivals:.0} arrivals are above the limit of {ITERATIONS_MAX}"
        ))
        .hint("use a lower rate, or a shorter run")
    })
}
