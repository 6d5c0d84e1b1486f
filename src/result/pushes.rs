//! Counts of pushes to the Pushgateway.

use serde::{Deserialize, Serialize};

/// The pushes of a run by their result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushes {
    pub sent: u64,
    pub failed: u64,
    /// Pushes that were replaced by newer figures before the gateway was free, or that were never begun.
    pub dropped: u64,
    pub last_error: Option<String>,
}
