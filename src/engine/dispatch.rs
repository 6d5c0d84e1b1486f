//! Hands the arrivals of an open loop to the users of this core.
//!
//! The loop releases an arrival when it is due, between two turns. The user who became idle last takes it, because its
//! connection is the warmest; if all are busy a further one is started, up to the limit; beyond that the arrival is
//! dropped and counted, or waits until a user is free. Nothing else stands between due and send.

use std::iter::Peekable;
use std::rc::Rc;

use super::core::CoreState;
use super::exchange::Planned;
use super::vu;
use crate::plan::{Arrivals, Arriving, Plan, WhenFull, vus_on_core};
use crate::units::Nanos;
use crate::workload::Draw;

/// The arrivals of one core that are still to come, and the users who wait for one.
pub struct Dispatch {
    arrivals: Peekable<Arrivals>,
    queue: Option<Queue>,
    when_full: WhenFull,
    /// The most users of this core.
    vus_max: u32,
    t0: Nanos,
    /// Local numbers of users who wait, in the order in which they became idle. One who was stopped meanwhile is left
    /// in it and skipped.
    idle: Vec<u32>,
}

/// The length of the queue. Queued arrivals are those of the sequence that are due and not taken, so a second look at
/// the sequence, which is ahead by that many, counts them.
struct Queue {
    ahead: Peekable<Arrivals>,
    waiting: u64,
}

impl Queue {
    /// Returns how many arrivals wait at `now`, an instant since the start.
    fn length(&mut self, now: Nanos) -> u64 {
        while self.ahead.next_if(|next| next.due <= now).is_some() {
            self.waiting += 1;
        }
        self.waiting
    }
}

impl Dispatch {
    /// Returns `None` for a closed loop.
    pub fn new(plan: &Plan, core: u16, cores: u16, t0: Nanos) -> Option<Dispatch> {
        let (core, cores) = (u32::from(core), u32::from(cores));
        let arrivals = plan.executor.arrivals(plan.seed, plan.shard, (core, cores))?;
        let open = plan.executor.open_loop()?;
        Some(Dispatch {
            queue: (open.when_full == WhenFull::Queue).then(|| Queue {
                ahead: arrivals.clone().peekable(),
                waiting: 0,
            }),
            arrivals: arrivals.peekable(),
            when_full: open.when_full,
            vus_max: vus_on_core(plan.vus_of_shard(), core, cores),
            t0,
            idle: Vec::new(),
        })
    }

    fn due(&mut self) -> Option<Nanos> {
        self.arrivals.peek().map(|next| self.t0 + next.due)
    }

    /// Notes how many arrivals wait, where they may.
    fn note_waiting(&mut self, core: &CoreState, now: Nanos) {
        if let Some(queue) = &mut self.queue {
            let waiting = queue.length(now.saturating_sub(self.t0));
            core.recorder.borrow_mut().counters().set_waiting(waiting);
        }
    }

    /// Takes the next arrival if it is due, with its instant on the clock.
    fn take_due(&mut self, now: Nanos) -> Option<Arriving> {
        let t0 = self.t0;
        let next = self.arrivals.next_if(|next| t0 + next.due <= now)?;
        if let Some(queue) = &mut self.queue {
            queue.length(now - t0);
            queue.waiting -= 1;
        }
        Some(Arriving {
            due: t0 + next.due,
            ..next
        })
    }
}

/// Gives every arrival that is due to a user, or drops it. Arrivals that wait for a user stay.
pub fn release(core: &Rc<CoreState>, now: Nanos) {
    loop {
        let mut dispatch = core.dispatch.borrow_mut();
        let Some(dispatch) = dispatch.as_mut() else { return };
        if dispatch.due().is_none_or(|due| due > now) {
            return;
        }
        let user = vu::pop_idle(core, &mut dispatch.idle)
            .or_else(|| vu::pop_new(core))
            .or_else(|| vu::start_another(core, dispatch.vus_max));
        match (user, dispatch.when_full) {
            (Some(local), _) => {
                if let Some(arriving) = dispatch.take_due(now) {
                    vu::assign(core, local, arriving);
                }
            }
            (None, WhenFull::Drop) => {
                if let Some(arriving) = dispatch.take_due(now) {
                    drop_arrival(core, arriving);
                }
            }
            (None, WhenFull::Queue) => return dispatch.note_waiting(core, now),
        }
    }
}

/// Gives what is due to users, and returns when the next arrival is due.
pub fn release_due(core: &Rc<CoreState>, now: Nanos) -> Option<Nanos> {
    release(core, now);
    next_due(core, now)
}

/// Takes the arrival that has waited longest for the user who is free now, if one waits.
pub fn take_waiting(core: &CoreState) -> Option<Planned> {
    let mut dispatch = core.dispatch.borrow_mut();
    let dispatch = dispatch.as_mut().filter(|it| it.when_full == WhenFull::Queue)?;
    let now = core.net.now();
    dispatch.note_waiting(core, now);
    let Arriving {
        sequence,
        number,
        due,
    } = dispatch.take_due(now)?;
    dispatch.note_waiting(core, now);
    Some(Planned {
        iteration: number,
        sequence,
        due,
        ready: now,
        half: None,
    })
}

/// Notes that a user waits for an arrival.
pub fn rest(core: &CoreState, local: u32) {
    if let Some(dispatch) = core.dispatch.borrow_mut().as_mut() {
        dispatch.idle.push(local);
    }
}

/// Drops what waits at the end of the load, and all later arrivals with it.
pub fn end(core: &CoreState, now: Nanos) {
    let Some(mut dispatch) = core.dispatch.borrow_mut().take() else {
        return;
    };
    dispatch.note_waiting(core, now);
    while let Some(arriving) = dispatch.take_due(now) {
        drop_arrival(core, arriving);
    }
    dispatch.note_waiting(core, now);
}

/// Counts an arrival that no user took, with the kind of request that it would have been.
fn drop_arrival(core: &CoreState, arriving: Arriving) {
    let (_, draw) = content(core, 0, (arriving.sequence, arriving.number));
    let series = core.series_of(draw.kind, arriving.due);
    let mut recorder = core.recorder.borrow_mut();
    let slot = recorder.slot(series, arriving.due);
    recorder.dropped(slot);
}

/// Returns the server that arrival `number` of a sequence goes to, and what is asked there; `local` is the user who
/// takes it.
pub fn content(core: &CoreState, local: u32, (sequence, number): (u16, u64)) -> (u16, Draw) {
    let target = core.routes.borrow_mut().next(sequence, local, number);
    (
        target,
        core.draw(core.owner(sequence), (sequence, number), target),
    )
}

/// Returns when the next arrival is due, if it is not waiting already.
fn next_due(core: &CoreState, now: Nanos) -> Option<Nanos> {
    let mut dispatch = core.dispatch.borrow_mut();
    dispatch.as_mut()?.due().filter(|due| *due > now)
}
