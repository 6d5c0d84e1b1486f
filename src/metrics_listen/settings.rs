//! The settings of listening: where, and for how long after the run.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use crate::units::{MINUTE, Nanos};

/// How long a finished run may go on answering.
pub const LINGER: RangeInclusive<Nanos> = 0..=60 * MINUTE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Port 0 is any free port.
    pub address: SocketAddr,
    /// How long a finished run goes on answering; `None` means until a Prometheus that has asked before has read the
    /// last figures, within a limit.
    pub linger: Option<Nanos>,
}
