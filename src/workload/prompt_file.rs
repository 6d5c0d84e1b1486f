//! Prompts read from a file: plain text, JSON Lines or a JSON list.

use serde_json::Value;
use serde_json::value::RawValue;

/// The most prompts of one kind of request, from a document or a file.
pub const PROMPTS_MAX: usize = 10_000;
/// The longest prompt: about 64,000 tokens.
pub const PROMPT_BYTES_MAX: usize = 256 << 10;
/// The largest file of prompts. All of it is held in memory, once for each kind of request at each server.
pub const PROMPTS_BYTES_MAX: usize = 16 << 20;

/// The characters of a line that is only the frame of JSON, which is not meant as a prompt.
const FRAME: [char; 5] = ['[', ']', '{', '}', ','];

/// A mistake in a file of prompts: its line, counted from 1, and what is wrong with it.
pub type Wrong = (usize, String);

/// Returns the prompts of a file, in its order, by the form that it begins with:
///
/// ```text
/// [                 one JSON list; an entry is "..." or an object with "prompt" or "text"
/// {  or  "..."      JSON Lines: such an entry on each line
/// anything else     plain text, a prompt a line
/// ```
/// Other members of an object are ignored. Blank lines are skipped, so a file may hold no prompt. Text that begins with
/// a bracket and is no list (`[INST] Hi`) is plain text.
///
/// # Errors
/// Returns the first mistake. JSON in a form that is none of these is one, because its brackets would be sent.
pub fn parse_prompts(text: &str) -> Result<Vec<String>, Wrong> {
    if text.len() > PROMPTS_BYTES_MAX {
        let what = format!(
            "{} bytes of prompts exceed the limit of {PROMPTS_BYTES_MAX}",
            text.len()
        );
        return Err((1, what));
    }
    // Windows puts a byte order mark in front of UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().find(|line| !line.trim().is_empty());
    match first.map(str::trim) {
        Some(first) if first.starts_with('[') && is_json_list(text, first) => list(text),
        Some(first) if is_json_line(first) => json_lines(text, first),
        _ => plain(text),
    }
}

/// Tells whether the text is a JSON list, or was meant to be one: behind its brackets is what a list may begin with.
fn is_json_list(text: &str, first: &str) -> bool {
    let inside = text
        .trim_start()
        .trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    let begins = inside.is_empty() || inside.starts_with(['"', '\'', '{', ']']);
    begins || serde_json::from_str::<Vec<Value>>(text).is_ok() || is_json(first)
}

/// Returns true for an object, valid or not, and for a complete string. Text in quotes followed by more is plain text.
fn is_json_line(line: &str) -> bool {
    line.starts_with('{') || line.starts_with('"') && serde_json::from_str::<String>(line).is_ok()
}

/// Tells whether the line alone is a JSON list or object.
fn is_json(line: &str) -> bool {
    line.starts_with(['[', '{']) && serde_json::from_str::<Value>(line).is_ok()
}

fn list(text: &str) -> Result<Vec<String>, Wrong> {
    let entries: Vec<&RawValue> = serde_json::from_str(text.trim_end()).map_err(|e| {
        let what = match e.is_eof() {
            true => "the JSON list is not closed".to_owned(),
            false => format!(
                "starts like a JSON list, but is not valid JSON at column {}",
                e.column()
            ),
        };
        (e.line(), what)
    })?;
    let mut prompts = Gathered::default();
    let (mut line, mut counted) = (1, 0);
    for (index, entry) in entries.into_iter().enumerate() {
        // An entry is a part of the text, so its distance from the beginning says on which line it is.
        let at = (entry.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        line += text[counted..at].matches('\n').count();
        counted = at;
        let entry = json_prompt(entry.get()).map_err(|what| format!("entry {}: {what}", index + 1));
        prompts.push(line, entry)?;
    }
    Ok(prompts.0)
}

fn json_lines(text: &str, first: &str) -> Result<Vec<String>, Wrong> {
    let mut prompts = Gathered::default();
    // One object over several lines is one prompt.
    if serde_json::from_str::<Value>(first).is_err() && serde_json::from_str::<Value>(text).is_ok() {
        prompts.push(1, json_prompt(text))?;
        return Ok(prompts.0);
    }
    for (line, entry) in lines(text) {
        prompts.push(line, json_prompt(entry.trim()))?;
    }
    Ok(prompts.0)
}

fn plain(text: &str) -> Result<Vec<String>, Wrong> {
    let mut prompts = Gathered::default();
    for (line, prompt) in lines(text) {
        let trimmed = prompt.trim();
        if trimmed.chars().all(|c| FRAME.contains(&c)) || is_json(trimmed) {
            let what = "this line is JSON, but the file is read as plain text: its brackets would be sent";
            return Err((line, what.to_owned()));
        }
        prompts.push(line, Ok(prompt.to_owned()))?;
    }
    Ok(prompts.0)
}

/// The lines that are not blank, each with its number.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

/// The prompts so far, each within the limits.
#[derive(Default)]
struct Gathered(Vec<String>);

impl Gathered {
    fn push(&mut self, line: usize, prompt: Result<String, String>) -> Result<(), Wrong> {
        let prompt = prompt.map_err(|what| (line, what))?;
        let wrong = match prompt.len() {
            _ if self.0.len() == PROMPTS_MAX => format!("more than {PROMPTS_MAX} prompts"),
            _ if prompt.trim().is_empty() => "an empty prompt".to_owned(),
            bytes if bytes > PROMPT_BYTES_MAX => {
                format!("a prompt of {bytes} bytes exceeds the limit of {PROMPT_BYTES_MAX}")
            }
            _ => {
                self.0.push(prompt);
                return Ok(());
            }
        };
        Err((line, wrong))
    }
}

fn json_prompt(json: &str) -> Result<String, String> {
    let value: Value =
        serde_json::from_str(json).map_err(|e| format!("not JSON at column {}", e.column()))?;
    let found = match value {
        Value::String(text) => return Ok(text),
        Value::Object(mut members) => {
            // As in a document, null counts as absent.
            members.retain(|_, value| !value.is_null());
            let prompt = members.remove("prompt").or_else(|| members.remove("text"));
            let talk = ["messages", "conversations", "conversation"].into_iter();
            match (prompt, talk.into_iter().find(|key| members.contains_key(*key))) {
                (Some(prompt), _) => prompt,
                (None, Some(key)) => {
                    return Err(format!(
                        "a conversation (`{key}`), but each request needs one text"
                    ));
                }
                (None, None) => return Err("an object without `prompt` or `text`".to_owned()),
            }
        }
        other => {
            let kind = kind_of(&other);
            return Err(format!(
                "{kind}, neither a string nor an object with `prompt` or `text`"
            ));
        }
    };
    match found {
        Value::String(text) => Ok(text),
        other => Err(format!("the prompt is {}, not a string", kind_of(&other))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
#[path = "prompt_file_tests.rs"]
mod tests;
