//! The Pushgateway of a run: the mapping `prometheus`, with options and environment applied to it.

use crate::cli::PushArgs;
use crate::config::document::reader::{Fields, Reader};
use crate::discover::Url;
use crate::error::{Mistake, Reason, quoted};
use crate::http1::check_path;
use crate::push::PushConfig;
use crate::units::Secret;
use crate::units::{MINUTE, Nanos, SECOND, check_bytes};
use std::ops::RangeInclusive;

const INTERVAL: RangeInclusive<Nanos> = SECOND..=60 * MINUTE;
/// The longest name of a job, an instance or a user, and the longest password.
const NAME_BYTES_MAX: usize = 256;
/// The default address of a Pushgateway, which replaces a URL that is reported as wrong.
const HARMLESS_URL: &str = "http://127.0.0.1:9091";

const KEYS: [&str; 7] = [
    "enabled",
    "pushgateway_url",
    "job_name",
    "instance_name",
    "push_interval_seconds",
    "username",
    "password",
];

/// Reads the mapping `prometheus` even if it is not enabled, because `--pushgateway` may enable it. Without `enabled`,
/// a URL enables it.
pub(super) fn read_push(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<PushConfig> {
    let node = fields.node("prometheus")?;
    let push = reader.mapping("prometheus", node, &KEYS)?;
    let default = PushConfig::default();
    let enabled = reader.boolean(&push, "enabled");
    let url = reader.parsed(&push, "pushgateway_url", "the URL of a Pushgateway", gateway_url);
    let given = push.meant("pushgateway_url");
    let job = reader.string(&push, "job_name", NAME_BYTES_MAX);
    let instance = reader.parsed(&push, "instance_name", "a string", |text| {
        check_length(text)?;
        Ok(text.to_owned())
    });
    let interval = reader.duration(&push, "push_interval_seconds", INTERVAL);
    let username = reader.parsed(&push, "username", "a string", |text| {
        check_username(text)?;
        Ok(text.to_owned())
    });
    let password = reader.parsed(&push, "password", "a string", |text| {
        check_length(text)?;
        Ok(Secret::from(text))
    });
    if password.is_some() && !push.meant("username") {
        let what = "`prometheus.password` is given without `prometheus.username`";
        let hint = "basic authentication needs both";
        reader.mistake(push.line_of("password"), Reason::new(what).hint(hint));
    }
    let enabled = enabled.unwrap_or(given);
    Some(PushConfig {
        enabled,
        url: url.unwrap_or_else(|| {
            if given {
                HARMLESS_URL.to_owned()
            } else {
                String::new()
            }
        }),
        job: job.unwrap_or(default.job),
        instance,
        interval: interval.unwrap_or(default.interval),
        username,
        password,
        place: reader.place(push.line_of("enabled")),
    })
}

/// Applies options and environment; afterwards `None` means that nothing is pushed.
pub(super) fn overlay_push(push: &mut Option<PushConfig>, args: &PushArgs, mistakes: &mut Vec<Mistake>) {
    let mut config = push.take().unwrap_or_default();
    if let Some(text) = &args.pushgateway {
        config.enabled = true;
        config.url = gateway_url(text).unwrap_or_else(|reason| {
            mistakes.push(reason.at("--pushgateway", 0));
            HARMLESS_URL.to_owned()
        });
    }
    if !config.enabled {
        if args.push_required {
            let hint = "add `--pushgateway URL`, or `prometheus:` with `enabled: true` to the document";
            let reason = Reason::new("no Pushgateway is given").hint(hint);
            mistakes.push(reason.at("--push-required", 0));
        }
        return;
    }
    if config.url.is_empty() {
        let hint = "write `pushgateway_url: HOST:9091`, or add `--pushgateway URL`";
        let reason = Reason::new("missing key `prometheus.pushgateway_url`").hint(hint);
        mistakes.push(config.place.mistake(reason));
        return;
    }
    if let Some(name) = &args.pushgateway_username {
        match check_username(name) {
            Ok(()) => config.username = Some(name.clone()),
            Err(reason) => mistakes.push(reason.at("LLMLOAD_PUSHGATEWAY_USERNAME", 0)),
        }
    }
    if let Some(password) = &args.pushgateway_password {
        let place = "LLMLOAD_PUSHGATEWAY_PASSWORD";
        match check_length(password.expose()) {
            Err(reason) => mistakes.push(reason.at(place, 0)),
            Ok(()) if config.username.is_none() => {
                let hint = "set LLMLOAD_PUSHGATEWAY_USERNAME, or `username:` in the document";
                mistakes.push(
                    Reason::new("a password is given without a user")
                        .hint(hint)
                        .at(place, 0),
                );
            }
            Ok(()) => config.password = Some(password.clone()),
        }
    }
    *push = Some(config);
}

/// Reads a URL with or without a scheme. Errors never repeat a user, a password or a query.
fn gateway_url(text: &str) -> Result<String, Reason> {
    let hint = "write `HOST:9091` or `https://HOST/prefix`";
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let place = full.split_once("://").map_or("", |(_, rest)| rest);
    if place
        .split(['/', '?', '#'])
        .next()
        .is_some_and(|p| p.contains('@'))
    {
        let hint = "use the keys `username` and `password`, or the variables LLMLOAD_PUSHGATEWAY_USERNAME and \
                    LLMLOAD_PUSHGATEWAY_PASSWORD";
        return Err(Reason::new("user and password do not belong in the URL").hint(hint));
    }
    let url = Url::read(&full).map_err(|reason| reason.hint(hint))?;
    if !url.query.is_empty() {
        return Err(Reason::new("a Pushgateway's URL has no query").hint(hint));
    }
    if url.path.ends_with("/metrics") || url.path.contains("/metrics/job") {
        let what = format!("the program adds the path {} itself", quoted(&url.path));
        return Err(Reason::new(what).hint("end the URL before `/metrics`"));
    }
    check_path(&format!("{}/", url.path)).map_err(|e| Reason::new(e.to_string()).hint(hint))?;
    Ok(format!("{}{}", url.origin(), url.path))
}

/// Checks a user name, which a colon would end (RFC 7617).
fn check_username(text: &str) -> Result<(), Reason> {
    if text.is_empty() || text.contains(':') {
        let what = format!("{} is not a user name: it is empty or has a colon", quoted(text));
        return Err(Reason::new(what));
    }
    check_length(text)
}

/// Checks the length. Errors never repeat the text, which may be a password.
fn check_length(text: &str) -> Result<(), Reason> {
    check_bytes("the text has", text, NAME_BYTES_MAX)
}

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
