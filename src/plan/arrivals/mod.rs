//! The sequence of instants at which an open loop sends its requests: one for the whole run, from which each core of
//! each shard takes its share, so that the arrivals do not depend on how many there are.

#[cfg(test)]
mod frozen_tests;
mod gaps;
mod rate;

pub use gaps::{Arrival, GAMMA_SHAPE, parse_arrival, read_arrival};
pub use rate::RateCurve;

use gaps::Gaps;

use crate::plan::Shard;
use crate::units::Nanos;

/// An arrival of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// Its number in the whole run, from 0, which decides its content.
    pub number: u64,
    /// When it is due, since the start.
    pub due: Nanos,
}

/// The arrivals of one core in order.
#[derive(Clone, Debug)]
pub struct Arrivals {
    curve: RateCurve,
    /// The even gap of a constant rate in nanoseconds, truncated as k6 truncates it.
    period: Option<Nanos>,
    gaps: Gaps,
    area: f64,
    piece: usize,
    number: u64,
    stride: u64,
    offset: u64,
}

impl Arrivals {
    /// Returns the arrivals along `curve` that belong to `core` of `cores` of this shard. `period` is that of a
    /// constant rate with even gaps: its first arrival is at 0. Otherwise the first arrival comes one gap after the
    /// start.
    ///
    /// # Panics
    /// Panics if `core` is not below `cores`.
    pub fn new(
        curve: RateCurve,
        period: Option<Nanos>,
        (arrival, seed): (Arrival, u64),
        shard: Shard,
        (core, cores): (u32, u32),
    ) -> Arrivals {
        assert!(core < cores, "core {core} of {cores}");
        Arrivals {
            curve,
            period,
            gaps: Gaps::new(arrival, seed),
            area: 0.0,
            piece: 0,
            number: 0,
            stride: u64::from(shard.count()) * u64::from(cores),
            offset: u64::from(shard.index()) + u64::from(shard.count()) * u64::from(core),
        }
    }

    fn next_of_all(&mut self) -> Option<Arriving> {
        let due = match self.period {
            Some(period) => Some(self.number * period).filter(|due| *due < self.curve.end()),
            None => {
                self.area += self.gaps.next_gap();
                self.curve.reaches(self.area, &mut self.piece)
            }
        };
        let arriving = Arriving {
            number: self.number,
            due: due?,
        };
        self.number += 1;
        Some(arriving)
    }
}

impl Iterator for Arrivals {
    type Item = Arriving;

    fn next(&mut self) -> Option<Arriving> {
        loop {
            let arriving = self.next_of_all()?;
            if arriving.number % self.stride == self.offset {
                return Some(arriving);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Executor;
    use crate::plan::executor::tests::open;
    use crate::units::{SECOND, parse_rate};

    fn constant(rate: &str, arrival: Arrival) -> Executor {
        Executor::ConstantArrivalRate {
            rate: parse_rate(rate).unwrap(),
            duration: 2 * SECOND,
            open: open(arrival),
        }
    }

    fn all(executor: &Executor, shards: u32, cores: u32) -> Vec<Arriving> {
        let mut out = Vec::new();
        for shard in 0..shards {
            for core in 0..cores {
                let shard = Shard::new(shard, shards).unwrap();
                out.extend(executor.arrivals(7, shard, (core, cores)).unwrap());
            }
        }
        out.sort_unstable_by_key(|arriving| arriving.number);
        out
    }

    #[test]
    fn the_arrivals_are_the_same_on_any_number_of_cores_and_shards() {
        for arrival in [
            Arrival::Constant,
            Arrival::Uniform,
            Arrival::Poisson,
            Arrival::Gamma(0.5),
        ] {
            let executor = constant("300", arrival);
            let whole = all(&executor, 1, 1);
            assert!(whole.len() > 400, "{arrival}: {}", whole.len());
            assert!(whole.is_sorted_by_key(|arriving| arriving.due), "{arrival}");
            for (shards, cores) in [(1, 2), (1, 4), (4, 1), (3, 2)] {
                assert_eq!(
                    all(&executor, shards, cores),
                    whole,
                    "{arrival}, {shards} shards, {cores} cores"
                );
            }
        }
    }

    #[test]
    fn a_constant_rate_begins_at_once_and_ends_before_the_end_as_in_k6() {
        let dues: Vec<Nanos> = all(&constant("3", Arrival::Constant), 1, 1)
            .iter()
            .map(|arriving| arriving.due)
            .collect();
        // A third of a second is truncated to nanoseconds, so the seventh still falls into the two seconds.
        let third = 333_333_333;
        assert_eq!(
            dues,
            [0, third, 2 * third, 3 * third, 4 * third, 5 * third, 6 * third]
        );
    }
}
