//! Changes the numbers of a load, as options of the command line do to a profile's shape.

use crate::plan::{Executor, Stage};
use crate::units::{Nanos, Rate};

impl Executor {
    /// Makes `vus` the most VUs at once. Stages keep their proportions; a start at 0 or 1 VU stays as
    /// it is. An open loop keeps its rate.
    pub fn scale_vus(&mut self, vus: u32) {
        let peak = u64::from(self.vus_of_all().max(1));
        let scale = |count: u32| match count {
            0 => 0,
            // The result is at most `vus`, because `count` is at most the peak.
            _ => ((u64::from(count) * u64::from(vus) + peak / 2) / peak).max(1) as u32,
        };
        match self {
            Executor::ConstantVus { vus: count, .. }
            | Executor::PerVuIterations { vus: count, .. }
            | Executor::SharedIterations { vus: count, .. } => *count = vus,
            Executor::RampingVus {
                start_vus, stages, ..
            } => {
                if *start_vus > 1 || peak == 1 {
                    *start_vus = scale(*start_vus);
                }
                for stage in stages {
                    stage.target = scale(stage.target);
                }
            }
            Executor::ConstantArrivalRate { open, .. } | Executor::RampingArrivalRate { open, .. } => {
                open.limit_vus(vus);
            }
            Executor::Trace(trace) => trace.open.limit_vus(vus),
            Executor::RatesByKind(rates) => rates.open.limit_vus(vus),
        }
    }

    /// Makes stages and durations `factor` times as long. The time limit of a run that counts iterations stays, because
    /// its work stays the same.
    pub fn scale_time(&mut self, factor: f64) {
        let scale = |nanos: Nanos| match nanos {
            0 => 0,
            _ => ((nanos as f64 * factor).round() as Nanos).max(1),
        };
        match self {
            Executor::ConstantVus { duration, .. } | Executor::ConstantArrivalRate { duration, .. } => {
                *duration = scale(*duration);
            }
            Executor::RampingArrivalRate { stages, .. } => {
                for stage in stages {
                    stage.duration = scale(stage.duration);
                }
            }
            Executor::RampingVus { stages, .. } => {
                for Stage { duration, .. } in stages {
                    *duration = scale(*duration);
                }
            }
            Executor::Trace(trace) => trace.scale_time(factor),
            Executor::RatesByKind(rates) => rates.scale_time(scale),
            Executor::PerVuIterations { .. } | Executor::SharedIterations { .. } => {}
        }
    }

    /// Returns the load of so many users for `duration`.
    pub fn of_users(vus: u32, duration: Nanos) -> Executor {
        Executor::ConstantVus { vus, duration }
    }

    /// Returns arrivals at so many per second for `duration`, with the pattern and the users of this open loop, or of
    /// none in particular. Kinds with rates of their own keep their proportions, and a trace its rows and their rhythm.
    pub fn at_rate(&self, per_second: f64, duration: Nanos) -> Executor {
        match self {
            Executor::RatesByKind(rates) => Executor::RatesByKind(rates.at_total(per_second, duration)),
            Executor::Trace(trace) => Executor::Trace(trace.at_rate(per_second).repeated_until(duration)),
            _ => Executor::ConstantArrivalRate {
                rate: Rate::per_second_of(per_second),
                duration,
                open: self.open_loop().copied().unwrap_or_default(),
            },
        }
    }

    /// Returns a ramp through `stages`. A ramp keeps its start and its graceful ramp-down; any other executor becomes a
    /// ramp that starts at 1 VU and has this `graceful_ramp_down`.
    pub fn with_stages(&self, stages: Vec<Stage>, graceful_ramp_down: Nanos) -> Executor {
        let (start_vus, graceful_ramp_down) = match self {
            Executor::RampingVus {
                start_vus,
                graceful_ramp_down,
                ..
            } => (*start_vus, *graceful_ramp_down),
            _ => (1, graceful_ramp_down),
        };
        Executor::RampingVus {
            start_vus,
            stages,
            graceful_ramp_down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::executor::tests::ramping;
    use crate::units::{MINUTE, SECOND};

    #[test]
    fn a_scaled_ramp_keeps_its_proportions_and_its_smallest_stages() {
        let scaled = |mut shape: Executor, vus| {
            shape.scale_vus(vus);
            shape
        };
        let shape = ramping(20, &[(SECOND, 10), (SECOND, 500), (SECOND, 0)]);
        assert_eq!(
            scaled(shape, 5),
            ramping(1, &[(SECOND, 1), (SECOND, 5), (SECOND, 0)])
        );
        assert_eq!(
            scaled(ramping(100, &[(SECOND, 0)]), 7),
            ramping(7, &[(SECOND, 0)])
        );
        assert_eq!(scaled(ramping(1, &[(SECOND, 0)]), 7), ramping(7, &[(SECOND, 0)]));
    }

    #[test]
    fn the_time_scale_changes_neither_jumps_nor_the_limit_of_counted_work() {
        let mut shape = ramping(1, &[(MINUTE, 5), (0, 9), (3, 0)]);
        shape.scale_time(0.1);
        assert_eq!(shape, ramping(1, &[(6 * SECOND, 5), (0, 9), (1, 0)]));
        let counted = Executor::SharedIterations {
            vus: 2,
            iterations: 5,
            max_duration: MINUTE,
        };
        let mut same = counted.clone();
        same.scale_time(0.1);
        assert_eq!(same, counted);
    }

    #[test]
    fn stages_laid_over_a_ramp_keep_its_start_and_its_ramp_down() {
        let stages = vec![Stage {
            duration: SECOND,
            target: 3,
        }];
        let kept = ramping(20, &[(MINUTE, 5)]).with_stages(stages.clone(), 0);
        assert_eq!(kept, ramping(20, &[(SECOND, 3)]));
        let constant = Executor::ConstantVus {
            vus: 9,
            duration: MINUTE,
        };
        assert_eq!(
            constant.with_stages(stages, 30 * SECOND),
            ramping(1, &[(SECOND, 3)])
        );
    }
}
