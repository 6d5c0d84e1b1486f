//! Which part of the plan a process runs: `2/4`, or `auto`.

use crate::error::{Reason, quoted};
use crate::plan::{SHARDS_MAX, Shard};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardSpec {
    Part(Shard),
    /// What the job's environment says.
    Auto,
}

impl std::str::FromStr for ShardSpec {
    type Err = Reason;

    fn from_str(text: &str) -> Result<ShardSpec, Reason> {
        if text == "auto" {
            return Ok(ShardSpec::Auto);
        }
        let wrong = |what: &str| {
            let hint = "write K/N, the first of four is `1/4`; or `auto` in a Kubernetes Indexed Job or a Slurm array";
            Reason::new(format!("{}: {what}", quoted(text))).hint(hint)
        };
        let (number, count) = text.split_once('/').ok_or_else(|| wrong("no shard"))?;
        let digits = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| plain)
        };
        let (Some(number), Some(count)) = (digits(number), digits(count)) else {
            return Err(wrong("no shard"));
        };
        if number == 0 {
            return Err(wrong("shards count from 1"));
        }
        if count > SHARDS_MAX {
            return Err(wrong(&format!("more shards than the limit, {SHARDS_MAX}")));
        }
        let shard = Shard::new(number - 1, count);
        shard
            .map(ShardSpec::Part)
            .ok_or_else(|| wrong("the number is above the count"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_of_a_count() {
        let spec = |text: &str| text.parse::<ShardSpec>();
        assert_eq!(spec("2/4"), Ok(ShardSpec::Part(Shard::new(1, 4).unwrap())));
        assert_eq!(spec("1/1"), Ok(ShardSpec::Part(Shard::WHOLE)));
        assert_eq!(spec("auto"), Ok(ShardSpec::Auto));
        for (text, what) in [
            ("0/4", "shards count from 1"),
            ("5/4", "the number is above the count"),
            ("1/0", "the number is above the count"),
            ("1/10001", "more shards than the limit, 10000"),
            ("1", "no shard"),
            ("1/4/2", "no shard"),
            ("+1/4", "no shard"),
            ("", "no shard"),
            ("a/b", "no shard"),
        ] {
            let reason = spec(text).unwrap_err().to_string();
            assert!(reason.contains(what), "{text}: {reason}");
        }
    }
}
