//! The mock's tokenizer, and its `/tokenize` in the words of several servers.
//!
//! It is unlike usual ones on purpose: words are one to three tokens, so that whoever takes a word for a token is
//! wrong.

use serde_json::{Value, json};

use super::dialect::Counted;

/// The characters of a token; the blank before a word is one of them.
const CHARS: usize = 4;
/// The token that begins a text.
const BEGIN: u32 = 1;
/// The tokens around each message, and those that begin the answer.
const AROUND_MESSAGE: u32 = 4;
const AROUND_ANSWER: u32 = 3;

/// The server whose `/tokenize` the mock has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TokenizeForm {
    Vllm,
    #[value(name = "llama.cpp")]
    LlamaCpp,
    Tgi,
}

/// Returns the tokens of a text: each word with the blank before it, in pieces of four characters.
fn count(text: &str) -> u32 {
    let words = text.split(' ').enumerate();
    let tokens = words.map(|(number, word)| (word.chars().count() + usize::from(number > 0)).div_ceil(CHARS));
    tokens.sum::<usize>() as u32
}

/// Returns the tokens of what a request gives the model to read.
pub fn count_prompt(body: &Value) -> u32 {
    let texts = ["prompt", "inputs", "text_input", "text", "input"];
    let prompt = texts.iter().map(|key| &body[*key]).find(|value| !value.is_null());
    let messages = [&body["messages"], &body["input"]];
    let messages = messages
        .iter()
        .find_map(|value| Some(value.as_array()?.iter().filter(|m| m.is_object())));
    let system = [&body["system"], &body["instructions"]];
    let system: u32 = system
        .iter()
        .filter(|value| !value.is_null())
        .map(|value| AROUND_MESSAGE + count_content(value))
        .sum();
    let messages: Vec<&Value> = messages.into_iter().flatten().collect();
    if !messages.is_empty() {
        let all = messages
            .iter()
            .map(|message| AROUND_MESSAGE + count_content(&message["content"]));
        return BEGIN + system + all.sum::<u32>() + AROUND_ANSWER;
    }
    match prompt {
        Some(Value::Array(parts)) if parts.iter().all(Value::is_number) => parts.len() as u32,
        Some(prompt) => BEGIN + system + count_content(prompt),
        None => 0,
    }
}

/// Returns the tokens of a text, or of a list of texts or of parts that have one.
fn count_content(content: &Value) -> u32 {
    match content {
        Value::String(text) => count(text),
        Value::Array(parts) => parts.iter().map(count_content).sum(),
        Value::Object(part) => part.get("text").map_or(0, count_content),
        _ => 0,
    }
}

/// Returns what an answer states of its tokens, with those of the prompt in `body` by the mock's tokenizer.
pub(super) fn counted(plain: Counted, body: &[u8]) -> Option<Counted> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let prompt = count_prompt(&body);
    Some(Counted { prompt, ..plain })
}

/// Returns the status and the body of the answer to a question at `/tokenize`.
pub fn answer(form: TokenizeForm, question: &[u8]) -> (u16, String) {
    let question: Value = serde_json::from_slice(question).unwrap_or_default();
    let ids = |tokens: u32| (0..tokens).map(|i| 300 + i % 100).collect::<Vec<u32>>();
    let special = |key: &str, usual: bool| u32::from(question[key].as_bool().unwrap_or(usual)) * BEGIN;
    let missing = |status: u16, member: &str| {
        let message = format!("`{member}` is missing");
        (
            status,
            json!({"error": {"message": message, "code": status}}).to_string(),
        )
    };
    match form {
        TokenizeForm::Vllm => {
            let tokens = match (&question["prompt"], &question["messages"]) {
                (Value::String(prompt), _) => special("add_special_tokens", true) + count(prompt),
                (_, Value::Array(_)) => count_prompt(&question),
                _ => return missing(400, "prompt"),
            };
            let told = json!({
                "count": tokens, "max_model_len": 32_768, "tokens": ids(tokens), "token_strs": null
            });
            (200, told.to_string())
        }
        TokenizeForm::LlamaCpp => {
            let tokens = match &question["content"] {
                Value::String(text) => special("add_special", false) + count(text),
                _ => 0,
            };
            (200, json!({"tokens": ids(tokens)}).to_string())
        }
        TokenizeForm::Tgi => {
            let Value::String(text) = &question["inputs"] else {
                return missing(422, "inputs");
            };
            let tokens = ids(special("add_special_tokens", true) + count(text)).into_iter();
            let told: Vec<Value> = tokens
                .map(|id| json!({"id": id, "text": "", "start": 0, "stop": 0}))
                .collect();
            (200, json!(told).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_different_numbers_of_tokens() {
        for (text, tokens) in [("the", 1), ("the of", 2), ("the people", 3), ("the of people", 4)] {
            assert_eq!(count(text), tokens, "{text}");
        }
    }

    #[test]
    fn a_prompt_counts_with_what_is_around_it() {
        for (body, tokens) in [
            (json!({"prompt": "the of"}), 3),
            (json!({"prompt": [5, 6, 7]}), 3),
            (json!({"messages": [{"role": "user", "content": "the of"}]}), 10),
            (
                json!({"system": "the", "messages": [{"role": "user", "content": [{"type": "text", "text": "of"}]}]}),
                14,
            ),
            (json!({"instructions": "the", "input": "the of"}), 8),
            (json!({}), 0),
        ] {
            assert_eq!(count_prompt(&body), tokens, "{body}");
        }
    }

    #[test]
    fn each_form_answers_its_own_question_alone() {
        let vllm = br#"{"model":"m","prompt":"the people","add_special_tokens":false}"#;
        let llama = br#"{"content":"the people","add_special":true}"#;
        let (status, told) = answer(TokenizeForm::Vllm, vllm);
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((status, told["count"].as_u64()), (200, Some(3)));
        assert_eq!(answer(TokenizeForm::Vllm, llama).0, 400);
        assert_eq!(answer(TokenizeForm::LlamaCpp, vllm).1, r#"{"tokens":[]}"#);
        assert_eq!(
            answer(TokenizeForm::LlamaCpp, llama).1,
            r#"{"tokens":[300,301,302,303]}"#
        );
        assert_eq!(answer(TokenizeForm::Tgi, llama).0, 422);
    }
}
