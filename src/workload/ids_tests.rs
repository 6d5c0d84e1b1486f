use super::*;
use crate::workload::prompts::prompt_key;
use proptest::prelude::*;
use std::collections::HashSet;

fn ids(key: u64, count: u32, min: u32, max: u32) -> Vec<u32> {
    let mut out = Vec::new();
    push_ids(&mut out, key, count, Span { min, max });
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_prompt_is_exactly_as_long_as_asked() {
    for count in [1, 2, 5, 6, 7, 100, 4096] {
        assert_eq!(ids(99, count, 1000, 30_000).len(), count as usize);
    }
    assert_eq!(ids(7, 3, 5, 5), [5, 5, 5]);
}

#[test]
fn no_two_requests_have_the_same_ids() {
    let mut seen = HashSet::new();
    for vu in 0..100 {
        for iteration in 0..100 {
            assert!(seen.insert(ids(prompt_key(42, vu, iteration), 5, 1000, 30_000)));
        }
    }
    let mut first = HashSet::new();
    for iteration in 0..1000 {
        first.insert(ids(prompt_key(42, 0, iteration), 5, 1000, 30_000)[0]);
    }
    assert!(first.len() > 950, "{} different first ids of 1000", first.len());
}

#[test]
fn ids_are_drawn_evenly_and_reach_both_ends() {
    let mut counts = [0_u32; 10];
    for key in 0..200 {
        for id in ids(prompt_key(1, 0, key), 1000, 300, 309) {
            counts[id as usize - 300] += 1;
        }
    }
    // 20,000 of each, with a standard deviation of 134.
    assert!(
        counts.iter().all(|count| count.abs_diff(20_000) < 600),
        "{counts:?}"
    );
}

#[test]
fn these_keys_have_these_ids() {
    // Checked against a second implementation, in Python. A change here changes the requests of every seed.
    assert_eq!(ids(0, 6, 1000, 30_000), FIRST);
    assert_eq!(ids(u64::MAX, 8, 1000, 30_000), LAST);
}

const FIRST: [u32; 6] = [1000, 1000, 1000, 1000, 1000, 15534];
const LAST: [u32; 8] = [2275, 26620, 25444, 3250, 1026, 26341, 20580, 29479];

proptest! {
    #[test]
    fn ids_lie_in_their_vocabulary(key: u64, count in 1..300_u32, min in 0..200_000_u32, more in 0..200_000_u32) {
        let ids = ids(key, count, min, min + more);
        prop_assert_eq!(ids.len(), count as usize);
        prop_assert!(ids.iter().all(|id| (min..=min + more).contains(id)));
    }

    #[test]
    fn numbers_are_written_in_decimal(number: u32) {
        let mut out = Vec::new();
        push_number(&mut out, number);
        prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}
