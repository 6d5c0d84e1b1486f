//! Reads chunked framing (RFC 9112, 7.1). It goes by the lengths alone and never searches the body.

use super::head::is_token_byte;
use super::{HttpError, Limits};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    SizeBlank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

/// What [`Chunked::step`] found at the start of its input.
pub(super) enum ChunkStep<'a> {
    /// All input is consumed.
    NeedMore,
    Data {
        consumed: usize,
        data: &'a [u8],
    },
    End {
        consumed: usize,
    },
}

/// 16 hex digits fill a u64. A longer size is refused even if it begins with zeros.
const SIZE_DIGITS_MAX: u8 = 16;
/// Largest chunk, so that sums of a size and a small number do not overflow.
const CHUNK_BYTES_MAX: u64 = i64::MAX as u64;

#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    digits: u8,
    /// The size while its digits are read, then the bytes left of the chunk.
    remaining: u64,
    extension_excess: u32,
    trailer_bytes: u32,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Chunked {
            state: State::Size,
            digits: 0,
            remaining: 0,
            extension_excess: 0,
            trailer_bytes: 0,
        }
    }

    /// Takes a prefix of `input`. `room` is the number of body bytes that the limit still allows.
    #[inline]
    pub(super) fn step<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
        room: u64,
    ) -> Result<ChunkStep<'a>, HttpError> {
        let mut at = 0;
        if self.state == State::Size
            && self.digits == 0
            && let Some((size, line_bytes)) = plain_size_line(input)
        {
            at = line_bytes;
            self.begin_chunk(size);
        }
        while at < input.len() {
            if self.state == State::Data {
                return self.data(input, at, room);
            }
            let ended = self.byte(input[at], limits)?;
            at += 1;
            if ended {
                return Ok(ChunkStep::End { consumed: at });
            }
        }
        Ok(ChunkStep::NeedMore)
    }

    #[inline]
    fn data<'a>(&mut self, input: &'a [u8], at: usize, room: u64) -> Result<ChunkStep<'a>, HttpError> {
        let rest = &input[at..];
        let take = self.remaining.min(room).min(rest.len() as u64) as usize;
        if take == 0 {
            return Err(HttpError::TooLarge);
        }
        let (data, behind) = rest.split_at(take);
        self.remaining -= take as u64;
        let mut consumed = at + take;
        if self.remaining == 0 {
            if behind.starts_with(b"\r\n") {
                consumed += 2;
                self.begin_size();
            } else {
                // The framing that follows may be wrong, but the data counts and goes out first.
                self.state = State::DataCr;
            }
        }
        Ok(ChunkStep::Data { consumed, data })
    }

    fn begin_size(&mut self) {
        self.state = State::Size;
        self.digits = 0;
        self.remaining = 0;
    }

    fn begin_chunk(&mut self, size: u64) {
        self.remaining = size;
        self.state = if size == 0 {
            State::TrailerStart
        } else {
            State::Data
        };
        // The allowance grows with the body, so that a stream of many signed chunks does not exceed the limit.
        if self.extension_excess > 0 {
            let allowance = u32::try_from(size.saturating_mul(2)).unwrap_or(u32::MAX);
            let allowance = allowance.saturating_add(16);
            self.extension_excess = self.extension_excess.saturating_sub(allowance);
        }
    }

    /// Takes one byte of framing. Returns true for the byte that ends the body.
    fn byte(&mut self, byte: u8, limits: &Limits) -> Result<bool, HttpError> {
        match self.state {
            State::Size => self.size_byte(byte, limits)?,
            State::SizeBlank => match byte {
                b' ' | b'\t' => self.charge_extension(limits)?,
                b';' => self.begin_extension(limits)?,
                b'\r' => self.state = State::SizeLf,
                _ => return Err(HttpError::BadChunk),
            },
            State::Extension => match byte {
                b'\r' => self.state = State::SizeLf,
                // Parsers that end an extension at a lone LF see different chunks than those that do not.
                b'\n' => return Err(HttpError::BadChunk),
                _ => self.charge_extension(limits)?,
            },
            State::SizeLf if byte == b'\n' => {
                if self.remaining > CHUNK_BYTES_MAX {
                    return Err(HttpError::BadChunk);
                }
                self.begin_chunk(self.remaining);
            }
            State::DataCr if byte == b'\r' => self.state = State::DataLf,
            State::DataLf if byte == b'\n' => self.begin_size(),
            State::SizeLf | State::DataCr | State::DataLf | State::Data => {
                return Err(HttpError::BadChunk);
            }
            _ => return self.trailer_byte(byte, limits),
        }
        Ok(false)
    }

    fn size_byte(&mut self, byte: u8, limits: &Limits) -> Result<(), HttpError> {
        if let Some(digit) = hex_value(byte) {
            if self.digits == SIZE_DIGITS_MAX {
                return Err(HttpError::BadChunk);
            }
            self.remaining = self.remaining << 4 | u64::from(digit);
            self.digits += 1;
            return Ok(());
        }
        if self.digits == 0 {
            return Err(HttpError::BadChunk);
        }
        match byte {
            b'\r' => self.state = State::SizeLf,
            b';' => self.begin_extension(limits)?,
            b' ' | b'\t' => {
                self.state = State::SizeBlank;
                self.charge_extension(limits)?;
            }
            _ => return Err(HttpError::BadChunk),
        }
        Ok(())
    }

    fn begin_extension(&mut self, limits: &Limits) -> Result<(), HttpError> {
        self.state = State::Extension;
        self.charge_extension(limits)
    }

    fn charge_extension(&mut self, limits: &Limits) -> Result<(), HttpError> {
        self.extension_excess = self.extension_excess.saturating_add(1);
        if self.extension_excess as usize > limits.chunk_extension_bytes_max {
            return Err(HttpError::BadChunk);
        }
        Ok(())
    }

    /// Checks and drops trailers: nothing in them may change the framing, and no metric needs them.
    fn trailer_byte(&mut self, byte: u8, limits: &Limits) -> Result<bool, HttpError> {
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        if self.trailer_bytes as usize > limits.trailer_bytes_max {
            return Err(HttpError::TooLarge);
        }
        self.state = match (self.state, byte) {
            (State::EndLf, b'\n') => return Ok(true),
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerStart | State::TrailerName, b) if is_token_byte(b) => State::TrailerName,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => State::TrailerValue,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            _ => return Err(HttpError::BadHeader),
        };
        Ok(false)
    }
}

/// Reads a size line that is complete and has no extension, such as `1F4\r\n`, as nearly all are. Returns the size and
/// the line's length. This is the fast path.
#[inline]
fn plain_size_line(input: &[u8]) -> Option<(u64, usize)> {
    // Seven digits are enough for 256 MiB; larger sizes take the slow path.
    const DIGITS_MAX: usize = 7;
    let mut size = 0u64;
    for (i, &byte) in input.iter().take(DIGITS_MAX + 1).enumerate() {
        match hex_value(byte) {
            Some(digit) => size = size << 4 | u64::from(digit),
            None if i > 0 && input[i..].starts_with(b"\r\n") => return Some((size, i + 2)),
            None => return None,
        }
    }
    None
}

#[inline]
fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
