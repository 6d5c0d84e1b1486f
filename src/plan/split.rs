//! Splits VUs over cores and shards: VU k lives on core k mod n for the whole run.

/// Returns how many of the VUs `0..total` live on `core`. These numbers differ by at most one between cores and add up
/// to `total`.
///
/// # Panics
/// Panics if `core` is not below `cores`.
pub fn vus_on_core(total: u32, core: u32, cores: u32) -> u32 {
    assert!(core < cores, "core {core} of {cores}");
    total / cores + u32::from(core < total % cores)
}

/// Returns the global index of a core's VU number `local`.
///
/// # Panics
/// Panics if `core` is not below `cores`.
pub fn local_to_global(core: u32, cores: u32, local: u32) -> u32 {
    assert!(core < cores, "core {core} of {cores}");
    local * cores + core
}

/// The most processes that one run may be split over.
pub const SHARDS_MAX: u32 = 10_000;

/// One part of a plan that several processes run. VU k belongs to shard k mod `count`, as it belongs to a core
/// inside a process. Shared iteration i belongs to shard i mod `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Index from 0; people count from 1.
    index: u32,
    count: u32,
}

impl Shard {
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Returns `None` if `index` is not below `count`, or `count` is above [`SHARDS_MAX`].
    pub fn new(index: u32, count: u32) -> Option<Shard> {
        (index < count && count <= SHARDS_MAX).then_some(Shard { index, count })
    }

    pub fn index(self) -> u32 {
        self.index
    }

    pub fn count(self) -> u32 {
        self.count
    }

    /// Returns the number as people write it, from 1.
    pub fn number(self) -> u32 {
        self.index + 1
    }

    pub fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Returns how many of the plan's VUs `0..total` belong to this shard.
    pub fn vus_of(self, total: u32) -> u32 {
        vus_on_core(total, self.index, self.count)
    }

    /// Returns the plan's index of the shard's VU number `local`.
    pub fn vu(self, local: u32) -> u32 {
        local_to_global(self.index, self.count, local)
    }

    /// Returns how many of the plan's `total` shared iterations belong to this shard.
    pub fn iterations_of(self, total: u64) -> u64 {
        let (index, count) = (u64::from(self.index), u64::from(self.count));
        total / count + u64::from(index < total % count)
    }

    /// Returns the plan's number of the shard's shared iteration number `local`.
    pub fn iteration(self, local: u64) -> u64 {
        local
            .saturating_mul(u64::from(self.count))
            .saturating_add(u64::from(self.index))
    }

    /// Returns true if the plan's shared iteration `n` belongs to this shard.
    pub fn has_iteration(self, n: u64) -> bool {
        n % u64::from(self.count) == u64::from(self.index)
    }

    /// Returns true if the plan's VU `vu` belongs to this shard.
    pub fn has_vu(self, vu: u32) -> bool {
        vu % self.count == self.index
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seven_vus_on_three_cores_are_three_two_and_two() {
        let counts: Vec<u32> = (0..3).map(|core| vus_on_core(7, core, 3)).collect();
        assert_eq!(counts, [3, 2, 2]);
        let first: Vec<u32> = (0..3).map(|local| local_to_global(0, 3, local)).collect();
        assert_eq!(first, [0, 3, 6]);
    }

    #[test]
    fn a_shard_has_a_number_and_a_count_within_limits() {
        assert_eq!(Shard::new(1, 4).unwrap().to_string(), "2/4");
        assert_eq!(Shard::new(4, 4), None);
        assert_eq!(Shard::new(0, 0), None);
        assert_eq!(Shard::new(0, SHARDS_MAX + 1), None);
        let last = Shard::new(4, 5).unwrap();
        assert_eq!(
            (last.vus_of(3), last.iterations_of(3)),
            (0, 0),
            "more shards than VUs"
        );
        assert!(last.has_vu(9) && !last.has_vu(8));
        assert!(last.has_iteration(9) && !last.has_iteration(8));
    }

    proptest! {
        #[test]
        fn cores_differ_by_at_most_one_vu_and_each_vu_has_one_core(total in 0u32..5_000, cores in 1u32..64) {
            let counts: Vec<u32> = (0..cores).map(|core| vus_on_core(total, core, cores)).collect();
            prop_assert_eq!(counts.iter().sum::<u32>(), total);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1);

            let mut homes: Vec<u32> = (0..cores)
                .flat_map(|core| (0..counts[core as usize]).map(move |local| local_to_global(core, cores, local)))
                .collect();
            homes.sort_unstable();
            prop_assert_eq!(homes, (0..total).collect::<Vec<_>>());
        }

        /// Splits over shards first, then over the cores of each: every VU and every shared iteration has exactly one
        /// place.
        #[test]
        fn shards_and_their_cores_together_are_the_plan(
            total in 0u32..2_000, count in 1u32..17, cores in 1u32..9,
        ) {
            let mut vus = Vec::new();
            let mut iterations = Vec::new();
            for index in 0..count {
                let shard = Shard::new(index, count).unwrap();
                let mine = shard.vus_of(total);
                for core in 0..cores {
                    let locals = 0..vus_on_core(mine, core, cores);
                    vus.extend(locals.map(|local| shard.vu(local_to_global(core, cores, local))));
                }
                prop_assert!(vus.iter().all(|vu| *vu < total));
                let taken = shard.iterations_of(u64::from(total));
                iterations.extend((0..taken).map(|local| shard.iteration(local)));
                prop_assert!(shard.iteration(taken) >= u64::from(total));
            }
            vus.sort_unstable();
            iterations.sort_unstable();
            prop_assert_eq!(vus, (0..total).collect::<Vec<_>>());
            prop_assert_eq!(iterations, (0..u64::from(total)).collect::<Vec<_>>());
        }

        /// Stopping the highest global index stops the highest local index of its core.
        #[test]
        fn the_newest_vu_is_the_last_on_its_core(total in 1u32..5_000, cores in 1u32..64) {
            let leaving = total - 1;
            let core = leaving % cores;
            let local = vus_on_core(total, core, cores) - 1;
            prop_assert_eq!(local_to_global(core, cores, local), leaving);
            prop_assert_eq!(vus_on_core(total - 1, core, cores), local);
        }
    }
}
