//! Targets for what is written in one line: thresholds, rules, URLs, values; and for what makes text safe to show.

use super::plain::{assert_clear, assert_line, assert_plain, csv};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llmload_uring::compare::Rule;
use llmload_uring::discover::Url;
use llmload_uring::error::{csv_field, escape, lossless, markdown_escaped, one_line, safe_json, xml_escaped};
use llmload_uring::plan::Threshold;
use llmload_uring::units::{Cut, Masks, format_duration, parse_count_span, parse_duration, parse_rate};
use serde_json::Value;

/// The text before the first line feed, and the rest.
fn two(data: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// A threshold: its own words say the same again, and it holds where plain arithmetic says so. The same words as a rule
/// of `--fail-on`.
pub fn threshold(data: &[u8]) {
    let Some((key, text)) = two(data) else { return };
    match Threshold::parse(key, text) {
        Err(error) => assert_clear(&error),
        Ok(read) => {
            let again = Threshold::parse(&read.key, &read.text).expect("its own words");
            assert_eq!(again, read);
            for figure in [read.value, read.value + 1.0, read.value - 1.0, 0.0, f64::INFINITY] {
                assert_eq!(
                    read.holds(figure),
                    holds(&read.text, figure, read.value),
                    "{read:?} {figure}"
                );
            }
            assert!(!read.holds(f64::NAN));
            let quantile = read.quantile();
            assert!(quantile.is_none_or(|q| q > 0.0 && q < 1.0), "{quantile:?}");
            if let Some(trap) = read.trap() {
                assert_clear(&trap);
            }
        }
    }
    match key.parse::<Rule>() {
        Err(error) => assert_clear(&error),
        Ok(rule) => {
            assert_eq!(rule.text.parse::<Rule>().as_ref(), Ok(&rule));
            assert!(rule.limit.is_finite());
        }
    }
}

/// What the first comparison in `text` says of two numbers.
fn holds(text: &str, figure: f64, value: f64) -> bool {
    let at = text.find(['<', '>', '=', '!']).expect("a comparison");
    match &text.as_bytes()[at..] {
        [b'<', b'=', ..] => figure <= value,
        [b'<', ..] => figure < value,
        [b'>', b'=', ..] => figure >= value,
        [b'>', ..] => figure > value,
        [b'=', ..] => figure == value,
        _ => figure != value,
    }
}

/// A URL, as a user gives it or a server redirects to it: taken apart and put together it is the same, and no error
/// shows what may be a secret.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Url::read(text) {
        Err(error) => {
            assert_clear(&error);
            let (_, behind) = text.split_once("://").unwrap_or(("", text));
            let user = behind
                .split(['/', '?', '#'])
                .next()
                .and_then(|place| place.rsplit_once('@'));
            if let Some((user, _)) = user.filter(|(user, _)| user.len() >= 6 && !HINTS.contains(user)) {
                assert!(!error.to_string().contains(user), "{error}");
            }
            // What stands in the path as well is no secret.
            let (path, query) = text.split_once('?').unwrap_or((text, ""));
            let is_secret = query.len() >= 12 && !path.contains(query);
            assert!(!is_secret || !error.to_string().contains(query), "{error}");
        }
        Ok(url) => {
            let put = format!("{}{}{}{}", url.origin(), url.path, url.slashes, url.query);
            // The scope of an address is for this host alone, and not sent.
            if !url.host.contains('%') {
                assert_eq!(Url::read(&put).as_ref(), Ok(&url), "{put}");
            }
            assert!(put.is_ascii() && !put.contains([' ', '\r', '\n']), "{put:?}");
            assert!(url.port > 0 && !url.host.is_empty());
            assert!(!url.authority.contains(['/', '?', '#', '@']), "{url:?}");
        }
    }
}

/// Words of the errors themselves.
const HINTS: &str =
    "http:// or https:// is missing the scheme is not contains, which must be percent-encoded";

/// Durations, rates and ranges: what is read is written so that it is read as the same.
pub fn value(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse_duration(text) {
        Err(error) => assert_clear(&error),
        Ok(nanos) => assert_eq!(parse_duration(&format_duration(nanos)), Ok(nanos), "{nanos} ns"),
    }
    match parse_rate(text) {
        Err(error) => assert_clear(&error),
        Ok(rate) => {
            assert_line(&rate);
            let written = serde_json::to_value(rate).expect("a rate can be written");
            let again = parse_rate(written.as_str().expect("text")).expect("its own words");
            assert_eq!(again.per_second(), rate.per_second(), "{written}");
        }
    }
    match parse_count_span(text) {
        Err(error) => assert_clear(&error),
        Ok(span) => assert!(span.min <= span.max, "{span:?}"),
    }
}

/// Foreign text, and a secret that it may hold: neither is obeyed, and the secret is not shown.
pub fn text(data: &[u8]) {
    let shown = lossless(data);
    let line = one_line(&shown);
    assert_line(&line);
    assert_eq!(one_line(&line), line, "filtered twice");
    assert_plain(&escape(&shown).replace('\t', " "));
    let field = csv_field(&shown);
    let read = csv(&format!("{field}\n")).expect("a field");
    assert!(read.len() == 1 && read[0].len() == 1, "{field}");
    assert!(
        !read[0][0].starts_with(['=', '+', '-', '@', '\t', '\r']),
        "{field}"
    );
    let xml = xml_escaped(&shown, usize::MAX);
    assert_line(&xml);
    assert!(!xml.contains(['<', '>', '"']), "{xml}");
    let cell = markdown_escaped(&shown);
    assert_line(&cell);
    assert!(!cell.replace("<!-- -->", "").contains(['<', '>']), "{cell}");
    let mut before = ' ';
    for c in cell.chars() {
        assert!(c != '|' || before == '\\', "{cell}");
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    let json = serde_json::to_string(&*shown).expect("a string can be written");
    let safe = safe_json(&json);
    assert_line(&safe);
    assert_eq!(
        serde_json::from_str::<Value>(&safe).expect("JSON"),
        Value::from(&*shown)
    );
    if let Some((secret, text)) = two(data) {
        masked(secret.trim(), text);
    }
}

fn masked(secret: &str, text: &str) {
    // A secret that is part of what stands in its place cannot be hidden by that.
    // And a key is one word.
    if secret.len() < 6 || secret.contains(['*', ' ']) {
        return;
    }
    let mut masks = Masks::new();
    masks.add_header(&format!("Bearer {secret}"));
    let lower = secret.to_lowercase();
    for coded in [secret.to_owned(), STANDARD.encode(secret)] {
        let said = format!("{text} {coded} {text}");
        for hidden in [masks.hide(&said), masks.hide_in_part(&said, Cut::default())] {
            assert!(!hidden.to_lowercase().contains(&lower), "{hidden} shows {secret}");
            assert!(
                secret == coded || !hidden.contains(&coded),
                "{hidden} shows {coded}"
            );
        }
    }
}
