//! The settings of listening: where, and for how long after the run.

use std::net::SocketAddr;

use crate::units::Nanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Port 0 is any free port.
    pub address: SocketAddr,
    /// How long a finished run goes on answering; `None` means until a Prometheus that has asked before has read the
    /// last figures, within a limit.
    pub linger: Option<Nanos>,
}
