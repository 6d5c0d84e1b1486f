//! The part of the plan that this process runs.

use crate::cli::{ShardArgs, ShardSpec};
use crate::config::Config;
use crate::error::{Mistake, Reason};
use crate::plan::Shard;
use crate::rank::find;

/// Returns the part that this process runs; `None` for all of the plan. `env` looks up an environment variable.
pub fn shard(
    args: &ShardArgs,
    env: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Shard> {
    match (args.shard, args.rank) {
        (None, None) => {
            if let Some(count) = args.shards {
                let what = format!("says that there are {count} shards, and not which of them this is");
                let hint = "add `--shard auto` or `--rank R`, or write `--shard K/N` alone";
                mistakes.push(Reason::new(what).hint(hint).at("--shards", 0));
            }
            None
        }
        // An explicit part wins over the environment of a job.
        (Some(ShardSpec::Part(shard)), None) => Some(shard),
        (Some(ShardSpec::Auto) | None, Some(rank)) => numbered(rank, args.shards, mistakes),
        (Some(ShardSpec::Part(shard)), Some(rank)) => {
            if rank != shard.index() {
                let what = format!("rank {rank}, counted from 0, is not shard {shard}");
                let hint = format!("remove one of them; the rank of this shard is {}", shard.index());
                mistakes.push(Reason::new(what).hint(hint).at("--rank", 0));
            }
            Some(shard)
        }
        (Some(ShardSpec::Auto), None) => match find(args.shards, env) {
            Ok(rank) => Some(rank.shard),
            Err(reason) => {
                mistakes.push(reason.at("--shard auto", 0));
                None
            }
        },
    }
}

/// Returns the part with a number from 0.
fn numbered(rank: u32, count: Option<u32>, mistakes: &mut Vec<Mistake>) -> Option<Shard> {
    let Some(count) = count else {
        let what = format!("says that this is rank {rank}, and not of how many");
        mistakes.push(Reason::new(what).hint("add `--ranks N`").at("--rank", 0));
        return None;
    };
    let shard = Shard::new(rank, count);
    if shard.is_none() {
        let what = format!("{rank} is not below {count}, the number of ranks");
        mistakes.push(Reason::new(what).hint("ranks are counted from 0").at("--rank", 0));
    }
    shard
}

/// Checks that a shard is part of a single run, because `merge` cannot join several runs in a row.
pub fn check_shard(config: &Config, mistakes: &mut Vec<Mistake>) {
    let Some(shard) = config.run.shard else {
        return;
    };
    let mut refuse = |what: String, hint: String| {
        let reason = Reason::new(format!("shard {shard} is a part of one run, but {what}"));
        mistakes.push(reason.hint(hint).at("--shard", 0));
    };
    if config.repeat > 1 {
        let n = config.repeat;
        refuse(
            format!("`repeat` asks for {n} runs"),
            format!("use `--repeat 1`, and start the shards {n} times"),
        );
    }
    if config.contention {
        let what = "`contention` asks for a run of each server alone and one of all together";
        let hint = "remove it, and start the shards once for each run";
        refuse(what.to_owned(), hint.to_owned());
    }
    // Each shard has its part of the arrivals, and needs a user for them.
    for lane in config.executor.lanes() {
        let (vus, shards) = (lane.vus, shard.count());
        if vus < shards {
            let rates = config.executor.rates_by_kind();
            let kind = rates.map(|rates| &rates.kinds()[usize::from(lane.sequences[0])]);
            let of = kind.map_or(String::new(), |kind| format!(" of request `{}`", kind.name));
            refuse(
                format!("{vus} users for the arrivals{of} leave some of the shards none"),
                format!("raise `max_vus` so that there are {shards}, or use {vus} shards at most"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], env: &[(&str, &str)]) -> Result<String, String> {
        use clap::Parser;
        let all = [&["llmload-uring", "smoke"], words].concat();
        let args = crate::cli::Cli::try_parse_from(all).unwrap().run.sharding;
        let mut mistakes = Vec::new();
        let look = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let shard = shard(&args, look, &mut mistakes);
        match mistakes.first() {
            None => Ok(shard.unwrap().to_string()),
            Some(mistake) => Err(mistake.to_string()),
        }
    }

    #[test]
    fn a_rank_counts_from_0_and_needs_the_number_of_ranks() {
        assert_eq!(found(&["--rank", "0", "--ranks", "4"], &[]).unwrap(), "1/4");
        assert_eq!(found(&["--rank", "3", "--shards", "4"], &[]).unwrap(), "4/4");
        let slurm = [("SLURM_PROCID", "2"), ("SLURM_NTASKS", "8")];
        assert_eq!(found(&["--shard", "auto"], &slurm).unwrap(), "3/8");
        assert_eq!(
            found(&["--shard", "auto", "--rank", "0", "--ranks", "4"], &slurm).unwrap(),
            "1/4",
            "what is said wins"
        );
        for (words, what) in [
            (
                &["--rank", "1"][..],
                "--rank: says that this is rank 1, and not of how many",
            ),
            (
                &["--rank", "4", "--ranks", "4"],
                "--rank: 4 is not below 4, the number of ranks",
            ),
            (
                &["--rank", "1", "--shard", "1/4"],
                "--rank: rank 1, counted from 0, is not shard 1/4",
            ),
            (&["--ranks", "4"], "--shards: says that there are 4 shards"),
        ] {
            let mistake = found(words, &[]).unwrap_err();
            assert!(mistake.contains(what) && mistake.contains("hint: "), "{mistake}");
        }
    }

    #[test]
    fn auto_needs_a_job_and_an_explicit_part_wins_over_one() {
        let none = found(&["--shard", "auto", "--shards", "4"], &[]).unwrap_err();
        assert!(
            none.contains("--shard auto: no engine's variables are set"),
            "{none}"
        );
        let index = [("JOB_COMPLETION_INDEX", "1")];
        assert_eq!(
            found(&["--shard", "2/3", "--shards", "9"], &index).unwrap(),
            "2/3"
        );
    }

    #[test]
    fn a_warm_up_is_split_into_shards_but_several_runs_are_refused() {
        use clap::Parser;
        let dir = std::env::temp_dir().join(format!("llmload-shard-{}.yaml", std::process::id()));
        let text = "executor: constant-vus\nvus: 4\nduration: 5s\nservers:\n  \
                    - { name: a, base_url: 'http://127.0.0.1:1/completion' }\n  \
                    - { name: b, base_url: 'http://127.0.0.1:2/completion' }\n\
                    models: [m]\nprompts: [Hi]\nrequests:\n  \
                    - { name: r, kind: chat, stream: true, max_tokens: 5, timeout: 9s }\n";
        std::fs::write(&dir, text).unwrap();
        let path = dir.to_str().unwrap();
        let load = |words: &[&str]| {
            let all = [&["llmload-uring", path], words].concat();
            crate::config::load_plan(&crate::cli::Cli::try_parse_from(all).unwrap().run)
        };
        let refused = |words: &[&str]| load(words).unwrap_err().to_string();
        let repeat = refused(&["--shard", "1/2", "--repeat", "3"]);
        assert!(
            repeat.contains("--shard: shard 1/2 is a part of one run, but `repeat` asks for 3 runs"),
            "{repeat}"
        );
        let contention = refused(&["--shard", "1/2", "--contention"]);
        assert!(
            contention.contains("`contention` asks for a run of each server alone"),
            "{contention}"
        );
        assert!(load(&["--repeat", "3"]).is_ok() && load(&["--shard", "1/2", "--repeat", "1"]).is_ok());
        let few = refused(&["--shard", "1/3", "--rate", "5", "--max-in-flight", "2"]);
        assert!(
            few.contains("but 2 users for the arrivals leave some of the shards none"),
            "{few}"
        );
        let (config, plan) = load(&["--shard", "1/3", "--warmup", "2s"]).unwrap();
        std::fs::remove_file(&dir).unwrap();
        let passes = std::sync::Arc::new(plan).passes(config.repeat, config.contention);
        let users: Vec<u32> = passes
            .iter()
            .map(|pass| pass.plan.schedule_of_shard().vus_max())
            .collect();
        assert_eq!(users, [2, 2], "a warm-up of the shard's own users");
    }
}
