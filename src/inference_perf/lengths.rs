//! inference-perf's distributions of lengths and times, as they are written here.

use std::f64::consts::PI;
use std::ops::RangeInclusive;

use super::draft::Draft;
use crate::config::document::reader::{Fields, Node, is_mapping};
use crate::error::Reason;
use crate::lengths::Lengths;

const KEYS: [&str; 8] = [
    "type",
    "min",
    "max",
    "mean",
    "std_dev",
    "variance",
    "skew",
    "total_count",
];
const TYPES: [&str; 6] = [
    "normal",
    "skew_normal",
    "lognormal",
    "uniform",
    "poisson",
    "fixed",
];
/// The defaults of a distribution there.
const MIN: f64 = 10.0;
const MAX: f64 = 1024.0;
const MEAN: f64 = 512.0;
const STD: f64 = 200.0;
/// The largest number that is read: beyond any limit of tokens.
const NUMBER_MAX: f64 = 1e9;

/// How inference-perf draws from a lognormal distribution, which it does in two ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// Its mean and standard deviation are those of the lengths.
    Plain,
    /// `min` is added to what is drawn, as for the types `synthetic` and `random`.
    Shifted,
}

/// A distribution with its defaults filled in.
struct Distribution {
    kind: &'static str,
    min: f64,
    max: f64,
    mean: f64,
    std: f64,
    skew: f64,
}

/// Returns the lengths after `key`, a number or a distribution, as a text for a profile. What cannot be one is a
/// mistake at its line.
pub fn read_lengths(
    draft: &mut Draft<'_>,
    fields: &Fields<'_>,
    key: &str,
    sampler: Sampler,
    limits: &RangeInclusive<u32>,
) -> Option<String> {
    let node = fields.node(key)?;
    if !is_mapping(node) {
        let count = draft.reader.count(fields, key, limits.clone())?;
        return Some(count.to_string());
    }
    let text = read_shape(draft, fields, (key, node), sampler, "")?;
    let no_file = |_: &str| Err(Reason::new("no file is read"));
    match Lengths::parse(&text, limits, &no_file) {
        Ok(_) => Some(text),
        Err(error) => {
            let reason = error
                .into_reason()
                .within(format!("`{}{key}` is `{text}` here", fields.path));
            draft.reader.mistake(fields.line_of(key), reason);
            None
        }
    }
}

/// Returns the times after `key`, a distribution of seconds, as a text for a profile.
pub fn read_times(draft: &mut Draft<'_>, fields: &Fields<'_>, key: &str) -> Option<String> {
    let node = fields.node(key)?;
    read_shape(draft, fields, (key, node), Sampler::Plain, "s")
}

/// Returns the mean of lengths that were written by [`read_lengths`].
pub fn mean_of(text: &str) -> f64 {
    let no_file = |_: &str| Err(Reason::new("no file is read"));
    Lengths::parse(text, &(0..=u32::MAX), &no_file).map_or(1.0, |lengths| lengths.mean())
}

fn read_shape(
    draft: &mut Draft<'_>,
    fields: &Fields<'_>,
    (key, node): (&str, &Node<'_>),
    sampler: Sampler,
    unit: &str,
) -> Option<String> {
    let name = format!("{}{key}", fields.path);
    let keys = draft.reader.mapping(&name, node, &KEYS)?;
    let shape = read_settings(draft, &keys)?;
    if shape.min > shape.max {
        let what = format!("is {}, above `max`, {}", shape.min, shape.max);
        draft.refuse(&keys, "min", &what, "write the smaller value as `min`");
        return None;
    }
    let inside = (shape.min..=shape.max).contains(&shape.mean);
    if shape.kind == "normal" && !inside {
        let what = format!(
            "is {}, outside of `min` and `max`, {} and {}",
            shape.mean, shape.min, shape.max
        );
        draft.refuse(&keys, "mean", &what, "inference-perf refuses it as well");
        return None;
    }
    draft.ignored(&keys, &["total_count"], "as many are drawn as there are requests");
    Some(written(draft, &keys, &shape, sampler, unit))
}

fn read_settings(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Option<Distribution> {
    let before = draft.reader.mistakes.len();
    let number =
        |draft: &mut Draft<'_>, key: &str, least: f64| draft.reader.decimal(keys, key, least..=NUMBER_MAX);
    let shape = Distribution {
        kind: draft.reader.choice(keys, "type", &TYPES).unwrap_or("normal"),
        min: number(draft, "min", 0.0).unwrap_or(MIN),
        max: number(draft, "max", 0.0).unwrap_or(MAX),
        mean: number(draft, "mean", 0.0).unwrap_or(MEAN),
        std: match number(draft, "variance", 0.0) {
            Some(variance) => variance.sqrt(),
            None => number(draft, "std_dev", 0.0).unwrap_or(STD),
        },
        skew: number(draft, "skew", -NUMBER_MAX).unwrap_or(0.0),
    };
    (draft.reader.mistakes.len() == before).then_some(shape)
}

/// Writes a distribution, and notes where it is not quite the same.
fn written(
    draft: &mut Draft<'_>,
    keys: &Fields<'_>,
    shape: &Distribution,
    sampler: Sampler,
    unit: &str,
) -> String {
    let &Distribution {
        kind,
        min,
        max,
        mut mean,
        mut std,
        skew,
    } = shape;
    let of_kind = keys.path.trim_end_matches('.').to_owned();
    match kind {
        "fixed" => return format!("{}{unit}", mean.floor()),
        "uniform" if min == max => return format!("{min}{unit}"),
        "uniform" => return format!("{min}{unit}-{max}{unit}"),
        "poisson" => {
            std = mean.sqrt();
            draft.renamed.push(format!(
                "`{of_kind}`: a Poisson distribution is a normal one with the same mean and variance"
            ));
        }
        "skew_normal" => {
            // The moments of Azzalini's distribution, whose location and scale are the two settings.
            let delta = skew / (1.0 + skew * skew).sqrt();
            mean = rounded(mean + std * delta * (2.0 / PI).sqrt());
            std = rounded(std * (1.0 - 2.0 * delta * delta / PI).sqrt());
            draft.lost(
                keys,
                "skew",
                "there is no skewed normal distribution; this is the normal one with the same mean and variance",
            );
        }
        "lognormal" if sampler == Sampler::Shifted && min > 0.0 => draft.renamed.push(format!(
            "`{of_kind}`: inference-perf moves this lognormal distribution up by `min`; here it has the same mean and \
             standard deviation, and begins at `min`"
        )),
        _ => {}
    }
    if std == 0.0 || min == max {
        return format!("{}{unit}", mean.clamp(min, max).round());
    }
    let name = if kind == "lognormal" { kind } else { "normal" };
    let near = mean - 2.0 * std < min || mean + 2.0 * std > max;
    if near {
        draft.renamed.push(format!(
            "`{of_kind}`: what lies beyond `min` and `max` is left out, where inference-perf moves it onto them; \
             `config check` states the mean of what is drawn"
        ));
    }
    // Lengths begin at 1 anyway.
    let least = if min > 0.0 {
        format!("min={min}{unit},")
    } else {
        String::new()
    };
    format!("{name}(mean={mean}{unit},std={std}{unit},{least}max={max}{unit})")
}

/// Rounds to thousandths, which is more than a length needs.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
