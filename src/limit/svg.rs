//! Load against throughput, TTFT, latency and failures as one SVG file, without scripts, fonts of its own, or anything
//! loaded from elsewhere.

use crate::error::xml_escaped;
use crate::limit::evidence::Decision;
use crate::limit::row::{LimitResult, ProbeRow};
use crate::limit::search::Over;
use crate::limit::text;
use crate::units::{decimal, round_up};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 84.0;
const PANEL: f64 = 190.0;
const PANEL_GAP: f64 = 62.0;
const LABEL_CHARS_MAX: usize = 110;
/// Okabe and Ito's colours, which people with any colour vision can tell apart.
const HOLDS: &str = "#0072b2";
const FAILS: &str = "#d55e00";
const OPEN: &str = "#999999";
const LINES: [&str; 2] = ["#009e73", "#cc79a7"];

macro_rules! put {
    ($text:expr, $($arg:tt)*) => {
        std::fmt::Write::write_fmt(&mut *$text, format_args!("{}\n", format_args!($($arg)*)))
            .expect("writing to a string does not fail")
    };
}

type Value = fn(&ProbeRow) -> Option<f64>;

struct Panel {
    title: &'static str,
    /// Each line with its name.
    lines: Vec<(&'static str, Value)>,
}

/// Draws the panels that have values, one below the other. Levels are logarithmic.
pub fn svg(result: &LimitResult) -> String {
    let panels: Vec<Panel> = panels()
        .into_iter()
        .filter(|panel| {
            let has = |value: &Value| result.probes.iter().any(|probe| value(probe).is_some());
            panel.lines.iter().any(|(_, value)| has(value))
        })
        .collect();
    let height = TOP + panels.len() as f64 * (PANEL + PANEL_GAP);
    let mut svg = String::new();
    let out = &mut svg;
    put!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">"
    );
    put!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
    let first = text::text(result);
    let mut lines = first.lines();
    for (index, size) in [(0, 16), (1, 13)] {
        let label = xml_escaped(lines.next().unwrap_or_default(), LABEL_CHARS_MAX);
        let y = 26 + index * 20;
        put!(
            out,
            "<text x=\"{LEFT}\" y=\"{y}\" font-size=\"{size}\">{label}</text>"
        );
    }
    let axis = Axis::new(result);
    for (index, panel) in panels.iter().enumerate() {
        draw(
            out,
            result,
            &axis,
            panel,
            TOP + index as f64 * (PANEL + PANEL_GAP),
        );
    }
    out.push_str("</svg>\n");
    svg
}

fn panels() -> Vec<Panel> {
    vec![
        Panel {
            title: "good answers per second",
            lines: vec![("", |probe| Some(probe.ok_per_second))],
        },
        Panel {
            title: "TTFT, ms",
            lines: vec![("p50", |probe| probe.ttft.p50), ("p95", |probe| probe.ttft.p95)],
        },
        Panel {
            title: "latency, ms",
            lines: vec![
                ("p50", |probe| probe.latency.p50),
                ("p95", |probe| probe.latency.p95),
            ],
        },
        Panel {
            title: "goodput, % of the requests",
            lines: vec![("", |probe| Some(probe.goodput? * 100.0))],
        },
        Panel {
            title: "failed, cut or dropped, %",
            lines: vec![("", |probe| {
                let bad = probe.failed + probe.cut + probe.dropped;
                let all = probe.requests + probe.cut + probe.dropped;
                (all > 0).then(|| bad as f64 / all as f64 * 100.0)
            })],
        },
    ]
}

/// The levels, logarithmic.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn new(result: &LimitResult) -> Axis {
        let levels = || result.probes.iter().map(|probe| probe.level);
        let (low, high) = (
            levels().fold(f64::INFINITY, f64::min),
            levels().fold(0.0, f64::max),
        );
        match low < high {
            true => Axis { low, high },
            // One level, or none, stands in the middle.
            false => Axis {
                low: low.min(1e9) / 2.0,
                high: high.max(1.0) * 2.0,
            },
        }
    }

    fn x(&self, level: f64) -> f64 {
        let place = (level.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        LEFT + 10.0 + place * (WIDTH - LEFT - RIGHT - 20.0)
    }
}

fn draw(out: &mut String, result: &LimitResult, axis: &Axis, panel: &Panel, top: f64) {
    let bottom = top + PANEL;
    let values = panel
        .lines
        .iter()
        .flat_map(|(_, value)| result.probes.iter().filter_map(value));
    let most = values.fold(0.0, f64::max);
    let most = if most > 0.0 { round_up(most) } else { 1.0 };
    let y = |value: f64| bottom - value / most * PANEL;
    put!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
        top - 8.0,
        panel.title
    );
    mark_answer(out, result, axis, top);
    for step in 0..=4 {
        let value = most * f64::from(step) / 4.0;
        put!(
            out,
            "<path d=\"M{LEFT} {:.1}H{}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            y(value),
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(value) + 4.5,
            decimal(value)
        );
    }
    let mut levels: Vec<&ProbeRow> = result.probes.iter().collect();
    levels.sort_by(|a, b| a.level.total_cmp(&b.level));
    let mut last = f64::NEG_INFINITY;
    for probe in &levels {
        let x = axis.x(probe.level);
        if x - last >= 46.0 {
            put!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                decimal(probe.level)
            );
            last = x;
        }
    }
    for ((name, value), colour) in panel.lines.iter().zip(LINES) {
        line(out, axis, &levels, (name, *value), colour, &y);
    }
    let unit = match result.search.over {
        Over::Users => "users",
        Over::Rate => "requests per second",
    };
    put!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#666\">{unit}, logarithmic; points: blue holds, \
         orange fails, grey undecided</text>",
        WIDTH - RIGHT,
        bottom + 36.0
    );
}

/// Shades the interval of the limit.
fn mark_answer(out: &mut String, result: &LimitResult, axis: &Axis, top: f64) {
    let answer = &result.answer;
    let Some(limit) = answer.limit else { return };
    let (from, to) = (
        axis.x(answer.low.unwrap_or(axis.low)),
        axis.x(answer.high.unwrap_or(axis.high)),
    );
    put!(
        out,
        "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{PANEL}\" fill=\"#f0e442\" fill-opacity=\"0.35\"/>",
        (to - from).max(1.0)
    );
    put!(
        out,
        "<path d=\"M{:.1} {top:.1}v{PANEL}\" stroke=\"#222\" stroke-dasharray=\"4 3\"/>",
        axis.x(limit)
    );
}

/// Draws the mean of the probes of each level as a line, and each probe as a point.
fn line(
    out: &mut String,
    axis: &Axis,
    levels: &[&ProbeRow],
    (name, value): (&str, Value),
    colour: &str,
    y: &dyn Fn(f64) -> f64,
) {
    let mut path = String::new();
    for same in levels.chunk_by(|a, b| a.level == b.level) {
        let values: Vec<f64> = same.iter().filter_map(|probe| value(probe)).collect();
        if values.is_empty() {
            continue;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let to = if path.is_empty() { 'M' } else { 'L' };
        path.push_str(&format!("{to}{:.1} {:.1}", axis.x(same[0].level), y(mean)));
    }
    put!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>"
    );
    for probe in levels {
        let Some(at) = value(probe) else { continue };
        let fill = match probe.decision {
            Decision::Holds => HOLDS,
            Decision::Fails => FAILS,
            Decision::Open => OPEN,
        };
        put!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{fill}\"/>",
            axis.x(probe.level),
            y(at)
        );
    }
    if let Some((last, at)) = levels.iter().rev().find_map(|probe| Some((probe, value(probe)?)))
        && !name.is_empty()
    {
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>",
            axis.x(last.level) - 6.0,
            y(at) - 6.0
        );
    }
}
