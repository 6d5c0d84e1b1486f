//! How the generator itself did, and whether it was the limit: then a slow server and a slow generator look the
//! same.

use crate::metrics::{CoreTotals, Merged, TlsFailure};
use crate::result::warnings::{RULES, Warning};
use crate::result::{MetricFigures, Ordered};
use crate::units::{Nanos, millis};
use serde::{Deserialize, Serialize};

/// Of all cores of the process; of a merged document, of all processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// One of the generator's own rules applies, whether or not the run was asked to fail by it.
    pub limit: bool,
    pub limit_reasons: Vec<LimitReason>,
    /// `limit` makes the run end with [`ExitCode::NotTrustworthy`](crate::error::ExitCode).
    pub fit_required: bool,
    pub stamp_source: StampSource,
    pub quickack: bool,
    pub stamps_missing: u64,
    pub clock_steps: u64,
    pub details_lost: u64,
    pub out_of_range: u64,
    pub reap_lag: MetricFigures,
    pub stamp_lag: MetricFigures,
    /// Where a target speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFigures>,
    pub cores: Vec<CoreFigures>,
}

/// Why the generator was the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReason {
    pub rule: String,
    /// With its number and the rule's limit.
    pub found: String,
}

/// Whose clock says when bytes arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StampSource {
    Kernel,
    User,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TlsFigures {
    /// False: any certificate was accepted (`--insecure`).
    pub verified: bool,
    pub handshakes: u64,
    /// Of these, those that took up an earlier session.
    pub resumed: u64,
    /// The reasons that occurred.
    pub failures: Ordered<u64>,
}

/// One worker core. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreFigures {
    /// Of a merged document: the number of the process it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    pub core: usize,
    /// The CPU it was pinned to.
    pub cpu: Option<usize>,
    pub busy_percent: Option<f64>,
    pub loop_stalls: u64,
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

/// What a run knows of its generator besides what the cores have counted.
#[derive(Clone, Debug)]
pub struct GeneratorFacts {
    /// CPU of each core, in order; may be shorter.
    pub cpus: Vec<usize>,
    pub stamp_source: StampSource,
    pub quickack: bool,
    /// Whether certificates were verified; `None`: no TLS.
    pub tls_verified: Option<bool>,
    /// Details that were recorded but could not be written.
    pub details_unwritten: u64,
}

impl Client {
    /// Whether it was the limit is not judged yet.
    pub(super) fn of(facts: &GeneratorFacts, merged: &Merged, duration: Nanos) -> Client {
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
            quickack: facts.quickack,
            stamps_missing: sum.stamps_missing,
            clock_steps: sum.clock_steps,
            details_lost: sum.details_lost + facts.details_unwritten,
            out_of_range: sum.out_of_range,
            reap_lag: MetricFigures::of(&merged.reap_lag()),
            stamp_lag: MetricFigures::of(&merged.stamp_lag()),
            tls: facts.tls_verified.map(|verified| TlsFigures {
                verified,
                handshakes: sum.tls_handshakes,
                resumed: sum.tls_resumed,
                failures: failures.collect(),
            }),
            cores: cores
                .map(|(core, totals)| CoreFigures::of(core, facts.cpus.get(core).copied(), totals, duration))
                .collect(),
        }
    }

    /// Finds out by the run's warnings whether the generator was the limit. True: the run fails by it.
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

    /// The summary's line, where the run fails by it.
    pub fn verdict(&self) -> Option<String> {
        let reason = |r: &LimitReason| format!("{}: {}", r.rule, r.found);
        let reasons: Vec<String> = self.limit_reasons.iter().map(reason).collect();
        (self.limit && self.fit_required).then(|| format!("NOT FIT TO JUDGE: {}", reasons.join("; ")))
    }
}

impl CoreFigures {
    fn of(core: usize, cpu: Option<usize>, totals: &CoreTotals, duration: Nanos) -> CoreFigures {
        let c = &totals.counters;
        CoreFigures {
            shard: None,
            core,
            cpu,
            busy_percent: c.busy(duration).map(|share| share * 100.0),
            loop_stalls: c.loop_stalls,
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

    /// Whether it was the limit, whether the run fails by it, and the line that says so.
    fn judged(rules: &[&str], fit_required: bool) -> (bool, bool, Option<String>) {
        let facts = GeneratorFacts {
            cpus: Vec::new(),
            stamp_source: StampSource::Kernel,
            quickack: true,
            tls_verified: None,
            details_unwritten: 0,
        };
        let mut client = Client::of(&facts, &Merged::new(1, 1), 0);
        let fails = client.judge(&warnings(rules), fit_required);
        (client.limit, fails, client.verdict())
    }

    #[test]
    fn a_warning_about_the_server_or_the_plan_leaves_the_generator_fit() {
        let others: Vec<&str> = RULES.iter().filter(|r| !r.generator).map(|r| r.name).collect();
        assert!(others.contains(&"stale_reconnects") && others.contains(&"few_samples"));
        assert_eq!(judged(&others, true), (false, false, None));
    }

    #[test]
    fn each_rule_about_the_generator_is_the_limit_and_fails_only_where_asked_for() {
        for rule in RULES.iter().filter(|r| r.generator) {
            let found = ["few_samples", rule.name];
            assert_eq!(judged(&found, false), (true, false, None), "{}", rule.name);
            let line = format!("NOT FIT TO JUDGE: {0}: 9 {0} (limit 0)", rule.name);
            assert_eq!(judged(&found, true), (true, true, Some(line)));
        }
    }

    #[test]
    fn several_reasons_stand_in_one_line() {
        let (_, _, verdict) = judged(&["worker_busy", "clock_stepped"], true);
        assert_eq!(
            verdict.as_deref(),
            Some(
                "NOT FIT TO JUDGE: worker_busy: 9 worker_busy (limit 0); clock_stepped: 9 clock_stepped (limit 0)"
            )
        );
    }
}
