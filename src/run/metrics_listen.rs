//! What Prometheus scrapes from a run: it answers from before anything is sent until after the summary.

use std::time::Duration;

use crate::config::Config;
use crate::error::{Failure, listen_failure};
use crate::metrics_listen::MetricsListener;
use crate::output::Console;
use crate::plan::Plan;
use crate::signals::{Phase, Signals};
use crate::units::{MINUTE, Nanos, format_duration};

use super::load::Load;
use super::push::view;
use super::ranks::{Ranks, shows_figures};

/// The longest time that a finished run waits for a scraper that has asked before. It is the interval of a Prometheus
/// whose configuration names none, so that its next scrape is within it.
const UNTIL_READ_MAX: Nanos = MINUTE;

/// Listens, if the run is to be scraped, and says where. With port 0 the address is needed and nowhere else to be
/// found, so that it is said even to those who asked for quiet.
pub fn start(
    config: &Config,
    plan: &Plan,
    ranks: Option<&Ranks>,
    quiet: bool,
    console: &Console,
) -> Result<Option<MetricsListener>, Failure> {
    let listen = config.run.metrics_listen.as_ref();
    let Some(listen) = listen.filter(|_| shows_figures(ranks)) else {
        return Ok(None);
    };
    let listener = MetricsListener::start(listen.address, view(config, plan))
        .map_err(|e| listen_failure("--metrics-listen", listen.address, &e))?;
    if !quiet || listen.address.port() == 0 {
        console.say(&format!("metrics http://{}/metrics", listener.address()));
    }
    Ok(Some(listener))
}

/// Takes the plan as it was found, and moves the thread that answers to a CPU away from the workers.
pub fn begin(listener: &mut Option<MetricsListener>, config: &Config, plan: &Plan, cpu: usize) {
    if let Some(listener) = listener {
        listener.begin(view(config, plan), cpu);
    }
}

/// Shows the figures of the whole run from now on. Returns what goes on answering when the run has been reported.
pub fn finish(load: &mut Load, config: &Config) -> Option<Linger> {
    let mut listener = load.books.scraped.take()?;
    let (total, loaded) = load.shown();
    listener.finish(total, loaded);
    if load.in_a_hurry {
        return None;
    }
    let linger = config.run.metrics_listen.and_then(|listen| listen.linger);
    Some(Linger { listener, linger })
}

/// A run that is over and still answers.
#[derive(Debug)]
pub struct Linger {
    listener: MetricsListener,
    /// As it was asked for.
    linger: Option<Nanos>,
}

impl Linger {
    /// Goes on answering for as long as was asked for, else until the last figures have been read by a Prometheus that
    /// has asked during the run. A signal ends it, and changes nothing about the run's exit code.
    pub fn wait(self, signals: &Signals, quiet: bool, say: &dyn Fn(&str)) {
        let (limit, until_read) = match self.linger {
            Some(limit) => (limit, false),
            None if self.listener.has_scraper() => (UNTIL_READ_MAX, true),
            None => return,
        };
        if limit == 0 {
            return;
        }
        signals.enter(Phase::Linger);
        if !quiet {
            let address = self.listener.address();
            let at_most = match until_read {
                true => "until Prometheus has read the last figures, at most ",
                false => "",
            };
            let limit = format_duration(limit);
            say(&format!(
                "http://{address}/metrics goes on answering {at_most}{limit}; Ctrl-C ends it"
            ));
        }
        self.listener
            .linger(Duration::from_nanos(limit), until_read, &signals.received);
    }
}
