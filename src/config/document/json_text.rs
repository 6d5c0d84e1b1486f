//! YAML as the JSON that a server is sent: the values of `extra_body` and `tools`.

use saphyr::{ScalarStyle, YamlData};
use serde_json::{Number, Value};

use crate::config::document::reader::{Node, Reader, line, scalar};
use crate::error::{Reason, quoted};

/// Returns the JSON text of a node that errors call `name`. Plain words are what YAML 1.2 takes them for: `true`,
/// `null`, numbers, and texts else. A number that JSON can have keeps its form.
pub fn json_text(reader: &mut Reader<'_>, name: &str, node: &Node<'_>) -> Option<String> {
    let mut out = String::new();
    let before = reader.mistakes.len();
    push_node(reader, name, node, &mut out);
    (reader.mistakes.len() == before).then_some(out)
}

fn push_node(reader: &mut Reader<'_>, name: &str, node: &Node<'_>, out: &mut String) {
    match &node.data {
        YamlData::Mapping(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                let Some(key_text) = scalar(key) else {
                    let what = format!("`{name}` has a key that is not a word");
                    reader.mistake(line(key), Reason::new(what));
                    continue;
                };
                out.push_str(&Value::from(key_text).to_string());
                out.push(':');
                push_node(reader, &format!("{name}.{key_text}"), value, out);
            }
            out.push('}');
        }
        YamlData::Sequence(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_node(reader, &format!("{name}[{index}]"), item, out);
            }
            out.push(']');
        }
        YamlData::Representation(text, ScalarStyle::Plain, _) => match plain_json(text) {
            Ok(json) => out.push_str(&json),
            Err(reason) => reader.mistake(line(node), reason.within(format!("`{name}`"))),
        },
        YamlData::Representation(text, ..) => out.push_str(&Value::from(text.as_ref()).to_string()),
        _ => out.push_str("null"),
    }
}

/// Returns the JSON of a word without quotes.
fn plain_json(text: &str) -> Result<String, Reason> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok("null".to_owned()),
        "true" | "True" | "TRUE" => return Ok("true".to_owned()),
        "false" | "False" | "FALSE" => return Ok("false".to_owned()),
        _ => {}
    }
    if serde_json::from_str::<Number>(text).is_ok() {
        return Ok(text.to_owned());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().any(|b| b.is_ascii_digit())
        && unsigned
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let digits = unsigned.strip_prefix("0x");
    let hexadecimal = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let special = [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned);
    let number = match text.parse::<f64>() {
        _ if special => None,
        _ if hexadecimal.is_some() && unsigned == text => return Ok(hexadecimal.unwrap_or(0).to_string()),
        Ok(number) if is_number => Some(number).filter(|number| number.is_finite()),
        _ => return Ok(Value::from(text).to_string()),
    };
    let Some(number) = number else {
        let what = format!("{} is a number that JSON does not have", quoted(text));
        return Err(Reason::new(what).hint("put it in quotes if it is a text"));
    };
    let is_whole = unsigned.bytes().all(|b| b.is_ascii_digit());
    Ok(match is_whole {
        // A sign, or zeros at the beginning, which JSON does not have.
        true => {
            let digits = unsigned.trim_start_matches('0');
            let sign = if text.starts_with('-') { "-" } else { "" };
            match digits {
                "" => "0".to_owned(),
                digits => format!("{sign}{digits}"),
            }
        }
        false => Value::from(number).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_what_yaml_takes_them_for() {
        for (text, json) in [
            ("true", "true"),
            ("FALSE", "false"),
            ("~", "null"),
            ("", "null"),
            ("yes", "\"yes\""),
            ("1", "1"),
            ("-1.50", "-1.50"),
            ("1e3", "1e3"),
            ("+5", "5"),
            ("007", "7"),
            ("-00", "0"),
            (".5", "0.5"),
            ("2.", "2.0"),
            ("0x1F", "31"),
            ("0xZZ", "\"0xZZ\""),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1.2.3", "\"1.2.3\""),
            ("2026-12-01", "\"2026-12-01\""),
            ("-", "\"-\""),
            ("a \"b\"", "\"a \\\"b\\\"\""),
            ("infinity", "\"infinity\""),
        ] {
            assert_eq!(plain_json(text).as_deref(), Ok(json), "{text}");
        }
        for text in [".inf", "-.INF", ".nan", "1e999"] {
            assert!(plain_json(text).is_err(), "{text}");
        }
    }
}
