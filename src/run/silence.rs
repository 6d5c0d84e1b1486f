//! Servers that were asked and never said a word.

use crate::error::{ExitCode, Failure, Reason};
use crate::metrics::Merged;
use crate::plan::Plan;
use crate::result::StoppedBy;
use crate::units::{Nanos, SECOND};
use crate::workload::Target;

/// A request that was cut without a response says something of its server only if it has waited this long. Shorter
/// ones were begun just before the end.
const SILENCE_MIN: Nanos = SECOND;

/// Of each server without one response in the whole run, although requests to it came to an end by themselves, or were
/// cut after a while by an end that was planned. One of several is told as all are: what the rest answered is no
/// measurement of the workload that was asked for.
pub fn never_answered(
    plan: &Plan,
    merged: &Merged,
    targets: &[Target],
    stopped_by: StoppedBy,
) -> Vec<Failure> {
    let kinds = &plan.workload.kinds;
    let silent = (0u16..).zip(targets).filter(|(endpoint, _)| {
        let own = || {
            let series = kinds.iter().zip(&merged.series);
            series
                .filter(|(kind, _)| kind.server == *endpoint)
                .map(|(_, series)| series)
        };
        let ended: u64 = own().map(|series| series.finished() - series.interrupted()).sum();
        let waited = own().map(|series| series.interrupted_elapsed_max).max();
        let is_ignored = stopped_by == StoppedBy::Plan && waited >= Some(SILENCE_MIN);
        (ended > 0 || is_ignored) && own().all(|series| series.by_status().iter().next().is_none())
    });
    silent
        .map(|(endpoint, target)| {
            let server = match (targets.len(), &plan.workload.servers[usize::from(endpoint)].name) {
                (2.., Some(name)) => format!("server `{name}`, {}", target.origin),
                _ => target.origin.clone(),
            };
            let what = format!("{server}: not one response in the whole run");
            let hint = "see the outcomes in the summary; is the server up, and is this its port?";
            Failure::new(ExitCode::Target, Reason::new(what).hint(hint))
        })
        .collect()
}
