//! The pauses of a user between requests that belong together, such as the turns of a session.

use super::connections::VuConnections;
use super::core::CoreState;
use super::vu::is_closed;
use crate::net::Signal;
use crate::units::Nanos;

/// How a user rests. What a trace has as belonging together goes on after the end of the load, for as long as requests
/// may, unless the load was stopped before. Any other load ends it.
pub(super) struct Rest {
    goes_on: bool,
    /// The load has ended meanwhile. The signal was taken back, because it would end every further pause at once.
    is_stopping: bool,
}

impl Rest {
    pub(super) fn new(core: &CoreState) -> Rest {
        Rest {
            goes_on: core.plan.executor.trace().is_some(),
            is_stopping: false,
        }
    }

    /// Waits until `due`. Returns false if no request follows any more.
    pub(super) async fn until(
        &mut self,
        core: &CoreState,
        connections: &mut VuConnections,
        due: Nanos,
    ) -> bool {
        let task = connections.task();
        loop {
            let signal = match core.net.now() < due {
                true => connections.pause_until(core, due).await,
                false => core.net.signal(task),
            };
            match signal {
                Signal::None => {
                    return !self.is_stopping || !is_closed(core);
                }
                Signal::Soft if self.goes_on && !is_closed(core) => {
                    self.is_stopping = true;
                    core.net.set_signal(task, Signal::None);
                }
                Signal::Soft | Signal::Hard => return false,
            }
        }
    }

    /// Gives the signal back that was taken.
    pub(super) fn end(self, core: &CoreState, connections: &VuConnections) {
        let task = connections.task();
        if self.is_stopping && core.net.signal(task) == Signal::None {
            core.net.set_signal(task, Signal::Soft);
        }
    }
}
