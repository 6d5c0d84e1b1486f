//! Config -> Plan: the checks that need more than one value at hand. All mistakes at once.

mod endpoints;
pub(super) mod shard;

use crate::config::{CallConfig, Config, RequestConfig};
use crate::error::{Mistake, Reason};
use crate::plan::{
    Assignment, DURATION_MAX, Executor, ITERATIONS_MAX, Plan, Plateau, STAGES_MAX, STEPS_MAX, Selector,
    Shard, Stage, THRESHOLD_TRENDS_MAX, THRESHOLDS_MAX, Threshold, ThresholdMetric, VUS_MAX,
};
use crate::units::Nanos;
use crate::units::format_duration;
use crate::workload::{Call, Prompts, RequestKind, Timeouts, Workload};
use endpoints::Built;

/// Everything that the plan's types promise is checked here, wherever the config came from.
pub fn to_plan(config: &Config) -> Result<Plan, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    for reason in check_executor(&config.executor) {
        mistakes.push(config.shape_place.mistake(reason));
    }
    if config.graceful_stop > DURATION_MAX {
        let what = too_long("the graceful stop", config.graceful_stop);
        mistakes.push(config.shape_place.mistake(what));
    }
    let built = endpoints::build(config, &mut mistakes);
    let thresholds = build_thresholds(config, &built, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let workload = Workload {
        endpoints: built.endpoints,
        kinds: built.kinds,
        think_time: config.think_time,
    };
    let shard = config.run.shard.unwrap_or(Shard::WHOLE);
    Ok(Plan {
        profile: config.profile.clone(),
        seed: config.seed,
        executor: config.executor.clone(),
        graceful_stop: config.graceful_stop,
        workload,
        warmup: config.warmup,
        assignment: Assignment::Weighted,
        thresholds,
        steps: match config.steps {
            true => plateaus(&config.executor, shard),
            false => Vec::new(),
        },
        shard,
    })
}

/// With the shard's share of the VUs; a level at which it has none cannot be judged here.
fn plateaus(executor: &Executor, shard: Shard) -> Vec<Plateau> {
    let of_shard = |level: Plateau| Plateau {
        vus: shard.vus_of(level.vus),
        ..level
    };
    let levels = executor.plateaus().into_iter().map(of_shard);
    levels.filter(|level| level.vus > 0).collect()
}

fn too_long(what: &str, nanos: Nanos) -> Reason {
    let (is, most) = (format_duration(nanos), format_duration(DURATION_MAX));
    Reason::new(format!("{what} of {is} is longer than the limit, {most}"))
}

fn check_executor(executor: &Executor) -> Vec<Reason> {
    let mut wrong = Vec::new();
    let vus = executor.vus_of_all();
    if vus == 0 {
        wrong.push(Reason::new("no VU ever runs").hint("one target, or the VUs at the start, above 0"));
    }
    if vus > VUS_MAX {
        wrong.push(Reason::new(format!("{vus} VUs, above the limit, {VUS_MAX}")));
    }
    match executor {
        Executor::RampingVus {
            start_vus,
            stages,
            graceful_ramp_down,
        } => {
            wrong.extend(check_stages(*start_vus, stages));
            if *graceful_ramp_down > DURATION_MAX {
                wrong.push(too_long("the graceful ramp-down", *graceful_ramp_down));
            }
        }
        Executor::PerVuIterations { iterations, .. } | Executor::SharedIterations { iterations, .. }
            if *iterations == 0 || *iterations > ITERATIONS_MAX =>
        {
            wrong.push(Reason::new(format!(
                "{iterations} iterations, not 1 to {ITERATIONS_MAX}"
            )));
        }
        Executor::SharedIterations { vus, iterations, .. } if *iterations < u64::from(*vus) => {
            let what = format!("{iterations} iterations are fewer than {vus} VUs");
            wrong.push(Reason::new(what).hint("each VU needs one at least: fewer VUs or more iterations"));
        }
        _ => {}
    }
    // Stages are summed with care above: a total that overflows is not formed here.
    if wrong.is_empty() && executor.duration() == 0 {
        wrong.push(Reason::new("the run lasts no time at all").hint("a duration above 0"));
    }
    if wrong.is_empty() && executor.duration() > DURATION_MAX {
        wrong.push(too_long("a run", executor.duration()));
    }
    wrong
}

fn check_stages(start_vus: u32, stages: &[Stage]) -> Vec<Reason> {
    let mut wrong = Vec::new();
    if stages.is_empty() || stages.len() > STAGES_MAX {
        wrong.push(Reason::new(format!(
            "{} stages, not 1 to {STAGES_MAX}",
            stages.len()
        )));
    }
    let total = stages
        .iter()
        .fold(0 as Nanos, |sum, stage| sum.saturating_add(stage.duration));
    if total > DURATION_MAX {
        wrong.push(too_long("a run", total));
    }
    let (mut from, mut steps) = (start_vus, 0u64);
    for stage in stages {
        steps += u64::from(stage.target.abs_diff(from));
        from = stage.target;
    }
    if steps > STEPS_MAX {
        let what = format!("{steps} starts and stops of VUs, above the limit, {STEPS_MAX}");
        wrong.push(Reason::new(what).hint("fewer stages, or fewer VUs"));
    }
    wrong
}

/// At endpoint 0.
pub(super) fn build_kind(request: &RequestConfig) -> Result<RequestKind, Vec<Reason>> {
    let mut wrong = Vec::new();
    let name = &request.name;
    let call = match &request.call {
        CallConfig::Light => Call::Light,
        CallConfig::Get { path } => Call::Get { path: *path },
        CallConfig::Chat {
            stream,
            max_tokens,
            models,
            prompts,
            cache_prompt,
        } => {
            if models.is_empty() {
                let what = format!("request `{name}` has no models");
                wrong.push(Reason::new(what).hint("add `models:`, or `--model NAME`"));
            }
            if matches!(prompts, Prompts::List(texts) if texts.is_empty()) {
                let what = format!("request `{name}` has no prompts");
                wrong.push(Reason::new(what).hint("add `prompts:`, or `--prompt TEXT`"));
            }
            Call::Chat {
                stream: *stream,
                max_tokens: *max_tokens,
                models: models.clone(),
                prompts: prompts.clone(),
                cache_prompt: *cache_prompt,
            }
        }
    };
    if request.weight == 0 {
        wrong.push(Reason::new(format!("request `{name}` has weight 0")).hint("leave it out"));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let timeouts = Timeouts {
        connect: Some(request.connect_timeout.min(request.timeout)),
        first_token: request.first_token_timeout,
        idle: request.idle_timeout,
        total: request.timeout,
    };
    Ok(RequestKind {
        name: name.clone(),
        weight: request.weight,
        call,
        timeouts,
        endpoint: 0,
    })
}

fn build_thresholds(config: &Config, built: &Built, mistakes: &mut Vec<Mistake>) -> Vec<Threshold> {
    if config.thresholds.len() > THRESHOLDS_MAX {
        let what = format!(
            "{} thresholds, above the limit, {THRESHOLDS_MAX}",
            config.thresholds.len()
        );
        mistakes.push(config.thresholds[0].place.mistake(Reason::new(what)));
        return Vec::new();
    }
    let mut out = Vec::with_capacity(config.thresholds.len());
    for asked in &config.thresholds {
        let parsed = Threshold::parse(&asked.metric, &asked.expression).and_then(|mut threshold| {
            threshold.selector.resolve(&built.endpoints);
            // Of a mix with a faulty kind nothing can be said to be missing.
            if built.complete {
                threshold.selector.check(&built.kinds)?;
            }
            Ok(threshold)
        });
        match parsed {
            Ok(threshold) => out.push(Threshold {
                abort_after: asked.abort_on_fail.then(|| asked.delay_abort_eval.unwrap_or(0)),
                ..threshold
            }),
            Err(reason) => mistakes.push(asked.place.mistake(reason)),
        }
    }
    if let (Some(first), Err(reason)) = (config.thresholds.first(), check_distributions(&out)) {
        mistakes.push(first.place.mistake(reason));
    }
    out
}

/// Thresholds on the same metric of the same requests share its distributions.
fn check_distributions(thresholds: &[Threshold]) -> Result<(), Reason> {
    let mut seen: Vec<(ThresholdMetric, &Selector)> = Vec::new();
    for threshold in thresholds {
        let key = (threshold.metric, &threshold.selector);
        if matches!(threshold.metric, ThresholdMetric::Trend(_)) && !seen.contains(&key) {
            seen.push(key);
        }
    }
    if seen.len() <= THRESHOLD_TRENDS_MAX {
        return Ok(());
    }
    let what = format!(
        "thresholds on {} different distributions, above the limit, {THRESHOLD_TRENDS_MAX}",
        seen.len()
    );
    Err(Reason::new(what).hint("fewer combinations of metric and tags"))
}
