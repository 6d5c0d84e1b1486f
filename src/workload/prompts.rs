//! Prompts from a file.

use serde_json::Value;

/// One a line: JSON Lines where the first line that is not blank is an object or a string, else plain text.
///
/// # Errors
/// The first mistake: its line, counted from 1, and what is wrong with it.
pub fn parse_prompts(text: &str) -> Result<Vec<String>, (usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<(usize, &str)> = lines.map(|(i, line)| (i + 1, line.trim())).collect();
    let is_json = lines.first().is_some_and(|(_, line)| line.starts_with(['{', '"']));
    let read = |&(at, line): &(usize, &str)| match is_json {
        false => Ok(line.to_owned()),
        true => match serde_json::from_str(line).map_err(|e| (at, e.to_string()))? {
            Value::String(text) => Ok(text),
            Value::Object(map) => match map.get("prompt").or_else(|| map.get("text")) {
                Some(Value::String(text)) => Ok(text.clone()),
                _ => Err((at, "no text under `prompt` or `text`".to_owned())),
            },
            _ => Err((at, "neither an object nor a string".to_owned())),
        },
    };
    lines.iter().map(read).collect()
}
