//! Made prompts of an exact number of tokens, because a tokenizer has counted each word.

use super::prompts::word_bytes;
use super::types::Workload;
use super::words::WORDS;
use crate::units::Fnv;

/// The tokens of the words of made prompts, as the tokenizer of one model counts them, and of what is around them.
///
/// A tokenizer that splits a text at its blanks counts a word the same in any text, so that counts of words add up. The
/// words follow from the key of a prompt, as those of a prompt that nobody has counted; they end when the tokens do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordCosts {
    /// The tokens of each word with the blank before it; 0 for a word that is not used.
    costs: [u8; WORDS.len()],
    /// The cheapest word, which begins every text and fills what other words leave.
    filler: u8,
    /// The tokens of the first word alone.
    first: u32,
    /// The tokens of the first word with the kind's own prefix before it.
    opening: u32,
    /// The tokens of a whole prompt of that, as the server counts it: with its template and what else it adds.
    base: u32,
}

impl WordCosts {
    /// Takes the tokens of the words, each with a blank before it. `None` if no word has any.
    pub fn new(costs: [u8; WORDS.len()]) -> Option<WordCosts> {
        let used = (0..=u8::MAX).filter(|word| costs[usize::from(*word)] > 0);
        let filler = used.min_by_key(|word| costs[usize::from(*word)])?;
        Some(WordCosts {
            costs,
            filler,
            first: 0,
            opening: 0,
            base: u32::MAX,
        })
    }

    /// Returns the word that begins every text.
    pub fn first_word(&self) -> &'static str {
        WORDS[usize::from(self.filler)]
    }

    /// Returns them with the tokens of the first word: alone, after the kind's prefix, and as a whole prompt. Until
    /// these are known a prompt is nothing but that word.
    #[must_use]
    pub fn with_first(self, first: u32, opening: u32, base: u32) -> WordCosts {
        WordCosts {
            first,
            opening,
            base,
            ..self
        }
    }

    /// Returns the tokens of the shortest prompt.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// Returns the tokens of the prefix and the first word.
    pub fn opening(&self) -> u32 {
        self.opening
    }

    /// Adds all counts to a hash.
    fn hash(&self, to: &mut Fnv) {
        to.add(&self.costs);
        to.add(&[self.filler]);
        for count in [self.first, self.opening, self.base] {
            to.add(&count.to_le_bytes());
        }
    }

    /// Returns the tokens of the cheapest word: no prompt is further off.
    pub fn least(&self) -> u32 {
        u32::from(self.costs[usize::from(self.filler)])
    }

    /// Returns the tokens of the most expensive word.
    pub fn most(&self) -> u32 {
        self.costs.iter().copied().max().map_or(0, u32::from)
    }

    /// Appends the words that bring a whole prompt to `tokens`. Returns the tokens by which it is longer than that,
    /// because the server adds more.
    pub(super) fn push_prompt(&self, out: &mut Vec<u8>, key: u64, tokens: u32) -> u32 {
        out.extend_from_slice(self.first_word().as_bytes());
        self.push_more(out, key, tokens.saturating_sub(self.base));
        self.base.saturating_sub(tokens)
    }

    /// Appends the words that bring a text with the kind's prefix to `tokens`, whatever the server puts around it.
    pub(super) fn push_part(&self, out: &mut Vec<u8>, key: u64, tokens: u32) {
        out.extend_from_slice(self.first_word().as_bytes());
        self.push_more(out, key, tokens.saturating_sub(self.opening));
    }

    /// Appends words that are a text of `tokens` tokens; after other words, with a blank before it.
    pub(super) fn push_text(&self, out: &mut Vec<u8>, key: u64, tokens: u32, is_begin: bool) {
        if !is_begin {
            return self.push_more(out, key, tokens);
        }
        out.extend_from_slice(self.first_word().as_bytes());
        self.push_more(out, key, tokens.saturating_sub(self.first));
    }

    /// Appends words of `tokens` tokens, each with a blank before it.
    pub(super) fn push_more(&self, out: &mut Vec<u8>, key: u64, tokens: u32) {
        self.push_chosen(out, word_bytes(key), tokens);
    }

    /// Appends words of `left` tokens that `chosen` chooses, each with a blank before it.
    pub(super) fn push_chosen(&self, out: &mut Vec<u8>, chosen: impl Iterator<Item = u8>, mut left: u32) {
        for word in chosen {
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

impl Workload {
    /// Returns a text that differs where a tokenizer counted other tokens (FNV-1a over all counts); `None` if none
    /// counted. Processes that share a plan make the same prompts only if it is the same.
    pub fn fingerprint_of_costs(&self) -> Option<String> {
        let chats = self.kinds.iter().filter_map(|kind| kind.call.chat());
        let mut hash: Option<Fnv> = None;
        for costs in chats.flat_map(|chat| &chat.word_costs) {
            costs.hash(hash.get_or_insert_default());
        }
        hash.map(|hash| format!("{:016x}", hash.value()))
    }
}

#[cfg(test)]
#[path = "costs_tests.rs"]
mod tests;
