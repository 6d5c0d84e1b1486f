//! The plain reader parses the whole document with `serde_json` and looks into it. Of equal keys the last counts.

use crate::api::chat::plain::{count, document, is_error, is_text, times, timings, with_timings};
use crate::api::facts::Piece;
use crate::api::{EventFacts, Malformed, Usage};
use crate::metrics::FinishWord;

pub(super) fn read(data: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let counted = count(&document["tokens_predicted"]).map(|completion_tokens| Usage {
        completion_tokens,
        // This includes tokens from the prompt cache. `tokens_cached` is what the slot holds now, which is another
        // thing: the answer is in it, so the cached part of the prompt is in `timings` alone.
        prompt_tokens: count(&document["tokens_evaluated"]).unwrap_or(0),
        ..Usage::default()
    });
    let mut facts = EventFacts {
        finish: (document["stop"] == true).then_some(FinishWord::STOP),
        usage: with_timings(counted, timings(&document["timings"])),
        times: times(&document["timings"]),
        error: is_error(&document),
        ..EventFacts::default()
    };
    facts.add(Piece::Answer, is_text(&document["content"]));
    Ok(facts)
}
