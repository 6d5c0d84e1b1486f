//! The summary, which fits on one screen.

use crate::error::{FINDINGS_FAILED, one_line};
use crate::judge::{BreakingPoint, StepsResult, ThresholdResult};
use crate::metrics::{Cause, FinishWord};
use crate::output::numbers::{bytes, cut, duration, grouped, number};
use crate::output::passes;
use crate::output::requests;
use crate::output::steps;
use crate::output::timings;
use crate::output::workload;
use crate::result::{
    Finding, GroupFigures, Layout, ManagedServerFigures, MetricFigures, Ordered, Run, RunResult,
    ShardFigures, StampSource, StoppedBy, TokenSources,
};

/// The number of lines that a terminal shows at once, not counting [steps](super::steps).
/// Rows above their section's maximum are only counted; the document has them.
pub const SUMMARY_LINES_MAX: usize = 59;
const KIND_ROWS_MAX: usize = 5;
const THRESHOLD_ROWS_MAX: usize = 6;
const WARNINGS_MAX: usize = 3;
/// The number of columns.
const WIDTH: usize = 80;

/// Appends a formatted line, filtered so that it stays one line and is safe for a terminal.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {
        $crate::output::text::push_line($text, &format!($($arg)*))
    };
}
pub(super) use line;

pub(super) fn push_line(text: &mut String, line: &str) {
    text.push_str(&one_line(line));
    text.push('\n');
}

/// Returns the summary as plain text, every line ended.
pub fn summary(result: &RunResult) -> String {
    let mut text = String::new();
    match result.run.layout {
        Layout::Profile => head(&mut text, result),
        Layout::Workload => {
            workload::summary(&mut text, result);
            passes::sections(&mut text, result);
            line!(&mut text, "=== Details ===");
            head(&mut text, result);
        }
    }
    metrics(&mut text, result);
    if result.run.layout == Layout::Profile {
        kinds(&mut text, result);
    }
    timings::rows(&mut text, result);
    if result.run.layout == Layout::Profile {
        passes::sections(&mut text, result);
    }
    outcomes(&mut text, result);
    thresholds(&mut text, result);
    if let Some(found) = &result.steps {
        steps::rows(&mut text, found);
    }
    client(&mut text, result);
    fitness(&mut text, result);
    warnings(&mut text, result);
    text
}

fn head(text: &mut String, result: &RunResult) {
    let (run, t, rates) = (&result.run, &result.totals, &result.rates);
    let end = match run.stopped_by {
        StoppedBy::Plan => "as planned",
        StoppedBy::Signal => "INTERRUPTED by a signal",
        StoppedBy::Threshold => "STOPPED by a threshold",
        StoppedBy::Server => "STOPPED by the end of the server",
        StoppedBy::Failure => "STOPPED by a failure of the generator",
    };
    line!(text, "{}: {:.1} s, {end}", run.profile, run.duration_seconds);
    parts(text, run);
    line!(text, "");
    requests::rows(text, t);
    line!(
        text,
        "rates       {:.1} req/s  ok {:.1} req/s  {:.1} tok/s, over {:.1} s of load",
        rates.requests_per_second,
        rates.ok_requests_per_second,
        rates.output_tokens_per_second,
        rates.load_seconds.unwrap_or(run.duration_seconds),
    );
    if let Some(figures) = &result.managed_server {
        server(text, figures);
    }
    line!(
        text,
        "transfer    sent {}  received {}  {}",
        bytes(t.bytes_sent),
        bytes(t.bytes_received),
        match t.token_source {
            TokenSources::Server => "tokens by server",
            TokenSources::Events => "tokens by events",
            TokenSources::Mixed => "tokens by server and events",
            TokenSources::None => "tokens not counted",
        },
    );
    line!(
        text,
        "peaks       VUs {}  connections {} ({} opened, {} stale)",
        grouped(t.peak_vus),
        grouped(t.peak_connections),
        grouped(t.connections_opened),
        grouped(t.stale_reconnects),
    );
}

/// Appends the shard or the merged parts of a run that several processes share.
fn parts(text: &mut String, run: &Run) {
    if let Some(ShardFigures { number, count }) = run.shard {
        line!(
            text,
            "shard {number} of {count}: figures and thresholds cover its own requests only (`merge` joins all)"
        );
    }
    if let Some(merged) = &run.merged {
        let (all, missing) = (merged.shards, merged.missing_shards.len());
        line!(
            text,
            "merged from {} of {all} shards, which began {:.3} s apart",
            all as usize - missing,
            merged.start_skew_seconds
        );
    }
}

fn server(text: &mut String, figures: &ManagedServerFigures) {
    if let Some(counts) = &figures.counts {
        let verdict = match counts.difference() {
            None => "agrees".to_owned(),
            Some((what, theirs, ours)) => format!("DIFFERS ({what}: {theirs}, ours {ours})"),
        };
        line!(
            text,
            "server      {} completions, {} errors by its own count: {verdict}",
            grouped(counts.requests),
            grouped(counts.errors),
        );
    }
    if let Some(used) = &figures.resources {
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |p| format!("{p:.0} %"));
        line!(
            text,
            "server      CPU mean {} max {}  memory {} to {}, max {}",
            percent(used.cpu_percent_mean),
            percent(used.cpu_percent_max),
            bytes(used.rss_bytes_start),
            bytes(used.rss_bytes_end),
            bytes(used.rss_bytes_max),
        );
    }
}

fn metrics(text: &mut String, result: &RunResult) {
    line!(text, "");
    line!(
        text,
        "{:<13}{:>11}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "",
        "count",
        "min",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "max"
    );
    let ttft = result.metrics.get("ttft");
    // Without thoughts, the first token of the answer is the first token.
    let is_shown = |key: &str, m: &MetricFigures| m.count > 0 && (key != "ttfa" || Some(m) != ttft);
    for (key, m) in result.metrics.iter().filter(|(key, m)| is_shown(key, m)) {
        let cells: String = [m.min, m.p50, m.p90, m.p95, m.p99, m.p999, m.max]
            .into_iter()
            .map(|ms| format!("{:>8}", duration(ms)))
            .collect();
        line!(text, "{key:<13}{:>11}{cells}", grouped(m.count));
    }
}

fn kinds(text: &mut String, result: &RunResult) {
    let shown = result.kinds.0.len().min(KIND_ROWS_MAX);
    if result.kinds.0.len() < 2 {
        return;
    }
    line!(text, "");
    line!(
        text,
        "{:<24}{:>10}{:>8}{:>10}{:>9}{:>9}{:>9}",
        "by request",
        "ok",
        "failed",
        "latency",
        "p99",
        "ttft",
        "p99"
    );
    for (name, kind) in result.kinds.iter().take(shown) {
        line!(text, "{}", kind_row(name, kind));
    }
    more(text, result.kinds.0.len() - shown, "kinds of request");
}

fn kind_row(name: &str, kind: &GroupFigures) -> String {
    let p =
        |key: &str, pick: fn(&MetricFigures) -> Option<f64>| duration(kind.metrics.get(key).and_then(pick));
    format!(
        "{:<24}{:>10}{:>8}{:>10}{:>9}{:>9}{:>9}",
        cut(&one_line(name), 23),
        grouped(kind.totals.ok),
        grouped(kind.totals.failed),
        p("latency", |m| m.p50),
        p("latency", |m| m.p99),
        p("ttft", |m| m.p50),
        p("ttft", |m| m.p99),
    )
}

/// Appends the outcomes and statuses that occurred, wrapped.
fn outcomes(text: &mut String, result: &RunResult) {
    let totals = &result.totals;
    line!(text, "");
    let outcomes = totals
        .by_outcome
        .iter()
        .map(|(name, n)| format!("{name} {}", grouped(*n)));
    wrapped(text, "outcomes", outcomes);
    let statuses = totals
        .by_status
        .iter()
        .map(|(status, n)| format!("{status} x {}", grouped(*n)));
    wrapped(text, "statuses", statuses);
    let causes = totals.by_cause.iter().map(|(name, n)| {
        let says = Cause::of_name(name).map_or(name.to_owned(), |cause| cause.says().to_owned());
        format!("{says} x {}", grouped(*n))
    });
    wrapped(text, "causes", causes);
    finishes(text, &totals.by_finish);
    tls(text, result);
}

/// Appends the finish reasons, but only if one of them is unusual.
fn finishes(text: &mut String, by_finish: &Ordered<u64>) {
    let is_ordinary = |word: &str| FinishWord::of(word.as_bytes()).is_ordinary();
    if by_finish.iter().any(|(word, _)| !is_ordinary(word)) {
        let finishes = by_finish
            .iter()
            .map(|(word, n)| format!("{word} {}", grouped(*n)));
        wrapped(text, "finishes", finishes);
    }
}

fn tls(text: &mut String, result: &RunResult) {
    let Some(tls) = &result.client.tls else {
        return;
    };
    line!(
        text,
        "tls         {} handshakes ({} resumed)  certificates {}",
        grouped(tls.handshakes),
        grouped(tls.resumed),
        if tls.verified {
            "verified"
        } else {
            "NOT VERIFIED (--insecure)"
        },
    );
    let failures = tls
        .failures
        .iter()
        .map(|(name, n)| format!("{name} {}", grouped(*n)));
    wrapped(text, "tls failed", failures);
}

/// The most lines of a list. A server can invent statuses, so the list is cut.
const WRAPPED_LINES_MAX: usize = 2;

fn wrapped(text: &mut String, label: &str, items: impl Iterator<Item = String>) {
    let mut row = format!("{label:<12}");
    let mut rows = 0;
    let mut empty = true;
    for item in items {
        if !empty && row.len() + item.len() + 2 > WIDTH {
            rows += 1;
            if rows == WRAPPED_LINES_MAX {
                line!(text, "{} ...", row.trim_end());
                return;
            }
            line!(text, "{}", row.trim_end());
            row = " ".repeat(12);
        }
        row.push_str(&item);
        row.push_str("  ");
        empty = false;
    }
    if !empty {
        line!(text, "{}", row.trim_end());
    }
}

/// Appends the thresholds, failed ones first, so that a cut list shows them.
fn thresholds(text: &mut String, result: &RunResult) {
    let thresholds = &result.thresholds;
    if thresholds.is_empty() {
        return;
    }
    let decisive = result.steps.as_ref().and_then(StepsResult::decisive);
    let last = match decisive {
        None => "breaking point".to_owned(),
        Some(step) => format!("judged at {} users", grouped(u64::from(step.vus))),
    };
    line!(text, "");
    line!(text, "{:<46} {:>12}  {last}", "thresholds", "observed",);
    let failed = thresholds.iter().filter(|t| !t.ok);
    let ordered = failed.chain(thresholds.iter().filter(|t| t.ok));
    for t in ordered.take(THRESHOLD_ROWS_MAX) {
        let mark = match (t.ok, t.not_applicable) {
            (_, true) => "n/a ",
            (true, _) => "pass",
            (false, _) => "FAIL",
        };
        let observed = match t.observed {
            Some(n) => number(n),
            None if t.not_applicable => "-".to_string(),
            None if t.not_recomputed.is_some() => "by shard".to_string(),
            None => "no samples".to_string(),
        };
        let rule = format!("{}: {}", one_line(&t.metric), one_line(&t.expression));
        let point = match decisive {
            None => breaking_point(t),
            Some(_) => String::new(),
        };
        let row = format!("  {mark}  {rule:<38} {observed:>12}  {point}");
        line!(text, "{}", row.trim_end());
    }
    more(
        text,
        thresholds.len().saturating_sub(THRESHOLD_ROWS_MAX),
        "thresholds",
    );
}

fn breaking_point(t: &ThresholdResult) -> String {
    match t.breaking_point {
        _ if t.not_applicable => "-".to_string(),
        None if t.not_recomputed.is_some() => "not recomputed".to_string(),
        Some(BreakingPoint {
            elapsed_seconds, vus, ..
        }) => format!("{} VUs, {elapsed_seconds:.0} s", grouped(vus)),
        None if t.observed.is_none() => "-".to_string(),
        None => "not reached".to_string(),
    }
}

fn client(text: &mut String, result: &RunResult) {
    let c = &result.client;
    let source = match c.stamp_source {
        StampSource::Kernel => "kernel",
        StampSource::User => "user",
    };
    let busiest = c.cores.iter().filter_map(|c| c.busy_percent).reduce(f64::max);
    line!(text, "");
    line!(
        text,
        "stamps      {source}  reap lag p50 {} p99 {}  quick ACKs {}",
        duration(c.reap_lag.p50),
        duration(c.reap_lag.p99),
        if c.quickack { "on" } else { "off" },
    );
    let events = result.totals.token_events;
    line!(
        text,
        "events      {} with tokens, {} coalesced ({:.1} %)",
        grouped(events),
        grouped(result.totals.coalesced_events),
        result.totals.coalesced_events as f64 * 100.0 / events.max(1) as f64,
    );
    line!(
        text,
        "cores       {}{}  loop stalls {}{}",
        c.cores.len(),
        busiest.map_or(String::new(), |b| format!("  busiest {b:.0} %")),
        grouped(c.cores.iter().map(|c| c.loop_stalls).sum()),
        match c.cores.iter().map(|c| c.longest_stall).fold(0.0, f64::max) {
            longest if c.cores.iter().any(|c| c.loop_stalls > 0) => {
                format!(", longest {}", duration(Some(longest)))
            }
            _ => String::new(),
        },
    );
    if let Some(pushes) = &result.pushes {
        line!(
            text,
            "pushes      sent {}  failed {}  dropped {}",
            grouped(pushes.sent),
            grouped(pushes.failed),
            grouped(pushes.dropped),
        );
    }
}

fn fitness(text: &mut String, result: &RunResult) {
    if let Some(verdict) = result.client.verdict() {
        line!(text, "");
        line!(text, "{verdict}");
    }
    if result.run.verdict == FINDINGS_FAILED {
        line!(text, "");
        let blaming = result.analysis.iter().filter(|found| found.blames_the_server());
        for Finding { rule, grade, message } in blaming {
            line!(text, "FAILED by a finding: {} {rule}: {message}", grade.name());
        }
    }
}

fn warnings(text: &mut String, result: &RunResult) {
    if result.warnings.is_empty() {
        return;
    }
    line!(text, "");
    for w in result.warnings.iter().take(WARNINGS_MAX) {
        line!(text, "warning: {}", w.message);
        line!(text, "  hint: {}", w.advice);
    }
    let rest = result.warnings.get(WARNINGS_MAX..).unwrap_or_default();
    if !rest.is_empty() {
        let names: Vec<&str> = rest.iter().map(|w| w.rule.as_str()).collect();
        let names = cut(&one_line(&names.join(", ")), WIDTH - 40);
        line!(text, "  and {} more warnings (see --output): {names}", rest.len());
    }
}

pub(super) fn more(text: &mut String, n: usize, what: &str) {
    if n > 0 {
        line!(text, "  and {n} more {what} (see --output)");
    }
}
