//! How the time to the first token grows from turn to turn.

/// A turn's number, its median, and how many values it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthPoint {
    pub turn: u32,
    /// Median of the time to the first token, in milliseconds.
    pub ttft: f64,
    /// Mean number of tokens that the server read, if it says so.
    pub prompt_tokens: Option<f64>,
    pub count: u64,
}

/// The slopes of the straight lines through the medians of the turns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Growth {
    /// Milliseconds per turn.
    pub per_turn: Option<f64>,
    /// Milliseconds per 1,000 tokens that the server reads more.
    pub per_1000_tokens: Option<f64>,
}

/// Fits a line through the medians by least squares, each with the weight of its values: medians, because a mean grows
/// with a single slow request. `None` with fewer than two turns, or two lengths.
pub fn growth(points: &[GrowthPoint]) -> Growth {
    let by_turn = points.iter().map(|p| (f64::from(p.turn), p.ttft, p.count as f64));
    let by_tokens = points
        .iter()
        .filter_map(|p| Some((p.prompt_tokens?, p.ttft, p.count as f64)));
    Growth {
        per_turn: slope(by_turn),
        per_1000_tokens: slope(by_tokens).map(|each| each * 1_000.0),
    }
}

/// Returns the slope of the weighted least-squares line through points (x, y, weight).
fn slope(points: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Option<f64> {
    let weight: f64 = points.clone().map(|(_, _, w)| w).sum();
    if weight <= 0.0 {
        return None;
    }
    let mean = |pick: fn((f64, f64, f64)) -> f64| points.clone().map(|p| p.2 * pick(p)).sum::<f64>() / weight;
    let (x_mean, y_mean) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y, w) in points {
        xx += w * (x - x_mean) * (x - x_mean);
        xy += w * (x - x_mean) * (y - y_mean);
    }
    // Lengths that differ by less than this are one.
    (xx > weight * 1e-9).then_some(xy / xx)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(turn: u32, ttft: f64, prompt_tokens: Option<f64>, count: u64) -> GrowthPoint {
        GrowthPoint {
            turn,
            ttft,
            prompt_tokens,
            count,
        }
    }

    #[test]
    fn the_slope_of_points_on_a_line_is_that_of_the_line() {
        let points: Vec<GrowthPoint> = (1..=5)
            .map(|turn| {
                let tokens = 200.0 * f64::from(turn);
                point(
                    turn,
                    20.0 + 3.0 * f64::from(turn),
                    Some(tokens),
                    u64::from(10 - turn),
                )
            })
            .collect();
        let found = growth(&points);
        assert!((found.per_turn.unwrap() - 3.0).abs() < 1e-9);
        assert!((found.per_1000_tokens.unwrap() - 15.0).abs() < 1e-9);
    }

    #[test]
    fn turns_with_few_values_weigh_little() {
        let flat = [
            point(1, 10.0, None, 1_000),
            point(2, 10.0, None, 1_000),
            point(3, 100.0, None, 1),
        ];
        let found = growth(&flat);
        assert!(found.per_turn.unwrap() < 0.3, "{found:?}");
        assert_eq!(found.per_1000_tokens, None);
    }

    #[test]
    fn one_turn_or_one_length_has_no_slope() {
        assert_eq!(growth(&[]), Growth::default());
        assert_eq!(growth(&[point(1, 10.0, Some(5.0), 9)]), Growth::default());
        let same_length = [point(1, 10.0, Some(8.0), 9), point(2, 12.0, Some(8.0), 9)];
        let found = growth(&same_length);
        assert_eq!((found.per_turn, found.per_1000_tokens), (Some(2.0), None));
    }
}
