//! The key `dataset`: the format and the file that prompts come from.

use crate::config::DatasetConfig;
use crate::config::document::PATH_BYTES_MAX;
use crate::config::document::prompts::{TOKEN_IDS_EXPECTED, parse_vocabulary};
use crate::config::document::reader::{Fields, Reader, scalar};
use crate::dataset::{BLOCK_MAX, Filter, Format};
use crate::error::Reason;
use crate::workload::{Sampling, Tokens};

pub const KEYS: [&str; 7] = [
    "format",
    "file",
    "sample",
    "block",
    "filter",
    "output_length",
    "token_ids",
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
    let (format, file) = (format?, file?);
    if block.is_some() && format.row().block == 0 {
        let what = format!("key `{path}.block` has no effect with format `{}`", format.name());
        let hint = "its rows have no `hash_ids`: remove the key";
        reader.mistake(keys.line_of("block"), Reason::new(what).hint(hint));
    }
    if filter == Some("vllm") && format.name() != "sharegpt" {
        let what = format!(
            "key `{path}.filter` has no effect with format `{}`",
            format.name()
        );
        reader.mistake(
            keys.line_of("filter"),
            Reason::new(what).hint("only `sharegpt` has a filter"),
        );
    }
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
        ..DatasetConfig::new(format, file, place)
    })
}

/// Reads `token_ids`.
fn read_tokens(text: &str) -> Result<Tokens, Reason> {
    parse_vocabulary(text).map(|ids| ids.map_or(Tokens::Words, Tokens::Ids))
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
