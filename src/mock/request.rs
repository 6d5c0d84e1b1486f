//! Parses the requests to the mock.

use std::cell::LazyCell;

use serde_json::Value;

use super::dialect::Dialect;
use crate::api::Api;

/// Largest request head in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Largest request body in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most headers of a request.
pub const HEADERS_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Generated text in the format of an API.
    Completion {
        api: Api,
        stream: bool,
    },
    Health,
    Models,
    /// Ollama's list of models.
    Tags,
    Stats,
    /// The newest requests.
    Received,
    /// How many requests are there, as Prometheus reads it.
    Metrics,
    Tokenize,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub route: Route,
    pub keep_alive: bool,
    /// Offset of its body in the input.
    pub body_from: usize,
    /// Length of the request in the input.
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest;

/// Parses the request at the start of `input`. Returns `None` if more bytes are needed.
pub fn parse(input: &[u8]) -> Result<Option<Request>, BadRequest> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let head_bytes = match head.parse(input) {
        Ok(httparse::Status::Complete(n)) => n,
        Ok(httparse::Status::Partial) if input.len() <= HEAD_BYTES_MAX => return Ok(None),
        _ => return Err(BadRequest),
    };
    let value = |name: &str| {
        head.headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .and_then(|h| std::str::from_utf8(h.value).ok())
    };
    let body_bytes: usize = match value("content-length") {
        Some(text) => text.trim().parse().map_err(|_| BadRequest)?,
        None => 0,
    };
    if body_bytes > BODY_BYTES_MAX || value("transfer-encoding").is_some() {
        return Err(BadRequest);
    }
    let Some(body) = input.get(head_bytes..head_bytes + body_bytes) else {
        return Ok(None);
    };
    let keep_alive = !value("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    Ok(Some(Request {
        route: route(head.method.unwrap_or(""), head.path.unwrap_or(""), body),
        keep_alive,
        body_from: head_bytes,
        bytes: head_bytes + body_bytes,
    }))
}

fn route(method: &str, path: &str, body: &[u8]) -> Route {
    let path = path.split('?').next().unwrap_or("");
    // It is read once, and only for a path that leaves something open.
    let body = LazyCell::new(|| serde_json::from_slice::<Value>(body).unwrap_or_default());
    match (method, path) {
        ("POST", p) if p.ends_with("/tokenize") => Route::Tokenize,
        ("POST", p) => match api_for(p, |member| body.get(member).is_some()) {
            Some(api) => Route::Completion {
                api,
                stream: streams(api, p, || body["stream"].as_bool()),
            },
            None => Route::Unknown,
        },
        ("GET", "/health") => Route::Health,
        ("GET", "/mock/stats") => Route::Stats,
        ("GET", "/mock/requests") => Route::Received,
        ("GET", "/metrics") => Route::Metrics,
        ("GET", p) if p.ends_with("/v1/models") => Route::Models,
        ("GET", "/api/tags") => Route::Tags,
        _ => Route::Unknown,
    }
}

/// Tells whether a request is answered with a stream: its path says so, or what is `asked` in its body.
fn streams(api: Api, path: &str, asked: impl FnOnce() -> Option<bool>) -> bool {
    let row = api.row();
    match row.stream_end {
        Some(end) => path.ends_with(end),
        None => row.streams() && asked().unwrap_or(Dialect::for_api(api).streams_unless_told),
    }
}

/// Returns the API of a request, whose body `has` members. Any path may precede the prefixes under which servers offer
/// it.
fn api_for(path: &str, has: impl Fn(&str) -> bool) -> Option<Api> {
    let api = Api::from_path(path)?;
    let end = api.row().end_of(path)?;
    let before = path.strip_suffix(end)?;
    let prefixes = api.row().prefixes;
    if !prefixes.is_empty() && !prefixes.iter().any(|prefix| before.ends_with(prefix)) {
        return None;
    }
    // Where two APIs have the same path, the body tells.
    let others = Api::ALL
        .into_iter()
        .filter(|other| other.row().end_of(path) == Some(end));
    let mut known = others.filter(|other| Dialect::for_api(*other).known_by.is_some_and(&has));
    Some(known.next().unwrap_or(api))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_once_its_last_byte_has_arrived() {
        let text = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n{\"stream\": true}GET";
        let whole = text.len() - 3;
        for cut in 0..whole {
            assert_eq!(parse(&text[..cut]), Ok(None), "at {cut}");
        }
        let request = parse(text).unwrap().unwrap();
        assert_eq!(request.bytes, whole);
        assert_eq!(
            request.route,
            Route::Completion {
                api: Api::Chat,
                stream: true
            }
        );
        assert!(request.keep_alive);
    }

    #[test]
    fn routes_are_distinguished() {
        let get = |path: &str| {
            parse(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes())
                .unwrap()
                .unwrap()
                .route
        };
        assert_eq!(get("/health"), Route::Health);
        assert_eq!(get("/openai/v1/models"), Route::Models);
        assert_eq!(get("/mock/stats?x=1"), Route::Stats);
        assert_eq!(get("/mock/requests"), Route::Received);
        assert_eq!(get("/other"), Route::Unknown);
        let post = |path: &str| {
            parse(format!("POST {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n").as_bytes())
                .unwrap()
                .unwrap()
                .route
        };
        for (path, api) in [
            ("/v1/chat/completions", Api::Chat),
            ("/x/openai/v1/chat/completions", Api::Chat),
            ("/v1/completions?x", Api::Completions),
            ("/completion", Api::LlamaCpp),
            ("/v1/responses", Api::Responses),
            ("/anthropic/v1/messages", Api::Messages),
            ("/generate", Api::Sglang),
            ("/rerank", Api::Rerank),
        ] {
            assert_eq!(post(path), Route::Completion { api, stream: false });
        }
        for path in ["/health", "/v2/completions", "/chat/completions", "/messages"] {
            assert_eq!(post(path), Route::Unknown, "{path}");
        }
        let asks = |path: &str, body: &str| {
            let head = format!("POST {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
            parse((head + body).as_bytes()).unwrap().unwrap().route
        };
        for (path, body, api, stream) in [
            ("/generate", r#"{"inputs":"a"}"#, Api::Tgi, false),
            ("/generate", r#"{"text":"a","stream":true}"#, Api::Sglang, true),
            ("/generate_stream", r#"{"inputs":"a"}"#, Api::Tgi, true),
            (
                "/v2/models/m/generate_stream",
                r#"{"text_input":"a"}"#,
                Api::Triton,
                true,
            ),
            (
                "/v2/models/m/generate",
                r#"{"text_input":"a"}"#,
                Api::Triton,
                false,
            ),
            ("/api/chat", "{}", Api::OllamaChat, true),
            ("/api/generate", r#"{"stream":false}"#, Api::Ollama, false),
            ("/v1/embeddings", r#"{"stream":true}"#, Api::Embeddings, false),
        ] {
            assert_eq!(
                asks(path, body),
                Route::Completion { api, stream },
                "{path} {body}"
            );
        }
        assert_eq!(parse(b"\x00\x01\r\n\r\n"), Err(BadRequest));
    }
}
