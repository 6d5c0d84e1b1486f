//! Nothing came that could be read: because nobody is there, or because one side speaks TLS and the other does not.

use std::time::Duration;

use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::{Url, lacking, unfit, unreachable};
use crate::error::{Failure, lossless};
use crate::http1::{HttpError, Method};
use crate::metrics::TlsFailure;
use crate::tls::{TlsOptions, TlsTarget};

/// For the second question, in the other way of speaking.
const SECOND_LIMIT: Duration = Duration::from_secs(3);

/// Whether a server says, in plain text, that it wants TLS: nginx, Apache and the servers in Go do.
pub(super) fn says_tls(answer: &Answer) -> bool {
    let text = lossless(&answer.body).to_lowercase();
    let parts = ["plain http", "http request to an https"];
    answer.status == 400 && parts.iter().any(|part| text.contains(part))
}

/// The port speaks TLS, and the URL does not.
pub(super) fn wants_tls(url: &Url) -> Failure {
    let origin = url.origin();
    unfit(
        format!("target {origin}: the server speaks TLS on this port: write https:// in place of http://"),
        format!("name it https://{}:{}", bare_authority(url), url.port),
    )
}

fn wants_plain(url: &Url) -> Failure {
    let (origin, failure) = (url.origin(), TlsFailure::PlainText);
    unfit(
        format!(
            "target {origin}: tls_failed ({}): {}: write http:// in place of https://",
            failure.name(),
            failure.text()
        ),
        format!("name it http://{}:{}", bare_authority(url), url.port),
    )
}

/// Without the port, which the other scheme would read in another way where it is left out.
fn bare_authority(url: &Url) -> &str {
    let port = format!(":{}", url.port);
    url.authority
        .strip_suffix(port.as_str())
        .unwrap_or(&url.authority)
}

/// `peer` gave no answer, because of `reason`. Asks once more in the other way of speaking where that may be why.
pub(super) fn silent(url: &Url, peer: &Peer<'_>, reason: &ProbeError) -> Failure {
    match reason {
        ProbeError::Http(HttpError::TlsRecord) => return wants_tls(url),
        ProbeError::Tls(TlsFailure::PlainText) => return wants_plain(url),
        ProbeError::Lack(errno) => return lacking(url, *errno),
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
        _ => "check that the server runs, and its host and port",
    };
    unfit(format!("target {}: never answered: {reason}", url.origin()), hint)
}

/// Whatever its certificate is. No header goes out: nobody has said yet whom we talk to.
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
    match second.exchange_into(&mut answer, Method::Get, "/health", None) {
        // Whatever ended it then, something came through.
        _ if answer.status != 0 => true,
        Ok(()) | Err(ProbeError::Http(_)) => true,
        Err(ProbeError::Tls(failure)) => !matches!(
            failure,
            TlsFailure::PlainText | TlsFailure::Closed | TlsFailure::Broken
        ),
        Err(_) => false,
    }
}

/// No header goes out: it may be a secret, and is for a connection that nobody else reads.
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
    fn servers_that_ask_for_https_in_plain_text_are_understood() {
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
    fn a_plain_server_that_closes_on_a_handshake_is_told_as_plain() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = peer(&listener);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0u8; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        });
        let url = Url::read(&format!("https://{}", peer.address)).unwrap();
        let failure = silent(&url, &peer, &ProbeError::Tls(TlsFailure::Closed)).to_string();
        server.join().unwrap();
        assert!(failure.contains("plain text on this port"), "{failure}");
        assert!(failure.contains("write http://"), "{failure}");
    }

    #[test]
    fn a_server_that_just_closes_is_not_taken_for_one_that_speaks_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = peer(&listener);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0u8; 4096]);
        });
        let url = Url::read(&format!("http://{}", peer.address)).unwrap();
        let failure = silent(&url, &peer, &ProbeError::Http(HttpError::EmptyReply)).to_string();
        server.join().unwrap();
        assert!(failure.contains("never answered"), "{failure}");
    }
}
