//! The rate of arrivals over time, and when its integral reaches a number of arrivals.
//!
//! ```text
//! rate    start 0, stages 5s -> 1/s, 1s -> 1/s, 5s -> 0
//!  1 |         ______
//!    |     __--      --__        the area under the line up to t is the number of arrivals by then:
//!  0 |__---              ---__   1 at 3.162 s, 2 at 4.472 s, 3 at 5.5 s, 4 at 6.528 s, ...
//!    0         5     6         11 s
//! ```
//! The instants are exact, which is where tools differ that raise the rate from one second to the next or by the number
//! of the request. This is k6's arithmetic (`lib/executor/ramping_arrival_rate.go`), in a form of the quadratic
//! formula that loses no digits on a flat stage.

use crate::units::{Nanos, SECOND};

/// A part of the curve: the rate moves linearly within `duration`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    start: Nanos,
    duration: Nanos,
    /// Arrivals per nanosecond at the start.
    from: f64,
    to: f64,
    /// Arrivals before `start`.
    before: f64,
}

impl Piece {
    fn end(&self) -> Nanos {
        self.start + self.duration
    }

    /// Returns the rate `after` its start, in arrivals per nanosecond.
    fn rate(&self, after: Nanos) -> f64 {
        self.from + (self.to - self.from) * (after as f64 / self.duration as f64)
    }

    fn area(&self) -> f64 {
        self.duration as f64 * (self.from + self.to) / 2.0
    }

    /// Returns how long after `start` the area within this piece reaches `area`.
    fn reaches(&self, area: f64) -> f64 {
        let slope = (self.to - self.from) / self.duration as f64;
        // Rounding may leave a root just below 0 at the end of a stage that goes down to 0.
        let root = (self.from * self.from + 2.0 * area * slope).max(0.0).sqrt();
        match area {
            0.0 => 0.0,
            _ => 2.0 * area / (self.from + root),
        }
    }
}

/// The planned rate of a whole run: piecewise linear, 0 after the end.
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    pieces: Vec<Piece>,
    end: Nanos,
}

impl RateCurve {
    /// Makes the curve that begins at `start` arrivals per second and reaches each stage's rate at the end of its
    /// duration.
    pub fn new(start: f64, stages: impl IntoIterator<Item = (Nanos, f64)>) -> RateCurve {
        let (mut from, mut end, mut before) = (start / SECOND as f64, 0, 0.0);
        let mut pieces = Vec::new();
        for (duration, target) in stages {
            let to = target / SECOND as f64;
            // A duration of 0 is a jump.
            if duration > 0 {
                let piece = Piece {
                    start: end,
                    duration,
                    from,
                    to,
                    before,
                };
                before += piece.area();
                end += duration;
                pieces.push(piece);
            }
            from = to;
        }
        RateCurve { pieces, end }
    }

    /// Returns the sum of curves, each of which begins at its instant.
    pub fn sum(curves: &[(Nanos, RateCurve)]) -> RateCurve {
        let edges_of = |(start, curve): &(Nanos, RateCurve)| {
            let start = *start;
            let edges = curve.pieces.iter().flat_map(|piece| [piece.start, piece.end()]);
            edges.map(|edge| start + edge).collect::<Vec<Nanos>>()
        };
        let mut edges: Vec<Nanos> = curves.iter().flat_map(edges_of).chain([0]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut pieces: Vec<Piece> = Vec::new();
        for (start, end) in edges.iter().zip(edges.iter().skip(1)) {
            let (mut from, mut to) = (0.0, 0.0);
            for (begins, curve) in curves.iter().filter(|(begins, _)| begins <= start) {
                let at = start - begins;
                let index = curve.pieces.partition_point(|piece| piece.end() <= at);
                if let Some(piece) = curve.pieces.get(index) {
                    from += piece.rate(at - piece.start);
                    to += piece.rate(end - begins - piece.start);
                }
            }
            pieces.push(Piece {
                start: *start,
                duration: end - start,
                from,
                to,
                before: pieces.last().map_or(0.0, |last| last.before + last.area()),
            });
        }
        RateCurve {
            end: pieces.last().map_or(0, Piece::end),
            pieces,
        }
    }

    /// Returns its parts in order: the end of each, and the rates per second at its beginning and at its end.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = (Nanos, [f64; 2])> {
        let per_second = |rate: f64| rate * SECOND as f64;
        let pieces = self.pieces.iter();
        pieces.map(move |piece| (piece.end(), [per_second(piece.from), per_second(piece.to)]))
    }

    pub fn end(&self) -> Nanos {
        self.end
    }

    /// Returns the number of arrivals by the end, which need not be whole.
    pub fn area(&self) -> f64 {
        self.pieces.last().map_or(0.0, |last| last.before + last.area())
    }

    /// Returns the areas under the curve up to the beginning and to the end of its part number `index`.
    pub fn areas(&self, index: usize) -> Option<(f64, f64)> {
        let piece = self.pieces.get(index)?;
        Some((piece.before, piece.before + piece.area()))
    }

    /// Returns the planned rate at `elapsed`, in arrivals per second.
    pub fn rate_at(&self, elapsed: Nanos) -> f64 {
        let Some(piece) = self.pieces.iter().find(|piece| elapsed < piece.end()) else {
            return 0.0;
        };
        piece.rate(elapsed - piece.start) * SECOND as f64
    }

    /// Returns when the area under the curve reaches `area`, which must not fall from one call to the next; `None` if
    /// it never does. `hint` is the piece of the last answer, 0 at first.
    pub fn reaches(&self, area: f64, hint: &mut usize) -> Option<Nanos> {
        while let Some(piece) = self.pieces.get(*hint) {
            let within = area - piece.before;
            // The last arrival of a ramp is at its very end; the sum of the stages may be a rounding below it.
            let slack = piece.area() * 1e-12;
            if within <= piece.area() + slack {
                let after = piece.reaches(within.clamp(0.0, piece.area()));
                return Some(piece.start + (after as Nanos).min(piece.duration));
            }
            *hint += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(curve: &RateCurve, first: f64) -> Vec<Nanos> {
        let (mut piece, mut area, mut out) = (0, first, Vec::new());
        while let Some(at) = curve.reaches(area, &mut piece) {
            out.push(at);
            area += 1.0;
        }
        out
    }

    #[test]
    fn a_ramp_up_and_down_has_the_instants_of_k6() {
        let curve = RateCurve::new(0.0, [(5 * SECOND, 1.0), (SECOND, 1.0), (5 * SECOND, 0.0)]);
        let seconds = [3.162278, 4.472136, 5.5, 6.527864, 7.837722, 11.0];
        let found = instants(&curve, 1.0);
        assert_eq!(found.len(), seconds.len(), "{found:?}");
        for (found, expected) in found.iter().zip(seconds) {
            assert!(
                (*found as f64 / 1e9 - expected).abs() < 1e-6,
                "{found} {expected}"
            );
        }
        assert_eq!((curve.end(), curve.area()), (11 * SECOND, 6.0));
    }

    #[test]
    fn a_flat_rate_is_evenly_spaced_to_the_nanosecond_for_hours() {
        let curve = RateCurve::new(50.0, [(4 * 3600 * SECOND, 50.0)]);
        let found = instants(&curve, 0.0);
        assert_eq!(found.len(), 4 * 3600 * 50 + 1);
        for (i, at) in found.iter().enumerate() {
            assert!(at.abs_diff(i as Nanos * SECOND / 50) <= 1, "{i}: {at}");
        }
    }

    #[test]
    fn a_stage_without_duration_jumps_and_a_rate_of_0_has_no_arrivals() {
        let curve = RateCurve::new(
            0.0,
            [
                (0, 10.0),
                (SECOND, 10.0),
                (0, 0.0),
                (SECOND, 0.0),
                (0, 2.0),
                (SECOND, 2.0),
            ],
        );
        let found = instants(&curve, 1.0);
        assert_eq!(found.len(), 12);
        assert_eq!(found[9], SECOND);
        assert!(found[10].abs_diff(2 * SECOND + SECOND / 2) <= 1, "{}", found[10]);
        assert_eq!(
            [0, SECOND, 2 * SECOND, 9 * SECOND].map(|at| curve.rate_at(at)),
            [10.0, 0.0, 2.0, 0.0]
        );
    }

    #[test]
    fn the_rate_within_a_ramp_is_on_its_line() {
        let curve = RateCurve::new(10.0, [(10 * SECOND, 110.0)]);
        assert_eq!(curve.rate_at(0), 10.0);
        assert!((curve.rate_at(5 * SECOND) - 60.0).abs() < 1e-9);
        assert_eq!(instants(&curve, 1.0).len(), 600);
    }

    #[test]
    fn a_sum_has_the_rates_and_the_area_of_its_curves_wherever_they_begin() {
        let flat = RateCurve::new(5.0, [(10 * SECOND, 5.0)]);
        let ramp = RateCurve::new(0.0, [(4 * SECOND, 8.0), (0, 2.0), (2 * SECOND, 2.0)]);
        let late = RateCurve::new(1.0, [(2 * SECOND, 1.0)]);
        let curves = [(0, flat), (3 * SECOND, ramp), (20 * SECOND, late)];
        let sum = RateCurve::sum(&curves);
        assert_eq!(sum.end(), 22 * SECOND);
        assert!(
            (sum.area() - (50.0 + 16.0 + 4.0 + 2.0)).abs() < 1e-9,
            "{}",
            sum.area()
        );
        for at in [0, 2, 3, 5, 6, 7, 8, 9, 11, 20, 21, 22].map(|at| at * SECOND) {
            let of = |(start, curve): &(Nanos, RateCurve)| at.checked_sub(*start).map(|at| curve.rate_at(at));
            let expected: f64 = curves.iter().filter_map(of).sum();
            assert!(
                (sum.rate_at(at) - expected).abs() < 1e-9,
                "{at}: {}",
                sum.rate_at(at)
            );
        }
        assert_eq!(RateCurve::sum(&[]).end(), 0);
    }
}
