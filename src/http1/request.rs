//! Encodes requests. Everything that a user can put into one is checked beforehand, so that no header, path or host can
//! smuggle a second request into the first.

use std::fmt;

use super::Method;
use super::head::is_token_byte;

/// A request's body, sent with a Content-Length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    pub content_type: &'a str,
}

const USER_AGENT: &str = concat!("llmload-uring/", env!("CARGO_PKG_VERSION"));

/// Appends one request to `out`. Content-Length comes from `body`; Host, User-Agent, Accept, Accept-Encoding and
/// Content-Type are added unless `headers` has them. The arguments must have passed [`check_path`],
/// [`check_authority`] and [`check_header`].
pub fn encode(
    out: &mut Vec<u8>,
    method: Method,
    path: &str,
    authority: &str,
    headers: &[(String, String)],
    body: Option<Body<'_>>,
) {
    encode_with(out, method, path, authority, (headers, None), body);
}

/// A header whose value writes itself.
pub type OwnHeader<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>));

/// Does the same with one more header, unless `headers` has one of that name.
pub fn encode_with<S: AsRef<str>>(
    out: &mut Vec<u8>,
    method: Method,
    path: &str,
    authority: &str,
    (headers, more): (&[(S, S)], Option<OwnHeader<'_>>),
    body: Option<Body<'_>>,
) {
    debug_assert!(check_path(path).is_ok(), "path passed check_path");
    debug_assert!(
        check_authority(authority).is_ok(),
        "authority passed check_authority"
    );
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let defaults = [
        ("Host", Some(authority)),
        ("User-Agent", Some(USER_AGENT)),
        ("Accept", Some("text/event-stream, application/json, */*")),
        // Nothing here decodes a compressed stream: bytes are counted and events read as they arrive.
        ("Accept-Encoding", Some("identity")),
        ("Content-Type", body.map(|body| body.content_type)),
    ];
    let has = |name: &str| {
        headers
            .iter()
            .any(|(own, _)| own.as_ref().eq_ignore_ascii_case(name))
    };
    for (name, value) in defaults {
        if let Some(value) = value
            && !has(name)
        {
            push_header(out, name, value.as_bytes());
        }
    }
    for (name, value) in headers {
        let (name, value) = (name.as_ref(), value.as_ref());
        debug_assert!(check_header(name, value).is_ok(), "header passed check_header");
        push_header(out, name, value.as_bytes());
    }
    if let Some((name, write)) = more
        && !has(name)
    {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        write(out);
        out.extend_from_slice(b"\r\n");
    }
    let body_bytes = body.map_or(&[][..], |body| body.bytes);
    // RFC 9110, 8.6: a method that usually has a body announces when it has none.
    if body.is_some() || matches!(method, Method::Post | Method::Put) {
        let mut digits = [0; 20];
        push_header(out, "Content-Length", decimal(body_bytes.len(), &mut digits));
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body_bytes);
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

/// The reason why part of a request was refused. The text names the rule; the caller adds the place and the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    EmptyName,
    NameNotToken {
        byte: u8,
        at: usize,
    },
    ValueControl {
        byte: u8,
        at: usize,
    },
    ValueBlankEnds,
    /// The header would change the framing: the encoder writes Content-Length itself.
    Framing,
    PathNotAbsolute,
    PathByte {
        byte: u8,
        at: usize,
    },
    EmptyAuthority,
    AuthorityByte {
        byte: u8,
        at: usize,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            HeaderError::EmptyName => f.write_str("the header name is empty"),
            HeaderError::NameNotToken { byte, at } => {
                write!(f, "byte {byte:#04x} at {at} is not allowed in a header name")
            }
            HeaderError::ValueControl { byte, at } => {
                write!(
                    f,
                    "control byte {byte:#04x} at {at} is not allowed in a header value"
                )
            }
            HeaderError::ValueBlankEnds => f.write_str("the header value begins or ends with a blank"),
            HeaderError::Framing => {
                f.write_str("content-length and transfer-encoding are set by the tool itself")
            }
            HeaderError::PathNotAbsolute => f.write_str("the path does not begin with `/`"),
            HeaderError::PathByte { byte, at } => write!(
                f,
                "byte {byte:#04x} at {at} is not allowed in a path; percent-encode it"
            ),
            HeaderError::EmptyAuthority => f.write_str("the host is empty"),
            HeaderError::AuthorityByte { byte, at } => {
                write!(f, "byte {byte:#04x} at {at} is not allowed in a host")
            }
        }
    }
}

impl std::error::Error for HeaderError {}

/// Checks that a header may go into a request as it is. Values may contain UTF-8.
pub fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
    if name.is_empty() {
        return Err(HeaderError::EmptyName);
    }
    if let Some((at, byte)) = first_bad(name, is_token_byte) {
        return Err(HeaderError::NameNotToken { byte, at });
    }
    if ["content-length", "transfer-encoding"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
    {
        return Err(HeaderError::Framing);
    }
    let allowed = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    if let Some((at, byte)) = first_bad(value, allowed) {
        return Err(HeaderError::ValueControl { byte, at });
    }
    if value.trim_matches([' ', '\t']).len() != value.len() {
        return Err(HeaderError::ValueBlankEnds);
    }
    Ok(())
}

/// Checks that `path`, with its query, may be used in a request line.
pub fn check_path(path: &str) -> Result<(), HeaderError> {
    if !path.starts_with('/') {
        return Err(HeaderError::PathNotAbsolute);
    }
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    match first_bad(path, allowed) {
        Some((at, byte)) => Err(HeaderError::PathByte { byte, at }),
        None => Ok(()),
    }
}

/// Checks that `authority` (host, or host:port) may be used as Host. User information is refused, because it would be
/// sent in clear text and logged by servers.
pub fn check_authority(authority: &str) -> Result<(), HeaderError> {
    if authority.is_empty() {
        return Err(HeaderError::EmptyAuthority);
    }
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\,\"<>{}|^`".contains(&byte);
    match first_bad(authority, allowed) {
        Some((at, byte)) => Err(HeaderError::AuthorityByte { byte, at }),
        None => Ok(()),
    }
}

/// The headers that the engine writes itself, or that must not be sent.
const OURS: [&str; 10] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "expect",
    "te",
    "trailer",
];

/// Tells whether a header belongs to the connection or to the encoding of the body, and so to nobody but the engine.
pub fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

fn first_bad(text: &str, allowed: impl Fn(u8) -> bool) -> Option<(usize, u8)> {
    text.bytes().enumerate().find(|&(_, byte)| !allowed(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(method: Method, headers: &[(&str, &str)], body: Option<Body<'_>>) -> String {
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        let mut out = Vec::new();
        encode(&mut out, method, "/v1/x?y=1", "h:8080", &headers, body);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_post_has_its_length_and_the_defaults() {
        let body = Body {
            bytes: b"{}",
            content_type: "application/json",
        };
        let text = encoded(Method::Post, &[("Authorization", "Bearer x")], Some(body));
        assert!(text.starts_with("POST /v1/x?y=1 HTTP/1.1\r\nHost: h:8080\r\n"));
        assert!(text.contains("\r\nAccept-Encoding: identity\r\n"));
        assert!(text.contains("\r\nContent-Type: application/json\r\n"));
        assert!(text.ends_with("\r\nAuthorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}"));
    }

    #[test]
    fn given_headers_replace_the_defaults() {
        let text = encoded(Method::Get, &[("host", "other"), ("ACCEPT", "a/b")], None);
        assert_eq!(text.to_lowercase().matches("\r\nhost:").count(), 1);
        assert_eq!(text.to_lowercase().matches("\r\naccept:").count(), 1);
        assert!(!text.contains("Content-Length"));
        assert!(encoded(Method::Post, &[], None).contains("\r\nContent-Length: 0\r\n"));
    }

    #[test]
    fn header_values_that_could_smuggle_a_request_are_refused() {
        for value in [
            "a\rb",
            "a\nb",
            "a\r\nX: y",
            "a\0",
            " a",
            "a ",
            "\ta",
            "\u{1b}[2J",
            "\u{7f}",
        ] {
            assert!(check_header("X", value).is_err(), "{value:?}");
        }
        for name in [
            "",
            "a b",
            "a:",
            "a\r\nb",
            "a\0",
            "é",
            "Content-Length",
            "transfer-encoding",
        ] {
            assert!(check_header(name, "v").is_err(), "{name:?}");
        }
        for path in ["", "x", "/a b", "/a\r\nb", "/\0", "/é", "/a#b", "http://h/"] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        for host in ["", "a b", "a\r\nb", "u:p@h", "h/x", "h?x", "hé"] {
            assert!(check_authority(host).is_err(), "{host:?}");
        }
        assert_eq!(check_header("X-Team", "a\tb é"), Ok(()));
        assert_eq!(check_path("/v1/chat?x=%20&y"), Ok(()));
        assert_eq!(check_authority("[::1]:8080"), Ok(()));
    }

    proptest! {
    #[test]
    fn an_encoded_request_reads_back_as_exactly_one_request_with_the_same_parts(
        method in prop::sample::select(vec![Method::Get, Method::Head, Method::Post, Method::Put]),
        path in "/[!-~&&[^#]]{0,30}",
        headers in prop::collection::vec(("[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,12}", "\\PC{0,20}"), 0..6),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
    ) {
        let headers: Vec<(String, String)> = headers
            .into_iter()
            .filter(|(name, value)| check_header(name, value).is_ok())
            .collect();
        prop_assert_eq!(check_path(&path), Ok(()));
        let sent_body = body.as_deref().map(|bytes| Body { bytes, content_type: "application/json" });
        let mut out = b"before".to_vec();
        encode(&mut out, method, &path, "h.example:81", &headers, sent_body);
        let out = out.strip_prefix(b"before").unwrap();

        let mut slots = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut slots);
        let head_bytes = request.parse(out).unwrap().unwrap();
        prop_assert_eq!(request.method, Some(method.as_str()));
        prop_assert_eq!(request.path, Some(&*path));
        prop_assert_eq!(request.version, Some(1));
        prop_assert_eq!(&out[head_bytes..], body.as_deref().unwrap_or_default());
        let values = |wanted: &str| -> Vec<&[u8]> {
            let own = request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(wanted));
            own.map(|h| h.value).collect()
        };
        let length = body.map(|b| b.len()).or((method == Method::Post || method == Method::Put).then_some(0));
        let length_text = length.map(|n| n.to_string());
        prop_assert_eq!(values("Content-Length"), length_text.iter().map(|t| t.as_bytes()).collect::<Vec<_>>());
        prop_assert!(values("Transfer-Encoding").is_empty());
        for (name, _) in &headers {
            let sent = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            prop_assert_eq!(values(name), sent.map(|(_, v)| v.as_bytes()).collect::<Vec<_>>());
        }
        if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("host")) {
            prop_assert_eq!(values("Host"), vec![&b"h.example:81"[..]]);
        }
    }
    }
}
