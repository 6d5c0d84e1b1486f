//! Reads k6's three summaries: `--summary-export`, handleSummary's data, and the new machine-readable one.

use super::error::Result;
use super::k6::{K6Metric, K6Run, Shape, stat};
use super::members::{Members, missing, mistyped};
use crate::compare::{Format, Run, RunFacts, Stat, Values, Verdict};
use crate::error::Reason;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Tells which of the three summaries a document is; `None` if it is not one of them.
pub fn format(members: &Members) -> Option<Format> {
    if members.get("results.metrics").is_some_and(Value::is_array) {
        return Some(Format::K6MachineSummary);
    }
    let metrics = members.get("metrics")?.as_object()?;
    if metrics.is_empty() {
        return members.get("state").map(|_| Format::K6HandleSummary);
    }
    let is_one = |m: &Value| m.get("values").is_some_and(Value::is_object);
    if metrics.values().any(is_one) {
        return Some(Format::K6HandleSummary);
    }
    let is_flat = |m: &Value| {
        m.as_object()
            .is_some_and(|m| m.iter().all(|(k, v)| is_stat_of_export(k, v)))
    };
    let all_flat = metrics.values().all(is_flat) && metrics.values().any(|m| m != &Value::Object(Map::new()));
    (all_flat && !members.values.contains_key("summary")).then_some(Format::K6SummaryExport)
}

fn is_stat_of_export(key: &str, value: &Value) -> bool {
    const KNOWN: [&str; 5] = ["count", "rate", "value", "passes", "fails"];
    key == "thresholds"
        || ((KNOWN.contains(&key) || stat(key).is_some()) && (value.is_number() || value.is_null()))
}

/// Reads a run from a summary.
pub fn run(members: &Members, format: Format, label: &str) -> Result<Run> {
    let mut k6 = match format {
        Format::K6MachineSummary => read_machine_summary(members)?,
        Format::K6HandleSummary => read_handle_summary(members)?,
        _ => read_summary_export(members)?,
    };
    k6.facts.profile = members.setup_profile.clone();
    k6.into_run(label, format)
}

/// Reads the summary of `--summary-export`. It is flat, without types and without the duration, and a threshold's
/// `true` means that it was crossed.
fn read_summary_export(members: &Members) -> Result<K6Run> {
    let mut run = K6Run {
        facts: facts(None, None),
        ..K6Run::default()
    };
    for (name, metric) in object(members.get("metrics"), "metrics")? {
        let path = format!("metrics.{name}");
        let fields = object(Some(metric), &path)?;
        let shape = shape(fields, inferred_kind(fields), &path, &mut run.notes)?;
        thresholds(name, fields, &path, &mut run.thresholds, |v| {
            v.as_bool().map(|crossed| !crossed)
        })?;
        run.metrics.extend(shape.map(|shape| metric_of(name, shape, "")));
    }
    run.facts.duration_seconds = duration_from_rates(&run);
    Ok(run)
}

/// Computes the duration from a counter and its rate, because k6 divides every counter by the same duration.
fn duration_from_rates(run: &K6Run) -> Option<f64> {
    let duration = |name: &str| {
        let metric = run.metrics.iter().find(|m| m.name == name)?;
        match metric.shape {
            Shape::Counter {
                count,
                rate: Some(rate),
            } if count > 0.0 && rate > 0.0 => Some(count / rate),
            _ => None,
        }
    };
    duration("http_reqs")
        .or_else(|| duration("iterations"))
        .or_else(|| duration("data_received"))
}

/// Reads the data of handleSummary.
fn read_handle_summary(members: &Members) -> Result<K6Run> {
    let duration = members.number("state.testRunDurationMs")?.map(|ms| ms / 1e3);
    let mut run = K6Run {
        facts: facts(None, duration),
        ..K6Run::default()
    };
    for (name, metric) in object(members.get("metrics"), "metrics")? {
        let path = format!("metrics.{name}");
        let fields = object(Some(metric), &path)?;
        let (shape, unit) = typed_metric(fields, &path, &mut run.notes)?;
        thresholds(name, fields, &path, &mut run.thresholds, |v| {
            v.get("ok")?.as_bool()
        })?;
        run.metrics
            .extend(shape.map(|shape| metric_of(name, shape, unit)));
    }
    if run.facts.duration_seconds.is_none() {
        run.facts.duration_seconds = duration_from_rates(&run);
    }
    Ok(run)
}

/// Reads the machine-readable summary. It has arrays in random order, counters without a rate, only p90 and p95, and no
/// thresholds.
fn read_machine_summary(members: &Members) -> Result<K6Run> {
    let duration = members.number("config.duration")?;
    let version = match members.text("metadata.k6_version")? {
        Some(version) => Some(version),
        None => members.text("metadata.k6Version")?,
    };
    let mut run = K6Run {
        facts: facts(version, duration),
        ..K6Run::default()
    };
    let checks = members.get("results.checks.metrics");
    let lists = [members.get("results.metrics"), checks];
    for (i, entry) in lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten()
        .enumerate()
    {
        let path = format!("results.metrics[{i}]");
        let fields = object(Some(entry), &path)?;
        let name = fields
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| missing(&format!("{path}.name")))?;
        // These three are one metric, `checks`, in the other forms.
        let name = match name {
            "checks_succeeded" => "checks",
            "checks_total" | "checks_failed" => continue,
            name => name,
        };
        let (shape, unit) = typed_metric(fields, &path, &mut run.notes)?;
        run.metrics
            .extend(shape.map(|shape| metric_of(name, shape, unit)));
    }
    if run.metrics.iter().all(|m| m.name != "http_req_waiting") {
        let hint = "`http_req_waiting` and the other parts of a request are missing: k6 leaves them out of the \
                    machine-readable summary unless it runs with --summary-mode=full";
        run.notes.push(hint.to_string());
    }
    run.notes
        .push("this form of k6's summary has no thresholds".to_string());
    Ok(run)
}

fn facts(version: Option<String>, duration_seconds: Option<f64>) -> RunFacts {
    RunFacts {
        tool: Some(version.map_or("k6".to_string(), |v| format!("k6 {v}"))),
        duration_seconds,
        ..RunFacts::default()
    }
}

fn metric_of(name: &str, shape: Shape, unit: &'static str) -> K6Metric {
    K6Metric {
        name: name.to_string(),
        shape,
        unit,
        slices: Vec::new(),
    }
}

fn object<'a>(value: Option<&'a Value>, path: &str) -> Result<&'a Object> {
    let value = value.ok_or_else(|| missing(path))?;
    value
        .as_object()
        .ok_or_else(|| mistyped(path, value, "an object"))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Rate,
    Trend,
}

/// Reads a metric that has `type`, `contains` and `values`.
fn typed_metric(
    fields: &Object,
    path: &str,
    notes: &mut Vec<String>,
) -> Result<(Option<Shape>, &'static str)> {
    let kind = fields
        .get("type")
        .ok_or_else(|| missing(&format!("{path}.type")))?;
    let kind = match kind.as_str() {
        Some("counter") => Kind::Counter,
        Some("gauge") => Kind::Gauge,
        Some("rate") => Kind::Rate,
        Some("trend") => Kind::Trend,
        _ => {
            return Err(mistyped(
                &format!("{path}.type"),
                kind,
                "counter, gauge, rate or trend",
            ));
        }
    };
    let unit = match fields.get("contains").and_then(Value::as_str) {
        Some("time") => "ms",
        Some("data") => "bytes",
        _ => "",
    };
    let path = format!("{path}.values");
    let values = object(fields.get("values"), &path)?;
    Ok((shape(values, kind, &path, notes)?, unit))
}

/// Infers the type, which `--summary-export` does not give: a trend has an average, a rate has passes, a gauge has a
/// value, and a counter has a count.
fn inferred_kind(fields: &Object) -> Kind {
    let has = |key: &str| fields.contains_key(key);
    let is_trend = has("avg")
        || has("med")
        || fields
            .keys()
            .any(|k| matches!(stat(k), Some(Stat::Percentile(_))));
    match () {
        () if is_trend => Kind::Trend,
        () if has("passes") || has("fails") => Kind::Rate,
        () if has("value") => Kind::Gauge,
        () if has("count") || has("rate") => Kind::Counter,
        () => Kind::Trend,
    }
}

/// Reads the figures of a metric; returns `None` if there are none, for example because all are null.
fn shape(fields: &Object, kind: Kind, path: &str, notes: &mut Vec<String>) -> Result<Option<Shape>> {
    let number = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(v) => v
            .as_f64()
            .map(Some)
            .ok_or_else(|| mistyped(&format!("{path}.{key}"), v, "a number")),
    };
    let whole = |key: &str| match number(key)? {
        Some(n) if n < 0.0 || n.fract() != 0.0 || n > 2f64.powi(53) => Err(mistyped(
            &format!("{path}.{key}"),
            &fields[key],
            "a whole number of 0 or more",
        )),
        n => Ok(n.map(|n| n as u64)),
    };
    if fields.iter().any(|(k, v)| v.is_null() && k != "thresholds") {
        notes.push(format!("`{path}` has figures that are null, which are ignored"));
    }
    Ok(match kind {
        Kind::Counter => {
            let rate = number("rate")?;
            number("count")?.map(|count| Shape::Counter { count, rate })
        }
        Kind::Gauge => {
            let (last, max) = (number("value")?, number("max")?);
            last.or(max).map(|_| Shape::Gauge { last, max })
        }
        Kind::Rate => {
            let stated = match number("rate")? {
                Some(rate) => Some(rate),
                None => number("value")?,
            };
            let (hits, of) = match (whole("passes")?, whole("fails")?) {
                (Some(passes), Some(fails)) => (Some(passes), Some(passes + fails)),
                _ => (whole("matches")?, whole("total")?),
            };
            rate(stated, hits, of, path, notes)?
        }
        Kind::Trend => trend(fields, number, whole("count")?)?.map(Shape::Trend),
    })
}

/// Computes a rate from its counts, because old exports state 0 for checks that all passed.
fn rate(
    stated: Option<f64>,
    hits: Option<u64>,
    of: Option<u64>,
    path: &str,
    notes: &mut Vec<String>,
) -> Result<Option<Shape>> {
    let counted = match (hits, of) {
        (Some(hits), Some(of)) if hits > of => {
            let what = format!("counts {hits} hits among {of} samples");
            return Err(Reason::new(what)
                .hint("the file is damaged: repeat the run that wrote it")
                .within(format!("`{path}`")));
        }
        (Some(hits), Some(of)) if of > 0 => Some(hits as f64 / of as f64),
        _ => None,
    };
    if let (Some(stated), Some(counted)) = (stated, counted)
        && (stated - counted).abs() > 1e-9
    {
        notes.push(format!(
            "`{path}` states {stated}, but its own counts give {counted}, which is used"
        ));
    }
    let share = counted.or(stated);
    Ok(share.map(|share| Shape::Rate { share, hits, of }))
}

fn trend(
    fields: &Object,
    number: impl Fn(&str) -> Result<Option<f64>>,
    count: Option<u64>,
) -> Result<Option<Values>> {
    let mut stats: Vec<(Stat, f64)> = Vec::new();
    for key in fields.keys() {
        let Some(stat) = stat(key) else { continue };
        // `med` and `p(50)` are the same statistic.
        if let Some(value) = number(key)?
            && stats.iter().all(|(s, _)| *s != stat)
        {
            stats.push((stat, value));
        }
    }
    Ok((!stats.is_empty()).then_some(Values::Summary { count, stats }))
}

fn thresholds(
    name: &str,
    fields: &Object,
    path: &str,
    into: &mut Vec<Verdict>,
    ok: impl Fn(&Value) -> Option<bool>,
) -> Result<()> {
    let Some(list) = fields.get("thresholds").filter(|v| !v.is_null()) else {
        return Ok(());
    };
    let path = format!("{path}.thresholds");
    for (expression, stated) in object(Some(list), &path)? {
        let ok =
            ok(stated).ok_or_else(|| mistyped(&format!("{path}.{expression}"), stated, "true or false"))?;
        into.push(Verdict {
            metric: name.to_string(),
            expression: expression.clone(),
            ok,
        });
    }
    Ok(())
}
