//! SGLang's `openai`: chat messages, with other members of the body.

use super::{messages, object, output_tokens, tools};
use crate::dataset::members::Members;
use crate::dataset::read::Sink;
use crate::dataset::row::{Content, Row};
use crate::error::Reason;

/// Reads `{"messages": [...], "max_tokens": 64, "tools": [...], ...}`; what is left goes into the body as it is.
pub fn read(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let list = messages(record, "messages")?;
    let list = record.required("messages", list)?;
    let output = output_tokens(record, &["max_completion_tokens", "max_tokens"])?;
    let tools = tools(record)?;
    record.ignore(&["max_tokens", "max_completion_tokens", "messages", "tools"]);
    for key in ["model", "stream", "stream_options"] {
        if record.has(key) {
            to.leave_out(&format!("`{key}` of rows, which the kind of request says"));
        }
    }
    record.ignore(&["model", "stream", "stream_options"]);
    let rest = record.rest();
    let extra = (!rest.is_empty()).then(|| object(&rest));
    let row = Row {
        tools,
        extra: extra.as_deref(),
        ..Row::of(Content::Messages(list))
    };
    to.push(row, output, None);
    Ok(())
}
