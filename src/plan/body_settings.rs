//! Settings of a body as people write them, in documents and on the command line, and their JSON.

use std::ops::RangeInclusive;

use serde_json::{Number, Value};

use crate::api::{Members, NotMembers, Setting};
use crate::error::{Reason, ValueError, quoted};
use crate::plan::MAX_TOKENS_MAX;
use crate::units::{above, below, check_bytes, plain_number, within};

/// The longest system prompt: a megabyte, for the contexts of agents.
pub const SYSTEM_BYTES_MAX: usize = 1 << 20;
/// The largest JSON of tools, or of further members.
pub const MEMBERS_BYTES_MAX: usize = 1 << 20;
/// The number of texts that may end an answer. OpenAI takes 4.
pub const STOP_MAX: usize = 64;
const STOP_BYTES_MAX: usize = 1_024;
const TEMPERATURE: RangeInclusive<f64> = 0.0..=100.0;
const TOP_P: RangeInclusive<f64> = 0.0..=1.0;
/// vLLM and SGLang take -1 for all tokens, llama.cpp and vLLM 0.
const TOP_K: RangeInclusive<i64> = -1..=10_000_000;
const N: RangeInclusive<i64> = 1..=128;

/// Reads a setting that is one word, and returns its JSON.
pub fn read_setting(setting: Setting, text: &str) -> Result<String, ValueError> {
    match setting {
        Setting::IgnoreEos => match text {
            "true" | "false" => Ok(text.to_owned()),
            _ => Err(Reason::new(format!("{} is neither true nor false", quoted(text))).into()),
        },
        Setting::MinTokens => whole(text, &(0..=i64::from(MAX_TOKENS_MAX))),
        Setting::Temperature => decimal(text, &TEMPERATURE),
        Setting::TopP => {
            let json = decimal(text, &TOP_P)?;
            match json.parse() == Ok(0.0) {
                false => Ok(json),
                true => Err(ValueError::Refused(
                    Reason::new(format!("`{text}` is not above 0")).hint("write 1 for all tokens"),
                )),
            }
        }
        Setting::TopK => whole(text, &TOP_K),
        Setting::Seed => whole(text, &(i64::MIN..=i64::MAX)),
        Setting::N => whole(text, &N),
        Setting::Stop => Ok(stop_json(&[text.to_owned()])?),
        Setting::Tools => read_tools(text).map_err(WrongJson::value_error),
    }
}

/// Checks a system prompt.
pub fn check_system(text: &str) -> Result<(), Reason> {
    if text.trim().is_empty() {
        return Err(Reason::new("the text is blank").hint("leave it out for no system prompt"));
    }
    check_bytes("the text has", text, SYSTEM_BYTES_MAX)
}

/// Returns the JSON of the texts that end an answer.
pub fn stop_json(texts: &[String]) -> Result<String, Reason> {
    if texts.len() > STOP_MAX {
        let what = format!("{} texts are more than the limit of {STOP_MAX}", texts.len());
        return Err(Reason::new(what));
    }
    for text in texts {
        if text.is_empty() {
            let hint = "leave it out, or write the text at which an answer ends";
            return Err(Reason::new("the text is empty").hint(hint));
        }
        check_bytes("the text has", text, STOP_BYTES_MAX)?;
    }
    Ok(Value::from(texts).to_string())
}

fn whole(text: &str, limits: &RangeInclusive<i64>) -> Result<String, ValueError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Reason::new(format!("{} is not a whole number", quoted(text))).into());
    }
    let Ok(number) = text.parse::<i64>() else {
        let beyond = match text.starts_with('-') {
            true => below(text, limits),
            false => above(text, limits),
        };
        return Err(ValueError::Refused(beyond));
    };
    let number = within(Some(number), text, limits).map_err(ValueError::Refused)?;
    Ok(number.to_string())
}

/// Reads a number with decimals. It is sent as it was written, if JSON has that form.
fn decimal(text: &str, limits: &RangeInclusive<f64>) -> Result<String, ValueError> {
    let Some(number) = plain_number(text).filter(|number| number.is_finite()) else {
        return Err(Reason::new(format!("{} is not a number", quoted(text))).into());
    };
    within(Some(number), text, limits).map_err(ValueError::Refused)?;
    Ok(match serde_json::from_str::<Number>(text) {
        Ok(_) => text.to_owned(),
        Err(_) => Value::from(number).to_string(),
    })
}

/// The reason why a JSON text is not what it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongJson {
    pub reason: Reason,
    /// The line of the text, from 1, if it is known.
    pub line: Option<usize>,
    /// It is not of its form, so that nothing can be said about its content.
    is_unreadable: bool,
}

impl WrongJson {
    fn content(reason: Reason) -> WrongJson {
        WrongJson {
            reason,
            line: None,
            is_unreadable: false,
        }
    }

    fn of(error: &NotMembers, hint: &str) -> WrongJson {
        WrongJson {
            reason: Reason::new(error.to_string()).hint(hint),
            line: match error {
                NotMembers::Json { line, .. } => Some(*line),
                _ => None,
            },
            is_unreadable: !matches!(error, NotMembers::Twice(_)),
        }
    }

    /// Returns it as the error of an option's value.
    pub fn value_error(self) -> ValueError {
        match self.is_unreadable {
            true => ValueError::Unreadable(self.reason),
            false => ValueError::Refused(self.reason),
        }
    }
}

/// Reads further members of a body: a JSON object.
pub fn read_members(text: &str) -> Result<Members, WrongJson> {
    let hint = r#"write a JSON object, such as `{"priority": 1}`; a null removes a member"#;
    let members = Members::parse(text).map_err(|error| WrongJson::of(&error, hint))?;
    if members.has("stream") {
        let what = "`stream` cannot be a further member: an answer is measured as what was asked for";
        let hint = "write `stream: true` in the kind of request, or `--streaming-ratio 1`";
        return Err(WrongJson::content(Reason::new(what).hint(hint)));
    }
    check_bytes("the members have", text, MEMBERS_BYTES_MAX).map_err(WrongJson::content)?;
    Ok(members)
}

/// Reads tools: a JSON list of objects. Returns their JSON.
pub fn read_tools(text: &str) -> Result<String, WrongJson> {
    let form = r#"write a JSON list, such as `[{"type": "function", "function": {"name": "f"}}]`"#;
    let value: Value =
        serde_json::from_str(text).map_err(|e| WrongJson::of(&NotMembers::not_json(&e), form))?;
    let wrong = |what: String| Err(WrongJson::content(Reason::new(what).hint(form)));
    let Value::Array(tools) = value else {
        return wrong("the tools are not a list".to_owned());
    };
    if tools.is_empty() {
        return wrong("the list of tools is empty".to_owned());
    }
    if let Some(index) = tools.iter().position(|tool| !tool.is_object()) {
        return wrong(format!("tool {} of the list is not an object", index + 1));
    }
    check_bytes("the tools have", text, MEMBERS_BYTES_MAX)
        .map_err(|reason| WrongJson::content(reason.hint(form)))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(setting: Setting, text: &str) -> Result<String, String> {
        read_setting(setting, text).map_err(|e| match e {
            ValueError::Unreadable(reason) => format!("form: {}", reason.what),
            ValueError::Refused(reason) => format!("content: {}", reason.what),
        })
    }

    #[test]
    fn a_number_is_sent_as_it_was_written() {
        for (setting, text, json) in [
            (Setting::Temperature, "0", "0"),
            (Setting::Temperature, "0.70", "0.70"),
            (Setting::Temperature, ".5", "0.5"),
            (Setting::Temperature, "1e-1", "1e-1"),
            (Setting::TopP, "1", "1"),
            (Setting::TopP, "0.95", "0.95"),
            (Setting::TopK, "-1", "-1"),
            (Setting::TopK, "+40", "40"),
            (Setting::Seed, "-9223372036854775808", "-9223372036854775808"),
            (Setting::MinTokens, "007", "7"),
            (Setting::N, "2", "2"),
            (Setting::Stop, "\n\"", r#"["\n\""]"#),
        ] {
            assert_eq!(read(setting, text).as_deref(), Ok(json), "{setting:?} {text}");
        }
    }

    #[test]
    fn what_is_no_number_is_wrong_in_form_and_what_is_beyond_its_limits_in_content() {
        for (setting, text, kind) in [
            (Setting::Temperature, "warm", "form"),
            (Setting::Temperature, "nan", "form"),
            (Setting::Temperature, "1e999", "form"),
            (Setting::Temperature, "", "form"),
            (Setting::Temperature, "-0.1", "content"),
            (Setting::Temperature, "101", "content"),
            (Setting::TopP, "0", "content"),
            (Setting::TopP, "0.0", "content"),
            (Setting::TopP, "1.5", "content"),
            (Setting::TopK, "1.5", "form"),
            (Setting::TopK, "-2", "content"),
            (Setting::Seed, "9223372036854775808", "content"),
            (Setting::Seed, "-9223372036854775809", "content"),
            (Setting::MinTokens, "-1", "content"),
            (Setting::N, "0", "content"),
            (Setting::N, "129", "content"),
            (Setting::IgnoreEos, "maybe", "form"),
            (Setting::Tools, "[{]", "form"),
            (Setting::Tools, "{}", "content"),
            (Setting::Tools, "[]", "content"),
            (Setting::Tools, "[{}, 1]", "content"),
        ] {
            let what = read(setting, text).unwrap_err();
            assert!(what.starts_with(kind), "{setting:?} {text}: {what}");
        }
        assert!(stop_json(&["".to_owned()]).is_err());
        assert!(stop_json(&vec!["x".to_owned(); STOP_MAX + 1]).is_err());
    }

    #[test]
    fn members_are_an_object_without_the_stream_flag() {
        assert!(read_members(r#"{"priority": 1}"#).is_ok());
        let refused = read_members(r#"{"stream": true}"#).unwrap_err();
        assert!(matches!(refused.value_error(), ValueError::Refused(_)));
        let cut = read_members("{\n\"a\": ").unwrap_err();
        assert_eq!(cut.line, Some(2));
        assert!(matches!(cut.value_error(), ValueError::Unreadable(_)));
        let twice = read_members(r#"{"a": 1, "a": 2}"#).unwrap_err();
        assert!(matches!(twice.value_error(), ValueError::Refused(_)));
    }
}
