//! Redirects, which are never followed: the load goes where it was sent, or nowhere.

use crate::discover::next_step::hide;
use crate::units::{HIDDEN, Masks, redact};

/// Returns true for the statuses that send a client somewhere else.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Returns what to say of a redirect.
pub(super) fn meaning(location: Option<&str>, masks: &Masks) -> String {
    match location {
        // A secret is looked for before the query goes, which may begin within it.
        Some(location) => format!(
            "redirected to {}; redirects are not followed",
            hide(&redact(&masks.hide(location)), masks)
        ),
        None => "a redirect without a Location; redirects are not followed".to_owned(),
    }
}

/// Returns the next step after a redirect of a request for `path`. A location with a secret before its query, hidden or
/// not, is none to go to; one that begins there and goes on in the query is hidden from its beginning.
pub(super) fn next_step(location: Option<&str>, origin: &str, path: &str, masks: &Masks) -> String {
    let shown = location.map(|location| masks.hide(location));
    let without_query = shown.as_deref().and_then(|shown| shown.split(['?', '#']).next());
    let location = without_query.filter(|location| !location.contains(HIDDEN));
    match location.and_then(|location| target_after(location, origin, path)) {
        Some(target) => format!("load the address that it leads to: --target {target}"),
        None => "load the address at which the API itself answers: --target URL".to_owned(),
    }
}

/// Returns true if the redirect leads to another scheme, host or port, where everything else would lead as well.
pub(super) fn leads_elsewhere(location: &str, origin: &str) -> bool {
    match location.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
            !format!("{scheme}://{authority}").eq_ignore_ascii_case(origin)
        }
        None => location.starts_with("//"),
    }
}

/// The ends of paths that are asked before the load, which a target does not have.
const ENDS_OF_QUESTIONS: [&str; 2] = ["/models", "/health"];

/// Returns the target that a redirect of a request for `path` means; `None` if it is the same as before. Its query is
/// left out, because it may be a secret.
fn target_after(location: &str, origin: &str, path: &str) -> Option<String> {
    let bare = |url: &str| url.split(['?', '#']).next().unwrap_or("").to_owned();
    let (path, location) = (bare(path), bare(location));
    let scheme = origin.split("://").next().unwrap_or("http");
    let mut url = match &location {
        _ if location.is_empty() => return None,
        _ if location.contains("://") => location,
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{origin}{location}"),
        _ => format!(
            "{origin}{}/{location}",
            path.rsplit_once('/').map_or("", |(folder, _)| folder)
        ),
    };
    let mut asked = format!("{origin}{path}");
    if let Some(end) = ENDS_OF_QUESTIONS.iter().find(|end| path.ends_with(*end)) {
        let base = url.trim_end_matches('/').strip_suffix(end)?.to_owned();
        url = base;
        asked.truncate(asked.len() - end.len());
    }
    let url = redact(&url);
    (url != asked && !url.contains("redacted@")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_where_the_redirect_leads_without_what_was_only_asked() {
        let from = |location, path| target_after(location, "http://h:1", path);
        let chat = "/v1/chat/completions";
        for (location, path, target) in [
            ("https://h/v1/models", "/v1/models", Some("https://h/v1")),
            (
                "https://h/api/v1/models?key=s",
                "/v1/models",
                Some("https://h/api/v1"),
            ),
            ("//other/v1/models", "/v1/models", Some("http://other/v1")),
            ("/v1/models/", "/v1/models", None),
            ("/login", "/v1/models", None),
            ("", "/v1/models", None),
            ("https://h/health", "/health", Some("https://h")),
            (
                "/v1/chat/completions/",
                chat,
                Some("http://h:1/v1/chat/completions/"),
            ),
            ("completions/", chat, Some("http://h:1/v1/chat/completions/")),
            ("https://u:p@h/v1/chat/completions", chat, None),
        ] {
            assert_eq!(from(location, path).as_deref(), target, "{location}");
        }
    }

    #[test]
    fn another_origin_is_told_from_another_path() {
        for (location, elsewhere) in [
            ("/v2/models", false),
            ("http://H:1/v2/models", false),
            ("https://h:1/v1/models", true),
            ("http://other/v1/models", true),
            ("//other/v1/models", true),
        ] {
            assert_eq!(leads_elsewhere(location, "http://h:1"), elsewhere, "{location}");
        }
    }

    #[test]
    fn a_location_is_shown_without_its_user_and_its_query() {
        let masks = Masks::of_headers(&[("x-key".to_owned(), "CANARY".to_owned())]);
        let said = meaning(Some("https://u:p@h/CANARY/x?token=abc"), &masks);
        assert_eq!(
            said,
            "redirected to https://redacted@h/***/x?redacted; redirects are not followed"
        );
        assert!(meaning(None, &masks).starts_with("a redirect without a Location"));
    }

    #[test]
    fn a_secret_is_found_before_the_query_is_cut_off_in_the_middle_of_it() {
        let masks = Masks::of_headers(&[("x-key".to_owned(), "CANARY/a?b".to_owned())]);
        let location = "http://h/CANARY/a?b&c";
        let said = meaning(Some(location), &masks);
        assert!(said.starts_with("redirected to http://h/***&c;"), "{said}");
        let next = |location| next_step(Some(location), "http://h:1", "/v1", &masks);
        for hidden in [location, "http://h/***/x"] {
            assert!(next(hidden).ends_with("--target URL"), "{}", next(hidden));
        }
        // A query is left out anyway, whether a secret is in it or not.
        for bare in [
            "http://h/x",
            "http://h/x?key=CANARY/a?b",
            "http://h/x?key=***#CANARY/a?b",
        ] {
            assert!(next(bare).ends_with("--target http://h/x"), "{}", next(bare));
        }
    }
}
