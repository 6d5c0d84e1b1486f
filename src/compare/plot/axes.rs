//! The axes of a panel: values up, percentiles to the right.

use super::{LEFT, PANEL, Panel, RIGHT, WIDTH, put};
use crate::compare::figures::Curve;
use crate::units::round_up;

/// The largest number of nines on the axis: p99.999.
const NINES_MAX: f64 = 5.0;
/// The number of nines up to which there is room for the percentiles between them.
const NINES_WITH_BETWEEN_MAX: f64 = 4.0;
/// Values below this share of a run's values do not widen the axis: a few answers that fail at once would take most of
/// it.
const SHARE_MIN: f64 = 0.05;
/// The number of decades above which there is only room for whole ones.
const DECADES_MAX: f64 = 4.0;

/// The axes, which turn a value and a share into a position. Values are logarithmic, and each further nine of a
/// percentile is as wide as the one before.
pub(super) struct Axes {
    top: f64,
    low: f64,
    high: f64,
    nines: f64,
}

impl Axes {
    /// Makes axes on which all curves of a panel fit.
    pub fn new(panel: &Panel, top: f64) -> Axes {
        let (mut low, mut high, mut nines) = (f64::INFINITY, 0.0f64, 1.0f64);
        for drawn in &panel.curves {
            let (Curve::Whole(points) | Curve::Points(points)) = &drawn.curve;
            for (ms, share) in points.iter().filter(|(ms, _)| *ms > 0.0) {
                high = high.max(*ms);
                if *share >= SHARE_MIN {
                    low = low.min(*ms);
                }
                if *share < 1.0 {
                    nines = nines.max(-(1.0 - share).log10());
                }
            }
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let (low, high) = round_ends(low, high);
        Axes {
            top,
            low,
            high,
            nines: nines.ceil().clamp(2.0, NINES_MAX),
        }
    }

    pub fn x(&self, share: f64) -> f64 {
        let nines = (-(1.0 - share).max(1e-12).log10()).clamp(0.0, self.nines);
        LEFT + nines / self.nines * (WIDTH - LEFT - RIGHT)
    }

    pub fn y(&self, ms: f64) -> f64 {
        let place = (ms.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        self.top + PANEL * (1.0 - place)
    }

    /// Draws the grid with its numbers, and says what each axis has. `metric` is what goes up.
    pub fn draw(&self, out: &mut String, metric: &str) {
        let (right, bottom) = (WIDTH - RIGHT, self.top + PANEL);
        for ms in self.values() {
            let y = self.y(ms);
            put!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.5,
                with_unit(ms)
            );
        }
        for (share, name) in self.percentiles() {
            let x = self.x(share);
            let anchor = if x > right - 10.0 { "end" } else { "middle" };
            put!(
                out,
                "<path d=\"M{x:.1} {:.1}V{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{:.1}\" \
                 text-anchor=\"{anchor}\">{name}</text>",
                self.top,
                bottom + 20.0
            );
        }
        put!(
            out,
            "<path d=\"M{LEFT} {:.1}V{bottom}H{right}\" fill=\"none\" stroke=\"#666\"/>",
            self.top
        );
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\">percentile of the requests (p90: \
             90 % of them took at most so long)</text>",
            (LEFT + right) / 2.0,
            bottom + 42.0
        );
        let middle = self.top + PANEL / 2.0;
        put!(
            out,
            "<text x=\"20\" y=\"{middle:.1}\" transform=\"rotate(-90 20 {middle:.1})\" text-anchor=\"middle\" \
             fill=\"#666\">{metric}, logarithmic</text>"
        );
    }

    /// Returns the values that have a line: 1, 2 and 5 of each decade, or only 1.
    fn values(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let mut values = Vec::new();
        let mut ms = self.low;
        while ms <= self.high * (1.0 + 1e-9) {
            values.push(ms);
            ms = round_up(ms * if decades > DECADES_MAX { 9.0 } else { 1.9 });
        }
        values
    }

    /// Returns the shares that have a line, with their names.
    fn percentiles(&self) -> Vec<(f64, String)> {
        let mut shares = vec![(0.0, "min".to_owned()), (0.5, "p50".to_owned())];
        if self.nines <= NINES_WITH_BETWEEN_MAX {
            shares.extend([(0.75, "p75".to_owned()), (0.95, "p95".to_owned())]);
        }
        for nines in 1..=self.nines as i32 {
            let share = 1.0 - 10f64.powi(-nines);
            let decimals = (nines - 2).max(0) as usize;
            shares.push((share, format!("p{:.decimals$}", share * 100.0)));
        }
        shares
    }
}

/// Formats a round value with its unit: `500 us`, `20 ms`, `2 s`.
fn with_unit(ms: f64) -> String {
    let (value, unit) = match ms {
        ms if ms < 0.9999 => (ms * 1e3, "us"),
        ms if ms < 999.9 => (ms, "ms"),
        ms => (ms / 1e3, "s"),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} {unit}")
}

/// Returns the ends of an axis: round, and powers of ten where only these have a line.
fn round_ends(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (round_down(low), round_up(high.max(low * 1.01)));
    match (high / low).log10() > DECADES_MAX {
        true => (10f64.powf((low * 1.0001).log10().floor()), high),
        false => (low, high),
    }
}

/// Rounds down to 1, 2 or 5 times a power of ten.
fn round_down(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let step = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|s| s * power <= x * (1.0 + 1e-9));
    step.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_on_the_axis_are_round_and_have_their_unit() {
        let names = |low: f64, high: f64| -> Vec<String> {
            let (low, high) = round_ends(low, high);
            let (top, nines) = (0.0, 4.0);
            let axes = Axes {
                top,
                low,
                high,
                nines,
            };
            axes.values().into_iter().map(with_unit).collect()
        };
        assert_eq!(
            names(0.37, 88.0),
            [
                "200 us", "500 us", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms"
            ]
        );
        assert_eq!(names(700.0, 2_345.0), ["500 ms", "1 s", "2 s", "5 s"]);
        assert_eq!(
            names(0.37, 5_000.0),
            ["100 us", "1 ms", "10 ms", "100 ms", "1 s"],
            "more than four decades"
        );
        assert_eq!(names(0.001, 0.001), ["1 us", "2 us"]);
    }
}
