//! The task of one core that starts and stops its VUs by the schedule, cuts those whose grace period has ended, handles
//! the reporter's commands, and sends it a snapshot every second.

use std::rc::Rc;

use crossbeam_channel::Receiver;

use super::Command;
use super::core::CoreState;
use super::dispatch::{self, Dispatch};
use super::vu;
use crate::metrics::Periods;
use crate::net::clock;
use crate::plan::{Phases, VuSchedule, vus_on_core};
use crate::units::{Nanos, SECOND};

const SNAPSHOT_EVERY: Nanos = SECOND;

struct Conductor {
    core: Rc<CoreState>,
    schedule: VuSchedule,
    next_step: usize,
    t0: Nanos,
    next_snapshot: Nanos,
    /// The executor's duration is over.
    ended: bool,
}

pub async fn conduct(core: Rc<CoreState>, commands: Receiver<Command>, t0: Nanos) {
    let mut conductor = Conductor {
        schedule: core.plan.schedule_with_bystanders(),
        next_step: 0,
        t0,
        next_snapshot: t0 + SNAPSHOT_EVERY,
        ended: false,
        core,
    };
    let load_end = t0 + conductor.core.plan.executor.duration();
    let phases = Phases::of(&conductor.core.plan.executor);
    let steady = phases.holds().iter();
    let steady = steady.map(|hold| [t0 + hold.start, t0 + hold.end]).collect();
    {
        let mut recorder = conductor.core.recorder.borrow_mut();
        recorder.begin_load(t0);
        recorder.end_load(load_end);
        recorder.hold(steady);
        if let Some(trace) = conductor.core.plan.executor.trace() {
            let (length, count) = trace.pace_rows();
            let begin = t0;
            recorder.keep_pace(Periods { begin, length, count });
        }
    }
    {
        let core = &conductor.core;
        if let Some(settle) = core.options.settle {
            core.counted.set([t0 + settle, Nanos::MAX]);
        }
        *core.dispatch.borrow_mut() = Dispatch::new(&core.plan, core.index, core.cores, t0);
    }
    loop {
        while let Ok(command) = commands.try_recv() {
            conductor.handle(command);
        }
        let now = clock::monotonic();
        conductor.advance(now);
        vu::cut_due(&conductor.core, now);
        if conductor.is_over() {
            conductor.core.over.set(true);
            return;
        }
        if now >= conductor.next_snapshot {
            conductor.core.send_snapshot();
            conductor.next_snapshot +=
                SNAPSHOT_EVERY * (1 + (now - conductor.next_snapshot) / SNAPSHOT_EVERY);
        }
        let core = conductor.core.clone();
        core.net
            .wait_for_kick(core.conductor, conductor.next_wake())
            .await;
    }
}

impl Conductor {
    /// Applies the schedule and releases arrivals. An arrival that is due at the very end is released before the users
    /// are stopped.
    fn advance(&mut self, now: Nanos) {
        let end = self.t0 + self.schedule.end();
        if now < end {
            self.step(now);
            dispatch::release(&self.core, now);
        } else if !self.ended {
            self.ended = true;
            dispatch::release(&self.core, end);
            dispatch::end(&self.core, end);
            self.step(now);
            // The schedule has only the users of an open loop who were there from the start.
            vu::set_wanted(&self.core, 0, end + self.core.plan.graceful_stop);
        }
    }

    /// Applies the schedule's steps that are due.
    fn step(&mut self, now: Nanos) {
        let executor = &self.core.plan.executor;
        let end = self.t0 + self.schedule.end();
        let last_cut = end + self.core.plan.graceful_stop;
        while let Some(step) = self.schedule.steps().get(self.next_step) {
            let at = self.t0 + step.at;
            if at > now {
                return;
            }
            self.next_step += 1;
            let grace = if at >= end {
                self.core.plan.graceful_stop
            } else {
                executor.graceful_ramp_down()
            };
            let wanted = vus_on_core(step.vus, u32::from(self.core.index), u32::from(self.core.cores));
            vu::set_wanted(&self.core, wanted, (at + grace).min(last_cut));
        }
    }

    fn handle(&mut self, command: Command) {
        let now = clock::monotonic();
        if matches!(command, Command::Stop | Command::Abort) {
            self.core.recorder.borrow_mut().end_load(now);
            dispatch::end(&self.core, now);
        }
        match command {
            Command::Start(_) => {}
            Command::StopCounting => {
                let [from, until] = self.core.counted.get();
                self.core.counted.set([from, until.min(now)]);
            }
            Command::Stop => vu::close(&self.core, now + self.core.plan.graceful_stop),
            Command::Abort => vu::close(&self.core, now),
        }
    }

    fn is_over(&self) -> bool {
        let schedule_over = self.ended && self.next_step == self.schedule.steps().len();
        let table = self.core.vus.borrow();
        table.is_over(
            schedule_over,
            self.core.plan.executor.iterations_of_all().is_some(),
        )
    }

    /// Returns the next instant at which there is something to do besides arrivals, which the loop itself releases.
    fn next_wake(&self) -> Nanos {
        let step = self.schedule.steps().get(self.next_step).map(|s| self.t0 + s.at);
        let cut = self.core.vus.borrow().next_cut();
        let end = (!self.ended).then(|| self.t0 + self.schedule.end());
        [step, cut, end, Some(self.next_snapshot)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.next_snapshot)
    }
}
