//! OpenAI's Responses API. Only validation asks a server of chat completions for it; no load goes there.

use std::io::Write;

use serde_json::Value;

use crate::api::body::{INFALLIBLE, write_model};
use crate::api::{Generation, SideQuestion};

pub(in crate::api) const RESPONSES: SideQuestion = SideQuestion {
    end: "/responses",
    write_body,
    read,
};

fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    write_model(out, asked.model);
    out.extend_from_slice(b",\"input\":");
    asked.content.write_prompt(out);
    let (max_tokens, stream) = (asked.max_tokens, asked.stream);
    write!(out, ",\"max_output_tokens\":{max_tokens},\"stream\":{stream}}}").expect(INFALLIBLE);
}

fn read(body: &[u8]) -> Result<String, &'static str> {
    let response: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    if response.get("error").is_some_and(|error| !error.is_null()) {
        return Err("an error object instead of an answer");
    }
    match response.get("status").and_then(Value::as_str) {
        // "incomplete" is fine: the answer reached the few tokens that were asked for.
        Some(status @ ("completed" | "incomplete")) if response["output"].is_array() => Ok(status.to_owned()),
        _ => Err("not a completed response"),
    }
}
