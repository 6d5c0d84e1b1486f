//! What the bodies of chat requests have besides model, prompt and token limit.

use crate::api::{Members, Setting};
use crate::cli::values::or_file::{OrFile, or_file};
use crate::error::ValueError;
use crate::plan::{WrongJson, check_system, read_members, read_setting, read_tools};
use clap::Args;
use clap::builder::BoolishValueParser;

const REQUESTS: &str = "Requests";

#[derive(Clone, Debug, Args)]
pub struct BodyArgs {
    /// Let answers go on at the model's end of sequence, so that each is as long as --max-tokens
    #[arg(
        long,
        env = "LLMLOAD_IGNORE_EOS",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = REQUESTS
    )]
    pub ignore_eos: bool,

    /// Least number of tokens of an answer, for servers that take it
    #[arg(
        long,
        env = "LLMLOAD_MIN_TOKENS",
        hide_env = true,
        value_name = "N",
        value_parser = setting(Setting::MinTokens),
        help_heading = REQUESTS
    )]
    pub min_tokens: Option<String>,

    /// Temperature of sampling; 0 is greedy
    #[arg(
        long,
        env = "LLMLOAD_TEMPERATURE",
        hide_env = true,
        value_name = "T",
        value_parser = setting(Setting::Temperature),
        help_heading = REQUESTS
    )]
    pub temperature: Option<String>,

    /// Sample from the likeliest tokens that have this probability together, 0 to 1
    #[arg(
        long,
        env = "LLMLOAD_TOP_P",
        hide_env = true,
        value_name = "P",
        value_parser = setting(Setting::TopP),
        help_heading = REQUESTS
    )]
    pub top_p: Option<String>,

    /// Sample from the K likeliest tokens
    #[arg(
        long,
        env = "LLMLOAD_TOP_K",
        hide_env = true,
        value_name = "K",
        value_parser = setting(Setting::TopK),
        help_heading = REQUESTS
    )]
    pub top_k: Option<String>,

    /// Seed of the server's sampling, `seed` in the body; --seed is that of the requests
    #[arg(
        long,
        env = "LLMLOAD_SAMPLING_SEED",
        hide_env = true,
        value_name = "N",
        value_parser = setting(Setting::Seed),
        help_heading = REQUESTS
    )]
    pub sampling_seed: Option<String>,

    /// Text that ends an answer; repeatable
    #[arg(
        long,
        env = "LLMLOAD_STOP",
        hide_env = true,
        value_name = "TEXT",
        help_heading = REQUESTS
    )]
    pub stop: Vec<String>,

    /// Number of answers to each request, `n` in the body
    #[arg(
        long,
        env = "LLMLOAD_CHOICES",
        hide_env = true,
        value_name = "N",
        value_parser = setting(Setting::N),
        help_heading = REQUESTS
    )]
    pub choices: Option<String>,

    /// System prompt of every chat request, or @FILE
    #[arg(
        long,
        env = "LLMLOAD_SYSTEM",
        hide_env = true,
        value_name = "TEXT",
        value_parser = or_file(system),
        help_heading = REQUESTS
    )]
    pub system: Option<OrFile<String>>,

    /// Tools that the model may call, a JSON list or @FILE
    #[arg(
        long,
        env = "LLMLOAD_TOOLS",
        hide_env = true,
        value_name = "JSON",
        value_parser = or_file(tools),
        help_heading = REQUESTS
    )]
    pub tools: Option<OrFile<String>>,

    /// Further members of every body, a JSON object or @FILE: merged into it, and a null removes a member
    #[arg(
        long,
        env = "LLMLOAD_EXTRA_BODY",
        hide_env = true,
        value_name = "JSON",
        value_parser = or_file(members),
        help_heading = REQUESTS
    )]
    pub extra_body: Option<OrFile<Members>>,

    /// Header with an id of each request, which a server's log shows; `none` sends none [X-Request-Id]
    #[arg(
        long,
        env = "LLMLOAD_REQUEST_ID_HEADER",
        hide_env = true,
        value_name = "NAME",
        help_heading = REQUESTS
    )]
    pub request_id_header: Option<String>,
}

/// Returns the parser of a setting that is one word.
fn setting(setting: Setting) -> impl Fn(&str) -> Result<String, ValueError> + Clone {
    move |text| read_setting(setting, text)
}

fn system(text: &str) -> Result<String, ValueError> {
    check_system(text).map_err(ValueError::Refused)?;
    Ok(text.to_owned())
}

fn tools(text: &str) -> Result<String, ValueError> {
    read_tools(text).map_err(WrongJson::value_error)
}

fn members(text: &str) -> Result<Members, ValueError> {
    read_members(text).map_err(WrongJson::value_error)
}
