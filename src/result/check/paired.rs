//! Checks that the figures of pairs add up.

use super::{Result, ensure};
use crate::result::{ErrorBlock, Paired, PairedFigures};

/// `requests`: those of both servers together.
pub(super) fn check_paired(paired: &Paired, requests: u64) -> Result {
    let sum = |counts: &[u64]| counts.iter().map(|n| u128::from(*n)).sum::<u128>();
    let Paired {
        pairs,
        both_ok,
        cancelled,
        failed_at_base,
        failed_at_other,
        failed_at_both,
        ..
    } = *paired;
    let ended = sum(&[
        both_ok,
        cancelled,
        failed_at_base,
        failed_at_other,
        failed_at_both,
    ]);
    ensure(ended == u128::from(pairs), "paired.pairs", || {
        format!("{pairs} is not the sum of ok, cancelled and failed ones, {ended}")
    })?;
    ensure(
        2 * u128::from(pairs) <= u128::from(requests),
        "paired.pairs",
        || format!("{pairs} pairs of {requests} requests"),
    )?;
    ensure(paired.same_length <= both_ok, "paired.same_length", || {
        format!("{} of {both_ok} pairs", paired.same_length)
    })?;
    for (name, figures) in paired.differences.iter() {
        let comparable = both_ok.saturating_add(cancelled);
        check_difference(&format!("paired.differences.{name}"), figures, comparable)?;
    }
    let errors = &paired.errors;
    let blocks = |pick: fn(&ErrorBlock) -> u64| sum(&errors.blocks.iter().map(pick).collect::<Vec<u64>>());
    for (name, in_blocks, counted) in [
        ("failed_at_base", blocks(|block| block.base), failed_at_base),
        ("failed_at_other", blocks(|block| block.other), failed_at_other),
    ] {
        ensure(in_blocks == u128::from(counted), format!("paired.{name}"), || {
            format!("{counted} is not the sum over `errors.blocks`, {in_blocks}")
        })?;
    }
    check_interval(
        "paired.errors.difference",
        errors.difference,
        errors.low,
        errors.high,
    )
}

fn check_difference(key: &str, figures: &PairedFigures, comparable: u64) -> Result {
    let pairs = figures.pairs;
    ensure(pairs <= comparable, format!("{key}.pairs"), || {
        format!("{pairs} of {comparable} pairs that failed at neither server")
    })?;
    let orders = [&figures.base_first, &figures.other_first];
    let counted = orders
        .iter()
        .flat_map(|order| [order.below.count, order.above.count]);
    let counted: u128 = counted.map(u128::from).sum();
    let blocks = figures.blocks.iter();
    let in_blocks = blocks.flat_map(|block| [block.base_first.pairs, block.other_first.pairs]);
    let in_blocks: u128 = in_blocks.map(u128::from).sum();
    for (what, sum) in [("its histograms", counted), ("its blocks", in_blocks)] {
        ensure(sum == u128::from(pairs), format!("{key}.pairs"), || {
            format!("{pairs} is not the sum over {what}, {sum}")
        })?;
    }
    check_interval(
        &format!("{key}.median"),
        figures.median,
        figures.median_low,
        figures.median_high,
    )?;
    check_interval(
        &format!("{key}.mean"),
        figures.mean,
        figures.mean_low,
        figures.mean_high,
    )
}

fn check_interval(key: &str, value: Option<f64>, low: Option<f64>, high: Option<f64>) -> Result {
    let (Some(low), Some(high)) = (low, high) else {
        return Ok(());
    };
    let holds = value.is_some_and(|value| (low..=high).contains(&value));
    ensure(holds, key, || {
        let value = value.map_or("null".to_owned(), |value| value.to_string());
        format!("{value} is not within its interval, {low} to {high}")
    })
}
