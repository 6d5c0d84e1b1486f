//! Reads k6's `--out json`: one JSON object per line, which defines a metric or is a sample.

use super::error::{Result, without_position, wrong};
use super::input::{Bytes, next_line};
use super::samples::{Kind, Samples, UnixNanos};
use crate::compare::{Format, Run};
use crate::error::Reason;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The largest number of sub-metrics of one metric. k6 makes one for each threshold on tags.
const SUBMETRICS_MAX: usize = 32;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Point<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    value: f64,
    #[serde(borrow, default)]
    tags: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Definition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    contains: Cow<'a, str>,
    #[serde(default)]
    submetrics: Option<Vec<Submetric>>,
}

#[derive(Deserialize)]
struct Submetric {
    name: String,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

type Tags<'a> = HashMap<Cow<'a, str>, Cow<'a, str>>;

/// The tags that a sample of a sub-metric must have, and the sub-metric's number.
type Submatch = (BTreeMap<String, String>, usize);

#[derive(Default)]
struct Points {
    samples: Samples,
    /// The sub-metrics of each metric.
    parts: HashMap<String, Vec<Submatch>>,
    points: u64,
}

/// Reads a run from k6's raw points.
pub fn run(mut from: Bytes, label: &str) -> Result<Run> {
    let mut points = Points::default();
    let mut line = Vec::new();
    let mut number = 1;
    while next_line(&mut from, &mut line, number)? {
        let text = line.trim_ascii();
        if !text.is_empty() {
            points
                .line(text)
                .map_err(|e| e.within(format!("line {number}")))?;
        }
        number += 1;
    }
    if points.points == 0 {
        return Err(wrong("has no samples, that is, no line of type `Point`"));
    }
    points
        .samples
        .into_run(Some(
            "over the time from the start of the first sample to the last sample",
        ))
        .into_run(label, Format::K6Points)
}

impl Points {
    fn line(&mut self, text: &[u8]) -> Result<()> {
        let line: Line = parse(text, "an object with metric, type and data")?;
        match &*line.kind {
            "Point" => self.point(&line.metric, line.data.get().as_bytes()),
            "Metric" => self.definition(&line.metric, line.data.get().as_bytes()),
            other => {
                let what = format!("type is `{}`, expected `Metric` or `Point`", shortened(other));
                Err(wrong(what))
            }
        }
    }

    fn definition(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let definition: Definition = parse(data, "the definition of a metric")?;
        let kind = match &*definition.kind {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "rate" => Kind::Rate,
            "trend" => Kind::Trend,
            other => {
                let what = format!("`{}` is not a type of metric", shortened(other));
                return Err(wrong(what));
            }
        };
        let unit = match &*definition.contains {
            "time" => "ms",
            "data" => "bytes",
            _ => "",
        };
        self.samples.series(name, Some(kind), unit);
        let known = self.parts.get(name).map_or(0, Vec::len);
        for part in definition
            .submetrics
            .into_iter()
            .flatten()
            .take(SUBMETRICS_MAX - known.min(SUBMETRICS_MAX))
        {
            let Some(tags) = part.tags.filter(|t| !t.is_empty()) else {
                continue;
            };
            if let Some(i) = self.samples.series(&part.name, Some(kind), unit) {
                self.parts.entry(name.to_string()).or_default().push((tags, i));
            }
        }
        Ok(())
    }

    fn point(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let point: Point = parse(data, "a sample: time, value and tags")?;
        let at = rfc3339(&point.time)?;
        self.points += 1;
        if let Some(i) = self.samples.series(name, None, "") {
            self.samples.add(i, at, point.value);
        }
        let Some(raw) = point.tags.map(RawValue::get) else {
            return Ok(());
        };
        let is_request = name == "http_reqs";
        let parts = self.parts.get(name);
        if !is_request && parts.is_none() {
            return Ok(());
        }
        let tags: Tags =
            serde_json::from_str(raw).map_err(|e| wrong(format!("tags: {}", without_position(&e))))?;
        let tag = |key: &str| tags.get(key).map(|v| &**v);
        if is_request {
            if matches!(tag("group"), Some("::setup" | "::teardown")) {
                self.samples.add_around();
            }
            if self.samples.target.is_none() {
                self.samples.target = tag("url").and_then(origin);
            }
        }
        for (wanted, i) in parts.into_iter().flatten() {
            if wanted.iter().all(|(k, v)| tag(k) == Some(v)) {
                self.samples.add(*i, at, point.value);
            }
        }
        Ok(())
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8], expected: &str) -> Result<T> {
    serde_json::from_slice(text).map_err(|e| match e.is_eof() {
        true => Reason::new(format!("ends within {expected}"))
            .hint("the file is incomplete: copy it again, or remove its last line if the run was killed"),
        false => wrong(format!("is not {expected}: {}", without_position(&e))),
    })
}

/// Parses an instant in RFC 3339.
pub fn rfc3339(text: &str) -> Result<UnixNanos> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map(|t| t.unix_timestamp_nanos())
        .map_err(|_| wrong(format!("time `{}` is not RFC 3339", shortened(text))))
}

/// Returns the `http://host:port` of a URL.
pub fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    // Removes the user name and password of the URL, which must not get into a report.
    let host = host.rsplit('@').next()?;
    (!host.is_empty()).then(|| format!("{scheme}://{host}"))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
