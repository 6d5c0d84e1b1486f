//! Varies the beginnings of prompts, so that no prefix cache of a server holds them.
//!
//! A marker of words that follow from a key is put before the first text of a prompt. Prompts that begin with made
//! tokens need none: their own first tokens follow from the key, so that they stay as long as asked.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::costs::WordCosts;
use super::draw::Key;
use super::prompts::{prompt_key, push_words};
use super::random::{keyed, permuted};
use super::types::{Call, Chat, Draw, Prompts, Workload};
use crate::api::Prompt;
use crate::dataset::members_of;
use crate::error::{Reason, quoted};
use crate::units::fnv;

/// The tokens of a marker, and those at the beginning of made prompts that vary: their words spell a key of 64 bits.
pub(super) const MARKER_TOKENS: u32 = 8;
/// Keeps the keys of beginnings apart from other choices.
const BUST: u64 = 0x6275_7374;
/// The longest tag.
const TAG_BYTES_MAX: usize = 64;
/// The places that AIPerf's option of the same name takes.
const PLACES: [&str; 6] = [
    "system_prefix",
    "system_suffix",
    "first_turn_prefix",
    "first_turn_suffix",
    "warmup_isolation_system",
    "warmup_isolation_first_turn",
];

/// Says that no two prompts of a kind of request begin alike, nor do those of two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheBust {
    /// Keeps the run apart from others. With the same tag and seed the same prompts are sent. `None` until the run
    /// chooses one.
    pub tag: Option<Box<str>>,
}

impl CacheBust {
    /// Reads it as documents and the command line have it: true, false or a tag. `None` is false.
    ///
    /// # Errors
    /// Fails if the text cannot be a tag.
    pub fn parse(text: &str) -> Result<Option<Box<CacheBust>>, Reason> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        match text {
            "true" => return Ok(Some(Box::default())),
            "false" | "none" => return Ok(None),
            _ if PLACES.contains(&text) => {
                let what = format!("{} is a place as AIPerf has it", quoted(text));
                let hint = "write `true` (`--cache-bust` alone): what varies is the beginning of the whole prompt, \
                            that of the system prompt if there is one";
                return Err(Reason::new(what).hint(hint));
            }
            _ if text.is_empty() || text.len() > TAG_BYTES_MAX || !text.bytes().all(fits) => {
                let what = format!("{} is neither true, false nor a tag", quoted(text));
                let hint = format!("a tag has up to {TAG_BYTES_MAX} letters, digits, `_`, `-` and `.`");
                return Err(Reason::new(what).hint(hint));
            }
            _ => {}
        }
        Ok(Some(Box::new(CacheBust {
            tag: Some(text.into()),
        })))
    }
}

impl Serialize for CacheBust {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.tag {
            Some(tag) => to.serialize_str(tag),
            None => to.serialize_bool(true),
        }
    }
}

impl Prompts {
    /// Tells whether they begin with a text that others may begin with as well. Rows of a dataset say it themselves.
    pub(super) fn begin_with_text(&self) -> bool {
        match self {
            Prompts::List(_) => true,
            Prompts::Made { prefix, .. } => !prefix.is_empty(),
            Prompts::Ids { .. } | Prompts::Shared(_) | Prompts::Rows(_) => false,
        }
    }
}

impl Workload {
    /// Returns the key of the beginning of a prompt, if the kind's prompts begin differently. No two requests of all
    /// loads with one tag have the same.
    pub(super) fn bust(&self, kind: u16, key: Key) -> Option<u64> {
        let chat = self.kinds[usize::from(kind)].call.chat()?;
        let tag = chat.cache_bust.as_ref()?.tag.as_deref().unwrap_or_default();
        let of_load = keyed([fnv(tag.as_bytes()), BUST, u64::from(self.load), 0]);
        Some(permuted(of_load, prompt_key(key.seed, key.vu, key.iteration)))
    }

    /// Tells whether the prompts of any kind begin differently.
    pub fn busts_caches(&self) -> bool {
        let has = |call: &Call| call.chat().is_some_and(|chat| chat.cache_bust.is_some());
        self.kinds.iter().any(|kind| has(&kind.call))
    }
}

/// What the beginning of a prompt is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marker<'a> {
    pub key: u64,
    costs: Option<&'a WordCosts>,
}

impl<'a> Marker<'a> {
    /// Returns the marker of a draw, if the kind's prompts begin differently.
    pub(super) fn of(chat: &'a Chat, draw: &Draw) -> Option<Marker<'a>> {
        chat.cache_bust.as_ref()?;
        Some(Marker {
            key: draw.bust,
            costs: chat.costs(draw),
        })
    }

    /// Returns the marker if it belongs to the content: a system prompt has it otherwise.
    pub(super) fn of_content(chat: &'a Chat, draw: &Draw) -> Option<Marker<'a>> {
        Marker::of(chat, draw).filter(|_| chat.settings.system().is_none())
    }

    /// Returns the marker as words. All have as many tokens where those are counted.
    fn words(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.costs {
            Some(costs) => {
                out.extend_from_slice(costs.first_word().as_bytes());
                costs.push_more(&mut out, self.key, MARKER_TOKENS);
                // A tokenizer may not split the last word from what follows, which is always the same so.
                out.push(b' ');
                out.extend_from_slice(costs.first_word().as_bytes());
            }
            None => push_words(&mut out, self.key, MARKER_TOKENS),
        }
        out
    }

    /// Returns the marker, a blank line and a text.
    pub(super) fn before(&self, text: &str) -> String {
        format!("{}\n\n{text}", String::from_utf8_lossy(&self.words()))
    }

    /// Puts the marker before the first text of the JSON value that begins at `from` and ends `out`: a string, or a
    /// list of messages.
    pub(super) fn mark(&self, out: &mut Vec<u8>, from: usize) {
        let words = self.words();
        let (at, [before, after]) = first_text(&out[from..]).in_json();
        let marker = [before, &words, after].concat();
        out.splice(from + at..from + at, marker);
    }
}

/// A prompt with a marker before its first text.
pub(super) struct Marked<'a> {
    pub prompt: &'a dyn Prompt,
    pub marker: Marker<'a>,
}

impl Prompt for Marked<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let from = out.len();
        self.prompt.write_json(out);
        self.marker.mark(out, from);
    }
}

/// Where a marker goes in a JSON value: the offset at which it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Within a string.
    Text(usize),
    /// Among the parts of a message, as one of them; others follow or not.
    Part(usize, bool),
    /// Among messages, as one of them; others follow or not.
    Message(usize, bool),
}

impl Gap {
    /// Returns the offset, and the JSON around the words.
    fn in_json(self) -> (usize, [&'static [u8]; 2]) {
        match self {
            Gap::Text(at) => (at, [b"", br"\n\n"]),
            Gap::Part(at, true) => (at, [br#"{"type":"text","text":""#, br#""},"#]),
            Gap::Part(at, false) => (at, [br#"{"type":"text","text":""#, br#""}"#]),
            Gap::Message(at, true) => (at, [br#"{"role":"user","content":""#, br#""},"#]),
            Gap::Message(at, false) => (at, [br#"{"role":"user","content":""#, br#""}"#]),
        }
    }
}

/// Finds the first text of a string or of a list of messages. A message without content has none.
fn first_text(json: &[u8]) -> Gap {
    let json = std::str::from_utf8(json).unwrap_or_default();
    if json.trim_start().starts_with('"') {
        return Gap::Text(offset(json, json.trim_start()) + 1);
    }
    let messages = items(json);
    let gaps = messages.iter().filter_map(|message| {
        let members = members_of(message).ok()?;
        let (_, content) = members.into_iter().find(|(key, _)| key == "content")?;
        let at = offset(json, content);
        match content.as_bytes().first()? {
            b'"' => Some(Gap::Text(at + 1)),
            b'[' => Some(first_part(json, content)),
            _ => None,
        }
    });
    let mut gaps = gaps;
    gaps.next().unwrap_or(Gap::Message(
        json.find('[').map_or(0, |at| at + 1),
        !messages.is_empty(),
    ))
}

/// Finds the place within the parts of a message, which are within `json`.
fn first_part(json: &str, content: &str) -> Gap {
    let parts = items(content);
    let text = parts.first().and_then(|part| match part.starts_with('"') {
        true => Some(*part),
        false => {
            let members = members_of(part).ok()?;
            let (_, text) = members.into_iter().find(|(key, _)| key == "text")?;
            text.starts_with('"').then_some(text)
        }
    });
    match text {
        Some(text) => Gap::Text(offset(json, text) + 1),
        None => Gap::Part(offset(json, content) + 1, !parts.is_empty()),
    }
}

/// Returns the items of a JSON list, as they are written.
fn items(json: &str) -> Vec<&str> {
    let list: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    list.into_iter().map(RawValue::get).collect()
}

/// Returns where a part of a text begins in it.
fn offset(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

#[cfg(test)]
#[path = "bust_tests.rs"]
mod tests;
