//! Reads CPU lists as `taskset` writes them, such as `1-3,5`.

use crate::error::{Reason, ValueError, quoted};
use serde::Serialize;

/// The largest number of CPUs that a kernel can be built for.
const CPUS_MAX: usize = 8_192;

/// Numbers of CPUs, ascending, without repeats and not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CpuList(pub Vec<usize>);

impl std::str::FromStr for CpuList {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<CpuList, ValueError> {
        let mut cpus = Vec::new();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                let what = format!("the range {} begins above its end", quoted(range));
                return Err(ValueError::Refused(
                    Reason::new(what).hint("write the smaller number first"),
                ));
            }
            cpus.extend(first..=last);
            if cpus.len() > CPUS_MAX {
                let what = format!("the list has more CPUs than the limit of {CPUS_MAX}");
                return Err(ValueError::Refused(Reason::new(what)));
            }
        }
        cpus.sort_unstable();
        match cpus.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let reason = Reason::new(format!("CPU {} is listed twice", pair[0]));
                Err(ValueError::Refused(reason.hint("list each CPU once")))
            }
            None => Ok(CpuList(cpus)),
        }
    }
}

fn number(text: &str) -> Result<usize, ValueError> {
    let most = CPUS_MAX - 1;
    let hint = "write it like `1-3,5`";
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        let what = format!("{} is not a CPU number from 0 to {most}", quoted(text));
        return Err(Reason::new(what).hint(hint).into());
    }
    text.parse().ok().filter(|cpu| *cpu <= most).ok_or_else(|| {
        let what = format!("CPU {} is above the limit of {most}", quoted(text));
        ValueError::Refused(Reason::new(what).hint(hint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<usize>, String> {
        text.parse::<CpuList>()
            .map(|list| list.0)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn ranges_and_single_cpus_are_read_in_any_order() {
        assert_eq!(parse("1-3,5"), Ok(vec![1, 2, 3, 5]));
        assert_eq!(parse("7,0-1"), Ok(vec![0, 1, 7]));
        assert_eq!(parse("0"), Ok(vec![0]));
    }

    #[test]
    fn invalid_lists_are_refused() {
        for text in [
            "",
            "a",
            "1,",
            "-1",
            "1-",
            "3-1",
            "1-2-3",
            "8192",
            "+1",
            "1 ,2",
            "99999999999999999999",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("1-3,2").unwrap_err().contains("CPU 2 is listed twice"));
        assert!(
            parse(&["0-8191"; 3].join(","))
                .unwrap_err()
                .contains("more CPUs than")
        );
    }
}
