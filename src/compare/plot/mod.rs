//! The distributions of all runs as one SVG file, without scripts, fonts of its own, or anything loaded from elsewhere.

mod axes;

use std::fmt::Write as _;

use crate::chart::{COLOURS, quantile_line};
use crate::compare::Run;
use crate::compare::figures::{Curve, Prepared};
use crate::compare::matching::letter;
use crate::error::xml_escaped;
use axes::Axes;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 24.0;
const LEGEND_LINE: f64 = 20.0;
const PANEL: f64 = 340.0;
const PANEL_GAP: f64 = 96.0;
/// Points that are closer than this are drawn as one.
const PIXEL: f64 = 0.4;
const LABEL_CHARS_MAX: usize = 90;

macro_rules! put {
    ($text:expr, $($arg:tt)*) => {
        std::fmt::Write::write_fmt(&mut *$text, format_args!("{}\n", format_args!($($arg)*)))
            .expect("writing to a string does not fail")
    };
}
use put;

struct Drawn {
    run: usize,
    /// The metric, if it is not the panel's.
    instead: Option<&'static str>,
    curve: Curve,
}

struct Panel {
    title: &'static str,
    curves: Vec<Drawn>,
    /// The runs that have nothing to draw.
    empty: Vec<usize>,
}

/// Draws latency and TTFT: the value (logarithmic) over the percentile (a step for each further nine), one line per
/// run.
pub fn svg(runs: &[Run]) -> String {
    let ready: Vec<Prepared> = runs.iter().map(|run| Prepared::new(run, false)).collect();
    let latency = panel("latency", &["latency", "service_time"], &ready);
    let ttft = panel("ttft", &["ttft"], &ready);
    let panels: Vec<Panel> = [latency, ttft]
        .into_iter()
        .filter(|p| !p.curves.is_empty())
        .collect();
    let top = 24.0 + LEGEND_LINE * runs.len() as f64 + 40.0;
    let height = top + panels.len().max(1) as f64 * (PANEL + PANEL_GAP);
    let mut svg = String::new();
    let out = &mut svg;
    put!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">"
    );
    put!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
    for (i, run) in runs.iter().enumerate() {
        let mut curves = panels
            .iter()
            .flat_map(|p| &p.curves)
            .filter(|drawn| drawn.run == i);
        let dots = curves.any(|drawn| matches!(drawn.curve, Curve::Points(_)));
        legend(out, i, run, dots);
    }
    if panels.is_empty() {
        put!(
            out,
            "<text x=\"{LEFT}\" y=\"{top}\">no run has a latency or a time to the first token</text>"
        );
    }
    for (i, panel) in panels.iter().enumerate() {
        draw(out, panel, top + i as f64 * (PANEL + PANEL_GAP));
    }
    out.push_str("</svg>\n");
    svg
}

/// Fills a panel with the first of `metrics` that all runs have, or else with each run's first.
fn panel(title: &'static str, metrics: &[&'static str], runs: &[Prepared]) -> Panel {
    let common = metrics
        .iter()
        .find(|m| runs.iter().all(|run| run.trend(m).is_some()));
    let mut panel = Panel {
        title: common.copied().unwrap_or(title),
        curves: Vec::new(),
        empty: Vec::new(),
    };
    for (i, run) in runs.iter().enumerate() {
        let found = common
            .into_iter()
            .chain(metrics)
            .find_map(|m| Some((*m, run.curve(m)?)));
        match found {
            Some((metric, curve)) => panel.curves.push(Drawn {
                run: i,
                instead: (metric != panel.title).then_some(metric),
                curve,
            }),
            None => panel.empty.push(i),
        }
    }
    panel
}

/// The colour of a run, and its dashes: there are more runs than colours.
fn colour(run: usize) -> (&'static str, &'static str) {
    let dash = if run < COLOURS.len() {
        ""
    } else {
        " stroke-dasharray=\"7 4\""
    };
    (COLOURS[run % COLOURS.len()], dash)
}

/// Draws the legend of a run. A run of which only percentiles are known has a dot.
fn legend(out: &mut String, number: usize, run: &Run, dots: bool) {
    let y = 24.0 + LEGEND_LINE * number as f64;
    let (colour, dash) = colour(number);
    let middle = y - 4.5;
    if dots {
        let x = LEFT + 14.0;
        put!(
            out,
            "<circle cx=\"{x}\" cy=\"{middle}\" r=\"4.5\" fill=\"{colour}\"/>"
        );
    } else {
        put!(
            out,
            "<path d=\"M{LEFT} {middle}h28\" stroke=\"{colour}\" stroke-width=\"2.5\"{dash}/>"
        );
    }
    let x = LEFT + 38.0;
    let requests = match run.facts.requests {
        Some(n) => format!(" ({n} requests)"),
        None => String::new(),
    };
    put!(
        out,
        "<text x=\"{x}\" y=\"{y}\">{}  {}{requests}</text>",
        letter(number),
        xml_escaped(&run.label, LABEL_CHARS_MAX)
    );
}

fn draw(out: &mut String, panel: &Panel, top: f64) {
    let axes = Axes::new(panel, top);
    put!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"15\" font-weight=\"bold\">{} by percentile</text>",
        top - 14.0,
        panel.title
    );
    let mut remarks: Vec<String> = panel
        .curves
        .iter()
        .filter_map(|drawn| Some(format!("{}: {}", letter(drawn.run), drawn.instead?)))
        .collect();
    remarks.extend(panel.empty.iter().map(|run| format!("{}: none", letter(*run))));
    if !remarks.is_empty() {
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#666\">{}</text>",
            WIDTH - RIGHT,
            top - 14.0,
            remarks.join(", ")
        );
    }
    axes.draw(out, panel.title);
    for drawn in &panel.curves {
        line(out, &axes, drawn);
    }
}

fn line(out: &mut String, axes: &Axes, drawn: &Drawn) {
    let (colour, dash) = colour(drawn.run);
    match &drawn.curve {
        Curve::Whole(points) => {
            let path = path(axes, points);
            put!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"{dash}/>"
            );
        }
        // Nothing is known between the percentiles of a summary, so they are not joined.
        Curve::Points(points) => {
            for (ms, share) in points {
                let (x, y) = (axes.x(*share), axes.y(*ms));
                put!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{colour}\"/>"
                );
            }
        }
    }
}

/// Returns the path of the quantile function.
fn path(axes: &Axes, points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for (place, ms) in quantile_line(points, axes.nines()) {
        let (x, y) = (axes.x_of(place), axes.y(ms));
        let close = last.is_some_and(|(a, b)| (a - x).abs() < PIXEL && (b - y).abs() < PIXEL);
        if !close {
            let to = if last.is_none() { 'M' } else { 'L' };
            write!(path, "{to}{x:.1} {y:.1}").expect("writing to a string does not fail");
            last = Some((x, y));
        }
    }
    path
}
