//! The axes of a panel: values up, percentiles to the right.

use super::{LEFT, PANEL, Panel, RIGHT, WIDTH, put};
use crate::chart::{Scale, nines, percentile_place, percentile_ticks, time_with_unit};
use crate::compare::figures::Curve;

/// Values below this share of a run's values do not widen the axis: a few answers that fail at once would take most of
/// it.
const SHARE_MIN: f64 = 0.05;

/// The axes, which turn a value and a share into a position. Values are logarithmic, and each further nine of a
/// percentile is as wide as the one before.
pub(super) struct Axes {
    top: f64,
    values: Scale,
    nines: f64,
}

impl Axes {
    /// Makes axes on which all curves of a panel fit.
    pub fn new(panel: &Panel, top: f64) -> Axes {
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        let curves = panel.curves.iter().map(|drawn| match &drawn.curve {
            Curve::Whole(points) | Curve::Points(points) => points,
        });
        let points = || curves.clone().flatten().filter(|(ms, _)| *ms > 0.0);
        for (ms, share) in points() {
            high = high.max(*ms);
            if *share >= SHARE_MIN {
                low = low.min(*ms);
            }
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        Axes {
            top,
            values: Scale::logarithmic(low, high),
            nines: nines(points().map(|(_, share)| *share)),
        }
    }

    /// Returns the number of nines to the right.
    pub fn nines(&self) -> f64 {
        self.nines
    }

    pub fn x(&self, share: f64) -> f64 {
        self.x_of(percentile_place(share, self.nines))
    }

    /// Returns where a place on the axis of percentiles lies, from 0 to 1.
    pub fn x_of(&self, place: f64) -> f64 {
        LEFT + place * (WIDTH - LEFT - RIGHT)
    }

    pub fn y(&self, ms: f64) -> f64 {
        self.top + PANEL * (1.0 - self.values.place(ms))
    }

    /// Draws the grid with its numbers, and says what each axis has. `metric` is what goes up.
    pub fn draw(&self, out: &mut String, metric: &str) {
        let (right, bottom) = (WIDTH - RIGHT, self.top + PANEL);
        for ms in self.values.ticks() {
            let y = self.y(ms);
            put!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.5,
                time_with_unit(ms)
            );
        }
        for (place, name) in percentile_ticks(self.nines) {
            let x = self.x_of(place);
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
}
