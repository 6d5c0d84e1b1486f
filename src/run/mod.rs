//! A run from its plan to its exit code: check the host, find or start the server, start the engine, listen to
//! it, build the result, write it.

mod failure;
mod listen;
mod notice;
mod probe;
mod progress;
mod push;
mod servers;
mod setup;
mod signals;
mod silence;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cli::RunArgs;
use crate::config::{Config, load_plan};
use crate::engine::Engine;
use crate::output::{self, OutputFiles};
use crate::plan::Plan;
use crate::push::Pushes;
use crate::result::{ExitCode, RunFacts, RunResult, Shape, StampSource, StoppedBy};
use crate::units::Nanos;
pub use failure::Failure;
use listen::{Listened, Listener};
pub use probe::{Probed, probe};
use progress::Shown;
use setup::Ready;
pub use signals::{Phase, Signals};

/// What a finished run shows: `main` prints it.
#[derive(Debug)]
pub struct Finished {
    pub exit: ExitCode,
    /// For standard output; empty with `--quiet`.
    pub summary: String,
    /// For standard error: what went wrong beside the load itself.
    pub errors: Vec<Failure>,
}

/// `begun`: when the program started, CLOCK_MONOTONIC. `say` prints a line of progress or a note at once.
pub fn run(
    args: &RunArgs,
    signals: &Signals,
    begun: Nanos,
    say: &mut dyn FnMut(&str),
) -> Result<Finished, Failure> {
    let (config, plan) = load_plan(args)?;
    let plan = Arc::new(plan);
    let now = OffsetDateTime::now_utc();
    let results = config.results_dir.as_deref().map(|folder| (folder, now));
    let files = OutputFiles::prepare(config.run.output.as_deref(), results)?;
    let mut note = |note: &str| {
        if !args.quiet {
            say(note);
        }
    };
    if config.run.details && files.spool_path().is_none() {
        note("--details: left out, there is no --output FILE to put them in (a device or a pipe is none)");
    }
    let gateway = push::gateway(&config)?;
    let mut ready = setup::set_up(&config, &plan, args, &mut note)?;
    if config.validate
        && let Err(e) = ready
            .owned
            .validate(&plan, &ready.targets, &ready.engine.tls, &mut note)
    {
        let mut failures = vec![Failure::from(e)];
        ready.owned.stop(&mut failures);
        return Err(failures.remove(0));
    }
    let engine = Engine::start(plan.clone(), ready.targets.clone(), ready.engine.clone())
        .map_err(Failure::internal)?;
    setup::pin_to(ready.cpus.reporter);
    let pusher = push::start(gateway, &config, &plan, args.quiet)?;
    let screen = progress::screen(args);
    let mut say = |line: &str| match &screen {
        Some(screen) => screen.above(|| say(line)),
        None => say(line),
    };
    let cores = ready.cpus.workers.len();
    let shown = Shown::new(args, screen.as_ref(), cores, ready.engine.kernel_stamps);
    let listener = Listener::new(&plan, engine, &files, &ready, shown, &mut say)?;
    signals.enter(Phase::Load);
    let mut listened = listener.push_by(pusher).listen(&mut ready, signals);
    if let Some(screen) = &screen {
        screen.clear();
    }
    let pushed = push::finish(&mut listened, &config, signals, &mut say);
    signals.enter(Phase::Report {
        temporaries: files.temporaries(),
    });
    Ok(finish(
        &config,
        &plan,
        ready,
        &files,
        listened,
        Start {
            begun,
            args,
            pushes: pushed.map(|pushed| pushed.pushes),
        },
    ))
}

struct Start<'a> {
    begun: Nanos,
    args: &'a RunArgs,
    pushes: Option<Pushes>,
}

/// Judges, builds the result, writes it, stops the server.
fn finish(
    config: &Config,
    plan: &Plan,
    mut ready: Ready,
    files: &OutputFiles,
    mut listened: Listened,
    start: Start<'_>,
) -> Finished {
    // A second signal leaves 100 ms: none for a busy server's answer, none for its graceful end.
    let ask = !listened.in_a_hurry && listened.stopped_by != StoppedBy::Server;
    let server = match ask {
        true => ready.owned.totals(&mut listened.failures),
        false => None,
    };
    let samples = ready.owned.samples();
    let merged = listened.aggregator.merged();
    let duration = listened.ended - listened.t0;
    listened.failures.extend(silence::never_answered(plan, merged, &ready.targets));
    let facts = RunFacts {
        config: serde_json::to_value(config).unwrap_or(Value::Null),
        host: host_json(&ready),
        profile: plan.profile.clone(),
        started_at_unix_ns: i128::from(listened.t0) + i128::from(listened.wall_offset),
        duration,
        stopped_by: listened.stopped_by,
        versions: vec![("llmload-uring".into(), env!("CARGO_PKG_VERSION").into())],
        series_names: series_names(plan),
        server_names: server_names(plan),
        server_of_series: plan.workload.kinds.iter().map(|kind| kind.endpoint).collect(),
        cpus: ready.cpus.workers.clone(),
        stamp_source: stamp_source(&ready),
        quickack: ready.engine.quickack,
        judged: listened.judge.finish(duration, &samples.rss_over_time()),
        tls_verified: tls_verified(&ready),
        fit_required: config.require_fit,
        problems: listened.failures.iter().map(|f| f.exit).collect(),
        details_unwritten: listened.spooled.as_ref().map_or(0, |s| s.lost),
        pushes: start.pushes,
        target: origins(&ready),
        server: servers::figures(plan, merged, server, &samples),
        server_timeline: samples.rows,
        startup: listened.t0.saturating_sub(start.begun),
        analysis: config.analysis.clone(),
        shape: match config.servers.is_empty() {
            true => Shape::Profile,
            false => Shape::Workload,
        },
    };
    let mut result = RunResult::build(facts, &listened.aggregator);
    result.summary = output::summary(&result);
    let unwritten = files.write(&result, listened.spooled.as_ref());
    listened.failures.extend(unwritten.into_iter().map(Failure::from));
    match listened.in_a_hurry {
        true => ready.owned.kill(),
        false => ready.owned.stop(&mut listened.failures),
    }
    let mut problems: Vec<ExitCode> = listened.failures.iter().map(|f| f.exit).collect();
    problems.push(result.run.exit_code);
    Finished {
        exit: ExitCode::combine(&problems),
        summary: if start.args.quiet {
            String::new()
        } else {
            result.summary
        },
        errors: listened.failures,
    }
}

/// As printed, each once.
fn origins(ready: &Ready) -> String {
    let mut origins: Vec<&str> = ready
        .targets
        .iter()
        .map(|target| target.origin.as_str())
        .collect();
    origins.dedup();
    origins.join(", ")
}

/// `None`: no TLS at all; false: some server's certificate was not looked at.
fn tls_verified(ready: &Ready) -> Option<bool> {
    let verified = ready.engine.tls.iter().flatten().map(|tls| tls.verified);
    verified.reduce(|all, one| all && one)
}

fn stamp_source(ready: &Ready) -> StampSource {
    match ready.engine.kernel_stamps {
        true => StampSource::Kernel,
        false => StampSource::User,
    }
}

pub fn series_names(plan: &Plan) -> Vec<String> {
    plan.workload.kinds.iter().map(|k| k.name.clone()).collect()
}

/// Names of several servers; empty where there is one.
fn server_names(plan: &Plan) -> Vec<String> {
    let endpoints = &plan.workload.endpoints;
    let names = endpoints
        .iter()
        .map(|endpoint| endpoint.name.clone().unwrap_or_default());
    if endpoints.len() > 1 {
        names.collect()
    } else {
        Vec::new()
    }
}

/// What each request of a series is said to have gone to: with several servers, the server.
pub fn detail_names(plan: &Plan) -> Vec<String> {
    let servers = server_names(plan);
    if servers.is_empty() {
        return series_names(plan);
    }
    let kinds = plan.workload.kinds.iter();
    kinds
        .map(|kind| servers[usize::from(kind.endpoint)].clone())
        .collect()
}

fn host_json(ready: &Ready) -> Value {
    let h = &ready.host;
    json!({
        "kernel": h.kernel,
        "cpu": h.cpu_model,
        "cpus_allowed": h.allowed_cpus,
        "worker_cpus": ready.cpus.workers,
        "server_cpus": ready.cpus.server,
        "reporter_cpu": ready.cpus.reporter,
        "open_files": h.open_files.soft,
        "memlock_bytes": h.memlock.soft,
        "local_ports": [h.local_ports.0, h.local_ports.1],
        "min_wait_us": ready.engine.min_wait_us,
    })
}

/// The path of our own binary, for the child.
pub fn own_exe() -> &'static Path {
    Path::new(crate::server::managed::OWN_EXE)
}
