//! ShareGPT's conversations.

use crate::dataset::members::{Members, string};
use crate::dataset::read::{Filter, Sink, Turns};
use crate::dataset::row::{Content, Row};
use crate::error::Reason;
use std::borrow::Cow;

/// Bytes of UTF-8 text that count as a token, where no tokenizer is at hand. English is at 4 to 5.
const BYTES_PER_TOKEN: usize = 4;

/// Who said something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    System,
    Other,
}

/// One turn of a conversation.
struct Turn<'a> {
    from: Speaker,
    json: &'a str,
    plain: Cow<'a, str>,
}

/// Reads `{"id": "...", "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}, ...]}`.
pub fn read(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["id"]);
    let key = record
        .first_of(&["conversations", "conversation"])
        .unwrap_or("conversations");
    let list = record.list(key)?;
    let (_, list) = record.required(key, list)?;
    let mut turns = Vec::with_capacity(list.len());
    for (i, turn) in list.into_iter().enumerate() {
        let turn = read_turn(turn, i).map_err(|reason| reason.about(format!("`{key}[{i}]`")))?;
        turns.push(turn);
    }
    match to.options.turns {
        Turns::First => push_first(&turns, to),
        Turns::All { .. } => push_all(&turns, to),
    }
    Ok(())
}

/// Reads turn number `i`. Where turns do not say who speaks, the user begins, and they alternate.
fn read_turn(json: &str, i: usize) -> Result<Turn<'_>, Reason> {
    let turn = Members::read(json)?;
    let from = turn.name(turn.first_of(&["from", "role"]).unwrap_or("from"))?;
    let key = turn.first_of(&["value", "content"]).unwrap_or("value");
    let json = turn.required(key, turn.json(key))?;
    let plain = string(json).map_err(|what| Reason::new(format!("has a `{key}` that {what}")))?;
    Ok(Turn {
        from: match from.as_deref() {
            Some("human" | "user") => Speaker::User,
            Some("system") => Speaker::System,
            None if i.is_multiple_of(2) => Speaker::User,
            _ => Speaker::Other,
        },
        json,
        plain,
    })
}

/// Returns about how many tokens a text is.
fn estimated_tokens(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX)
}

/// Takes the first two turns as question and answer, whoever they are from, as vLLM and SGLang do.
fn push_first(turns: &[Turn<'_>], to: &mut Sink<'_>) {
    let [question, answer, ..] = turns else {
        return to.leave_out("conversations with fewer than two turns");
    };
    if question.plain.trim().is_empty() {
        return to.leave_out("conversations with an empty first turn");
    }
    let (prompt, output) = (estimated_tokens(&question.plain), estimated_tokens(&answer.plain));
    if to.options.filter == Filter::Vllm {
        if prompt < 4 || output < 4 {
            return to.leave_out("conversations with a prompt or answer below 4 tokens (estimated)");
        }
        if prompt > 1024 || prompt + output > 2048 {
            return to.leave_out(
                "conversations with a prompt above 1024 tokens, or above 2048 with its answer (estimated)",
            );
        }
    }
    to.push(
        Row::of(Content::Text(question.json)),
        Some(output).filter(|n| *n > 0),
        None,
    );
}

/// Makes a row of each question, with the length of the answer that follows it. What the system says goes with the
/// question after it.
fn push_all(turns: &[Turn<'_>], to: &mut Sink<'_>) {
    let session = to.own_session();
    let mut system: Option<&Turn<'_>> = None;
    let mut any = false;
    for (i, turn) in turns.iter().enumerate() {
        match turn.from {
            Speaker::System => system = Some(turn),
            Speaker::User if turn.plain.trim().is_empty() => to.leave_out("empty turns"),
            Speaker::User => {
                let answer = turns.get(i + 1).filter(|turn| turn.from == Speaker::Other);
                let output = answer.map(|answer| estimated_tokens(&answer.plain));
                let messages = system.take().map(|system| {
                    format!(
                        "[{{\"role\":\"system\",\"content\":{}}},{{\"role\":\"user\",\"content\":{}}}]",
                        system.json, turn.json
                    )
                });
                let content = match &messages {
                    Some(messages) => Content::Messages(messages),
                    None => Content::Text(turn.json),
                };
                let row = Row {
                    session: Some(&session),
                    is_delta: true,
                    answer: answer.map(|answer| answer.json).filter(|_| to.keeps_answers()),
                    ..Row::of(content)
                };
                to.push(row, output.filter(|n| *n > 0), None);
                any = true;
            }
            Speaker::Other if !any => to.leave_out("answers before the first question"),
            Speaker::Other => {}
        }
    }
    if !any {
        to.leave_out("conversations without a question");
    }
}
