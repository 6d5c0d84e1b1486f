//! Before the load: which CPUs, which server, does the host carry it.

use crate::cli::{RunArgs, Stamp};
use crate::config::{Config, ServerChoice};
use crate::discover::Discovery;
use crate::engine::EngineOptions;
use crate::host::preflight::ring_bytes;
use crate::host::{self, CpuPlan, HostFacts, Need, plan_cpus};
use crate::net;
use crate::plan::Plan;
use crate::server;
use crate::tls::{TlsOptions, TlsTarget};
use crate::units::MICROSECOND;
use crate::workload::Target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::servers::{self, Owned};
use crate::error::Failure;
use crate::run::{models, notice};

/// Everything that the run stands on.
pub struct Ready {
    pub host: HostFacts,
    pub cpus: CpuPlan,
    /// Of each endpoint of the plan.
    pub targets: Arc<[Target]>,
    pub engine: EngineOptions,
    pub owned: Owned,
    /// What each server is asked for where the configuration leaves that to it.
    pub models: Vec<Option<String>>,
}

pub fn set_up(
    config: &Config,
    plan: &Plan,
    args: &RunArgs,
    note: &mut dyn FnMut(&str),
) -> Result<Ready, Failure> {
    let run = &config.run;
    let choice = servers::decide(config)?;
    let mut host = HostFacts::read();
    let managed = !matches!(choice, ServerChoice::Running(_));
    let cpus = plan_cpus(
        &host.allowed_cpus,
        run.cores.map(|n| n as usize),
        run.cpus.as_ref().map(|list| list.0.as_slice()),
        managed,
    )?;
    let vus = plan.connections_max();
    let mut need = Need {
        vus,
        cores: cpus.workers.len() as u32,
        // One each at least, and each server its own: what is known before they are looked up.
        addresses: plan.servers_per_user(),
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(vus)),
        backlog: match choice {
            ServerChoice::Simulator(_) => server::LISTEN_BACKLOG,
            ServerChoice::Running(_) | ServerChoice::Command { .. } => 0,
        },
    };
    // What can be refused without a server is refused before one is started.
    for n in host::check(&mut host, &need)? {
        note(&n.to_string());
    }
    // Nobody waits for a run that this host refuses; nobody but the name service is asked before.
    notice::announce(config, plan, args, note)?;
    if let (Some(said), false) = (&run.key_note, matches!(choice, ServerChoice::Simulator(_))) {
        note(said);
    }
    let headers = run
        .headers
        .iter()
        .map(|h| (h.name.clone(), h.value.expose().to_owned()))
        .collect();
    let tls = TlsOptions {
        cacert: run.cacert.clone(),
        insecure: run.insecure,
    };
    let deadline = args.wait_for_target.map(Duration::from_nanos);
    let deadline = deadline.and_then(|wait| Instant::now().checked_add(wait));
    let (owned, found) = servers::reach(choice, &cpus, headers, &tls, deadline, note)?;
    let before = std::mem::replace(&mut need.addresses, addresses_in_use(&found, plan));
    if need.addresses != before {
        host::check(&mut host, &need)?;
    }
    for n in found.iter().flat_map(|found| &found.notes) {
        note(n);
    }
    let models = models::choose(config, args, &found, note)?;
    let (targets, tls): (Vec<Target>, Vec<Option<TlsTarget>>) =
        found.into_iter().map(|found| (found.target, found.tls)).unzip();
    Ok(Ready {
        host,
        engine: EngineOptions {
            cpus: cpus.workers.clone(),
            kernel_stamps: run.stamp == Stamp::Kernel,
            min_wait_us: (run.min_wait / MICROSECOND) as u32,
            quickack: run.quickack,
            details: run.details && (run.output.is_some() || config.results_dir.is_some()),
            verify_stamps: args.verify_stamps,
            tls,
        },
        cpus,
        targets: targets.into(),
        owned,
        models,
    })
}

/// Over how many addresses the connections are spread: all of them over the most that one address gets, since local
/// ports are counted for each address. Servers of one run may share one.
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
    // A refusal leaves the thread where it is: it only costs the workers some time.
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
}
