//! What bodies have besides model, prompt and token limit: `ignore_eos`, `system`, `extra_body` and their like, in a
//! document or in one of its kinds of request.

use serde::Serialize;
use serde::ser::{Error, SerializeMap};
use serde_json::value::RawValue;

use crate::api::{BodySettings, Setting, SystemPrompt};
use crate::config::body_file::read_json_file;
use crate::config::document::json_text::json_text;
use crate::config::document::python_tool::answer_system;
use crate::config::document::reader::{Fields, Reader, is_mapping, line};
use crate::config::options::parse_header;
use crate::config::types::{NO_HEADER, REQUEST_ID_HEADER};
use crate::error::Reason;
use crate::plan::{
    STOP_MAX, SYSTEM_BYTES_MAX, check_system, read_members, read_setting, read_tools, stop_json,
};
use crate::units::read_text_file;

const SYSTEM: &str = "system";
const EXTRA: &str = "extra_body";

/// The keys of bodies, which a document and its kinds of request share.
pub const BODY_KEYS: [&str; Setting::COUNT + 2] = {
    let mut keys = [EXTRA; Setting::COUNT + 2];
    let mut i = 0;
    while i < Setting::COUNT {
        keys[i] = Setting::ALL[i].key();
        i += 1;
    }
    keys[i] = SYSTEM;
    keys
};

/// Reads the settings of bodies at `fields`.
pub fn read_body(reader: &mut Reader<'_>, fields: &Fields<'_>) -> BodySettings {
    let mut settings = BodySettings::default();
    for setting in Setting::ALL {
        let json = match setting {
            Setting::IgnoreEos => reader
                .boolean(fields, setting.key())
                .map(|value| value.to_string()),
            Setting::Stop => read_stop(reader, fields),
            Setting::Tools => {
                read_tools_of(reader, fields, &mut settings);
                None
            }
            _ => reader.parsed(fields, setting.key(), "a number", |text| {
                read_setting(setting, text).map_err(|e| e.into_reason())
            }),
        };
        if let Some(json) = json {
            settings.set(setting, json);
        }
    }
    if let Some(system) = read_system(reader, fields) {
        settings.set_system(system);
    }
    read_extra(reader, fields, &mut settings);
    settings
}

/// Reads `stop`, a text or a list of texts.
fn read_stop(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<String> {
    let key = Setting::Stop.key();
    if !fields.has(key) {
        return None;
    }
    let before = reader.mistakes.len();
    let texts = reader.one_or_more(fields, key, STOP_MAX);
    if reader.mistakes.len() > before {
        return None;
    }
    let texts: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
    stop_json(&texts)
        .map_err(|reason| {
            let reason = reason.within(format!("`{}{key}`", fields.path));
            reader.mistake(fields.line_of(key), reason);
        })
        .ok()
}

/// Returns the path in `{ file: PATH }`.
fn read_file_key(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str) -> Option<String> {
    let name = format!("{}{key}", fields.path);
    let keys = reader.mapping(&name, fields.node(key)?, &["file"])?;
    reader.required(&keys, "file", "write `{ file: PATH }`");
    reader.parsed(&keys, "file", "the path of a file", |text| Ok(text.to_owned()))
}

fn read_system(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<SystemPrompt> {
    let node = fields.node(SYSTEM)?;
    if answer_system(reader, fields) {
        return None;
    }
    let (text, file) = match is_mapping(node) {
        false => (
            reader.parsed(fields, SYSTEM, "a text or `{ file: PATH }`", |text| {
                Ok(text.to_owned())
            })?,
            None,
        ),
        true => {
            let file = read_file_key(reader, fields, SYSTEM)?;
            let read = read_text_file(&file, SYSTEM_BYTES_MAX, None);
            let text = noted(reader, fields, SYSTEM, read)?;
            (text, Some(file))
        }
    };
    noted(reader, fields, SYSTEM, check_system(&text))?;
    Some(SystemPrompt {
        text: text.into(),
        file,
    })
}

/// Reports an error at `key`.
fn noted<T>(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str, read: Result<T, Reason>) -> Option<T> {
    read.map_err(|reason| {
        let reason = reason.within(format!("`{}{key}`", fields.path));
        reader.mistake(fields.line_of(key), reason);
    })
    .ok()
}

/// Reads `tools`: a list, or the file that has it.
fn read_tools_of(reader: &mut Reader<'_>, fields: &Fields<'_>, settings: &mut BodySettings) {
    let key = Setting::Tools.key();
    let Some(node) = fields.node(key) else { return };
    if is_mapping(node) {
        let Some(file) = read_file_key(reader, fields, key) else {
            return;
        };
        let place = reader.place(fields.line_of(key));
        match read_json_file(&file, &place, read_tools) {
            Ok(json) => settings.set_tools_of(&file, json),
            Err(mistake) => reader.mistakes.push(mistake),
        }
        return;
    }
    let Some(json) = json_text(reader, &format!("{}{key}", fields.path), node) else {
        return;
    };
    let read = read_tools(&json).map_err(|wrong| wrong.reason);
    if let Some(json) = noted(reader, fields, key, read) {
        settings.set(Setting::Tools, json);
    }
}

fn read_extra(reader: &mut Reader<'_>, fields: &Fields<'_>, settings: &mut BodySettings) {
    let Some(node) = fields.node(EXTRA) else { return };
    let name = format!("{}{EXTRA}", fields.path);
    let Some(members) = reader.open_mapping(&name, node) else {
        return;
    };
    let Some(json) = json_text(reader, &name, node) else {
        return;
    };
    match read_members(&json) {
        Ok(members) => settings.set_extra(members),
        Err(wrong) => {
            let at = match members.has("stream") {
                true => members.line_of("stream"),
                false => line(node),
            };
            reader.mistake(at, wrong.reason.within(format!("`{name}`")));
        }
    }
}

/// Reads `request_id_header`: the name of a header, or `none`.
pub fn read_request_id_header(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<String> {
    match fields.has("request_id_header") {
        false => Some(REQUEST_ID_HEADER.to_owned()),
        true => reader.parsed(fields, "request_id_header", "a header's name", id_header)?,
    }
}

/// Returns the name of the header, or `None` for the word `none`.
pub fn id_header(text: &str) -> Result<Option<String>, Reason> {
    match text {
        NO_HEADER => Ok(None),
        _ => parse_header(&format!("{text}:")).map(|header| Some(header.name)),
    }
}

/// Serialises the settings as the keys of a document.
pub fn serialize_body<M: SerializeMap>(settings: &BodySettings, map: &mut M) -> Result<(), M::Error> {
    for (setting, json) in settings.values() {
        match (setting, settings.tools_file()) {
            (Setting::Tools, Some(file)) => map.serialize_entry(setting.key(), &FileForm { file })?,
            _ => {
                let value: &RawValue = serde_json::from_str(json).map_err(M::Error::custom)?;
                map.serialize_entry(setting.key(), value)?;
            }
        }
    }
    match settings.system() {
        None => {}
        Some(SystemPrompt { file: Some(file), .. }) => map.serialize_entry(SYSTEM, &FileForm { file })?,
        Some(SystemPrompt { text, .. }) => map.serialize_entry(SYSTEM, text.as_ref())?,
    }
    if !settings.extra().is_empty() {
        map.serialize_entry(EXTRA, settings.extra())?;
    }
    Ok(())
}

#[derive(Serialize)]
struct FileForm<'a> {
    file: &'a str,
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
