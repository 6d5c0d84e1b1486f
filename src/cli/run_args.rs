//! Options of a run.

use crate::api::Api;
use crate::cli::values::api::api_name;
use crate::cli::values::number::{
    TurnsAsked, count, duration, lengths, number, part_of_load, pause, seed, short_time, turns,
};
use crate::cli::{
    BodyArgs, ConnectionArgs, CoordinateArgs, DatasetArgs, DocumentArgs, FilesArgs, LengthArgs,
    MetricsListenArgs, PushArgs, ServerArgs, ServerMetricsArgs, ShardArgs, StageList, TraceArgs,
};
use crate::export::{Export, parse_export};
use crate::host::{CpuList, IoChoice};
use crate::lengths::Lengths;
use crate::metrics::Goodput;
use crate::plan::{
    Arrival, CORES_MAX, DURATION_MAX, ITERATIONS_MAX, MAX_TOKENS_MAX, MIN_WAIT_MAX, TARGET_WAIT_MIN,
    THINK_TIME_MAX, TIME_SCALE, TURNS_MAX, VUS_MAX, parse_cancel, parse_goodput, read_arrival,
};
use crate::units::Nanos;
use crate::units::Span;
use crate::units::{MILLISECOND, Rate, Secret, read_rate};
use crate::workload::{BATCH_MAX, Cancel};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;

const LOAD: &str = "Load";
const REQUESTS: &str = "Requests";
const TARGET: &str = "Target";
const MEASUREMENT: &str = "Measurement";
const OUTPUT: &str = "Output";

/// The clock that arrival times come from.
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
    /// A live block on a terminal, otherwise a line every 10 s
    Auto,
    /// A line every 10 s
    Plain,
    /// Nothing
    None,
}

/// How much the text at the end of a run shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Summary {
    /// The verdict and the figures that decide, on one screen
    Brief,
    /// All figures, on as many lines as they need
    Full,
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Built-in profile (see `llmload-uring profiles`) or path of a YAML file
    #[arg(required_unless_present = "config", value_name = "PROFILE")]
    pub profile: Option<String>,

    /// Server to load, instead of the built-in simulator
    #[arg(long, env = "LLMLOAD_TARGET_URL", hide_env = true, hide_env_values = true, value_name = "URL", help_heading = TARGET)]
    pub target: Option<String>,

    /// The name that k6 scripts use for the target; read if `--target` is not given.
    #[arg(
        long,
        env = "K6_TARGET_URL",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub k6_target_url: Option<String>,

    /// API of the target, where the path of its URL does not say it: chat, completions, responses, ...
    #[arg(long, env = "LLMLOAD_API", hide_env = true, value_name = "NAME", value_parser = api_name(), hide_possible_values = true, help_heading = TARGET)]
    pub api: Option<Api>,

    /// Do not start a server; one is already running at --target or --port
    #[arg(long, env = "LLMLOAD_NO_SERVER", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = TARGET)]
    pub no_server: bool,

    /// Port of the simulator on this host [any free port]
    #[arg(long, env = "LLMLOAD_PORT", hide_env = true, value_name = "N", value_parser = count(1..=u16::MAX), help_heading = TARGET)]
    pub port: Option<u16>,

    /// How long to wait for a server that is starting or loading its model (no connection yet, or 502, 503, 504)
    #[arg(long, env = "LLMLOAD_WAIT_FOR_TARGET", hide_env = true, value_name = "DURATION", value_parser = duration(TARGET_WAIT_MIN..=DURATION_MAX), help_heading = TARGET)]
    pub wait_for_target: Option<Nanos>,

    /// Header to add to every request, 'Name: value'; repeatable
    #[arg(long = "header", env = "LLMLOAD_HEADER", hide_env = true, hide_env_values = true, value_name = "HEADER", help_heading = TARGET)]
    pub headers: Vec<Secret>,

    /// File that holds the API key, which is sent as a bearer token
    #[arg(long, env = "LLMLOAD_API_KEY_FILE", hide_env = true, value_name = "FILE", help_heading = TARGET)]
    pub api_key_file: Option<PathBuf>,

    /// The API key, from the environment only: every user of the host can read a command line.
    #[arg(
        long,
        env = "LLMLOAD_API_KEY",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub api_key: Option<Secret>,

    /// PEM file with certificates to trust in addition to the system's, for an https target
    #[arg(long, env = "LLMLOAD_CACERT", hide_env = true, value_name = "FILE", help_heading = TARGET)]
    pub cacert: Option<PathBuf>,

    /// Accept any certificate from an https target; the report says so
    #[arg(long, env = "LLMLOAD_INSECURE", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = TARGET)]
    pub insecure: bool,

    #[command(flatten)]
    pub connections: ConnectionArgs,

    /// Skip the pause before loading a public address
    #[arg(long, env = "LLMLOAD_YES", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = TARGET)]
    pub yes: bool,

    #[command(flatten)]
    pub document: DocumentArgs,

    /// Number of virtual users; a ramp is scaled so that this is its peak
    #[arg(short = 'u', long, env = "LLMLOAD_VUS", hide_env = true, value_name = "N", value_parser = count(1..=VUS_MAX), help_heading = LOAD)]
    pub vus: Option<u32>,

    /// Run for this long with a constant number of users (--vus, or the profile's peak) instead of the profile's stages
    #[arg(short, long, env = "LLMLOAD_DURATION", hide_env = true, value_name = "DURATION", value_parser = duration(MILLISECOND..=DURATION_MAX), help_heading = LOAD)]
    pub duration: Option<Nanos>,

    /// Make N requests in total, shared among --vus users (or the profile's peak); --duration limits the time
    #[arg(short, long, env = "LLMLOAD_ITERATIONS", hide_env = true, value_name = "N", value_parser = count(1..=ITERATIONS_MAX), help_heading = LOAD)]
    pub iterations: Option<u64>,

    /// Stages to use instead of the profile's: DURATION:VUS,... or, for arrivals at a rate, DURATION:RATE/s,...
    #[arg(short, long, env = "LLMLOAD_STAGES", hide_env = true, value_name = "STAGES", help_heading = LOAD)]
    pub stages: Option<StageList>,

    /// Send requests at this rate, whether or not earlier ones have been answered: 50, 20/s, 300/m (for --duration, or
    /// the profile's time)
    #[arg(long, env = "LLMLOAD_RATE", hide_env = true, value_name = "RATE", value_parser = read_rate, help_heading = LOAD)]
    pub rate: Option<Rate>,

    /// Pattern of arrivals at a rate: constant, uniform, poisson, scattered (as many as the rate asks for, at random), or
    /// gamma:SHAPE (the burstiness of `vllm bench serve`)
    /// [document's, or constant]
    #[arg(long, env = "LLMLOAD_ARRIVAL", hide_env = true, value_name = "PATTERN", value_parser = read_arrival, help_heading = LOAD)]
    pub arrival: Option<Arrival>,

    /// Most requests in flight at a rate [document's, or 10000 divided by the number of servers]
    #[arg(long, env = "LLMLOAD_MAX_IN_FLIGHT", hide_env = true, value_name = "N", value_parser = count(1..=VUS_MAX), help_heading = LOAD)]
    pub max_in_flight: Option<u32>,

    /// What happens to an arrival beyond --max-in-flight: `drop` counts it, `queue` lets it wait [document's, or drop]
    #[arg(long, env = "LLMLOAD_WHEN_FULL", hide_env = true, value_name = "WHAT", value_parser = ["drop", "queue"], help_heading = LOAD)]
    pub when_full: Option<String>,

    /// Multiply the length of every stage or duration by F, or the gaps of a trace; 0.1 runs ten times faster
    #[arg(long, env = "LLMLOAD_TIME_SCALE", hide_env = true, value_name = "F", value_parser = number(TIME_SCALE), help_heading = LOAD)]
    pub time_scale: Option<f64>,

    #[command(flatten)]
    pub trace: TraceArgs,

    /// How long requests that are still running at the end may take to finish [profile's, or 30s]
    #[arg(long, env = "LLMLOAD_GRACEFUL_STOP", hide_env = true, value_name = "DURATION", value_parser = part_of_load(0..=DURATION_MAX), help_heading = LOAD)]
    pub graceful_stop: Option<Nanos>,

    /// Seed of the requests; the same seed gives each user the same requests on any number of cores
    #[arg(long, env = "LLMLOAD_SEED", hide_env = true, value_name = "N", value_parser = seed, help_heading = REQUESTS)]
    pub seed: Option<u64>,

    /// Share of chat requests that ask for a stream, 0 to 1
    #[arg(long, env = "LLMLOAD_STREAMING_RATIO", hide_env = true, value_name = "0..1", value_parser = number(0.0..=1.0), help_heading = REQUESTS)]
    pub streaming_ratio: Option<f64>,

    /// How long a user pauses after each request: 100ms, 10ms-60ms or 0
    #[arg(long, env = "LLMLOAD_THINK_TIME", hide_env = true, value_name = "SPAN", value_parser = pause(0..=THINK_TIME_MAX), help_heading = REQUESTS)]
    pub think_time: Option<Span<Nanos>>,

    /// Make every chat request a conversation of so many turns, 5 or 3-8, each with what was said before; `all` makes
    /// conversations of the sessions of a --dataset [document's, or single requests]
    #[arg(long, env = "LLMLOAD_TURNS", hide_env = true, value_name = "LENGTHS|all", value_parser = turns(1..=TURNS_MAX), help_heading = REQUESTS)]
    pub turns: Option<TurnsAsked>,

    /// Token limit of every chat request: 50, 50-200, or a distribution such as normal(mean=200,std=50),
    /// lognormal(median=200,sigma=0.5), zipf(alpha=1.2,min=16,max=4096) or empirical(file=lengths.csv)
    #[arg(long, env = "LLMLOAD_MAX_TOKENS", hide_env = true, value_name = "LENGTHS", value_parser = lengths(1..=MAX_TOKENS_MAX), help_heading = REQUESTS)]
    pub max_tokens: Option<Lengths>,

    #[command(flatten)]
    pub lengths: LengthArgs,

    /// Member of the body that holds the token limit, for servers that refuse `max_tokens`
    #[arg(long, env = "LLMLOAD_MAX_TOKENS_KEY", hide_env = true, value_name = "KEY", value_parser = ["max_tokens", "max_completion_tokens"], help_heading = REQUESTS)]
    pub max_tokens_key: Option<String>,

    /// Whether to ask for token counts in streams with `stream_options`, which some servers refuse
    #[arg(long, env = "LLMLOAD_STREAM_OPTIONS", hide_env = true, value_name = "BOOL", value_parser = BoolishValueParser::new(), help_heading = REQUESTS)]
    pub stream_options: Option<bool>,

    /// Model of every chat request; repeat for a list [the server's model, if it has only one]
    #[arg(long = "model", env = "LLMLOAD_MODEL", hide_env = true, value_name = "NAME", help_heading = REQUESTS)]
    pub models: Vec<String>,

    /// Prompt of every chat request; repeat for a list
    #[arg(long = "prompt", env = "LLMLOAD_PROMPT", hide_env = true, value_name = "TEXT", help_heading = REQUESTS)]
    pub prompts: Vec<String>,

    /// The share of requests that their users cancel, and when: '10% after 5 tokens', '10% after 500ms-2s', or 'none'.
    /// These are neither ok nor failed [document's]
    #[arg(long, env = "LLMLOAD_CANCEL", hide_env = true, value_name = "SHARE after POINT", value_parser = parse_cancel, help_heading = REQUESTS)]
    pub cancel: Option<Cancel>,

    /// Texts of a request that embeds, or documents of one that ranks or scores [1]
    #[arg(long, env = "LLMLOAD_BATCH_SIZE", hide_env = true, value_name = "N", value_parser = count(1..=BATCH_MAX), help_heading = REQUESTS)]
    pub batch_size: Option<u32>,

    #[command(flatten)]
    pub datasets: DatasetArgs,

    #[command(flatten)]
    pub body: BodyArgs,

    #[command(flatten)]
    pub server: ServerArgs,

    #[command(flatten)]
    pub sharding: ShardArgs,

    #[command(flatten)]
    pub coordination: CoordinateArgs,

    /// Number of worker cores [all that are free]
    #[arg(long, env = "LLMLOAD_CORES", hide_env = true, value_name = "N", value_parser = count(1..=CORES_MAX), help_heading = MEASUREMENT)]
    pub cores: Option<u32>,

    /// CPUs for the workers: 1-3,5
    #[arg(long, env = "LLMLOAD_CPUS", hide_env = true, value_name = "LIST", help_heading = MEASUREMENT)]
    pub cpus: Option<CpuList>,

    /// Clock that arrival times are taken from
    #[arg(long, env = "LLMLOAD_STAMP", hide_env = true, value_enum, default_value_t = Stamp::Kernel, help_heading = MEASUREMENT)]
    pub stamp: Stamp,

    /// What drives the sockets
    #[arg(long, env = "LLMLOAD_IO", hide_env = true, value_enum, default_value_t = IoChoice::Auto, help_heading = MEASUREMENT)]
    pub io: IoChoice,

    /// Longest time to wait for more data before reading; 0 wakes up for each event
    #[arg(long, env = "LLMLOAD_MIN_WAIT", hide_env = true, value_name = "DURATION", value_parser = short_time(0..=MIN_WAIT_MAX), default_value = "1ms", help_heading = MEASUREMENT)]
    pub min_wait: Nanos,

    /// Delay ACKs: less CPU where gaps are below 40 ms, and servers with Nagle's algorithm stall
    #[arg(long, env = "LLMLOAD_NO_QUICKACK", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = MEASUREMENT)]
    pub no_quickack: bool,

    #[command(flatten)]
    pub server_metrics: ServerMetricsArgs,

    /// Calibration of this host (`llmload-uring calibrate --output FILE`), to state how far off the figures may be
    #[arg(long, env = "LLMLOAD_CALIBRATION", hide_env = true, value_name = "FILE", help_heading = MEASUREMENT)]
    pub calibration: Option<PathBuf>,

    /// Compare arrivals with the send stamps of `mock --stamp`.
    #[arg(long, env = "LLMLOAD_VERIFY_STAMPS", hide_env = true, value_parser = BoolishValueParser::new(), hide = true)]
    pub verify_stamps: bool,

    /// Fail (exit code 99) unless this holds: 'METRIC: EXPRESSION' or 'METRIC{TAG:VALUE}: EXPRESSION'; repeatable, or
    /// separated by `;`. Added to the profile's own
    #[arg(long = "threshold", env = "LLMLOAD_THRESHOLD", hide_env = true, value_name = "THRESHOLD", help_heading = MEASUREMENT)]
    pub thresholds: Vec<String>,

    /// Limits that a good request meets, all of them, in milliseconds or with a unit: 'ttft:500 tpot:30 latency:5s'.
    /// Their share and rate are the figures `goodput` and `good` [document's]
    #[arg(long, env = "LLMLOAD_GOODPUT", hide_env = true, value_name = "LIMITS", value_parser = parse_goodput, help_heading = MEASUREMENT)]
    pub goodput: Option<Goodput>,

    /// Exit with 113 if the generator itself may have distorted the figures
    #[arg(long, env = "LLMLOAD_REQUIRE_FIT", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = MEASUREMENT)]
    pub require_fit: bool,

    /// Fail (exit code 99) if a threshold on a percentile is not decided: its 95 % interval contains the limit, or there
    /// were too few requests for one
    #[arg(long, env = "LLMLOAD_REQUIRE_DECIDED", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = MEASUREMENT)]
    pub require_decided: bool,

    /// Fail (exit code 99) if the automatic analysis has a finding about the server that is not PASS
    #[arg(long, env = "LLMLOAD_FAIL_ON_FINDINGS", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = MEASUREMENT)]
    pub fail_on_findings: bool,

    /// Write the result as JSON (`-`: standard output)
    #[arg(short, long, env = "LLMLOAD_OUTPUT", hide_env = true, value_name = "FILE", help_heading = OUTPUT)]
    pub output: Option<PathBuf>,

    /// Also write the result as one page of HTML with charts (`-`: standard output)
    #[arg(long, env = "LLMLOAD_REPORT", hide_env = true, value_name = "FILE.html", help_heading = OUTPUT)]
    pub report: Option<PathBuf>,

    /// Also write the result as tables to this folder: timeline.csv, metrics.csv, requests.csv
    #[arg(long, env = "LLMLOAD_CSV", hide_env = true, value_name = "FOLDER", help_heading = OUTPUT)]
    pub csv: Option<PathBuf>,

    /// Also write the result as another tool would: vllm=FILE, vllm-detailed=FILE, aiperf=DIR, llm-d=FILE, k6=FILE,
    /// k6-summary=FILE; repeatable, or separated by `;`. Most are made from single requests, which are kept as with
    /// `--details` then
    #[arg(long = "export", env = "LLMLOAD_EXPORT", hide_env = true, value_name = "FORMAT=PATH", value_delimiter = ';', value_parser = parse_export, help_heading = OUTPUT)]
    pub exports: Vec<Export>,

    #[command(flatten)]
    pub files: FilesArgs,

    /// Also write every single request to the result file
    #[arg(long, env = "LLMLOAD_DETAILS", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = OUTPUT)]
    pub details: bool,

    #[command(flatten)]
    pub push: PushArgs,

    #[command(flatten)]
    pub metrics: MetricsListenArgs,

    /// How to show progress during the run
    #[arg(long, env = "LLMLOAD_PROGRESS", hide_env = true, value_enum, default_value_t = Progress::Auto, help_heading = OUTPUT)]
    pub progress: Progress,

    /// How much the summary at the end shows
    #[arg(long, env = "LLMLOAD_SUMMARY", hide_env = true, value_enum, default_value_t = Summary::Brief, help_heading = OUTPUT)]
    pub summary: Summary,

    /// Print no progress and no summary; report through the exit code only
    #[arg(short, long, env = "LLMLOAD_QUIET", hide_env = true, value_parser = BoolishValueParser::new(), help_heading = OUTPUT)]
    pub quiet: bool,
}

impl RunArgs {
    /// Returns the profile's name. It is not empty if there is no `--config` and no subcommand: clap requires one.
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or_default()
    }

    /// Returns the target that was given, under its own name or k6's.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref().or(self.k6_target_url.as_deref())
    }
}
