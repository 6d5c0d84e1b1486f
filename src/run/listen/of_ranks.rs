//! What the reporter does in a run of several ranks: it hears of the others, and rank 0 shows and judges the whole.

use crossbeam_channel::{after, never};

use super::{ABORT_GRACE, Listener};
use crate::coordination::Stop;
use crate::coordinator::{self, Event};
use crate::engine::Command;
use crate::result::StoppedBy;
use crate::run::ranks::{Ranks, Reaction, lost};
use crate::run::together::{ClosedRow, Together};
use crate::units::Nanos;

impl<'a> Listener<'a> {
    /// Hears what becomes of the other ranks, and tells them of signals. They carry out `pass` together, unless the
    /// load has ended for all before it: then there is no such number.
    pub fn with_ranks(mut self, ranks: Option<&'a Ranks>, pass: Option<u32>) -> Listener<'a> {
        self.heard = ranks.map_or_else(never, |ranks| ranks.events().clone());
        self.ranks = ranks;
        if let (Some(ranks), Some(pass)) = (ranks, pass) {
            let together = Together::new(ranks, pass, self.plan, self.engine.cores());
            self.together = Some(together);
            // No part ends the load: the whole is judged.
            self.judge = self.judge.without_abort();
        }
        self
    }

    /// Takes what is heard of another rank; `None` if nothing more will be.
    pub(super) fn hear(&mut self, event: Option<Event>) {
        let (Some(ranks), Some(event)) = (self.ranks, event) else {
            self.heard = never();
            return;
        };
        match ranks.take(event) {
            Reaction::Say(text) => (self.say)(&text),
            Reaction::Stop(why) => self.stop_for(&why),
            Reaction::Over(failure) => {
                if self.stopped_by == StoppedBy::Plan {
                    self.stopped_by = StoppedBy::Rank;
                    self.books.failures.push(failure);
                    self.stop(Command::Stop);
                }
            }
            Reaction::Abort => {
                (self.say)("stopping at once: another rank was interrupted twice");
                self.books.signals = self.books.signals.max(2);
                self.stop(Command::Abort);
                self.give_up = after(ABORT_GRACE);
            }
            Reaction::Snapshot(part) => {
                let (books, role) = (&mut self.books, self.role);
                if let Some(together) = &mut self.together {
                    together.take(part, &mut |snapshot| books.take_of_ranks(role, snapshot));
                }
            }
            Reaction::Taken => {
                if let Some(together) = &mut self.together {
                    together.taken();
                }
            }
            // Requests are given when the load is over, and a run has no probes.
            Reaction::Nothing
            | Reaction::There
            | Reaction::Probe { .. }
            | Reaction::Limits(_)
            | Reaction::Begin { .. }
            | Reaction::WantDetails
            | Reaction::Details(_) => {}
        }
        if let Some(together) = &mut self.together {
            together.lose();
        }
        self.close_rows_of_whole();
    }

    /// Ends the load because of another rank, as a first Ctrl-C does.
    pub(super) fn stop_for(&mut self, why: &Stop) {
        if self.stopped_by != StoppedBy::Plan {
            return;
        }
        self.stopped_by = match why {
            Stop::Signal { .. } => StoppedBy::Signal,
            Stop::Threshold { .. } => StoppedBy::Threshold,
            Stop::Lost { .. } => {
                self.books.failures.push(lost(why));
                StoppedBy::Rank
            }
        };
        self.stop_and_say(&why.to_string());
    }

    /// Returns whether the pass goes on at other ranks, whose figures rank 0 shows and judges.
    pub(super) fn waits_for_ranks(&self) -> bool {
        self.books.signals < 2 && self.together.as_ref().is_some_and(Together::is_waiting)
    }

    /// Gives rank 0 the figures of this rank up to `until`.
    pub(super) fn hand_out(&mut self, until: Nanos, is_last: bool) {
        let (books, role) = (&mut self.books, self.role);
        if let Some(together) = &mut self.together {
            together.hand_out(until, is_last, &mut |snapshot| {
                books.take_of_ranks(role, snapshot)
            });
        }
        self.close_rows_of_whole();
    }

    /// Shows and judges the seconds of which there are figures of every rank.
    pub(super) fn close_rows_of_whole(&mut self) {
        loop {
            while let Some(row) = self.close_row_of_whole() {
                self.show(row.elapsed, row.vus_planned);
                if let Some(failed) = row.failed {
                    self.end_for_all(&failed);
                }
            }
            let (books, role) = (&mut self.books, self.role);
            let together = self.together.as_mut();
            let is_more = together
                .is_some_and(|together| together.flush(&mut |snapshot| books.take_of_ranks(role, snapshot)));
            if !is_more {
                return;
            }
        }
    }

    fn close_row_of_whole(&mut self) -> Option<ClosedRow> {
        let is_ending = self.stopped_by != StoppedBy::Plan;
        self.together.as_mut()?.close(is_ending)
    }

    /// Ends the load of all ranks, because a threshold does not hold over the whole.
    fn end_for_all(&mut self, failed: &str) {
        if self.stopped_by != StoppedBy::Plan {
            return;
        }
        if let Some(ranks) = self.ranks {
            let rule = failed.to_owned();
            ranks.ask(coordinator::Command::Stop(Stop::Threshold { rule }));
        }
        // A part that is over has ended by its plan.
        if self.cores_left > 0 {
            self.stopped_by = StoppedBy::Threshold;
        }
        self.stop_and_say(&format!("threshold {failed}"));
    }
}
