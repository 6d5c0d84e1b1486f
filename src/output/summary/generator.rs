//! Whether the generator was fit to judge, and the warnings.

use super::View;
use super::page::{Ink, LABEL, Page};
use crate::error::one_line;
use crate::metrics::{LATE_AFTER, MetricId};
use crate::result::{Budget, ErrorBudget, RunResult, StampSource, Warning};
use crate::units::{decimal, millis, percent, time};

/// Appends the line on the generator: its verdict, and the figures that show how near it was to its limits.
pub(super) fn write(page: &mut Page, result: &RunResult) {
    let c = &result.client;
    let mut facts = Vec::new();
    let busiest = c
        .cores
        .iter()
        .filter_map(|core| core.busy_percent)
        .reduce(f64::max);
    facts.extend(busiest.map(|busy| format!("busiest core {busy:.0} %")));
    let late = result.metric(MetricId::ScheduleLag).and_then(|m| m.p99);
    facts.extend(late.map(|ms| format!("send delay p99 {}", time(ms))));
    if let Some(share) = result.rates.late.filter(|share| *share > 0.0) {
        let limit = decimal(millis(LATE_AFTER));
        facts.push(format!("{} late by over {limit} ms", percent(share)));
    }
    if c.stamp_source == StampSource::User {
        facts.push("user stamps".to_owned());
    }
    if let Some(io) = c.io.as_ref().filter(|io| !io.is_uring()) {
        facts.push(format!("sockets driven by {}", one_line(&io.driver)));
    }
    if !c.quickack {
        facts.push("quick ACKs off".to_owned());
    }
    if c.tls.as_ref().is_some_and(|tls| !tls.verified) {
        facts.push("certificates NOT VERIFIED (--insecure)".to_owned());
    }
    let rules: Vec<&str> = c
        .limit_reasons
        .iter()
        .map(|reason| reason.rule.as_str())
        .collect();
    let verdict = match c.limit {
        true => format!("NOT FIT ({}): ", rules.join(", ")),
        false => "fit: ".to_owned(),
    };
    let mut text = format!("{verdict}{}", facts.join(", "));
    // What is usual is said only where there is room for it.
    let usual = ", kernel stamps";
    if c.stamp_source == StampSource::Kernel && LABEL + text.len() + usual.len() <= page.width {
        text.push_str(usual);
    }
    page.prose("generator", &text);
    if let Some(budget) = &c.error_budget {
        page.prose("calibrated", &calibrated(budget));
    }
}

/// Says how far off the figures may be, by a calibration of the host.
fn calibrated(budget: &ErrorBudget) -> String {
    let at = |figure: Budget| figure.p99.map_or("?".to_owned(), time);
    let day = budget.date.get(..10).unwrap_or(&budget.date);
    let errors = format!(
        "ttft within {}, tbt within {}, latency within {} at p99",
        at(budget.ttft),
        at(budget.gap),
        at(budget.latency)
    );
    let like = format!("`{}`, {day}", budget.condition);
    match budget.covered {
        true => format!("{errors} (like {like})"),
        false => {
            format!("more strain than any condition of the calibration; in the nearest {errors} ({like})")
        }
    }
}

/// Appends the first warnings whole, as the first one decides whether the figures can be used, and names the others.
pub(super) fn warnings(page: &mut Page, result: &RunResult, view: &View, rows_max: usize) {
    let (shown, rest) = result.warnings.split_at(rows_max.min(result.warnings.len()));
    for Warning { message, advice, .. } in shown {
        let text = format!("{message}: {advice}");
        let mut lines = super::page::wrapped(&text, page.width.saturating_sub(LABEL)).into_iter();
        if let Some(first) = lines.next() {
            let gap = " ".repeat(LABEL - "warning".len());
            page.marked(0, (Ink::Yellow, "warning"), &format!("{gap}{first}"));
        }
        lines.for_each(|line| page.line(&format!("{:LABEL$}{line}", "")));
    }
    if rest.is_empty() {
        return;
    }
    let what = if rest.len() == 1 { "warning" } else { "warnings" };
    let names: Vec<&str> = rest.iter().map(|warning| warning.rule.as_str()).collect();
    let named = format!(
        "and {} more {what} ({}): {}",
        rest.len(),
        names.join(", "),
        view.elsewhere()
    );
    let counted = format!("and {} more {what}: {}", rest.len(), view.elsewhere());
    let fits = LABEL + one_line(&named).chars().count() <= page.width;
    page.prose("", if fits { &named } else { &counted });
}
