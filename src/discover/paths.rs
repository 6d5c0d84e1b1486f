//! Tells which API the path of a URL means, and where that API may be.

use crate::api::{Api, ENDS_WITHOUT_ROW, Row};
use crate::error::{Reason, nearest, printable};

/// The places where the API may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub api: Api,
    /// The prefixes to try, in order; never empty.
    pub candidates: Vec<String>,
    /// The rest of the path, after the prefix, and that of a stream.
    pub end: &'static str,
    pub stream_end: &'static str,
    /// Nothing has to be searched: the URL names the API's path, or the API is directly below it.
    pub given: bool,
    /// The URL names the API's path.
    pub whole: bool,
}

impl Places {
    /// Finds the places for a path. `asked` is the API in the configuration, which wins over the path.
    pub(super) fn of(path: &str, asked: Option<Api>) -> Result<Places, Reason> {
        if asked.is_none()
            && let Some(meant) = suggested_path(path)
        {
            return Err(mistyped(path, &meant));
        }
        if let Some(named) = Api::from_path(path) {
            let api = asked.unwrap_or(named);
            let row = api.row();
            // A path of another API is used as it is, for whole answers and for streams.
            let (end, ends) = match row.end_of(path) {
                Some(end) => (end, (row.end, row.end_of_streams())),
                None => {
                    let end = named.row().end_of(path).unwrap_or_default();
                    (end, (end, end))
                }
            };
            let prefix = path.strip_suffix(end).unwrap_or(path);
            return Ok(Places {
                api,
                candidates: vec![prefix.to_owned()],
                end: ends.0,
                stream_end: ends.1,
                given: true,
                whole: true,
            });
        }
        check(path)?;
        let api = asked.unwrap_or(Api::DEFAULT);
        let row = api.row();
        if let Some(part) = row.within.filter(|part| !path.contains(part)) {
            return Err(nameless(path, row, part));
        }
        Ok(Places {
            api,
            candidates: candidates(path, row.prefixes),
            end: row.end,
            stream_end: row.end_of_streams(),
            given: row.prefixes.is_empty(),
            whole: false,
        })
    }
}

/// Returns where an API with these prefixes may be below a path that names no API.
fn candidates(path: &str, prefixes: &[&str]) -> Vec<String> {
    let Some(likeliest) = prefixes.first() else {
        return vec![path.to_owned()];
    };
    let under = |prefix: &&str| format!("{path}{prefix}");
    match path {
        "" => prefixes.iter().map(under).collect(),
        // The path is already a prefix, but even a prefix that is given may be the wrong one.
        _ if path == *likeliest => prefixes.iter().map(|prefix| prefix.to_string()).collect(),
        _ if path.ends_with(likeliest) => vec![path.to_owned()],
        _ => prefixes.iter().map(under).chain([path.to_owned()]).collect(),
    }
}

/// Returns the path that was probably meant by one that is almost an API's. It is reported and not used as it is,
/// because as a prefix, or as the path of another API, it would only fail later and less clearly.
fn suggested_path(path: &str) -> Option<String> {
    let (before, last) = path.rsplit_once('/')?;
    let word = last.to_ascii_lowercase();
    let known = [
        "completions",
        "completion",
        "chat/completions",
        "responses",
        "messages",
        "embeddings",
        "rerank",
    ];
    let meant = match Api::from_path(path) {
        // llama.cpp's own API has no version, and no chat API has the singular.
        Some(_) if last == "completion" && (before.ends_with("/chat") || before.ends_with("/v1")) => {
            "completions"
        }
        Some(_) => return None,
        None if word == "chat" => "chat/completions",
        None if word == "models" => return Some(before.to_owned()),
        None => nearest(&word, &known)?,
    };
    let plural = before.ends_with("/chat") || before.ends_with("/v1");
    let meant = if plural && meant == "completion" {
        "completions"
    } else {
        meant
    };
    Some(format!("{before}/{meant}"))
}

fn mistyped(path: &str, meant: &str) -> Reason {
    let shown = printable(path, 80);
    if path.strip_suffix("/models") == Some(meant) {
        let what = format!("path `{shown}` is that of a models list, not of an API");
        let base = if meant.is_empty() { "nothing" } else { meant };
        return Reason::new(what).hint(format!(
            "give only the part before `/models`: {}",
            printable(base, 80)
        ));
    }
    let what = format!(
        "path `{shown}` is not an API path, but close to `{}`",
        printable(meant, 80)
    );
    Reason::new(what).hint("use that path, or only the origin to have the path found")
}

/// Returns the reason why a path without a model cannot be completed.
fn nameless(path: &str, row: &Row, part: &str) -> Reason {
    let what = format!(
        "path `{}` names no model, which {} has after `{part}`",
        printable(path, 80),
        row.title
    );
    let end = row.end_of_streams();
    Reason::new(what).hint(format!("give the whole path: http://HOST:PORT{part}MODEL{end}"))
}

/// Refuses a path that names an API that is not supported.
fn check(path: &str) -> Result<(), Reason> {
    let Some(unknown) = ENDS_WITHOUT_ROW.iter().find(|end| path.ends_with(*end)) else {
        return Ok(());
    };
    let mut known: Vec<&str> = Api::ALL.iter().map(|api| api.row().end).collect();
    known.dedup();
    let what = format!(
        "path `{}`: the API `{unknown}` is not supported, only {}",
        printable(path, 80),
        known.join(", ")
    );
    let end = Api::DEFAULT.row().end;
    Err(Reason::new(what).hint(format!("end the path with {end}, or give only the origin")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, asked: Option<Api>) -> (Api, String, bool) {
        let places = Places::of(path, asked).unwrap();
        (
            places.api,
            format!("{}{}", places.candidates[0], places.end),
            places.given,
        )
    }

    #[test]
    fn the_end_of_the_path_says_which_api_it_is() {
        for (path, api) in [
            ("/completion", Api::LlamaCpp),
            ("/llama/completion", Api::LlamaCpp),
            ("/v1/completions", Api::Completions),
            ("/completions", Api::Completions),
            ("/v1/chat/completions", Api::Chat),
        ] {
            assert_eq!(found(path, None), (api, path.to_owned(), true));
        }
        assert_eq!(
            found("", None),
            (Api::Chat, "/v1/chat/completions".to_owned(), false)
        );
    }

    #[test]
    fn an_api_that_is_named_wins_and_a_base_gets_its_end() {
        let llama = Some(Api::LlamaCpp);
        assert_eq!(found("", llama), (Api::LlamaCpp, "/completion".to_owned(), true));
        assert_eq!(
            found("/x", llama),
            (Api::LlamaCpp, "/x/completion".to_owned(), true)
        );
        let odd = found("/gateway/completions", llama);
        assert_eq!(odd, (Api::LlamaCpp, "/gateway/completions".to_owned(), true));
        let base = found("/v1", Some(Api::Completions));
        assert_eq!(base, (Api::Completions, "/v1/completions".to_owned(), false));
    }

    #[test]
    fn a_path_that_names_no_api_is_the_prefix_or_comes_before_it() {
        for (path, all) in [
            ("", vec!["/v1", "/w/v1"]),
            ("/v1", vec!["/v1", "/w/v1"]),
            ("/w/v1", vec!["/w/v1"]),
            ("/x", vec!["/x/v1", "/x/w/v1", "/x"]),
        ] {
            assert_eq!(candidates(path, &["/v1", "/w/v1"]), all);
            assert_eq!(candidates(path, &[]), [path]);
        }
    }

    #[test]
    fn a_path_that_is_almost_an_apis_is_asked_about() {
        for (path, meant) in [
            ("/v1/chat/completion", "/v1/chat/completions"),
            ("/v1/chat", "/v1/chat/completions"),
            ("/v1/completion", "/v1/completions"),
            ("/v1/Chat/Completions", "/v1/Chat/completions"),
            ("/v1/chat/compeltions", "/v1/chat/completions"),
            ("/v1/chat-completions", "/v1/chat/completions"),
            ("/v1/chatcompletions", "/v1/chat/completions"),
            ("/completons", "/completions"),
            ("/x/v1/models", "/x/v1"),
        ] {
            assert_eq!(suggested_path(path).as_deref(), Some(meant), "{path}");
            let reason = Places::of(path, None).unwrap_err();
            assert!(reason.to_string().contains(meant), "{reason}");
        }
        for path in [
            "",
            "/v1",
            "/openai/v1",
            "/x",
            "/complete",
            "/v1/completions",
            "/completion",
            "/llama/completion",
            "/api/chats/v1",
            "/chat/completions",
        ] {
            assert_eq!(suggested_path(path), None, "{path}");
        }
        // With the API in the configuration, nothing is guessed.
        assert!(Places::of("/v1/completion", Some(Api::LlamaCpp)).is_ok());
    }

    #[test]
    fn the_ends_of_other_apis_are_refused() {
        for end in ENDS_WITHOUT_ROW {
            let path = format!("/v1{end}");
            let error = Places::of(&path, None).unwrap_err();
            assert!(error.what.contains(&path), "{error}");
            for api in Api::ALL {
                assert!(error.what.contains(api.row().end), "{error}");
            }
        }
    }
}
