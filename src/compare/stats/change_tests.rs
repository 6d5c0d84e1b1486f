use super::*;
use crate::compare::Values;

fn ecdf(values: impl IntoIterator<Item = f64>) -> Ecdf {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    Ecdf::from_values(&Values::Raw(values)).unwrap()
}

fn side(ecdf: &Ecdf) -> Side<'_> {
    Side {
        ecdf,
        independent: u64::MAX,
    }
}

fn steady(mean: f64) -> Vec<Slice> {
    let row = |i: u32| Slice {
        elapsed: f64::from(i) + 1.0,
        count: 10,
        sum: 10.0 * mean,
    };
    (0..100).map(row).collect()
}

fn steady_serial(a: &Ecdf, b: &Ecdf) -> Result<Serial, Why> {
    let (rows_a, rows_b) = (steady(a.mean()), steady(b.mean()));
    Serial::new((side(a), &rows_a), (side(b), &rows_b)).ok_or(Why::TooFew)
}

#[test]
fn the_interval_of_a_median_is_that_of_its_order_statistics() {
    // 100 values each: ranks 40 and 61; no level. Between logarithms distances add as squares.
    let a = ecdf((1..=100).map(|i| 100.0 + f64::from(i)));
    let b = ecdf((1..=100).map(|i| 200.0 + f64::from(i)));
    let found = quantile_change(0.5, side(&a), side(&b), steady_serial(&a, &b));
    let (ma, mb) = (150.5f64, 250.5f64);
    assert!((found.change.unwrap() - (mb / ma - 1.0)).abs() < 1e-12);
    let low = (mb / ma).ln() - (mb / 240.0).ln().hypot((161.0 / ma).ln());
    let interval = found.interval.unwrap();
    assert!((interval.low - low.exp_m1()).abs() < 1e-9, "{interval:?}");
}

#[test]
fn tails_of_few_values_have_no_interval() {
    let a = ecdf((1..=300).map(f64::from));
    let serial = steady_serial(&a, &a);
    assert!(quantile_change(0.95, side(&a), side(&a), serial).interval.is_ok());
    let p99 = quantile_change(0.99, side(&a), side(&a), serial);
    assert_eq!((p99.change, p99.interval), (Some(0.0), Err(Why::TooFew)));
    assert!(has_interval(0.99, 368) && !has_interval(0.99, 367) && has_interval(0.999, 3_688));
    let few = ecdf((1..20).map(f64::from));
    assert_eq!(
        mean_change(side(&few), side(&few), serial).interval,
        Err(Why::TooFew)
    );
    assert_eq!(
        mean_change(side(&a), side(&a), Err(Why::NoTimeline)).interval,
        Err(Why::NoTimeline)
    );
}

#[test]
fn gaps_of_a_request_do_not_count_as_independent_values() {
    let a = ecdf((0..10_000).map(|i| 10.0 + f64::from(i % 100)));
    let serial = steady_serial(&a, &a);
    let width = |independent: u64| {
        let side = Side {
            ecdf: &a,
            independent,
        };
        let interval = quantile_change(0.5, side, side, serial).interval.unwrap();
        interval.high - interval.low
    };
    assert!(width(100) > 5.0 * width(u64::MAX));
}

#[test]
fn a_difference_within_one_bucket_is_no_change() {
    let of = |us: u64| {
        let mut d = crate::metrics::Distribution::new();
        (0..1_000).for_each(|_| {
            d.record(us * 1_000);
        });
        Ecdf::from_values(&Values::Histogram(Box::new(d))).unwrap()
    };
    let (a, b) = (of(100_000), of(100_100));
    let interval = quantile_change(0.5, side(&a), side(&b), steady_serial(&a, &b))
        .interval
        .unwrap();
    assert!(interval.low < 0.0 && interval.high < 0.004, "{interval:?}");
}

#[test]
fn a_base_of_zero_has_no_change_in_percent() {
    let (zero, one) = (ecdf([0.0; 100]), ecdf([1.0; 100]));
    assert_eq!(
        quantile_change(0.5, side(&zero), side(&one), Err(Why::NoTimeline)).change,
        None
    );
    assert_eq!(
        quantile_change(0.5, side(&zero), side(&zero), Err(Why::NoTimeline)).change,
        Some(0.0)
    );
}

fn errors(every: usize, n: u64) -> Vec<Slice> {
    let row = |i: usize| Slice {
        elapsed: i as f64 + 1.0,
        count: n / 100,
        sum: if i.is_multiple_of(every) {
            every as f64
        } else {
            0.0
        },
    };
    (0..100).map(row).collect()
}

#[test]
fn newcombes_interval_of_two_shares_is_the_published_one() {
    // Newcombe 1998, table II, (a): 56/70 less 48/80 by method 10 is 0.0524 to 0.3339.
    let flat = |share: f64| -> Vec<Slice> {
        let row = |i: u32| Slice {
            elapsed: f64::from(i) + 1.0,
            count: 1,
            sum: share,
        };
        (0..20).map(row).collect()
    };
    let (rows_a, rows_b) = (flat(0.6), flat(0.8));
    let a = ShareSample {
        value: 48.0 / 80.0,
        of: 80,
        slices: &rows_a,
    };
    let b = ShareSample {
        value: 56.0 / 70.0,
        of: 70,
        slices: &rows_b,
    };
    let interval = share_change(a, b).interval.unwrap();
    assert!(
        (interval.low - 0.0524).abs() < 5e-5 && (interval.high - 0.3339).abs() < 5e-5,
        "{interval:?}"
    );
}

#[test]
fn bursts_of_failures_widen_the_interval_of_the_share() {
    let of = |slices: &[Slice], value| {
        let sample = ShareSample {
            value,
            of: 10_000,
            slices,
        };
        let interval = share_change(sample, sample).interval.unwrap();
        interval.high - interval.low
    };
    assert!(of(&errors(50, 10_000), 0.01) > 1.5 * of(&errors(1, 10_000), 0.01));
    assert!(of(&steady(0.0), 0.0) > 0.0);
}

#[test]
fn welchs_interval_is_the_textbook_one() {
    // Equal variances 2.5 over n = 5 each: t = 3 / 1, 8 degrees, 2.306.
    let a = [1.0, 2.0, 3.0, 4.0, 5.0];
    let b = [4.0, 5.0, 6.0, 7.0, 8.0];
    let found = welch_difference(&a, &b);
    let interval = found.interval.unwrap();
    assert!((found.change.unwrap() - 3.0).abs() < 1e-12);
    assert!((interval.low - (3.0 - 2.306)).abs() < 1e-3, "{interval:?}");
    let same = welch_change(&[2.0; 3], &[2.2; 3]);
    assert!((same.change.unwrap() - 0.1).abs() < 1e-9);
}

#[test]
fn a_rate_is_judged_by_its_seconds() {
    let a = steady(1.0);
    let sample = |value, slices| RateSample { value, slices };
    let found = rate_change(sample(10.0, &a), sample(9.0, &a));
    assert!((found.change.unwrap() + 0.1).abs() < 1e-12);
    assert!(found.interval.unwrap().high < -0.099);
    assert_eq!(
        rate_change(sample(10.0, &[]), sample(9.0, &a)).interval,
        Err(Why::NoTimeline)
    );
}
