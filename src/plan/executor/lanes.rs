//! Which users may take which arrivals. Kinds of request with a rate each either share the users, or have a limit of
//! requests in flight of their own, so that a kind whose answers stop coming does not take the users of the others.

use crate::plan::{Arrivals, Executor, OPEN_VUS_PER_CORE, Plan, Shard, vus_on_core};

/// Sequences of arrivals with a common limit of requests in flight: a kind with a limit of its own, or all kinds that
/// have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Indices of the sequences; not empty.
    pub sequences: Vec<u16>,
    /// The most requests in flight, over all shards.
    pub vus: u32,
    /// It has the load for itself, and is on each of its cores.
    is_only: bool,
}

impl Lane {
    /// Returns the rank of a core among those that take the arrivals of this lane, and their number. An arrival belongs
    /// to a core before anyone knows which users will be free, so a low limit is not spread over all cores: each would
    /// drop arrivals while others have room.
    pub fn place(&self, shard: Shard, (core, cores): (u32, u32)) -> Option<(u32, u32)> {
        if self.is_only {
            return Some((core, cores));
        }
        let spread = (shard.vus_of(self.vus) / OPEN_VUS_PER_CORE).clamp(1, cores);
        // Lanes on fewer cores begin on different ones.
        let first = u32::from(self.sequences[0]) % cores;
        let rank = (core + cores - first) % cores;
        (rank < spread).then_some((rank, spread))
    }

    /// Returns the most requests of this lane that a core may have in flight.
    pub fn vus_on(&self, shard: Shard, core: (u32, u32)) -> u32 {
        let place = self.place(shard, core);
        place.map_or(0, |(rank, spread)| {
            vus_on_core(shard.vus_of(self.vus), rank, spread)
        })
    }
}

impl Executor {
    /// Returns the lanes of an open loop; none of a closed one.
    pub fn lanes(&self) -> Vec<Lane> {
        let Some(open) = self.open_loop() else {
            return Vec::new();
        };
        let own = |sequence: u16| {
            let rates = self.rates_by_kind()?;
            rates.kinds()[usize::from(sequence)].max_vus
        };
        let (alone, shared): (Vec<u16>, Vec<u16>) =
            (0..self.sequences()).partition(|sequence| own(*sequence).is_some());
        let taken: u32 = alone.iter().filter_map(|sequence| own(*sequence)).sum();
        let is_only = alone.len() + usize::from(!shared.is_empty()) == 1;
        let mut lanes: Vec<Lane> = alone
            .into_iter()
            .filter_map(|sequence| {
                Some(Lane {
                    sequences: vec![sequence],
                    vus: own(sequence)?,
                    is_only,
                })
            })
            .collect();
        if !shared.is_empty() {
            lanes.push(Lane {
                sequences: shared,
                vus: open.max_vus.saturating_sub(taken),
                is_only,
            });
        }
        lanes
    }

    /// Returns the arrivals of a lane that `core` of `cores` of this shard sends; `None` if it takes none of them.
    pub fn arrivals_of(&self, lane: &Lane, seed: u64, shard: Shard, core: (u32, u32)) -> Option<Arrivals> {
        let place = lane.place(shard, core)?;
        let mut sequences = self.all_sequences(seed)?;
        sequences.retain(|sequence| lane.sequences.contains(&sequence.index()));
        Some(Arrivals::new(sequences, shard, place))
    }
}

impl Plan {
    /// Returns the most VUs at once on a core of this process.
    pub fn vus_on(&self, (core, cores): (u32, u32)) -> u32 {
        let lanes = self.executor.lanes();
        match lanes.is_empty() {
            true => vus_on_core(self.vus_of_shard(), core, cores),
            false => lanes
                .iter()
                .map(|lane| lane.vus_on(self.shard, (core, cores)))
                .sum(),
        }
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
