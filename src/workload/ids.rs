//! Prompts as ids of tokens, made from the seed.

use super::random::{permuted, up_to};
use crate::units::Span;

/// The number of random bits that choose an id: half of what one step of the generator gives.
const BITS: u32 = 32;

/// The ids of prompts whose vocabulary was not given. Vocabularies of 32,000 tokens and more have them, and special
/// tokens lie below or above.
pub const VOCABULARY_DEFAULT: Span<u32> = Span {
    min: 1_000,
    max: 30_000,
};

/// Appends `count` ids out of `vocabulary` as a JSON array of numbers.
///
/// The first ids spell the key, in the number system that has the vocabulary for digits, so no two prompts of a run are
/// equal if they are long enough for it (5 ids out of 29,001), and no two share a beginning that a prompt cache could
/// use. The others are as good as random.
pub(super) fn push_ids(out: &mut Vec<u8>, key: u64, count: u32, vocabulary: Span<u32>) {
    out.push(b'[');
    push_more_ids(out, key, count, vocabulary);
    out.push(b']');
}

/// Appends the ids alone, separated by commas, with a comma before them unless an array begins there.
pub(super) fn push_more_ids(out: &mut Vec<u8>, key: u64, count: u32, vocabulary: Span<u32>) {
    let largest = u64::from(vocabulary.max - vocabulary.min);
    let spelling = digits(largest + 1).min(count);
    let mut rest = key;
    let mut bits = 0;
    for i in 0..count {
        let above_min = if i < spelling {
            let digit = rest % (largest + 1);
            rest /= largest + 1;
            digit
        } else {
            if (i - spelling).is_multiple_of(2) {
                bits = permuted(key, u64::from(i));
            }
            let id = up_to(largest, bits << BITS);
            bits >>= BITS;
            id
        };
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        // Lossless, because it is at most `max`.
        push_number(out, vocabulary.min + above_min as u32);
    }
}

/// Returns how many digits 64 bits have in the number system with this base; 0 if it has only one digit.
fn digits(base: u64) -> u32 {
    match base {
        0 | 1 => 0,
        _ => u64::MAX.ilog(base) + 1,
    }
}

/// Appends a number in decimal digits. A prompt of 100,000 ids is written digit by digit, so it is worth its own lines.
fn push_number(out: &mut Vec<u8>, mut number: u32) {
    let mut digits = [0; 10];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
