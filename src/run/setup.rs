//! Before the load: which CPUs, which server, does the host carry it.

use crate::cli::Stamp;
use crate::config::Config;
use crate::engine::EngineOptions;
use crate::host::preflight::ring_bytes;
use crate::host::{self, CpuPlan, HostFacts, Need, plan_cpus};
use crate::net;
use crate::plan::Plan;
use crate::server;
use crate::tls::TlsOptions;
use crate::units::MICROSECOND;
use crate::workload::Target;

use super::Failure;
use super::servers::{self, Owned, Way};

/// Everything that the run stands on.
pub struct Ready {
    pub host: HostFacts,
    pub cpus: CpuPlan,
    pub target: Target,
    pub engine: EngineOptions,
    pub owned: Owned,
}

pub fn set_up(
    config: &Config,
    plan: &Plan,
    verify_stamps: bool,
    note: &mut dyn FnMut(&str),
) -> Result<Ready, Failure> {
    let run = &config.run;
    let way = servers::way(run)?;
    let mut host = HostFacts::read();
    let managed = !matches!(way, Way::Running(_));
    let cpus = plan_cpus(
        &host.allowed_cpus,
        run.cores.map(|n| n as usize),
        run.cpus.as_ref().map(|list| list.0.as_slice()),
        managed,
    )?;
    let vus = plan.vus_max();
    let mut need = Need {
        vus,
        cores: cpus.workers.len() as u32,
        addresses: 1,
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completions(vus)),
        backlog: match way {
            Way::Simulator { .. } => server::LISTEN_BACKLOG,
            Way::Running(_) | Way::Command => 0,
        },
    };
    // What can be refused without a server is refused before one is started.
    for n in host::check(&mut host, &need).map_err(|e| Failure::host(&e))? {
        note(&n.to_string());
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
    let (owned, found) = servers::reach(way, config, &cpus, headers, &tls, note)?;
    need.addresses = found.target.addresses.len() as u32;
    if need.addresses > 1 {
        host::check(&mut host, &need).map_err(|e| Failure::host(&e))?;
    }
    for n in &found.notes {
        note(n);
    }
    Ok(Ready {
        host,
        engine: EngineOptions {
            cpus: cpus.workers.clone(),
            kernel_stamps: run.stamp == Stamp::Kernel,
            min_wait_us: (run.min_wait / MICROSECOND) as u32,
            quickack: run.quickack,
            details: run.details && run.output.is_some(),
            verify_stamps,
            tls: found.tls,
        },
        cpus,
        target: found.target,
        owned,
    })
}

/// Moves this thread to a CPU where it disturbs no worker.
pub fn pin_to(cpu: usize) {
    // A refusal leaves the thread where it is: it only costs the workers some time.
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
}
