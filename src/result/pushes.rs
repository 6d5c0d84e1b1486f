//! How often figures reached the Pushgateway.

use serde::{Deserialize, Serialize};

/// What became of the pushes of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushes {
    pub sent: u64,
    pub failed: u64,
    /// Replaced by newer figures before the gateway was free, or never begun.
    pub dropped: u64,
    pub last_error: Option<String>,
}
