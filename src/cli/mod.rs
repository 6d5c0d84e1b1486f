//! What was typed. What it means is found out in `config`.

mod mock_args;
mod profiles_args;
mod run_args;
mod values;

pub use mock_args::MockArgs;
pub use profiles_args::{ProfilesAction, ProfilesArgs};
pub use run_args::{Progress, RunArgs, Stamp};
pub use values::cpus::CpuList;
pub use values::faults::FaultSpec;
pub use values::stages::StageList;

use crate::server::SimArgs;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  llmload-uring high-concurrency --vus 1000
      ramp to 1000 users against the built-in simulator, which is started and stopped
  llmload-uring quick-smoke --target http://127.0.0.1:8080
      three requests against a server that is running
  llmload-uring high-concurrency --stages 10s:100,1m:500,10s:0 --time-scale 0.1
      another shape, ten times faster
  llmload-uring high-concurrency --vus 50 --duration 30s --output results.json
      50 users for 30 seconds, the result in a file
  llmload-uring ./my-profile.yaml --streaming-ratio 0.8 --think-time 100ms-300ms
      a profile of your own, with other requests in the mix
  llmload-uring stress --threshold 'ttft{stream:true}: p(99)<500'
      at how many users does the p99 of the first token exceed half a second?
  llmload-uring mock --ttft 20ms --gap 5ms
      a fast server with a known timeline, to test against

Each option is also read from the environment, as LLMLOAD_ and its name: LLMLOAD_VUS, LLMLOAD_THINK_TIME, ...
(LLMLOAD_TARGET_URL or K6_TARGET_URL for --target). An API key comes from LLMLOAD_API_KEY or --api-key-file
and is never shown.";

const EXIT_CODES: &str = "\
Exit codes:
    0  ok                          105  interrupted
    1  internal error              111  this host cannot run it
    2  bad command line            112  the output could not be written
   99  a threshold failed          113  the result is not trustworthy
  104  bad configuration           114  the target never answered";

/// Load generator for LLM servers: many streaming users from a few cores
#[derive(Debug, Parser)]
#[command(
    name = "llmload-uring",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    subcommand_help_heading = "Other commands",
    override_usage = "llmload-uring <PROFILE> [OPTIONS]\n       llmload-uring <COMMAND> [OPTIONS]",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run where there is no command.
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A fast SSE server with a known timeline, for tests and benchmarks
    Mock(Box<MockArgs>),
    /// List the built-in profiles, or show one as a document
    Profiles(ProfilesArgs),
    /// The embedded simulator: the program runs itself with this
    #[command(name = "__llmsim", hide = true)]
    Llmsim(SimArgs),
}

/// Reads the command line and the environment. Help, version and bad command lines (exit code 2) end the
/// program here, as clap does it.
pub fn parse() -> Cli {
    let matches = Cli::command().get_matches();
    // The option exists for its environment variable only.
    if matches.value_source("api_key") == Some(ValueSource::CommandLine) {
        let what = "--api-key: every user of this host can read a command line; \
                    put the key into LLMLOAD_API_KEY, or into a file for --api-key-file";
        Cli::command().error(ErrorKind::InvalidValue, what).exit();
    }
    Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
