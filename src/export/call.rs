//! A request as the other tools count it: from the instant at which the client turned to it, not from the one at which
//! it was due.

use crate::result::Detail;

/// One request of the measured load. Times are seconds.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub detail: &'a Detail,
    /// From due until the client began with it: what it waited for a free user, and the generator's own delay. The
    /// other tools begin to count here, before they connect.
    pub wait: f64,
    /// Instant at which the client began with it, since 1970.
    pub begin: f64,
    /// From `begin` to the first token.
    pub ttft: Option<f64>,
    /// From `begin` to the last token, of an answer without tokens to its end.
    pub to_last: f64,
    /// From `begin` to the end.
    pub whole: f64,
}

impl<'a> Call<'a> {
    /// Returns `None` for a request that is not part of the measured load: one of a server that was loaded alone.
    pub fn of(detail: &'a Detail) -> Option<Call<'a>> {
        if detail.request_id.contains("alone-") {
            return None;
        }
        let sent = detail.sent.unwrap_or(detail.connecting.unwrap_or(0.0));
        let wait = (sent - detail.connecting.unwrap_or(0.0)).max(0.0);
        let since = |instant: f64| (instant - wait).max(0.0);
        Some(Call {
            detail,
            wait,
            begin: detail.start_ts + wait,
            ttft: detail.ttft.map(since),
            to_last: since(detail.last_token.unwrap_or(detail.latency)),
            whole: since(detail.latency),
        })
    }

    pub fn is_ok(&self) -> bool {
        self.detail.error.is_none()
    }

    /// Tells whether the end of the run, or its user, cut it, so that it is neither ok nor failed.
    pub fn is_cut(&self) -> bool {
        matches!(self.detail.error.as_deref(), Some("interrupted" | "cancelled"))
    }

    /// Returns the tokens of the prompt: the server's count, or else what was asked for.
    pub fn input_tokens(&self) -> Option<u64> {
        self.detail.prompt_tokens.or(self.detail.asked_prompt_tokens)
    }

    pub fn gaps(&self) -> &'a [f64] {
        self.detail.gaps.as_deref().unwrap_or_default()
    }

    /// Returns the time per output token after the first as the other tools compute it: over all tokens but one.
    pub fn time_per_token(&self) -> Option<f64> {
        let later = self.detail.output_tokens.checked_sub(1).filter(|n| *n > 0)?;
        Some((self.to_last - self.ttft?) / later as f64)
    }
}
