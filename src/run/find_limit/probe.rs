//! One probe of a search: a load at one level, for as long as its decision needs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never, select};

use crate::engine::{Command, Engine, EngineOptions, Report, RequestIds};
use crate::error::Failure;
use crate::limit::{Decision, Period, ProbeRules, ProbeWatch, Slo};
use crate::metrics::{SeriesTotals, Snapshot};
use crate::net::clock;
use crate::plan::Plan;
use crate::report::Aggregator;
use crate::run::Ready;
use crate::run::load::start_failure;
use crate::run::server_metrics;
use crate::run::waiting::take_waiting;
use crate::scrape::{MetricsWatch, Scraped};
use crate::signals::Signals;
use crate::units::{MILLISECOND, Nanos, SECOND, seconds};

/// The time from a whole second, when snapshots are due, until it is closed, so that they have arrived.
const ROW_DELAY: Nanos = 100 * MILLISECOND;
/// The time that the cores have for their last snapshots after a second signal.
const ABORT_GRACE: Duration = Duration::from_millis(50);
/// A line of progress is due so often within a probe.
const LINE_EVERY: u64 = 10;

/// The reason why a search ends with this probe.
#[derive(Debug)]
pub enum Stop {
    Signal { at_once: bool },
    Server(Failure),
    Failure(Failure),
}

/// What a probe has seen.
pub struct Ran {
    pub watch: ProbeWatch,
    /// The requests that are counted, by kind.
    pub counted: Vec<SeriesTotals>,
    /// All requests, with those of the time of settling.
    pub all: Aggregator,
    /// Good answers and their tokens while requests were counted, and for how long that was.
    pub ok: u64,
    pub tokens: u64,
    pub counted_for: Nanos,
    pub took: Nanos,
    /// What each server of [`Ready::metrics`] showed.
    pub servers: Vec<Scraped>,
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
    /// The latest instant at which requests may be counted.
    pub until: Nanos,
    pub signals: &'a Signals,
    /// What lines of progress begin with; `None` for no lines.
    pub label: Option<&'a str>,
}

struct Probe<'a> {
    around: &'a Around<'a>,
    engine: Engine,
    kinds: usize,
    grace: Nanos,
    phase: Phase,
    /// Since the last whole second.
    tick: Vec<SeriesTotals>,
    tick_ok: u64,
    tick_tokens: u64,
    rows: u64,
    t0: Nanos,
    cores_left: usize,
    give_up: Receiver<Instant>,
    signals: u32,
    metrics: Option<MetricsWatch>,
    ran: Ran,
}

/// Loads the servers with `plan` until the SLOs are decided, or until the longest time of a probe.
pub fn run(
    plan: &Arc<Plan>,
    around: &Around<'_>,
    ready: &mut Ready,
    say: &mut dyn FnMut(&str),
) -> Result<Ran, Failure> {
    ready.loads += 1;
    let probe = ready.loads;
    let request_ids = ready.engine.request_ids.clone().map(|ids| RequestIds {
        prefix: format!("{}p{probe}-", ids.prefix),
        ..ids
    });
    let options = EngineOptions {
        request_ids,
        settle: Some(around.settle),
        details: false,
        ..ready.engine.clone()
    };
    let engine =
        Engine::start(plan.for_load(probe), ready.targets.clone(), options).map_err(start_failure)?;
    let (kinds, cores) = (plan.workload.kinds.len(), engine.cores());
    let empty = || (0..kinds).map(|_| SeriesTotals::new()).collect::<Vec<_>>();
    let probe = Probe {
        around,
        kinds,
        grace: plan.graceful_stop,
        phase: Phase::Counting,
        tick: empty(),
        tick_ok: 0,
        tick_tokens: 0,
        rows: 0,
        t0: 0,
        cores_left: cores,
        give_up: never(),
        signals: 0,
        metrics: server_metrics::watch_servers(ready),
        ran: Ran {
            watch: ProbeWatch::new(around.rules, around.slos),
            counted: empty(),
            all: Aggregator::new(cores, kinds),
            ok: 0,
            tokens: 0,
            counted_for: 0,
            took: 0,
            servers: Vec::new(),
            stop: None,
        },
        engine,
    };
    Ok(probe.listen(ready, say))
}

impl Probe<'_> {
    fn listen(mut self, ready: &mut Ready, say: &mut dyn FnMut(&str)) -> Ran {
        self.t0 = self.engine.begin();
        if let Some(metrics) = &self.metrics {
            metrics.begin(self.t0);
        }
        while self.cores_left > 0 {
            let next_row = self.t0 + (self.rows + 1) * SECOND + ROW_DELAY;
            let wait = next_row.saturating_sub(clock::monotonic());
            if wait == 0 {
                let reports = self.engine.reports.clone();
                take_waiting(&reports, |report| self.handle_report(report));
                self.close_row(ready, say);
            }
            select! {
                recv(self.engine.reports) -> report => match report {
                    Ok(report) => self.handle_report(report),
                    Err(_) => break,
                },
                recv(self.around.signals.received) -> _ => self.handle_signal(say),
                recv(self.give_up) -> _ => break,
                default(Duration::from_nanos(wait)) => {}
            }
        }
        self.end()
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
        let apart = snapshot.series.split_off(self.kinds);
        for (tick, counted) in self.tick.iter_mut().zip(&snapshot.series) {
            tick.merge(counted);
        }
        for (all, more) in snapshot.series.iter_mut().zip(&apart) {
            all.merge(more);
        }
        self.tick_ok += snapshot.series.iter().map(SeriesTotals::ok).sum::<u64>();
        self.tick_tokens += snapshot
            .series
            .iter()
            .map(|series| series.output_tokens)
            .sum::<u64>();
        self.ran.all.append_snapshot(&snapshot);
        snapshot.series.extend(apart);
        self.engine.recycle(snapshot);
    }

    fn handle_signal(&mut self, say: &mut dyn FnMut(&str)) {
        self.signals += 1;
        let at_once = self.signals > 1;
        self.ran.stop = Some(Stop::Signal { at_once });
        self.phase = Phase::Draining;
        if at_once {
            say("stopping at once");
            self.engine.send(Command::Abort);
            self.give_up = after(ABORT_GRACE);
        } else {
            say(
                "stopping: the answer is what is known so far; Ctrl-C again does not wait for requests in flight",
            );
            self.engine.send(Command::Stop);
        }
    }

    fn close_row(&mut self, ready: &mut Ready, say: &mut dyn FnMut(&str)) {
        self.rows += 1;
        let elapsed = self.rows * SECOND;
        ready.managed.sample(clock::monotonic());
        self.ran.all.tick(elapsed, 0);
        let (ok, tokens) = (
            std::mem::take(&mut self.tick_ok),
            std::mem::take(&mut self.tick_tokens),
        );
        self.push_tick();
        match self.phase {
            Phase::Counting => {
                if elapsed >= self.around.settle + SECOND {
                    self.ran.ok += ok;
                    self.ran.tokens += tokens;
                    self.ran.counted_for += SECOND;
                }
                self.decide(elapsed);
            }
            Phase::Waiting(since) => {
                let left = self.counted_left();
                if left == 0 || elapsed >= since + self.grace {
                    self.drain();
                }
            }
            Phase::Draining => {}
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

    /// Ends the counting once it has decided the SLOs, or when its time is over.
    fn decide(&mut self, elapsed: Nanos) {
        let Some(counted) = elapsed.checked_sub(self.around.settle).filter(|time| *time > 0) else {
            return;
        };
        let is_late = clock::monotonic() >= self.around.until;
        if !is_late && !self.ran.watch.is_enough(self.around.slos, counted) {
            return;
        }
        self.engine.send(Command::StopCounting);
        match self.ran.watch.decision(self.around.slos) {
            // The load is more than the server holds, and what is in flight cannot change that.
            Decision::Fails => self.drain(),
            Decision::Holds | Decision::Open => self.phase = Phase::Waiting(elapsed),
        }
    }

    fn drain(&mut self) {
        self.phase = Phase::Draining;
        self.engine.send(Command::Stop);
    }

    /// Returns how many counted requests have no outcome yet.
    fn counted_left(&self) -> u64 {
        let counted = self.ran.counted.iter();
        counted
            .map(|series| series.started.saturating_sub(series.finished()))
            .sum()
    }

    /// Adds the last second to the evidence. Once the load is shown not to hold, what comes later was under less load.
    fn push_tick(&mut self) {
        let is_evidence =
            self.phase != Phase::Draining || self.ran.watch.decision(self.around.slos) != Decision::Fails;
        if is_evidence {
            let slos = self.around.slos.iter();
            let seen: Vec<Period> = slos.map(|slo| slo.period(&self.tick, 1.0)).collect();
            self.ran.watch.push(seen);
        }
        for (counted, tick) in self.ran.counted.iter_mut().zip(&mut self.tick) {
            counted.merge(tick);
            tick.reset();
        }
    }

    fn progress(&self, label: &str) -> String {
        let done: u64 = self.ran.counted.iter().map(SeriesTotals::completed).sum();
        let state = match (self.phase, self.ran.watch.decision(self.around.slos)) {
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

    fn end(mut self) -> Ran {
        while let Ok(report) = self.engine.reports.try_recv() {
            self.handle_report(report);
        }
        let took = clock::monotonic() - self.t0;
        self.ran.all.tick(took, 0);
        self.push_tick();
        if self.ran.interrupted() > 0 && self.ran.stop.is_none() {
            let slos = self.around.slos.iter();
            let cut = slos.map(|slo| slo.period_of_cut(&self.ran.counted)).collect();
            self.ran.watch.push(cut);
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
    pub fn interrupted(&self) -> u64 {
        self.counted.iter().map(SeriesTotals::interrupted).sum()
    }

    /// Returns a count of the time of counting, per second.
    pub fn per_second(&self, count: u64) -> f64 {
        match self.counted_for {
            0 => 0.0,
            time => count as f64 / seconds(time),
        }
    }
}
