//! Writes Anthropic's messages.

use super::{Dialect, PROMPT_TOKENS, text, typed_event};

pub(super) const DIALECT: Dialect = Dialect {
    opening: Some(|| {
        let start = format!(
            ",\"message\":{{\"id\":\"msg_m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[],\
             \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{\"input_tokens\":{PROMPT_TOKENS},\
             \"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}}"
        );
        [
            ("message_start", &*start),
            (
                "content_block_start",
                r#","index":0,"content_block":{"type":"text","text":""}"#,
            ),
            ("ping", ""),
        ]
        .map(|(kind, rest)| typed_event(kind, rest))
        .concat()
    }),
    token: |extra| {
        let rest = format!(",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"tok \"}}{extra}");
        typed_event("content_block_delta", &rest)
    },
    finish: |tokens| {
        let delta = format!(
            ",\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}},\"usage\":{{\"output_tokens\":{tokens}}}"
        );
        typed_event("content_block_stop", ",\"index\":0") + &typed_event("message_delta", &delta)
    },
    done: Some("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    body: |tokens, finished| {
        let reason = if finished { "\"end_turn\"" } else { "null" };
        format!(
            "{{\"id\":\"msg_m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[{{\
             \"type\":\"text\",\"text\":\"{}\"}}],\"stop_reason\":{reason},\"stop_sequence\":null,\"usage\":{{\
             \"input_tokens\":{PROMPT_TOKENS},\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\
             \"output_tokens\":{tokens}}}}}",
            text(tokens)
        )
    },
    ..Dialect::PLAIN
};
