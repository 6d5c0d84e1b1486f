//! Options about the lengths of prompts, and what prompts are made of.

use crate::cli::values::number::{count, count_span, lengths};
use crate::lengths::Lengths;
use crate::plan::PROMPT_TOKENS_MAX;
use crate::units::Span;
use clap::Args;

const REQUESTS: &str = "Requests";
/// The most groups of prompts with a shared prefix.
pub const PREFIX_GROUPS_MAX: u32 = 1_000_000;
pub const PROMPTS_PER_GROUP_MAX: u32 = 1_000_000_000;

#[derive(Args, Clone, Debug, Default)]
pub struct LengthArgs {
    /// Make prompts of this many tokens from the seed, instead of the document's: 512, 50-200, or a distribution as for
    /// --max-tokens
    #[arg(
        long,
        env = "LLMLOAD_PROMPT_TOKENS",
        hide_env = true,
        value_name = "LENGTHS",
        value_parser = lengths(1..=PROMPT_TOKENS_MAX),
        conflicts_with = "prompts",
        help_heading = REQUESTS
    )]
    pub prompt_tokens: Option<Lengths>,

    /// Send made prompts, and those of datasets that have only lengths, as ids of tokens, so that they are exactly as
    /// long as asked, where the API takes them (completions, llama.cpp's own): the lowest and the highest id
    /// [1000-30000]
    #[arg(
        long,
        env = "LLMLOAD_TOKEN_IDS",
        hide_env = true,
        value_name = "RANGE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1000-30000",
        value_parser = count_span(0..=u32::MAX),
        conflicts_with = "prompts",
        help_heading = REQUESTS
    )]
    pub token_ids: Option<Span<u32>>,

    /// Count the tokens of words before the load, so that made prompts of text are exactly as long as asked: `server`
    /// asks the server's /tokenize (vLLM, SGLang, llama.cpp, TGI), a path is the model's tokenizer.json or its folder,
    /// `none` takes a word for a token [none]
    #[arg(
        long,
        env = "LLMLOAD_TOKENIZER",
        hide_env = true,
        value_name = "server|FILE|none",
        help_heading = REQUESTS
    )]
    pub tokenizer: Option<String>,

    /// Begin no two prompts alike, in this run or another, so that no prefix cache of the server can answer; turns of a
    /// session begin alike. A TAG from the configuration of a result makes the same prompts again
    #[arg(
        long,
        env = "LLMLOAD_CACHE_BUST",
        hide_env = true,
        value_name = "TAG",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = REQUESTS
    )]
    pub cache_bust: Option<String>,

    /// Make prompts in this many groups, each with a prefix of its own that its prompts share (with --prefix-tokens)
    #[arg(
        long,
        env = "LLMLOAD_PREFIX_GROUPS",
        hide_env = true,
        value_name = "N",
        value_parser = count(1..=PREFIX_GROUPS_MAX),
        conflicts_with = "prompts",
        requires = "prefix_tokens",
        help_heading = REQUESTS
    )]
    pub prefix_groups: Option<u32>,

    /// Length of shared prefixes, before the --prompt-tokens of each prompt: a number, a range or a distribution
    #[arg(
        long,
        env = "LLMLOAD_PREFIX_TOKENS",
        hide_env = true,
        value_name = "LENGTHS",
        value_parser = lengths(1..=PROMPT_TOKENS_MAX),
        requires = "prefix_groups",
        help_heading = REQUESTS
    )]
    pub prefix_tokens: Option<Lengths>,

    /// Number of different prompts in each group [a new one for every request]
    #[arg(
        long,
        env = "LLMLOAD_PROMPTS_PER_GROUP",
        hide_env = true,
        value_name = "N",
        value_parser = count(1..=PROMPTS_PER_GROUP_MAX),
        requires = "prefix_groups",
        help_heading = REQUESTS
    )]
    pub prompts_per_group: Option<u32>,
}
