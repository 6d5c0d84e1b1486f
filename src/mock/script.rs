//! Prepares the bytes that the mock sends. They are built once, and patched with the instant of each send.

use crate::api::{ARRIVAL_KEY, Api, STAMP_DIGITS, STAMP_KEY, Stamps, write_stamp};
use std::io::Write;

use super::dialect::{
    COUNT_KEY, COUNT_WIDTH, Counted, DECODE_KEY, DECODE_NS_KEY, Dialect, MS_WIDTH, NS_WIDTH, PROMPT_KEY,
    PROMPT_NS_KEY, SGLANG_COUNT_KEY, framed,
};
use crate::sse::Framing;
use crate::units::Nanos;

/// The mock's own times for an answer, which some APIs report.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerTimes {
    /// Time from the request's arrival to the first token.
    pub prompt: Nanos,
    /// Time from the first to the last token.
    pub decode: Nanos,
}

/// The error that a fault puts into a stream or an answer.
const ERROR: &str = r#"{"error":{"message":"injected","type":"server_error"}}"#;

/// A template with placeholders for the times.
pub struct TimedTemplate {
    bytes: Vec<u8>,
    prompt_at: Option<usize>,
    decode_at: Option<usize>,
    /// The same for times in nanoseconds.
    prompt_ns_at: Option<usize>,
    decode_ns_at: Option<usize>,
}

impl TimedTemplate {
    fn new(bytes: Vec<u8>) -> TimedTemplate {
        TimedTemplate {
            prompt_at: value_offset(&bytes, PROMPT_KEY),
            decode_at: value_offset(&bytes, DECODE_KEY),
            prompt_ns_at: value_offset(&bytes, PROMPT_NS_KEY),
            decode_ns_at: value_offset(&bytes, DECODE_NS_KEY),
            bytes,
        }
    }

    pub fn append(&self, out: &mut Vec<u8>, times: AnswerTimes) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        for (at, time) in [(self.prompt_at, times.prompt), (self.decode_at, times.decode)] {
            if let Some(at) = at {
                let mut room = &mut out[start + at..start + at + MS_WIDTH];
                // Times up to 10,000 days fit, and an answer takes an hour at most.
                let _ = write!(room, "{:>MS_WIDTH$.6}", time as f64 / 1e6);
            }
        }
        for (at, time) in [
            (self.prompt_ns_at, times.prompt),
            (self.decode_ns_at, times.decode),
        ] {
            if let Some(at) = at {
                let mut room = &mut out[start + at..start + at + NS_WIDTH];
                let _ = write!(room, "{time:>NS_WIDTH$}");
            }
        }
    }
}

/// Returns the offset of the value of `key`.
fn value_offset(bytes: &[u8], key: &str) -> Option<usize> {
    memchr::memmem::find(bytes, key.as_bytes()).map(|at| at + key.len())
}

/// The templates for one configuration and API.
pub struct Script {
    /// Head of a streamed answer, and the event before its tokens.
    pub stream_head: Vec<u8>,
    /// One token event as a chunk.
    token: Vec<u8>,
    /// Offsets in `token` of the first stamp's digits, and of the count of tokens so far.
    stamp_at: Option<usize>,
    count_at: Option<usize>,
    /// Finish event with the counts, `[DONE]` if the API has it, last chunk.
    pub stream_end: TimedTemplate,
    /// The same without a finish.
    pub stream_unfinished: Vec<u8>,
    pub stream_error: Vec<u8>,
    pub stream_bad_json: Vec<u8>,
    /// A whole answer to a non-streamed request.
    pub answer: TimedTemplate,
    pub answer_unfinished: Vec<u8>,
    pub answer_error: Vec<u8>,
    pub answer_bad_json: Vec<u8>,
}

impl Script {
    /// Builds the templates. The chunk data of a token event is padded to `event_bytes` if it is shorter.
    pub fn new(api: Api, counted: &Counted, stamp: bool, event_bytes: usize) -> Script {
        let framing = api.row().framing;
        let kind = match framing {
            Framing::Events => "text/event-stream",
            Framing::Lines => "application/x-ndjson",
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let mut stream_head = head.into_bytes();
        let dialect = Dialect::for_api(api);
        if let Some(opening) = dialect.opening {
            stream_head.extend(chunk(&opening(counted)));
        }
        let mut done = dialect.done.map_or(Vec::new(), chunk);
        done.extend_from_slice(b"0\r\n\r\n");
        let finish = chunk(&(dialect.finish)(counted));
        let error = chunk(&framed(framing, ERROR));
        let token = token(dialect, counted, stamp, event_bytes);
        Script {
            stream_head,
            stamp_at: value_offset(&token, STAMP_KEY),
            count_at: value_offset(&token, COUNT_KEY).or(value_offset(&token, SGLANG_COUNT_KEY)),
            token,
            stream_end: TimedTemplate::new([finish, done.clone()].concat()),
            stream_unfinished: done.clone(),
            stream_error: [error, done].concat(),
            stream_bad_json: chunk(&framed(framing, "{\"choices\":[{\"delta\":")),
            answer: TimedTemplate::new(json(200, &(dialect.body)(counted, true))),
            answer_unfinished: json(200, &(dialect.body)(counted, false)),
            answer_error: json(200, ERROR),
            answer_bad_json: json(200, "{\"choices\":[{\"message\":"),
        }
    }

    /// Appends `count` token events with these stamps. The first one is number `from` of its stream.
    pub fn tokens(&self, out: &mut Vec<u8>, from: u32, count: u32, stamps: Stamps) {
        for number in from..from + count {
            let start = out.len();
            out.extend_from_slice(&self.token);
            if let Some(at) = self.stamp_at {
                let at = start + at;
                write_stamp(&mut out[at..at + STAMP_DIGITS], stamps.sent);
                let at = at + STAMP_DIGITS + ARRIVAL_KEY.len();
                write_stamp(&mut out[at..at + STAMP_DIGITS], stamps.arrived);
            }
            if let Some(at) = self.count_at {
                let mut room = &mut out[start + at..start + at + COUNT_WIDTH];
                // The placeholder is as wide as the widest u32.
                let _ = write!(room, "{:>COUNT_WIDTH$}", number + 1);
            }
        }
    }
}

fn token(dialect: &Dialect, counted: &Counted, stamp: bool, event_bytes: usize) -> Vec<u8> {
    let mut extra = String::new();
    if stamp {
        let digits = "0".repeat(STAMP_DIGITS);
        extra = format!(",{STAMP_KEY}{digits}{ARRIVAL_KEY}{digits}\"");
    }
    let plain = (dialect.token)(counted, &extra).len();
    let pad_frame = r#","pad":"""#.len();
    if plain + pad_frame < event_bytes {
        let pad = "x".repeat(event_bytes - plain - pad_frame);
        extra.push_str(&format!(",\"pad\":\"{pad}\""));
    }
    chunk(&(dialect.token)(counted, &extra))
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// Returns an answer with a JSON body.
pub fn json(status: u16, body: &str) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Injected",
    };
    let more = match status {
        429 => "Retry-After: 1\r\n",
        300..=399 => "Location: /elsewhere\r\n",
        _ => "",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StreamEnd, StreamState, find_stamps};
    use crate::metrics::TokenSource;
    use crate::sse::{EventParser, Item};

    #[test]
    fn an_event_has_the_requested_size_and_its_stamp_can_be_read() {
        for api in Api::ALL.into_iter().filter(|api| api.row().streams()) {
            for (stamp, size) in [(true, 400), (false, 300), (true, 0)] {
                let script = Script::new(api, &Counted::plain(3), stamp, size);
                let mut out = Vec::new();
                script.tokens(&mut out, 0, 2, STAMPS);
                assert_eq!(out.len(), 2 * script.token.len());
                assert_eq!(find_stamps(&out), stamp.then_some(STAMPS));
                let cut = find_stamps(&out[..out.len() / 4]);
                assert!(cut.is_none_or(|stamps| stamps == STAMPS));
                if size > 0 {
                    let text = String::from_utf8(out).unwrap();
                    let data = text.split("\r\n").nth(1).unwrap();
                    assert_eq!(data.len(), size, "{api:?}");
                }
            }
        }
    }

    const STAMPS: Stamps = Stamps {
        sent: 1_234_567_890_123,
        arrived: 1_234_560_000_000,
    };

    fn data(chunks: &[u8]) -> serde_json::Value {
        let text = std::str::from_utf8(chunks).unwrap();
        let from = text.find("data: ").unwrap() + 6;
        serde_json::from_str(text[from..].split("\n\n").next().unwrap()).unwrap()
    }

    const TIMES: AnswerTimes = AnswerTimes {
        prompt: 12_345_678,
        decode: 3_600_000_000_000,
    };

    #[test]
    fn llama_cpps_events_count_tokens_and_its_end_reports_times() {
        let script = Script::new(Api::LlamaCpp, &Counted::plain(3), false, 0);
        let mut out = Vec::new();
        script.tokens(&mut out, 2, 1, STAMPS);
        assert_eq!(data(&out)["tokens_predicted"], 3);
        out.clear();
        script.stream_end.append(&mut out, TIMES);
        let end = data(&out);
        assert_eq!(
            (&end["stop"], &end["tokens_predicted"]),
            (&true.into(), &3.into())
        );
        assert_eq!(end["timings"]["prompt_ms"], 12.345678);
        assert_eq!(end["timings"]["predicted_ms"], 3_600_000.0);
        assert!(!out.windows(6).any(|w| w == b"[DONE]"));
    }

    /// Reads the events of a stream as the client of its API does.
    fn read_all(api: Api, stream: &mut StreamState, bytes: &str) {
        let row = api.row();
        let mut events = EventParser::new(row.framing);
        let mut rest = bytes.as_bytes();
        while !rest.is_empty() {
            let (taken, item) = events.step(rest, 1 << 20).unwrap();
            if let Some(Item::Event { name, data }) = item {
                stream.read(row.read_event.unwrap(), name, data).unwrap();
            }
            rest = &rest[taken..];
        }
    }

    /// Checks each dialect against the client's row of its API, so that the client understands what the mock sends.
    #[test]
    fn the_client_reads_each_dialect() {
        for api in Api::ALL {
            let (row, dialect) = (api.row(), Dialect::for_api(api));
            let three = Counted::plain(3);
            let source = if api != Api::Triton {
                TokenSource::Server
            } else {
                TokenSource::Events
            };
            if row.streams() {
                let mut stream = StreamState::default();
                read_all(
                    api,
                    &mut stream,
                    &dialect.opening.map_or(String::new(), |opening| opening(&three)),
                );
                let tokens = (dialect.token)(&three, "").replace("         0", "         1");
                read_all(api, &mut stream, &tokens);
                let unfinished = row.finish.map_or(StreamEnd::Ok, |_| StreamEnd::Truncated);
                assert_eq!(stream.verdict_at_end(), unfinished, "{api:?}");
                let tokens = if api != Api::Triton { 3 } else { 1 };
                read_all(api, &mut stream, &(dialect.finish)(&three));
                read_all(api, &mut stream, dialect.done.unwrap_or_default());
                assert_eq!(stream.verdict_at_end(), StreamEnd::Ok, "{api:?}");
                assert_eq!(stream.output_tokens(), (tokens, source), "{api:?}");
            }
            for finished in [true, false] {
                let body = (row.read_body)((dialect.body)(&three, finished).as_bytes()).unwrap();
                assert_eq!(body.finish.is_some(), finished, "{api:?}");
                let tokens = match ((api != Api::Triton), body.is_no_text) {
                    (true, false) => (3, TokenSource::Server),
                    _ => (0, TokenSource::None),
                };
                assert_eq!(body.output_tokens(), tokens, "{api:?}");
            }
        }
    }

    #[test]
    fn answers_are_json_with_a_true_length() {
        for (api, pointer) in [
            (Api::Chat, "/usage/completion_tokens"),
            (Api::Completions, "/usage/completion_tokens"),
            (Api::LlamaCpp, "/tokens_predicted"),
        ] {
            let script = Script::new(api, &Counted::plain(3), false, 0);
            let mut bytes = Vec::new();
            script.answer.append(&mut bytes, TIMES);
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(value.pointer(pointer), Some(&3.into()));
        }
    }
}
