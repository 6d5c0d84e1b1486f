//! Servers that never answered a request.

use crate::error::{ExitCode, Failure, Reason};
use crate::metrics::{Merged, MetricId, Outcome, SeriesTotals};
use crate::plan::Plan;
use crate::result::StoppedBy;
use crate::units::{Nanos, SECOND};
use crate::workload::Target;

/// The time after which a request that was cut off without a response says something about its server. Shorter ones had
/// only begun just before the end.
const SILENCE_MIN: Nanos = SECOND;

/// Returns a failure for each server that sent no response during the whole run, although requests to it ended by
/// themselves, or were cut off after a while by a planned end. A single silent server among several fails the run,
/// because the answers of the others do not measure the workload that was asked for. `why` says what requests to a
/// server came to.
pub fn never_answered(
    plan: &Plan,
    merged: &Merged,
    targets: &[Target],
    stopped_by: StoppedBy,
    why: impl Fn(u16) -> String,
) -> Vec<Failure> {
    let kinds = &plan.workload.kinds;
    let of_server = |endpoint: u16| {
        let series = kinds.iter().zip(&merged.series);
        series
            .filter(move |(kind, _)| kind.server == endpoint)
            .map(|(_, series)| series)
    };
    let silent = (0u16..).zip(targets).filter(|(endpoint, _)| {
        let own = || of_server(*endpoint);
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
            let has_said = |series: &SeriesTotals| {
                !series.metric(MetricId::Ttfb).is_empty() || series.outcome(Outcome::TlsFailed) > 0
            };
            let what = match of_server(endpoint).any(has_said) {
                true => format!("{server}: nothing that came during the whole run was an HTTP response"),
                false => format!("{server}: no response during the whole run"),
            };
            let hint =
                "see the failures in the summary, and check that the server is running and uses this port";
            Failure::new(ExitCode::Target, Reason::new(what).hint(hint)).because(&why(endpoint))
        })
        .collect()
}
