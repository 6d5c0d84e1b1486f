//! Assembles events from lines.

use std::fmt;

use super::line::{Line, classify};
use super::{BOM, Framing, UNNAMED, clear};

/// An item of a stream. Bytes are as sent, neither decoded nor checked for UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A complete event. `name` is `message` if the stream gives none.
    Event { name: &'a [u8], data: &'a [u8] },
    /// A line that begins with a colon. Servers send it to keep the connection alive.
    Comment,
    /// A reconnection time in milliseconds.
    Retry(u64),
    /// A field that the standard ignores. Old llama.cpp servers report errors in the field `error`.
    UnknownField { name: &'a [u8], value: &'a [u8] },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseError {
    /// One event's data, name and current line together exceed the limit.
    EventTooLarge { event_bytes_max: usize },
}

impl fmt::Display for SseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SseError::EventTooLarge { event_bytes_max } = self;
        write!(f, "an event of the stream exceeds {event_bytes_max} bytes")
    }
}

impl std::error::Error for SseError {}

/// Name and data of an event that are still in the input of the current call.
#[derive(Default)]
struct Borrowed<'a> {
    name: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

/// An item. Values given here are in the input; the others are in the parser's buffers.
enum Found<'a> {
    Nothing,
    Event(Borrowed<'a>),
    Comment,
    Retry(u64),
    Unknown { name: &'a [u8], value: &'a [u8] },
    UnknownGathered { name_bytes: usize, value_at: usize },
}

/// The part of the buffers that the last call lent to its caller. The next call drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lent {
    Nothing,
    Line,
    Event,
}

/// Reads one stream. An event that is complete in the input and has one data line is returned from the input itself;
/// only events that are cut or have several data lines are copied to the parser's buffers.
#[derive(Debug)]
pub struct SseParser {
    /// The data lines so far, joined by LF, then the line that was cut.
    gathered: Vec<u8>,
    /// The event's name, if it came in an earlier input.
    name: Vec<u8>,
    /// Length of the data in `gathered`.
    data_bytes: usize,
    /// Bytes of the current line that are counted and not kept: nobody reads a comment.
    dropped_bytes: usize,
    has_data: bool,
    /// The last line ended with CR, so an LF right after it belongs to that line end.
    skip_lf: bool,
    first_line: bool,
    lent: Lent,
}

// There is one parser per connection, and a core may have 10,000 connections.
const _: () = assert!(size_of::<SseParser>() <= 96);

/// Returns the length of a comment's colon and what comes before it; `None` if the line is not a comment.
fn comment_begin(line: &[u8], is_first: bool) -> Option<usize> {
    let bare = match is_first {
        true => line.strip_prefix(BOM).unwrap_or(line),
        false => line,
    };
    bare.starts_with(b":").then(|| line.len() - bare.len() + 1)
}

impl Default for SseParser {
    fn default() -> Self {
        Self::new()
    }
}

impl SseParser {
    /// Creates a parser, which allocates nothing until an event is cut.
    pub fn new() -> Self {
        SseParser {
            gathered: Vec::new(),
            name: Vec::new(),
            data_bytes: 0,
            dropped_bytes: 0,
            has_data: false,
            skip_lf: false,
            first_line: true,
            lent: Lent::Nothing,
        }
    }

    /// Prepares for another stream. Call it at the end of a stream as well: it frees a large buffer, which an idle
    /// connection would otherwise keep.
    pub fn reset(&mut self) {
        self.drop_event();
        self.skip_lf = false;
        self.first_line = true;
    }

    /// Takes a prefix of `input`. Returns its length, and the item that its last byte completes; without an item, all
    /// input was taken. An event larger than `event_bytes_max` is an error, after which only [`reset`](Self::reset)
    /// makes sense.
    #[inline]
    pub fn step<'a>(
        &'a mut self,
        input: &'a [u8],
        event_bytes_max: usize,
    ) -> Result<(usize, Option<Item<'a>>), SseError> {
        self.drop_lent();
        let (consumed, found) = self.scan(input, event_bytes_max)?;
        let item = match found {
            Found::Nothing => None,
            Found::Comment => Some(Item::Comment),
            Found::Retry(millis) => Some(Item::Retry(millis)),
            Found::Unknown { name, value } => Some(Item::UnknownField { name, value }),
            Found::UnknownGathered { name_bytes, value_at } => {
                let line = &self.gathered[self.data_bytes..];
                Some(Item::UnknownField {
                    name: &line[..name_bytes],
                    value: &line[value_at..],
                })
            }
            Found::Event(Borrowed { name, data }) => {
                let name = name.unwrap_or(&self.name);
                Some(Item::Event {
                    name: if name.is_empty() { UNNAMED } else { name },
                    data: data.unwrap_or(&self.gathered),
                })
            }
        };
        Ok((consumed, item))
    }

    /// Returns true inside an event, or inside a line that may begin one. At the end of a stream this means that
    /// something is lost. A line of a text that is not an event stream at all does not count.
    pub fn pending_event(&self) -> bool {
        let is_open = self.lent != Lent::Event && (self.has_data || !self.name.is_empty());
        let line = match self.lent {
            Lent::Nothing => &self.gathered[self.data_bytes..],
            Lent::Line | Lent::Event => &[],
        };
        is_open
            || !line.trim_ascii().is_empty() && super::begins_a_stream(line, Framing::Events) != Some(false)
    }

    /// Returns the complete data lines of an event whose blank line has not come. The standard discards them at the end
    /// of a stream, but some servers omit the blank line after their `[DONE]`.
    pub fn pending_data(&self) -> Option<&[u8]> {
        let is_open = self.has_data && self.lent != Lent::Event;
        is_open.then(|| &self.gathered[..self.data_bytes])
    }

    /// Returns the name of the event whose data [`pending_data`](Self::pending_data) has.
    pub fn pending_name(&self) -> &[u8] {
        if self.name.is_empty() { UNNAMED } else { &self.name }
    }

    /// Returns what has arrived of an event that is not complete: its data lines, then the line that was cut.
    pub fn pending_bytes(&self) -> &[u8] {
        match self.lent {
            Lent::Nothing => &self.gathered,
            Lent::Line => &self.gathered[..self.data_bytes],
            Lent::Event => &[],
        }
    }

    #[inline]
    fn drop_lent(&mut self) {
        match self.lent {
            Lent::Nothing => {}
            Lent::Line => self.gathered.truncate(self.data_bytes),
            Lent::Event => self.drop_event(),
        }
        self.lent = Lent::Nothing;
    }

    fn drop_event(&mut self) {
        clear(&mut self.gathered);
        clear(&mut self.name);
        self.data_bytes = 0;
        self.dropped_bytes = 0;
        self.has_data = false;
        self.lent = Lent::Nothing;
    }

    /// Returns the memory that the parser holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.gathered.capacity() + self.name.capacity()
    }

    /// Keeps a part of a line that was cut; of a comment only its colon.
    fn keep_part(&mut self, part: &[u8]) {
        let open = &self.gathered[self.data_bytes..];
        let kept = match (open, self.first_line) {
            ([], first) => comment_begin(part, first).unwrap_or(part.len()),
            (open, first) if comment_begin(open, first).is_some() => 0,
            // The byte order mark may have come alone.
            (open, true) if BOM.starts_with(open) || open == BOM => {
                let missing = &BOM[open.len()..];
                let rest = part.strip_prefix(missing);
                rest.filter(|rest| rest.starts_with(b":"))
                    .map_or(part.len(), |_| missing.len() + 1)
            }
            _ => part.len(),
        };
        self.gathered.extend_from_slice(&part[..kept]);
        self.dropped_bytes += part.len() - kept;
    }

    #[inline]
    fn scan<'a>(&mut self, input: &'a [u8], event_bytes_max: usize) -> Result<(usize, Found<'a>), SseError> {
        let mut at = 0;
        if self.skip_lf && !input.is_empty() {
            self.skip_lf = false;
            at = usize::from(input[0] == b'\n');
        }
        let mut borrowed = Borrowed::default();
        while at < input.len() {
            let rest = &input[at..];
            let Some(line_bytes) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.keep(&mut borrowed);
                self.check_size(&borrowed, rest.len(), event_bytes_max)?;
                self.keep_part(rest);
                return Ok((input.len(), Found::Nothing));
            };
            let (line, ends_with_cr) = (&rest[..line_bytes], rest[line_bytes] == b'\r');
            self.check_size(&borrowed, line_bytes, event_bytes_max)?;
            at += line_bytes + 1;
            let found = if self.gathered.len() > self.data_bytes {
                self.keep_part(line);
                self.dropped_bytes = 0;
                self.take_gathered_line()
            } else {
                self.take_line(line, &mut borrowed)
            };
            match input.get(at) {
                // An item is returned at the CR, so that the caller sees exactly the byte that completed it.
                Some(&next) if ends_with_cr && matches!(found, Found::Nothing) => {
                    at += usize::from(next == b'\n');
                }
                _ => self.skip_lf = ends_with_cr,
            }
            if !matches!(found, Found::Nothing) {
                return Ok((at, found));
            }
        }
        self.keep(&mut borrowed);
        Ok((input.len(), Found::Nothing))
    }

    /// Checks the size of data, name, and the line so far with its field name. The sum is the same however the input is
    /// cut.
    #[inline]
    fn check_size(
        &self,
        borrowed: &Borrowed<'_>,
        more: usize,
        event_bytes_max: usize,
    ) -> Result<(), SseError> {
        let name_bytes = borrowed.name.map_or(self.name.len(), <[u8]>::len);
        let borrowed_bytes = borrowed.data.map_or(0, <[u8]>::len);
        if self.gathered.len() + self.dropped_bytes + borrowed_bytes + name_bytes + more > event_bytes_max {
            return Err(SseError::EventTooLarge { event_bytes_max });
        }
        Ok(())
    }

    /// Takes a line that is complete in the input.
    #[inline]
    fn take_line<'a>(&mut self, line: &'a [u8], borrowed: &mut Borrowed<'a>) -> Found<'a> {
        let line = match self.first_line {
            true => {
                self.first_line = false;
                line.strip_prefix(BOM).unwrap_or(line)
            }
            false => line,
        };
        match classify(line) {
            Line::Data { value_at } if self.has_data || borrowed.data.is_some() => {
                self.keep_data(borrowed);
                self.append_data(&line[value_at..]);
            }
            Line::Data { value_at } => borrowed.data = Some(&line[value_at..]),
            Line::Blank if self.has_data || borrowed.data.is_some() => {
                self.lent = if self.gathered.is_empty() && self.name.is_empty() {
                    // Nothing is stored. The flag may come from an empty `data:` of an earlier input.
                    self.has_data = false;
                    Lent::Nothing
                } else {
                    Lent::Event
                };
                return Found::Event(std::mem::take(borrowed));
            }
            Line::Blank => {
                borrowed.name = None;
                self.name.clear();
            }
            Line::Event { value_at } => borrowed.name = Some(&line[value_at..]),
            Line::Ignored => {}
            Line::Comment => {
                self.keep(borrowed);
                return Found::Comment;
            }
            Line::Retry(millis) => {
                self.keep(borrowed);
                return Found::Retry(millis);
            }
            Line::Unknown { name_bytes, value_at } => {
                self.keep(borrowed);
                let (name, value) = (&line[..name_bytes], &line[value_at..]);
                return Found::Unknown { name, value };
            }
        }
        Found::Nothing
    }

    /// Takes a line that was cut. It is stored after the data, and nothing is borrowed yet.
    fn take_gathered_line<'a>(&mut self) -> Found<'a> {
        if std::mem::take(&mut self.first_line) && self.gathered.starts_with(BOM) {
            self.gathered.drain(..BOM.len());
        }
        let line_at = self.data_bytes;
        let line = classify(&self.gathered[line_at..]);
        let found = match line {
            Line::Data { value_at } => {
                self.join_gathered_data(line_at + value_at);
                return Found::Nothing;
            }
            Line::Blank if self.has_data => {
                self.lent = Lent::Event;
                return Found::Event(Borrowed::default());
            }
            Line::Unknown { name_bytes, value_at } => {
                self.lent = Lent::Line;
                return Found::UnknownGathered { name_bytes, value_at };
            }
            Line::Event { value_at } => {
                self.name.clear();
                self.name.extend_from_slice(&self.gathered[line_at + value_at..]);
                Found::Nothing
            }
            Line::Blank => {
                self.name.clear();
                Found::Nothing
            }
            Line::Comment => Found::Comment,
            Line::Retry(millis) => Found::Retry(millis),
            Line::Ignored => Found::Nothing,
        };
        self.gathered.truncate(line_at);
        found
    }

    /// Moves a data line's value over its field name, which always has room for the LF between lines.
    fn join_gathered_data(&mut self, value_at: usize) {
        let mut to = self.data_bytes;
        if self.has_data {
            self.gathered[to] = b'\n';
            to += 1;
        }
        let value_bytes = self.gathered.len() - value_at;
        self.gathered.copy_within(value_at.., to);
        self.data_bytes = to + value_bytes;
        self.gathered.truncate(self.data_bytes);
        self.has_data = true;
    }

    /// Copies what is borrowed, because the input ends or another item comes first.
    #[inline]
    fn keep(&mut self, borrowed: &mut Borrowed<'_>) {
        if let Some(name) = borrowed.name.take() {
            self.name.clear();
            self.name.extend_from_slice(name);
        }
        self.keep_data(borrowed);
    }

    fn keep_data(&mut self, borrowed: &mut Borrowed<'_>) {
        if let Some(data) = borrowed.data.take() {
            self.append_data(data);
        }
    }

    fn append_data(&mut self, data: &[u8]) {
        if self.has_data {
            self.gathered.push(b'\n');
        }
        self.gathered.extend_from_slice(data);
        self.data_bytes = self.gathered.len();
        self.has_data = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_event_is_borrowed_from_the_input_without_allocation() {
        let mut parser = SseParser::new();
        let input = b"event: delta\ndata: {\"x\":1}\n\ndata: y\r\n\r\n";
        let (mut at, mut events) = (0, 0);
        while let (consumed, Some(Item::Event { name, data })) = parser.step(&input[at..], 100).unwrap() {
            assert!(input.as_ptr_range().contains(&data.as_ptr()));
            assert!(events > 0 || input.as_ptr_range().contains(&name.as_ptr()));
            (at, events) = (at + consumed, events + 1);
        }
        assert_eq!(events, 2);
        assert_eq!(parser.gathered.capacity() + parser.name.capacity(), 0);
    }

    #[test]
    fn a_comment_is_counted_and_not_kept_however_it_is_cut() {
        for begin in [&b":"[..], b"\xef\xbb\xbf:", b"data: a\n:"] {
            for piece in [1, 2, 3, 4, 1000] {
                let mut parser = SseParser::new();
                let comment = [begin, &[b'x'; 5000]].concat();
                let mut items = 0;
                for part in comment.chunks(piece) {
                    assert!(matches!(parser.step(part, 6000), Ok((_, None))));
                }
                assert!(parser.pending_event());
                assert!(parser.held_bytes() < 100, "{}", parser.held_bytes());
                let mut rest = &b"\ndata: b\n\n"[..];
                while let Ok((taken, Some(item))) = parser.step(rest, 6000) {
                    items += 1;
                    let is_comment = item == Item::Comment;
                    assert_eq!(is_comment, items == 1);
                    rest = &rest[taken..];
                }
                assert_eq!(items, 2, "{piece}");
                let mut parser = SseParser::new();
                let mut parts = comment.chunks(piece);
                assert!(parts.any(|part| parser.step(part, 4000).is_err()), "{piece}");
            }
        }
    }

    #[test]
    fn buffers_for_cut_events_are_reused_and_freed_when_large() {
        let mut parser = SseParser::new();
        let event = [&b"event: e\ndata: "[..], &[b'x'; 200], b"\n\n"].concat();
        let mut warm = None;
        for _ in 0..1000 {
            for half in [&event[..90], &event[90..]] {
                parser.step(half, 1000).unwrap();
            }
            let capacities = (parser.gathered.capacity(), parser.name.capacity());
            assert_eq!(*warm.get_or_insert(capacities), capacities);
        }
        parser.step(b"data: ", 1 << 20).unwrap();
        parser.step(&[b'x'; 100_000], 1 << 20).unwrap();
        parser.step(b"\n\n", 1 << 20).unwrap();
        parser.step(b"", 1 << 20).unwrap();
        assert_eq!(parser.gathered.capacity(), 0);
    }
}
