//! Applies the options about lengths and made prompts to the requests of the document.

use crate::cli::{LengthArgs, PREFIX_GROUPS_MAX, PROMPTS_PER_GROUP_MAX, RunArgs, TurnsAsked};
use crate::config::Config;
use crate::config::document::PROMPT_TOKENS_DEFAULT;
use crate::config::options::refuse_without_chat;
use crate::error::Mistake;
use crate::lengths::Lengths;
use crate::plan::{MAX_TOKENS_MAX, PROMPT_TOKENS_MAX, TURNS_MAX};
use crate::units::{Span, within};
use crate::workload::{CacheBust, Call, PrefixBucket, Prompts, SharedPrefixes};

pub fn overlay_lengths(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let before = mistakes.len();
    check(args, mistakes);
    refuse_without_chat(
        config,
        args.lengths.cache_bust.as_ref().map(|_| "--cache-bust"),
        mistakes,
    );
    if mistakes.len() > before {
        return;
    }
    let asked = &args.lengths;
    let bust = asked.cache_bust.as_deref().map(CacheBust::parse);
    let bust = bust.transpose().unwrap_or_default();
    for request in &mut config.requests {
        let Call::Chat(chat) = &mut request.call else {
            continue;
        };
        if let Some(bust) = &bust {
            chat.cache_bust.clone_from(bust);
        }
        let replaces = asked.prompt_tokens.is_some() || asked.prefix_groups.is_some();
        // The ids of a dataset's tokens are its own affair.
        if replaces || asked.token_ids.is_some() && request.dataset.is_none() {
            chat.prompts = made(&chat.prompts, asked);
            request.prompts_file = None;
        }
        request.has_limit |= args.max_tokens.is_some();
        if let Some(lengths) = &args.max_tokens {
            chat.max_tokens.clone_from(lengths);
        }
        if let Some(turns) = &args.turns {
            chat.conversation.get_or_insert_default().turns = match turns {
                TurnsAsked::All => None,
                TurnsAsked::Drawn(turns) => Some(turns.clone()),
            };
        }
    }
}

/// Checks the limits of numbers, which the command line does not.
fn check(args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let asked = &args.lengths;
    let turns = match &args.turns {
        Some(TurnsAsked::Drawn(turns)) => Some(turns.clone()),
        Some(TurnsAsked::All) | None => None,
    };
    let lengths = [
        ("--prompt-tokens", &asked.prompt_tokens, PROMPT_TOKENS_MAX),
        ("--prefix-tokens", &asked.prefix_tokens, PROMPT_TOKENS_MAX),
        ("--max-tokens", &args.max_tokens, MAX_TOKENS_MAX),
        ("--turns", &turns, TURNS_MAX),
    ];
    let ends = lengths.iter().filter_map(|(option, lengths, most)| {
        let lengths = lengths.as_ref()?;
        Some([(*option, lengths.min(), *most), (*option, lengths.max(), *most)])
    });
    let counts = [
        ("--prefix-groups", asked.prefix_groups, PREFIX_GROUPS_MAX),
        (
            "--prompts-per-group",
            asked.prompts_per_group,
            PROMPTS_PER_GROUP_MAX,
        ),
    ];
    let counts = counts
        .iter()
        .filter_map(|(option, count, most)| Some((*option, (*count)?, *most)));
    let mut wrong = Vec::new();
    if let Some(Err(reason)) = asked.cache_bust.as_deref().map(CacheBust::parse) {
        wrong.push(reason.at("--cache-bust", 0));
    }
    for (option, count, most) in ends.flatten().chain(counts) {
        let beyond = within(Some(count), &count.to_string(), &(1..=most)).err();
        wrong.extend(beyond.map(|reason| reason.at(option, 0)));
    }
    // Both ends of a number are the same.
    wrong.dedup();
    mistakes.append(&mut wrong);
}

/// Returns prompts as options ask for them; what these leave open is as it was, or as made prompts are by default.
fn made(prompts: &Prompts, asked: &LengthArgs) -> Prompts {
    let (prefix, tokens, vocabulary) = match prompts {
        Prompts::Made { prefix, tokens } => (prefix.as_str(), tokens, None),
        Prompts::Ids { tokens, vocabulary } => ("", tokens, Some(*vocabulary)),
        Prompts::Shared(shared) => ("", &shared.question_tokens, shared.vocabulary),
        Prompts::List(_) | Prompts::Rows(_) => ("", &PROMPT_TOKENS_DEFAULT, None),
    };
    let tokens = asked.prompt_tokens.as_ref().unwrap_or(tokens).clone();
    let vocabulary: Option<Span<u32>> = asked.token_ids.or(vocabulary);
    match (prompts, shared_prefixes(asked)) {
        (_, Some(buckets)) => Prompts::Shared(Box::new(SharedPrefixes {
            buckets,
            question_tokens: tokens,
            prompts_per_group: asked.prompts_per_group,
            vocabulary,
            seed: 0,
        })),
        (Prompts::Shared(shared), None) => Prompts::Shared(Box::new(SharedPrefixes {
            question_tokens: tokens,
            vocabulary,
            ..(**shared).clone()
        })),
        _ => match vocabulary {
            Some(vocabulary) => Prompts::Ids { tokens, vocabulary },
            None => Prompts::Made {
                prefix: prefix.to_owned(),
                tokens,
            },
        },
    }
}

fn shared_prefixes(asked: &LengthArgs) -> Option<Vec<PrefixBucket>> {
    Some(vec![PrefixBucket {
        weight: 1,
        group: Lengths::range(1, asked.prefix_groups?),
        prefix_tokens: asked.prefix_tokens.clone()?,
    }])
}
