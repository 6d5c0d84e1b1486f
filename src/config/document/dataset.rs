//! The key `dataset`: the format and the file that prompts come from.

use crate::config::DatasetConfig;
use crate::config::document::PATH_BYTES_MAX;
use crate::config::document::conversation::header_name;
use crate::config::document::prompts::{TOKEN_IDS_EXPECTED, parse_vocabulary};
use crate::config::document::reader::{Fields, Reader, scalar};
use crate::dataset::{BLOCK_MAX, Filter, Format};
use crate::error::Reason;
use crate::plan::TIME_SCALE;
use crate::workload::{OnFailure, Sampling, Tokens};

pub const KEYS: [&str; 10] = [
    "format",
    "file",
    "sample",
    "block",
    "filter",
    "output_length",
    "token_ids",
    "delay_scale",
    "on_failure",
    "affinity_header",
];

/// Reads `dataset` of a document or of a request: a mapping, or `FORMAT:FILE` as on the command line.
pub fn read_dataset(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<DatasetConfig> {
    let node = fields.node("dataset")?;
    let line = fields.line_of("dataset");
    if fields.has("prompts") {
        let what = format!(
            "key `{}dataset` contradicts `{}prompts` of line {}",
            fields.path,
            fields.path,
            fields.line_of("prompts")
        );
        reader.mistake(
            line,
            Reason::new(what).hint("prompts come from one of them: remove the other"),
        );
    }
    let place = reader.place(line);
    if scalar(node).is_some() {
        let text = reader.parsed(fields, "dataset", "a mapping, or FORMAT:FILE", |text| {
            let (name, file) = text.split_once(':').unwrap_or((text, ""));
            let format = Format::parse(name, None)?;
            match file.is_empty() {
                true => Err(Reason::new("does not say the file").hint("write FORMAT:FILE")),
                false => Ok((format, file.trim().to_owned())),
            }
        });
        return text.map(|(format, file)| DatasetConfig::new(format, file, place));
    }
    let path = format!("{}dataset", fields.path);
    let keys = reader.mapping(&path, node, &KEYS)?;
    let names: Vec<&str> = Format::names().collect();
    reader.required(&keys, "format", &format!("formats are {}", names.join(", ")));
    reader.required(&keys, "file", "add the path of the file; `-` is standard input");
    let format = reader.parsed(&keys, "format", "the name of a format", |name| {
        Format::parse(name, None)
    });
    let file = reader.string(&keys, "file", PATH_BYTES_MAX);
    let sample = reader.choice(&keys, "sample", &Sampling::ALL.map(Sampling::name));
    let block = reader.count(&keys, "block", 1..=BLOCK_MAX);
    let filter = reader.choice(&keys, "filter", &["none", "vllm"]);
    let length = reader.choice(&keys, "output_length", &["row", "kind"]);
    let token_ids = reader.parsed(&keys, "token_ids", TOKEN_IDS_EXPECTED, read_tokens);
    let delay_scale = reader.decimal(&keys, "delay_scale", 0.0..=*TIME_SCALE.end());
    let on_failure = reader.choice(&keys, "on_failure", &OnFailure::NAMES);
    let affinity_header = reader.parsed(&keys, "affinity_header", "the name of a header", header_name);
    let (format, file) = (format?, file?);
    without_effect(reader, &keys, (&path, format), filter == Some("vllm"));
    Some(DatasetConfig {
        sample: sample.and_then(Sampling::from_name).unwrap_or_default(),
        block,
        filter: match filter {
            Some("vllm") => Filter::Vllm,
            _ => Filter::None,
        },
        own_lengths: length != Some("kind"),
        tokens: token_ids.unwrap_or_default(),
        tokens_place: token_ids.map(|_| reader.place(keys.line_of("token_ids"))),
        delay_scale: delay_scale.unwrap_or(1.0),
        on_failure: on_failure.and_then(OnFailure::of_name).unwrap_or_default(),
        affinity_header,
        ..DatasetConfig::new(format, file, place)
    })
}

/// Reports keys that mean nothing to the format.
fn without_effect(
    reader: &mut Reader<'_>,
    keys: &Fields<'_>,
    (path, format): (&str, Format),
    is_filtered: bool,
) {
    let (row, name) = (format.row(), format.name());
    let of_graphs = "only traces that say which requests wait for which have it: `weka`";
    for (key, is_wrong, hint) in [
        (
            "block",
            row.block == 0,
            "its rows have no `hash_ids`: remove the key",
        ),
        (
            "filter",
            is_filtered && name != "sharegpt",
            "only `sharegpt` has a filter",
        ),
        ("delay_scale", !row.is_graph, of_graphs),
        ("on_failure", !row.is_graph, of_graphs),
        (
            "affinity_header",
            !row.is_graph,
            "name it in `conversation`, whose turns are rows then: `conversation: { affinity_header: NAME }`",
        ),
    ] {
        if keys.has(key) && is_wrong {
            let what = format!("key `{path}.{key}` has no effect with format `{name}`");
            reader.mistake(keys.line_of(key), Reason::new(what).hint(hint));
        }
    }
}

/// Reads `token_ids`.
fn read_tokens(text: &str) -> Result<Tokens, Reason> {
    parse_vocabulary(text).map(|ids| ids.map_or(Tokens::Words, Tokens::Ids))
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
