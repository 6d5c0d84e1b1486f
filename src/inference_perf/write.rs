//! Writes the profile, with comments at its head on what could not be carried over.

use std::fmt::Write as _;

use super::api::{ApiPart, ApiType, read_api};
use super::data::{Data, read_data};
use super::draft::Draft;
use super::load::{graceful_stop, open_load, read_adapters, read_load};
use super::report::read_goodput;
use super::server::read_server;
use crate::config::document::reader::Fields;
use crate::config::document::tree::read_tree;
use crate::config::read_profile;
use crate::error::{Mistakes, one_line};
use crate::imports::{Imported, Importer, comments, stamped, yaml_text};
use crate::units::{Nanos, format_duration};

pub(super) const SECTIONS: [&str; 9] = [
    "api",
    "data",
    "load",
    "metrics",
    "report",
    "storage",
    "server",
    "tokenizer",
    "circuit_breakers",
];

/// What all kinds of request have in common.
struct Requests<'a> {
    part: &'a ApiPart,
    data: &'a Data,
    ignore_eos: bool,
    timeout: Nanos,
    adapters: &'a [(String, u32)],
}

/// Imports a configuration of inference-perf as a profile. `from` is the name of its file.
///
/// # Errors
/// Fails with all mistakes and their lines if the configuration is none, if it has a key without which the load would
/// be another one, and if it is beyond the limits in docs/PROFILES.md.
pub fn import(text: &str, from: &str) -> Result<Imported, Mistakes> {
    let mut draft = Draft::new(from);
    let root = read_tree(from, text, &mut draft.reader.mistakes)?;
    let Some(root) = draft.reader.document(&root, &SECTIONS) else {
        return Err(Mistakes::new(draft.reader.mistakes));
    };
    let body = read_body(&mut draft, &root);
    if !draft.reader.mistakes.is_empty() {
        return Err(Mistakes::new(draft.reader.mistakes));
    }
    // What is written is read once more, so that it can be read.
    read_profile(from, &body).map_err(|mistakes| draft.at_origins(&mistakes))?;
    let head = format!(
        "# From the configuration of inference-perf in {}, by llmload-uring import-inference-perf.",
        one_line(from)
    );
    let mut below = comments("Not carried", &draft.left_out);
    below.push_str(&comments(
        "Under another name, or nearly the same",
        &draft.renamed,
    ));
    below.push_str(&body);
    Ok(Imported {
        profile: stamped(Importer::InferencePerf, &head, &below),
        left_out: draft.left_out,
        renamed: draft.renamed,
        notes: draft.ignored,
        // A configuration without one is refused.
        names_servers: true,
    })
}

fn read_body(draft: &mut Draft<'_>, root: &Fields<'_>) -> String {
    let part = read_api(draft, root);
    let data = read_data(draft, root, part.api);
    let load_keys = open_load(draft, root);
    let adapters = match &load_keys {
        Some(keys) => read_adapters(draft, keys),
        None => Vec::new(),
    };
    let server = read_server(draft, root, (part.api, &data), !adapters.is_empty());
    let load = load_keys.map(|keys| read_load(draft, &keys, &data, root));
    if part.affinity.is_some() && data.conversation.is_empty() {
        draft.left_out.push(
            "`api.session_id_header_key`: only conversations have sessions, `conversation: { affinity_header: NAME }`"
                .to_owned(),
        );
    }
    let goodput = read_goodput(draft, root, part.limits.clone());
    draft.ignored(
        root,
        &["metrics", "storage", "tokenizer"],
        "figures are those that the client measures and the server states, `--output FILE` says where they go, and \
         tokens are those of the server's `usage`",
    );
    let Some(load) = load else { return String::new() };
    let mut body = server.block;
    body.push_str(&load.block);
    body.push_str(&graceful_stop(load.timeout));
    if let Some(seed) = load.seed.or(data.seed) {
        let _ = writeln!(body, "seed: {seed}");
    }
    if let Some(goodput) = goodput {
        let _ = writeln!(body, "goodput: {goodput}");
    }
    body.push('\n');
    body.push_str(&data.block);
    let requests = Requests {
        part: &part,
        data: &data,
        ignore_eos: server.ignore_eos && part.api != ApiType::Messages,
        timeout: load.timeout,
        adapters: &adapters,
    };
    body.push_str(&requests.written());
    body
}

impl Requests<'_> {
    /// Writes `requests`: one kind, or one for each adapter.
    fn written(&self) -> String {
        let mut out = "requests:\n".to_owned();
        if self.adapters.is_empty() {
            self.write_kind(&mut out, self.part.api.kind(), None);
        }
        for (index, (adapter, weight)) in self.adapters.iter().enumerate() {
            let name = kind_name(adapter, index);
            self.write_kind(&mut out, &name, Some((adapter, *weight)));
        }
        out
    }

    fn write_kind(&self, out: &mut String, name: &str, adapter: Option<(&str, u32)>) {
        let mut lines = vec![format!("name: {}", yaml_text(name))];
        if let Some((adapter, weight)) = adapter {
            lines.push(format!("weight: {weight}"));
            lines.push(format!("models: [{}]", yaml_text(adapter)));
        }
        lines.push(format!("stream: {}", self.part.stream));
        if let Some(max_tokens) = &self.data.max_tokens {
            lines.push(format!("max_tokens: {max_tokens}"));
        }
        lines.push(format!("timeout: {}", format_duration(self.timeout)));
        if self.ignore_eos {
            lines.push("ignore_eos: true".to_owned());
        }
        for (key, value) in [
            ("headers", &self.part.headers),
            ("extra_body", &self.part.extra_body),
        ] {
            lines.extend(value.as_ref().map(|value| format!("{key}: {value}")));
        }
        let conversation = &self.data.conversation;
        if !conversation.is_empty() {
            lines.push("conversation:".to_owned());
            lines.extend(conversation.iter().map(|line| format!("  {line}")));
            let affinity = self.part.affinity.as_ref();
            lines.extend(affinity.map(|name| format!("  affinity_header: {}", yaml_text(name))));
        }
        let mut lines = lines.into_iter();
        // Writing to a string does not fail.
        let _ = writeln!(out, "  - {}", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(out, "    {line}");
        }
    }
}

/// Returns the name of an adapter's kind of request, in the letters that such a name may have.
fn kind_name(adapter: &str, index: usize) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let kept: String = adapter
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .take(48)
        .collect();
    match kept == adapter {
        true => kept,
        // Two adapters may differ in the letters that were replaced.
        false => format!("{kept}-{index}"),
    }
}
