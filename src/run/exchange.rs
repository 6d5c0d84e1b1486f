//! The figures that the ranks of a run give each other while a pass goes on: each gives rank 0 its own once a second,
//! and rank 0 closes a second of the whole when it has those of every rank.

use super::ranks::Ranks;
use crate::coordination::{RankFigures, Reach};
use crate::coordinator::Command;
use crate::metrics::{RankSnapshot, ReceivedSnapshot, Snapshot};
use crate::units::{Nanos, SECOND};

/// A rank whose figures are this far behind is named.
const BEHIND: Nanos = 3 * SECOND;

/// What becomes of the figures of a rank at rank 0, whose own are among them.
pub type Take<'t> = &'t mut dyn FnMut(u32, &RankSnapshot);

/// This rank's part in the exchange of a pass.
pub struct Exchange<'a> {
    ranks: &'a Ranks,
    pass: u32,
    /// What has not gone to rank 0 yet.
    unsent: RankSnapshot,
    /// How far it reaches, and how far what has gone does.
    measured_until: Nanos,
    sent_until: Nanos,
    /// Rank 0 has taken the last snapshot.
    may_send: bool,
    /// How far the figures of all ranks reach (rank 0).
    reach: Option<Reach>,
    /// Ranks that are behind and have been named.
    named: Vec<u32>,
}

impl<'a> Exchange<'a> {
    /// Begins the exchange of a pass; `unsent` is an empty snapshot of this rank.
    pub fn new(ranks: &'a Ranks, pass: u32, unsent: RankSnapshot) -> Exchange<'a> {
        let count = ranks.config.shard.count();
        let mut exchange = Exchange {
            ranks,
            pass,
            unsent,
            measured_until: 0,
            sent_until: 0,
            may_send: true,
            reach: ranks.is_first().then(|| Reach::new(0..count)),
            named: Vec::new(),
        };
        exchange.lose();
        exchange
    }

    /// Adds the figures of a core of this rank.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.unsent.append_snapshot(snapshot);
    }

    /// Takes note that this rank has measured up to `until`, and hands that out; see [`Self::flush`].
    pub fn hand_out(&mut self, until: Nanos, is_last: bool, take: Take<'_>) {
        self.measured_until = until;
        match is_last {
            true => self.send(true, take),
            false => drop(self.flush(take)),
        }
    }

    /// Hands out what this rank has measured, once rank 0 has taken what came before. At rank 0 it becomes part of the
    /// whole: `take` takes it. Returns whether there was something.
    pub fn flush(&mut self, take: Take<'_>) -> bool {
        let is_due = self.may_send && self.measured_until > self.sent_until;
        if is_due {
            self.send(false, take);
        }
        is_due
    }

    fn send(&mut self, is_last: bool, take: Take<'_>) {
        self.may_send = false;
        self.sent_until = self.measured_until;
        let (pass, rank, until) = (self.pass, self.ranks.rank(), self.measured_until);
        match &mut self.reach {
            Some(reach) => {
                if reach.take(rank, until, is_last) {
                    take(rank, &self.unsent);
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

    /// Takes the figures of another rank (rank 0).
    pub fn receive(&mut self, part: RankFigures, take: Take<'_>) {
        let Some(reach) = self.reach.as_mut().filter(|_| part.pass == self.pass) else {
            return;
        };
        let rank = part.rank;
        let read = serde_json::from_value::<ReceivedSnapshot>(part.figures).map_err(|e| e.to_string());
        match read.and_then(|read| read.checked(&self.unsent)) {
            Ok(snapshot) => {
                if reach.take(rank, part.until, part.is_last) {
                    take(rank, &snapshot);
                }
            }
            Err(why) => self.ranks.ask(Command::Unreadable { rank, why }),
        }
        self.release();
    }

    /// Looks which ranks were lost, or have given their results already.
    pub fn lose(&mut self) {
        if let Some(reach) = &mut self.reach {
            self.ranks.silent().into_iter().for_each(|rank| reach.lose(rank));
        }
        self.release();
    }

    /// Closes the next second of the whole, if there are figures of every rank, and returns its end. It may be several
    /// seconds, if a rank has given these at once.
    pub fn close(&mut self) -> Option<Nanos> {
        let elapsed = self.reach.as_mut()?.close()?;
        self.release();
        Some(elapsed)
    }

    /// Returns whether rank 0 still waits for figures of this pass.
    pub fn is_waiting(&self) -> bool {
        self.reach.as_ref().is_some_and(|reach| !reach.is_over())
    }

    /// Returns, once for each, the ranks whose figures are far behind `now`.
    pub fn behind(&mut self, now: Nanos) -> Vec<String> {
        let Some(reach) = &self.reach else {
            return Vec::new();
        };
        let behind = reach.behind(now, BEHIND);
        let new = behind.iter().filter(|rank| !self.named.contains(rank));
        let names = new.map(|rank| self.ranks.name(*rank)).collect();
        self.named = behind;
        names
    }

    /// Lets those ranks go on whose next snapshots are wanted.
    fn release(&mut self) {
        let released = self.reach.as_mut().map(Reach::released);
        for rank in released.into_iter().flatten() {
            match rank {
                0 => self.may_send = true,
                _ => self.ranks.ask(Command::Taken { rank }),
            }
        }
    }
}
