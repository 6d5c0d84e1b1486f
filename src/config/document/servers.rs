//! `server` and `servers`: where a document's load goes.

use crate::api::Api;
use crate::config::ServerEntry;
use crate::config::document::reader::{Fields, Node, Reader, check_text, line};
use crate::discover::check_url;
use crate::error::{Place, Reason, is_unsafe, quoted};
use crate::plan::ENDPOINTS_MAX;

/// Times a million still a u32.
const WEIGHT_MAX: f64 = 1_000.0;
const NAME_BYTES_MAX: usize = 64;
const MODEL_BYTES_MAX: usize = crate::config::document::MODEL_BYTES_MAX;

pub const KEYS: [&str; 5] = ["name", "base_url", "model_alias", "weight", "api"];

/// Stands in for a URL that is wrong.
const FAULTY: &str = "http://127.0.0.1:1/completion";

/// Empty where the document names none.
pub fn read_servers(reader: &mut Reader<'_>, fields: &Fields<'_>, file: &str) -> Vec<ServerEntry> {
    if fields.has("server") && fields.has("servers") {
        let first = fields.line_of("server");
        let what = format!("key `servers` contradicts `server` of line {first}");
        let reason = Reason::new(what).hint("put all of them into `servers`");
        reader.mistake(fields.line_of("servers"), reason);
    }
    let mut servers = Vec::new();
    if let Some(node) = fields.node("server") {
        servers.extend(read_server(reader, "server", node, false, file));
    }
    let several = reader.list(fields, "servers", ENDPOINTS_MAX).unwrap_or_default();
    for (i, node) in several.iter().enumerate() {
        let what = format!("servers[{i}]");
        let Some(mut server) = read_server(reader, &what, node, several.len() > 1, file) else {
            continue;
        };
        let taken = |other: &&ServerEntry| other.name.is_some() && other.name == server.name;
        if let (Some(first), Some(name)) = (servers.iter().find(taken), &server.name) {
            let what = format!("{what}: name {} is taken", quoted(name));
            let hint = format!("line {} has it", first.place.line);
            reader.mistake(line(node), Reason::new(what).hint(hint));
            server.name = None;
        }
        if several.len() > 1 && server.name.is_none() {
            // Reported: not to look wrong a second time.
            server.name = Some(format!("faulty {i}"));
        }
        servers.push(server);
    }
    servers
}

fn read_server(
    reader: &mut Reader<'_>,
    what: &str,
    node: &Node<'_>,
    named: bool,
    file: &str,
) -> Option<ServerEntry> {
    let fields = reader.mapping(&format!("{what}."), what, node, &KEYS)?;
    if named {
        reader.required(&fields, "name", "its row in the report");
    }
    reader.required(&fields, "base_url", "such as `http://127.0.0.1:8080/completion`");
    let name = reader.parsed(&fields, "name", "a name", server_name);
    let base_url = reader.parsed(&fields, "base_url", "a URL", |text| match check_url(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(reason) => Err(reason),
    });
    let model_alias = reader.string(&fields, "model_alias", MODEL_BYTES_MAX);
    let weight = reader.parsed(&fields, "weight", "a number", weight);
    let api = reader.choice(&fields, "api", &Api::ALL.map(|api| api.row().name));
    Some(ServerEntry {
        name,
        base_url: base_url.unwrap_or_else(|| FAULTY.to_owned()),
        model_alias,
        weight: weight.unwrap_or(ServerEntry::WEIGHT_DEFAULT),
        api: api.and_then(Api::of_name),
        place: Place::file(file, fields.line),
    })
}

/// In millionths, rounded.
fn weight(text: &str) -> Result<u32, Reason> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let wrong = |what: String| Err(Reason::new(what).hint("a share such as `0.3`, or any number above 0"));
    match number {
        None => wrong(format!("{} is no number", quoted(text))),
        Some(number) if number <= 0.0 => wrong(format!("{} is not above 0", quoted(text))),
        Some(number) if number > WEIGHT_MAX => {
            wrong(format!("{} is above the limit, {WEIGHT_MAX}", quoted(text)))
        }
        Some(number) => match (number * f64::from(ServerEntry::WEIGHT_DEFAULT)).round() as u32 {
            0 => wrong(format!("{} is below the limit, 0.000001", quoted(text))),
            millionths => Ok(millionths),
        },
    }
}

/// It becomes a tag, a row and a key in files.
fn server_name(text: &str) -> Result<String, Reason> {
    let text = check_text(text, NAME_BYTES_MAX)?;
    let unfit = |c: char| is_unsafe(c) || "{},:;/\"'\\`".contains(c);
    if text.trim() != text || text.contains(unfit) {
        let hint = "no control or invisible characters, none of {},:;/\"'\\` and no blanks around it";
        return Err(Reason::new(format!("{} is no name", quoted(&text))).hint(hint));
    }
    Ok(text)
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
