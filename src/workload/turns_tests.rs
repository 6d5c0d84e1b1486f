use super::*;
use proptest::prelude::*;

fn shares(weights: &[u32]) -> Shares {
    let servers: Vec<Server> = weights
        .iter()
        .map(|weight| Server {
            name: None,
            weight: *weight,
        })
        .collect();
    Shares::new(&servers)
}

fn taken(weights: &[u32], first: u16, slots: usize) -> Vec<u16> {
    let shares = shares(weights);
    let mut turns = Turns::starting_with(first, &shares);
    (0..slots).map(|_| turns.next(&shares)).collect()
}

#[test]
fn the_turns_of_weights_3_and_7_are_these() {
    assert_eq!(taken(&[300_000, 700_000], 1, 10), [1, 1, 0, 1, 1, 0, 1, 1, 0, 1]);
    assert_eq!(taken(&[300_000, 700_000], 0, 10), [0, 1, 1, 1, 1, 0, 1, 1, 0, 1]);
    assert_eq!(taken(&[5], 0, 3), [0, 0, 0]);
}

/// `|count - n share| < 1` in whole numbers, for every prefix and every server.
fn check_bounds(weights: &[u32], sequence: impl Iterator<Item = u16>) -> Result<(), TestCaseError> {
    let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
    let mut counts = vec![0i128; weights.len()];
    for (n, server) in (1i128..).zip(sequence) {
        counts[usize::from(server)] += 1;
        for (count, weight) in counts.iter().zip(weights) {
            let off = (count * total - n * i128::from(*weight)).abs();
            prop_assert!(off < total, "after {n}: {count} of weight {weight} of {total}");
        }
    }
    Ok(())
}

fn weights() -> impl Strategy<Value = Vec<u32>> {
    let weight = prop_oneof![
        1u32..20,
        1u32..1_000_001,
        Just(1_000_000),
        any::<u32>().prop_map(|w| w | 1)
    ];
    proptest::collection::vec(weight, 1..17)
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or(1, |text| text.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    seed
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed()),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_prefix_is_less_than_one_turn_off_each_servers_share(
        weights in weights(),
        first: prop::sample::Index,
    ) {
        let first = first.index(weights.len()) as u16;
        let sequence = taken(&weights, first, 3_000);
        prop_assert_eq!(sequence[0], first);
        check_bounds(&weights, sequence.into_iter())?;
    }

    #[test]
    fn every_period_gives_exact_shares_and_repeats(
        weights in proptest::collection::vec(1u32..60, 1..17),
        first: prop::sample::Index,
    ) {
        let first = first.index(weights.len()) as u16;
        let period = shares(&weights).period as usize;
        let sequence = taken(&weights, first, 2 * period);
        prop_assert_eq!(&sequence[..period], &sequence[period..]);
        check_bounds(&weights, sequence.into_iter())?;
    }

    #[test]
    fn a_slot_does_not_depend_on_how_it_is_reached(
        weights in weights(),
        seed: u64,
        slots in proptest::collection::vec(0u64..2_000, 1..60),
    ) {
        let shares = shares(&weights);
        let first = shares.first(seed);
        let all = taken(&weights, first, 2_000);
        let mut turns = TurnsAt::starting_with(first, &shares);
        for slot in slots {
            let mut from_there = turns.from_slot(slot, &shares);
            prop_assert_eq!(turns.slot(slot, &shares), all[slot as usize]);
            for wanted in &all[slot as usize..] {
                prop_assert_eq!(from_there.next(&shares), *wanted);
            }
        }
    }

    /// Users are spread by weight from the first request on, whatever the seed.
    #[test]
    fn first_choices_follow_the_weights_over_the_users(weights in weights(), seed: u64) {
        let shares = shares(&weights);
        let mut stagger = TurnsAt::starting_with(shares.first(seed), &shares);
        check_bounds(&weights, (0..500).map(|vu| stagger.slot(vu, &shares)))?;
    }
}

#[test]
fn distant_slots_of_a_short_period_are_computed_directly() {
    let shares = shares(&[3, 7]);
    let mut turns = TurnsAt::starting_with(1, &shares);
    let near: Vec<u16> = (0..10).map(|slot| turns.slot(slot, &shares)).collect();
    let far = 1_000_000_000_000_000_000;
    for (n, wanted) in near.iter().enumerate() {
        assert_eq!(turns.slot(far + n as u64, &shares), *wanted);
    }
}

#[test]
fn seeds_begin_with_each_endpoint_by_its_weight() {
    let shares = shares(&[300_000, 700_000]);
    let begun: usize = (0..10_000).map(|seed| usize::from(shares.first(seed))).sum();
    // Seven in ten of 10,000 are expected, within 4.5 standard deviations.
    assert!((6_793..=7_207).contains(&begun), "{begun}");
}
