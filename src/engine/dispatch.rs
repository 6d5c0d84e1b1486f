//! Hands the arrivals of an open loop to the users of this core.
//!
//! The loop releases an arrival when it is due, between two turns. The user who became idle last takes it, because its
//! connection is the warmest; if all are busy a further one is started, up to the limit; beyond that the arrival is
//! dropped and counted, or waits until a user is free. A kind of request may have a limit of its own, which only its
//! arrivals use up. Nothing else stands between due and send.

use std::iter::Peekable;
use std::rc::Rc;

use super::core::CoreState;
use super::planned::Planned;
use super::vu;
use crate::plan::{Arrivals, Arriving, Plan, WhenFull};
use crate::units::Nanos;

/// The arrivals of one core that are still to come, and the users who wait for one.
pub struct Dispatch {
    lanes: Vec<Lane>,
    /// The index of the lane of each sequence; none for those that other cores take.
    lane_of: Vec<Option<u16>>,
    when_full: WhenFull,
    /// The most users of this core.
    vus_max: u32,
    t0: Nanos,
    /// Local numbers of users who wait, in the order in which they became idle. One who was stopped meanwhile is left
    /// in it and skipped.
    idle: Vec<u32>,
}

/// The arrivals that share a limit of requests in flight.
struct Lane {
    arrivals: Peekable<Arrivals>,
    queue: Option<Queue>,
    /// The most requests of this lane in flight on this core.
    vus_max: u32,
    in_flight: u32,
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

impl Lane {
    /// Returns when its next arrival is due, since the start.
    fn due(&mut self) -> Option<Nanos> {
        self.arrivals.peek().map(|next| next.due)
    }

    fn is_full(&self) -> bool {
        self.in_flight >= self.vus_max
    }

    /// Takes the next arrival if it is due at `now`, an instant since the start.
    fn take_due(&mut self, now: Nanos) -> Option<Arriving> {
        let next = self.arrivals.next_if(|next| next.due <= now)?;
        if let Some(queue) = &mut self.queue {
            queue.length(now);
            queue.waiting -= 1;
        }
        Some(next)
    }
}

impl Dispatch {
    /// Returns `None` for a closed loop.
    pub fn new(plan: &Plan, core: u16, cores: u16, t0: Nanos) -> Option<Dispatch> {
        let core = (u32::from(core), u32::from(cores));
        let open = plan.executor.open_loop()?;
        let mut lane_of = vec![None; usize::from(plan.executor.sequences())];
        let mut lanes = Vec::new();
        for lane in plan.executor.lanes() {
            let arrivals = plan.executor.arrivals_of(&lane, plan.seed, plan.shard, core);
            let Some(arrivals) = arrivals else { continue };
            for sequence in &lane.sequences {
                lane_of[usize::from(*sequence)] = Some(lanes.len() as u16);
            }
            lanes.push(Lane {
                queue: (open.when_full == WhenFull::Queue).then(|| Queue {
                    ahead: arrivals.clone().peekable(),
                    waiting: 0,
                }),
                arrivals: arrivals.peekable(),
                vus_max: lane.vus_on(plan.shard, core),
                in_flight: 0,
            });
        }
        Some(Dispatch {
            lanes,
            lane_of,
            when_full: open.when_full,
            vus_max: plan.vus_on(core),
            t0,
            idle: Vec::new(),
        })
    }

    /// Returns the lane whose next arrival has been due for longest. Lanes that are full are passed over where what
    /// they cannot take waits.
    fn next_lane(&mut self, now: Nanos) -> Option<usize> {
        let now = now.saturating_sub(self.t0);
        let may_wait = self.when_full == WhenFull::Queue;
        let lanes = self.lanes.iter_mut().enumerate();
        let due = lanes.filter_map(|(index, lane)| {
            let due = lane.due().filter(|due| *due <= now)?;
            (!may_wait || !lane.is_full()).then_some((due, index))
        });
        due.min().map(|(_, index)| index)
    }

    /// Notes how many arrivals wait, where they may.
    fn note_waiting(&mut self, core: &CoreState, now: Nanos) {
        let now = now.saturating_sub(self.t0);
        let queues = self.lanes.iter_mut().filter_map(|lane| lane.queue.as_mut());
        if self.when_full == WhenFull::Queue {
            let waiting = queues.map(|queue| queue.length(now)).sum();
            core.recorder.borrow_mut().counters().set_waiting(waiting);
        }
    }

    /// Takes the next arrival of a lane if it is due, with its instant on the clock.
    fn take_due(&mut self, lane: usize, now: Nanos) -> Option<Arriving> {
        let t0 = self.t0;
        let next = self.lanes[lane].take_due(now.saturating_sub(t0))?;
        Some(Arriving {
            due: t0 + next.due,
            ..next
        })
    }

    /// Takes the next arrival of a lane for a user.
    fn begin(&mut self, lane: usize, now: Nanos) -> Option<Arriving> {
        let arriving = self.take_due(lane, now)?;
        self.lanes[lane].in_flight += 1;
        Some(arriving)
    }
}

/// Gives every arrival that is due to a user, or drops it. Arrivals that wait for a user stay.
pub fn release(core: &Rc<CoreState>, now: Nanos) {
    let mut dispatch = core.dispatch.borrow_mut();
    let Some(dispatch) = dispatch.as_mut() else { return };
    while let Some(lane) = dispatch.next_lane(now) {
        let user = match dispatch.lanes[lane].is_full() {
            true => None,
            false => vu::pop_idle(core, &mut dispatch.idle)
                .or_else(|| vu::pop_new(core))
                .or_else(|| vu::start_another(core, dispatch.vus_max)),
        };
        match (user, dispatch.when_full) {
            (Some(local), _) => {
                if let Some(arriving) = dispatch.begin(lane, now) {
                    vu::assign(core, local, arriving);
                }
            }
            (None, WhenFull::Drop) => {
                if let Some(arriving) = dispatch.take_due(lane, now) {
                    drop_arrival(core, arriving);
                }
            }
            (None, WhenFull::Queue) => break,
        }
    }
    // What is due now waits.
    let since_start = now.saturating_sub(dispatch.t0);
    let is_due = |lane: &mut Lane| lane.due().is_some_and(|due| due <= since_start);
    if dispatch.lanes.iter_mut().any(is_due) {
        dispatch.note_waiting(core, now);
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
    let lane = dispatch.next_lane(now)?;
    let arriving = dispatch.begin(lane, now)?;
    dispatch.note_waiting(core, now);
    Some(Planned {
        ready: now,
        ..Planned::at(arriving.due, (arriving.sequence, arriving.number))
    })
}

/// Notes that the request of an arrival of this sequence has ended, so that the next one has room.
pub fn finished(core: &CoreState, sequence: u16) {
    if let Some(dispatch) = core.dispatch.borrow_mut().as_mut()
        && let Some(lane) = dispatch.lane_of[usize::from(sequence)]
    {
        dispatch.lanes[usize::from(lane)].in_flight -= 1;
    }
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
    for lane in 0..dispatch.lanes.len() {
        while let Some(arriving) = dispatch.take_due(lane, now) {
            drop_arrival(core, arriving);
        }
    }
    dispatch.note_waiting(core, now);
}

/// Counts an arrival that no user took, with the kind of request that it would have been.
fn drop_arrival(core: &CoreState, arriving: Arriving) {
    let (sequence, number) = (arriving.sequence, arriving.number);
    let (_, draw) = core.next_request(0, core.owner(sequence), (sequence, number));
    let series = core.series_of(draw.kind, arriving.due);
    let mut recorder = core.recorder.borrow_mut();
    let slot = recorder.slot(series, arriving.due);
    recorder.dropped(slot, arriving.due);
}

/// Returns when the next arrival is due that does not wait already.
fn next_due(core: &CoreState, now: Nanos) -> Option<Nanos> {
    let mut dispatch = core.dispatch.borrow_mut();
    let dispatch = dispatch.as_mut()?;
    let t0 = dispatch.t0;
    let dues = dispatch.lanes.iter_mut().filter_map(Lane::due);
    dues.map(|due| t0 + due).filter(|due| *due > now).min()
}
