//! Writes an executor as text: for people, and as in a document.

use std::fmt::{Display, Write as _};

use super::{KindArrivals, KindShape, RatesByKind};
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
                let (duration, arrival) = (format_duration(*duration), open.arrival);
                format!("{rate} for {duration}, {arrival} arrivals, {}", open.in_words())
            }
            Executor::RampingArrivalRate {
                start_rate,
                stages,
                open,
            } => {
                let stages = stages.iter().map(|stage| (stage.duration, stage.target));
                let stages = stages_in_words(*start_rate, stages);
                let arrival = open.arrival;
                format!("{start_rate}, {stages}, {arrival} arrivals, {}", open.in_words())
            }
            Executor::Trace(trace) => format!("{}, {}", trace.in_words(), trace.open.in_words()),
            Executor::RatesByKind(rates) => rates.in_words(),
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
            Executor::Trace(trace) => {
                writeln!(out, "{}{}", trace.as_profile(), trace.open.users_as_profile())
            }
            Executor::RatesByKind(rates) => writeln!(out, "{}", rates.open.users_as_profile()),
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
        format!("at most {} users, {full} what they cannot take", self.max_vus)
    }

    fn as_profile(&self) -> String {
        format!("arrival: {}\n{}", self.arrival, self.users_as_profile())
    }

    fn users_as_profile(&self) -> String {
        let when_full = match self.when_full {
            WhenFull::Drop => "drop",
            WhenFull::Queue => "queue",
        };
        format!(
            "pre_allocated_vus: {}\nmax_vus: {}\nwhen_full: {when_full}",
            self.pre_allocated_vus, self.max_vus
        )
    }
}

impl RatesByKind {
    /// `interactive at 5/s, batch at 40/s, for 1m, constant arrivals, at most …`. What the kinds do not have in common
    /// stands after each.
    fn in_words(&self) -> String {
        let kinds = self.kinds();
        let common = |same: bool, text: String| if same { text } else { String::new() };
        let first = kinds.first().filter(|first| {
            let times = |kind: &KindArrivals| (kind.start_time, kind.end());
            self.is_constant() && kinds.iter().all(|kind| times(kind) == times(first))
        });
        let times = first.filter(|first| first.start_time == 0);
        let arrival = kinds.first().map(|first| first.arrival);
        let arrival = arrival.filter(|arrival| kinds.iter().all(|kind| kind.arrival == *arrival));
        let each = kinds.iter().map(|kind| {
            let pattern = common(arrival.is_none(), format!(" ({} arrivals)", kind.arrival));
            let limit = kind
                .max_vus
                .map_or(String::new(), |max| format!(" (at most {max} users)"));
            format!("{}{limit}{pattern}", kind.in_words(times.is_none()))
        });
        let separator = if times.is_some() { ", " } else { "; " };
        let mut out = each.collect::<Vec<String>>().join(separator);
        // Writing to a string does not fail.
        if let Some(first) = times {
            let _ = write!(out, ", for {}", format_duration(first.end()));
        }
        if let Some(arrival) = arrival {
            let _ = write!(out, "{separator}{arrival} arrivals");
        }
        let _ = write!(out, "{separator}{}", self.open.in_words());
        out
    }
}

impl KindArrivals {
    /// Describes its rate: `5/s for 1m`, `0/s, to 40/s in 1m`.
    pub fn rates_in_words(&self) -> String {
        match &self.shape {
            KindShape::Constant { rate, duration } => format!("{rate} for {}", format_duration(*duration)),
            KindShape::Ramping { start_rate, stages } => {
                let stages = stages.iter().map(|stage| (stage.duration, stage.target));
                format!("{start_rate}, {}", stages_in_words(*start_rate, stages))
            }
        }
    }

    fn in_words(&self, with_times: bool) -> String {
        let rates = match &self.shape {
            KindShape::Constant { rate, .. } if !with_times => rate.to_string(),
            _ => self.rates_in_words(),
        };
        match self.start_time {
            0 => format!("{} at {rates}", self.name),
            start => format!("{} after {} at {rates}", self.name, format_duration(start)),
        }
    }
}
