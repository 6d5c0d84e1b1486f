//! Counts what ended after the load: it was measured, but is not part of the load's rates.

use crate::metrics::usage::texts_of;
use crate::metrics::{Outcome, Sample};
use crate::units::is_zero;
use serde::{Deserialize, Serialize};

/// Requests that came to an end while the run wound down: after the planned load, or after the run was told to stop.
/// Fewer and fewer of them load the server, so that a rate over their time would say less than the server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterLoad {
    pub ok: u64,
    pub failed: u64,
    /// Those that met the limits of goodput.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub good: u64,
    /// The output tokens of both.
    pub output_tokens: u64,
    /// The tokens of their prompts, as far as servers state them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_tokens: u64,
    /// The texts that they have embedded, ranked or scored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub texts: u64,
}

/// What ended within the load: the counts that rates divide by its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithinLoad {
    pub ok: u64,
    pub failed: u64,
    pub good: u64,
    pub output_tokens: u64,
    pub prompt_tokens: u64,
    pub texts: u64,
}

impl WithinLoad {
    /// Returns ok and failed requests together.
    pub fn completed(&self) -> u64 {
        self.ok + self.failed
    }

    /// Returns the tokens of prompts and answers together.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.output_tokens)
    }
}

impl AfterLoad {
    /// Returns what is left of the counts of a whole run.
    pub(super) fn rest_of(&self, run: WithinLoad) -> WithinLoad {
        let WithinLoad {
            ok,
            failed,
            good,
            output_tokens,
            prompt_tokens,
            texts,
        } = run;
        WithinLoad {
            ok: ok.saturating_sub(self.ok),
            failed: failed.saturating_sub(self.failed),
            good: good.saturating_sub(self.good),
            output_tokens: output_tokens.saturating_sub(self.output_tokens),
            prompt_tokens: prompt_tokens.saturating_sub(self.prompt_tokens),
            texts: texts.saturating_sub(self.texts),
        }
    }

    /// Counts a request. Interrupted ones did not come to an end.
    pub(super) fn count(&mut self, sample: &Sample) {
        self.ok += u64::from(sample.outcome == Outcome::Ok);
        self.failed += u64::from(sample.outcome.is_failure());
        self.good += u64::from(sample.good == Some(true));
        self.output_tokens += u64::from(sample.output_tokens);
        self.prompt_tokens += u64::from(sample.prompt_tokens.unwrap_or(0));
        self.texts += texts_of(sample);
    }

    pub(super) fn merge(&mut self, other: &AfterLoad) {
        let AfterLoad {
            ok,
            failed,
            good,
            output_tokens,
            prompt_tokens,
            texts,
        } = other;
        self.ok += ok;
        self.failed += failed;
        self.good += good;
        self.output_tokens += output_tokens;
        self.prompt_tokens += prompt_tokens;
        self.texts += texts;
    }
}
