//! `connection` and `source_address`: how connections are made.

use crate::config::document::reader::{Fields, Reader};
use crate::host::{SOURCES_MAX, SourceList};
use crate::plan::ConnectionUse;

pub fn read_connection(reader: &mut Reader<'_>, fields: &Fields<'_>) -> ConnectionUse {
    let name = reader.choice(fields, "connection", &ConnectionUse::NAMES);
    name.map(ConnectionUse::named).unwrap_or_default()
}

/// Reads one text or a list of texts, each with addresses, ranges and prefixes.
pub fn read_sources(reader: &mut Reader<'_>, fields: &Fields<'_>) -> SourceList {
    let mut sources = SourceList::default();
    for (text, line) in reader.one_or_more(fields, "source_address", SOURCES_MAX) {
        let added = text.parse().and_then(|more| sources.extend(more));
        if let Err(e) = added {
            let reason = e
                .reason()
                .clone()
                .within(format!("`{}source_address`", fields.path));
            reader.mistake(line, reason);
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::document::read_document;
    use crate::plan::ConnectionUse;

    const LOAD: &str = "executor: constant-vus\nduration: 1s\nrequests: [{name: a, max_tokens: 5}]\n";

    fn read(keys: &str) -> (Config, Vec<String>) {
        let (config, mistakes) = read_document("a.yaml", "a.yaml", &format!("{LOAD}{keys}")).unwrap();
        (config, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn connections_are_kept_and_the_system_chooses_their_address_unless_the_document_says_otherwise() {
        let (config, mistakes) = read("");
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(config.connection, ConnectionUse::KeepAlive);
        assert!(config.source_address.is_empty());
        for sources in [
            "127.0.0.2-127.0.0.3, ::1",
            "[127.0.0.2-127.0.0.3, '::1']",
            "['127.0.0.2,127.0.0.3', '::1']",
        ] {
            let (config, mistakes) = read(&format!("connection: per-request\nsource_address: {sources}\n"));
            assert_eq!(mistakes, [""; 0]);
            assert!(config.connection.is_per_request());
            assert_eq!(config.source_address.addresses.len(), 3, "{sources}");
        }
    }

    #[test]
    fn mistakes_have_their_line_and_what_to_write() {
        for (keys, expected) in [
            (
                "connection: close\n",
                "a.yaml:4: `connection`: unknown value `close`",
            ),
            (
                "source_address: eth0\n",
                "a.yaml:4: `source_address`: `eth0` is not an IP address",
            ),
            (
                "source_address:\n  - 10.0.0.1\n  - 10.0.0.1\n",
                "a.yaml:6: `source_address`: 10.0.0.1 is listed twice",
            ),
            (
                "source_address: 10.0.0.9-10.0.0.1\n",
                "a.yaml:4: `source_address`: the range `10.0.0.9-10.0.0.1` begins above its end",
            ),
        ] {
            let mistakes = read(keys).1.join("; ");
            assert!(mistakes.contains(expected), "{mistakes}");
        }
    }
}
