//! Before the load: which CPUs, which server, does the host carry it.

use crate::cli::Stamp;
use crate::config::Config;
use crate::engine::EngineOptions;
use crate::host::preflight::ring_bytes;
use crate::host::{self, CpuPlan, HostFacts, Need, plan_cpus};
use crate::net;
use crate::plan::Plan;
use crate::server::{self, Choice, Discovery, ManagedServer, ServerTotals, SimOptions};
use crate::tls::TlsOptions;
use crate::units::MICROSECOND;
use crate::workload::Target;

use super::{Failure, own_exe};

/// Everything that the run stands on.
pub struct Ready {
    pub host: HostFacts,
    pub cpus: CpuPlan,
    pub target: Target,
    pub engine: EngineOptions,
    server: Option<ManagedServer>,
}

pub fn set_up(
    config: &Config,
    plan: &Plan,
    verify_stamps: bool,
    note: &mut dyn FnMut(&str),
) -> Result<Ready, Failure> {
    let run = &config.run;
    let choice = server::choose(run.target.as_deref(), run.port, !run.manage_server)?;
    let mut host = HostFacts::read();
    let managed = matches!(choice, Choice::Start { .. });
    let cpus = plan_cpus(
        &host.allowed_cpus,
        run.cores.map(|n| n as usize),
        run.cpus.as_ref().map(|list| list.0.as_slice()),
        managed,
    )?;
    let vus = plan.executor.vus_max();
    let mut need = Need {
        vus,
        cores: cpus.workers.len() as u32,
        addresses: 1,
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completions(vus)),
        backlog: if managed { server::LISTEN_BACKLOG } else { 0 },
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
    let (server, found) = reach(choice, &cpus, headers, &tls, note)?;
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
        server,
    })
}

fn reach(
    choice: Choice,
    cpus: &CpuPlan,
    headers: Vec<(String, String)>,
    tls: &TlsOptions,
    note: &mut dyn FnMut(&str),
) -> Result<(Option<ManagedServer>, Discovery), Failure> {
    let port = match choice {
        Choice::Url(url) => return Ok((None, server::resolve_over(&url, headers, tls)?)),
        Choice::Start { port } => port,
    };
    let options = SimOptions {
        cpus: cpus.server.clone(),
        ..SimOptions::default()
    };
    let server = ManagedServer::start(own_exe(), port, &options)?;
    note(&format!(
        "simulator llmsim at {} on CPU {}, ready after {:.1} s",
        server.url(),
        host::cpus::cpu_list(&cpus.server),
        server.startup().as_secs_f64()
    ));
    if cpus.is_shared() {
        note("the simulator shares its CPUs with the workers: figures measure both");
    }
    let found = server::resolve(&server.url(), headers)?;
    Ok((Some(server), found))
}

/// Moves this thread to a CPU where it disturbs no worker.
pub fn pin_to(cpu: usize) {
    // A refusal leaves the thread where it is: it only costs the workers some time.
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
}

/// The managed simulator's own count, if there is one.
pub fn server_totals(ready: &mut Ready, failures: &mut Vec<Failure>) -> Option<ServerTotals> {
    let server = ready.server.as_mut()?;
    match server.totals() {
        Ok(totals) => Some(totals),
        Err(e) => {
            failures.push(e.into());
            None
        }
    }
}

impl Ready {
    /// The managed server died: with its last log lines.
    pub fn check_server(&mut self) -> Result<(), Failure> {
        match &mut self.server {
            Some(server) => server.check().map_err(Failure::from),
            None => Ok(()),
        }
    }

    /// At once, by force.
    pub fn kill_server(&mut self) {
        self.server = None;
    }

    pub fn stop_server(&mut self, failures: &mut Vec<Failure>) {
        if let Some(server) = self.server.take()
            && let Err(e) = server.stop()
            && failures.is_empty()
        {
            failures.push(e.into());
        }
    }
}
