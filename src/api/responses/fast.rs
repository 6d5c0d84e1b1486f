//! The fast reader: one pass over an event that carries text. `None` means "not sure", never "wrong".

use super::piece_of;
use crate::api::EventFacts;
use crate::api::chat::fast::{Seen, has_text};
use crate::api::reply;
use crate::api::scan::Scan;

pub(super) fn read(data: &[u8]) -> Option<EventFacts> {
    let (mut kind, mut text) = (None, false);
    let mut seen = Seen::default();
    let mut scan = Scan::new(data);
    scan.object(|scan, key| match key {
        b"type" => {
            seen.first(0)?;
            kind = scan.string()?.unescaped();
            Some(())
        }
        b"delta" => {
            seen.first(1)?;
            text = has_text(scan)?;
            Some(())
        }
        // Members of the events that the plain reader is for.
        b"response" | b"item" | b"error" | b"object" | b"timings" => None,
        _ => scan.skip(),
    })?;
    scan.end()?;
    let mut facts = EventFacts::default();
    facts.add(piece_of(kind?)?, text);
    Some(facts)
}

/// Appends the text of an event that carries a piece of the answer.
pub(super) fn append_text(scan: &mut Scan, out: &mut Vec<u8>) -> Option<()> {
    reply::append_typed(scan, b"response.output_text.delta", b"delta", out)
}
