//! The text of the first choice of a chat completion, or of a text completion.

use serde_json::Value;

use super::Part;
use super::fast::Seen;
use super::plain::is_thought;
use crate::api::reply::{self, OfEvent, Reply};
use crate::api::scan::Scan;

pub(in crate::api) const REPLY: Reply = Reply {
    of_event: OfEvent::New(|data, out| read(data, Part::Delta, out)),
    of_body: |data, out| read(data, Part::Message, out),
};

fn read(data: &[u8], part: Part, out: &mut Vec<u8>) {
    let fast = |scan: &mut Scan, out: &mut Vec<u8>| fast(scan, part, out);
    reply::read(data, out, fast, |document, out| plain(document, part, out));
}

fn fast(scan: &mut Scan, part: Part, out: &mut Vec<u8>) -> Option<()> {
    let mut seen = Seen::default();
    scan.object(|scan, key| match key {
        b"choices" => {
            seen.first(0)?;
            if scan.peek()? == b'n' {
                return scan.null();
            }
            let mut choices = 0;
            scan.array(|scan| {
                choices += 1;
                // Which of several choices is the first one is left to the plain reader.
                (choices == 1).then_some(())?;
                choice(scan, part, out)
            })
        }
        _ => scan.skip(),
    })
}

fn choice(scan: &mut Scan, part: Part, out: &mut Vec<u8>) -> Option<()> {
    let mut seen = Seen::default();
    scan.object(|scan, key| match key {
        b"index" => (scan.count()? == 0).then_some(()),
        b"text" => {
            seen.first(0)?;
            text(scan, out)
        }
        _ if key == part.key().as_bytes() => {
            seen.first(1)?;
            if scan.peek()? == b'n' {
                return scan.null();
            }
            piece(scan, out)
        }
        _ => scan.skip(),
    })
}

/// Reads a delta or a message.
fn piece(scan: &mut Scan, out: &mut Vec<u8>) -> Option<()> {
    let mut seen = Seen::default();
    scan.object(|scan, key| match key {
        b"content" => {
            seen.first(0)?;
            text(scan, out)
        }
        _ => scan.skip(),
    })
}

fn text(scan: &mut Scan, out: &mut Vec<u8>) -> Option<()> {
    match scan.peek()? {
        b'"' => reply::append_raw(scan.string()?, out),
        _ => scan.null(),
    }
}

fn plain(document: &Value, part: Part, out: &mut Vec<u8>) {
    let choices = document["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let is_first = |choice: &&Value| choice["index"].as_u64().unwrap_or(0) == 0;
    let Some(choice) = choices.iter().find(is_first) else {
        return;
    };
    content(&choice["text"], out);
    content(&choice[part.key()]["content"], out);
}

/// Appends a content, which is a string, or a list of parts of which some are thoughts.
fn content(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => reply::append(text, out),
        Value::Array(parts) => {
            for part in parts.iter().filter(|part| !is_thought(part)) {
                content(&part["text"], out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(part: Part, data: &[u8]) -> String {
        let mut out = b"before ".to_vec();
        read(data, part, &mut out);
        let inside = String::from_utf8(out).unwrap();
        // Whatever was appended is the inside of a JSON string.
        let whole: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
        whole.strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn the_answer_of_the_first_choice_is_read_and_nothing_else() {
        for (wanted, data) in [
            ("a", &br#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#[..]),
            ("a\"\n\u{e9}", br#"{"choices":[{"delta":{"content":"a\"\n\u00e9"}}]}"#),
            ("b", br#"{"choices":[{"text":"b","index":0}],"usage":null}"#),
            ("", br#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#),
            ("", br#"{"choices":[{"index":0,"delta":{"content":null,"refusal":"no"}}]}"#),
            ("", br#"{"choices":[{"index":1,"delta":{"content":"second"}}]}"#),
            ("", br#"{"choices":[],"usage":{"completion_tokens":3}}"#),
            ("", br#"{"choices":null}"#),
            ("", b"[DONE]"),
            ("", b"{\"choices\":[{"),
            ("one", br#"{"choices":[{"index":1,"delta":{"content":"two"}},{"index":0,"delta":{"content":"one"}}]}"#),
            (
                "said",
                br#"{"choices":[{"delta":{"content":[{"type":"thinking","text":"hm"},{"type":"text","text":"said"}]}}]}"#,
            ),
            ("\u{fffd}!", b"{\"choices\":[{\"delta\":{\"content\":\"\xff!\"}}]}"),
        ] {
            assert_eq!(text(Part::Delta, data), wanted, "{}", String::from_utf8_lossy(data));
        }
        let body = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":"whole \\ answer"}}]}"#;
        assert_eq!(text(Part::Message, body), "whole \\ answer");
        assert_eq!(text(Part::Delta, body), "");
    }

    #[test]
    fn both_readers_append_the_same_text() {
        for data in [
            r#"{"choices":[{"index":0,"delta":{"content":"tab\t, \ud83d\ude00, \u00e9, é"}}]}"#,
            r#"{"a":{"b":[1,2]},"choices":[{"finish_reason":null,"delta":{"role":"assistant","content":"x"}}]}"#,
        ] {
            let decode = |inside: Vec<u8>| -> String {
                serde_json::from_str(&format!("\"{}\"", String::from_utf8(inside).unwrap())).unwrap()
            };
            let (mut by_fast, mut by_plain) = (Vec::new(), Vec::new());
            fast(&mut Scan::new(data.as_bytes()), Part::Delta, &mut by_fast).unwrap();
            plain(&serde_json::from_str(data).unwrap(), Part::Delta, &mut by_plain);
            assert_eq!(decode(by_fast), decode(by_plain));
        }
    }
}
