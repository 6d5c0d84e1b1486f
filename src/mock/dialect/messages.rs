//! Writes Anthropic's messages.

use super::{Counted, Dialect, text, typed_event};

pub(super) const DIALECT: Dialect = Dialect {
    opening: Some(|counted| {
        let read = read(counted);
        let start = format!(
            ",\"message\":{{\"id\":\"msg_m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[],\
             \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{{read},\"output_tokens\":1}}}}"
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
    token: |_, extra| {
        let rest = format!(",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"tok \"}}{extra}");
        typed_event("content_block_delta", &rest)
    },
    finish: |counted| {
        let tokens = counted.output;
        let delta = format!(
            ",\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}},\"usage\":{{\"output_tokens\":{tokens}}}"
        );
        typed_event("content_block_stop", ",\"index\":0") + &typed_event("message_delta", &delta)
    },
    done: Some("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    body: |counted, finished| {
        let (tokens, read) = (counted.output, read(counted));
        let reason = if finished { "\"end_turn\"" } else { "null" };
        format!(
            "{{\"id\":\"msg_m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[{{\
             \"type\":\"text\",\"text\":\"{}\"}}],\"stop_reason\":{reason},\"stop_sequence\":null,\"usage\":{{{read},\
             \"output_tokens\":{tokens}}}}}",
            text(tokens)
        )
    },
    ..Dialect::PLAIN
};

/// Returns what was read: `input_tokens` are those that came from no cache.
fn read(counted: &Counted) -> String {
    let cached = counted.cached_or_none();
    let input = counted.prompt.saturating_sub(cached);
    format!("\"input_tokens\":{input},\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":{cached}")
}
