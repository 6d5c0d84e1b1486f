//! Defines what is measured: the table of metrics, the recorder of each core, its snapshots, and their merge.
//!
//! ```text
//! core 0: Recorder -- take() --> Snapshot --+
//! core 1: Recorder -- take() --> Snapshot --+--> Merged (per series, over all series, per core)
//! ```
//!
//! Two verbs add figures: `append` adds those of a later period, and `merge` those of the same period. They differ for
//! gauges and peaks. Counts and distributions are the same either way, and have only `merge`.
//!
//! Several processes that make one run send each other theirs as a [`RankSnapshot`], from which the same is merged.
//!
//! This module is pure: it has no clock, no socket, and no allocation per event. Times are nanoseconds.

mod after_load;
mod asked;
mod carried;
mod cause;
mod counters;
mod differences;
mod distribution;
mod errors;
mod failures;
mod finish;
mod goodput;
mod ledger;
mod merged;
mod outcome;
mod pace;
mod pair;
mod rank_snapshot;
mod recorder;
mod request_id;
mod sample;
mod sending;
mod series;
mod session;
mod status_counts;
mod table;
mod tls;
mod usage;

#[cfg(test)]
mod merge_tests;

pub use after_load::{AfterLoad, WithinLoad};
pub use asked::{AskedAndServed, AskedTokens, LengthCounts};
pub use cause::Cause;
pub use counters::CoreCounters;
pub use differences::Differences;
pub use distribution::{Distribution, EncodingError, Exact, HIGHEST_US, SIGNIFICANT_DIGITS};
pub use errors::ClientErrors;
pub use failures::{
    EVIDENCE_BYTES_MAX, Evidence, FAILURE_KINDS_MAX, FailedRequests, FailureKind, Failures, Place,
};
pub use finish::{FinishKind, FinishWord};
pub use goodput::{GoodCounts, Goodput};
pub use ledger::{Account, Ledger};
pub use merged::{ByPhase, CoreTotals, Merged};
pub use outcome::Outcome;
pub use pace::{Pace, PaceCounts, Periods};
pub use pair::{Half, PAIRED_METRICS, PAIRS_PER_SNAPSHOT_MAX, Pair, Pairs};
pub use rank_snapshot::{RankSnapshot, ReceivedSnapshot};
pub use recorder::{DETAILS_PER_SNAPSHOT_MAX, Recorder, Snapshot};
pub use request_id::{NumberedBy, RequestId};
pub use sample::{Answer, Sample, TokenSource};
pub use sending::{LATE_AFTER, Sending};
pub use series::{SeriesCounts, SeriesTotals};
pub use session::{GraphEnded, SessionEnd, SessionEnded, Sessions, TURNS_PER_SNAPSHOT_MAX, TurnEnded};
pub use status_counts::StatusCounts;
pub use table::{Direction, METRICS, Metric, MetricId, Source};
pub use tls::TlsFailure;
pub use usage::{PartOfTokens, StatedTokens, TokenUsage};
