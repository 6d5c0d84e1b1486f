//! Runs managed servers, which a run starts itself: the embedded simulator in a child process, or the user's command
//! under a supervisor.

pub mod args;
pub mod command;
mod environment;
mod managed;
mod process;
pub mod resources;
pub mod simulator;
pub mod simulator_child;
pub mod supervisor;
mod totals;
mod tree;

pub use args::{ErrorRates, SimArgs, SimOptions};
pub use command::{CommandOptions, CommandServer};
pub use managed::ManagedServer;
pub use resources::{Sampler, ServerResources, ServerSample, ServerSamples};
pub use simulator::SimulatorServer;
pub use supervisor::SuperviseArgs;
pub use totals::ServerTotals;

/// Length of the simulator's listen queue. With this, a ramp that starts thousands of users at once loses no SYN, which
/// would cost each of them a second. The kernel caps it at net.core.somaxconn.
pub const LISTEN_BACKLOG: u32 = 4096;
