//! `metrics.csv`: the counts, the rates and the metrics of the run and of each group of requests.

use super::cells::{Cell, Column, head, line};
use super::probes::cell;
use crate::result::{MetricFigures, Ordered, RunResult};
use serde::Serialize;
use serde_json::Value;
use std::io::{Result, Write};

/// The columns that say what a row is about, and the value of a row that is a single number.
const OF_ROW: [&str; 4] = ["group", "name", "metric", "value"];

const COLUMNS: [Column<MetricFigures>; 21] = [
    ("count", |m| m.count.into()),
    ("min_ms", |m| m.min.into()),
    ("mean_ms", |m| m.mean.into()),
    ("max_ms", |m| m.max.into()),
    ("p50_ms", |m| m.p50.into()),
    ("p50_low_ms", |m| low(m.p50_interval)),
    ("p50_high_ms", |m| high(m.p50_interval)),
    ("p90_ms", |m| m.p90.into()),
    ("p90_low_ms", |m| low(m.p90_interval)),
    ("p90_high_ms", |m| high(m.p90_interval)),
    ("p95_ms", |m| m.p95.into()),
    ("p95_low_ms", |m| low(m.p95_interval)),
    ("p95_high_ms", |m| high(m.p95_interval)),
    ("p99_ms", |m| m.p99.into()),
    ("p99_low_ms", |m| low(m.p99_interval)),
    ("p99_high_ms", |m| high(m.p99_interval)),
    ("p999_ms", |m| m.p999.into()),
    ("p999_low_ms", |m| low(m.p999_interval)),
    ("p999_high_ms", |m| high(m.p999_interval)),
    ("independent", |m| m.independent.into()),
    ("out_of_range", |m| m.out_of_range.into()),
];

fn low(interval: Option<[f64; 2]>) -> Cell {
    interval.map(|[low, _]| low).into()
}

fn high(interval: Option<[f64; 2]>) -> Cell {
    interval.map(|[_, high]| high).into()
}

/// Returns the names of the columns.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OF_ROW.into_iter().chain(COLUMNS.iter().map(|(name, _)| *name))
}

/// What a group of requests has in the document.
struct Group<'a> {
    group: &'static str,
    name: &'a str,
    totals: Value,
    rates: Value,
    metrics: &'a Ordered<MetricFigures>,
}

impl<'a> Group<'a> {
    fn new(
        (group, name): (&'static str, &'a str),
        totals: &impl Serialize,
        rates: &impl Serialize,
        metrics: &'a Ordered<MetricFigures>,
    ) -> Group<'a> {
        let value = |of: serde_json::Result<Value>| of.unwrap_or(Value::Null);
        Group {
            group,
            name,
            totals: value(serde_json::to_value(totals)),
            rates: value(serde_json::to_value(rates)),
            metrics,
        }
    }

    fn write(&self, out: &mut dyn Write) -> Result<()> {
        let of_row = |metric: &str| [self.group, self.name, metric].map(Cell::text);
        let mut single = Vec::new();
        numbers("totals", &self.totals, &mut single);
        numbers("rates", &self.rates, &mut single);
        for (metric, number) in single {
            let empty = std::iter::repeat_n(Cell::Empty, COLUMNS.len());
            line(of_row(&metric).into_iter().chain([number]).chain(empty), out)?;
        }
        for (metric, figures) in self.metrics.iter() {
            let cells = COLUMNS.iter().map(|(_, cell)| cell(figures));
            line(of_row(metric).into_iter().chain([Cell::Empty]).chain(cells), out)?;
        }
        Ok(())
    }
}

/// Gathers every number below `path`, which is its name: `totals.by_outcome.ok`.
fn numbers(path: &str, value: &Value, into: &mut Vec<(String, Cell)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                numbers(&format!("{path}.{key}"), value, into);
            }
        }
        Value::Number(_) => into.push((path.to_owned(), cell(value))),
        _ => {}
    }
}

/// Writes the figures of the run, then those of its servers, kinds of request, phases and repetitions.
pub fn figures(result: &RunResult, out: &mut dyn Write) -> Result<()> {
    head(names(), out)?;
    Group::new(("run", ""), &result.totals, &result.rates, &result.metrics).write(out)?;
    let servers = result.servers.iter().flat_map(Ordered::iter);
    let servers = servers.map(|(name, group)| ("server", name, group));
    let kinds = result.kinds.iter().map(|(name, group)| ("kind", name, group));
    for (what, name, group) in servers.chain(kinds) {
        Group::new((what, name), &group.totals, &group.rates, &group.metrics).write(out)?;
    }
    if let Some(phases) = &result.phases {
        let (ramp, steady) = (&phases.ramp, &phases.steady);
        Group::new(("phase", "ramp"), &ramp.totals, &ramp.rates, &ramp.metrics).write(out)?;
        Group::new(
            ("phase", "steady"),
            &steady.totals,
            &steady.rates,
            &steady.metrics,
        )
        .write(out)?;
        for (name, group) in steady.kinds.iter() {
            let name = ("steady kind", name);
            Group::new(name, &group.totals, &group.rates, &group.metrics).write(out)?;
        }
    }
    for repeat in &result.repeats {
        let number = repeat.run.number.to_string();
        Group::new(
            ("repeat", &number),
            &repeat.totals,
            &repeat.rates,
            &repeat.metrics,
        )
        .write(out)?;
    }
    Ok(())
}
