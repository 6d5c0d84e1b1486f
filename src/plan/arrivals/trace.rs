//! The arrivals of a trace: the instants at which its rows were asked once, cut to a window and spread within their
//! quantum when they are read, and stretched and repeated when they are taken.

use std::sync::Arc;

use super::Arriving;
use crate::units::{Nanos, SECOND};
use crate::workload::random::{keyed, up_to};

/// Separates the draws of a spread from all others.
const SPREAD: u64 = 0x7370_7265_6164;

/// The part of a trace's time that is replayed, from the first instant of its rows on. The end is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub from: Nanos,
    /// `None`: the end of the trace.
    pub to: Option<Nanos>,
}

impl Window {
    fn contains(self, at: Nanos) -> bool {
        at >= self.from && self.to.is_none_or(|to| at < to)
    }
}

/// The rows of a trace within its window, in the order in which they arrive. Times are those of the trace, counted from
/// the beginning of the window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceRows {
    /// Ascending.
    at: Vec<Nanos>,
    /// The number of each row in its dataset; empty if they are `first`, `first + 1` and so on.
    numbers: Vec<u32>,
    first: u32,
    /// Number of rows in the dataset, within the window or not.
    all: u64,
    /// Rows of the dataset whose instant is before that of the row above them.
    unsorted: u64,
    /// The time from the first instant of the dataset to its last.
    span: Nanos,
    /// The time after which the rows begin again, if they are repeated: the window's length or, where it is open, the
    /// time from the first row to the last and one mean gap.
    length: Nanos,
}

impl TraceRows {
    /// Takes those of `all` rows whose instants are within `window`. `at` returns the instant of a row, from any
    /// origin; `None` if it has none and is no arrival. Rows that were stamped alike are drawn anew, evenly within
    /// `spread` from their stamp on.
    pub fn new(
        all: u32,
        at: &dyn Fn(u32) -> Option<Nanos>,
        window: Window,
        (spread, seed): (Nanos, u64),
    ) -> TraceRows {
        let numbered = || (0..all).filter_map(|number| Some((number, at(number)?)));
        let instants = || numbered().map(|(_, at)| at);
        let (origin, last) = (instants().min().unwrap_or(0), instants().max().unwrap_or(0));
        let mut before = 0;
        let unsorted = instants()
            .filter(|at| *at < std::mem::replace(&mut before, *at))
            .count();
        let is_within = |at: Nanos| window.contains(at - origin);
        let mut rows = Vec::with_capacity(instants().filter(|at| is_within(*at)).count());
        rows.extend(
            numbered()
                .filter(|(_, at)| is_within(*at))
                .map(|(number, at)| (at - origin - window.from, number)),
        );
        // Rows of the same instant keep their order.
        rows.sort_unstable();
        if spread > 0 {
            spread_stamps(&mut rows, spread, seed);
        }
        let first = rows.first().map_or(0, |(_, number)| *number);
        let are_in_order = (first..).zip(&rows).all(|(number, row)| row.1 == number);
        let mut found = TraceRows {
            at: rows.iter().map(|(at, _)| *at).collect(),
            numbers: match are_in_order {
                true => Vec::new(),
                false => rows.iter().map(|(_, number)| *number).collect(),
            },
            first,
            all: u64::from(all),
            unsorted: unsorted as u64,
            span: last - origin,
            length: 0,
        };
        found.length = found.length_of(window);
        found
    }

    fn length_of(&self, window: Window) -> Nanos {
        let (Some(first), Some(last)) = (self.at.first(), self.at.last()) else {
            return 0;
        };
        // Rows of one instant have no gap; a second is as good as any.
        let gap = match (last - first, self.at.len() as u64 - 1) {
            (0, _) | (_, 0) => SECOND,
            (span, gaps) => (span / gaps).max(1),
        };
        match window.to {
            Some(to) => (to - window.from).max(last + 1),
            None => last + gap,
        }
    }

    pub fn len(&self) -> usize {
        self.at.len()
    }

    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    pub fn all(&self) -> u64 {
        self.all
    }

    pub fn unsorted(&self) -> u64 {
        self.unsorted
    }

    pub fn span(&self) -> Nanos {
        self.span
    }

    pub fn length(&self) -> Nanos {
        self.length
    }

    /// Returns the instants of the rows, ascending.
    pub fn instants(&self) -> &[Nanos] {
        &self.at
    }

    pub fn number(&self, position: usize) -> u32 {
        match self.numbers.get(position) {
            Some(number) => *number,
            None => self.first + position as u32,
        }
    }
}

/// Moves each row by a time drawn evenly from 0 to `spread`. Rows of one stamp keep their order.
fn spread_stamps(rows: &mut [(Nanos, u32)], spread: Nanos, seed: u64) {
    for alike in rows.chunk_by_mut(|a, b| a.0 == b.0) {
        let draw = |number: u32| up_to(spread - 1, keyed([seed, SPREAD, u64::from(number), 0]));
        let mut moved: Vec<Nanos> = alike.iter().map(|(_, number)| draw(*number)).collect();
        moved.sort_unstable();
        for ((at, _), by) in alike.iter_mut().zip(moved) {
            *at += by;
        }
    }
    // The stamps may be closer to each other than the spread.
    rows.sort_unstable();
}

/// How the rows are replayed: stretched, repeated, and cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// Factor of all gaps: 0.5 is twice as fast.
    pub scale: f64,
    /// Number of times that the rows are replayed; `None` means until the end.
    pub rounds: Option<u32>,
    /// When the load ends, since its start.
    pub end: Nanos,
}

/// The arrivals of all rows, in order. Each core of each shard has one over the same rows.
#[derive(Clone, Debug)]
pub struct TraceSequence {
    rows: Arc<TraceRows>,
    replay: Replay,
    round: u64,
    position: usize,
}

impl TraceSequence {
    pub fn new(rows: Arc<TraceRows>, replay: Replay) -> TraceSequence {
        TraceSequence {
            rows,
            replay,
            round: 0,
            position: 0,
        }
    }
}

impl Iterator for TraceSequence {
    type Item = Arriving;

    /// Returns the next arrival. Its number is that of the row in the dataset, after as many datasets as there were
    /// rounds before.
    fn next(&mut self) -> Option<Arriving> {
        if self.position == self.rows.len() {
            self.position = 0;
            self.round += 1;
        }
        let Replay { scale, rounds, end } = self.replay;
        if rounds.is_some_and(|rounds| self.round >= u64::from(rounds)) {
            return None;
        }
        let at = *self.rows.at.get(self.position)?;
        let due = scaled(
            self.round.saturating_mul(self.rows.length).saturating_add(at),
            scale,
        );
        if due >= end {
            return None;
        }
        let number = self.round * self.rows.all + u64::from(self.rows.number(self.position));
        let place = self.round * self.rows.len() as u64 + self.position as u64;
        self.position += 1;
        Some(Arriving {
            sequence: 0,
            number,
            due,
            place,
        })
    }
}

/// Stretches a time.
pub fn scaled(time: Nanos, factor: f64) -> Nanos {
    match factor {
        1.0 => time,
        // Conversion to an integer saturates.
        _ => (time as f64 * factor).round() as Nanos,
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
