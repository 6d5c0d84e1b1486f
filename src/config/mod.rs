//! What was asked for: a built-in profile or a YAML document, with the command line laid over it.

mod builtin;
mod document;
mod duration;
mod error;
mod listing;
mod mix;
mod overlay;
mod reader;
mod secret;
mod server;
mod settings;
mod shard;
mod thresholds;
mod tree;
mod types;

pub use builtin::{names as profile_names, text as profile_text};
pub use duration::{
    format_duration, format_duration_span, parse_count_span, parse_duration, parse_duration_span,
};
pub use error::{ConfigError, Mistake, Reason, nearest, quoted};
pub use listing::profiles;
pub use reader::check_duration;
pub use secret::Secret;
pub use server::{CommandSettings, ServerSettings};
pub use settings::{Header, MIN_WAIT_DEFAULT, Settings, redact};
pub use tree::DOCUMENT_BYTES_MAX;
pub use types::{CallConfig, Config, Place, RequestConfig, SimulatorConfig, ThresholdConfig, duration_text};

use crate::cli::RunArgs;
use crate::plan::Plan;
use std::io::Read;

/// Words that are commands, in case one was mistyped and so taken for a profile.
const COMMANDS: [&str; 7] = ["completions", "import-k6", "man", "merge", "mock", "probe", "profiles"];

/// Reads the profile or file that `args` names, lays the options over it and validates the whole.
/// The error holds every mistake that was found.
pub fn load_plan(args: &RunArgs) -> Result<(Config, Plan), ConfigError> {
    let name = args.profile();
    let source = find(name)?;
    let (mut config, mut mistakes) = document::read_document(name, &source.file, &source.text)?;
    config.run = settings::settings(args, &mut mistakes);
    overlay::overlay(&mut config, args, &mut mistakes);
    let plan = match Plan::build(&config) {
        Ok(plan) if mistakes.is_empty() => return Ok((config, plan)),
        Ok(_) => Vec::new(),
        Err(more) => more,
    };
    mistakes.extend(plan);
    Err(ConfigError::new(mistakes))
}

/// The configuration of a result document, without what only a run has, is a profile: the plan of that run.
pub fn reread(config: &serde_json::Value, file: &str) -> Result<Plan, ConfigError> {
    let mut config = config.clone();
    let mut profile = String::new();
    if let Some(fields) = config.as_object_mut() {
        fields.remove("run");
        if let Some(serde_json::Value::String(name)) = fields.remove("profile") {
            profile = name;
        }
    }
    read_plan(&profile, file, &config.to_string())
}

/// The plan of a profile's text, as it is; `file` names it in errors.
pub fn read_profile(file: &str, text: &str) -> Result<Plan, ConfigError> {
    read_plan(file, file, text)
}

fn read_plan(profile: &str, file: &str, text: &str) -> Result<Plan, ConfigError> {
    let (config, mistakes) = document::read_document(profile, file, text)?;
    match Plan::build(&config) {
        Ok(plan) if mistakes.is_empty() => Ok(plan),
        Ok(_) => Err(ConfigError::new(mistakes)),
        Err(more) => Err(ConfigError::new(mistakes.into_iter().chain(more).collect())),
    }
}

struct Source {
    /// As errors name it.
    file: String,
    text: String,
}

fn find(name: &str) -> Result<Source, ConfigError> {
    if let Some(text) = builtin::text(name) {
        return Ok(Source {
            file: format!("profiles/{name}.yaml"),
            text: text.to_owned(),
        });
    }
    let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
    if is_path {
        read_file(name)
    } else {
        Err(unknown_profile(name))
    }
}

fn unknown_profile(name: &str) -> ConfigError {
    let known: Vec<&str> = builtin::names().collect();
    let list = format!(
        "profiles are {}; a file is given by its path, `./{}.yaml`",
        known.join(", "),
        "name"
    );
    let words: Vec<&str> = known.iter().copied().chain(COMMANDS).collect();
    let hint = match nearest(name, &words) {
        Some(word) => format!("did you mean `{word}`? {list}"),
        None => list,
    };
    Reason::new("unknown profile")
        .hint(hint)
        .at(quoted(name), 0)
        .into()
}

fn read_file(path: &str) -> Result<Source, ConfigError> {
    let mut bytes = Vec::new();
    // One byte more than the limit tells a document that is too long from one that just fits.
    let limit = DOCUMENT_BYTES_MAX as u64 + 1;
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    let wrong = |what: String| ConfigError::from(Reason::new(what).at(path, 0));
    read.map_err(|e| wrong(format!("cannot be read: {e}")))?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(wrong(format!(
            "larger than the limit, {DOCUMENT_BYTES_MAX} bytes"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        wrong(format!(
            "no UTF-8 text from byte {} on",
            e.utf8_error().valid_up_to()
        ))
    })?;
    Ok(Source {
        file: path.to_owned(),
        text,
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
