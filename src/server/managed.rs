//! Handles the servers that a run starts, of either kind.

use crate::error::Failure;
use crate::server::{CommandServer, Sampler, ServerTotals, SimulatorServer};

/// A server that the run started and will stop.
#[derive(Debug)]
pub enum ManagedServer {
    Simulator(SimulatorServer),
    Command(CommandServer),
}

impl ManagedServer {
    /// Returns an error with its last log lines if it has ended by itself. It is cheap, because it makes no system
    /// call.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self {
            ManagedServer::Simulator(server) => server.check(),
            ManagedServer::Command(server) => server.check(),
        }
    }

    /// Returns its own counts of the load; `None` if it does not count.
    pub fn totals(&self) -> Option<Result<ServerTotals, Failure>> {
        match self {
            ManagedServer::Simulator(server) => Some(server.totals()),
            ManagedServer::Command(_) => None,
        }
    }

    /// Excludes all requests until now from its counts of the load.
    pub fn reset_baseline(&mut self) -> Result<(), Failure> {
        match self {
            ManagedServer::Simulator(server) => server.reset_baseline(),
            ManagedServer::Command(_) => Ok(()),
        }
    }

    pub fn sampler(&self) -> Sampler {
        match self {
            ManagedServer::Simulator(server) => Sampler::for_process(server.pid()),
            ManagedServer::Command(server) => Sampler::for_descendants(server.supervisor_pid()),
        }
    }

    /// Kills the server at once.
    pub fn kill(self) {
        match self {
            ManagedServer::Simulator(server) => drop(server),
            ManagedServer::Command(server) => server.abandon(),
        }
    }

    /// Ends the server. Returns an error if it had ended by itself before.
    pub fn stop(self) -> Result<(), Failure> {
        match self {
            ManagedServer::Simulator(server) => server.stop(),
            ManagedServer::Command(server) => server.stop(),
        }
    }
}
