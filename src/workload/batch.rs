//! Several texts in one request, for APIs that embed, rank or score.

use super::content::{Counted, Spelled};
use super::random::{keyed, permuted};
use super::types::{Call, Chat, Draw, Prompts, Workload};
use crate::api::{Api, Prompt, Texts};
use crate::metrics::AskedTokens;
use std::num::NonZeroU32;
use std::ops::Range;

/// The most texts of a request, which is OpenAI's limit.
pub const BATCH_MAX: u32 = 2_048;
/// Keeps the lengths of further texts apart from other choices.
const FURTHER: u64 = 48;

/// A list of texts, which writes itself as a JSON array.
pub(super) struct Batch<'a> {
    pub chat: &'a Chat,
    pub draw: &'a Draw,
    /// Numbers of the texts; 0 is the prompt of the draw.
    pub numbers: Range<u32>,
}

impl Prompt for Batch<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for number in self.numbers.clone() {
            if number > self.numbers.start {
                out.push(b',');
            }
            let draw = further(&self.chat.prompts, self.draw, number);
            let counted = Counted::whole(self.chat.costs(&draw));
            Spelled::of(&self.chat.prompts, &draw, counted).write_json(out);
        }
        out.push(b']');
    }
}

/// Returns the draw of a further text of the same request: the next ones of a list, made ones from keys of their own.
fn further(prompts: &Prompts, draw: &Draw, number: u32) -> Draw {
    if number == 0 {
        return *draw;
    }
    let key = permuted(draw.prompt, u64::from(number));
    let (prompt, prompt_tokens) = match prompts {
        Prompts::List(texts) => {
            let len = texts.len().max(1) as u64;
            ((draw.prompt + u64::from(number)) % len, 0)
        }
        Prompts::Made { tokens, .. } | Prompts::Ids { tokens, .. } => {
            (key, tokens.draw(keyed([key, FURTHER, 0, 0])))
        }
        Prompts::Shared(shared) => (key, shared.parts(key).tokens()),
        // Rows are whole requests.
        Prompts::Rows(_) => (draw.prompt, draw.prompt_tokens),
    };
    Draw {
        prompt,
        prompt_tokens,
        ..*draw
    }
}

impl Workload {
    /// Returns what a request of so many answers over this API asks for. Over APIs without an answer in words that is
    /// the length of its texts; servers that rank and score read pairs, which are longer in ways of their own.
    pub fn asked(&self, draw: &Draw, api: Api, answers: u32) -> AskedTokens {
        let plain = draw.asked(answers);
        let Call::Chat(Chat {
            prompts, batch_size, ..
        }) = &self.kinds[usize::from(draw.kind)].call
        else {
            return plain;
        };
        let texts = batch_size.map_or(1, NonZeroU32::get);
        let all = || (0..texts).map(|number| further(prompts, draw, number).prompt_tokens);
        match api.row().texts {
            Texts::One => plain,
            Texts::Many => AskedTokens {
                prompt: all().fold(0, u32::saturating_add),
                output: 0,
                texts,
            },
            Texts::OneAndMany => AskedTokens {
                texts,
                ..AskedTokens::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lengths::Lengths;

    fn written(prompts: &Prompts, prompt: u64, numbers: Range<u32>) -> serde_json::Value {
        let draw = Draw {
            kind: 0,
            model: 0,
            prompt,
            prompt_tokens: 9,
            max_tokens: 1,
            bust: 0,
            think: 0,
        };
        let mut out = Vec::new();
        let chat = Chat {
            prompts: prompts.clone(),
            ..Chat::default()
        };
        let batch = Batch {
            chat: &chat,
            draw: &draw,
            numbers,
        };
        batch.write_json(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_batch_begins_with_the_prompt_that_was_drawn_and_no_two_texts_are_equal() {
        let made = Prompts::Made {
            prefix: String::new(),
            tokens: Lengths::fixed(9),
        };
        let texts = written(&made, 77, 0..64);
        let texts = texts.as_array().unwrap();
        let mut different: Vec<&str> = texts.iter().filter_map(|text| text.as_str()).collect();
        assert!(different.iter().all(|text| text.split(' ').count() == 9));
        assert_eq!(written(&made, 77, 0..1)[0], texts[0]);
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 64);
    }

    #[test]
    fn a_list_goes_on_from_the_prompt_that_was_drawn() {
        let list = Prompts::List(["a", "b", "c"].map(str::to_owned).to_vec());
        assert_eq!(written(&list, 1, 0..4), serde_json::json!(["b", "c", "a", "b"]));
    }
}
