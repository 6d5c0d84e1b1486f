//! Parses the requests to the mock.

use crate::api::Api;

/// Largest request head in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Largest request body in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEADERS_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Generated text in the format of an API.
    Completion {
        api: Api,
        stream: bool,
    },
    Health,
    Models,
    Stats,
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
    match (method, path) {
        ("POST", p) => match api_for_path(p) {
            Some(api) => Route::Completion {
                api,
                stream: asks_for_stream(body),
            },
            None => Route::Unknown,
        },
        ("GET", "/health") => Route::Health,
        ("GET", "/mock/stats") => Route::Stats,
        ("GET", p) if p.ends_with("/v1/models") => Route::Models,
        _ => Route::Unknown,
    }
}

fn asks_for_stream(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|v| v.get("stream").and_then(|s| s.as_bool()))
        .unwrap_or(false)
}

/// Returns the API for a path. Any path may precede the prefixes under which servers offer the API.
fn api_for_path(path: &str) -> Option<Api> {
    let api = Api::from_path(path)?;
    let prefixes = api.row().prefixes;
    let before = path.strip_suffix(api.row().end)?;
    (prefixes.is_empty() || prefixes.iter().any(|prefix| before.ends_with(prefix))).then_some(api)
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
        ] {
            assert_eq!(post(path), Route::Completion { api, stream: false });
        }
        for path in ["/health", "/v2/completions", "/chat/completions", "/v1/responses"] {
            assert_eq!(post(path), Route::Unknown, "{path}");
        }
        assert_eq!(parse(b"\x00\x01\r\n\r\n"), Err(BadRequest));
    }
}
