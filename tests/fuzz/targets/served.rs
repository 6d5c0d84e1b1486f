//! Targets for what a server sends.

use super::twins::{self, Body};
use super::{chosen, cuts, pieces};
use crate::agreement::{agree, agree_nearly};
use crate::reading::{check_cuts, read};
use llmload_uring::api::Api;
use llmload_uring::engine::response::{Expected, ResponseReader};
use llmload_uring::http1::{HttpError, Limits, Method, ResponseParser, Step};
use llmload_uring::prometheus::{Line, lines};
use llmload_uring::scrape::held;
use llmload_uring::server_metrics::Vocabulary;
use llmload_uring::sse::{EventParser, Framing, Item};
use llmload_uring::tls::{Pool, TlsConnection, TlsOptions, TlsTarget};
use std::cell::OnceCell;

/// Longer inputs say nothing new, and reading them byte by byte takes long.
const BYTES_MAX: usize = 16 << 10;

/// A whole response, as a run reads it: the same at any cut, every instant in the read that holds its byte.
pub fn response(data: &[u8]) {
    let (which, bytes) = chosen(data);
    if bytes.is_empty() || bytes.len() > BYTES_MAX {
        return;
    }
    let api = Api::ALL[which / 3 % Api::ALL.len()];
    let asked = match which % 3 {
        0 => Expected::Stream(api),
        1 => Expected::Whole(api),
        _ => Expected::Light,
    };
    check_cuts(asked, bytes, &cuts(bytes));
    let mut reader = ResponseReader::new();
    read(&mut reader, asked, bytes, &cuts(bytes));
    let held = reader.held_bytes();
    assert!(
        held <= 64 * 1024 + 4 * bytes.len(),
        "{held} bytes are held of {}",
        bytes.len()
    );
}

/// What the parser of HTTP said.
#[derive(Debug, Default, PartialEq)]
struct Said {
    heads: Vec<String>,
    body: Vec<u8>,
    end: Option<String>,
    /// Bytes that were read.
    read: usize,
}

const LIMITS: Limits = Limits {
    head_bytes_max: 2_000,
    body_bytes_max: 8_000,
    trailer_bytes_max: 300,
    chunk_extension_bytes_max: 100,
    ..Limits::DEFAULT
};

fn http_in(bytes: &[u8], method: Method, cuts: &[usize]) -> Said {
    http_within(bytes, method, cuts, &LIMITS)
}

fn http_within(bytes: &[u8], method: Method, cuts: &[usize], limits: &Limits) -> Said {
    let mut parser = ResponseParser::new();
    parser.begin(method);
    let mut said = Said::default();
    let mut steps = 0;
    for mut piece in pieces(bytes, cuts) {
        loop {
            steps += 1;
            let consumed = match parser.step(piece, limits) {
                Ok(Step::NeedMore) => {
                    said.read += piece.len();
                    break;
                }
                Ok(Step::Interim { consumed, status }) => {
                    said.heads.push(status.to_string());
                    consumed
                }
                Ok(Step::Head { consumed, head }) => {
                    said.heads.push(format!("{head:?}"));
                    consumed
                }
                Ok(Step::Body { consumed, data }) => {
                    assert!(!data.is_empty(), "a body of nothing");
                    said.body.extend_from_slice(data);
                    consumed
                }
                Ok(Step::End { consumed, end }) => {
                    said.end = Some(format!("{end:?}"));
                    said.read += consumed;
                    return said;
                }
                Err(error) => {
                    // After an error the place is that of the read, which depends on the cut.
                    said.read = 0;
                    said.end = Some(kind(error));
                    return said;
                }
            };
            said.read += consumed;
            piece = &piece[consumed..];
        }
        let held = parser.held_bytes();
        assert!(
            held <= 2 * limits.head_bytes_max.max(limits.trailer_bytes_max) + 2_048,
            "{held} bytes are held"
        );
    }
    assert!(
        steps <= 2 * bytes.len() + 8,
        "{steps} steps for {} bytes",
        bytes.len()
    );
    said.end = Some(format!("{:?}", parser.eof().map_err(kind)));
    said
}

fn kind(error: HttpError) -> String {
    format!("{error:?}")
}

/// A head, before which the status is read naively as well.
fn assert_status(single: &Said, bytes: &[u8]) {
    let is_final = single.heads.len() == 1 && single.heads[0].starts_with("Head");
    if let Some(status) = twins::status(bytes).filter(|_| is_final) {
        let said = format!("status: {status},");
        assert!(single.heads[0].contains(&said), "{status}: {:?}", single.heads);
    }
}

/// A chunked body behind a head that is known: what it holds and where it ends is what a naive reading finds.
pub fn chunks(data: &[u8]) {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    if data.len() > BYTES_MAX {
        return;
    }
    let limits = Limits {
        head_bytes_max: 1 << 10,
        chunk_extension_bytes_max: BYTES_MAX,
        trailer_bytes_max: BYTES_MAX,
        body_bytes_max: BYTES_MAX as u64,
        ..Limits::DEFAULT
    };
    let bytes = [HEAD, data].concat();
    let naive = twins::chunked(data);
    for cuts in [Vec::new(), cuts(&bytes)] {
        let said = http_within(&bytes, Method::Get, &cuts, &limits);
        let end = said.end.as_deref().unwrap_or_default();
        match &naive {
            Body::Whole(body, taken) => {
                assert!(
                    said.end.is_some() && said.body == *body,
                    "{said:?}, naively {naive:?}"
                );
                assert_eq!(said.read, HEAD.len() + taken, "{said:?}");
                assert!(end.starts_with("End") || end.starts_with("Ok"), "{said:?}");
            }
            Body::Open | Body::Wrong => {
                assert!(
                    !end.starts_with("End") && !end.starts_with("Ok"),
                    "{said:?}, naively {naive:?}"
                );
                let is_early = matches!(naive, Body::Wrong) || !end.starts_with("Err");
                assert!(is_early || said.read == bytes.len(), "{said:?}");
            }
        }
    }
}

/// One response by the parser of HTTP alone.
pub fn http(data: &[u8]) {
    let (which, bytes) = chosen(data);
    if bytes.len() > BYTES_MAX {
        return;
    }
    let method = [Method::Get, Method::Head, Method::Post][which % 3];
    let every: Vec<usize> = (1..bytes.len()).collect();
    let single = http_in(bytes, method, &every);
    assert_status(&single, bytes);
    for cuts in [Vec::new(), cuts(bytes)] {
        let cut = http_in(bytes, method, &cuts);
        match single.end == cut.end && single.end.as_deref().is_some_and(|end| !end.starts_with("End")) {
            // What came of a body before an error is not counted, and depends on the cut.
            true => assert_eq!(single.heads, cut.heads, "cut at {cuts:?}"),
            false => assert_eq!(single, cut, "cut at {cuts:?}"),
        }
    }
}

const EVENT_BYTES_MAX: usize = 3_000;

/// The items of a stream, and whether it ended within one, or the error.
fn events_in(bytes: &[u8], framing: Framing, cuts: &[usize]) -> (Vec<String>, Result<bool, String>) {
    let mut parser = EventParser::new(framing);
    let (mut items, mut steps) = (Vec::new(), 0);
    for mut piece in pieces(bytes, cuts) {
        loop {
            steps += 1;
            let consumed = match parser.step(piece, EVENT_BYTES_MAX) {
                Err(error) => return (items, Err(error.to_string())),
                Ok((consumed, None)) => {
                    assert_eq!(consumed, piece.len(), "without an item all input is taken");
                    break;
                }
                Ok((consumed, Some(item))) => {
                    items.push(shown(item));
                    consumed
                }
            };
            piece = &piece[consumed..];
        }
        let held = parser.held_bytes();
        assert!(held <= 4 * EVENT_BYTES_MAX + 8_192, "{held} bytes are held");
    }
    assert!(
        steps <= 2 * bytes.len() + 2,
        "{steps} steps for {} bytes",
        bytes.len()
    );
    (items, Ok(parser.pending_event()))
}

fn shown(item: Item<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match item {
        Item::Event { name, data } => format!("{}: {}", text(name), text(data)),
        Item::UnknownField { name, value } => format!("? {}: {}", text(name), text(value)),
        other => format!("{other:?}"),
    }
}

/// A stream of server-sent events, or of JSON lines.
pub fn events(data: &[u8]) {
    let (which, bytes) = chosen(data);
    if bytes.len() > BYTES_MAX {
        return;
    }
    let framing = [Framing::Events, Framing::Lines][which % 2];
    let every: Vec<usize> = (1..bytes.len()).collect();
    let single = events_in(bytes, framing, &every);
    let naive = match framing {
        Framing::Events => twins::events(bytes),
        Framing::Lines => twins::lines(bytes),
    };
    match &single.1 {
        Ok(_) => assert_eq!(single.0, naive, "naively"),
        Err(error) => {
            assert!(bytes.len() > EVENT_BYTES_MAX, "{error}, of {} bytes", bytes.len());
            assert!(naive.starts_with(&single.0), "{single:?}, naively {naive:?}");
        }
    }
    for cuts in [Vec::new(), cuts(bytes)] {
        assert_eq!(single, events_in(bytes, framing, &cuts), "cut at {cuts:?}");
    }
}

/// One event, read as that of each API: fast and plainly.
pub fn event(data: &[u8]) {
    let names: [&[u8]; 6] = [
        b"message",
        b"content_block_delta",
        b"message_delta",
        b"response.output_text.delta",
        b"response.completed",
        b"error",
    ];
    let (which, data) = chosen(data);
    let name = names[which % names.len()];
    agree(name, data);
    let at = data.iter().map(|&byte| usize::from(byte)).sum();
    agree_nearly(name, data, at);
}

/// Metrics of a server.
pub fn exposition(data: &[u8]) {
    let mut count = 0;
    for line in lines(data) {
        count += 1;
        match line {
            Ok(Line::Sample(sample)) => {
                assert!(!sample.name.is_empty() && sample.name.len() <= data.len());
                let labels: Vec<_> = sample.labels.iter().collect();
                for (name, value) in labels {
                    assert!(!name.is_empty() && value.len() <= data.len());
                }
            }
            Ok(Line::Type(name, _)) => assert!(!name.is_empty()),
            Err(bad) => assert!(bad.line >= 1 && !bad.why.is_empty()),
        }
    }
    assert!(count <= 1 + data.iter().filter(|byte| **byte == b'\n').count());
    let reading = Vocabulary::new(&["vllm:x".to_owned(), "x_total".to_owned()]).read(data);
    assert!(reading.samples + reading.bad_lines <= count as u64, "{reading:?}");
    if let Some(held) = held(data) {
        assert!(held.running >= 0.0 && held.waiting >= 0.0, "{held:?}");
    }
}

/// Records of TLS from a peer that has not said hello, cut anywhere: an end with a reason, or a wait for more.
pub fn tls(data: &[u8]) {
    thread_local! {
        static TARGET: OnceCell<TlsTarget> = const { OnceCell::new() };
    }
    let make = || {
        let options = TlsOptions {
            cacert: None,
            insecure: true,
        };
        TlsTarget::new("localhost", &options).expect("a name")
    };
    let target = TARGET.with(|target| target.get_or_init(make).for_user());
    let pool = Pool::default();
    let mut connection = TlsConnection::new(&target, &pool).expect("a connection");
    let mut plain = Vec::new();
    for piece in pieces(data, &cuts(data)) {
        connection.feed(&mut piece.to_vec(), &mut plain);
        let held = connection.held_bytes();
        assert!(held <= 128 << 10, "{held} bytes are held");
        if connection.end().is_some() {
            break;
        }
    }
    assert!(plain.is_empty(), "nothing can be read before a handshake");
}
