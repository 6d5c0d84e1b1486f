//! The servers whose own account of the load is read: those that are loaded, and those of URLs that were given.

use std::sync::Arc;

use super::Ready;
use super::listen::Listened;
use super::servers::Managed;
use crate::config::{Config, MetricsChoice};
use crate::discover::{Url, lookup};
use crate::error::{one_line, printable};
use crate::limit::ServerProbe;
use crate::plan::{Pass, Plan, Role};
use crate::result::{AccountFacts, ServerAccount, StoppedBy};
use crate::scrape::{MetricsServer, MetricsWatch, Scraped, WatchedServer};
use crate::server_metrics::Vocabulary;
use crate::signals::Signals;
use crate::tls::{TlsOptions, TlsTarget};
use crate::units::{Nanos, redact};
use crate::workload::Target;

/// The most characters of an error that are told.
const SHOWN_CHARS_MAX: usize = 160;

/// A server that is read, or the reason why it cannot be.
#[derive(Clone, Debug)]
pub struct MetricsSource {
    /// Its URL, as it is shown.
    shown: String,
    /// Its name, if it is one of several that are loaded.
    name: Option<String>,
    is_target: bool,
    asked: bool,
    server: Result<MetricsServer, String>,
    names: Arc<Vocabulary>,
}

/// Finds the servers. Nothing is asked but DNS. One that was asked for and cannot be read is noted, and its figures are
/// missing: the load itself needs none.
pub fn sources(
    config: &Config,
    plan: &Plan,
    (targets, tls): (&[Target], &[Option<TlsTarget>]),
    managed: &Managed,
    note: &mut dyn FnMut(&str),
) -> Vec<MetricsSource> {
    let own = &config.server_metrics;
    if own.choice == MetricsChoice::None {
        return Vec::new();
    }
    let names = Arc::new(Vocabulary::new(&own.names));
    let addresses = &config.source_address.addresses;
    let mut sources: Vec<MetricsSource> = Vec::new();
    for (url, _) in &own.urls {
        let shown = one_line(&redact(url)).into_owned();
        let server = of_url(config, url);
        if let Err(why) = &server {
            note(&format!("server metrics of {shown}: {why}; they will be missing"));
        }
        sources.push(MetricsSource {
            shown,
            name: None,
            is_target: false,
            asked: true,
            server,
            names: names.clone(),
        });
    }
    let of_servers = plan.server_names();
    // The simulator shows none.
    let loaded = targets.iter().zip(tls).filter(|_| !managed.is_simulator());
    for (index, (target, tls)) in loaded.enumerate() {
        let server = MetricsServer::of_target(target, tls.as_ref(), addresses).map_err(|count| {
            format!(
                "its name has {count} addresses, each with its own figures: give their URLs with --server-metrics"
            )
        });
        let place = |source: &MetricsSource| {
            let both = source.server.as_ref().ok().zip(server.as_ref().ok());
            both.is_some_and(|(a, b)| a.place() == b.place())
        };
        let known = sources.iter_mut().find(|source| place(source));
        let name = of_servers.get(index).cloned();
        if let Some(known) = known {
            // It was given by its URL; with the headers of the load it is asked as the target is.
            if !known.is_target {
                (known.name, known.is_target, known.server) = (name, true, server);
            }
            continue;
        }
        let asked = own.choice == MetricsChoice::Asked && own.urls.is_empty();
        if let (Err(why), true) = (&server, asked) {
            note(&format!("server metrics of {}: {why}", target.origin));
        }
        sources.push(MetricsSource {
            shown: format!("{}/metrics", target.origin),
            name,
            is_target: true,
            asked,
            server,
            names: names.clone(),
        });
    }
    sources
}

fn of_url(config: &Config, text: &str) -> Result<MetricsServer, String> {
    let said = |text: String| printable(&text, SHOWN_CHARS_MAX);
    let url = Url::read(text).map_err(|reason| said(reason.to_string()))?;
    let addresses = lookup(&url).map_err(|e| said(e.to_string()))?;
    let options = TlsOptions {
        cacert: config.run.cacert.clone(),
        insecure: config.run.insecure,
    };
    let tls = match url.tls {
        true => Some(TlsTarget::new(&url.host, &options).map_err(|e| said(e.to_string()))?),
        false => None,
    };
    let sources = &config.source_address.addresses;
    Ok(MetricsServer::of_url(&url, addresses, tls, sources))
}

/// Begins to read the servers for a pass, if it is measured.
pub fn watch(pass: &Pass, ready: &Ready) -> Option<MetricsWatch> {
    match pass.role {
        Role::Measured => watch_servers(ready),
        Role::WarmUp | Role::Alone(_) => None,
    }
}

/// Begins to read the servers, and returns when each has answered once, or after a second.
pub fn watch_servers(ready: &Ready) -> Option<MetricsWatch> {
    let first = ready.metrics.first()?;
    let servers = ready.metrics.iter().filter_map(|source| {
        Some(WatchedServer {
            server: source.server.as_ref().ok()?.clone(),
            asked: source.asked,
        })
    });
    let servers: Vec<WatchedServer> = servers.collect();
    (!servers.is_empty()).then(|| MetricsWatch::start(servers, &first.names))
}

/// Ends the watch of a pass, and returns what each server showed. A signal that comes meanwhile ends the wait, and the
/// passes that would follow.
pub fn finish(listened: &mut Listened, signals: &Signals) -> Vec<Scraped> {
    let Some(watch) = listened.metrics.take() else {
        return Vec::new();
    };
    let wait = listened.books.signals < 2 && listened.stopped_by != StoppedBy::Server;
    let (scraped, signalled) = watch.finish(wait, &signals.received);
    if signalled {
        listened.books.signals += 1;
        if listened.stopped_by == StoppedBy::Plan {
            listened.stopped_by = StoppedBy::Signal;
        }
    }
    scraped
}

/// Adds what was read during a later pass, whose start is `offset` after that of the first.
pub fn append(sum: &mut Vec<Scraped>, later: Vec<Scraped>, offset: Nanos) {
    if sum.is_empty() {
        *sum = later;
        return;
    }
    for (scraped, later) in sum.iter_mut().zip(later) {
        scraped.append(later, offset);
    }
}

/// Returns the account of each server: of those that were asked for, and of others that show figures.
pub fn figures(ready: &Ready, scraped: &[Scraped]) -> Vec<ServerAccount> {
    let mut of_readable = scraped.iter();
    let sources = ready.metrics.iter().filter_map(|source| {
        let scraped = match &source.server {
            Ok(_) => of_readable.next().cloned().unwrap_or_default(),
            Err(why) => Scraped::without(why.clone()),
        };
        let shows = scraped.account.readings > 0;
        (shows || source.asked).then(|| account(source, scraped, ready))
    });
    sources.collect()
}

/// Returns what each server that shows figures held during a probe.
pub fn of_probe(ready: &Ready, scraped: &[Scraped]) -> Vec<ServerProbe> {
    let accounts = figures(ready, scraped)
        .into_iter()
        .filter(|account| account.readings > 0);
    let probes = accounts.map(|account| {
        let gauge = |key: &str| account.gauge(key);
        ServerProbe {
            running: gauge("running").and_then(|gauge| gauge.mean),
            waiting: gauge("waiting").and_then(|gauge| gauge.mean),
            waiting_max: gauge("waiting").and_then(|gauge| gauge.max),
            kv_cache_usage_max: gauge("kv_cache_usage").and_then(|gauge| gauge.max),
            preemptions: account.increase("preemptions"),
            queue_time_mean: account.histogram("queue_time").and_then(|times| times.mean),
            url: account.url,
        }
    });
    probes.collect()
}

fn account(source: &MetricsSource, scraped: Scraped, ready: &Ready) -> ServerAccount {
    let facts = AccountFacts {
        url: ready.masks.hide(&source.shown),
        server: source.name.clone(),
        is_target: source.is_target,
        failed: scraped.failed,
        slow: scraped.slow,
        last_error: scraped.last_error,
        first: scraped.first,
        last: scraped.last,
    };
    ServerAccount::new(facts, &scraped.account, &|text| ready.masks.hide(text))
}
