//! What the series of a plan are called.

use crate::plan::Plan;

pub fn series_names(plan: &Plan) -> Vec<String> {
    plan.workload.kinds.iter().map(|k| k.name.clone()).collect()
}

/// What each request of a series is said to have gone to: with several servers, the server.
pub fn detail_names(plan: &Plan) -> Vec<String> {
    let servers = plan.server_names();
    if servers.is_empty() {
        return series_names(plan);
    }
    let kinds = plan.workload.kinds.iter();
    kinds
        .map(|kind| servers[usize::from(kind.endpoint)].clone())
        .collect()
}

/// Index of each series' server.
pub fn server_of_series(plan: &Plan) -> Vec<u16> {
    plan.workload.kinds.iter().map(|kind| kind.endpoint).collect()
}
