//! Reads our own result document.

use super::error::{Result, json};
use super::input::Bytes;
use crate::compare::{Format, Run, RunFacts, Scalar, Slice, Trend, Values, Verdict, pairs};
use crate::error::Reason;
use crate::judge::ThresholdResult;
use crate::metrics::METRICS;
use crate::result::{
    Host, MetricFigures, Ordered, Rates, Repeat, RowFigures, RunResult, Schema, SpreadFigures, StampSource,
    Totals, read, schema_of,
};
use serde_json::Value;

/// The hint for a document that is not as it was written.
const REWRITE: &str = "copy the document again, or repeat the run; was it edited?";

/// The rates of a ramp that are shown: its first, and those of its first stages.
const STAGES_SHOWN: usize = 4;

/// Returns the schema that the first bytes of a file give, if it is one of ours.
pub fn schema_in(head: &[u8]) -> Option<String> {
    // The bytes are cut off anywhere, so errors mean nothing here; reading the whole file reports them.
    let schema = schema_of(head).ok().flatten()?;
    Schema::is_ours(&schema).then_some(schema)
}

/// Reads a document of the given schema, except for its details, so that memory does not grow with their number.
pub fn run(document: Bytes, schema: &str, label: &str) -> Result<Run> {
    Schema::check(schema).map_err(|reason| reason.within("`schema`"))?;
    let document = read(document).map_err(|e| json(e, REWRITE))?;
    document.check().map_err(|e| {
        let reason = Reason::new(e.what).hint(REWRITE);
        reason.within(format!("`{}`", e.key))
    })?;
    run_of(&document, label)
}

fn run_of(document: &RunResult, label: &str) -> Result<Run> {
    let facts = facts(document);
    let mut run = Section::from_document(document).run(label, "", facts.clone())?;
    run.scalars.extend(servers(document));
    run.paired = document.paired.as_ref().map(pairs::read);
    run.notes = document
        .warnings
        .iter()
        .map(|w| format!("warning: {}", w.message))
        .collect();
    for (i, repeat) in document.repeats.iter().enumerate() {
        let facts = RunFacts {
            started_at: Some(repeat.run.started_at.clone()),
            duration_seconds: Some(repeat.run.duration_seconds),
            exit_code: None,
            host: None,
            seed: None,
            stamp_source: None,
            io: None,
            ..facts.clone()
        };
        let label = format!("{label} run {}", i + 1);
        let repeat = Section::from_repeat(repeat).run(&label, &format!("repeats[{i}]."), facts)?;
        run.repeats.push(repeat);
    }
    Ok(run)
}

fn facts(document: &RunResult) -> RunFacts {
    let run = &document.run;
    RunFacts {
        tool: Some(tool(document)),
        profile: Some(run.profile.clone()),
        target: Some(run.target.clone()),
        host: host(&document.host),
        stamp_source: Some(match document.client.stamp_source {
            StampSource::Kernel => "kernel".to_owned(),
            StampSource::User => "user".to_owned(),
        }),
        io: Some(
            document
                .client
                .io
                .clone()
                .unwrap_or_else(crate::result::IoFigures::uring)
                .driver,
        ),
        seed: document.config.get("seed").and_then(Value::as_u64),
        started_at: Some(run.started_at.clone()),
        duration_seconds: Some(run.duration_seconds),
        exit_code: Some(run.exit_code.code()),
        load: load(&document.config),
        ..RunFacts::default()
    }
}

/// Describes the planned arrivals: `50/s, poisson`, or the stages of a ramp; `None` for users who wait for answers.
fn load(config: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let rates = match text(&config["rate"]) {
        Some(rate) => rate,
        None => {
            let start = text(&config["start_rate"])?;
            let stages = config["stages"].as_array().into_iter().flatten();
            let stage = |stage: &Value| {
                Some(format!(
                    "{} in {}",
                    text(&stage["target"])?,
                    text(&stage["duration"])?
                ))
            };
            let stages: Option<Vec<String>> = stages.map(stage).collect();
            let all: Vec<String> = std::iter::once(start).chain(stages?).collect();
            let shown = all.len().min(STAGES_SHOWN);
            let more = all.len() - shown;
            let rest = if more > 0 {
                format!(" and {more} more stages")
            } else {
                String::new()
            };
            format!("{}{rest}", all[..shown].join(", "))
        }
    };
    let arrival = text(&config["arrival"]).unwrap_or_default();
    Some(format!("{rates}, {arrival}"))
}

fn tool(document: &RunResult) -> String {
    match document.run.versions.get("llmload-uring") {
        Some(version) => format!("llmload-uring {version}"),
        None => "llmload-uring".to_owned(),
    }
}

/// Describes the host by the kernel, CPU model and CPUs that are known.
fn host(host: &Host) -> Option<String> {
    let parts = [
        host.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
        host.cpu.clone(),
        host.cpus_allowed
            .as_ref()
            .map(|cpus| format!("{} CPUs", cpus.len())),
    ];
    let line: Vec<String> = parts.into_iter().flatten().collect();
    (!line.is_empty()).then(|| line.join(", "))
}

/// The sections that a whole document and each of its repetitions have.
struct Section<'a> {
    totals: &'a Totals,
    rates: &'a Rates,
    metrics: &'a Ordered<MetricFigures>,
    timeline: &'a [RowFigures],
    thresholds: &'a [ThresholdResult],
}

impl<'a> Section<'a> {
    fn from_document(document: &'a RunResult) -> Section<'a> {
        Section {
            totals: &document.totals,
            rates: &document.rates,
            metrics: &document.metrics,
            timeline: &document.timeline,
            thresholds: &document.thresholds,
        }
    }

    fn from_repeat(repeat: &'a Repeat) -> Section<'a> {
        Section {
            totals: &repeat.totals,
            rates: &repeat.rates,
            metrics: &repeat.metrics,
            timeline: &repeat.timeline,
            thresholds: &repeat.thresholds,
        }
    }

    /// Builds a run. `place` is the beginning of keys in errors.
    fn run(&self, label: &str, place: &str, facts: RunFacts) -> Result<Run> {
        let verdict = |t: &ThresholdResult| Verdict {
            metric: t.metric.clone(),
            expression: t.expression.clone(),
            ok: t.ok,
        };
        let facts = RunFacts {
            peak_vus: Some(self.totals.peak_vus),
            requests: Some(self.totals.requests),
            ..facts
        };
        Ok(Run {
            trends: self.trends(place)?,
            scalars: self.scalars(),
            thresholds: self.thresholds.iter().map(verdict).collect(),
            ..Run::new(label, Format::Ours, facts)
        })
    }

    fn trends(&self, place: &str) -> Result<Vec<Trend>> {
        let mut trends = Vec::new();
        for metric in &METRICS {
            let Some(figures) = self.metrics.get(metric.key).filter(|figures| figures.count > 0) else {
                continue;
            };
            let values = figures.distribution().map_err(|what| {
                Reason::new(what)
                    .hint(REWRITE)
                    .within(format!("`{place}metrics.{}`", metric.key))
            })?;
            trends.push(Trend {
                metric: metric.key,
                source: metric.key.to_string(),
                differs: None,
                sense: "",
                stated: Vec::new(),
                values: Values::Histogram(Box::new(values)),
                intervals: intervals(figures),
                slices: match metric.key {
                    "latency" => self.values_of_rows(|row| row.latency),
                    "ttft" => self.values_of_rows(|row| row.ttft),
                    _ => Vec::new(),
                },
            });
        }
        Ok(trends)
    }

    fn scalars(&self) -> Vec<Scalar> {
        let (t, r) = (self.totals, self.rates);
        let count = |metric, n: u64| scalar(metric, "", n as f64);
        let mut scalars = self.goodput();
        scalars.extend(self.sending());
        scalars.extend(self.usage());
        scalars.extend((t.cancelled > 0).then(|| count("cancelled", t.cancelled)));
        scalars.extend([
            Scalar {
                slices: self.amounts_of_rows(|row| row.requests),
                ..count("requests", t.requests)
            },
            count("ok", t.ok),
            count("failed", t.failed),
            count("interrupted", t.interrupted),
            count("dropped_iterations", t.dropped_iterations),
            Scalar {
                slices: self.amounts_of_load(|row| row.requests),
                ..scalar("requests_per_second", "/s", r.requests_per_second)
            },
            Scalar {
                slices: self.amounts_of_load(|row| row.requests - row.errors),
                ..scalar("ok_requests_per_second", "/s", r.ok_requests_per_second)
            },
            Scalar {
                of: t.ok.checked_add(t.failed),
                slices: self.amounts_of_rows(|row| row.errors),
                ..scalar("error_rate", "", r.error_rate)
            },
            Scalar {
                slices: self.amounts_of_rows(|row| row.output_tokens),
                ..count("output_tokens", t.output_tokens)
            },
            Scalar {
                slices: self.amounts_of_load(|row| row.output_tokens),
                ..scalar("output_tokens_per_second", "/s", r.output_tokens_per_second)
            },
            scalar("bytes_sent", "bytes", t.bytes_sent as f64),
            scalar("bytes_received", "bytes", t.bytes_received as f64),
            count("connections_opened", t.connections_opened),
            count("peak_connections", t.peak_connections),
            count("peak_vus", t.peak_vus),
        ]);
        scalars
    }

    /// Returns the figures of how requests were sent; of arrivals, if there were any.
    fn sending(&self) -> Vec<Scalar> {
        let (t, r) = (self.totals, self.rates);
        let late = r.late.map(|share| Scalar {
            of: Some(t.sent),
            ..scalar("late", "", share)
        });
        let mut scalars: Vec<Scalar> = late.into_iter().collect();
        if let Some(rate) = r.offered_per_second {
            scalars.extend([
                scalar("offered_per_second", "/s", rate),
                scalar("offered", "", t.offered as f64),
                scalar("queued", "", t.queued as f64),
            ]);
        }
        scalars
    }

    /// Returns the tokens as the servers count them, if they state any.
    fn usage(&self) -> Vec<Scalar> {
        let (u, r) = (&self.totals.usage, self.rates);
        let per_second = |metric, rate: Option<f64>, of_row: fn(&RowFigures) -> u64| {
            Some(Scalar {
                slices: self.amounts_of_load(of_row),
                ..scalar(metric, "/s", rate?)
            })
        };
        // The tokens of a request are cached together: no more of them are independent than there are requests.
        let share = |metric, share: Option<f64>, requests: u64| {
            Some(Scalar {
                of: Some(requests),
                ..scalar(metric, "", share?)
            })
        };
        let count = |metric, requests: u64, n: u64| (requests > 0).then(|| scalar(metric, "", n as f64));
        let all = [
            per_second("input_tokens_per_second", r.input_tokens_per_second, |row| {
                row.prompt_tokens
            }),
            per_second("total_tokens_per_second", r.total_tokens_per_second, |row| {
                row.prompt_tokens + row.output_tokens
            }),
            r.texts_per_second
                .map(|rate| scalar("texts_per_second", "/s", rate)),
            share("cached_share", r.cached_share, u.cached.requests),
            share("reasoning_share", r.reasoning_share, u.reasoning.requests),
            count("prompt_tokens", u.prompt.requests, u.prompt.tokens),
            count("cached_tokens", u.cached.requests, u.cached.tokens),
            count("reasoning_tokens", u.reasoning.requests, u.reasoning.tokens),
        ];
        all.into_iter().flatten().collect()
    }

    /// Returns the figures of goodput, if requests had limits.
    fn goodput(&self) -> Vec<Scalar> {
        let (t, r) = (self.totals, self.rates);
        let (Some(share), Some(per_second)) = (r.goodput, r.good_requests_per_second) else {
            return Vec::new();
        };
        vec![
            Scalar {
                of: Some(t.goodput.judged),
                slices: self.slices(|row| (row.goodput.judged, row.goodput.good as f64)),
                ..scalar("goodput", "", share)
            },
            Scalar {
                slices: self.amounts_of_load(|row| row.goodput.good),
                ..scalar("good_requests_per_second", "/s", per_second)
            },
            scalar("good", "", t.goodput.good as f64),
        ]
    }

    fn values_of_rows(&self, pick: impl Fn(&RowFigures) -> SpreadFigures) -> Vec<Slice> {
        self.slices(|row| (pick(row).count, pick(row).sum))
    }

    fn amounts_of_rows(&self, pick: impl Fn(&RowFigures) -> u64) -> Vec<Slice> {
        self.slices(|row| (row.requests, pick(row) as f64))
    }

    /// Makes slices of the rows that begin within the load, as rates do. Older documents do not say when it ended.
    fn amounts_of_load(&self, pick: impl Fn(&RowFigures) -> u64) -> Vec<Slice> {
        let Some(load_seconds) = self.rates.load_seconds else {
            return Vec::new();
        };
        let begins = self.timeline.iter().map(|row| row.elapsed);
        let begins = std::iter::once(0.0).chain(begins);
        let within = begins.take_while(|begin| *begin < load_seconds).count();
        let mut slices = self.amounts_of_rows(pick);
        slices.truncate(within);
        slices
    }

    /// Makes slices of the timeline; `pick` returns the count and the sum of a row.
    fn slices(&self, pick: impl Fn(&RowFigures) -> (u64, f64)) -> Vec<Slice> {
        let slice = |row: &RowFigures| {
            let (count, sum) = pick(row);
            Slice {
                elapsed: row.elapsed,
                count,
                sum,
            }
        };
        self.timeline.iter().map(slice).collect()
    }
}

/// Returns what the servers say of themselves: engines are added up, shares averaged.
fn servers(document: &RunResult) -> Vec<Scalar> {
    let accounts = &document.server_metrics;
    let means = |key: &str| -> Vec<f64> {
        let gauges = accounts.iter().filter_map(|account| account.gauge(key)?.mean);
        gauges.collect()
    };
    let sum = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>());
    let mean = |values: Vec<f64>| {
        let count = values.len() as f64;
        sum(values).map(|sum| sum / count)
    };
    let increases = |key: &str| {
        sum(accounts
            .iter()
            .filter_map(|account| account.increase(key))
            .collect())
    };
    let hits = increases("prefix_cache_hits").zip(increases("prefix_cache_queries"));
    let queues = accounts
        .iter()
        .filter_map(|account| account.histogram("queue_time")?.mean);
    let all = [
        ("server_running", "", sum(means("running"))),
        ("server_waiting", "", sum(means("waiting"))),
        ("server_kv_cache_usage", "", mean(means("kv_cache_usage"))),
        (
            "server_prefix_hit_share",
            "",
            hits.filter(|(_, queries)| *queries > 0.0)
                .map(|(hits, queries)| hits / queries),
        ),
        ("server_preemptions", "", increases("preemptions")),
        ("server_queue_time_mean", "ms", mean(queues.collect())),
    ];
    let known = all
        .into_iter()
        .filter_map(|(metric, unit, value)| Some(scalar(metric, unit, value?)));
    known.collect()
}

/// Returns where each percentile lies by itself.
fn intervals(figures: &MetricFigures) -> Vec<(f64, [f64; 2])> {
    let of = [
        (50.0, figures.p50_interval),
        (90.0, figures.p90_interval),
        (95.0, figures.p95_interval),
        (99.0, figures.p99_interval),
        (99.9, figures.p999_interval),
    ];
    of.into_iter()
        .filter_map(|(p, interval)| Some((p, interval?)))
        .collect()
}

fn scalar(metric: &'static str, unit: &'static str, value: f64) -> Scalar {
    Scalar::new(metric, metric, unit, value)
}

#[cfg(test)]
#[path = "ours_tests.rs"]
mod tests;
