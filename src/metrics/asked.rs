//! The lengths that requests asked for, against those that were served.

use crate::metrics::{Outcome, Sample, TokenSource};
use serde::{Deserialize, Serialize};

/// The relative difference up to which two lengths count as the same.
const CLOSE: f64 = 0.01;

/// The lengths that one request asks for, in tokens; 0 where it asks for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedTokens {
    pub prompt: u32,
    /// The limit of the answer.
    pub output: u32,
    /// How many texts are embedded, ranked or scored; 0 for requests for generated text.
    pub texts: u32,
}

/// How many tokens were asked for and how many there were, over ok requests whose server counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LengthCounts {
    /// Requests that asked for a length and were counted.
    pub requests: u64,
    /// The tokens that they asked for.
    pub asked: u64,
    /// The tokens that the server counted.
    pub served: u64,
    /// Those of the requests whose two counts differ by at most 1 %.
    pub close: u64,
}

impl LengthCounts {
    pub fn is_empty(&self) -> bool {
        *self == LengthCounts::default()
    }

    fn count(&mut self, asked: u32, served: u32) {
        self.requests += 1;
        self.asked += u64::from(asked);
        self.served += u64::from(served);
        let off = f64::from(asked.abs_diff(served));
        self.close += u64::from(off <= CLOSE * f64::from(asked));
    }

    pub fn merge(&mut self, other: &LengthCounts) {
        let LengthCounts {
            requests,
            asked,
            served,
            close,
        } = other;
        self.requests = self.requests.saturating_add(*requests);
        self.asked = self.asked.saturating_add(*asked);
        self.served = self.served.saturating_add(*served);
        self.close = self.close.saturating_add(*close);
    }

    /// Returns the mean lengths, asked and served; `None` while nothing was counted.
    pub fn means(&self) -> Option<(f64, f64)> {
        let mean = |sum: u64| sum as f64 / self.requests as f64;
        (self.requests > 0).then(|| (mean(self.asked), mean(self.served)))
    }

    /// Returns the share of requests whose two counts differ by at most 1 %.
    pub fn close_share(&self) -> f64 {
        self.close as f64 / self.requests.max(1) as f64
    }

    /// Returns by which part of what was asked for the served tokens differ: 0.1 is a tenth more.
    pub fn difference(&self) -> f64 {
        match self.asked {
            0 => 0.0,
            asked => self.served as f64 / asked as f64 - 1.0,
        }
    }

    /// Tells whether the sums differ by more than 1 %.
    pub fn is_off(&self) -> bool {
        self.difference().abs() > CLOSE
    }
}

/// Lengths of prompts and of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedAndServed {
    /// Prompts: those made for the run, against the server's `prompt_tokens`.
    #[serde(default, skip_serializing_if = "LengthCounts::is_empty")]
    pub prompt: LengthCounts,
    /// Answers: the token limit, against the server's `completion_tokens`.
    #[serde(default, skip_serializing_if = "LengthCounts::is_empty")]
    pub output: LengthCounts,
}

impl AskedAndServed {
    pub fn is_empty(&self) -> bool {
        *self == AskedAndServed::default()
    }

    pub(super) fn count(&mut self, sample: &Sample) {
        if sample.outcome != Outcome::Ok {
            return;
        }
        let asked = sample.asked;
        if asked.prompt > 0
            && let Some(served) = sample.prompt_tokens.filter(|served| *served > 0)
        {
            self.prompt.count(asked.prompt, served);
        }
        if asked.output > 0 && sample.token_source == TokenSource::Server {
            self.output.count(asked.output, sample.output_tokens);
        }
    }

    pub fn merge(&mut self, other: &AskedAndServed) {
        let AskedAndServed { prompt, output } = other;
        self.prompt.merge(prompt);
        self.output.merge(output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(pairs: &[(u32, u32)]) -> LengthCounts {
        let mut counts = AskedAndServed::default();
        for (asked, served) in pairs {
            let sample = Sample {
                asked: AskedTokens {
                    prompt: *asked,
                    ..AskedTokens::default()
                },
                prompt_tokens: Some(*served),
                ..Sample::ended(Outcome::Ok, 1)
            };
            counts.count(&sample);
        }
        assert!(counts.output.is_empty());
        counts.prompt
    }

    #[test]
    fn one_percent_is_close_and_more_is_not() {
        let counts = counted(&[(100, 100), (100, 101), (100, 99), (100, 102), (1000, 989)]);
        assert_eq!((counts.requests, counts.close), (5, 3));
        assert_eq!((counts.asked, counts.served), (1400, 1391));
        assert!(!counts.is_off(), "the sums differ by 0.6 %");
        assert!(counted(&[(50, 58)]).is_off());
        assert_eq!(counted(&[(50, 58)]).means(), Some((50.0, 58.0)));
        assert_eq!(counted(&[]).means(), None);
        assert!(!counted(&[]).is_off());
    }

    #[test]
    fn what_was_not_asked_or_not_counted_or_failed_is_left_out() {
        assert!(counted(&[(0, 58), (50, 0)]).is_empty());
        let mut counts = AskedAndServed::default();
        let sample = |outcome, token_source| Sample {
            asked: AskedTokens {
                prompt: 0,
                output: 20,
                texts: 0,
            },
            output_tokens: 15,
            token_source,
            ..Sample::ended(outcome, 1)
        };
        counts.count(&sample(Outcome::Ok, TokenSource::Events));
        counts.count(&sample(Outcome::Reset, TokenSource::Server));
        assert!(counts.is_empty());
        counts.count(&sample(Outcome::Ok, TokenSource::Server));
        assert_eq!(
            (counts.output.asked, counts.output.served, counts.output.close),
            (20, 15, 0)
        );
    }
}
