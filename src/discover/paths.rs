//! Which API a URL's path means, and where that API may be.

use crate::discover::ServerError;
use crate::error::printable;
use crate::workload::Api;

pub(super) const CHAT: &str = "/chat/completions";
/// Ends of paths that belong to APIs which this build does not speak.
const OTHER_APIS: [&str; 3] = ["/responses", "/messages", "/generate"];

/// How the path of each API's completions ends; the first that fits says which it is.
const ENDS: [(&str, Api); 3] = [
    (CHAT, Api::Chat),
    ("/completions", Api::Completions),
    ("/completion", Api::LlamaCpp),
];

/// Where the API may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub api: Api,
    /// Not empty, in the order to be asked.
    pub candidates: Vec<String>,
    /// What follows one of them.
    pub end: &'static str,
    /// The URL names the API's path, so there is nothing to find.
    pub given: bool,
}

impl Places {
    /// `asked`: the API that the configuration names, whatever the path.
    pub(super) fn of(path: &str, asked: Option<Api>) -> Result<Places, ServerError> {
        let named = ENDS.iter().find(|(end, _)| path.ends_with(end));
        if let Some((end, api)) = named {
            let prefix = path.strip_suffix(end).unwrap_or(path);
            return Ok(Places {
                api: asked.unwrap_or(*api),
                candidates: vec![prefix.to_owned()],
                end,
                given: true,
            });
        }
        check(path).map_err(|(what, hint)| ServerError::config(format!("--target {what}"), hint))?;
        let api = asked.unwrap_or(Api::Chat);
        let under = |tail: &str| format!("{path}{tail}");
        let candidates = match path {
            path if api == Api::LlamaCpp => vec![path.to_owned()],
            "/v1" => vec![under(""), "/openai/v1".to_owned()],
            path if path.ends_with("/v1") => vec![under("")],
            "" => vec![under("/v1"), under("/openai/v1")],
            _ => vec![under("/v1"), under("/openai/v1"), under("")],
        };
        Ok(Places {
            api,
            candidates,
            end: end_of(api),
            given: api == Api::LlamaCpp,
        })
    }

    /// A server of chat completions has a models list, which is also what light requests ask for. Of the others a
    /// whole path is used without a question.
    pub(super) fn asks_models(&self) -> bool {
        self.api == Api::Chat || !self.given
    }
}

/// What is wrong with a path that names an API which is not spoken, and a hint.
pub(super) fn check(path: &str) -> Result<(), (String, String)> {
    let Some(api) = OTHER_APIS.iter().find(|api| path.ends_with(*api)) else {
        return Ok(());
    };
    let what = format!(
        "path `{}`: this build does not speak `{api}`, but {CHAT}, /completions and llama.cpp's /completion",
        printable(path, 80)
    );
    Err((
        what,
        format!("end the path with {CHAT}, or give the origin alone"),
    ))
}

pub(super) fn end_of(api: Api) -> &'static str {
    match api {
        Api::Chat => CHAT,
        Api::Completions => "/completions",
        Api::LlamaCpp => "/completion",
    }
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
    fn the_ends_of_other_apis_are_refused() {
        for path in ["/v1/responses", "/v1/messages", "/generate"] {
            let error = Places::of(path, None).unwrap_err();
            assert_eq!(error.exit_code(), crate::error::ExitCode::Config);
            assert!(error.to_string().contains(path), "{error}");
        }
    }
}
