//! Formats numbers for people.

pub(super) use crate::units::{bytes, grouped};

/// Formats a duration as `12.3us`, `1.23ms`, `12.3s`: three digits, at most seven characters up to 9999 s.
pub(super) fn duration(ms: Option<f64>) -> String {
    let Some(ms) = ms else {
        return "-".to_string();
    };
    let us = ms * 1e3;
    // The unit changes where rounding would add a digit: 999.96 us is 1.00 ms, not 1000 us.
    if us < 999.5 {
        format!("{}us", three_digits(us))
    } else if ms < 999.5 {
        format!("{}ms", three_digits(ms))
    } else {
        format!("{}s", three_digits(ms / 1e3))
    }
}

/// Formats an interval of durations as `470 to 512 ms`, with its unit once if both ends have the same.
pub(super) fn range([low, high]: [f64; 2]) -> String {
    let (low, high) = (spaced(low), spaced(high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

/// The same in a table: `470-512ms`.
pub(super) fn range_cell([low, high]: [f64; 2]) -> String {
    range([low, high]).replace(" to ", "-").replace(' ', "")
}

/// Formats a duration with a blank before its unit, as in a sentence.
fn spaced(ms: f64) -> String {
    let text = duration(Some(ms));
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    format!("{number} {unit}")
}

fn three_digits(x: f64) -> String {
    if x == 0.0 {
        "0".to_string()
    } else if x < 9.995 {
        format!("{x:.2}")
    } else if x < 99.95 {
        format!("{x:.1}")
    } else {
        format!("{x:.0}")
    }
}

/// Formats the share of ok requests among those that finished. It is never rounded up to 100 %.
pub(super) fn success(ok: u64, failed: u64) -> String {
    if ok + failed == 0 {
        return "-".to_string();
    }
    let percent = ok as f64 * 100.0 / (ok + failed) as f64;
    let shown = if failed > 0 { percent.min(99.99) } else { percent };
    format!("{shown:.2} %")
}

pub(super) fn cut(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_string();
    }
    let kept: String = name.chars().take(width - 1).collect();
    format!("{kept}~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_unit_that_shows_three_digits() {
        for (ms, shown) in [
            (Some(0.0), "0us"),
            (Some(0.001), "1.00us"),
            (Some(0.0123), "12.3us"),
            (Some(0.9994), "999us"),
            (Some(0.9996), "1.00ms"),
            (Some(9.9961), "10.0ms"),
            (Some(999.4), "999ms"),
            (Some(999.9), "1.00s"),
            (Some(3_600_000.0), "3600s"),
            (None, "-"),
        ] {
            assert_eq!(duration(ms), shown);
        }
    }

    #[test]
    fn a_range_has_its_unit_once() {
        assert_eq!(range([470.0, 512.4]), "470 to 512 ms");
        assert_eq!(range([950.0, 1_020.0]), "950 ms to 1.02 s");
        assert_eq!(range([0.0, 0.05]), "0 to 50.0 us");
        assert_eq!(range_cell([470.0, 512.4]), "470-512ms");
        assert_eq!(range_cell([950.0, 1_020.0]), "950ms-1.02s");
    }

    #[test]
    fn one_failure_in_a_million_is_not_a_hundred_percent_success() {
        assert_eq!(success(999_999, 1), "99.99 %");
        assert_eq!(success(10, 0), "100.00 %");
        assert_eq!(success(0, 0), "-");
    }

    #[test]
    fn bytes_have_the_unit_that_suits_them() {
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(12), "12 B");
    }
}
