//! The limits of the automatic analysis.

use crate::units::duration_text;
use crate::units::{MILLISECOND, Nanos, SECOND};
use serde::Serialize;

/// What the rules of the analysis measure against (`result::analysis`). Shares are 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalysisLimits {
    /// Share of failed requests that is acceptable; above: FAIL.
    pub error_rate_max: f64,
    /// Latency p90 that is acceptable; above: WARNING.
    #[serde(serialize_with = "duration_text")]
    pub p90_latency_max: Nanos,
    /// TTFT p50 up to which it is excellent.
    #[serde(serialize_with = "duration_text")]
    pub ttft_p50_good: Nanos,
    /// TTFT p50 that is acceptable; above: WARNING.
    #[serde(serialize_with = "duration_text")]
    pub ttft_p50_max: Nanos,
    /// Latency p99 over p50; above: WARNING.
    pub tail_ratio_max: f64,
    /// Share of timeouts and 503s; above: FAIL.
    pub contention_error_rate_max: f64,
    /// Share of token events that share a stamp; above: WARNING.
    pub coalesced_max: f64,
    /// Share of reads without a kernel stamp; above: WARNING.
    pub stamps_missing_max: f64,
}

impl Default for AnalysisLimits {
    fn default() -> AnalysisLimits {
        AnalysisLimits {
            error_rate_max: 0.05,
            p90_latency_max: 2 * SECOND,
            ttft_p50_good: 500 * MILLISECOND,
            ttft_p50_max: 2 * SECOND,
            tail_ratio_max: 10.0,
            contention_error_rate_max: 0.01,
            coalesced_max: 0.1,
            stamps_missing_max: 0.0,
        }
    }
}
