//! Options of `import-k6`.

use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct ImportK6Args {
    /// k6's options: JSON, or a script with `export const options = {...}`
    #[arg(value_name = "FILE")]
    pub options: PathBuf,

    /// Write the profile here [standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Built-in profile whose requests the profile gets
    #[arg(long, value_name = "PROFILE", default_value = "load")]
    pub mix: String,
}
