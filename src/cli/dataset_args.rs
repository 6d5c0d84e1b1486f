//! Options for prompts from a dataset.

use crate::cli::values::dataset::DatasetArg;
use crate::cli::values::number::count;
use crate::dataset::BLOCK_MAX;
use crate::workload::Sampling;
use clap::Args;

const REQUESTS: &str = "Requests";

#[derive(Clone, Debug, Args)]
pub struct DatasetArgs {
    /// Dataset or trace whose rows are the prompts of every chat request, with its format: sharegpt:FILE, custom:FILE,
    /// openai:FILE, raw:FILE, mooncake:FILE, azure:FILE, ... (docs/DATASETS.md); `-` is standard input, .gz is unpacked
    #[arg(
        long,
        env = "LLMLOAD_DATASET",
        hide_env = true,
        value_name = "FORMAT:FILE",
        help_heading = REQUESTS,
    )]
    pub dataset: Option<DatasetArg>,

    /// Order of the rows: `sequential`, `shuffle` (each once before any again) or `random` [document's, or sequential]
    #[arg(
        long,
        env = "LLMLOAD_DATASET_SAMPLE",
        hide_env = true,
        value_name = "ORDER",
        value_parser = Sampling::ALL.map(Sampling::name),
        help_heading = REQUESTS,
    )]
    pub dataset_sample: Option<String>,

    /// Tokens that a hash id of a trace stands for [the format's: 512 for mooncake, 16 for bailian and timed_trace]
    #[arg(
        long,
        env = "LLMLOAD_DATASET_BLOCK",
        hide_env = true,
        value_name = "N",
        value_parser = count(1..=BLOCK_MAX),
        help_heading = REQUESTS,
    )]
    pub dataset_block: Option<u32>,
}
