//! Contention: how much several servers slow each other down. Each one's users run alone first, then all together.

use crate::result::GroupFigures;
use crate::units::rate;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The slowdown, or the inverse share of tokens per second, from which on there is contention. Smaller differences
/// occur between two runs of the same load.
pub const SLOWDOWN_MIN: f64 = 1.2;
/// The factor by which one server must keep its own pace better than another to be said to starve it.
const UNEVEN_MIN: f64 = 1.25;

/// The section of the document, if contention was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    pub servers: Vec<Contended>,
    /// Sum of the servers' tokens per second alone.
    pub tokens_per_second_alone: f64,
    pub tokens_per_second_together: f64,
    /// Tokens per second together over alone; `None` without tokens alone.
    pub combined_share: Option<f64>,
    pub found: bool,
    /// Finding in a sentence or two.
    pub verdict: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contended {
    pub name: String,
    /// Number of its users at the peak, the same in both runs.
    pub users: u32,
    pub alone: Pace,
    pub together: Pace,
    /// Ratio of together to alone, without unit.
    pub ratio: Ratio,
}

/// The pace of a server: milliseconds; `None` if there are no values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    pub requests: u64,
    pub ok: u64,
    pub ttft_p50: Option<f64>,
    pub ttft_p99: Option<f64>,
    pub tbt_p50: Option<f64>,
    pub tbt_p99: Option<f64>,
    pub latency_p50: Option<f64>,
    pub latency_p99: Option<f64>,
    pub tokens_per_second: f64,
    pub contention_error_rate: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    pub ttft_p50: Option<f64>,
    pub ttft_p99: Option<f64>,
    pub tbt_p50: Option<f64>,
    pub tbt_p99: Option<f64>,
    pub latency_p50: Option<f64>,
    pub latency_p99: Option<f64>,
    pub tokens_per_second: Option<f64>,
}

impl Pace {
    fn from_group(group: &GroupFigures) -> Pace {
        let metric = |key: &str| group.metrics.get(key);
        let p50 = |key: &str| metric(key).and_then(|m| m.p50);
        let p99 = |key: &str| metric(key).and_then(|m| m.p99);
        Pace {
            requests: group.totals.requests,
            ok: group.totals.ok,
            ttft_p50: p50("ttft"),
            ttft_p99: p99("ttft"),
            tbt_p50: p50("tbt"),
            tbt_p99: p99("tbt"),
            latency_p50: p50("latency"),
            latency_p99: p99("latency"),
            tokens_per_second: group.rates.output_tokens_per_second,
            contention_error_rate: group.rates.contention_error_rate,
        }
    }
}

impl Ratio {
    fn between(alone: &Pace, together: &Pace) -> Ratio {
        let ratio = |before: Option<f64>, after: Option<f64>| Some(after? / before.filter(|ms| *ms > 0.0)?);
        Ratio {
            ttft_p50: ratio(alone.ttft_p50, together.ttft_p50),
            ttft_p99: ratio(alone.ttft_p99, together.ttft_p99),
            tbt_p50: ratio(alone.tbt_p50, together.tbt_p50),
            tbt_p99: ratio(alone.tbt_p99, together.tbt_p99),
            latency_p50: ratio(alone.latency_p50, together.latency_p50),
            latency_p99: ratio(alone.latency_p99, together.latency_p99),
            tokens_per_second: ratio(Some(alone.tokens_per_second), Some(together.tokens_per_second)),
        }
    }

    /// Returns the worst ratio of the medians and of the lost throughput; 1 or less means no slowdown. Tails do not
    /// decide, because those of short runs differ by more than that from one run to the next.
    fn slowdown(&self) -> f64 {
        let lost = self.tokens_per_second.map(|kept| 1.0 / kept.max(1e-3));
        [self.ttft_p50, self.tbt_p50, self.latency_p50, lost]
            .into_iter()
            .flatten()
            .fold(0.0, f64::max)
    }
}

impl Contention {
    /// Compares servers, each given as name, users, figures alone, and figures together.
    pub fn from_pairs(pairs: &[(&str, u32, &GroupFigures, &GroupFigures)]) -> Contention {
        let servers: Vec<Contended> = pairs
            .iter()
            .map(|(name, users, alone, together)| {
                let (alone, together) = (Pace::from_group(alone), Pace::from_group(together));
                Contended {
                    name: (*name).to_owned(),
                    users: *users,
                    ratio: Ratio::between(&alone, &together),
                    alone,
                    together,
                }
            })
            .collect();
        let alone: f64 = servers.iter().map(|e| e.alone.tokens_per_second).sum();
        let together: f64 = servers.iter().map(|e| e.together.tokens_per_second).sum();
        let combined_share = (alone > 0.0).then(|| together / alone);
        let found =
            servers.iter().any(is_slowed) || combined_share.is_some_and(|share| share < 1.0 / SLOWDOWN_MIN);
        let verdict = verdict(&servers, found, alone, together);
        Contention {
            servers,
            tokens_per_second_alone: alone,
            tokens_per_second_together: together,
            combined_share,
            found,
            verdict,
        }
    }
}

fn is_slowed(server: &Contended) -> bool {
    server.ratio.slowdown() >= SLOWDOWN_MIN
}

fn verdict(servers: &[Contended], found: bool, alone: f64, together: f64) -> String {
    let sums = format!(
        "Together they generate {} tokens/s, {:.0} % of the {} that they generate alone.",
        rate(together),
        together * 100.0 / alone.max(1e-9),
        rate(alone)
    );
    if !found {
        let percent = (SLOWDOWN_MIN - 1.0) * 100.0;
        return format!(
            "No contention found: each server stays within {percent:.0} % of its pace alone. {sums}"
        );
    }
    let by_slowdown = |a: &&Contended, b: &&Contended| a.ratio.slowdown().total_cmp(&b.ratio.slowdown());
    let (Some(most), Some(least)) = (
        servers.iter().max_by(by_slowdown),
        servers.iter().min_by(by_slowdown),
    ) else {
        return sums;
    };
    let mut text = String::new();
    if most.ratio.slowdown() >= least.ratio.slowdown().max(1.0) * UNEVEN_MIN {
        let _ = write!(text, "{} starves {}: ", least.name, most.name);
    } else {
        let names: Vec<&str> = servers.iter().map(|e| e.name.as_str()).collect();
        let _ = write!(text, "{} slow each other down: ", names.join(" and "));
    }
    let told: Vec<String> = [most, least].iter().map(|e| paces(e)).collect();
    let _ = write!(text, "{}. {sums}", told.join("; "));
    text
}

/// Describes a server's pace: `Flash at 0.45 x its tokens/s, TTFT 3.1 x, latency 2.3 x`.
fn paces(server: &Contended) -> String {
    let c = &server.ratio;
    let mut text = server.name.clone();
    let _ = match c.tokens_per_second {
        Some(kept) => write!(text, " at {kept:.2} x its tokens/s"),
        None => write!(text, " without tokens alone"),
    };
    for (name, ratio) in [
        ("TTFT", c.ttft_p50),
        ("TBT", c.tbt_p50),
        ("latency", c.latency_p50),
    ] {
        if let Some(ratio) = ratio {
            let _ = write!(text, ", {name} {ratio:.2} x");
        }
    }
    text
}

#[cfg(test)]
#[path = "contention_tests.rs"]
mod tests;
