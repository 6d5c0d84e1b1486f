//! The Pushgateway of a run: it is set up before anything is sent, fed by the reporter, and gets the final figures at
//! the end.

use crate::config::Config;
use crate::error::{ExitCode, Reason};
use crate::exposition::{FiguresView, Grouping, RunInfo};
use crate::plan::Plan;
use crate::push::{Gateway, Pushed, Pusher};
use crate::result::Pushes;
use crate::tls::TlsOptions;

use super::load::Load;
use super::ranks::{Ranks, shows_figures};
use crate::error::Failure;
use crate::signals::Signals;

/// Sets up the gateway; returns `None` if nothing is pushed. `--insecure` is for the target alone: a password goes to a
/// verified gateway or nowhere.
pub fn gateway(config: &Config) -> Result<Option<Gateway>, Failure> {
    let Some(push) = &config.push else { return Ok(None) };
    let cacert = TlsOptions {
        cacert: config.run.cacert.clone(),
        insecure: false,
    };
    let host = rustix::system::uname();
    let name = host.nodename().to_string_lossy();
    Ok(Some(Gateway::new(push, &name, cacert)?))
}

/// Starts the pusher. It has to be called from a thread that is pinned away from the workers, because the pusher's
/// thread stays on the same CPU.
pub fn start(
    gateway: Option<Gateway>,
    config: &Config,
    plan: &Plan,
    ranks: Option<&Ranks>,
    quiet: bool,
) -> Result<Option<Pusher>, Failure> {
    let gateway = gateway.filter(|_| shows_figures(ranks));
    let (Some(gateway), Some(push)) = (gateway, &config.push) else {
        return Ok(None);
    };
    let pusher =
        Pusher::start(gateway, view(config, plan), push.interval, !quiet).map_err(Failure::internal)?;
    Ok(Some(pusher))
}

/// Returns the view of the figures that Prometheus gets, pushed or scraped.
pub fn view(config: &Config, plan: &Plan) -> FiguresView {
    // Rank 0 of several has the figures of the whole.
    let shard = config.run.shard.filter(|_| config.run.coordinate.is_none());
    let shard = shard.map(|shard| shard.to_string());
    let info = RunInfo {
        profile: config.profile.clone(),
        shard: shard.unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    FiguresView::new(Grouping::new(&endpoint_names(plan)), info)
}

/// Returns the name under which each series is pushed: its server's name if servers have names, otherwise that of its
/// kind of request.
fn endpoint_names(plan: &Plan) -> Vec<String> {
    let of_server = |index: u16| plan.workload.servers.get(usize::from(index))?.name.clone();
    let kinds = plan.workload.kinds.iter();
    kinds
        .map(|kind| of_server(kind.server).unwrap_or_else(|| kind.name.clone()))
        .collect()
}

/// Makes the last push, unless a second signal has come. A second signal that comes now ends the wait for it.
pub fn finish(
    load: &mut Load,
    config: &Config,
    signals: &Signals,
    say: &mut dyn FnMut(&str),
) -> Option<Pushes> {
    let pusher = load.books.pusher.take()?;
    let pushed = match load.in_a_hurry {
        true => pusher.abandon(),
        false => {
            let (total, loaded) = load.shown();
            pusher.finish(total, loaded, &signals.received)
        }
    };
    load.in_a_hurry |= pushed.signalled && load.books.signals > 0;
    if let Some(warning) = &pushed.warning {
        say(warning);
    }
    if config.run.push_required && pushed.pushes.failed > 0 {
        load.books.failures.push(failed_pushes(&pushed));
    }
    Some(pushed.pushes)
}

/// Returns the failure for pushes that failed although `--push-required` was given.
fn failed_pushes(pushed: &Pushed) -> Failure {
    let tried = pushed.pushes.sent + pushed.pushes.failed;
    let what = format!(
        "{} of {tried} pushes to {} failed",
        pushed.pushes.failed, pushed.gateway
    );
    let cause = pushed.pushes.last_error.as_deref().unwrap_or_default();
    let hint = "check that the Pushgateway is running and accepts the metrics (see docs/PROMETHEUS.md)";
    let reason = Reason::new(what).hint(hint).at("--push-required", 0);
    Failure::new(ExitCode::Output, reason).because(cause)
}
