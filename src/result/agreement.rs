//! Where the servers' own accounts and the client's figures disagree, and the likely cause.
//!
//! Both saw the same requests, so their counts are equal, and their means differ by what lies between them. Means are
//! compared, because both sides have them exactly; of a percentile a server only says in which bucket it lies.

use crate::plan::AnalysisLimits;
use crate::result::server_metrics::ClientSide;
use crate::result::{Grade, HistogramFigures, RunResult, ServerAccount};
use crate::units::{grouped, percent, time};

/// A rule's verdict.
type Verdict = Option<(Grade, String)>;
/// A difference of so many requests is none: one may be counted a moment later.
const REQUESTS_MIN: f64 = 1.5;
/// Differences of means that are never too much, in milliseconds.
const TTFT_MS_MIN: f64 = 10.0;
const GAP_MS_MIN: f64 = 2.0;
/// The share by which two counts of values may differ that have the same mean.
const SAME_VALUES: f64 = 0.05;
/// A request and its answer take a round trip, as a connect does. More than so many is no network.
const ROUND_TRIPS_MAX: f64 = 3.0;

/// Compares both sides of each server, and says what is wrong with any.
fn each(result: &RunResult, says: impl Fn(&ClientSide<'_>, &[&ServerAccount]) -> Option<String>) -> Verdict {
    // A shard knows only its own requests, and a server those of all.
    if result.run.shard.as_ref().is_some_and(|shard| shard.count > 1) && result.run.merged.is_none() {
        return None;
    }
    let sides = result.sides();
    let found = sides.iter().filter_map(|(client, accounts)| {
        let text = says(client, accounts)?;
        Some(match client.server {
            Some(name) => format!("{name}: {text}"),
            None => text,
        })
    });
    let found: Vec<String> = found.collect();
    (!found.is_empty()).then(|| (Grade::Warning, found.join(" ")))
}

/// Tells whether the accounts cover the load: each was read before it, and none began anew.
fn cover(accounts: &[&ServerAccount]) -> bool {
    accounts.iter().all(|account| {
        let began = account.first_seconds.is_some_and(|first| first <= 0.0);
        began && account.counters.iter().all(|(_, counter)| counter.resets == 0)
    })
}

fn sum(accounts: &[&ServerAccount], key: &str) -> Option<f64> {
    accounts.iter().map(|account| account.increase(key)).sum()
}

fn shown(count: f64) -> String {
    grouped(count.max(0.0).round() as u64)
}

/// Compares how many requests both have counted.
pub(super) fn requests(result: &RunResult, limits: &AnalysisLimits) -> Verdict {
    each(result, |client, accounts| {
        let resets = accounts.iter().find_map(|account| {
            let fallen = account.counters.iter().find(|(_, counter)| counter.resets > 0);
            fallen.map(|(_, counter)| (counter.resets, counter.name.as_str(), *account))
        });
        if let Some((times, name, account)) = resets {
            return Some(format!(
                "{} at {} fell {times} times: the server began anew during the load, or several servers answer \
                 behind that address; give the URL of each with --server-metrics.",
                name, account.url
            ));
        }
        if !cover(accounts) {
            return None;
        }
        let server = sum(accounts, "requests")?;
        let ok = client.ok as f64;
        let slack = (limits.server_count_difference_max * ok).max(REQUESTS_MIN);
        let at_most = ok + client.others as f64;
        let ours = match client.others {
            0 => format!("{} ok", shown(ok)),
            others => format!("{} ok and {} others", shown(ok), grouped(others)),
        };
        if server > at_most + slack {
            return Some(format!(
                "The server finished {} requests, ours are {ours}: {} of them are somebody else's. Other users of the \
                 server are in its times and its load.",
                shown(server),
                shown(server - at_most)
            ));
        }
        (server < ok - slack).then(|| {
            format!(
                "The server finished {} requests, ours are {ours}: {} were answered elsewhere, by a cache or a replica \
                 that is not read (--server-metrics URL), or it counts otherwise.",
                shown(server),
                shown(ok - server)
            )
        })
    })
}

/// Tells whether both have counted the same requests, as far as the server counts any.
fn same_requests(client: &ClientSide<'_>, accounts: &[&ServerAccount], limits: &AnalysisLimits) -> bool {
    let (ok, others) = (client.ok as f64, client.others as f64);
    let slack = (limits.server_count_difference_max * ok).max(REQUESTS_MIN);
    sum(accounts, "requests").is_none_or(|server| (ok - slack..=ok + others + slack).contains(&server))
}

/// Compares how many tokens both have counted, where they agree on the requests.
pub(super) fn tokens(result: &RunResult, limits: &AnalysisLimits) -> Verdict {
    each(result, |client, accounts| {
        if !cover(accounts) || !same_requests(client, accounts, limits) {
            return None;
        }
        let differs = |key: &str, ours: f64| {
            let server = sum(accounts, key)?;
            let slack = (limits.server_count_difference_max * ours).max(REQUESTS_MIN);
            // Of a request that was cut the server has generated more than came here.
            let more = server > ours + slack && client.others == 0;
            (more || server < ours - slack).then(|| (server, share(server, ours)))
        };
        let output = differs("generation_tokens", client.output_tokens as f64).map(|(server, by)| {
            let cause = match (client.counts_events, server > client.output_tokens as f64) {
                (true, true) => {
                    "we counted events with text, and the server puts several tokens into one, or tokens \
                                 without text"
                }
                (true, false) => "we counted events with text, and the server sends several for a token",
                (false, true) => "it generated tokens that its answers do not state, or for others",
                (false, false) => "its counter misses what its answers state, or another server answered",
            };
            format!(
                "The server generated {} tokens, ours are {} ({by}): {cause}.",
                shown(server),
                grouped(client.output_tokens)
            )
        });
        let prompt = client.prompt_tokens.and_then(|ours| {
            let (server, by) = differs("prompt_tokens", ours as f64)?;
            Some(format!(
                "The server read {} prompt tokens, its answers state {} ({by}): it counts otherwise in one of them, \
                 for example without those from its cache.",
                shown(server),
                grouped(ours)
            ))
        });
        let found: Vec<String> = output.into_iter().chain(prompt).collect();
        (!found.is_empty()).then(|| found.join(" "))
    })
}

fn share(server: f64, ours: f64) -> String {
    let by = (server - ours) / ours.max(1.0);
    let sign = if by < 0.0 { "-" } else { "+" };
    format!("{sign}{}", percent(by.abs()))
}

/// Returns the values of a histogram that one server alone shows; several may have other buckets and means.
fn histogram<'a>(accounts: &[&'a ServerAccount], key: &str) -> Option<(u64, f64, &'a HistogramFigures)> {
    let mut of_each = accounts.iter().filter_map(|account| account.histogram(key));
    let first = of_each.next()?;
    let (mut count, mut total) = (first.count, first.mean? * first.count as f64);
    for more in of_each {
        count += more.count;
        total += more.mean? * more.count as f64;
    }
    (count > 0).then(|| (count, total / count as f64, first))
}

/// Tells whether two counts of values may be of the same requests.
fn same(ours: u64, theirs: u64) -> bool {
    let slack = (SAME_VALUES * ours as f64).max(2.0);
    ours > 0 && (ours as f64 - theirs as f64).abs() <= slack
}

fn mean(client: &ClientSide<'_>, key: &str) -> f64 {
    let metric = client.metrics.get(key).filter(|metric| metric.count > 0);
    metric.and_then(|metric| metric.mean).unwrap_or(0.0)
}

/// Returns the mean of a metric of connections, over so many requests.
fn per_request(client: &ClientSide<'_>, key: &str, requests: u64) -> f64 {
    let count = client.metrics.get(key).map_or(0, |metric| metric.count);
    mean(client, key) * count as f64 / requests.max(1) as f64
}

/// Compares the mean time to the first token.
pub(super) fn ttft(result: &RunResult, limits: &AnalysisLimits) -> Verdict {
    each(result, |client, accounts| {
        let (count, server, buckets) = histogram(accounts, "ttft")?;
        let ours = client
            .metrics
            .get("ttft")
            .filter(|metric| same(metric.count, count))?;
        let client_mean = ours.mean?;
        let by = client_mean - server;
        let limit = (limits.server_time_difference_max * server).max(TTFT_MS_MIN);
        if by.abs() <= limit {
            return None;
        }
        let both = format!(
            "TTFT is {} on average here and {} by the server's own account (p50 {}, {} there)",
            time(client_mean),
            time(server),
            ours.p50.map_or_else(|| "unknown".to_owned(), time),
            bounds(buckets.p50)
        );
        if by < 0.0 {
            return Some(format!(
                "{both}: the server counts {} that we do not wait for, or requests of others.",
                time(-by)
            ));
        }
        Some(format!("{both}: {}.", cause(client, by, ours.count)))
    })
}

/// Returns the likely cause of a time that the client waits longer than the server says.
fn cause(client: &ClientSide<'_>, by: f64, requests: u64) -> String {
    let own = mean(client, "schedule_lag") + per_request(client, "queue_wait", requests);
    let connecting = per_request(client, "connect", requests) + per_request(client, "tls", requests);
    let connect = client.metrics.get("connect").and_then(|metric| metric.p50);
    let lost = time(by);
    if own >= by / 2.0 {
        return format!(
            "{} of the {lost} in between pass here before a request goes out, because no user is free or the generator \
             is late",
            time(own)
        );
    }
    if connecting >= by / 2.0 {
        return format!(
            "{} of the {lost} in between are connects and TLS handshakes",
            time(connecting)
        );
    }
    match connect {
        Some(connect) if by <= ROUND_TRIPS_MAX * connect => format!(
            "the {lost} in between are the network's, where a connect takes {}",
            time(connect)
        ),
        Some(connect) => format!(
            "the {lost} in between are not the network's, where a connect takes {}: a proxy or the server's front end \
             holds requests or answers back, in a queue that the engine does not see",
            time(connect)
        ),
        None => format!(
            "the {lost} in between are the network's, or those of a queue that the engine does not see"
        ),
    }
}

/// Returns the ends of the bucket that a percentile lies in.
fn bounds(bucket: Option<[Option<f64>; 2]>) -> String {
    match bucket {
        None => "unknown".to_owned(),
        Some([low, Some(high)]) => format!("{} to {}", time(low.unwrap_or(0.0)), time(high)),
        Some([low, None]) => format!("above {}", time(low.unwrap_or(0.0))),
    }
}

/// Compares the mean time between tokens, or where one side counts several at once, the time per token of a request.
pub(super) fn gaps(result: &RunResult, limits: &AnalysisLimits) -> Verdict {
    each(result, |client, accounts| {
        let pairs = [("tbt", "inter_token_latency"), ("tpot", "time_per_output_token")];
        let (what, ours, server) = pairs.iter().find_map(|(key, theirs)| {
            let (count, server, _) = histogram(accounts, theirs)?;
            let ours = client
                .metrics
                .get(key)
                .filter(|metric| same(metric.count, count))?;
            Some((*key, ours.mean?, server))
        })?;
        let by = ours - server;
        let limit = (limits.server_time_difference_max * server).max(GAP_MS_MIN);
        if by.abs() <= limit {
            return None;
        }
        let what = match what {
            "tbt" => "The time between tokens",
            _ => "The time per token",
        };
        let cause = match by > 0.0 {
            true => {
                "tokens are held back on their way, by a proxy, the network, or a server that is busy sending"
            }
            false => {
                "tokens are gathered on their way and come together, as through a proxy that buffers streams"
            }
        };
        Some(format!(
            "{what} is {} on average here and {} by the server's own account: {cause}.",
            time(ours),
            time(server)
        ))
    })
}

#[cfg(test)]
#[path = "agreement_tests.rs"]
mod tests;
