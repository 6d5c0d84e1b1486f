//! Events of a stream in either framing, so that readers of streams need not tell them apart.

use super::lines::LineParser;
use super::{Item, SseError, SseParser, UNNAMED};

/// How the events of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// One JSON document per line.
    Lines,
}

/// Reads streams of either framing, one after another.
#[derive(Debug)]
pub enum EventParser {
    Events(SseParser),
    Lines(LineParser),
}

impl EventParser {
    pub fn new(framing: Framing) -> EventParser {
        match framing {
            Framing::Events => EventParser::Events(SseParser::new()),
            Framing::Lines => EventParser::Lines(LineParser::default()),
        }
    }

    /// Prepares for a stream of this framing. Buffers are kept from one to the next of the same.
    pub fn begin(&mut self, framing: Framing) {
        match (&self, framing) {
            (EventParser::Events(_), Framing::Events) | (EventParser::Lines(_), Framing::Lines) => {
                self.reset()
            }
            _ => *self = EventParser::new(framing),
        }
    }

    /// Drops what is left of a stream; see [`SseParser::reset`].
    pub fn reset(&mut self) {
        match self {
            EventParser::Events(events) => events.reset(),
            EventParser::Lines(lines) => lines.reset(),
        }
    }

    /// Returns the memory that the parser holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        match self {
            EventParser::Events(events) => events.held_bytes(),
            EventParser::Lines(lines) => lines.held_bytes(),
        }
    }

    /// Takes a prefix of `input`; see [`SseParser::step`].
    #[inline]
    pub fn step<'a>(
        &'a mut self,
        input: &'a [u8],
        event_bytes_max: usize,
    ) -> Result<(usize, Option<Item<'a>>), SseError> {
        match self {
            EventParser::Events(events) => events.step(input, event_bytes_max),
            EventParser::Lines(lines) => lines.step(input, event_bytes_max),
        }
    }

    /// Returns true if something has arrived of an event that is not complete.
    pub fn pending_event(&self) -> bool {
        match self {
            EventParser::Events(events) => events.pending_event(),
            EventParser::Lines(lines) => !lines.pending().is_empty(),
        }
    }

    /// Returns the data of an event of which at most the end is missing.
    pub fn pending_data(&self) -> Option<&[u8]> {
        match self {
            EventParser::Events(events) => events.pending_data(),
            EventParser::Lines(lines) => Some(lines.pending()).filter(|line| !line.is_empty()),
        }
    }

    /// Returns the name of that event.
    pub fn pending_name(&self) -> &[u8] {
        match self {
            EventParser::Events(events) => events.pending_name(),
            EventParser::Lines(_) => UNNAMED,
        }
    }

    /// Returns what has arrived of an event that is not complete.
    pub fn pending_bytes(&self) -> &[u8] {
        match self {
            EventParser::Events(events) => events.pending_bytes(),
            EventParser::Lines(lines) => lines.pending(),
        }
    }
}
