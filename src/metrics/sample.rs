//! One finished request, as the engine hands it to the recorder.

use crate::metrics::Outcome;
use crate::units::Nanos;

/// Where `output_tokens` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TokenSource {
    /// The server said so (`usage`, or llama.cpp's timings).
    Server,
    /// Counted token-bearing events.
    Events,
    /// Nothing that counts tokens in this kind of request.
    None,
}

/// The times of one request, all instants on the CLOCK_MONOTONIC axis:
/// `due <= sent <= first_byte <= first_event <= first_token <= last_token <= done`, for those that exist.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Global index of the virtual user, from 0.
    pub vu: u32,
    /// The VU's own count of its requests, from 0 (the global index for shared iterations).
    pub iteration: u64,
    /// Index into the plan's series (one per endpoint and kind of request).
    pub series: u16,
    pub outcome: Outcome,
    /// HTTP status, 0 when none arrived.
    pub status: u16,
    pub due: Nanos,
    pub sent: Option<Nanos>,
    pub first_byte: Option<Nanos>,
    pub first_event: Option<Nanos>,
    pub first_token: Option<Nanos>,
    pub last_token: Option<Nanos>,
    pub done: Nanos,
    /// `sent - due` less connecting: our own delay.
    pub schedule_lag: Nanos,
    pub output_tokens: u32,
    pub token_source: TokenSource,
    /// What the server says it took to read the prompt (llama.cpp's `prompt_ms`).
    pub server_prompt: Option<Nanos>,
    /// What the server says it took to generate the answer (`predicted_ms`).
    pub server_decode: Option<Nanos>,
}

/// One stretch of a request by two clocks: the server's own figure, and ours of what holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TwoClocks {
    pub server: Nanos,
    pub client: Nanos,
}

impl Sample {
    /// The server's reading of the prompt within our TTFT.
    pub(super) fn prompt_clocks(&self) -> Option<TwoClocks> {
        Some(TwoClocks {
            server: self.server_prompt?,
            client: self.first_token?.saturating_sub(self.due),
        })
    }

    /// The server's generating against our first to last token.
    pub(super) fn decode_clocks(&self) -> Option<TwoClocks> {
        Some(TwoClocks {
            server: self.server_decode?,
            client: self.last_token?.saturating_sub(self.first_token?),
        })
    }

    /// For tests: the first request of the first VU, due and sent at 0, answered with status 200, without a token.
    #[cfg(test)]
    pub fn ended(outcome: Outcome, done: Nanos) -> Sample {
        Sample {
            vu: 0,
            iteration: 0,
            series: 0,
            outcome,
            status: 200,
            due: 0,
            sent: Some(0),
            first_byte: None,
            first_event: None,
            first_token: None,
            last_token: None,
            done,
            schedule_lag: 0,
            output_tokens: 0,
            token_source: TokenSource::None,
            server_prompt: None,
            server_decode: None,
        }
    }

    /// The order of times that every request keeps.
    pub fn invariants(&self) {
        let mut last = self.due;
        for t in [
            self.sent,
            self.first_byte,
            self.first_event,
            self.first_token,
            self.last_token,
            Some(self.done),
        ]
        .into_iter()
        .flatten()
        {
            assert!(t >= last, "times out of order: {self:?}");
            last = t;
        }
    }
}
