use super::*;
use crate::units::MILLISECOND;
use proptest::prelude::*;

fn distribution(values: &[Nanos]) -> Distribution {
    let mut d = Distribution::new();
    for ns in values {
        d.record(*ns);
    }
    d
}

/// Returns any length of time; small ones and those around the end of the range are more frequent.
fn any_nanos() -> impl Strategy<Value = Nanos> {
    prop_oneof![
        4 => 0..10 * MILLISECOND,
        4 => 0..100 * SECOND,
        1 => 3_599 * SECOND..3_601 * SECOND,
        1 => any::<u64>(),
    ]
}

#[test]
fn an_empty_distribution_has_no_figures_but_can_be_encoded() {
    let d = Distribution::new();
    assert_eq!((d.min(), d.max(), d.quantile(0.5)), (None, None, None));
    assert_eq!(d.mean(), None);
    let back = Distribution::from_v2_compressed_base64(&d.to_v2_compressed_base64()).unwrap();
    assert!(back.is_empty());
}

#[test]
fn values_are_rounded_to_the_nearest_microsecond_and_zero_is_in_range() {
    for (ns, us) in [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2)] {
        assert_eq!(to_us(ns), us, "{ns} ns");
    }
    let d = distribution(&[0, 0, 0, 2_000]);
    assert_eq!((d.in_range, d.above()), (4, 0));
    assert_eq!(d.quantile(0.75), Some(0));
    assert_eq!(d.quantile(0.76), Some(2_000));
}

#[test]
fn one_hour_is_in_range_and_more_is_counted_above_it() {
    let hour = 3_600 * SECOND;
    let mut d = Distribution::new();
    assert!(d.record(hour));
    assert!(d.record(hour + 499));
    assert!(!d.record(hour + 500));
    assert!(!d.record(u64::MAX));
    assert_eq!((d.in_range, d.above(), d.offered()), (2, 2, 4));
    assert_eq!(d.max(), Some(u64::MAX));
    // Ranks 3 and 4 are above the range, so they are never below the values in it.
    assert_eq!(d.quantile(0.75), Some(u64::MAX));
    assert_eq!(d.quantile(0.5).map(|ns| ns >= hour), Some(true));
}

#[test]
fn a_quantile_is_the_value_of_rank_ceil_q_n() {
    let values: Vec<Nanos> = (1..=1000).map(|us| us * MICROSECOND).collect();
    let d = distribution(&values);
    for (q, us) in [
        (0.0, 1),
        (0.0001, 1),
        (0.001, 1),
        (0.0011, 2),
        (0.07, 70),
        (0.5, 500),
        (0.9, 900),
        (0.95, 950),
        (0.99, 990),
        (0.999, 999),
        (0.9991, 1000),
        (1.0, 1000),
    ] {
        assert_eq!(d.quantile(q), Some(us * MICROSECOND), "q = {q}");
    }
}

#[test]
fn decimal_fractions_hit_their_rank_for_any_count() {
    for n in [1u64, 7, 100, 999, 1_000, 10_000, 123_456_789, 1 << 40] {
        for thousandths in 0..=1000u64 {
            let exact = (u128::from(n) * u128::from(thousandths)).div_ceil(1000) as u64;
            assert_eq!(
                rank(thousandths as f64 / 1000.0, n),
                exact.max(1),
                "{thousandths}/1000 of {n}"
            );
        }
    }
}

#[test]
fn sum_min_and_max_are_exact_in_nanoseconds() {
    let d = distribution(&[1_234_567, 7, 999_999_999]);
    assert_eq!(d.sum_ns(), 1_234_567 + 7 + 999_999_999);
    assert_eq!((d.min(), d.max()), (Some(7), Some(999_999_999)));
    assert_eq!(d.quantile(1.0), Some(999_999_999));
}

#[test]
fn p99_of_a_merge_is_not_the_mean_of_the_p99s() {
    let fast = distribution(&[MILLISECOND; 990]);
    let slow = distribution(&[SECOND; 10]);
    let mut both = fast.clone();
    both.merge(&slow);
    let ms = both.quantile(0.99).unwrap() / MILLISECOND;
    assert_eq!(ms, 1);
    assert_eq!(both.quantile(0.991), Some(SECOND));
}

#[test]
fn a_reset_distribution_equals_a_new_one() {
    let mut d = distribution(&[1, 2, 3_601 * SECOND]);
    d.reset();
    assert_eq!((d.offered(), d.above(), d.sum_ns()), (0, 0, 0));
    d.record(5 * MICROSECOND);
    let fresh = distribution(&[5 * MICROSECOND]);
    assert_eq!(d.to_v2_compressed_base64(), fresh.to_v2_compressed_base64());
    assert_eq!((d.min(), d.max()), (fresh.min(), fresh.max()));
}

#[test]
fn texts_that_are_not_histograms_are_refused() {
    let read = Distribution::from_v2_compressed_base64;
    assert_eq!(read("not base64!").unwrap_err(), EncodingError::NotBase64);
    assert_eq!(read("AAAAAAAA").unwrap_err(), EncodingError::NotHdrV2);
    let long = "A".repeat(ENCODED_BYTES_MAX + 1);
    let bytes = long.len();
    assert_eq!(read(&long).unwrap_err(), EncodingError::TooLong { bytes });
}

proptest! {
    #[test]
    fn in_range_and_above_add_up_to_all_offered_values(values in prop::collection::vec(any_nanos(), 0..200)) {
        let d = distribution(&values);
        prop_assert_eq!(d.offered(), values.len() as u64);
        let above = values.iter().filter(|ns| to_us(**ns) > HIGHEST_US).count() as u64;
        prop_assert_eq!(d.above(), above);
        prop_assert_eq!(d.in_range + d.above(), values.len() as u64);
        prop_assert_eq!(d.sum_ns(), values.iter().map(|v| u128::from(*v)).sum::<u128>());
    }

    #[test]
    fn subtracting_a_part_leaves_the_rest(
        part in prop::collection::vec(any_nanos(), 0..60),
        rest in prop::collection::vec(any_nanos(), 0..60),
    ) {
        let whole: Vec<Nanos> = part.iter().chain(&rest).copied().collect();
        let (left, expected) = (distribution(&whole).minus(&distribution(&part)), distribution(&rest));
        prop_assert_eq!(left.offered(), expected.offered());
        prop_assert_eq!(left.above(), expected.above());
        prop_assert_eq!(left.sum_ns(), expected.sum_ns());
        prop_assert_eq!(left.to_v2_compressed_base64(), expected.to_v2_compressed_base64());
        let near = |found: Option<Nanos>, exact: Option<Nanos>| match (found, exact) {
            (Some(found), Some(exact)) => found.abs_diff(exact) <= exact / 1000 + MICROSECOND,
            (found, exact) => found == exact,
        };
        prop_assert!(near(left.min(), expected.min()) || expected.in_range == 0);
        prop_assert!(near(left.max(), expected.max()) || expected.above() > 0);
    }

    #[test]
    fn a_quantile_is_within_a_thousandth_of_the_sorted_values(
        values in prop::collection::vec(0..1_000 * SECOND, 1..300),
        q in 0.0..=1.0f64,
    ) {
        let d = distribution(&values);
        let mut sorted = values;
        sorted.sort_unstable();
        let exact = sorted[rank(q, sorted.len() as u64) as usize - 1];
        let found = d.quantile(q).unwrap();
        let slack = exact / 1000 + MICROSECOND;
        prop_assert!(found + slack >= exact && found <= exact + slack, "{} for {}", found, exact);
    }

    #[test]
    fn an_encoded_distribution_reads_back_with_the_same_buckets(
        values in prop::collection::vec(0..3_600 * SECOND, 0..200),
    ) {
        let d = distribution(&values);
        let text = d.to_v2_compressed_base64();
        let back = Distribution::from_v2_compressed_base64(&text).unwrap();
        prop_assert_eq!(back.in_range, d.in_range);
        // The encoding contains counts up to the largest value's bucket, and nothing else.
        prop_assert_eq!(back.to_v2_compressed_base64(), text);
    }
}

#[test]
fn the_steps_hold_every_value_and_give_the_quantiles() {
    let mut d = Distribution::new();
    assert!(d.steps().is_empty());
    for i in 1..=1_000u64 {
        d.record(i * 1_234_567);
    }
    d.record(2 * 3_600 * crate::units::SECOND);
    let steps = d.steps();
    assert!(steps.is_sorted());
    assert_eq!(steps.iter().map(|s| s.1).sum::<u64>(), d.offered());
    for q in [0.001, 0.5, 0.9, 0.99, 1.0] {
        let rank = (q * d.offered() as f64).ceil() as u64;
        let mut seen = 0;
        let step = steps.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        assert_eq!(step.map(|s| s.0), d.quantile(q), "{q}");
    }
}
