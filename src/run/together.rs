//! A pass of several ranks: each gives rank 0 its figures once a second, and rank 0 has those of the whole.

use std::collections::BTreeMap;

use super::exchange::Exchange;
use super::ranks::Ranks;
use crate::coordination::RankFigures;
use crate::judge::{Judge, Vus};
use crate::metrics::{RankSnapshot, Snapshot};
use crate::plan::{Plan, Shard, VuSchedule};
use crate::report::{Aggregator, LiveRanks};
use crate::units::Nanos;

/// The figures of the whole.
pub struct WholeFigures {
    pub aggregator: Aggregator,
    pub judge: Judge,
}

/// The whole of a pass, at rank 0.
pub struct Whole {
    /// That of all ranks.
    pub plan: Plan,
    schedule: VuSchedule,
    pub figures: WholeFigures,
    /// The first core of each rank.
    cores: BTreeMap<u32, usize>,
}

/// A second of the whole that is closed.
pub struct ClosedRow {
    pub elapsed: Nanos,
    pub vus_planned: u64,
    /// A threshold that ends the load.
    pub failed: Option<String>,
}

/// This rank's part in a pass of several.
pub struct Together<'a> {
    ranks: &'a Ranks,
    exchange: Exchange<'a>,
    pub whole: Option<Whole>,
}

impl<'a> Together<'a> {
    pub fn new(ranks: &'a Ranks, pass: u32, plan: &Plan, cores: usize) -> Together<'a> {
        let unsent = RankSnapshot::new(cores, plan.workload.kinds.len(), plan.is_phased());
        Together {
            ranks,
            exchange: Exchange::new(ranks, pass, unsent),
            whole: ranks.is_first().then(|| Whole::new(plan, cores)),
        }
    }

    /// Adds the figures of a core of this rank.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.exchange.append_snapshot(snapshot);
    }

    /// Takes note that this rank has measured up to `until`, and hands that out; see [`Self::flush`].
    pub fn hand_out(&mut self, until: Nanos, is_last: bool, seen: &mut dyn FnMut(&Snapshot)) {
        self.exchange
            .hand_out(until, is_last, &mut into(&mut self.whole, seen));
    }

    /// Hands out what this rank has measured, once rank 0 has taken what came before. At rank 0 it becomes part of the
    /// whole, and `seen` sees it. Returns whether there was something.
    pub fn flush(&mut self, seen: &mut dyn FnMut(&Snapshot)) -> bool {
        self.exchange.flush(&mut into(&mut self.whole, seen))
    }

    /// Takes the answer of rank 0 to the last snapshot.
    pub fn taken(&mut self) {
        self.exchange.taken();
    }

    /// Takes the figures of another rank, and `seen` sees them.
    pub fn take(&mut self, part: RankFigures, seen: &mut dyn FnMut(&Snapshot)) {
        self.exchange.receive(part, &mut into(&mut self.whole, seen));
    }

    /// Looks which ranks were lost, or have given their results already.
    pub fn lose(&mut self) {
        self.exchange.lose();
    }

    /// Closes the next row of the whole, if there are figures of every rank. `is_ending`: the load was ended.
    pub fn close(&mut self, is_ending: bool) -> Option<ClosedRow> {
        let elapsed = self.exchange.close()?;
        Some(self.whole.as_mut()?.close(elapsed, is_ending))
    }

    /// Returns whether rank 0 still waits for figures of this pass.
    pub fn is_waiting(&self) -> bool {
        self.exchange.is_waiting()
    }

    /// Returns, once for each, the ranks whose figures are far behind `now`.
    pub fn behind(&mut self, now: Nanos) -> Vec<String> {
        self.exchange.behind(now)
    }

    /// Returns what is shown about the ranks.
    pub fn shown(&self) -> LiveRanks {
        let all = self.ranks.config.shard.count();
        match &self.whole {
            Some(_) => LiveRanks::Whole {
                there: all - self.ranks.lost().len() as u32,
                all,
            },
            None => LiveRanks::Part {
                rank: self.ranks.rank(),
                all,
            },
        }
    }

    /// Ends the pass: what has come by now is the whole of it.
    pub fn finish(self, elapsed: Nanos) -> Option<WholeFigures> {
        let mut whole = self.whole?;
        whole.figures.aggregator.tick(elapsed, 0);
        whole.figures.judge.end_load();
        whole.figures.judge.tick(elapsed, Vus::default());
        Some(whole.figures)
    }
}

/// Returns what adds the figures of each rank to the whole, if it is here, and shows them to `seen`.
fn into(whole: &mut Option<Whole>, seen: &mut dyn FnMut(&Snapshot)) -> impl FnMut(u32, &RankSnapshot) {
    move |rank, snapshot| {
        if let Some(whole) = whole {
            whole.append(rank, snapshot);
            seen(snapshot.all());
        }
    }
}

impl Whole {
    /// `cores` are those of rank 0, which come first.
    fn new(plan: &Plan, cores: usize) -> Whole {
        let plan = Plan {
            shard: Shard::WHOLE,
            ..plan.clone()
        };
        Whole {
            schedule: plan.schedule_of_shard(),
            figures: WholeFigures {
                aggregator: Aggregator::new(cores, plan.workload.kinds.len()),
                judge: Judge::from_plan(&plan),
            },
            plan,
            cores: BTreeMap::from([(0, 0)]),
        }
    }

    fn append(&mut self, rank: u32, snapshot: &RankSnapshot) {
        let aggregator = &mut self.figures.aggregator;
        let first = *self
            .cores
            .entry(rank)
            .or_insert_with(|| aggregator.merged().cores.len());
        aggregator.append_rank(first, snapshot);
        self.figures.judge.append_snapshot(snapshot.all());
    }

    fn close(&mut self, elapsed: Nanos, is_ending: bool) -> ClosedRow {
        let vus_planned = u64::from(self.schedule.planned_at(elapsed));
        let WholeFigures { aggregator, judge } = &mut self.figures;
        aggregator.tick(elapsed, vus_planned);
        if is_ending {
            judge.end_load();
        }
        let vus = Vus {
            planned: vus_planned,
            running: aggregator.merged().counters().vus_running,
        };
        ClosedRow {
            elapsed,
            vus_planned,
            failed: judge.tick(elapsed, vus),
        }
    }
}
