//! Collects raw samples into metrics, in bounded memory.

use super::k6::{Builtin, K6Metric, K6Run, Shape, builtin};
use crate::compare::{RAW_VALUES_MAX, RunFacts, Slice, Values};
use crate::metrics::Distribution;
use crate::units::SECOND;
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The number of a script's own metrics that are kept. Those of k6 and xk6-llm are always kept.
pub const OWN_METRICS_MAX: usize = 100;
/// The largest number of rows of a metric's timeline: a day of seconds. A longer run has rows of 2 s, 4 s and so on.
const ROWS_MAX: usize = 24 * 3600;

/// A sample's time, in nanoseconds since 1970. k6 stamps the end of the time that it measured.
pub type UnixNanos = i128;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    Rate,
    Trend,
}

#[derive(Default)]
pub struct Samples {
    index: HashMap<Box<str>, usize>,
    series: Vec<Series>,
    /// The number of samples of metrics beyond the limit.
    left_out: u64,
    /// The start of the first sample, and the end of the last.
    span: Option<(UnixNanos, UnixNanos)>,
    /// The number of requests of setup() and teardown().
    around: u64,
    pub target: Option<String>,
}

pub struct Series {
    name: String,
    kind: Kind,
    unit: &'static str,
    count: u64,
    sum: f64,
    hits: u64,
    /// The time and value of the last sample.
    last: (UnixNanos, f64),
    max: f64,
    raw: Vec<f64>,
    /// The values as a histogram, instead of `raw`, if there are too many.
    histogram: Option<Box<Distribution>>,
    negative: u64,
    seconds: Seconds,
}

impl Samples {
    /// Returns the number of a metric; `None` if there are too many of a script's own.
    pub fn series(&mut self, name: &str, kind: Option<Kind>, unit: &'static str) -> Option<usize> {
        if let Some(i) = self.index.get(name) {
            return Some(*i);
        }
        let known = builtin(name).map(|b| match b {
            Builtin::Counter => Kind::Counter,
            Builtin::Gauge => Kind::Gauge,
            Builtin::Rate => Kind::Rate,
            Builtin::Trend => Kind::Trend,
        });
        let own = self.series.iter().filter(|s| builtin(&s.name).is_none()).count();
        if known.is_none() && own >= OWN_METRICS_MAX {
            self.left_out += 1;
            return None;
        }
        let i = self.series.len();
        self.index.insert(name.into(), i);
        self.series.push(Series {
            name: name.to_string(),
            kind: kind.or(known).unwrap_or(Kind::Trend),
            unit,
            count: 0,
            sum: 0.0,
            hits: 0,
            last: (i128::MIN, 0.0),
            max: f64::NEG_INFINITY,
            raw: Vec::new(),
            histogram: None,
            negative: 0,
            seconds: Seconds::new(),
        });
        Some(i)
    }

    /// Adds a sample, whose value has to be finite.
    pub fn add(&mut self, series: usize, at: UnixNanos, value: f64) {
        let series = &mut self.series[series];
        series.add(at, value);
        let is_time = series.kind == Kind::Trend && series.unit_of_time();
        let length = if is_time {
            (value.max(0.0) * 1e6) as i128
        } else {
            0
        };
        let begin = at.saturating_sub(length);
        let (first, last) = self.span.get_or_insert((begin, at));
        (*first, *last) = ((*first).min(begin), (*last).max(at));
    }

    /// Counts a request that setup() or teardown() made.
    pub fn add_around(&mut self) {
        self.around += 1;
    }

    /// Builds k6's run from the samples.
    pub fn into_run(self, note_of_rates: Option<&'static str>) -> K6Run {
        let mut run = K6Run {
            rates_differ: note_of_rates,
            ..K6Run::default()
        };
        let (first, last) = self.span.unwrap_or((0, 0));
        run.facts = RunFacts {
            tool: Some("k6".to_string()),
            target: self.target,
            started_at: rfc3339(first),
            duration_seconds: Some((last - first) as f64 / SECOND as f64).filter(|s| *s > 0.0),
            ..RunFacts::default()
        };
        if self.around > 0 {
            let n = self.around;
            run.notes
                .push(format!("{n} of the requests were made by setup() and teardown()"));
        }
        if self.left_out > 0 {
            let n = self.left_out;
            let text = format!(
                "{n} samples were ignored, because only {OWN_METRICS_MAX} of a script's own metrics are kept"
            );
            run.notes.push(text);
        }
        for series in self.series.into_iter().filter(|s| s.count > 0) {
            series.remarks(&mut run.notes);
            run.metrics.push(series.into_metric(first, last));
        }
        run
    }
}

impl Series {
    fn unit_of_time(&self) -> bool {
        self.unit == "ms" || self.name.starts_with("http_req_") || self.name.starts_with("iteration_")
    }

    fn add(&mut self, at: UnixNanos, value: f64) {
        self.count += 1;
        self.sum += value;
        self.hits += u64::from(value != 0.0);
        self.max = self.max.max(value);
        if at >= self.last.0 {
            self.last = (at, value);
        }
        // The sum of a gauge means nothing, and the sum of a rate counts its hits.
        match self.kind {
            Kind::Gauge => return,
            Kind::Rate => self.seconds.add(at, f64::from(value != 0.0)),
            Kind::Counter | Kind::Trend => self.seconds.add(at, value),
        }
        if self.kind != Kind::Trend {
            return;
        }
        match &mut self.histogram {
            Some(histogram) => record(histogram, value, &mut self.negative),
            None if self.raw.len() < RAW_VALUES_MAX => self.raw.push(value),
            None => {
                let mut histogram = Box::new(Distribution::new());
                for value in std::mem::take(&mut self.raw) {
                    record(&mut histogram, value, &mut self.negative);
                }
                record(&mut histogram, value, &mut self.negative);
                self.histogram = Some(histogram);
            }
        }
    }

    fn remarks(&self, notes: &mut Vec<String>) {
        let name = &self.name;
        if let Some(histogram) = &self.histogram {
            let width = histogram.bucket_width_at(0.5).map_or(0.0, crate::units::millis);
            notes.push(format!(
                "`{name}` has {} values, more than {RAW_VALUES_MAX}, so they are kept as a histogram with buckets at most 0.1 % \
                 wide ({width} ms at the median), and percentiles are by rank instead of k6's interpolation",
                self.count
            ));
        }
        if self.negative > 0 {
            let n = self.negative;
            notes.push(format!(
                "`{name}` has {n} negative values (a clock was set back), which count as 0"
            ));
        }
    }

    fn into_metric(mut self, first: UnixNanos, last: UnixNanos) -> K6Metric {
        self.raw.sort_unstable_by(f64::total_cmp);
        let slices = match self.kind {
            Kind::Gauge => Vec::new(),
            _ => std::mem::replace(&mut self.seconds, Seconds::new()).into_slices(first, last),
        };
        let shape = match self.kind {
            Kind::Counter => Shape::Counter {
                count: self.sum,
                rate: None,
            },
            Kind::Gauge => Shape::Gauge {
                last: Some(self.last.1),
                max: Some(self.max),
            },
            Kind::Rate => Shape::Rate {
                share: self.hits as f64 / self.count as f64,
                hits: Some(self.hits),
                of: Some(self.count),
            },
            Kind::Trend => Shape::Trend(match self.histogram {
                Some(histogram) => Values::Histogram(histogram),
                None => Values::Raw(self.raw),
            }),
        };
        K6Metric {
            name: self.name,
            shape,
            unit: self.unit,
            slices,
        }
    }
}

/// Records a value in milliseconds.
pub(super) fn record(histogram: &mut Distribution, ms: f64, negative: &mut u64) {
    *negative += u64::from(ms < 0.0);
    // A float that is too large becomes the largest integer, which is counted as out of range.
    histogram.record((ms * 1e6).round() as u64);
}

pub(super) fn rfc3339(unix_ns: UnixNanos) -> Option<String> {
    let t = OffsetDateTime::from_unix_timestamp_nanos(unix_ns).ok()?;
    let t = t.replace_nanosecond(t.millisecond() as u32 * 1_000_000).ok()?;
    t.format(&Rfc3339).ok()
}

/// The count and sum of each second of wall clock. Samples may come in any order.
pub(super) struct Seconds {
    /// The seconds per row, a power of two.
    width: i64,
    rows: BTreeMap<i64, (u64, f64)>,
}

impl Seconds {
    pub fn new() -> Seconds {
        let rows = BTreeMap::new();
        Seconds { width: 1, rows }
    }

    pub fn add(&mut self, at: UnixNanos, value: f64) {
        let second = at.div_euclid(i128::from(SECOND)).clamp(-1 << 40, 1 << 40) as i64;
        let row = self.rows.entry(second.div_euclid(self.width)).or_default();
        *row = (row.0 + 1, row.1 + value);
        while self.rows.len() > ROWS_MAX {
            self.widen();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn widen(&mut self) {
        self.width *= 2;
        let mut rows: BTreeMap<i64, (u64, f64)> = BTreeMap::new();
        for (key, (count, sum)) in std::mem::take(&mut self.rows) {
            let row = rows.entry(key.div_euclid(2)).or_default();
            *row = (row.0 + count, row.1 + sum);
        }
        self.rows = rows;
    }

    /// Returns a row for each period from the run's first second to its last, including those without values.
    pub fn into_slices(mut self, first: UnixNanos, last: UnixNanos) -> Vec<Slice> {
        let second = |ns: UnixNanos| ns.div_euclid(i128::from(SECOND)).clamp(-1 << 40, 1 << 40) as i64;
        let (from, to) = (second(first), second(last));
        while (to - from) / self.width >= ROWS_MAX as i64 {
            self.widen();
        }
        let keys = from.div_euclid(self.width)..=to.div_euclid(self.width);
        let slice = |key: i64| {
            let (count, sum) = self.rows.get(&key).copied().unwrap_or_default();
            let end = i128::from((key + 1) * self.width) * i128::from(SECOND);
            Slice {
                elapsed: (end - first) as f64 / SECOND as f64,
                count,
                sum,
            }
        };
        keys.map(slice).collect()
    }
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod tests;
