//! Writes llama.cpp's own completions. Their events count the tokens, and the last one reports the server's times.

use super::{
    COUNT_KEY, COUNT_WIDTH, DECODE_KEY, Dialect, MS_WIDTH, PROMPT_KEY, PROMPT_TOKENS, event, placeholder,
    text,
};

pub(super) const DIALECT: Dialect = Dialect {
    token,
    finish: |tokens| event(&end("", true, tokens)),
    body: |tokens, finished| end(&text(tokens), finished, tokens),
    ..Dialect::PLAIN
};

fn token(extra: &str) -> String {
    event(&format!(
        "{{\"index\":0,\"content\":\"tok \",\"tokens\":[0],\"stop\":false,\"id_slot\":-1,\
         {COUNT_KEY}{},\"tokens_evaluated\":{PROMPT_TOKENS}{extra}}}",
        placeholder(COUNT_WIDTH)
    ))
}

/// Returns the last event, or a whole answer. Its settings are as long as real ones, so that parsers meet their size.
fn end(text: &str, stop: bool, tokens: u32) -> String {
    let settings: String = (0..60).map(|i| format!("\"setting_{i:02}\":{}.5,", i)).collect();
    format!(
        "{{\"index\":0,\"content\":\"{text}\",\"tokens\":[],\"id_slot\":0,\"stop\":{stop},\"model\":\"mock\",\
         {COUNT_KEY}{tokens},\"tokens_evaluated\":{PROMPT_TOKENS},\"generation_settings\":{{{settings}\
         \"stop\":[],\"stream\":true}},\"prompt\":\"\",\"truncated\":false,\"stop_type\":\"limit\",\
         \"timings\":{{\"cache_n\":0,\"prompt_n\":{PROMPT_TOKENS},{PROMPT_KEY}{},\
         \"predicted_n\":{tokens},{DECODE_KEY}{}}}}}",
        placeholder(MS_WIDTH),
        placeholder(MS_WIDTH)
    )
}
