//! Decides which figures of different runs can be compared, and finds what a reader has to know first.

use crate::compare::{Run, RunFacts, Trend};
use crate::error::one_line;
use crate::metrics::{Direction, METRICS, MetricId};

/// The share by which lengths may differ without a warning, because a run ends when its last request does.
const DURATION_MAX: f64 = 0.05;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number per second.
    Rate,
    /// A share from 0 to 1, whose changes are in percentage points.
    Share,
    /// A count, which is not judged, because its rate or share is.
    Count,
    /// A time that may be 0 or negative, whose changes are in milliseconds.
    Difference,
}

/// The unit of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Percent,
    /// Percentage points of a share.
    Points,
    /// Of a difference within pairs of requests.
    Millis,
}

impl Unit {
    pub fn of(kind: Kind) -> Unit {
        match kind {
            Kind::Share => Unit::Points,
            Kind::Difference => Unit::Millis,
            Kind::Rate | Kind::Count => Unit::Percent,
        }
    }

    /// Returns the unit as it is written, and how many of it one is.
    pub fn sign(self) -> (&'static str, f64) {
        match self {
            Unit::Percent => ("%", 100.0),
            Unit::Points => ("pp", 100.0),
            Unit::Millis => ("ms", 1.0),
        }
    }
}

/// The metrics of pairs, each with its key in a document and its name here, which is that of a threshold.
pub const PAIRED_TIMES: [(&str, &str); 3] = [
    ("ttft", "paired_ttft"),
    ("tpot", "paired_tpot"),
    ("latency", "paired_latency"),
];
/// The difference of the shares of failed requests.
pub const PAIRED_FAILED: &str = "paired_failed";

/// A known scalar. The table shows scalars in the order of the list.
pub struct ScalarKind {
    pub key: &'static str,
    pub kind: Kind,
    pub direction: Option<Direction>,
}

const UP: Option<Direction> = Some(Direction::HigherIsBetter);
const DOWN: Option<Direction> = Some(Direction::LowerIsBetter);

pub const SCALARS: [ScalarKind; 43] = [
    scalar("requests_per_second", Kind::Rate, UP),
    scalar("ok_requests_per_second", Kind::Rate, UP),
    scalar("good_requests_per_second", Kind::Rate, UP),
    scalar("iterations_per_second", Kind::Rate, UP),
    scalar("output_tokens_per_second", Kind::Rate, UP),
    scalar("input_tokens_per_second", Kind::Rate, UP),
    scalar("total_tokens_per_second", Kind::Rate, UP),
    scalar("texts_per_second", Kind::Rate, UP),
    scalar("error_rate", Kind::Share, DOWN),
    scalar("goodput", Kind::Share, UP),
    scalar("late", Kind::Share, DOWN),
    scalar("cached_share", Kind::Share, UP),
    scalar("reasoning_share", Kind::Share, None),
    scalar(PAIRED_FAILED, Kind::Share, DOWN),
    scalar("checks", Kind::Share, UP),
    scalar("offered_per_second", Kind::Count, None),
    scalar("offered", Kind::Count, None),
    scalar("requests", Kind::Count, UP),
    scalar("iterations", Kind::Count, UP),
    scalar("ok", Kind::Count, UP),
    scalar("good", Kind::Count, UP),
    scalar("failed", Kind::Count, DOWN),
    scalar("interrupted", Kind::Count, DOWN),
    scalar("cancelled", Kind::Count, None),
    scalar("dropped_iterations", Kind::Count, DOWN),
    scalar("queued", Kind::Count, DOWN),
    scalar("connection_errors", Kind::Count, DOWN),
    scalar("timeouts", Kind::Count, DOWN),
    scalar("output_tokens", Kind::Count, None),
    scalar("prompt_tokens", Kind::Count, None),
    scalar("cached_tokens", Kind::Count, None),
    scalar("reasoning_tokens", Kind::Count, None),
    scalar("bytes_sent", Kind::Count, None),
    scalar("bytes_received", Kind::Count, None),
    scalar("connections_opened", Kind::Count, None),
    scalar("peak_connections", Kind::Count, None),
    scalar("peak_vus", Kind::Count, None),
    scalar("server_running", Kind::Rate, None),
    scalar("server_waiting", Kind::Rate, None),
    scalar("server_kv_cache_usage", Kind::Share, None),
    scalar("server_prefix_hit_share", Kind::Share, None),
    scalar("server_preemptions", Kind::Count, None),
    scalar("server_queue_time_mean", Kind::Rate, None),
];

const fn scalar(key: &'static str, kind: Kind, direction: Option<Direction>) -> ScalarKind {
    ScalarKind { key, kind, direction }
}

/// Returns the place in the table, kind and direction of a scalar. An unknown one is a count without a direction.
pub fn scalar_kind(metric: &str) -> (usize, Kind, Option<Direction>) {
    let known = SCALARS.iter().position(|s| s.key == metric);
    known.map_or((SCALARS.len(), Kind::Count, None), |at| {
        (at, SCALARS[at].kind, SCALARS[at].direction)
    })
}

/// Returns what our scalar is of, for rows in which another tool's is of something else.
pub fn scalar_meaning(metric: &str) -> Option<&'static str> {
    Some(match metric {
        "requests_per_second" => "finished requests, per second of the load",
        "ok_requests_per_second" => "requests that are ok, per second of the load",
        "good_requests_per_second" => "requests within their limits, per second of the load",
        "output_tokens_per_second" => {
            "tokens as the server states them, or else token events, per second of the load"
        }
        "input_tokens_per_second" | "total_tokens_per_second" => {
            "tokens as the server states them, per second of the load"
        }
        "error_rate" => "failed requests of all that finished",
        _ => return None,
    })
}

/// Returns the place in the table and the direction of a trend. An unknown one is a time.
pub fn trend_kind(metric: &str) -> (usize, Direction) {
    MetricId::from_key(metric).map_or((METRICS.len(), Direction::LowerIsBetter), |id| {
        (id as usize, id.row().direction)
    })
}

/// Returns the name of a run in the table: `A`, `B` and so on, and a number after Z.
pub fn letter(run: usize) -> String {
    match u8::try_from(run) {
        Ok(at) if at < 26 => char::from(b'A' + at).to_string(),
        _ => format!("R{}", run + 1),
    }
}

/// A fact in which runs differ: the value of each run, `None` if its file does not give one.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub what: &'static str,
    pub values: Vec<Option<String>>,
}

/// Reads one fact of a run as text.
type Fact = fn(&RunFacts) -> Option<String>;

const FACTS: [(&str, Fact); 8] = [
    ("tool", |f| f.tool.clone()),
    ("profile", |f| f.profile.clone()),
    ("peak VUs", |f| f.peak_vus.map(|n| n.to_string())),
    ("target", |f| f.target.clone()),
    ("host", |f| f.host.clone()),
    ("stamp source", |f| f.stamp_source.clone()),
    ("sockets driven by", |f| f.io.clone()),
    ("seed", |f| f.seed.map(|n| n.to_string())),
];

/// Returns the facts that differ between runs, and those that only some files give.
pub fn differences(runs: &[Run]) -> (Vec<Difference>, Vec<Difference>) {
    let (mut differ, mut unstated) = (Vec::new(), Vec::new());
    for (what, fact) in FACTS {
        let stated = |run: &Run| fact(&run.facts).map(|text| one_line(&text).into_owned());
        let values: Vec<Option<String>> = runs.iter().map(stated).collect();
        let mut known = values.iter().flatten();
        let first = known.next();
        if known.any(|value| Some(value) != first) {
            differ.push(Difference { what, values });
        } else if first.is_some() && values.contains(&None) {
            unstated.push(Difference { what, values });
        }
    }
    // A closed loop has no rate, which differs from any.
    let load = |run: &Run| {
        let known = run.facts.load.as_deref();
        known.map(|text| one_line(text).into_owned())
    };
    let loads: Vec<Option<String>> = runs.iter().map(load).collect();
    if loads.iter().any(Option::is_some) && loads.iter().any(|other| *other != loads[0]) {
        differ.push(Difference {
            what: "rate",
            values: loads,
        });
    }
    let lengths: Vec<Option<f64>> = runs.iter().map(|run| run.facts.duration_seconds).collect();
    let longest = lengths.iter().flatten().fold(0.0, |a: f64, b| a.max(*b));
    if lengths
        .iter()
        .flatten()
        .any(|s| longest - s > DURATION_MAX * longest)
    {
        let text = |s: &Option<f64>| s.map(|s| format!("{s:.1} s"));
        differ.push(Difference {
            what: "duration",
            values: lengths.iter().map(text).collect(),
        });
    }
    (differ, unstated)
}

/// Returns footnotes for a metric that has another meaning in some runs: each meaning once, with the runs that have it.
/// `found` holds, for each run, the metric's name in its file, and how its meaning differs.
pub fn meanings<'s>(found: impl Iterator<Item = Option<(&'s str, Option<&'static str>)>>) -> Vec<String> {
    let mut noted: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for (run, found) in found.enumerate() {
        let Some((source, Some(what))) = found else {
            continue;
        };
        match noted.iter_mut().find(|(s, w, _)| *s == source && *w == what) {
            Some((_, _, runs)) => runs.push(letter(run)),
            None => noted.push((source, what, vec![letter(run)])),
        }
    }
    let text = |(source, what, runs): (&str, &str, Vec<String>)| {
        format!("{}: {}: {what}", runs.join(", "), one_line(source))
    };
    noted.into_iter().map(text).collect()
}

/// Iterates over the metrics that a run has; one with several statistics may occur several times.
fn metrics(run: &Run) -> impl Iterator<Item = &'static str> {
    let trends = run.trends.iter().filter(|t| has_values(t)).map(|t| t.metric);
    let paired = run.paired.iter().flat_map(|paired| &paired.figures);
    let paired = paired.map(|figure| figure.metric);
    run.scalars.iter().map(|s| s.metric).chain(trends).chain(paired)
}

/// Returns the metrics that at least one run does not have, with the runs that have them.
pub fn unmatched(runs: &[Run]) -> Vec<(String, Vec<usize>)> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        names.extend(metrics(run));
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let runs_with = |name: &str| -> Vec<usize> {
        let has = |run: &Run| metrics(run).any(|metric| metric == name);
        (0..runs.len()).filter(|i| has(&runs[*i])).collect()
    };
    let named = names.into_iter().map(|name| (name.to_owned(), runs_with(name)));
    named.filter(|(_, found)| found.len() < runs.len()).collect()
}

/// Returns the trend of that name, if it has values.
pub fn trend<'a>(run: &'a Run, metric: &str) -> Option<&'a Trend> {
    run.trends.iter().find(|t| t.metric == metric && has_values(t))
}

fn has_values(trend: &Trend) -> bool {
    use crate::compare::Values;
    match &trend.values {
        Values::Histogram(d) => !d.is_empty(),
        Values::Raw(values) => !values.is_empty(),
        Values::Summary { count, stats } => *count != Some(0) && !stats.is_empty(),
    }
}
