//! The growth of a server's memory.

use crate::units::{MINUTE, Nanos, SECOND, seconds};

/// The shortest period that growth is measured over: a server that has just started still fills its caches.
pub const GROWTH_SPAN_MIN: Nanos = 30 * SECOND;

/// Returns the growth in KiB per minute: the slope of the least-squares line through the samples (elapsed, resident
/// bytes) of the second half of the run. `None` if these span less than [`GROWTH_SPAN_MIN`], or if there are none.
pub fn rss_growth(samples: &[(Nanos, u64)], duration: Nanos) -> Option<f64> {
    let half = duration / 2;
    let late: Vec<(f64, f64)> = samples
        .iter()
        .filter(|(elapsed, _)| (half..=duration).contains(elapsed))
        .map(|(elapsed, bytes)| (seconds(*elapsed), *bytes as f64 / 1024.0))
        .collect();
    let (first, last) = (late.first()?, late.last()?);
    if last.0 - first.0 < seconds(GROWTH_SPAN_MIN) {
        return None;
    }
    let n = late.len() as f64;
    let (mean_t, mean_kib) = (
        late.iter().map(|(t, _)| t).sum::<f64>() / n,
        late.iter().map(|(_, kib)| kib).sum::<f64>() / n,
    );
    let covariance: f64 = late.iter().map(|(t, kib)| (t - mean_t) * (kib - mean_kib)).sum();
    let variance: f64 = late.iter().map(|(t, _)| (t - mean_t).powi(2)).sum();
    Some(covariance / variance * seconds(MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    /// Makes a sample of `of(seconds)` KiB every 10 s.
    fn samples(duration: u64, of: impl Fn(u64) -> u64) -> Vec<(Nanos, u64)> {
        let times = (0..=duration).step_by(10);
        times.map(|t| (t * SECOND, of(t) * KIB)).collect()
    }

    #[test]
    fn a_steady_growth_is_its_slope() {
        // The memory grows by 5 KiB per second.
        let growth = rss_growth(&samples(600, |t| 40_000 + 5 * t), 600 * SECOND).unwrap();
        assert!((growth - 300.0).abs() < 1e-6, "{growth}");
        let shrinks = rss_growth(&samples(600, |t| 40_000 - 5 * t), 600 * SECOND).unwrap();
        assert!((shrinks + 300.0).abs() < 1e-6, "{shrinks}");
    }

    #[test]
    fn growth_in_the_first_half_only_is_no_growth() {
        let growth = rss_growth(&samples(600, |t| 1_000 * t.min(290)), 600 * SECOND);
        assert_eq!(growth, Some(0.0));
    }

    #[test]
    fn a_sawtooth_without_a_trend_has_almost_no_slope() {
        let saw = samples(6_000, |t| 50_000 + 8_000 * (t / 10 % 4));
        let growth = rss_growth(&saw, 6_000 * SECOND).unwrap();
        // The teeth are 24 MB high, but the line rises by less than a tenth of that in 50 minutes.
        assert!(growth.abs() < 48.0, "{growth}");
    }

    #[test]
    fn too_short_a_time_gives_no_growth() {
        assert_eq!(rss_growth(&[], 600 * SECOND), None);
        assert_eq!(rss_growth(&[(500 * SECOND, 1)], 600 * SECOND), None);
        assert_eq!(rss_growth(&samples(50, |t| t), 50 * SECOND), None);
        assert!(rss_growth(&samples(60, |t| t), 60 * SECOND).is_some());
    }
}
