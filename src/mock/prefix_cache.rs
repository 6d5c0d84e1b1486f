//! A model of a server's prefix cache: blocks of tokens that were read before, each known by all that came before it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::dialect::Counted;
use crate::api::{Api, Texts};
use crate::units::fnv;

/// Tokens of a block, as in vLLM.
const BLOCK_TOKENS: usize = 16;
/// The most blocks: a million of tokens are 62,500. Later ones are not kept.
const BLOCKS_MAX: usize = 1 << 22;

/// The members of a body that a model reads, in its order.
const READ: [&str; 8] = [
    "system",
    "instructions",
    "messages",
    "prompt",
    "input",
    "inputs",
    "text",
    "input_ids",
];

/// What was read so far, by all cores of a mock.
#[derive(Default)]
pub struct PrefixCache {
    blocks: Mutex<HashSet<u64>>,
}

impl PrefixCache {
    /// Reads prompts one after another. Returns how many tokens they have, and how many of them were cached.
    pub fn read(&self, prompts: &[Vec<u64>]) -> (u32, u32) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut cached) = (0, 0);
        for tokens in prompts {
            all += tokens.len();
            cached += read(&mut blocks, tokens);
        }
        (all as u32, cached as u32)
    }
}

/// Reads a prompt, and returns how many of its tokens are cached: whole blocks, and never the last token, which has to
/// be computed for the answer.
fn read(blocks: &mut HashSet<u64>, tokens: &[u64]) -> usize {
    let may_hit = tokens.len().saturating_sub(1) / BLOCK_TOKENS;
    let (mut prefix, mut hits, mut is_known) = (0, 0, true);
    for (number, block) in tokens.chunks_exact(BLOCK_TOKENS).enumerate() {
        prefix = block.iter().fold(prefix, |hash: u64, token| mixed(hash ^ token));
        is_known &= number < may_hit && blocks.contains(&prefix);
        hits += usize::from(is_known);
        if blocks.len() < BLOCKS_MAX {
            blocks.insert(prefix);
        }
    }
    hits * BLOCK_TOKENS
}

/// Mixes the bits of a hash, so that the order of tokens counts (Stafford's variant 13).
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

/// Counts the tokens of a request, whose answer is otherwise `like` the others; `None` if it is as they are.
pub fn count(prefixes: Option<&PrefixCache>, like: Counted, api: Api, body: &[u8]) -> Option<Counted> {
    let has_one = api.row().texts == Texts::One;
    if prefixes.is_none() && has_one {
        return None;
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let prompts = prompts_of(api, &body);
    let counted = Counted {
        texts: if has_one { 1 } else { prompts.len() as u32 },
        ..like
    };
    let Some(prefixes) = prefixes else {
        return Some(counted);
    };
    let (prompt, cached) = prefixes.read(&prompts);
    Some(Counted {
        prompt,
        cached: Some(cached),
        ..counted
    })
}

/// Returns the tokens of each prompt of a request: words and ids. A request for generated text has one prompt, one for
/// embeddings as many as it has texts, and one that ranks or scores a pair for each text that is compared.
fn prompts_of(api: Api, body: &Value) -> Vec<Vec<u64>> {
    match api.row().texts {
        Texts::One => {
            let mut tokens = Vec::new();
            let members = READ.iter().chain(&["text_input"]);
            members.for_each(|member| append(&mut tokens, &body[member]));
            vec![tokens]
        }
        Texts::Many => listed(&body["input"]).into_iter().map(tokens_of).collect(),
        Texts::OneAndMany => {
            let (one, many) = match body.get("query") {
                Some(query) => (query, &body["documents"]),
                None => (&body["text_1"], &body["text_2"]),
            };
            let pair = |text: &Value| [tokens_of(one), tokens_of(text)].concat();
            listed(many).into_iter().map(pair).collect()
        }
    }
}

/// Returns the texts of a member that has one or a list of them; a list of numbers is the ids of one.
fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) if !items.iter().any(Value::is_number) => items.iter().collect(),
        one => vec![one],
    }
}

fn tokens_of(value: &Value) -> Vec<u64> {
    let mut tokens = Vec::new();
    append(&mut tokens, value);
    tokens
}

fn append(tokens: &mut Vec<u64>, value: &Value) {
    match value {
        Value::String(text) => tokens.extend(text.split_whitespace().map(|word| fnv(word.as_bytes()))),
        Value::Number(id) => tokens.push(id.as_u64().unwrap_or(0)),
        Value::Array(items) => items.iter().for_each(|item| append(tokens, item)),
        Value::Object(members) => {
            for member in ["content", "text"] {
                append(tokens, members.get(member).unwrap_or(&Value::Null));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_ids(cache: &PrefixCache, ids: std::ops::Range<u64>) -> (u32, u32) {
        cache.read(&[ids.collect()])
    }

    #[test]
    fn whole_blocks_of_a_known_prefix_are_cached_and_never_the_last_token() {
        let cache = PrefixCache::default();
        assert_eq!(read_ids(&cache, 0..40), (40, 0));
        assert_eq!(read_ids(&cache, 0..40), (40, 32));
        assert_eq!(read_ids(&cache, 0..100), (100, 32));
        assert_eq!(read_ids(&cache, 0..32), (32, 16));
        assert_eq!(read_ids(&cache, 0..15), (15, 0));
        // A block is known by what came before it.
        assert_eq!(read_ids(&cache, 16..40), (24, 0));
    }

    #[test]
    fn each_form_of_a_body_is_read() {
        let count = |api, body: Value| -> Vec<usize> {
            let prompts = prompts_of(api, &body);
            prompts.iter().map(Vec::len).collect()
        };
        let chat = json!({"messages": [{"role": "system", "content": "a b"},
            {"role": "user", "content": [{"type": "text", "text": "c d e"}]}]});
        assert_eq!(count(Api::Chat, chat), [5]);
        assert_eq!(
            count(
                Api::Messages,
                json!({"system": "a", "messages": [{"content": "b"}]})
            ),
            [2]
        );
        assert_eq!(count(Api::Completions, json!({"prompt": [7, 8, 9]})), [3]);
        assert_eq!(
            count(Api::Responses, json!({"instructions": "a", "input": "b c"})),
            [3]
        );
        assert_eq!(count(Api::Triton, json!({"text_input": "a b"})), [2]);
        assert_eq!(count(Api::Embeddings, json!({"input": "a b"})), [2]);
        assert_eq!(count(Api::Embeddings, json!({"input": [1, 2, 3]})), [3]);
        assert_eq!(count(Api::Embeddings, json!({"input": ["a", "b c"]})), [1, 2]);
        assert_eq!(count(Api::Embeddings, json!({"input": [[1], [2, 3]]})), [1, 2]);
        assert_eq!(
            count(Api::Rerank, json!({"query": "a", "documents": ["b", "c d"]})),
            [2, 3]
        );
        assert_eq!(count(Api::Score, json!({"text_1": "a", "text_2": "b"})), [2]);
    }
}
