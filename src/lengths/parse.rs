//! Reads distributions: from one text, from the settings of a mapping, and the counts of a file.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::error::{Reason, ValueError, nearest, quoted};
use crate::lengths::shape::{Centre, Shape, Spread};
use crate::lengths::table::Table;
use crate::lengths::{Form, Lengths};
use crate::units::{Span, above, below, plain_number, within};

/// Reads a file of counts as text.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, Reason>;
/// The settings of a distribution, each with the text of its value.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// What is wrong with the settings of a distribution, and with which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub setting: Option<String>,
    pub error: ValueError,
}

/// The distributions, each with its settings.
const DISTRIBUTIONS: [(&str, &[&str]); 6] = [
    ("fixed", &["value"]),
    ("uniform", &["min", "max"]),
    ("normal", &["mean", "std", "min", "max"]),
    ("lognormal", &["median", "mean", "sigma", "std", "min", "max"]),
    ("zipf", &["alpha", "min", "max"]),
    ("empirical", &["file"]),
];
/// Names of distributions elsewhere, with ours.
const ELSEWHERE: [(&str, &str); 7] = [
    ("constant", "fixed"),
    ("deterministic", "fixed"),
    ("gaussian", "normal"),
    ("gauss", "normal"),
    ("log_normal", "lognormal"),
    ("zipfian", "zipf"),
    ("histogram", "empirical"),
];
/// Names of settings elsewhere, with ours.
const SETTINGS_ELSEWHERE: [(&str, &str); 10] = [
    ("stdev", "std"),
    ("stddev", "std"),
    ("sd", "std"),
    ("standard_deviation", "std"),
    ("mu", "mean"),
    ("average", "mean"),
    ("exponent", "alpha"),
    ("minimum", "min"),
    ("maximum", "max"),
    ("path", "file"),
];
const FORMS: &str = "write `50`, `50-200` for a range, or a distribution: `normal(mean=512,std=64)`, \
    `lognormal(median=512,sigma=0.5)`, `zipf(alpha=1.2,min=16,max=4096)`, `empirical(file=lengths.csv)`";
/// The largest mean or spread: more than any limit of tokens, and exact in the arithmetic.
const NUMBER_MAX: f64 = 1e9;
/// The largest exponents. Beyond them everything is the first count, or is beyond any limit.
const ALPHA_MAX: f64 = 100.0;
const SIGMA_MAX: f64 = 10.0;

impl Wrong {
    fn new(setting: Option<&str>, error: ValueError) -> Wrong {
        Wrong {
            setting: setting.map(str::to_owned),
            error,
        }
    }

    fn refused(reason: Reason) -> Wrong {
        Wrong::new(None, ValueError::Refused(reason))
    }

    /// Returns the error with the setting in front of it.
    fn into_error(self) -> ValueError {
        match self.setting {
            Some(setting) => self.error.map(|reason| reason.within(format!("`{setting}`"))),
            None => self.error,
        }
    }
}

pub(super) fn parse(
    text: &str,
    limits: &RangeInclusive<u32>,
    read: ReadFile<'_>,
) -> Result<Lengths, ValueError> {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('(') else {
        return match DISTRIBUTIONS.iter().any(|(name, _)| *name == text) {
            true => Err(unsettled(text).into()),
            false => parse_range(text, limits),
        };
    };
    let Some(inside) = rest.trim_end().strip_suffix(')') else {
        let what = format!("{} has no closing parenthesis", quoted(text));
        return Err(Reason::new(what).hint(FORMS).into());
    };
    let name = name.trim();
    let mut settings = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        // The name of a file may contain anything, so nothing follows it.
        let (one, others) = match rest.starts_with("file=") {
            true => (rest, ""),
            false => rest.split_once(',').unwrap_or((rest, "")),
        };
        let Some((key, value)) = one.split_once('=') else {
            let what = format!("{} in {} has no name", quoted(one.trim()), quoted(text));
            return Err(Reason::new(what).hint(usage(name)).into());
        };
        settings.push((key.trim(), value.trim()));
        rest = others.trim_start();
    }
    from_settings(name, &settings, limits, read).map_err(Wrong::into_error)
}

fn parse_range(text: &str, limits: &RangeInclusive<u32>) -> Result<Lengths, ValueError> {
    // A sign at the beginning belongs to the number.
    let after_sign = text.get(1..).unwrap_or("");
    let (min, max) = match (text.split_once(".."), after_sign.find('-')) {
        (Some((min, max)), _) => (min, max),
        (None, Some(at)) => (&text[..=at], &text[at + 2..]),
        (None, None) => (text, text),
    };
    let count = |part: &str| parse_count(part.trim(), limits);
    let (min, max) = (count(min)?, count(max)?);
    if min > max {
        let what = format!("{}: the first value is greater than the second", quoted(text));
        return Err(ValueError::Refused(
            Reason::new(what).hint("write the smaller value first"),
        ));
    }
    Ok(Lengths::range(min, max))
}

/// Reads a whole number within its limits.
fn parse_count(text: &str, limits: &RangeInclusive<u32>) -> Result<u32, ValueError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let what = format!("{} is not a whole number", quoted(text));
        return Err(Reason::new(what).hint(FORMS).into());
    }
    if text.starts_with('-') {
        return Err(ValueError::Refused(below(text, limits)));
    }
    match unsigned.parse() {
        Ok(count) => within(Some(count), text, limits).map_err(ValueError::Refused),
        Err(_) => Err(ValueError::Refused(above(text, limits))),
    }
}

pub(super) fn from_settings(
    distribution: &str,
    settings: Settings<'_>,
    limits: &RangeInclusive<u32>,
    read: ReadFile<'_>,
) -> Result<Lengths, Wrong> {
    let unreadable = |reason: Reason| Wrong::new(None, reason.into());
    let Some((name, known)) = DISTRIBUTIONS.iter().find(|(name, _)| *name == distribution) else {
        return Err(unreadable(unknown(distribution)));
    };
    for (index, (key, _)) in settings.iter().enumerate() {
        if !known.contains(key) {
            let what = format!("{} is no setting of `{name}`", quoted(key));
            let elsewhere = SETTINGS_ELSEWHERE.iter().find(|(theirs, _)| theirs == key);
            let meant = elsewhere
                .map(|(_, ours)| *ours)
                .filter(|ours| known.contains(ours));
            let hint = match meant.or_else(|| nearest(key, known)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => usage(name),
            };
            return Err(Wrong::new(Some(key), Reason::new(what).hint(hint).into()));
        }
        if settings[..index].iter().any(|(other, _)| other == key) {
            return Err(unreadable(
                Reason::new(format!("`{key}` is given twice")).hint(usage(name)),
            ));
        }
    }
    let given = Given {
        name,
        settings,
        limits,
    };
    match *name {
        "fixed" => Ok(Lengths::fixed(given.count("value")?)),
        "uniform" => {
            let (min, max) = (given.count("min")?, given.count("max")?);
            given.ends(min, max).map(Lengths::from)
        }
        "empirical" => {
            let file = given.text("file")?;
            let in_file = |error| Wrong::new(Some("file"), error);
            let text = read(file).map_err(|reason| in_file(ValueError::Refused(reason)))?;
            let (ends, table) = read_counts(&text, limits)
                .map_err(|(line, reason)| in_file(ValueError::Refused(reason.within(place(file, line)))))?;
            let (file, table) = (file.to_owned(), Arc::new(table));
            let form = Form::Listed { file, table };
            Ok(Lengths { form, ends })
        }
        _ => given.shaped(),
    }
}

fn place(file: &str, line: usize) -> String {
    match line {
        0 => quoted(file),
        line => format!("{} line {line}", quoted(file)),
    }
}

fn unknown(name: &str) -> Reason {
    let names = DISTRIBUTIONS.map(|(name, _)| name);
    let lower = name.to_ascii_lowercase();
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == lower);
    let hint = match elsewhere
        .map(|(_, ours)| *ours)
        .or_else(|| nearest(&lower, &names))
    {
        Some(ours) => format!("did you mean `{ours}`? {}", usage(ours)),
        None => FORMS.to_owned(),
    };
    Reason::new(format!("{} is no distribution", quoted(name))).hint(hint)
}

fn unsettled(name: &str) -> Reason {
    Reason::new(format!("`{name}` has no settings")).hint(usage(name))
}

/// Says how a distribution is written.
fn usage(name: &str) -> String {
    let form = match name {
        "fixed" => "`100`",
        "uniform" => "`50-200`",
        "lognormal" => {
            "`lognormal(median=512,sigma=0.5)`; `mean` may replace `median` and `std` may replace `sigma`, and \
             `min=` and `max=` cut it off"
        }
        "zipf" => "`zipf(alpha=1.2,min=16,max=4096)`",
        "empirical" => "`empirical(file=lengths.csv)`: a count, or a count and its weight, on each line",
        "normal" => "`normal(mean=512,std=64)`; `min=` and `max=` cut it off",
        _ => return FORMS.to_owned(),
    };
    format!("write {form}")
}

/// The settings that were given for one distribution.
struct Given<'a> {
    name: &'a str,
    settings: Settings<'a>,
    limits: &'a RangeInclusive<u32>,
}

impl Given<'_> {
    fn find(&self, key: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(name, _)| *name == key);
        found.map(|(_, text)| *text)
    }

    fn text(&self, key: &str) -> Result<&str, Wrong> {
        match self.find(key) {
            Some("") => {
                let reason = Reason::new("there is no value").hint(usage(self.name));
                Err(Wrong::new(Some(key), reason.into()))
            }
            Some(text) => Ok(text),
            None => {
                let what = format!("`{}` has no `{key}`", self.name);
                let reason = Reason::new(what).hint(usage(self.name));
                Err(Wrong::new(None, reason.into()))
            }
        }
    }

    fn count(&self, key: &str) -> Result<u32, Wrong> {
        parse_count(self.text(key)?, self.limits).map_err(|error| Wrong::new(Some(key), error))
    }

    /// Reads a number above 0.
    fn number(&self, key: &str, max: f64) -> Result<f64, Wrong> {
        let text = self.text(key)?;
        let wrong = |error| Wrong::new(Some(key), error);
        match plain_number(text).filter(|x| x.is_finite()) {
            None => {
                let what = format!("{} is not a number", quoted(text));
                Err(wrong(Reason::new(what).hint(usage(self.name)).into()))
            }
            Some(x) if x <= 0.0 => {
                let what = format!("{} is not above 0", quoted(text));
                let hint = match key {
                    "std" | "sigma" if x == 0.0 => {
                        "write the length alone where all are the same: `512`".into()
                    }
                    _ => usage(self.name),
                };
                Err(wrong(ValueError::Refused(Reason::new(what).hint(hint))))
            }
            Some(x) => {
                within(Some(x), text, &(0.0..=max)).map_err(|reason| wrong(ValueError::Refused(reason)))
            }
        }
    }

    /// Reads the one of two settings that is there.
    fn one_of<T>(
        &self,
        (first, make_first): (&str, fn(f64) -> T),
        (second, make_second): (&str, fn(f64) -> T),
        max: (f64, f64),
    ) -> Result<T, Wrong> {
        match (self.find(first), self.find(second)) {
            (Some(_), Some(_)) => {
                let what = format!("`{first}` and `{second}` contradict each other");
                Err(Wrong::new(
                    Some(second),
                    Reason::new(what).hint("remove one of them").into(),
                ))
            }
            (None, Some(_)) => self.number(second, max.1).map(make_second),
            _ => self.number(first, max.0).map(make_first),
        }
    }

    fn ends(&self, min: u32, max: u32) -> Result<Span<u32>, Wrong> {
        if min > max {
            let what = format!("`min`, {min}, is greater than `max`, {max}");
            return Err(Wrong::refused(
                Reason::new(what).hint("write the smaller value as `min`"),
            ));
        }
        Ok(Span { min, max })
    }

    fn shape(&self) -> Result<Shape, Wrong> {
        Ok(match self.name {
            "normal" => Shape::Normal {
                mean: self.number("mean", NUMBER_MAX)?,
                std: self.number("std", NUMBER_MAX)?,
            },
            "lognormal" => Shape::Lognormal {
                centre: self.one_of(
                    ("median", Centre::Median),
                    ("mean", Centre::Mean),
                    (NUMBER_MAX, NUMBER_MAX),
                )?,
                spread: self.one_of(
                    ("sigma", Spread::Sigma),
                    ("std", Spread::Std),
                    (SIGMA_MAX, NUMBER_MAX),
                )?,
            },
            _ => Shape::Zipf {
                alpha: self.number("alpha", ALPHA_MAX)?,
            },
        })
    }

    /// Makes a distribution that a formula describes.
    fn shaped(&self) -> Result<Lengths, Wrong> {
        let shape = self.shape()?;
        let (least, most) = (*self.limits.start(), *self.limits.end());
        let min = match self.find("min") {
            Some(_) => self.count("min")?,
            None => least,
        };
        let max = match (self.find("max"), shape.reach()) {
            // The conversion saturates.
            (None, Some(reach)) => (reach as u32).clamp(min, most),
            _ => self.count("max")?,
        };
        let ends = self.ends(min, max)?;
        let table = Arc::new(shape.table(ends).map_err(Wrong::refused)?);
        let form = Form::Shaped { shape, table };
        Ok(Lengths { form, ends })
    }
}

/// Reads a file of counts: on each line a count, or a count and its weight behind a comma. A first line of names, blank
/// lines and lines that begin with `#` are skipped. The order does not matter, and a count may occur more than once.
fn read_counts(text: &str, limits: &RangeInclusive<u32>) -> Result<(Span<u32>, Table), (usize, Reason)> {
    let mut rows: Vec<(u32, f64)> = Vec::new();
    let mut is_first = true;
    for (line, row) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        let row = row.trim();
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let was_first = std::mem::take(&mut is_first);
        if was_first && row.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"') {
            continue;
        }
        rows.push(read_row(row, limits).map_err(|reason| (line, reason))?);
    }
    rows.sort_by_key(|(count, _)| *count);
    let mut counts: Vec<u32> = Vec::new();
    let mut cumulative = Vec::new();
    let mut sum = 0.0;
    for (count, weight) in rows.into_iter().filter(|(_, weight)| *weight > 0.0) {
        sum += weight;
        if counts.last() == Some(&count) {
            cumulative.pop();
        } else {
            counts.push(count);
        }
        cumulative.push(sum);
    }
    let (Some(min), Some(max)) = (counts.first().copied(), counts.last().copied()) else {
        let hint = usage("empirical");
        return Err((0, Reason::new("there are no counts with a weight").hint(hint)));
    };
    Ok((Span { min, max }, Table::of_counts(counts, &cumulative)))
}

fn read_row(row: &str, limits: &RangeInclusive<u32>) -> Result<(u32, f64), Reason> {
    let (count, weight) = match row.split_once(',') {
        Some((count, weight)) => (count, Some(weight.trim())),
        None => (row, None),
    };
    let count = count.trim();
    let count = parse_count(count, limits).map_err(|error| {
        let reason = error.into_reason();
        match count.bytes().all(|b| b.is_ascii_digit()) {
            true => reason,
            false => reason.hint("write a count, or a count and its weight, on each line: `512,3`"),
        }
    })?;
    let Some(text) = weight else {
        return Ok((count, 1.0));
    };
    match text.parse::<f64>().ok().filter(|weight| weight.is_finite()) {
        Some(weight) => {
            let weight = within(Some(weight), text, &(0.0..=1e15))?;
            Ok((count, weight))
        }
        None => {
            let what = format!("the weight {} is not a number", quoted(text));
            Err(Reason::new(what).hint("write a count and its weight, `512,3`, or the count alone"))
        }
    }
}
