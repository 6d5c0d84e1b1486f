//! Figures of the generator itself, and whether it was the limit: then a slow generator would look like a slow server.

use crate::metrics::{CoreTotals, Merged, TlsFailure};
use crate::result::warnings::{RULES, Warning};
use crate::result::{ErrorBudget, ErrorFigures, MetricFigures, Ordered};
use crate::units::{Nanos, millis, seconds};
use serde::{Deserialize, Serialize};

/// The figures of all cores of the process; in a merged document, of all processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// True if one of the generator's own rules applies, whether or not the run has to fail because of it.
    pub limit: bool,
    pub limit_reasons: Vec<LimitReason>,
    /// True if `limit` makes the run end with [`ExitCode::NotTrustworthy`](crate::error::ExitCode).
    pub fit_required: bool,
    pub stamp_source: StampSource,
    /// Absent in documents of older versions, whose sockets were driven by io_uring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<IoFigures>,
    pub quickack: bool,
    pub stamps_missing: u64,
    pub clock_steps: u64,
    /// The machine slept during the run.
    #[serde(default)]
    pub suspended_seconds: f64,
    /// Where a control group limits the CPU time: its periods, and those in which every thread was stopped.
    #[serde(default)]
    pub quota_periods: Option<u64>,
    #[serde(default)]
    pub throttled_periods: Option<u64>,
    pub details_lost: u64,
    pub out_of_range: u64,
    pub reap_lag: MetricFigures,
    pub stamp_lag: MetricFigures,
    /// Present if the server's events say what the truth is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorFigures>,
    /// Present if the run cites a calibration of its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_budget: Option<ErrorBudget>,
    /// Present if a target speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFigures>,
    pub cores: Vec<CoreFigures>,
}

/// A reason why the generator was the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReason {
    pub rule: String,
    /// Message with its number and the rule's limit.
    pub found: String,
}

/// The clock reading that says when bytes arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StampSource {
    Kernel,
    User,
}

/// What drove the sockets of the generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoFigures {
    /// `io_uring` or `epoll`; in a merged document of both, `epoll, io_uring`.
    pub driver: String,
    /// Why it was epoll though nobody asked for it.
    #[serde(default)]
    pub reason: Option<String>,
}

impl IoFigures {
    /// Returns what older documents and made-up ones mean.
    pub fn uring() -> IoFigures {
        IoFigures {
            driver: "io_uring".to_owned(),
            reason: None,
        }
    }

    /// Returns true if this is the driver that need not be mentioned.
    pub fn is_uring(&self) -> bool {
        self.driver == "io_uring"
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TlsFigures {
    /// False if any certificate was accepted (`--insecure`).
    pub verified: bool,
    pub handshakes: u64,
    /// How many of these resumed an earlier TLS session.
    pub resumed: u64,
    /// Failures by reason; only the reasons that occurred.
    pub failures: Ordered<u64>,
}

/// The figures of one worker core. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreFigures {
    /// In a merged document: number of the shard that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    pub core: usize,
    /// CPU that it was pinned to.
    pub cpu: Option<usize>,
    pub busy_percent: Option<f64>,
    pub loop_stalls: u64,
    #[serde(default)]
    pub longest_stall: f64,
    /// Of the run's time, in which it could have run and had no CPU; `None` where the kernel does not count it.
    #[serde(default)]
    pub run_delay_percent: Option<f64>,
    pub buffer_shortages: u64,
    pub completion_queue_overflows: u64,
    pub completions: u64,
    pub waits: u64,
    pub reads: u64,
    pub reap_lag_p50: Option<f64>,
    pub reap_lag_p99: Option<f64>,
    pub schedule_lag_p50: Option<f64>,
    pub schedule_lag_p99: Option<f64>,
}

/// The facts about the generator that the cores have not counted.
#[derive(Clone, Debug)]
pub struct GeneratorFacts {
    /// CPU of each core, in order; may be shorter than the list of cores.
    pub cpus: Vec<usize>,
    pub stamp_source: StampSource,
    pub io: IoFigures,
    pub quickack: bool,
    /// True if certificates were verified; `None` without TLS.
    pub tls_verified: Option<bool>,
    /// Details that were recorded but could not be written.
    pub details_unwritten: u64,
    /// The kernel counts how long a thread waits for a CPU.
    pub run_delay_counted: bool,
    /// For how long the machine slept.
    pub suspended: Nanos,
    /// Periods of a CPU quota, and those of them that were throttled.
    pub throttled: Option<(u64, u64)>,
}

impl Client {
    /// Makes the figures; [`Self::judge`] decides later whether the generator was the limit.
    pub(super) fn from_facts(facts: &GeneratorFacts, merged: &Merged, duration: Nanos) -> Client {
        let sum = merged.counters();
        let failures = TlsFailure::ALL
            .into_iter()
            .map(|reason| (reason.name(), sum.tls_failures[reason as usize]))
            .filter(|(_, n)| *n > 0);
        let cores = merged.cores.iter().enumerate();
        Client {
            limit: false,
            limit_reasons: Vec::new(),
            fit_required: false,
            stamp_source: facts.stamp_source,
            io: Some(facts.io.clone()),
            quickack: facts.quickack,
            stamps_missing: sum.stamps_missing,
            clock_steps: sum.clock_steps,
            suspended_seconds: seconds(facts.suspended),
            quota_periods: facts.throttled.map(|(periods, _)| periods),
            throttled_periods: facts.throttled.map(|(_, throttled)| throttled),
            details_lost: sum.details_lost + facts.details_unwritten,
            out_of_range: sum.out_of_range,
            reap_lag: MetricFigures::from_distribution(&merged.reap_lag(), 0),
            stamp_lag: MetricFigures::from_distribution(&merged.stamp_lag(), 0),
            errors: ErrorFigures::from_errors(&merged.errors()),
            error_budget: None,
            tls: facts.tls_verified.map(|verified| TlsFigures {
                verified,
                handshakes: sum.tls_handshakes,
                resumed: sum.tls_resumed,
                failures: failures.collect(),
            }),
            cores: cores
                .map(|(core, totals)| CoreFigures::from_totals(core, facts, totals, duration))
                .collect(),
        }
    }

    /// Decides from the run's warnings whether the generator was the limit. Returns true if the run fails because of
    /// it.
    pub(super) fn judge(&mut self, warnings: &[Warning], fit_required: bool) -> bool {
        let is_ours = |w: &&Warning| RULES.iter().any(|rule| rule.generator && rule.name == w.rule);
        let reason = |w: &Warning| LimitReason {
            rule: w.rule.clone(),
            found: w.message.clone(),
        };
        self.limit_reasons = warnings.iter().filter(is_ours).map(reason).collect();
        self.limit = !self.limit_reasons.is_empty();
        self.fit_required = fit_required;
        self.limit && fit_required
    }
}

impl CoreFigures {
    fn from_totals(core: usize, facts: &GeneratorFacts, totals: &CoreTotals, duration: Nanos) -> CoreFigures {
        let c = &totals.counters;
        CoreFigures {
            shard: None,
            core,
            cpu: facts.cpus.get(core).copied(),
            busy_percent: c.busy(duration).map(|share| share * 100.0),
            loop_stalls: c.loop_stalls,
            longest_stall: millis(c.longest_stall_ns),
            run_delay_percent: c
                .run_delay(duration)
                .filter(|_| facts.run_delay_counted)
                .map(|share| share * 100.0),
            buffer_shortages: c.buffer_shortages,
            completion_queue_overflows: c.cq_overflows,
            completions: c.completions,
            waits: c.waits,
            reads: c.reads,
            reap_lag_p50: totals.reap_lag.quantile(0.5).map(millis),
            reap_lag_p99: totals.reap_lag.quantile(0.99).map(millis),
            schedule_lag_p50: totals.schedule_lag.quantile(0.5).map(millis),
            schedule_lag_p99: totals.schedule_lag.quantile(0.99).map(millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(rules: &[&str]) -> Vec<Warning> {
        let warning = |rule: &&str| Warning {
            rule: (*rule).to_owned(),
            message: format!("9 {rule} (limit 0)"),
            advice: String::new(),
        };
        rules.iter().map(warning).collect()
    }

    /// Returns whether the generator was the limit, whether the run fails because of it, and the rules that say so.
    fn judged(rules: &[&str], fit_required: bool) -> (bool, bool, Vec<String>) {
        let facts = GeneratorFacts {
            cpus: Vec::new(),
            stamp_source: StampSource::Kernel,
            io: IoFigures::uring(),
            quickack: true,
            tls_verified: None,
            details_unwritten: 0,
            run_delay_counted: true,
            suspended: 0,
            throttled: None,
        };
        let mut client = Client::from_facts(&facts, &Merged::new(1, 1), 0);
        let fails = client.judge(&warnings(rules), fit_required);
        let rules = client.limit_reasons.into_iter().map(|reason| reason.rule);
        (client.limit, fails, rules.collect())
    }

    #[test]
    fn a_warning_about_the_server_or_the_plan_leaves_the_generator_fit() {
        let others: Vec<&str> = RULES.iter().filter(|r| !r.generator).map(|r| r.name).collect();
        assert!(others.contains(&"stale_reconnects") && others.contains(&"few_samples"));
        assert_eq!(judged(&others, true), (false, false, Vec::new()));
    }

    #[test]
    fn each_rule_about_the_generator_makes_it_unfit_and_fails_the_run_only_if_asked_for() {
        for rule in RULES.iter().filter(|r| r.generator) {
            let found = ["few_samples", rule.name];
            let named = vec![rule.name.to_owned()];
            assert_eq!(judged(&found, false), (true, false, named.clone()));
            assert_eq!(judged(&found, true), (true, true, named));
        }
    }
}
