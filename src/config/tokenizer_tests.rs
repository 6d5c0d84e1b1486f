use crate::cli::Cli;
use crate::config::{Config, TokenizerChoice, load_plan};
use clap::Parser;

fn load(line: &str) -> Result<Config, String> {
    let words = std::iter::once("llmload-uring").chain(line.split(' '));
    let cli = Cli::try_parse_from(words).map_err(|e| format!("exit 2: {e}"))?;
    load_plan(&cli.run)
        .map(|(config, _)| config)
        .map_err(|e| e.to_string())
}

#[test]
fn the_option_says_who_counts() {
    let choice = |line: &str| load(line).unwrap().tokenizer.choice;
    assert_eq!(choice("quick-smoke --prompt-tokens 100"), TokenizerChoice::None);
    assert_eq!(
        choice("quick-smoke --prompt-tokens 100 --tokenizer server"),
        TokenizerChoice::Server
    );
    assert_eq!(
        choice("quick-smoke --prompt-tokens 100 --tokenizer none"),
        TokenizerChoice::None
    );
}

#[test]
fn what_cannot_count_is_refused_before_anything_is_sent() {
    for (line, expected) in [
        (
            "quick-smoke --prompt-tokens 100 --tokenizer /no/such/tokenizer.json",
            "--tokenizer: `/no/such/tokenizer.json` cannot be read",
        ),
        (
            "quick-smoke --prompt-tokens 100 --tokenizer Qwen/Qwen3-0.6B",
            "names of models are not looked up",
        ),
        (
            "quick-smoke --prompt-tokens 100 --tokenizer Cargo.toml",
            "is no tokenizer.json",
        ),
        (
            "quick-smoke --prompt Hi --tokenizer server",
            "--tokenizer: server: has no effect: no request has prompts that are made of words",
        ),
        (
            "quick-smoke --prompt-tokens 9 --token-ids --tokenizer server",
            "token ids are exact as they are",
        ),
    ] {
        let refused = load(line).unwrap_err();
        assert!(refused.contains(expected), "{line}: {refused}");
    }
}
