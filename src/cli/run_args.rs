//! Options of a run.

use crate::cli::{DocumentArgs, PushArgs, ServerArgs, ShardArgs, StageList};
use crate::host::CpuList;
use crate::units::Nanos;
use crate::units::Span;
use crate::units::{Secret, parse_count_span, parse_duration, parse_duration_span};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;

const LOAD: &str = "Load";
const REQUESTS: &str = "Requests";
const TARGET: &str = "Target";
const MEASUREMENT: &str = "Measurement";
const OUTPUT: &str = "Output";

/// Where arrival times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stamp {
    /// The kernel's receive timestamps
    Kernel,
    /// The clock when the program reads the data
    User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// For a terminal where there is one
    Auto,
    /// A line every 10 s
    Plain,
    /// Nothing
    None,
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Built-in profile (see `llmload-uring profiles`) or path of a YAML file
    #[arg(required_unless_present = "config", value_name = "PROFILE")]
    pub profile: Option<String>,

    #[command(flatten)]
    pub document: DocumentArgs,

    /// Virtual users: scales a ramp so that this is its peak
    #[arg(short = 'u', long, env = "LLMLOAD_VUS", hide_env = true, value_name = "N", help_heading = LOAD)]
    pub vus: Option<u32>,

    /// Run this long with a constant number of users (--vus, or the profile's peak) in place of its shape
    #[arg(short, long, env = "LLMLOAD_DURATION", hide_env = true, value_name = "DURATION", value_parser = parse_duration, help_heading = LOAD)]
    pub duration: Option<Nanos>,

    /// Make N requests in all, shared by --vus users (or the profile's peak); with --duration as the time limit
    #[arg(short, long, env = "LLMLOAD_ITERATIONS", hide_env = true, value_name = "N", help_heading = LOAD)]
    pub iterations: Option<u64>,

    /// Stages in place of the profile's shape: DURATION:VUS,...
    #[arg(short, long, env = "LLMLOAD_STAGES", hide_env = true, value_name = "STAGES", help_heading = LOAD)]
    pub stages: Option<StageList>,

    /// Multiply the length of every stage or duration, 0.1 runs ten times faster
    #[arg(long, env = "LLMLOAD_TIME_SCALE", hide_env = true, value_name = "F", help_heading = LOAD)]
    pub time_scale: Option<f64>,

    /// How long requests may finish after the end [profile's, or 30s]
    #[arg(long, env = "LLMLOAD_GRACEFUL_STOP", hide_env = true, value_name = "DURATION", value_parser = parse_duration, help_heading = LOAD)]
    pub graceful_stop: Option<Nanos>,

    #[command(flatten)]
    pub sharding: ShardArgs,

    /// The same seed gives each user the same requests, on any number of cores
    #[arg(long, env = "LLMLOAD_SEED", hide_env = true, value_name = "N", help_heading = REQUESTS)]
    pub seed: Option<u64>,

    /// Share of streams among chat requests, 0 to 1
    #[arg(long, env = "LLMLOAD_STREAMING_RATIO", hide_env = true, value_name = "0..1", help_heading = REQUESTS)]
    pub streaming_ratio: Option<f64>,

    /// Pause of a user after each request: 100ms, 10ms-60ms or 0
    #[arg(long, env = "LLMLOAD_THINK_TIME", hide_env = true, value_name = "SPAN", value_parser = parse_duration_span, help_heading = REQUESTS)]
    pub think_time: Option<Span<Nanos>>,

    /// Generation limit of every chat request: 50 or 50-200
    #[arg(long, env = "LLMLOAD_MAX_TOKENS", hide_env = true, value_name = "N", value_parser = parse_count_span, help_heading = REQUESTS)]
    pub max_tokens: Option<Span<u32>>,

    /// Member of the body that holds the generation limit, for servers that refuse `max_tokens`
    #[arg(long, env = "LLMLOAD_MAX_TOKENS_KEY", hide_env = true, value_name = "KEY", value_parser = ["max_tokens", "max_completion_tokens"], help_heading = REQUESTS)]
    pub max_tokens_key: Option<String>,

    /// Whether streams are asked for their token counts by `stream_options`, which some servers refuse
    #[arg(long, env = "LLMLOAD_STREAM_OPTIONS", hide_env = true, value_name = "BOOL", value_parser = BoolishValueParser::new(), help_heading = REQUESTS)]
    pub stream_options: Option<bool>,

    /// Model of every chat request; several times for a list [the server's, where it has one]
    #[arg(long = "model", env = "LLMLOAD_MODEL", hide_env = true, value_name = "NAME", help_heading = REQUESTS)]
    pub models: Vec<String>,

    /// Prompt of every chat request; several times for a list
    #[arg(long = "prompt", env = "LLMLOAD_PROMPT", hide_env = true, value_name = "TEXT", help_heading = REQUESTS)]
    pub prompts: Vec<String>,

    /// Server under test, in place of the built-in simulator
    #[arg(long, env = "LLMLOAD_TARGET_URL", hide_env = true, hide_env_values = true, value_name = "URL", help_heading = TARGET)]
    pub target: Option<String>,

    /// What k6 scripts call it; used where `--target` is not given.
    #[arg(
        long,
        env = "K6_TARGET_URL",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub k6_target_url: Option<String>,

    /// Start no server: there is one at --target or --port
    #[arg(long, env = "LLMLOAD_NO_SERVER", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = TARGET)]
    pub no_server: bool,

    /// Port of the simulator on this host [any free one]
    #[arg(long, env = "LLMLOAD_PORT", hide_env = true, value_name = "N", help_heading = TARGET)]
    pub port: Option<u16>,

    /// Wait so long for a server that starts or loads its model: no connection yet, or 502, 503, 504
    #[arg(long, env = "LLMLOAD_WAIT_FOR_TARGET", hide_env = true, value_name = "DURATION", value_parser = parse_duration, help_heading = TARGET)]
    pub wait_for_target: Option<Nanos>,

    #[command(flatten)]
    pub server: ServerArgs,

    /// Header of every request, 'Name: value'; several times for more
    #[arg(long = "header", env = "LLMLOAD_HEADER", hide_env = true, hide_env_values = true, value_name = "HEADER", help_heading = TARGET)]
    pub headers: Vec<Secret>,

    /// File with the API key, sent as a bearer token
    #[arg(long, env = "LLMLOAD_API_KEY_FILE", hide_env = true, value_name = "FILE", help_heading = TARGET)]
    pub api_key_file: Option<PathBuf>,

    /// From the environment; on a command line every user of the host could read it.
    #[arg(
        long,
        env = "LLMLOAD_API_KEY",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub api_key: Option<Secret>,

    /// PEM file with certificates to trust beside the system's, for an https target
    #[arg(long, env = "LLMLOAD_CACERT", hide_env = true, value_name = "FILE", help_heading = TARGET)]
    pub cacert: Option<PathBuf>,

    /// Accept any certificate of an https target; the report says so
    #[arg(long, env = "LLMLOAD_INSECURE", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = TARGET)]
    pub insecure: bool,

    /// Do not ask or wait before loading a public address
    #[arg(long, env = "LLMLOAD_YES", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = TARGET)]
    pub yes: bool,

    /// Worker cores [all that are free for it]
    #[arg(long, env = "LLMLOAD_CORES", hide_env = true, value_name = "N", help_heading = MEASUREMENT)]
    pub cores: Option<u32>,

    /// CPUs of the workers: 1-3,5
    #[arg(long, env = "LLMLOAD_CPUS", hide_env = true, value_name = "LIST", help_heading = MEASUREMENT)]
    pub cpus: Option<CpuList>,

    /// Where arrival times come from
    #[arg(long, env = "LLMLOAD_STAMP", hide_env = true, value_enum, default_value_t = Stamp::Kernel, help_heading = MEASUREMENT)]
    pub stamp: Stamp,

    /// Longest wait for more data before reading; 0 wakes for each event
    #[arg(long, env = "LLMLOAD_MIN_WAIT", hide_env = true, value_name = "DURATION", value_parser = parse_duration, default_value = "1ms", help_heading = MEASUREMENT)]
    pub min_wait: Nanos,

    /// Leave delayed ACKs on
    #[arg(long, env = "LLMLOAD_NO_QUICKACK", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = MEASUREMENT)]
    pub no_quickack: bool,

    /// Compare arrivals with the send stamps of `mock --stamp`.
    #[arg(long, env = "LLMLOAD_VERIFY_STAMPS", hide_env = true, value_parser = BoolishValueParser::new(), hide = true)]
    pub verify_stamps: bool,

    /// Pass or fail (exit code 99) by 'METRIC: EXPRESSION' or 'METRIC{TAG:VALUE}: EXPRESSION'; several times for
    /// more, or parted by `;`. Beside the profile's
    #[arg(long = "threshold", env = "LLMLOAD_THRESHOLD", hide_env = true, value_name = "THRESHOLD", help_heading = MEASUREMENT)]
    pub thresholds: Vec<String>,

    /// Exit code 113 where the generator could have spoilt the figures, and not the server
    #[arg(long, env = "LLMLOAD_REQUIRE_FIT", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = MEASUREMENT)]
    pub require_fit: bool,

    /// Write the result as JSON
    #[arg(short, long, env = "LLMLOAD_OUTPUT", hide_env = true, value_name = "FILE", help_heading = OUTPUT)]
    pub output: Option<PathBuf>,

    /// Every request in that file, too
    #[arg(long, env = "LLMLOAD_DETAILS", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = OUTPUT)]
    pub details: bool,

    #[command(flatten)]
    pub push: PushArgs,

    /// While it runs
    #[arg(long, env = "LLMLOAD_PROGRESS", hide_env = true, value_enum, default_value_t = Progress::Auto, help_heading = OUTPUT)]
    pub progress: Progress,

    /// No progress and no summary: the exit code says it
    #[arg(short, long, env = "LLMLOAD_QUIET", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = OUTPUT)]
    pub quiet: bool,
}

impl RunArgs {
    /// Not empty where there is no `--config` and no subcommand: clap sees to it.
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or_default()
    }

    pub fn target(&self) -> Option<&str> {
        self.target.as_deref().or(self.k6_target_url.as_deref())
    }
}
