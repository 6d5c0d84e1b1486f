//! Writes OpenAI's responses.

use super::{Dialect, PROMPT_TOKENS, text, typed_event};

pub(super) const DIALECT: Dialect = Dialect {
    opening: Some(|| {
        [
            (
                "response.created",
                format!(",\"response\":{}", response(0, "in_progress")),
            ),
            (
                "response.output_item.added",
                format!(",\"output_index\":0,\"item\":{}", item("in_progress", "")),
            ),
        ]
        .map(|(kind, rest)| typed_event(kind, &rest))
        .concat()
    }),
    token: |extra| {
        let rest = format!(
            ",\"item_id\":\"msg_m\",\"output_index\":0,\"content_index\":0,\"delta\":\"tok \"{extra}"
        );
        typed_event("response.output_text.delta", &rest)
    },
    finish: |tokens| {
        typed_event(
            "response.completed",
            &format!(",\"response\":{}", response(tokens, "completed")),
        )
    },
    body: |tokens, finished| response(tokens, if finished { "completed" } else { "in_progress" }),
    ..Dialect::PLAIN
};

fn item(status: &str, text: &str) -> String {
    format!(
        "{{\"type\":\"message\",\"id\":\"msg_m\",\"role\":\"assistant\",\"status\":\"{status}\",\"content\":[{{\
         \"type\":\"output_text\",\"text\":\"{text}\",\"annotations\":[]}}]}}"
    )
}

/// Returns a response with this many tokens so far.
fn response(tokens: u32, status: &str) -> String {
    let output = match tokens {
        0 => String::new(),
        _ => item(status, &text(tokens)),
    };
    let usage = match tokens {
        0 => "null".to_owned(),
        _ => format!(
            "{{\"input_tokens\":{PROMPT_TOKENS},\"input_tokens_details\":{{\"cached_tokens\":0}},\
             \"output_tokens\":{tokens},\"output_tokens_details\":{{\"reasoning_tokens\":0}},\"total_tokens\":{}}}",
            tokens + PROMPT_TOKENS
        ),
    };
    format!(
        "{{\"id\":\"resp_m\",\"object\":\"response\",\"created_at\":1,\"model\":\"mock\",\"status\":\"{status}\",\
         \"error\":null,\"incomplete_details\":null,\"output\":[{output}],\"usage\":{usage}}}"
    )
}
