//! The probes of a search, each of which is a pass whose load rank 0 chooses and ends.

use super::Roll;
use crate::coordination::{Message, ProbeStep};
use serde_json::Value;

/// Why the generator of a rank may have been the limit of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct RankLimits {
    pub rank: u32,
    pub pass: u32,
    pub reasons: Value,
}

impl Roll {
    /// Tells all ranks what to do in a probe.
    pub fn probe(&mut self, pass: u32, step: &ProbeStep) {
        let step = step.clone();
        self.tell_all(&Message::Probe { pass, step });
    }
}
