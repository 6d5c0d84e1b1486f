//! The memory of conversations: planned before the run, and refused where it is not there.

use crate::config::Config;
use crate::error::{ExitCode, Failure, Mistakes, Reason};
use crate::host::HostFacts;
use crate::plan::Plan;
use crate::units::bytes;
use crate::workload::PlannedHistories;

/// Refuses a plan whose sessions need more memory than there is.
pub fn check(config: &Config, plan: &Plan, facts: &HostFacts) -> Result<(), Failure> {
    let Some(planned) = plan.planned_histories() else {
        return Ok(());
    };
    let available = facts.memory_available;
    let Some(reason) = available.and_then(|available| too_much(&planned, available)) else {
        return Ok(());
    };
    let mut requests = config.requests.iter();
    let request = requests.find(|request| request.call.conversation().is_some());
    let place = request.map_or(&config.requests_place, |request| &request.place);
    let mistakes = Mistakes::new(vec![place.mistake(reason)]);
    Err(Failure::new(ExitCode::Host, mistakes))
}

/// Returns why the sessions do not fit, if they do not.
fn too_much(planned: &PlannedHistories, available: u64) -> Option<Reason> {
    let needed = planned.all.saturating_add(planned.requests);
    (needed > available).then(|| {
        let what = format!(
            "memory: {} sessions at a time with histories of {} each, and the requests that send them, need {}, but {} \
             are available",
            planned.sessions,
            bytes(planned.each),
            bytes(needed),
            bytes(available)
        );
        let hint = "use fewer users (--vus, or --max-in-flight at a rate), fewer turns or a lower `max_tokens`, or split the load over hosts (--shard)";
        Reason::new(what).hint(hint)
    })
}

/// Returns how many bytes histories may take while the load runs: half of what is available, so that longer answers
/// than were planned for do not end sessions, and never less than the plan.
pub fn bytes_max(plan: &Plan, facts: &HostFacts) -> usize {
    let planned = plan.planned_histories().map_or(0, |planned| planned.all);
    let half = facts.memory_available.map_or(0, |bytes| bytes / 2);
    usize::try_from(planned.max(half)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_its_figures() {
        let planned = PlannedHistories {
            sessions: 10_000,
            each: 1 << 20,
            all: 10_000 << 20,
            requests: 12_000 << 20,
        };
        assert_eq!(too_much(&planned, 22_000 << 20), None);
        let reason = too_much(&planned, 1_000 << 20).unwrap();
        assert_eq!(
            reason.what,
            "memory: 10000 sessions at a time with histories of 1.0 MiB each, and the requests that send them, need \
             21.5 GiB, but 1000.0 MiB are available"
        );
    }
}
