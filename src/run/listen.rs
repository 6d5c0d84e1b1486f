//! The reporter of one pass: receives the cores' snapshots, keeps the figures, prints progress, and forwards signals.

mod of_ranks;

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never, select};

use super::progress::Shown;
use super::ranks::Ranks;
use super::spooling::Spooling;
use super::together::{Together, WholeFigures};
use super::waiting::take_waiting;
use crate::coordinator::{self, Event};
use crate::engine::{Command, Engine, Report};
use crate::error::ExitCode;
use crate::error::Failure;
use crate::judge::{Judge, Vus};
use crate::metrics::{Merged, Snapshot};
use crate::metrics_listen::MetricsListener;
use crate::net::clock;
use crate::plan::{Pass, Plan, Role, VuSchedule};
use crate::push::Pusher;
use crate::report::{Aggregator, LiveThresholds, LiveTick};
use crate::result::{Grouping, StoppedBy};
use crate::run::Ready;
use crate::scrape::{MetricsWatch, SlotAccount};
use crate::signals::Signals;
use crate::units::format_duration;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// The time from a whole second, when snapshots are due, until a row is closed, so that they have arrived.
const ROW_DELAY: Nanos = 100 * MILLISECOND;
/// The time that the cores have for their last snapshots after a second signal.
const ABORT_GRACE: Duration = Duration::from_millis(50);
/// When one core has failed, the others have this long to end: what stopped it may stop them.
const FAILURE_GRACE: Duration = Duration::from_secs(1);

/// The reporter of one pass, with everything it keeps while the pass runs.
pub struct Listener<'a> {
    plan: &'a Plan,
    schedule: VuSchedule,
    engine: Engine,
    aggregator: Aggregator,
    judge: Judge,
    role: Role,
    books: Books,
    stopped_by: StoppedBy,
    t0: Nanos,
    /// When the cores were told to end the load before its plan.
    told_to_stop: Option<Nanos>,
    cores_left: usize,
    /// When the last core was done.
    ended: Option<Nanos>,
    metrics: Option<MetricsWatch>,
    rows: u64,
    shown: Shown<'a>,
    say: &'a mut dyn FnMut(&str),
    give_up: Receiver<Instant>,
    ranks: Option<&'a Ranks>,
    /// What is heard of them.
    heard: Receiver<Event>,
    /// The figures that they give each other.
    together: Option<Together<'a>>,
}

/// The state that continues from one pass to the next.
#[derive(Default)]
pub struct Books {
    pub spool: Option<Spooling>,
    pub pusher: Option<Pusher>,
    /// What Prometheus scrapes.
    pub scraped: Option<MetricsListener>,
    /// The time measured before this pass, because what Prometheus gets counts time over all passes.
    pub measured: Nanos,
    pub failures: Vec<Failure>,
    pub signals: u32,
    /// The start of the first pass, on CLOCK_MONOTONIC.
    pub origin: Option<Nanos>,
    /// When all ranks were to begin it, in nanoseconds since 1970.
    pub asked: Option<Nanos>,
}

impl Books {
    /// Tells whether a bug of ours has occurred, after which sums may be off for a known reason.
    pub fn failed_internally(&self) -> bool {
        self.failures.iter().any(|f| f.exit == ExitCode::Internal)
    }

    /// Adds a snapshot to what Prometheus gets.
    fn append_snapshot(&mut self, snapshot: &Snapshot) {
        if let Some(pusher) = &mut self.pusher {
            pusher.append_snapshot(snapshot);
        }
        if let Some(scraped) = &mut self.scraped {
            scraped.append_snapshot(snapshot);
        }
    }

    /// Adds the figures of a rank to what Prometheus gets.
    fn take_of_ranks(&mut self, role: Role, snapshot: &Snapshot) {
        if role == Role::Measured {
            self.append_snapshot(snapshot);
        }
    }

    /// Shows Prometheus the figures of a pass that has lasted for `elapsed`. Returns a warning about pushes.
    fn tick(&mut self, merged: &Merged, elapsed: Nanos) -> Option<String> {
        let measured = self.measured + elapsed;
        if let Some(scraped) = &mut self.scraped {
            scraped.tick(merged, measured);
        }
        self.pusher.as_mut()?.tick(merged, measured)
    }

    /// Ends a measured pass for Prometheus, whose counts go on in the next one.
    fn end_pass(&mut self, merged: &Merged) {
        if let Some(pusher) = &mut self.pusher {
            pusher.end_pass(merged);
        }
        if let Some(scraped) = &mut self.scraped {
            scraped.end_pass(merged);
        }
    }

    fn since_origin(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.origin.unwrap_or(now))
    }
}

/// The figures of a pass when it is over.
pub struct Listened {
    pub aggregator: Aggregator,
    pub judge: Judge,
    pub books: Books,
    pub stopped_by: StoppedBy,
    pub t0: Nanos,
    pub ended: Nanos,
    /// When the load ended: requests in flight then had the rest of the time.
    pub load_ended: Nanos,
    pub wall_offset: i64,
    /// What each server held beyond the requests in flight, if it was watched.
    pub slots: Vec<SlotAccount>,
    /// The watch of the servers' metrics, which still goes on.
    pub metrics: Option<MetricsWatch>,
    /// The figures of all ranks, and for how long there was a load (rank 0).
    pub whole: Option<(WholeFigures, Nanos)>,
}

impl<'a> Listener<'a> {
    pub fn new(
        pass: &'a Pass,
        engine: Engine,
        books: Books,
        shown: Shown<'a>,
        say: &'a mut dyn FnMut(&str),
    ) -> Listener<'a> {
        let (plan, cores) = (&pass.plan, engine.cores());
        Listener {
            plan,
            role: pass.role,
            books,
            schedule: plan.schedule_of_shard(),
            engine,
            aggregator: Aggregator::new(cores, plan.workload.kinds.len()),
            judge: Judge::from_plan(plan),
            stopped_by: StoppedBy::Plan,
            t0: 0,
            told_to_stop: None,
            cores_left: cores,
            ended: None,
            metrics: None,
            rows: 0,
            shown,
            say,
            give_up: never(),
            ranks: None,
            heard: never(),
            together: None,
        }
    }

    /// Tells a watch of the servers' metrics when the load begins.
    pub fn with_metrics(self, metrics: Option<MetricsWatch>) -> Listener<'a> {
        Listener { metrics, ..self }
    }

    /// Begins the load and returns when all cores are done, or when they do not answer after a second signal.
    pub fn listen(mut self, ready: &mut Ready, signals: &Signals) -> Listened {
        self.t0 = self.engine.begin();
        self.books.origin.get_or_insert(self.t0);
        if let Some(metrics) = &self.metrics {
            metrics.begin(self.t0);
        }
        ready.managed.sample(self.books.since_origin(self.t0));
        if let Some(why) = self.ranks.and_then(Ranks::ended) {
            self.stop_for(&why);
        }
        while self.cores_left > 0 || self.waits_for_ranks() {
            let next_row = self.t0 + (self.rows + 1) * SECOND + ROW_DELAY;
            let wait = next_row.saturating_sub(clock::monotonic());
            if wait == 0 {
                let reports = self.engine.reports.clone();
                take_waiting(&reports, |report| self.handle_report(report));
                self.close_row(ready);
            }
            if self.cores_left == 0 && self.ended.is_none() {
                self.end_part();
                continue;
            }
            select! {
                recv(self.engine.reports) -> report => match report {
                    Ok(report) => self.handle_report(report),
                    Err(_) if self.ended.is_some() => self.engine.reports = never(),
                    Err(_) => break,
                },
                recv(signals.received) -> _ => self.handle_signal(),
                recv(self.heard) -> event => self.hear(event.ok()),
                recv(self.give_up) -> _ => break,
                default(Duration::from_nanos(wait)) => {}
            }
        }
        if self.books.signals < 2 {
            ready.managed.sample(self.books.since_origin(clock::monotonic()));
        }
        self.end()
    }

    fn handle_report(&mut self, report: Report) {
        match report {
            Report::Snapshot(snapshot) => self.take_snapshot(snapshot),
            Report::Done => self.cores_left -= 1,
            Report::Failed(reason) => {
                self.cores_left -= 1;
                self.books.failures.push(Failure::internal(reason.what));
                if self.stopped_by != StoppedBy::Failure && self.books.signals < 2 {
                    self.give_up = after(FAILURE_GRACE);
                }
                self.stopped_by = StoppedBy::Failure;
                self.stop(Command::Abort);
            }
            Report::Ready { .. } => {}
        }
    }

    fn take_snapshot(&mut self, snapshot: Box<Snapshot>) {
        self.aggregator.append_snapshot(&snapshot);
        self.judge.append_snapshot(&snapshot);
        if let Some(together) = &mut self.together {
            together.append_snapshot(&snapshot);
        } else if self.role == Role::Measured {
            self.books.append_snapshot(&snapshot);
        }
        if let Some(spool) = &mut self.books.spool {
            if self.role != Role::WarmUp {
                spool.append(&snapshot.details, &snapshot.gaps);
            }
            // The run continues: the summary is still to come, and what is lost is counted. The failure is printed now,
            // while something can be done about it, and not again at the end.
            while let Some(failure) = spool.failure() {
                failure.to_string().lines().for_each(&mut *self.say);
                self.books.failures.push(failure.marked_shown());
            }
        }
        self.engine.recycle(snapshot);
    }

    fn handle_signal(&mut self) {
        self.books.signals += 1;
        if self.stopped_by == StoppedBy::Plan {
            self.stopped_by = StoppedBy::Signal;
        }
        if self.books.signals == 1 {
            let grace = format_duration(self.plan.graceful_stop);
            (self.say)(&format!(
                "stopping: requests in flight have up to {grace} to finish; Ctrl-C again stops at once"
            ));
            self.stop(Command::Stop);
            if let Some(ranks) = self.ranks {
                ranks.interrupted();
            }
        } else {
            if let Some(ranks) = self.ranks {
                ranks.ask(coordinator::Command::Abort);
            }
            // On a terminal this also ends the line with the `^C`, so that the report begins on a line of its own.
            (self.say)("stopping at once");
            self.stop(Command::Abort);
            self.give_up = after(ABORT_GRACE);
        }
    }

    /// Ends the load and says why; requests in flight have their time.
    fn stop_and_say(&mut self, why: &str) {
        let grace = format_duration(self.plan.graceful_stop);
        (self.say)(&format!(
            "stopping: {why}; requests in flight have up to {grace} to finish"
        ));
        self.stop(Command::Stop);
    }

    fn stop(&mut self, command: Command) {
        self.told_to_stop.get_or_insert_with(clock::monotonic);
        self.engine.send(command);
    }

    fn close_row(&mut self, ready: &mut Ready) {
        self.rows += 1;
        let elapsed = self.rows * SECOND;
        ready.managed.sample(self.books.since_origin(clock::monotonic()));
        let planned = u64::from(self.schedule.planned_at(elapsed));
        if self.ended.is_none() {
            self.aggregator.tick(elapsed, planned);
            self.judge(elapsed);
            self.hand_out(elapsed, false);
        }
        for name in self.together.iter_mut().flat_map(|it| it.behind(elapsed)) {
            (self.say)(&format!(
                "{name} is behind with its figures: those of the whole wait for it"
            ));
        }
        // The seconds of the whole are shown when every rank has told of them.
        if self.together.as_ref().is_none_or(|it| it.whole.is_none()) {
            self.show(elapsed, planned);
        }
        if self.stopped_by == StoppedBy::Plan
            && let Err(e) = ready.managed.check()
        {
            self.books.failures.push(e);
            self.stopped_by = StoppedBy::Server;
            self.stop(Command::Stop);
        }
    }

    /// Shows a second that is closed: of the whole at rank 0 of several, and else of this process.
    fn show(&mut self, elapsed: Nanos, vus_planned: u64) {
        let together = self.together.as_ref();
        let ranks = together.map(Together::shown);
        let whole = together.and_then(|together| together.whole.as_ref());
        let (plan, aggregator, judge) = match whole {
            Some(whole) => (&whole.plan, &whole.figures.aggregator, &whole.figures.judge),
            None => (self.plan, &self.aggregator, &self.judge),
        };
        let tick = LiveTick {
            plan,
            aggregator,
            elapsed,
            vus_planned,
            ranks,
            thresholds: match self.shown.draws() {
                true => judge.so_far(),
                false => LiveThresholds::default(),
            },
            stopping: self.stopped_by != StoppedBy::Plan,
        };
        self.shown.tick(&tick, self.say);
        if self.role == Role::Measured
            && let Some(warning) = self.books.tick(aggregator.merged(), elapsed)
        {
            (self.say)(&warning);
        }
    }

    /// Evaluates the thresholds; one that aborts ends the run as a first Ctrl-C does.
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
            self.stop_and_say(&format!("threshold {failed}"));
        }
    }

    /// Ends the part of this process: its last figures have come.
    fn end_part(&mut self) {
        let ended = clock::monotonic();
        self.ended = Some(ended);
        while let Ok(report) = self.engine.reports.try_recv() {
            self.handle_report(report);
        }
        self.aggregator.tick(ended - self.t0, 0);
        self.judge(ended - self.t0);
        self.hand_out(ended - self.t0, true);
    }

    fn end(mut self) -> Listened {
        let left = self.cores_left > 0;
        if self.ended.is_none() {
            self.end_part();
        }
        let now = clock::monotonic();
        let ended = self.ended.unwrap_or(now);
        let planned = self.t0 + self.plan.executor.duration();
        let told_to_stop = self.told_to_stop.unwrap_or(Nanos::MAX);
        let load_ended = |ended: Nanos| ended.min(planned).min(told_to_stop);
        let whole = self.together.and_then(|together| together.finish(now - self.t0));
        if self.role == Role::Measured {
            let figures = whole.as_ref().map_or(&self.aggregator, |whole| &whole.aggregator);
            self.books.end_pass(figures.merged());
        }
        let whole = whole.map(|whole| (whole, load_ended(now).saturating_sub(self.t0)));
        let wall_offset = self.engine.wall_offset;
        if left {
            // After a second signal or a failure threads are not joined, because the process ends at once.
            std::mem::forget(self.engine);
        } else if let Err(e) = self.engine.join()
            && self.books.failures.is_empty()
        {
            self.books.failures.push(Failure::internal(e.what));
        }
        check_sums(self.plan, &self.aggregator, &mut self.books, left);
        if self.books.failed_internally() {
            self.stopped_by = StoppedBy::Failure;
        }
        Listened {
            aggregator: self.aggregator,
            judge: self.judge,
            books: self.books,
            stopped_by: self.stopped_by,
            t0: self.t0,
            ended,
            load_ended: load_ended(ended),
            wall_offset,
            slots: Vec::new(),
            metrics: self.metrics,
            whole,
        }
    }
}

/// Checks that every request that was started has exactly one outcome; otherwise there is a bug. A core that was not
/// waited for, or that failed, may still have requests in flight.
fn check_sums(plan: &Plan, aggregator: &Aggregator, books: &mut Books, cores_left: bool) {
    let is_over = !cores_left && !books.failed_internally();
    let figures = aggregator
        .merged()
        .ledger(&Grouping::from_plan(plan).kinds, is_over)
        .imbalance();
    let failure = Failure::imbalance("the requests of this run do not add up", &figures);
    books.failures.extend(failure);
}
