//! Prompts made from the seed.

use super::random::permuted;
use super::words::WORDS;

/// The number of words at the beginning of a made prompt that spell its key, one byte each. So no two prompts of a run
/// are equal, they differ from the first word or soon after it, and a prompt cache hardly helps.
const KEY_WORDS: u32 = 8;

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
    let mut bytes = key;
    for i in 0..tokens.max(KEY_WORDS) {
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

#[cfg(test)]
#[path = "prompts_tests.rs"]
mod tests;
