//! The merged document, made from its parts.

use crate::config::{Config, reread};
use crate::error::{ExitCode, Reason};
use crate::merge::belong::{self, check, listed};
use crate::merge::{LiveJudged, Part, figures, timeline, verdict};
use crate::plan::{Phases, Plan};
use crate::result::{
    FailureFigures, Grouping, Host, MergedFigures, PairEvidence, PhaseFigures, PhaseTimes, RULES, Required,
    Run, RunResult, STARTED_LATE, Schema, ServerAccount, ServerTimings, SlotFreeFigures, TraceFigures,
    WarmUp, Warning, by_weight, metrics, rates, rfc3339, warnings_of,
};
use crate::units::{Nanos, SECOND, seconds};
use serde_json::Value;

/// The largest time between the starts of two shards. Processes that began further apart did not load the server
/// together.
const SKEW_MAX_SECONDS: f64 = 1.0;
/// The rules whose warnings about a part are dropped, because they are judged on the whole: a part may have too few
/// samples when the whole has enough.
const RULES_OF_THE_WHOLE: [&str; 1] = ["few_samples"];

/// Merges the parts into one document, and sorts them by shard. The caller adds `summary` and `details`.
pub fn merge(parts: &mut [Part], partial: bool) -> Result<RunResult, Reason> {
    merge_live(parts, partial, None)
}

/// Merges the parts of a run whose thresholds were judged on the whole while it went on.
pub fn merge_live(parts: &mut [Part], partial: bool, live: Option<&LiveJudged>) -> Result<RunResult, Reason> {
    let missing = check(parts, partial)?;
    let parts = &*parts;
    let (config, plan) = reread(&parts[0].document.config, &parts[0].name).map_err(|e| {
        let what = format!("{}: its configuration cannot be read: {e}", parts[0].name);
        Reason::new(what).hint("merge documents with the version that wrote them")
    })?;
    let series = figures::series(parts, &plan)?;
    let total = figures::total(parts, &series);
    let times = Times::from_parts(parts);
    let duration = times.duration;
    let phases = figures::phases(parts, &plan)?;
    let steady = phases.as_ref().map_or(&series, |phases| &phases.steady);
    let pairs = figures::pairs(parts, &plan)?;
    let found = pairs.as_ref().map(PairEvidence::findings);
    let all = (series.as_slice(), steady.as_slice());
    let (thresholds, steps) = verdict::judged(&plan, parts, all, duration, found.as_ref(), live);
    let occurred = verdict::occurred(parts);
    let grouping = Grouping::from_plan(&plan);
    let warmups = parts.iter().filter_map(|part| part.document.warmup);
    let mut result = RunResult {
        schema: Schema,
        config: common_config(parts),
        details: None,
        host: host(parts),
        run: run(parts, &times, &missing),
        totals: figures::totals(parts, &total),
        rates: rates(&total, times.loaded),
        failures: FailureFigures::merge(parts.iter().map(|part| part.document.failures.as_slice())),
        metrics: metrics(&total),
        kinds: grouping.by_kind(&series, times.loaded),
        servers: grouping.by_server(&series, times.loaded),
        phases: phases.map(|phases| {
            PhaseFigures::new(
                &phases,
                &grouping,
                &phase_times(&plan, times.loaded),
                times.loaded,
            )
        }),
        trace: trace(parts),
        server_timings: ServerTimings::from_series(&total),
        server_metrics: server_metrics(parts, &times),
        timeline: timeline::merge(parts, &times.offsets),
        // Each process's own is in its part.
        managed_server_timeline: Vec::new(),
        warmup: warmups.reduce(WarmUp::merge),
        // Shards cannot repeat a run or load servers one by one.
        spread: Vec::new(),
        repeats: Vec::new(),
        contention: None,
        paired: pairs
            .zip(found)
            .and_then(|(pairs, found)| figures::paired(&pairs, &found, &plan)),
        sessions: figures::sessions(parts, times.loaded)?,
        slot_free: SlotFreeFigures::merge(parts.iter().flat_map(|part| &part.document.slot_free)),
        client: figures::client(parts)?,
        managed_server: figures::managed_server(parts),
        // Each process's own are in its part.
        pushes: None,
        thresholds,
        steps,
        warnings: Vec::new(),
        analysis: Vec::new(),
        parts: parts.iter().map(Part::own_figures).collect(),
        summary: String::new(),
    };
    result.warnings = warnings(&result, parts, &missing, times.skew);
    order_warnings(&mut result);
    result.conclude(&config.analysis, required(&config), occurred);
    Ok(result)
}

fn required(config: &Config) -> Required {
    Required {
        fit: config.require_fit,
        decided: config.require_decided,
    }
}

/// Returns the pace of the trace of which each part replayed its share; `None` if there is none.
fn trace(parts: &[Part]) -> Option<TraceFigures> {
    let each = parts.iter().filter_map(|part| part.document.trace.clone());
    each.reduce(|sum, part| sum.merge(&part))
}

/// Returns the servers' own accounts: a server that several parts read is one.
fn server_metrics(parts: &[Part], times: &Times) -> Vec<ServerAccount> {
    let offsets = parts.iter().zip(&times.offsets);
    let all = offsets.flat_map(|(part, offset)| {
        let accounts = part.document.server_metrics.iter();
        accounts.map(|account| (account, *offset))
    });
    ServerAccount::merge(all)
}

/// Returns when the load was steady, by its plan.
fn phase_times(plan: &Plan, loaded: Nanos) -> PhaseTimes {
    let steady = Phases::of(&plan.executor).steady_within(0, loaded);
    PhaseTimes::new(&plan.executor, steady)
}

fn order_warnings(result: &mut RunResult) {
    let mut warnings = std::mem::take(&mut result.warnings);
    by_weight(&mut warnings, result);
    result.warnings = warnings;
}

/// The times at which the parts ran.
struct Times {
    /// The first start of a load, in nanoseconds since 1970.
    begun: i128,
    /// How much later than that each part began, in seconds.
    offsets: Vec<f64>,
    /// The time from the first start to the last end.
    duration: Nanos,
    /// The time from the first start to the end of the last load.
    loaded: Nanos,
    /// The largest of `offsets`.
    skew: f64,
}

impl Times {
    fn from_parts(parts: &[Part]) -> Times {
        let begun = begun(parts);
        // A shard without VUs sends nothing, so it may have begun before the first load.
        let offsets: Vec<f64> = parts
            .iter()
            .map(|part| (part.started_at - begun).max(0) as f64 / SECOND as f64)
            .collect();
        let last = |of: fn(&RunResult) -> f64| {
            let ends = parts.iter().zip(&offsets);
            let ends = ends.map(|(part, offset)| of(&part.document) + offset);
            timeline::nanos(ends.fold(0.0, f64::max))
        };
        Times {
            begun,
            duration: last(|d| d.run.duration_seconds),
            loaded: last(|d| d.rates.load_seconds.unwrap_or(d.run.duration_seconds)),
            skew: offsets.iter().copied().fold(0.0, f64::max),
            offsets,
        }
    }
}

/// Returns when the first load began, in nanoseconds since 1970.
fn begun(parts: &[Part]) -> i128 {
    let loaded = parts.iter().filter(|part| part.document.totals.requests > 0);
    let first = loaded.map(|part| part.started_at).min();
    first
        .or_else(|| parts.iter().map(|part| part.started_at).min())
        .unwrap_or(0)
}

/// Returns the models of all parts, each once, as far as the parts say them.
fn models(parts: &[Part]) -> Option<Vec<String>> {
    let said: Option<Vec<_>> = parts
        .iter()
        .map(|part| part.document.run.models.as_ref())
        .collect();
    let mut all: Vec<String> = said?.into_iter().flatten().cloned().collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// Returns the section about the run, still without a verdict.
fn run(parts: &[Part], times: &Times, missing: &[u32]) -> Run {
    let first = &parts[0].document.run;
    let startups = parts.iter().map(|part| part.document.run.startup_seconds);
    Run {
        profile: first.profile.clone(),
        target: targets(parts).join(", "),
        models: models(parts),
        token_counts: first.token_counts.clone(),
        started_at: rfc3339(times.begun),
        startup_seconds: startups.fold(0.0, f64::max),
        duration_seconds: seconds(times.duration),
        stopped_by: verdict::stopped_by(parts),
        layout: first.layout,
        shard: None,
        start: None,
        merged: Some(MergedFigures {
            shards: parts[0].shard.count(),
            missing_shards: missing.to_vec(),
            start_skew_seconds: times.skew,
        }),
        verdict: String::new(),
        exit_code: ExitCode::Ok,
        versions: first.versions.clone(),
    }
}

/// Returns the configuration of the whole plan. Settings that belong to one process are in the parts.
fn common_config(parts: &[Part]) -> Value {
    let mut config = parts[0].document.config.clone();
    if let Some(fields) = config.as_object_mut() {
        belong::DOCUMENT_KEYS_PER_PROCESS
            .iter()
            .for_each(|key| drop(fields.remove(*key)));
    }
    if let Some(run) = config.get_mut("run").and_then(Value::as_object_mut) {
        run.remove("shard");
        run.remove("output");
        run.remove("calibration");
    }
    config
}

/// Returns what all hosts have in common; the full figures of each host are in its part.
fn host(parts: &[Part]) -> Host {
    let hosts = parts.iter().map(|part| &part.document.host);
    let first = parts[0].document.host.clone();
    hosts.fold(first, |common, host| common.in_common(host))
}

/// Returns the targets in the order of the shards, each once.
fn targets(parts: &[Part]) -> Vec<String> {
    let mut targets: Vec<String> = Vec::new();
    for part in parts {
        if !targets.contains(&part.document.run.target) {
            targets.push(part.document.run.target.clone());
        }
    }
    targets
}

/// Returns the warnings about the whole, then those that only apply to a part.
fn warnings(result: &RunResult, parts: &[Part], missing: &[u32], skew: f64) -> Vec<Warning> {
    let mut out = Vec::new();
    if !missing.is_empty() {
        out.push(Warning::new(
            "shards_missing",
            format!(
                "shards {} of {} are missing",
                listed(missing),
                parts[0].shard.count()
            ),
            "all figures cover only the other shards; if the missing ones ran, the whole load was higher",
        ));
    }
    if skew > SKEW_MAX_SECONDS {
        out.push(Warning::new(
            "start_skew",
            format!("the shards began {skew:.3} s apart"),
            "their ramps do not add up to the plan's; start all shards with the same --start-at",
        ));
    }
    let targets = targets(parts);
    if targets.len() > 1 {
        out.push(Warning::new(
            "several_targets",
            format!("the shards loaded different servers: {}", targets.join(", ")),
            "run all shards with the same --target",
        ));
    }
    out.extend(warnings_of(result));
    for part in parts {
        for warning in &part.document.warnings {
            let known = out.iter().any(|w| w.rule == warning.rule);
            let rule = RULES.iter().find(|rule| rule.name == warning.rule);
            let message = format!("shard {}: {}", part.shard, warning.message);
            if let Some(rule) = rule.filter(|r| !known && !RULES_OF_THE_WHOLE.contains(&r.name)) {
                out.push(Warning::new(rule.name, message, rule.advice));
            } else if warning.rule == STARTED_LATE {
                out.push(Warning::new(STARTED_LATE, message, "start the program earlier"));
            }
        }
    }
    out
}
