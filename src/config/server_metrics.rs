//! Whose own account of the load is read: the key `server_metrics` and the options `--server-metrics`.

use crate::cli::ServerMetricsArgs;
use crate::config::Config;
use crate::config::document::reader::{Fields, Reader, is_mapping, scalar, sequence, truth};
use crate::discover::Url;
use crate::error::{Mistake, Place, Reason, quoted};
use crate::http1::check_path;
use crate::units::redact;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

const NONE: &str = "none";
const TARGET: &str = "target";
/// The most URLs, and names of metrics.
const URLS_MAX: usize = 16;
const NAMES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 256;
const KEYS: [&str; 2] = ["urls", "names"];

/// Whether servers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsChoice {
    /// Those that are loaded, if they show metrics.
    #[default]
    Auto,
    /// The same, and it is said if one does not.
    Asked,
    None,
}

/// The servers that are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerMetricsConfig {
    pub choice: MetricsChoice,
    /// Further ones, each with its place.
    pub urls: Vec<(String, Place)>,
    /// Names of metrics that are kept besides the known ones.
    pub names: Vec<String>,
}

impl ServerMetricsConfig {
    pub fn is_default(&self) -> bool {
        *self == ServerMetricsConfig::default()
    }

    /// Takes one word: `none`, `target`, or a URL.
    fn take(&mut self, text: &str, place: &Place) -> Result<(), Mistake> {
        match text {
            NONE => self.choice = MetricsChoice::None,
            TARGET => self.choice = MetricsChoice::Asked,
            url => {
                let url = metrics_url(url).map_err(|reason| place.mistake(reason))?;
                self.choice = MetricsChoice::Asked;
                if !self.urls.iter().any(|(known, _)| *known == url) {
                    self.urls.push((url, place.clone()));
                }
            }
        }
        Ok(())
    }

    fn check(&self, contradicts: bool, place: &Place) -> Result<(), Mistake> {
        if contradicts {
            let reason = Reason::new("`none` contradicts the other values");
            return Err(place.mistake(reason.hint("write `none` alone, or leave it out")));
        }
        if self.urls.len() > URLS_MAX {
            let what = format!("{} URLs are more than the limit of {URLS_MAX}", self.urls.len());
            return Err(place.mistake(Reason::new(what)));
        }
        Ok(())
    }
}

impl Serialize for ServerMetricsConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.choice == MetricsChoice::None {
            return to.serialize_str(NONE);
        }
        if self.urls.is_empty() && self.names.is_empty() {
            return to.serialize_str(TARGET);
        }
        let mut map = to.serialize_map(None)?;
        let urls: Vec<String> = self.urls.iter().map(|(url, _)| redact(url)).collect();
        if !urls.is_empty() {
            map.serialize_entry("urls", &urls)?;
        }
        if !self.names.is_empty() {
            map.serialize_entry("names", &self.names)?;
        }
        map.end()
    }
}

/// Reads a URL with or without a scheme and a path; without one it is that of `/metrics`.
fn metrics_url(text: &str) -> Result<String, Reason> {
    let hint = "write `none`, `target`, or the URL of metrics, such as http://HOST:9400/metrics";
    let bare = text.split(['/', '?']).next().unwrap_or_default();
    if !text.contains("://") && !bare.contains(':') && !bare.contains('.') {
        return Err(Reason::new(format!("{} is no URL", quoted(text))).hint(hint));
    }
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = Url::read(&full).map_err(|reason| reason.hint(hint))?;
    let path = match url.path.is_empty() {
        true => "/metrics".to_owned(),
        false => format!("{}{}", url.path, url.slashes),
    };
    check_path(&path).map_err(|e| Reason::new(format!("{}: {e}", quoted(&path))).hint(hint))?;
    Ok(format!("{}{path}{}", url.origin(), url.query))
}

/// Reads a name of a metric as Prometheus writes it.
fn metric_name(text: &str) -> Result<String, Reason> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':'));
    if !begins || !text.chars().all(is_of_name) || text.len() > NAME_BYTES_MAX {
        let what = format!("{} is no name of a metric", quoted(text));
        let hint = "write it as /metrics shows it, without labels and without _bucket, _sum or _count: \
                    process_cpu_seconds_total";
        return Err(Reason::new(what).hint(hint));
    }
    Ok(text.to_owned())
}

/// Reads the key `server_metrics`.
pub fn read_server_metrics(reader: &mut Reader<'_>, fields: &Fields<'_>) -> ServerMetricsConfig {
    const KEY: &str = "server_metrics";
    let mut config = ServerMetricsConfig::default();
    let Some(node) = fields.node(KEY) else {
        return config;
    };
    let line = fields.line_of(KEY);
    let place = reader.place(line);
    if is_mapping(node) {
        let Some(open) = reader.mapping(KEY, node, &KEYS) else {
            return config;
        };
        config.choice = MetricsChoice::Asked;
        for (text, line) in reader.one_or_more(&open, "urls", URLS_MAX) {
            let place = reader.place(line);
            if let Err(mistake) = config.take(&text, &place) {
                reader.mistakes.push(mistake);
            }
        }
        for (text, line) in reader.one_or_more(&open, "names", NAMES_MAX) {
            match metric_name(&text) {
                Ok(name) => config.names.push(name),
                Err(reason) => reader.mistake(line, reason),
            }
        }
        return config;
    }
    let texts: Vec<String> = match scalar(node) {
        Some(text) => match truth(text) {
            Some(true) => vec![TARGET.to_owned()],
            Some(false) => vec![NONE.to_owned()],
            None => vec![text.to_owned()],
        },
        None => sequence(node)
            .iter()
            .map(|item| scalar(item).unwrap_or_default().to_owned())
            .collect(),
    };
    let contradicts = texts.len() > 1 && texts.iter().any(|text| text == NONE);
    for text in &texts {
        if let Err(mistake) = config.take(text, &place) {
            reader.mistakes.push(mistake);
        }
    }
    if let Err(mistake) = config.check(contradicts, &place) {
        reader.mistakes.push(mistake);
    }
    config
}

/// Lays the options over the key. URLs of options replace those of the document; names are added.
pub fn overlay_server_metrics(config: &mut Config, args: &ServerMetricsArgs, mistakes: &mut Vec<Mistake>) {
    let place = Place::option("--server-metrics");
    let own = &mut config.server_metrics;
    if let Some(texts) = &args.server_metrics {
        let mut asked = ServerMetricsConfig {
            choice: MetricsChoice::Asked,
            urls: Vec::new(),
            names: std::mem::take(&mut own.names),
        };
        let contradicts = texts.len() > 1 && texts.iter().any(|text| text == NONE);
        for text in texts {
            mistakes.extend(asked.take(text, &place).err());
        }
        mistakes.extend(asked.check(contradicts, &place).err());
        *own = asked;
    }
    for text in &args.server_metrics_names {
        match metric_name(text) {
            Ok(name) if own.names.contains(&name) => {}
            Ok(name) => own.names.push(name),
            Err(reason) => mistakes.push(reason.at("--server-metrics-name", 0)),
        }
    }
    if own.names.len() > NAMES_MAX {
        let what = format!("{} names are more than the limit of {NAMES_MAX}", own.names.len());
        mistakes.push(Reason::new(what).at("--server-metrics-name", 0));
    }
    if args.no_server_metrics {
        if args.server_metrics.is_some() || !args.server_metrics_names.is_empty() {
            let reason = Reason::new("contradicts `--server-metrics`")
                .hint("remove one of them (check LLMLOAD_… variables as well)");
            mistakes.push(reason.at("--no-server-metrics", 0));
        }
        *own = ServerMetricsConfig {
            choice: MetricsChoice::None,
            ..ServerMetricsConfig::default()
        };
    } else if own.choice == MetricsChoice::None && !args.server_metrics_names.is_empty() {
        let reason = Reason::new("has no effect: no server's metrics are read");
        let hint = "leave `none` out, or the names";
        mistakes.push(reason.hint(hint).at("--server-metrics-name", 0));
    }
}

#[cfg(test)]
#[path = "server_metrics_tests.rs"]
mod tests;
