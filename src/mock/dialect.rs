//! The JSON that each API puts around its tokens.

use crate::workload::Api;

/// A time in milliseconds is written over this many blanks, which JSON allows before a number.
pub const MS_WIDTH: usize = 20;
/// The same for a count of tokens.
pub const COUNT_WIDTH: usize = 10;
pub const PROMPT_KEY: &str = "\"prompt_ms\":";
pub const DECODE_KEY: &str = "\"predicted_ms\":";
pub const COUNT_KEY: &str = "\"tokens_predicted\":";

const PROMPT_TOKENS: u32 = 8;

/// The event before the first token, where there is one.
pub fn opening(api: Api) -> Option<String> {
    (api == Api::Chat).then(|| chat_event(r#"{"role":"assistant","content":""}"#, "null", ""))
}

/// A token event with further members.
pub fn token(api: Api, extra: &str) -> String {
    match api {
        Api::Chat => chat_event(r#"{"content":"tok "}"#, "null", extra),
        Api::Completions => text_event("tok ", "null", extra),
        Api::LlamaCpp => event(&format!(
            "{{\"index\":0,\"content\":\"tok \",\"tokens\":[0],\"stop\":false,\"id_slot\":-1,\
             {COUNT_KEY}{},\"tokens_evaluated\":{PROMPT_TOKENS}{extra}}}",
            blank(COUNT_WIDTH)
        )),
    }
}

/// The event that ends a stream well, with its counts.
pub fn finish(api: Api, tokens: u32) -> String {
    match api {
        Api::Chat => chat_event("{}", "\"stop\"", &usage(tokens)),
        Api::Completions => text_event("", "\"length\"", &usage(tokens)),
        Api::LlamaCpp => event(&native_end("", "true", tokens)),
    }
}

/// What follows the last event, finish or not.
pub fn done(api: Api) -> Option<&'static str> {
    (api != Api::LlamaCpp).then_some("data: [DONE]\n\n")
}

/// A whole answer; without its finish where `finished` is false.
pub fn body(api: Api, tokens: u32, finished: bool) -> String {
    let text = "tok ".repeat(tokens as usize);
    let finish = if finished { "\"stop\"" } else { "null" };
    let usage = usage(tokens);
    match api {
        Api::Chat => format!(
            "{{\"id\":\"m\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"mock\",\"choices\":[{{\
             \"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]\
             {usage}}}"
        ),
        Api::Completions => format!(
            "{{\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}],\
             \"created\":1,\"model\":\"mock\",\"object\":\"text_completion\"{usage},\"id\":\"m\"}}"
        ),
        Api::LlamaCpp => native_end(&text, if finished { "true" } else { "false" }, tokens),
    }
}

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn chat_event(delta: &str, finish: &str, extra: &str) -> String {
    event(&format!(
        "{{\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]{extra}}}"
    ))
}

fn text_event(text: &str, finish: &str, extra: &str) -> String {
    event(&format!(
        "{{\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}],\
         \"created\":1,\"model\":\"mock\",\"object\":\"text_completion\"{extra},\"id\":\"m\"}}"
    ))
}

/// llama.cpp's last event, or its whole answer. Its settings are as long as the real ones, so that what reads
/// them meets their size.
fn native_end(text: &str, stop: &str, tokens: u32) -> String {
    let settings: String = (0..60).map(|i| format!("\"setting_{i:02}\":{}.5,", i)).collect();
    format!(
        "{{\"index\":0,\"content\":\"{text}\",\"tokens\":[],\"id_slot\":0,\"stop\":{stop},\"model\":\"mock\",\
         {COUNT_KEY}{tokens},\"tokens_evaluated\":{PROMPT_TOKENS},\"generation_settings\":{{{settings}\
         \"stop\":[],\"stream\":true}},\"prompt\":\"\",\"truncated\":false,\"stop_type\":\"limit\",\
         \"timings\":{{\"cache_n\":0,\"prompt_n\":{PROMPT_TOKENS},{PROMPT_KEY}{},\
         \"predicted_n\":{tokens},{DECODE_KEY}{}}}}}",
        blank(MS_WIDTH),
        blank(MS_WIDTH)
    )
}

/// Room for a number, itself a number until it is written over.
fn blank(width: usize) -> String {
    format!("{:>width$}", 0)
}

fn usage(tokens: u32) -> String {
    format!(
        r#","usage":{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{tokens},"total_tokens":{}}}"#,
        tokens + PROMPT_TOKENS
    )
}
