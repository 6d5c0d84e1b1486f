use super::*;
use crate::metrics::TlsFailure;
use base64::Engine;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::io::{Read, Write};

#[path = "../../tests/common/certificates.rs"]
mod certificates;
use certificates::{Authority, Identity, Validity};

#[path = "record_tests.rs"]
mod records;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A file that is removed at the end of the test.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> File {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("llmload-tls-{}-{next}.pem", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn target_for(host: &str, pem: &str) -> TlsTarget {
    let file = File::new(pem);
    let options = TlsOptions {
        cacert: Some(file.0.clone()),
        insecure: false,
    };
    TlsTarget::new(host, &options).unwrap()
}

struct Pair {
    client: TlsConnection,
    pool: Pool,
    server: ServerConnection,
    plain: Vec<u8>,
}

impl Pair {
    fn new(target: &TlsTarget, server: &Arc<ServerConfig>) -> Pair {
        let pool = Pool::default();
        Pair {
            client: TlsConnection::new(target, &pool).unwrap(),
            pool,
            server: ServerConnection::new(server.clone()).unwrap(),
            plain: Vec::new(),
        }
    }

    /// Delivers the client's output to the server. Returns the server's answer, which is not delivered yet.
    fn send_from_client(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.client.take_output(&mut bytes);
        self.deliver_to_server(&bytes);
        self.server_says()
    }

    fn deliver_to_server(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.server.read_tls(&mut bytes).unwrap();
            // It refuses with an alert, which the client must notice.
            let _ = self.server.process_new_packets();
        }
    }

    fn server_says(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    fn feed(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            self.client.feed(&mut piece.to_vec(), &mut self.plain);
        }
    }

    fn handshake(&mut self, piece: usize) {
        while self.client.is_handshaking() && self.client.end().is_none() {
            let flight = self.send_from_client();
            assert!(!flight.is_empty() || self.client.end().is_some(), "stuck");
            self.feed(&flight, piece);
        }
    }

    /// Returns the bytes that the server reads when the client sends `request`.
    fn request(&mut self, request: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.client.encrypt(request, &mut bytes);
        let mut read = Vec::new();
        for piece in bytes.chunks(4_000) {
            self.deliver_to_server(piece);
            // An error only means that there is no more for now.
            let _ = self.server.reader().read_to_end(&mut read);
        }
        read
    }

    /// Returns the server's pending output, and one record with all of `answer`.
    fn answer_in_one(&mut self, answer: &[u8]) -> Vec<u8> {
        let mut bytes = self.server_says();
        self.server.writer().write_all(answer).unwrap();
        bytes.extend(self.server_says());
        bytes
    }

    /// Returns the server's pending output, and its records with `answer`.
    fn answer(&mut self, answer: &[u8]) -> Vec<u8> {
        let mut bytes = self.server_says();
        for piece in answer.chunks(16_000) {
            self.server.writer().write_all(piece).unwrap();
            bytes.extend(self.server_says());
        }
        bytes
    }
}

fn trusted(versions: &[&'static SupportedProtocolVersion]) -> (TlsTarget, Arc<ServerConfig>) {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost", "127.0.0.1", "::1"], Validity::Now);
    let target = target_for("localhost", &authority.pem).for_user();
    (target, Arc::new(identity.server(versions)))
}

#[test]
fn a_flight_of_the_handshake_may_be_cut_at_every_byte() {
    for version in VERSIONS {
        let (target, server) = trusted(&[version]);
        let mut cut = 1;
        loop {
            // There is no session to resume, so that each handshake is a full one.
            let mut pair = Pair::new(&target.for_user(), &server);
            let flight = pair.send_from_client();
            if cut >= flight.len() {
                break;
            }
            let (head, tail) = flight.split_at(cut);
            pair.feed(head, head.len());
            assert_eq!(pair.client.end(), None, "cut at {cut}");
            pair.feed(tail, tail.len());
            pair.handshake(usize::MAX);
            assert!(
                !pair.client.is_handshaking() && pair.client.end().is_none(),
                "cut at {cut}"
            );
            // The certificate is the longest part, and need not be cut at every byte.
            cut += if cut > 200 && cut + 200 < flight.len() {
                7
            } else {
                1
            };
        }
        assert!(cut > 400, "a flight of {cut} bytes contains no certificate");
    }
}

#[test]
fn records_of_16_kib_and_requests_of_any_length_survive_any_cut() {
    let answer: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let request = vec![b'r'; 200_000];
    for version in VERSIONS {
        let (target, server) = trusted(&[version]);
        for piece in [1, 7, 333, 2_048, 5_000, 1 << 20] {
            let mut pair = Pair::new(&target, &server);
            pair.handshake(piece);
            assert_eq!(pair.request(&request).len(), request.len());
            let bytes = pair.answer(&answer);
            pair.feed(&bytes, piece);
            assert!(pair.plain == answer, "in pieces of {piece}");
            assert_eq!(pair.client.end(), None);
        }
    }
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    for version in VERSIONS {
        let (target, server) = trusted(&[version]);
        for expected in [false, true, true] {
            let mut pair = Pair::new(&target, &server);
            pair.handshake(usize::MAX);
            assert_eq!(pair.request(b"GET /"), b"GET /");
            let bytes = pair.answer(b"ok");
            pair.feed(&bytes, usize::MAX);
            assert_eq!(pair.plain, b"ok");
            assert_eq!(pair.client.is_resumed(), expected, "{version:?}");
        }
        let mut other = Pair::new(&target.for_user(), &server);
        other.handshake(usize::MAX);
        assert!(!other.client.is_resumed(), "users share nothing");
    }
}

#[test]
fn an_announced_end_differs_from_a_cut_and_keeps_the_data_before_it() {
    let (target, server) = trusted(&[&TLS13]);
    let mut pair = Pair::new(&target, &server);
    pair.handshake(usize::MAX);
    pair.request(b"x");
    let mut bytes = pair.answer(b"last words");
    pair.feed(&bytes[..bytes.len() - 1], usize::MAX);
    assert_eq!((pair.plain.as_slice(), pair.client.end()), (&b""[..], None));
    bytes.drain(..bytes.len() - 1);
    pair.server.send_close_notify();
    bytes.extend(pair.server_says());
    bytes.extend(b"and what nobody should read");
    pair.feed(&bytes, usize::MAX);
    assert_eq!(pair.plain, b"last words");
    assert_eq!(pair.client.end(), Some(TlsEnd::Closed));
}

#[test]
fn a_key_update_in_the_middle_changes_nothing() {
    let (target, server) = trusted(&[&TLS13]);
    let mut pair = Pair::new(&target, &server);
    pair.handshake(usize::MAX);
    pair.request(b"x");
    let mut bytes = pair.answer(b"one ");
    pair.server.refresh_traffic_keys().unwrap();
    bytes.extend(pair.answer(b"two"));
    pair.feed(&bytes, 3);
    assert_eq!(
        (pair.plain.as_slice(), pair.client.end()),
        (&b"one two"[..], None)
    );
    assert_eq!(pair.request(b"again"), b"again");
}

#[test]
fn a_first_byte_that_is_not_tls_and_a_damaged_record_are_recognised() {
    let (target, server) = trusted(&[&TLS13]);
    let mut pair = Pair::new(&target, &server);
    pair.feed(b"HTTP/1.1 400 Bad Request\r\n", 1);
    assert_eq!(pair.client.end(), Some(TlsEnd::Failed(TlsFailure::PlainText)));
    let mut bytes = Vec::new();
    pair.client.close(&mut bytes);
    assert!(bytes.is_empty(), "no TLS to a peer that does not use it");

    let mut pair = Pair::new(&target, &server);
    pair.handshake(usize::MAX);
    pair.request(b"x");
    let mut bytes = pair.answer(b"good");
    let good = bytes.len();
    bytes.extend(pair.answer(b"bad"));
    bytes[good + 7] ^= 1;
    pair.feed(&bytes, usize::MAX);
    assert_eq!(pair.plain, b"good");
    assert_eq!(pair.client.end(), Some(TlsEnd::Failed(TlsFailure::Broken)));
    let mut bytes = Vec::new();
    pair.client.close(&mut bytes);
    assert!(!bytes.is_empty(), "an alert");
}

fn outcome(target: &TlsTarget, server: ServerConfig) -> Option<TlsEnd> {
    let mut pair = Pair::new(target, &Arc::new(server));
    pair.handshake(usize::MAX);
    pair.client.end()
}

#[test]
fn each_unfit_certificate_has_its_own_reason() {
    let authority = Authority::new();
    // Other authorities: one with another name, one with the same name and another key.
    let (stranger, namesake) = (Authority::named("stranger"), Authority::new());
    for (host, identity, expected) in [
        ("localhost", authority.sign(&["localhost"], Validity::Now), None),
        ("127.0.0.1", authority.sign(&["127.0.0.1"], Validity::Now), None),
        ("::1", authority.sign(&["::1"], Validity::Now), None),
        (
            "localhost",
            authority.sign(&["example.org"], Validity::Now),
            Some(TlsFailure::WrongHost),
        ),
        (
            "127.0.0.1",
            authority.sign(&["localhost"], Validity::Now),
            Some(TlsFailure::WrongHost),
        ),
        (
            "localhost",
            authority.sign(&["localhost"], Validity::Past),
            Some(TlsFailure::Expired),
        ),
        (
            "localhost",
            authority.sign(&["localhost"], Validity::Future),
            Some(TlsFailure::NotYetValid),
        ),
        (
            "localhost",
            Identity::self_signed(&["localhost"], false),
            Some(TlsFailure::SelfSigned),
        ),
        (
            "localhost",
            Identity::self_signed(&["localhost"], true),
            Some(TlsFailure::SelfSigned),
        ),
        (
            "localhost",
            stranger.sign(&["localhost"], Validity::Now),
            Some(TlsFailure::UnknownIssuer),
        ),
        (
            "localhost",
            namesake.sign(&["localhost"], Validity::Now),
            Some(TlsFailure::UnknownIssuer),
        ),
    ] {
        for version in VERSIONS {
            let target = target_for(host, &authority.pem);
            let end = outcome(&target, identity.server(&[version]));
            assert_eq!(end, expected.map(TlsEnd::Failed), "{host} {version:?}");
            let any = TlsOptions {
                cacert: None,
                insecure: true,
            };
            let any = TlsTarget::new(host, &any).unwrap();
            assert!(!any.verified);
            assert_eq!(outcome(&any, identity.server(&[version])), None, "--insecure");
        }
    }
}

fn pem(certificate: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[test]
fn a_self_signed_certificate_may_be_trusted_by_itself() {
    let own = Identity::self_signed(&["localhost"], false);
    let target = target_for("localhost", &pem(&own.chain[0]));
    assert_eq!(outcome(&target, own.server(&[&TLS13])), None);
}

#[test]
fn a_server_without_http_1_or_a_common_version_says_so() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"], Validity::Now);
    let target = target_for("localhost", &authority.pem);
    let mut h2 = identity.server(&[&TLS13]);
    h2.alpn_protocols = vec![b"h2".to_vec()];
    assert_eq!(outcome(&target, h2), Some(TlsEnd::Failed(TlsFailure::NoHttp1)));
    // A fatal alert (level 2, description 70) as a TLS 1.0 server sends it.
    let mut connection = TlsConnection::new(&target, &Pool::default()).unwrap();
    connection.feed(&mut [21, 3, 1, 0, 2, 2, 70], &mut Vec::new());
    assert_eq!(
        connection.end(),
        Some(TlsEnd::Failed(TlsFailure::ProtocolMismatch))
    );
}

#[test]
fn unusable_trusted_certificates_are_errors_with_place_and_reason() {
    let options = TlsOptions {
        cacert: Some(PathBuf::from("no/such/file.pem")),
        insecure: false,
    };
    let error = TlsTarget::new("localhost", &options).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("error: --cacert: `no/such/file.pem`: cannot be read"),
        "{error}"
    );
    for (text, part) in [
        ("no pem at all", "contains no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1: ",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate 1: "),
    ] {
        let file = File::new(text);
        let options = TlsOptions {
            cacert: Some(file.0.clone()),
            insecure: false,
        };
        let error = TlsTarget::new("localhost", &options).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = TlsTarget::new("-", &TlsOptions::default()).unwrap_err();
    assert!(error.to_string().contains("not a name"), "{error}");
}
