//! Limits how many requests are served at once, and makes answers slower when there are many, in ways whose capacity is
//! known in advance. Several mocks may share a capacity.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::units::Nanos;
use crate::workload::random::{keyed, up_to};

/// Above the cliff, the first token takes this many times as long.
pub const CLIFF_FACTOR: u64 = 10;
/// A jitter of 1, in the unit that it is given in.
const JITTER_WHOLE: u64 = 1_000_000;

/// What the number of requests does to answers. By default it does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct CapacityOptions {
    /// Requests that are served at once; further ones wait, first in, first out.
    pub concurrency: Option<u32>,
    /// Requests that may wait; `None` means any number.
    pub queue: Option<u32>,
    /// Requests at once above which the first token takes [`CLIFF_FACTOR`] times as long.
    pub cliff: Option<u32>,
    /// How much longer the first token takes for each other request that is there.
    pub slope: Nanos,
    /// The first token takes up to this many millionths more or less, all values equally likely.
    pub jitter: u32,
    /// Seed of the jitter.
    pub seed: u64,
    /// A request whose client has gone is there for so long after that.
    pub goes_on: Nanos,
}

/// The requests that a mock has at the moment.
#[derive(Debug, Default)]
pub struct Capacity {
    options: CapacityOptions,
    present: AtomicU32,
    /// When each place that has been taken is free again.
    places: Mutex<BinaryHeap<Reverse<Nanos>>>,
}

/// The timeline of a request that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// When it has a place.
    pub begins: Nanos,
    /// When the first token is due.
    pub first_due: Nanos,
}

impl Capacity {
    pub fn new(options: CapacityOptions) -> Capacity {
        Capacity {
            options,
            ..Capacity::default()
        }
    }

    /// Lets in request `number`, which has arrived at `arrived`; `None` if it is refused because the queue is full. Its
    /// first token takes `ttft` and the others `rest`, if nothing slows it down. Who was let in has to [`Self::leave`].
    ///
    /// A place is given away for the time that the whole answer takes, so that nobody has to be woken when it becomes
    /// free. A client that leaves early keeps its place until then, as it does in a server that does not notice.
    pub fn enter(&self, number: u64, arrived: Nanos, (ttft, rest): (Nanos, Nanos)) -> Option<Admission> {
        let CapacityOptions {
            concurrency,
            queue,
            cliff,
            slope,
            jitter,
            seed,
            goes_on: _,
        } = self.options;
        let room = concurrency
            .zip(queue)
            .map(|(places, queue)| places.saturating_add(queue));
        let others = self.present.fetch_add(1, Ordering::Relaxed);
        if room.is_some_and(|room| others >= room) {
            self.leave();
            return None;
        }
        let mut ttft = ttft + slope * Nanos::from(others);
        if cliff.is_some_and(|cliff| others >= cliff) {
            ttft *= CLIFF_FACTOR;
        }
        ttft = jittered(ttft, u64::from(jitter), keyed([seed, number, 0, 0]));
        let begins = match concurrency {
            Some(places) => self.take_place(places, arrived, ttft + rest),
            None => arrived,
        };
        Some(Admission {
            begins,
            first_due: begins + ttft,
        })
    }

    /// Returns when a request whose client goes away at `now` ends.
    pub fn ends_after(&self, now: Nanos) -> Nanos {
        now + self.options.goes_on
    }

    /// Returns how many requests are served at the moment, and how many wait for a place.
    pub fn gauges(&self) -> (u32, u32) {
        let present = self.present.load(Ordering::Relaxed);
        let running = self
            .options
            .concurrency
            .map_or(present, |places| present.min(places));
        (running, present - running)
    }

    /// Ends a request that was let in.
    pub fn leave(&self) {
        self.present.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns when the request begins that takes the place which is free first.
    fn take_place(&self, places: u32, now: Nanos, takes: Nanos) -> Nanos {
        let mut taken = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let free_at = match taken.len() < places as usize {
            true => now,
            false => taken.pop().map_or(now, |Reverse(at)| at),
        };
        let begins = free_at.max(now);
        taken.push(Reverse(begins + takes));
        begins
    }
}

/// Returns `time`, up to `jitter` millionths shorter or longer.
fn jittered(time: Nanos, jitter: u64, bits: u64) -> Nanos {
    let part = (u128::from(time) * u128::from(jitter.min(JITTER_WHOLE)) / u128::from(JITTER_WHOLE)) as Nanos;
    time - part + up_to(2 * part, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(options: CapacityOptions) -> Capacity {
        Capacity::new(options)
    }

    /// Lets in requests that arrive at 0 and take 10 to the first token and 90 for the rest.
    fn firsts(capacity: &Capacity, count: u64) -> Vec<Option<Nanos>> {
        (0..count)
            .map(|number| {
                capacity
                    .enter(number, 0, (10, 90))
                    .map(|admitted| admitted.first_due)
            })
            .collect()
    }

    #[test]
    fn without_options_nothing_is_slower() {
        assert_eq!(firsts(&Capacity::default(), 3), [Some(10); 3]);
    }

    #[test]
    fn requests_beyond_the_concurrency_wait_for_the_first_free_place() {
        let two = capacity(CapacityOptions {
            concurrency: Some(2),
            ..CapacityOptions::default()
        });
        assert_eq!(firsts(&two, 5), [10, 10, 110, 110, 210].map(Some));
        // Whoever comes when a place is free begins at once.
        assert_eq!(
            two.enter(9, 5_000, (10, 90)),
            Some(Admission {
                begins: 5_000,
                first_due: 5_010
            })
        );
    }

    #[test]
    fn a_full_queue_refuses_until_somebody_has_left() {
        let one = capacity(CapacityOptions {
            concurrency: Some(1),
            queue: Some(1),
            ..CapacityOptions::default()
        });
        assert_eq!(firsts(&one, 3), [Some(10), Some(110), None]);
        assert_eq!(one.gauges(), (1, 1));
        one.leave();
        assert_eq!(firsts(&one, 1), [Some(210)]);
    }

    #[test]
    fn above_the_cliff_and_along_the_slope_the_first_token_takes_longer() {
        let cliff = capacity(CapacityOptions {
            cliff: Some(2),
            ..CapacityOptions::default()
        });
        assert_eq!(firsts(&cliff, 4), [10, 10, 100, 100].map(Some));
        let slope = capacity(CapacityOptions {
            slope: 3,
            ..CapacityOptions::default()
        });
        assert_eq!(firsts(&slope, 3), [10, 13, 16].map(Some));
    }

    #[test]
    fn jitter_is_uniform_between_its_ends_and_the_same_for_the_same_seed() {
        let noisy = |seed| {
            capacity(CapacityOptions {
                jitter: 200_000,
                seed,
                ..CapacityOptions::default()
            })
        };
        let times = |seed| -> Vec<Nanos> {
            let capacity = noisy(seed);
            let enter = |number| capacity.enter(number, 0, (1_000, 0));
            (0..2_000)
                .map(|number| enter(number).unwrap().first_due)
                .collect()
        };
        let all = times(1);
        assert_eq!(all, times(1));
        assert_ne!(all, times(2));
        assert!(all.iter().all(|time| (800..=1_200).contains(time)));
        let mean = all.iter().sum::<Nanos>() / 2_000;
        assert!((990..=1_010).contains(&mean), "{mean}");
    }
}
