//! Makes the record of a request that has ended from what was asked and what the reader of its answer has seen. Knows
//! neither sockets nor clocks, so tests can tell the instants.

use super::response::ResponseReader;
use crate::metrics::{AskedTokens, FinishKind, FinishWord, Half, Outcome, Sample};
use crate::units::{Masks, Nanos};

/// What is known of a request besides its answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub vu: u32,
    pub iteration: u64,
    pub series: u16,
    /// Which of a pair it is; `None` without pairs.
    pub half: Option<Half>,
    /// Its number in its session, from 1; 0 if it belongs to no conversation.
    pub turn: u16,
    /// Latency counts from here.
    pub due: Nanos,
    /// A user was free for it.
    pub ready: Nanos,
    /// Time spent on connecting, TLS included, over all attempts.
    pub connecting: Nanos,
    pub sent: Option<Nanos>,
    /// Its user was to cancel it.
    pub chosen_to_cancel: bool,
    /// The lengths of prompt and answer.
    pub tokens: AskedTokens,
}

/// Returns the sample of a request that ended at `done`, without its wait for a user and not yet judged for goodput.
pub fn sample(asked: &Asked, reader: &ResponseReader, outcome: Outcome, done: Nanos) -> Sample {
    let arrivals = reader.arrivals;
    let (output_tokens, token_source) = reader.output_tokens();
    let times = reader.server_times();
    let usage = reader.usage();
    let lag = asked
        .sent
        .map_or(0, |sent| sent.saturating_sub(asked.ready + asked.connecting));
    Sample {
        vu: asked.vu,
        iteration: asked.iteration,
        series: asked.series,
        half: asked.half,
        turn: asked.turn,
        outcome,
        status: reader.status,
        due: asked.due,
        sent: asked.sent,
        connecting: asked.connecting,
        first_byte: arrivals.first_byte,
        first_event: arrivals.first_event,
        first_token: arrivals.first_token,
        first_answer: arrivals.first_answer,
        first_thought: arrivals.first_thought,
        first_call: arrivals.first_call,
        last_token: arrivals.last_token,
        done: done.max(arrivals.last).max(asked.sent.unwrap_or(asked.due)),
        schedule_lag: lag,
        queue_wait: None,
        output_tokens,
        tokens_at_first: reader.tokens_at_first(),
        gaps: arrivals.gaps,
        token_source,
        asked: asked.tokens,
        prompt_tokens: reader.prompt_tokens(),
        cached_tokens: usage.and_then(|usage| usage.cached_tokens),
        reasoning_tokens: usage.and_then(|usage| usage.reasoning_tokens),
        server_prompt: times.prompt,
        server_decode: times.decode,
        answer: reader.answer(outcome),
        chosen_to_cancel: asked.chosen_to_cancel,
        good: None,
    }
}

/// Hides secrets in the server's word for the end of the answer, which figures are named with.
pub(super) fn hide_secrets(sample: &mut Sample, masks: &Masks) {
    if let Some(word) = &mut sample.answer.finish
        && word.kind() != FinishKind::Success
    {
        *word = FinishWord::of(masks.hide(word.as_str()).as_bytes());
    }
}

/// Returns the outcome of a connection that broke with this errno.
pub(super) fn outcome_of_errno(errno: i32) -> Outcome {
    match errno {
        libc::ETIMEDOUT => Outcome::TimeoutIdle,
        libc::ENOBUFS | libc::ENOMEM => Outcome::ClientResource,
        _ => Outcome::Reset,
    }
}
