//! The section `server`: which server is asked, for which model.

use std::fmt::Write as _;

use super::api::ApiType;
use super::data::Data;
use super::draft::Draft;
use crate::config::document::reader::Fields;
use crate::imports::yaml_text;

pub(super) const KEYS: [&str; 7] = [
    "type",
    "model_name",
    "base_url",
    "ignore_eos",
    "api_key",
    "cert_path",
    "key_path",
];
const TYPES: [&str; 4] = ["vllm", "sglang", "tgi", "mock"];
const TEXT_BYTES_MAX: usize = 4_096;

/// What the section says.
pub struct Server {
    /// The block `server` of the profile.
    pub block: String,
    pub ignore_eos: bool,
}

/// Reads the section. `has_adapters` says that each kind of request has a model of its own.
pub fn read_server(
    draft: &mut Draft<'_>,
    root: &Fields<'_>,
    (api, data): (ApiType, &Data),
    has_adapters: bool,
) -> Server {
    let mut server = Server {
        block: String::new(),
        ignore_eos: true,
    };
    let hint = "inference-perf requires it as well: `server: { base_url: \"http://HOST:8000\" }`";
    draft.reader.required(root, "server", hint);
    let Some(keys) = draft.section(root, "server", &KEYS) else {
        return server;
    };
    draft.reader.required(&keys, "base_url", hint);
    // All of them are asked in the same words.
    draft.reader.choice(&keys, "type", &TYPES);
    if let Some(ignores) = draft.reader.boolean(&keys, "ignore_eos") {
        server.ignore_eos = ignores;
    }
    let Some(base) = draft.reader.string(&keys, "base_url", TEXT_BYTES_MAX) else {
        return server;
    };
    draft.comes_from("base_url", &keys, "base_url");
    let _ = writeln!(
        server.block,
        "server:\n  base_url: {}",
        yaml_text(&with_route(&base, api))
    );
    let named = draft.reader.string(&keys, "model_name", TEXT_BYTES_MAX);
    if let Some(model) = data.model.clone().or(named) {
        match has_adapters {
            true => draft.renamed(
                &keys,
                "model_name",
                "is asked by no request, as in inference-perf: each asks for an adapter",
            ),
            false => {
                draft.comes_from("model_alias", &keys, "model_name");
                let _ = writeln!(server.block, "  model_alias: {}", yaml_text(&model));
            }
        }
    }
    if keys.has("api_key") {
        draft.ignored.push(
            "not copied: `server.api_key`: a profile holds no secrets; set LLMLOAD_API_KEY in the environment of the \
             run, or name a file that holds it with --api-key-file"
                .to_owned(),
        );
    }
    for key in ["cert_path", "key_path"] {
        draft.lost(&keys, key, "there are no client certificates");
    }
    server
}

/// Returns the URL with the path that inference-perf asks there.
fn with_route(base: &str, api: ApiType) -> String {
    // A query belongs behind the path.
    let at = base.find('?').unwrap_or(base.len());
    let (base, query) = base.split_at(at);
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    format!("{base}{}{query}", api.route())
}
