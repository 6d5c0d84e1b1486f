//! The axis of percentiles, on which each further nine is as wide as the one before: p90, p99, p99.9.

/// The largest number of nines on the axis: p99.999.
const NINES_MAX: f64 = 5.0;
/// The number of nines up to which there is room for the percentiles between them.
const NINES_WITH_BETWEEN_MAX: f64 = 4.0;

/// Returns how many nines an axis for these shares has.
pub fn nines(shares: impl Iterator<Item = f64>) -> f64 {
    let inner = shares.filter(|share| *share < 1.0);
    let most = inner.map(|share| -(1.0 - share).log10()).fold(1.0, f64::max);
    most.ceil().clamp(2.0, NINES_MAX)
}

/// Returns where a share lies on an axis of so many nines: 0 is the minimum, 1 the last percentile.
pub fn percentile_place(share: f64, nines: f64) -> f64 {
    (-(1.0 - share).max(1e-12).log10()).clamp(0.0, nines) / nines
}

/// Returns the percentiles that have a line: their place from 0 to 1, and their name.
pub fn percentile_ticks(nines: f64) -> Vec<(f64, String)> {
    let mut shares = vec![(0.0, "min".to_owned()), (0.5, "p50".to_owned())];
    if nines <= NINES_WITH_BETWEEN_MAX {
        shares.extend([(0.75, "p75".to_owned()), (0.95, "p95".to_owned())]);
    }
    for count in 1..=nines as i32 {
        let share = 1.0 - 10f64.powi(-count);
        let decimals = (count - 2).max(0) as usize;
        shares.push((share, format!("p{:.decimals$}", share * 100.0)));
    }
    shares.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The first two names stand too close on a long axis.
    if nines > NINES_WITH_BETWEEN_MAX {
        shares.remove(1);
    }
    shares
        .into_iter()
        .map(|(share, name)| (percentile_place(share, nines), name))
        .collect()
}

/// Returns the line of the quantile function as places from 0 to 1 and values. `points` are values, each with the
/// share of all that are not above it: each is drawn from the share before it to its own.
pub fn quantile_line(points: &[(f64, f64)], nines: f64) -> Vec<(f64, f64)> {
    let mut line = Vec::with_capacity(points.len() * 2);
    let mut before = 0.0;
    for (value, share) in points {
        // The largest value has a share of 1, which lies at infinity, so it is drawn at half of the rest.
        let end = match *share >= 1.0 {
            true => 1.0 - (1.0 - before) / 2.0,
            false => *share,
        };
        line.push((percentile_place(before, nines), *value));
        line.push((percentile_place(end, nines), *value));
        before = *share;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_further_nine_is_as_wide_as_the_one_before() {
        let ticks = percentile_ticks(3.0);
        let names: Vec<&str> = ticks.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["min", "p50", "p75", "p90", "p95", "p99", "p99.9"]);
        let at = |name: &str| ticks.iter().find(|(_, n)| n == name).unwrap().0;
        for (name, place) in [
            ("min", 0.0),
            ("p90", 1.0 / 3.0),
            ("p99", 2.0 / 3.0),
            ("p99.9", 1.0),
        ] {
            assert!((at(name) - place).abs() < 1e-9, "{name}");
        }
        assert_eq!(nines([0.5, 0.9995, 1.0].into_iter()), 4.0);
        assert_eq!(nines(std::iter::empty()), 2.0);
    }

    #[test]
    fn a_value_is_drawn_over_its_own_shares() {
        let line = quantile_line(&[(1.0, 0.9), (7.0, 1.0)], 2.0);
        let places: Vec<f64> = line
            .iter()
            .map(|(at, _)| (at * 1000.0).round() / 1000.0)
            .collect();
        assert_eq!(places, [0.0, 0.5, 0.5, 0.651]);
        assert_eq!(line.iter().map(|p| p.1).collect::<Vec<_>>(), [1.0, 1.0, 7.0, 7.0]);
    }
}
