//! Recognizes an event that says again what the one before it said, but for its text.
//!
//! A server that writes faster than it is read, or that collects tokens before it writes, sends several events of one
//! stream at a time. They differ in their text alone, of which only matters whether there is any.

use std::cell::OnceCell;

use memchr::memmem;

use super::EventFacts;
use super::scan::plain_run_end;

/// The last event that a fast reader was sure of, among events that came together.
#[derive(Debug, Default)]
pub struct Alike<'a> {
    last: Option<Last<'a>>,
}

#[derive(Debug)]
struct Last<'a> {
    name: &'a [u8],
    data: &'a [u8],
    /// The members that hold text in the grammar of the event.
    texts: &'static [&'static str],
    facts: EventFacts,
    around: OnceCell<Option<Around<'a>>>,
}

/// The data of an event up to its text, and from its text on.
#[derive(Clone, Copy, Debug)]
struct Around<'a> {
    before: &'a [u8],
    after: &'a [u8],
}

impl<'a> Alike<'a> {
    /// Takes in an event that a fast reader was sure of. Of the members in `texts`, wherever they are, that reader must
    /// not ask more than whether their strings are empty.
    #[inline]
    pub(super) fn note(
        &mut self,
        (name, data): (&'a [u8], &'a [u8]),
        texts: &'static [&'static str],
        facts: EventFacts,
    ) {
        self.last = Some(Last {
            name,
            data,
            texts,
            facts,
            around: OnceCell::new(),
        });
    }

    /// Returns the facts of an event that differs from the last one in one text only, if neither is empty, and both are
    /// written without escapes. `None` means "not sure".
    #[inline]
    pub(super) fn facts(&self, name: &[u8], data: &[u8]) -> Option<EventFacts> {
        let last = self.last.as_ref()?;
        let around = last
            .around
            .get_or_init(|| last.texts.iter().find_map(|member| around(last.data, member)));
        let Around { before, after } = around.as_ref()?;
        let text_ends = data.len().checked_sub(after.len())?;
        let is_alike = text_ends > before.len()
            && name == last.name
            && data.starts_with(before)
            && data.ends_with(after)
            && plain_run_end(data, before.len()) == Some(text_ends);
        is_alike.then_some(last.facts)
    }
}

/// Splits a valid JSON document around the first string of a member; `None` if that is empty or has an escape.
fn around<'a>(data: &'a [u8], member: &str) -> Option<Around<'a>> {
    let name = member.as_bytes();
    let mut found = memmem::find_iter(data, name);
    let key = found.find_map(|at| {
        // A quote without a backslash before it begins a string or ends one, and what follows the end of a string is
        // neither a letter nor an underscore. So this one begins a string; and what a colon follows is a key.
        let begin = at.checked_sub(1)?;
        let is_quoted = data[begin] == b'"' && begin.checked_sub(1).is_none_or(|i| data[i] != b'\\');
        is_quoted.then(|| data[at + name.len()..].strip_prefix(b"\":"))?
    })?;
    let value = key.trim_ascii_start().strip_prefix(b"\"")?;
    let begin = data.len() - value.len();
    let end = plain_run_end(data, begin)?;
    let is_text = end > begin && data[end] == b'"';
    is_text.then(|| Around {
        before: &data[..begin],
        after: &data[end..],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::chat::Chat;
    use crate::api::messages::Messages;
    use crate::api::{Grammar, read_event_fast};
    use crate::sse::UNNAMED;

    /// Whether the second event is taken for the first one with another text. What is, has the same facts.
    fn is_alike<G: Grammar>(first: &str, second: &str) -> bool {
        let [first, second] = [first, second].map(str::as_bytes);
        let facts = read_event_fast::<G>(UNNAMED, first).expect("the fast reader is sure of the first");
        let mut alike = Alike::default();
        alike.note((UNNAMED, first), G::TEXTS, facts);
        let found = alike.facts(UNNAMED, second);
        if found.is_some() {
            assert_eq!(found, read_event_fast::<G>(UNNAMED, second));
        }
        found.is_some()
    }

    fn chat(text: &str) -> String {
        format!(
            r#"{{"id":"c","created":7,"choices":[{{"index":0,"delta":{{{text}}},"finish_reason":null}}],"x":[1]}}"#
        )
    }

    #[test]
    fn events_that_differ_in_one_plain_text_are_alike() {
        let first = chat(r#""content":" the""#);
        for text in [" the", "x", "longer than before", "é 語", "}],\u{7f}'"] {
            assert!(
                is_alike::<Chat>(&first, &chat(&format!(r#""content":"{text}""#))),
                "{text}"
            );
        }
        let spaced = |text| chat(&format!(r#""role" : null, "content": "{text}""#));
        assert!(is_alike::<Chat>(&spaced("a"), &spaced("bc")));
        let thought = |text| chat(&format!(r#""content":null,"reasoning_content":"{text}""#));
        assert!(is_alike::<Chat>(&thought("a"), &thought("bc")));
        let thought = |text| chat(&format!(r#""content":"","reasoning_content":"{text}""#));
        assert!(is_alike::<Chat>(&thought("a"), &thought("bc")));
        let delta = |text| {
            format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
            )
        };
        assert!(is_alike::<Messages>(&delta("a"), &delta("bc")));
    }

    #[test]
    fn whatever_else_differs_is_read() {
        let first = chat(r#""content":"a""#);
        for other in [
            chat(r#""content":"""#),
            chat(r#""content":"\n""#),
            chat("\"content\":\"\n\""),
            chat(r#""content":"b","refusal":"c""#),
            chat(r#""content":"b"x"#),
            chat(r#""content":null"#),
            chat(r#""text":"a""#),
            first.replace("null}", "\"stop\"}"),
            first.replace("7", "8"),
            first.replace("[1]}", "[1]"),
            first.replace("\"a\"", "\"a"),
            first.replace("\"a\"", "\"\""),
            first[..first.len() - 1].to_owned(),
            format!("{first}}}"),
            String::new(),
        ] {
            assert!(!is_alike::<Chat>(&first, &other), "{other}");
        }
    }

    #[test]
    fn a_text_that_looks_like_a_member_is_not_one() {
        let quoted = r#"{"choices":[{"finish_reason":"\"content\":\"a"}]}"#;
        assert!(around(quoted.as_bytes(), "content").is_none());
        let value = r#"{"a":"content","content":"b"}"#;
        let found = around(value.as_bytes(), "content").expect("the member");
        assert_eq!(found.before, br#"{"a":"content","content":""#);
        assert_eq!(found.after, b"\"}");
        for none in [
            "",
            "content",
            "\"content",
            "\"content\":",
            "\"content\":\"",
            "\"content\":\"a",
        ] {
            assert!(around(none.as_bytes(), "content").is_none(), "{none}");
        }
    }

    #[test]
    fn an_event_of_another_name_is_read() {
        let event = chat(r#""content":"a""#);
        let mut alike = Alike::default();
        assert!(alike.facts(UNNAMED, event.as_bytes()).is_none());
        alike.note((UNNAMED, event.as_bytes()), Chat::TEXTS, EventFacts::default());
        assert!(alike.facts(UNNAMED, event.as_bytes()).is_some());
        assert!(alike.facts(b"error", event.as_bytes()).is_none());
    }
}
