//! The setup before the load: chooses CPUs, finds or starts the server, and checks that the host can run the load.

use crate::calibration;
use crate::cli::{RunArgs, Stamp};
use crate::config::{Config, ServerChoice, check_apis, check_options, check_vocabularies, refused_contents};
use crate::discover::{Approach, Discovery};
use crate::engine::{EngineOptions, RequestIds};
use crate::export::{Needs, kept};
use crate::host::preflight::ring_bytes;
use crate::host::{self, CpuPlan, CpuQuota, HostFacts, Io, IoUse, Need, plan_cpus};
use crate::net;
use crate::plan::Plan;
use crate::server;
use crate::tls::{TlsOptions, TlsTarget};
use crate::units::{MICROSECOND, Masks};
use crate::workload::{CacheBust, Call, Target};

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::servers::{self, Managed};
use crate::error::{Failure, Mistakes, Reason, one_line, quoted};
use crate::run::server_metrics::{self, MetricsSource};
use crate::run::{histories, masks, models, notice, sources};

/// The most connections of a core that are closing while their users open the next: an answer ends with a read, a read
/// needs a buffer, and a connection is closed in the turn after the one that read its end.
const CLOSING_PER_CORE: u32 = 2 * net::BUFFERS as u32;

/// Everything that is in place before the load begins.
pub struct Ready {
    pub host: HostFacts,
    pub cpus: CpuPlan,
    pub quota: CpuQuota,
    /// The target of each endpoint of the plan.
    pub targets: Arc<[Target]>,
    pub engine: EngineOptions,
    /// What drives the sockets, and why.
    pub io: IoUse,
    /// The number of loads that this process has begun, passes and probes.
    pub loads: u32,
    pub managed: Managed,
    /// What no text may show.
    pub masks: Masks,
    /// The model that each server is asked for if the configuration leaves the choice to the server.
    pub models: Vec<Option<String>>,
    /// The servers whose own account of the load is read.
    pub metrics: Vec<MetricsSource>,
    /// What the load needs of the host.
    need: Need,
    /// Whether it is still to be found out which members of a body each target takes.
    pub unknown_bodies: Vec<bool>,
}

impl Ready {
    /// Says in a few words what is loaded: the simulator, the only target's address, or how many servers.
    pub fn tested(&self) -> String {
        match &*self.targets {
            _ if self.managed.is_simulator() => "the simulator".to_owned(),
            [only] => only.origin.clone(),
            several => format!("{} servers", several.len()),
        }
    }
}

/// Prepares everything that the load needs, and starts the server if the run has one of its own.
pub fn set_up(
    config: &Config,
    plan: &Plan,
    args: &RunArgs,
    note: &mut dyn FnMut(&str),
) -> Result<Ready, Failure> {
    let run = &config.run;
    let choice = servers::choose(config)?;
    let mut host = HostFacts::read_for(run.io);
    let quota = CpuQuota::read();
    let starts_server = !matches!(choice, ServerChoice::Running(_));
    let mut cpus = plan_cpus(
        &host.allowed_cpus,
        run.cores.map(|n| n as usize),
        run.cpus.as_ref().map(|list| list.0.as_slice()),
        starts_server,
    )?;
    cpus.workers.truncate(plan.cores_max());
    let mut need = needed(config, plan, cpus.workers.len() as u32, &choice);
    let io = check_host(config, plan, (&mut host, &mut need), note)?;
    note_quota(&quota, cpus.workers.len(), note);
    // The notice comes after the check, so that nobody waits for a run that this host refuses, and before anything but
    // DNS is asked.
    notice::announce(config, plan, args, note)?;
    note_key(config, &choice, note);
    let headers = headers(config);
    let tls = TlsOptions {
        cacert: run.cacert.clone(),
        insecure: run.insecure,
    };
    let deadline = args.wait_for_target.map(Duration::from_nanos);
    let deadline = deadline.and_then(|wait| Instant::now().checked_add(wait));
    let approach = Approach {
        tls: &tls,
        sources: &config.source_address.addresses,
    };
    let masks = masks::of(config);
    let (managed, mut found) = servers::connect(choice, &cpus, headers, &masks, approach, deadline, note)?;
    sources::fit(config, &mut found)?;
    check_contents(config, &found)?;
    let before = (need.addresses, need.sources);
    need.addresses = addresses_in_use(&found, plan);
    need.sources = sources::in_use(config, &found);
    if (need.addresses, need.sources) != before {
        host::check(&mut host, &need)?;
    }
    // Not before: whoever has mistyped a target is told of that alone.
    let notes = io.note().into_iter();
    for n in notes.chain(found.iter().flat_map(|found| found.notes.clone())) {
        note(&n);
    }
    check_requests(config, args, &found)?;
    note_whole_answers(config, &found, note);
    let models = models::choose(config, args, &found, &masks, note)?;
    let unknown_bodies = found.iter().map(|found| !found.takes_usual_body).collect();
    let (mut targets, tls): (Vec<Target>, Vec<Option<TlsTarget>>) =
        found.into_iter().map(|found| (found.target, found.tls)).unzip();
    close_each(plan, &mut targets);
    let loaded = (targets.as_slice(), tls.as_slice());
    let metrics = server_metrics::sources(config, plan, loaded, &managed, note);
    let engine = engine_options(config, plan, args, (&host, &cpus, tls), io.io);
    Ok(Ready {
        host,
        engine,
        io,
        loads: 0,
        cpus,
        quota,
        targets: targets.into(),
        managed,
        masks: masks::of(config),
        models,
        metrics,
        need,
        unknown_bodies,
    })
}

/// Lets each request ask for the end of its connection, if it has one of its own.
fn close_each(plan: &Plan, targets: &mut [Target]) {
    if plan.connection.is_per_request() {
        for target in targets {
            target.headers.push(("Connection".to_owned(), "close".to_owned()));
        }
    }
}

/// Refuses everything that can be refused without a server, before one is started. Returns what drives the sockets,
/// which `need` then has as well.
fn check_host(
    config: &Config,
    plan: &Plan,
    (host, need): (&mut HostFacts, &mut Need),
    note: &mut dyn FnMut(&str),
) -> Result<IoUse, Failure> {
    let io = IoUse::choose(config.run.io, host, need);
    need.io = io.io;
    check_calibration(config, host, io.io, note)?;
    sources::check(config)?;
    histories::check(config, plan, host)?;
    let notes = host::check(host, need)?;
    notes.iter().for_each(|n| note(&n.to_string()));
    Ok(io)
}

/// Checks that this host can carry a larger part of the load than it was prepared for, because a rank was lost.
pub fn check_part(config: &Config, plan: &Plan, ready: &mut Ready) -> Result<(), Failure> {
    let vus = plan.connections_max();
    let need = Need {
        vus,
        closing: match plan.connection.is_per_request() {
            true => vus.min(ready.need.cores * CLOSING_PER_CORE),
            false => 0,
        },
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(vus)),
        ..ready.need
    };
    histories::check(config, plan, &ready.host)?;
    host::check(&mut ready.host, &need)?;
    Ok(())
}

/// Says whose key is sent, unless it goes to the simulator.
fn note_key(config: &Config, choice: &ServerChoice, note: &mut dyn FnMut(&str)) {
    if let (Some(key_note), false) = (&config.run.key_note, matches!(choice, ServerChoice::Simulator(_))) {
        note(key_note);
    }
}

/// Returns what the run needs of the host, as far as it is known before any name is looked up.
fn needed(config: &Config, plan: &Plan, cores: u32, choice: &ServerChoice) -> Need {
    let vus = plan.connections_max();
    Need {
        io: Io::Uring,
        vus,
        cores,
        // A first estimate, before names are looked up: each server has at least one address of its own.
        addresses: plan.servers_per_user(),
        sources: config.source_address.addresses.len().max(1) as u32,
        closing: match plan.connection.is_per_request() {
            true => vus.min(cores * CLOSING_PER_CORE),
            false => 0,
        },
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(vus)),
        backlog: match choice {
            ServerChoice::Simulator(_) => server::LISTEN_BACKLOG,
            ServerChoice::Running(_) | ServerChoice::Command { .. } => 0,
        },
    }
}

fn engine_options(
    config: &Config,
    plan: &Plan,
    args: &RunArgs,
    (host, cpus, tls): (&HostFacts, &CpuPlan, Vec<Option<TlsTarget>>),
    io: Io,
) -> EngineOptions {
    let run = &config.run;
    let kept = kept(&args.exports);
    let has_document = run.output.is_some() || config.results_dir.is_some();
    let has_file = has_document || args.csv.is_some() || kept > Needs::Figures;
    EngineOptions {
        answer_bytes_max: host::answer_bytes_max(host),
        history_bytes_max: histories::bytes_max(plan, host),
        io,
        cpus: cpus.workers.clone(),
        kernel_stamps: run.stamp == Stamp::Kernel,
        min_wait_us: (run.min_wait / MICROSECOND) as u32,
        quickack: run.quickack,
        details: run.details && has_file,
        gaps: kept == Needs::Gaps,
        verify_stamps: args.verify_stamps,
        source_addresses: config.source_address.addresses.clone(),
        settle: None,
        tls,
        request_ids: request_ids(config),
        masks: Arc::new(masks::of(config)),
    }
}

/// Refuses rows of datasets that a server's API cannot carry, now that it is known.
fn check_contents(config: &Config, found: &[Discovery]) -> Result<(), Failure> {
    let apis: Vec<_> = found.iter().map(|server| server.target.api).collect();
    match refused_contents(config, &apis) {
        mistakes if mistakes.is_empty() => Ok(()),
        mistakes => Err(Mistakes::new(mistakes).into()),
    }
}

/// Refuses requests that an API has no words for, or a model no tokens.
fn check_requests(config: &Config, args: &RunArgs, found: &[Discovery]) -> Result<(), Failure> {
    let apis = || found.iter().map(|found| found.target.api);
    check_apis(config, apis())?;
    check_options(args, apis()).map_err(Mistakes::new)?;
    let known = found.iter().map(|found| (found.target.api, found.vocabulary));
    Ok(check_vocabularies(config, args, known)?)
}

/// Says which requests get whole answers although they ask for streams, because their server has none.
fn note_whole_answers(config: &Config, found: &[Discovery], note: &mut dyn FnMut(&str)) {
    let streaming = config
        .requests
        .iter()
        .filter(|request| request.call.stream() == Some(true));
    let names: Vec<String> = streaming.map(|request| format!("`{}`", request.name)).collect();
    for server in found.iter().filter(|server| !server.target.api.row().streams()) {
        let title = server.target.api.row().title;
        if !names.is_empty() {
            note(&format!(
                "target {}: {title} has no streams, so requests {} get whole answers, and no TTFT",
                server.target.origin,
                names.join(", ")
            ));
        }
    }
}

/// Returns how requests tell their ids: each begins with what no other run has, so it does not come from the seed.
fn request_ids(config: &Config) -> Option<RequestIds> {
    let header = config.request_id_header.clone()?;
    Some(RequestIds {
        header,
        prefix: format!("{}-", tag_by_chance()),
    })
}

/// Returns 12 hexadecimal digits that no other run has.
fn tag_by_chance() -> String {
    let chance = RandomState::new().hash_one(std::process::id());
    format!("{:012x}", chance >> 16)
}

/// Gives the kinds of request whose prompts begin differently in each run a tag of this run, unless they have one. The
/// result's configuration has it then, and makes the same requests again. Returns false if nothing has changed.
pub fn choose_tag(config: &mut Config) -> bool {
    let tag = tag_by_chance();
    let mut has_changed = false;
    for request in &mut config.requests {
        if let Call::Chat(chat) = &mut request.call
            && let Some(CacheBust { tag: own @ None }) = chat.cache_bust.as_deref_mut()
        {
            *own = Some(tag.as_str().into());
            has_changed = true;
        }
    }
    has_changed
}

/// Tells for each kind of request whether its requests carry ids of this header: not where a header of that name was
/// configured.
pub fn carry_ids(plan: &Plan, ready: &Ready) -> Option<(String, Vec<bool>)> {
    let ids = ready.engine.request_ids.as_ref()?;
    let kinds = plan.workload.kinds.iter();
    let sent = kinds.map(|kind| {
        let target = &ready.targets[usize::from(kind.server)];
        let mut all = target.headers.iter().chain(&kind.headers);
        !all.any(|(name, _)| name.eq_ignore_ascii_case(&ids.header))
    });
    Some((ids.prefix.clone(), sent.collect()))
}

/// Refuses a calibration of another host, whose errors would be stated as if they were this one's.
fn check_calibration(
    config: &Config,
    host: &HostFacts,
    io: Io,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let Some(calibration) = &config.run.calibration else {
        return Ok(());
    };
    if let Some(difference) = calibration::difference(&calibration.host, host) {
        let reason = Reason::new(format!("is of another host: {difference}"));
        let hint = "run `llmload-uring calibrate --output FILE` here, or leave the option out";
        return Err(reason.hint(hint).at("--calibration", 0).into());
    }
    if calibration.host.io != io.name() {
        let (calibrated, here) = (one_line(&calibration.host.io), io.name());
        let reason = Reason::new(format!(
            "is of sockets driven by {calibrated}, and this run's are driven by {here}"
        ));
        let hint = "calibrate and run with the same --io, or leave the option out";
        return Err(reason.hint(hint).at("--calibration", 0).into());
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if calibration.host.name != name {
        let calibrated = quoted(&calibration.host.name);
        note(&format!(
            "the calibration is of a host named {calibrated}, and this one is {}; kernel and CPUs are the same",
            quoted(&name)
        ));
    }
    Ok(())
}

fn headers(config: &Config) -> Vec<(String, String)> {
    let headers = config.run.headers.iter();
    headers
        .map(|h| (h.name.clone(), h.value.expose().to_owned()))
        .collect()
}

/// Says before the load that the control group allows less time than the workers could use.
fn note_quota(quota: &CpuQuota, workers: usize, note: &mut dyn FnMut(&str)) {
    if let Some(quota) = quota.cpus()
        && quota < workers as f64
    {
        note(&format!(
            "the control group allows {quota:.2} CPUs' time for {} worker cores: when it is used up, every thread stops \
             for up to 0.1 s (the run counts how often)",
            workers
        ));
    }
}

/// Returns over how many addresses the connections are spread. That is all connections divided by those to the address
/// that gets most, because local ports are counted per address, and servers of one run may share an address.
fn addresses_in_use(found: &[Discovery], plan: &Plan) -> u32 {
    let users = plan.vus_of_shard();
    let most = found
        .iter()
        .flat_map(|server| &server.target.addresses)
        .map(|address| -> u32 {
            let sharing = found.iter().map(|server| &server.target.addresses);
            let sharing = sharing.filter(|addresses| addresses.contains(address));
            sharing
                .map(|addresses| users.div_ceil(addresses.len() as u32))
                .sum()
        })
        .max();
    (plan.connections_max() / most.unwrap_or(1).max(1)).max(1)
}

/// Moves this thread to a CPU where it disturbs no worker.
pub fn pin_to(cpu: usize) {
    // If the kernel refuses, the thread stays where it is, which only costs the workers some time.
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
}
