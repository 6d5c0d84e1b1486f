//! How many requests there were, how fast they went, and how they failed: the first figures of the summary.

use super::page::Page;
use super::{slots, trace};
use crate::metrics::{Cause, FinishWord, Goodput, LengthCounts, MetricId, Outcome, PartOfTokens};
use crate::output::numbers::{grouped, success};
use crate::result::{GroupFigures, Ordered, RunResult, TokenSources, Totals};
use crate::units::{elapsed, percent, rate, time};

pub(super) fn write(page: &mut Page, result: &RunResult, (with_users, with_tokens): (bool, bool)) {
    requests(page, &result.totals);
    slots::rows(page, result);
    arrivals(page, result);
    trace::row(page, result);
    rates(page, result);
    if with_tokens {
        tokens(page, result);
    }
    goodput(page, result);
    if with_users {
        users(page, result);
    }
}

/// Appends the requests. If the end has cut some, the number of finished ones comes first, because a share of good ones
/// says little then.
fn requests(page: &mut Page, t: &Totals) {
    let all = grouped(t.requests);
    let share = match t.ok + t.failed {
        0 => String::new(),
        _ => format!(" ({})", success(t.ok, t.failed)),
    };
    let mut ends = vec![
        format!("ok {}{share}", grouped(t.ok)),
        format!("failed {}", grouped(t.failed)),
    ];
    if t.cancelled > 0 {
        ends.push(format!("cancelled {}", grouped(t.cancelled)));
    }
    match t.interrupted {
        0 => page.row(
            "requests",
            &[vec![all], ends, vec!["interrupted 0".to_owned()]].concat(),
        ),
        cut => {
            let finished = grouped(t.ok + t.failed + t.cancelled);
            let oldest = time(t.interrupted_elapsed_max_seconds * 1e3);
            let running = format!(
                "{finished} of {all} finished, {} still running after up to {oldest}",
                grouped(cut)
            );
            page.prose("requests", &running);
            page.row("finished", &ends);
        }
    }
}

/// Appends the rate that was planned beside the one that was achieved, if requests arrive at a rate, and what stands
/// between the two.
pub(super) fn arrivals(page: &mut Page, result: &RunResult) {
    let (t, rates) = (&result.totals, &result.rates);
    let Some(offered) = rates.offered_per_second else {
        return;
    };
    let mut why = Vec::new();
    if t.dropped_iterations > 0 {
        let share = t.dropped_iterations as f64 / t.offered as f64;
        why.push(format!(
            "{} of {} arrivals ({}) dropped, {}",
            grouped(t.dropped_iterations),
            grouped(t.offered),
            percent(share),
            match result.metric(MetricId::QueueWait) {
                Some(_) => "which still waited when the load ended",
                None => "because all users were busy",
            }
        ));
    }
    if t.queued > 0 {
        let wait = result.metric(MetricId::QueueWait);
        let [p50, p99, max] = [
            wait.and_then(|m| m.p50),
            wait.and_then(|m| m.p99),
            wait.and_then(|m| m.max),
        ]
        .map(|ms| time(ms.unwrap_or(0.0)));
        let longest = grouped(t.peak_waiting);
        why.push(format!(
            "{} waited for a user (all: p50 {p50}, p99 {p99}, max {max}; longest queue {longest})",
            grouped(t.queued)
        ));
    }
    let after = t.after_load.ok + t.after_load.failed;
    if after > 0 {
        why.push(format!("{} ended after the load", grouped(after)));
    }
    let colon = if why.is_empty() { "" } else { ": " };
    let text = format!(
        "offered {}/s, achieved {}/s{colon}{}",
        rate(offered),
        rate(rates.requests_per_second),
        why.join("; ")
    );
    page.prose("arrivals", &text);
    dropped_by_kind(page, &result.kinds);
}

/// The most kinds of request whose dropped arrivals are shown.
const DROPPED_KINDS_MAX: usize = 3;

/// Appends how many arrivals of each kind were dropped, the most first, if there are several kinds.
fn dropped_by_kind(page: &mut Page, kinds: &Ordered<GroupFigures>) {
    let counts = kinds.iter().map(|(name, kind)| (name, &kind.totals));
    let mut dropped: Vec<_> = counts.filter(|(_, t)| t.dropped_iterations > 0).collect();
    dropped.sort_by_key(|(_, t)| std::cmp::Reverse(t.dropped_iterations));
    let mut cells: Vec<String> = Vec::new();
    for (name, t) in dropped.iter().take(DROPPED_KINDS_MAX) {
        let due = t.requests + t.dropped_iterations;
        cells.push(format!(
            "{name} {} of {}",
            grouped(t.dropped_iterations),
            grouped(due)
        ));
    }
    if dropped.len() > DROPPED_KINDS_MAX {
        cells.push(format!("and {} more", dropped.len() - DROPPED_KINDS_MAX));
    }
    if kinds.0.len() > 1 && !cells.is_empty() {
        page.row("", &cells);
    }
}

pub(super) fn rates(page: &mut Page, result: &RunResult) {
    let (t, rates) = (&result.totals, &result.rates);
    let mut cells = vec![format!("{} req/s", rate(rates.requests_per_second))];
    if t.failed > 0 {
        cells.push(format!("ok {} req/s", rate(rates.ok_requests_per_second)));
    }
    if t.token_source != TokenSources::None {
        cells.push(format!("{} output tok/s", rate(rates.output_tokens_per_second)));
    }
    let loaded = rates.load_seconds.unwrap_or(result.run.duration_seconds);
    cells.push(format!("over {} of load", elapsed(loaded)));
    page.row("rate", &cells);
}

/// Appends the tokens as the servers count them, and how many answers state what is a share of them. Without thoughts
/// there is no word of them.
pub(super) fn tokens(page: &mut Page, result: &RunResult) {
    let (usage, rates) = (&result.totals.usage, &result.rates);
    let mut cells = Vec::new();
    if let (Some(input), Some(total)) = (rates.input_tokens_per_second, rates.total_tokens_per_second) {
        cells.push(format!("{} input tok/s", rate(input)));
        if result.totals.token_source != TokenSources::None {
            cells.push(format!("{} total tok/s", rate(total)));
        }
    }
    cells.extend(
        rates
            .texts_per_second
            .map(|texts| format!("{} texts/s", rate(texts))),
    );
    let part = |what: &str, counts: PartOfTokens| {
        let (share, n) = (percent(counts.share()?), counts.requests);
        let answers = if n == 1 { "answer" } else { "answers" };
        Some(format!("{what} {share} (stated by {} {answers})", grouped(n)))
    };
    cells.extend(part("cached", usage.cached));
    if usage.reasoning.tokens > 0 {
        cells.extend(part("reasoning", usage.reasoning));
    }
    if !cells.is_empty() {
        page.row("tokens", &cells);
    }
}

/// Appends how many requests met the limits of goodput, with the limits if all requests have the same.
pub(super) fn goodput(page: &mut Page, result: &RunResult) {
    let counts = result.totals.goodput;
    let Some(share) = counts.share() else { return };
    let per_second = result.rates.good_requests_per_second.unwrap_or(0.0);
    let limits = match limits_of(result).as_slice() {
        [Some(limits)] => limits.clone(),
        _ => "by the limits of each kind of request".to_owned(),
    };
    let text = format!(
        "{} good ({} of {}), {} good req/s: {limits}",
        percent(share),
        grouped(counts.good),
        grouped(counts.judged),
        rate(per_second)
    );
    page.prose("goodput", &text);
}

/// Returns the different limits that kinds of request have by the run's configuration; `None` for a kind without.
fn limits_of(result: &RunResult) -> Vec<Option<String>> {
    let mut all: Vec<Option<String>> = Vec::new();
    for request in result.config["requests"].as_array().into_iter().flatten() {
        let limits = request["goodput"].as_object().map(|limits| {
            // A JSON object does not keep the order.
            let limit = |metric: MetricId| {
                let at_most = limits.get(metric.key())?.as_str()?;
                Some(format!("{} <= {at_most}", metric.key()))
            };
            let limits: Vec<String> = Goodput::METRICS.into_iter().filter_map(limit).collect();
            limits.join(", ")
        });
        if !all.contains(&limits) {
            all.push(limits);
        }
    }
    all
}

/// Appends how long prompts and answers were on average, asked for and as the server counts them.
pub(super) fn lengths(page: &mut Page, result: &RunResult) {
    let found = result.totals.lengths;
    let one = |name: &str, counts: LengthCounts| {
        let (asked, served) = counts.means()?;
        let close = percent(counts.close_share());
        Some(format!(
            "{name} {asked:.1} asked, {served:.1} served ({close} within 1 %)"
        ))
    };
    let cells = [one("prompts", found.prompt), one("answers", found.output)];
    let cells: Vec<String> = cells.into_iter().flatten().collect();
    if !cells.is_empty() {
        page.prose("lengths", &format!("mean tokens: {}", cells.join("; ")));
    }
}

pub(super) fn users(page: &mut Page, result: &RunResult) {
    let t = &result.totals;
    let cells = [
        format!("{} at the peak", grouped(t.peak_vus)),
        match t.peak_connections {
            1 => "1 connection".to_owned(),
            n => format!("{} connections", grouped(n)),
        },
    ];
    page.row("users", &cells);
}

/// Appends the outcomes that are failures, the most frequent first, and what the first answers of up to `shown` kinds
/// of them said.
pub(super) fn failures(page: &mut Page, result: &RunResult, shown: usize) {
    let t = &result.totals;
    let is_failure = |name: &str| Outcome::ALL.iter().any(|o| o.name() == name && o.is_failure());
    let mut failed: Vec<(&str, u64)> = t.by_outcome.iter().map(|(name, n)| (name, *n)).collect();
    failed.retain(|(name, n)| *n > 0 && is_failure(name));
    failed.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let cells: Vec<String> = failed
        .iter()
        .map(|(name, n)| format!("{name} {}", grouped(*n)))
        .collect();
    listed(page, "failures", &cells);
    reasons(page, result, shown);
    // Each failure that is shown says its cause.
    if result.failures.is_empty() || result.failures.len() > shown {
        listed(page, "causes", &causes(t));
    }
    listed(page, "finishes", &odd_finishes(&t.by_finish));
}

/// The most lines of one answer.
const LINES_BRIEF: usize = 2;
const LINES_FULL: usize = 8;

/// Appends why requests failed, in the words of their servers.
pub(super) fn reasons(page: &mut Page, result: &RunResult, shown: usize) {
    for (i, failure) in result.failures.iter().take(shown).enumerate() {
        let label = if i == 0 { "why" } else { "" };
        page.excerpt(
            label,
            &failure.in_words(),
            if shown == usize::MAX {
                LINES_FULL
            } else {
                LINES_BRIEF
            },
        );
        if let Some(hint) = &failure.hint {
            page.prose("", &format!("hint: {hint}"));
        }
    }
    let rest = result.failures.len().saturating_sub(shown);
    if rest > 0 {
        let what = if rest == 1 {
            "kind of failure"
        } else {
            "kinds of failure"
        };
        page.prose("", &format!("and {rest} more {what}"));
    }
}

/// The most items of a list, which a server may make long by inventing words.
const LISTED_MAX: usize = 8;

/// Appends items in a row, or nothing if there are none.
pub(super) fn listed(page: &mut Page, label: &str, items: &[String]) {
    let mut shown = items[..items.len().min(LISTED_MAX)].to_vec();
    if items.len() > LISTED_MAX {
        shown.push(format!("and {} more", items.len() - LISTED_MAX));
    }
    if !shown.is_empty() {
        page.row(label, &shown);
    }
}

pub(super) fn causes(t: &Totals) -> Vec<String> {
    let cause = |(name, n): (&str, &u64)| {
        let says = Cause::of_name(name).map_or(name.to_owned(), |cause| cause.says().to_owned());
        format!("{says} x {}", grouped(*n))
    };
    t.by_cause.iter().map(cause).collect()
}

/// Returns the finish reasons, but only if one of them is unusual.
pub(super) fn odd_finishes(by_finish: &Ordered<u64>) -> Vec<String> {
    let is_ordinary = |word: &str| FinishWord::of(word.as_bytes()).is_ordinary();
    match by_finish.iter().any(|(word, _)| !is_ordinary(word)) {
        true => by_finish
            .iter()
            .map(|(word, n)| format!("{word} {}", grouped(*n)))
            .collect(),
        false => Vec::new(),
    }
}
