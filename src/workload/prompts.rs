//! Prompts made from the seed, and prompts read from a file.

use serde_json::Value;

use super::random::permuted;
use super::words::WORDS;

/// The number of words at the beginning of a made prompt that spell its key, one byte each. So no two prompts of a run
/// are equal, they differ from the first word or soon after it, and a prompt cache hardly helps.
const KEY_WORDS: u32 = 8;

/// The most prompts of one kind of request, from a document or a file.
pub const PROMPTS_MAX: usize = 10_000;
/// The longest prompt: about 64,000 tokens.
pub const PROMPT_BYTES_MAX: usize = 256 << 10;
/// The largest file of prompts. All of it is held in memory, once for each kind of request at each server.
pub const PROMPTS_BYTES_MAX: usize = 16 << 20;

/// Returns the key that a prompt is made from. It differs for any two requests of a run with fewer than 2^24 VUs and
/// 2^40 iterations each, because every step of the computation can be reversed.
pub(super) fn prompt_key(seed: u64, vu: u32, iteration: u64) -> u64 {
    permuted(seed, u64::from(vu) << 40 ^ iteration)
}

/// Appends the words of a made prompt, separated by blanks: `min_tokens` words, but at least 8. They
/// consist of letters and blanks, so they need no escapes in JSON.
///
/// No tokenizer in use makes one token of two words, so there are at least as many tokens as words. Since all words
/// are common, there are hardly more: 50 words are 50 or 51 tokens to SmolLM2.
pub(super) fn push_words(out: &mut Vec<u8>, key: u64, min_tokens: u32) {
    let mut bytes = key;
    for i in 0..min_tokens.max(KEY_WORDS) {
        if i > 0 {
            if i % 8 == 0 {
                bytes = permuted(key, u64::from(i));
            }
            out.push(b' ');
        }
        out.extend_from_slice(WORDS[(bytes & 0xff) as usize].as_bytes());
        bytes >>= 8;
    }
}

/// Returns the prompts of a file, in its order. The file is JSON Lines if the first line that is not blank is an object
/// or a string: each line is `{"prompt": "..."}`, `{"text": "..."}` or `"..."`, and other members are ignored.
/// Otherwise it is plain text with one prompt per line. Blank lines are skipped in both, so a file may hold no prompt.
///
/// # Errors
/// Returns the first mistake: its line, counted from 1, and what is wrong with it.
pub fn parse_prompts(text: &str) -> Result<Vec<String>, (usize, String)> {
    if text.len() > PROMPTS_BYTES_MAX {
        let what = format!(
            "{} bytes of prompts exceed the limit of {PROMPTS_BYTES_MAX}",
            text.len()
        );
        return Err((1, what));
    }
    // Windows puts a byte order mark in front of UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .peekable();
    let json = lines.peek().is_some_and(|(_, first)| is_json_line(first.trim()));
    let mut prompts = Vec::new();
    for (index, line) in lines {
        let line_number = index + 1;
        if prompts.len() == PROMPTS_MAX {
            return Err((line_number, format!("more than {PROMPTS_MAX} prompts")));
        }
        let prompt = if json {
            json_prompt(line.trim()).map_err(|what| (line_number, what))?
        } else {
            line.to_owned()
        };
        if prompt.trim().is_empty() {
            return Err((line_number, "an empty prompt".to_owned()));
        }
        if prompt.len() > PROMPT_BYTES_MAX {
            let what = format!(
                "a prompt of {} bytes exceeds the limit of {PROMPT_BYTES_MAX}",
                prompt.len()
            );
            return Err((line_number, what));
        }
        prompts.push(prompt);
    }
    Ok(prompts)
}

/// Returns true for an object, valid or not, and for a complete string. Text in quotes followed by more is plain text.
fn is_json_line(line: &str) -> bool {
    line.starts_with('{') || line.starts_with('"') && serde_json::from_str::<String>(line).is_ok()
}

fn json_prompt(line: &str) -> Result<String, String> {
    let value: Value =
        serde_json::from_str(line).map_err(|e| format!("not JSON at column {}", e.column()))?;
    let found = match value {
        Value::String(text) => return Ok(text),
        Value::Object(mut members) => members.remove("prompt").or_else(|| members.remove("text")),
        _ => None,
    };
    match found {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("the prompt is not a string".to_owned()),
        None => Err("neither a string nor an object with `prompt` or `text`".to_owned()),
    }
}

#[cfg(test)]
#[path = "prompts_tests.rs"]
mod tests;
