//! A Pushgateway, and one group of metrics on it.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::{Url, lookup};
use crate::error::{Failure, Place, lossless, printable};
use crate::exposition::Format;
use crate::http1::{Body, Method};
use crate::push::PushConfig;
use crate::tls::{TlsOptions, TlsTarget};
use crate::units::{Cut, Masks, redact};

/// The time limit for one push, including the connection.
pub const PUSH_LIMIT: Duration = Duration::from_secs(5);
/// The number of characters of an answer that an error shows.
const SHOWN_CHARS_MAX: usize = 120;
/// The number of characters of an answer in which secrets are looked for.
const SEARCHED_CHARS_MAX: usize = 4096;

pub struct Gateway {
    url: Url,
    /// Name in messages.
    shown: String,
    path: String,
    headers: Vec<(String, String)>,
    /// What no message may contain.
    masks: Masks,
    tls: Option<TlsTarget>,
}

impl Gateway {
    /// Reads the trusted certificates for an https gateway, but sends nothing.
    pub fn new(config: &PushConfig, host_name: &str, cacert: TlsOptions) -> Result<Gateway, Failure> {
        let url = Url::parse(&config.url, &Place::option("--pushgateway"))?;
        let tls = match url.tls {
            true => Some(TlsTarget::new(&url.host, &cacert).map_err(|e| e.within("Pushgateway"))?),
            false => None,
        };
        let mut headers = Vec::new();
        if let Some(user) = &config.username {
            let password = config.password.as_ref().map_or("", |p| p.expose());
            let credentials = STANDARD.encode(format!("{user}:{password}"));
            headers.push(("Authorization".to_owned(), format!("Basic {credentials}")));
        }
        let mut masks = Masks::of_headers(&headers);
        masks.add_url(&config.url);
        masks.add(config.password.as_ref().map_or("", |p| p.expose()));
        let instance = config.instance.as_deref().unwrap_or(host_name);
        Ok(Gateway {
            path: format!("{}{}", url.path, group_path(&config.job, instance)),
            shown: redact(&config.url),
            url,
            headers,
            masks,
            tls,
        })
    }

    /// Returns the name in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Replaces the group's metrics with `text`. The error is one line, safe for a terminal.
    pub fn put(&self, text: &str) -> Result<(), String> {
        let deadline = Instant::now() + PUSH_LIMIT;
        let found = lookup(&self.url).map_err(|e| printable(&e.to_string(), SHOWN_CHARS_MAX))?;
        let mut last = Err("no address".to_owned());
        for address in found {
            let limit = deadline.saturating_duration_since(Instant::now());
            if limit.is_zero() {
                return Err(ProbeError::Timeout(PUSH_LIMIT).to_string());
            }
            let peer = Peer {
                address,
                authority: &self.url.authority,
                headers: &self.headers,
                limit,
                tls: self.tls.as_ref(),
                sources: &[],
            };
            let body = Body {
                bytes: text.as_bytes(),
                content_type: Format::Text.content_type(),
            };
            let mut answer = Answer::default();
            last = match peer.exchange(&mut answer, Method::Put, &self.path, Some(body)) {
                // `localhost` often resolves to an address that the gateway does not listen on.
                Err(e @ (ProbeError::Refused | ProbeError::Unreachable(_))) => {
                    Err(printable(&e.to_string(), SHOWN_CHARS_MAX))
                }
                Err(ProbeError::Timeout(_)) => return Err(ProbeError::Timeout(PUSH_LIMIT).to_string()),
                Err(e) => return Err(printable(&e.to_string(), SHOWN_CHARS_MAX)),
                Ok(()) => return self.judge(&answer),
            };
        }
        last
    }

    fn judge(&self, answer: &Answer) -> Result<(), String> {
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let body = lossless(&answer.body);
        let (part, cut) = Cut::to_chars(&body, SEARCHED_CHARS_MAX);
        let said = printable(self.masks.hide_in_part(part, cut).trim(), SHOWN_CHARS_MAX);
        Err(match said.is_empty() {
            true => format!("status {}", answer.status),
            false => format!("status {}: {said}", answer.status),
        })
    }
}

/// Returns the path of the group that each push replaces.
pub fn group_path(job: &str, instance: &str) -> String {
    format!(
        "/metrics/{}/{}",
        label_path("job", job),
        label_path("instance", instance)
    )
}

/// Returns the name and value of a grouping label as path segments. A value that a path cannot carry (with a slash,
/// empty, or dots that a server would resolve) is written in base64, as the Pushgateway defines it.
fn label_path(name: &str, value: &str) -> String {
    match value {
        "" => format!("{name}@base64/="),
        "." | ".." => format!("{name}@base64/{}", URL_SAFE_NO_PAD.encode(value)),
        _ if value.contains('/') => format!("{name}@base64/{}", URL_SAFE_NO_PAD.encode(value)),
        _ => format!("{name}/{}", percent_encoded(value)),
    }
}

/// Encodes all but the unreserved characters of RFC 3986.
fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
