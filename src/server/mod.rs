//! Servers that a run starts itself: the embedded simulator in a child process, a command of the user's under its
//! keeper, and what both use.

pub mod args;
pub mod command;
pub mod managed;
mod owned;
mod process;
pub mod resources;
pub mod simulator;
pub mod supervisor;
mod totals;
mod tree;

pub use args::{ErrorRates, SimArgs, SimOptions};
pub use command::{CommandOptions, CommandServer};
pub use managed::ManagedServer;
pub use owned::OwnedServer;
pub use resources::{Sampler, ServerResources, ServerSample, ServerSamples};
pub use supervisor::SuperviseArgs;
pub use totals::ServerTotals;

/// Connections that may wait to be accepted, of the simulator: a ramp that starts thousands at once then
/// loses no SYN, which would cost each loser a second. The kernel caps it at net.core.somaxconn.
pub const LISTEN_BACKLOG: u32 = 4096;
