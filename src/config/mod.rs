//! The configuration of a run: a built-in profile or a YAML document, with the options of the command line applied to
//! it.
//!
//! ```text
//! document/  YAML -> Config      options/  the command line over it      to_plan/  Config -> Plan
//! ```

mod body_file;
mod coordinate;
mod dataset;
pub mod document;
mod made_form;
mod metrics_listen;
mod options;
mod push;
mod row_sessions;
mod server_metrics;
mod to_plan;
mod tokenizer;
mod trace;
mod types;
mod which_server;

pub use dataset::{DatasetConfig, ids_text, refused_contents};
pub use document::tree::DOCUMENT_BYTES_MAX;
pub use options::{CommandSettings, Header, MIN_WAIT_DEFAULT, Settings, SimulatorSettings};
pub use server_metrics::{MetricsChoice, ServerMetricsConfig};
pub use to_plan::{check_apis, check_options, check_vocabularies, to_plan};
pub use tokenizer::{TokenizerChoice, TokenizerConfig};
pub use types::{Config, PromptsFile, RequestConfig, ServerEntry, SimulatorConfig, ThresholdConfig};
pub use which_server::{ServerChoice, local_url};

use crate::cli::{self, RunArgs};
use crate::error::{Mistakes, Reason, nearest, quoted};
use crate::plan::{Plan, Threshold};
use crate::profiles;
use crate::units::open_input;
use options::{
    body, connections, load, passes_and_files, read_kind_keys, read_server_keys, refuse_for_whole_bodies,
    settings,
};
use std::io::Read;
use std::path::Path;
use to_plan::shard;
use which_server::choose_server;

/// Reads the profile or file that `args` names, applies the options and validates the whole. The error holds every
/// mistake that was found.
pub fn load_plan(args: &RunArgs) -> Result<(Config, Plan), Mistakes> {
    let source = source(args)?;
    let (mut config, mut mistakes) = document::read_document(&source.name, &source.file, &source.text)?;
    let servers = config.servers().to_vec();
    config.server = choose_server(args, servers, config.simulator.as_ref(), &mut mistakes);
    read_server_keys(&mut config.server, variable, &mut mistakes);
    read_kind_keys(&mut config.requests, variable, &mut mistakes);
    config.run = settings(args, &mut mistakes);
    load::overlay(&mut config, args, &mut mistakes);
    dataset::read_datasets(&mut config, source.is_standard, &mut mistakes);
    tokenizer::overlay_tokenizer(&mut config, args, &mut mistakes);
    refuse_for_whole_bodies(&config, args, &mut mistakes);
    trace::take_rows(&mut config, &mut mistakes);
    body::overlay_bodies(&mut config, &args.body, &mut mistakes);
    connections::overlay_connections(&mut config, &args.connections, &mut mistakes);
    passes_and_files::overlay_run(&mut config, args, &mut mistakes);
    push::overlay_push(&mut config.push, &args.push, &mut mistakes);
    server_metrics::overlay_server_metrics(&mut config, &args.server_metrics, &mut mistakes);
    shard::check_shard(&config, &mut mistakes);
    let known: Option<Vec<_>> = config.servers().iter().map(ServerEntry::known_api).collect();
    let unused = known.map(|apis| check_options(args, apis.into_iter()));
    mistakes.extend(unused.and_then(Result::err).into_iter().flatten());
    let plan = match to_plan(&config) {
        Ok(plan) if mistakes.is_empty() => {
            config
                .notes
                .extend(plan.thresholds.iter().filter_map(Threshold::trap));
            return Ok((config, plan));
        }
        Ok(_) => Vec::new(),
        Err(more) => more,
    };
    mistakes.extend(plan);
    Err(Mistakes::new(mistakes))
}

/// Reads the configuration of a result document. Without the keys of the run it is a profile, which gives the run's
/// plan.
pub fn reread(config: &serde_json::Value, file: &str) -> Result<(Config, Plan), Mistakes> {
    let mut config = config.clone();
    let mut profile = String::new();
    if let Some(fields) = config.as_object_mut() {
        if let Some(serde_json::Value::String(name)) = fields.get("profile") {
            profile.clone_from(name);
        }
        for key in Config::RUN_KEYS {
            fields.remove(key);
        }
    }
    read_plan(&profile, file, &config.to_string())
}

/// Returns the plan of a profile's text. `file` is its name in errors.
pub fn read_profile(file: &str, text: &str) -> Result<Plan, Mistakes> {
    Ok(read_plan(file, file, text)?.1)
}

fn read_plan(profile: &str, file: &str, text: &str) -> Result<(Config, Plan), Mistakes> {
    let (mut config, mut mistakes) = document::read_document(profile, file, text)?;
    trace::take_rows(&mut config, &mut mistakes);
    match to_plan(&config) {
        Ok(plan) if mistakes.is_empty() => Ok((config, plan)),
        Ok(_) => Err(Mistakes::new(mistakes)),
        Err(more) => Err(Mistakes::new(mistakes.into_iter().chain(more).collect())),
    }
}

struct Source {
    /// The name or path as it was given.
    name: String,
    /// The name in errors.
    file: String,
    text: String,
    /// It is what standard input had.
    is_standard: bool,
}

/// Finds the document by its name or path, or by `--config`, which only takes a path.
fn source(args: &RunArgs) -> Result<Source, Mistakes> {
    let Some(path) = &args.document.config else {
        return find(args.profile());
    };
    if let Some(profile) = &args.profile {
        let what = format!(
            "contradicts the profile {}: a run has one document",
            quoted(profile)
        );
        let reason = Reason::new(what).hint("remove one of them (check LLMLOAD_… variables as well)");
        return Err(reason.at("--config", 0).into());
    }
    let Some(path) = path.to_str() else {
        let what = format!("{} is not a UTF-8 path", quoted(&path.to_string_lossy()));
        return Err(Reason::new(what).at("--config", 0).into());
    };
    read_file(path)
}

fn find(name: &str) -> Result<Source, Mistakes> {
    if let Some(text) = profiles::text(name) {
        return Ok(Source {
            name: name.to_owned(),
            file: format!("profiles/{name}.yaml"),
            text: text.to_owned(),
            is_standard: false,
        });
    }
    let is_path = name == STANDARD || name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
    if is_path {
        read_file(name)
    } else {
        Err(unknown_profile(name))
    }
}

/// Returns the mistake for an unknown profile, and suggests one.
pub fn unknown_profile(name: &str) -> Mistakes {
    let known: Vec<&str> = profiles::names().collect();
    let list = format!(
        "profiles are {}; give a file by its path, `./{}.yaml`",
        known.join(", "),
        "name"
    );
    let commands = cli::command_names();
    let words: Vec<&str> = known
        .iter()
        .copied()
        .chain(commands.iter().map(String::as_str))
        .collect();
    let hint = match nearest(&name.to_lowercase(), &words) {
        _ if name == "version" => "`llmload-uring --version` prints the version".to_owned(),
        Some(word) => format!("did you mean `{word}`? {list}"),
        None => list,
    };
    Reason::new("unknown profile")
        .hint(hint)
        .at(quoted(name), 0)
        .into()
}

/// Returns a variable. What is no text in it becomes U+FFFD, which no key may have, instead of making it absent.
pub(crate) fn variable(name: &str) -> Option<String> {
    Some(std::env::var_os(name)?.to_string_lossy().into_owned())
}

/// The name that means standard input instead of a file.
const STANDARD: &str = "-";

/// Reads the document at `path`, or from standard input. Paths in the latter are relative to the directory that the
/// program was started in.
fn read_file(path: &str) -> Result<Source, Mistakes> {
    let mut bytes = Vec::new();
    let is_standard = path == STANDARD;
    let (path, name) = match is_standard {
        true => ("standard input", "stdin"),
        false => (path, path),
    };
    // Reading one byte more than the limit shows whether a document is too long.
    let limit = DOCUMENT_BYTES_MAX as u64 + 1;
    let read = match is_standard {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => open_input(Path::new(path)).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    let wrong = |what: String| Mistakes::from(Reason::new(what).at(path, 0));
    read.map_err(|e| {
        let reason = Reason::new(format!("cannot be read: {e}"));
        let hint = "`llmload-uring profiles show workload` prints a document to start from";
        Mistakes::from(reason.hint(hint).at(path, 0))
    })?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(wrong(format!(
            "larger than the limit of {DOCUMENT_BYTES_MAX} bytes"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        wrong(format!(
            "not UTF-8 text: byte {} is invalid",
            e.utf8_error().valid_up_to()
        ))
    })?;
    Ok(Source {
        name: name.to_owned(),
        file: path.to_owned(),
        text,
        is_standard,
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
