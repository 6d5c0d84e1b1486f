//! The key `prompts`: a list of texts, or a mapping that says what prompts are made of.

use crate::config::PromptsFile;
use crate::config::document::lengths::read_lengths;
use crate::config::document::reader::{Fields, Reader, truth};
use crate::config::document::shared::{SHARED_KEYS, asks_for_groups, read_shared};
use crate::error::{Reason, quoted};
use crate::lengths::Lengths;
use crate::plan::{MAX_TOKENS_MAX, PROMPT_TOKENS_MAX};
use crate::units::{Span, check_bytes, parse_count_span, read_text_file};
use crate::workload::{
    PROMPT_BYTES_MAX, PROMPTS_BYTES_MAX, PROMPTS_MAX, Prompts, VOCABULARY_DEFAULT, parse_prompts,
};
use saphyr::YamlData;

/// The default length of generated prompts.
pub const PROMPT_TOKENS_DEFAULT: Lengths = Lengths::fixed(50);

const OWN_KEYS: [&str; 7] = [
    "min_tokens",
    "max_tokens",
    "prompt_tokens",
    "prefix",
    "file",
    "cache_prompt",
    "token_ids",
];
/// Those that a request has outside its `prompts`.
const OUTSIDE: [&str; 2] = ["max_tokens", "cache_prompt"];

/// Returns the keys of the document's own `prompts`. A request has all but [`OUTSIDE`].
pub fn keys() -> impl Iterator<Item = &'static str> {
    OWN_KEYS.into_iter().chain(SHARED_KEYS)
}

#[derive(Default)]
pub struct PromptsKeys {
    pub prompts: Option<Prompts>,
    /// The token limit for requests that have none of their own.
    pub max_tokens: Option<Lengths>,
    pub cache_prompt: Option<bool>,
    /// The file that `prompts` come from, if any.
    pub file: Option<PromptsFile>,
}

/// Reads `prompts` of a document or of a request.
pub fn read_prompts(reader: &mut Reader<'_>, fields: &Fields<'_>) -> PromptsKeys {
    let Some(node) = fields.node("prompts") else {
        return PromptsKeys::default();
    };
    if !matches!(node.data, YamlData::Mapping(_)) {
        let texts = reader.strings(fields, "prompts", PROMPTS_MAX, PROMPT_BYTES_MAX);
        return PromptsKeys {
            prompts: texts.map(Prompts::List),
            ..PromptsKeys::default()
        };
    }
    let path = format!("{}prompts", fields.path);
    let is_document = fields.path.is_empty();
    let known: Vec<&str> = keys()
        .filter(|key| is_document || !OUTSIDE.contains(key))
        .collect();
    let Some(keys) = reader.mapping(&path, node, &known) else {
        return PromptsKeys::default();
    };
    let max_tokens = read_max_tokens(reader, &keys);
    let (prompts, file) = match keys.has("file") {
        true => read_from_file(reader, &keys).unzip(),
        false => (read_made(reader, &keys, max_tokens.as_ref()), None),
    };
    PromptsKeys {
        prompts,
        file,
        max_tokens,
        cache_prompt: reader.boolean(&keys, "cache_prompt"),
    }
}

/// Reads the token limit of answers.
pub fn read_max_tokens(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Lengths> {
    read_lengths(reader, fields, "max_tokens", &(1..=MAX_TOKENS_MAX))
}

/// Reads the prefix, which is empty if absent.
fn read_prefix(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<String> {
    if !keys.has("prefix") {
        return Some(String::new());
    }
    reader.parsed(keys, "prefix", "a string", |text| {
        check_bytes("the text has", text, PROMPT_BYTES_MAX)?;
        Ok(text.to_owned())
    })
}

fn read_made(reader: &mut Reader<'_>, keys: &Fields<'_>, max_tokens: Option<&Lengths>) -> Option<Prompts> {
    let prefix = read_prefix(reader, keys);
    let tokens = read_length(reader, keys, max_tokens);
    let vocabulary = read_vocabulary(reader, keys);
    if asks_for_groups(keys) {
        return read_shared(reader, keys, tokens?, vocabulary)
            .map(|shared| Prompts::Shared(Box::new(shared)));
    }
    let (prefix, tokens) = (prefix?, tokens?);
    let Some(vocabulary) = vocabulary else {
        return Some(Prompts::Made { prefix, tokens });
    };
    if !prefix.is_empty() {
        let what = format!("key `{}prefix` contradicts `token_ids`: it is a text", keys.path);
        reader.mistake(
            keys.line_of("prefix"),
            Reason::new(what).hint("remove one of them"),
        );
    }
    Some(Prompts::Ids { tokens, vocabulary })
}

/// Reads which ids prompts consist of; `None` if they are words.
fn read_vocabulary(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<Span<u32>> {
    reader
        .parsed(keys, "token_ids", TOKEN_IDS_EXPECTED, parse_vocabulary)
        .flatten()
}

pub const TOKEN_IDS_EXPECTED: &str = "true, false or a range of ids";

/// Reads `token_ids`: whether prompts are ids of tokens, or which.
pub fn parse_vocabulary(text: &str) -> Result<Option<Span<u32>>, Reason> {
    match truth(text) {
        Some(are_ids) => Ok(are_ids.then_some(VOCABULARY_DEFAULT)),
        None => parse_count_span(text).map(Some).map_err(|reason| {
            reason.hint("write `true`, or the ids that prompts may have, lowest and highest: `1000-30000`")
        }),
    }
}

/// Reads how long made prompts are. `min_tokens` and `max_tokens` are the bounds of each length, as in the Python tool,
/// where `max_tokens` limits the answer as well; `prompt_tokens` says otherwise.
fn read_length(reader: &mut Reader<'_>, keys: &Fields<'_>, max_tokens: Option<&Lengths>) -> Option<Lengths> {
    let least = reader.count(keys, "min_tokens", 1..=PROMPT_TOKENS_MAX);
    if keys.has("prompt_tokens") {
        return read_lengths(reader, keys, "prompt_tokens", &(1..=PROMPT_TOKENS_MAX));
    }
    if !keys.has("min_tokens") {
        return Some(PROMPT_TOKENS_DEFAULT);
    }
    let min = least?;
    let most = match max_tokens {
        Some(lengths) if lengths.is_fixed() => lengths.max(),
        // A range, which the Python tool does not have, is that of the answer alone.
        _ => return Some(Lengths::fixed(min)),
    };
    let problem = match most {
        _ if most < min => format!("`{most}` is less than `min_tokens`, {min}"),
        _ if most > PROMPT_TOKENS_MAX => {
            format!("prompts of up to `{most}` tokens are longer than the limit of {PROMPT_TOKENS_MAX}")
        }
        _ => return Some(Lengths::range(min, most)),
    };
    let what = format!("`{}max_tokens`: {problem}", keys.path);
    let hint = format!(
        "prompts are `min_tokens` to `max_tokens` long, and answers at most `max_tokens`; write `prompt_tokens: {min}` \
         instead of `min_tokens` to set the two separately"
    );
    reader.mistake(keys.line_of("max_tokens"), Reason::new(what).hint(hint));
    None
}

fn read_from_file(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<(Prompts, PromptsFile)> {
    let of_made = self::keys().filter(|key| !OUTSIDE.contains(key) && !["prefix", "file"].contains(key));
    for key in of_made.filter(|key| keys.has(key)) {
        let line = keys.line_of("file");
        let what = format!("key `{}{key}` contradicts `file` of line {line}", keys.path);
        let hint = "prompts from a file keep their length: remove one of them";
        reader.mistake(keys.line_of(key), Reason::new(what).hint(hint));
    }
    let prefix = read_prefix(reader, keys);
    let file = reader.parsed(keys, "file", "the path of a file", |path| {
        read_text_file(path, PROMPTS_BYTES_MAX, None).map(|text| (path.to_owned(), text))
    });
    let ((file, text), prefix) = (file?, prefix?);
    match parse_prompts(&text) {
        Err((line, what)) => {
            let hint = "write one prompt per line (text, `\"...\"` or `{\"prompt\": \"...\"}`), or one JSON list of them";
            reader.mistakes.push(Reason::new(what).hint(hint).at(file, line));
        }
        Ok(texts) if texts.is_empty() => {
            let what = format!("`{}file`: {} contains no prompts", keys.path, quoted(&file));
            reader.mistake(keys.line_of("file"), Reason::new(what));
        }
        Ok(texts) => {
            let whole = texts.into_iter().map(|text| format!("{prefix}{text}"));
            return Some((Prompts::List(whole.collect()), PromptsFile { prefix, file }));
        }
    }
    None
}

#[cfg(test)]
#[path = "prompts_tests.rs"]
mod tests;
