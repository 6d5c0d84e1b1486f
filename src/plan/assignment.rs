//! Decides which server a user's requests go to, if there are several.

use crate::plan::{Plan, VuSchedule};
use crate::workload::{Shares, TurnsAt};
use serde::{Deserialize, Serialize};

/// The rule that assigns users to servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assignment {
    /// Each user goes to all servers in turn, according to their weights.
    #[default]
    Weighted,
    /// Each user has one server for the whole run: VU k has the server of the k-th turn.
    Fixed {
        /// Restricts the load to the users of this server, with the indices that they have in the whole plan.
        only: Option<u16>,
    },
    /// There are two servers, and every request of a user is made twice, one at each, in seeded order.
    Paired(PairedPrompts),
}

/// What the two requests of a pair ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairedPrompts {
    /// The same prompt.
    #[default]
    Same,
    /// Made prompts of the same length with other words, so that a prompt cache that both reach does not know the
    /// second.
    Distinct,
}

impl PairedPrompts {
    /// The names in documents and on the command line.
    pub const NAMES: [&str; 2] = ["same", "distinct"];

    pub fn of_name(name: &str) -> Option<PairedPrompts> {
        match name {
            "same" => Some(PairedPrompts::Same),
            "distinct" => Some(PairedPrompts::Distinct),
            _ => None,
        }
    }
}

impl Assignment {
    /// Returns true if users of this server are planned at all.
    pub fn takes_part(self, server: u16) -> bool {
        match self {
            Assignment::Weighted | Assignment::Paired(_) | Assignment::Fixed { only: None } => true,
            Assignment::Fixed { only: Some(only) } => only == server,
        }
    }
}

impl Plan {
    /// Returns the number of servers that one user has connections to.
    pub fn servers_per_user(&self) -> u32 {
        match self.assignment {
            Assignment::Weighted | Assignment::Paired(_) => self.workload.servers.len() as u32,
            Assignment::Fixed { .. } => 1,
        }
    }

    /// Returns the most connections that one user has at once: one for each server, and for each request of a session
    /// whose requests go out side by side. A user who takes turns between servers, and closes after each request, has
    /// one of them at a time.
    pub fn connections_per_user(&self) -> u32 {
        let takes_turns = matches!(self.assignment, Assignment::Weighted);
        let servers = match takes_turns && self.connection.is_per_request() {
            true => 1,
            false => self.servers_per_user(),
        };
        servers.saturating_mul(self.workload.requests_per_user())
    }

    /// Returns the most connections at once, over all cores of this process.
    pub fn connections_max(&self) -> u32 {
        self.vus_of_shard().saturating_mul(self.connections_per_user())
    }

    /// Returns the planned number of this process's users, including those who take no part: the engine numbers them
    /// all.
    pub fn schedule_with_bystanders(&self) -> VuSchedule {
        self.executor.schedule_of_all().map(|vus| self.shard.vus_of(vus))
    }

    /// Returns the planned number of this process's users who take part.
    pub fn schedule_of_shard(&self) -> VuSchedule {
        let all = self.schedule_with_bystanders();
        if !matches!(self.assignment, Assignment::Fixed { only: Some(_) }) {
            return all;
        }
        let taking_part = self.users_taking_part();
        all.map(|vus| taking_part[vus as usize])
    }

    /// Returns, for each number of this process's users from the first on, how many of them take part.
    fn users_taking_part(&self) -> Vec<u32> {
        let shares = Shares::new(&self.workload.servers);
        let mut stagger = TurnsAt::starting_with(shares.first(self.seed), &shares);
        let mut taking_part = vec![0];
        let mut count = 0;
        for local in 0..self.vus_of_shard() {
            let slot = u64::from(self.shard.vu(local));
            count += u32::from(self.assignment.takes_part(stagger.slot(slot, &shares)));
            taking_part.push(count);
        }
        taking_part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Executor, Shard, Stage, VuStep};
    use crate::units::SECOND;
    use crate::workload::Server;

    fn plan(only: Option<u16>) -> Plan {
        let mut plan = Plan::with_executor(Executor::RampingVus {
            start_vus: 0,
            stages: vec![
                Stage {
                    duration: 10 * SECOND,
                    target: 10,
                },
                Stage {
                    duration: 10 * SECOND,
                    target: 0,
                },
            ],
            graceful_ramp_down: 0,
        });
        plan.workload.servers = [3, 7].map(|weight| Server { name: None, weight }).to_vec();
        plan.assignment = Assignment::Fixed { only };
        plan
    }

    #[test]
    fn the_schedules_of_all_servers_add_up_to_the_plan() {
        let all = plan(None).schedule_of_shard();
        let parts = [
            plan(Some(0)).schedule_of_shard(),
            plan(Some(1)).schedule_of_shard(),
        ];
        assert_eq!(parts.each_ref().map(VuSchedule::vus_max), [3, 7]);
        for step in all.steps() {
            let sum: u32 = parts.iter().map(|part| part.planned_at(step.at)).sum();
            assert_eq!(sum, step.vus, "at {}", step.at);
        }
        for part in &parts {
            assert_eq!(part.end(), all.end());
            assert!(part.steps().windows(2).all(|pair| pair[0].vus != pair[1].vus));
        }
    }

    #[test]
    fn the_shards_of_a_servers_users_add_up_to_them() {
        for only in [None, Some(0), Some(1)] {
            let whole = plan(only);
            let parts: Vec<VuSchedule> = (0..3)
                .map(|index| {
                    let shard = Shard::new(index, 3).unwrap();
                    Plan { shard, ..plan(only) }.schedule_of_shard()
                })
                .collect();
            for step in whole.schedule_of_shard().steps() {
                let sum: u32 = parts.iter().map(|part| part.planned_at(step.at)).sum();
                assert_eq!(sum, step.vus, "at {}", step.at);
            }
        }
    }

    #[test]
    fn a_server_without_users_has_an_empty_schedule() {
        let mut plan = plan(Some(0));
        plan.executor = Executor::ConstantVus {
            vus: 1,
            duration: SECOND,
        };
        let users: Vec<u32> = (0..2)
            .map(|only| {
                plan.assignment = Assignment::Fixed { only: Some(only) };
                plan.schedule_of_shard().vus_max()
            })
            .collect();
        assert_eq!(users.iter().sum::<u32>(), 1);
        let nobody = users.iter().position(|users| *users == 0).unwrap();
        plan.assignment = Assignment::Fixed {
            only: Some(nobody as u16),
        };
        assert_eq!(plan.schedule_of_shard().steps(), [VuStep { at: 0, vus: 0 }]);
    }
}
