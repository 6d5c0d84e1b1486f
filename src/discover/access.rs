//! How a server is asked before the load: as the load will ask it.

use std::net::IpAddr;

use crate::tls::TlsTarget;

/// How to reach the server: as the load does.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// `None` for plain text.
    pub tls: Option<&'a TlsTarget>,
    /// The addresses of this host to connect from; empty if the system chooses.
    pub sources: &'a [IpAddr],
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
