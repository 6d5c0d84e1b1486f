//! The connections of one VU: one for each target that it has used, or one at a time.

use super::core::CoreState;
use super::exchange::VuConnection;
use crate::net::{Net, Signal, TaskId};
use crate::units::Nanos;

/// Holds the connections of one VU. With a single target, or a connection for each request, there is one, and no memory
/// is reserved for more.
pub struct VuConnections {
    task: TaskId,
    vu: u32,
    open: Vec<VuConnection>,
    /// Index in `open` of the connection used last.
    current: usize,
    /// Requests of each kind in the mix so far, if it matters which of them it is.
    pub made: Vec<u64>,
    /// Those of its lanes, each with a task of its own, between two sessions whose requests go out side by side.
    spare: Vec<VuConnections>,
}

impl VuConnections {
    pub fn new(task: TaskId, vu: u32) -> VuConnections {
        VuConnections {
            task,
            vu,
            open: Vec::new(),
            current: 0,
            made: Vec::new(),
            spare: Vec::new(),
        }
    }

    pub fn task(&self) -> TaskId {
        self.task
    }

    pub fn vu(&self) -> u32 {
        self.vu
    }

    /// Returns the connection for a request to `target`. The one used before becomes idle if it belongs to another
    /// target.
    pub fn connection_to(&mut self, core: &CoreState, target: u16) -> &mut VuConnection {
        let known = self
            .open
            .iter()
            .position(|connection| connection.target == target);
        let reused = known.or_else(|| self.closed_for(core, target));
        let index = reused.unwrap_or(self.open.len());
        if index != self.current
            && let Some(previous) = self.open.get_mut(self.current)
        {
            previous.set_idle(core);
        }
        if reused.is_none() {
            self.open.reserve_exact(1);
            self.open.push(VuConnection::new(self.task, self.vu, target));
        } else if known.is_none() {
            self.open[index].target = target;
        } else if index != self.current {
            self.open[index].set_active(core);
        }
        self.current = index;
        &mut self.open[index]
    }

    /// Returns the index of a connection that is closed, for a request to another target: where each request has a
    /// connection of its own, one state serves all targets. Over TLS each target has its tickets.
    fn closed_for(&self, core: &CoreState, target: u16) -> Option<usize> {
        let has_tls = core.options.tls[usize::from(target)].is_some();
        if has_tls || !core.plan.connection.is_per_request() {
            return None;
        }
        let is_free =
            |connection: &VuConnection| connection.conn.is_none() && connection.tls_target.is_none();
        self.open.iter().position(is_free)
    }

    /// Pauses like `VuConnection::pause_until`, and watches the connection used last; idle ones need no attention.
    pub async fn pause_until(&mut self, core: &CoreState, until: Nanos) -> Signal {
        match self.open.get_mut(self.current) {
            Some(connection) => connection.pause_until(core, until).await,
            None => core.net.sleep_until(self.task, until).await,
        }
    }

    /// Takes the lanes of the session before.
    pub fn take_spare(&mut self) -> Vec<VuConnections> {
        std::mem::take(&mut self.spare)
    }

    /// Keeps lanes for the next session.
    pub fn keep_spare(&mut self, lanes: Vec<VuConnections>) {
        self.spare = lanes;
    }

    /// Makes the connection used last idle, so that data from it occupies no buffer.
    pub fn set_idle(&mut self, core: &CoreState) {
        if let Some(connection) = self.open.get_mut(self.current) {
            connection.set_idle(core);
        }
    }

    /// Makes it ready for the next request.
    pub fn set_active(&mut self, core: &CoreState) {
        if let Some(connection) = self.open.get_mut(self.current) {
            connection.set_active(core);
        }
    }

    /// Closes all connections and those of its lanes, whose tasks end with them.
    pub fn close(&mut self, net: &Net) {
        for connection in &mut self.open {
            connection.close(net);
        }
        for mut lane in self.spare.drain(..) {
            lane.close(net);
            net.free_task(lane.task);
        }
    }
}
