use super::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufReader, Cursor, Read};

fn scanner(text: &str) -> Scanner<'static> {
    Scanner::new(Cursor::new(text.as_bytes().to_vec()))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    let mut scanner = scanner(text);
    let value = scanner.parse()?;
    scanner.end()?;
    Ok(value)
}

#[track_caller]
fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str, expected: &str) {
    let error = parsed::<T>(text).unwrap_err().to_string();
    assert_eq!(error, expected, "{text}");
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Inner {
    count: u64,
    share: Option<f64>,
    colour: Colour,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Outer {
    name: String,
    rows: Vec<Inner>,
    ports: Option<[u16; 2]>,
    #[serde(default)]
    more: Vec<Value>,
}

const OUTER: &str = r#"{"name": "a\u00e4\"b", "unknown": {"deep": [[["]"]]]}, "rows":
  [{"count": 18446744073709551615, "share": 0.1, "colour": "red"}, {"colour": "blue", "share": null, "count": 0}],
  "ports": [1, 65535], "more": [null, true, -1.5e-7, {"x": []}, -0.0]}"#;

#[test]
fn any_value_in_any_pieces_is_read_as_serde_json_reads_it() {
    let expected: Outer = serde_json::from_str(OUTER).unwrap();
    assert_eq!(expected.rows[0].count, u64::MAX);
    for piece in 1..=40 {
        let input = BufReader::with_capacity(piece, Cursor::new(OUTER.as_bytes()));
        let mut scanner = Scanner::new(input);
        assert_eq!(
            scanner.parse::<Outer>().unwrap(),
            expected,
            "{piece} bytes at a time"
        );
        scanner.end().unwrap();
    }
}

#[test]
fn every_prefix_is_reported_as_cut() {
    for end in 1..OUTER.len() {
        let error = parsed::<Outer>(&OUTER[..end]);
        let error = error.err().unwrap_or_else(|| panic!("{end} bytes are a value"));
        assert!(
            matches!(&error.fault, Fault::Cut(_)) && error.to_string().contains(&format!("byte {end}")),
            "{end}: {error}"
        );
    }
}

#[test]
fn a_mistake_is_shown_with_its_place_its_key_and_what_was_expected() {
    refused::<Outer>(
        r#"{"name": 3}"#,
        "byte 9, in `name`: found `3`, expected a string",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [{"count": 1, "share": "much", "colour": "red"}]}"#,
        "byte 45, in `rows[0].share`: found `\"much\"`, expected a number",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [{"count": -1, "colour": "red"}]}"#,
        "byte 33, in `rows[0].count`: found `-1`, expected a whole number of 0 or more",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [{"count": 1.5, "colour": "red"}]}"#,
        "byte 33, in `rows[0].count`: found `1.5`, expected a whole number of 0 or more",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [{"count": 1, "colour": "green"}]}"#,
        "byte 46, in `rows[0].colour`: found `green`, expected one of red, blue",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [{"count": 1}]}"#,
        "byte 23, in `rows[0].colour`: is missing",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": {}}"#,
        "byte 22, in `rows`: found an object, expected an array",
    );
    refused::<Outer>(r#"{"name": "x"}"#, "byte 0, in `rows`: is missing");
    refused::<Outer>(
        r#"{"name": "x", "name": "y"}"#,
        "byte 0, in `name`: appears twice",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [], "ports": [1, 2, 3]}"#,
        "byte 41, in `ports[2]`: is one element too many",
    );
    refused::<Outer>(
        r#"{"name": "x", "rows": [], "ports": [1]}"#,
        "byte 35, in `ports`: has 1 elements, expected an array of length 2",
    );
    refused::<Outer>("[]", "byte 0: found an array, expected an object");
    refused::<Outer>(
        r#"{"name": "x", "rows": [] "more": []}"#,
        "byte 25: found `\"more\": []}`, expected `,` or `}`",
    );
    // What is found may be bytes for a terminal.
    refused::<Outer>(
        "{\"name\" \u{1b}[2J\u{202e}: 1}",
        "byte 8: found `\\u{1b}[2J\\u{202e}: 1}`, expected `:`",
    );
}

#[test]
fn numbers_are_as_exact_as_they_are_written() {
    for text in [
        "0.1",
        "1e23",
        "2.2250738585072014e-308",
        "0.30000000000000004",
        "9007199254740993.0",
        "123456789.12345679",
        "5e-324",
        "1.7976931348623157e308",
        "-0.0",
        "-0",
        "18446744073709551616",
    ] {
        let found: f64 = parsed(&format!("{{\"x\": {text}}}"))
            .map(|value: Value| value["x"].as_f64().unwrap())
            .unwrap();
        let expected: f64 = text.parse().unwrap();
        assert_eq!(found.to_bits(), expected.to_bits(), "{text}");
    }
    for text in [
        "01", "+1", ".5", "1.", "1e", "NaN", "Infinity", "0x1", "1_000", "tru", "nul", "--1",
    ] {
        assert!(parsed::<Value>(&format!("{{\"x\": {text}}}")).is_err(), "{text}");
    }
    // serde_json does not write infinity either.
    assert!(parsed::<Value>("{\"x\": 1e999}").is_err());
}

proptest::proptest! {
    #[test]
    fn any_float_that_was_written_is_read_as_it_was(bits in proptest::num::u64::ANY) {
        let n = f64::from_bits(bits);
        if n.is_finite() {
            let text = json!({"x": n}).to_string();
            let found: Value = parsed(&text).unwrap();
            proptest::prop_assert_eq!(found["x"].as_f64().unwrap().to_bits(), bits, "{}", text);
        }
    }
}

#[test]
fn kept_values_are_bounded_but_skipped_ones_are_not() {
    let within = |text: &str, max| Scanner::within(Cursor::new(text.as_bytes().to_vec()), max);
    let skipped = format!(
        "{{\"unknown\": \"{}\", \"name\": \"x\", \"rows\": []}}",
        "y".repeat(10_000)
    );
    assert!(within(&skipped, 100).parse::<Outer>().is_ok());
    let kept = format!(
        "{{\"name\": \"x\", \"rows\": [], \"more\": [{}1]}}",
        "1, ".repeat(100)
    );
    assert!(within(&kept, 1_000).parse::<Outer>().is_ok());
    let error = within(&kept, 100).parse::<Outer>().unwrap_err().to_string();
    assert!(error.contains("in `more["), "{error}");
    assert!(error.contains("longer than the limit"), "{error}");
}

/// An endless text, as a damaged or hostile file may be: `{"x": [1,1,1,...`.
struct Endless {
    head: Cursor<&'static [u8]>,
    unit: &'static [u8],
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.head.read(out)?;
        if n > 0 {
            return Ok(n);
        }
        for byte in out.iter_mut() {
            *byte = self.unit[self.at % self.unit.len()];
            self.at += 1;
        }
        Ok(out.len())
    }
}

#[test]
#[cfg_attr(miri, ignore = "reads megabytes")]
fn an_endless_value_is_refused_at_the_limit() {
    for (head, unit) in [
        (&b"{\"x\": ["[..], &b"[],"[..]),
        (b"{\"x\": \"", b"y"),
        (b"{\"x\": 1", b"0"),
        (b"{\"", b"k"),
    ] {
        let (head, at) = (Cursor::new(head), 0);
        let input = BufReader::new(Endless { head, unit, at });
        let error = Scanner::new(input).parse::<Value>().unwrap_err().to_string();
        assert!(error.contains("than the limit"), "{error}");
    }
    let deep = BufReader::new(Endless {
        head: Cursor::new(b"{\"x\": "),
        unit: b"[",
        at: 0,
    });
    let error = Scanner::new(deep).parse::<Value>().unwrap_err().to_string();
    assert!(error.contains("nested deeper"), "{error}");
}
