//! Options of `import-k6`.

use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  k6 inspect script.js > options.json && llmload-uring import-k6 options.json -o mine.yaml
      k6 works out what the script computes
  llmload-uring import-k6 script.ts -e VUS=20 -o mine.yaml
      the script itself, as far as it can be read without running it
  llmload-uring import-k6 script.js --strict > /dev/null
      does the profile have all of the script's thresholds?";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportK6Args {
    /// k6's options: JSON, or a script in JavaScript or TypeScript that exports `options`; `-` is standard input
    #[arg(value_name = "FILE")]
    pub options: PathBuf,

    /// Write the profile here; `-` is standard output [standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Built-in profile whose requests the profile gets
    #[arg(long, value_name = "PROFILE", default_value = "load")]
    pub mix: String,

    /// A variable that the script reads from `__ENV`, as in k6; repeatable
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,

    /// Exit code 104 and no profile where anything is not carried
    #[arg(long)]
    pub strict: bool,

    /// Replace a file that import-k6 did not write, or that was edited since
    #[arg(long)]
    pub force: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
