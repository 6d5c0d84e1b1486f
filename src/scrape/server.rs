//! One server that is asked for its metrics.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::Url;
use crate::error::printable;
use crate::tls::TlsTarget;
use crate::workload::Target;

/// Where servers show them.
const PATH: &str = "/metrics";
/// The largest answer. Eight engines of vLLM show half a megabyte.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// The most characters of an error that are told.
const SHOWN_CHARS_MAX: usize = 120;

/// A server, and how to reach it.
#[derive(Clone, Debug)]
pub struct MetricsServer {
    /// Not empty. The first one that accepts a connection is asked.
    addresses: Vec<SocketAddr>,
    authority: String,
    path: String,
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
            addresses: vec![*address],
            authority: target.authority.clone(),
            path: PATH.to_owned(),
            headers: target.headers.clone(),
            tls: tls.cloned(),
            sources: sources.to_vec(),
        })
    }

    /// Returns the server of a URL at these addresses. It gets no headers: they are for the target.
    pub fn of_url(
        url: &Url,
        addresses: Vec<SocketAddr>,
        tls: Option<TlsTarget>,
        sources: &[IpAddr],
    ) -> MetricsServer {
        let path = match url.path.is_empty() {
            true => PATH,
            false => &url.path,
        };
        MetricsServer {
            addresses,
            authority: url.authority.clone(),
            path: format!("{path}{}{}", url.slashes, url.query),
            headers: Vec::new(),
            tls,
            sources: sources.to_vec(),
        }
    }

    /// Returns the address and the path, by which two servers are the same.
    pub fn place(&self) -> (&[SocketAddr], &str) {
        (&self.addresses, &self.path)
    }

    /// Returns what it shows. The error is one line, safe for a terminal.
    pub fn read(&self, limit: Duration) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + limit;
        let said = |e: &ProbeError| printable(&e.to_string(), SHOWN_CHARS_MAX);
        let mut last = "no address".to_owned();
        for address in &self.addresses {
            let peer = Peer {
                address: *address,
                authority: &self.authority,
                headers: &self.headers,
                limit: deadline.saturating_duration_since(Instant::now()),
                tls: self.tls.as_ref(),
                sources: &self.sources,
            };
            if peer.limit.is_zero() {
                return Err(said(&ProbeError::Timeout(limit)));
            }
            match peer.get_long(&self.path, ANSWER_BYTES_MAX) {
                // `localhost` often has an address that the server does not listen on.
                Err(e @ (ProbeError::Refused | ProbeError::Unreachable(_))) => last = said(&e),
                Err(ProbeError::Timeout(_)) => return Err(said(&ProbeError::Timeout(limit))),
                Err(e) => return Err(said(&e)),
                Ok(answer) => return read_answer(answer),
            }
        }
        Err(last)
    }
}

fn read_answer(answer: Answer) -> Result<Vec<u8>, String> {
    match answer.status {
        200 => Ok(answer.body),
        // llama.cpp has the path, and shows nothing there unless it is told to.
        501 => Err("status 501 (start llama.cpp's server with --metrics)".to_owned()),
        status => Err(format!("status {status}")),
    }
}
