//! How a server is asked before the load: as the load will ask it.

use std::net::IpAddr;
use std::time::Duration;

use crate::blocking_http::Peer;
use crate::tls::TlsTarget;
use crate::workload::Target;

/// How to reach the server: as the load does.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// `None` for plain text.
    pub tls: Option<&'a TlsTarget>,
    /// The addresses of this host to connect from; empty if the system chooses.
    pub sources: &'a [IpAddr],
}

impl<'a> Access<'a> {
    /// Returns the target, at the first of its addresses, to be asked within `limit`.
    pub(super) fn peer(self, target: &'a Target, limit: Duration) -> Peer<'a> {
        Peer {
            address: target.addresses[0],
            authority: &target.authority,
            headers: &target.headers,
            limit,
            tls: self.tls,
            sources: self.sources,
        }
    }
}

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    All,
    /// One completion.
    Completion {
        stream: bool,
    },
}
