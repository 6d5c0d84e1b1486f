//! The two sides of an expression: which figures a metric has, and how their limits are written.

use super::{Aggregation, MetricKind};
use crate::error::quoted;
use crate::units::{millis, parse_duration};

pub(super) fn suits(kind: MetricKind, aggregation: Aggregation) -> bool {
    match kind {
        MetricKind::Trend => !matches!(
            aggregation,
            Aggregation::Count | Aggregation::Rate | Aggregation::Value
        ),
        MetricKind::Rate => aggregation == Aggregation::Rate,
        MetricKind::TokenShare => matches!(aggregation, Aggregation::Rate | Aggregation::Value),
        MetricKind::Counter => matches!(aggregation, Aggregation::Count | Aggregation::Rate),
        MetricKind::Gauge => aggregation == Aggregation::Value,
        MetricKind::PairedTime => matches!(
            aggregation,
            Aggregation::Avg | Aggregation::Med | Aggregation::Percentile(50.0)
        ),
        MetricKind::PairedShare => aggregation == Aggregation::Rate,
    }
}

pub(super) fn forms(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Trend => "avg, min, med, max or p(N), in ms or with a unit: `p(95)<15000`, `p(95)<15s`",
        MetricKind::Rate => "rate, a share from 0 to 1: `rate<0.10`",
        MetricKind::TokenShare => "rate or value, a share from 0 to 1: `rate>0.5`, `value>50%`",
        MetricKind::Gauge => "value: `value<1024`",
        MetricKind::Counter => "count, or rate for a count per second: `count<100`",
        MetricKind::PairedTime => {
            "med, p(50) or avg of the differences, in ms or with a unit: `med<5`, `med>-1ms`"
        }
        MetricKind::PairedShare => "rate, a difference of shares from -1 to 1: `rate<0.01`, `rate<1%`",
    }
}

pub(super) fn parse_aggregation(text: &str) -> Result<Aggregation, String> {
    Ok(match text {
        "avg" => Aggregation::Avg,
        "min" => Aggregation::Min,
        "med" => Aggregation::Med,
        "max" => Aggregation::Max,
        "count" => Aggregation::Count,
        "rate" => Aggregation::Rate,
        "value" => Aggregation::Value,
        _ => {
            let rank = text.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
            // `p95` is how most other tools write it.
            let digits = text
                .strip_prefix('p')
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let rank = rank
                .or(digits)
                .ok_or_else(|| format!("unknown figure {}", quoted(text)))?;
            match rank.trim().parse::<f64>() {
                Ok(rank) if (0.0..=100.0).contains(&rank) => Aggregation::Percentile(rank),
                _ => return Err(format!("{} is not a percentile from 0 to 100", quoted(text))),
            }
        }
    })
}

/// Parses a number. A share may be written as a percentage: `rate<10%` is `rate<0.1`. A time may have a unit: `max<2s`
/// is `max<2000`.
pub(super) fn parse_value(kind: MetricKind, text: &str) -> Result<f64, String> {
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) if kind == MetricKind::PairedTime => (-1.0, size),
        _ => (1.0, text),
    };
    if matches!(kind, MetricKind::Trend | MetricKind::PairedTime)
        && text.ends_with('s')
        && let Ok(nanos) = parse_duration(&size.replace(' ', ""))
    {
        return Ok(sign * millis(nanos));
    }
    let (digits, unit) = match text.strip_suffix('%') {
        Some(digits)
            if matches!(
                kind,
                MetricKind::Rate | MetricKind::TokenShare | MetricKind::PairedShare
            ) =>
        {
            (digits.trim_end(), 100.0)
        }
        _ => (text, 1.0),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    match digits.parse::<f64>() {
        Ok(value) if plain && value.is_finite() => Ok(value / unit),
        _ => Err(format!("{} is not a number", quoted(text))),
    }
}
