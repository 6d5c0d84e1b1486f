//! The text of an answer, for conversations that carry it on. Nothing else keeps text.
//!
//! Texts are gathered as the inside of a JSON string, with the escapes that they came with: a request that repeats an
//! answer needs nothing else.

use serde_json::Value;

use super::body::write_string;
use super::scan::{Scan, Text};

/// Appends the text of the answer in an event, or in a body, to the inside of a JSON string. Thoughts, refusals and
/// calls of tools are not carried on.
pub type ReadReply = fn(&[u8], &mut Vec<u8>);

/// The two readers of an API's texts.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Reads the data of an event of a stream.
    pub of_event: ReadReply,
    /// Reads the body of an answer that came in one piece.
    pub of_body: ReadReply,
}

impl Reply {
    /// The reply of an API whose answers are no text.
    pub(super) const NONE: Reply = Reply {
        of_event: |_, _| {},
        of_body: |_, _| {},
    };
}

/// Appends the text that `text_of` finds in a document.
pub(super) fn read_plain(data: &[u8], out: &mut Vec<u8>, text_of: impl Fn(&Value) -> &Value) {
    if let Ok(document) = super::chat::plain::document(data)
        && let Some(text) = text_of(&document).as_str()
    {
        append(text, out);
    }
}

/// Appends the texts of a list's entries of the type `wanted`, which other entries (thoughts, calls) are not.
pub(super) fn append_parts(parts: &Value, wanted: &str, out: &mut Vec<u8>) {
    let parts = parts.as_array().into_iter().flatten();
    for part in parts.filter(|part| part["type"] == wanted) {
        append(part["text"].as_str().unwrap_or_default(), out);
    }
}

/// Appends a string as it was sent. Gives up on bytes that are not UTF-8.
pub(super) fn append_raw(text: Text<'_>, out: &mut Vec<u8>) -> Option<()> {
    std::str::from_utf8(text.raw).ok()?;
    out.extend_from_slice(text.raw);
    Some(())
}

/// Appends a text, escaped.
pub(super) fn append(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    write_string(out, text);
    // The inside of the string: both its quotes go.
    out.pop();
    out.remove(start);
}

/// Reads with `fast`, or with `plain` if that is not sure: it may have appended a part by then.
pub(super) fn read(
    data: &[u8],
    out: &mut Vec<u8>,
    fast: impl Fn(&mut Scan, &mut Vec<u8>) -> Option<()>,
    plain: impl Fn(&Value, &mut Vec<u8>),
) {
    let before = out.len();
    let mut scan = Scan::new(data);
    if fast(&mut scan, out).and_then(|()| scan.end()).is_some() {
        return;
    }
    out.truncate(before);
    if let Ok(document) = super::chat::plain::document(data) {
        plain(&document, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::api::Api;

    #[test]
    fn each_api_carries_its_answers_on_and_neither_thoughts_nor_calls() {
        for (api, events, body) in [
            (
                Api::Responses,
                &[
                    r#"{"type":"response.reasoning_text.delta","delta":"hm"}"#,
                    r#"{"type":"response.output_text.delta","delta":"a\""}"#,
                    r#"{"type":"response.output_text.delta","delta":"b"}"#,
                    r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#,
                ][..],
                r#"{"output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]},
                    {"type":"message","content":[{"type":"output_text","text":"a\"b"}]}]}"#,
            ),
            (
                Api::Messages,
                &[
                    r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                    r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a\""}}"#,
                    r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"b"}}"#,
                ],
                r#"{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a\"b"}]}"#,
            ),
            (
                Api::Ollama,
                &[r#"{"response":"a\""}"#, r#"{"response":"b"}"#],
                r#"{"response":"a\"b"}"#,
            ),
            (
                Api::OllamaChat,
                &[
                    r#"{"message":{"content":"a\"","thinking":"hm"}}"#,
                    r#"{"message":{"content":"b"}}"#,
                ],
                r#"{"message":{"content":"a\"b"}}"#,
            ),
            (
                Api::Sglang,
                &[r#"{"text":"a\""}"#, r#"{"text":"a\"b"}"#],
                r#"{"text":"a\"b"}"#,
            ),
            (
                Api::Sglang,
                &[r#"{"text":"a\""}"#, r#"{"text":"b"}"#],
                r#"{"text":"a\"b"}"#,
            ),
            (
                Api::Tgi,
                &[
                    r#"{"token":{"text":"a\""}}"#,
                    r#"{"token":{"text":"b"}}"#,
                    r#"{"token":{"text":"</s>","special":true}}"#,
                ],
                r#"{"generated_text":"a\"b"}"#,
            ),
            (
                Api::Triton,
                &[r#"{"text_output":"a\""}"#, r#"{"text_output":"b"}"#],
                r#"{"text_output":"a\"b"}"#,
            ),
        ] {
            let reply = api.row().reply;
            let mut out = Vec::new();
            events
                .iter()
                .for_each(|event| (reply.of_event)(event.as_bytes(), &mut out));
            assert_eq!(out, br#"a\"b"#, "{api:?}");
            out.clear();
            (reply.of_body)(body.as_bytes(), &mut out);
            assert_eq!(out, br#"a\"b"#, "{api:?}");
        }
    }
}
