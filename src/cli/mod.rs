//! The command line as it was typed. `config` finds out what it means.
// Doc comments of options are their help texts. In these, brackets hold the value used when the option is not given.
#![allow(rustdoc::broken_intra_doc_links)]

mod baseline_args;
mod body_args;
mod calibrate_args;
mod compare_args;
mod completions;
mod config_args;
mod connection_args;
mod coordinate_args;
mod dataset_args;
mod find_limit_args;
mod import_args;
mod length_args;
mod merge_args;
mod metrics_listen_args;
mod mock_args;
mod probe_args;
mod profiles_args;
mod push_args;
mod refused;
mod report_args;
mod run_args;
mod server_args;
mod server_metrics_args;
mod shard_args;
mod show_args;
mod trace_args;
mod values;
mod variables;
mod version;

pub use baseline_args::{BaselineAction, BaselineArgs};
pub use body_args::BodyArgs;
pub use calibrate_args::CalibrateArgs;
pub use compare_args::{CompareArgs, CompareFormat};
pub use completions::script as completions;
pub use config_args::{ConfigAction, ConfigArgs, DocumentArgs, FilesArgs};
pub use connection_args::ConnectionArgs;
pub use coordinate_args::CoordinateArgs;
pub use dataset_args::DatasetArgs;
pub use find_limit_args::{FindLimitArgs, MAX_TIME, PROBE_TIME, RESOLUTION, SETTLE};
pub use import_args::{ImportAction, ImportArgs, ImportInferencePerfArgs, ImportK6Args};
pub use length_args::{LengthArgs, PREFIX_GROUPS_MAX, PROMPTS_PER_GROUP_MAX};
pub use merge_args::MergeArgs;
pub use metrics_listen_args::MetricsListenArgs;
pub use mock_args::MockArgs;
pub use probe_args::ProbeArgs;
pub use profiles_args::{ProfilesAction, ProfilesArgs};
pub use push_args::PushArgs;
pub use report_args::ReportArgs;
pub use run_args::{Progress, RunArgs, Stamp, Summary};
pub use server_args::ServerArgs;
pub use server_metrics_args::ServerMetricsArgs;
pub use shard_args::ShardArgs;
pub use show_args::{ShowArgs, ShowFormat};
pub use trace_args::TraceArgs;
pub use values::coordinate::Coordinate;
pub use values::faults::FaultSpec;
pub use values::number::TurnsAsked;
pub use values::or_file::OrFile;
pub use values::shard::ShardSpec;
pub use values::stages::StageList;
pub use values::start_at::StartAt;
pub use variables::unknown_variables;

use crate::error::{ExitCode, Failure, Reason};
use crate::server::{SimArgs, SuperviseArgs};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

/// The name of the program.
pub const PROGRAM: &str = "llmload-uring";

const EXAMPLES: &str = "\
Examples:
  llmload-uring high-concurrency --vus 1000
      ramp up to 1000 users against the built-in simulator
  llmload-uring quick-smoke --target http://127.0.0.1:8080
      three requests against a server that is already running
  LLMLOAD_API_KEY=... llmload-uring smoke --target https://HOST/v1 --model NAME
      load a server that needs an API key, and choose one of its models
  llmload-uring high-concurrency --stages 10s:100,1m:500,10s:0 --time-scale 0.1
      stages of your own instead of the profile's, ten times faster
  llmload-uring high-concurrency --vus 50 --duration 30s --output results.json
      50 users for 30 seconds, with the result in a file
  llmload-uring ./my-profile.yaml --streaming-ratio 0.8 --think-time 100ms-300ms
      a profile of your own, with more streams and longer pauses
  llmload-uring quick-smoke --server-cmd 'llama-server -m m.gguf' \\
      --health-url http://127.0.0.1:8080/health
      start a server of your own for the run, and stop it afterwards
  llmload-uring stress --threshold 'ttft{stream:true}: p(99)<500'
      find the number of users at which the p99 of the TTFT exceeds 500 ms
  llmload-uring find-limit smoke --target http://127.0.0.1:8000 \\
      --slo 'ttft: p(95)<500'
      find how many users get their first token in time
  llmload-uring run --config workload.yaml
      load the servers of a document; every request is in a file under results/
  llmload-uring config check workload.yaml
      check a document and print the run it describes
  llmload-uring load --target http://10.0.0.5:8000 --shard 1/2 -o 1.json \\
      --start-at 2026-12-01T10:00:00Z
      run the first half of the load while another host runs the second half
  llmload-uring merge 1.json 2.json --output both.json
      join the two results into one
  llmload-uring import-k6 options.json -o mine.yaml
      make a profile from k6's stages and thresholds
  llmload-uring import-inference-perf config.yml -o mine.yaml
      make a profile from a configuration of inference-perf
  llmload-uring mock --ttft 20ms --gap 5ms
      start a fast server with a known timeline, to test against
  llmload-uring probe --vus 10000
      check whether this host can run that many users, and what it lacks
  llmload-uring calibrate --output host.json
      measure in 20 s how far this host's figures can be trusted
  llmload-uring compare base.json new.json --fail-on 'latency p95 > +10%'
      fail if the p95 latency rose by more than 10 %, and not by chance
  llmload-uring report result.json -o page.html
      make one page of a result, with charts, to send to a colleague
  llmload-uring show result.json
      print the summary of a saved result
  source <(llmload-uring completions bash)
      let the shell complete commands, options and values; also for zsh and fish

Every option of a run can also be set by an environment variable, LLMLOAD_ and
its name: LLMLOAD_VUS, LLMLOAD_THINK_TIME, ... (LLMLOAD_TARGET_URL or
K6_TARGET_URL for --target). An API key is read from LLMLOAD_API_KEY, from
--api-key-file or, if neither is given, from OPENAI_API_KEY, and never shown.";

/// Returns the table of exit codes, in two columns.
fn exit_codes() -> String {
    let (left, right) = ExitCode::ALL.split_at(ExitCode::ALL.len().div_ceil(2));
    let row = |(index, a): (usize, &ExitCode)| {
        let (code, meaning) = (a.code(), a.meaning());
        match right.get(index) {
            Some(b) => format!("\n{code:>5}  {meaning:<28}{}  {}", b.code(), b.meaning()),
            None => format!("\n{code:>5}  {meaning}"),
        }
    };
    let rows: String = left.iter().enumerate().map(row).collect();
    let rule = "\
A bad command line is wrong in its form: an unknown word, a value that is not a
number. A value beyond its limits, options that contradict each other and a
document with mistakes are a bad configuration.";
    format!("Exit codes:{rows}\n\n{rule}")
}

/// Load generator for LLM servers: many streaming users from a few cores
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    long_version = version::LONG,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    subcommand_help_heading = "Commands",
    override_usage = "llmload-uring <PROFILE> [OPTIONS]\n       llmload-uring <COMMAND> [OPTIONS]",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit_codes()),
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The run to make if there is no command.
    #[command(flatten)]
    pub run: RunArgs,
}

impl Cli {
    /// Returns the options of a run, if this is one or the check of one.
    fn run_args(&self) -> Option<&RunArgs> {
        match &self.command {
            None => Some(&self.run),
            Some(Command::Run(args)) => Some(args),
            Some(Command::FindLimit(args)) => Some(&args.run),
            Some(Command::Config(config)) => {
                let ConfigAction::Check(args) = &config.action;
                Some(args)
            }
            Some(_) => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a profile, or the document given with `--config FILE`; takes all options of a run
    Run(Box<RunArgs>),
    /// Check a profile or a document, and print the run it describes
    Config(ConfigArgs),
    /// Find the highest load that meets the SLOs, with its interval; takes all options of a run
    #[command(name = "find-limit")]
    FindLimit(Box<FindLimitArgs>),
    /// Compare runs of llmload-uring and of other tools, and detect regressions
    Compare(CompareArgs),
    /// Make one page of HTML from saved results, with charts
    Report(ReportArgs),
    /// Print a saved result again: as text, Markdown, JSON or CSV
    Show(ShowArgs),
    /// Save runs under a name, to compare later runs with
    Baseline(BaselineArgs),
    /// Join the result documents of a run that was split over several processes (--shard)
    Merge(MergeArgs),
    /// Turn k6 options (stages, scenarios, thresholds) into a profile
    #[command(name = "import-k6")]
    ImportK6(ImportK6Args),
    /// Turn a configuration of inference-perf into a profile
    #[command(name = "import-inference-perf")]
    ImportInferencePerf(ImportInferencePerfArgs),
    /// Turn the configuration of another tool into a profile: `import k6 FILE`, `import inference-perf FILE`
    Import(ImportArgs),
    /// Start a fast SSE server with a known timeline, for tests and benchmarks
    Mock(Box<MockArgs>),
    /// List the built-in profiles, or print one as a document
    Profiles(ProfilesArgs),
    /// Check what this host can run, and print a fix for each problem (exit code 111)
    Probe(ProbeArgs),
    /// Measure what a client on this host can do, and how far off its figures are
    Calibrate(CalibrateArgs),
    /// Print a completion script for a shell
    Completions {
        /// Shell that the script is for
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `llmload-uring man | man -l -`
    Man,
    /// Make a run that ends when its parent does; `calibrate` starts the program with this
    #[command(name = "__load", hide = true)]
    Load(Box<RunArgs>),
    /// Serve as the embedded simulator; the program starts itself with this
    #[command(name = "__llmsim", hide = true)]
    Llmsim(SimArgs),
    /// Supervise a server started with `--server-cmd`; the program starts itself with this
    #[command(name = "__supervise", hide = true)]
    Supervise(SuperviseArgs),
}

/// Why no command is run.
#[derive(Debug)]
pub enum Stop {
    /// Help or version, which were asked for, or the help of a command that has to be followed by another word.
    Shown(clap::Error),
    Refused(Failure),
}

/// The options that exist for their environment variables only, and what to do instead.
const SECRETS: [(&str, &str, &str); 2] = [
    (
        "api_key",
        "--api-key",
        "put the key into LLMLOAD_API_KEY, or into a file for `--api-key-file`",
    ),
    (
        "pushgateway_password",
        "--pushgateway-password",
        "put the password into LLMLOAD_PUSHGATEWAY_PASSWORD",
    ),
];

/// Reads the command line and the environment.
pub fn parse() -> Result<Cli, Stop> {
    parse_from(std::env::args_os().collect(), |name| std::env::var(name).ok())
}

fn parse_from(words: Vec<OsString>, env: impl Fn(&str) -> Option<String>) -> Result<Cli, Stop> {
    let words = refused::join_negative_numbers(words);
    let stop = |error: clap::Error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Stop::Shown(error),
        _ => Stop::Refused(refused::refused(&error, &refused::Line::new(&words), &env)),
    };
    let matches = Cli::command().try_get_matches_from(&words).map_err(stop)?;
    for (id, option, hint) in SECRETS {
        if is_typed(&matches, id) {
            let reason = Reason::new("every user of this host can read a command line").hint(hint);
            return Err(Stop::Refused(Failure::new(ExitCode::Usage, reason.at(option, 0))));
        }
    }
    let cli = Cli::from_arg_matches(&matches).map_err(stop)?;
    let profile = cli.run_args().and_then(|run| run.profile.as_deref());
    match profile.filter(|profile| refused::looks_like_url(profile)) {
        Some(url) => {
            let mistake = refused::url_in_place_of_profile(url, "");
            Err(Stop::Refused(Failure::new(ExitCode::Usage, mistake)))
        }
        None => Ok(cli),
    }
}

/// Returns the place of a mistake that was found at an option that was not typed: the variable that gave the value.
pub fn place_in_environment(option: &str) -> Option<String> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_set = |name: &str| std::env::var_os(name).is_some();
    refused::place_in_environment(option, &refused::Line::new(&words), is_set)
}

/// Tells whether the option was given on the command line, after any command.
fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    let known = matches.try_contains_id(id).is_ok();
    (known && matches.value_source(id) == Some(ValueSource::CommandLine))
        || matches.subcommand().is_some_and(|(_, below)| is_typed(below, id))
}

/// Returns the names of the subcommands that a user may type, to suggest one for a word that was mistyped.
pub fn command_names() -> Vec<String> {
    let command = Cli::command();
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.map(|sub| sub.get_name().to_owned()).collect()
}

/// Returns the manual page in roff, with the options of each command after those of a run.
pub fn man() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let page = clap_mangen::Man::new(command.clone());
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    for sub in command
        .get_subcommands()
        // `run` has the options of the page itself.
        .filter(|sub| !sub.is_hide_set() && !["help", "run"].contains(&sub.get_name()))
    {
        let mut options = Vec::new();
        clap_mangen::Man::new(sub.clone()).render_options_section(&mut options)?;
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let section = format!(".SH \"COMMAND {}\"\n{about}\n.PP", sub.get_name().to_uppercase());
        let options = String::from_utf8_lossy(&options);
        out.extend(options.replacen(".SH OPTIONS", &section, 1).into_bytes());
    }
    // Examples and exit codes keep their line breaks; roff would fill them into paragraphs.
    let mut examples = Vec::new();
    page.render_extra_section(&mut examples)?;
    let examples = String::from_utf8_lossy(&examples).replacen(".SH EXTRA", ".SH EXAMPLES\n.nf", 1);
    out.extend(examples.replace("Examples:\n", "").into_bytes());
    out.extend(b".fi\n");
    page.render_version_section(&mut out)?;
    Ok(out)
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
