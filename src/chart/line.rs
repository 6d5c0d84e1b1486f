//! Lines: thinned so that their peaks stay, and as the path of an SVG.

use std::fmt::Write as _;

/// A point of a line; `None` where there is no value, and the line has a gap.
type Point = (f64, Option<f64>);

/// Leaves at most about two points for each of `stretches` equal parts of the line: its lowest and its highest, in
/// their order. A line that is short enough stays as it is. A part with a gap keeps one.
pub fn thinned(points: &[Point], stretches: usize) -> Vec<Point> {
    if points.len() <= stretches * 2 || stretches == 0 {
        return points.to_vec();
    }
    let mut out = Vec::with_capacity(stretches * 3);
    for part in 0..stretches {
        let range = part * points.len() / stretches..(part + 1) * points.len() / stretches;
        let first = range.start;
        let stretch = &points[range];
        let known = || stretch.iter().enumerate().filter_map(|(i, p)| Some((i, p.1?)));
        let low = known().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i);
        let high = known().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i);
        let gap = stretch.iter().position(|p| p.1.is_none());
        let mut kept: Vec<usize> = [low, high, gap].into_iter().flatten().collect();
        kept.sort_unstable();
        kept.dedup();
        out.extend(kept.into_iter().map(|i| points[first + i]));
    }
    out
}

/// Returns the path of a line of whole numbers. A point between two gaps is a line of no length, which round ends make
/// a dot. Points that repeat the one before are left out.
pub fn path(points: impl Iterator<Item = Point>) -> String {
    let mut out = String::new();
    let mut last: Option<(i64, i64)> = None;
    let mut alone = false;
    for (x, y) in points {
        let Some(y) = y else {
            if alone {
                out.push_str("h0");
            }
            (last, alone) = (None, false);
            continue;
        };
        let here = (x.round() as i64, y.round() as i64);
        match last {
            Some(before) if before == here => continue,
            Some(_) => write!(out, "L{} {}", here.0, here.1),
            None => write!(out, "M{} {}", here.0, here.1),
        }
        .expect("writing to a string does not fail");
        alone = last.is_none();
        last = Some(here);
    }
    if alone {
        out.push_str("h0");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_lowest_and_highest_points_and_its_gaps() {
        let mut line: Vec<Point> = (0..10_000).map(|i| (f64::from(i), Some(5.0))).collect();
        line[1_234].1 = Some(99.0);
        line[7_777].1 = Some(-3.0);
        line[5_000].1 = None;
        let short = thinned(&line, 100);
        assert!(short.len() <= 300, "{}", short.len());
        for kept in [line[1_234], line[7_777], line[5_000]] {
            assert!(short.contains(&kept), "{kept:?}");
        }
        assert!(short.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(thinned(&line[..200], 100), line[..200], "short enough");
    }

    #[test]
    fn a_path_has_a_gap_where_there_is_no_value_and_a_dot_between_two() {
        let points = [
            (0.0, Some(1.0)),
            (1.0, Some(2.0)),
            (1.2, Some(2.1)),
            (2.0, None),
            (3.0, Some(4.0)),
            (4.0, None),
            (5.0, Some(6.0)),
        ];
        assert_eq!(path(points.into_iter()), "M0 1L1 2M3 4h0M5 6h0");
        assert_eq!(path([].into_iter()), "");
    }
}
