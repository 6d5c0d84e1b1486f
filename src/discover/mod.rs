//! Finds the target behind a URL: its addresses, its API and its paths.

mod access;
mod find;
mod next_step;
mod paths;
mod redirected;
mod refused;
mod streamed;
mod tls_mismatch;
mod tokenize;
mod url;
mod validate;
mod wait;

pub use access::{Access, Extent};
pub use find::Models;
pub use next_step::next_step_after;
pub use tokenize::{ServerTokenizer, counted_prompt};
pub use url::Url;
pub use validate::{Question, VALIDATION_LIMIT, find_wording, validate};
pub use wait::wait_until_ready;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::api::{Api, Wording};
use crate::blocking_http::{self, Answer, Peer, ProbeError};
use crate::discover::find::{find_api, light_paths, named_paths};
use crate::discover::paths::Places;
use crate::error::{ExitCode, Failure, Place, Reason, hint_for_shortage, quoted};
use crate::http1::check_path;
use crate::tls::{TlsOptions, TlsTarget};
use crate::workload::Target;

/// The time limit for one question, connecting included.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// The time limit for the lookup of a name. The resolver's own default is two rounds of 5 s.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// The number of addresses of one name that are used; more are ignored.
pub const ADDRESSES_MAX: usize = 64;

/// The path of the simulator's statistics.
pub const STATS_PATH: &str = "/llmsim/stats";

/// Checks that a run could go to this URL, including the API that its path names. `api` is the API in the
/// configuration. Errors do not repeat the URL's user and query.
pub fn check_url(text: &str, api: Option<Api>) -> Result<(), Reason> {
    Places::of(&Url::read(text)?.path, api).map(drop)
}

/// Returns the API that the path of a URL names, if any.
pub fn api_of(url: &str) -> Option<Api> {
    Api::from_path(&Url::read(url).ok()?.path)
}

/// Tells whether a URL may be that of an API: its path is one of this API's, or names none.
pub fn may_be_at(api: Api, url: &str) -> bool {
    let Ok(url) = Url::read(url) else { return false };
    Api::from_path(&url.path).is_none() || api.row().end_of(&url.path).is_some()
}

/// The state of a port of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtPort {
    Nothing,
    /// A server answers 200 to `/health`.
    HealthyServer,
}

/// Asks whether a healthy server is at the port. Fails if something else is there.
pub fn at_port(port: u16) -> Result<AtPort, Failure> {
    match health_of(port) {
        Ok(answer) if answer.status == 200 => Ok(AtPort::HealthyServer),
        Err(ProbeError::Refused) => Ok(AtPort::Nothing),
        Ok(answer) => Err(port_in_use(port, &format!("answers {}", answer.status))),
        Err(e) => Err(port_in_use(port, &format!("fails: {e}"))),
    }
}

/// Returns the failure for a configuration that cannot work.
fn unusable(what: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Config, Reason::new(what).hint(hint))
}

/// Returns the failure for a server that does not do what the run needs.
fn unfit(what: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Target, Reason::new(what).hint(hint))
}

fn port_in_use(port: u16, says: &str) -> Failure {
    unfit(
        format!("--port {port}: the port is in use, but not by a healthy server: GET /health {says}"),
        format!(
            "stop that process, choose another --port, or load it as it is: \
             --no-server --target http://127.0.0.1:{port}"
        ),
    )
}

fn health_of(port: u16) -> Result<Answer, ProbeError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let peer = Peer {
        address,
        authority: &address.to_string(),
        headers: &[],
        limit: PROBE_LIMIT,
        tls: None,
        sources: &[],
    };
    peer.get("/health")
}

/// The service that answers at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The simulator, which has statistics to compare with: `ServerTotals`.
    Llmsim,
    Other,
}

/// How a server is asked before the load: as the load will ask it.
#[derive(Clone, Copy, Debug)]
pub struct Approach<'a> {
    /// For an https URL.
    pub tls: &'a TlsOptions,
    /// The addresses of this host to connect from; empty if the system chooses.
    pub sources: &'a [IpAddr],
}

/// A target that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    pub target: Target,
    pub service: Service,
    /// The TLS settings; `None` for plain text.
    pub tls: Option<TlsTarget>,
    /// The target is known to take the usual members of a body.
    pub takes_usual_body: bool,
    /// The models that the target has.
    pub models: Models,
    /// The number of tokens that its only model knows, if it says so.
    pub vocabulary: Option<u64>,
    /// Notes to print on what was chosen for the user.
    pub notes: Vec<String>,
}

/// Looks the name up, and finds the addresses that answer and, unless the URL names an API path, the prefix of the
/// models list. `given` is the place of the URL, `api` is the API that it speaks regardless of its path, `headers` are
/// sent along.
pub fn resolve(
    url: &str,
    given: &Place,
    api: Option<Api>,
    headers: Vec<(String, String)>,
    approach: Approach<'_>,
) -> Result<Discovery, Failure> {
    let url = Url::parse(url, given)?;
    let places = Places::of(&url.path, api).map_err(|reason| given.mistake(reason))?;
    let headers = with_headers_of(places.api, headers);
    let mut notes = Vec::new();
    let tls = tls_target(&url, approach.tls, &mut notes)?;
    let named = lookup(&url).map_err(|e| unreachable(&url, &e))?;
    let addresses = reachable(&url, named, approach.sources, &mut notes)?;
    let peer = Peer {
        address: addresses[0],
        authority: &url.authority,
        headers: &headers,
        limit: PROBE_LIMIT,
        tls: tls.as_ref(),
        sources: approach.sources,
    };
    let health = peer.get("/health");
    let service = match &health {
        Ok(answer) if is_llmsim(answer) => Service::Llmsim,
        _ => Service::Other,
    };
    let found = find_api(&url, &peer, &places, service, &health)?;
    notes.extend(found.note.clone());
    if let Some(note) = note_of_api(&url, &places, &found.prefix) {
        notes.push(note);
    }
    let is_healthy = health.is_ok_and(|answer| answer.status == 200);
    let light_paths = light_paths(service, is_healthy, &found);
    let named_paths = named_paths(service, &found, &light_paths[0]);
    // The slashes after a base only join it to the rest.
    let slashes = if places.whole { url.slashes.as_str() } else { "" };
    let path_to = |end: &str| format!("{}{end}{slashes}{}", found.prefix, url.query);
    let (api_path, stream_path) = (path_to(places.end), path_to(places.stream_end));
    for path in [&api_path, &stream_path] {
        check_path(path).map_err(|e| {
            let reason = Reason::new(e.to_string()).hint("percent-encode the path");
            given.mistake(reason)
        })?;
    }
    Ok(Discovery {
        target: Target {
            api: places.api,
            origin: url.origin(),
            authority: url.authority.clone(),
            addresses,
            api_path,
            stream_path,
            light_paths,
            named_paths,
            headers,
            wording: Wording::default(),
        },
        service,
        tls,
        takes_usual_body: service == Service::Llmsim || found.is_known,
        models: found.models,
        vocabulary: found.vocabulary,
        notes,
    })
}

/// Adds what each request of an API has in its head, unless the user gives it another value: fixed headers, and the key
/// in a header of its own.
fn with_headers_of(api: Api, mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let row = api.row();
    let key = |(name, value): &(String, String)| {
        let key = value
            .strip_prefix("Bearer ")
            .filter(|_| name.eq_ignore_ascii_case("authorization"))?;
        Some((row.key_header?.to_owned(), key.trim().to_owned()))
    };
    let fixed = row
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    for (name, value) in headers.iter().find_map(key).into_iter().chain(fixed) {
        if !headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(&name)) {
            headers.push((name, value));
        }
    }
    headers
}

/// Returns the addresses behind a URL, for which only DNS is queried. `given` is the place of the URL.
pub fn addresses(url: &str, given: &Place) -> Result<Vec<SocketAddr>, Failure> {
    let url = Url::parse(url, given)?;
    lookup(&url).map_err(|e| unreachable(&url, &e))
}

/// Returns the failure for a target that does not answer. Only DNS and the port have been tried so far.
fn unreachable(url: &Url, reason: &ProbeError) -> Failure {
    unfit(
        format!("target {}: never answered: {reason}", url.origin()),
        "check that the server is running, and its host and port; use --wait-for-target 60s if it is still starting",
    )
}

/// Reads the trusted certificates, if the URL needs them.
fn tls_target(
    url: &Url,
    options: &TlsOptions,
    notes: &mut Vec<String>,
) -> Result<Option<TlsTarget>, Failure> {
    if !url.tls {
        // An https Pushgateway of the same run may still use the certificates.
        let given = [
            ("--cacert", options.cacert.is_some()),
            ("--insecure", options.insecure),
        ];
        for (option, _) in given.iter().filter(|(_, given)| *given) {
            let origin = url.origin();
            notes.push(format!(
                "target {origin}: {option} has no effect, because the target is plain http"
            ));
        }
        return Ok(None);
    }
    let target = TlsTarget::new(&url.host, options)?;
    if !target.verified {
        let origin = url.origin();
        notes.push(format!(
            "target {origin}: its certificate is NOT VERIFIED (--insecure)"
        ));
    }
    Ok(Some(target))
}

/// Returns a note on what was chosen for the user; `None` if the URL names the whole path of the usual API.
fn note_of_api(url: &Url, places: &Places, prefix: &str) -> Option<String> {
    let slashes = if places.whole { url.slashes.as_str() } else { "" };
    if places.given && places.api == Api::DEFAULT && slashes.is_empty() {
        return None;
    }
    let how = match places.given {
        true if slashes.is_empty() => "",
        true => ", with its slash kept",
        false => ", found by its models list",
    };
    let (origin, title, end) = (url.origin(), places.api.row().title, places.end);
    let streams = match places.stream_end == end {
        true => String::new(),
        false => format!(", streams at {prefix}{}{slashes}", places.stream_end),
    };
    Some(format!(
        "target {origin}: {title} at {prefix}{end}{slashes}{streams}{how}"
    ))
}

fn is_llmsim(answer: &Answer) -> bool {
    #[derive(serde::Deserialize)]
    struct Health {
        service: String,
    }
    answer.status == 200
        && serde_json::from_slice::<Health>(&answer.body).is_ok_and(|h| h.service == "llmsim")
}

/// Returns the failure for a target that was not even asked, because this host has run out of something.
fn out_of_resources(url: &Url, errno: i32) -> Failure {
    let error = std::io::Error::from_raw_os_error(errno);
    let what = format!(
        "target {}: this host cannot open a connection: {error}",
        url.origin()
    );
    let hint = hint_for_shortage(errno).unwrap_or("check the limits of this host");
    Failure::new(ExitCode::Host, Reason::new(what).hint(hint))
}

/// Returns all addresses of the host, each once.
pub fn lookup(url: &Url) -> Result<Vec<SocketAddr>, ProbeError> {
    let (host, port) = (url.host.clone(), url.port);
    let found = if host.contains(':') || host.parse::<IpAddr>().is_ok() {
        (host.as_str(), port).to_socket_addrs()
    } else {
        // The C library's lookup has no time limit, so it runs in a thread that may be left behind.
        let (sender, receiver) = crossbeam_channel::bounded(1);
        std::thread::spawn(move || sender.send((host.as_str(), port).to_socket_addrs()));
        receiver.recv_timeout(LOOKUP_LIMIT).map_err(|_| {
            let limit = LOOKUP_LIMIT.as_secs();
            ProbeError::Unreachable(format!("no answer from DNS within {limit} s"))
        })?
    };
    let found = found.map_err(|e| match url.host.split_once('%') {
        // Only the literal has one, and the library says of it that a name is not known.
        Some((address, interface)) => ProbeError::Unreachable(format!(
            "{address} is no address at an interface {} of this host",
            quoted(interface)
        )),
        None => ProbeError::Unreachable(e.to_string()),
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.take(ADDRESSES_MAX) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(ProbeError::Unreachable("the name has no address".to_owned()));
    }
    Ok(addresses)
}

/// Returns the addresses that accept a connection; `localhost` often has one more than the server listens on.
fn reachable(
    url: &Url,
    addresses: Vec<SocketAddr>,
    sources: &[IpAddr],
    notes: &mut Vec<String>,
) -> Result<Vec<SocketAddr>, Failure> {
    let connect = |address: &SocketAddr| blocking_http::accepts(address, sources, PROBE_LIMIT);
    let results: Vec<Result<(), ProbeError>> = match addresses.as_slice() {
        [one] => vec![connect(one)],
        // Concurrently, so that the total wait is one timeout.
        many => std::thread::scope(|scope| {
            let all: Vec<_> = many
                .iter()
                .map(|address| scope.spawn(move || connect(address)))
                .collect();
            all.into_iter()
                .map(|one| {
                    let panicked = |_| Err(ProbeError::Unreachable("probe panicked".to_owned()));
                    one.join().unwrap_or_else(panicked)
                })
                .collect()
        }),
    };
    let mut open = Vec::new();
    let mut dead = Vec::new();
    for (address, result) in addresses.into_iter().zip(results) {
        match result {
            Ok(()) => open.push(address),
            Err(ProbeError::Shortage(errno)) => return Err(out_of_resources(url, errno)),
            Err(reason) => dead.push(format!("{address} {reason}")),
        }
    }
    let dead = dead.join(", ");
    if open.is_empty() {
        return Err(unreachable(url, &ProbeError::Unreachable(dead)));
    }
    if !dead.is_empty() {
        notes.push(format!("target {}: not used: {dead}", url.origin()));
    }
    Ok(open)
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
