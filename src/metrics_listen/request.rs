//! What a scraper asks for, and the head of its answer. These are functions of bytes.

use crate::exposition::Format;

/// The longest head of a request.
pub const HEAD_BYTES_MAX: usize = 8 << 10;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;
/// The only path.
pub const PATH: &str = "/metrics";
/// The header with which Prometheus, and what is built like it, says how long it waits for the answer.
const SCRAPE_TIMEOUT: &str = "X-Prometheus-Scrape-Timeout-Seconds";

const NOT_FOUND: &str = "not found: the figures of the run are at /metrics\n";
const METHODS: &str = "only GET and HEAD are answered\n";
const BAD: &str = "bad request\n";
const TOO_LARGE: &str = "the head of the request is too large: 8 KiB and 64 headers are the limits\n";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The head is not complete yet.
    More,
    /// The figures in this format.
    Figures {
        format: Format,
        /// The head alone.
        is_head: bool,
        /// It comes from Prometheus, which will ask again.
        is_scraper: bool,
    },
    Refused {
        refusal: Refusal,
        is_head: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    BadRequest,
    NotFound,
    Method,
    TooLarge,
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Refusal::BadRequest => "400 Bad Request",
            Refusal::NotFound => "404 Not Found",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::TooLarge => "431 Request Header Fields Too Large",
        }
    }

    /// Returns a line for people.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::BadRequest => BAD,
            Refusal::NotFound => NOT_FOUND,
            Refusal::Method => METHODS,
            Refusal::TooLarge => TOO_LARGE,
        }
    }
}

/// Reads what has arrived of a request.
pub fn read(bytes: &[u8]) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let refused = |refusal, is_head| Asked::Refused { refusal, is_head };
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Asked::More,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return refused(Refusal::TooLarge, false);
        }
        Err(_) => return refused(Refusal::BadRequest, false),
    }
    let is_head = request.method == Some("HEAD");
    if !is_head && request.method != Some("GET") {
        return refused(Refusal::Method, false);
    }
    if path(request.path.unwrap_or_default()) != PATH {
        return refused(Refusal::NotFound, is_head);
    }
    let named = |name: &'static str| {
        let headers = request.headers.iter();
        headers.filter(move |header| header.name.eq_ignore_ascii_case(name))
    };
    Asked::Figures {
        format: format(named("Accept").map(|header| header.value)),
        is_head,
        is_scraper: named(SCRAPE_TIMEOUT).next().is_some(),
    }
}

/// Returns the path of a request's target, which may be a whole URL (RFC 9112, 3.2.2), without its query.
fn path(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("", |at| &rest[at..]),
        _ => target,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Chooses the format by the `Accept` headers: OpenMetrics 1.0 if it is named and nothing that the older format
/// matches is preferred; otherwise the older format, which every reader knows.
fn format<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Format {
    let (mut open, mut text) = (0.0f64, 0.0f64);
    let texts = headers.filter_map(|value| std::str::from_utf8(value).ok());
    for entry in texts.flat_map(|value| value.split(',')) {
        let mut parts = entry.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let (mut quality, mut version) = (1.0, None);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => quality = value.trim().parse().unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"').to_owned()),
                _ => {}
            }
        }
        let known = |ours: &str| version.as_deref().is_none_or(|asked| asked == ours);
        if media.eq_ignore_ascii_case("application/openmetrics-text") && known("1.0.0") {
            open = open.max(quality);
        } else if media.eq_ignore_ascii_case("text/plain") && known("0.0.4") {
            text = text.max(quality);
        }
    }
    match open > 0.0 && open >= text {
        true => Format::OpenMetrics,
        false => Format::Text,
    }
}

/// Writes the head of an answer with a body of `length` bytes, after which the connection ends.
pub fn head(refusal: Option<Refusal>, content_type: &str, length: usize) -> Vec<u8> {
    let status = refusal.map_or("200 OK", Refusal::status);
    let allow = match refusal {
        Some(Refusal::Method) => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}Vary: Accept\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
    head.into_bytes()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
