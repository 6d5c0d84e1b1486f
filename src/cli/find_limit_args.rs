//! Options of `find-limit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::RunArgs;
use crate::cli::values::expectation::{expectation, load};
use crate::cli::values::number::{duration, pause};
use crate::cli::values::share::share;
use crate::error::ExitCode;
use crate::limit::{Expectation, Load, Over};
use crate::units::{MINUTE, Nanos, SECOND, Span};

const SEARCH: &str = "Search";

/// The limits of the options, which are checked with everything else that is wrong.
pub const MAX_TIME: [Nanos; 2] = [10 * SECOND, 24 * 60 * MINUTE];
pub const SETTLE: [Nanos; 2] = [0, 60 * MINUTE];
pub const PROBE_TIME: [Nanos; 2] = [5 * SECOND, 60 * MINUTE];
/// A finer resolution would take thousands of requests for each step.
pub const RESOLUTION: [f64; 2] = [0.005, 0.5];

const EXAMPLES: &str = "\
Examples:
  llmload-uring find-limit smoke --target http://127.0.0.1:8000 \\
      --slo 'ttft: p(95)<500' --slo 'tpot: p(95)<50'
      how many users get their first token within 500 ms?
  llmload-uring find-limit smoke --target http://127.0.0.1:8000 --over rate \\
      --arrival poisson --slo 'latency: p(99)<5s' --max-time 10m -o limit.json
      how many requests per second?
  llmload-uring find-limit ./mine.yaml --expect '>=200' --svg limit.svg
      fail in CI if fewer than 200 users meet the thresholds of a document

The answer is the highest load that holds, with an interval that has it with at
least 95 % confidence, and what broke first beyond it (docs/FIND-LIMIT.md).";

fn exit_codes() -> String {
    let lines = [
        (ExitCode::Ok, "the limit was found"),
        (ExitCode::ThresholdFailed, "it is not as --expect says"),
        (
            ExitCode::Interrupted,
            "Ctrl-C; what was known until then is reported",
        ),
        (
            ExitCode::NotTrustworthy,
            "--require-fit, and the generator was the limit first",
        ),
        (ExitCode::NothingHolds, "not even the lowest load holds"),
        (
            ExitCode::RankLost,
            "with --coordinate: a rank did not come, or was lost",
        ),
    ];
    let lines = lines.map(|(code, meaning)| format!("{:>5}  {meaning}", code.code()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// What the load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverArg {
    /// Users, who wait for their answers
    Users,
    /// Requests per second, whether or not earlier ones have been answered
    Rate,
}

impl From<OverArg> for Over {
    fn from(arg: OverArg) -> Over {
        match arg {
            OverArg::Users => Over::Users,
            OverArg::Rate => Over::Rate,
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit_codes()))]
pub struct FindLimitArgs {
    /// What a load has to meet, as a threshold: 'ttft: p(95)<500', 'goodput: rate>0.95'; repeatable, or separated by
    /// `;` [the thresholds of the profile]
    #[arg(long = "slo", value_name = "SLO", help_heading = SEARCH)]
    pub slos: Vec<String>,

    /// What to raise [users; rate if the profile has one]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = SEARCH)]
    pub over: Option<OverArg>,

    /// Lowest load to try: users, or a rate such as 2/s [1]
    #[arg(long, value_name = "LOAD", value_parser = load, help_heading = SEARCH)]
    pub from: Option<Load>,

    /// Highest load to try: users, or a rate such as 500/s [2048 users, 10000/s]
    #[arg(long, value_name = "LOAD", value_parser = load, help_heading = SEARCH)]
    pub to: Option<Load>,

    /// How close the highest load that holds and the lowest that does not have to be
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = share(RESOLUTION[0]..=RESOLUTION[1]),
        default_value = "5%",
        help_heading = SEARCH
    )]
    pub resolution: f64,

    /// Time after which the search ends with what it knows by then
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration(MAX_TIME[0]..=MAX_TIME[1]),
        default_value = "20m",
        help_heading = SEARCH
    )]
    pub max_time: Nanos,

    /// Requests that are due within this time after a change of load are not counted
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration(SETTLE[0]..=SETTLE[1]),
        default_value = "2s",
        help_heading = SEARCH
    )]
    pub settle: Nanos,

    /// Shortest and longest time of a try, without settling [5s-60s, at most a tenth of --max-time]
    #[arg(
        long,
        value_name = "DURATIONS",
        value_parser = pause(PROBE_TIME[0]..=PROBE_TIME[1]),
        help_heading = SEARCH
    )]
    pub probe_time: Option<Span<Nanos>>,

    /// Fail (exit code 99) unless the limit is so: '>=200'
    #[arg(long, value_name = "EXPRESSION", value_parser = expectation, help_heading = SEARCH)]
    pub expect: Option<Expectation>,

    /// Draw load against throughput, TTFT, latency and failures to this file
    #[arg(long, value_name = "FILE.svg", help_heading = SEARCH)]
    pub svg: Option<PathBuf>,

    #[command(flatten)]
    pub run: RunArgs,
}
