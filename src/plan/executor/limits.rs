//! The limits of what an executor may ask for.

use super::open::{arrivals_mistake, rate_stage_mistakes};
use crate::error::Reason;
use crate::plan::limits::{DURATION_MAX, ITERATIONS_MAX, STAGES_MAX, STEPS_MAX, VUS_MAX, check_run_length};
use crate::plan::{Executor, Stage};
use crate::units::Nanos;

impl Executor {
    /// Returns everything that makes this executor impossible to run although the types allow it; empty if it can run.
    pub fn mistakes(&self) -> Vec<Reason> {
        let mut wrong = Vec::new();
        let vus = self.vus_of_all();
        if vus == 0 {
            wrong.push(
                Reason::new("no VU ever runs")
                    .hint("set a stage's target, or the number of VUs at the start, above 0"),
            );
        }
        if vus > VUS_MAX && self.open_loop().is_none() {
            wrong.push(Reason::new(format!("{vus} VUs are above the limit of {VUS_MAX}")));
        }
        match self {
            Executor::ConstantVus { .. } => {}
            Executor::RampingVus {
                start_vus,
                stages,
                graceful_ramp_down,
            } => {
                wrong.extend(stage_mistakes(*start_vus, stages));
                wrong.extend(check_run_length("the graceful ramp-down", *graceful_ramp_down).err());
            }
            Executor::PerVuIterations { iterations, .. } => wrong.extend(check_iterations(*iterations).err()),
            Executor::SharedIterations { vus, iterations, .. } => {
                let enough = check_iterations(*iterations).and_then(|()| check_shared(*iterations, *vus));
                wrong.extend(enough.err());
            }
            Executor::ConstantArrivalRate { rate, open, .. } => {
                if rate.is_zero() {
                    wrong.push(Reason::new("no request ever arrives").hint("use a rate above 0"));
                }
                wrong.extend(open.mistakes());
            }
            Executor::RampingArrivalRate {
                start_rate,
                stages,
                open,
            } => {
                wrong.extend(rate_stage_mistakes(*start_rate, stages));
                wrong.extend(open.mistakes());
            }
            Executor::Trace(trace) => wrong.extend(trace.mistakes()),
            Executor::RatesByKind(rates) => wrong.extend(rates.mistakes()),
        }
        // `duration` may overflow if the stages are wrong, so it is only called if they are right.
        if wrong.is_empty() && self.duration() == 0 {
            wrong.push(Reason::new("the run would last 0 s").hint("use a duration above 0"));
        }
        if wrong.is_empty() {
            wrong.extend(check_run_length("a run", self.duration()).err());
            wrong.extend(self.rate_curve().and_then(|curve| arrivals_mistake(&curve)));
        }
        wrong
    }
}

fn check_iterations(iterations: u64) -> Result<(), Reason> {
    match iterations {
        1..=ITERATIONS_MAX => Ok(()),
        _ => Err(Reason::new(format!(
            "{iterations} iterations are outside the limits, 1 to {ITERATIONS_MAX}"
        ))),
    }
}

fn check_shared(iterations: u64, vus: u32) -> Result<(), Reason> {
    if iterations >= u64::from(vus) {
        return Ok(());
    }
    let what = format!("{iterations} iterations are fewer than {vus} VUs");
    Err(Reason::new(what).hint("each VU needs at least one: use fewer VUs or more iterations"))
}

/// Returns what is wrong with the number of stages or with their length together.
pub(super) fn length_mistakes(durations: impl ExactSizeIterator<Item = Nanos>) -> Vec<Reason> {
    let mut wrong = Vec::new();
    let count = durations.len();
    if count == 0 || count > STAGES_MAX {
        let what = format!("{count} stages are outside the limits, 1 to {STAGES_MAX}");
        wrong.push(Reason::new(what));
    }
    let total = durations.fold(0 as Nanos, Nanos::saturating_add);
    if total > DURATION_MAX {
        wrong.extend(check_run_length("a run", total).err());
    }
    wrong
}

fn stage_mistakes(start_vus: u32, stages: &[Stage]) -> Vec<Reason> {
    let mut wrong = length_mistakes(stages.iter().map(|stage| stage.duration));
    let (mut from, mut steps) = (start_vus, 0u64);
    for stage in stages {
        steps += u64::from(stage.target.abs_diff(from));
        from = stage.target;
    }
    if steps > STEPS_MAX {
        let what = format!("{steps} starts and stops of VUs are above the limit of {STEPS_MAX}");
        wrong.push(Reason::new(what).hint("use fewer stages or fewer VUs"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MINUTE, SECOND};

    fn wrong(executor: &Executor) -> Vec<String> {
        executor
            .mistakes()
            .into_iter()
            .map(|reason| reason.what)
            .collect()
    }

    fn constant(vus: u32, duration: Nanos) -> Executor {
        Executor::ConstantVus { vus, duration }
    }

    fn shared(vus: u32, iterations: u64) -> Executor {
        Executor::SharedIterations {
            vus,
            iterations,
            max_duration: MINUTE,
        }
    }

    fn ramping(stages: Vec<Stage>) -> Executor {
        Executor::RampingVus {
            start_vus: 1,
            stages,
            graceful_ramp_down: SECOND,
        }
    }

    #[test]
    fn an_executor_within_its_limits_has_no_mistakes() {
        assert!(wrong(&constant(VUS_MAX, DURATION_MAX)).is_empty());
        assert!(wrong(&shared(7, 7)).is_empty());
    }

    #[test]
    fn the_error_for_each_limit_has_the_value() {
        for (executor, what) in [
            (constant(0, SECOND), "no VU ever runs"),
            (
                constant(VUS_MAX + 1, SECOND),
                "10000001 VUs are above the limit of 10000000",
            ),
            (constant(1, 0), "the run would last 0 s"),
            (
                constant(1, DURATION_MAX + MINUTE),
                "a run of 24h1m is longer than the limit of 24h",
            ),
            (
                shared(1, 0),
                "0 iterations are outside the limits, 1 to 1000000000000",
            ),
            (shared(8, 7), "7 iterations are fewer than 8 VUs"),
            (ramping(Vec::new()), "0 stages are outside the limits, 1 to 1000"),
        ] {
            assert_eq!(wrong(&executor), [what]);
        }
    }

    #[test]
    fn stages_whose_sum_overflows_are_a_mistake_and_not_a_panic() {
        let longest = Stage {
            duration: Nanos::MAX,
            target: 1,
        };
        let found = wrong(&ramping(vec![longest; 3]));
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("is longer than the limit of 24h"), "{found:?}");
    }
}
