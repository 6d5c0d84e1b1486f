//! What the other ranks measure: snapshots of their figures, each of which is taken once and none is missing, and their
//! requests when all is over.

use super::{Notice, Output, Phase, Roll, Seat};
use crate::coordination::Message;
use crate::units::Nanos;
use serde_json::Value;

/// What a rank has measured in a pass since its previous snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct RankFigures {
    pub rank: u32,
    pub pass: u32,
    /// Since its load began.
    pub until: Nanos,
    pub is_last: bool,
    pub figures: Value,
}

/// Some requests of a rank, one on each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankDetails {
    pub rank: u32,
    pub lines: String,
    pub is_last: bool,
    /// Why some are missing.
    pub missing: Option<String>,
}

/// Whether a snapshot is the one that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Yes,
    /// It has been taken before.
    Before,
    No,
}

impl Seat {
    fn expects(&self, phase: Phase, pass: u32, number: u32) -> Expected {
        let begun = match phase {
            Phase::Begun(passes) => passes,
            Phase::Gathering => 0,
            Phase::Over => return Expected::Before,
        };
        let (current, next) = self.next_snapshot;
        match (pass, number) {
            _ if (pass, number) < (current, next) => Expected::Before,
            _ if pass >= begun => Expected::No,
            (_, 0) if pass > current => Expected::Yes,
            _ if (pass, number) == (current, next) => Expected::Yes,
            _ => Expected::No,
        }
    }
}

impl Roll {
    pub(super) fn take_snapshot(&mut self, number: u32, figures: RankFigures) {
        let Some(seat) = self.seats.get_mut(&figures.rank) else {
            return;
        };
        match seat.expects(self.phase, figures.pass, number) {
            Expected::Yes => {
                seat.next_snapshot = (figures.pass, number + 1);
                self.tell(Notice::Snapshot(figures));
            }
            Expected::Before => {}
            Expected::No => self.lose(figures.rank, "a snapshot of its figures is missing".to_owned()),
        }
    }

    /// Tells a rank that the snapshot that came last has been taken.
    pub fn taken(&mut self, rank: u32) {
        if let Some(seat) = self.seats.get(&rank)
            && let (pass, Some(number)) = (seat.next_snapshot.0, seat.next_snapshot.1.checked_sub(1))
        {
            self.out
                .push(Output::Send(seat.link, Message::Taken { pass, number }));
        }
    }

    /// Loses a rank whose figures cannot be read.
    pub fn unreadable(&mut self, rank: u32, why: &str) {
        self.lose(rank, format!("its figures cannot be read: {why}"));
    }

    /// Asks a rank that has given its result for its requests, those that follow on what it has given of them. Until
    /// the last of them it can be lost again.
    pub fn want_details(&mut self, rank: u32) {
        match self.seats.get_mut(&rank) {
            Some(seat) => {
                seat.is_done = false;
                self.out.push(Output::Send(seat.link, Message::WantDetails));
            }
            None => self.tell(Notice::Details(RankDetails {
                rank,
                lines: String::new(),
                is_last: true,
                missing: Some("it was lost".to_owned()),
            })),
        }
    }

    pub(super) fn take_details(&mut self, details: RankDetails) {
        if let Some(seat) = self.seats.get_mut(&details.rank) {
            seat.is_done |= details.is_last;
        }
        self.tell(Notice::Details(details));
    }
}
