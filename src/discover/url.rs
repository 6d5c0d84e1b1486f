//! Parses URLs of the form `http[s]://host[:port][/path][?query]`, without characters that HTTP/1.1 could not carry.

use crate::error::{Mistake, Place, Reason, printable};

/// The longest URL in bytes.
const URL_BYTES_MAX: usize = 8192;

/// A parsed target. The query may be a secret, so it is never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The host for name lookup: without brackets, with a scope after `%`.
    pub host: String,
    pub port: u16,
    /// The scheme is `https`.
    pub tls: bool,
    /// The value of the Host header: with brackets, without the scope or a port that the scheme implies.
    pub authority: String,
    /// The path without slashes at its end; may be empty.
    pub path: String,
    /// The slashes at its end, because to some servers a path with one is another path.
    pub slashes: String,
    /// The query with its `?`; may be empty.
    pub query: String,
}

const HINT: &str = "write http://HOST:PORT or https://HOST, with or without a path";

impl Url {
    /// Parses a URL. `given` is the place of the text: an option, or a line of the document.
    pub fn parse(text: &str, given: &Place) -> Result<Url, Mistake> {
        Url::read(text).map_err(|reason| given.mistake(reason))
    }

    /// Parses a URL. Errors name the URL, but not its place.
    pub fn read(text: &str) -> Result<Url, Reason> {
        // Userinfo and query may be secrets, so errors name the URL without them.
        let shown = match text.split(['?', '#']).next().unwrap_or("") {
            with_userinfo if with_userinfo.contains('@') => "***@***".to_owned(),
            plain => printable(plain, 120),
        };
        let refuse = |why: &str| Reason::new(format!("`{shown}`: {why}")).hint(HINT);
        if text.len() > URL_BYTES_MAX {
            return Err(refuse(&format!("longer than {URL_BYTES_MAX} bytes")));
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(refuse(&format!(
                "contains `{}`, which must be percent-encoded",
                c.escape_unicode()
            )));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse("http:// or https:// is missing"))?;
        let (tls, usual_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(refuse("the scheme is not http or https")),
        };
        let rest = rest.split('#').next().unwrap_or("");
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, rest) = rest.split_at(end);
        if place.contains('@') {
            let what = format!("`{shown}`: user and password in the URL are not supported");
            return Err(Reason::new(what).hint("send them as a header: --header 'Authorization: Basic ...'"));
        }
        let (host, port) = split_port(place).ok_or_else(|| refuse("not HOST or HOST:PORT"))?;
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let port = match port {
            "" => usual_port,
            digits => digits
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| refuse("the port is not between 1 and 65535"))?,
        };
        let (host, bare) = host_forms(host).ok_or_else(|| refuse("not a host name or address"))?;
        if lacks_interface(&host) {
            let what = format!("`{shown}`: a link-local address without its interface");
            let hint = format!("write the interface behind %25: {scheme}://[fe80::1%25eth0]:8000");
            return Err(Reason::new(what).hint(hint));
        }
        let (path, slashes) = path.split_at(path.trim_end_matches('/').len());
        Ok(Url {
            host,
            port,
            tls,
            authority: if port == usual_port {
                bare
            } else {
                format!("{bare}:{port}")
            },
            path: path.to_owned(),
            slashes: slashes.to_owned(),
            query: query.to_owned(),
        })
    }

    /// Returns scheme and authority, as they are printed.
    pub fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

/// Splits into the host with its brackets and the digits of the port, which may be absent.
fn split_port(place: &str) -> Option<(&str, &str)> {
    if place.starts_with('[') {
        let (host, after) = place.split_at(place.find(']')? + 1);
        return Some((
            host,
            if after.is_empty() {
                ""
            } else {
                after.strip_prefix(':')?
            },
        ));
    }
    match place.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some(parts) => Some(parts),
        None => Some((place, "")),
    }
}

/// Returns the host for name lookup and for the Host header.
fn host_forms(host: &str) -> Option<(String, String)> {
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']')?;
        let (address, scope) = match inside.split_once('%') {
            // A curl user's `%eth0` means the same.
            Some((address, scope)) => (address, Some(scope.strip_prefix("25").unwrap_or(scope))),
            None => (inside, None),
        };
        address.parse::<std::net::Ipv6Addr>().ok()?;
        let lookup = match scope {
            None => address.to_owned(),
            Some(scope) => format!("{address}%{scope}"),
        };
        return Some((lookup, format!("[{address}]")));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_owned(), host.to_owned()))
}

/// Every interface has addresses of the same link: without one, the system knows no way to them.
fn lacks_interface(host: &str) -> bool {
    let address = host.strip_suffix('%').unwrap_or(host);
    let is_link_local = |address: std::net::Ipv6Addr| address.is_unicast_link_local();
    host.ends_with('%') || address.parse().is_ok_and(is_link_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> (String, u16, String, String, String) {
        let url = Url::read(text).unwrap();
        (url.host, url.port, url.authority, url.path, url.query)
    }

    fn parts(a: &str, b: u16, c: &str, d: &str, e: &str) -> (String, u16, String, String, String) {
        (a.into(), b, c.into(), d.into(), e.into())
    }

    #[test]
    fn hosts_ports_paths_and_queries_are_parsed() {
        assert_eq!(url("http://h"), parts("h", 80, "h", "", ""));
        assert_eq!(url("HTTP://h:80/"), parts("h", 80, "h", "", ""));
        assert_eq!(
            url("http://127.0.0.1:8080/v1/"),
            parts("127.0.0.1", 8080, "127.0.0.1:8080", "/v1", "")
        );
        assert_eq!(
            url("http://h:1/a/chat/completions?key=s&x=/#f"),
            parts("h", 1, "h:1", "/a/chat/completions", "?key=s&x=/")
        );
        assert_eq!(url("http://h?k=v"), parts("h", 80, "h", "", "?k=v"));
        let slashes = |text: &str| Url::read(text).unwrap().slashes;
        assert_eq!(
            (slashes("http://h/a"), slashes("http://h/a//?k=/")),
            ("".into(), "//".into())
        );
    }

    #[test]
    fn ipv6_literals_keep_their_scope_out_of_the_host_header() {
        assert_eq!(url("http://[::1]:8080"), parts("::1", 8080, "[::1]:8080", "", ""));
        assert_eq!(url("http://[::1]"), parts("::1", 80, "[::1]", "", ""));
        assert_eq!(
            url("http://[fe80::1%25lo]:1/v1"),
            parts("fe80::1%lo", 1, "[fe80::1]:1", "/v1", "")
        );
        assert_eq!(url("http://[fe80::1%lo]:1").0, "fe80::1%lo");
        assert_eq!(url("http://[fe80::1%252]:1").0, "fe80::1%2");
    }

    #[test]
    fn a_link_local_address_without_its_interface_is_refused() {
        for text in [
            "http://[fe80::1]:8000",
            "https://[febf:1::]/v1",
            "http://[fe80::1%25]",
            "http://[fe80::1%]",
            "http://[::1%25]",
        ] {
            let refused = Url::read(text).unwrap_err().to_string();
            assert!(
                refused.contains("a link-local address without its interface"),
                "{refused}"
            );
        }
        for text in ["http://[fec0::1]", "http://[::1]", "http://fe80"] {
            assert!(Url::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn https_has_its_own_usual_port() {
        for (text, port, authority) in [
            ("https://h", 443, "h"),
            ("HTTPS://h:443/", 443, "h"),
            ("https://h:80", 80, "h:80"),
            ("https://[::1]/v1", 443, "[::1]"),
            ("http://h:443", 443, "h:443"),
        ] {
            let url = Url::read(text).unwrap();
            assert_eq!((url.port, url.authority.as_str()), (port, authority), "{text}");
            assert_eq!(url.tls, text.to_lowercase().starts_with("https"));
            let scheme = if url.tls { "https" } else { "http" };
            assert_eq!(url.origin(), format!("{scheme}://{authority}"));
        }
    }

    #[test]
    fn invalid_urls_are_refused_with_place_and_hint() {
        for bad in [
            "",
            "h",
            "h:80",
            "ftp://h",
            "http://",
            "http://:80",
            "http://h:0",
            "http://h:65536",
            "http://h:a",
            "http://::1",
            "http://[::1",
            "http://[::1]x",
            "http://[x]",
            "http://a b",
            "http://h/\r\nX: y",
            "http://h/ä",
            "http://a,b",
            "http://h:80:80",
            "https://",
            "https://h:0",
            "httpss://h",
        ] {
            let error = Url::parse(bad, &Place::option("--target")).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("error: --target: `") && text.contains("\nhint: "),
                "{text}"
            );
            assert!(text.lines().count() == 2 && !text.contains('\r'), "{bad:?}");
        }
    }

    #[test]
    fn secrets_in_a_url_are_not_repeated_in_errors() {
        for bad in [
            "http://u:CANARY@h/",
            "http://h:x/?key=CANARY",
            "http://h/?key=CANARY ",
            "https://u:CANARY@h",
            "ftp://u:CANARY@h",
            "http://u:CANARY@h/ ",
        ] {
            let error = Url::read(bad).unwrap_err();
            assert!(!error.to_string().contains("CANARY"), "{bad}");
        }
    }
}
