//! Writes an executor as text: for people, and as in a document.

use std::fmt::{Display, Write as _};

use crate::plan::{Executor, OpenLoop, WhenFull};
use crate::units::{Nanos, format_duration};

impl Executor {
    /// Describes the load to people: `20 users from the start, for 10m`.
    pub fn in_words(&self) -> String {
        match self {
            Executor::ConstantVus { vus, duration } => {
                format!("{vus} users from the start, for {}", format_duration(*duration))
            }
            Executor::RampingVus {
                start_vus, stages, ..
            } => {
                let stages = stages.iter().map(|stage| (stage.duration, stage.target));
                format!("{start_vus} users, {}", stages_in_words(*start_vus, stages))
            }
            Executor::PerVuIterations { vus, iterations, .. } => {
                format!("{vus} users, {iterations} requests each")
            }
            Executor::SharedIterations { vus, iterations, .. } => {
                format!("{vus} users, {iterations} requests shared among them")
            }
            Executor::ConstantArrivalRate { rate, duration, open } => {
                format!("{rate} for {}, {}", format_duration(*duration), open.in_words())
            }
            Executor::RampingArrivalRate {
                start_rate,
                stages,
                open,
            } => {
                let stages = stages.iter().map(|stage| (stage.duration, stage.target));
                let stages = stages_in_words(*start_rate, stages);
                format!("{start_rate}, {stages}, {}", open.in_words())
            }
        }
    }

    /// Writes the lines of a profile that make this shape.
    pub fn as_profile(&self) -> String {
        let mut out = format!("executor: {}\n", self.name());
        let text = format_duration;
        // Writing to a string does not fail.
        let _ = match self {
            Executor::ConstantVus { vus, duration } => {
                writeln!(out, "vus: {vus}\nduration: {}", text(*duration))
            }
            Executor::RampingVus {
                start_vus,
                stages,
                graceful_ramp_down,
            } => {
                let _ = writeln!(out, "start_vus: {start_vus}\nstages:");
                write_stages(
                    &mut out,
                    stages.iter().map(|stage| (stage.duration, stage.target)),
                );
                writeln!(out, "graceful_ramp_down: {}", text(*graceful_ramp_down))
            }
            Executor::PerVuIterations {
                vus,
                iterations,
                max_duration,
            }
            | Executor::SharedIterations {
                vus,
                iterations,
                max_duration,
            } => {
                let max = text(*max_duration);
                writeln!(out, "vus: {vus}\niterations: {iterations}\nmax_duration: {max}")
            }
            Executor::ConstantArrivalRate { rate, duration, open } => {
                writeln!(
                    out,
                    "rate: {rate}\nduration: {}\n{}",
                    text(*duration),
                    open.as_profile()
                )
            }
            Executor::RampingArrivalRate {
                start_rate,
                stages,
                open,
            } => {
                let _ = writeln!(out, "start_rate: {start_rate}\nstages:");
                write_stages(
                    &mut out,
                    stages.iter().map(|stage| (stage.duration, stage.target)),
                );
                writeln!(out, "{}", open.as_profile())
            }
        };
        out
    }
}

/// Describes stages, each with its duration and its target, after a start at `from`: `to 50 in 30s, 50 for 2m`.
fn stages_in_words<T: PartialEq + Display>(mut from: T, stages: impl Iterator<Item = (Nanos, T)>) -> String {
    let in_words = stages.map(|(duration, target)| {
        let duration = format_duration(duration);
        let text = match target == from {
            true => format!("{from} for {duration}"),
            false => format!("to {target} in {duration}"),
        };
        from = target;
        text
    });
    in_words.collect::<Vec<String>>().join(", ")
}

/// Writes stages as the items of the key `stages`.
fn write_stages<T: Display>(out: &mut String, stages: impl Iterator<Item = (Nanos, T)>) {
    for (duration, target) in stages {
        let duration = format_duration(duration);
        // Writing to a string does not fail.
        let _ = writeln!(out, "  - {{ duration: {duration}, target: {target} }}");
    }
}

impl OpenLoop {
    fn in_words(&self) -> String {
        let full = match self.when_full {
            WhenFull::Drop => "drops",
            WhenFull::Queue => "queues",
        };
        format!(
            "{} arrivals, at most {} users, {full} what they cannot take",
            self.arrival, self.max_vus
        )
    }

    fn as_profile(&self) -> String {
        let when_full = match self.when_full {
            WhenFull::Drop => "drop",
            WhenFull::Queue => "queue",
        };
        format!(
            "arrival: {}\npre_allocated_vus: {}\nmax_vus: {}\nwhen_full: {when_full}",
            self.arrival, self.pre_allocated_vus, self.max_vus
        )
    }
}
