//! What comes first: the verdict, what was tested, and the figures that most people look for.

use super::doc::{Doc, Unit};
use super::html::{escaped, facts, items, put};
use crate::error::ExitCode;
use serde_json::Value;

/// A verdict in words, and how it is coloured.
pub(super) struct Verdict {
    pub word: String,
    pub class: &'static str,
    sign: &'static str,
    why: String,
}

impl Verdict {
    pub fn of(doc: &Doc) -> Verdict {
        let code = doc.float("/run/exit_code").unwrap_or(0.0);
        let exit = ExitCode::from_code(code as u8);
        let verdict = doc.string("/run/verdict").unwrap_or_default();
        let (class, sign) = match (exit, verdict) {
            (Some(ExitCode::Ok), "not_judged") => ("", "\u{25cb}"),
            (Some(ExitCode::Ok), _) => ("good", "\u{2713}"),
            (Some(ExitCode::Interrupted | ExitCode::NotTrustworthy), _) => ("warn", "\u{26a0}"),
            _ => ("bad", "\u{2717}"),
        };
        let why = match (exit, verdict) {
            (Some(ExitCode::Ok), "not_judged") => "no threshold was to be met".to_owned(),
            (Some(ExitCode::Ok), _) => "what was to be met was met".to_owned(),
            (Some(exit), _) => exit.meaning().to_owned(),
            (None, _) => String::new(),
        };
        Verdict {
            word: verdict.replace('_', " "),
            class,
            sign,
            why,
        }
    }

    /// Writes the verdict as a line of its own.
    pub fn line(&self, out: &mut String, doc: &Doc) {
        let code = doc.datum("/run/exit_code", Unit::Plain);
        put!(
            out,
            "<p class=\"verdict {}\"><b><span aria-hidden=\"true\">{}</span> {}</b> \
             <span>{} <span class=\"soft\">(exit code {code})</span></span></p>",
            self.class,
            self.sign,
            escaped(&self.word),
            escaped(&self.why)
        );
    }
}

/// Writes the verdict, the facts about the run, and its figures.
pub(super) fn write(out: &mut String, doc: &Doc) {
    Verdict::of(doc).line(out, doc);
    stop(out, doc);
    let path = |path: &str| doc.text(path);
    let pair = |a: Option<String>, between: &str, b: Option<String>| match (a, b) {
        (Some(a), Some(b)) => Some(format!("{a}{between}{b}")),
        (a, b) => a.or(b),
    };
    let version = doc
        .text("/run/versions/llmload-uring")
        .or_else(|| doc.text("/run/version"));
    let shard = pair(
        doc.some("/run/shard/number", Unit::Count),
        " of ",
        doc.some("/run/shard/count", Unit::Count),
    );
    facts(
        out,
        &[
            ("profile", path("/run/profile")),
            ("description", path("/config/description")),
            ("server", path("/run/target")),
            ("models", models(doc)),
            ("started", path("/run/started_at")),
            ("duration", doc.some("/run/duration_seconds", Unit::Seconds)),
            (
                "load from",
                pair(path("/host/cpu"), ", Linux ", path("/host/kernel")),
            ),
            ("shard", shard),
            ("shards merged", doc.some("/run/merged/shards", Unit::Count)),
            (
                "made by",
                version.map(|version| format!("llmload-uring {version}")),
            ),
        ],
    );
}

/// Says it where the load did not end as planned.
fn stop(out: &mut String, doc: &Doc) {
    let why = match doc.string("/run/stopped_by") {
        Some("signal") => "The run was interrupted before its plan was over.",
        Some("threshold") => "A threshold ended the run before its plan was over.",
        Some("server") => "The server ended by itself during the run.",
        Some("failure") => "A worker of the generator failed during the run.",
        _ => return,
    };
    put!(out, "<p class=\"warn\"><b>{why}</b></p>");
}

/// Returns the names of the models that were asked for.
fn models(doc: &Doc) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for request in items(doc.at("/config/requests")) {
        let several = items(request.get("models")).iter();
        let named = several.chain(request.get("model")).filter_map(Value::as_str);
        for name in named {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    (!names.is_empty()).then(|| escaped(&names.join(", ")))
}

/// A tile: a name, the path and unit of its figure, and those of a second figure with its name.
type Tile = (
    &'static str,
    &'static str,
    Unit,
    &'static [(&'static str, &'static str, Unit)],
);

const TILES: [Tile; 11] = [
    (
        "requests",
        "/totals/requests",
        Unit::Count,
        &[
            ("ok", "/totals/ok", Unit::Count),
            ("failed", "/totals/failed", Unit::Count),
        ],
    ),
    (
        "errors",
        "/rates/error_rate",
        Unit::Share,
        &[
            ("interrupted", "/totals/interrupted", Unit::Count),
            ("dropped", "/totals/dropped_iterations", Unit::Count),
        ],
    ),
    (
        "answers per second",
        "/rates/requests_per_second",
        Unit::PerSecond,
        &[("offered", "/rates/offered_per_second", Unit::PerSecond)],
    ),
    (
        "output tokens per second",
        "/rates/output_tokens_per_second",
        Unit::PerSecond,
        &[("input", "/rates/input_tokens_per_second", Unit::PerSecond)],
    ),
    (
        "most users at once",
        "/totals/peak_vus",
        Unit::Count,
        &[("connections", "/totals/peak_connections", Unit::Count)],
    ),
    (
        "TTFT p50",
        "/metrics/ttft/p50",
        Unit::Millis,
        &[("p90", "/metrics/ttft/p90", Unit::Millis)],
    ),
    (
        "TTFT p99",
        "/metrics/ttft/p99",
        Unit::Millis,
        &[("max", "/metrics/ttft/max", Unit::Millis)],
    ),
    (
        "between tokens p50",
        "/metrics/tbt/p50",
        Unit::Millis,
        &[("p99", "/metrics/tbt/p99", Unit::Millis)],
    ),
    (
        "latency p50",
        "/metrics/latency/p50",
        Unit::Millis,
        &[("p90", "/metrics/latency/p90", Unit::Millis)],
    ),
    (
        "latency p99",
        "/metrics/latency/p99",
        Unit::Millis,
        &[("max", "/metrics/latency/max", Unit::Millis)],
    ),
    (
        "goodput",
        "/rates/goodput",
        Unit::Share,
        &[("good", "/rates/good_requests_per_second", Unit::PerSecond)],
    ),
];

/// Writes the figures that most people look for.
pub(super) fn tiles(out: &mut String, doc: &Doc) {
    out.push_str("<dl class=\"tiles\">\n");
    for (name, path, unit, more) in TILES {
        let Some(figure) = doc.some(path, unit) else {
            continue;
        };
        let more = more
            .iter()
            .filter_map(|(name, path, unit)| Some(format!("{name} {}", doc.some(path, *unit)?)));
        let more: Vec<String> = more.collect();
        let more = match more.is_empty() {
            true => String::new(),
            false => format!("<dd class=\"more\">{}</dd>", more.join(", ")),
        };
        put!(out, "<div><dt>{name}</dt><dd>{figure}</dd>{more}</div>");
    }
    out.push_str("</dl>\n");
}

/// Writes warnings and findings, the weightiest first.
pub(super) fn notes(out: &mut String, doc: &Doc) {
    let warnings = items(doc.at("/warnings"));
    let findings = items(doc.at("/analysis"));
    if warnings.is_empty() && findings.is_empty() {
        return;
    }
    put!(out, "<h3>What a reader should know</h3><ul class=\"notes\">");
    for index in 0..warnings.len() {
        let text = |key: &str| doc.text(&format!("/warnings/{index}/{key}")).unwrap_or_default();
        put!(
            out,
            "<li><b class=\"warn\">warning</b> {} <small>{}</small><span class=\"hint\">{}</span></li>",
            text("message"),
            text("rule"),
            text("advice")
        );
    }
    for index in 0..findings.len() {
        let text = |key: &str| doc.text(&format!("/analysis/{index}/{key}")).unwrap_or_default();
        let grade = text("grade");
        let class = match grade.as_str() {
            "PASS" => "good",
            "WARNING" => "warn",
            _ => "bad",
        };
        put!(
            out,
            "<li><b class=\"{class}\">{}</b> {} <small>{}</small></li>",
            grade.to_lowercase(),
            text("message"),
            text("rule")
        );
    }
    out.push_str("</ul>\n");
}
