//! Warnings that a reader must know before believing the figures: a table of named rules.

use crate::metrics::{FinishKind, FinishWord, LATE_AFTER, LengthCounts, MetricId, Outcome};
use crate::result::{CoreFigures, RunResult, STARTED_LATE, StampSource, StartFigures};
use crate::units::{decimal, millis, percent};
use serde::{Deserialize, Serialize};

/// A warning, shown in the document and below the summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    pub rule: String,
    pub message: String,
    pub advice: String,
}

impl Warning {
    pub fn new(rule: &str, message: impl Into<String>, advice: &str) -> Warning {
        Warning {
            rule: rule.to_owned(),
            message: message.into(),
            advice: advice.to_owned(),
        }
    }
}

pub struct Rule {
    pub name: &'static str,
    /// Returns the message with its numbers, if the rule applies.
    pub finds: fn(&RunResult) -> Option<String>,
    /// True if the generator itself may have distorted the figures, whatever the server did.
    pub generator: bool,
    pub advice: &'static str,
}

/// The limit of events that share the stamp of their read; such events say nothing about the gaps between them.
const COALESCED_SHARE_MAX: f64 = 0.01;
/// The limit of reap lag. With user stamps it is in every TTFT and TBT; with the kernel's it is in no figure.
const REAP_LAG_MS_P99_MAX: f64 = 5.0;
/// The fewest samples whose p99 has an interval, between two of them ([`crate::stats::ranks`]).
const P99_SAMPLES_MIN: u64 = 368;
/// The limit of a core's busy time; k6 advises the same for its generators.
pub const BUSY_PERCENT_MAX: f64 = 80.0;
/// The scheduler of a busy machine makes a thread wait for tens of milliseconds; more is a stop.
const STALL_MS_MAX: f64 = 250.0;
/// Of the quota's periods, each of which stops every thread for up to 0.1 s: as rare as what p99 leaves out.
const THROTTLED_PERCENT_MAX: f64 = 1.0;
/// Of the run's time, in which a worker could have run and had no CPU.
const RUN_DELAY_PERCENT_MAX: f64 = 5.0;
/// From the moment when a request is due until it is sent.
const SCHEDULE_LAG_MS_P99_MAX: f64 = 20.0;
/// A receive without a buffer is repeated a turn of the loop later and keeps its stamp, so what is as rare as p99.9
/// leaves out moves no figure.
const BUFFER_SHORTAGE_SHARE_MAX: f64 = 0.001;
/// Two clocks that are read one after the other never differ by this much.
const SUSPENDED_SECONDS_MAX: f64 = 0.01;

pub const RULES: [Rule; 26] = [
    Rule {
        name: "no_text",
        finds: no_text,
        generator: false,
        advice: "their tokens are in output tokens per second: send one request with curl to see what comes",
    },
    Rule {
        name: "unknown_finish",
        finds: unknown_finish,
        generator: false,
        advice: "they count as ok; check in the server's documentation whether they are",
    },
    Rule {
        name: "prompt_lengths",
        finds: |r| off("prompts", r.totals.lengths.prompt),
        generator: false,
        advice: "a tokenizer splits words and a chat template adds to them: --tokenizer server (or a tokenizer.json) is exact, and so is --token-ids where the API takes ids",
    },
    Rule {
        name: "output_lengths",
        finds: |r| {
            // The simulator answers at lengths of its own, and nobody asks whether it should.
            let of_a_server = !r.loaded_the_simulator();
            of_a_server.then(|| off("answers", r.totals.lengths.output))?
        },
        generator: false,
        advice: "shorter ones the server ended by itself (`ignore_eos: true` prevents that); with longer ones it ignores the limit, or counts thoughts beside it",
    },
    Rule {
        name: "dropped",
        finds: dropped,
        generator: false,
        advice: "the server did not keep up with the rate, or --max-in-flight is too low for it",
    },
    Rule {
        name: "suspended",
        finds: suspended,
        generator: true,
        advice: "run it again where nothing puts the machine to sleep: systemd-inhibit, caffeine, a virtual machine that stays",
    },
    Rule {
        name: "stalled",
        finds: stalled,
        generator: true,
        advice: "it was stopped (SIGSTOP, Ctrl-Z, docker pause) or had no CPU; nothing was sent or read meanwhile: run it again",
    },
    Rule {
        name: "throttled",
        finds: throttled,
        generator: true,
        advice: "raise or lift the quota (docker run --cpuset-cpus instead of --cpus), or use fewer --cores",
    },
    Rule {
        name: "cpu_taken",
        finds: cpu_taken,
        generator: true,
        advice: "another process runs on its CPU: end it, or choose other CPUs with --cpus",
    },
    Rule {
        name: "late_sends",
        finds: late_sends,
        generator: true,
        advice: "the load was not what was asked for: use more --cores, fewer VUs, or a calmer machine",
    },
    Rule {
        name: "worker_busy",
        finds: worker_busy,
        generator: true,
        advice: "use more cores (--cores) or fewer VUs: above this limit the generator delays itself",
    },
    Rule {
        name: "completion_queue_overflow",
        finds: |r| {
            if_any(
                r.client.cores.iter().map(|c| c.completion_queue_overflows).sum(),
                "completion-queue overflows (limit 0)",
            )
        },
        generator: true,
        advice: "completions were noticed late: use more cores, or fewer VUs per core",
    },
    Rule {
        name: "buffer_shortages",
        finds: buffer_shortages,
        generator: true,
        advice: "the generator ran out of buffers, not the server: use more cores",
    },
    Rule {
        name: "client_resource",
        finds: |r| {
            let failed = r.totals.by_outcome.get(Outcome::ClientResource.name());
            if_any(
                failed.copied().unwrap_or(0),
                "requests found no free port, file or memory on this host (limit 0)",
            )
        },
        generator: true,
        advice: "this host ran out, not the server: `llmload-uring probe` names the limit",
    },
    Rule {
        name: "reap_lag",
        finds: reap_lag,
        generator: true,
        advice: "user stamps are late when the event loop is: use --stamp kernel, or less load per core",
    },
    Rule {
        name: "late_reads",
        finds: late_reads,
        generator: false,
        advice: "the kernel's stamps are true whenever they are read; use more --cores before the load grows",
    },
    Rule {
        name: "coalesced_events",
        finds: coalesced_events,
        generator: false,
        advice: "several tokens came in one read and share its stamp: use tpot rather than tbt",
    },
    Rule {
        name: "stamps_missing",
        finds: |r| if_any(r.client.stamps_missing, "reads without a kernel stamp (limit 0)"),
        generator: true,
        advice: "the time of the read was used instead: check the reap lag",
    },
    Rule {
        name: "clock_stepped",
        finds: |r| if_any(r.client.clock_steps, "steps of the wall clock (limit 0)"),
        generator: true,
        advice: "stamps around a step are wrong: stop correcting the clock during a run, or use --stamp user",
    },
    Rule {
        name: "few_samples",
        finds: few_samples,
        generator: false,
        advice: "run longer before relying on p99",
    },
    Rule {
        name: "out_of_range",
        finds: |r| if_any(r.client.out_of_range, "values over one hour"),
        generator: false,
        advice: "these values are in max, mean and quantiles, but not in the histogram",
    },
    Rule {
        name: "details_lost",
        finds: |r| {
            if_any(
                r.client.details_lost,
                "requests are missing from the details (limit 0)",
            )
        },
        generator: true,
        advice: "the disk or the writer fell behind; all other figures include these requests",
    },
    Rule {
        name: "histories_full",
        finds: |r| {
            if_any(
                r.sessions.as_ref().map_or(0, |sessions| sessions.histories.full),
                "sessions ended early because there was no memory for their history",
            )
        },
        generator: false,
        advice: "answers were longer than planned: use fewer users, or a lower max_tokens",
    },
    Rule {
        name: "untyped_streams",
        finds: |r| {
            if_any(
                r.totals.untyped_streams,
                "event streams without the content type text/event-stream",
            )
        },
        generator: false,
        advice: "they were read anyway; browsers and some clients will not read them",
    },
    Rule {
        name: "stale_reconnects",
        finds: |r| {
            if_any(
                r.totals.stale_reconnects,
                "requests sent again after a stale connection",
            )
        },
        generator: false,
        advice: "the server closes connections that it promised to keep; the reconnects are in latency, but not in a session's later turns",
    },
    Rule {
        name: "interrupted",
        finds: interrupted,
        generator: false,
        advice: "not included in latency; raise --graceful-stop so that they can finish",
    },
];

/// Applies all rules. The gravest warnings come first.
pub(crate) fn find(result: &RunResult) -> Vec<Warning> {
    let mut found: Vec<Warning> = RULES
        .iter()
        .filter_map(|rule| {
            let message = (rule.finds)(result)?;
            Some(Warning::new(rule.name, message, rule.advice))
        })
        .chain(result.run.start.iter().filter_map(StartFigures::warning))
        .collect();
    order(&mut found, result);
    found
}

/// Sorts warnings by weight, so that the first line is the one that decides whether the figures can be used. Those of
/// equal weight keep their order.
pub(crate) fn order(warnings: &mut [Warning], result: &RunResult) {
    warnings.sort_by_key(|warning| weight(&warning.rule, result));
}

/// Share of the requests above which a warning about them concerns the whole run.
const MANY: f64 = 0.05;

/// Returns the weight of a warning; 0 is the gravest.
fn weight(rule: &str, result: &RunResult) -> u8 {
    let t = &result.totals;
    let many = |n: u64, of: u64| n as f64 > of as f64 * MANY;
    let is_ours = RULES.iter().any(|r| r.name == rule && r.generator);
    match rule {
        "shards_missing" | "start_skew" | "several_targets" | STARTED_LATE => 0,
        "interrupted" if many(t.interrupted, t.requests) => 0,
        "no_text" if many(t.ok_without_text, t.ok) => 0,
        "details_lost" | "details_missing" | "few_samples" | "untyped_streams" | "out_of_range" => 3,
        "coalesced_events" | "late_reads" | "stale_reconnects" => 3,
        _ if is_ours => 1,
        _ => 2,
    }
}

fn if_any(n: u64, what: &str) -> Option<String> {
    (n > 0).then(|| format!("{n} {what}"))
}

/// Says by how much lengths differ from what was asked for, if it is more than 1 %.
fn off(what: &str, counts: LengthCounts) -> Option<String> {
    let (asked, served) = counts.means().filter(|_| counts.is_off())?;
    let close = percent(counts.close_share());
    Some(format!(
        "{what} of {} tokens were asked for, and the server counts {} on average: {close} of them are within 1 %",
        decimal((asked * 10.0).round() / 10.0),
        decimal((served * 10.0).round() / 10.0)
    ))
}

fn no_text(r: &RunResult) -> Option<String> {
    let t = &r.totals;
    (t.ok_without_text > 0).then(|| {
        format!(
            "{} of {} good answers carried no text: no ttft, and their {} tokens are only the server's claim",
            t.ok_without_text, t.ok, t.tokens_without_text
        )
    })
}

fn unknown_finish(r: &RunResult) -> Option<String> {
    let words = r.totals.by_finish.iter();
    let unknown: Vec<String> = words
        .filter(|(word, _)| FinishWord::of(word.as_bytes()).kind() == FinishKind::Unknown)
        .map(|(word, n)| format!("`{word}` {n}"))
        .collect();
    let words = unknown.join(", ");
    (!unknown.is_empty())
        .then(|| format!("answers ended with finish reasons that this program does not know: {words}"))
}

fn suspended(r: &RunResult) -> Option<String> {
    let slept = r.client.suspended_seconds;
    (slept > SUSPENDED_SECONDS_MAX).then(|| {
        format!("the machine slept for {slept:.2} s during the run (limit {SUSPENDED_SECONDS_MAX} s)")
    })
}

fn stalled(r: &RunResult) -> Option<String> {
    let longest = r.client.cores.iter().map(|c| c.longest_stall).fold(0.0, f64::max);
    (longest > STALL_MS_MAX).then(|| {
        format!(
            "a worker stood still for {:.2} s (limit {} s)",
            longest / 1_000.0,
            STALL_MS_MAX / 1_000.0
        )
    })
}

fn throttled(r: &RunResult) -> Option<String> {
    let (periods, throttled) = (r.client.quota_periods?, r.client.throttled_periods?);
    let percent = throttled as f64 * 100.0 / periods.max(1) as f64;
    (percent > THROTTLED_PERCENT_MAX).then(|| {
        format!(
            "the CPU quota was used up in {throttled} of {periods} periods ({percent:.0} %, limit \
             {THROTTLED_PERCENT_MAX} %)"
        )
    })
}

fn cpu_taken(r: &RunResult) -> Option<String> {
    let delays = r.client.cores.iter().filter_map(|c| c.run_delay_percent);
    let longest = delays.fold(0.0, f64::max);
    (longest > RUN_DELAY_PERCENT_MAX).then(|| {
        format!(
            "a worker waited for its CPU for {longest:.0} % of the time (limit {RUN_DELAY_PERCENT_MAX:.0} %)"
        )
    })
}

fn buffer_shortages(r: &RunResult) -> Option<String> {
    let sum = |count: fn(&CoreFigures) -> u64| r.client.cores.iter().map(count).sum::<u64>();
    let (short, reads) = (sum(|core| core.buffer_shortages), sum(|core| core.reads));
    let share = short as f64 / reads.max(1) as f64;
    (share > BUFFER_SHORTAGE_SHARE_MAX).then(|| {
        let limit = BUFFER_SHORTAGE_SHARE_MAX * 100.0;
        format!("{short} of {reads} receives found no free buffer (limit {limit} %)")
    })
}

fn dropped(r: &RunResult) -> Option<String> {
    let t = &r.totals;
    let due = t.requests + t.dropped_iterations;
    (t.dropped_iterations > 0).then(|| {
        format!(
            "{} of {due} arrivals were dropped: all users were busy",
            t.dropped_iterations
        )
    })
}

fn late_sends(r: &RunResult) -> Option<String> {
    let p99 = r.metric(MetricId::ScheduleLag)?.p99?;
    let late = r.rates.late.map_or(String::new(), |share| {
        format!(
            ", {} of them more than {} ms",
            percent(share),
            decimal(millis(LATE_AFTER))
        )
    });
    (p99 > SCHEDULE_LAG_MS_P99_MAX).then(|| {
        format!("requests left late: schedule_lag p99 {p99:.1} ms (limit {SCHEDULE_LAG_MS_P99_MAX} ms){late}")
    })
}

fn worker_busy(r: &RunResult) -> Option<String> {
    let busiest = r
        .client
        .cores
        .iter()
        .filter_map(|c| c.busy_percent)
        .fold(0.0, f64::max);
    (busiest > BUSY_PERCENT_MAX)
        .then(|| format!("a worker core was busy {busiest:.0} % of the time (limit {BUSY_PERCENT_MAX:.0} %)"))
}

fn reap_lag(r: &RunResult) -> Option<String> {
    let p99 = lag_of_reads(r, StampSource::User)?;
    Some(format!(
        "user stamps with a reap lag p99 of {p99:.1} ms (limit {REAP_LAG_MS_P99_MAX} ms)"
    ))
}

fn late_reads(r: &RunResult) -> Option<String> {
    let p99 = lag_of_reads(r, StampSource::Kernel)?;
    Some(format!(
        "answers were read late: reap_lag p99 {p99:.1} ms (limit {REAP_LAG_MS_P99_MAX} ms)"
    ))
}

/// Returns the reap lag of a run with these stamps, if it is above the limit.
fn lag_of_reads(r: &RunResult, stamps: StampSource) -> Option<f64> {
    let p99 = r.client.reap_lag.p99?;
    (r.client.stamp_source == stamps && p99 > REAP_LAG_MS_P99_MAX).then_some(p99)
}

fn coalesced_events(r: &RunResult) -> Option<String> {
    let (coalesced, all) = (r.totals.coalesced_events, r.totals.token_events);
    let share = coalesced as f64 / all.max(1) as f64;
    (share > COALESCED_SHARE_MAX).then(|| {
        format!(
            "{coalesced} of {all} token events ({:.1} %) share a stamp (limit {} %)",
            share * 100.0,
            COALESCED_SHARE_MAX * 100.0
        )
    })
}

fn few_samples(r: &RunResult) -> Option<String> {
    let n = r.metric(MetricId::Latency)?.count;
    (n > 0 && n < P99_SAMPLES_MIN)
        .then(|| format!("latency p99 is based on {n} samples, fewer than {P99_SAMPLES_MIN}"))
}

fn interrupted(r: &RunResult) -> Option<String> {
    let t = &r.totals;
    (t.interrupted > 0).then(|| {
        format!(
            "requests interrupted at the end: {}, the oldest after {:.1} s",
            t.interrupted, t.interrupted_elapsed_max_seconds
        )
    })
}

#[cfg(test)]
#[path = "warnings_tests.rs"]
mod tests;
