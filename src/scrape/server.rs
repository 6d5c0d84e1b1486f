//! One server that is asked for its metrics.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::blocking_http::{Peer, ProbeError};
use crate::error::printable;
use crate::tls::TlsTarget;
use crate::workload::Target;

/// Where servers show them.
const PATH: &str = "/metrics";
/// The most characters of an error that are told.
const SHOWN_CHARS_MAX: usize = 120;

/// A server, and how to reach it.
#[derive(Clone, Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    authority: String,
    headers: Vec<(String, String)>,
    tls: Option<TlsTarget>,
    sources: Vec<IpAddr>,
}

impl MetricsServer {
    /// Returns the server behind a target of the load, with the headers that the load sends, because its key may be
    /// asked for here as well. The error is the number of its addresses, if it is not one.
    pub fn of_target(
        target: &Target,
        tls: Option<&TlsTarget>,
        sources: &[IpAddr],
    ) -> Result<MetricsServer, usize> {
        let [address] = target.addresses.as_slice() else {
            return Err(target.addresses.len());
        };
        Ok(MetricsServer {
            address: *address,
            authority: target.authority.clone(),
            headers: target.headers.clone(),
            tls: tls.cloned(),
            sources: sources.to_vec(),
        })
    }

    /// Returns what it shows. The error is one line, safe for a terminal.
    pub fn read(&self, limit: Duration) -> Result<Vec<u8>, String> {
        let peer = Peer {
            address: self.address,
            authority: &self.authority,
            headers: &self.headers,
            limit,
            tls: self.tls.as_ref(),
            sources: &self.sources,
        };
        let said = |e: ProbeError| printable(&e.to_string(), SHOWN_CHARS_MAX);
        let answer = peer.get(PATH).map_err(said)?;
        match answer.status {
            200 => Ok(answer.body),
            // llama.cpp has the path, and shows nothing there unless it is told to.
            501 => Err("status 501 (start llama.cpp's server with --metrics)".to_owned()),
            status => Err(format!("status {status}")),
        }
    }
}
