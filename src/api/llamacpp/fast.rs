//! The fast reader: one pass over the shapes that llama.cpp sends. `None` means "not sure", never "wrong".

use crate::api::chat::fast::{Seen, has_text, is_error, timings};
use crate::api::chat::plain::with_timings;
use crate::api::facts::Piece;
use crate::api::scan::Scan;
use crate::api::{EventFacts, Usage};
use crate::metrics::FinishWord;

pub(super) fn read(data: &[u8]) -> Option<EventFacts> {
    let mut facts = EventFacts::default();
    let (mut predicted, mut evaluated, mut timed) = (None, None, None);
    let mut seen = Seen::default();
    let mut scan = Scan::new(data);
    scan.object(|scan, key| match key {
        b"content" => {
            seen.first(0)?;
            facts.add(Piece::Answer, has_text(scan)?);
            Some(())
        }
        b"stop" => {
            seen.first(1)?;
            facts.finish = scan.boolean()?.then_some(FinishWord::STOP);
            Some(())
        }
        b"tokens_predicted" => {
            seen.first(2)?;
            predicted = Some(scan.count()?);
            Some(())
        }
        b"tokens_evaluated" => {
            seen.first(3)?;
            evaluated = Some(scan.count()?);
            Some(())
        }
        b"timings" => {
            seen.first(4)?;
            (timed, facts.times) = timings(scan)?;
            Some(())
        }
        b"error" => {
            seen.first(5)?;
            scan.null()
        }
        b"object" => {
            seen.first(6)?;
            facts.error |= is_error(scan)?;
            Some(())
        }
        b"type" => {
            seen.first(7)?;
            facts.error |= is_error(scan)?;
            Some(())
        }
        _ => scan.skip(),
    })?;
    scan.end()?;
    let counted = predicted.map(|completion_tokens| Usage {
        completion_tokens,
        prompt_tokens: evaluated.unwrap_or(0),
        ..Usage::default()
    });
    facts.usage = with_timings(counted, timed);
    Some(facts)
}
