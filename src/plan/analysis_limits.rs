//! The limits of the automatic analysis.

use crate::units::duration_text;
use crate::units::{MILLISECOND, Nanos, SECOND};
use serde::Serialize;

/// The limits of the analysis' rules (`result::analysis`). Shares are 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalysisLimits {
    /// Largest acceptable share of failed requests; above it: FAIL.
    pub error_rate_max: f64,
    /// Largest acceptable share of requests interrupted at the end; above it: WARNING, above half of them: FAIL.
    pub cut_max: f64,
    /// Largest acceptable latency p90; above it: WARNING.
    #[serde(serialize_with = "duration_text")]
    pub p90_latency_max: Nanos,
    /// Largest TTFT p50 that is excellent.
    #[serde(serialize_with = "duration_text")]
    pub ttft_p50_good: Nanos,
    /// Largest acceptable TTFT p50; above it: WARNING.
    #[serde(serialize_with = "duration_text")]
    pub ttft_p50_max: Nanos,
    /// Largest acceptable ratio of latency p99 to p50; above it: WARNING.
    pub tail_ratio_max: f64,
    /// Largest acceptable share of timeouts and 503s; above it: FAIL.
    pub contention_error_rate_max: f64,
    /// Largest acceptable share of token events that share a stamp; above it: WARNING.
    pub coalesced_max: f64,
    /// Largest acceptable share of reads without a kernel stamp; above it: WARNING.
    pub stamps_missing_max: f64,
    /// Largest share by which a server's own counts of requests and tokens may differ from ours; above it: WARNING.
    pub server_count_difference_max: f64,
    /// The same for its own means of times; less than 10 ms of TTFT and 2 ms between tokens are never too much.
    pub server_time_difference_max: f64,
    /// True if a finding about the server that is not PASS makes the run fail with exit code 99.
    pub fail_on_findings: bool,
}

impl Default for AnalysisLimits {
    fn default() -> AnalysisLimits {
        AnalysisLimits {
            error_rate_max: 0.05,
            cut_max: 0.05,
            p90_latency_max: 2 * SECOND,
            ttft_p50_good: 500 * MILLISECOND,
            ttft_p50_max: 2 * SECOND,
            tail_ratio_max: 10.0,
            contention_error_rate_max: 0.01,
            coalesced_max: 0.1,
            stamps_missing_max: 0.0,
            server_count_difference_max: 0.01,
            server_time_difference_max: 0.1,
            fail_on_findings: false,
        }
    }
}
