//! guidellm's rows: a prompt with its output length, or numbered ones for conversations.

use super::output_tokens;
use crate::dataset::members::{Members, Text, json_string};
use crate::dataset::read::Sink;
use crate::dataset::row::{Content, Row};
use crate::error::Reason;

/// What the column of prompts may be called, in the order in which guidellm looks.
const PROMPTS: [&str; 7] = [
    "prompt",
    "instruction",
    "question",
    "input",
    "context",
    "content",
    "text",
];

/// Reads `{"prompt": "...", "output_tokens_count": 16}`, or `prompt_0`, `output_tokens_count_0`, `prompt_1`, and so on.
pub fn read(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["prompt_tokens_count", "input_tokens_count"]);
    let prefix = record.text("prefix")?;
    if record.has("prompt_0") {
        return read_turns(record, prefix.as_ref(), to);
    }
    let key = record.first_of(&PROMPTS).unwrap_or("prompt");
    let prompt = record.text(key)?;
    let prompt = record.required(key, prompt)?;
    let output = output_tokens(record, &["output_tokens_count", "completion_tokens_count"])?;
    let joined = prefix.map(|prefix| join(&prefix, &prompt));
    let json = joined.as_deref().unwrap_or(prompt.json);
    to.push(Row::of(Content::Text(json)), output, None);
    Ok(())
}

fn read_turns(record: &Members<'_>, prefix: Option<&Text<'_>>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let session = to.own_session();
    for turn in 0.. {
        let Some(prompt) = record.text(&format!("prompt_{turn}"))? else {
            return Ok(());
        };
        let output = output_tokens(record, &[&format!("output_tokens_count_{turn}")])?;
        record.ignore(&[&format!("prompt_tokens_count_{turn}")]);
        let own = record.text(&format!("prefix_{turn}"))?;
        let before = own.as_ref().or(prefix.filter(|_| turn == 0));
        let joined = before.map(|prefix| join(prefix, &prompt));
        let row = Row {
            session: Some(&session),
            is_delta: true,
            ..Row::of(Content::Text(joined.as_deref().unwrap_or(prompt.json)))
        };
        to.push(row, output, None);
    }
    Ok(())
}

/// Puts a prefix before a prompt, which all APIs take.
fn join(prefix: &Text<'_>, prompt: &Text<'_>) -> String {
    let blank = if prefix.plain.ends_with(char::is_whitespace) {
        ""
    } else {
        " "
    };
    json_string(&format!("{}{blank}{}", prefix.plain, prompt.plain))
}
