//! When the turns of a session follow one another.

use super::Plan;
use super::arrivals::scaled;
use crate::units::Nanos;
use crate::workload::SessionKey;

impl Plan {
    /// Returns the pause before a turn, from the end of the answer before it on: until its instant, if the dataset has
    /// one and is replayed; else the dataset's delay; else `think`. `elapsed` is the time since the session's first
    /// turn was due.
    pub fn pause_before(&self, (key, turn): (SessionKey, u16), elapsed: Nanos, think: Nanos) -> Nanos {
        let trace = self.executor.trace().map(|trace| trace.settings);
        let follows = self.workload.follows(key, turn);
        if let (Some(trace), Some(since)) = (trace, follows.since_first) {
            return scaled(since, trace.time_scale).saturating_sub(elapsed);
        }
        let Some(delay) = follows.delay else { return think };
        let own = self
            .workload
            .conversation(key.kind)
            .and_then(|conversation| conversation.delay_scale);
        let scale = own.or(trace.map(|trace| trace.delay_scale)).unwrap_or(1.0);
        scaled(delay, scale)
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
