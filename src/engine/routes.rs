//! Which endpoint each request of a core's users goes to.

use crate::plan::{Assignment, Executor, Plan, Shard, local_to_global};
use crate::workload::{Shares, Turns, TurnsAt};

/// Nothing is kept where there is one endpoint.
pub enum Routes {
    One,
    Several(Box<Several>),
}

pub struct Several {
    shares: Shares,
    assignment: Assignment,
    /// Where the iterations are everybody's: by their common count, and so the same on any number of cores.
    shared: Option<TurnsAt>,
    /// Who has the first turn of each user, over the users of all cores of all processes.
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
        if plan.workload.endpoints.len() < 2 {
            return Routes::One;
        }
        let shares = Shares::of(&plan.workload.endpoints);
        let first = shares.first(plan.seed);
        let counted_together = matches!(plan.executor, Executor::SharedIterations { .. });
        let shared = counted_together && plan.assignment == Assignment::Weighted;
        Routes::Several(Box::new(Several {
            shared: shared.then(|| TurnsAt::starting_with(first, &shares)),
            stagger: TurnsAt::starting_with(first, &shares),
            users: Vec::new(),
            assignment: plan.assignment,
            shares,
            shard: plan.shard,
            core,
            cores,
        }))
    }

    /// Whether the core's own user number `local` is one of those who are planned.
    pub fn takes_part(&mut self, local: u32) -> bool {
        match self {
            Routes::One => true,
            Routes::Several(several) => match several.user(local) {
                User::Fixed(endpoint) => {
                    let endpoint = *endpoint;
                    several.assignment.takes_part(endpoint)
                }
                User::Weighted(_) => true,
            },
        }
    }

    /// The endpoint of a user's next request, which is number `iteration` of its own or of all users together.
    /// Asked once for each request, in order.
    pub fn next(&mut self, local: u32, iteration: u64) -> u16 {
        let several = match self {
            Routes::One => return 0,
            Routes::Several(several) => several,
        };
        if let Some(shared) = &mut several.shared {
            return shared.slot(iteration, &several.shares);
        }
        several.user(local);
        match &mut several.users[local as usize] {
            User::Fixed(endpoint) => *endpoint,
            User::Weighted(turns) => turns.next(&several.shares),
        }
    }
}

impl Several {
    fn user(&mut self, local: u32) -> &User {
        while self.users.len() <= local as usize {
            let in_process = local_to_global(self.core, self.cores, self.users.len() as u32);
            let vu = self.shard.vu(in_process);
            let first = self.stagger.slot(u64::from(vu), &self.shares);
            self.users.push(match self.assignment {
                Assignment::Fixed { .. } => User::Fixed(first),
                Assignment::Weighted => User::Weighted(Turns::starting_with(first, &self.shares)),
            });
        }
        &self.users[local as usize]
    }
}
