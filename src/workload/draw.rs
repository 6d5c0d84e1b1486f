//! Draws the request that a VU sends next.

use super::prompts::{other_prompt_key, prompt_key};
use super::random::{by_weight, keyed, permuted, up_to};
use crate::units::Nanos;
use crate::units::Span;
use crate::workload::rows::Rows;
use crate::workload::types::{Call, Chat, Draw, Prompts, Workload};

/// The choices with their numbers in the key. A new choice takes a new number. A number must never change, or the
/// same seed would stop giving the same requests.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    Kind = 0,
    Model = 1,
    Prompt = 2,
    MaxTokens = 3,
    Think = 4,
    PromptTokens = 5,
    PairOrder = 16,
    Turns = 32,
    Tool = 33,
    SessionTokens = 34,
}

/// The part of the key that all choices of one request share.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub seed: u64,
    pub vu: u32,
    pub iteration: u64,
}

impl Key {
    pub fn bits(self, choice: Choice) -> u64 {
        keyed([self.seed, u64::from(self.vu), self.iteration, choice as u64])
    }

    /// Draws a number in `0..=max`.
    pub fn up_to(self, choice: Choice, max: u64) -> u64 {
        up_to(max, self.bits(choice))
    }

    /// Draws an index below `len`; 0 if there is nothing to choose from.
    fn index(self, choice: Choice, len: usize) -> u32 {
        let last = u32::try_from(len.saturating_sub(1)).unwrap_or(u32::MAX);
        self.up_to_u32(choice, last)
    }

    pub fn up_to_u32(self, choice: Choice, max: u32) -> u32 {
        // Lossless, because it is never above `max`.
        self.up_to(choice, u64::from(max)) as u32
    }
}

impl Workload {
    /// Draws request `iteration` of VU `vu`, if it goes to `server`. The result depends on the arguments only;
    /// `light_paths` is the length of that target's `Target::light_paths`.
    pub fn draw(&self, seed: u64, vu: u32, iteration: u64, server: u16, light_paths: usize) -> Draw {
        let key = Key { seed, vu, iteration };
        let number = iteration
            .saturating_mul(u64::from(self.users))
            .saturating_add(u64::from(vu));
        self.draw_rest(key, self.pick_kind(key, server), (number, light_paths))
    }

    /// Draws request `iteration` of a kind whose requests come at a rate of their own, which numbers them; `owner`
    /// stands for the VU.
    pub fn draw_of_kind(&self, seed: u64, owner: u32, iteration: u64, kind: u16, light_paths: usize) -> Draw {
        let key = Key {
            seed,
            vu: owner,
            iteration,
        };
        self.draw_rest(key, kind, (iteration, light_paths))
    }

    /// Returns the index in the mix of the kind that request `iteration` of VU `vu` is of, whichever server it goes to.
    pub fn kind_in_mix(&self, seed: u64, vu: u32, iteration: u64) -> u16 {
        self.pick_kind(Key { seed, vu, iteration }, 0)
    }

    /// Returns the index of a server's kind, given its index in the mix: each server has the whole mix.
    pub fn kind_at(&self, server: u16, in_mix: u16) -> u16 {
        server * self.kinds_in_mix() + in_mix
    }

    /// Returns the index in the mix of a server's kind.
    pub fn in_mix(&self, kind: u16) -> u16 {
        kind % self.kinds_in_mix()
    }

    /// Returns the number of kinds in the mix, which each server has.
    pub fn kinds_in_mix(&self) -> u16 {
        (self.kinds.len() / self.servers.len()) as u16
    }

    /// Draws everything but the kind. `number` is that of the request among all that take rows of a dataset in turns.
    pub(super) fn draw_rest(&self, key: Key, kind: u16, (number, light_paths): (u64, usize)) -> Draw {
        let Key { seed, vu, iteration } = key;
        let bust = self.bust(kind, key);
        let (model, (prompt, prompt_tokens), max_tokens) = match &self.kinds[usize::from(kind)].call {
            Call::Chat(Chat {
                max_tokens,
                models,
                prompts,
                ..
            }) => (
                key.index(Choice::Model, models.len()),
                match prompts {
                    Prompts::List(texts) => (u64::from(key.index(Choice::Prompt, texts.len())), 0),
                    Prompts::Made { tokens, .. } | Prompts::Ids { tokens, .. } => (
                        bust.unwrap_or_else(|| prompt_key(seed, vu, iteration)),
                        tokens.draw(key.bits(Choice::PromptTokens)),
                    ),
                    Prompts::Rows(rows) => (self.pick_row(rows, key, (kind, number)), 0),
                    Prompts::Shared(shared) => {
                        let made_from = prompt_key(seed, vu, iteration);
                        (made_from, shared.parts(made_from).tokens())
                    }
                },
                max_tokens.draw(key.bits(Choice::MaxTokens)),
            ),
            Call::Light => (0, (u64::from(key.index(Choice::Prompt, light_paths)), 0), 0),
            Call::Get { .. } => (0, (0, 0), 0),
        };
        let draw = Draw {
            kind,
            model,
            prompt,
            prompt_tokens,
            max_tokens,
            bust: bust.unwrap_or(0),
            think: self.pick_think(key),
        };
        self.with_lengths_of_row(draw)
    }

    /// Returns the row that a request takes, or the number of the session, if its rows are turns of a conversation.
    fn pick_row(&self, rows: &Rows, key: Key, (kind, number): (u16, u64)) -> u64 {
        let bits = key.bits(Choice::Prompt);
        match self.conversation(kind) {
            Some(_) => {
                let sessions = u64::from(rows.dataset.sessions().len());
                rows.pick_of(sessions.max(1), (key.seed, number, bits), self.is_warm_up)
            }
            None => rows.pick(key.seed, number, bits, self.is_warm_up),
        }
    }

    /// Takes over the lengths of the row of a dataset that the draw has, if it has one.
    pub(super) fn with_lengths_of_row(&self, draw: Draw) -> Draw {
        let Call::Chat(Chat {
            prompts: Prompts::Rows(rows),
            conversation: None,
            ..
        }) = &self.kinds[usize::from(draw.kind)].call
        else {
            return draw;
        };
        Draw {
            prompt_tokens: rows.dataset.input_tokens(draw.prompt),
            max_tokens: rows.output_tokens(draw.prompt).unwrap_or(draw.max_tokens),
            ..draw
        }
    }

    /// Tells whether pair `iteration` of VU `vu` begins at the second server. Of two pairs that follow one another one
    /// begins at each server; chance decides which, so that nothing that comes and goes in time meets one server more.
    pub fn other_first(seed: u64, vu: u32, iteration: u64) -> bool {
        let couple = Key {
            seed,
            vu,
            iteration: iteration / 2,
        };
        (couple.bits(Choice::PairOrder) ^ iteration) & 1 == 1
    }

    /// Returns the draw with another made prompt of the same length, which no other request of the run has.
    pub fn with_other_prompt(&self, draw: Draw, seed: u64, vu: u32, iteration: u64) -> Draw {
        let other = other_prompt_key(seed, vu, iteration);
        let busts = self.bust(draw.kind, Key { seed, vu, iteration }).is_some();
        let bust = if busts { permuted(draw.bust, other) } else { 0 };
        let prompt = match &self.kinds[usize::from(draw.kind)].call {
            Call::Chat(Chat {
                prompts: Prompts::Made { .. } | Prompts::Ids { .. },
                ..
            }) if busts => bust,
            Call::Chat(Chat {
                prompts: Prompts::Made { .. } | Prompts::Ids { .. },
                ..
            }) => other,
            _ => draw.prompt,
        };
        Draw { prompt, bust, ..draw }
    }

    /// Draws a kind of the server by weight; a kind of weight 0 is never drawn. With `each_kind_first` the first
    /// requests of a user are one of each kind; users begin with different ones.
    fn pick_kind(&self, key: Key, server: u16) -> u16 {
        let kinds = || {
            (0u16..)
                .zip(&self.kinds)
                .filter(|(_, kind)| kind.server == server && kind.weight > 0)
        };
        if self.each_kind_first {
            let count = kinds().count() as u64;
            let turn = (u64::from(key.vu) + key.iteration) % count.max(1);
            if key.iteration < count
                && let Some((index, _)) = kinds().nth(turn as usize)
            {
                return index;
            }
        }
        let total: u64 = kinds().map(|(_, kind)| u64::from(kind.weight)).sum();
        debug_assert!(total > 0, "the weights of a server's kinds sum to more than 0");
        let at = key.up_to(Choice::Kind, total.saturating_sub(1));
        by_weight(kinds().map(|(index, kind)| (index, kind.weight)), at).unwrap_or(0)
    }

    fn pick_think(&self, key: Key) -> Nanos {
        let Span { min, max } = self.think_time;
        min + key.up_to(Choice::Think, max - min)
    }

    /// Asserts what drawing relies on, which the plan has established.
    pub fn invariants(&self) {
        assert!(!self.kinds.is_empty(), "a workload has a kind of request");
        assert!(
            u16::try_from(self.kinds.len()).is_ok(),
            "kinds are numbered in 16 bits"
        );
        assert!(!self.servers.is_empty(), "a workload has a server");
        for (index, server) in (0u16..).zip(&self.servers) {
            assert!(server.weight > 0, "a server has a share");
            let mut own = self.kinds.iter().filter(|kind| kind.server == index);
            assert!(own.any(|kind| kind.weight > 0), "some kind has a weight");
        }
        assert!(self.think_time.min <= self.think_time.max);
        for kind in &self.kinds {
            if let Call::Chat(Chat { models, prompts, .. }) = &kind.call {
                assert!(!models.is_empty(), "{}: models", kind.name);
                match prompts {
                    Prompts::List(texts) => assert!(!texts.is_empty(), "{}: prompts", kind.name),
                    Prompts::Made { .. } | Prompts::Ids { .. } => {}
                    Prompts::Shared(shared) => assert!(!shared.buckets.is_empty(), "{}: prompts", kind.name),
                    // The plan of a configuration that was read again has no rows, and is not run.
                    Prompts::Rows(_) => {}
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
