//! Applies the options about lengths to the requests of the document.

use crate::cli::RunArgs;
use crate::config::Config;
use crate::error::Mistake;
use crate::lengths::Lengths;
use crate::plan::{MAX_TOKENS_MAX, PROMPT_TOKENS_MAX};
use crate::units::within;
use crate::workload::{Call, Prompts};

pub fn overlay_lengths(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let before = mistakes.len();
    let asked = [
        ("--prompt-tokens", &args.prompt_tokens, PROMPT_TOKENS_MAX),
        ("--max-tokens", &args.max_tokens, MAX_TOKENS_MAX),
    ];
    for (option, lengths, most) in asked {
        if let Some(lengths) = lengths {
            let mut ends = [lengths.min(), lengths.max()].into_iter();
            let beyond = ends.find_map(|end| within(Some(end), &end.to_string(), &(1..=most)).err());
            mistakes.extend(beyond.map(|reason| reason.at(option, 0)));
        }
    }
    if mistakes.len() > before {
        return;
    }
    for request in &mut config.requests {
        let Call::Chat(chat) = &mut request.call else {
            continue;
        };
        if let Some(lengths) = &args.prompt_tokens {
            chat.prompts = made(&chat.prompts, lengths);
            request.prompts_file = None;
        }
        if let Some(lengths) = &args.max_tokens {
            chat.max_tokens.clone_from(lengths);
        }
    }
}

/// Returns prompts of these lengths, with the prefix that made prompts have.
fn made(prompts: &Prompts, lengths: &Lengths) -> Prompts {
    let prefix = match prompts {
        Prompts::Made { prefix, .. } => prefix.clone(),
        Prompts::List(_) | Prompts::Rows(_) => String::new(),
    };
    Prompts::Made {
        prefix,
        tokens: lengths.clone(),
    }
}
