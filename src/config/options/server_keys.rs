//! Reads what only one server of a document is sent: a key from the environment, and headers.

use crate::config::options::settings::{Header, check_key, parse_header};
use crate::config::{RequestConfig, ServerChoice, ServerEntry};
use crate::error::{Mistake, Reason};

/// Reads the variables that the servers name. `env` looks one up. Errors never contain a value.
pub fn read_server_keys(
    choice: &mut ServerChoice,
    env: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) {
    for server in choice.servers_mut() {
        match headers_for(server, &env) {
            Ok(sent) => server.sent = sent,
            Err(reason) => mistakes.push(server.place.mistake(reason)),
        }
    }
}

/// Reads the variables that the kinds of request name. Errors never contain a value.
pub fn read_kind_keys(
    requests: &mut [RequestConfig],
    env: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) {
    for request in requests {
        match filled(&request.headers, &env) {
            Ok(sent) => request.sent = sent,
            Err(reason) => mistakes.push(request.place.mistake(reason)),
        }
    }
}

/// Returns headers with their variables replaced.
fn filled(headers: &[Header], env: &impl Fn(&str) -> Option<String>) -> Result<Vec<Header>, Reason> {
    let mut sent = Vec::new();
    for header in headers {
        let value = with_variables(header.value.expose(), env)
            .map_err(|e| e.within(format!("header `{}`", header.name)))?;
        sent.push(parse_header(&format!("{}: {value}", header.name))?);
    }
    Ok(sent)
}

fn headers_for(server: &ServerEntry, env: &impl Fn(&str) -> Option<String>) -> Result<Vec<Header>, Reason> {
    let mut sent = filled(&server.headers, env)?;
    if let Some(name) = &server.api_key_env {
        let key = variable(name, env)?;
        let key = check_key(&key).map_err(|reason| reason.within(name))?;
        sent.push(Header::bearer(&key));
    }
    Ok(sent)
}

/// Replaces each `${NAME}` by the variable of that name.
fn with_variables(text: &str, env: &impl Fn(&str) -> Option<String>) -> Result<String, Reason> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| Reason::new("`${` has no `}`").hint("write `${NAME}`"))?;
        out.push_str(before);
        out.push_str(&variable(name, env)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn variable(name: &str, env: &impl Fn(&str) -> Option<String>) -> Result<String, Reason> {
    let hint = "export it; a document contains only the variable's name, never the key";
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        // The text is not repeated: it may be the secret itself.
        return Err(Reason::new("`${…}` does not contain the name of an environment variable").hint(hint));
    }
    env(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Reason::new(format!("environment variable {name} is not set")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("s3cret".into()),
            "BAD" => Some("two s3crets".into()),
            "CUT" => Some("s3cret\r\nX: 1".into()),
            _ => None,
        }
    }

    fn read(key: Option<&str>, headers: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut server = ServerEntry::at("http://h", Place::file("w.yaml", 3));
        server.api_key_env = key.map(str::to_owned);
        server.headers = headers
            .iter()
            .map(|(name, value)| parse_header(&format!("{name}: {value}")).unwrap())
            .collect();
        let mut choice = ServerChoice::Running(vec![server]);
        let mut mistakes = Vec::new();
        read_server_keys(&mut choice, env, &mut mistakes);
        match mistakes.as_slice() {
            [] => {}
            [only] => return Err(only.to_string()),
            more => panic!("{more:?}"),
        }
        let sent = choice.servers()[0].sent.iter();
        Ok(sent
            .map(|h| format!("{}: {}", h.name, h.value.expose()))
            .collect())
    }

    #[test]
    fn keys_and_headers_are_filled_from_the_environment() {
        assert_eq!(
            read(Some("KEY"), &[]),
            Ok(vec!["authorization: Bearer s3cret".into()])
        );
        let headers = [("X-Key", "a ${KEY}${KEY} b"), ("X-Plain", "$KEY {KEY}")];
        assert_eq!(
            read(None, &headers),
            Ok(vec![
                "X-Key: a s3crets3cret b".into(),
                "X-Plain: $KEY {KEY}".into()
            ])
        );
    }

    #[test]
    fn errors_about_keys_name_their_line_and_never_contain_a_value() {
        for (key, headers) in [
            (Some("NONE"), &[][..]),
            (Some("BAD"), &[]),
            (None, &[("X", "${NONE}")]),
            (None, &[("X", "${KEY")]),
            (None, &[("X", "${CUT}")]),
            (None, &[("X", "${s3cret key}")]),
        ] {
            let error = read(key, headers).unwrap_err();
            assert!(error.starts_with("error: w.yaml:3: "), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(
            read(Some("NONE"), &[])
                .unwrap_err()
                .contains("variable NONE is not set")
        );
    }

    #[test]
    fn headers_of_a_kind_are_filled_and_neither_shown_nor_stored() {
        let text = "executor: constant-vus\nduration: 1s\nmodels: [m]\nprompts: [Hi]\nrequests:\n  \
                    - { name: a, max_tokens: 5, headers: { X-Key: 'a ${KEY}', X-Plain: open } }\n  \
                    - { name: b, max_tokens: 5, headers: { X-Key: '${NONE}' } }\n";
        let (mut config, wrong) = crate::config::document::read_document("p", "p.yaml", text).unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
        let mut mistakes = Vec::new();
        read_kind_keys(&mut config.requests, env, &mut mistakes);
        let sent: Vec<&str> = config.requests[0]
            .sent
            .iter()
            .map(|header| header.value.expose())
            .collect();
        assert_eq!(sent, ["a s3cret", "open"]);
        let error = mistakes[0].to_string();
        assert!(
            error.starts_with("error: p.yaml:7: header `X-Key`: environment variable NONE"),
            "{error}"
        );
        let shown = format!(
            "{:?} {}",
            config.requests,
            serde_json::to_string(&config).unwrap()
        );
        assert!(!shown.contains("s3cret") && !shown.contains("open"), "{shown}");
    }
}
