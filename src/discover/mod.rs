//! From what the user typed to a target: which server, which addresses, which paths.

mod paths;
mod url;
mod validate;

pub use url::Url;
pub use validate::{Question, VALIDATION_LIMIT, validate};

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::api::Api;
use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::paths::Places;
use crate::error::{ExitCode, Failure, Place, Reason, printable};
use crate::http1::check_path;
use crate::tls::{TlsOptions, TlsTarget};
use crate::workload::{NamedPaths, Target};

/// For one question, connecting included.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// For a name: the resolver's own default is two rounds of 5 s.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// Addresses of one name; more are left out.
pub const ADDRESSES_MAX: usize = 64;

/// Path of the simulator's statistics.
pub const STATS_PATH: &str = "/llmsim/stats";

/// Whether a run could go to this URL, an API of the path included. What is wrong is said without its user and query.
pub fn check_url(text: &str) -> Result<(), Reason> {
    paths::check(&Url::read(text)?.path)
}

/// The API that the path of a URL names, if it names one.
pub fn api_of(url: &str) -> Option<Api> {
    Api::of_path(&Url::read(url).ok()?.path)
}

/// What is at a port of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtPort {
    Nothing,
    /// Its `/health` answers 200.
    HealthyServer,
}

/// Asks the port whether a healthy server is there. Anything else that is there is an error.
pub fn at_port(port: u16) -> Result<AtPort, Failure> {
    match health_of(port) {
        Ok(answer) if answer.status == 200 => Ok(AtPort::HealthyServer),
        Err(ProbeError::Refused) => Ok(AtPort::Nothing),
        Ok(answer) => Err(taken(port, &format!("answers {}", answer.status))),
        Err(e) => Err(taken(port, &format!("says: {e}"))),
    }
}

/// What was asked for makes no sense.
fn unusable(what: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Config, Reason::new(what).hint(hint))
}

/// The server doesn't do what the run needs.
fn unfit(what: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Target, Reason::new(what).hint(hint))
}

fn taken(port: u16, says: &str) -> Failure {
    unfit(
        format!("--port {port}: in use, but not by a healthy server: GET /health {says}"),
        format!(
            "stop it, choose another --port, or run against it as it is: \
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
    };
    peer.get("/health")
}

/// What answers at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Has statistics to compare with: `ServerTotals`.
    Llmsim,
    Other,
}

/// A target that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    pub target: Target,
    pub service: Service,
    /// How it is reached over TLS; `None`: in plain text.
    pub tls: Option<TlsTarget>,
    /// What was chosen for the user, to be printed.
    pub notes: Vec<String>,
}

/// Looks the name up, finds out which addresses answer and, unless the URL names an API path, under which
/// prefix the models list is. `headers` are sent along.
pub fn resolve(url: &str, headers: Vec<(String, String)>) -> Result<Discovery, Failure> {
    let given = Place::option("--target");
    resolve_over(url, &given, None, headers, &TlsOptions::default())
}

/// The same; `given` is where the URL was written, `api` is what it speaks, whatever its path says, and `options` are
/// for an https URL.
pub fn resolve_over(
    url: &str,
    given: &Place,
    api: Option<Api>,
    headers: Vec<(String, String)>,
    options: &TlsOptions,
) -> Result<Discovery, Failure> {
    let url = Url::parse(url, given)?;
    let places = Places::of(&url.path, api).map_err(|reason| given.mistake(reason))?;
    let mut notes = Vec::new();
    let tls = tls_target(&url, options, &mut notes)?;
    let named = lookup(&url).map_err(|e| silent(&url, &e))?;
    let addresses = reachable(&url, named, &mut notes)?;
    let peer = Peer {
        address: addresses[0],
        authority: &url.authority,
        headers: &headers,
        limit: PROBE_LIMIT,
        tls: tls.as_ref(),
    };
    let health = peer.get("/health");
    let service = match &health {
        Ok(answer) if is_llmsim(answer) => Service::Llmsim,
        _ => Service::Other,
    };
    let found = find_api(&url, &peer, &places, service, &health)?;
    if let Some(note) = note_of_api(&url, &places, &found.prefix) {
        notes.push(note);
    }
    let is_healthy = health.is_ok_and(|answer| answer.status == 200);
    let light_paths = light_paths(service, is_healthy, &found);
    let named_paths = named_paths(service, &found, &light_paths[0]);
    let api_path = format!("{}{}{}", found.prefix, places.end, url.query);
    check_path(&api_path).map_err(|e| {
        let reason = Reason::new(e.to_string()).hint("percent-encode the path");
        given.mistake(reason)
    })?;
    Ok(Discovery {
        target: Target {
            api: places.api,
            origin: url.origin(),
            authority: url.authority.clone(),
            addresses,
            api_path,
            light_paths,
            named_paths,
            headers,
        },
        service,
        tls,
        notes,
    })
}

/// The addresses behind a URL, as far as it is one: asks the name service, and nobody else.
pub fn addresses(url: &str) -> Option<Vec<SocketAddr>> {
    lookup(&Url::read(url).ok()?).ok()
}

/// Reads the trusted certificates, if the URL needs them.
fn tls_target(
    url: &Url,
    options: &TlsOptions,
    notes: &mut Vec<String>,
) -> Result<Option<TlsTarget>, Failure> {
    if !url.tls {
        // An https Pushgateway of the same run has its use for the certificates.
        let given = [
            ("--cacert", options.cacert.is_some()),
            ("--insecure", options.insecure),
        ];
        for (option, _) in given.iter().filter(|(_, given)| *given) {
            let origin = url.origin();
            notes.push(format!("target {origin}: plain text, it has no use for {option}"));
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

/// Where the API was found.
struct Found {
    prefix: String,
    /// The models list, if it answered 200.
    models: Option<String>,
    /// The first model of that list.
    model: Option<String>,
}

/// Asks the candidates for their models list. A given prefix is taken whatever it answers, as long as
/// something does.
fn find_api(
    url: &Url,
    peer: &Peer<'_>,
    places: &Places,
    service: Service,
    health: &Result<Answer, ProbeError>,
) -> Result<Found, Failure> {
    let given = || Found {
        prefix: places.candidates[0].clone(),
        models: None,
        model: None,
    };
    if !places.asks_models() {
        return match health {
            Ok(_) => Ok(given()),
            Err(e) => Err(silent(url, e)),
        };
    }
    let mut candidates: Vec<&String> = places.candidates.iter().collect();
    if service == Service::Llmsim {
        // llmsim has its OpenAI routes there and nowhere else: one question instead of two.
        candidates.sort_by_key(|prefix| prefix.as_str() != "/openai/v1");
    }
    let mut answers = Vec::new();
    for prefix in candidates {
        let models = format!("{prefix}/models{}", url.query);
        let answer = peer.get(&models);
        if let Ok(answer) = &answer
            && answer.status == 200
        {
            let model = first_model(&answer.body);
            return Ok(Found {
                prefix: prefix.clone(),
                model: model.map(|id| format!("{prefix}/models/{id}{}", url.query)),
                models: Some(models),
            });
        }
        answers.push((prefix, answer));
    }
    let unanswered = answers.iter().all(|(_, answer)| answer.is_err());
    let first = answers.first().and_then(|(_, answer)| answer.as_ref().err());
    match (first, health) {
        (Some(reason), Err(_)) if unanswered => Err(silent(url, reason)),
        _ if places.given => Ok(given()),
        _ => Err(no_models_list(url, places, &answers)),
    }
}

/// What was chosen for the user. Nothing was where the URL names the whole path of the API that is usual.
fn note_of_api(url: &Url, places: &Places, prefix: &str) -> Option<String> {
    if places.given && places.api == Api::DEFAULT {
        return None;
    }
    let how = if places.given {
        ""
    } else {
        ", found by its models list"
    };
    let (origin, title, end) = (url.origin(), places.api.row().title, places.end);
    Some(format!("target {origin}: {title} at {prefix}{end}{how}"))
}

fn light_paths(service: Service, is_healthy: bool, found: &Found) -> Vec<String> {
    let health = || "/health".to_owned();
    match (service, &found.models) {
        (Service::Llmsim, _) => vec![health(), STATS_PATH.to_owned()],
        (_, Some(models)) if is_healthy => vec![models.clone(), health()],
        (_, Some(models)) => vec![models.clone()],
        (_, None) if is_healthy => vec![health()],
        // Neither answered 200; requests to it will say so, each by its status.
        (_, None) => vec![format!("{}/models", found.prefix)],
    }
}

/// Where GETs that name their path go: at llmsim each to its own, elsewhere all to the models list, or to the
/// light path that there is.
fn named_paths(service: Service, found: &Found, light: &str) -> NamedPaths {
    let models = found.models.as_deref().unwrap_or(light);
    if service != Service::Llmsim {
        return NamedPaths::all(models);
    }
    NamedPaths {
        health: "/health".to_owned(),
        models: models.to_owned(),
        model: found.model.as_deref().unwrap_or(models).to_owned(),
        stats: STATS_PATH.to_owned(),
    }
}

/// Fit for a path as it is: an identifier that would have to be encoded is not used.
fn first_model(list: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct List {
        data: Vec<Model>,
    }
    #[derive(serde::Deserialize)]
    struct Model {
        id: String,
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let list = serde_json::from_slice::<List>(list).ok()?;
    let id = list.data.into_iter().next()?.id;
    (!id.is_empty() && id.bytes().all(plain)).then_some(id)
}

fn is_llmsim(answer: &Answer) -> bool {
    #[derive(serde::Deserialize)]
    struct Health {
        service: String,
    }
    answer.status == 200
        && serde_json::from_slice::<Health>(&answer.body).is_ok_and(|h| h.service == "llmsim")
}

/// Nothing came from the target.
fn silent(url: &Url, reason: &ProbeError) -> Failure {
    let hint = match reason {
        ProbeError::Tls(tls) => tls.hint(),
        _ => "check that the server runs, and its host and port",
    };
    unfit(format!("target {}: never answered: {reason}", url.origin()), hint)
}

fn no_models_list(url: &Url, places: &Places, answers: &[(&String, Result<Answer, ProbeError>)]) -> Failure {
    let tried: Vec<String> = answers
        .iter()
        .map(|(prefix, answer)| match answer {
            Ok(answer) => format!("{prefix}/models: {}", answer.status),
            Err(e) => format!("{prefix}/models: {e}"),
        })
        .collect();
    let message = format!(
        "target {}: no models list found ({})",
        url.origin(),
        printable(&tried.join(", "), 400)
    );
    let status = |wanted: fn(u16) -> bool| {
        answers
            .iter()
            .any(|(_, answer)| answer.as_ref().is_ok_and(|a| wanted(a.status)))
    };
    if status(|status| status >= 500) {
        return unfit(message, "wait until the server is ready");
    }
    let end = places.end;
    let path = format!("name the whole path: --target http://HOST:PORT/PREFIX{end}");
    let hint = if status(|status| matches!(status, 401 | 403)) {
        format!("send the key with --header, or {path}")
    } else {
        path
    };
    unusable(message, hint)
}

/// All addresses of the host, each once.
pub fn lookup(url: &Url) -> Result<Vec<SocketAddr>, ProbeError> {
    let (host, port) = (url.host.clone(), url.port);
    let found = if host.contains(':') || host.parse::<IpAddr>().is_ok() {
        (host.as_str(), port).to_socket_addrs()
    } else {
        // The C library's lookup has no time limit of its own, so it runs aside and may be left behind.
        let (sender, receiver) = crossbeam_channel::bounded(1);
        std::thread::spawn(move || sender.send((host.as_str(), port).to_socket_addrs()));
        receiver.recv_timeout(LOOKUP_LIMIT).map_err(|_| {
            let limit = LOOKUP_LIMIT.as_secs();
            ProbeError::Unreachable(format!("no answer from the name service within {limit} s"))
        })?
    };
    let found = found.map_err(|e| ProbeError::Unreachable(e.to_string()))?;
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

/// Those of the addresses that accept a connection; `localhost` often names one more than the server
/// listens on.
fn reachable(
    url: &Url,
    addresses: Vec<SocketAddr>,
    notes: &mut Vec<String>,
) -> Result<Vec<SocketAddr>, Failure> {
    let connect = |address: &SocketAddr| match TcpStream::connect_timeout(address, PROBE_LIMIT) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Err(ProbeError::Refused.to_string()),
        Err(e) if e.kind() == std::io::ErrorKind::TimedOut => {
            Err(ProbeError::Timeout(PROBE_LIMIT).to_string())
        }
        Err(e) => Err(e.to_string()),
    };
    let results: Vec<Result<(), String>> = match addresses.as_slice() {
        [one] => vec![connect(one)],
        // At once, so that several dead ones cost one limit.
        many => std::thread::scope(|scope| {
            let all: Vec<_> = many
                .iter()
                .map(|address| scope.spawn(move || connect(address)))
                .collect();
            all.into_iter()
                .map(|one| one.join().unwrap_or_else(|_| Err("probe panicked".to_owned())))
                .collect()
        }),
    };
    let mut open = Vec::new();
    let mut dead = Vec::new();
    for (address, result) in addresses.into_iter().zip(results) {
        match result {
            Ok(()) => open.push(address),
            Err(reason) => dead.push(format!("{address} {reason}")),
        }
    }
    let dead = dead.join(", ");
    if open.is_empty() {
        return Err(silent(url, &ProbeError::Unreachable(dead)));
    }
    if !dead.is_empty() {
        notes.push(format!("target {}: left out {dead}", url.origin()));
    }
    Ok(open)
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
