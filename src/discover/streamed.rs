//! Reads a stream that has arrived as a whole, for validation.

use crate::api::{ReadEvent, Row, StreamState};
use crate::blocking_http::Answer;
use crate::error::lossless;
use crate::http1::ContentType;
use crate::sse::{EVENT_BYTES_MAX, EventParser, Framing, Item, begins_a_stream};

/// Returns how the events of an answer are told apart. Fails if it is not a stream.
pub(super) fn framing_of(row: &Row, answer: &Answer) -> Result<Framing, &'static str> {
    match (row.framing, answer.content_type) {
        (_, ContentType::EventStream) => Ok(Framing::Events),
        (Framing::Lines, ContentType::Json) => {
            Err("not a stream: the content type is application/json, not application/x-ndjson")
        }
        (Framing::Lines, ContentType::JsonLines) => Ok(Framing::Lines),
        (framing, _) if begins_a_stream(&answer.body, framing) == Some(true) => Ok(framing),
        (Framing::Events, _) => Err("not an event stream: the content type is not text/event-stream"),
        (Framing::Lines, _) => Err("not a stream of JSON lines"),
    }
}

/// Reads a whole stream of so many answers, and returns its state and the number of its events with text. Fails if an
/// event is wrong.
pub(super) fn read_stream(
    read: ReadEvent,
    framing: Framing,
    body: &[u8],
    answers: u32,
) -> Result<(StreamState, u32), String> {
    let mut events = EventParser::new(framing);
    let mut stream = StreamState::of_answers(answers);
    let mut tokens = 0u32;
    let mut rest = body;
    while !rest.is_empty() {
        let Ok((consumed, item)) = events.step(rest, EVENT_BYTES_MAX) else {
            return Err(format!("an event of more than {EVENT_BYTES_MAX} bytes"));
        };
        match item {
            Some(Item::Event { name, data }) => match stream.read(read, name, data) {
                Ok(facts) if facts.error => {
                    return Err(format!("an error event, `{}`", lossless(data)));
                }
                Ok(facts) => tokens += u32::from(facts.token),
                Err(e) => return Err(format!("{e}, `{}`", lossless(data))),
            },
            Some(Item::UnknownField { name, value }) => stream.unknown_field(name, value),
            _ => {}
        }
        rest = &rest[consumed..];
    }
    // Some servers omit the blank line after the last event. If the data cannot be read, the event was cut off.
    if let Some(data) = events.pending_data() {
        let _ = stream.read(read, events.pending_name(), data);
    }
    Ok((stream, tokens))
}
