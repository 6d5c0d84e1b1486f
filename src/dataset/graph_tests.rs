//! What waits for what, from when things began and ended.

use super::*;
use crate::units::SECOND;
use proptest::prelude::*;

fn past(node: u16) -> Vec<Past> {
    vec![Past { node, end: None }]
}

/// Returns what each of these waits for, and how many can be in flight at once. Times are in seconds.
fn waits(items: &[(u64, Option<u64>)]) -> (Vec<Vec<u16>>, u32) {
    let mut timeline = Timeline::default();
    let mut found = Vec::new();
    for (node, (start, end)) in (0u16..).zip(items) {
        let before = timeline.before(start * SECOND);
        found.push(before.iter().map(|past| past.node).collect());
        timeline.push((start * SECOND, end.map(|end| end * SECOND)), past(node), 1);
    }
    (found, timeline.finish().1)
}

#[test]
fn what_had_ended_is_waited_for_and_what_went_on_is_not() {
    let (found, width) = waits(&[
        (0, Some(4)),
        // Two at once, after the first.
        (5, Some(9)),
        (6, Some(8)),
        // After both, and after one of them.
        (9, Some(12)),
        (8, Some(11)),
    ]);
    assert_eq!(found[1..3], [vec![0], vec![0]]);
    assert_eq!(found[3], [1, 2]);
    assert_eq!(width, 2);
    // In their order; the one that began at 8 waits for what had ended at 8.
    let (found, width) = waits(&[
        (0, Some(4)),
        (5, Some(9)),
        (6, Some(8)),
        (8, Some(11)),
        (9, Some(12)),
    ]);
    assert_eq!(found[3..], [vec![2], vec![1, 2]]);
    assert_eq!(width, 2);
}

#[test]
fn what_ends_nobody_knows_when_had_ended_before_all_that_comes_later() {
    let (found, width) = waits(&[(0, None), (5, None), (5, None), (7, None)]);
    assert_eq!(found, [vec![], vec![0], vec![1], vec![2]]);
    assert!(width <= 2);
}

#[test]
fn rounded_times_do_not_make_things_overlap() {
    let ms = MILLISECOND;
    let mut timeline = Timeline::default();
    timeline.push((0, Some(4_103 * ms)), past(0), 1);
    assert_eq!(timeline.before(4_100 * ms), past(0));
    let mut short = Timeline::default();
    short.push((0, Some(50 * ms)), past(0), 1);
    assert_eq!(short.before(20 * ms), []);
}

proptest! {
    /// Whatever the times are: a request waits for exactly those that had ended, directly or by way of another.
    #[test]
    fn each_waits_for_all_that_had_ended(mut items in proptest::collection::vec((0u64..40, 1u64..20), 1..14)) {
        items.sort_unstable();
        let timed: Vec<_> = items.iter().map(|(start, took)| (*start, Some(start + took))).collect();
        let (found, width) = waits(&timed);
        // Those that a request waits for, directly or not, by number.
        let mut all: Vec<Vec<bool>> = Vec::new();
        for before in &found {
            let mut mine = vec![false; items.len()];
            for node in before {
                mine[usize::from(*node)] = true;
                let theirs = all[usize::from(*node)].clone();
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine |= theirs);
            }
            all.push(mine);
        }
        let had_ended = |a: usize, b: usize| {
            let rounding = ROUNDING_MAX.min(items[a].1 * SECOND / 10);
            (items[a].0 + items[a].1) * SECOND - rounding <= items[b].0 * SECOND
        };
        for b in 0..items.len() {
            for (a, is_before) in all[b].iter().enumerate().take(b) {
                prop_assert_eq!(*is_before, had_ended(a, b), "{} before {} of {:?}", a, b, items);
            }
            // No more can be in flight than were at some instant.
            let beside = (0..items.len()).filter(|a| {
                items[*a].0 <= items[b].0 && (*a == b || !had_ended(*a, b)) && *a <= b
            });
            prop_assert!(beside.count() as u32 <= width);
        }
    }
}
