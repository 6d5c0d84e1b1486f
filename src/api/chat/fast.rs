//! The fast reader: one pass over the shapes that servers send. `None` means "not sure", never "wrong".

use super::super::scan::Scan;
use super::plain::with_timings;
use super::{Part, TEXTS, THOUGHTS};
use crate::api::facts::Piece;
use crate::api::{EventFacts, ServerTimes, Usage};
use crate::metrics::FinishWord;

/// The keys that an object has had so far, among those that matter. A repeated key is left to the plain reader, for
/// which the last of equal keys counts.
#[derive(Default)]
pub(in crate::api) struct Seen(u32);

impl Seen {
    #[inline(always)]
    pub fn first(&mut self, key: u32) -> Option<()> {
        let fresh = self.0 & (1 << key) == 0;
        self.0 |= 1 << key;
        fresh.then_some(())
    }
}

/// The number of the first member of [`THOUGHTS`] among the members of a piece.
const FIRST_THOUGHT: u32 = 8;

pub(super) fn read(data: &[u8], part: Part) -> Option<EventFacts> {
    let mut facts = EventFacts::default();
    let (mut in_choice, mut timed) = (None, None);
    let mut seen = Seen::default();
    let mut scan = Scan::new(data);
    scan.object(|scan, key| match key {
        b"choices" => {
            seen.first(0)?;
            choices(scan, part, &mut facts, &mut in_choice)
        }
        b"usage" => {
            seen.first(1)?;
            facts.usage = usage(scan)?;
            Some(())
        }
        b"timings" => {
            seen.first(2)?;
            (timed, facts.times) = timings(scan)?;
            Some(())
        }
        b"object" => {
            seen.first(3)?;
            facts.error |= is_error(scan)?;
            Some(())
        }
        b"type" => {
            seen.first(4)?;
            facts.error |= is_error(scan)?;
            Some(())
        }
        b"error" => {
            seen.first(5)?;
            scan.null()
        }
        // Groq's own member, in two events of a stream, may hold the usage.
        b"x_groq" => None,
        _ => scan.skip(),
    })?;
    scan.end()?;
    facts.usage = with_timings(facts.usage.or(in_choice), timed);
    Some(facts)
}

/// Reads a value and returns true if it is the string `error`; for the member that says what a document is.
pub(in crate::api) fn is_error(scan: &mut Scan) -> Option<bool> {
    Some(scan.string()?.unescaped()? == b"error")
}

/// Reads a string or null; returns true if there is text in it.
#[inline(always)]
pub(in crate::api) fn has_text(scan: &mut Scan) -> Option<bool> {
    match scan.peek()? {
        b'"' => Some(!scan.string()?.raw.is_empty()),
        _ => scan.null().map(|()| false),
    }
}

#[inline(always)]
fn choices(scan: &mut Scan, part: Part, facts: &mut EventFacts, in_choice: &mut Option<Usage>) -> Option<()> {
    if scan.peek()? == b'n' {
        return scan.null();
    }
    let mut place = 0;
    scan.array(|scan| {
        let (mut number, mut has_ended) = (place, false);
        place += 1;
        let mut seen = Seen::default();
        scan.object(|scan, key| match key {
            b"index" => {
                seen.first(4)?;
                number = u64::from(scan.count()?);
                Some(())
            }
            b"finish_reason" => {
                seen.first(0)?;
                has_ended = finish(scan, facts)?;
                Some(())
            }
            b"text" => {
                seen.first(1)?;
                answer(scan, facts)
            }
            _ if key == part.key().as_bytes() => {
                seen.first(2)?;
                piece(scan, facts)
            }
            b"usage" => {
                seen.first(3)?;
                *in_choice = in_choice.or(usage(scan)?);
                Some(())
            }
            _ => scan.skip(),
        })?;
        facts.choices.add(number, has_ended);
        Some(())
    })
}

/// Reads a word in printable ASCII, or null; anything else is left to the plain reader. Returns true for a word.
fn finish(scan: &mut Scan, facts: &mut EventFacts) -> Option<bool> {
    if scan.peek()? == b'n' {
        return scan.null().map(|()| false);
    }
    let word = scan.string()?.unescaped()?;
    if !word.is_ascii() {
        return None;
    }
    if !word.is_empty() {
        facts.finish_with(FinishWord::of(word));
    }
    Some(!word.is_empty())
}

#[inline(always)]
fn answer(scan: &mut Scan, facts: &mut EventFacts) -> Option<()> {
    facts.add(Piece::Answer, has_text(scan)?);
    Some(())
}

/// Reads a delta or a message.
#[inline(always)]
fn piece(scan: &mut Scan, facts: &mut EventFacts) -> Option<()> {
    if scan.peek()? == b'n' {
        return scan.null();
    }
    let mut seen = Seen::default();
    scan.object(|scan, key| match key {
        b"content" => {
            seen.first(0)?;
            answer(scan, facts)
        }
        b"refusal" => {
            seen.first(1)?;
            answer(scan, facts)
        }
        b"tool_calls" => {
            seen.first(4)?;
            tool_calls(scan, facts)
        }
        b"function_call" => {
            seen.first(5)?;
            call(scan, facts)
        }
        _ => match THOUGHTS.iter().position(|name| name.as_bytes() == key) {
            Some(number) => {
                seen.first(FIRST_THOUGHT + number as u32)?;
                thought(scan, facts)
            }
            None => scan.skip(),
        },
    })
}

/// Reads thoughts, which are text, or a list of entries of which some hold text (`reasoning_details`).
fn thought(scan: &mut Scan, facts: &mut EventFacts) -> Option<()> {
    let mut text = false;
    match scan.peek()? {
        b'[' => scan.array(|scan| {
            let mut seen = Seen::default();
            scan.object(
                |scan, key| match TEXTS.iter().position(|name| name.as_bytes() == key) {
                    Some(number) => {
                        seen.first(number as u32)?;
                        text |= has_text(scan)?;
                        Some(())
                    }
                    None => scan.skip(),
                },
            )
        })?,
        _ => text = has_text(scan)?,
    }
    facts.add(Piece::Thought, text);
    Some(())
}

fn tool_calls(scan: &mut Scan, facts: &mut EventFacts) -> Option<()> {
    if scan.peek()? == b'n' {
        return scan.null();
    }
    scan.array(|scan| {
        let mut seen = Seen::default();
        scan.object(|scan, key| match key {
            b"function" => {
                seen.first(0)?;
                call(scan, facts)
            }
            b"custom" => {
                seen.first(1)?;
                call(scan, facts)
            }
            _ => scan.skip(),
        })
    })
}

fn call(scan: &mut Scan, facts: &mut EventFacts) -> Option<()> {
    if scan.peek()? == b'n' {
        return scan.null();
    }
    let mut seen = Seen::default();
    scan.object(|scan, key| {
        let number = match key {
            b"name" => 0,
            b"arguments" => 1,
            b"input" => 2,
            _ => return scan.skip(),
        };
        seen.first(number)?;
        facts.add(Piece::Call, has_text(scan)?);
        Some(())
    })
}

/// Reads `usage`. The outer `None` means "not sure", the inner one that it has no count.
fn usage(scan: &mut Scan) -> Option<Option<Usage>> {
    if scan.peek()? == b'n' {
        return scan.null().map(|()| None);
    }
    let (mut completion, mut prompt) = (None, None);
    let (mut cached, mut reasoning) = ([None], [None]);
    // The same in words of some servers alone.
    let (mut own_cached, mut cache_hits, mut own_reasoning) = (None, None, None);
    scan.object(|scan, key| {
        match key {
            b"completion_tokens" => completion = Some(scan.count()?),
            b"prompt_tokens" => prompt = Some(scan.count()?),
            b"prompt_tokens_details" => cached = counts(scan, [b"cached_tokens"])?,
            b"completion_tokens_details" => reasoning = counts(scan, [b"reasoning_tokens"])?,
            b"cached_tokens" => own_cached = Some(scan.count()?),
            b"prompt_cache_hit_tokens" => cache_hits = Some(scan.count()?),
            b"reasoning_tokens" => own_reasoning = Some(scan.count()?),
            _ => scan.skip()?,
        }
        Some(())
    })?;
    Some(completion.map(|completion_tokens| Usage {
        completion_tokens,
        prompt_tokens: prompt.unwrap_or(0),
        cached_tokens: cached[0].or(own_cached).or(cache_hits),
        reasoning_tokens: reasoning[0].or(own_reasoning),
    }))
}

/// Reads llama.cpp's `timings`: token counts, unless generated tokens are not counted, and times.
pub(in crate::api) fn timings(scan: &mut Scan) -> Option<(Option<Usage>, ServerTimes)> {
    let (mut read, mut cached, mut predicted) = (None, None, None);
    let mut times = ServerTimes::default();
    if scan.peek()? == b'n' {
        scan.null()?;
        return Some((None, times));
    }
    scan.object(|scan, key| {
        match key {
            b"prompt_n" => read = Some(scan.count()?),
            b"cache_n" => cached = Some(scan.count()?),
            b"predicted_n" => predicted = Some(scan.count()?),
            b"prompt_ms" => times.prompt = ServerTimes::nanos(scan.float()?),
            b"predicted_ms" => times.decode = ServerTimes::nanos(scan.float()?),
            _ => scan.skip()?,
        }
        Some(())
    })?;
    let usage = predicted.map(|completion_tokens| Usage {
        completion_tokens,
        // Both have at most nine digits: no overflow.
        prompt_tokens: read.unwrap_or(0) + cached.unwrap_or(0),
        cached_tokens: cached,
        reasoning_tokens: None,
    });
    Some((usage, times))
}

/// Reads the whole numbers under `names` in an object; a null has none of them.
pub(in crate::api) fn counts<const N: usize>(scan: &mut Scan, names: [&[u8]; N]) -> Option<[Option<u32>; N]> {
    let mut found = [None; N];
    if scan.peek()? == b'n' {
        scan.null()?;
        return Some(found);
    }
    scan.object(|scan, key| match names.iter().position(|&name| name == key) {
        Some(i) => {
            found[i] = Some(scan.count()?);
            Some(())
        }
        None => scan.skip(),
    })?;
    Some(found)
}
