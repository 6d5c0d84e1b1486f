//! What is kept of a response: a body that is read as a whole, or the part of a failed one that shows why it failed.

use crate::api::Malformed;
use crate::http1::{HttpError, location};
use crate::metrics::{EVIDENCE_BYTES_MAX, Evidence, Place};
use crate::units::Cut;

/// A buffer larger than this is freed after the request.
const KEPT_BYTES_MAX: usize = 4 << 10;
/// Of the bytes that are shown around a fault, those before it.
const BEFORE_FAULT: usize = EVIDENCE_BYTES_MAX / 3;

/// The bytes that were kept of one response. The memory is kept from one response to the next, so that a request that
/// fails like the one before it allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub bytes: Vec<u8>,
    place: Place,
    /// The byte that the evidence is about.
    fault_at: usize,
    /// There was more than was kept.
    is_cut: bool,
    /// Number of events so far.
    pub events: u32,
}

impl Kept {
    /// Prepares for the next response.
    pub fn begin(&mut self) {
        self.release();
        self.place = Place::Unknown;
        self.fault_at = 0;
        self.is_cut = false;
        self.events = 0;
    }

    pub fn release(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }

    /// Keeps a part of a head that has not come to its end.
    pub fn head_part(&mut self, input: &[u8]) {
        self.place = Place::Head;
        self.beginning(input);
    }

    /// Takes the end of a head. Only where a redirect leads is kept of it.
    pub fn head(&mut self, rest: &[u8], status: u16) {
        if (300..400).contains(&status) {
            self.beginning(rest);
            let target = location(&self.bytes)
                .or_else(|| location(rest))
                .map(<[u8]>::to_vec);
            if let Some(target) = target {
                self.bytes = target;
                self.place = Place::Location;
                return;
            }
        }
        self.bytes.clear();
        self.is_cut = false;
        self.place = Place::Body;
    }

    /// Keeps the beginning of the body of a failure.
    pub fn body_part(&mut self, data: &[u8]) {
        if self.place == Place::Body {
            self.beginning(data);
        }
    }

    fn beginning(&mut self, data: &[u8]) {
        let room = EVIDENCE_BYTES_MAX
            .saturating_sub(self.bytes.len())
            .min(data.len());
        self.bytes.extend_from_slice(&data[..room]);
        self.is_cut |= room < data.len();
    }

    /// Says that the body is compressed and not read.
    pub fn is_compressed(&mut self) {
        self.place = Place::Compressed;
    }

    /// Keeps the event that failed the stream, unless one did before.
    pub fn event(&mut self, event: &[u8]) {
        if !matches!(self.place, Place::Event(_) | Place::InEvent { .. }) {
            self.place = Place::Event(self.events);
            self.part_of(event, 0);
        }
    }

    /// Keeps the part of an event that cannot be read.
    pub fn malformed_event(&mut self, event: &[u8], why: Malformed) {
        let at = offset(event, why);
        self.part_of(event, at.unwrap_or(0));
        self.place = match at {
            Some(at) => Place::InEvent {
                event: self.events,
                byte: at as u32 + 1,
            },
            None => Place::Event(self.events),
        };
    }

    /// Says where the body that was kept as a whole cannot be read.
    pub fn malformed_body(&mut self, why: Malformed) {
        if let (Malformed::Json { line, column }, Some(at)) = (why, offset(&self.bytes, why)) {
            self.fault_at = at;
            self.place = Place::Json {
                line: line as u32,
                column: column as u32,
            };
        }
    }

    /// Keeps what is left of a stream that ended within an event.
    pub fn cut_event(&mut self, pending: &[u8]) {
        self.place = Place::Event(self.events + 1);
        self.part_of(pending, 0);
    }

    /// Keeps the input in which HTTP could not be read further. `read` bytes of the response were good before it.
    pub fn bad_http(&mut self, error: HttpError, input: &[u8], read: u64, in_head: bool) {
        if !in_head {
            self.place = Place::Byte(read);
            self.part_of(input, 0);
            return;
        }
        self.place = Place::Head;
        let room = (2 * EVIDENCE_BYTES_MAX)
            .saturating_sub(self.bytes.len())
            .min(input.len());
        self.bytes.extend_from_slice(&input[..room]);
        self.is_cut |= room < input.len();
        self.fault_at = bad_line(error, &self.bytes).unwrap_or(0);
    }

    /// Records what there was instead of an answer.
    pub fn instead(&mut self, place: Place) {
        self.place = place;
    }

    fn part_of(&mut self, text: &[u8], at: usize) {
        let from = at.saturating_sub(BEFORE_FAULT);
        let part = &text[from..text.len().min(from + EVIDENCE_BYTES_MAX)];
        self.bytes.clear();
        self.bytes.extend_from_slice(part);
        self.is_cut = from + part.len() < text.len();
        // The evidence begins where the part does, unless something came before.
        self.fault_at = if from > 0 { usize::MAX } else { 0 };
    }

    /// Returns what is kept, at most `EVIDENCE_BYTES_MAX` bytes. `events`: the answer is a stream.
    pub fn evidence(&self, events: bool) -> Evidence<'_> {
        let from = match self.fault_at {
            usize::MAX => 0,
            at => at.min(self.bytes.len()).saturating_sub(BEFORE_FAULT),
        };
        let to = self.bytes.len().min(from + EVIDENCE_BYTES_MAX);
        let place = match self.place {
            Place::Body if events => Place::AfterEvents(self.events),
            place => place,
        };
        Evidence {
            place,
            text: &self.bytes[from..to],
            cut: Cut {
                before: from > 0 || self.fault_at == usize::MAX,
                after: self.is_cut || to < self.bytes.len(),
            },
        }
    }
}

/// Returns the index of the byte at which a text stops being JSON.
fn offset(text: &[u8], why: Malformed) -> Option<usize> {
    let Malformed::Json { line, column } = why else {
        return None;
    };
    let before = memchr::memchr_iter(b'\n', text).nth(line.checked_sub(2).unwrap_or(usize::MAX));
    let begin = before.map_or(0, |at| at + 1);
    Some((begin + column.saturating_sub(1)).min(text.len()))
}

/// Returns where the line of a head begins that is to blame.
fn bad_line(error: HttpError, head: &[u8]) -> Option<usize> {
    let named = |line: &[u8], name: &str| {
        line.get(..name.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut at = 0;
    for (number, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let name = line.split(|byte| *byte == b':').next().unwrap_or(line);
        let is_bad = match error {
            HttpError::BadContentLength => named(line, "content-length:"),
            HttpError::BadTransferEncoding => named(line, "transfer-encoding:"),
            HttpError::BadHeader => {
                let is_token = |byte: &u8| byte.is_ascii_graphic();
                number > 0
                    && !line.trim_ascii().is_empty()
                    && (name.len() == line.len() || !name.iter().all(is_token))
            }
            _ => false,
        };
        if is_bad {
            return Some(at);
        }
        at += line.len();
    }
    None
}
