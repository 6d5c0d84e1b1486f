//! The keys `server` and `servers`: where a document's load goes.

use crate::api::Api;
use crate::config::document::reader::{Fields, Node, Reader, check_text, line};
use crate::config::options::{HEADERS_MAX, parse_header};
use crate::config::{Header, ServerEntry};
use crate::discover::check_url;
use crate::error::{Place, Reason, is_unsafe, quoted};
use crate::plan::SERVERS_MAX;

/// The largest weight, which in millionths still fits into a u32.
const WEIGHT_MAX: f64 = 1_000.0;
const NAME_BYTES_MAX: usize = 64;
const MODEL_BYTES_MAX: usize = crate::config::document::MODEL_BYTES_MAX;

pub const KEYS: [&str; 7] = [
    "name",
    "base_url",
    "model_alias",
    "weight",
    "api",
    "api_key_env",
    "headers",
];

/// The URL that replaces a wrong one.
const FAULTY: &str = "http://127.0.0.1:1/completion";

/// Reads the servers; empty if the document names none.
pub fn read_servers(reader: &mut Reader<'_>, fields: &Fields<'_>, file: &str) -> Vec<ServerEntry> {
    if fields.has("server") && fields.has("servers") {
        let first = fields.line_of("server");
        let what = format!("key `servers` contradicts `server` of line {first}");
        let reason = Reason::new(what).hint("put all of them in `servers`");
        reader.mistake(fields.line_of("servers"), reason);
    }
    let mut servers = Vec::new();
    if let Some(node) = fields.node("server") {
        servers.extend(read_server(reader, "server", node, false, file));
    }
    let several = reader.list(fields, "servers", SERVERS_MAX).unwrap_or_default();
    for (i, node) in several.iter().enumerate() {
        let what = format!("servers[{i}]");
        let Some(mut server) = read_server(reader, &what, node, several.len() > 1, file) else {
            continue;
        };
        let taken = |other: &&ServerEntry| other.name.is_some() && other.name == server.name;
        if let (Some(first), Some(name)) = (servers.iter().find(taken), &server.name) {
            let what = format!("{what}: the name {} is already in use", quoted(name));
            let hint = format!("line {} uses it", first.place.line);
            reader.mistake(line(node), Reason::new(what).hint(hint));
            server.name = None;
        }
        if several.len() > 1 && server.name.is_none() {
            // The missing name has been reported, and must not be reported again.
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
    let fields = reader.mapping(what, node, &KEYS)?;
    if named {
        reader.required(
            &fields,
            "name",
            "add a name, which becomes the server's row in the report",
        );
    }
    reader.required(
        &fields,
        "base_url",
        "add a URL, for example `http://127.0.0.1:8080/completion`",
    );
    let name = reader.parsed(&fields, "name", "a name", server_name);
    let api = reader.choice(&fields, "api", &Api::ALL.map(|api| api.row().name));
    let api = api.and_then(Api::from_name);
    let base_url = reader.parsed(&fields, "base_url", "a URL", |text| match check_url(text, api) {
        Ok(()) => Ok(text.to_owned()),
        Err(reason) => Err(reason),
    });
    let model_alias = reader.string(&fields, "model_alias", MODEL_BYTES_MAX);
    let weight = reader.parsed(&fields, "weight", "a number", weight);
    let api_key_env = reader.parsed(&fields, "api_key_env", "the name of a variable", variable_name);
    let headers = read_headers(reader, &fields);
    Some(ServerEntry {
        name,
        base_url: base_url.unwrap_or_else(|| FAULTY.to_owned()),
        model_alias,
        weight: weight.unwrap_or(ServerEntry::WEIGHT_DEFAULT),
        api,
        api_key_env,
        headers,
        sent: Vec::new(),
        place: Place::file(file, fields.line),
    })
}

/// Parses a weight into millionths, rounded.
fn weight(text: &str) -> Result<u32, Reason> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let wrong =
        |what: String| Err(Reason::new(what).hint("use a share such as `0.3`, or any number above 0"));
    match number {
        None => wrong(format!("{} is not a number", quoted(text))),
        Some(number) if number <= 0.0 => wrong(format!("{} is not above 0", quoted(text))),
        Some(number) if number > WEIGHT_MAX => {
            wrong(format!("{} is above the limit of {WEIGHT_MAX}", quoted(text)))
        }
        Some(number) => match (number * f64::from(ServerEntry::WEIGHT_DEFAULT)).round() as u32 {
            0 => wrong(format!("{} is below the minimum of 0.000001", quoted(text))),
            millionths => Ok(millionths),
        },
    }
}

/// Checks the name of the variable that holds a key. Many people may read a document, so it only names the key.
fn variable_name(text: &str) -> Result<String, Reason> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    // It may be the key itself.
    let what = "the value is not the name of an environment variable";
    Err(Reason::new(what).hint("write the variable's name, such as `MY_API_KEY`, never the key itself"))
}

/// Reads headers and their values. Values may be secrets, so no error repeats one.
pub(super) fn read_headers(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<Header> {
    let Some(node) = fields.node("headers") else {
        return Vec::new();
    };
    let path = format!("{}headers", fields.path);
    let Some(asked) = reader.open_mapping(&path, node) else {
        return Vec::new();
    };
    let mut headers: Vec<Header> = Vec::new();
    for name in asked.keys() {
        let read = |value: &str| parse_header(&format!("{name}: {value}"));
        let header = reader.parsed(&asked, name, "a header's value", read);
        headers.extend(header);
    }
    if headers.len() > HEADERS_MAX {
        let what = format!(
            "`{path}`: {} headers are more than the limit of {HEADERS_MAX}",
            headers.len()
        );
        reader.mistake(line(node), Reason::new(what));
    }
    let authorized = headers.iter().any(|header| header.is("authorization"));
    if authorized && fields.has("api_key_env") {
        let what = format!("`{path}.authorization` contradicts `{}api_key_env`", fields.path);
        reader.mistake(line(node), Reason::new(what).hint("remove one of them"));
    }
    headers
}

/// Checks a server's name, which becomes a tag, a row and a key in files.
fn server_name(text: &str) -> Result<String, Reason> {
    let text = check_text(text, NAME_BYTES_MAX)?;
    let unfit = |c: char| is_unsafe(c) || "{},:;/\"'\\`".contains(c);
    if text.trim() != text || text.contains(unfit) {
        let hint = "use no control or invisible characters, none of {},:;/\"'\\` and no blanks around it";
        return Err(Reason::new(format!("{} is not a valid name", quoted(&text))).hint(hint));
    }
    Ok(text)
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
