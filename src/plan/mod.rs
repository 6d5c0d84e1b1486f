//! What a run means, validated: nothing past this room checks it again. Pure, in simulated time.

mod analysis_limits;
mod assignment;
mod executor;
mod limits;
mod passes;
mod schedule;
mod selector;
mod split;
mod threshold;

pub use analysis_limits::AnalysisLimits;
pub use assignment::Assignment;
pub use executor::{Executor, Plateau, Stage, StageAt};
pub use limits::{
    DURATION_MAX, ENDPOINTS_MAX, ITERATIONS_MAX, KINDS_MAX, STAGES_MAX, STEPS_MAX, THRESHOLD_TRENDS_MAX,
    THRESHOLDS_MAX, VUS_MAX, WEIGHT_MAX, check_run_length,
};
pub use passes::{Pass, Role};
pub use schedule::{VuSchedule, VuStep};
pub use selector::Selector;
pub use split::{SHARDS_MAX, Shard, local_to_global, vus_on_core};
pub use threshold::{Aggregation, Op, Threshold, ThresholdMetric};

use crate::units::Nanos;
use crate::workload::Workload;

/// A run, ready to be split over cores. Made from a `Config` by `config::to_plan`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the profile, or the path it was read from.
    pub profile: String,
    pub seed: u64,
    pub executor: Executor,
    /// How long requests may go on after the executor's duration.
    pub graceful_stop: Nanos,
    pub workload: Workload,
    /// Load of this length comes before the executor's and is in no figure.
    pub warmup: Nanos,
    /// How users and endpoints go together, where there are several.
    pub assignment: Assignment,
    pub thresholds: Vec<Threshold>,
    /// The steps that thresholds are judged by, one by one; empty: by the whole run.
    pub steps: Vec<Plateau>,
    /// The part of the executor that this process runs; all else here is the whole plan's.
    pub shard: Shard,
}

impl Plan {
    /// The most VUs at once of this process's part. 0: there are more shards than VUs, and this one has nothing to do.
    pub fn vus_of_shard(&self) -> u32 {
        self.shard.vus_of(self.executor.vus_of_all())
    }

    /// Names of several servers; empty where there is one.
    pub fn server_names(&self) -> Vec<String> {
        match self.workload.endpoints.as_slice() {
            [] | [_] => Vec::new(),
            several => several
                .iter()
                .map(|endpoint| endpoint.name.clone().unwrap_or_default())
                .collect(),
        }
    }

    /// How many requests this process makes, where the executor counts them.
    pub fn iterations_of_shard(&self) -> Option<u64> {
        let shared = self.executor.shared_iterations();
        let by_vu = |each: u64| each.saturating_mul(u64::from(self.vus_of_shard()));
        shared
            .map(|all| self.shard.iterations_of(all))
            .or(self.executor.iterations_per_vu().map(by_vu))
    }
}

#[cfg(test)]
impl Plan {
    /// A plan of which only the executor matters.
    pub(crate) fn with(executor: Executor) -> Plan {
        use crate::units::SECOND;
        use crate::units::Span;
        Plan {
            profile: "test".into(),
            seed: 1,
            executor,
            graceful_stop: SECOND,
            workload: Workload {
                endpoints: Vec::new(),
                kinds: Vec::new(),
                think_time: Span { min: 0, max: 0 },
            },
            warmup: 0,
            assignment: Assignment::Weighted,
            thresholds: Vec::new(),
            steps: Vec::new(),
            shard: Shard::WHOLE,
        }
    }
}
