//! Collects the requests of a file that lists them one by one: values per metric and rows per second, in bounded
//! memory.

use super::definition::{Definition, OTHER_CLOCK};
use crate::compare::read::error::Result;
use crate::compare::read::samples::{Seconds, UnixNanos, record};
use crate::compare::{RAW_VALUES_MAX, Scalar, Slice, Stat, Trend, Values};
use crate::metrics::Distribution;

/// What a file says of one request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// When it was sent and when it ended, on any clock; `None` if the file does not say.
    pub span: Option<(UnixNanos, UnixNanos)>,
    pub ok: bool,
    pub output_tokens: u64,
}

/// The requests of a file, and the values of the metrics that they have.
pub struct Gathered {
    metrics: Vec<Series>,
    requests: Seconds,
    failed: Seconds,
    tokens: Seconds,
    /// The first send and the last end.
    span: Option<(UnixNanos, UnixNanos)>,
    pub count: u64,
    pub ok: u64,
    pub output_tokens: u64,
}

struct Series {
    definition: &'static Definition,
    raw: Vec<f64>,
    /// The values as a histogram, instead of `raw`, if there are too many.
    histogram: Option<Box<Distribution>>,
    negative: u64,
    seconds: Seconds,
}

impl Gathered {
    /// Begins with no request. Values come by the index of their definition.
    pub fn new(definitions: &'static [Definition]) -> Gathered {
        let series = |definition| Series {
            definition,
            raw: Vec::new(),
            histogram: None,
            negative: 0,
            seconds: Seconds::new(),
        };
        Gathered {
            metrics: definitions.iter().map(series).collect(),
            requests: Seconds::new(),
            failed: Seconds::new(),
            tokens: Seconds::new(),
            span: None,
            count: 0,
            ok: 0,
            output_tokens: 0,
        }
    }

    pub fn request(&mut self, request: Request) {
        self.count += 1;
        self.ok += u64::from(request.ok);
        self.output_tokens += request.output_tokens;
        let Some((begin, end)) = request.span else { return };
        let (first, last) = self.span.get_or_insert((begin, end));
        (*first, *last) = ((*first).min(begin), (*last).max(end));
        self.requests.add(end, 1.0);
        self.failed.add(end, f64::from(!request.ok));
        self.tokens.add(end, request.output_tokens as f64);
    }

    /// Adds a value in milliseconds to the metric of our name, if this tool has it. `end` is the end of its request; a
    /// metric without it has no rows per second.
    pub fn value(&mut self, metric: &str, end: Option<UnixNanos>, ms: f64) {
        let Some(series) = self.metrics.iter_mut().find(|s| s.definition.metric == metric) else {
            return;
        };
        if let Some(end) = end {
            series.seconds.add(end, ms);
        }
        series.add(ms);
    }

    /// Returns the seconds from the first send to the last end.
    pub fn seconds(&self) -> Option<f64> {
        let (first, last) = self.span?;
        Some((last - first) as f64 / 1e9).filter(|s| *s > 0.0)
    }

    pub fn first_send(&self) -> Option<UnixNanos> {
        self.span.map(|(first, _)| first)
    }

    /// Gives scalars of these names the rows per second of the requests.
    pub fn give_rows(&mut self, scalars: &mut [Scalar]) {
        let Some((first, last)) = self.span else { return };
        for (metric, seconds) in [
            ("requests", &mut self.requests),
            ("error_rate", &mut self.failed),
            ("output_tokens", &mut self.tokens),
        ] {
            if let Some(scalar) = scalars.iter_mut().find(|s| s.metric == metric) {
                scalar.slices = std::mem::replace(seconds, Seconds::new()).into_slices(first, last);
            }
        }
    }

    /// Returns the trends, each with the figures that `stated` finds in the file.
    pub fn into_trends(
        self,
        stated: impl Fn(&Definition) -> Result<Vec<(Stat, f64)>>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Trend>> {
        let span = self.span;
        let mut trends = Vec::new();
        for series in self.metrics {
            let definition = series.definition;
            if series.negative > 0 {
                notes.push(format!(
                    "`{}` has {} negative values ({OTHER_CLOCK}), which count as 0",
                    definition.source, series.negative
                ));
            }
            let (values, slices) = series.into_values(span);
            let stated = stated(definition)?;
            trends.extend(definition.trend(values, stated, slices));
        }
        Ok(trends)
    }
}

impl Series {
    fn add(&mut self, ms: f64) {
        match &mut self.histogram {
            Some(histogram) => record(histogram, ms, &mut self.negative),
            None if self.raw.len() < RAW_VALUES_MAX => {
                self.negative += u64::from(ms < 0.0);
                self.raw.push(ms.max(0.0));
            }
            None => {
                let mut histogram = Box::new(Distribution::new());
                let mut counted = 0;
                for value in std::mem::take(&mut self.raw) {
                    record(&mut histogram, value, &mut counted);
                }
                record(&mut histogram, ms, &mut self.negative);
                self.histogram = Some(histogram);
            }
        }
    }

    fn into_values(mut self, span: Option<(UnixNanos, UnixNanos)>) -> (Values, Vec<Slice>) {
        self.raw.sort_unstable_by(f64::total_cmp);
        let slices = match span {
            Some((first, last)) if !self.seconds.is_empty() => self.seconds.into_slices(first, last),
            _ => Vec::new(),
        };
        let values = match self.histogram {
            Some(histogram) => Values::Histogram(histogram),
            None => Values::Raw(self.raw),
        };
        (values, slices)
    }
}
