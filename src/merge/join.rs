//! The merged document out of its parts.

use crate::config::reread;
use crate::error::{ExitCode, Reason};
use crate::merge::belong::{self, check, listed};
use crate::merge::{Part, figures, timeline, verdict};
use crate::result::{
    Grouping, Host, MergedFigures, RULES, Run, RunResult, STARTED_LATE, Schema, ServerTimings, WarmUp,
    Warning, metrics, rates, rfc3339, warnings_of,
};
use crate::units::{Nanos, SECOND, seconds};
use serde_json::Value;

/// Processes that began further apart did not load the server together.
const SKEW_MAX_SECONDS: f64 = 1.0;
/// Of a sample that is too small, said of a part, nothing is left to say when the whole is large enough.
const RULES_OF_THE_WHOLE: [&str; 1] = ["few_samples"];

/// `summary` is still empty, `details` are the caller's. `parts` are in order of their shards afterwards.
pub fn merge(parts: &mut [Part], partial: bool) -> Result<RunResult, Reason> {
    let missing = check(parts, partial)?;
    let parts = &*parts;
    let (config, plan) = reread(&parts[0].document.config, &parts[0].name).map_err(|e| {
        let what = format!("{}: its configuration cannot be read back: {e}", parts[0].name);
        Reason::new(what).hint("merge documents with the version that wrote them")
    })?;
    let series = figures::series(parts, &plan)?;
    let total = figures::total(parts, &series);
    let times = Times::of(parts);
    let duration = times.duration;
    let thresholds = verdict::thresholds(&plan, parts, &series, duration);
    let occurred = verdict::occurred(parts);
    let grouping = Grouping::from_plan(&plan);
    let warmups = parts.iter().filter_map(|part| part.document.warmup);
    let mut result = RunResult {
        schema: Schema,
        config: of_the_whole(parts),
        details: None,
        host: host(parts),
        run: run(parts, &times, &missing),
        totals: figures::totals(parts, &total),
        rates: rates(&total, duration),
        metrics: metrics(&total),
        kinds: grouping.by_kind(&series, duration),
        servers: grouping.by_server(&series, duration),
        server_timings: ServerTimings::from_series(&total),
        timeline: timeline::merge(parts, &times.offsets),
        // Of each process, in its part.
        managed_server_timeline: Vec::new(),
        warmup: warmups.reduce(WarmUp::merge),
        // A shard is a part of one run: it repeats nothing, and leaves no server alone.
        spread: Vec::new(),
        repeats: Vec::new(),
        contention: None,
        client: figures::client(parts)?,
        managed_server: figures::managed_server(parts),
        // Of each process, in its part.
        pushes: None,
        thresholds,
        steps: None,
        warnings: Vec::new(),
        analysis: Vec::new(),
        parts: parts.iter().map(Part::own).collect(),
        summary: String::new(),
    };
    result.warnings = warnings(&result, parts, &missing, times.skew);
    result.conclude(&config.analysis, config.require_fit, occurred);
    Ok(result)
}

/// When the parts ran.
struct Times {
    /// The first start of a load, nanoseconds since 1970.
    begun: i128,
    /// How much later than that each part began, seconds.
    offsets: Vec<f64>,
    /// From the first start to the last end.
    duration: Nanos,
    /// The largest of `offsets`.
    skew: f64,
}

impl Times {
    fn of(parts: &[Part]) -> Times {
        let begun = begun(parts);
        // A shard without VUs has no load that could have begun too early.
        let offsets: Vec<f64> = parts
            .iter()
            .map(|part| (part.started_at - begun).max(0) as f64 / SECOND as f64)
            .collect();
        let ends = parts
            .iter()
            .zip(&offsets)
            .map(|(part, offset)| part.document.run.duration_seconds + offset);
        Times {
            begun,
            duration: timeline::nanos(ends.fold(0.0, f64::max)),
            skew: offsets.iter().copied().fold(0.0, f64::max),
            offsets,
        }
    }
}

/// When the first load began, nanoseconds since 1970.
fn begun(parts: &[Part]) -> i128 {
    let loaded = parts.iter().filter(|part| part.document.totals.requests > 0);
    let first = loaded.map(|part| part.started_at).min();
    first
        .or_else(|| parts.iter().map(|part| part.started_at).min())
        .unwrap_or(0)
}

/// Without a verdict.
fn run(parts: &[Part], times: &Times, missing: &[u32]) -> Run {
    let first = &parts[0].document.run;
    let startups = parts.iter().map(|part| part.document.run.startup_seconds);
    Run {
        profile: first.profile.clone(),
        target: targets(parts).join(", "),
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

/// That of the plan as a whole: what belongs to one process is in the parts.
fn of_the_whole(parts: &[Part]) -> Value {
    let mut config = parts[0].document.config.clone();
    if let Some(fields) = config.as_object_mut() {
        belong::WHERE_IT_GOES
            .iter()
            .for_each(|key| drop(fields.remove(*key)));
    }
    if let Some(run) = config.get_mut("run").and_then(Value::as_object_mut) {
        run.remove("shard");
        run.remove("output");
    }
    config
}

/// What all have in common; each one's own is in its part.
fn host(parts: &[Part]) -> Host {
    let hosts = parts.iter().map(|part| &part.document.host);
    let first = parts[0].document.host.clone();
    hosts.fold(first, |common, host| common.in_common(host))
}

/// In order, each once.
fn targets(parts: &[Part]) -> Vec<String> {
    let mut targets: Vec<String> = Vec::new();
    for part in parts {
        if !targets.contains(&part.document.run.target) {
            targets.push(part.document.run.target.clone());
        }
    }
    targets
}

/// Those of the whole, then what only a part has to say.
fn warnings(result: &RunResult, parts: &[Part], missing: &[u32], skew: f64) -> Vec<Warning> {
    let mut out = Vec::new();
    if !missing.is_empty() {
        out.push(Warning::new(
            "shards_missing",
            format!(
                "shards {} of {} are not in here",
                listed(missing),
                parts[0].shard.count()
            ),
            "all figures are of the shards that are: the plan's whole load was higher, if the others ran",
        ));
    }
    if skew > SKEW_MAX_SECONDS {
        out.push(Warning::new(
            "start_skew",
            format!("the shards began {skew:.3} s apart"),
            "their ramps do not add up to the plan's: start them with the same --start-at",
        ));
    }
    let targets = targets(parts);
    if targets.len() > 1 {
        out.push(Warning::new(
            "several_targets",
            format!("the shards loaded different servers: {}", targets.join(", ")),
            "name one server for all with --target",
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
