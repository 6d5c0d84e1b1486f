//! What was typed. What it means is found out in `config`.
// Doc comments of options are their help texts, in which brackets hold the value that holds without the option.
#![allow(rustdoc::broken_intra_doc_links)]

mod baseline_args;
mod compare_args;
mod config_args;
mod explain;
mod import_k6_args;
mod merge_args;
mod mock_args;
mod probe_args;
mod profiles_args;
mod push_args;
mod run_args;
mod server_args;
mod shard_args;
mod values;
mod variables;

pub use baseline_args::{BaselineAction, BaselineArgs};
pub use compare_args::{CompareArgs, CompareFormat};
pub use config_args::{ConfigAction, ConfigArgs, DocumentArgs};
pub use import_k6_args::ImportK6Args;
pub use merge_args::MergeArgs;
pub use mock_args::MockArgs;
pub use probe_args::ProbeArgs;
pub use profiles_args::{ProfilesAction, ProfilesArgs};
pub use push_args::PushArgs;
pub use run_args::{Progress, RunArgs, Stamp};
pub use server_args::ServerArgs;
pub use shard_args::ShardArgs;
pub use values::faults::FaultSpec;
pub use values::shard::ShardSpec;
pub use values::stages::StageList;
pub use values::start_at::StartAt;
pub use variables::unknown_variables;

use crate::error::ExitCode;
use crate::server::{SimArgs, SuperviseArgs};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  llmload-uring high-concurrency --vus 1000
      ramp to 1000 users against the built-in simulator, which is started and stopped
  llmload-uring quick-smoke --target http://127.0.0.1:8080
      three requests against a server that is running
  LLMLOAD_API_KEY=sk-... llmload-uring smoke --target https://api.example.com/v1 --model gpt-4o-mini
      an endpoint with a key, and one of its models
  llmload-uring high-concurrency --stages 10s:100,1m:500,10s:0 --time-scale 0.1
      another shape, ten times faster
  llmload-uring high-concurrency --vus 50 --duration 30s --output results.json
      50 users for 30 seconds, the result in a file
  llmload-uring ./my-profile.yaml --streaming-ratio 0.8 --think-time 100ms-300ms
      a profile of your own, with other requests in the mix
  llmload-uring quick-smoke --server-cmd 'llama-server -m m.gguf' --health-url http://127.0.0.1:8080/health
      a server of your own, started and stopped
  llmload-uring stress --threshold 'ttft{stream:true}: p(99)<500'
      at how many users does the p99 of the first token exceed half a second?
  llmload-uring run --config workload.yaml
      one server or several, as the document has it; each request into a file under results/
  llmload-uring config check workload.yaml
      is the document right, and what does it mean?
  llmload-uring load --target http://10.0.0.5:8000 --shard 1/2 --start-at 2026-12-01T10:00:00Z -o 1.json
      the first half of the load, together with another host that runs the second
  llmload-uring merge 1.json 2.json --output both.json
      the two as one result
  llmload-uring import-k6 options.json -o mine.yaml
      a profile out of k6's stages and thresholds
  llmload-uring mock --ttft 20ms --gap 5ms
      a fast server with a known timeline, to test against
  llmload-uring probe --vus 10000
      does this host allow that many users, and if not, which command mends it
  llmload-uring compare base.json new.json --fail-on 'latency p95 > +10%'
      did it get worse, and is that more than chance?
  llmload-uring completions bash > ~/.local/share/bash-completion/completions/llmload-uring
      completion of options in the shell

Each option is also read from the environment, as LLMLOAD_ and its name: LLMLOAD_VUS, LLMLOAD_THINK_TIME, ...
(LLMLOAD_TARGET_URL or K6_TARGET_URL for --target). An API key comes from LLMLOAD_API_KEY, --api-key-file or,
where neither is given, OPENAI_API_KEY, and is never shown.";

/// The table of exit codes, in two columns.
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
    format!("Exit codes:{rows}")
}

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
    after_long_help = format!("{EXAMPLES}\n\n{}", exit_codes()),
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
    /// Run a profile, or the document that `--config FILE` names: all options are those of a run
    Run(Box<RunArgs>),
    /// Validate a document and print the run that it means
    Config(ConfigArgs),
    /// Runs of this tool, k6 and oha beside each other, and whether one got worse
    Compare(CompareArgs),
    /// Keep runs to compare with
    Baseline(BaselineArgs),
    /// Join the result documents of one run that several processes shared (--shard)
    Merge(MergeArgs),
    /// Turn k6 options (stages, scenarios, thresholds) into a profile
    #[command(name = "import-k6")]
    ImportK6(ImportK6Args),
    /// A fast SSE server with a known timeline, for tests and benchmarks
    Mock(Box<MockArgs>),
    /// List the built-in profiles, or show one as a document
    Profiles(ProfilesArgs),
    /// What this host allows, and the command that mends each lack (exit code 111)
    Probe(ProbeArgs),
    /// A completion script for a shell, on standard output
    Completions {
        /// Shell to complete in
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The manual page, on standard output: `llmload-uring man | man -l -`
    Man,
    /// The embedded simulator: the program runs itself with this
    #[command(name = "__llmsim", hide = true)]
    Llmsim(SimArgs),
    /// The supervisor of a server that `--server-cmd` names: the program runs itself with this
    #[command(name = "__supervise", hide = true)]
    Supervise(SuperviseArgs),
}

/// Reads the command line and the environment. Help, version and bad command lines (exit code 2) end the
/// program here, as clap does it.
pub fn parse() -> Cli {
    let matches = Cli::command()
        .try_get_matches()
        .unwrap_or_else(|e| explain::explain(e, std::env::args_os(), |name| std::env::var(name).ok()).exit());
    // These options exist for their environment variables only.
    let secrets = [
        (
            "api_key",
            "--api-key: every user of this host can read a command line; \
             put the key into LLMLOAD_API_KEY, or into a file for --api-key-file",
        ),
        (
            "pushgateway_password",
            "--pushgateway-password: every user of this host can read a command line; \
             put the password into LLMLOAD_PUSHGATEWAY_PASSWORD",
        ),
    ];
    for (id, what) in secrets {
        if is_typed(&matches, id) {
            Cli::command().error(ErrorKind::InvalidValue, what).exit();
        }
    }
    Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
}

/// Whether the option stands on the command line, behind whichever command.
fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    let known = matches.try_contains_id(id).is_ok();
    (known && matches.value_source(id) == Some(ValueSource::CommandLine))
        || matches.subcommand().is_some_and(|(_, below)| is_typed(below, id))
}

/// The names of the subcommands that a user may type, in case one was mistyped.
pub fn command_names() -> Vec<String> {
    let command = Cli::command();
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.map(|sub| sub.get_name().to_owned()).collect()
}

/// The script that completes this program's options in `shell`.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "llmload-uring", &mut script);
    script
}

/// The manual page in roff, with the options of each command behind those of a run.
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
    // Examples and exit codes are lines, not a text to be filled.
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
