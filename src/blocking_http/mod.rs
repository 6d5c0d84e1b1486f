//! Sends one small request at a time over a blocking socket: health checks, models lists, statistics, pushes. Nothing
//! here is part of a measurement.

mod connect;
mod wire;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::blocking_http::wire::Wire;
use crate::error::{lossless, printable};
use crate::http1::{Body, ContentType, HttpError, Limits, Method, ResponseParser, Step, encode, location};
use crate::metrics::TlsFailure;
use crate::tls::TlsTarget;
pub use connect::accepts;

/// The largest body of an answer. The models list of a gateway with thousands of models fits.
pub const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const LIMITS: Limits = Limits {
    body_bytes_max: ANSWER_BYTES_MAX,
    ..Limits::DEFAULT
};
/// The number of characters of an answer that an error shows.
const SHOWN_CHARS_MAX: usize = 80;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status code; 0 until the head has arrived.
    pub status: u16,
    pub content_type: ContentType,
    /// The target of a redirect.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the beginning of the body, safe for a terminal.
    pub fn excerpt(&self) -> String {
        printable(&lossless(&self.body), SHOWN_CHARS_MAX)
    }
}

/// The reasons why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeError {
    Refused,
    Unreachable(String),
    /// This host ran out of ports, descriptors or memory, or forbids the call; holds errno.
    Shortage(i32),
    Timeout(Duration),
    /// The connection was reset before the answer ended.
    Reset,
    /// The TLS handshake failed, or the TLS connection broke.
    Tls(TlsFailure),
    /// The answer was cut off, is too long, or is not HTTP/1.
    Http(HttpError),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeError::Refused => f.write_str("connection refused"),
            ProbeError::Unreachable(reason) => f.write_str(reason),
            ProbeError::Shortage(errno) => std::io::Error::from_raw_os_error(*errno).fmt(f),
            ProbeError::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            ProbeError::Reset => f.write_str("connection reset"),
            ProbeError::Http(HttpError::TlsRecord) => {
                f.write_str("the server answers with TLS on this port: write https:// instead of http://")
            }
            ProbeError::Tls(reason) => write!(f, "tls_failed ({}): {}", reason.name(), reason.text()),
            ProbeError::Http(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProbeError {}

/// The server to ask, and the time limit for a whole exchange.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    pub address: SocketAddr,
    /// Value of the Host header.
    pub authority: &'a str,
    /// Additional headers, already validated.
    pub headers: &'a [(String, String)],
    pub limit: Duration,
    /// `None` for plain text.
    pub tls: Option<&'a TlsTarget>,
    /// The addresses of this host that the load connects from; empty if the system chooses.
    pub sources: &'a [IpAddr],
}

impl Peer<'_> {
    /// Sends `GET path`.
    pub fn get(&self, path: &str) -> Result<Answer, ProbeError> {
        let mut answer = Answer::default();
        self.exchange(&mut answer, Method::Get, path, None)?;
        Ok(answer)
    }

    /// Sends `GET path`, whose answer may have so many bytes.
    pub fn get_long(&self, path: &str, bytes_max: u64) -> Result<Answer, ProbeError> {
        let limits = Limits {
            body_bytes_max: bytes_max,
            ..Limits::DEFAULT
        };
        let mut answer = Answer::default();
        self.exchange_within(&mut answer, (Method::Get, path, None), &limits)?;
        Ok(answer)
    }

    /// Sends a request and puts the response in `answer`, which has whatever arrived even if the exchange fails.
    pub fn exchange(
        &self,
        answer: &mut Answer,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
    ) -> Result<(), ProbeError> {
        self.exchange_within(answer, (method, path, body), &LIMITS)
    }

    fn exchange_within(
        &self,
        answer: &mut Answer,
        (method, path, body): (Method, &str, Option<Body<'_>>),
        limits: &Limits,
    ) -> Result<(), ProbeError> {
        let deadline = Instant::now() + self.limit;
        let mut headers = self.headers.to_vec();
        headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut request = Vec::new();
        encode(&mut request, method, path, self.authority, &headers, body);
        let mut parser = ResponseParser::new();
        parser.begin(method);
        let mut wire = Wire::connect(self, deadline)?;
        // A server may answer with a refusal while the request is still being sent: read it even if sending failed.
        let sent = wire.send(&request);
        let received = read(&mut wire, &mut parser, answer, limits);
        if !self.sources.is_empty() {
            wire.await_close();
        }
        match (sent, received) {
            (Err(e), Err(_)) => Err(e),
            (_, received) => received,
        }
    }
}

fn read(
    wire: &mut Wire,
    parser: &mut ResponseParser,
    answer: &mut Answer,
    limits: &Limits,
) -> Result<(), ProbeError> {
    let mut head = Vec::new();
    loop {
        let bytes = wire.receive()?;
        if bytes.is_empty() {
            parser.eof().map_err(ProbeError::Http)?;
            return Ok(());
        }
        if consume(parser, bytes, &mut head, answer, limits)? {
            return Ok(());
        }
    }
}

/// Adds `input` to the answer; returns true when the answer is complete.
fn consume(
    parser: &mut ResponseParser,
    mut input: &[u8],
    head_bytes: &mut Vec<u8>,
    answer: &mut Answer,
    limits: &Limits,
) -> Result<bool, ProbeError> {
    loop {
        let consumed = match parser.step(input, limits).map_err(ProbeError::Http)? {
            Step::NeedMore => {
                if answer.status == 0 {
                    // At most what the parser allows a head to have.
                    head_bytes.extend_from_slice(input);
                }
                return Ok(false);
            }
            Step::End { .. } => return Ok(true),
            Step::Interim { consumed, .. } => consumed,
            Step::Head { consumed, head } => {
                answer.status = head.status;
                answer.content_type = head.content_type;
                head_bytes.extend_from_slice(&input[..consumed]);
                if (300..400).contains(&head.status) {
                    answer.location = location(head_bytes).map(|location| lossless(location).into_owned());
                }
                consumed
            }
            Step::Body { consumed, data } => {
                answer.body.extend_from_slice(data);
                consumed
            }
        };
        input = &input[consumed..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Starts a server that answers a connection with `bytes`, in pieces of `piece` bytes.
    fn answer(bytes: &'static [u8], piece: usize) -> Result<Answer, ProbeError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0u8; 4096];
            let _ = stream.read(&mut request);
            bytes
                .chunks(piece)
                .for_each(|piece| stream.write_all(piece).unwrap());
        });
        let peer = Peer {
            address,
            authority: "x",
            headers: &[("X-Key".to_owned(), "v".to_owned())],
            limit: Duration::from_secs(20),
            tls: None,
            sources: &[],
        };
        let answer = peer.get("/");
        server.join().unwrap();
        answer
    }

    #[test]
    fn answers_are_read_with_every_framing_and_at_every_cut() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..],
            b"HTTP/1.0 200 OK\r\n\r\nok",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
        ] {
            for piece in [1, 7, 1000] {
                let answer = answer(bytes, piece).unwrap();
                assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
            }
        }
    }

    #[test]
    fn tls_other_protocols_and_cut_answers_are_distinguished_from_http() {
        assert_eq!(
            answer(&[0x15, 0x03, 0x01, 0, 2, 2, 70], 100),
            Err(ProbeError::Http(HttpError::TlsRecord))
        );
        assert_eq!(
            answer(b"SSH-2.0-x\r\n", 100),
            Err(ProbeError::Http(HttpError::BadStatusLine))
        );
        assert_eq!(answer(b"", 1), Err(ProbeError::Http(HttpError::EmptyReply)));
    }

    #[test]
    fn a_closed_port_is_refused_and_a_silent_one_times_out() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = Peer {
            address: listener.local_addr().unwrap(),
            authority: "x",
            headers: &[],
            limit: Duration::from_millis(30),
            tls: None,
            sources: &[],
        };
        assert_eq!(peer.get("/"), Err(ProbeError::Timeout(peer.limit)));
        drop(listener);
        peer.limit = Duration::from_secs(5);
        assert_eq!(peer.get("/"), Err(ProbeError::Refused));
    }

    #[test]
    fn an_endless_answer_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 65536]).is_ok() {}
        });
        let peer = Peer {
            address,
            authority: "x",
            headers: &[],
            limit: Duration::from_secs(20),
            tls: None,
            sources: &[],
        };
        assert_eq!(peer.get("/"), Err(ProbeError::Http(HttpError::TooLarge)));
        server.join().unwrap();
    }
}
