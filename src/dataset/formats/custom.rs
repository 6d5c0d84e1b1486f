//! vLLM's `custom`: a prompt a line.

use super::output_tokens;
use crate::dataset::members::Members;
use crate::dataset::read::Sink;
use crate::dataset::row::{Content, Row};
use crate::error::Reason;

/// Reads `{"prompt": "...", "output_tokens": 16}`.
pub fn read(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let prompt = record.text("prompt")?;
    let prompt = record.required("prompt", prompt)?;
    let output = output_tokens(record, &["output_tokens"])?;
    to.push(Row::of(Content::Text(prompt.json)), output, None);
    Ok(())
}
