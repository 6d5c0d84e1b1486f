//! The bytes that the mock sends: built once, patched with the instant of each send.

use crate::units::Nanos;

/// Digits of a stamp: every u64 fits, and the size of an event never changes.
const STAMP_DIGITS: usize = 20;
/// Where a stamp stands in an event; the client looks for it with `--verify-stamps`.
pub const STAMP_KEY: &str = "\"sent_ns\":\"";

/// Templates of one configuration.
pub struct Script {
    /// Head of a streamed answer and its role event.
    pub stream_head: Vec<u8>,
    /// One token event as a chunk.
    token: Vec<u8>,
    /// Where the stamp's digits stand in `token`.
    stamp_at: Option<usize>,
    /// Finish event with usage, `[DONE]`, last chunk.
    pub stream_end: Vec<u8>,
    /// `[DONE]` and last chunk, without a finish.
    pub stream_unfinished: Vec<u8>,
    pub stream_error: Vec<u8>,
    pub stream_bad_json: Vec<u8>,
    /// A whole answer to a non-streamed request.
    pub answer: Vec<u8>,
    pub answer_unfinished: Vec<u8>,
    pub answer_error: Vec<u8>,
    pub answer_bad_json: Vec<u8>,
}

impl Script {
    /// `event_bytes`: size of a token event's chunk data, padded to it if the event is shorter.
    pub fn new(tokens: u32, stamp: bool, event_bytes: usize) -> Script {
        let role = event(r#"{"role":"assistant","content":""}"#, "null", "");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        let mut stream_head = head.as_bytes().to_vec();
        stream_head.extend(chunk(&role));
        let usage = format!(
            r#","usage":{{"prompt_tokens":8,"completion_tokens":{tokens},"total_tokens":{}}}"#,
            tokens + 8
        );
        let done = [chunk("data: [DONE]\n\n"), b"0\r\n\r\n".to_vec()].concat();
        let finish = chunk(&event("{}", "\"stop\"", &usage));
        let error = chunk("data: {\"error\":{\"message\":\"injected\",\"type\":\"server_error\"}}\n\n");
        let (token, stamp_at) = token(stamp, event_bytes);
        let text = "tok ".repeat(tokens as usize);
        Script {
            stream_head,
            token,
            stamp_at,
            stream_end: [finish, done.clone()].concat(),
            stream_unfinished: done.clone(),
            stream_error: [error, done].concat(),
            stream_bad_json: chunk("data: {\"choices\":[{\"delta\":\n\n"),
            answer: json(200, &body(&text, "\"stop\"", &usage)),
            answer_unfinished: json(200, &body(&text, "null", &usage)),
            answer_error: json(200, r#"{"error":{"message":"injected","type":"server_error"}}"#),
            answer_bad_json: json(200, "{\"choices\":[{\"message\":"),
        }
    }

    /// Appends `count` token events stamped `now`.
    pub fn tokens(&self, out: &mut Vec<u8>, count: u32, now: Nanos) {
        for _ in 0..count {
            let start = out.len();
            out.extend_from_slice(&self.token);
            if let Some(at) = self.stamp_at {
                write_stamp(&mut out[start + at..start + at + STAMP_DIGITS], now);
            }
        }
    }
}

fn write_stamp(out: &mut [u8], mut value: Nanos) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// The stamp in an event's data, if it carries one.
pub fn find_stamp(data: &[u8]) -> Option<Nanos> {
    let at = memchr::memmem::find(data, STAMP_KEY.as_bytes())? + STAMP_KEY.len();
    let digits = std::str::from_utf8(data.get(at..at + STAMP_DIGITS)?).ok()?;
    digits.parse().ok()
}

fn token(stamp: bool, event_bytes: usize) -> (Vec<u8>, Option<usize>) {
    let delta = r#"{"content":"tok "}"#;
    let mut extra = String::new();
    if stamp {
        extra = format!(",{STAMP_KEY}{}\"", "0".repeat(STAMP_DIGITS));
    }
    let plain = event(delta, "null", &extra).len();
    let pad_frame = r#","pad":"""#.len();
    if plain + pad_frame < event_bytes {
        let pad = "x".repeat(event_bytes - plain - pad_frame);
        extra.push_str(&format!(",\"pad\":\"{pad}\""));
    }
    let bytes = chunk(&event(delta, "null", &extra));
    let at = stamp
        .then(|| memchr::memmem::find(&bytes, STAMP_KEY.as_bytes()).map(|at| at + STAMP_KEY.len()))
        .flatten();
    (bytes, at)
}

fn event(delta: &str, finish: &str, extra: &str) -> String {
    format!(
        "data: {{\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]{extra}}}\n\n"
    )
}

fn body(text: &str, finish: &str, usage: &str) -> String {
    format!(
        "{{\"id\":\"m\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"mock\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]{usage}}}"
    )
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// An answer with a JSON body.
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

    #[test]
    fn an_event_has_the_size_asked_for_and_its_stamp_is_found_again() {
        for (stamp, size) in [(true, 300), (false, 200), (true, 0)] {
            let script = Script::new(3, stamp, size);
            let mut out = Vec::new();
            script.tokens(&mut out, 2, 1_234_567_890_123);
            assert_eq!(out.len(), 2 * script.token.len());
            let found = find_stamp(&out);
            assert_eq!(found, stamp.then_some(1_234_567_890_123));
            if size > 0 {
                let text = String::from_utf8(out).unwrap();
                let data = text.split("\r\n").nth(1).unwrap();
                assert_eq!(data.len(), size);
            }
        }
    }

    #[test]
    fn answers_are_json_with_a_true_length() {
        let script = Script::new(3, false, 0);
        let text = String::from_utf8(script.answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(value["usage"]["completion_tokens"], 3);
    }
}
