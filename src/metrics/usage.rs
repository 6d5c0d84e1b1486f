//! The tokens of requests as their servers count them, added up over the answers that state them.

use crate::metrics::{Outcome, Sample, TokenSource};
use crate::units::is_zero;
use serde::{Deserialize, Serialize};

/// Tokens over those answers that state how many there were. What an answer does not state is unknown and no 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedTokens {
    /// Answers that state them.
    pub requests: u64,
    pub tokens: u64,
}

impl StatedTokens {
    pub fn is_empty(&self) -> bool {
        *self == StatedTokens::default()
    }

    fn count(&mut self, tokens: Option<u32>) {
        if let Some(tokens) = tokens {
            self.requests += 1;
            self.tokens += u64::from(tokens);
        }
    }

    fn merge(&mut self, other: &StatedTokens) {
        let StatedTokens { requests, tokens } = other;
        self.requests = self.requests.saturating_add(*requests);
        self.tokens = self.tokens.saturating_add(*tokens);
    }
}

/// Tokens that are a part of others, over those answers that state both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOfTokens {
    /// Answers that state both.
    pub requests: u64,
    pub tokens: u64,
    /// The tokens that these are a part of, in the same answers.
    pub of: u64,
}

impl PartOfTokens {
    pub fn is_empty(&self) -> bool {
        *self == PartOfTokens::default()
    }

    /// Returns the share, 0 to 1; `None` if no answer states both, or if there is nothing to be a part of.
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| self.tokens as f64 / self.of as f64)
    }

    fn count(&mut self, part: Option<u32>, whole: Option<u32>) {
        if let (Some(part), Some(whole)) = (part, whole) {
            self.requests += 1;
            self.tokens += u64::from(part);
            self.of += u64::from(whole);
        }
    }

    fn merge(&mut self, other: &PartOfTokens) {
        let PartOfTokens { requests, tokens, of } = other;
        self.requests = self.requests.saturating_add(*requests);
        self.tokens = self.tokens.saturating_add(*tokens);
        self.of = self.of.saturating_add(*of);
    }
}

/// What servers state of the tokens of requests, whatever became of the request: a server has read the prompt of an
/// answer that broke off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens of prompts, cached ones included.
    #[serde(default, skip_serializing_if = "StatedTokens::is_empty")]
    pub prompt: StatedTokens,
    /// Tokens of prompts that came from the server's cache.
    #[serde(default, skip_serializing_if = "PartOfTokens::is_empty")]
    pub cached: PartOfTokens,
    /// Output tokens that are thoughts.
    #[serde(default, skip_serializing_if = "PartOfTokens::is_empty")]
    pub reasoning: PartOfTokens,
    /// Texts that ok answers have embedded, ranked or scored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub texts: u64,
}

impl TokenUsage {
    pub fn is_empty(&self) -> bool {
        *self == TokenUsage::default()
    }

    pub(super) fn count(&mut self, sample: &Sample) {
        let output = (sample.token_source == TokenSource::Server).then_some(sample.output_tokens);
        self.prompt.count(sample.prompt_tokens);
        self.cached.count(sample.cached_tokens, sample.prompt_tokens);
        self.reasoning.count(sample.reasoning_tokens, output);
        self.texts += texts_of(sample);
    }

    pub fn merge(&mut self, other: &TokenUsage) {
        let TokenUsage {
            prompt,
            cached,
            reasoning,
            texts,
        } = other;
        self.prompt.merge(prompt);
        self.cached.merge(cached);
        self.reasoning.merge(reasoning);
        self.texts = self.texts.saturating_add(*texts);
    }
}

/// Returns how many texts an answer has embedded, ranked or scored.
pub(super) fn texts_of(sample: &Sample) -> u64 {
    match sample.outcome {
        Outcome::Ok => u64::from(sample.asked.texts),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(prompt: Option<u32>, cached: Option<u32>, reasoning: Option<u32>) -> Sample {
        Sample {
            prompt_tokens: prompt,
            cached_tokens: cached,
            reasoning_tokens: reasoning,
            output_tokens: 20,
            token_source: TokenSource::Server,
            ..Sample::ended(Outcome::Ok, 1)
        }
    }

    #[test]
    fn a_share_is_of_the_answers_that_state_both_and_what_is_not_stated_is_no_zero() {
        let mut usage = TokenUsage::default();
        assert_eq!(usage.cached.share(), None);
        usage.count(&stated(Some(100), Some(60), None));
        usage.count(&stated(Some(300), None, None));
        usage.count(&stated(None, Some(7), None));
        usage.count(&stated(Some(100), Some(0), Some(5)));
        assert_eq!((usage.prompt.requests, usage.prompt.tokens), (3, 500));
        assert_eq!(
            (usage.cached.requests, usage.cached.tokens, usage.cached.of),
            (2, 60, 200)
        );
        assert_eq!(usage.cached.share(), Some(0.3));
        assert_eq!(usage.reasoning.share(), Some(0.25));
        assert_eq!(usage.reasoning.requests, 1);
    }

    #[test]
    fn thoughts_are_no_share_of_tokens_that_we_counted_ourselves() {
        let mut usage = TokenUsage::default();
        usage.count(&Sample {
            token_source: TokenSource::Events,
            ..stated(None, None, Some(5))
        });
        assert!(usage.is_empty());
    }

    #[test]
    fn an_answer_without_a_single_token_has_no_share() {
        let mut usage = TokenUsage::default();
        usage.count(&stated(Some(0), Some(0), None));
        assert_eq!((usage.cached.requests, usage.cached.share()), (1, None));
    }
}
