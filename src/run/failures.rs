//! Why requests failed: the texts of the servers, for the document and the summary.

use crate::discover;
use crate::metrics::{FailedRequests, Failures};
use crate::report::show_failure;
use crate::result::{FailureFigures, Grouping};
use crate::run::Ready;

/// Returns the failures of the measured load, the most frequent kind first.
pub fn figures(failures: &Failures, grouping: &Grouping, ready: &Ready) -> Vec<FailureFigures> {
    let all = failures.by_count().into_iter();
    all.map(|requests| figures_of(requests, grouping, ready))
        .collect()
}

/// Returns one kind of failure.
pub fn figures_of(requests: &FailedRequests, grouping: &Grouping, ready: &Ready) -> FailureFigures {
    let kind = &requests.kind;
    let shown = show_failure(requests, &ready.masks);
    let target = ready.targets.get(usize::from(kind.server));
    let hint = target.and_then(|target| {
        let said = shown.location.as_deref().or(shown.body.as_deref()).unwrap_or("");
        discover::next_step_after(kind.status, said, target)
    });
    FailureFigures {
        server: grouping.servers.get(usize::from(kind.server)).cloned(),
        outcome: kind.outcome.name().to_owned(),
        status: (kind.status != 0).then_some(kind.status),
        cause: kind.cause.map(|cause| cause.name().to_owned()),
        count: requests.count,
        place: shown.place,
        body: shown.body,
        location: shown.location,
        hint,
    }
}
