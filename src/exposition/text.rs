//! Writes the two formats of text that Prometheus reads: its own, version 0.0.4, and OpenMetrics 1.0. The lines of each
//! metric follow its HELP and TYPE. There are no time stamps, because a Pushgateway refuses them.

use std::fmt::Write as _;

use crate::units::seconds;

use super::figures::{BOUNDS, Buckets, Figures, RunInfo};
use super::table::{FAMILIES, Family, Kind, failures};

/// A format of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4.
    Text,
    /// OpenMetrics 1.0: counters are described without `_total`, units are stated, and the text has a last line, by
    /// which a reader knows that it is whole.
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Returns the name under which a metric is described.
    fn described(self, family: &Family) -> &'static str {
        let end = match family.kind.name() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        match self {
            Format::Text => family.name,
            Format::OpenMetrics => family.name.strip_suffix(end).unwrap_or(family.name),
        }
    }

    /// Returns the type that describes a metric; the older format has no `info`.
    fn kind(self, family: &Family) -> &'static str {
        match (self, &family.kind) {
            (Format::Text, Kind::Info) => "gauge",
            (_, kind) => kind.name(),
        }
    }
}

/// Writes the figures. Gauges of all endpoints together have no label, those of one endpoint have its name. Counts are
/// per endpoint only, so that a sum over them counts nothing twice.
pub fn render(figures: &Figures, format: Format) -> String {
    let mut out = String::with_capacity(16 << 10);
    let span = match figures.is_last {
        true => "of the whole run",
        false => "of the last 10 s, or of the push interval if that is longer",
    };
    for family in &FAMILIES {
        let span = match family.kind {
            Kind::Info | Kind::Finished => "",
            Kind::Gauge(_) => span,
            Kind::Counter(_) | Kind::Outcomes | Kind::Worker(_) | Kind::Histogram(_) => "since the start",
        };
        header(&mut out, family, span, format);
        samples(&mut out, family, figures);
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn header(out: &mut String, family: &Family, span: &str, format: Format) {
    let (name, kind, help) = (format.described(family), format.kind(family), family.help);
    let comma = if span.is_empty() { "" } else { ", " };
    put(
        out,
        format_args!("# HELP {name} {help}{comma}{span}.\n# TYPE {name} {kind}\n"),
    );
    let unit = ["seconds", "bytes"]
        .into_iter()
        .find(|unit| name.ends_with(&format!("_{unit}")));
    if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
        put(out, format_args!("# UNIT {name} {unit}\n"));
    }
}

fn samples(out: &mut String, family: &Family, figures: &Figures) {
    let (name, endpoints) = (family.name, &figures.endpoints);
    match &family.kind {
        Kind::Info => {
            let RunInfo {
                profile,
                shard,
                version,
            } = &figures.info;
            let [profile, shard, version] = [profile, shard, version].map(|text| escaped(text));
            put(
                out,
                format_args!("{name}{{profile=\"{profile}\",shard=\"{shard}\",version=\"{version}\"}} 1\n"),
            );
        }
        Kind::Finished => put(out, format_args!("{name} {}\n", u8::from(figures.is_last))),
        Kind::Gauge(pick) => {
            if let Some(value) = pick(&figures.all) {
                put(out, format_args!("{name} {value}\n"));
            }
            for endpoint in endpoints {
                if let Some(value) = pick(&endpoint.gauges) {
                    let label = escaped(&endpoint.name);
                    put(out, format_args!("{name}{{endpoint=\"{label}\"}} {value}\n"));
                }
            }
        }
        Kind::Counter(pick) => {
            for endpoint in endpoints {
                let (label, value) = (escaped(&endpoint.name), pick(&endpoint.counts));
                put(out, format_args!("{name}{{endpoint=\"{label}\"}} {value}\n"));
            }
        }
        Kind::Outcomes => {
            for endpoint in endpoints {
                let label = escaped(&endpoint.name);
                for outcome in failures() {
                    let (of, n) = (outcome.name(), endpoint.counts.by_outcome[outcome as usize]);
                    put(
                        out,
                        format_args!("{name}{{endpoint=\"{label}\",outcome=\"{of}\"}} {n}\n"),
                    );
                }
            }
        }
        Kind::Worker(pick) => {
            for (index, worker) in figures.workers.iter().enumerate() {
                let value = pick(worker);
                put(out, format_args!("{name}{{worker=\"{index}\"}} {value}\n"));
            }
        }
        Kind::Histogram(pick) => {
            for endpoint in endpoints {
                histogram(out, name, &escaped(&endpoint.name), pick(&endpoint.counts));
            }
        }
    }
}

/// Writes one histogram. Both formats spell a bound as OpenMetrics wants it (`1.0`), so that the buckets of a run keep
/// their names whichever format a scraper asks for.
fn histogram(out: &mut String, name: &str, label: &str, buckets: &Buckets) {
    let mut up_to = 0;
    for (bound, count) in BOUNDS.iter().zip(&buckets.counts) {
        up_to += count;
        let bound = seconds(*bound);
        put(
            out,
            format_args!("{name}_bucket{{endpoint=\"{label}\",le=\"{bound:?}\"}} {up_to}\n"),
        );
    }
    let (count, sum) = (buckets.count, buckets.sum_ns as f64 / 1e9);
    put(
        out,
        format_args!(
            "{name}_bucket{{endpoint=\"{label}\",le=\"+Inf\"}} {count}\n\
             {name}_sum{{endpoint=\"{label}\"}} {sum}\n{name}_count{{endpoint=\"{label}\"}} {count}\n"
        ),
    );
}

/// Escapes the value of a label as both formats require.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn put(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("writing to a string does not fail");
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
