//! A pass of several ranks: each gives rank 0 its figures once a second, and rank 0 has those of the whole.

use std::collections::BTreeMap;

use super::ranks::Ranks;
use crate::coordination::{RankFigures, Reach};
use crate::coordinator::Command;
use crate::judge::{Judge, Vus};
use crate::metrics::{RankSnapshot, ReceivedSnapshot, Snapshot};
use crate::plan::{Plan, Shard, VuSchedule};
use crate::report::{Aggregator, LiveRanks};
use crate::units::{Nanos, SECOND};

/// A rank whose figures are this far behind is named.
const BEHIND: Nanos = 3 * SECOND;

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
    reach: Reach,
    /// The first core of each rank.
    cores: BTreeMap<u32, usize>,
    /// Ranks that are behind and have been named.
    named: Vec<u32>,
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
    pass: u32,
    /// What has not gone to rank 0 yet.
    unsent: RankSnapshot,
    /// How far it reaches, and how far what has gone does.
    measured_until: Nanos,
    sent_until: Nanos,
    /// Rank 0 has taken the last snapshot.
    may_send: bool,
    pub whole: Option<Whole>,
}

impl<'a> Together<'a> {
    pub fn new(ranks: &'a Ranks, pass: u32, plan: &Plan, cores: usize) -> Together<'a> {
        let unsent = RankSnapshot::new(cores, plan.workload.kinds.len(), plan.is_phased());
        let whole = ranks
            .is_first()
            .then(|| Whole::new(plan, ranks.config.shard.count(), cores));
        let mut together = Together {
            ranks,
            pass,
            unsent,
            measured_until: 0,
            sent_until: 0,
            may_send: true,
            whole,
        };
        together.lose();
        together
    }

    /// Adds the figures of a core of this rank.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.unsent.append_snapshot(snapshot);
    }

    /// Takes note that this rank has measured up to `until`, and hands that out; see [`Self::flush`].
    pub fn hand_out(&mut self, until: Nanos, is_last: bool, seen: &mut dyn FnMut(&Snapshot)) {
        self.measured_until = until;
        match is_last {
            true => self.send(true, seen),
            false => drop(self.flush(seen)),
        }
    }

    /// Hands out what this rank has measured, once rank 0 has taken what came before. At rank 0 it becomes part of the
    /// whole, and `seen` sees it. Returns whether there was something.
    pub fn flush(&mut self, seen: &mut dyn FnMut(&Snapshot)) -> bool {
        let is_due = self.may_send && self.measured_until > self.sent_until;
        if is_due {
            self.send(false, seen);
        }
        is_due
    }

    fn send(&mut self, is_last: bool, seen: &mut dyn FnMut(&Snapshot)) {
        self.may_send = false;
        self.sent_until = self.measured_until;
        let (pass, rank, until) = (self.pass, self.ranks.rank(), self.measured_until);
        match &mut self.whole {
            Some(whole) => {
                if whole.append(rank, &self.unsent, until, is_last) {
                    seen(self.unsent.all());
                }
            }
            None => {
                // It has no map whose keys are no text, and no number that JSON has not.
                let figures = serde_json::to_value(&self.unsent).unwrap_or_default();
                self.ranks.ask(Command::Snapshot {
                    pass,
                    until,
                    is_last,
                    figures,
                });
            }
        }
        self.unsent.restart();
        self.release();
    }

    /// Takes the answer of rank 0 to the last snapshot.
    pub fn taken(&mut self) {
        self.may_send = true;
    }

    /// Takes the figures of another rank, after `seen` has seen them.
    pub fn take(&mut self, part: RankFigures, seen: &mut dyn FnMut(&Snapshot)) {
        let Some(whole) = self.whole.as_mut().filter(|_| part.pass == self.pass) else {
            return;
        };
        let rank = part.rank;
        let read = serde_json::from_value::<ReceivedSnapshot>(part.figures).map_err(|e| e.to_string());
        match read.and_then(|read| read.checked(&self.unsent)) {
            Ok(snapshot) => {
                if whole.append(rank, &snapshot, part.until, part.is_last) {
                    seen(snapshot.all());
                }
            }
            Err(why) => self.ranks.ask(Command::Unreadable { rank, why }),
        }
        self.release();
    }

    /// Looks which ranks were lost, or have given their results already.
    pub fn lose(&mut self) {
        if let Some(whole) = &mut self.whole {
            self.ranks
                .silent()
                .into_iter()
                .for_each(|rank| whole.reach.lose(rank));
        }
        self.release();
    }

    /// Closes the next row of the whole, if there are figures of every rank. `is_ending`: the load was ended.
    pub fn close(&mut self, is_ending: bool) -> Option<ClosedRow> {
        let row = self.whole.as_mut()?.close(is_ending);
        self.release();
        row
    }

    /// Returns whether rank 0 still waits for figures of this pass.
    pub fn is_waiting(&self) -> bool {
        self.whole.as_ref().is_some_and(|whole| !whole.reach.is_over())
    }

    /// Returns, once for each, the ranks whose figures are far behind `now`.
    pub fn behind(&mut self, now: Nanos) -> Vec<String> {
        let Some(whole) = &mut self.whole else {
            return Vec::new();
        };
        let behind = whole.reach.behind(now, BEHIND);
        let new = behind.iter().filter(|rank| !whole.named.contains(rank));
        let names = new.map(|rank| self.ranks.name(*rank)).collect();
        whole.named = behind;
        names
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

    /// Lets those ranks go on whose next snapshots are wanted.
    fn release(&mut self) {
        let released = self.whole.as_mut().map(|whole| whole.reach.released());
        for rank in released.into_iter().flatten() {
            match rank {
                0 => self.may_send = true,
                _ => self.ranks.ask(Command::Taken { rank }),
            }
        }
    }
}

impl Whole {
    /// `cores` are those of rank 0, which come first.
    fn new(plan: &Plan, ranks: u32, cores: usize) -> Whole {
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
            reach: Reach::new(0..ranks),
            cores: BTreeMap::from([(0, 0)]),
            named: Vec::new(),
        }
    }

    /// Returns false if nothing was to come of this rank any more.
    fn append(&mut self, rank: u32, snapshot: &RankSnapshot, until: Nanos, is_last: bool) -> bool {
        if !self.reach.take(rank, until, is_last) {
            return false;
        }
        let aggregator = &mut self.figures.aggregator;
        let first = *self
            .cores
            .entry(rank)
            .or_insert_with(|| aggregator.merged().cores.len());
        aggregator.append_rank(first, snapshot);
        self.figures.judge.append_snapshot(snapshot.all());
        true
    }

    fn close(&mut self, is_ending: bool) -> Option<ClosedRow> {
        let elapsed = self.reach.close()?;
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
        Some(ClosedRow {
            elapsed,
            vus_planned,
            failed: judge.tick(elapsed, vus),
        })
    }
}
