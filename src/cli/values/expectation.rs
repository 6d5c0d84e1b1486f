//! A load, `200` or `85/s`, and what a limit is expected to be: `>=200`, `>= 85/s`.

use crate::error::{Reason, ValueError, quoted};
use crate::limit::{Expectation, Load};
use crate::plan::Op;
use crate::units::read_rate;

/// The operators, the longer ones first.
const OPS: [(&str, Op); 4] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    (">", Op::Above),
    ("<", Op::Below),
];

/// Reads a load: a number of users, or a rate.
pub fn load(text: &str) -> Result<Load, ValueError> {
    Ok(Load {
        value: read_rate(text)?.per_second(),
        has_time: text.contains('/'),
    })
}

/// Reads an expectation: an operator, and users or a rate.
pub fn expectation(text: &str) -> Result<Expectation, ValueError> {
    let text = text.trim();
    let found = OPS
        .iter()
        .find_map(|(symbol, op)| Some((text.strip_prefix(symbol)?.trim(), *op)));
    let Some((number, op)) = found else {
        let what = format!("{} does not begin with a comparison", quoted(text));
        return Err(Reason::new(what)
            .hint("write `'>=200'`, in quotes, or `'>=85/s'` for a rate")
            .into());
    };
    Ok(Expectation {
        op,
        load: load(number)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_is_a_comparison_with_a_load() {
        let read = |text| expectation(text).map(|expected| (expected.op, expected.load.value));
        assert_eq!(read(">=200"), Ok((Op::AtLeast, 200.0)));
        assert_eq!(read("> 300/m"), Ok((Op::Above, 5.0)));
        assert_eq!(read("<=8"), Ok((Op::AtMost, 8.0)));
        let has_time = |text| expectation(text).map(|expected| expected.load.has_time);
        assert_eq!((has_time("<=8"), has_time(">= 8/s")), (Ok(false), Ok(true)));
        for text in ["", "200", "==200", ">=", ">=x", ">=1,000"] {
            assert!(matches!(read(text), Err(ValueError::Unreadable(_))), "{text}");
        }
        assert!(matches!(read(">=-5"), Err(ValueError::Refused(_))));
    }
}
