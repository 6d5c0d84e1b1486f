//! Made prompts as a document has them.

use crate::config::dataset::ids_text;
use crate::workload::{PrefixBucket, Prompts, SharedPrefixes};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Serialises made prompts as a mapping of their keys.
pub(super) struct MadeForm<'a>(pub &'a Prompts);

impl Serialize for MadeForm<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match self.0 {
            // They have forms of their own.
            Prompts::List(_) | Prompts::Rows(_) => {}
            Prompts::Made { prefix, tokens } => {
                map.serialize_entry("prefix", prefix)?;
                map.serialize_entry("prompt_tokens", tokens)?;
            }
            Prompts::Ids { tokens, vocabulary } => {
                map.serialize_entry("prompt_tokens", tokens)?;
                map.serialize_entry("token_ids", &ids_text(*vocabulary))?;
            }
            Prompts::Shared(shared) => serialize_shared(&mut map, shared)?,
        }
        map.end()
    }
}

fn serialize_shared<M: SerializeMap>(map: &mut M, shared: &SharedPrefixes) -> Result<(), M::Error> {
    map.serialize_entry("prompt_tokens", &shared.question_tokens)?;
    if let Some(count) = shared.prompts_per_group {
        map.serialize_entry("prompts_per_group", &count)?;
    }
    if let Some(vocabulary) = shared.vocabulary {
        map.serialize_entry("token_ids", &ids_text(vocabulary))?;
    }
    match shared.buckets.as_slice() {
        [one] => serialize_bucket(map, one),
        several => {
            let forms: Vec<BucketForm<'_>> = several.iter().map(BucketForm).collect();
            map.serialize_entry("prefix_buckets", &forms)
        }
    }
}

fn serialize_bucket<M: SerializeMap>(map: &mut M, bucket: &PrefixBucket) -> Result<(), M::Error> {
    map.serialize_entry("prefix_groups", &bucket.group.max())?;
    map.serialize_entry("prefix_tokens", &bucket.prefix_tokens)?;
    if let Some(alpha) = bucket.group.zipf_alpha() {
        map.serialize_entry("group_distribution", &format!("zipf(alpha={alpha})"))?;
    }
    Ok(())
}

struct BucketForm<'a>(&'a PrefixBucket);

impl Serialize for BucketForm<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("weight", &self.0.weight)?;
        serialize_bucket(&mut map, self.0)?;
        map.end()
    }
}
