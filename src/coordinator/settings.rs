//! The settings of a run of several processes that are coordinated.

use crate::coordination::OnLoss;
use crate::plan::Shard;
use crate::units::{Nanos, Secret};

/// The port that rank 0 listens on where none is given.
pub const COORDINATE_PORT: u16 = 7117;

/// Where rank 0 is, which part of the run this process is, and what happens when others are late or lost.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinateConfig {
    /// The host of rank 0, a name or an address.
    pub host: String,
    pub port: u16,
    pub shard: Shard,
    pub secret: Secret,
    /// How long ranks wait for each other before anything is sent.
    pub wait: Nanos,
    pub on_loss: OnLoss,
    /// Rank 0 writes the requests of all ranks into its document.
    pub gather_details: bool,
}

impl CoordinateConfig {
    /// Returns the address as errors show it.
    pub fn shown(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}
