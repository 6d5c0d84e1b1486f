//! The servers of a run: finds or starts them, validates that they do what the load needs, and watches and stops the
//! one that was started.

use crate::config::{CommandSettings, Config, ServerChoice, ServerEntry, SimulatorSettings, local_url};
use crate::discover;
use crate::discover::{Approach, AtPort, Discovery};
use crate::error::{ExitCode, Place, Reason, printable, quoted};
use crate::host::{self, CpuPlan};
use crate::metrics::Merged;
use crate::plan::Plan;
use crate::result::{ManagedServerFigures, ServerCounts};
use crate::run::validation::Asked;
use crate::server::simulator::OWN_EXE;
use crate::server::{CommandServer, ManagedServer, Sampler, ServerSamples, ServerTotals, SimulatorServer};
use crate::units::{Masks, Nanos};
use crate::workload::Target;
use std::path::Path;
use std::time::Instant;

use crate::error::Failure;

/// The number of characters of a server's name that messages show.
const NAME_CHARS_MAX: usize = 80;

/// The managed server with its samples. It is empty if the run loads servers that were already running.
pub struct Managed {
    server: Option<ManagedServer>,
    sampler: Option<Sampler>,
    /// The simulator fails on purpose (`--chaos`).
    chaos: bool,
}

/// Returns the name of one of several servers in messages.
pub fn label(server: &str) -> String {
    format!("server `{}`", printable(server, NAME_CHARS_MAX))
}

/// Finds out what is at the port that the simulator would use. Refuses options for the simulator if a healthy server
/// already answers there, because then no simulator is started.
pub fn choose(config: &Config) -> Result<ServerChoice, Failure> {
    let ServerChoice::Simulator(SimulatorSettings {
        port: Some(port),
        option,
        ..
    }) = &config.server
    else {
        return Ok(config.server.clone());
    };
    match (discover::at_port(*port)?, option) {
        (AtPort::Nothing, _) => Ok(config.server.clone()),
        (AtPort::HealthyServer, None) => {
            let server = ServerEntry::at(&local_url(*port), Place::option("--port"));
            Ok(ServerChoice::Running(vec![server]))
        }
        (AtPort::HealthyServer, Some(option)) => {
            let what = format!(
                "{option}: this option is for the simulator, but a healthy server already answers at --port {port}, \
                 so none is started"
            );
            let hint = "remove the option, stop that server, or choose another --port";
            Err(Failure::new(ExitCode::Config, Reason::new(what).hint(hint)))
        }
    }
}

/// Starts the managed server, if there is one, and resolves the address and API of each server. Servers that others
/// start are waited for until `deadline`, if there is one.
pub fn connect(
    choice: ServerChoice,
    cpus: &CpuPlan,
    headers: Vec<(String, String)>,
    masks: &Masks,
    approach: Approach<'_>,
    deadline: Option<Instant>,
    note: &mut dyn FnMut(&str),
) -> Result<(Managed, Vec<Discovery>), Failure> {
    let (server, entry, chaos) = match choice {
        ServerChoice::Running(servers) => {
            let none = Managed {
                server: None,
                sampler: None,
                chaos: false,
            };
            if let Some(deadline) = deadline {
                wait_for_all(&servers, &headers, approach, deadline, note)?;
            }
            return Ok((none, resolve_all(&servers, &headers, approach)?));
        }
        ServerChoice::Simulator(settings) => {
            let (server, entry) = start_simulator(&settings, cpus, note)?;
            (server, entry, settings.chaos)
        }
        ServerChoice::Command { command, server } => {
            let (started, origin) = start_command(&command, &headers, masks, note)?;
            (started, server.unwrap_or(origin), false)
        }
    };
    let managed = Managed {
        sampler: Some(server.sampler()),
        server: Some(server),
        chaos,
    };
    Ok((managed, vec![resolve(&entry, headers, approach)?]))
}

/// Resolves a server, and puts its name, if it has one, in front of every note and error.
fn resolve(
    server: &ServerEntry,
    headers: Vec<(String, String)>,
    approach: Approach<'_>,
) -> Result<Discovery, Failure> {
    let headers = headers_of(server, headers);
    let found = discover::resolve(&server.base_url, &server.place, server.api, headers, approach);
    let Some(name) = &server.name else { return found };
    let mut found = found.map_err(|e| e.within(&label(name)))?;
    for note in &mut found.notes {
        *note = format!("{}, {note}", label(name));
    }
    Ok(found)
}

/// Returns the run's headers, in which the server's own replace those of the same name.
fn headers_of(server: &ServerEntry, mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !server.sent.iter().any(|own| own.is(name)));
    let own = server.sent.iter();
    headers.extend(own.map(|own| (own.name.clone(), own.value.expose().to_owned())));
    headers
}

/// Waits for the servers one after the other, because the deadline is for all of them.
fn wait_for_all(
    servers: &[ServerEntry],
    headers: &[(String, String)],
    approach: Approach<'_>,
    deadline: Instant,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    for server in servers {
        let (url, place) = (&server.base_url, &server.place);
        let headers = headers_of(server, headers.to_vec());
        let waited = discover::wait_until_ready(url, place, server.api, &headers, approach, deadline, note);
        waited.map_err(|e| match &server.name {
            Some(name) => e.within(&label(name)),
            None => e,
        })?;
    }
    Ok(())
}

/// Resolves all servers concurrently, so that the total wait is one timeout. Reports the failure that comes first in
/// the document.
fn resolve_all(
    servers: &[ServerEntry],
    headers: &[(String, String)],
    approach: Approach<'_>,
) -> Result<Vec<Discovery>, Failure> {
    std::thread::scope(|scope| {
        let all: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(|| resolve(server, headers.to_vec(), approach)))
            .collect();
        all.into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn start_simulator(
    settings: &SimulatorSettings,
    cpus: &CpuPlan,
    note: &mut dyn FnMut(&str),
) -> Result<(ManagedServer, ServerEntry), Failure> {
    let port = settings.port.unwrap_or(0);
    let server = SimulatorServer::start(Path::new(OWN_EXE), port, &settings.options(&cpus.server))?;
    note(&format!(
        "simulator llmsim at {} on CPU {}, ready after {:.1} s",
        server.url(),
        host::cpus::cpu_list(&cpus.server),
        server.startup().as_secs_f64()
    ));
    if cpus.is_shared() {
        note("the simulator shares its CPUs with the workers, so the figures measure both");
    }
    let entry = ServerEntry::at(&server.url(), Place::default());
    Ok((ManagedServer::Simulator(server), entry))
}

/// Starts the user's command. Returns the server, and the address of its health URL, which the load goes to unless
/// another one is given.
fn start_command(
    command: &CommandSettings,
    headers: &[(String, String)],
    masks: &Masks,
    note: &mut dyn FnMut(&str),
) -> Result<(ManagedServer, ServerEntry), Failure> {
    note(&format!("starting the server {}", quoted(&command.program)));
    let server = CommandServer::start(Path::new(OWN_EXE), &command.options(), headers, masks)?;
    note(&format!(
        "server `{}` is healthy at {} after {:.1} s; it may run on any CPU (taskset in its command restricts it)",
        server.name(),
        server.origin(),
        server.startup().as_secs_f64()
    ));
    let origin = ServerEntry::at(server.origin(), Place::default());
    Ok((ManagedServer::Command(server), origin))
}

impl Managed {
    /// Tells whether the server is the simulator.
    pub fn is_simulator(&self) -> bool {
        matches!(self.server, Some(ManagedServer::Simulator(_)))
    }

    /// Checks that the managed server is still running. The failure holds its last log lines.
    pub fn check(&mut self) -> Result<(), Failure> {
        match &mut self.server {
            Some(server) => server.check(),
            None => Ok(()),
        }
    }

    /// Asks each server once in its own API, then resets the count that a managed server keeps. Returns the targets
    /// with the wording that each of them accepts.
    pub fn validate(
        &mut self,
        plan: &Plan,
        asked: &Asked<'_>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Vec<Target>, Failure> {
        if self.chaos {
            note("validation: skipped, because answers fail on purpose with --chaos");
            return Ok(asked.targets.to_vec());
        }
        let validated = asked.validate(plan, note);
        if validated.is_err() {
            // If the server has ended, that is the real reason why it did not answer.
            self.check()?;
        }
        let validated = validated?;
        self.reset_baseline()?;
        Ok(validated)
    }

    /// Resets the count that a managed server keeps: what came before is no part of the load.
    pub fn reset_baseline(&mut self) -> Result<(), Failure> {
        match &mut self.server {
            Some(server) => server.reset_baseline(),
            None => Ok(()),
        }
    }

    /// Asks each target of which `unknown` is true for the wording that it takes, before a load that is not validated.
    pub fn find_wording(
        &self,
        plan: &Plan,
        asked: &Asked<'_>,
        unknown: &[bool],
        note: &mut dyn FnMut(&str),
    ) -> Vec<Target> {
        match self.chaos {
            true => asked.targets.to_vec(),
            false => asked.find_wording(plan, unknown, note),
        }
    }

    pub fn sample(&mut self, elapsed: Nanos) {
        if let Some(sampler) = &mut self.sampler {
            sampler.sample(elapsed);
        }
    }

    /// Returns the samples of the managed server; empty if there is none.
    pub fn samples(&self) -> ServerSamples {
        let samples = self.sampler.as_ref().map(|sampler| sampler.samples.clone());
        samples.unwrap_or_default()
    }

    /// Asks the managed server for its own count of the load, if it keeps one.
    pub fn totals(&mut self, failures: &mut Vec<Failure>) -> Option<ServerTotals> {
        match self.server.as_ref()?.totals()? {
            Ok(totals) => Some(totals),
            Err(e) => {
                failures.push(e);
                None
            }
        }
    }

    /// Kills the managed server at once.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    pub fn stop(&mut self, failures: &mut Vec<Failure>) {
        if let Some(server) = self.server.take()
            && let Err(e) = server.stop()
            && failures.is_empty()
        {
            failures.push(e);
        }
    }
}

/// Returns the figures of the managed server, with the simulator's own count next to ours, class by class. The
/// simulator counts completions only.
pub fn figures(
    plan: &Plan,
    merged: &Merged,
    totals: Option<ServerTotals>,
    samples: &ServerSamples,
) -> Option<ManagedServerFigures> {
    let figures = ManagedServerFigures {
        counts: totals.map(|totals| counts(plan, merged, totals)),
        resources: samples.summary(),
    };
    (figures.counts.is_some() || figures.resources.is_some()).then_some(figures)
}

fn counts(plan: &Plan, merged: &Merged, totals: ServerTotals) -> ServerCounts {
    let mut counts = ServerCounts {
        requests: totals.total_requests,
        errors: totals.total_errors,
        rate_limit_errors: totals.rate_limit_errors,
        server_errors: totals.server_errors,
        timeout_errors: totals.timeout_errors,
        ..ServerCounts::default()
    };
    let kinds = plan.workload.kinds.iter().zip(&merged.series);
    for (_, series) in kinds.filter(|(kind, _)| kind.call.is_chat()) {
        counts.client_requests += series.started;
        for (status, n) in series.by_status().iter().filter(|(status, _)| *status >= 400) {
            counts.client_errors += n;
            match status {
                429 => counts.client_rate_limit_errors += n,
                500 | 503 => counts.client_server_errors += n,
                504 => counts.client_timeout_errors += n,
                _ => {}
            }
        }
    }
    counts
}
