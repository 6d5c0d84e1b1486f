//! Prompts of words whose number of tokens is exact, because a tokenizer has counted each word.

use super::prompts::word_bytes;
use super::words::WORDS;

/// What the words of made prompts cost in tokens, as the tokenizer of a model counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordCosts {
    /// The tokens of each word with the blank before it; 0 for a word that is not used.
    costs: [u8; WORDS.len()],
    /// The cheapest word.
    filler: u8,
    /// The tokens that a prompt has besides: those of its prefix, of the first word, and of whatever the server puts
    /// around it.
    base: u32,
}

impl WordCosts {
    /// Takes the costs of the words, of which at least one is not 0.
    pub fn new(costs: [u8; WORDS.len()], base: u32) -> Option<WordCosts> {
        let used = (0..=u8::MAX).filter(|word| costs[usize::from(*word)] > 0);
        let filler = used.min_by_key(|word| costs[usize::from(*word)])?;
        Some(WordCosts { costs, filler, base })
    }

    /// Returns the costs with which a prompt is nothing but its prefix and the first word, to measure what that costs.
    pub fn unmeasured() -> WordCosts {
        WordCosts {
            costs: [1; WORDS.len()],
            filler: 0,
            base: u32::MAX,
        }
    }

    pub fn with_base(self, base: u32) -> WordCosts {
        WordCosts { base, ..self }
    }

    /// Returns the number of words that are used.
    pub fn used(&self) -> usize {
        self.costs.iter().filter(|cost| **cost > 0).count()
    }

    /// Returns the tokens of the shortest prompt.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// Appends words that bring a prompt to `tokens`, or as close below as the words allow; the first has no blank
    /// before it. The words follow from the key, as those of a prompt that nobody has counted.
    pub(super) fn push_words(&self, out: &mut Vec<u8>, key: u64, tokens: u32) {
        out.extend_from_slice(WORDS[usize::from(self.filler)].as_bytes());
        self.push_more_words(out, key, tokens.saturating_sub(self.base));
    }

    /// Appends words of `left` tokens, each with a blank before it.
    pub(super) fn push_more_words(&self, out: &mut Vec<u8>, key: u64, mut left: u32) {
        for word in word_bytes(key) {
            if left == 0 {
                break;
            }
            let cost_of = |word: u8| u32::from(self.costs[usize::from(word)]);
            let fits = |word: &u8| (1..=left).contains(&cost_of(*word));
            let Some(word) = [word, self.filler].into_iter().find(fits) else {
                break;
            };
            out.push(b' ');
            out.extend_from_slice(WORDS[usize::from(word)].as_bytes());
            left -= cost_of(word);
        }
    }
}
