//! The automatic analysis: a table of named rules, each with its limit in the document.

use crate::plan::AnalysisLimits;
use crate::result::{RunResult, StampSource, agreement};
use crate::units::{millis, time};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grade {
    Pass,
    Warning,
    Fail,
}

impl Grade {
    pub fn name(self) -> &'static str {
        match self {
            Grade::Pass => "PASS",
            Grade::Warning => "WARNING",
            Grade::Fail => "FAIL",
        }
    }
}

/// The verdict of one rule on a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: String,
    pub grade: Grade,
    pub message: String,
}

pub struct AnalysisRule {
    pub name: &'static str,
    /// Returns `None` if there are no values to judge.
    pub says: fn(&RunResult, &AnalysisLimits) -> Option<(Grade, String)>,
}

pub const ANALYSIS_RULES: [AnalysisRule; 12] = [
    AnalysisRule {
        name: "error_rate",
        says: error_rate,
    },
    AnalysisRule {
        name: "cut_requests",
        says: cut_requests,
    },
    AnalysisRule {
        name: "p90_latency",
        says: p90_latency,
    },
    AnalysisRule {
        name: "ttft",
        says: ttft,
    },
    AnalysisRule {
        name: "tail_ratio",
        says: tail_ratio,
    },
    AnalysisRule {
        name: "contention_errors",
        says: contention_errors,
    },
    AnalysisRule {
        name: "stamps",
        says: stamps,
    },
    AnalysisRule {
        name: "coalescing",
        says: coalescing,
    },
    AnalysisRule {
        name: "server_requests",
        says: agreement::requests,
    },
    AnalysisRule {
        name: "server_tokens",
        says: agreement::tokens,
    },
    AnalysisRule {
        name: "server_ttft",
        says: agreement::ttft,
    },
    AnalysisRule {
        name: "server_gaps",
        says: agreement::gaps,
    },
];

/// Rules about the measurement rather than the server. They never fail a run; `--require-fit` exists for that.
const OF_THE_MEASUREMENT: [&str; 6] = [
    "stamps",
    "coalescing",
    "server_requests",
    "server_tokens",
    "server_ttft",
    "server_gaps",
];

impl Finding {
    /// Returns true if the finding is about the server and is not PASS.
    pub fn blames_the_server(&self) -> bool {
        self.grade != Grade::Pass && !OF_THE_MEASUREMENT.contains(&self.rule.as_str())
    }
}

/// Applies all rules, in the table's order.
pub fn analyse(result: &RunResult, limits: &AnalysisLimits) -> Vec<Finding> {
    ANALYSIS_RULES
        .iter()
        .filter_map(|rule| {
            let (grade, message) = (rule.says)(result, limits)?;
            Some(Finding {
                rule: rule.name.to_owned(),
                grade,
                message,
            })
        })
        .collect()
}

fn error_rate(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let t = &result.totals;
    if t.ok + t.failed == 0 {
        return Some((Grade::Fail, "No request finished.".to_owned()));
    }
    let rate = percent(result.rates.error_rate);
    Some(match result.rates.error_rate > limits.error_rate_max {
        false => (Grade::Pass, format!("Error rate is acceptable ({rate}).")),
        true => {
            let limit = percent(limits.error_rate_max);
            (
                Grade::Fail,
                format!("Error rate is high ({rate}, limit {limit}). See the failures."),
            )
        }
    })
}

/// With more than half of the requests interrupted, the figures describe only the quick ones.
const CUT_FAILS_ABOVE: f64 = 0.5;

/// Grades requests interrupted at the end, which are in no latency figure and no error rate.
fn cut_requests(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let t = &result.totals;
    let finished = t.ok + t.failed;
    if t.interrupted == 0 {
        return None;
    }
    let share = t.interrupted as f64 / (finished + t.interrupted) as f64;
    let cut = format!(
        "{finished} of {} finished, {} ran for up to {:.1} s",
        finished + t.interrupted,
        t.interrupted,
        t.interrupted_elapsed_max_seconds
    );
    Some(if finished == 0 {
        let what = "None had the time to finish: a longer --duration or --graceful-stop lets them";
        (
            Grade::Fail,
            format!("All requests were interrupted at the end ({cut}). {what}."),
        )
    } else if share <= limits.cut_max {
        (
            Grade::Pass,
            format!("Few requests were interrupted at the end ({cut})."),
        )
    } else {
        let grade = match share > CUT_FAILS_ABOVE {
            true => Grade::Fail,
            false => Grade::Warning,
        };
        let why = "All times are those of the requests that were quick enough to finish";
        (
            grade,
            format!("Many requests were interrupted at the end ({cut}). {why}."),
        )
    })
}

fn p90_latency(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let p90 = result.metrics.get("latency")?.p90?;
    Some(match p90 > millis(limits.p90_latency_max) {
        false => (Grade::Pass, format!("P90 latency is acceptable ({}).", time(p90))),
        true => (
            Grade::Warning,
            format!(
                "P90 latency is high ({}). The user experience suffers.",
                time(p90)
            ),
        ),
    })
}

fn ttft(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let p50 = result.metrics.get("ttft")?.p50?;
    let shown = time(p50);
    Some(if p50 <= millis(limits.ttft_p50_good) {
        (Grade::Pass, format!("TTFT is excellent ({shown})."))
    } else if p50 <= millis(limits.ttft_p50_max) {
        (Grade::Pass, format!("TTFT is acceptable ({shown})."))
    } else {
        let why = "Users wait long for the first token";
        (Grade::Warning, format!("TTFT is high ({shown}). {why}."))
    })
}

fn tail_ratio(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let latency = result.metrics.get("latency")?;
    let (p50, p99) = (latency.p50.filter(|p50| *p50 > 0.0)?, latency.p99?);
    let ratio = p99 / p50;
    Some(match ratio > limits.tail_ratio_max {
        false => (Grade::Pass, format!("Tail is even (P99 is {ratio:.1} x P50).")),
        true => (
            Grade::Warning,
            format!(
                "Tail is long (P99 is {ratio:.1} x P50, limit {:.1}). Some users wait far longer than most.",
                limits.tail_ratio_max
            ),
        ),
    })
}

/// Judges timeouts and 503s, the answers of an overloaded server.
fn contention_errors(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let t = &result.totals;
    if t.ok + t.failed == 0 {
        return None;
    }
    let rate = result.rates.contention_error_rate;
    let shown = percent(rate);
    Some(match rate > limits.contention_error_rate_max {
        false => (
            Grade::Pass,
            format!("Timeouts and 503s are acceptable ({shown})."),
        ),
        true => (
            Grade::Fail,
            format!(
                "Timeouts and 503s are high ({shown}, limit {}). The server is overloaded.",
                percent(limits.contention_error_rate_max)
            ),
        ),
    })
}

fn stamps(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    if result.client.stamp_source == StampSource::User {
        let what =
            "Arrivals were stamped by the program, not by the kernel, so its own delays are in TTFT and TBT.";
        return Some((Grade::Warning, what.to_owned()));
    }
    let reads: u64 = result.client.cores.iter().map(|core| core.reads).sum();
    let missing = result.client.stamps_missing;
    if reads == 0 {
        return None;
    }
    Some(match missing as f64 / reads as f64 > limits.stamps_missing_max {
        false => (Grade::Pass, "Arrivals were stamped by the kernel.".to_owned()),
        true => (
            Grade::Warning,
            format!("{missing} of {reads} reads had no kernel stamp; the time of the read was used."),
        ),
    })
}

fn coalescing(result: &RunResult, limits: &AnalysisLimits) -> Option<(Grade, String)> {
    let (events, shared) = (result.totals.token_events, result.totals.coalesced_events);
    if events == 0 {
        return None;
    }
    let share = shared as f64 / events as f64;
    let shown = percent(share);
    Some(match share > limits.coalesced_max {
        false => (
            Grade::Pass,
            format!("Tokens arrived one by one ({shown} shared a read)."),
        ),
        true => (
            Grade::Warning,
            format!("Tokens arrived in bunches ({shown} shared a read). Use TPOT, not TBT."),
        ),
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
