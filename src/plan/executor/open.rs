//! What the executors of an open loop have in common: arrivals at a rate, and the users who take them.

use serde::Serialize;

use super::by_kind::RatesByKind;
use super::limits::length_mistakes;
use crate::error::Reason;
use crate::plan::arrivals::{Arrival, Arrivals, RateCurve, Sequence, Source};
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
    /// Makes `vus` the most users.
    pub fn limit_vus(&mut self, vus: u32) {
        self.max_vus = vus;
        self.pre_allocated_vus = self.pre_allocated_vus.min(vus);
    }

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
        wrong.extend(self.arrival.mistake());
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
            Executor::RatesByKind(rates) => Some(&rates.open),
            Executor::Trace(trace) => Some(&trace.open),
            _ => None,
        }
    }

    /// Returns the rates of an open loop in which each kind of request has its own.
    pub fn rates_by_kind(&self) -> Option<&RatesByKind> {
        match self {
            Executor::RatesByKind(rates) => Some(rates),
            _ => None,
        }
    }

    /// Returns the number of sequences of arrivals: one for each kind with a rate of its own, or one.
    pub fn sequences(&self) -> u16 {
        self.rates_by_kind().map_or(1, |rates| rates.kinds().len() as u16)
    }

    /// Returns the seed of the choices about a sequence as a whole, if the run has this one.
    pub fn sequence_seed(&self, sequence: u16, seed: u64) -> u64 {
        self.rates_by_kind()
            .map_or(seed, |rates| rates.seed(sequence, seed))
    }

    pub fn open_loop_mut(&mut self) -> Option<&mut OpenLoop> {
        match self {
            Executor::ConstantArrivalRate { open, .. } | Executor::RampingArrivalRate { open, .. } => {
                Some(open)
            }
            Executor::RatesByKind(rates) => Some(&mut rates.open),
            Executor::Trace(trace) => Some(&mut trace.open),
            _ => None,
        }
    }

    /// Makes this the pattern of all arrivals.
    pub fn set_arrival(&mut self, arrival: Arrival) {
        match self {
            Executor::ConstantArrivalRate { open, .. } | Executor::RampingArrivalRate { open, .. } => {
                open.arrival = arrival;
            }
            Executor::RatesByKind(rates) => rates.set_arrival(arrival),
            _ => {}
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
            } => highest(*start_rate, stages),
            Executor::ConstantArrivalRate { rate, .. } => *rate,
            Executor::RatesByKind(rates) => return Some(Executor::RatesByKind(rates.until(duration))),
            Executor::Trace(trace) => return Some(Executor::Trace(trace.until(duration))),
            _ => return None,
        };
        Some(Executor::ConstantArrivalRate { rate, duration, open })
    }

    /// Returns the load that warms a server up for this one: an open loop at its highest rate, with all kinds of
    /// request from the start, a trace as it begins, and otherwise all users at once. An open loop keeps its limit of
    /// requests in flight and does not start as many at once: they would be a load that the plan never has.
    pub fn warm_up(&self, duration: Nanos) -> Executor {
        let at_peak = match self {
            Executor::RatesByKind(rates) => Some(Executor::RatesByKind(rates.at_peak(duration))),
            Executor::Trace(trace) => Some(Executor::Trace(trace.repeated_until(duration))),
            _ => self.open_for(Some(duration)),
        };
        let vus = self.vus_of_all();
        at_peak.unwrap_or(Executor::ConstantVus { vus, duration })
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
            Executor::RatesByKind(rates) => Some(rates.curve()),
            Executor::Trace(trace) => Some(trace.curve()),
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
            Executor::RatesByKind(rates) => return part_at(&rates.curve(), vus, elapsed),
            Executor::Trace(trace) => return part_at(&trace.curve(), vus, elapsed),
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

    /// Returns the arrivals that `core` of `cores` of this shard sends, if the executor has any, without regard to
    /// limits that kinds of request have of their own.
    pub fn arrivals(&self, seed: u64, shard: Shard, (core, cores): (u32, u32)) -> Option<Arrivals> {
        Some(Arrivals::new(self.all_sequences(seed)?, shard, (core, cores)))
    }

    /// Returns all sequences of arrivals, if the executor has any.
    pub(super) fn all_sequences(&self, seed: u64) -> Option<Vec<Source>> {
        let arrival = self.open_loop()?.arrival;
        Some(match self {
            Executor::RatesByKind(rates) => {
                let sequences = rates.sequences(seed).into_iter();
                sequences.map(Source::Rate).collect()
            }
            Executor::Trace(trace) => vec![Source::Trace(trace.sequence())],
            _ => {
                let period = match self {
                    Executor::ConstantArrivalRate { rate, .. } if arrival == Arrival::Constant => {
                        rate.period()
                    }
                    _ => None,
                };
                let sequence = Sequence::new(self.rate_curve()?, period, (arrival, seed));
                vec![Source::Rate(sequence)]
            }
        })
    }
}

/// Returns the highest rate of a ramp.
pub(super) fn highest(start_rate: Rate, stages: &[RateStage]) -> Rate {
    let rates = stages.iter().map(|stage| stage.target);
    rates.fold(start_rate, |most, rate| {
        match rate.per_second() > most.per_second() {
            true => rate,
            false => most,
        }
    })
}

/// Returns the part of a curve that `elapsed` lies in, as a stage.
fn part_at(curve: &RateCurve, vus: u32, elapsed: Nanos) -> Option<StageAt> {
    let parts = curve.parts();
    let count = parts.len();
    let stages = parts.enumerate().map(|(index, (ends_at, rates))| StageAt {
        index,
        count,
        from: vus,
        target: vus,
        ends_at,
        rates: Some(rates),
    });
    let mut last = None;
    for stage in stages {
        last = Some(stage);
        if elapsed < stage.ends_at {
            break;
        }
    }
    last
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
