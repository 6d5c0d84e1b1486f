//! Finds the API of a target, its models and its light paths.

use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::next_step::{hide, masks};
use crate::discover::paths::Places;
use crate::discover::redirected::{self, is_redirect, leads_elsewhere};
use crate::discover::refused::{is_refusal, refused};
use crate::discover::tls_mismatch::{no_answer, says_tls, wants_tls};
use crate::discover::{STATS_PATH, Service, Url, unfit, unusable};
use crate::error::{Failure, printable};
use crate::workload::NamedPaths;
use serde_json::Value;

/// The number of characters of the tried paths that an error shows.
const TRIED_CHARS_MAX: usize = 400;

/// The models that a server says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Models {
    /// The API has no such list: whatever model a request names, the loaded one answers.
    NotAsked,
    /// The server was asked and gave no list.
    NoList,
    /// The models, each once and in the server's order; may be empty.
    List(Vec<String>),
}

/// The place where the API was found.
pub(super) struct Found {
    pub prefix: String,
    pub models: Models,
    /// The path of the models list, if it answered 200.
    models_path: Option<String>,
    /// The path of the first model of that list, if its name fits into a path.
    model_path: Option<String>,
    /// Its models list names a server that takes the usual members of a body.
    pub is_known: bool,
    /// The number of tokens that its only model knows, if the list says so.
    pub vocabulary: Option<u64>,
    /// A note for the user.
    pub note: Option<String>,
}

/// Asks the candidates for their models list. A given prefix is used whatever it answers, as long as it answers and
/// does not refuse the key.
pub(super) fn find_api(
    url: &Url,
    peer: &Peer<'_>,
    places: &Places,
    service: Service,
    health: &Result<Answer, ProbeError>,
) -> Result<Found, Failure> {
    if let Ok(answer) = health
        && says_tls(answer)
    {
        return Err(wants_tls(url));
    }
    let given = |models: Models, note: Option<String>| Found {
        prefix: places.candidates[0].clone(),
        models,
        models_path: None,
        model_path: None,
        is_known: false,
        vocabulary: None,
        note,
    };
    let Some(list) = places.api.row().models else {
        return match health {
            Ok(_) => Ok(given(Models::NotAsked, None)),
            Err(e) => Err(no_answer(url, peer, e)),
        };
    };
    let mut candidates: Vec<&String> = places.candidates.iter().collect();
    if service == Service::Llmsim {
        // llmsim has its OpenAI routes only there, so this asks once instead of twice.
        candidates.sort_by_key(|prefix| prefix.as_str() != "/openai/v1");
    }
    let mut answers = Vec::new();
    for prefix in candidates {
        let answer = peer.get(&format!("{prefix}{list}{}", url.query));
        if let Ok(answer) = &answer
            && answer.status == 200
        {
            return Ok(Found::of_list(url, prefix, list, &answer.body));
        }
        answers.push((prefix, answer));
    }
    if let Some(found) = elsewhere(url, peer, places, list, &answers) {
        return Ok(found);
    }
    let unanswered = answers.iter().all(|(_, answer)| answer.is_err());
    let first = answers.first().and_then(|(_, answer)| answer.as_ref().err());
    if let (Some(reason), Err(_), true) = (first, health, unanswered) {
        return Err(no_answer(url, peer, reason));
    }
    let refusal = answers.iter().find_map(|(prefix, answer)| match answer {
        Ok(answer) if is_refusal(answer.status) => Some((prefix, answer)),
        _ => None,
    });
    match refusal {
        // A key may be valid for completions but not for the list, which does not matter if the path is known.
        Some((prefix, answer)) if places.given && answer.status == 403 => {
            let note = format!("target {}: {prefix}{list} is refused (403)", url.origin());
            Ok(given(Models::NoList, Some(note)))
        }
        Some((prefix, answer)) => Err(refused(url, &format!("{prefix}{list}"), answer, peer.headers)),
        None if let Some(failure) = redirected(url, places, list, peer, &answers) => Err(failure),
        None if places.given => Ok(given(Models::NoList, None)),
        None => Err(no_models_list(url, places, list, &answers)),
    }
}

/// The statuses of a path that does not exist.
const ABSENT: [u16; 3] = [404, 405, 501];

/// Looks for the models list of a path that is given whole under the other prefixes of its API: servers have some APIs
/// under several, and the list under one of these alone. The path stays as it is given.
fn elsewhere(
    url: &Url,
    peer: &Peer<'_>,
    places: &Places,
    list: &str,
    answers: &[(&String, Result<Answer, ProbeError>)],
) -> Option<Found> {
    let [(given, Ok(first))] = answers else {
        return None;
    };
    if !places.whole || !ABSENT.contains(&first.status) {
        return None;
    }
    let prefixes = places.api.row().prefixes;
    let bases = prefixes.iter().filter_map(|prefix| given.strip_suffix(*prefix));
    let base = bases.min_by_key(|base| base.len()).unwrap_or(given);
    prefixes.iter().find_map(|other| {
        let prefix = format!("{base}{other}");
        if prefix == **given {
            return None;
        }
        let answer = peer.get(&format!("{prefix}{list}{}", url.query)).ok()?;
        let found = Found::of_list(url, &prefix, list, &answer.body);
        let is_list = answer.status == 200 && matches!(&found.models, Models::List(ids) if !ids.is_empty());
        is_list.then(|| Found {
            prefix: (*given).clone(),
            ..found
        })
    })
}

/// Returns the failure for a models list that is redirected. A known path may still answer, unless the redirect leads
/// to another server.
fn redirected(
    url: &Url,
    places: &Places,
    list: &str,
    peer: &Peer<'_>,
    answers: &[(&String, Result<Answer, ProbeError>)],
) -> Option<Failure> {
    let origin = url.origin();
    let counts = |answer: &Answer| {
        let location = answer.location.as_deref().unwrap_or("");
        is_redirect(answer.status) && (!places.given || leads_elsewhere(location, &origin))
    };
    let mut answers = answers.iter();
    let (prefix, answer) = answers.find_map(|(prefix, answer)| {
        let answer = answer.as_ref().ok().filter(|answer| counts(answer))?;
        Some((prefix, answer))
    })?;
    let masks = masks(peer.headers, url.query.trim_start_matches('?'));
    let (status, location, path) = (
        answer.status,
        answer.location.as_deref(),
        format!("{prefix}{list}"),
    );
    let meaning = redirected::meaning(location, &masks);
    let what = format!("target {origin}: GET {path}: status {status}: {meaning}");
    let next = match places.given {
        true => {
            let location = location.map(|l| l.trim_end_matches(list));
            redirected::next_step(location, &origin, prefix, &masks)
        }
        false => redirected::next_step(location, &origin, &path, &masks),
    };
    Some(unfit(what, hide(&next, &masks)))
}

impl Found {
    /// `path` is that of the list after the prefix.
    fn of_list(url: &Url, prefix: &str, path: &str, list: &[u8]) -> Found {
        let list: Value = serde_json::from_slice(list).unwrap_or_default();
        let ids = model_ids(&list);
        let model = ids.first().filter(|id| is_plain(id));
        Found {
            prefix: prefix.to_owned(),
            model_path: model.map(|id| format!("{prefix}{path}/{id}{}", url.query)),
            models_path: Some(format!("{prefix}{path}{}", url.query)),
            models: Models::List(ids),
            is_known: is_known(&list),
            vocabulary: vocabulary(&list),
            note: None,
        }
    }
}

/// The words by which servers that take `max_tokens` and `stream_options` name themselves in their models list.
const OWNERS: [&str; 4] = ["vllm", "sglang", "llamacpp", "mock"];

/// Returns true if a models list is that of a server that takes the usual members of a body.
fn is_known(list: &Value) -> bool {
    let first = list["data"][0]["owned_by"].as_str();
    first.is_some_and(|owner| OWNERS.contains(&owner))
}

/// Returns how many tokens the only model of a list knows, in llama.cpp's words.
fn vocabulary(list: &Value) -> Option<u64> {
    match list["data"].as_array().map(Vec::as_slice) {
        Some([only]) => only["meta"]["n_vocab"].as_u64(),
        _ => None,
    }
}

/// Returns the models of a list, each once; none if it is no list.
fn model_ids(list: &Value) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for model in entries(list).into_iter().flatten() {
        let id = model["id"]
            .as_str()
            .or(model["name"].as_str())
            .unwrap_or_default();
        if !id.is_empty() && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    ids
}

/// Returns the entries of a models list; in Ollama's words `models`, each with a `name` instead of an `id`.
pub(super) fn entries(list: &Value) -> Option<&Vec<Value>> {
    list["data"].as_array().or(list["models"].as_array())
}

/// Tells whether an identifier fits into a path as it is. One that would have to be encoded is not used.
fn is_plain(id: &str) -> bool {
    id.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

/// Returns the paths that light requests go to, in turn.
pub(super) fn light_paths(service: Service, is_healthy: bool, found: &Found) -> Vec<String> {
    let health = || "/health".to_owned();
    match (service, &found.models_path) {
        (Service::Llmsim, _) => vec![health(), STATS_PATH.to_owned()],
        (_, Some(models)) if is_healthy => vec![models.clone(), health()],
        (_, Some(models)) => vec![models.clone()],
        (_, None) if is_healthy => vec![health()],
        // Neither answered 200. The status of each request will show that.
        (_, None) => vec![format!("{}/models", found.prefix)],
    }
}

/// Returns where GETs that name their path go: at llmsim each to its own, elsewhere all to the models list, or to the
/// light path if there is no list.
pub(super) fn named_paths(service: Service, found: &Found, light: &str) -> NamedPaths {
    let models = found.models_path.as_deref().unwrap_or(light);
    if service != Service::Llmsim {
        return NamedPaths::all(models);
    }
    NamedPaths {
        health: "/health".to_owned(),
        models: models.to_owned(),
        model: found.model_path.as_deref().unwrap_or(models).to_owned(),
        stats: STATS_PATH.to_owned(),
    }
}

fn no_models_list(
    url: &Url,
    places: &Places,
    list: &str,
    answers: &[(&String, Result<Answer, ProbeError>)],
) -> Failure {
    let tried: Vec<String> = answers
        .iter()
        .map(|(prefix, answer)| match answer {
            Ok(answer) => format!("{prefix}{list}: {}", answer.status),
            Err(e) => format!("{prefix}{list}: {e}"),
        })
        .collect();
    let message = format!(
        "target {}: found no models list ({})",
        url.origin(),
        printable(&tried.join(", "), TRIED_CHARS_MAX)
    );
    let is_failing = |answer: &Result<Answer, ProbeError>| answer.as_ref().is_ok_and(|a| a.status >= 500);
    if answers.iter().any(|(_, answer)| is_failing(answer)) {
        return unfit(
            message,
            "wait until the server is ready, for example with --wait-for-target 60s",
        );
    }
    let end = places.end;
    unusable(
        message,
        format!("give the whole path: --target http://HOST:PORT/PREFIX{end}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_of_a_list_are_read_without_duplicates() {
        let ids = |text: &str| model_ids(&serde_json::from_str(text).unwrap_or_default());
        assert_eq!(
            ids(r#"{"data":[{"id":"b"},{"id":"a/c","x":1},{"id":"b"}]}"#),
            ["b", "a/c"]
        );
        for none in [r#"{"data":[{"id":""}]}"#, r#"{"data":[]}"#, "{}", "x", "[]"] {
            assert!(ids(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn the_vocabulary_is_that_of_the_only_model() {
        let of = |text: &str| vocabulary(&serde_json::from_str(text).unwrap());
        let one = r#"{"id":"a","meta":{"n_vocab":49152}}"#;
        assert_eq!(of(&format!("{{\"data\":[{one}]}}")), Some(49_152));
        assert_eq!(of(&format!("{{\"data\":[{one},{one}]}}")), None);
        assert_eq!(of(r#"{"data":[{"id":"a","meta":null}]}"#), None);
        assert_eq!(of("{}"), None);
    }

    #[test]
    fn a_model_whose_name_does_not_fit_into_a_path_is_not_asked_for() {
        let url = Url::read("http://h/v1?k=v").unwrap();
        let path = |list: &str| Found::of_list(&url, "/v1", "/models", list.as_bytes()).model_path;
        assert_eq!(path(r#"{"data":[{"id":"a/b"}]}"#), None);
        assert_eq!(path("{}"), None);
        let found = path(r#"{"data":[{"id":"qwen2.5:7b"}]}"#);
        assert_eq!(found.as_deref(), Some("/v1/models/qwen2.5:7b?k=v"));
        let ollama = path(r#"{"models":[{"name":"qwen2.5:7b","model":"qwen2.5:7b","size":1}]}"#);
        assert_eq!(ollama, found);
    }
}
