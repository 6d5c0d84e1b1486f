//! Shares: `5%`, or `0.05`.

use std::ops::RangeInclusive;

use crate::error::{Reason, ValueError, quoted};
use crate::units::decimal;

/// Returns the parser of a share, from 0 to 1 or as a percentage.
pub fn share(limits: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, ValueError> + Clone {
    move |text| read_share(text, &limits)
}

fn read_share(text: &str, limits: &RangeInclusive<f64>) -> Result<f64, ValueError> {
    let (digits, unit) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100.0),
        None => (text, 1.0),
    };
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    let number = digits.parse::<f64>().ok().filter(|_| is_plain);
    let [least, most] = [limits.start(), limits.end()].map(|end| format!("{}%", decimal(end * 100.0)));
    let Some(number) = number else {
        let what = format!("{} is not a share", quoted(text));
        return Err(Reason::new(what)
            .hint(format!("write a percentage from {least} to {most}"))
            .into());
    };
    let share = number / unit;
    if limits.contains(&share) {
        return Ok(share);
    }
    let what = format!("{} is outside the limits, {least} to {most}", quoted(text));
    Err(ValueError::Refused(Reason::new(what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_number_up_to_1() {
        let read = share(0.0..=1.0);
        assert_eq!(read("5%").unwrap(), 0.05);
        assert_eq!(read("0.05").unwrap(), 0.05);
        assert_eq!(read("100%").unwrap(), 1.0);
        for (text, unreadable) in [
            ("x", true),
            ("", true),
            ("%", true),
            ("5", false),
            ("-1%", false),
            ("101%", false),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(matches!(error, ValueError::Unreadable(_)), unreadable, "{text}");
        }
        assert!(read("nan").is_err() && read("1e-2").is_err());
    }
}
