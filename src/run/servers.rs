//! The server of a run: found, or started; asked whether it does what the load needs; watched; stopped.

use crate::config::{CommandSettings, Config, ServerChoice, ServerEntry, SimulatorSettings, local_url};
use crate::discover;
use crate::discover::{AtPort, Discovery, Question, VALIDATION_LIMIT};
use crate::error::{ExitCode, Place, Reason, printable, quoted};
use crate::host::{self, CpuPlan};
use crate::metrics::Merged;
use crate::plan::Plan;
use crate::result::{ManagedServerFigures, ServerCounts};
use crate::server::simulator::OWN_EXE;
use crate::server::{CommandServer, ManagedServer, Sampler, ServerSamples, ServerTotals, SimulatorServer};
use crate::tls::{TlsOptions, TlsTarget};
use crate::units::Nanos;
use crate::workload::{Call, Prompts, Target};
use std::path::Path;
use std::time::Instant;

use crate::error::Failure;

/// Characters of a server's name in messages.
const NAME_CHARS_MAX: usize = 80;

/// A server of ours, and what was seen of it. Empty where the run goes to one that was there before.
pub struct Owned {
    server: Option<ManagedServer>,
    sampler: Option<Sampler>,
    /// It fails on purpose.
    chaos: bool,
}

/// One of several, as messages name it.
pub fn named(server: &str) -> String {
    format!("server `{}`", printable(server, NAME_CHARS_MAX))
}

/// Finds out what is at the port that the simulator would have. Refuses options for the simulator where a healthy
/// server is there already, because then none is started.
pub fn decide(config: &Config) -> Result<ServerChoice, Failure> {
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
                "{option}: is for the simulator, but a healthy server answers at --port {port} already, \
                 so none is started"
            );
            let hint = "drop the option, stop that server, or choose another --port";
            Err(Failure::new(ExitCode::Config, Reason::new(what).hint(hint)))
        }
    }
}

/// Starts what the run starts, and finds out how each server is reached. Servers that others start are waited for
/// until `deadline`, if there is one.
pub fn reach(
    choice: ServerChoice,
    cpus: &CpuPlan,
    headers: Vec<(String, String)>,
    tls: &TlsOptions,
    deadline: Option<Instant>,
    note: &mut dyn FnMut(&str),
) -> Result<(Owned, Vec<Discovery>), Failure> {
    let (server, entry, chaos) = match choice {
        ServerChoice::Running(servers) => {
            let none = Owned {
                server: None,
                sampler: None,
                chaos: false,
            };
            if let Some(deadline) = deadline {
                wait_for_all(&servers, &headers, tls, deadline, note)?;
            }
            return Ok((none, resolve_all(&servers, &headers, tls)?));
        }
        ServerChoice::Simulator(settings) => {
            let (server, entry) = start_simulator(&settings, cpus, note)?;
            (server, entry, settings.chaos)
        }
        ServerChoice::Command { command, server } => {
            let (started, origin) = start_command(&command, &headers, note)?;
            (started, server.unwrap_or(origin), false)
        }
    };
    let owned = Owned {
        sampler: Some(server.sampler()),
        server: Some(server),
        chaos,
    };
    Ok((owned, vec![resolve(&entry, headers, tls)?]))
}

/// With the server's name in front of what is said of it, if it has one.
fn resolve(
    server: &ServerEntry,
    headers: Vec<(String, String)>,
    tls: &TlsOptions,
) -> Result<Discovery, Failure> {
    let headers = headers_of(server, headers);
    let found = discover::resolve_over(&server.base_url, &server.place, server.api, headers, tls);
    let Some(name) = &server.name else { return found };
    let mut found = found.map_err(|e| e.within(&named(name)))?;
    for note in &mut found.notes {
        *note = format!("{}, {note}", named(name));
    }
    Ok(found)
}

/// The run's headers, and in place of those of the same name the server's own.
fn headers_of(server: &ServerEntry, mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !server.sent.iter().any(|own| own.is(name)));
    let own = server.sent.iter();
    headers.extend(own.map(|own| (own.name.clone(), own.value.expose().to_owned())));
    headers
}

/// One after the other: the deadline is for all.
fn wait_for_all(
    servers: &[ServerEntry],
    headers: &[(String, String)],
    tls: &TlsOptions,
    deadline: Instant,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    for server in servers {
        let (url, place) = (&server.base_url, &server.place);
        let headers = headers_of(server, headers.to_vec());
        let waited = discover::wait_until_ready(url, place, server.api, &headers, tls, deadline, note);
        waited.map_err(|e| match &server.name {
            Some(name) => e.within(&named(name)),
            None => e,
        })?;
    }
    Ok(())
}

/// All at once, so that several slow ones cost one limit; the first in the document that fails is told.
fn resolve_all(
    servers: &[ServerEntry],
    headers: &[(String, String)],
    tls: &TlsOptions,
) -> Result<Vec<Discovery>, Failure> {
    std::thread::scope(|scope| {
        let all: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(|| resolve(server, headers.to_vec(), tls)))
            .collect();
        all.into_iter()
            .map(|one| {
                one.join()
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
        note("the simulator shares its CPUs with the workers: figures measure both");
    }
    let entry = ServerEntry::at(&server.url(), Place::default());
    Ok((ManagedServer::Simulator(server), entry))
}

/// The server, and where its health URL is: the load goes there unless another address is given.
fn start_command(
    command: &CommandSettings,
    headers: &[(String, String)],
    note: &mut dyn FnMut(&str),
) -> Result<(ManagedServer, ServerEntry), Failure> {
    note(&format!("starting the server {}", quoted(&command.program)));
    let server = CommandServer::start(Path::new(OWN_EXE), &command.options(), headers)?;
    note(&format!(
        "server `{}` healthy at {} after {:.1} s; it may run on any CPU (taskset in its command restricts it)",
        server.name(),
        server.origin(),
        server.startup().as_secs_f64()
    ));
    let origin = ServerEntry::at(server.origin(), Place::default());
    Ok((ManagedServer::Command(server), origin))
}

impl Owned {
    /// The managed server died: with its last log lines.
    pub fn check(&mut self) -> Result<(), Failure> {
        match &mut self.server {
            Some(server) => server.check(),
            None => Ok(()),
        }
    }

    /// Asks each server in its own API, each endpoint once; then forgets what the server counted of it. Gives the
    /// targets with the wording that each of them takes.
    pub fn validate(
        &mut self,
        plan: &Plan,
        targets: &[Target],
        tls: &[Option<TlsTarget>],
        note: &mut dyn FnMut(&str),
    ) -> Result<Vec<Target>, Failure> {
        if self.chaos {
            note("validation: left out, with --chaos answers fail on purpose");
            return Ok(targets.to_vec());
        }
        let validated = validate_all(plan, targets, tls, note);
        if validated.is_err() {
            // A server that is gone answers nothing: that is the reason to tell.
            self.check()?;
        }
        let validated = validated?;
        if let Some(server) = &mut self.server {
            server.reset_baseline()?;
        }
        Ok(validated)
    }

    pub fn sample(&mut self, elapsed: Nanos) {
        if let Some(sampler) = &mut self.sampler {
            sampler.sample(elapsed);
        }
    }

    /// Empty without a server of ours.
    pub fn samples(&self) -> ServerSamples {
        let samples = self.sampler.as_ref().map(|sampler| sampler.samples.clone());
        samples.unwrap_or_default()
    }

    /// Its own count of the load, if it counts.
    pub fn totals(&mut self, failures: &mut Vec<Failure>) -> Option<ServerTotals> {
        match self.server.as_ref()?.totals()? {
            Ok(totals) => Some(totals),
            Err(e) => {
                failures.push(e);
                None
            }
        }
    }

    /// At once, by force.
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

fn validate_all(
    plan: &Plan,
    targets: &[Target],
    tls: &[Option<TlsTarget>],
    note: &mut dyn FnMut(&str),
) -> Result<Vec<Target>, Failure> {
    let mut validated = Vec::new();
    for (index, (target, tls)) in (0u16..).zip(targets.iter().zip(tls)) {
        let name = match targets.len() {
            1 => None,
            _ => plan.workload.servers[usize::from(index)].name.as_deref(),
        };
        let mut say = |line: &str| match name {
            Some(name) => note(&format!("{}, {line}", named(name))),
            None => note(line),
        };
        let asked = question(plan, index);
        let checked = discover::validate(target, tls.as_ref(), asked, VALIDATION_LIMIT, &mut say);
        let wording = checked.map_err(|e| match name {
            Some(name) => e.within(&named(name)),
            None => e,
        })?;
        validated.push(Target {
            wording,
            ..target.clone()
        });
    }
    Ok(validated)
}

/// Of the first kind of completion in an endpoint's mix.
fn question(plan: &Plan, endpoint: u16) -> Option<Question<'_>> {
    let mut kinds = plan.workload.kinds.iter().filter(|kind| kind.server == endpoint);
    kinds.find_map(|kind| match &kind.call {
        Call::Chat {
            models,
            prompts,
            wording,
            ..
        } => Some(Question {
            wording: *wording,
            model: models.first()?,
            prompt: match prompts {
                Prompts::List(texts) => texts.first()?,
                Prompts::Made { prefix, .. } => prefix,
            },
        }),
        Call::Light | Call::Get { .. } => None,
    })
}

/// The server's figures, and the simulator's own count beside ours, class by class. It counts completions only.
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
