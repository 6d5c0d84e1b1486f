//! Watches the servers of a load of which requests are cancelled: how long each goes on with those that are over for
//! the client.

use crate::engine::CoreTraffic;
use crate::plan::{Pass, Plan, Role};
use crate::result::{SLOTS_OF_SHARDS, SlotFreeFigures, StoppedBy};
use crate::run::Ready;
use crate::run::listen::Listened;
use crate::scrape::{MetricsServer, Obstacle, SlotAccount, SlotWatch};
use crate::signals::Signals;
use crate::units::MILLISECOND;
use crate::workload::Call;

/// Begins to watch the servers of a pass, if it is measured and cancels requests, and returns when each has said what
/// it holds before the load. A shard knows too little of what its server holds to watch it.
pub fn watch(pass: &Pass, ready: &Ready, traffic: &[CoreTraffic]) -> Option<SlotWatch> {
    let cancels = cancelling(&pass.plan);
    if pass.role != Role::Measured || pass.plan.shard.count() > 1 || !cancels.contains(&true) {
        return None;
    }
    let targets = ready.targets.iter().zip(&ready.engine.tls).zip(cancels);
    let servers = targets.map(|((target, tls), cancels)| match cancels {
        false => Err(Obstacle::NotCancelling),
        true => MetricsServer::of_target(target, tls.as_ref(), &ready.engine.source_addresses)
            .map_err(Obstacle::Addresses),
    });
    Some(SlotWatch::start(servers.collect(), traffic))
}

/// Ends the watch of a pass. A signal that comes meanwhile ends the wait, and the passes that would follow.
pub fn finish(watch: SlotWatch, listened: &mut Listened, signals: &Signals) {
    let wait = listened.books.signals < 2 && listened.stopped_by != StoppedBy::Server;
    let (accounts, signalled) = watch.finish(wait, &signals.received);
    listened.slots = accounts;
    if signalled {
        listened.books.signals += 1;
        if listened.stopped_by == StoppedBy::Plan {
            listened.stopped_by = StoppedBy::Signal;
        }
    }
}

/// Adds the accounts of a later pass.
pub fn append(sum: &mut Vec<SlotAccount>, later: Vec<SlotAccount>) {
    if sum.is_empty() {
        *sum = later;
        return;
    }
    for (account, later) in sum.iter_mut().zip(later) {
        account.append(later);
    }
}

/// Tells for each server whether requests to it are cancelled.
fn cancelling(plan: &Plan) -> Vec<bool> {
    let mut servers = vec![false; plan.workload.servers.len()];
    for kind in &plan.workload.kinds {
        let cancels = matches!(&kind.call, Call::Chat(chat) if chat.cancel.is_some());
        if let Some(server) = servers.get_mut(usize::from(kind.server)) {
            *server |= cancels;
        }
    }
    servers
}

/// Returns the figures of each server of which requests are cancelled.
pub fn figures(plan: &Plan, accounts: &[SlotAccount]) -> Vec<SlotFreeFigures> {
    let names = plan.server_names();
    let servers = cancelling(plan).into_iter().enumerate();
    servers
        .filter(|(_, cancels)| *cancels)
        .map(|(index, _)| SlotFreeFigures {
            server: names.get(index).cloned(),
            ..match accounts.get(index) {
                Some(account) => figures_of(account),
                None => without(SLOTS_OF_SHARDS),
            }
        })
        .collect()
}

fn without(why: &str) -> SlotFreeFigures {
    SlotFreeFigures {
        not_judged: Some(why.to_owned()),
        ..SlotFreeFigures::default()
    }
}

fn figures_of(account: &SlotAccount) -> SlotFreeFigures {
    let ms = |ns: f64| ns / MILLISECOND as f64;
    let mean = account.mean_held();
    let gauges = account
        .gauges
        .map(|g| vec![g.running.to_owned(), g.waiting.to_owned()]);
    SlotFreeFigures {
        server: None,
        cut: account.cut,
        mean: mean.map(|(at_least, _)| ms(at_least)),
        mean_at_most: mean.map(|(_, at_most)| ms(at_most)),
        error: mean.and(account.error()).map(ms),
        interval: account.interval().map(ms),
        readings: account.readings,
        readings_failed: account.failed,
        still_held: account.still_held,
        gauges: gauges.unwrap_or_default(),
        not_judged: match (&account.obstacle, mean) {
            (Some(obstacle), _) => Some(in_words(obstacle)),
            (None, Some(_)) => None,
            (None, None) if account.cut == 0 => Some("no request was cut".to_owned()),
            (None, None) => Some("the load ended before a second reading".to_owned()),
        },
    }
}

fn in_words(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::NoAnswer(why) => format!("GET /metrics: {why}"),
        Obstacle::NoGauge => {
            "the server's /metrics has no gauge of running requests that is known".to_owned()
        }
        Obstacle::Others(held) => {
            format!("the server held {held} requests before the load: others use it as well")
        }
        Obstacle::Addresses(count) => {
            format!("the server has {count} addresses, and each shows only its own requests")
        }
        Obstacle::NotCancelling => "no request to the server is cancelled".to_owned(),
    }
}
