//! The subcommand `config check`: prints the run that a document describes, as lines for people and as a document that
//! can be read again.

use crate::api::{BodySettings, Setting};
use crate::cli::{ConfigAction, ConfigArgs};
use crate::config::{
    Config, RequestConfig, ServerChoice, ServerEntry, SimulatorSettings, ThresholdConfig, ids_text, load_plan,
};
use crate::discover::api_of;
use crate::error::{Mistake, Mistakes, Reason, is_unsafe, one_line, printable, shown_path, yaml_escaped};
use crate::plan::{Plan, Threshold, ThresholdMetric};
use crate::units::Nanos;
use crate::units::{bytes, format_duration, grouped, redact};
use crate::workload::{Call, Chat, Prompts, Rows, Sampling, Tokens};
use saphyr::{Mapping, Scalar, ScalarStyle, Yaml, YamlEmitter};
use std::fmt::Write;

/// The characters of further members that are shown.
const EXTRA_CHARS_MAX: usize = 200;

pub fn check(args: &ConfigArgs) -> Result<String, Mistakes> {
    let ConfigAction::Check(run) = &args.action;
    let (config, plan) = load_plan(run)?;
    let mut out = String::new();
    for line in comment_lines(&config, &plan) {
        // Escaped, because a text from the document must not end its comment.
        let _ = writeln!(out, "# {}", one_line(&line));
    }
    out.push_str(&document(&config).map_err(|what| internal(&config, what))?);
    Ok(out)
}

fn internal(config: &Config, what: String) -> Mistake {
    Reason::new(what).at(config.profile.as_str(), 0)
}

/// Returns the lines that say what cannot be seen at once in the document itself.
fn comment_lines(config: &Config, plan: &Plan) -> Vec<String> {
    let mut out = vec![format!("{}: valid; nothing was sent", config.profile)];
    out.extend(servers(config));
    out.push(format!("load      {}", config.executor.in_words()));
    out.push(format!("time      {}", length(config)));
    out.extend(connections(config));
    let total: u64 = config.requests.iter().map(|r| u64::from(r.weight)).sum();
    let requests = config
        .requests
        .iter()
        .map(|r| format!("request   {}", request(r, total)));
    out.extend(requests);
    out.extend(sessions(config, plan));
    if config.thresholds.is_empty() {
        out.push("threshold none: the exit code does not depend on the figures".to_owned());
    }
    let thresholds = config.thresholds.iter();
    out.extend(thresholds.map(threshold));
    out.push(format!("files     {}", files(config)));
    out.extend(config.notes.iter().map(|note| format!("note      {note}")));
    out
}

fn servers(config: &Config) -> Vec<String> {
    let total: u64 = config
        .servers()
        .iter()
        .map(|server| u64::from(server.weight))
        .sum();
    let line = |server: &ServerEntry| {
        let api = match (server.api, api_of(&server.base_url)) {
            (Some(api), _) => format!("{} as given", api.row().title),
            (None, Some(api)) => format!("{} by its path", api.row().title),
            (None, None) => "API found by asking the server".to_owned(),
        };
        let mut text = match &server.name {
            Some(name) => format!("server    {name}: "),
            None => "server    ".to_owned(),
        };
        let url = redact(&server.base_url);
        let _ = match config.paired {
            true => write!(text, "every request, {url}, {api}"),
            false => {
                let share = 100.0 * f64::from(server.weight) / total as f64;
                write!(text, "{share:.1} % of requests, {url}, {api}")
            }
        };
        if let Some(model) = &server.model_alias {
            let _ = write!(text, ", model {model}");
        }
        text
    };
    let started = match &config.server {
        ServerChoice::Running(_) | ServerChoice::Command { server: Some(_), .. } => {
            return config.servers().iter().map(line).collect();
        }
        ServerChoice::Command { command, .. } => {
            format!("`{}`, started and stopped by the run", command.program)
        }
        ServerChoice::Simulator(SimulatorSettings { port: Some(port), .. }) => {
            format!("whatever answers at port {port} of this host, otherwise the built-in simulator there")
        }
        ServerChoice::Simulator(_) => "the built-in simulator, started and stopped by the run".to_owned(),
    };
    vec![format!("server    {started}")]
}

/// Returns how connections are made, unless it is the usual way.
fn connections(config: &Config) -> Option<String> {
    let one = config
        .connection
        .is_per_request()
        .then(|| "one for each request".to_owned());
    let from = match config.source_address.addresses.as_slice() {
        [] => None,
        [only] => Some(format!("from {only}")),
        several => Some(format!("from {} addresses of this host in turn", several.len())),
    };
    let parts: Vec<String> = one.into_iter().chain(from).collect();
    (!parts.is_empty()).then(|| format!("connect   {}", parts.join(", ")))
}

fn length(config: &Config) -> String {
    let duration = config.executor.duration();
    let mut text = match config.executor.iterations_of_all() {
        Some(_) => format!("at most {}", format_duration(duration)),
        None => format_duration(duration),
    };
    if config.warmup > 0 {
        let _ = write!(text, " after a warm-up of {}", format_duration(config.warmup));
    }
    let _ = write!(
        text,
        ", and up to {} more for requests in flight",
        format_duration(config.graceful_stop)
    );
    let servers = config.servers().len();
    // With contention, each server is loaded alone, then all together.
    let phases = if config.contention { servers as u64 + 1 } else { 1 };
    let runs = phases * u64::from(config.repeat);
    if runs > 1 {
        let one = config.warmup.saturating_add(duration);
        let all = format_duration(Nanos::saturating_mul(one, runs));
        let why = match (config.contention, config.repeat) {
            (true, 1) => "each server alone, then all together".to_owned(),
            (true, n) => format!("{n} times each server alone, then all together"),
            (false, n) => format!("repeated {n} times"),
        };
        let _ = write!(
            text,
            "; {why}: {runs} runs, {all} in total without the time for requests in flight"
        );
    }
    text
}

fn request(request: &RequestConfig, total: u64) -> String {
    let share = match &request.arrivals {
        Some(arrivals) => arrivals.rates_in_words(),
        None => format!("{:.1} %", 100.0 * f64::from(request.weight) / total as f64),
    };
    let name = &request.name;
    let what = match &request.call {
        Call::Light => "a light GET".to_owned(),
        Call::Get { path } => format!("GET of {}", path.name()),
        Call::Chat(Chat {
            stream,
            max_tokens,
            prompts,
            settings,
            ..
        }) => {
            let kind = if *stream { "streamed" } else { "not streamed" };
            let tokens = max_tokens.in_words();
            let prompts = match prompts {
                Prompts::List(texts) => format!("one of {} prompts", texts.len()),
                Prompts::Rows(rows) => of_dataset(request, rows),
                Prompts::Made { tokens, .. } => {
                    format!("prompts of {} tokens made from the seed", tokens.in_words())
                }
                Prompts::Ids { tokens, vocabulary } => format!(
                    "prompts of {} token ids from {} to {} made from the seed",
                    tokens.in_words(),
                    vocabulary.min,
                    vocabulary.max
                ),
                Prompts::Shared(shared) => shared.in_words(),
            };
            format!(
                "{kind}, answers of at most {tokens} tokens, {prompts}{}",
                body(settings)
            )
        }
    };
    let timeout = format_duration(request.timeout);
    let good = match request.goodput.is_empty() {
        true => String::new(),
        false => format!(", good if {}", request.goodput),
    };
    let busts = request.call.chat().is_some_and(|chat| chat.cache_bust.is_some());
    let busts = if busts {
        ", no two prompts alike in their beginning"
    } else {
        ""
    };
    let cancel = request.call.chat().and_then(|chat| chat.cancel.as_ref());
    let cancelled = cancel.map_or(String::new(), |cancel| format!(", {cancel} cancelled"));
    format!("{name}: {share}, {what}, timeout {timeout}{busts}{cancelled}{good}")
}

/// Returns how the sessions of each conversation go, and the memory that is planned for them.
fn sessions(config: &Config, plan: &Plan) -> Vec<String> {
    let each = config.requests.iter().filter_map(|request| {
        let conversation = request.call.conversation()?.in_words();
        Some(format!("sessions  {}: {conversation}", request.name))
    });
    let mut out: Vec<String> = each.collect();
    if let Some(planned) = plan.planned_histories() {
        out.push(format!(
            "memory    histories of {} sessions at a time: {}, and {} for the requests that send them",
            planned.sessions,
            bytes(planned.all),
            bytes(planned.requests)
        ));
    }
    out
}

/// Says which rows of which dataset a request takes.
fn of_dataset(request: &RequestConfig, rows: &Rows) -> String {
    let Some(dataset) = &request.dataset else {
        return "rows of a dataset".to_owned();
    };
    let order = match rows.sampling {
        Sampling::Sequential => "in order",
        Sampling::Shuffle => "in an order of the seed, each once before any again",
        Sampling::Random => "any for each request",
    };
    let lengths = match rows.own_lengths {
        true => "or as many as the row says, ",
        false => "",
    };
    let tokens = match rows.tokens {
        Tokens::AsTaken => String::new(),
        Tokens::Words => ", tokens as words".to_owned(),
        Tokens::Ids(vocabulary) => format!(", tokens as ids {}", ids_text(vocabulary)),
    };
    let count = grouped(rows.dataset.len() as u64);
    let (file, format) = (dataset.shown(), dataset.format.name());
    format!("{lengths}{count} rows of {file} ({format}), {order}{tokens}")
}

/// Returns what bodies have besides, if there is anything.
fn body(settings: &BodySettings) -> String {
    let mut text = String::new();
    for (setting, json) in settings.values() {
        let _ = match setting {
            Setting::Tools => write!(text, ", tools"),
            _ => write!(text, ", {} {}", setting.key(), one_line(json)),
        };
    }
    if let Some(system) = settings.system() {
        let _ = write!(text, ", a system prompt of {} bytes", system.text.len());
    }
    if !settings.extra().is_empty() {
        let json = serde_json::to_string(settings.extra()).unwrap_or_default();
        let _ = write!(text, ", extra_body {}", printable(&json, EXTRA_CHARS_MAX));
    }
    text
}

/// Returns a threshold as it was written, and a limit of time with its unit.
fn threshold(asked: &ThresholdConfig) -> String {
    let text = format!("threshold {}: {}", asked.metric, asked.expression);
    match Threshold::parse(&asked.metric, &asked.expression) {
        Ok(parsed)
            if matches!(
                parsed.metric,
                ThresholdMetric::Trend(_) | ThresholdMetric::Paired(_)
            ) =>
        {
            format!("{text} ({})", parsed.says())
        }
        _ => text,
    }
}

fn files(config: &Config) -> String {
    let mut files = Vec::new();
    if let Some(path) = &config.output {
        files.push(shown_path(path));
    }
    if let Some(dir) = &config.results_dir {
        files.push(shown_path(dir.join("test_run_TIMESTAMP.json")));
    }
    let how = match config.run.details {
        true => "with every request",
        false => "without single requests",
    };
    let written = (!files.is_empty()).then(|| format!("{}, {how}", files.join(" and ")));
    let exports = config.run.exports.iter();
    let exports = exports.map(|export| format!("{} for {}", shown_path(&export.path), export.format.name));
    let all: Vec<String> = written.into_iter().chain(exports).collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join("; "),
    }
}

/// Writes the configuration as a document, which reads back as the same configuration, except for secrets in URLs:
/// these are left out.
pub fn document(config: &Config) -> Result<String, String> {
    // JSON is YAML too, and it keeps the order of the fields.
    let json = serde_json::to_string(config).map_err(|e| e.to_string())?;
    let mut loader = saphyr::YamlLoader::<Yaml<'_>>::default();
    loader.early_parse(false);
    let mut parser = saphyr_parser::Parser::new_from_str(&json);
    parser.load(&mut loader, false).map_err(|e| e.to_string())?;
    let Some(Yaml::Mapping(fields)) = loader.into_documents().into_iter().next() else {
        return Err("the configuration is not a mapping".to_owned());
    };
    let kept = fields.into_iter().filter(|(key, _)| !is_run_key(key));
    let tree = Yaml::Mapping(
        kept.map(|(key, value)| (requoted(key), requoted(value)))
            .collect::<Mapping<'_>>(),
    );
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    emitter.dump(&tree).map_err(|e| e.to_string())?;
    text.push('\n');
    Ok(text)
}

/// Tells whether the key holds settings of a single run, which documents do not have.
fn is_run_key(key: &Yaml<'_>) -> bool {
    matches!(key, Yaml::Representation(text, ..) if Config::RUN_KEYS.contains(&text.as_ref()))
}

/// Turns quoted scalars into strings, which the emitter quotes only if they need it. Strings that a terminal would not
/// show as they are stay quoted, with escapes. Numbers and booleans stay as they were written.
fn requoted(node: Yaml<'_>) -> Yaml<'_> {
    match node {
        Yaml::Representation(text, style @ ScalarStyle::DoubleQuoted, _) if text.contains(is_unsafe) => {
            Yaml::Representation(yaml_escaped(&text).into(), style, None)
        }
        Yaml::Representation(text, ScalarStyle::DoubleQuoted, _) => Yaml::Value(Scalar::String(text)),
        Yaml::Sequence(items) => Yaml::Sequence(items.into_iter().map(requoted).collect()),
        Yaml::Mapping(map) => {
            let pairs = map
                .into_iter()
                .map(|(key, value)| (requoted(key), requoted(value)));
            Yaml::Mapping(pairs.collect())
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "config_check_tests.rs"]
mod tests;
