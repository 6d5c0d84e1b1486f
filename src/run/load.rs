//! The load of a run: runs its passes one after the other, and adds them up.

use std::borrow::Cow;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::engine::{CoreFailure, Engine};
use crate::judge::{Judge, Judged};
use crate::merge::LiveJudged;
use crate::metrics::Merged;
use crate::output::Screen;
use crate::plan::{Assignment, Pass, Phases, Plan, Role};
use crate::report::{Aggregator, LiveView};
use crate::result::{Repeat, RepeatFacts, StoppedBy, WarmUp, judged_together};
use crate::scrape::{Scraped, SlotAccount};
use crate::units::Nanos;
use crate::units::format_duration;

use super::listen::{Books, Listened, Listener};
use super::progress::Shown;
use super::ranks::{Beginning, Ranks};
use super::together::WholeFigures;
use crate::error::{ExitCode, Failure, Reason, hint_for_shortage};
use crate::run::{Ready, server_metrics, slots, start};
use crate::signals::{Phase, Signals};

/// Everything that a pass needs from outside.
pub struct PassContext<'a> {
    pub args: &'a RunArgs,
    pub signals: &'a Signals,
    pub screen: Option<&'a Screen>,
    /// When the first pass begins, in nanoseconds since 1970; `None` for at once.
    pub start_at: Option<Nanos>,
    /// The other ranks, with which the first pass begins.
    pub ranks: Option<&'a Ranks>,
    pub config: &'a Config,
}

/// The measured load, or that of one server alone, of all repetitions together.
pub struct Total {
    pub load: Aggregator,
    pub duration: Nanos,
    /// Of that, until the load ended: what rates divide by.
    pub loaded: Nanos,
    /// Of that, how long it was steady.
    pub steady: Nanos,
}

impl Total {
    fn append(sum: &mut Option<Total>, more: Total) {
        match sum {
            None => *sum = Some(more),
            Some(total) => {
                total.load.append(&more.load);
                total.duration += more.duration;
                total.loaded += more.loaded;
                total.steady += more.steady;
            }
        }
    }
}

/// The measured load of all ranks, as rank 0 has followed it.
pub struct WholeLoad {
    pub figures: Aggregator,
    /// How long there was a load, from the start.
    pub loaded: Nanos,
    pub judged: LiveJudged,
}

impl WholeLoad {
    fn new((figures, loaded): (WholeFigures, Nanos)) -> WholeLoad {
        let aborted = figures.judge.aborted();
        WholeLoad {
            judged: LiveJudged {
                judged: figures.judge.finish(loaded, &[], None),
                aborted,
            },
            figures: figures.aggregator,
            loaded,
        }
    }
}

/// Everything that the passes of a run measured.
pub struct Load {
    pub measured: Total,
    /// The load of each server alone; empty without contention.
    pub alone: Vec<Option<Total>>,
    pub warmup: Option<WarmUp>,
    /// The figures of each repetition; empty if the run is not repeated.
    pub repeats: Vec<Repeat>,
    pub judged: Judged,
    /// The requests outside the measured load: warm-ups, and each server alone.
    unmeasured: Option<Merged>,
    /// What each server held beyond the requests in flight; empty if nothing was to be cancelled.
    pub slots: Vec<SlotAccount>,
    /// What each server of [`Ready::metrics`] showed.
    pub metrics: Vec<Scraped>,
    pub books: Books,
    /// The measured load of all ranks (rank 0 of several).
    pub whole: Option<WholeLoad>,
    pub stopped_by: StoppedBy,
    /// A second signal came, so nothing is waited for.
    pub in_a_hurry: bool,
    /// The start of the first measured pass; without one, of the warm-up, or else of the first pass.
    pub t0: Nanos,
    pub wall_offset: i64,
}

/// The sums of the passes so far, from which `Load` is made.
struct Passes {
    repeats_planned: u32,
    measured: Option<Total>,
    alone: Vec<Option<Total>>,
    warmup: Option<WarmUp>,
    repeats: Vec<Repeat>,
    judged: Vec<Judged>,
    unmeasured: Option<Merged>,
    whole: Option<WholeLoad>,
    slots: Vec<SlotAccount>,
    metrics: Vec<Scraped>,
    begun: Option<(Nanos, i64)>,
}

impl Load {
    /// Runs `passes` until one does not end as planned.
    pub fn run(
        passes: &[Pass],
        mut books: Books,
        ready: &mut Ready,
        context: &PassContext<'_>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Load, Failure> {
        let last = passes.last().expect("a run has a pass");
        let mut sums = Passes {
            repeats_planned: last.repeat + 1,
            measured: None,
            alone: Vec::new(),
            warmup: None,
            repeats: Vec::new(),
            judged: Vec::new(),
            unmeasured: None,
            whole: None,
            slots: Vec::new(),
            metrics: Vec::new(),
            begun: None,
        };
        let mut stopped_by = StoppedBy::Plan;
        for pass in passes {
            if passes.len() > 1 && !context.args.quiet {
                say(&announcement(pass, sums.repeats_planned));
            }
            let (listened, metrics) = run_pass(pass, books, ready, context, say, sums.repeats_planned)?;
            stopped_by = listened.stopped_by;
            sums.add_metrics(metrics);
            books = sums.add_pass(pass, listened, ready);
            if stopped_by != StoppedBy::Plan {
                break;
            }
        }
        Ok(sums.finish(&last.plan, books, stopped_by, ready))
    }

    /// Returns the measured load, of all ranks at rank 0 of several, and how long it was.
    pub fn shown(&self) -> (&Merged, Nanos) {
        match &self.whole {
            Some(whole) => (whole.figures.merged(), whole.loaded),
            None => (self.measured.load.merged(), self.measured.loaded),
        }
    }

    /// Returns the requests of every pass, which a server's own count is compared with.
    pub fn sent(&self) -> Cow<'_, Merged> {
        let measured = self.measured.load.merged();
        match &self.unmeasured {
            None => Cow::Borrowed(measured),
            Some(unmeasured) => {
                let mut all = unmeasured.clone();
                all.append(measured);
                Cow::Owned(all)
            }
        }
    }
}

/// Returns the line that announces a pass, if there is more than one.
fn announcement(pass: &Pass, repeats: u32) -> String {
    let run = match repeats {
        1 => String::new(),
        _ => format!("run {} of {repeats}: ", pass.repeat + 1),
    };
    let name = |endpoint: u16| {
        let endpoint = pass.plan.workload.servers.get(usize::from(endpoint));
        endpoint.and_then(|e| e.name.clone()).unwrap_or_default()
    };
    let users = pass.plan.schedule_of_shard().vus_max();
    let length = format_duration(pass.plan.executor.duration());
    let what = match pass.role {
        Role::WarmUp => format!("warm-up of {length}, excluded from all results"),
        Role::Alone(endpoint) => format!("{} alone, {users} users", name(endpoint)),
        Role::Measured if repeats == 1 => format!("all together, {users} users"),
        Role::Measured => format!("{users} users"),
    };
    format!("{run}{what}")
}

fn run_pass(
    pass: &Pass,
    mut books: Books,
    ready: &mut Ready,
    context: &PassContext<'_>,
    say: &mut dyn FnMut(&str),
    repeats: u32,
) -> Result<(Listened, Vec<Scraped>), Failure> {
    let mut options = ready.engine.clone();
    options.details &= pass.role != Role::WarmUp;
    let prefix = pass.id_prefix(repeats);
    ready.loads += 1;
    if let Some(ids) = &mut options.request_ids {
        match pass.role {
            // It is in no details. Several warm-ups may make the same requests.
            Role::WarmUp => ids.prefix.push_str(&format!("w{}-", ready.loads)),
            Role::Alone(_) | Role::Measured => ids.prefix.push_str(&prefix),
        }
    }
    let mut engine = Engine::start(pass.plan.for_load(ready.loads), ready.targets.clone(), options)
        .map_err(start_failure)?;
    // It waits for the servers' first answers, which must not make a load late that begins at a given instant.
    let metrics = server_metrics::watch(pass, ready);
    if books.origin.is_none()
        && let Some(at) = context.start_at
    {
        engine.wall_offset = start::wait(at, ready, context.args.quiet, say)?;
    }
    let mut together = None;
    if let Some(ranks) = context.ranks {
        let (number, plan) = (ready.loads - 1, (context.config, &*pass.plan));
        let begin = ranks.begin(plan, number, ready, context.signals, say)?;
        if let Beginning::Together { wall_offset, at } = begin {
            engine.wall_offset = wall_offset;
            books.asked.get_or_insert(at);
            together = Some(number);
        }
    }
    if books.origin.is_none() {
        context.signals.enter(Phase::Load);
    }
    if let Some(spool) = &mut books.spool {
        spool.begin_pass(prefix, i128::from(engine.wall_offset));
    }
    let cores = ready.cpus.workers.len();
    let view = LiveView::new(&ready.tested(), &ready.masks, cores, ready.engine.kernel_stamps);
    let shown = Shown::new(context.args, context.screen, view);
    let watch = slots::watch(pass, ready, &engine.traffic);
    let listener = Listener::new(pass, engine, books, shown, say).with_metrics(metrics);
    let listener = listener.with_ranks(context.ranks, together);
    let mut listened = listener.listen(ready, context.signals);
    let metrics = server_metrics::finish(&mut listened, context.signals);
    if let Some(watch) = watch {
        slots::finish(watch, &mut listened, context.signals);
    }
    Ok((listened, metrics))
}

/// Returns the failure for a core that could not start: a shortage of this host if the operating system names one, or
/// else a bug of this program.
pub(super) fn start_failure(failure: CoreFailure) -> Failure {
    match failure.errno.and_then(hint_for_shortage) {
        Some(hint) => Failure::new(ExitCode::Host, Reason::new(failure.what).hint(hint)),
        None => Failure::internal(failure.what),
    }
}

impl Passes {
    /// Adds what servers showed during a pass that is measured, before the pass itself is added.
    fn add_metrics(&mut self, metrics: Vec<Scraped>) {
        let offset = self.measured.as_ref().map_or(0, |total| total.duration);
        server_metrics::append(&mut self.metrics, metrics, offset);
    }

    /// Adds the figures of a pass, and returns the state that the next pass continues with.
    fn add_pass(&mut self, pass: &Pass, listened: Listened, ready: &Ready) -> Books {
        let Listened {
            aggregator,
            judge,
            mut books,
            stopped_by,
            t0,
            ended,
            load_ended,
            wall_offset,
            slots,
            whole,
            ..
        } = listened;
        let (duration, loaded) = (ended - t0, load_ended.saturating_sub(t0));
        let total_of = |load| Total {
            load,
            duration,
            loaded,
            steady: Phases::of(&pass.plan.executor).steady_within(0, loaded),
        };
        if pass.role != Role::Measured {
            match &mut self.unmeasured {
                None => self.unmeasured = Some(aggregator.merged().clone()),
                Some(unmeasured) => unmeasured.append(aggregator.merged()),
            }
        }
        match pass.role {
            Role::WarmUp => {
                self.warmup.get_or_insert_default().append(&aggregator, duration);
                self.begun.get_or_insert((t0, wall_offset));
            }
            Role::Alone(endpoint) => {
                let index = usize::from(endpoint);
                if self.alone.len() <= index {
                    self.alone.resize_with(index + 1, || None);
                }
                Total::append(&mut self.alone[index], total_of(aggregator));
            }
            Role::Measured => {
                let begun = t0.saturating_sub(books.origin.unwrap_or(t0));
                let rss = resident_bytes(ready, begun, duration);
                let pairs = matches!(pass.plan.assignment, Assignment::Paired(_));
                let pairs = pairs.then(|| aggregator.pairs().findings());
                let judged = judge.finish(duration, &rss, pairs.as_ref());
                let facts = RepeatFacts {
                    started_at_unix_ns: i128::from(t0) + i128::from(wall_offset),
                    duration,
                    loaded,
                    stopped_by,
                };
                if self.repeats_planned > 1 {
                    let repeat = Repeat::new(pass.repeat + 1, facts, &aggregator, &judged);
                    self.repeats.push(repeat);
                }
                if self.measured.is_none() {
                    self.begun = Some((t0, wall_offset));
                }
                self.judged.push(judged);
                self.whole = whole.map(WholeLoad::new);
                Total::append(&mut self.measured, total_of(aggregator));
                slots::append(&mut self.slots, slots);
                books.measured += duration;
            }
        }
        books
    }

    fn finish(self, plan: &Plan, books: Books, stopped_by: StoppedBy, ready: &Ready) -> Load {
        let (cores, series) = (ready.cpus.workers.len(), plan.workload.kinds.len());
        let (t0, wall_offset) = self.begun.unwrap_or((books.origin.unwrap_or(0), 0));
        Load {
            // A run that ended before the measured load began is judged without any requests.
            judged: judged_together(self.judged).unwrap_or_else(|| judged_without_load(plan)),
            measured: self.measured.unwrap_or_else(|| Total {
                load: Aggregator::new(cores, series),
                duration: 0,
                loaded: 0,
                steady: 0,
            }),
            alone: self.alone,
            warmup: self.warmup,
            repeats: self.repeats,
            unmeasured: self.unmeasured,
            whole: self.whole,
            slots: self.slots,
            metrics: self.metrics,
            in_a_hurry: books.signals > 1,
            books,
            stopped_by,
            t0,
            wall_offset,
        }
    }
}

/// Returns the resident bytes of managed servers during a pass that began at `begun`, over its time.
fn resident_bytes(ready: &Ready, begun: Nanos, duration: Nanos) -> Vec<(Nanos, u64)> {
    let samples = ready.managed.samples().rss_over_time().into_iter();
    samples
        .filter(|(at, _)| (begun..=begun + duration).contains(at))
        .map(|(at, bytes)| (at - begun, bytes))
        .collect()
}

fn judged_without_load(plan: &Plan) -> Judged {
    Judge::from_plan(plan).finish(1, &[], None)
}
