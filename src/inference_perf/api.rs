//! The section `api`: in whose words requests are made, and their headers.

use super::draft::Draft;
use crate::config::document::json_text;
use crate::config::document::reader::{Fields, is_mapping, scalar};
use crate::imports::yaml_text;

pub(super) const KEYS: [&str; 9] = [
    "type",
    "streaming",
    "headers",
    "slo_unit",
    "slo_tpot_header",
    "slo_ttft_header",
    "response_format",
    "session_id_header_key",
    "session_token_header_key",
];
const HEADER_NAME_BYTES_MAX: usize = 256;
/// Headers whose values are secrets.
const SECRETS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiType {
    Completion,
    Chat,
    Messages,
}

impl ApiType {
    pub(super) const NAMES: [&str; 3] = ["completion", "chat", "anthropic_messages"];

    fn of_name(name: &str) -> ApiType {
        match name {
            "chat" => ApiType::Chat,
            "anthropic_messages" => ApiType::Messages,
            _ => ApiType::Completion,
        }
    }

    /// Returns the path that is asked.
    pub fn route(self) -> &'static str {
        match self {
            ApiType::Completion => "/v1/completions",
            ApiType::Chat => "/v1/chat/completions",
            ApiType::Messages => "/v1/messages",
        }
    }

    /// Returns the name of the kind of request.
    pub fn kind(self) -> &'static str {
        match self {
            ApiType::Completion => "completion",
            ApiType::Chat => "chat",
            ApiType::Messages => "messages",
        }
    }
}

/// What the section says.
pub struct ApiPart {
    pub api: ApiType,
    pub stream: bool,
    /// The headers, as the value of `headers`.
    pub headers: Option<String>,
    /// The value of `extra_body`.
    pub extra_body: Option<String>,
    /// The header that names a session.
    pub affinity: Option<String>,
    /// The limits that stand in headers, each the metric and the time.
    pub limits: Vec<(&'static str, String)>,
}

/// Reads the section. An absent one asks for whole completions.
pub fn read_api(draft: &mut Draft<'_>, root: &Fields<'_>) -> ApiPart {
    let mut part = ApiPart {
        api: ApiType::Completion,
        stream: false,
        headers: None,
        extra_body: None,
        affinity: None,
        limits: Vec::new(),
    };
    let Some(keys) = draft.section(root, "api", &KEYS) else {
        return part;
    };
    if let Some(name) = draft.reader.choice(&keys, "type", &ApiType::NAMES) {
        part.api = ApiType::of_name(name);
    }
    part.stream = draft.reader.boolean(&keys, "streaming").unwrap_or(false);
    let headers = read_headers(draft, &keys);
    part.limits = read_limits(draft, &keys, &headers);
    let written: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !is_secret(name))
        .map(|(name, value)| format!("{}: {}", yaml_text(name), yaml_text(value)))
        .collect();
    if !written.is_empty() {
        draft.comes_from("headers", &keys, "headers");
        part.headers = Some(format!("{{ {} }}", written.join(", ")));
    }
    part.extra_body = read_format(draft, &keys);
    part.affinity = draft
        .reader
        .string(&keys, "session_id_header_key", HEADER_NAME_BYTES_MAX);
    draft.lost(
        &keys,
        "session_token_header_key",
        "no header of an answer is sent back",
    );
    part
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Reads the headers with their values; those that cannot be written are noted.
fn read_headers(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Vec<(String, String)> {
    let Some(node) = keys.node("headers") else {
        return Vec::new();
    };
    let Some(asked) = draft.reader.open_mapping("api.headers", node) else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for name in asked.keys() {
        let value = draft
            .reader
            .parsed(&asked, name, "a header's value", |text| Ok(text.to_owned()));
        let Some(value) = value else { continue };
        if is_secret(name) {
            draft.ignored.push(format!(
                "not copied: `api.headers.{name}`: a profile holds no secrets; set LLMLOAD_API_KEY in the environment \
                 of the run, or LLMLOAD_HEADER='{name}: …'"
            ));
        }
        match value.contains("${") && !is_secret(name) {
            true => draft.left_out.push(format!(
                "`api.headers.{name}`: `${{…}}` in a value names a variable of the environment here"
            )),
            false => headers.push((name.to_owned(), value)),
        }
    }
    headers
}

/// Reads the limits that stand in headers: such a header is sent, and its value is a limit of goodput.
fn read_limits(
    draft: &mut Draft<'_>,
    keys: &Fields<'_>,
    headers: &[(String, String)],
) -> Vec<(&'static str, String)> {
    let unit = draft
        .reader
        .choice(keys, "slo_unit", &["s", "ms", "us"])
        .unwrap_or("ms");
    let mut limits = Vec::new();
    for (metric, key) in [("ttft", "slo_ttft_header"), ("tpot", "slo_tpot_header")] {
        let named = draft.reader.string(keys, key, HEADER_NAME_BYTES_MAX);
        let name = named.unwrap_or_else(|| format!("x-slo-{metric}-{unit}"));
        let Some((_, value)) = headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(&name))
        else {
            draft.lost(keys, key, "no header of that name is sent, so it limits nothing");
            continue;
        };
        if value.trim().parse::<f64>().is_ok_and(|limit| limit > 0.0) {
            limits.push((metric, format!("{}{unit}", value.trim())));
        }
    }
    limits
}

/// Returns the member that asks for structured output, as inference-perf writes it.
fn read_format(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Option<String> {
    let known = ["type", "name", "json_schema"];
    let format = draft.section(keys, "response_format", &known)?;
    let kind = draft
        .reader
        .choice(&format, "type", &["json_schema", "json_object"]);
    if kind == Some("json_object") {
        return Some("{ \"response_format\": { \"type\": \"json_object\" } }".to_owned());
    }
    let name = format
        .node("name")
        .and_then(scalar)
        .unwrap_or("structured_output");
    let schema = match format.node("json_schema").filter(|node| is_mapping(node)) {
        Some(node) => json_text(&mut draft.reader, "api.response_format.json_schema", node)?,
        None => "null".to_owned(),
    };
    draft.comes_from("extra_body", keys, "response_format");
    Some(format!(
        "{{ \"response_format\": {{ \"type\": \"json_schema\", \"json_schema\": \
         {{ \"name\": {}, \"schema\": {schema} }} }} }}",
        yaml_text(name)
    ))
}
