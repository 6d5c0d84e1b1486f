//! The steady part of a load that also ramped.

use super::page::Page;
use super::times;
use crate::output::numbers::{grouped, success};
use crate::result::{PhaseFigures, Rates, Traffic};
use crate::units::{elapsed, rate};

/// Appends how long the load was steady and what was due then, and its times that users notice, at most `rows_max`.
pub(super) fn brief(page: &mut Page, phases: &PhaseFigures, rows_max: usize) {
    let steady = &phases.steady;
    line(page, "steady", &steady.totals, &steady.rates);
    times::noticed(page, "while steady", &steady.metrics, rows_max);
}

/// Appends both phases with every metric of the steady part.
pub(super) fn full(page: &mut Page, phases: &PhaseFigures) {
    let (ramp, steady) = (&phases.ramp, &phases.steady);
    line(page, "ramp", &ramp.totals, &ramp.rates);
    line(page, "steady", &steady.totals, &steady.rates);
    times::full(page, "while steady", &steady.metrics);
    page.blank();
    times::all_ranges(page, &steady.metrics);
}

fn line(page: &mut Page, label: &str, totals: &Traffic, rates: &Rates) {
    let mut cells = vec![
        format!("for {}", elapsed(rates.load_seconds.unwrap_or(0.0))),
        format!("{} requests due", grouped(totals.requests)),
        format!("{} req/s", rate(rates.requests_per_second)),
        format!("ok {}", success(totals.ok, totals.failed)),
    ];
    // Without this a server with a long queue looks as if it had answered nobody.
    let after = totals.after_load.ok + totals.after_load.failed;
    if after > 0 {
        cells.push(format!("{} ended after the load", grouped(after)));
    }
    page.row(label, &cells);
}
