//! Which VU runs on which core: VU k lives on core k mod n, for the whole run.

/// How many of the VUs `0..total` live on `core`. Over all cores these differ by at most one and add up to `total`.
///
/// # Panics
/// When `core` is not one of `cores`.
pub fn vus_on_core(total: u32, core: u32, cores: u32) -> u32 {
    assert!(core < cores, "core {core} of {cores}");
    total / cores + u32::from(core < total % cores)
}

/// The global index of a core's own VU number `local`.
///
/// # Panics
/// When `core` is not one of `cores`.
pub fn local_to_global(core: u32, cores: u32, local: u32) -> u32 {
    assert!(core < cores, "core {core} of {cores}");
    local * cores + core
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

    proptest! {
        #[test]
        fn cores_differ_by_one_at_most_and_each_vu_has_one_home(total in 0u32..5_000, cores in 1u32..64) {
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

        /// Stopping the highest global index stops the highest local index of its core.
        #[test]
        fn the_last_vu_in_is_the_last_on_its_core(total in 1u32..5_000, cores in 1u32..64) {
            let leaving = total - 1;
            let core = leaving % cores;
            let local = vus_on_core(total, core, cores) - 1;
            prop_assert_eq!(local_to_global(core, cores, local), leaving);
            prop_assert_eq!(vus_on_core(total - 1, core, cores), local);
        }
    }
}
