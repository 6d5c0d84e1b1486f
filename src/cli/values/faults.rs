//! Faults of the mock server, in exact counts: `503=37,429=5,reset=11`.

use crate::error::{Reason, ValueError, nearest, quoted};
use crate::mock::fault::Fault;

/// The faults of the mock and how many requests of each cycle get each; every fault is there once, counts are above 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultSpec(pub Vec<(Fault, u32)>);

impl FaultSpec {
    /// Returns the number of faulty requests in one cycle.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

impl std::str::FromStr for FaultSpec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<FaultSpec, ValueError> {
        let mut faults: Vec<(Fault, u32)> = Vec::new();
        for part in text.split(',') {
            let (fault, count) = parse_entry(part.trim())?;
            if faults.iter().any(|(other, _)| *other == fault) {
                let what = format!("fault {} is given twice", quoted(part));
                return Err(ValueError::Refused(
                    Reason::new(what).hint("give each fault once"),
                ));
            }
            if count > 0 {
                faults.push((fault, count));
            }
        }
        Ok(FaultSpec(faults))
    }
}

fn parse_entry(text: &str) -> Result<(Fault, u32), ValueError> {
    let hint = "write `503=37,429=5,reset=11,cut=5,hang=2,error_event=3`";
    let Some((name, count)) = text.split_once('=') else {
        let what = format!("{} is not a fault with a count", quoted(text));
        return Err(Reason::new(what).hint(hint).into());
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(count) {
        return Err(Reason::new(format!("{} has no count", quoted(text)))
            .hint(hint)
            .into());
    }
    let Ok(count) = count.parse::<u32>() else {
        let what = format!("the count of {} is above the limit of {}", quoted(text), u32::MAX);
        return Err(ValueError::Refused(Reason::new(what)));
    };
    if let Some(fault) = Fault::parse(name) {
        return Ok((fault, count));
    }
    if digits(name) {
        let what = format!("status {} is outside the limits, 300 to 599", quoted(name));
        return Err(ValueError::Refused(Reason::new(what).hint(hint)));
    }
    let names: Vec<&str> = Fault::names().collect();
    let hint = match nearest(name, &names) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("a fault is an HTTP status or one of {}", names.join(", ")),
    };
    Err(Reason::new(format!("unknown fault {}", quoted(name)))
        .hint(hint)
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_with_its_count() {
        let spec: FaultSpec = "503=37,429=5,500=1,reset=11,cut=5,hang=2,error_event=3,418=0"
            .parse()
            .unwrap();
        let expected = vec![
            (Fault::Status(503), 37),
            (Fault::Status(429), 5),
            (Fault::Status(500), 1),
            (Fault::Reset, 11),
            (Fault::Cut, 5),
            (Fault::Hang, 2),
            (Fault::ErrorEvent, 3),
        ];
        assert_eq!((spec.total(), spec.0), (64, expected));
    }

    #[test]
    fn invalid_faults_are_refused() {
        let refused = |text: &str| text.parse::<FaultSpec>().unwrap_err().to_string();
        assert!(refused("").contains("not a fault"));
        assert!(refused("503").contains("not a fault with a count"));
        assert!(refused("503=").contains("no count"));
        assert!(refused("503=+1").contains("no count"));
        assert!(refused("200=1").contains("300 to 599"));
        assert!(refused("99999=1").contains("300 to 599"));
        assert!(refused("rest=1").contains("did you mean `reset`?"));
        assert!(refused("=1").contains("unknown fault"));
        assert!(refused("503=1,503=2").contains("given twice"));
    }
}
