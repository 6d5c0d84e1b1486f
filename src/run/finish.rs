//! The end of a run: builds and writes the result, and stops the server that the run started.

use serde_json::Value;

use crate::calibration::budget;
use crate::config::Config;
use crate::error::{ExitCode, Failure, shown_path};
use crate::net::clock;
use crate::output::{self, OutputFiles, Spooled, View};
use crate::plan::{Assignment, Plan};
use crate::profiles;
use crate::result::{
    Contention, GeneratorFacts, GroupFigures, Grouping, Host, IoFigures, Layout, ManagedServerRow, Ordered,
    Paired, PassFigures, PhaseTimes, Pushes, Required, Run, RunFacts, RunResult, SessionFigures,
    ShardFigures, StampSource, StartFigures, StoppedBy, TraceFigures, rfc3339, spread,
};
use crate::units::{Nanos, seconds};

use super::load::{Load, Total};
use crate::run::beside::Beside;
use crate::run::{Finished, Ready, failures, server_metrics, servers, silence, slots};

/// Facts known when the load began that the result needs.
pub struct StartFacts {
    /// When the program started, on CLOCK_MONOTONIC.
    pub begun: Nanos,
    /// When the load was to begin, in nanoseconds since 1970; `None` if no time was given.
    pub start_at: Option<Nanos>,
    pub pushes: Option<Pushes>,
    /// For how long the machine had slept before the load.
    pub suspended: Nanos,
    /// The summary shows all figures.
    pub full_summary: bool,
}

/// Builds the result, judges and writes it, and stops the server that the run started.
pub fn finish(
    config: &Config,
    plan: &Plan,
    mut ready: Ready,
    (files, beside): (&OutputFiles, &Beside),
    mut load: Load,
    started: StartFacts,
) -> (Finished, RunResult) {
    // A second signal leaves 100 ms, which is too short to wait for a busy server's answer or for its graceful end.
    let ask = !load.in_a_hurry && load.stopped_by != StoppedBy::Server;
    let server = match ask {
        true => ready.managed.totals(&mut load.books.failures),
        false => None,
    };
    let samples = ready.managed.samples();
    let spooling = load.books.spool.take();
    let details = spooling.map(|spool| spool.finish(load.in_a_hurry, &mut load.books.failures));
    let details_lost = details.as_ref().map_or(0, |details| details.lost);
    let spooled = details.and_then(|details| details.spooled);
    let silent = never_answered(plan, &ready, &load);
    load.books.failures.extend(silent);
    let grouping = Grouping::from_plan(plan);
    let pace = &load.measured.load.merged().pace;
    let runs = load.repeats.len() as u64;
    let facts = RunFacts {
        config: serde_json::to_value(config).unwrap_or(Value::Null),
        host: host(&ready),
        run: run(config, plan, &ready, &load, &started),
        duration: load.measured.duration,
        loaded: load.measured.loaded,
        phases: PhaseTimes::new(&plan.executor, load.measured.steady),
        grouping: grouping.clone(),
        trace: TraceFigures::new(&plan.executor, pace, load.measured.loaded, runs),
        generator: generator(&ready, details_lost, started.suspended),
        judged: load.judged.clone(),
        failures: failures::figures(&load.measured.load.merged().failures, &grouping, &ready),
        passes: pass_figures(plan, &load),
        slot_free: slots::figures(plan, &load.slots),
        server_metrics: server_metrics::figures(&ready, &load.metrics),
        managed_server: servers::figures(plan, &load.sent(), server, &samples),
        managed_server_timeline: samples.rows.iter().map(ManagedServerRow::from_sample).collect(),
        pushes: started.pushes,
    };
    let mut result = RunResult::build(facts, &load.measured.load);
    let calibration = config.run.calibration.as_ref();
    result.client.error_budget = calibration.and_then(|of_host| budget(of_host, &result.client));
    let occurred = load.books.failures.iter().map(|f| f.exit).collect();
    let required = Required {
        fit: config.require_fit,
        decided: config.require_decided,
    };
    result.judge(&config.analysis, required, occurred);
    check_sums(&mut result, &mut load);
    if result.run.exit_code == ExitCode::NothingSucceeded {
        load.books.failures.extend(result.failure());
    }
    result.summary = text_of_end(&result, started.full_summary, (files, beside));
    let to = (files, beside);
    let saved = write(&result, to, spooled.as_ref(), &mut load.books.failures);
    match load.in_a_hurry {
        true => ready.managed.kill(),
        false => ready.managed.stop(&mut load.books.failures),
    }
    let exits = load.books.failures.iter().map(|failure| failure.exit);
    let exit = ExitCode::combine(&exits.chain([result.run.exit_code]).collect::<Vec<_>>());
    let standard_output_taken = files.use_standard_output() || beside.uses_standard_output();
    let view = View {
        exit: Some(exit),
        saved,
        ..View::of_terminal(started.full_summary, !standard_output_taken)
    };
    let finished = Finished {
        exit,
        summary: output::summary(&result, &view),
        standard_output_taken,
        errors: load.books.failures,
        linger: None,
    };
    (finished, result)
}

/// Returns the text of the end of the run, if everything can be written.
fn text_of_end(result: &RunResult, full: bool, (files, beside): (&OutputFiles, &Beside)) -> String {
    let names = files.names().into_iter().chain(beside.names()).collect();
    output::summary(result, &View::plain(full).saved_as(names))
}

/// Writes the documents, then what is beside them. Returns the names of what was written.
pub(super) fn write(
    result: &RunResult,
    (files, beside): (&OutputFiles, &Beside),
    spooled: Option<&Spooled>,
    failures: &mut Vec<Failure>,
) -> Vec<String> {
    let (mut saved, unwritten) = files.write(result, spooled);
    failures.extend(unwritten);
    let (written, without_requests) = beside.write_run(result, spooled, failures);
    saved.extend(written);
    // Where a document has the details, it has removed their file.
    if let Some(spooled) = spooled.filter(|_| files.is_empty()) {
        match without_requests {
            false => failures.extend(spooled.remove().err()),
            true => keep(spooled, failures),
        }
    }
    saved
}

/// Says where the requests are that could not be written as a table.
fn keep(spooled: &Spooled, failures: &mut Vec<Failure>) {
    let kept = shown_path(spooled.path());
    let last = failures
        .pop()
        .map(|failure| failure.because(&format!("the requests are in {kept}")));
    failures.extend(last);
}

/// Returns the failures of servers that never answered.
fn never_answered(plan: &Plan, ready: &Ready, load: &Load) -> Vec<Failure> {
    let sent = load.sent();
    let why = |server: u16| {
        let all = sent.failures.by_count();
        let first = all.into_iter().find(|requests| requests.kind.server == server);
        let figures = first.map(|requests| failures::figures_of(requests, &Grouping::from_plan(plan), ready));
        figures.map_or(String::new(), |failure| failure.in_words())
    };
    silence::never_answered(plan, &sent, &ready.targets, load.stopped_by, why)
}

/// Checks that the requests of the result add up to what the cores counted. Each pass has been checked by itself; this
/// finds what was lost while passes were added up.
fn check_sums(result: &mut RunResult, load: &mut Load) {
    let cores = load.measured.load.merged().cores.iter().enumerate();
    let cores = cores.map(|(index, core)| (format!("core {index}"), core.account));
    let figures = result
        .ledger(result.totals.in_flight)
        .with_division("cores", cores)
        .imbalance();
    let known = load.books.failed_internally();
    if let Some(failure) = Failure::imbalance("the requests of the result do not add up", &figures)
        && !known
    {
        load.books.failures.push(failure);
        result.fail_internally();
    }
}

/// Returns the models that requests named, each once. Names that nobody has chosen are left out where the server has no
/// list of models: it answers with its own.
fn models(plan: &Plan, ready: &Ready) -> Vec<String> {
    let kinds = plan.workload.kinds.iter();
    let named = kinds.filter_map(|kind| {
        let models = &kind.call.chat()?.models;
        let row = ready.targets[usize::from(kind.server)].api.row();
        let is_chosen = row.models.is_some() || !profiles::stand_in_models(models);
        (row.names_model && is_chosen).then_some(models)
    });
    let mut all: Vec<String> = named.flatten().cloned().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns the section about the run, still without a verdict.
fn run(config: &Config, plan: &Plan, ready: &Ready, load: &Load, started: &StartFacts) -> Run {
    Run {
        profile: plan.profile.clone(),
        target: origins(ready),
        models: Some(models(plan, ready)),
        token_counts: plan.workload.fingerprint_of_costs(),
        started_at: rfc3339(i128::from(load.t0) + i128::from(load.wall_offset)),
        startup_seconds: seconds(load.t0.saturating_sub(started.begun)),
        duration_seconds: seconds(load.measured.duration),
        stopped_by: load.stopped_by,
        layout: match config.document_names_servers() {
            true => Layout::Workload,
            false => Layout::Profile,
        },
        shard: config.run.shard.map(ShardFigures::from_shard),
        start: start_figures(load, started.start_at),
        merged: None,
        verdict: String::new(),
        exit_code: ExitCode::Ok,
        versions: Ordered::from_iter([("llmload-uring", env!("CARGO_PKG_VERSION").to_owned())]),
    }
}

/// Returns how late the first pass began, which is the warm-up if there is one.
fn start_figures(load: &Load, asked: Option<Nanos>) -> Option<StartFigures> {
    let asked = i128::from(asked?);
    let begun = i128::from(load.books.origin.unwrap_or(load.t0)) + i128::from(load.wall_offset);
    Some(StartFigures::from_instants(asked, begun))
}

fn pass_figures(plan: &Plan, load: &Load) -> PassFigures {
    PassFigures {
        warmup: load.warmup,
        spread: spread(&load.repeats),
        repeats: load.repeats.clone(),
        contention: contention(plan, load),
        paired: paired(plan, load),
        sessions: sessions(plan, load),
    }
}

/// Compares the two servers of a plan with pairs.
fn paired(plan: &Plan, load: &Load) -> Option<Paired> {
    let Assignment::Paired(prompts) = plan.assignment else {
        return None;
    };
    let names = plan.server_names();
    let [base, other] = names.as_slice() else {
        return None;
    };
    Some(Paired::from_pairs(
        [base, other],
        prompts,
        load.measured.load.pairs(),
    ))
}

/// Returns the figures of conversations, if the plan has any.
fn sessions(plan: &Plan, load: &Load) -> Option<SessionFigures> {
    let planned = plan.planned_histories()?;
    let measured = &load.measured;
    Some(SessionFigures::from_totals(
        measured.load.sessions(),
        &planned,
        seconds(measured.loaded),
    ))
}

/// Compares each server alone with all together. Returns `None` if that was not asked for, or if the run ended before
/// every server had its turn.
fn contention(plan: &Plan, load: &Load) -> Option<Contention> {
    let grouping = Grouping::from_plan(plan);
    let figures = |total: &Total| grouping.by_server(&total.load.merged().series, total.loaded);
    let servers = &grouping.servers;
    if load.alone.is_empty() || load.alone.len() < servers.len() || load.measured.loaded == 0 {
        return None;
    }
    let together = figures(&load.measured)?;
    let alone: Vec<Ordered<GroupFigures>> = load
        .alone
        .iter()
        .map(|total| figures(total.as_ref()?))
        .collect::<Option<_>>()?;
    let users = |endpoint: u16| {
        let only = Some(endpoint);
        let tied = Plan {
            assignment: Assignment::Fixed { only },
            ..plan.clone()
        };
        tied.schedule_of_shard().vus_max()
    };
    let pairs: Vec<(&str, u32, &GroupFigures, &GroupFigures)> = (0u16..)
        .zip(servers)
        .zip(&alone)
        .filter_map(|((index, name), alone)| {
            Some((name.as_str(), users(index), alone.get(name)?, together.get(name)?))
        })
        .collect();
    Some(Contention::from_pairs(&pairs))
}

/// Returns what the cores have not counted. Before the load the machine had slept for `suspended_before`.
pub(super) fn generator(ready: &Ready, details_unwritten: u64, suspended_before: Nanos) -> GeneratorFacts {
    GeneratorFacts {
        cpus: ready.cpus.workers.clone(),
        stamp_source: stamp_source(ready),
        io: io_figures(ready),
        quickack: ready.engine.quickack,
        tls_verified: tls_verified(ready),
        details_unwritten,
        run_delay_counted: clock::run_delay().is_some(),
        suspended: clock::suspended().saturating_sub(suspended_before),
        throttled: ready.quota.throttled().map(|t| (t.periods, t.throttled)),
    }
}

/// Returns what drives the sockets, and why if nobody asked for it.
pub(super) fn io_figures(ready: &Ready) -> IoFigures {
    IoFigures {
        driver: ready.io.io.name().to_owned(),
        reason: ready.io.reason.clone(),
    }
}

/// Returns the addresses of the targets, as printed, without repeating neighbours that are the same.
pub(super) fn origins(ready: &Ready) -> String {
    let mut origins: Vec<&str> = ready
        .targets
        .iter()
        .map(|target| target.origin.as_str())
        .collect();
    origins.dedup();
    origins.join(", ")
}

/// Tells whether all certificates were verified; `None` if no target uses TLS.
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

pub(super) fn host(ready: &Ready) -> Host {
    let h = &ready.host;
    Host {
        kernel: Some(h.kernel.clone()),
        cpu: Some(h.cpu_model.clone()),
        cpus_allowed: Some(h.allowed_cpus.clone()),
        worker_cpus: Some(ready.cpus.workers.clone()),
        server_cpus: Some(ready.cpus.server.clone()),
        reporter_cpu: Some(ready.cpus.reporter),
        open_files: h.open_files.soft,
        memlock_bytes: h.memlock.soft,
        local_ports: Some([h.local_ports.0, h.local_ports.1]),
        min_wait_us: Some(ready.engine.min_wait_us.into()),
        cpu_quota: ready.quota.cpus(),
    }
}
