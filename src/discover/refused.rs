//! Explains the statuses 401 and 403: a key that is missing, or one that is refused.

use crate::blocking_http::Answer;
use crate::discover::{Url, unfit};
use crate::error::Failure;

/// The names of headers that carry a key.
const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

pub(super) fn is_refusal(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// Returns what a refusal of a request with these headers means.
pub(super) fn meaning(status: u16, headers: &[(String, String)]) -> &'static str {
    match (has_key(headers), status) {
        (false, _) => "the server requires a key, but none was sent",
        (true, 401) => "the server does not accept the key that was sent",
        (true, _) => "the key that was sent is not allowed to do this",
    }
}

/// Returns the hint for a refusal of a request with these headers.
pub(super) fn next_step(headers: &[(String, String)]) -> &'static str {
    match has_key(headers) {
        false => {
            "put the key in LLMLOAD_API_KEY or in a file for --api-key-file, or send another header with --header; \
             in a document, `api_key_env` names a variable for each server"
        }
        true => {
            "check the key: LLMLOAD_API_KEY, --api-key-file FILE, --header, or a server's `api_key_env` and `headers`"
        }
    }
}

fn has_key(headers: &[(String, String)]) -> bool {
    let is_key = |name: &str| KEY_HEADERS.iter().any(|key| key.eq_ignore_ascii_case(name));
    headers.iter().any(|(name, _)| is_key(name))
}

/// Returns the failure for a refusal of `GET path`.
pub(super) fn refused(url: &Url, path: &str, answer: &Answer, headers: &[(String, String)]) -> Failure {
    let (status, origin) = (answer.status, url.origin());
    unfit(
        format!(
            "target {origin}: {}: GET {path}: status {status}",
            meaning(status, headers)
        ),
        next_step(headers),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_and_a_refused_key_are_told_apart() {
        let with = |name: &str| vec![(name.to_owned(), "x".to_owned())];
        for name in ["Authorization", "X-API-Key", "api-key"] {
            assert!(
                meaning(401, &with(name)).contains("does not accept the key"),
                "{name}"
            );
            assert!(meaning(403, &with(name)).contains("not allowed"), "{name}");
            assert!(next_step(&with(name)).starts_with("check the key"), "{name}");
        }
        for status in [401, 403] {
            assert!(meaning(status, &with("X-Trace")).contains("none was sent"));
        }
        for headers in [with("X-Trace"), with("api-key")] {
            for named in ["LLMLOAD_API_KEY", "--api-key-file", "--header"] {
                assert!(next_step(&headers).contains(named), "{named}");
            }
        }
    }
}
