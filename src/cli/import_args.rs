//! Options of `import-k6`, `import-inference-perf`, and `import`, which is another spelling of both.

use crate::error::{Reason, ValueError, quoted};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const K6_EXAMPLES: &str = "\
Examples:
  k6 inspect script.js | llmload-uring import-k6 - -o mine.yaml
      let k6 evaluate the script, and import its options
  llmload-uring import-k6 script.ts -e VUS=20 -o mine.yaml
      import the script itself, as far as it can be read without running it
  llmload-uring import-k6 script.js --strict > /dev/null
      check that the profile carries everything in the script's options";

#[derive(Clone, Debug, Args)]
#[command(after_help = K6_EXAMPLES)]
pub struct ImportK6Args {
    /// k6's options: JSON, or a JavaScript or TypeScript script that exports `options`; `-` is standard input
    #[arg(value_name = "FILE")]
    pub options: PathBuf,

    /// File to write the profile to; `-` is standard output [standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Built-in profile to take the requests from
    #[arg(long, value_name = "PROFILE", default_value = "load")]
    pub mix: String,

    /// Variable that the script reads from `__ENV`, as in k6; repeatable
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,

    /// Write no profile and exit with 104 if anything is not carried over
    #[arg(long)]
    pub strict: bool,

    /// Replace a file that import-k6 did not write, or that was edited since then
    #[arg(long)]
    pub force: bool,
}

const INFERENCE_PERF_EXAMPLES: &str = "\
Examples:
  llmload-uring import-inference-perf config.yml -o mine.yaml
      make a profile from a configuration of inference-perf, to run by its path
  llmload-uring import inference-perf config.yml --strict > /dev/null
      check that the profile carries everything in the configuration";

#[derive(Clone, Debug, Args)]
#[command(after_help = INFERENCE_PERF_EXAMPLES)]
pub struct ImportInferencePerfArgs {
    /// Configuration of inference-perf, in YAML; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// File to write the profile to; `-` is standard output [standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write no profile and exit with 104 if anything is not carried over
    #[arg(long)]
    pub strict: bool,

    /// Replace a file that import-inference-perf did not write, or that was edited since then
    #[arg(long)]
    pub force: bool,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  llmload-uring import inference-perf config.yml -o mine.yaml
      the same as `llmload-uring import-inference-perf config.yml -o mine.yaml`
  llmload-uring import k6 options.json -o mine.yaml
      the same as `llmload-uring import-k6 options.json -o mine.yaml`";

#[derive(Clone, Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct ImportArgs {
    #[command(subcommand)]
    pub action: ImportAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ImportAction {
    /// Turn k6 options (stages, scenarios, thresholds) into a profile
    #[command(name = "k6")]
    K6(ImportK6Args),
    /// Turn a configuration of inference-perf into a profile
    #[command(name = "inference-perf")]
    InferencePerf(ImportInferencePerfArgs),
}

fn variable(text: &str) -> Result<(String, String), ValueError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => {
            let what = format!("{} is not a variable with its value", quoted(text));
            Err(Reason::new(what).hint("write `--env NAME=VALUE`").into())
        }
    }
}
