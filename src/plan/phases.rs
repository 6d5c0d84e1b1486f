//! The phases of a load: it ramps while the plan changes the number of users or the rate, and is steady while it holds
//! them.

use crate::plan::Executor;
use crate::units::Nanos;

/// A period in which the plan holds the number of users or the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Elapsed time at which it begins.
    pub start: Nanos,
    pub end: Nanos,
}

/// When a load is steady.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phases {
    /// In order; none touches the next.
    holds: Vec<Hold>,
    duration: Nanos,
}

impl Phases {
    pub fn of(executor: &Executor) -> Phases {
        let mut holds: Vec<Hold> = Vec::new();
        for next in executor.holds().into_iter().filter(|hold| hold.end > hold.start) {
            match holds.last_mut() {
                Some(last) if last.end == next.start => last.end = next.end,
                _ => holds.push(next),
            }
        }
        Phases {
            holds,
            duration: executor.duration(),
        }
    }

    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Returns true if the load is steady for some of its time and ramps for the rest, so that the two differ.
    pub fn are_mixed(&self) -> bool {
        !self.holds.is_empty() && self.steady_within(0, self.duration) < self.duration
    }

    /// Returns for how long the load is steady between two instants.
    pub fn steady_within(&self, from: Nanos, to: Nanos) -> Nanos {
        let overlap = |hold: &Hold| hold.end.min(to).saturating_sub(hold.start.max(from));
        self.holds.iter().map(overlap).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Arrival, OpenLoop, RateStage, Stage};
    use crate::units::{SECOND, parse_rate};

    fn users(start_vus: u32, stages: &[(u64, u32)]) -> Phases {
        let stages = stages.iter().map(|&(seconds, target)| Stage {
            duration: seconds * SECOND,
            target,
        });
        Phases::of(&Executor::RampingVus {
            start_vus,
            stages: stages.collect(),
            graceful_ramp_down: 0,
        })
    }

    fn rates(start: &str, stages: &[(u64, &str)]) -> Phases {
        let rate = |text| parse_rate(text).unwrap();
        let stages = stages.iter().map(|&(seconds, target)| RateStage {
            duration: seconds * SECOND,
            target: rate(target),
        });
        Phases::of(&Executor::RampingArrivalRate {
            start_rate: rate(start),
            stages: stages.collect(),
            open: OpenLoop {
                arrival: Arrival::Constant,
                max_vus: 9,
                ..OpenLoop::default()
            },
        })
    }

    fn seconds(phases: &Phases) -> Vec<(u64, u64)> {
        let holds = phases.holds().iter();
        holds
            .map(|hold| (hold.start / SECOND, hold.end / SECOND))
            .collect()
    }

    #[test]
    fn a_load_is_steady_while_it_holds_its_users_or_its_rate() {
        let ramp = users(
            0,
            &[(10, 50), (20, 50), (5, 80), (10, 80), (10, 80), (5, 0), (5, 0)],
        );
        assert_eq!(seconds(&ramp), [(10, 30), (35, 55)]);
        assert!(ramp.are_mixed());
        let open = rates(
            "10",
            &[
                (10, "10"),
                (10, "600/m"),
                (10, "20"),
                (10, "20"),
                (10, "0"),
                (10, "0"),
            ],
        );
        assert_eq!(seconds(&open), [(0, 20), (30, 40)]);
        assert!(open.are_mixed());
    }

    #[test]
    fn a_jump_is_no_ramp_and_steps_without_ramps_are_one_steady_part() {
        let steps = users(0, &[(0, 16), (10, 16), (0, 32), (10, 32)]);
        assert_eq!(seconds(&steps), [(0, 20)]);
        assert!(!steps.are_mixed());
        let constant = Phases::of(&Executor::ConstantVus {
            vus: 3,
            duration: 9 * SECOND,
        });
        assert_eq!(seconds(&constant), [(0, 9)]);
        assert!(!constant.are_mixed());
    }

    #[test]
    fn a_load_that_never_holds_still_has_no_steady_part() {
        for phases in [
            users(1, &[(60, 500), (60, 0)]),
            rates("0", &[(60, "9"), (1, "0"), (9, "0")]),
        ] {
            assert!(phases.holds().is_empty() && !phases.are_mixed());
        }
    }

    #[test]
    fn the_steady_time_of_a_period_is_what_of_it_is_held() {
        let phases = users(0, &[(10, 5), (10, 5), (10, 9), (10, 9)]);
        let within = |from, to| phases.steady_within(from * SECOND, to * SECOND) / SECOND;
        assert_eq!(
            [within(0, 40), within(0, 5), within(15, 35), within(12, 14)],
            [20, 0, 10, 2]
        );
    }
}
