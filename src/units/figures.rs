//! Figures as people read them in a sentence: three digits and a unit.

use crate::units::{Nanos, SECOND, format_duration};

/// Formats a count with a comma after each thousand.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Rounds a number above 0 up to 1, 2 or 5 times a power of ten, as the ends of axes are.
pub fn round_up(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let step = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|step| step * power >= x * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

/// Formats a count or a rate, grouped, with the given number of decimals.
pub fn grouped_decimals(x: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", x.abs());
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let sign = if x < 0.0 { "-" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    match fraction {
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{whole}"),
    }
}

/// Formats a rate per second: one decimal below a thousand, none above.
pub fn rate(x: f64) -> String {
    grouped_decimals(x, if x.abs() < 999.95 { 1 } else { 0 })
}

/// The unit that suits a time, and its length in milliseconds. The unit changes where rounding would add a digit:
/// 999.96 ms is 1.00 s.
pub fn time_unit(ms: f64) -> (&'static str, f64) {
    match ms.abs() {
        ms if ms < 0.9995 => ("us", 1e-3),
        ms if ms < 999.5 => ("ms", 1.0),
        _ => ("s", 1e3),
    }
}

/// Formats a number with at least `digits` significant digits and all digits before the point.
pub fn significant(x: f64, digits: usize) -> String {
    let before = match x.abs() {
        x if x < 9.995 => 1,
        x if x < 99.95 => 2,
        _ => 3,
    };
    let decimals = digits.saturating_sub(before);
    format!("{x:.decimals$}")
}

/// Formats a time in milliseconds for a sentence: `139 ms`, `1.23 s`, `12.3 us`.
pub fn time(ms: f64) -> String {
    if ms == 0.0 {
        return "0 ms".to_owned();
    }
    let (unit, length) = time_unit(ms);
    format!("{} {unit}", significant(ms / length, 3))
}

/// Formats how long something took: `6.2 s`, and from a minute on in whole seconds, `3m30s`.
pub fn elapsed(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    format_duration(seconds.round() as Nanos * SECOND)
}

/// Formats a share from 0 to 1: `0.10 %`. What is not none is not shown as 0 %, and what is not all not as 100 %.
pub fn percent(share: f64) -> String {
    percent_with(share, |shown| {
        (shown == 0.0) == (share == 0.0) && (shown == 1.0) == (share == 1.0)
    })
}

/// Formats a share with as many decimals as it takes until `is_true_to` says so of the shown share.
pub fn percent_with(share: f64, is_true_to: impl Fn(f64) -> bool) -> String {
    let percent = share * 100.0;
    if percent == percent.round() && (share == 0.0 || share == 1.0) {
        return format!("{percent:.0} %");
    }
    let mut shown = (2..9).map(|decimals| format!("{percent:.decimals$}"));
    let fits = |text: &String| text.parse::<f64>().is_ok_and(|shown| is_true_to(shown / 100.0));
    let text = shown.clone().find(fits).or_else(|| shown.next_back());
    format!("{} %", text.unwrap_or_default())
}

/// Formats a number of bytes: `1.5 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match UNITS.iter().find(|(size, _)| n >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", n as f64 / *size as f64),
        None => format!("{n} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_rates_are_grouped() {
        for (n, shown) in [(0, "0"), (999, "999"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), shown);
        }
        for (x, shown) in [
            (0.0, "0.0"),
            (999.94, "999.9"),
            (999.96, "1,000"),
            (11_316.6, "11,317"),
        ] {
            assert_eq!(rate(x), shown);
        }
        assert_eq!(grouped_decimals(-1234.56, 1), "-1,234.6");
    }

    #[test]
    fn times_have_three_digits_and_their_unit() {
        for (ms, shown) in [
            (0.0, "0 ms"),
            (0.001, "1.00 us"),
            (0.9996, "1.00 ms"),
            (139.007, "139 ms"),
            (999.9, "1.00 s"),
            (61_000.0, "61.0 s"),
        ] {
            assert_eq!(time(ms), shown);
        }
    }

    #[test]
    fn what_took_long_is_told_in_minutes() {
        for (seconds, shown) in [(0.0, "0.0 s"), (6.25, "6.2 s"), (59.97, "1m"), (210.02, "3m30s")] {
            assert_eq!(elapsed(seconds), shown);
        }
    }

    #[test]
    fn a_share_is_neither_none_nor_all_unless_it_is() {
        for (share, shown) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.001, "0.10 %"),
            (0.0061, "0.61 %"),
            (0.000_001, "0.0001 %"),
            (0.999_999, "99.9999 %"),
            (0.1, "10.00 %"),
        ] {
            assert_eq!(percent(share), shown);
        }
    }
}
