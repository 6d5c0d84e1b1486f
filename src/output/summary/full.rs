//! Everything that has a form for people, on as many lines as it needs.

use super::page::Page;
use super::{
    Room, View, generator, groups, head, passes, phases, server_metrics, sessions, slots, steps, thresholds,
    times, timings, trace, volume,
};
use crate::output::numbers::{bytes, duration, grouped};
use crate::result::{Layout, ManagedServerFigures, Pushes, RunResult, StampSource, TokenSources};
use crate::units::percent;

pub(super) fn summary(result: &RunResult, view: &View) -> String {
    let mut page = view.page();
    head::write(&mut page, result, view);
    page.blank();
    volume::write(&mut page, result, (true, true));
    figures(&mut page, result, view);
    page.into_text()
}

/// Appends everything below the first figures.
pub(super) fn figures(page: &mut Page, result: &RunResult, view: &View) {
    let is_profile = result.run.layout == Layout::Profile;
    if !is_profile {
        volume::arrivals(page, result);
        trace::row(page, result);
        volume::tokens(page, result);
        volume::goodput(page, result);
        volume::users(page, result);
        slots::rows(page, result);
    }
    slots::reasons(page, result);
    server_metrics::rows(page, result, Room::ALL.server_metrics);
    server_metrics::full(page, result);
    volume::lengths(page, result);
    connections(page, result);
    if let Some(figures) = &result.managed_server {
        server(page, figures);
    }
    page.blank();
    times::full(page, "", &result.metrics);
    page.blank();
    times::all_ranges(page, &result.metrics);
    page.blank();
    if let Some(found) = &result.phases {
        phases::full(page, found);
        page.blank();
    }
    if let Some(found) = &result.sessions {
        sessions::full(page, found);
        page.blank();
    }
    trace::minutes(page, result);
    page.blank();
    groups::servers(page, result, Room::ALL.servers);
    page.blank();
    groups::kinds(page, result, Room::ALL.kinds);
    page.blank();
    timings::rows(page, result);
    if is_profile {
        page.blank();
        passes::full(page, result);
    }
    page.blank();
    outcomes(page, result);
    if let Some(found) = &result.steps {
        page.blank();
        steps::write(page, found, Room::ALL.steps);
    }
    page.blank();
    thresholds::write(page, result, Room::ALL.thresholds);
    if is_profile {
        page.blank();
        analysis(page, result);
    }
    page.blank();
    generator::write(page, result);
    client(page, result);
    page.blank();
    generator::warnings(page, result, view, Room::ALL.warnings);
    page.blank();
    super::saved(page, view);
}

fn connections(page: &mut Page, result: &RunResult) {
    let t = &result.totals;
    let cells = [
        format!("{} opened", grouped(t.connections_opened)),
        format!("{} found stale", grouped(t.stale_reconnects)),
    ];
    page.row("connected", &cells);
    let tokens = match t.token_source {
        TokenSources::Server => "tokens by server",
        TokenSources::Events => "tokens by events",
        TokenSources::Mixed => "tokens by server and events",
        TokenSources::None => "tokens not counted",
    };
    let cells = [
        format!("sent {}", bytes(t.bytes_sent)),
        format!("received {}", bytes(t.bytes_received)),
        tokens.to_owned(),
    ];
    page.row("transfer", &cells);
}

/// Appends what is not as it should be: a server that counts otherwise, pushes that did not arrive.
pub(super) fn contradictions(page: &mut Page, result: &RunResult) {
    let counts = result
        .managed_server
        .as_ref()
        .and_then(|server| server.counts.as_ref());
    if let Some((what, theirs, ours)) = counts.and_then(|counts| counts.difference()) {
        page.prose(
            "server",
            &format!("DIFFERS by its own count: {theirs} {what}, ours {ours}"),
        );
    }
    match &result.pushes {
        Some(pushes) if pushes.failed + pushes.dropped > 0 => push_counts(page, pushes),
        _ => {}
    }
}

fn push_counts(page: &mut Page, pushes: &Pushes) {
    let cells = [
        format!("sent {}", grouped(pushes.sent)),
        format!("failed {}", grouped(pushes.failed)),
        format!("dropped {}", grouped(pushes.dropped)),
    ];
    page.row("pushes", &cells);
}

fn server(page: &mut Page, figures: &ManagedServerFigures) {
    if let Some(counts) = &figures.counts {
        let verdict = match counts.difference() {
            None => "agrees".to_owned(),
            Some((what, theirs, ours)) => format!("DIFFERS ({what}: {theirs}, ours {ours})"),
        };
        let (requests, errors) = (grouped(counts.requests), grouped(counts.errors));
        let text = format!("{requests} completions, {errors} errors by its own count: {verdict}");
        page.prose("server", &text);
    }
    if let Some(used) = &figures.resources {
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |p| format!("{p:.0} %"));
        let cells = [
            format!(
                "CPU mean {} max {}",
                percent(used.cpu_percent_mean),
                percent(used.cpu_percent_max)
            ),
            format!(
                "memory {} to {}, max {}",
                bytes(used.rss_bytes_start),
                bytes(used.rss_bytes_end),
                bytes(used.rss_bytes_max)
            ),
        ];
        page.row("server", &cells);
    }
}

/// Appends the outcomes and statuses that occurred.
fn outcomes(page: &mut Page, result: &RunResult) {
    let t = &result.totals;
    let outcomes: Vec<String> = t
        .by_outcome
        .iter()
        .map(|(name, n)| format!("{name} {}", grouped(*n)))
        .collect();
    volume::listed(page, "outcomes", &outcomes);
    let statuses = t
        .by_status
        .iter()
        .map(|(status, n)| format!("{status} x {}", grouped(*n)));
    volume::listed(page, "statuses", &statuses.collect::<Vec<String>>());
    volume::listed(page, "causes", &volume::causes(t));
    volume::listed(page, "finishes", &volume::odd_finishes(&t.by_finish));
    volume::reasons(page, result, usize::MAX);
    let Some(tls) = &result.client.tls else {
        return;
    };
    let certificates = match tls.verified {
        true => "certificates verified",
        false => "certificates NOT VERIFIED (--insecure)",
    };
    let cells = [
        format!(
            "{} handshakes ({} resumed)",
            grouped(tls.handshakes),
            grouped(tls.resumed)
        ),
        certificates.to_owned(),
    ];
    page.row("tls", &cells);
    let failures = tls
        .failures
        .iter()
        .map(|(name, n)| format!("{name} {}", grouped(*n)));
    volume::listed(page, "tls failed", &failures.collect::<Vec<String>>());
}

/// Appends the findings of the automatic analysis.
fn analysis(page: &mut Page, result: &RunResult) {
    for (i, found) in result.analysis.iter().enumerate() {
        let label = if i == 0 { "analysis" } else { "" };
        page.prose(label, &format!("{}: {}", found.grade.name(), found.message));
    }
}

fn client(page: &mut Page, result: &RunResult) {
    let c = &result.client;
    let source = match c.stamp_source {
        StampSource::Kernel => "kernel",
        StampSource::User => "user",
    };
    let cells = [
        source.to_owned(),
        format!(
            "reap lag p50 {} p99 {}",
            duration(c.reap_lag.p50),
            duration(c.reap_lag.p99)
        ),
        format!("quick ACKs {}", if c.quickack { "on" } else { "off" }),
    ];
    page.row("stamps", &cells);
    let (events, shared) = (result.totals.token_events, result.totals.coalesced_events);
    let share = percent(shared as f64 / events.max(1) as f64);
    let text = format!(
        "{} with tokens, {} coalesced ({share})",
        grouped(events),
        grouped(shared)
    );
    page.prose("events", &text);
    cores(page, result);
    if let Some(pushes) = &result.pushes {
        push_counts(page, pushes);
    }
}

fn cores(page: &mut Page, result: &RunResult) {
    let cores = &result.client.cores;
    let mut cells = vec![cores.len().to_string()];
    let busiest = cores.iter().filter_map(|core| core.busy_percent).reduce(f64::max);
    cells.extend(busiest.map(|busy| format!("busiest {busy:.0} %")));
    let stalls: u64 = cores.iter().map(|core| core.loop_stalls).sum();
    let longest = cores.iter().map(|core| core.longest_stall).fold(0.0, f64::max);
    let longest = match stalls {
        0 => String::new(),
        _ => format!(", longest {}", duration(Some(longest))),
    };
    cells.push(format!("loop stalls {}{longest}", grouped(stalls)));
    page.row("cores", &cells);
}
