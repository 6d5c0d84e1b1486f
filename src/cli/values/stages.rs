//! Stages on the command line, as k6 writes them: `10s:100,1m:500,10s:0`.

use crate::cli::values::number::read_duration;
use crate::error::{Reason, ValueError, quoted};
use crate::plan::{DURATION_MAX, STAGES_MAX, Stage, VUS_MAX};
use crate::units::{bare, too_long};

/// A list of 1 to `STAGES_MAX` stages, each within the limits of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageList(pub Vec<Stage>);

impl std::str::FromStr for StageList {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<StageList, ValueError> {
        let stages = text
            .split(',')
            .map(parse_stage)
            .collect::<Result<Vec<Stage>, ValueError>>()?;
        if stages.len() > STAGES_MAX {
            let what = format!("{} stages are above the limit of {STAGES_MAX}", stages.len());
            return Err(ValueError::Refused(Reason::new(what).hint("use fewer stages")));
        }
        Ok(StageList(stages))
    }
}

fn parse_stage(text: &str) -> Result<Stage, ValueError> {
    let hint = "write `DURATION:VUS,...`, for example `10s:100,1m:500,10s:0`";
    let unreadable = |what: &str| Reason::new(format!("stage {} {what}", quoted(text))).hint(hint);
    let refused = |what: String| ValueError::Refused(Reason::new(format!("stage {} {what}", quoted(text))));
    let Some((length, target)) = text.trim().split_once(':') else {
        return Err(Reason::new(format!("{} is not a stage", quoted(text)))
            .hint(hint)
            .into());
    };
    let in_stage = |e: ValueError| e.map(|reason| reason.within(format!("stage {}", quoted(text))));
    let duration = read_duration(length, &(0..=DURATION_MAX), bare::LOAD).map_err(in_stage)?;
    if duration > DURATION_MAX {
        let reason = too_long(length, &(0..=DURATION_MAX));
        return Err(in_stage(ValueError::Refused(reason)));
    }
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
        assert_eq!(
            list.0,
            expected.map(|(duration, target)| Stage { duration, target })
        );
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
        assert!(refused("10s:100001").contains("more VUs than the limit of 100000"));
        assert!(refused("10s:99999999999").contains("more VUs than the limit of 100000"));
        assert!(refused("25h:1").contains("longer than the limit of 24h"));
        assert!(refused(&vec!["1s:1"; 1_001].join(",")).contains("1001 stages"));
    }
}
