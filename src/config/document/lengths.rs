//! Keys that hold lengths in tokens: a number, a range or a distribution, as a text or as a mapping of its settings.

use crate::config::document::reader::{Fields, Node, Reader, is_mapping, scalar};
use crate::error::Reason;
use crate::lengths::{Lengths, read_counts_file};
use saphyr::YamlData;
use std::ops::RangeInclusive;

/// Reads the lengths after `key`, all of which must lie within `limits`:
///
/// ```yaml
/// max_tokens: 100
/// max_tokens: 50-200
/// max_tokens: normal(mean=512,std=64)
/// max_tokens: { distribution: normal, mean: 512, std: 64, min: 1, max: 1024 }
/// ```
pub fn read_lengths(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    limits: &RangeInclusive<u32>,
) -> Option<Lengths> {
    match fields.node(key) {
        Some(node) if is_mapping(node) => read_mapping(reader, fields, key, node, limits),
        _ => reader.parsed(fields, key, "a whole number, a range or a distribution", |text| {
            Lengths::parse(text, limits, &read_counts_file).map_err(|error| error.into_reason())
        }),
    }
}

fn read_mapping(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    node: &Node<'_>,
    limits: &RangeInclusive<u32>,
) -> Option<Lengths> {
    let name = format!("{}{key}", fields.path);
    let keys = reader.open_mapping(&name, node)?;
    let hint = "add the kind of distribution: fixed, uniform, normal, lognormal, zipf or empirical";
    reader.required(&keys, "distribution", hint);
    let distribution = reader.parsed(&keys, "distribution", "the name of a distribution", |text| {
        Ok(text.to_owned())
    })?;
    let YamlData::Mapping(map) = &node.data else {
        return None;
    };
    let mut settings = Vec::new();
    for (setting, value) in map {
        match (scalar(setting), scalar(value)) {
            (Some("distribution"), _) => {}
            (Some(setting), Some(text)) => settings.push((setting, text)),
            (Some(setting), None) => {
                let what = format!("`{name}.{setting}` is no number");
                reader.mistake(keys.line_of(setting), Reason::new(what));
                return None;
            }
            // Reported above.
            (None, _) => return None,
        }
    }
    match Lengths::from_settings(&distribution, &settings, limits, &read_counts_file) {
        Ok(lengths) => Some(lengths),
        Err(wrong) => {
            let (place, line) = match &wrong.setting {
                Some(setting) => (format!("`{name}.{setting}`"), keys.line_of(setting)),
                None => (format!("`{name}`"), fields.line_of(key)),
            };
            reader.mistake(line, wrong.error.into_reason().within(place));
            None
        }
    }
}
