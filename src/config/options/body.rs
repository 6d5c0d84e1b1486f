//! Applies the options of bodies: `--ignore-eos`, `--system`, `--extra-body` and their like.

use crate::api::{BodySettings, Setting, SystemPrompt};
use crate::cli::{BodyArgs, OrFile};
use crate::config::Config;
use crate::config::body_file::read_json_file;
use crate::config::document::id_header;
use crate::config::options::refuse_without_chat;
use crate::error::{Mistake, Place, Reason};
use crate::plan::{SYSTEM_BYTES_MAX, check_system, read_members, read_tools, stop_json};
use crate::units::read_text_file;
use crate::workload::Call;

/// Lays the options over the settings of every chat request.
pub fn overlay_bodies(config: &mut Config, args: &BodyArgs, mistakes: &mut Vec<Mistake>) {
    if let Some(name) = &args.request_id_header {
        match id_header(name) {
            Ok(header) => config.request_id_header = header,
            Err(reason) => mistakes.push(reason.at("--request-id-header", 0)),
        }
    }
    let before = mistakes.len();
    let asked = read(args, mistakes);
    let options = given(args).into_iter().map(|option| format!("--{option}"));
    refuse_without_chat(config, options, mistakes);
    if mistakes.len() > before || asked.is_empty() {
        return;
    }
    for request in &mut config.requests {
        if let Call::Chat(chat) = &mut request.call {
            *chat.settings = chat.settings.with(&asked);
        }
    }
}

/// Returns the names of the options that were given.
fn given(args: &BodyArgs) -> Vec<String> {
    let settings = values(args).into_iter().filter(|(_, value)| value.is_some());
    let mut names: Vec<String> = settings.map(|(setting, _)| setting.option()).collect();
    for (there, name) in [
        (!args.stop.is_empty(), "stop"),
        (args.system.is_some(), "system"),
        (args.tools.is_some(), "tools"),
        (args.extra_body.is_some(), "extra-body"),
    ] {
        names.extend(there.then(|| name.to_owned()));
    }
    names
}

/// Returns the settings that are one word, with their JSON.
fn values(args: &BodyArgs) -> [(Setting, Option<String>); 7] {
    [
        (Setting::IgnoreEos, args.ignore_eos.then(|| "true".to_owned())),
        (Setting::MinTokens, args.min_tokens.clone()),
        (Setting::Temperature, args.temperature.clone()),
        (Setting::TopP, args.top_p.clone()),
        (Setting::TopK, args.top_k.clone()),
        (Setting::Seed, args.sampling_seed.clone()),
        (Setting::N, args.choices.clone()),
    ]
}

fn read(args: &BodyArgs, mistakes: &mut Vec<Mistake>) -> BodySettings {
    let mut asked = BodySettings::default();
    for (setting, value) in values(args) {
        if let Some(json) = value {
            asked.set(setting, json);
        }
    }
    if !args.stop.is_empty() {
        match stop_json(&args.stop) {
            Ok(json) => asked.set(Setting::Stop, json),
            Err(reason) => mistakes.push(reason.at("--stop", 0)),
        }
    }
    match read_system(args.system.as_ref()) {
        Ok(Some(system)) => asked.set_system(system),
        Ok(None) => {}
        Err(reason) => mistakes.push(reason.at("--system", 0)),
    }
    let place = Place::option("--tools");
    match &args.tools {
        None => {}
        Some(OrFile::Given(json)) => asked.set(Setting::Tools, json.clone()),
        Some(OrFile::File(file)) => match read_json_file(file, &place, read_tools) {
            Ok(json) => asked.set_tools_of(file, json),
            Err(mistake) => mistakes.push(mistake),
        },
    }
    let place = Place::option("--extra-body");
    match &args.extra_body {
        None => {}
        Some(OrFile::Given(members)) => asked.set_extra(members.clone()),
        Some(OrFile::File(file)) => match read_json_file(file, &place, read_members) {
            Ok(members) => asked.set_extra(members),
            Err(mistake) => mistakes.push(mistake),
        },
    }
    asked
}

fn read_system(given: Option<&OrFile<String>>) -> Result<Option<SystemPrompt>, Reason> {
    let (text, file) = match given {
        None => return Ok(None),
        Some(OrFile::Given(text)) => (text.clone(), None),
        Some(OrFile::File(file)) => (read_text_file(file, SYSTEM_BYTES_MAX, None)?, Some(file.clone())),
    };
    check_system(&text)?;
    Ok(Some(SystemPrompt {
        text: text.into(),
        file,
    }))
}
