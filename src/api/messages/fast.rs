//! The fast reader: one pass over an event that carries text. `None` means "not sure", never "wrong".

use super::text_of;
use crate::api::EventFacts;
use crate::api::chat::fast::{Seen, has_text};
use crate::api::reply;
use crate::api::scan::Scan;

/// The members of a delta that hold text.
const TEXTS: [&[u8]; 3] = [b"text", b"thinking", b"partial_json"];

pub(super) fn read(data: &[u8]) -> Option<EventFacts> {
    let mut facts = EventFacts::default();
    let mut is_delta = false;
    let mut seen = Seen::default();
    let mut scan = Scan::new(data);
    scan.object(|scan, key| match key {
        b"type" => {
            seen.first(0)?;
            is_delta = scan.string()?.unescaped()? == b"content_block_delta";
            Some(())
        }
        b"delta" => {
            seen.first(1)?;
            delta(scan, &mut facts)
        }
        // Members of the events that the plain reader is for.
        b"message" | b"content_block" | b"usage" | b"error" | b"object" => None,
        _ => scan.skip(),
    })?;
    scan.end()?;
    is_delta.then_some(facts)
}

fn delta(scan: &mut Scan, facts: &mut EventFacts) -> Option<()> {
    let mut kind = None;
    let mut texts = [false; TEXTS.len()];
    let mut seen = Seen::default();
    scan.object(|scan, key| {
        if key == b"type" {
            seen.first(0)?;
            kind = scan.string()?.unescaped();
            return Some(());
        }
        match TEXTS.iter().position(|name| *name == key) {
            Some(number) => {
                seen.first(1 + number as u32)?;
                texts[number] = has_text(scan)?;
                Some(())
            }
            None => scan.skip(),
        }
    })?;
    let (member, piece) = text_of(kind?)?;
    let number = TEXTS.iter().position(|name| *name == member.as_bytes())?;
    facts.add(piece, texts[number]);
    Some(())
}

/// Appends the text of an event that carries a piece of the answer.
pub(super) fn append_text(scan: &mut Scan, out: &mut Vec<u8>) -> Option<()> {
    let mut seen = Seen::default();
    scan.object(|scan, key| match key {
        b"delta" => {
            seen.first(0)?;
            reply::append_typed(scan, b"text_delta", b"text", out)
        }
        _ => scan.skip(),
    })
}
