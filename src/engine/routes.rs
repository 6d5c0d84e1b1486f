//! Decides which target each request of a core's users goes to.

use crate::plan::{Assignment, Plan, Shard, local_to_global};
use crate::workload::{Shares, Turns, TurnsAt};

/// The targets of a core's requests. With a single target nothing needs to be stored, nor for pairs, which go to both
/// (`engine/paired.rs`).
pub enum Routes {
    Single,
    Multiple(Box<Multiple>),
}

pub struct Multiple {
    shares: Shares,
    assignment: Assignment,
    /// Turns by the common count of iterations, if the users share them, so that they are the same on any number of
    /// cores: one for each sequence of arrivals, so that each kind of request with its own rate goes to each server.
    shared: Vec<TurnsAt>,
    /// The turns of all users. The i-th request of user k has slot k + i, counted over the users of all cores of all
    /// processes.
    stagger: TurnsAt,
    users: Vec<User>,
    shard: Shard,
    core: u32,
    cores: u32,
}

enum User {
    Fixed(u16),
    Weighted(Turns),
}

impl Routes {
    pub fn new(plan: &Plan, core: u32, cores: u32) -> Routes {
        if plan.workload.servers.len() < 2 || matches!(plan.assignment, Assignment::Paired(_)) {
            return Routes::Single;
        }
        let shares = Shares::new(&plan.workload.servers);
        let first = shares.first(plan.seed);
        let counted_together = plan.executor.numbers_together();
        let sequences = match counted_together && plan.assignment == Assignment::Weighted {
            true => 0..plan.executor.sequences(),
            false => 0..0,
        };
        let turns = |sequence| {
            let first = shares.first(plan.executor.sequence_seed(sequence, plan.seed));
            TurnsAt::starting_with(first, &shares)
        };
        Routes::Multiple(Box::new(Multiple {
            shared: sequences.map(turns).collect(),
            stagger: TurnsAt::starting_with(first, &shares),
            users: Vec::new(),
            assignment: plan.assignment,
            shares,
            shard: plan.shard,
            core,
            cores,
        }))
    }

    /// Returns whether the plan has requests for user number `local` of this core.
    pub fn takes_part(&mut self, local: u32) -> bool {
        match self {
            Routes::Single => true,
            Routes::Multiple(multiple) => match multiple.user(local) {
                User::Fixed(target) => {
                    let target = *target;
                    multiple.assignment.takes_part(target)
                }
                User::Weighted(_) => true,
            },
        }
    }

    /// Returns the target of a user's next request, which is number `iteration` of its own or of all users together.
    /// Must be called once for each request, in order.
    /// `sequence` is that of the arrival, if it is one.
    pub fn next(&mut self, sequence: u16, local: u32, iteration: u64) -> u16 {
        let multiple = match self {
            Routes::Single => return 0,
            Routes::Multiple(multiple) => multiple,
        };
        if let Some(shared) = multiple.shared.get_mut(usize::from(sequence)) {
            return shared.slot(iteration, &multiple.shares);
        }
        multiple.user(local);
        match &mut multiple.users[local as usize] {
            User::Fixed(target) => *target,
            User::Weighted(turns) => turns.next(&multiple.shares),
        }
    }
}

impl Multiple {
    fn user(&mut self, local: u32) -> &User {
        while self.users.len() <= local as usize {
            let in_process = local_to_global(self.core, self.cores, self.users.len() as u32);
            let vu = u64::from(self.shard.vu(in_process));
            self.users.push(match self.assignment {
                Assignment::Fixed { .. } => User::Fixed(self.stagger.slot(vu, &self.shares)),
                Assignment::Weighted | Assignment::Paired(_) => {
                    User::Weighted(self.stagger.from_slot(vu, &self.shares))
                }
            });
        }
        &self.users[local as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Executor;
    use crate::units::SECOND;
    use crate::workload::Server;

    fn plan(executor: Executor, assignment: Assignment) -> Plan {
        let mut plan = Plan::with_executor(executor);
        plan.workload.servers = [3, 5, 1].map(|weight| Server { name: None, weight }).to_vec();
        plan.assignment = assignment;
        plan
    }

    /// Returns user, iteration and target of each request that `count` processes with two cores each make.
    fn requests(plan: &Plan, users: u32, count: u32) -> Vec<(u32, u64, u16)> {
        let mut out = Vec::new();
        for index in 0..count {
            let shard = Shard::new(index, count).unwrap();
            let plan = Plan {
                shard,
                ..plan.clone()
            };
            for core in 0..2 {
                let mut routes = Routes::new(&plan, core, 2);
                let mine = crate::plan::vus_on_core(shard.vus_of(users), core, 2);
                // Users take turns, as they do in a run.
                for iteration in 0..7 {
                    for local in (0..mine)
                        .filter(|local| routes.takes_part(*local))
                        .collect::<Vec<_>>()
                    {
                        let vu = shard.vu(local_to_global(core, 2, local));
                        out.push((vu, iteration, routes.next(0, local, iteration)));
                    }
                }
            }
        }
        out.sort_unstable();
        out
    }

    #[test]
    fn users_have_the_same_targets_in_any_number_of_processes() {
        let executor = Executor::ConstantVus {
            vus: 23,
            duration: SECOND,
        };
        for assignment in [
            Assignment::Weighted,
            Assignment::Fixed { only: None },
            Assignment::Fixed { only: Some(1) },
        ] {
            let plan = plan(executor.clone(), assignment);
            let whole = requests(&plan, 23, 1);
            assert!(!whole.is_empty());
            for count in [2, 3, 8, 30] {
                assert_eq!(
                    requests(&plan, 23, count),
                    whole,
                    "{count} processes, {assignment:?}"
                );
            }
        }
    }

    #[test]
    fn users_in_step_fall_on_the_targets_by_weight_at_each_iteration() {
        let executor = Executor::ConstantVus {
            vus: 90,
            duration: SECOND,
        };
        let all = requests(&plan(executor, Assignment::Weighted), 90, 2);
        for iteration in 0..7 {
            let at = |target| {
                let made = all.iter().filter(|(_, i, to)| (*i, *to) == (iteration, target));
                made.count()
            };
            assert_eq!([0, 1, 2].map(at), [30, 50, 10], "iteration {iteration}");
        }
        for vu in 0..90 {
            let to_second = all.iter().filter(|(user, _, to)| (*user, *to) == (vu, 1));
            let off = to_second.count() as f64 - 7.0 * 5.0 / 9.0;
            assert!(off.abs() < 2.0, "user {vu}: {off}");
        }
    }

    #[test]
    fn shared_iterations_have_the_same_targets_in_any_number_of_processes() {
        let executor = Executor::SharedIterations {
            vus: 4,
            iterations: 90,
            max_duration: SECOND,
        };
        let plan = plan(executor, Assignment::Weighted);
        let of_shard = |index, count| {
            let shard = Shard::new(index, count).unwrap();
            let plan = Plan {
                shard,
                ..plan.clone()
            };
            let mut routes = Routes::new(&plan, 0, 1);
            let numbers = (0..shard.iterations_of(90)).map(move |taken| shard.iteration(taken));
            numbers
                .map(move |n| (n, routes.next(0, 0, n)))
                .collect::<Vec<_>>()
        };
        let whole = of_shard(0, 1);
        assert_eq!(whole.iter().filter(|(_, target)| *target == 1).count(), 50);
        for count in [2, 7, 64] {
            let mut together: Vec<_> = (0..count).flat_map(|index| of_shard(index, count)).collect();
            together.sort_unstable();
            assert_eq!(together, whole, "{count} processes");
        }
    }
}
