//! Checks that the figures of a document are consistent. A run writes consistent figures, so a document with a
//! contradiction was edited, or shows a bug of ours.

mod counts;
mod paired;
mod sessions;
mod values;

use self::paired::check_paired;
use self::sessions::check_sessions;
use crate::judge::StepsResult;
use crate::result::{
    Client, FailureFigures, ManagedServerRow, PaceFigures, PhaseFigures, Repeat, RunResult, TwoClocks,
};
use counts::{Counted, check_counts, check_rates, check_sum};
use std::fmt;
use values::{check_metrics, check_timeline};

/// A contradiction between two figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Key of one of them: `totals.requests`.
    pub key: String,
    /// Description of what is wrong with it, in words that follow the key.
    pub what: String,
}

impl Contradiction {
    fn new(key: impl Into<String>, what: impl Into<String>) -> Contradiction {
        Contradiction {
            key: key.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.what)
    }
}

impl std::error::Error for Contradiction {}

type Result = std::result::Result<(), Contradiction>;

/// Returns an error unless `holds` is true.
fn ensure(holds: bool, key: impl Into<String>, what: impl FnOnce() -> String) -> Result {
    match holds {
        true => Ok(()),
        false => Err(Contradiction::new(key, what())),
    }
}

/// Checks that a time or a rate is not negative. It cannot be infinite, since JSON has no infinity.
fn ensure_not_negative(key: impl Into<String>, figure: f64) -> Result {
    ensure(figure >= 0.0, key, || format!("{figure} is negative"))
}

impl RunResult {
    /// Checks that counts add up and rates follow from them, that percentiles ascend and agree with their histograms,
    /// that rows and groups add up to all requests, and that the verdict agrees with the thresholds.
    pub fn check(&self) -> Result {
        self.check_run()?;
        let totals = Counted::from_totals(&self.totals);
        check_counts("totals", &totals)?;
        check_rates("rates", &totals, &self.rates, self.run.duration_seconds)?;
        self.check_failures()?;
        check_metrics("metrics", &totals, &self.metrics)?;
        self.check_groups(&totals)?;
        self.check_phases(&totals)?;
        check_timeline("timeline", &totals, &self.metrics, &self.timeline)?;
        self.check_details()?;
        for (i, repeat) in self.repeats.iter().enumerate() {
            check_repeat(&format!("repeats[{i}]"), repeat)?;
        }
        if !self.repeats.is_empty() {
            let each = || {
                self.repeats
                    .iter()
                    .map(|repeat| Counted::from_totals(&repeat.totals))
            };
            check_sum("repeats", &totals, each)?;
        }
        self.check_passes()?;
        self.check_trace()?;
        if let Some(paired) = &self.paired {
            check_paired(paired, totals.requests)?;
        }
        if let Some(sessions) = &self.sessions {
            check_sessions(sessions, totals.requests)?;
        }
        check_client("client", &self.client)?;
        check_server_rows("managed_server_timeline", &self.managed_server_timeline)?;
        if let Some(steps) = &self.steps {
            check_steps("steps", steps)?;
        }
        if let Some(timings) = &self.server_timings {
            check_clocks("server_timings.prompt", &timings.prompt, totals.requests)?;
            check_clocks("server_timings.decode", &timings.decode, totals.requests)?;
        }
        Ok(())
    }

    /// Checks that the minutes of a trace have all arrivals.
    fn check_trace(&self) -> Result {
        let Some(trace) = &self.trace else {
            return Ok(());
        };
        let sum = |count: fn(&PaceFigures) -> u64| trace.minutes.iter().map(count).sum::<u64>();
        let t = &self.totals;
        for (key, found, expected) in [
            ("arrivals", sum(|minute| minute.arrivals), t.offered),
            ("dropped", sum(|minute| minute.dropped), t.dropped_iterations),
        ] {
            ensure(found == expected, format!("trace.minutes[].{key}"), || {
                format!("{found} in all, not {expected} as in `totals`")
            })?;
        }
        let sent = sum(|minute| minute.sent);
        ensure(sent <= t.requests, "trace.minutes[].sent", || {
            format!("{sent} in all, of {} requests", t.requests)
        })
    }

    fn check_run(&self) -> Result {
        let run = &self.run;
        ensure_not_negative("run.startup_seconds", run.startup_seconds)?;
        ensure_not_negative("run.duration_seconds", run.duration_seconds)?;
        let (said, meant) = (&run.verdict, run.exit_code.verdict());
        ensure(run.exit_code.allows_verdict(said), "run.verdict", || {
            format!(
                "`{said}` is not that of exit code {}, `{meant}`",
                run.exit_code.code()
            )
        })?;
        let failed = self.thresholds.iter().position(|t| !t.ok);
        let Some(failed) = failed.filter(|_| run.exit_code.code() == 0) else {
            return Ok(());
        };
        Err(Contradiction::new(
            "run.exit_code",
            format!("0 although `thresholds[{failed}]` is not ok"),
        ))
    }

    /// Checks that no more failures are explained than there are. There may be fewer, because kinds are limited.
    fn check_failures(&self) -> Result {
        for (outcome, explained) in FailureFigures::by_outcome(&self.failures).iter() {
            let counted = self.totals.by_outcome.get(outcome).copied().unwrap_or(0);
            ensure(*explained <= counted, "failures", || {
                format!(
                    "{explained} have the outcome `{outcome}`, which `totals.by_outcome` counts {counted} times"
                )
            })?;
        }
        Ok(())
    }

    fn check_groups(&self, totals: &Counted<'_>) -> Result {
        let servers = self.servers.iter().map(|servers| ("servers", servers));
        for (key, groups) in std::iter::once(("kinds", &self.kinds)).chain(servers) {
            for (name, group) in groups.iter() {
                let counted = Counted::from_traffic(&group.totals, totals.in_flight_max);
                check_counts(&format!("{key}.{name}.totals"), &counted)?;
                let rates = format!("{key}.{name}.rates");
                check_rates(&rates, &counted, &group.rates, self.run.duration_seconds)?;
                check_metrics(&format!("{key}.{name}.metrics"), &counted, &group.metrics)?;
            }
            check_sum(key, totals, || {
                groups
                    .iter()
                    .map(|(_, group)| Counted::from_traffic(&group.totals, totals.in_flight_max))
            })?;
            for (name, figures) in self.metrics.iter() {
                let each = groups.iter().filter_map(|(_, group)| group.metrics.get(name));
                let sum: u128 = each.map(|figures| u128::from(figures.count)).sum();
                ensure(
                    sum == u128::from(figures.count),
                    format!("metrics.{name}.count"),
                    || format!("{} is not the sum over `{key}`, {sum}", figures.count),
                )?;
            }
        }
        Ok(())
    }

    /// Checks that the phases have all requests between them, and the steady part's kinds all of its own.
    fn check_phases(&self, totals: &Counted<'_>) -> Result {
        let Some(PhaseFigures { ramp, steady, .. }) = &self.phases else {
            return Ok(());
        };
        let each = [
            ("phases.ramp", &ramp.totals, &ramp.rates, &ramp.metrics),
            ("phases.steady", &steady.totals, &steady.rates, &steady.metrics),
        ];
        let counted = |traffic| Counted::from_traffic(traffic, totals.in_flight_max);
        for (key, traffic, rates, metrics) in each {
            let counted = counted(traffic);
            check_counts(&format!("{key}.totals"), &counted)?;
            check_rates(
                &format!("{key}.rates"),
                &counted,
                rates,
                self.run.duration_seconds,
            )?;
            check_metrics(&format!("{key}.metrics"), &counted, metrics)?;
        }
        check_sum("phases", totals, || {
            each.iter().map(|(_, traffic, ..)| counted(traffic))
        })?;
        check_sum("phases.steady.kinds", &counted(&steady.totals), || {
            steady.kinds.iter().map(|(_, group)| counted(&group.totals))
        })
    }

    /// Checks that a list of requests has all that have ended. If servers were loaded alone first, the list has those
    /// requests as well; a merged list may miss those of a part.
    fn check_details(&self) -> Result {
        let Some(listed) = self.details else { return Ok(()) };
        let (requests, lost) = (self.totals.requests, self.client.details_lost);
        let ended = requests.saturating_sub(self.totals.in_flight);
        let has_others = self.config.get("contention").is_some_and(|asked| *asked == true);
        let is_whole = listed.checked_add(lost) == Some(ended);
        ensure(
            is_whole || has_others || self.run.merged.is_some() && listed <= ended,
            "details",
            || format!("{listed} requests are listed, `totals.requests` is {requests} and {lost} were lost"),
        )
    }

    fn check_passes(&self) -> Result {
        if let Some(w) = &self.warmup {
            ensure_not_negative("warmup.duration_seconds", w.duration_seconds)?;
            let ended =
                u128::from(w.ok) + u128::from(w.failed) + u128::from(w.interrupted) + u128::from(w.cancelled);
            ensure(ended <= u128::from(w.requests), "warmup.requests", || {
                format!(
                    "{} are fewer than ok, failed, interrupted and cancelled, {ended}",
                    w.requests
                )
            })?;
        }
        let servers = self.contention.iter().flat_map(|contention| &contention.servers);
        for (i, server) in servers.enumerate() {
            for (name, pace) in [("alone", &server.alone), ("together", &server.together)] {
                let key = format!("contention.servers[{i}].{name}");
                ensure(pace.ok <= pace.requests, format!("{key}.ok"), || {
                    format!("{} are more than its requests, {}", pace.ok, pace.requests)
                })?;
                let rate = pace.contention_error_rate;
                ensure(
                    (0.0..=1.0).contains(&rate),
                    format!("{key}.contention_error_rate"),
                    || format!("{rate} is not a share from 0 to 1"),
                )?;
            }
        }
        Ok(())
    }
}

fn check_repeat(key: &str, repeat: &Repeat) -> Result {
    let totals = Counted::from_totals(&repeat.totals);
    let seconds = repeat.run.duration_seconds;
    check_counts(&format!("{key}.totals"), &totals)?;
    check_rates(&format!("{key}.rates"), &totals, &repeat.rates, seconds)?;
    check_metrics(&format!("{key}.metrics"), &totals, &repeat.metrics)?;
    check_timeline(
        &format!("{key}.timeline"),
        &totals,
        &repeat.metrics,
        &repeat.timeline,
    )
}

fn check_client(key: &str, client: &Client) -> Result {
    ensure(
        client.limit != client.limit_reasons.is_empty(),
        format!("{key}.limit"),
        || format!("{} with {} reasons", client.limit, client.limit_reasons.len()),
    )?;
    values::check_figures(&format!("{key}.reap_lag"), &client.reap_lag)?;
    values::check_figures(&format!("{key}.stamp_lag"), &client.stamp_lag)?;
    for (i, core) in client.cores.iter().enumerate() {
        let key = format!("{key}.cores[{i}]");
        ensure_not_negative(format!("{key}.busy_percent"), core.busy_percent.unwrap_or(0.0))?;
        values::check_pair(&format!("{key}.reap_lag"), core.reap_lag_p50, core.reap_lag_p99)?;
        values::check_pair(
            &format!("{key}.schedule_lag"),
            core.schedule_lag_p50,
            core.schedule_lag_p99,
        )?;
    }
    Ok(())
}

fn check_server_rows(key: &str, rows: &[ManagedServerRow]) -> Result {
    let pairs = rows.windows(2).enumerate();
    for (i, pair) in pairs {
        let (before, now) = (pair[0].elapsed_seconds, pair[1].elapsed_seconds);
        ensure(before <= now, format!("{key}[{}].elapsed_seconds", i + 1), || {
            format!("{now} comes after {before}")
        })?;
    }
    Ok(())
}

fn check_steps(key: &str, steps: &StepsResult) -> Result {
    for (i, step) in steps.judged.iter().enumerate() {
        let all_ok = step.thresholds.iter().all(|t| t.ok);
        ensure(step.ok == all_ok, format!("{key}.judged[{i}].ok"), || {
            format!("{} is not what its thresholds say", step.ok)
        })?;
        ensure(
            step.from_seconds <= step.to_seconds,
            format!("{key}.judged[{i}].to_seconds"),
            || {
                format!(
                    "{} is before its beginning, {}",
                    step.to_seconds, step.from_seconds
                )
            },
        )?;
        for (name, times) in [("ttft", &step.ttft), ("latency", &step.latency)] {
            let Some(times) = times else { continue };
            let key = format!("{key}.judged[{i}].{name}.count");
            ensure(times.count <= step.requests, key, || {
                format!("{} of {} requests", times.count, step.requests)
            })?;
        }
    }
    Ok(())
}

fn check_clocks(key: &str, clocks: &TwoClocks, requests: u64) -> Result {
    let in_order = clocks.server_over <= clocks.compared
        && clocks.compared <= clocks.stated
        && clocks.stated <= requests;
    ensure(in_order, format!("{key}.stated"), || {
        format!(
            "{} of {requests} requests, {} compared, {} over: each must be at most the one before",
            clocks.stated, clocks.compared, clocks.server_over
        )
    })?;
    values::check_pair(&format!("{key}.server"), clocks.server_p50, clocks.server_p99)?;
    values::check_pair(&format!("{key}.client"), clocks.client_p50, clocks.client_p99)?;
    values::check_pair(
        &format!("{key}.difference"),
        clocks.difference_p50,
        clocks.difference_p99,
    )
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
