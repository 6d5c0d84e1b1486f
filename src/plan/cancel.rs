//! The share of requests that are cancelled, as people write it: `10% after 5 tokens`, `10% after 500ms-2s`.

use crate::error::{Reason, ValueError, quoted};
use crate::plan::{DURATION_MAX, MAX_TOKENS_MAX};
use crate::units::{MILLISECOND, Nanos, Span, check_duration, parse_count_span, parse_duration_span};
use crate::workload::{Cancel, CancelAt, Share};

const FORM: &str =
    "write `10% after 5 tokens`, `10% after 500ms`, with a range `10% after 5-20 tokens`, or `none`";

/// Reads a whole text. `none` is a share of 0.
pub fn parse_cancel(text: &str) -> Result<Cancel, ValueError> {
    let none = Cancel {
        share: Share::NONE,
        at: CancelAt::Tokens(Span { min: 1, max: 1 }),
    };
    let unreadable = |what: String| ValueError::from(Reason::new(what).hint(FORM));
    if text.trim() == "none" {
        return Ok(none);
    }
    let Some((share, at)) = text.split_once(" after ") else {
        return Err(unreadable(format!("{} does not say after what", quoted(text))));
    };
    let share = parse_share(share)?;
    let at = at.trim();
    let tokens = at.strip_suffix("tokens").or_else(|| at.strip_suffix("token"));
    let at = match tokens {
        Some(count) => CancelAt::Tokens(parse_cancel_tokens(count.trim())?),
        None if at.ends_with(|c: char| c.is_ascii_digit()) => {
            return Err(unreadable(format!("{} is neither tokens nor a time", quoted(at))));
        }
        None => CancelAt::After(parse_cancel_time(at)?),
    };
    Ok(Cancel { share, at })
}

/// Reads a share: `10%`, or a number from 0 to 1. A plain 1 is refused, because other tools mean 1 % by it.
pub fn parse_share(text: &str) -> Result<Share, ValueError> {
    let text = text.trim();
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let hint = "write a percentage such as `10%`, or a share such as `0.1`";
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (number(percent), 100.0),
        None => (number(text), 1.0),
    };
    let Some(number) = number else {
        return Err(Reason::new(format!("{} is not a share", quoted(text)))
            .hint(hint)
            .into());
    };
    if whole == 1.0 && number >= 1.0 {
        let what = format!("{} may be a share or a percentage", quoted(text));
        let hint = match number == 1.0 {
            true => "write `100%` for all, or `1%`".to_owned(),
            false => format!("write `{number}%`"),
        };
        return Err(ValueError::Refused(Reason::new(what).hint(hint)));
    }
    Share::of(number / whole).ok_or_else(|| {
        let what = format!("{} is not between 0% and 100%", quoted(text));
        ValueError::Refused(Reason::new(what).hint(hint))
    })
}

/// Reads after how many tokens.
pub fn parse_cancel_tokens(text: &str) -> Result<Span<u32>, ValueError> {
    let span = parse_count_span(text)?;
    match (1..=MAX_TOKENS_MAX).contains(&span.min) && span.max <= MAX_TOKENS_MAX {
        true => Ok(span),
        false => {
            let what = format!(
                "{} tokens are outside the limits, 1 to {MAX_TOKENS_MAX}",
                quoted(text)
            );
            let hint = "the first token is number 1; a time cancels a request before it";
            Err(ValueError::Refused(Reason::new(what).hint(hint)))
        }
    }
}

/// Reads after what time. Below a millisecond part of the request might not be out.
pub fn parse_cancel_time(text: &str) -> Result<Span<Nanos>, ValueError> {
    let span = parse_duration_span(text)?;
    let range = MILLISECOND..=DURATION_MAX;
    check_duration(span.min, &range).map_err(ValueError::Refused)?;
    check_duration(span.max, &range).map_err(ValueError::Refused)?;
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_cancelled_after_tokens_or_after_a_time() {
        for (text, shown) in [
            ("10% after 5 tokens", "10% after 5 tokens"),
            ("0.125 after 1 token", "12.5% after 1 token"),
            ("7.3%  after  5-20  tokens ", "7.3% after 5-20 tokens"),
            ("100% after 500ms", "100% after 500ms"),
            ("0% after 0.5s-2s", "0% after 500ms-2s"),
            ("none", "0% after 1 token"),
        ] {
            assert_eq!(parse_cancel(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_form_or_its_limit() {
        for (text, is_form, says) in [
            ("10%", true, "does not say after what"),
            ("", true, "does not say after what"),
            ("ten after 5 tokens", true, "`ten` is not a share"),
            ("10% after 5", true, "`5` is neither tokens nor a time"),
            ("10% after soon", true, "`soon`"),
            ("10% after x tokens", true, "`x` is not a whole number"),
            ("10 after 5 tokens", false, "`10` may be a share or a percentage"),
            ("1 after 5 tokens", false, "`1` may be a share or a percentage"),
            ("101% after 5 tokens", false, "`101%` is not between 0% and 100%"),
            ("-1% after 5 tokens", false, "`-1%` is not between 0% and 100%"),
            ("10% after 0 tokens", false, "outside the limits, 1 to 10000000"),
            ("10% after 0ms", false, "shorter than the minimum of 1ms"),
            ("10% after 25h", false, "longer than the limit of 24h"),
        ] {
            let error = parse_cancel(text).unwrap_err();
            let is_unreadable = matches!(error, ValueError::Unreadable(_));
            assert_eq!(is_unreadable, is_form, "{text}: {error:?}");
            assert!(error.reason().what.contains(says), "{text}: {error:?}");
            assert!(error.reason().hint.is_some(), "{text}: {error:?}");
        }
    }
}
