//! The reporter: takes the cores' snapshots, keeps the figures, prints progress, passes on signals.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never, select};

use super::progress::{Shown, Tick};
use super::{Failure, Ready, Signals, detail_names};
use crate::config::format_duration;
use crate::engine::{Command, Engine, Report};
use crate::judge::{Judge, Vus};
use crate::metrics::Snapshot;
use crate::net::clock;
use crate::output::{DetailSpool, OutputFiles, Spooled};
use crate::plan::{Plan, VuSchedule};
use crate::push::Pusher;
use crate::report::Aggregator;
use crate::result::{ExitCode, StoppedBy};
use crate::units::{MILLISECOND, Nanos, SECOND};

/// Snapshots are due at whole seconds; a row is closed this much later, so that they are in.
const ROW_DELAY: Nanos = 100 * MILLISECOND;
/// After a second signal the cores have this long for their last snapshots.
const ABORT_GRACE: Duration = Duration::from_millis(50);

pub struct Listener<'a> {
    plan: &'a Plan,
    schedule: VuSchedule,
    engine: Engine,
    aggregator: Aggregator,
    judge: Judge,
    spool: Option<DetailSpool>,
    pusher: Option<Pusher>,
    failures: Vec<Failure>,
    stopped_by: StoppedBy,
    signals: u32,
    t0: Nanos,
    cores_left: usize,
    rows: u64,
    shown: Shown<'a>,
    say: &'a mut dyn FnMut(&str),
    give_up: Receiver<Instant>,
}

/// What the reporter knows when the load is over.
pub struct Listened {
    pub aggregator: Aggregator,
    pub judge: Judge,
    pub spooled: Option<Spooled>,
    pub failures: Vec<Failure>,
    pub stopped_by: StoppedBy,
    /// A second signal came.
    pub in_a_hurry: bool,
    pub signals: u32,
    pub pusher: Option<Pusher>,
    pub t0: Nanos,
    pub ended: Nanos,
    pub wall_offset: i64,
}

impl<'a> Listener<'a> {
    pub fn new(
        plan: &'a Plan,
        engine: Engine,
        files: &OutputFiles,
        ready: &Ready,
        shown: Shown<'a>,
        say: &'a mut dyn FnMut(&str),
    ) -> Result<Listener<'a>, Failure> {
        let cores = ready.cpus.workers.len();
        let spool = match files.spool_path() {
            Some(path) if ready.engine.details => {
                let offset = i128::from(engine.wall_offset);
                let spool = DetailSpool::create(&path, &detail_names(plan), offset)?;
                Some(spool.ids_by_iteration(plan.executor.shares_iterations()))
            }
            _ => None,
        };
        Ok(Listener {
            plan,
            schedule: plan.schedule(),
            engine,
            aggregator: Aggregator::new(cores, plan.workload.kinds.len()),
            judge: Judge::of(plan),
            spool,
            pusher: None,
            failures: Vec::new(),
            stopped_by: StoppedBy::Plan,
            signals: 0,
            t0: 0,
            cores_left: cores,
            rows: 0,
            shown,
            say,
            give_up: never(),
        })
    }

    pub fn push_by(self, pusher: Option<Pusher>) -> Listener<'a> {
        Listener { pusher, ..self }
    }

    /// Begins the load and stays until all cores are done, or do not answer after a second signal.
    pub fn listen(mut self, ready: &mut Ready, signals: &Signals) -> Listened {
        self.t0 = self.engine.begin();
        ready.owned.sample(0);
        while self.cores_left > 0 {
            let next_row = self.t0 + (self.rows + 1) * SECOND + ROW_DELAY;
            let wait = next_row.saturating_sub(clock::monotonic());
            select! {
                recv(self.engine.reports) -> report => match report {
                    Ok(report) => self.take(report),
                    Err(_) => break,
                },
                recv(signals.received) -> _ => self.signalled(),
                recv(self.give_up) -> _ => break,
                default(Duration::from_nanos(wait)) => self.close_row(ready),
            }
        }
        if self.signals < 2 {
            ready.owned.sample(clock::monotonic() - self.t0);
        }
        self.end()
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Snapshot(snapshot) => self.add(snapshot),
            Report::Done { .. } => self.cores_left -= 1,
            Report::Failed { reason, .. } => {
                self.cores_left -= 1;
                self.failures.push(Failure::internal(reason));
                self.stopped_by = StoppedBy::Failure;
                self.engine.tell(Command::Abort);
            }
            Report::Ready { .. } => {}
        }
    }

    fn add(&mut self, snapshot: Box<Snapshot>) {
        self.aggregator.add(&snapshot);
        self.judge.add(&snapshot);
        if let Some(pusher) = &mut self.pusher {
            pusher.add(&snapshot);
        }
        if let Some(spool) = &mut self.spool
            && let Err(e) = spool.append(&snapshot.details)
        {
            // The run goes on: the summary is still to come, and what was lost is counted. It is told now, when
            // something can be done about it, and not once more at the end.
            let failure = Failure::from(e);
            (self.say)(failure.text.trim_end());
            self.failures.push(Failure::told(failure.exit));
        }
        self.engine.recycle(snapshot);
    }

    fn signalled(&mut self) {
        self.signals += 1;
        if self.stopped_by == StoppedBy::Plan {
            self.stopped_by = StoppedBy::Signal;
        }
        if self.signals == 1 {
            let grace = format_duration(self.plan.graceful_stop);
            (self.say)(&format!(
                "stopping: requests in flight have up to {grace} to finish; Ctrl-C again stops at once"
            ));
            self.engine.tell(Command::Stop);
        } else {
            // On a terminal it also ends the line with the `^C`, so that the report begins on its own.
            (self.say)("stopping at once");
            self.engine.tell(Command::Abort);
            self.give_up = after(ABORT_GRACE);
        }
    }

    fn close_row(&mut self, ready: &mut Ready) {
        self.rows += 1;
        let elapsed = self.rows * SECOND;
        ready.owned.sample(clock::monotonic() - self.t0);
        let planned = self.schedule.planned_at(elapsed);
        self.aggregator.tick(elapsed, u64::from(planned));
        self.judge(elapsed);
        let tick = Tick {
            plan: self.plan,
            aggregator: &self.aggregator,
            elapsed,
            vus_planned: u64::from(planned),
            stopping: self.stopped_by != StoppedBy::Plan,
        };
        self.shown.tick(&tick, self.say);
        if let Some(pusher) = &mut self.pusher
            && let Some(warning) = pusher.tick(self.aggregator.merged(), elapsed)
        {
            (self.say)(&warning);
        }
        if self.stopped_by == StoppedBy::Plan
            && let Err(e) = ready.owned.check()
        {
            self.failures.push(e.into());
            self.stopped_by = StoppedBy::Server;
            self.engine.tell(Command::Stop);
        }
    }

    /// Looks at the thresholds; one that aborts ends the run as a first Ctrl-C does.
    fn judge(&mut self, elapsed: Nanos) {
        if self.stopped_by != StoppedBy::Plan {
            self.judge.end_load();
        }
        let vus = Vus {
            planned: u64::from(self.schedule.planned_at(elapsed)),
            running: self.aggregator.merged().counters().vus_running,
        };
        let Some(failed) = self.judge.tick(elapsed, vus) else {
            return;
        };
        if self.stopped_by == StoppedBy::Plan && self.cores_left > 0 {
            self.stopped_by = StoppedBy::Threshold;
            let grace = format_duration(self.plan.graceful_stop);
            (self.say)(&format!(
                "stopping: threshold {failed}; requests in flight have up to {grace} to finish"
            ));
            self.engine.tell(Command::Stop);
        }
    }

    fn end(mut self) -> Listened {
        let ended = clock::monotonic();
        let left = self.cores_left > 0;
        while let Ok(report) = self.engine.reports.try_recv() {
            self.take(report);
        }
        self.aggregator.tick(ended - self.t0, 0);
        self.judge(ended - self.t0);
        let wall_offset = self.engine.wall_offset;
        if left {
            // After a second signal nobody waits for threads: the process ends.
            std::mem::forget(self.engine);
        } else if let Err(e) = self.engine.join()
            && self.failures.is_empty()
        {
            self.failures.push(Failure::internal(e));
        }
        if self.failures.iter().any(|f| f.exit == ExitCode::Internal) {
            self.stopped_by = StoppedBy::Failure;
        }
        Listened {
            aggregator: self.aggregator,
            judge: self.judge,
            spooled: self.spool.map(DetailSpool::finish),
            failures: self.failures,
            stopped_by: self.stopped_by,
            in_a_hurry: self.signals > 1,
            signals: self.signals,
            pusher: self.pusher,
            t0: self.t0,
            ended,
            wall_offset,
        }
    }
}
