//! The plain reader parses the whole document with `serde_json` and looks into it. Of equal keys the last counts.

use crate::api::chat::plain::{count, document, is_error, times, timings};
use crate::api::{EventFacts, Malformed, Usage};
use crate::metrics::FinishWord;

pub(super) fn read(data: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let text = document["content"].as_str().is_some_and(|text| !text.is_empty());
    let counted = count(&document["tokens_predicted"]).map(|completion_tokens| Usage {
        completion_tokens,
        // This includes tokens from the prompt cache.
        prompt_tokens: count(&document["tokens_evaluated"]).unwrap_or(0),
    });
    Ok(EventFacts {
        token: text,
        answer: text,
        thought: false,
        finish: (document["stop"] == true).then_some(FinishWord::STOP),
        usage: counted.or_else(|| timings(&document["timings"])),
        times: times(&document["timings"]),
        error: is_error(&document),
        done: false,
    })
}
