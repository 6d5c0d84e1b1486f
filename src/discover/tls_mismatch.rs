//! Explains why nothing came that could be read: nobody is there, or only one of the two sides speaks TLS.

use std::time::Duration;

use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::{Url, out_of_resources, unfit, unreachable};
use crate::error::{Failure, lossless};
use crate::http1::{HttpError, Method};
use crate::metrics::TlsFailure;
use crate::tls::{TlsOptions, TlsTarget};

/// The time limit for asking a second time, with TLS instead of plain text or the other way round.
const SECOND_LIMIT: Duration = Duration::from_secs(3);

/// Tells whether a server says, in plain text, that it wants TLS, as nginx, Apache and the servers in Go do.
pub(super) fn says_tls(answer: &Answer) -> bool {
    let text = lossless(&answer.body).to_lowercase();
    let parts = ["plain http", "http request to an https"];
    answer.status == 400 && parts.iter().any(|part| text.contains(part))
}

/// Returns the failure for a port that speaks TLS behind a URL without it.
pub(super) fn wants_tls(url: &Url) -> Failure {
    let origin = url.origin();
    unfit(
        format!("target {origin}: the server speaks TLS on this port, but the URL begins with http://"),
        format!("use https://{}:{}", bare_authority(url), url.port),
    )
}

/// Returns the failure for a port that speaks plain text behind an https URL.
fn wants_plain(url: &Url) -> Failure {
    let (origin, failure) = (url.origin(), TlsFailure::PlainText);
    unfit(
        format!(
            "target {origin}: tls_failed ({}): {}, but the URL begins with https://",
            failure.name(),
            failure.text()
        ),
        format!("use http://{}:{}", bare_authority(url), url.port),
    )
}

/// Returns the authority without its port, because an absent port means another one in the other scheme.
fn bare_authority(url: &Url) -> &str {
    let port = format!(":{}", url.port);
    url.authority
        .strip_suffix(port.as_str())
        .unwrap_or(&url.authority)
}

/// Returns the failure for a peer that gave no answer because of `reason`. If TLS may be the cause, it asks once more,
/// with TLS instead of plain text or the other way round.
pub(super) fn no_answer(url: &Url, peer: &Peer<'_>, reason: &ProbeError) -> Failure {
    match reason {
        ProbeError::Http(HttpError::TlsRecord) => return wants_tls(url),
        ProbeError::Tls(TlsFailure::PlainText) => return wants_plain(url),
        ProbeError::Shortage(errno) => return out_of_resources(url, *errno),
        ProbeError::Refused | ProbeError::Unreachable(_) => return unreachable(url, reason),
        _ => {}
    }
    if !url.tls && answers_tls(url, peer) {
        return wants_tls(url);
    }
    let may_be_plain = matches!(
        reason,
        ProbeError::Tls(TlsFailure::Closed | TlsFailure::Broken) | ProbeError::Timeout(_) | ProbeError::Reset
    );
    if url.tls && may_be_plain && answers_plain(peer) {
        return wants_plain(url);
    }
    let hint = match reason {
        ProbeError::Tls(tls) => tls.hint(),
        _ => "check that the server is running, and its host and port",
    };
    unfit(format!("target {}: never answered: {reason}", url.origin()), hint)
}

/// Tells whether the port speaks TLS, whatever its certificate is. No header is sent, because the peer is not known
/// yet.
fn answers_tls(url: &Url, peer: &Peer<'_>) -> bool {
    let options = TlsOptions {
        cacert: None,
        insecure: true,
    };
    let Ok(target) = TlsTarget::new(&url.host, &options) else {
        return false;
    };
    let second = Peer {
        headers: &[],
        limit: SECOND_LIMIT,
        tls: Some(&target),
        ..*peer
    };
    let mut answer = Answer::default();
    match second.exchange(&mut answer, Method::Get, "/health", None) {
        // Whatever ended the exchange after a status, TLS worked.
        _ if answer.status != 0 => true,
        Ok(()) | Err(ProbeError::Http(_)) => true,
        Err(ProbeError::Tls(failure)) => !matches!(
            failure,
            TlsFailure::PlainText | TlsFailure::Closed | TlsFailure::Broken
        ),
        Err(_) => false,
    }
}

/// Tells whether the port speaks plain text. No header is sent, because it may be a secret that needs an encrypted
/// connection.
fn answers_plain(peer: &Peer<'_>) -> bool {
    let second = Peer {
        headers: &[],
        limit: SECOND_LIMIT,
        tls: None,
        ..*peer
    };
    second.get("/health").is_ok_and(|answer| !says_tls(&answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn peer(listener: &TcpListener) -> Peer<'static> {
        Peer {
            address: listener.local_addr().unwrap(),
            authority: "x",
            headers: &[],
            limit: Duration::from_secs(20),
            tls: None,
            sources: &[],
        }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.into(),
            ..Answer::default()
        }
    }

    #[test]
    fn plain_text_answers_that_ask_for_https_are_recognised() {
        for body in [
            "Client sent an HTTP request to an HTTPS server.\n",
            "<center>The plain HTTP request was sent to HTTPS port</center>",
            "You're speaking plain HTTP to an SSL-enabled server port.",
        ] {
            assert!(says_tls(&answer(400, body)), "{body}");
            assert!(!says_tls(&answer(200, body)), "{body}");
        }
        assert!(!says_tls(&answer(400, "no such model")));
    }

    #[test]
    fn a_plain_server_that_closes_on_a_handshake_is_reported_as_plain() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = peer(&listener);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0u8; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        });
        let url = Url::read(&format!("https://{}", peer.address)).unwrap();
        let failure = no_answer(&url, &peer, &ProbeError::Tls(TlsFailure::Closed)).to_string();
        server.join().unwrap();
        assert!(failure.contains("plain text on this port"), "{failure}");
        assert!(failure.contains("hint: use http://"), "{failure}");
    }

    #[test]
    fn a_server_that_just_closes_is_not_reported_as_a_tls_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = peer(&listener);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0u8; 4096]);
        });
        let url = Url::read(&format!("http://{}", peer.address)).unwrap();
        let failure = no_answer(&url, &peer, &ProbeError::Http(HttpError::EmptyReply)).to_string();
        server.join().unwrap();
        assert!(failure.contains("never answered"), "{failure}");
    }
}
