//! The text of an answer, for conversations that carry it on. Nothing else keeps text.
//!
//! Texts are gathered as the inside of a JSON string, with the escapes that they came with: a request that repeats an
//! answer needs nothing else.

use serde_json::Value;

use super::body::write_string;
use super::chat::fast::Seen;
use super::scan::{Scan, Text};

/// Appends the text of the answer in an event, or in a body, to the inside of a JSON string. Thoughts, refusals and
/// calls of tools are not carried on.
pub(super) type ReadReply = fn(&[u8], &mut Vec<u8>);

/// Does the same where an event may hold all of the text so far, and tells whether it does, if it says so itself.
pub(super) type ReadRepeated = fn(&[u8], &mut Vec<u8>) -> Option<Holds>;

/// The two readers of an API's texts.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Reads the data of an event of a stream.
    pub(super) of_event: OfEvent,
    /// Reads the body of an answer that came in one piece.
    pub(super) of_body: ReadReply,
}

/// A reader of events, by what these hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfEvent {
    /// What is new.
    New(ReadReply),
    /// What is new, or all so far, as the server was told.
    NewOrAll(ReadRepeated),
}

/// What the events of a stream hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    New,
    All,
}

impl Reply {
    /// The reply of an API whose answers are no text.
    pub(super) const NONE: Reply = Reply {
        of_event: OfEvent::New(|_, _| {}),
        of_body: |_, _| {},
    };

    /// Takes in the data of an event of a stream.
    pub fn event(&self, data: &[u8], said: &mut ReplyText) {
        let start = said.text.len();
        match self.of_event {
            OfEvent::New(read) => read(data, &mut said.text),
            OfEvent::NewOrAll(read) => {
                let holds = read(data, &mut said.text);
                said.settle(start, holds);
            }
        }
    }

    /// Takes in the body of an answer that came in one piece.
    pub fn body(&self, data: &[u8], said: &mut ReplyText) {
        (self.of_body)(data, &mut said.text);
    }
}

/// The text of one answer so far, as the inside of a JSON string.
#[derive(Debug, Default)]
pub struct ReplyText {
    text: Vec<u8>,
    /// What the events hold, once it is known.
    holds: Option<Holds>,
    /// Until then each event began with the whole text of the one before: the lengths of these texts, and how many
    /// events in a row had each.
    runs: Vec<(usize, u32)>,
}

/// The growths after which a text is all of the text so far, if it began with what was there each time. Pieces that are
/// new do that once by chance, as `1` and `10` do.
const GROWTHS: usize = 3;

impl ReplyText {
    pub fn clear(&mut self) {
        self.text.clear();
        (self.holds, self.runs) = (None, Vec::new());
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Returns the memory that it takes, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.text.capacity() + self.runs.capacity() * size_of::<(usize, u32)>()
    }

    /// Puts what one event added from `start` on in its place: after the text, or instead of it. Events that are all
    /// alike hold what is new.
    fn settle(&mut self, start: usize, says: Option<Holds>) {
        let (before, piece) = self.text.split_at(start);
        let length = piece.len();
        if length == 0 {
            return;
        }
        let Some((last, count)) = self.runs.last_mut() else {
            self.runs.push((length, 1));
            return;
        };
        // The last text ends what is there, whichever they hold.
        let begins_alike = piece.starts_with(&before[before.len().saturating_sub(*last)..]);
        let holds = self.holds.or(says);
        match holds.or((!begins_alike).then_some(Holds::New)) {
            Some(Holds::New) => self.hold_new(start),
            Some(Holds::All) => {
                self.holds = Some(Holds::All);
                self.text.drain(..start);
            }
            None if length == *last => {
                *count += 1;
                if self.runs.len() > 1 {
                    self.text.truncate(start);
                }
            }
            None => {
                self.text.drain(..start);
                self.runs.push((length, 1));
                self.holds = (self.runs.len() > GROWTHS).then_some(Holds::All);
            }
        }
    }

    /// Makes the text what it is if each event so far held what is new.
    fn hold_new(&mut self, start: usize) {
        if self.holds.replace(Holds::New).is_some() || self.runs.len() < 2 {
            return;
        }
        let piece = self.text.split_off(start);
        let longest = std::mem::take(&mut self.text);
        for (length, count) in &self.runs {
            (0..*count).for_each(|_| self.text.extend_from_slice(&longest[..*length]));
        }
        self.text.extend_from_slice(&piece);
    }
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

/// Appends the string `member` of an object whose `type` is `kind`, and nothing of any other object. Gives up on one
/// without a type.
pub(super) fn append_typed(scan: &mut Scan, kind: &[u8], member: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut found, mut text) = (None, None);
    let mut seen = Seen::default();
    scan.object(|scan, key| match key {
        b"type" => {
            seen.first(0)?;
            found = scan.string()?.unescaped();
            Some(())
        }
        key if key == member => {
            seen.first(1)?;
            text = Some(scan.string()?);
            Some(())
        }
        _ => scan.skip(),
    })?;
    match text {
        Some(text) if found? == kind => append_raw(text, out),
        _ => found.map(drop),
    }
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
    use super::*;
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
            let mut said = ReplyText::default();
            events
                .iter()
                .for_each(|event| reply.event(event.as_bytes(), &mut said));
            assert_eq!(said.as_bytes(), br#"a\"b"#, "{api:?}");
            said.clear();
            reply.body(body.as_bytes(), &mut said);
            assert_eq!(said.as_bytes(), br#"a\"b"#, "{api:?}");
        }
    }

    #[test]
    fn the_fast_readers_of_the_newer_apis_append_what_the_plain_ones_do() {
        let plain = |api, data: &str| {
            let mut said = ReplyText::default();
            // A key with an escape is left to the plain reader.
            let again = format!("{{\"\\u0061\":0,{}", &data[1..]);
            api_reply(api).event(again.as_bytes(), &mut said);
            said.text
        };
        for (api, data) in [
            (
                Api::Messages,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\n é"}}"#,
            ),
            (
                Api::Messages,
                r#"{"delta":{"text":"b","type":"text_delta"},"type":"content_block_delta"}"#,
            ),
            (
                Api::Messages,
                r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            ),
            (
                Api::Messages,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":null}}"#,
            ),
            (
                Api::Messages,
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            ),
            (Api::Messages, r#"{"type":"ping"}"#),
            (
                Api::Responses,
                r#"{"type":"response.output_text.delta","item_id":"m","delta":"a\" b"}"#,
            ),
            (
                Api::Responses,
                r#"{"delta":"x","type":"response.output_text.delta"}"#,
            ),
            (
                Api::Responses,
                r#"{"type":"response.reasoning_text.delta","delta":"hm"}"#,
            ),
            (
                Api::Responses,
                r#"{"type":"response.output_text.delta","delta":{"text":"x"}}"#,
            ),
            (Api::Responses, r#"{"type":"response.created","response":{}}"#),
        ] {
            let mut said = ReplyText::default();
            api_reply(api).event(data.as_bytes(), &mut said);
            assert_eq!(said.text, plain(api, data), "{data}");
        }
    }

    fn api_reply(api: Api) -> Reply {
        api.row().reply
    }

    /// The events of a server that sends all of the text so far, or only what is new.
    fn events(pieces: &[&str], is_whole: bool, with_ids: bool) -> Vec<String> {
        let event = |n: usize| {
            let (text, ids) = match is_whole {
                true => (pieces[..n].concat(), vec!["7"; n].join(",")),
                false => (pieces[n - 1].to_owned(), "7".to_owned()),
            };
            let ids = match with_ids {
                true => format!("\"output_ids\":[{ids}],"),
                false => String::new(),
            };
            format!("{{\"text\":\"{text}\",{ids}\"meta_info\":{{\"completion_tokens\":{n}}}}}")
        };
        (1..=pieces.len()).map(event).collect()
    }

    #[test]
    fn a_text_in_events_of_sglang_is_the_same_however_the_server_streams_it() {
        for pieces in [
            &["tok ", "tok ", "tok ", "tok "][..],
            &["a", "a", "b", "b", "a", "a"],
            &["a", "ab", "abc", "c"],
            &["1", "10", "0"],
            &["1", "1", "10", "10", "1"],
            &["a"],
            &["ha", "haha", "!", "haha!"],
            &["\\n", "\\n\\n", "\\\"", "x"],
            &[" the", " cat", " sat", " on", " the", " mat"],
        ] {
            for (is_whole, with_ids) in [(false, false), (false, true), (true, true), (true, false)] {
                let mut said = ReplyText::default();
                for event in events(pieces, is_whole, with_ids) {
                    Api::Sglang.row().reply.event(event.as_bytes(), &mut said);
                }
                let text = String::from_utf8_lossy(said.as_bytes());
                assert_eq!(text, pieces.concat(), "{pieces:?} {is_whole} {with_ids}");
            }
        }
    }

    #[test]
    fn a_token_without_text_adds_none_where_events_hold_all_of_it() {
        // A character of three tokens, whose text comes with the last of them.
        let mut said = ReplyText::default();
        for text in ["a", "a", "a", "a\u{1f389}", "a\u{1f389}", "a\u{1f389}!"] {
            let event = format!("{{\"text\":\"{text}\"}}");
            Api::Sglang.row().reply.event(event.as_bytes(), &mut said);
        }
        assert_eq!(String::from_utf8_lossy(said.as_bytes()), "a\u{1f389}!");
    }
}
