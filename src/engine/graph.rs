//! Carries out a session whose requests wait for one another as those of an agent and its subagents do.
//!
//! A user has as many requests of its session in flight as the graph allows, each on a lane: a task with connections of
//! its own. The user's own task is one of the lanes. Others are started when more requests are ready than lanes are
//! free, rest while there is nothing to do, and keep their connections for the user's next session. The graph is an
//! order, so there are never more lanes than requests of which none waits for another, which the plan knows.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

use super::connections::VuConnections;
use super::core::CoreState;
use super::planned::Planned;
use super::session::id;
use super::vu::{self, pause_after};
use crate::engine::runtime::{catch_panic, spawn};
use crate::metrics::{GraphEnded, Outcome, Sample, SessionEnd, SessionEnded};
use crate::net::{Signal, TaskId, clock};
use crate::units::Nanos;
use crate::workload::{Draw, History, OnFailure, Progress, Ready, SessionKey, Turn};

/// A session that is carried out.
struct Run {
    core: Rc<CoreState>,
    /// The local number of the user.
    local: u32,
    /// Its number in the plan.
    vu: u32,
    user: TaskId,
    target: u16,
    first: Draw,
    planned: Planned,
    on_failure: OnFailure,
    key: SessionKey,
    /// Names it in the affinity header.
    id: String,
    /// Requests of a graph carry no answers.
    history: History,
    progress: RefCell<Progress>,
    /// Lanes that have nothing to do.
    resting: RefCell<Vec<TaskId>>,
    /// Lanes that were started or woken, and have not looked for a request yet.
    coming: Cell<usize>,
    /// Lanes besides the user's.
    helpers: Cell<usize>,
    /// The lanes that have ended.
    spare: RefCell<Vec<VuConnections>>,
    end: Cell<SessionEnd>,
    outcome: Cell<Outcome>,
    done: Cell<Nanos>,
}

/// Makes the requests of the session that `first` begins. Returns the outcome of the one that ended last, and the pause
/// that the plan has after the session.
pub(super) async fn carry_out(
    core: &Rc<CoreState>,
    connections: &mut VuConnections,
    (local, target): (u32, u16),
    first: &Draw,
    planned: Planned,
) -> (Outcome, Nanos) {
    let Some((graph, replaying)) = core.plan.workload.graph(first.kind) else {
        return (Outcome::Interrupted, 0);
    };
    let (delay_scale, on_failure) = (replaying.delay_scale, replaying.on_failure);
    // A dataset has at most so many rows.
    let session = graph.session_of(first.prompt as u32);
    core.recorder.borrow_mut().session_started();
    let run = Rc::new(Run {
        core: core.clone(),
        local,
        vu: connections.vu(),
        user: connections.task(),
        target,
        first: *first,
        planned,
        on_failure,
        key: SessionKey::of(core.plan.seed, local, planned.iteration, first),
        id: id(core, connections.vu(), first.kind, planned.iteration),
        history: History::default(),
        progress: RefCell::new(Progress::begin(graph, session, planned.ready, delay_scale)),
        resting: RefCell::new(Vec::new()),
        coming: Cell::new(0),
        helpers: Cell::new(0),
        spare: RefCell::new(connections.take_spare()),
        end: Cell::new(SessionEnd::Completed),
        outcome: Cell::new(Outcome::Interrupted),
        done: Cell::new(planned.due),
    });
    walk(&run, connections).await;
    core.net.wait_until(run.user, || run.helpers.get() == 0).await;
    connections.keep_spare(run.spare.take());
    run.record(graph.recorded(session));
    (run.outcome.get(), first.think)
}

/// Makes one request after another, as long as there are some for this lane.
async fn walk(run: &Rc<Run>, lane: &mut VuConnections) {
    loop {
        if vu::is_stopping(&run.core, run.local) {
            run.cut();
        }
        let ready = run.progress.borrow_mut().take();
        if let Some(ready) = ready {
            run.spread();
            run.make(lane, ready).await;
        } else if run.progress.borrow().is_over() {
            break;
        } else {
            run.rest(lane).await;
        }
    }
    for task in run.resting.take() {
        run.core.net.wake(task);
    }
}

/// Is a lane besides the user's.
async fn help(run: Rc<Run>, mut lane: VuConnections) {
    run.coming.set(run.coming.get() - 1);
    let core = &run.core;
    if let Err(panic) = catch_panic(pin!(walk(&run, &mut lane))).await {
        let reason = format!("a request of virtual user {} panicked: {panic}", run.local);
        core.failed.borrow_mut().get_or_insert(reason);
        core.over.set(true);
        return;
    }
    vu::remove_lane(core, run.local, lane.task());
    lane.set_idle(core);
    run.spare.borrow_mut().push(lane);
    run.helpers.set(run.helpers.get() - 1);
    core.net.wake(run.user);
}

impl Run {
    /// Finds a lane for each request that is ready.
    fn spread(self: &Rc<Run>) {
        let ready = self.progress.borrow().ready();
        while self.coming.get() < ready {
            self.coming.set(self.coming.get() + 1);
            let rested = self.resting.borrow_mut().pop();
            match rested {
                Some(task) => self.core.net.wake(task),
                None => self.start_lane(),
            }
        }
    }

    fn start_lane(self: &Rc<Run>) {
        let core = &self.core;
        let lane = match self.spare.borrow_mut().pop() {
            Some(mut lane) => {
                lane.set_active(core);
                lane
            }
            None => VuConnections::new(core.net.new_task(), self.vu),
        };
        vu::add_lane(core, self.local, lane.task());
        self.helpers.set(self.helpers.get() + 1);
        core.net.note_runnable();
        spawn(help(self.clone(), lane));
    }

    /// Waits until there may be something to do. What arrives on the connection meanwhile is of no interest.
    async fn rest(&self, lane: &mut VuConnections) {
        let task = lane.task();
        lane.set_idle(&self.core);
        self.resting.borrow_mut().push(task);
        let is_called = || !self.resting.borrow().contains(&task);
        self.core.net.wait_until(task, is_called).await;
        // At the end of the session all are woken, though nobody expects them.
        self.coming.set(self.coming.get().saturating_sub(1));
        lane.set_active(&self.core);
    }

    /// Makes a request when it is due.
    async fn make(&self, lane: &mut VuConnections, Ready { node, due }: Ready) {
        let core = &self.core;
        let signal = match due > core.net.now() {
            true => lane.pause_until(core, due).await,
            false => core.net.signal(lane.task()),
        };
        if signal != Signal::None {
            self.cut();
            self.progress.borrow_mut().give_up();
            return;
        }
        let draw = core.plan.workload.draw_node(core.plan.seed, &self.first, node);
        let is_first = due == self.planned.ready;
        let mut planned = Planned {
            due: if is_first { self.planned.due } else { due },
            ready: due,
            // The most requests of a session is below the largest number.
            turn: node + 1,
            ..self.planned
        };
        let connection = lane.connection_to(core, self.target);
        if !is_first {
            connection.replace_stale(core, &draw, &mut planned).await;
        }
        let turn = Turn {
            key: self.key,
            number: node,
            history: &self.history,
            id: &self.id,
        };
        let sample = connection.request(core, (&draw, Some(&turn)), planned).await;
        self.heard(node, &sample);
    }

    fn heard(&self, node: u16, sample: &Sample) {
        match sample.outcome {
            Outcome::Interrupted => self.cut(),
            outcome if outcome.is_failure() => {
                self.end.set(SessionEnd::Failed);
                if self.on_failure == OnFailure::End {
                    self.progress.borrow_mut().stop();
                }
            }
            _ => {}
        }
        self.outcome.set(sample.outcome);
        self.done.set(self.done.get().max(sample.done));
        let at = clock::monotonic() + pause_after(sample.outcome, 0);
        self.progress.borrow_mut().ended(node, at);
    }

    /// Ends the session with the load.
    fn cut(&self) {
        let mut progress = self.progress.borrow_mut();
        progress.stop();
        if self.end.get() == SessionEnd::Completed && !progress.is_complete() {
            self.end.set(SessionEnd::Incomplete);
        }
    }

    fn record(&self, recorded: Nanos) {
        let progress = self.progress.borrow();
        let duration = self.done.get().saturating_sub(self.planned.due);
        let ended = SessionEnded {
            end: self.end.get(),
            turns: progress.made(),
            duration,
            graph: Some(GraphEnded {
                recorded,
                delays: progress.delays_on_path().min(duration),
            }),
        };
        self.core.recorder.borrow_mut().session_ended(ended);
        self.core.send_details();
    }
}
