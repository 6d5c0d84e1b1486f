//! A chart: a plot that stretches with the page, with texts that do not, and a table of the figures behind it.
//!
//! The lines are an SVG of 1000 by 1000 units that is stretched to the width there is; strokes keep their width.
//! Numbers and names are HTML, so that they are as large on a phone as the text around them.

use super::html::{escaped, put};
use crate::chart::{Scale, path, thinned};

/// The most stretches of a line, each with its lowest and highest point.
const STRETCHES: usize = 250;
/// The least distance between two marks whose names stand apart, as a share of the width.
const MARKS_APART: f64 = 0.05;
/// The least width of a band that has its name, as a share of the width.
const NAMED_BAND_MIN: f64 = 0.07;

pub(super) struct Line {
    pub name: String,
    /// The number of its colour; 6 is grey.
    pub colour: usize,
    pub dashed: bool,
    /// Its points, from 0 to 1 to the right.
    pub points: Vec<(f64, Option<f64>)>,
    /// Single points, which nothing joins.
    pub dots: bool,
}

/// A part of the axis with a name: a stage.
#[derive(Clone)]
pub(super) struct Band {
    pub from: f64,
    pub to: f64,
    pub name: String,
}

/// A place on the axis with a short name: where a threshold failed for good.
#[derive(Clone)]
pub(super) struct Mark {
    pub at: f64,
    pub name: String,
}

pub(super) struct Chart<'a> {
    pub id: String,
    pub title: String,
    /// What the chart shows, for those who cannot see it.
    pub description: String,
    pub small: bool,
    pub y: Scale,
    pub y_text: fn(f64) -> String,
    /// The places to the right that get a number, from 0 to 1.
    pub x_ticks: Vec<(f64, String)>,
    pub x_title: &'a str,
    pub bands: &'a [Band],
    pub named_bands: bool,
    pub marks: &'a [Mark],
    pub lines: Vec<Line>,
    /// A table of the figures.
    pub table: String,
}

impl Chart<'_> {
    pub fn write(&self, out: &mut String) {
        let small = if self.small { " class=\"small\"" } else { "" };
        put!(
            out,
            "<figure{small}><figcaption><h3 id=\"{}\">{}</h3>",
            self.id,
            escaped(&self.title)
        );
        self.legend(out);
        out.push_str("</figcaption>\n<div class=\"plot\"><div class=\"ys\" aria-hidden=\"true\">");
        for value in self.y.ticks() {
            let bottom = self.y.place(value) * 100.0;
            let text = escaped(&(self.y_text)(value));
            out.push_str(&format!("<span style=\"bottom:{bottom:.1}%\">{text}</span>"));
        }
        out.push_str("</div>\n<div class=\"area\">");
        self.svg(out);
        self.tags(out);
        out.push_str("</div>\n<div class=\"xs\" aria-hidden=\"true\">");
        for (at, name) in &self.x_ticks {
            // On a phone there is room for half of them.
            let class = match name.as_str() {
                "p75" | "p95" => "h",
                name if name.starts_with('p') || name == "min" || self.x_ticks.len() < 6 => "",
                _ => "m",
            };
            let (left, name) = (at * 100.0, escaped(name));
            out.push_str(&format!(
                "<span class=\"{class}\" style=\"left:{left:.1}%\">{name}</span>"
            ));
        }
        put!(
            out,
            "</div><div class=\"xt\" aria-hidden=\"true\">{}</div></div>",
            escaped(self.x_title)
        );
        if !self.table.is_empty() {
            put!(
                out,
                "<details><summary>The figures behind \u{201c}{}\u{201d}</summary>\n{}</details>",
                escaped(&self.title),
                self.table
            );
        }
        out.push_str("</figure>\n");
    }

    fn legend(&self, out: &mut String) {
        let named: Vec<&Line> = self.lines.iter().filter(|line| !line.name.is_empty()).collect();
        if named.is_empty() {
            return;
        }
        out.push_str("<ul class=\"legend\">");
        for line in named {
            let sample = if line.dots { "M14 6h0" } else { "M1 6H27" };
            out.push_str(&format!(
                "<li><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\"><path class=\"{}\" d=\"{sample}\"/></svg>{}</li>",
                class(line),
                escaped(&line.name)
            ));
        }
        out.push_str("</ul>");
    }

    fn svg(&self, out: &mut String) {
        let id = &self.id;
        put!(
            out,
            "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            escaped(&self.title),
            escaped(&self.description)
        );
        for band in self.bands {
            put!(
                out,
                "<rect class=\"b\" x=\"{:.1}\" y=\"0\" width=\"{:.1}\" height=\"1000\"/>",
                band.from * 1000.0,
                (band.to - band.from).max(0.0) * 1000.0
            );
        }
        let mut grid = String::new();
        for value in self.y.ticks() {
            grid.push_str(&format!("M0 {:.0}H1000", 1000.0 - self.y.place(value) * 1000.0));
        }
        for (at, _) in &self.x_ticks {
            grid.push_str(&format!("M{:.0} 0V1000", at * 1000.0));
        }
        put!(out, "<path class=\"g\" d=\"{grid}\"/>");
        for line in &self.lines {
            let d = self.path(line);
            put!(out, "<path class=\"{}\" d=\"{d}\"/>", class(line));
        }
        for mark in self.marks {
            put!(out, "<path class=\"k\" d=\"M{:.1} 0V1000\"/>", mark.at * 1000.0);
        }
        out.push_str("</svg>");
    }

    fn path(&self, line: &Line) -> String {
        let place = |(x, y): (f64, Option<f64>)| (x * 1000.0, y.map(|y| 1000.0 - self.y.place(y) * 1000.0));
        if line.dots {
            let known = line
                .points
                .iter()
                .filter_map(|(x, y)| Some(place((*x, Some((*y)?)))));
            let dots = known.filter_map(|(x, y)| Some(format!("M{x:.0} {:.0}h0", y?)));
            return dots.collect();
        }
        path(thinned(&line.points, STRETCHES).into_iter().map(place))
    }

    /// Writes the names of bands and marks.
    fn tags(&self, out: &mut String) {
        let named = self.bands.iter().filter(|_| self.named_bands);
        for band in named.filter(|band| band.to - band.from >= NAMED_BAND_MIN) {
            out.push_str(&format!(
                "<span class=\"tag stg\" style=\"left:{:.1}%\">{}</span>",
                (band.from + band.to) * 50.0,
                escaped(&band.name)
            ));
        }
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        for close in marks.chunk_by(|a, b| b.at - a.at < MARKS_APART) {
            let names: Vec<&str> = close.iter().map(|mark| mark.name.as_str()).collect();
            out.push_str(&format!(
                "<span class=\"tag brk\" style=\"left:{:.1}%\">{}</span>",
                close[0].at * 100.0,
                escaped(&names.join(" "))
            ));
        }
    }
}

fn class(line: &Line) -> String {
    let dashed = if line.dashed { " d" } else { "" };
    let dots = if line.dots { " p" } else { "" };
    format!("s s{}{dashed}{dots}", line.colour)
}
