//! Prompts whose beginnings are shared: groups of prompts, each with a prefix of its own, for prefix caches.

use super::random::{by_weight, keyed, permuted, up_to};
use crate::lengths::Lengths;
use crate::units::Span;

/// The numbers by which one key chooses several things.
const BUCKET: u64 = 1;
const GROUP: u64 = 2;
const QUESTION: u64 = 3;
const LENGTH: u64 = 4;
const PREFIX: u64 = 5;

/// How prompts are made that begin like others: a prefix, which all prompts of a group have, and a question.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedPrefixes {
    /// Not empty in a plan.
    pub buckets: Vec<PrefixBucket>,
    /// The lengths of questions.
    pub question_tokens: Lengths,
    /// How many different questions each group has; `None` makes a new one for every request.
    pub prompts_per_group: Option<u32>,
    /// The ids that prompts consist of; `None` makes them of words.
    pub vocabulary: Option<Span<u32>>,
    /// The seed of prefixes and of the questions of groups. It is that of the run in all of its passes, so that a
    /// warm-up asks for the prefixes of the load.
    pub seed: u64,
}

/// Groups whose prefixes have lengths in common.
#[derive(Clone, Debug, PartialEq)]
pub struct PrefixBucket {
    /// Its share of the requests relative to other buckets; not 0 in a plan.
    pub weight: u32,
    /// Which of its groups a request belongs to: a distribution from 1 to their number.
    pub group: Lengths,
    /// The lengths of prefixes; each group has one of them.
    pub prefix_tokens: Lengths,
}

/// What one prompt consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub prefix_key: u64,
    pub prefix_tokens: u32,
    pub question_key: u64,
    pub question_tokens: u32,
}

impl Parts {
    /// Returns the length of the whole prompt.
    pub(super) fn tokens(&self) -> u32 {
        self.prefix_tokens + self.question_tokens
    }
}

impl SharedPrefixes {
    /// Returns the tokens of the shortest prompt.
    pub fn shortest(&self) -> u32 {
        let prefixes = self.buckets.iter().map(|bucket| bucket.prefix_tokens.min());
        prefixes.min().unwrap_or(0) + self.question_tokens.min()
    }

    /// Says for people what the prompts are.
    pub fn in_words(&self) -> String {
        let ids = match self.vocabulary {
            Some(Span { min, max }) => format!(" ids from {min} to {max}"),
            None => "s".to_owned(),
        };
        let of = |bucket: &PrefixBucket| {
            format!(
                "{} shared prefixes of {} token{ids}",
                bucket.group.max(),
                bucket.prefix_tokens.in_words()
            )
        };
        let buckets: Vec<String> = self.buckets.iter().map(of).collect();
        let questions = match self.prompts_per_group {
            Some(count) => format!("one of {count} questions"),
            None => "a new question".to_owned(),
        };
        format!(
            "prompts with one of {}, then {questions} of {} token{ids}",
            buckets.join(" or of "),
            self.question_tokens.in_words()
        )
    }

    /// Returns the parts of the prompt that a key chooses. No two requests have the same key.
    pub(super) fn parts(&self, key: u64) -> Parts {
        let total: u64 = self.buckets.iter().map(|bucket| u64::from(bucket.weight)).sum();
        let at = up_to(total.saturating_sub(1), keyed([key, BUCKET, 0, 0]));
        let weights = self.buckets.iter().map(|bucket| bucket.weight);
        let index = by_weight((0..).zip(weights), at).unwrap_or(0);
        let bucket = &self.buckets[index];
        let group = bucket.group.draw(keyed([key, GROUP, 0, 0]));
        // Keys of their own: those of prompts are permuted under the seed alone.
        let prefix_key = permuted(
            keyed([self.seed, PREFIX, 0, 0]),
            (index as u64) << 32 | u64::from(group),
        );
        let question_key = match self.prompts_per_group {
            None => key,
            Some(count) => {
                let number = up_to(u64::from(count).saturating_sub(1), keyed([key, QUESTION, 0, 0]));
                permuted(prefix_key ^ self.seed, number)
            }
        };
        Parts {
            prefix_key,
            prefix_tokens: bucket.prefix_tokens.draw(keyed([prefix_key, LENGTH, 0, 0])),
            question_key,
            question_tokens: self.question_tokens.draw(keyed([question_key, LENGTH, 0, 0])),
        }
    }
}
