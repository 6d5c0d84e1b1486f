//! The instants at which an open loop sends its requests, at a rate or as a trace has them: one sequence for the whole
//! run, or one for each kind of request. Each core of each shard generates all of them and takes its share, so that the
//! arrivals do not depend on how many there are.

mod chains;
#[cfg(test)]
mod frozen_tests;
mod gaps;
mod rate;
mod trace;

pub use chains::{Chains, Follower};
pub use gaps::{Arrival, GAMMA_SHAPE, parse_arrival, read_arrival};
pub use rate::RateCurve;
pub use trace::{Replay, TraceRows, TraceSequence, Window, scaled};

use gaps::Gaps;

use crate::plan::Shard;
use crate::units::Nanos;

/// An arrival of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// The sequence that it is from: 0, or the kind of request if each kind has its own.
    pub sequence: u16,
    /// Its number in that sequence, from 0, which decides its content; of a trace, that of its row.
    pub number: u64,
    /// When it is due, since the start.
    pub due: Nanos,
    /// Its place in that sequence, from 0, which decides who sends it.
    pub place: u64,
}

/// One sequence of arrivals at a rate.
#[derive(Clone, Debug)]
pub struct Sequence {
    index: u16,
    curve: RateCurve,
    /// The even gap of a constant rate in nanoseconds, truncated as k6 truncates it.
    period: Option<Nanos>,
    /// When the curve begins, since the start of the run.
    start: Nanos,
    gaps: Gaps,
    area: f64,
    piece: usize,
    number: u64,
    stage: Stage,
}

/// The part of the curve that scattered arrivals are being placed in.
#[derive(Clone, Copy, Debug, Default)]
struct Stage {
    /// The number of parts before and with it.
    taken: usize,
    /// The area under the curve up to its end.
    end: f64,
    /// How many arrivals are still to be placed in it.
    left: u64,
}

impl Sequence {
    /// Makes the arrivals along `curve`. `period` is that of a constant rate with even gaps: its first arrival is at 0.
    /// Otherwise the first arrival comes one gap after the start.
    pub fn new(curve: RateCurve, period: Option<Nanos>, (arrival, seed): (Arrival, u64)) -> Sequence {
        Sequence {
            index: 0,
            curve,
            period,
            start: 0,
            gaps: Gaps::new(arrival, seed),
            area: 0.0,
            piece: 0,
            number: 0,
            stage: Stage::default(),
        }
    }

    /// Places the next of scattered arrivals. The instants of n arrivals in a stage are n draws in ascending order,
    /// each made from the one before, so that none is kept.
    fn scatter(&mut self) -> Option<Nanos> {
        while self.stage.left == 0 {
            let (before, end) = self.curve.areas(self.stage.taken)?;
            self.area = before;
            self.stage = Stage {
                taken: self.stage.taken + 1,
                end,
                left: whole(end) - whole(before),
            };
        }
        self.area += (self.stage.end - self.area) * self.gaps.least_of(self.stage.left);
        self.stage.left -= 1;
        self.curve.reaches(self.area, &mut self.piece)
    }

    /// Makes it the sequence of one kind of request, which begins at `start`.
    pub fn of_kind(self, kind: u16, start: Nanos) -> Sequence {
        Sequence {
            index: kind,
            start,
            ..self
        }
    }
}

impl Iterator for Sequence {
    type Item = Arriving;

    fn next(&mut self) -> Option<Arriving> {
        let due = match self.period {
            Some(period) => Some(self.number * period).filter(|due| *due < self.curve.end()),
            None if self.gaps.are_scattered() => self.scatter(),
            None => {
                self.area += self.gaps.next_gap();
                self.curve.reaches(self.area, &mut self.piece)
            }
        };
        let arriving = Arriving {
            sequence: self.index,
            number: self.number,
            due: self.start + due?,
            place: self.number,
        };
        self.number += 1;
        Some(arriving)
    }
}

/// Returns the whole arrivals of an area, which rounding may have left a little below a whole number.
fn whole(area: f64) -> u64 {
    (area + area * 1e-12 + 1e-9) as u64
}

/// What says when the arrivals of a sequence are due.
#[derive(Clone, Debug)]
pub enum Source {
    Rate(Sequence),
    Trace(TraceSequence),
}

impl Source {
    /// Returns the index of the sequence.
    pub fn index(&self) -> u16 {
        match self {
            Source::Rate(sequence) => sequence.index,
            Source::Trace(_) => 0,
        }
    }
}

impl Iterator for Source {
    type Item = Arriving;

    fn next(&mut self) -> Option<Arriving> {
        match self {
            Source::Rate(sequence) => sequence.next(),
            Source::Trace(sequence) => sequence.next(),
        }
    }
}

/// The arrivals of one core, in the order of their instants.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Each sequence with its next arrival.
    sequences: Vec<(Arriving, Source)>,
    stride: u64,
    offset: u64,
}

impl Arrivals {
    /// Returns the arrivals of `sequences` that belong to `core` of `cores` of this shard. Each core gets every n-th
    /// arrival of each sequence, so that none gets more of one kind of request than the others.
    ///
    /// # Panics
    /// Panics if `core` is not below `cores`.
    pub fn new(sequences: Vec<Source>, shard: Shard, (core, cores): (u32, u32)) -> Arrivals {
        assert!(core < cores, "core {core} of {cores}");
        let begun = sequences.into_iter().filter_map(|mut sequence| {
            let first = sequence.next()?;
            Some((first, sequence))
        });
        Arrivals {
            sequences: begun.collect(),
            stride: u64::from(shard.count()) * u64::from(cores),
            offset: u64::from(shard.index()) + u64::from(shard.count()) * u64::from(core),
        }
    }

    /// Returns the next arrival of all; of those at the same instant, the one of the first sequence.
    fn next_of_all(&mut self) -> Option<Arriving> {
        let heads = self.sequences.iter().enumerate();
        let (index, _) = heads.min_by_key(|(_, (next, _))| next.due)?;
        let (next, sequence) = &mut self.sequences[index];
        let arriving = *next;
        match sequence.next() {
            Some(following) => *next = following,
            None => drop(self.sequences.remove(index)),
        }
        Some(arriving)
    }
}

impl Iterator for Arrivals {
    type Item = Arriving;

    fn next(&mut self) -> Option<Arriving> {
        loop {
            let arriving = self.next_of_all()?;
            // Kinds with the same rate take turns, so they are given to the cores from different ones on.
            if (arriving.place + u64::from(arriving.sequence)) % self.stride == self.offset {
                return Some(arriving);
            }
        }
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
