//! Stages on the command line, as k6 writes them: `10s:100,1m:500,10s:0`, or with rates: `10s:20/s,1m:100/s`.

use crate::cli::values::number::read_duration;
use crate::error::{Reason, ValueError, quoted};
use crate::plan::{DURATION_MAX, RateStage, STAGES_MAX, Stage, VUS_MAX};
use crate::units::{Nanos, bare, read_rate, too_long};

/// A list of 1 to `STAGES_MAX` stages, each within the limits of a stage.
#[derive(Clone, Debug, PartialEq)]
pub enum StageList {
    Vus(Vec<Stage>),
    /// Rates of arrivals.
    Rates(Vec<RateStage>),
}

impl std::str::FromStr for StageList {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<StageList, ValueError> {
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() > STAGES_MAX {
            let what = format!("{} stages are above the limit of {STAGES_MAX}", parts.len());
            return Err(ValueError::Refused(Reason::new(what).hint("use fewer stages")));
        }
        let rates = parts.iter().filter(|part| part.contains('/')).count();
        if rates == 0 {
            let stages = parts.into_iter().map(parse_stage);
            return Ok(StageList::Vus(stages.collect::<Result<_, ValueError>>()?));
        }
        if rates < parts.len() {
            let what = format!("{} has both rates and numbers of VUs", quoted(text));
            return Err(Reason::new(what)
                .hint("write all targets as rates: `10s:20/s,1m:100/s`")
                .into());
        }
        let stages = parts.into_iter().map(parse_rate_stage);
        Ok(StageList::Rates(stages.collect::<Result<_, ValueError>>()?))
    }
}

const HINT: &str =
    "write `DURATION:VUS,...`, for example `10s:100,1m:500,10s:0`, or rates: `10s:20/s,1m:100/s`";

/// Splits a stage into its duration and its target.
fn split(text: &str) -> Result<(Nanos, &str), ValueError> {
    let Some((length, target)) = text.trim().split_once(':') else {
        return Err(Reason::new(format!("{} is not a stage", quoted(text)))
            .hint(HINT)
            .into());
    };
    let in_stage = |e: ValueError| e.map(|reason| reason.within(format!("stage {}", quoted(text))));
    let duration = read_duration(length, &(0..=DURATION_MAX), bare::LOAD).map_err(in_stage)?;
    if duration > DURATION_MAX {
        let reason = too_long(length, &(0..=DURATION_MAX));
        return Err(in_stage(ValueError::Refused(reason)));
    }
    Ok((duration, target))
}

fn parse_rate_stage(text: &str) -> Result<RateStage, ValueError> {
    let (duration, target) = split(text)?;
    let in_stage = |e: ValueError| e.map(|reason| reason.within(format!("stage {}", quoted(text))));
    let target = read_rate(target).map_err(in_stage)?;
    Ok(RateStage { duration, target })
}

fn parse_stage(text: &str) -> Result<Stage, ValueError> {
    let unreadable = |what: &str| Reason::new(format!("stage {} {what}", quoted(text))).hint(HINT);
    let refused = |what: String| ValueError::Refused(Reason::new(format!("stage {} {what}", quoted(text))));
    let (duration, target) = split(text)?;
    let unsigned = target.strip_prefix('-').unwrap_or(target);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unreadable("has no number of VUs").into());
    }
    match target.parse::<u32>() {
        Ok(target) if target <= VUS_MAX => Ok(Stage { duration, target }),
        _ if target.starts_with('-') => Err(refused("has fewer VUs than the minimum of 0".to_owned())),
        _ => Err(refused(format!("has more VUs than the limit of {VUS_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MINUTE, SECOND};

    #[test]
    fn stages_are_read_in_their_order() {
        let list: StageList = "10s:100,1m:500, 0s:7,10s:0".parse().unwrap();
        let expected = [(10 * SECOND, 100), (MINUTE, 500), (0, 7), (10 * SECOND, 0)];
        let expected = expected.map(|(duration, target)| Stage { duration, target });
        assert_eq!(list, StageList::Vus(expected.to_vec()));
    }

    #[test]
    fn stages_may_have_rates_but_not_both() {
        let list: StageList = "10s:20/s,1m:300/m".parse().unwrap();
        let target = |text| crate::units::parse_rate(text).unwrap();
        let expected = [(10 * SECOND, target("20/s")), (MINUTE, target("300/m"))];
        let expected = expected.map(|(duration, target)| RateStage { duration, target });
        assert_eq!(list, StageList::Rates(expected.to_vec()));
        let both = "10s:20/s,1m:5".parse::<StageList>().unwrap_err().to_string();
        assert!(both.contains("both rates and numbers of VUs"), "{both}");
        let wrong = "10s:x/s".parse::<StageList>().unwrap_err().to_string();
        assert!(wrong.contains("is not a rate"), "{wrong}");
    }

    #[test]
    fn invalid_stages_are_refused_with_an_example() {
        let refused = |text: &str| text.parse::<StageList>().unwrap_err().to_string();
        assert!(refused("10s").contains("for example `10s:100"));
        assert!(refused("").contains("not a stage"));
        assert!(refused("10s:").contains("no number of VUs"));
        assert!(refused("10s:+5").contains("no number of VUs"));
        assert!(refused("10x:5").contains("unknown unit `x`"));
        assert!(refused("10s:-5").contains("fewer VUs than the minimum of 0"));
        assert!(refused("-10s:5").contains("shorter than the minimum of 0s"));
        assert!(refused("10s:10000001").contains("more VUs than the limit of 10000000"));
        assert!(refused("10s:99999999999").contains("more VUs than the limit of 10000000"));
        assert!(refused("25h:1").contains("longer than the limit of 24h"));
        assert!(refused(&vec!["1s:1"; 1_001].join(",")).contains("1001 stages"));
    }
}
