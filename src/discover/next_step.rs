//! What to do after an answer that is not a success.

use crate::discover::redirected;
use crate::discover::refused;
use crate::error::printable;
use crate::units::{Cut, Masks};
use crate::workload::Target;

/// The number of characters of a body that an error shows.
const SHOWN_CHARS_MAX: usize = 160;
/// The number of characters in which secrets are looked for: a whole body may be a megabyte.
const SEARCHED_CHARS_MAX: usize = 4096;
/// The words with which servers refuse a member that they do not know.
const REFUSALS: [&str; 8] = [
    "unsupported",
    "not supported",
    "not permitted",
    "extra_forbidden",
    "unknown",
    "unexpected",
    "unrecognized",
    "not allowed",
];

/// Returns text that is safe to show: shortened, and without our own secrets, because servers repeat a key that they
/// refuse. `query` has no `?`.
pub(super) fn without_secrets(text: &str, headers: &[(String, String)], query: &str) -> String {
    hide(text, &masks(headers, query))
}

pub(super) fn masks(headers: &[(String, String)], query: &str) -> Masks {
    let mut masks = Masks::of_headers(headers);
    masks.add_url(&format!("?{query}"));
    masks
}

/// Returns the text without the secrets that `masks` knows, shortened and filtered.
pub(super) fn hide(text: &str, masks: &Masks) -> String {
    let (part, cut) = Cut::to_chars(text, SEARCHED_CHARS_MAX);
    printable(masks.hide_in_part(part, cut).trim_end(), SHOWN_CHARS_MAX)
}

/// Returns true if a body, in lower case, refuses the member that limits the tokens. A limit that is only too large is
/// no reason for another member.
pub(super) fn refuses_limit(says: &str) -> bool {
    says.contains("max_completion_tokens") || refuses(says, "max_tokens")
}

fn refuses(says: &str, member: &str) -> bool {
    says.contains(member) && REFUSALS.iter().any(|word| says.contains(word))
}

/// Returns true if a body, in lower case, is about the member that asks for the counts of tokens.
pub(super) fn is_about_usage(says: &str) -> bool {
    says.contains("stream_options") || says.contains("include_usage")
}

/// Returns true if a body, in lower case, says that the model does not have a token: vLLM's words, then llama.cpp's.
fn lacks_a_token(says: &str) -> bool {
    says.contains("out of vocabulary") || says.contains("prompt contains invalid tokens")
}

/// Returns the next step after an answer with this status and body in validation.
pub(super) fn hint(status: u16, says: &str, headers: &[(String, String)]) -> &'static str {
    known_step(status, says, headers).unwrap_or(match status {
        400 | 422 => "name a model that the server has (--model NAME), or the API's full path (--target URL)",
        429 => "the server is at its limit even before the load: wait, or raise its limit",
        502..=504 => "wait until the server is ready, for example with --wait-for-target 60s",
        _ => "see the server's log, or start the load anyway with --no-validate",
    })
}

/// Returns the next step where the answer says which it is.
fn known_step(status: u16, says: &str, headers: &[(String, String)]) -> Option<&'static str> {
    let says = says.to_lowercase();
    if lacks_a_token(&says) {
        return Some(
            "name ids that the model has: --token-ids=LOWEST-HIGHEST, or `token_ids` in the document",
        );
    }
    Some(match status {
        401 | 403 => refused::next_step(headers),
        400 | 422 if refuses_limit(&says) => {
            "choose the other member for the limit: --max-tokens-key, or `max_tokens_key` in the document"
        }
        400 | 422 if is_about_usage(&says) => {
            "do not send it: --stream-options false, or `stream_options: false` in the document"
        }
        404 => "name a model that the server has (--model NAME), or the API's full path (--target URL)",
        _ => return None,
    })
}

/// Returns the next step after a failed request of the load, if there is one that the answer itself suggests. `says` is
/// its body or, of a redirect, its Location.
pub fn next_step_after(status: u16, says: &str, target: &Target) -> Option<String> {
    if redirected::is_redirect(status) {
        return Some(redirected::next_step(
            Some(says),
            &target.origin,
            &target.api_path,
            &Masks::of_headers(&target.headers),
        ));
    }
    known_step(status, says, &target.headers).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_member_leads_to_its_option_and_a_limit_that_is_too_large_does_not() {
        let after = |says| hint(400, says, &[]);
        for says in [
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            "Use 'max_completion_tokens' instead.",
            "body.max_tokens: Extra inputs are not permitted",
        ] {
            assert!(after(says).contains("--max-tokens-key"), "{says}");
        }
        for says in [
            "Token id 3000 is out of vocabulary",
            "Prompt contains invalid tokens",
        ] {
            assert!(after(says).contains("--token-ids=LOWEST-HIGHEST"), "{says}");
        }
        assert!(after("Unknown parameter: 'stream_options'").contains("--stream-options false"));
        assert!(!after("max_tokens is too large: 9000").contains("--max-tokens-key"));
        assert!(hint(404, "no such model", &[]).contains("--model NAME"));
        assert!(hint(503, "loading", &[]).contains("--wait-for-target"));
    }
}
