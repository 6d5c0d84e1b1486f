//! Prompts made from the seed.

use super::random::permuted;
use super::words::WORDS;

/// The number of words at the beginning of a made prompt that spell its key, one byte each. So no two prompts of a run
/// are equal, they differ from the first word or soon after it, and a prompt cache hardly helps.
const KEY_WORDS: usize = 8;

/// Returns the key that a prompt is made from. It differs for any two requests of a run with fewer than 2^24 VUs and
/// 2^40 iterations each, because every step of the computation can be reversed.
pub(super) fn prompt_key(seed: u64, vu: u32, iteration: u64) -> u64 {
    permuted(seed, u64::from(vu) << 40 ^ iteration)
}

/// Returns the key of a second prompt for the same request. No other request has it, if there are fewer than 2^23
/// VUs.
pub(super) fn other_prompt_key(seed: u64, vu: u32, iteration: u64) -> u64 {
    permuted(seed, (u64::from(vu) << 40 ^ iteration) ^ 1 << 63)
}

/// Appends the words of a made prompt, separated by blanks: `tokens` words, but at least 8. They
/// consist of letters and blanks, so they need no escapes in JSON.
///
/// No tokenizer in use makes one token of two words, so there are at least as many tokens as words. Since all words
/// are common, there are hardly more: 50 words are 50 or 51 tokens to SmolLM2.
pub(super) fn push_words(out: &mut Vec<u8>, key: u64, tokens: u32) {
    for (i, byte) in word_bytes(key).take((tokens as usize).max(KEY_WORDS)).enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(WORDS[usize::from(byte)].as_bytes());
    }
}

/// Appends exactly this many words, each with a blank before it unless a JSON string begins there.
pub(super) fn push_more_words(out: &mut Vec<u8>, key: u64, tokens: u32) {
    for byte in word_bytes(key).take(tokens as usize) {
        if out.last() != Some(&b'"') {
            out.push(b' ');
        }
        out.extend_from_slice(WORDS[usize::from(byte)].as_bytes());
    }
}

/// Returns the bytes that choose the words of a prompt: first those of its key, which spell it, then others.
pub(super) fn word_bytes(key: u64) -> impl Iterator<Item = u8> {
    let eights = (0_u64..).step_by(KEY_WORDS);
    eights.flat_map(move |i| match i {
        0 => key.to_le_bytes(),
        _ => permuted(key, i).to_le_bytes(),
    })
}

#[cfg(test)]
#[path = "prompts_tests.rs"]
mod tests;
