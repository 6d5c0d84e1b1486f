//! Prompts whose beginnings are shared, as `prompts` describes them.

use crate::cli::{PREFIX_GROUPS_MAX, PROMPTS_PER_GROUP_MAX};
use crate::config::document::lengths::read_lengths;
use crate::config::document::reader::{Fields, Node, Reader};
use crate::error::{Reason, quoted};
use crate::lengths::{Lengths, read_counts_file};
use crate::plan::{PROMPT_TOKENS_MAX, WEIGHT_MAX};
use crate::units::Span;
use crate::workload::{PrefixBucket, SharedPrefixes};

/// The most buckets.
const BUCKETS_MAX: usize = 64;

/// The keys of `prompts` that only shared prefixes have.
pub(super) const SHARED_KEYS: [&str; 5] = [
    "prefix_groups",
    "prefix_tokens",
    "prompts_per_group",
    "group_distribution",
    "prefix_buckets",
];
const BUCKET_KEYS: [&str; 4] = ["weight", "prefix_groups", "prefix_tokens", "group_distribution"];

/// What other programs call these keys, each with ours.
const ELSEWHERE: [(&str, &str); 21] = [
    ("num_groups", "prefix_groups"),
    ("gsp_num_groups", "prefix_groups"),
    ("num_prefixes", "prefix_groups"),
    ("prefix_count", "prefix_groups"),
    ("groups", "prefix_groups"),
    ("num_prompts_per_group", "prompts_per_group"),
    ("gsp_prompts_per_group", "prompts_per_group"),
    ("system_prompt_len", "prefix_tokens"),
    ("gsp_system_prompt_len", "prefix_tokens"),
    ("prefix_len", "prefix_tokens"),
    ("prefix_length", "prefix_tokens"),
    ("question_len", "prompt_tokens"),
    ("gsp_question_len", "prompt_tokens"),
    ("suffix_len", "prompt_tokens"),
    ("input_len", "prompt_tokens"),
    ("input_tokens", "prompt_tokens"),
    ("output_len", "max_tokens"),
    ("gsp_output_len", "max_tokens"),
    ("output_tokens", "max_tokens"),
    ("bucket_weight", "weight"),
    ("vocabulary", "token_ids"),
];

/// Returns our name of a key that another program has in its description of prompts.
pub(super) fn other_name(key: &str) -> Option<&'static str> {
    let found = ELSEWHERE.iter().find(|(theirs, _)| *theirs == key);
    found.map(|(_, ours)| *ours)
}

/// Tells whether the mapping asks for shared prefixes.
pub(super) fn asks_for_groups(keys: &Fields<'_>) -> bool {
    SHARED_KEYS.iter().any(|key| keys.has(key))
}

/// Reads shared prefixes, whose questions have these lengths.
pub(super) fn read_shared(
    reader: &mut Reader<'_>,
    keys: &Fields<'_>,
    question_tokens: Lengths,
    vocabulary: Option<Span<u32>>,
) -> Option<SharedPrefixes> {
    for key in ["prefix", "min_tokens"] {
        if keys.has(key) {
            let what = format!("key `{}{key}` contradicts prefixes that are made", keys.path);
            reader.mistake(keys.line_of(key), Reason::new(what).hint("remove one of them"));
        }
    }
    let prompts_per_group = reader.count(keys, "prompts_per_group", 1..=PROMPTS_PER_GROUP_MAX);
    let buckets = match keys.has("prefix_buckets") {
        true => read_buckets(reader, keys)?,
        false => vec![read_bucket(reader, keys)?],
    };
    let longest = buckets.iter().map(|bucket| bucket.prefix_tokens.max()).max();
    let longest = u64::from(longest.unwrap_or(0)) + u64::from(question_tokens.max());
    if longest > u64::from(PROMPT_TOKENS_MAX) {
        let what = format!(
            "`{}prefix_tokens`: prefix and question are up to {longest} tokens, more than the limit of \
             {PROMPT_TOKENS_MAX}",
            keys.path
        );
        reader.mistake(keys.line, Reason::new(what).hint("ask for shorter ones"));
        return None;
    }
    Some(SharedPrefixes {
        buckets,
        question_tokens,
        prompts_per_group,
        vocabulary,
        seed: 0,
    })
}

fn read_buckets(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<Vec<PrefixBucket>> {
    for key in ["prefix_groups", "prefix_tokens", "group_distribution"] {
        if keys.has(key) {
            let what = format!("key `{}{key}` contradicts `prefix_buckets`", keys.path);
            let hint = "each bucket has groups and a length of its own: remove one of them";
            reader.mistake(keys.line_of(key), Reason::new(what).hint(hint));
        }
    }
    let items: &[Node<'_>] = reader.list(keys, "prefix_buckets", BUCKETS_MAX)?;
    let mut buckets = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let name = format!("{}prefix_buckets[{index}]", keys.path);
        let Some(bucket) = reader.mapping(&name, item, &BUCKET_KEYS) else {
            continue;
        };
        let weight = reader.count(&bucket, "weight", 1..=WEIGHT_MAX);
        if let Some(read) = read_bucket(reader, &bucket) {
            buckets.push(PrefixBucket {
                weight: weight.unwrap_or(1),
                ..read
            });
        }
    }
    (buckets.len() == items.len()).then_some(buckets)
}

fn read_bucket(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<PrefixBucket> {
    reader.required(keys, "prefix_groups", "add the number of different prefixes");
    reader.required(
        keys,
        "prefix_tokens",
        "add the length of prefixes, for example `2048`",
    );
    let groups = reader.count(keys, "prefix_groups", 1..=PREFIX_GROUPS_MAX);
    let prefix_tokens = read_lengths(reader, keys, "prefix_tokens", &(1..=PROMPT_TOKENS_MAX));
    let groups = groups?;
    let group = match keys.has("group_distribution") {
        false => Some(Lengths::range(1, groups)),
        true => reader.parsed(
            keys,
            "group_distribution",
            "`uniform` or `zipf(alpha=1.2)`",
            |text| group_distribution(text, groups),
        ),
    };
    Some(PrefixBucket {
        weight: 1,
        group: group?,
        prefix_tokens: prefix_tokens?,
    })
}

/// Reads how often each of the groups is asked: all equally, or the k-th in proportion to k to the power of -alpha.
fn group_distribution(text: &str, groups: u32) -> Result<Lengths, Reason> {
    let inside = text
        .strip_prefix("zipf(")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|inside| inside.trim().strip_prefix("alpha="));
    match (text, inside) {
        ("uniform", _) => Ok(Lengths::range(1, groups)),
        (_, Some(alpha)) => {
            let count = groups.to_string();
            let settings = [("alpha", alpha.trim()), ("max", count.as_str())];
            Lengths::from_settings("zipf", &settings, &(1..=groups), &read_counts_file)
                .map_err(|wrong| wrong.error.into_reason())
        }
        _ => {
            let what = format!("{} is neither `uniform` nor `zipf(alpha=1.2)`", quoted(text));
            Err(Reason::new(what).hint("write one of them: with zipf the first groups are asked most"))
        }
    }
}
