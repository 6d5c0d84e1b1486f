//! Decides which requests of a core's users are cancelled, and where.

use super::core::CoreState;
use crate::plan::{Numbering, Plan};
use crate::workload::{Call, Chooser, Cut, Prompts, SessionKey, TURNS_MAX};

/// The choices of a core. Each kind of request has its share of its own requests, so they are counted: by user where
/// users count their own, and otherwise over all cores of all processes. A session counts as the turns that it is
/// planned to have, however many are made, so that what a server answers changes no choice.
#[derive(Default)]
pub struct Cancels {
    /// By the kind's index in the mix; empty if no request is cancelled.
    choosers: Vec<Option<Chooser>>,
    /// Of requests that are numbered together: how many of each kind come before number `next`. Of requests that each
    /// kind numbers by itself: how many come before its number in `next_of_kind`.
    before: Vec<u64>,
    next: u64,
    next_of_kind: Vec<u64>,
}

/// Where the requests of a session, or a single one, are cut.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    chooser: Chooser,
    user: u32,
    first: u64,
}

impl Cuts {
    /// Returns where turn `turn` is cut, from 0, if it is to be cancelled.
    pub fn of(&self, turn: u16) -> Option<Cut> {
        self.chooser.cut(self.user, self.first + u64::from(turn))
    }
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
                next_of_kind: vec![0; choosers.len()],
                choosers,
                next: 0,
            },
            false => Cancels::default(),
        }
    }

    /// Returns how many requests of a kind come before `number`, where all are numbered together. The numbers of a core
    /// ascend, but those of a trace, whose rows count as they are.
    fn before(&mut self, plan: &Plan, owner: u32, number: u64, kind: usize) -> u64 {
        let single = self.before.len() == 1 && planned(plan, kind, None).is_some();
        if single {
            return number;
        }
        if plan.executor.trace().is_some() {
            return number * turns(plan, (owner, number), kind);
        }
        while self.next < number {
            let drawn = usize::from(plan.workload.kind_in_mix(plan.seed, 0, self.next));
            self.before[drawn] += turns(plan, (owner, self.next), drawn);
            self.next += 1;
        }
        self.before[kind]
    }

    /// Returns how many requests of a kind come before its `number`, where each kind numbers its own.
    fn before_of_kind(&mut self, plan: &Plan, owner: u32, number: u64, kind: usize) -> u64 {
        if planned(plan, kind, None).is_some() {
            return number;
        }
        while self.next_of_kind[kind] < number {
            self.before[kind] += turns(plan, (owner, self.next_of_kind[kind]), kind);
            self.next_of_kind[kind] += 1;
        }
        self.before[kind]
    }
}

/// Returns how many requests session `key` of a kind is planned to make. Without a key: the number that all have, if
/// they are single requests.
fn planned(plan: &Plan, kind: usize, key: Option<(u32, u64)>) -> Option<u64> {
    // At most `KINDS_MAX` kinds.
    let kind = kind as u16;
    if plan.workload.conversation(kind).is_none() {
        return Some(1);
    }
    let (owner, session) = key?;
    if has_rows(plan, kind) {
        // How many rows its session has depends on what is drawn for it; room for all leaves the share what it is.
        return Some(u64::from(TURNS_MAX));
    }
    let key = SessionKey {
        seed: plan.seed,
        owner,
        session,
        kind,
        model: 0,
        of_dataset: 0,
    };
    Some(u64::from(plan.workload.turns(key)))
}

/// Tells whether the turns of a kind are rows of a dataset.
fn has_rows(plan: &Plan, kind: u16) -> bool {
    let call = &plan.workload.kinds[usize::from(kind)].call;
    call.chat()
        .is_some_and(|chat| matches!(chat.prompts, Prompts::Rows(_)))
}

fn turns(plan: &Plan, session: (u32, u64), kind: usize) -> u64 {
    planned(plan, kind, Some(session)).unwrap_or(1)
}

/// Returns where the requests of iteration `iteration` of `owner` are cut, if its kind has any that are cancelled.
/// `made` is how many of each kind in the mix its user has planned so far. Must be called once for each iteration,
/// in order.
pub fn cuts(
    core: &CoreState,
    made: &mut Vec<u64>,
    (owner, iteration): (u32, u64),
    kind: u16,
) -> Option<Cuts> {
    let mut cancels = core.cancels.borrow_mut();
    if cancels.choosers.is_empty() {
        return None;
    }
    let plan = &core.plan;
    let kind = usize::from(plan.workload.in_mix(kind));
    let (user, first) = match plan.executor.numbering() {
        Numbering::ByVu => {
            made.resize(cancels.choosers.len(), 0);
            let first = made[kind];
            made[kind] += turns(plan, (owner, iteration), kind);
            (owner, first)
        }
        Numbering::Together => (0, cancels.before(plan, owner, iteration, kind)),
        Numbering::ByKind => (0, cancels.before_of_kind(plan, owner, iteration, kind)),
    };
    let chooser = cancels.choosers[kind]?;
    Some(Cuts { chooser, user, first })
}

/// Returns where a single request is cut. See [`cuts`].
pub fn cut(core: &CoreState, made: &mut Vec<u64>, of: (u32, u64), kind: u16) -> Option<Cut> {
    cuts(core, made, of, kind)?.of(0)
}
