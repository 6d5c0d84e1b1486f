//! A server that this program has started, of whichever kind.

use crate::error::Failure;
use crate::server::{CommandServer, ManagedServer, Sampler, ServerTotals};

#[derive(Debug)]
pub enum OwnedServer {
    Simulator(ManagedServer),
    Command(CommandServer),
}

impl OwnedServer {
    /// `Err` with its last log lines when it has ended by itself. Cheap: no system call.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self {
            OwnedServer::Simulator(server) => server.check(),
            OwnedServer::Command(server) => server.check(),
        }
    }

    /// What it has counted of the load; `None` where it does not count.
    pub fn totals(&self) -> Option<Result<ServerTotals, Failure>> {
        match self {
            OwnedServer::Simulator(server) => Some(server.totals()),
            OwnedServer::Command(_) => None,
        }
    }

    /// What was asked until now is not part of the load.
    pub fn rebase(&mut self) -> Result<(), Failure> {
        match self {
            OwnedServer::Simulator(server) => server.rebase(),
            OwnedServer::Command(_) => Ok(()),
        }
    }

    pub fn sampler(&self) -> Sampler {
        match self {
            OwnedServer::Simulator(server) => Sampler::of_process(server.pid()),
            OwnedServer::Command(server) => Sampler::of_descendants(server.keeper_pid()),
        }
    }

    /// At once, by force.
    pub fn kill(self) {
        match self {
            OwnedServer::Simulator(server) => drop(server),
            OwnedServer::Command(server) => server.abandon(),
        }
    }

    /// Ends it; `Err` when it had ended before, by itself.
    pub fn stop(self) -> Result<(), Failure> {
        match self {
            OwnedServer::Simulator(server) => server.stop(),
            OwnedServer::Command(server) => server.stop(),
        }
    }
}
