//! What the files of other tools state of a run apart from its figures: model, load, time.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::plan::{Arrival, read_arrival};
use crate::result::{RunResult, date_and_time};
use crate::units::{fnv, read_rate};

/// The traffic of a run, in the terms of the other tools.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// This program and its version.
    pub tool: String,
    pub version: String,
    /// vLLM's name of the API that was asked.
    pub backend: String,
    /// The models that requests named; empty if they named none.
    pub model: String,
    /// Requests per second that were asked for; `None` where users wait for their answers.
    pub rate: Option<f64>,
    /// The shape of the gamma distribution of the gaps between arrivals; `None` if it is infinite, which is to say that
    /// all gaps are alike, or if they are of another kind.
    pub burstiness: Option<f64>,
    /// The most users that wait for their answers; `None` at a rate.
    pub concurrency: Option<u64>,
    /// When the load began.
    pub started: OffsetDateTime,
}

/// Reads the traffic from the document.
pub fn traffic(result: &RunResult) -> Traffic {
    let config = &result.config;
    let is_open = result.rates.offered_per_second.is_some();
    let configured = config.get("rate").and_then(Value::as_str);
    let configured = configured.and_then(|text| read_rate(text).ok());
    let rate = configured.map(|rate| rate.per_second());
    let burstiness = match config.get("arrival").and_then(Value::as_str).map(read_arrival) {
        Some(Ok(Arrival::Gamma(shape))) => Some(shape),
        Some(Ok(Arrival::Poisson)) => Some(1.0),
        _ if is_open => None,
        // What vLLM writes where nothing arrives at a rate.
        _ => Some(1.0),
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let of_run = result
        .run
        .versions
        .get("llmload-uring")
        .cloned()
        .unwrap_or(version);
    Traffic {
        tool: format!("llmload-uring {of_run}"),
        version: of_run,
        backend: backend(config).to_owned(),
        model: result.run.models.as_deref().unwrap_or_default().join(","),
        rate: is_open
            .then_some(rate.or(result.rates.offered_per_second))
            .flatten(),
        burstiness,
        concurrency: (!is_open).then_some(result.totals.peak_vus),
        started: OffsetDateTime::parse(&result.run.started_at, &Rfc3339)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH),
    }
}

impl Traffic {
    /// Returns the start in seconds since 1970.
    pub fn started_seconds(&self) -> f64 {
        self.started.unix_timestamp_nanos() as f64 / 1e9
    }

    /// Returns the start as vLLM writes it: `20260102-030405`. It is UTC here and local time there.
    pub fn started_as_digits(&self) -> String {
        date_and_time(self.started, '-')
    }
}

/// Returns a name for the run that the same document always has.
pub fn run_id(result: &RunResult) -> String {
    let run = &result.run;
    let text = format!(
        "{}\n{}\n{}\n{}",
        run.started_at, run.target, run.duration_seconds, result.config
    );
    format!("{:016x}", fnv(text.as_bytes()))
}

/// Returns vLLM's name for the API of the first server that has one.
fn backend(config: &Value) -> &str {
    let of_server = |server: &Value| server.get("api").and_then(Value::as_str).map(str::to_owned);
    let servers = config.get("servers").and_then(Value::as_array);
    let listed = servers.and_then(|servers| servers.iter().find_map(of_server));
    let api = listed
        .or_else(|| of_server(config.get("server")?))
        .or_else(|| of_server(config));
    match api.as_deref() {
        Some("completions") => "openai",
        Some("responses") => "openai-responses",
        Some("llamacpp") => "llama.cpp",
        Some("tgi") => "tgi",
        _ => "openai-chat",
    }
}
