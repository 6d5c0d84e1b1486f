//! What a drawn request gives the model to read, which writes itself into a body.

use super::costs::WordCosts;
use super::ids::{push_ids, push_more_ids};
use super::prompts::{push_more_words, push_words};
use super::shared::Parts;
use super::types::{Draw, Prompts};
use crate::api::{Content, Prompt, write_string};
use crate::units::Span;

/// What is known of the tokens of words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted<'a> {
    /// Nothing: each counts as one.
    No,
    /// Those of a whole prompt, to which the server adds.
    Whole(&'a WordCosts),
    /// Those of one text among others that a server puts together.
    Part(&'a WordCosts),
}

impl<'a> Counted<'a> {
    pub(super) fn whole(costs: Option<&'a WordCosts>) -> Counted<'a> {
        costs.map_or(Counted::No, Counted::Whole)
    }
}

/// One prompt, before it is spelled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelled<'a> {
    Given(&'a str),
    /// `prefix`, then the words made from `key`: as many as there are tokens, unless those of words are counted.
    Made {
        prefix: &'a str,
        key: u64,
        tokens: u32,
        counted: Counted<'a>,
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
        counted: Counted<'a>,
    },
}

impl<'a> Spelled<'a> {
    /// Returns the prompt that was drawn.
    pub(super) fn of(prompts: &'a Prompts, draw: &Draw, counted: Counted<'a>) -> Spelled<'a> {
        let (key, tokens) = (draw.prompt, draw.prompt_tokens);
        match prompts {
            Prompts::List(texts) => Spelled::Given(&texts[key as usize]),
            Prompts::Made { prefix, .. } => Spelled::Made {
                prefix,
                key,
                tokens,
                counted,
            },
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
                counted,
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
            Spelled::Made {
                prefix,
                key,
                tokens,
                counted,
            } => {
                write_string(out, prefix);
                // The words go before the closing quote.
                out.pop();
                if !prefix.is_empty() && !prefix.ends_with(char::is_whitespace) {
                    out.push(b' ');
                }
                match counted {
                    Counted::No => push_words(out, key, tokens),
                    Counted::Whole(costs) => drop(costs.push_prompt(out, key, tokens)),
                    Counted::Part(costs) => costs.push_part(out, key, tokens),
                }
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
            Spelled::Shared { parts, counted, .. } => write_shared(out, &parts, counted),
        }
    }
}

/// Appends a shared prefix of words and the words of a question, as a JSON string.
fn write_shared(out: &mut Vec<u8>, parts: &Parts, counted: Counted<'_>) {
    out.push(b'"');
    match counted {
        Counted::Whole(costs) | Counted::Part(costs) => {
            let beyond = costs.push_prompt(out, parts.prefix_key, parts.prefix_tokens);
            let left = parts.question_tokens.saturating_sub(beyond);
            costs.push_more(out, parts.question_key, left);
        }
        Counted::No => {
            push_more_words(out, parts.prefix_key, parts.prefix_tokens);
            push_more_words(out, parts.question_key, parts.question_tokens);
        }
    }
    out.push(b'"');
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
