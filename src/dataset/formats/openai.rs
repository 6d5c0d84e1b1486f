//! SGLang's `openai`: chat messages, with other members of the body.

use super::{messages, object, output_tokens, tools};
use crate::dataset::members::{Members, elements};
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
    match to.takes_all_turns() {
        true => push_turns(list, &row, output, to),
        false => {
            to.push(row, output, None);
            Ok(())
        }
    }
}

/// Makes a row of what is new in each turn: the messages up to an answer. Answers before everything else are part of
/// the first turn.
fn push_turns(list: &str, whole: &Row<'_>, output: Option<u32>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let session = to.own_session();
    let list = elements(list).map_err(|what| Reason::new(format!("`messages` {what}")))?;
    let mut is_answer = Vec::with_capacity(list.len());
    for message in &list {
        let role = Members::read(message)?.name("role")?;
        is_answer.push(role.as_deref() == Some("assistant"));
    }
    let first = is_answer.iter().position(|is| !is).unwrap_or(list.len());
    let mut from = 0;
    while from < list.len() {
        let ends = |from: usize, wanted: bool| {
            let found = is_answer[from..].iter().position(|is| *is == wanted);
            found.map_or(list.len(), |found| from + found)
        };
        let answered = ends(from.max(first), true);
        let next = ends(answered, false);
        if answered <= first {
            to.leave_out("rows in which only the assistant speaks");
            break;
        }
        let new = format!("[{}]", list[from..answered].join(","));
        let answer = list[answered..next].join(",");
        let row = Row {
            session: Some(&session),
            is_delta: true,
            answer: Some(answer.as_str()).filter(|answer| to.keeps_answers() && !answer.is_empty()),
            content: Content::Messages(&new),
            ..whole.clone()
        };
        to.push(row, output, None);
        from = next;
    }
    Ok(())
}
