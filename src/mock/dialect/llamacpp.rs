//! Writes llama.cpp's own completions. Their events count the tokens, and the last one reports the server's times.

use super::{
    COUNT_KEY, COUNT_WIDTH, Counted, DECODE_KEY, Dialect, MS_WIDTH, PROMPT_KEY, event, placeholder, text,
};

pub(super) const DIALECT: Dialect = Dialect {
    token,
    finish: |counted| event(&end("", true, counted)),
    body: |counted, finished| end(&text(counted.output), finished, counted),
    ..Dialect::PLAIN
};

fn token(counted: &Counted, extra: &str) -> String {
    let prompt = counted.prompt;
    event(&format!(
        "{{\"index\":0,\"content\":\"tok \",\"tokens\":[0],\"stop\":false,\"id_slot\":-1,\
         {COUNT_KEY}{},\"tokens_evaluated\":{prompt}{extra}}}",
        placeholder(COUNT_WIDTH)
    ))
}

/// Returns the last event, or a whole answer. Its settings are as long as real ones, so that parsers meet their size.
fn end(text: &str, stop: bool, counted: &Counted) -> String {
    let (tokens, prompt, cached) = (counted.output, counted.prompt, counted.cached_or_none());
    let read = prompt.saturating_sub(cached);
    let settings: String = (0..60).map(|i| format!("\"setting_{i:02}\":{}.5,", i)).collect();
    format!(
        "{{\"index\":0,\"content\":\"{text}\",\"tokens\":[],\"id_slot\":0,\"stop\":{stop},\"model\":\"mock\",\
         {COUNT_KEY}{tokens},\"tokens_evaluated\":{prompt},\"generation_settings\":{{{settings}\
         \"stop\":[],\"stream\":true}},\"prompt\":\"\",\"truncated\":false,\"stop_type\":\"limit\",\
         \"timings\":{{\"cache_n\":{cached},\"prompt_n\":{read},{PROMPT_KEY}{},\
         \"predicted_n\":{tokens},{DECODE_KEY}{}}}}}",
        placeholder(MS_WIDTH),
        placeholder(MS_WIDTH)
    )
}
