//! Stages on the command line, as k6 writes them: `10s:100,1m:500,10s:0`.

use crate::error::{Reason, quoted};
use crate::plan::{DURATION_MAX, STAGES_MAX, Stage, VUS_MAX};
use crate::units::parse_load_time;

/// A list of 1 to `STAGES_MAX` stages, each within the limits of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageList(pub Vec<Stage>);

impl std::str::FromStr for StageList {
    type Err = Reason;

    fn from_str(text: &str) -> Result<StageList, Reason> {
        let stages = text
            .split(',')
            .map(parse_stage)
            .collect::<Result<Vec<Stage>, Reason>>()?;
        if stages.len() > STAGES_MAX {
            return Err(Reason::new(format!(
                "{} stages are more than the limit of {STAGES_MAX}",
                stages.len()
            )));
        }
        Ok(StageList(stages))
    }
}

fn parse_stage(text: &str) -> Result<Stage, Reason> {
    let hint = "write `DURATION:VUS,...`, for example `10s:100,1m:500,10s:0`";
    let Some((duration, target)) = text.trim().split_once(':') else {
        return Err(Reason::new(format!("{} is not a stage", quoted(text))).hint(hint));
    };
    let duration = parse_load_time(duration)?;
    if duration > DURATION_MAX {
        return Err(Reason::new(format!(
            "stage {} is longer than the limit of 24h",
            quoted(text)
        )));
    }
    let digits = target.bytes().all(|b| b.is_ascii_digit());
    match target.parse::<u32>() {
        Ok(target) if digits && target <= VUS_MAX => Ok(Stage { duration, target }),
        Ok(_) if digits => Err(Reason::new(format!(
            "stage {} has more VUs than the limit of {VUS_MAX}",
            quoted(text)
        ))),
        _ => Err(Reason::new(format!("stage {} has no number of VUs", quoted(text))).hint(hint)),
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
        assert!(refused("10s:100001").contains("limit of 100000"));
        assert!(refused("25h:1").contains("limit of 24h"));
        assert!(refused(&vec!["1s:1"; 1_001].join(",")).contains("1001 stages"));
    }
}
