//! The part of the plan that a process runs: `2/4`, or `auto`.

use crate::error::{Reason, ValueError, quoted};
use crate::plan::{SHARDS_MAX, Shard};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardSpec {
    Part(Shard),
    /// The part that the job's environment gives.
    Auto,
}

impl std::str::FromStr for ShardSpec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<ShardSpec, ValueError> {
        if text == "auto" {
            return Ok(ShardSpec::Auto);
        }
        let wrong = |what: &str| {
            let hint = "write K/N, for example `1/4` for the first of four, or `auto` under Slurm, mpirun, torchrun or in a Kubernetes Indexed Job";
            Reason::new(format!("{}: {what}", quoted(text))).hint(hint)
        };
        let refused = |what: &str| ValueError::Refused(wrong(what));
        let (number, count) = text.split_once('/').ok_or_else(|| wrong("not a shard"))?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(number) || !digits(count) {
            return Err(wrong("not a shard").into());
        }
        let count = count.parse().ok().filter(|count| *count <= SHARDS_MAX);
        let Some(count) = count else {
            return Err(refused(&format!(
                "the number of shards is above the limit of {SHARDS_MAX}"
            )));
        };
        let shard = match number.parse::<u32>() {
            Ok(0) => return Err(refused("shards are counted from 1")),
            Ok(number) => Shard::new(number - 1, count),
            Err(_) => None,
        };
        shard
            .map(ShardSpec::Part)
            .ok_or_else(|| refused("the shard's number is above their count"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_parsed_as_number_and_count() {
        let spec = |text: &str| text.parse::<ShardSpec>();
        assert_eq!(spec("2/4"), Ok(ShardSpec::Part(Shard::new(1, 4).unwrap())));
        assert_eq!(spec("1/1"), Ok(ShardSpec::Part(Shard::WHOLE)));
        assert_eq!(spec("auto"), Ok(ShardSpec::Auto));
        for (text, what) in [
            ("0/4", "shards are counted from 1"),
            ("5/4", "the shard's number is above their count"),
            ("1/0", "the shard's number is above their count"),
            ("1/10001", "the number of shards is above the limit of 10000"),
            (
                "1/99999999999",
                "the number of shards is above the limit of 10000",
            ),
            ("99999999999/4", "the shard's number is above their count"),
            ("1", "not a shard"),
            ("1/4/2", "not a shard"),
            ("+1/4", "not a shard"),
            ("", "not a shard"),
            ("a/b", "not a shard"),
        ] {
            let reason = spec(text).unwrap_err().to_string();
            assert!(reason.contains(what), "{text}: {reason}");
        }
    }
}
