//! The passes of a run: loads that follow one another, each with a plan of its own.

use crate::plan::{Assignment, Plan};
use crate::units::Nanos;
use crate::workload::random::keyed;
use std::sync::Arc;

/// Makes the warm-up's requests differ from the measured ones: the same prompts would warm a prompt cache.
const WARM_UP_SEED: u64 = 0x7761_726d;

/// The purpose of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A warm-up, excluded from the figures.
    WarmUp,
    /// The users of one server alone, for comparison.
    Alone(u16),
    /// The load that the run reports.
    Measured,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    pub plan: Arc<Plan>,
    pub role: Role,
    /// Number of the repetition, from 0.
    pub repeat: u32,
}

impl Pass {
    /// Returns the prefix that makes the ids of its requests unique in the run; empty if there is only one pass.
    pub fn id_prefix(&self, repeats: u32) -> String {
        let repeat = match repeats {
            1 => String::new(),
            _ => format!("r{}-", self.repeat + 1),
        };
        match self.role {
            Role::Alone(_) => format!("{repeat}alone-"),
            Role::WarmUp | Role::Measured => repeat,
        }
    }
}

impl Plan {
    /// Returns the passes in order. With contention each server's users run alone, then all together; each of these
    /// is repeated and has a warm-up first. Repetitions share their plans, because a plan may hold megabytes of
    /// prompts.
    pub fn passes(self: &Arc<Plan>, repeats: u32, contention: bool) -> Vec<Pass> {
        let mut once = Vec::new();
        if contention {
            for server in 0..self.workload.servers.len() as u16 {
                let only = Some(server);
                self.push_pass(&mut once, Role::Alone(server), Assignment::Fixed { only });
            }
        }
        let assignment = match contention {
            true => Assignment::Fixed { only: None },
            false => self.assignment,
        };
        self.push_pass(&mut once, Role::Measured, assignment);
        (0..repeats)
            .flat_map(|repeat| {
                once.iter().map(move |pass| Pass {
                    repeat,
                    ..pass.clone()
                })
            })
            .collect()
    }

    /// Returns the plan of a load that is so many-th of this process. Where no two prompts may begin alike, those of
    /// its loads differ as well.
    pub fn for_load(self: &Arc<Plan>, load: u32) -> Arc<Plan> {
        if !self.workload.busts_caches() {
            return self.clone();
        }
        let mut plan = Plan::clone(self);
        plan.workload.load = load;
        Arc::new(plan)
    }

    fn push_pass(self: &Arc<Plan>, passes: &mut Vec<Pass>, role: Role, assignment: Assignment) {
        let plan = match assignment == self.assignment {
            true => self.clone(),
            false => Arc::new(Plan {
                assignment,
                ..Plan::clone(self)
            }),
        };
        if self.warmup > 0 {
            passes.push(Pass {
                plan: Arc::new(plan.warm_up(self.warmup)),
                role: Role::WarmUp,
                repeat: 0,
            });
        }
        passes.push(Pass {
            plan,
            role,
            repeat: 0,
        });
    }

    /// Makes the plan of a warm-up: the plan's peak from the start, all users of it or its rate, with requests and
    /// arrivals of their own; nothing is judged.
    fn warm_up(&self, duration: Nanos) -> Plan {
        let mut warm_up = Plan {
            seed: keyed([self.seed, WARM_UP_SEED, 0, 0]),
            executor: self.executor.warm_up(duration),
            thresholds: Vec::new(),
            steps: Vec::new(),
            ..self.clone()
        };
        warm_up.workload.is_warm_up = true;
        warm_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        Arrival, Executor, KindArrivals, KindShape, OpenLoop, RateStage, RatesByKind, Shard, WhenFull,
    };
    use crate::units::{MILLISECOND, Rate, SECOND};
    use crate::workload::Server;

    fn plan(warmup: Nanos) -> Arc<Plan> {
        let mut plan = Plan::with_executor(Executor::ConstantVus {
            vus: 4,
            duration: 10 * SECOND,
        });
        plan.warmup = warmup;
        plan.workload.servers = ["a", "b"]
            .map(|name| Server {
                name: Some(name.to_owned()),
                weight: 1,
            })
            .to_vec();
        Arc::new(plan)
    }

    fn roles(passes: &[Pass]) -> Vec<(Role, u32)> {
        passes.iter().map(|pass| (pass.role, pass.repeat)).collect()
    }

    #[test]
    fn one_run_is_one_pass_of_the_plan_itself() {
        let passes = plan(0).passes(1, false);
        assert_eq!(roles(&passes), [(Role::Measured, 0)]);
        assert_eq!(passes[0].plan, plan(0));
        assert_eq!(passes[0].id_prefix(1), "");
    }

    #[test]
    fn each_endpoint_runs_alone_before_all_run_together_in_each_repeat() {
        use Role::{Alone, Measured, WarmUp};
        let passes = plan(SECOND).passes(2, true);
        let once = |r| {
            [
                (WarmUp, r),
                (Alone(0), r),
                (WarmUp, r),
                (Alone(1), r),
                (WarmUp, r),
                (Measured, r),
            ]
        };
        assert_eq!(roles(&passes), [once(0), once(1)].concat());
        let only = |pass: &Pass| match pass.plan.assignment {
            Assignment::Fixed { only } => only,
            Assignment::Weighted | Assignment::Paired(_) => panic!("users are not tied to servers"),
        };
        let tied: Vec<_> = passes[..6].iter().map(only).collect();
        assert_eq!(tied, [Some(0), Some(0), Some(1), Some(1), None, None]);
        // The second repetition shares the plan of the first.
        for (first, second) in passes[..6].iter().zip(&passes[6..]) {
            assert!(Arc::ptr_eq(&first.plan, &second.plan));
        }
        let ids: Vec<String> = passes.iter().map(|pass| pass.id_prefix(2)).collect();
        assert_eq!((ids[1].as_str(), ids[11].as_str()), ("r1-alone-", "r2-"));
    }

    #[test]
    fn the_warm_up_starts_all_users_at_once_with_its_own_requests() {
        let passes = plan(3 * SECOND).passes(1, false);
        let Executor::ConstantVus { vus, duration } = passes[0].plan.executor else {
            panic!("{passes:?}")
        };
        assert_eq!((vus, duration), (4, 3 * SECOND));
        assert_ne!(passes[0].plan.seed, passes[1].plan.seed);
        assert!(passes[0].plan.thresholds.is_empty());
    }

    /// Makes the plan of 2 s warm-up before this executor, and returns both.
    fn warmed(executor: Executor) -> [Arc<Plan>; 2] {
        let mut plan = Plan::with_executor(executor);
        plan.warmup = 2 * SECOND;
        let mut passes = Arc::new(plan).passes(1, false).into_iter();
        [(); 2].map(|()| passes.next().unwrap().plan)
    }

    /// Returns the instants of all arrivals of a plan, each with its sequence.
    fn arrivals(plan: &Plan) -> Vec<(u16, Nanos)> {
        let all = plan.executor.arrivals(plan.seed, Shard::WHOLE, (0, 1)).unwrap();
        all.map(|arriving| (arriving.sequence, arriving.due)).collect()
    }

    #[test]
    fn a_load_at_a_rate_warms_up_at_its_highest_rate_with_its_own_arrivals() {
        let open = OpenLoop {
            arrival: Arrival::Poisson,
            pre_allocated_vus: 3,
            max_vus: 10_000,
            when_full: WhenFull::Queue,
        };
        let stage = |rate| RateStage {
            duration: SECOND,
            target: Rate::per_second_of(rate),
        };
        let ramp = Executor::RampingArrivalRate {
            start_rate: Rate::per_second_of(1.0),
            stages: vec![stage(300.0), stage(0.0)],
            open,
        };
        let [warm_up, measured] = warmed(ramp);
        let flat = Executor::ConstantArrivalRate {
            rate: Rate::per_second_of(300.0),
            duration: 2 * SECOND,
            open,
        };
        assert_eq!(warm_up.executor, flat);
        // 600 arrivals vary by 24; four times that is never exceeded with this seed.
        let due = arrivals(&warm_up);
        assert!((504..=696).contains(&due.len()), "{}", due.len());
        // The same rate without a warm-up has other arrivals: those of the warm-up are not repeated.
        let [warm_up, same_rate] = warmed(flat);
        assert_eq!(warm_up.executor, same_rate.executor);
        assert_ne!(arrivals(&warm_up), arrivals(&same_rate));
        assert_ne!(warm_up.seed, measured.seed);
    }

    #[test]
    fn each_kind_warms_up_at_its_own_highest_rate_from_the_start() {
        let kind = |name: &str, start_time, shape| KindArrivals {
            name: name.into(),
            start_time,
            shape,
            arrival: Arrival::Constant,
            max_vus: None,
        };
        let ramp = KindShape::Ramping {
            start_rate: Rate::per_second_of(0.0),
            stages: vec![RateStage {
                duration: SECOND,
                target: Rate::per_second_of(40.0),
            }],
        };
        let flat = KindShape::Constant {
            rate: Rate::per_second_of(5.0),
            duration: 10 * MILLISECOND,
        };
        let kinds = vec![kind("late", 60 * SECOND, ramp), kind("brief", 0, flat)];
        let open = OpenLoop {
            max_vus: 7,
            ..OpenLoop::default()
        };
        let [warm_up, _] = warmed(Executor::RatesByKind(RatesByKind::new(kinds, open)));
        let due = arrivals(&warm_up);
        let of = |sequence| due.iter().filter(|(of, _)| *of == sequence).count();
        assert_eq!((of(0), of(1)), (80, 10));
        assert_eq!(
            (warm_up.executor.vus_of_all(), warm_up.executor.duration()),
            (7, 2 * SECOND)
        );
    }
}
