//! Describes one finished request, as the engine hands it to the recorder.

use crate::metrics::{AskedTokens, Cause, FinishWord, Half, Outcome};
use crate::units::Nanos;

/// The source of `output_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TokenSource {
    /// The server reported it (`usage`, or llama.cpp's timings).
    Server,
    /// Token events were counted.
    Events,
    /// This kind of request has no tokens to count.
    None,
}

/// The record of one request that has ended. All instants are by CLOCK_MONOTONIC, and those that exist are in order:
/// `due <= sent <= first_byte <= first_event <= first_token <= first_answer <= last_token <= done`.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Global index of the virtual user, from 0.
    pub vu: u32,
    /// Number of the request within its VU, from 0 (for shared iterations, the global number).
    pub iteration: u64,
    /// Index of the plan's series (one per server and kind of request).
    pub series: u16,
    /// Which of a pair it is; `None` without pairs. Both have the VU and the number of the pair.
    pub half: Option<Half>,
    /// Its number in its session, from 1; 0 if it belongs to no conversation.
    pub turn: u16,
    pub outcome: Outcome,
    /// HTTP status; 0 if none arrived.
    pub status: u16,
    pub due: Nanos,
    pub sent: Option<Nanos>,
    /// Time spent on connecting, TLS included, over all attempts; between `due` and `sent`.
    pub connecting: Nanos,
    pub first_byte: Option<Nanos>,
    pub first_event: Option<Nanos>,
    pub first_token: Option<Nanos>,
    /// The first token that is more than a thought.
    pub first_answer: Option<Nanos>,
    /// The first token of a thought; between `first_token` and `last_token`.
    pub first_thought: Option<Nanos>,
    /// The first token of a tool call; between `first_token` and `last_token`.
    pub first_call: Option<Nanos>,
    pub last_token: Option<Nanos>,
    pub done: Nanos,
    /// `sent - due` without the time spent connecting and, in an open loop, without the wait for a free user, which
    /// leaves our own delay.
    pub schedule_lag: Nanos,
    /// The wait for a free user, if arrivals may wait for one; 0 if one was free.
    pub queue_wait: Option<Nanos>,
    pub output_tokens: u32,
    /// Of these, those that were there at `first_token`; 0: that one alone.
    pub tokens_at_first: u32,
    pub token_source: TokenSource,
    /// The server's own count of the prompt, cached tokens included; `None` if it states none.
    pub prompt_tokens: Option<u32>,
    /// Of these, those that it took from its cache; `None` if it does not say.
    pub cached_tokens: Option<u32>,
    /// Of its own count of the answer, those that are thoughts; `None` if it does not say.
    pub reasoning_tokens: Option<u32>,
    /// The lengths that the request asked for.
    pub asked: AskedTokens,
    /// How many values of `tbt` it gave.
    pub gaps: u32,
    /// Time to read the prompt, as the server reports it (llama.cpp's `prompt_ms`, Ollama's `prompt_eval_duration`).
    pub server_prompt: Option<Nanos>,
    /// Time to generate the answer, as the server reports it (llama.cpp's `predicted_ms`, Ollama's `eval_duration`).
    pub server_decode: Option<Nanos>,
    pub answer: Answer,
    /// Its user was to cancel it, which the answer may have forestalled.
    pub chosen_to_cancel: bool,
    /// Whether it met the limits of its kind ([`Goodput::judge`](crate::metrics::Goodput::judge)); `None` if it was not
    /// judged.
    pub good: Option<bool>,
}

/// The facts about an answer apart from its times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The server's reason for the end, if the answer has one.
    pub finish: Option<FinishWord>,
    /// The cause of the outcome, if it has several possible ones.
    pub cause: Option<Cause>,
    /// The answer is ok and should have had text, but has none.
    pub without_text: bool,
    /// The answer is an event stream, but its content type does not say so.
    pub untyped: bool,
}

/// One period of a request by two clocks: the server's own figure, and ours for a period that includes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TwoClocks {
    pub server: Nanos,
    pub client: Nanos,
}

impl Sample {
    /// Returns the server's time to read the prompt, and our TTFT.
    pub(super) fn prompt_clocks(&self) -> Option<TwoClocks> {
        Some(TwoClocks {
            server: self.server_prompt?,
            client: self.first_token?.saturating_sub(self.due),
        })
    }

    /// Returns the server's time to generate the answer, and our time from the first to the last token.
    pub(super) fn decode_clocks(&self) -> Option<TwoClocks> {
        Some(TwoClocks {
            server: self.server_decode?,
            client: self.last_token?.saturating_sub(self.first_token?),
        })
    }

    /// Returns the first request of the first VU, due and sent at 0 and answered with status 200 but without a token,
    /// for tests.
    #[cfg(test)]
    pub fn ended(outcome: Outcome, done: Nanos) -> Sample {
        Sample {
            vu: 0,
            iteration: 0,
            series: 0,
            half: None,
            turn: 0,
            outcome,
            status: 200,
            due: 0,
            sent: Some(0),
            connecting: 0,
            first_byte: None,
            first_event: None,
            first_token: None,
            first_answer: None,
            first_thought: None,
            first_call: None,
            last_token: None,
            done,
            schedule_lag: 0,
            queue_wait: None,
            output_tokens: 0,
            tokens_at_first: 0,
            token_source: TokenSource::None,
            asked: AskedTokens::default(),
            prompt_tokens: None,
            cached_tokens: None,
            reasoning_tokens: None,
            gaps: 0,
            server_prompt: None,
            server_decode: None,
            answer: Answer::default(),
            chosen_to_cancel: false,
            good: None,
        }
    }

    /// Panics if the times are not in order.
    pub fn invariants(&self) {
        let mut last = self.due;
        for t in [
            self.sent,
            self.first_byte,
            self.first_event,
            self.first_token,
            self.first_answer,
            self.last_token,
            Some(self.done),
        ]
        .into_iter()
        .flatten()
        {
            assert!(t >= last, "times out of order: {self:?}");
            last = t;
        }
        for t in [self.first_thought, self.first_call].into_iter().flatten() {
            let is_among = self.first_token <= Some(t) && Some(t) <= self.last_token;
            assert!(is_among, "times out of order: {self:?}");
        }
    }
}
