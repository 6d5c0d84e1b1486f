//! Whole bodies: AIPerf's `raw_payload` and `inputs.json`.

use super::output_tokens;
use crate::dataset::members::Members;
use crate::dataset::read::Sink;
use crate::dataset::row::{Content, Row};
use crate::error::Reason;

/// The members of which a body has at least one.
const ASKING: [&str; 6] = ["messages", "prompt", "input", "inputs", "query", "text"];
/// The members that limit how much a server generates.
pub const LIMITS: [&str; 4] = [
    "max_completion_tokens",
    "max_tokens",
    "n_predict",
    "max_output_tokens",
];

/// Reads `{"payload": {...}}`, or a line that is the body itself.
pub fn read(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    if let Some((json, body)) = record.object("payload")? {
        let output = output_tokens(&body, &LIMITS)?;
        to.push(Row::of(Content::Payload(json)), output, None);
        return Ok(());
    }
    if record.first_of(&ASKING).is_none() {
        let what = format!(
            "is no body: it has neither `payload` nor one of {}",
            ASKING.join(", ")
        );
        return Err(Reason::new(what));
    }
    let output = output_tokens(record, &LIMITS)?;
    let members: Vec<(&str, &str)> = record.all().collect();
    let body = super::object(&members);
    record.rest();
    to.push(Row::of(Content::Payload(&body)), output, None);
    Ok(())
}

/// Reads an element of `data`: `{"session_id": "...", "payloads": [{...}, ...]}`.
pub fn read_inputs(session: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let payloads = session.list("payloads")?;
    let (_, payloads) = session.required("payloads", payloads)?;
    let name = session.name("session_id")?;
    for (i, payload) in payloads.into_iter().enumerate() {
        let place = |reason: Reason| reason.within(format!("`payloads[{i}]`"));
        let body = Members::read(payload).map_err(place)?;
        let output = output_tokens(&body, &LIMITS).map_err(place)?;
        let row = Row {
            session: name.as_deref(),
            ..Row::of(Content::Payload(payload))
        };
        to.push(row, output, None);
    }
    Ok(())
}
