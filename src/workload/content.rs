//! What a drawn request gives the model to read, which writes itself into a body.

use super::ids::{push_ids, push_more_ids};
use super::prompts::{push_more_words, push_words};
use super::shared::Parts;
use super::types::{Draw, Prompts};
use crate::api::{Content, Prompt, write_string};
use crate::units::Span;

/// One prompt, before it is spelled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelled<'a> {
    Given(&'a str),
    /// `prefix`, then the words made from `key`.
    Made {
        prefix: &'a str,
        key: u64,
        tokens: u32,
    },
    Ids {
        key: u64,
        tokens: u32,
        vocabulary: Span<u32>,
    },
    /// A prefix that others have too, and a question.
    Shared {
        parts: Parts,
        vocabulary: Option<Span<u32>>,
    },
}

impl<'a> Spelled<'a> {
    /// Returns the prompt that was drawn.
    pub(super) fn of(prompts: &'a Prompts, draw: &Draw) -> Spelled<'a> {
        let (key, tokens) = (draw.prompt, draw.prompt_tokens);
        match prompts {
            Prompts::List(texts) => Spelled::Given(&texts[key as usize]),
            Prompts::Made { prefix, .. } => Spelled::Made { prefix, key, tokens },
            Prompts::Ids { vocabulary, .. } => Spelled::Ids {
                key,
                tokens,
                vocabulary: *vocabulary,
            },
            // They write themselves, and are no part of conversations.
            Prompts::Rows(_) => Spelled::Given(""),
            Prompts::Shared(shared) => Spelled::Shared {
                parts: shared.parts(key),
                vocabulary: shared.vocabulary,
            },
        }
    }

    pub(super) fn content(&'a self) -> Content<'a> {
        match self {
            Spelled::Ids { .. }
            | Spelled::Shared {
                vocabulary: Some(_), ..
            } => Content::Tokens(self),
            _ => Content::Text(self),
        }
    }
}

impl Prompt for Spelled<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match *self {
            Spelled::Given(given) => write_string(out, given),
            Spelled::Made { prefix, key, tokens } => {
                write_string(out, prefix);
                // The words go before the closing quote.
                out.pop();
                if !prefix.is_empty() && !prefix.ends_with(char::is_whitespace) {
                    out.push(b' ');
                }
                push_words(out, key, tokens);
                out.push(b'"');
            }
            Spelled::Ids {
                key,
                tokens,
                vocabulary,
            } => push_ids(out, key, tokens, vocabulary),
            Spelled::Shared {
                parts,
                vocabulary: Some(vocabulary),
                ..
            } => {
                out.push(b'[');
                push_more_ids(out, parts.prefix_key, parts.prefix_tokens, vocabulary);
                push_more_ids(out, parts.question_key, parts.question_tokens, vocabulary);
                out.push(b']');
            }
            Spelled::Shared { parts, .. } => {
                out.push(b'"');
                push_more_words(out, parts.prefix_key, parts.prefix_tokens);
                push_more_words(out, parts.question_key, parts.question_tokens);
                out.push(b'"');
            }
        }
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
