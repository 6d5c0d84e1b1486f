//! The plan says what a run means. It is validated, so no later room checks it again. The room is pure: instants come
//! in as arguments.

mod analysis_limits;
mod arrivals;
mod assignment;
mod body_settings;
mod cancel;
mod connection;
mod executor;
mod goodput;
mod limits;
mod passes;
mod phases;
mod schedule;
mod selector;
mod split;
mod threshold;
mod threshold_words;
mod turns;

pub use analysis_limits::AnalysisLimits;
pub use arrivals::{
    Arrival, Arrivals, Arriving, Follower, GAMMA_SHAPE, RateCurve, Replay, TraceRows, TraceSequence, Window,
    parse_arrival, read_arrival, scaled,
};
pub use assignment::{Assignment, PairedPrompts};
pub use body_settings::{
    MEMBERS_BYTES_MAX, STOP_MAX, SYSTEM_BYTES_MAX, WrongJson, check_system, read_members, read_setting,
    read_tools, stop_json,
};
pub use cancel::{parse_cancel, parse_cancel_time, parse_cancel_tokens, parse_share};
pub use connection::ConnectionUse;
pub use executor::{
    Executor, KindArrivals, KindShape, Lane, Numbering, OpenLoop, Plateau, RateStage, RatesByKind, Rounds,
    Stage, StageAt, Tail, Trace, TraceSettings, WhenFull, parse_rounds, parse_window, read_rounds,
    read_window,
};
pub use goodput::{good_metric, parse_goodput, parse_limit};
pub use limits::{
    CORES_MAX, DURATION_MAX, ITERATIONS_MAX, KINDS_MAX, MAX_TOKENS_MAX, MIN_WAIT_MAX, PROMPT_TOKENS_MAX,
    REPEAT_MAX, SERVER_WAIT_MAX, SERVER_WAIT_MIN, SERVERS_MAX, STAGES_MAX, STEPS_MAX, TARGET_WAIT_MIN,
    THINK_TIME_MAX, THRESHOLD_TRENDS_MAX, THRESHOLDS_MAX, TIME_SCALE, TRACE_ROUNDS_MAX, TRACE_SCALE,
    TRACE_SPREAD_MAX, VUS_MAX, WEIGHT_MAX, check_run_length,
};
pub use passes::{Pass, Role};
pub use phases::{Hold, Phases};
pub use schedule::{VuSchedule, VuStep};
pub use selector::Selector;
pub use split::{SHARDS_MAX, Shard, local_to_global, vus_on_core};
pub use threshold::{Aggregation, Op, Threshold, ThresholdMetric};

pub use crate::workload::TURNS_MAX;

use crate::units::Nanos;
use crate::workload::{PlannedHistories, Workload};

/// The fewest users of an open loop on a core, if it runs on several.
const OPEN_VUS_PER_CORE: u32 = 64;

/// A validated run, ready to be split over cores. `config::to_plan` makes it from a `Config`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the profile, or the path that it was read from.
    pub profile: String,
    pub seed: u64,
    pub executor: Executor,
    /// Time for which requests may continue after the executor's duration.
    pub graceful_stop: Nanos,
    pub workload: Workload,
    /// Duration of the load before the executor's, which is excluded from all results.
    pub warmup: Nanos,
    /// Rule that assigns users to servers, if there are several.
    pub assignment: Assignment,
    pub connection: ConnectionUse,
    pub thresholds: Vec<Threshold>,
    /// Steps on which thresholds are judged one by one; empty if they are judged on the whole run.
    pub steps: Vec<Plateau>,
    /// Part of the executor that this process runs; all other fields are the whole plan's.
    pub shard: Shard,
}

impl Plan {
    /// Returns the most VUs at once in this process's part. It is 0 if there are more shards than VUs and none is left
    /// for this one.
    pub fn vus_of_shard(&self) -> u32 {
        self.shard.vus_of(self.executor.vus_of_all())
    }

    /// Returns over how many cores the load may be spread. An arrival belongs to a core before anyone knows which users
    /// will be free, so each core of an open loop gets enough users that none is full while others are idle.
    pub fn cores_max(&self) -> usize {
        match self.executor.open_loop() {
            Some(_) => (self.vus_of_shard() / OPEN_VUS_PER_CORE).max(1) as usize,
            None => usize::MAX,
        }
    }

    /// Returns whether the figures of what was due while the load was steady are kept apart.
    pub fn is_phased(&self) -> bool {
        Phases::of(&self.executor).are_mixed()
    }

    /// Plans the memory of the histories of this process's sessions; `None` if no kind of request is a conversation.
    pub fn planned_histories(&self) -> Option<PlannedHistories> {
        let sessions = self.sessions_at_a_time();
        let histories = self.workload.planned_histories(self.seed, sessions);
        match (histories, self.workload.planned_graphs(sessions)) {
            (Some(histories), Some(graphs)) => Some(histories.or_more(graphs)),
            (histories, graphs) => histories.or(graphs),
        }
    }

    /// Returns the most sessions of this process's part that there can be at a time: one for each user, and no more
    /// than are begun at all.
    fn sessions_at_a_time(&self) -> u64 {
        let users = u64::from(self.vus_of_shard());
        let begun = match (self.iterations_of_shard(), self.executor.rate_curve()) {
            (Some(iterations), _) => iterations,
            // By chance there may be more; six standard deviations are as good as certain.
            (None, Some(curve)) => {
                let mean = curve.area() / f64::from(self.shard.count());
                (mean + 6.0 * mean.sqrt()).ceil() as u64 + 1
            }
            (None, None) => users,
        };
        users.min(begun)
    }

    /// Returns the servers' names; empty if there is only one server.
    pub fn server_names(&self) -> Vec<String> {
        match self.workload.servers.as_slice() {
            [] | [_] => Vec::new(),
            several => several
                .iter()
                .map(|server| server.name.clone().unwrap_or_default())
                .collect(),
        }
    }

    /// Returns how many requests this process makes, if the executor counts them.
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
    /// Makes a plan for tests in which only the executor matters.
    pub(crate) fn with_executor(executor: Executor) -> Plan {
        use crate::units::SECOND;
        use crate::units::Span;
        Plan {
            profile: "test".into(),
            seed: 1,
            executor,
            graceful_stop: SECOND,
            workload: Workload {
                servers: Vec::new(),
                kinds: Vec::new(),
                think_time: Span { min: 0, max: 0 },
                each_kind_first: false,
                users: 1,
                is_warm_up: false,
                load: 0,
            },
            warmup: 0,
            assignment: Assignment::Weighted,
            connection: ConnectionUse::KeepAlive,
            thresholds: Vec::new(),
            steps: Vec::new(),
            shard: Shard::WHOLE,
        }
    }
}
