//! The choice of the model that requests ask for, if the configuration leaves it to the server.
//!
//! A built-in profile names models for the simulator, which takes any name. A real server has models of its own, and
//! refuses all others.

use crate::cli::RunArgs;
use crate::config::{Config, ServerChoice};
use crate::discover::{Discovery, Models, Service};
use crate::error::{ExitCode, Failure, Reason, quoted};
use crate::profiles;
use crate::run::servers::label;
use crate::units::{Cut, Masks};
use crate::workload::{Call, Chat};

/// The number of models that an error lists; further ones are only counted.
const SHOWN_MAX: usize = 20;
const NAME_CHARS_MAX: usize = 80;

/// Returns the model to ask each server for, and prints which was chosen; `None` keeps the models in the configuration.
///
/// # Errors
/// Fails with exit code 104 if a server has several models and none is chosen, which the error lists, or if its only
/// one has the name of a secret.
pub fn choose(
    config: &Config,
    args: &RunArgs,
    found: &[Discovery],
    masks: &Masks,
    note: &mut dyn FnMut(&str),
) -> Result<Vec<Option<String>>, Failure> {
    let asked = open_models(config, args);
    let none = || vec![None; found.len()];
    let Some(asked) = asked else { return Ok(none()) };
    let servers = config.servers();
    let mut chosen = none();
    for (index, server) in found.iter().enumerate() {
        let entry = servers.get(index);
        if server.service == Service::Llmsim || entry.is_some_and(|entry| entry.model_alias.is_some()) {
            continue;
        }
        let name = entry.and_then(|entry| entry.name.as_deref());
        let origin = &server.target.origin;
        let what = match name {
            Some(name) => format!("{}, target {origin}", label(name)),
            None => format!("target {origin}"),
        };
        let models = match &server.models {
            // No request names a model there, so those of a profile would only split the figures.
            Models::NotAsked => {
                let is_open = asked != [profiles::MODEL_DEFAULT];
                chosen[index] = is_open.then(|| profiles::MODEL_DEFAULT.to_owned());
                continue;
            }
            Models::NoList => &[][..],
            Models::List(models) => models,
        };
        match models {
            [] => note(&format!(
                "{what}: it lists no models, so requests ask for {}; choose another with --model NAME",
                listed(&asked, masks)
            )),
            all if asked.iter().all(|model| all.contains(model)) => {}
            [only] if masks.hide(only) != *only => return Err(model_like_a_secret(&what)),
            [only] => {
                note(&format!("{what}: model {}, its only one", shown(only, masks)));
                chosen[index] = Some(only.clone());
            }
            several => return Err(several_models(&what, several, masks)),
        }
    }
    Ok(chosen)
}

/// Returns the models that requests only name as placeholders; `None` if the configuration chooses its models.
fn open_models(config: &Config, args: &RunArgs) -> Option<Vec<String>> {
    if !args.models.is_empty() {
        return None;
    }
    let built_in = profiles::text(&config.profile).is_some();
    let mut open = Vec::new();
    for request in &config.requests {
        let Call::Chat(Chat { models, .. }) = &request.call else {
            continue;
        };
        if built_in || profiles::stand_in_models(models) {
            open.extend_from_slice(models);
        } else if config.servers().len() > 1 {
            // A model is chosen for a whole server, so none is if some of its requests name theirs.
            return None;
        }
    }
    open.sort();
    open.dedup();
    (!open.is_empty()).then_some(open)
}

/// Puts the chosen models in the configuration, from which the plan and the result are made. Returns whether there are
/// any.
pub fn adopt(config: &mut Config, chosen: &[Option<String>]) -> bool {
    let Some(first) = chosen.iter().flatten().next() else {
        return false;
    };
    let built_in = profiles::text(&config.profile).is_some();
    let is_open = |models: &[String]| built_in || profiles::stand_in_models(models);
    match &mut config.server {
        ServerChoice::Running(servers) if servers.len() > 1 => {
            for (server, model) in servers.iter_mut().zip(chosen) {
                if model.is_some() {
                    server.model_alias.clone_from(model);
                }
            }
        }
        _ => {
            for request in &mut config.requests {
                if let Call::Chat(Chat { models, .. }) = &mut request.call
                    && is_open(models)
                {
                    *models = vec![first.clone()];
                }
            }
        }
    }
    true
}

/// The name would be in the result and all that is made of it.
fn model_like_a_secret(what: &str) -> Failure {
    let reason = Reason::new(format!(
        "{what}: its only model has the name of a key, a header or a password of this run"
    ));
    Failure::new(
        ExitCode::Config,
        reason.hint("choose the model with --model NAME"),
    )
}

fn several_models(what: &str, models: &[String], masks: &Masks) -> Failure {
    let reason = Reason::new(format!(
        "{what}: the server has {} models, and none is chosen: {}",
        models.len(),
        listed(models, masks)
    ));
    let hint = "choose one with --model NAME, repeated for a mix; in a document, use `models`, or `model_alias` of \
                each server";
    Failure::new(ExitCode::Config, reason.hint(hint))
}

fn shown(model: &str, masks: &Masks) -> String {
    let (model, cut) = Cut::to_chars(model, NAME_CHARS_MAX);
    quoted(&masks.hide_in_part(model, cut))
}

fn listed(models: &[String], masks: &Masks) -> String {
    let names = models.iter().take(SHOWN_MAX);
    let mut names: Vec<String> = names.map(|model| shown(model, masks)).collect();
    if models.len() > SHOWN_MAX {
        names.push(format!("and {} more", models.len() - SHOWN_MAX));
    }
    names.join(", ")
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
