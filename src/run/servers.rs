//! The server of a run: found, or started; asked whether it does what the load needs; watched; stopped.

use crate::config::{Config, Settings};
use crate::host::{self, CpuPlan};
use crate::metrics::Merged;
use crate::output::escape;
use crate::plan::Plan;
use crate::result::{ServerCounts, ServerFigures};
use crate::server::{
    self, Choice, CommandServer, Discovery, ManagedServer, OwnedServer, Question, Sampler, ServerError,
    ServerSamples, ServerTotals, VALIDATION_LIMIT,
};
use crate::tls::{TlsOptions, TlsTarget};
use crate::units::Nanos;
use crate::workload::{Call, Prompts, Target};

use super::{Failure, own_exe};

/// A server of ours, and what was seen of it. Empty where the run goes to one that was there before.
pub struct Owned {
    server: Option<OwnedServer>,
    sampler: Option<Sampler>,
    /// It fails on purpose.
    chaos: bool,
}

/// Which server, as far as it can be said before one is started.
pub enum Way {
    Running(String),
    Simulator { port: u16 },
    Command,
}

/// Refuses what the options say about a simulator where none will be started.
pub fn way(run: &Settings) -> Result<Way, Failure> {
    if run.server.command.is_some() {
        return Ok(Way::Command);
    }
    let url = match server::choose(run.target.as_deref(), run.port, !run.manage_server)? {
        Choice::Start { port } => return Ok(Way::Simulator { port }),
        Choice::Url(url) => url,
    };
    match (run.server.simulator_option(), run.port) {
        (Some(option), Some(port)) => {
            let what = format!(
                "{option}: is for the simulator, but a healthy server answers at --port {port} already, \
                 so none is started"
            );
            let hint = "drop the option, stop that server, or choose another --port";
            Err(Failure::new(crate::result::ExitCode::Config, what, None, hint))
        }
        _ => Ok(Way::Running(url)),
    }
}

pub fn reach(
    way: Way,
    config: &Config,
    cpus: &CpuPlan,
    headers: Vec<(String, String)>,
    tls: &TlsOptions,
    note: &mut dyn FnMut(&str),
) -> Result<(Owned, Discovery), Failure> {
    let run = &config.run;
    let (server, url) = match way {
        Way::Running(url) => {
            let none = Owned {
                server: None,
                sampler: None,
                chaos: false,
            };
            return Ok((none, server::resolve_over(&url, headers, tls)?));
        }
        Way::Simulator { port } => start_simulator(port, config, cpus, note)?,
        Way::Command => start_command(run, &headers, note)?,
    };
    let owned = Owned {
        sampler: Some(server.sampler()),
        server: Some(server),
        chaos: run.server.chaos,
    };
    let found = server::resolve_over(&url, headers, tls)?;
    Ok((owned, found))
}

fn start_simulator(
    port: u16,
    config: &Config,
    cpus: &CpuPlan,
    note: &mut dyn FnMut(&str),
) -> Result<(OwnedServer, String), Failure> {
    let mut options = config.run.server.simulator(&cpus.server);
    // What the profile wants, where no option says otherwise.
    if let Some(simulator) = &config.simulator {
        options.latency = options.latency.or(simulator.latency.clone());
        options.target_tokens = options.target_tokens.or(simulator.tokens);
    }
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
    let url = server.url();
    Ok((OwnedServer::Simulator(server), url))
}

/// The load goes to `--target`, else to where the health URL is.
fn start_command(
    run: &Settings,
    headers: &[(String, String)],
    note: &mut dyn FnMut(&str),
) -> Result<(OwnedServer, String), Failure> {
    let command = run.server.command.as_ref();
    let command = command.ok_or_else(|| Failure::internal("no server command"))?;
    note(&format!("starting the server `{}`", escape(&command.program)));
    let server = CommandServer::start(own_exe(), &command.options(), headers)?;
    note(&format!(
        "server `{}` healthy at {} after {:.1} s; it may run on any CPU (taskset in its command restricts it)",
        server.name(),
        server.origin(),
        server.startup().as_secs_f64()
    ));
    let url = run.target.clone().unwrap_or_else(|| server.origin().to_owned());
    Ok((OwnedServer::Command(server), url))
}

impl Owned {
    /// The managed server died: with its last log lines.
    pub fn check(&mut self) -> Result<(), ServerError> {
        match &mut self.server {
            Some(server) => server.check(),
            None => Ok(()),
        }
    }

    /// Asks each endpoint once, then forgets what the server counted of it.
    pub fn validate(
        &mut self,
        plan: &Plan,
        target: &Target,
        tls: Option<&TlsTarget>,
        note: &mut dyn FnMut(&str),
    ) -> Result<(), ServerError> {
        if self.chaos {
            note("validation: left out, with --chaos answers fail on purpose");
            return Ok(());
        }
        let validated = server::validate(target, tls, question(plan), VALIDATION_LIMIT, note);
        if validated.is_err() {
            // A server that is gone answers nothing: that is the reason to tell.
            self.check()?;
        }
        validated?;
        match &mut self.server {
            Some(server) => server.rebase(),
            None => Ok(()),
        }
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
                failures.push(e.into());
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
            failures.push(e.into());
        }
    }
}

/// Of the first kind of chat in the mix.
fn question(plan: &Plan) -> Option<Question<'_>> {
    plan.workload.kinds.iter().find_map(|kind| match &kind.call {
        Call::Chat { models, prompts, .. } => Some(Question {
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
) -> Option<ServerFigures> {
    let figures = ServerFigures {
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
    for (_, series) in kinds.filter(|(kind, _)| matches!(kind.call, Call::Chat { .. })) {
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
