//! What a calibration says, as text.

use crate::calibration::{Calibration, Capacity, Condition};
use crate::result::{DifferenceFigures, ErrorFigures};
use crate::units::{grouped, grouped_decimals, time};
use std::fmt::Write as _;

/// The error at p99 up to which a host is called fit for a load, in milliseconds: twice the time for which a worker may
/// wait for more data before it sends (`--min-wait`), and a tenth of the TTFT of a fast server.
pub const TRUSTED_MS: f64 = 2.0;
/// Differences are kept to the microsecond, so a smaller one is none.
const SMALLEST_MS: f64 = 0.0005;
/// Above this, the worker was what limited a measurement of its capacity.
const LIMIT_BUSY_PERCENT: f64 = 90.0;
/// The name column of the table.
const LABEL: usize = 12;

/// Returns the whole report. It is safe for a terminal once it is escaped.
pub fn text(calibration: &Calibration) -> String {
    let host = &calibration.host;
    let cpus = crate::calibration::cpu_list(&host.server_cpus);
    let mut out = format!(
        "calibration of {}: {}, kernel {}, {} CPUs; client on CPU {}, mock on CPU {cpus}\n",
        host.name,
        host.cpu,
        host.kernel,
        host.cpus_allowed.len(),
        host.client_cpu,
    );
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line("\none core".to_owned());
    capacity_rows(&calibration.capacity)
        .into_iter()
        .for_each(|(label, value)| line(format!("  {label:LABEL$}{value}")));
    line("\nreported minus true          p50          p99        p99.9          max".to_owned());
    for condition in &calibration.conditions {
        line(condition_head(condition));
        let errors = condition.errors.iter().flat_map(ErrorFigures::each);
        errors.for_each(|(name, figures)| line(error_row(name, figures)));
    }
    line(String::new());
    if calibration.interrupted {
        line("Ended by a signal: what is not in this report was not measured.".to_owned());
    }
    calibration
        .words
        .iter()
        .for_each(|sentence| line(sentence.clone()));
    out
}

fn capacity_rows(c: &Capacity) -> Vec<(&'static str, String)> {
    let read = |per_second: Option<f64>, busy: Option<f64>, cpu: Option<f64>| {
        let (per_second, busy, cpu) = (per_second?, busy?, cpu?);
        Some(format!(
            "{}/s at {busy:.0} % busy, {cpu:.2} us of CPU each",
            thousands(per_second)
        ))
    };
    let memory = c
        .memory_bytes_per_user
        .zip(c.memory_users)
        .map(|(bytes, [few, many])| {
            format!("{:.1} KiB per user ({many} users against {few})", bytes / 1024.0)
        });
    let unknown = || "not measured".to_owned();
    let events = read(c.events_per_second, c.events_busy_percent, c.cpu_us_per_event);
    let requests = read(
        c.requests_per_second,
        c.requests_busy_percent,
        c.cpu_us_per_request,
    );
    vec![
        ("events", events.unwrap_or_else(unknown)),
        ("requests", requests.unwrap_or_else(unknown)),
        ("memory", memory.unwrap_or_else(unknown)),
    ]
}

fn condition_head(c: &Condition) -> String {
    let mut head = format!(
        "{}: {} events/s, {:.0} % busy",
        c.name,
        grouped_decimals(c.events_per_second, 0),
        c.busy_percent
    );
    if let Some(delay) = c.run_delay_percent {
        let _ = write!(head, ", waited for a CPU {delay:.0} % of the time");
    }
    if c.failed > 0 || c.dropped > 0 {
        let _ = write!(
            head,
            ", {} dropped, {} failed",
            grouped(c.dropped),
            grouped(c.failed)
        );
    }
    head
}

fn error_row(name: &str, figures: &DifferenceFigures) -> String {
    let cell = |ms: Option<f64>| match ms {
        Some(ms) if ms.abs() < SMALLEST_MS => "0 us".to_owned(),
        Some(ms) => time(ms),
        None => "-".to_owned(),
    };
    format!(
        "  {name:LABEL$}{:>18}{:>13}{:>13}{:>13}",
        cell(figures.p50),
        cell(figures.p99),
        cell(figures.p999),
        cell(figures.max)
    )
}

fn thousands(per_second: f64) -> String {
    match per_second < 10_000.0 {
        true => grouped_decimals(per_second, 0),
        false => format!("{} thousand", grouped_decimals(per_second / 1e3, 0)),
    }
}

/// Returns what the figures mean, a sentence each. `quiet` are the conditions without another process on the core, and
/// `disturbed` those with one.
pub fn meaning(calibration: &Calibration, is_disturbed: impl Fn(&Condition) -> bool) -> Vec<String> {
    let mut words = Vec::new();
    if calibration.host.is_shared() {
        words.push(
            "There is one CPU for mock and client, which took turns: the capacity is that of both together, and the \
             errors contain the waiting for each other, as with a server on the same CPU."
                .to_owned(),
        );
    }
    words.extend(capacity_words(&calibration.capacity));
    let (disturbed, quiet): (Vec<&Condition>, Vec<&Condition>) = calibration
        .conditions
        .iter()
        .partition(|condition| is_disturbed(condition));
    words.extend(trust(&quiet));
    for condition in disturbed {
        if let Some(found) = within(condition) {
            words.push(format!(
                "With another process on the worker's core, at {} events/s: {found}. Keep the core free, or read a run's \
                 warnings before its figures.",
                thousands(condition.events_per_second)
            ));
        }
    }
    words
}

fn capacity_words(c: &Capacity) -> Option<String> {
    let (events, busy, requests) = (
        c.events_per_second?,
        c.events_busy_percent?,
        c.requests_per_second?,
    );
    let least = match busy < LIMIT_BUSY_PERCENT {
        true => "at least ",
        false => "up to ",
    };
    Some(format!(
        "One core reads {least}{} events/s of 200 bytes, or {} requests/s with one event each.",
        thousands(events),
        thousands(requests)
    ))
}

/// Says up to which load the errors stay small, and what they are beyond it.
fn trust(quiet: &[&Condition]) -> Vec<String> {
    let is_small = |condition: &&&Condition| {
        let errors = condition.errors.as_ref();
        errors.is_some_and(|errors| [&errors.ttft, &errors.gap].iter().all(|f| is_trusted(f)))
    };
    let by_load = |a: &&Condition, b: &&Condition| a.events_per_second.total_cmp(&b.events_per_second);
    let trusted = quiet.iter().filter(is_small).copied().max_by(by_load);
    let mut words = Vec::new();
    match trusted {
        Some(condition) => words.extend(within(condition).map(|found| {
            format!(
                "Trust it with up to {} events/s per core ({:.0} % busy): {found}.",
                thousands(condition.events_per_second),
                condition.busy_percent
            )
        })),
        None if quiet.iter().any(|condition| condition.errors.is_some()) => words.push(format!(
            "In no condition were 99 % of the TTFTs and gaps true within {}: something else runs on these CPUs, or \
             the host of this virtual machine is busy. Trust no difference smaller than those in the table.",
            time(TRUSTED_MS)
        )),
        None => {}
    }
    let beyond = quiet.iter().filter(|condition| {
        trusted.is_none_or(|trusted| condition.events_per_second > trusted.events_per_second)
    });
    words.extend(beyond.filter_map(|condition| {
        let found = within(condition)?;
        let load = thousands(condition.events_per_second);
        Some(format!(
            "At {load} events/s ({:.0} % busy): {found}.",
            condition.busy_percent
        ))
    }));
    words
}

fn is_trusted(figures: &DifferenceFigures) -> bool {
    figures.within_p99.is_none_or(|ms| ms <= TRUSTED_MS)
}

/// Says within which bounds 99 % of the figures were; `None` if there are none.
fn within(condition: &Condition) -> Option<String> {
    let errors = condition.errors.as_ref()?;
    let at = |figures: &DifferenceFigures| figures.within_p99.map_or("?".to_owned(), time);
    Some(format!(
        "99 % of the TTFTs are true within {}, of the gaps within {}, of the latencies within {}, and 99 % of the \
         requests arrive within {} of their instant",
        at(&errors.ttft),
        at(&errors.gap),
        at(&errors.latency),
        at(&errors.arrival)
    ))
}
