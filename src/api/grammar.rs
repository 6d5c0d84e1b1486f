//! Reads the events of every API in one order: those that need no JSON, those that a fast reader is sure of, the rest.

use super::{Alike, EventFacts, Malformed};

/// Names of events that keep a stream alive, whatever their data is.
const SIGNS_OF_LIFE: [&[u8]; 4] = [b"ping", b"keepalive", b"keep-alive", b"heartbeat"];

/// The grammar of an API's events, whose data are JSON objects.
pub trait Grammar {
    /// The members that hold text, of which the fast reader asks no more than whether their strings are empty, wherever
    /// in an event they are. None where events of one stream differ in more than that.
    const TEXTS: &'static [&'static str] = &[];

    /// Reads one of the shapes that servers send, in one pass and without allocating; `None` means "not sure", never
    /// "wrong". A grammar without such a reader is never sure.
    fn fast(_name: &[u8], _data: &[u8]) -> Option<EventFacts> {
        None
    }

    /// Builds the whole document and decides.
    fn plain(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed>;
}

/// Reads one event of a stream: `name` is its `event` field, `data` its joined `data` lines.
pub fn read_event<G: Grammar>(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    read_event_among::<G>(&mut Alike::default(), name, data)
}

/// Reads one event of a stream like [`read_event`], and sooner if it is like the one before it.
pub fn read_event_among<'a, G: Grammar>(
    alike: &mut Alike<'a>,
    name: &'a [u8],
    data: &'a [u8],
) -> Result<EventFacts, Malformed> {
    if let Some(facts) = alike.facts(name, data) {
        return Ok(facts);
    }
    let Some(facts) = read_event_fast::<G>(name, data) else {
        return read_event_plain::<G>(name, data);
    };
    if !G::TEXTS.is_empty() {
        alike.note((name, data), G::TEXTS, facts);
    }
    Ok(facts)
}

/// Reads with the fast reader alone; `None` if it is not sure. Allocates nothing.
pub fn read_event_fast<G: Grammar>(name: &[u8], data: &[u8]) -> Option<EventFacts> {
    // What the name decides, it decides alone: a sign of life stays one, whatever its data is.
    if data.first() != Some(&b'{') || name == b"error" || SIGNS_OF_LIFE.contains(&name) {
        return None;
    }
    G::fast(name, data)
}

/// Reads with the plain reader alone.
pub fn read_event_plain<G: Grammar>(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    match facts_without_json(name, data) {
        Some(facts) => Ok(facts),
        None => G::plain(name, data),
    }
}

/// Returns the facts of an event whose data need not be read as JSON; `None` if they must be.
fn facts_without_json(name: &[u8], data: &[u8]) -> Option<EventFacts> {
    let said = data.trim_ascii();
    // Some servers send an error as plain text, so the data of one is not read.
    let error = name == b"error";
    let done = !error && said == b"[DONE]";
    // Some gateways keep a stream alive with empty events, or with a comment in a data line (`data: : keepalive`).
    let alive = said.is_empty() || said[0] == b':' || SIGNS_OF_LIFE.contains(&name);
    (error || done || alive).then_some(EventFacts {
        error,
        done,
        ..EventFacts::default()
    })
}
