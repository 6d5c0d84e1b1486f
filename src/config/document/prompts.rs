//! The key `prompts`: a list of texts, or a mapping that says what prompts are made of.

use crate::config::PromptsFile;
use crate::config::document::check_max_tokens;
use crate::config::document::reader::{Fields, Reader};
use crate::error::{Reason, quoted};
use crate::units::parse_count_span;
use crate::units::{Span, within};
use crate::workload::{PROMPT_BYTES_MAX, PROMPTS_BYTES_MAX, PROMPTS_MAX, Prompts, parse_prompts};
use saphyr::YamlData;
use std::io::Read;

/// The default length of generated prompts.
pub const PROMPT_TOKENS_DEFAULT: Span<u32> = Span { min: 50, max: 50 };
/// The longest generated prompt: half a megabyte, for long contexts.
pub(super) const PROMPT_TOKENS_MAX: u32 = 100_000;

/// The keys of the document's own `prompts`. A request has fewer, because its limits are keys of its own.
pub const KEYS: [&str; 6] = [
    "min_tokens",
    "max_tokens",
    "prompt_tokens",
    "prefix",
    "file",
    "cache_prompt",
];
const REQUEST_KEYS: [&str; 4] = ["min_tokens", "prompt_tokens", "prefix", "file"];

#[derive(Default)]
pub struct PromptsKeys {
    pub prompts: Option<Prompts>,
    /// The token limit for requests that have none of their own.
    pub max_tokens: Option<Span<u32>>,
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
    let known: &[&str] = match fields.path.as_str() {
        "" => &KEYS,
        _ => &REQUEST_KEYS,
    };
    let Some(keys) = reader.mapping(&format!("{path}."), &path, node, known) else {
        return PromptsKeys::default();
    };
    let max_tokens = reader.parsed(&keys, "max_tokens", "a whole number or a range", max_tokens);
    let (prompts, file) = match keys.has("file") {
        true => read_from_file(reader, &keys).unzip(),
        false => (read_made(reader, &keys, max_tokens), None),
    };
    PromptsKeys {
        prompts,
        file,
        max_tokens,
        cache_prompt: reader.boolean(&keys, "cache_prompt"),
    }
}

pub fn max_tokens(text: &str) -> Result<Span<u32>, Reason> {
    let span = parse_count_span(text)?;
    check_max_tokens(span)?;
    Ok(span)
}

/// Reads the prefix, which is empty if absent.
fn read_prefix(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<String> {
    if !keys.has("prefix") {
        return Some(String::new());
    }
    reader.parsed(keys, "prefix", "a string", |text| match text.len() {
        0..=PROMPT_BYTES_MAX => Ok(text.to_owned()),
        bytes => {
            let what = format!("the text has {bytes} bytes, more than the limit of {PROMPT_BYTES_MAX}");
            Err(Reason::new(what))
        }
    })
}

fn read_made(reader: &mut Reader<'_>, keys: &Fields<'_>, max_tokens: Option<Span<u32>>) -> Option<Prompts> {
    let prefix = read_prefix(reader, keys);
    let tokens = read_length(reader, keys, max_tokens);
    Some(Prompts::Made {
        prefix: prefix?,
        tokens: tokens?,
    })
}

/// Reads how long made prompts are. `min_tokens` and `max_tokens` are the bounds of each length, as in the Python tool,
/// where `max_tokens` limits the answer as well; `prompt_tokens` says otherwise.
fn read_length(
    reader: &mut Reader<'_>,
    keys: &Fields<'_>,
    max_tokens: Option<Span<u32>>,
) -> Option<Span<u32>> {
    let least = reader.count(keys, "min_tokens", 1..=PROMPT_TOKENS_MAX);
    if keys.has("prompt_tokens") {
        return reader.parsed(keys, "prompt_tokens", "a whole number or a range", |text| {
            let span = parse_count_span(text)?;
            within(Some(span.min), &span.min.to_string(), &(1..=PROMPT_TOKENS_MAX))?;
            within(Some(span.max), &span.max.to_string(), &(1..=PROMPT_TOKENS_MAX))?;
            Ok(span)
        });
    }
    if !keys.has("min_tokens") {
        return Some(PROMPT_TOKENS_DEFAULT);
    }
    let min = least?;
    let most = match max_tokens {
        Some(span) if span.min == span.max => span.max,
        // A range, which the Python tool does not have, is that of the answer alone.
        _ => return Some(Span { min, max: min }),
    };
    let problem = match most {
        _ if most < min => format!("`{most}` is less than `min_tokens`, {min}"),
        _ if most > PROMPT_TOKENS_MAX => {
            format!("prompts of up to `{most}` tokens are longer than the limit of {PROMPT_TOKENS_MAX}")
        }
        _ => return Some(Span { min, max: most }),
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
    for key in ["min_tokens", "prompt_tokens"] {
        if keys.has(key) {
            let line = keys.line_of("file");
            let what = format!("key `{}{key}` contradicts `file` of line {line}", keys.path);
            let hint = "prompts from a file keep their length: remove one of them";
            reader.mistake(keys.line_of(key), Reason::new(what).hint(hint));
        }
    }
    let prefix = read_prefix(reader, keys);
    let file = reader.parsed(keys, "file", "the path of a file", |path| {
        read_text(path).map(|text| (path.to_owned(), text))
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

fn read_text(path: &str) -> Result<String, Reason> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(PROMPTS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    let shown = quoted(path);
    if let Err(e) = read {
        let hint = "paths are relative to the directory that the program runs in";
        return Err(Reason::new(format!("{shown} cannot be read: {e}")).hint(hint));
    }
    if bytes.len() > PROMPTS_BYTES_MAX {
        let what = format!("{shown} is larger than the limit of {PROMPTS_BYTES_MAX} bytes");
        return Err(Reason::new(what));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Reason::new(format!("{shown} is not UTF-8 text: byte {at} is invalid"))
    })
}

#[cfg(test)]
#[path = "prompts_tests.rs"]
mod tests;
