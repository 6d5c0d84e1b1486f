//! The replay of a trace that does not say when its sessions began: each is what an iteration is.

use super::trace::{Rounds, Trace};
use crate::plan::{DURATION_MAX, Executor, ITERATIONS_MAX};

impl Trace {
    /// Returns the executor that carries out each of `sessions` once a round, as many at a time as users. The time that
    /// they take depends on the server, so only the trace's own duration ends them.
    pub fn of_sessions(&self, sessions: u64) -> Executor {
        let max_vus = self.open.max_vus;
        let at_once = |most: u64| {
            u32::try_from(most)
                .map_or(max_vus, |most| most.min(max_vus))
                .max(1)
        };
        let longest = self.settings.duration.unwrap_or(DURATION_MAX);
        match self.settings.rounds {
            Rounds::Times(rounds) => {
                let iterations = sessions
                    .saturating_mul(u64::from(rounds))
                    .clamp(1, ITERATIONS_MAX);
                Executor::SharedIterations {
                    vus: at_once(iterations),
                    iterations,
                    max_duration: longest,
                }
            }
            Rounds::UntilEnd => Executor::ConstantVus {
                vus: at_once(max_vus.into()),
                duration: longest,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{OpenLoop, TraceSettings};
    use crate::units::{MINUTE, SECOND};

    fn trace(rounds: Rounds, max_vus: u32, duration: Option<u64>) -> Trace {
        let settings = TraceSettings {
            rounds,
            duration,
            ..TraceSettings::default()
        };
        let open = OpenLoop {
            max_vus,
            ..OpenLoop::default()
        };
        Trace::new(settings, open)
    }

    #[test]
    fn each_session_is_an_iteration_of_a_round_with_no_more_users_than_there_is_work_for() {
        let found = trace(Rounds::Times(2), 10, None).of_sessions(3);
        assert_eq!((found.vus_of_all(), found.shared_iterations()), (6, Some(6)));
        assert_eq!(found.duration(), DURATION_MAX);
        let found = trace(Rounds::Times(1), 2, Some(MINUTE)).of_sessions(3);
        assert_eq!((found.vus_of_all(), found.shared_iterations()), (2, Some(3)));
        assert_eq!(found.duration(), MINUTE);
        let endless = trace(Rounds::UntilEnd, 5, Some(9 * SECOND)).of_sessions(3);
        assert_eq!((endless.vus_of_all(), endless.shared_iterations()), (5, None));
        assert_eq!(endless.duration(), 9 * SECOND);
    }
}
