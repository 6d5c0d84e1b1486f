//! Measures how many stream events per second a core can read: chunk framing alone, and framing with SSE. Takes about
//! 2 seconds.
//!
//! The events have 200 bytes. Each is a chunk, and several come in a read, as a streaming server sends them. Other
//! cases have full reads that cut chunks, as a socket delivers them under load.
#![allow(clippy::print_stdout)] // This program prints a measurement.

use std::hint::black_box;
use std::time::{Duration, Instant};

use llmload_uring::http1::{Limits, Method, ResponseParser, Step};
use llmload_uring::sse::{Item, SseParser};

const EVENT_BYTES: usize = 200;
/// Size of a provided buffer of the ring.
const READ_BYTES: usize = 2048;
const EVENTS_PER_PASS: usize = 8192;
const TIME_PER_CASE: Duration = Duration::from_millis(400);
const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn stream(line_end: &str) -> Vec<u8> {
    let frame = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"\"}}}}]}}{line_end}{line_end}");
    let filler = "x".repeat(EVENT_BYTES - frame.len());
    let event = frame.replace("\"\"", &format!("\"{filler}\""));
    format!("{EVENT_BYTES:x}\r\n{event}\r\n")
        .repeat(EVENTS_PER_PASS)
        .into_bytes()
}

/// Splits a stream into reads that end with a chunk, or into full reads.
fn reads(stream: &[u8], whole_chunks: bool) -> Vec<&[u8]> {
    let chunk_bytes = stream.len() / EVENTS_PER_PASS;
    let read_bytes = match whole_chunks {
        true => READ_BYTES / chunk_bytes * chunk_bytes,
        false => READ_BYTES,
    };
    stream.chunks(read_bytes).collect()
}

/// Parses the reads of one response. Returns the number of body slices or events seen.
fn pass(reads: &[&[u8]], with_sse: bool) -> usize {
    let limits = Limits {
        body_bytes_max: u64::MAX,
        ..Limits::DEFAULT
    };
    let (mut http, mut sse) = (ResponseParser::new(), SseParser::new());
    let mut seen = 0;
    http.begin(Method::Post);
    for read in std::iter::once(&HEAD).chain(reads) {
        let mut rest = black_box(*read);
        loop {
            match http.step(rest, &limits).expect("the stream is valid") {
                Step::Head { consumed, .. } => rest = &rest[consumed..],
                Step::Body { consumed, data } if with_sse => {
                    seen += events(&mut sse, data);
                    rest = &rest[consumed..];
                }
                Step::Body { consumed, data } => {
                    seen += usize::from(!black_box(data).is_empty());
                    rest = &rest[consumed..];
                }
                _ => break,
            }
        }
    }
    seen
}

fn events(sse: &mut SseParser, mut body: &[u8]) -> usize {
    let mut count = 0;
    loop {
        let (consumed, item) = sse.step(body, 1 << 20).expect("events are small");
        match item {
            Some(Item::Event { data, .. }) => count += usize::from(!black_box(data).is_empty()),
            Some(_) => {}
            None => return count,
        }
        body = &body[consumed..];
    }
}

fn main() {
    for (name, line_end, whole_chunks) in [
        ("whole chunks per read, LF", "\n", true),
        ("full reads, chunks cut, LF", "\n", false),
        ("whole chunks per read, CRLF", "\r\n", true),
    ] {
        let stream = stream(line_end);
        let reads = reads(&stream, whole_chunks);
        for (what, with_sse) in [("framing", false), ("framing + SSE", true)] {
            let (started, mut passes) = (Instant::now(), 0);
            while started.elapsed() < TIME_PER_CASE {
                let seen = black_box(pass(&reads, with_sse));
                assert!(seen >= EVENTS_PER_PASS, "every event is seen");
                passes += 1;
            }
            let rate = (passes * EVENTS_PER_PASS) as f64 / started.elapsed().as_secs_f64() / 1e6;
            println!("{name:28} {what:14} {rate:8.2} million events/s");
        }
    }
}
