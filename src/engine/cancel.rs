//! Decides which requests of a core's users are cancelled, and where.

use super::core::CoreState;
use crate::plan::{Numbering, Plan};
use crate::workload::{Call, Chooser, Cut};

/// The choices of a core. Each kind of request has its share of its own requests, so they are counted: by user where
/// users count their own, and otherwise over all cores of all processes.
#[derive(Default)]
pub struct Cancels {
    /// By the kind's index in the mix; empty if no request is cancelled.
    choosers: Vec<Option<Chooser>>,
    /// Of requests that are numbered together: how many of each kind come before number `next`.
    before: Vec<u64>,
    next: u64,
}

impl Cancels {
    pub fn new(plan: &Plan) -> Cancels {
        let mix = &plan.workload.kinds[..usize::from(plan.workload.kinds_in_mix())];
        let choosers = mix.iter().map(|kind| match &kind.call {
            Call::Chat(chat) => {
                let name = kind.name_in_mix();
                chat.cancel
                    .as_deref()
                    .map(|cancel| Chooser::new(*cancel, plan.seed, name))
            }
            Call::Light | Call::Get { .. } => None,
        });
        let choosers: Vec<Option<Chooser>> = choosers.collect();
        match choosers.iter().any(Option::is_some) {
            true => Cancels {
                before: vec![0; choosers.len()],
                choosers,
                next: 0,
            },
            false => Cancels::default(),
        }
    }

    /// Returns how many requests of a kind come before `number`, where all are numbered together. The numbers of a core
    /// ascend.
    fn before(&mut self, plan: &Plan, number: u64, kind: usize) -> u64 {
        if self.before.len() == 1 {
            return number;
        }
        while self.next < number {
            let drawn = plan.workload.kind_in_mix(plan.seed, 0, self.next);
            self.before[usize::from(drawn)] += 1;
            self.next += 1;
        }
        self.before[kind]
    }
}

/// Returns where request `iteration` of `owner` is cut, if it is to be cancelled. It is of kind `kind`, and `made` is
/// how many of each kind in the mix its user has made. Must be called once for each request, in order.
pub fn cut(core: &CoreState, made: &mut Vec<u32>, (owner, iteration): (u32, u64), kind: u16) -> Option<Cut> {
    let mut cancels = core.cancels.borrow_mut();
    if cancels.choosers.is_empty() {
        return None;
    }
    let plan = &core.plan;
    let kind = usize::from(plan.workload.in_mix(kind));
    let (user, number) = match plan.executor.numbering() {
        Numbering::ByVu => {
            made.resize(cancels.choosers.len(), 0);
            made[kind] += 1;
            (owner, u64::from(made[kind] - 1))
        }
        Numbering::Together => (0, cancels.before(plan, iteration, kind)),
        Numbering::ByKind => (0, iteration),
    };
    cancels.choosers[kind]?.cut(user, number)
}
