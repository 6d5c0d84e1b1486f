use super::*;

fn rows(means: impl IntoIterator<Item = f64>) -> Vec<Slice> {
    let row = |(i, mean): (usize, f64)| Slice {
        elapsed: i as f64 + 1.0,
        count: 10,
        sum: 10.0 * mean,
    };
    means.into_iter().enumerate().map(row).collect()
}

#[test]
fn a_shape_that_both_runs_share_cancels() {
    let ramp = || rows((0..60).map(|i| 10.0 + f64::from(i)));
    let found = log_mean_variance(&ramp(), &ramp(), false).unwrap();
    assert!(found.variance < 1e-20, "{found:?}");
    let slower = rows((0..60).map(|i| 1.3 * (10.0 + f64::from(i))));
    assert!(log_mean_variance(&ramp(), &slower, false).unwrap().variance < 1e-20);
    // Of runs of different lengths nothing cancels.
    let longer = rows((0..90).map(|i| 10.0 + f64::from(i)));
    assert!(log_mean_variance(&ramp(), &longer, false).unwrap().variance > 1e-3);
}

#[test]
fn neighbours_that_are_alike_widen_the_interval() {
    let flat = rows([100.0; 120]);
    let quick = rows((0..120).map(|i| if i % 2 == 0 { 90.0 } else { 110.0 }));
    let slow = rows((0..120).map(|i| if i % 40 < 20 { 90.0 } else { 110.0 }));
    let of = |b: &[Slice]| log_mean_variance(&flat, b, false).unwrap();
    assert!(of(&slow).variance > 100.0 * of(&quick).variance);
    assert_eq!(of(&slow).degrees, 9.0);
}

#[test]
fn batch_means_of_alternating_batches_are_as_computed_by_hand() {
    // Six batches of two rows, +-10 % in turn: each batch adds 0.1 / 6, and 6/5 x 6 x (0.1/6)^2 = 0.002.
    let b = rows((0..12).map(|i| if i / 2 % 2 == 0 { 90.0 } else { 110.0 }));
    let part = mean_parts(&b, false);
    assert!((batch_variance(&[&part], 12.0, 6) - 0.002).abs() < 1e-12);
}

#[test]
fn fewer_than_ten_rows_give_no_estimate() {
    assert!(log_mean_variance(&rows([1.0; 9]), &rows([1.0; 100]), false).is_none());
    assert!(log_total_variance(&rows([1.0; 9]), &rows([1.0; 9])).is_none());
    assert!(log_mean_variance(&rows([0.0; 20]), &rows([1.0; 20]), false).is_none());
    let ten = log_total_variance(&rows([1.0; 10]), &rows([1.0; 10])).unwrap();
    assert_eq!(ten.degrees, 4.0);
}

#[test]
fn one_row_of_timeouts_does_not_set_the_level_of_all_quantiles() {
    let flat = rows([100.0; 60]);
    let mut spoilt = rows([100.0; 60]);
    spoilt[30].sum = 600_000.0;
    let whole = log_mean_variance(&flat, &spoilt, false).unwrap().variance;
    let cut = log_mean_variance(&flat, &spoilt, true).unwrap().variance;
    assert!(cut < whole / 100.0, "{cut} {whole}");
}

#[test]
fn failures_in_a_burst_widen_the_interval_of_a_share() {
    let row = |i: usize, errors: f64| Slice {
        elapsed: i as f64 + 1.0,
        count: 100,
        sum: errors,
    };
    let spread: Vec<Slice> = (0..60).map(|i| row(i, 2.0)).collect();
    let burst: Vec<Slice> = (0..60).map(|i| row(i, if i < 2 { 60.0 } else { 0.0 })).collect();
    assert!(share_variance(&spread).unwrap() < 1e-12);
    assert!(share_variance(&burst).unwrap() > 1e-4);
}
