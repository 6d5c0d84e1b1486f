//! One probe of a search: a load at one level, for as long as its decision needs. Of several ranks, rank 0 decides on
//! the requests of all.

mod of_ranks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never, select};

use super::finish::{Before, generator_limits};
use super::seen::Seen;
use crate::coordination::ProbeStep;
use crate::coordinator::Event;
use crate::engine::{Command, Engine, EngineOptions, Report, RequestIds};
use crate::error::Failure;
use crate::limit::{Decision, ProbeRules, Slo};
use crate::metrics::{SeriesTotals, Snapshot};
use crate::net::clock;
use crate::plan::Plan;
use crate::report::Aggregator;
use crate::result::LimitReason;
use crate::run::Ready;
use crate::run::load::start_failure;
use crate::run::server_metrics;
use crate::run::waiting::take_waiting;
use crate::scrape::{MetricsWatch, Scraped};
use crate::signals::Signals;
use crate::units::{MILLISECOND, Nanos, SECOND};
use of_ranks::Team;
pub use of_ranks::{With, first_lost};

/// The time from a whole second, when snapshots are due, until it is closed, so that they have arrived.
const ROW_DELAY: Nanos = 100 * MILLISECOND;
/// The time that the cores have for their last snapshots after a second signal.
const ABORT_GRACE: Duration = Duration::from_millis(50);
/// A line of progress is due so often within a probe.
const LINE_EVERY: u64 = 10;

/// The reason why a search ends with this probe.
#[derive(Debug)]
pub enum Stop {
    Signal {
        at_once: bool,
    },
    Server(Failure),
    /// A rank was lost.
    Rank(Failure),
    /// The ranks are not together any more.
    Apart(Failure),
    Failure(Failure),
}

/// What a probe has seen.
pub struct Ran {
    /// The requests by which it is judged.
    pub seen: Seen,
    /// All requests of this process, with those of the time of settling.
    pub all: Aggregator,
    pub took: Nanos,
    /// For how long the search has waited until all ranks could begin it.
    pub waited: Nanos,
    /// Why the generator may have been the limit: of this process, then of other ranks.
    pub limits: Vec<LimitReason>,
    /// What each server of [`Ready::metrics`] showed.
    pub servers: Vec<Scraped>,
    /// Ranks that were lost meanwhile, so that the load was less than it should have been.
    pub lost: Vec<u32>,
    pub stop: Option<Stop>,
}

/// What a probe has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Requests are counted, or will be once the load has settled.
    Counting,
    /// The load goes on until every request that is counted has ended, since this instant.
    Waiting(Nanos),
    /// No new request starts.
    Draining,
}

/// What a probe needs from its search.
pub struct Around<'a> {
    pub slos: &'a [Slo],
    pub rules: ProbeRules,
    pub settle: Nanos,
    /// The latest instant at which requests may be counted, if the search need not wait for other ranks to begin with.
    pub until: Nanos,
    pub signals: &'a Signals,
    /// What lines of progress begin with; `None` for no lines.
    pub label: Option<&'a str>,
    /// The other ranks, of which all begin together.
    pub with: Option<With<'a>>,
}

struct Probe<'a> {
    around: &'a Around<'a>,
    plan: &'a Plan,
    engine: Engine,
    kinds: usize,
    phase: Phase,
    rows: u64,
    t0: Nanos,
    cores_left: usize,
    /// The last figures of this process have come.
    is_over: bool,
    give_up: Receiver<Instant>,
    signals: u32,
    before: Before,
    metrics: Option<MetricsWatch>,
    team: Option<Team<'a>>,
    heard: Receiver<Event>,
    ran: Ran,
}

/// Loads the servers with `plan` until the SLOs are decided, or until the longest time of a probe.
pub fn run(
    plan: &Arc<Plan>,
    around: &Around<'_>,
    ready: &mut Ready,
    say: &mut dyn FnMut(&str),
) -> Result<Ran, Failure> {
    let before = Before::now(ready);
    ready.loads += 1;
    let number = ready.loads;
    let request_ids = ready.engine.request_ids.clone().map(|ids| RequestIds {
        prefix: format!("{}p{number}-", ids.prefix),
        ..ids
    });
    let options = EngineOptions {
        request_ids,
        settle: Some(around.settle),
        details: false,
        ..ready.engine.clone()
    };
    let engine =
        Engine::start(plan.for_load(number), ready.targets.clone(), options).map_err(start_failure)?;
    let (kinds, cores) = (plan.workload.kinds.len(), engine.cores());
    let watches = around.with.as_ref().is_none_or(|with| with.ranks.is_first());
    let mut probe = Probe {
        around,
        plan,
        kinds,
        phase: Phase::Counting,
        rows: 0,
        t0: 0,
        cores_left: cores,
        is_over: false,
        give_up: never(),
        signals: 0,
        before,
        metrics: watches.then(|| server_metrics::watch_servers(ready)).flatten(),
        team: None,
        heard: never(),
        ran: Ran {
            seen: Seen::new(around.rules, around.slos, kinds),
            all: Aggregator::new(cores, kinds),
            took: 0,
            waited: 0,
            limits: Vec::new(),
            servers: Vec::new(),
            lost: Vec::new(),
            stop: None,
        },
        engine,
    };
    if let Some(with) = &around.with
        && !probe.begin_with(with, number - 1, ready, say)?
    {
        return Ok(probe.ran);
    }
    Ok(probe.listen(ready, say))
}

impl Probe<'_> {
    fn listen(mut self, ready: &mut Ready, say: &mut dyn FnMut(&str)) -> Ran {
        self.t0 = self.engine.begin();
        if let Some(metrics) = &self.metrics {
            metrics.begin(self.t0);
        }
        self.look_for_losses(say);
        while self.cores_left > 0 || self.waits_for_ranks() {
            let next_row = self.t0 + (self.rows + 1) * SECOND + ROW_DELAY;
            let wait = next_row.saturating_sub(clock::monotonic());
            if wait == 0 {
                let reports = self.engine.reports.clone();
                take_waiting(&reports, |report| self.handle_report(report));
                self.close_row(ready, say);
            }
            if self.cores_left == 0 && !self.is_over {
                self.end_part(ready);
                continue;
            }
            select! {
                recv(self.engine.reports) -> report => match report {
                    Ok(report) => self.handle_report(report),
                    Err(_) if self.is_over => self.engine.reports = never(),
                    Err(_) => break,
                },
                recv(self.around.signals.received) -> _ => self.handle_signal(say),
                recv(self.heard) -> event => self.hear(event.ok(), say),
                recv(self.give_up) -> _ => break,
                default(Duration::from_nanos(wait)) => {}
            }
        }
        self.end(ready)
    }

    fn handle_report(&mut self, report: Report) {
        match report {
            Report::Snapshot(snapshot) => self.take_snapshot(snapshot),
            Report::Done => self.cores_left -= 1,
            Report::Failed(reason) => {
                self.cores_left -= 1;
                let failure = Stop::Failure(Failure::internal(reason.what));
                self.ran.stop.get_or_insert(failure);
                self.engine.send(Command::Abort);
            }
            Report::Ready { .. } => {}
        }
    }

    /// Takes the counted requests apart from the others: their series come first.
    fn take_snapshot(&mut self, mut snapshot: Box<Snapshot>) {
        match &mut self.team {
            Some(team) => team.exchange.append_snapshot(&snapshot),
            None => self.ran.seen.append(&snapshot.series, &snapshot.failures),
        }
        let apart = snapshot.series.split_off(self.kinds);
        for (all, more) in snapshot.series.iter_mut().zip(&apart) {
            all.merge(more);
        }
        self.ran.all.append_snapshot(&snapshot);
        snapshot.series.extend(apart);
        self.engine.recycle(snapshot);
    }

    fn handle_signal(&mut self, say: &mut dyn FnMut(&str)) {
        self.signals += 1;
        let at_once = self.signals > 1;
        self.ran.stop = Some(Stop::Signal { at_once });
        self.tell_of_signal();
        if at_once {
            say("stopping at once");
            self.abort();
        } else {
            say(
                "stopping: the answer is what is known so far; Ctrl-C again does not wait for requests in flight",
            );
            self.drain();
        }
    }

    fn abort(&mut self) {
        self.phase = Phase::Draining;
        self.engine.send(Command::Abort);
        self.give_up = after(ABORT_GRACE);
    }

    fn close_row(&mut self, ready: &mut Ready, say: &mut dyn FnMut(&str)) {
        self.rows += 1;
        let elapsed = self.rows * SECOND;
        ready.managed.sample(clock::monotonic());
        if !self.is_over {
            self.ran.all.tick(elapsed, 0);
        }
        match &self.team {
            Some(_) => self.hand_out_second(elapsed, say),
            None => self.close_second(elapsed),
        }
        if let Some(label) = self.around.label
            && self.rows.is_multiple_of(LINE_EVERY)
        {
            say(&self.progress(label));
        }
        if self.ran.stop.is_none()
            && let Err(failure) = ready.managed.check()
        {
            self.ran.stop = Some(Stop::Server(failure));
            self.drain();
        }
    }

    /// Closes a second of which all figures are there.
    fn close_second(&mut self, elapsed: Nanos) {
        if self.phase == Phase::Counting {
            self.ran.seen.count_until(elapsed, self.around.settle);
        }
        let is_draining = self.phase == Phase::Draining;
        self.ran.seen.close(elapsed, self.around.slos, is_draining);
        match self.phase {
            Phase::Counting => self.decide(elapsed),
            Phase::Waiting(since) => {
                if self.ran.seen.counted_left() == 0 || elapsed >= since + self.plan.graceful_stop {
                    self.drain();
                }
            }
            Phase::Draining => {}
        }
    }

    /// Ends the counting once it has decided the SLOs, or when its time is over.
    fn decide(&mut self, elapsed: Nanos) {
        let Some(counted) = elapsed.checked_sub(self.around.settle).filter(|time| *time > 0) else {
            return;
        };
        let is_late = clock::monotonic() >= self.around.until.saturating_add(self.ran.waited);
        if !is_late && !self.ran.seen.watch.is_enough(self.around.slos, counted) {
            return;
        }
        self.engine.send(Command::StopCounting);
        match self.ran.seen.watch.decision(self.around.slos) {
            // The load is more than the server holds, and what is in flight cannot change that.
            Decision::Fails => self.drain(),
            Decision::Holds | Decision::Open => {
                self.ask_all(ProbeStep::StopCounting);
                self.phase = Phase::Waiting(elapsed);
            }
        }
    }

    fn drain(&mut self) {
        if self.phase == Phase::Draining {
            return;
        }
        self.phase = Phase::Draining;
        self.engine.send(Command::Stop);
        self.ask_all(ProbeStep::Drain);
    }

    fn progress(&self, label: &str) -> String {
        let done = self.ran.seen.completed();
        let state = match (self.phase, self.ran.seen.watch.decision(self.around.slos)) {
            (Phase::Draining, _) => "waiting for the requests in flight",
            (_, Decision::Open) => "undecided so far",
            (_, Decision::Holds) => "holds so far",
            (_, Decision::Fails) => "fails",
        };
        format!("{label}: {} s, {done} requests, {state}", self.rows)
    }

    /// Waits for the servers' last word, unless there is no time.
    fn end_metrics(&mut self) {
        let Some(metrics) = self.metrics.take() else {
            return;
        };
        let (servers, signalled) = metrics.finish(self.signals < 2, &self.around.signals.received);
        self.ran.servers = servers;
        if signalled {
            self.ran.stop.get_or_insert(Stop::Signal { at_once: false });
        }
    }

    /// Ends the part of this process: its last figures have come.
    fn end_part(&mut self, ready: &Ready) {
        while let Ok(report) = self.engine.reports.try_recv() {
            self.handle_report(report);
        }
        self.is_over = true;
        let took = clock::monotonic() - self.t0;
        self.ran.took = took;
        self.ran.all.tick(took, 0);
        let own = generator_limits(ready, self.plan, (&self.ran.all, took), &self.before);
        self.ran.limits.splice(0..0, own);
        self.hand_out_last(took);
    }

    fn end(mut self, ready: &Ready) -> Ran {
        if !self.is_over {
            self.end_part(ready);
        }
        let took = clock::monotonic() - self.t0;
        let is_draining = self.phase == Phase::Draining;
        self.ran.seen.close(took, self.around.slos, is_draining);
        if self.ran.seen.interrupted() > 0 && self.ran.stop.is_none() {
            self.ran.seen.push_cut(self.around.slos);
        }
        self.ran.took = took;
        self.end_metrics();
        if self.cores_left > 0 {
            // After a second signal threads are not joined, because the process ends at once.
            std::mem::forget(self.engine);
        } else if let Err(failure) = self.engine.join() {
            self.ran
                .stop
                .get_or_insert(Stop::Failure(Failure::internal(failure.what)));
        }
        self.ran
    }
}

impl Ran {
    /// Returns how many requests this process has made that ended.
    pub fn own_requests(&self) -> u64 {
        let series = self.all.merged().series.iter();
        series.map(SeriesTotals::finished).sum()
    }
}
