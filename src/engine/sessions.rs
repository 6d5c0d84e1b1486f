//! The sessions of one VU: one for each endpoint it has been to.

use super::core::CoreState;
use super::exchange::Session;
use crate::net::{Net, Signal, TaskId};
use crate::units::Nanos;

/// Where there is one endpoint, there is one session, and no more memory than that.
pub struct Sessions {
    task: TaskId,
    vu: u32,
    open: Vec<Session>,
    /// Index into `open` of the one used last.
    current: usize,
}

impl Sessions {
    pub fn new(task: TaskId, vu: u32) -> Sessions {
        Sessions {
            task,
            vu,
            open: Vec::new(),
            current: 0,
        }
    }

    /// The session for a request to `endpoint`; the one used before is put aside if it is another's.
    pub fn of(&mut self, core: &CoreState, endpoint: u16) -> &mut Session {
        let known = self.open.iter().position(|session| session.endpoint == endpoint);
        let index = known.unwrap_or(self.open.len());
        if index != self.current
            && let Some(before) = self.open.get_mut(self.current)
        {
            before.put_aside(core);
        }
        if known.is_none() {
            self.open.reserve_exact(1);
            self.open.push(Session::new(self.task, self.vu, endpoint));
        } else if index != self.current {
            self.open[index].take_up(core);
        }
        self.current = index;
        &mut self.open[index]
    }

    /// As `Session::rest`, watching the connection used last: those put aside need nobody's attention.
    pub async fn rest(&mut self, core: &CoreState, until: Nanos) -> Signal {
        match self.open.get_mut(self.current) {
            Some(session) => session.rest(core, until).await,
            None => core.net.sleep_until(self.task, until).await,
        }
    }

    pub fn close(&mut self, net: &Net) {
        for session in &mut self.open {
            session.close(net);
        }
    }
}
