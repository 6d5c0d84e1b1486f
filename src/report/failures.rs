//! What failed requests showed, as text for people: without secrets, on one line, and cut.

use crate::error::{lossless, one_line};
use crate::metrics::{FailedRequests, Place};
use crate::units::{Cut, Masks};

/// The texts of one kind of failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownFailure {
    /// The place at which the bytes were found, or what there was instead of an answer.
    pub place: Option<String>,
    /// The bytes, with an ellipsis where they were cut.
    pub body: Option<String>,
    /// The target of a redirect.
    pub location: Option<String>,
}

/// Returns the texts of a kind of failure, without the secrets that `masks` knows.
pub fn show_failure(requests: &FailedRequests, masks: &Masks) -> ShownFailure {
    let text = text_of(requests, masks);
    let (body, location) = match requests.place {
        Place::Location => (None, text),
        _ => (text, None),
    };
    ShownFailure {
        place: place_in_words(requests.place),
        body,
        location,
    }
}

fn text_of(requests: &FailedRequests, masks: &Masks) -> Option<String> {
    let Cut { before, after } = requests.cut;
    let bytes = match (before, after) {
        (false, false) => requests.text(),
        _ => whole_characters(requests.text(), requests.cut),
    };
    let hidden = masks.hide_in_part(&lossless(bytes), requests.cut);
    let text = one_line(hidden.trim()).into_owned();
    if text.is_empty() {
        return None;
    }
    let ellipsis = |is_cut: bool| if is_cut { "…" } else { "" };
    Some(format!("{}{text}{}", ellipsis(before), ellipsis(after)))
}

/// Drops the parts of characters at the ends of a text that was cut.
fn whole_characters(bytes: &[u8], cut: Cut) -> &[u8] {
    let is_inner = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let from = match cut.before {
        true => bytes.iter().take(3).take_while(|byte| is_inner(byte)).count(),
        false => 0,
    };
    let bytes = &bytes[from..];
    let last = bytes.utf8_chunks().last();
    let broken = last.map_or(0, |chunk| chunk.invalid().len());
    match cut.after {
        true => &bytes[..bytes.len() - broken],
        false => bytes,
    }
}

fn place_in_words(place: Place) -> Option<String> {
    Some(match place {
        Place::Unknown | Place::Body | Place::Location => return None,
        Place::Errno(errno) => std::io::Error::from_raw_os_error(errno).to_string(),
        Place::Tls(reason) => reason.text().to_owned(),
        Place::Head => "in the headers".to_owned(),
        Place::Compressed => "the body is compressed, which was not asked for".to_owned(),
        Place::Json { line, column } => format!("line {line} column {column} of the body"),
        Place::Event(event) => format!("event {event}"),
        Place::InEvent { event, byte } => format!("event {event}, byte {byte}"),
        Place::AfterEvents(0) => "before the first event".to_owned(),
        Place::AfterEvents(1) => "after 1 event".to_owned(),
        Place::AfterEvents(events) => format!("after {events} events"),
        Place::Byte(read) => format!("after byte {read} of the response"),
        Place::Memory(max) => format!(
            "unfinished events and bodies of all users reached {} MiB",
            max >> 20
        ),
    })
}

/// Returns what a server says in a body: the message in it if it is an error of the usual shape, otherwise the body.
/// `body` may be cut. The message still has to be filtered, because its escapes are undone.
pub fn message_of(body: &str) -> String {
    for key in [
        "\"message\"",
        "\"detail\"",
        "\"error_description\"",
        "\"msg\"",
        "\"error\"",
    ] {
        let mut rest = body;
        while let Some(at) = rest.find(key) {
            rest = &rest[at + key.len()..];
            let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
            if let Some(text) = value.and_then(json_string).filter(|text| !text.trim().is_empty()) {
                return text;
            }
        }
    }
    body.to_owned()
}

/// Reads the JSON string at the beginning of `text`; one that was cut ends with the ellipsis that says so.
fn json_string(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|c| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    match end {
        Some(end) => serde_json::from_str(&text[..end + 2]).ok(),
        None => Some(inner.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Evidence, FailureKind, Failures, Outcome};

    fn shown(place: Place, text: &[u8], cut: Cut) -> ShownFailure {
        let kind = FailureKind {
            server: 0,
            outcome: Outcome::Http4xx,
            status: 400,
            cause: None,
        };
        let mut failures = Failures::default();
        failures.add(kind, 1, &Evidence { place, text, cut });
        let masks = Masks::of_headers(&[("authorization".to_owned(), "Bearer sk-CANARY-1".to_owned())]);
        show_failure(failures.by_count()[0], &masks)
    }

    #[test]
    fn a_body_is_on_one_line_without_secrets_and_controls() {
        let whole = Cut::default();
        let body = |text: &[u8], cut| shown(Place::Body, text, cut).body;
        let says = body(b"no key sk-canary-1\x1b[2J\n\xffend\n", whole);
        assert_eq!(says.unwrap(), "no key ***\\u{1b}[2J\\n\\xffend");
        assert_eq!(body(b" \n", whole), None);
        let cut = Cut {
            before: true,
            after: true,
        };
        assert_eq!(body("\u{fc}ber sk-CANA".as_bytes(), cut).unwrap(), "…über ***…");
        assert_eq!(body(&"\u{65e5}x\u{65e5}".as_bytes()[1..6], cut).unwrap(), "…x…");
        let moved = shown(Place::Location, b"https://h/v1?key=sk-CANARY-1", whole);
        assert_eq!(
            (moved.location.unwrap(), moved.body),
            ("https://h/v1?key=***".to_owned(), None)
        );
    }

    #[test]
    fn the_message_of_the_usual_shapes_of_errors_is_found_even_if_the_body_is_cut() {
        for (body, message) in [
            (
                r#"{"error":{"message":"The model `m` \"x\" does not exist.","code":404}}"#,
                "The model `m` \"x\" does not exist.",
            ),
            (
                r#"{"object":"error","message":"too long","type":"E"}"#,
                "too long",
            ),
            (
                r#"{"detail":[{"loc":["body"],"msg":"Field required"}]}"#,
                "Field required",
            ),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"error":"model not found"}"#, "model not found"),
            (r#"{"error" : {"message" : "cut in the mid…"#, "cut in the mid…"),
            (r#"{"message":"","detail":"d"}"#, "d"),
            ("upstream connect error", "upstream connect error"),
            ("<html>\"message\"</html>", "<html>\"message\"</html>"),
        ] {
            assert_eq!(message_of(body), message, "{body}");
        }
    }

    #[test]
    fn every_place_is_said_in_words() {
        let said = |place| shown(place, b"", Cut::default()).place.unwrap_or_default();
        assert_eq!(said(Place::Body), "");
        assert_eq!(said(Place::InEvent { event: 3, byte: 17 }), "event 3, byte 17");
        assert_eq!(
            said(Place::Json { line: 1, column: 5 }),
            "line 1 column 5 of the body"
        );
        assert_eq!(said(Place::AfterEvents(1)), "after 1 event");
        assert!(said(Place::Errno(111)).contains("refused"));
    }
}
