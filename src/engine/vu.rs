//! Virtual users (VUs). Each is a task that sends a request, thinks, and repeats this while the schedule wants it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::cancel;
use super::connections::VuConnections;
use super::core::CoreState;
use super::dispatch;
use super::followers;
use super::graph;
use super::paired;
use super::planned::Planned;
use super::session;
use crate::engine::runtime::{catch_panic, spawn};
use crate::metrics::Outcome;
use crate::net::{Signal, TaskId, clock};
use crate::plan::{Arriving, Assignment, DURATION_MAX, local_to_global};
use crate::units::{MILLISECOND, Nanos};

/// Shortest pause after a failed connect, so that a closed port does not cause a busy loop.
const CONNECT_BACKOFF: Nanos = 50 * MILLISECOND;

/// Returns the pause after a request, of which the plan says `think`.
pub(super) fn pause_after(outcome: Outcome, think: Nanos) -> Nanos {
    match outcome {
        Outcome::ConnectFailed | Outcome::TlsFailed | Outcome::ClientResource => think.max(CONNECT_BACKOFF),
        _ => think,
    }
}

/// The state of a VU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The VU has no task.
    Idle,
    Running(TaskId),
    /// The VU was told to stop, and is cut at this instant.
    Stopping(TaskId, Nanos),
}

struct Vu {
    state: State,
    /// The schedule wants this VU.
    wanted: bool,
    /// Number of its next iteration.
    iteration: u64,
    /// It has made all its iterations or takes no part, and never gets a task again.
    spent: bool,
    /// The arrival that it was given and has not begun.
    arriving: Option<Arriving>,
    /// Its task was made and has not run yet, so it does not wait for an arrival yet but can be given one.
    is_new: bool,
    /// Further tasks that make requests of its session. They get its signals.
    lanes: Vec<TaskId>,
}

/// The VUs of one core, by local index.
#[derive(Default)]
pub struct VuTable {
    vus: Vec<Vu>,
    /// VUs `0..wanted` are wanted.
    wanted: u32,
    tasks: u32,
    /// VUs of an open loop in the order in which they were started. Those that are not new any more are skipped.
    started: Vec<u32>,
    /// No VU may start any more.
    closed: bool,
    /// The instants at which VUs are cut, earliest first. An entry counts only while its VU is stopping with that
    /// instant. Entries of VUs that end earlier stay, because removing them would cost a search at each end.
    cuts: BinaryHeap<Reverse<(Nanos, u32)>>,
}

impl VuTable {
    /// Returns true if no task is left and none will start: the schedule is over, or iterations are counted and all of
    /// them have been made.
    pub fn is_over(&self, schedule_over: bool, iterations_counted: bool) -> bool {
        let all_made = iterations_counted && self.vus.iter().all(|vu| vu.spent);
        self.tasks == 0 && (self.closed || schedule_over || all_made)
    }

    /// Returns the next instant at which a VU may have to be cut.
    pub fn next_cut(&self) -> Option<Nanos> {
        self.cuts.peek().map(|Reverse((at, _))| *at)
    }
}

/// Sets the number of wanted VUs. Starts the idle ones with the lowest numbers, or stops the running ones with the
/// highest (last in, first out), which may continue until `cut_at`.
pub fn set_wanted(core: &Rc<CoreState>, wanted: u32, cut_at: Nanos) {
    let mut table = core.vus.borrow_mut();
    if table.closed && wanted > 0 {
        return;
    }
    while (table.vus.len() as u32) < wanted {
        let local = table.vus.len() as u32;
        let takes_part = core.routes.borrow_mut().takes_part(local);
        table.vus.push(Vu {
            state: State::Idle,
            wanted: false,
            iteration: 0,
            spent: !takes_part,
            arriving: None,
            is_new: false,
            lanes: Vec::new(),
        });
    }
    let was = table.wanted;
    table.wanted = wanted;
    for local in was..wanted {
        start(core, &mut table, local);
    }
    for local in (wanted..was).rev() {
        stop(core, &mut table, local, cut_at);
    }
    let running = u64::from(table.tasks);
    core.recorder.borrow_mut().counters().set_vus_running(running);
}

fn start(core: &Rc<CoreState>, table: &mut VuTable, local: u32) {
    let vu = &mut table.vus[local as usize];
    vu.wanted = true;
    match vu.state {
        State::Idle if vu.spent => {}
        State::Idle => {
            let task = core.net.new_task();
            vu.state = State::Running(task);
            vu.is_new = true;
            table.tasks += 1;
            if core.plan.executor.open_loop().is_some() {
                table.started.push(local);
            }
            core.net.note_runnable();
            spawn(run(core.clone(), local, task));
        }
        State::Running(_) => {}
        // Wanted again before it had stopped, so it simply continues.
        State::Stopping(task, _) => {
            tell(core, task, &vu.lanes, Signal::None);
            vu.state = State::Running(task);
        }
    }
}

fn stop(core: &Rc<CoreState>, table: &mut VuTable, local: u32, cut_at: Nanos) {
    let vu = &mut table.vus[local as usize];
    vu.wanted = false;
    if let State::Running(task) = vu.state {
        vu.state = State::Stopping(task, cut_at);
        table.cuts.push(Reverse((cut_at, local)));
        tell(core, task, &vu.lanes, Signal::Soft);
    }
}

/// Gives a signal to all tasks of a user.
fn tell(core: &CoreState, task: TaskId, lanes: &[TaskId], signal: Signal) {
    for task in [task].iter().chain(lanes) {
        core.net.set_signal(*task, signal);
    }
}

/// Adds a task to those of a user, with the user's signal.
pub(super) fn add_lane(core: &CoreState, local: u32, lane: TaskId) {
    let mut table = core.vus.borrow_mut();
    let vu = &mut table.vus[local as usize];
    vu.lanes.push(lane);
    let signal = match vu.state {
        State::Running(task) | State::Stopping(task, _) => core.net.signal(task),
        State::Idle => Signal::None,
    };
    core.net.set_signal(lane, signal);
}

/// Takes a task away from those of a user.
pub(super) fn remove_lane(core: &CoreState, local: u32, lane: TaskId) {
    let mut table = core.vus.borrow_mut();
    table.vus[local as usize].lanes.retain(|task| *task != lane);
}

/// Tells whether a user may begin no further request.
pub(super) fn is_stopping(core: &CoreState, local: u32) -> bool {
    let table = core.vus.borrow();
    !matches!(table.vus[local as usize].state, State::Running(_))
}

/// Tells whether the load was stopped, so that no further request may begin.
pub(super) fn is_closed(core: &CoreState) -> bool {
    core.vus.borrow().closed
}

/// Lets no VU start again. Those that still run are cut at `cut_at` at the latest.
pub fn close(core: &Rc<CoreState>, cut_at: Nanos) {
    set_wanted(core, 0, cut_at);
    let mut table = core.vus.borrow_mut();
    let VuTable {
        vus, cuts, closed, ..
    } = &mut *table;
    *closed = true;
    for (local, vu) in (0u32..).zip(vus) {
        if let State::Stopping(_, at) = &mut vu.state
            && *at > cut_at
        {
            *at = cut_at;
            cuts.push(Reverse((cut_at, local)));
        }
    }
}

/// Cuts the VUs whose instant has passed.
pub fn cut_due(core: &Rc<CoreState>, now: Nanos) {
    let mut table = core.vus.borrow_mut();
    let VuTable { vus, cuts, .. } = &mut *table;
    while let Some(&Reverse((at, local))) = cuts.peek() {
        if at > now {
            return;
        }
        cuts.pop();
        match vus[local as usize].state {
            State::Stopping(task, cut_at) if cut_at == at => {
                tell(core, task, &vus[local as usize].lanes, Signal::Hard);
            }
            _ => {}
        }
    }
}

/// Takes the user who became idle last out of `idle`. Those who were stopped meanwhile are dropped from it.
pub fn pop_idle(core: &CoreState, idle: &mut Vec<u32>) -> Option<u32> {
    let table = core.vus.borrow();
    let is_running = |local: &u32| matches!(table.vus[*local as usize].state, State::Running(_));
    std::iter::from_fn(|| idle.pop()).find(is_running)
}

/// Returns a user who was started and has not run yet: the first arrivals are due before the users who are there from
/// the start can wait for them.
pub fn pop_new(core: &CoreState) -> Option<u32> {
    let mut table = core.vus.borrow_mut();
    let VuTable { vus, started, .. } = &mut *table;
    std::iter::from_fn(|| started.pop()).find(|local| {
        let vu = &vus[*local as usize];
        vu.is_new && matches!(vu.state, State::Running(_))
    })
}

/// Starts one more user, if there are fewer than `max` and the load is not over. Returns its number.
pub fn start_another(core: &Rc<CoreState>, max: u32) -> Option<u32> {
    let (wanted, closed) = {
        let table = core.vus.borrow();
        (table.wanted, table.closed)
    };
    if closed || wanted >= max {
        return None;
    }
    set_wanted(core, wanted + 1, Nanos::MAX);
    Some(wanted)
}

/// Gives an arrival to an idle user, and wakes it.
pub fn assign(core: &CoreState, local: u32, arriving: Arriving) {
    let mut table = core.vus.borrow_mut();
    let vu = &mut table.vus[local as usize];
    vu.arriving = Some(arriving);
    vu.is_new = false;
    if let State::Running(task) = vu.state {
        // Ends its sleep; it takes the signal back when it takes the arrival.
        core.net.set_signal(task, Signal::Soft);
    }
}

/// Returns the next arrival for this user: the one that it was given, or one that waits. `None` if there is none yet.
fn take_arrival(core: &CoreState, local: u32) -> Option<Planned> {
    let at_once = |arriving: Arriving| Planned::at(arriving.due, (arriving.sequence, arriving.number));
    let mut table = core.vus.borrow_mut();
    let vu = &mut table.vus[local as usize];
    let State::Running(task) = vu.state else {
        return vu.arriving.take().map(at_once);
    };
    core.net.set_signal(task, Signal::None);
    match vu.arriving.take() {
        Some(arriving) => Some(at_once(arriving)),
        None => dispatch::take_waiting(core),
    }
}

async fn run(core: Rc<CoreState>, local: u32, task: TaskId) {
    let is_open = core.plan.executor.open_loop().is_some();
    let outcome = match is_open {
        true => catch_panic(pin!(serve(&core, local, task))).await,
        false => catch_panic(pin!(iterate(&core, local, task))).await,
    };
    if let Err(panic) = outcome {
        let reason = format!("virtual user {local} panicked: {panic}");
        core.failed.borrow_mut().get_or_insert(reason);
        core.over.set(true);
        return;
    }
    end(&core, local, task);
}

/// Frees the task that has ended. A VU that is wanted again by now gets a new task.
fn end(core: &Rc<CoreState>, local: u32, task: TaskId) {
    core.net.free_task(task);
    let mut table = core.vus.borrow_mut();
    table.tasks -= 1;
    let vu = &mut table.vus[local as usize];
    vu.state = State::Idle;
    if vu.wanted && !table.closed {
        start(core, &mut table, local);
    }
    let running = u64::from(table.tasks);
    core.recorder.borrow_mut().counters().set_vus_running(running);
    if table.tasks == 0 {
        core.net.kick_local(core.conductor);
    }
}

async fn iterate(core: &Rc<CoreState>, local: u32, task: TaskId) {
    let in_process = local_to_global(u32::from(core.index), u32::from(core.cores), local);
    let vu = core.plan.shard.vu(in_process);
    let mut connections = VuConnections::new(task, vu);
    let mut due = clock::monotonic();
    while core.net.signal(task) == Signal::None {
        let Some((owner, iteration)) = next_iteration(core, local, vu) else {
            core.vus.borrow_mut().vus[local as usize].spent = true;
            break;
        };
        let planned = Planned::at(due, (0, iteration));
        let (outcome, think) = make(core, &mut connections, local, owner, planned).await;
        #[cfg(debug_assertions)]
        super::sabotage::panic_after(core, vu, iteration);
        if outcome == Outcome::Interrupted {
            break;
        }
        let pause = pause_after(outcome, think);
        let ready = clock::monotonic();
        due = ready + pause;
        if pause > 0 && connections.pause_until(core, due).await != Signal::None {
            break;
        }
    }
    connections.close(&core.net);
}

/// Makes the request of an iteration, whose content depends on `owner`, or the pair of requests, or all turns of a
/// session. Returns the outcome, of a pair the worse one and of a session the last, and the pause that the plan has
/// after it.
pub(super) async fn make(
    core: &Rc<CoreState>,
    connections: &mut VuConnections,
    local: u32,
    owner: u32,
    planned: Planned,
) -> (Outcome, Nanos) {
    if let Assignment::Paired(prompts) = core.plan.assignment {
        // Boxed, so that users without pairs do not have the room for one.
        return Box::pin(paired::make(core, connections, owner, planned, prompts)).await;
    }
    let Planned {
        sequence, iteration, ..
    } = planned;
    let (target, draw) = core.next_request(local, owner, (sequence, iteration));
    if core.plan.workload.conversation(draw.kind).is_some() {
        // Boxed for the same reason.
        return Box::pin(session::carry_out(
            core,
            connections,
            (owner, target),
            &draw,
            planned,
        ))
        .await;
    }
    if core.plan.workload.graph(draw.kind).is_some() {
        let place = (local, target);
        return Box::pin(graph::carry_out(core, connections, place, &draw, planned)).await;
    }
    let planned = Planned {
        cut: cancel::cut(core, &mut connections.made, (owner, iteration), draw.kind),
        ..planned
    };
    let connection = connections.connection_to(core, target);
    let sample = connection.request(core, (&draw, None), planned).await;
    (sample.outcome, draw.think)
}

/// Makes the requests of an open loop that this user is given, until it is stopped. There is no pause between them: the
/// plan says when each is due.
async fn serve(core: &Rc<CoreState>, local: u32, task: TaskId) {
    let in_process = local_to_global(u32::from(core.index), u32::from(core.cores), local);
    let vu = core.plan.shard.vu(in_process);
    let mut connections = VuConnections::new(task, vu);
    core.vus.borrow_mut().vus[local as usize].is_new = false;
    loop {
        if let Some(planned) = take_arrival(core, local) {
            let owner = core.owner(planned.sequence);
            let (outcome, _) = make(core, &mut connections, local, owner, planned).await;
            let outcome = match core.plan.executor.trace() {
                Some(trace) if trace.follower(planned.iteration).is_some() => {
                    // Boxed, so that users of other loads do not have the room for it.
                    Box::pin(followers::make_all(
                        core,
                        &mut connections,
                        local,
                        (planned, outcome),
                    ))
                    .await
                }
                _ => outcome,
            };
            dispatch::finished(core, planned.sequence);
            #[cfg(debug_assertions)]
            super::sabotage::panic_after(core, vu, planned.iteration);
            if outcome == Outcome::Interrupted {
                break;
            }
            continue;
        }
        if core.net.signal(task) != Signal::None {
            break;
        }
        dispatch::rest(core, local);
        connections.pause_until(core, core.net.now() + DURATION_MAX).await;
    }
    connections.close(&core.net);
}

/// Returns the VU and the iteration that determine the content of the next request; `None` when no iteration is left.
fn next_iteration(core: &CoreState, local: u32, vu: u32) -> Option<(u32, u64)> {
    let executor = &core.plan.executor;
    if let Some(iterations) = executor.shared_iterations() {
        // The key is the common count alone, so that content does not depend on which VU takes the iteration.
        let taken = core.shared_iterations.fetch_add(1, Ordering::Relaxed);
        let n = core.plan.shard.iteration(taken);
        return (n < iterations).then_some((0, n));
    }
    let mut table = core.vus.borrow_mut();
    let n = &mut table.vus[local as usize].iteration;
    if executor.iterations_per_vu().is_some_and(|limit| *n >= limit) {
        return None;
    }
    *n += 1;
    Some((vu, *n - 1))
}
