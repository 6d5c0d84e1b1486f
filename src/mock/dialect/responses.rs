//! Writes OpenAI's responses.

use super::{Counted, Dialect, text, typed_event};

pub(super) const DIALECT: Dialect = Dialect {
    opening: Some(|counted| {
        [
            (
                "response.created",
                format!(
                    ",\"response\":{}",
                    response(
                        &Counted {
                            output: 0,
                            ..*counted
                        },
                        "in_progress"
                    )
                ),
            ),
            (
                "response.output_item.added",
                format!(",\"output_index\":0,\"item\":{}", item("in_progress", "")),
            ),
        ]
        .map(|(kind, rest)| typed_event(kind, &rest))
        .concat()
    }),
    token: |_, extra| {
        let rest = format!(
            ",\"item_id\":\"msg_m\",\"output_index\":0,\"content_index\":0,\"delta\":\"tok \"{extra}"
        );
        typed_event("response.output_text.delta", &rest)
    },
    finish: |counted| {
        typed_event(
            "response.completed",
            &format!(",\"response\":{}", response(counted, "completed")),
        )
    },
    body: |counted, finished| response(counted, if finished { "completed" } else { "in_progress" }),
    ..Dialect::PLAIN
};

fn item(status: &str, text: &str) -> String {
    format!(
        "{{\"type\":\"message\",\"id\":\"msg_m\",\"role\":\"assistant\",\"status\":\"{status}\",\"content\":[{{\
         \"type\":\"output_text\",\"text\":\"{text}\",\"annotations\":[]}}]}}"
    )
}

/// Returns a response with this many tokens so far.
fn response(counted: &Counted, status: &str) -> String {
    let (tokens, prompt, total) = (counted.output, counted.prompt, counted.total());
    let (cached, thoughts) = (counted.cached_or_none(), counted.reasoning.unwrap_or(0));
    let output = match tokens {
        0 => String::new(),
        _ => item(status, &text(tokens)),
    };
    let usage = match tokens {
        0 => "null".to_owned(),
        _ => format!(
            "{{\"input_tokens\":{prompt},\"input_tokens_details\":{{\"cached_tokens\":{cached}}},\
             \"output_tokens\":{tokens},\"output_tokens_details\":{{\"reasoning_tokens\":{thoughts}}},\
             \"total_tokens\":{total}}}"
        ),
    };
    format!(
        "{{\"id\":\"resp_m\",\"object\":\"response\",\"created_at\":1,\"model\":\"mock\",\"status\":\"{status}\",\
         \"error\":null,\"incomplete_details\":null,\"output\":[{output}],\"usage\":{usage}}}"
    )
}
