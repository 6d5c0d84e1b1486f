//! Where rank 0 is: `HOST:PORT`, `HOST`, or `auto`.

use crate::error::{Reason, ValueError, quoted};

/// The address of rank 0, as far as it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinate {
    /// `None` means that the engine says it.
    pub host: Option<String>,
    pub port: Option<u16>,
}

impl std::str::FromStr for Coordinate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Coordinate, ValueError> {
        let wrong = |what: &str| {
            let hint = "write HOST:PORT, the same on every host: `node1:7117`, `[fd00::1]:7117` or `auto`";
            Reason::new(format!("{} {what}", quoted(text))).hint(hint)
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("has no `]`"))?;
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(wrong("has no IPv6 address in brackets").into());
                }
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return Err(wrong("is no address").into()),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(wrong("is no host with a port").into());
        }
        let port = port.map(|port| match port.parse::<u16>() {
            Ok(port) => Ok(port),
            Err(_) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                Err(ValueError::Refused(wrong("has a port above the limit of 65535")))
            }
            Err(_) => Err(wrong("is no host with a port").into()),
        });
        Ok(Coordinate {
            host: (host != "auto").then(|| host.to_owned()),
            port: port.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_rank_0_has_a_host_and_maybe_a_port() {
        let read = |text: &str| {
            let found: Coordinate = text.parse().unwrap();
            (found.host, found.port)
        };
        let host = |text: &str| Some(text.to_owned());
        assert_eq!(read("node1:7000"), (host("node1"), Some(7000)));
        assert_eq!(read("llmload-0.llmload"), (host("llmload-0.llmload"), None));
        assert_eq!(read("127.0.0.1:0"), (host("127.0.0.1"), Some(0)));
        assert_eq!(read("[::1]:9"), (host("::1"), Some(9)));
        assert_eq!(read("[fd00::1]"), (host("fd00::1"), None));
        assert_eq!(read("auto"), (None, None));
        assert_eq!(read("auto:8000"), (None, Some(8000)));
        for (text, exit) in [
            ("", 2),
            (":7000", 2),
            ("node1:", 2),
            ("node1:x", 2),
            ("node1:70000", 104),
            ("http://node1:1", 2),
            ("::1", 2),
            ("[::1", 2),
            ("[node]:1", 2),
            ("[::1]7", 2),
            ("a b:1", 2),
            ("n\u{1b}[1m:1", 2),
        ] {
            let error = text.parse::<Coordinate>().unwrap_err();
            assert_eq!(error.exit().code(), exit, "{text:?}");
            assert!(error.reason().hint.is_some(), "{text:?}");
        }
    }
}
