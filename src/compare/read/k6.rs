//! Maps k6's metrics to ours. All forms of k6's results end in this.

use super::error::Result;
use crate::compare::{Figure, Format, Other, Run, RunFacts, Scalar, Slice, Stat, Trend, Values, Verdict};

/// A metric in one of the forms of k6's results. Times are in milliseconds in all of them.
#[derive(Clone, Debug)]
pub struct K6Metric {
    /// The name, such as `http_req_duration` or `http_req_duration{expected_response:true}`.
    pub name: String,
    pub shape: Shape,
    /// The unit, if the form gives it.
    pub unit: &'static str,
    pub slices: Vec<Slice>,
}

#[derive(Clone, Debug)]
pub enum Shape {
    Counter {
        count: f64,
        rate: Option<f64>,
    },
    Gauge {
        last: Option<f64>,
        max: Option<f64>,
    },
    /// `hits` are the samples that are not 0. k6 calls them passes or matches; for http_req_failed they are failures.
    Rate {
        share: f64,
        hits: Option<u64>,
        of: Option<u64>,
    },
    Trend(Values),
}

#[derive(Clone, Debug, Default)]
pub struct K6Run {
    pub facts: RunFacts,
    pub metrics: Vec<K6Metric>,
    pub thresholds: Vec<Verdict>,
    pub notes: Vec<String>,
    /// The reason why rates per second are less exact than the rest, if they are.
    pub rates_differ: Option<&'static str>,
}

struct Meaning {
    name: &'static str,
    metric: &'static str,
    differs: Option<&'static str>,
}

const fn means(name: &'static str, metric: &'static str, differs: Option<&'static str>) -> Meaning {
    Meaning {
        name,
        metric,
        differs,
    }
}

/// The trends, each with our metric of the same meaning. http_req_waiting is not ttft: it ends with the first byte of
/// the head, which a server sends before it has a token.
const TRENDS: [Meaning; 9] = [
    means("http_req_duration", "service_time", None),
    means("http_req_waiting", "ttfb", Some("from the last byte sent")),
    means("iteration_duration", "iteration", Some("includes think time")),
    means(
        "http_req_connecting",
        "connect",
        Some("0 for each request on an open connection"),
    ),
    means(
        "http_req_tls_handshaking",
        "tls",
        Some("0 for each request on an open connection"),
    ),
    means(
        "llm_request_duration",
        "service_time",
        Some("xk6-llm: measured by its own HTTP client, connecting included"),
    ),
    means(
        "llm_ttft",
        "ttft",
        Some("from the call, not from the due time; stamped after parsing"),
    ),
    means("llm_itl", "tbt", Some("stamped after parsing")),
    means(
        "llm_tpot",
        "tpot",
        Some("to the end of the response, not to the last token"),
    ),
];

/// The counters, each with our metric and that of its rate per second.
const COUNTERS: [(&str, &str, Option<&str>); 8] = [
    ("http_reqs", "requests", Some("requests_per_second")),
    ("iterations", "iterations", None),
    ("dropped_iterations", "dropped_iterations", None),
    ("data_sent", "bytes_sent", None),
    ("data_received", "bytes_received", None),
    ("llm_requests", "requests", Some("requests_per_second")),
    ("llm_errors", "failed", None),
    (
        "llm_completion_tokens",
        "output_tokens",
        Some("output_tokens_per_second"),
    ),
];

/// The built-in trends of time that have no counterpart among ours.
const OTHER_TIMES: [&str; 4] = [
    "http_req_blocked",
    "http_req_sending",
    "http_req_receiving",
    "group_duration",
];
/// Metrics of k6 that are not compared if xk6-llm's metric is there: then they cover only other requests, such as a
/// health check.
const OUTRANKED: [(&str, &str); 3] = [
    ("http_req_duration", "llm_request_duration"),
    ("http_reqs", "llm_requests"),
    ("http_req_failed", "llm_requests"),
];
const SSE_TIMES: &str = "xk6-sse: from connecting to the end, TLS included";

/// The type of a built-in metric, which is known even if the file does not give it.
pub enum Builtin {
    Counter,
    Gauge,
    Rate,
    Trend,
}

/// Returns the type of a built-in metric; `None` if it is a script's own.
pub fn builtin(name: &str) -> Option<Builtin> {
    let is = |list: &[&str]| list.contains(&name);
    Some(match name {
        "vus" | "vus_max" => Builtin::Gauge,
        "http_req_failed" | "checks" => Builtin::Rate,
        _ if OTHER_TIMES.contains(&name) || TRENDS.iter().any(|t| t.name == name) => Builtin::Trend,
        _ if COUNTERS.iter().any(|(n, ..)| *n == name) || is(&["sse_event", "llm_prompt_tokens"]) => {
            Builtin::Counter
        }
        _ => return None,
    })
}

impl K6Run {
    /// Builds the run, with k6's metrics under our names.
    pub fn into_run(self, label: &str, format: Format) -> Result<Run> {
        let mut run = Run {
            thresholds: self.thresholds.clone(),
            notes: self.remarks(),
            ..Run::new(label, format, self.facts.clone())
        };
        for metric in &self.metrics {
            if !self.is_outranked(&metric.name) && self.add_metric(metric, &mut run) {
                continue;
            }
            run.others.push(other(metric));
        }
        self.peak_vus(&mut run);
        self.llm_error_rate(&mut run);
        run.facts.requests = scalar_of(&run, "requests").map(|v| v as u64);
        Ok(run)
    }

    fn find(&self, name: &str) -> Option<&K6Metric> {
        self.metrics.iter().find(|m| m.name == name)
    }

    fn counted(&self, name: &str) -> Option<u64> {
        match self.find(name)?.shape {
            Shape::Counter { count, .. } => Some(count as u64),
            _ => None,
        }
    }

    fn is_outranked(&self, name: &str) -> bool {
        OUTRANKED
            .iter()
            .any(|(own, by)| *own == name && self.find(by).is_some())
    }

    fn has_sse(&self) -> bool {
        self.find("sse_event").is_some()
    }

    /// Adds a metric under our name. Returns false if it has no counterpart, or is not of the type that k6's metric of
    /// that name has.
    fn add_metric(&self, metric: &K6Metric, run: &mut Run) -> bool {
        match &metric.shape {
            Shape::Trend(values) => {
                let Some(meaning) = TRENDS.iter().find(|t| t.name == metric.name) else {
                    return false;
                };
                // k6 with xk6-sse measures something else under the same names.
                let sse = self.has_sse() && metric.name == "http_req_duration";
                run.trends.push(Trend {
                    metric: meaning.metric,
                    source: metric.name.clone(),
                    differs: if sse { Some(SSE_TIMES) } else { meaning.differs },
                    sense: "",
                    stated: Vec::new(),
                    values: self.with_count(&metric.name, values),
                    intervals: Vec::new(),
                    slices: metric.slices.clone(),
                });
                true
            }
            Shape::Counter { count, rate } => {
                let Some((_, name, per_second)) = COUNTERS.iter().find(|c| c.0 == metric.name) else {
                    return false;
                };
                let unit = if name.starts_with("bytes") { "bytes" } else { "" };
                run.scalars.push(scalar(name, metric, unit, *count));
                let seconds = self.facts.duration_seconds.filter(|s| *s > 0.0);
                let rate = rate.or_else(|| Some(count / seconds?));
                if let (Some(name), Some(rate)) = (per_second, rate) {
                    run.scalars.push(Scalar {
                        differs: self.rates_differ,
                        slices: Vec::new(),
                        ..scalar(name, metric, "/s", rate)
                    });
                }
                true
            }
            Shape::Rate { share, hits, of } => {
                let name = match metric.name.as_str() {
                    "http_req_failed" => "error_rate",
                    "checks" => "checks",
                    _ => return false,
                };
                let whole = scalar(name, metric, "", *share);
                run.scalars.push(Scalar { of: *of, ..whole });
                if let (Some(hits), "error_rate") = (hits, name) {
                    let failed = scalar("failed", metric, "", *hits as f64);
                    run.scalars.push(Scalar {
                        slices: Vec::new(),
                        ..failed
                    });
                }
                true
            }
            Shape::Gauge { .. } => matches!(metric.name.as_str(), "vus" | "vus_max"),
        }
    }

    /// Adds the count that a summary does not give: k6 has one value of each http_req_* per request, and one
    /// iteration_duration per iteration.
    fn with_count(&self, name: &str, values: &Values) -> Values {
        let Values::Summary { count: None, stats } = values else {
            return values.clone();
        };
        let count = match name {
            // xk6-sse pushes values twice per request, or for other requests.
            _ if self.has_sse() => None,
            "iteration_duration" => self.counted("iterations"),
            "llm_request_duration" => self.counted("llm_requests"),
            _ if name.starts_with("http_req_") => self.counted("http_reqs"),
            _ => None,
        };
        let stats: Vec<(Stat, f64)> = stats.clone();
        Values::Summary { count, stats }
    }

    /// Adds the peak of active VUs, or of initialised ones if the run was over before k6 counted active ones.
    fn peak_vus(&self, run: &mut Run) {
        let peak = |name: &str| match self.find(name)?.shape {
            Shape::Gauge { last, max } => max.or(last),
            _ => None,
        };
        let (source, value) = match (peak("vus"), peak("vus_max")) {
            (Some(active), _) => ("vus", active),
            (None, Some(initialised)) => ("vus_max", initialised),
            (None, None) => return,
        };
        run.facts.peak_vus = Some(value as u64);
        run.scalars.push(Scalar {
            metric: "peak_vus",
            source: source.to_string(),
            differs: (source == "vus_max").then_some("initialised, not active"),
            sense: "",
            unit: "",
            value,
            of: None,
            slices: Vec::new(),
        });
    }

    fn llm_error_rate(&self, run: &mut Run) {
        let Some(requests) = self.counted("llm_requests").filter(|n| *n > 0) else {
            return;
        };
        let errors = self.counted("llm_errors").unwrap_or(0);
        run.scalars.push(Scalar {
            metric: "error_rate",
            source: "llm_errors, llm_requests".to_string(),
            differs: None,
            sense: "",
            unit: "",
            value: errors as f64 / requests as f64,
            of: Some(requests),
            slices: Vec::new(),
        });
    }

    /// Returns notes on figures that do not mean what they seem to.
    fn remarks(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        for (own, by) in OUTRANKED {
            if self.is_outranked(own) {
                notes.push(format!(
                    "`{own}` is not compared, because xk6-llm's `{by}` covers the requests to the model"
                ));
            }
        }
        if self.has_sse() {
            notes.push(
                "written with xk6-sse: `http_req_duration` includes connecting and TLS, each stream opens a new \
                 connection, and `http_req_sending` holds the time to the head, twice a request"
                    .to_string(),
            );
        }
        for metric in self.metrics.iter().filter(|m| names_first_token(&m.name)) {
            notes.push(self.first_token_note(metric));
        }
        notes
    }

    /// Returns the note on a script's own trend whose name suggests the first token: it may measure anything.
    fn first_token_note(&self, metric: &K6Metric) -> String {
        let name = &metric.name;
        let waiting = self.find("http_req_waiting");
        let both = waiting.map(|w| (extremes(&w.shape), extremes(&metric.shape)));
        let is_waiting = both.is_some_and(|(a, b)| b.iter().any(|v| a.contains(v)));
        let what = match is_waiting {
            true => "its values are those of `http_req_waiting`, which ends with the first byte of the head",
            false => "it is a script's own trend, which may measure anything",
        };
        format!("`{name}` is not compared with ttft: {what}")
    }
}

fn names_first_token(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let own = TRENDS.iter().all(|t| t.name != name) && !name.contains('{');
    own && ["ttft", "first_token", "firsttoken", "time_to_first"]
        .iter()
        .any(|word| lower.contains(word))
}

fn extremes(shape: &Shape) -> Vec<u64> {
    match shape {
        Shape::Trend(values) => {
            let figures = [values.min(), values.max(), values.percentile(50.0)];
            figures
                .into_iter()
                .flatten()
                .filter(|v| *v > 0.0)
                .map(f64::to_bits)
                .collect()
        }
        _ => Vec::new(),
    }
}

fn scalar(name: &'static str, metric: &K6Metric, unit: &'static str, value: f64) -> Scalar {
    Scalar {
        slices: metric.slices.clone(),
        ..Scalar::new(name, &metric.name, unit, value)
    }
}

fn scalar_of(run: &Run, metric: &str) -> Option<f64> {
    run.scalars.iter().find(|s| s.metric == metric).map(|s| s.value)
}

fn other(metric: &K6Metric) -> Other {
    let base = metric.name.split('{').next().unwrap_or_default();
    let is_time = OTHER_TIMES.contains(&base) || TRENDS.iter().any(|t| t.name == base);
    Other {
        source: metric.name.clone(),
        unit: if is_time { "ms" } else { metric.unit },
        figure: match &metric.shape {
            Shape::Trend(values) => Figure::Values(values.clone()),
            Shape::Counter { count, .. } => Figure::Number(*count),
            Shape::Gauge { last, max } => Figure::Number(max.or(*last).unwrap_or(0.0)),
            Shape::Rate { share, of, .. } => Figure::Share {
                share: *share,
                of: *of,
            },
        },
    }
}

/// Parses `avg`, `med`, `p(99.9)`, `p95` or `p95.00`; returns `None` if the key is not a statistic.
pub fn stat(key: &str) -> Option<Stat> {
    Some(match key {
        "min" => Stat::Min,
        "max" => Stat::Max,
        "avg" | "mean" => Stat::Mean,
        "med" | "median" => Stat::Percentile(50.0),
        _ => {
            let p = key.strip_prefix('p')?;
            let p = p.strip_prefix('(').map_or(Some(p), |p| p.strip_suffix(')'))?;
            let is_number = p.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let p: f64 = p.parse().ok().filter(|_| is_number)?;
            (0.0..=100.0).contains(&p).then_some(Stat::Percentile(p))?
        }
    })
}
