//! The part of the plan that this process runs.

use crate::cli::{ShardArgs, ShardSpec};
use crate::config::Config;
use crate::error::{Mistake, Reason, quoted};
use crate::plan::{SHARDS_MAX, Shard};

/// Returns the part that this process runs; `None` for all of the plan. `env` looks up an environment variable.
pub fn shard(
    args: &ShardArgs,
    env: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Shard> {
    match args.shard {
        None => {
            if let Some(count) = args.shards {
                let what = format!("says that there are {count} shards, and not which of them this is");
                let hint = "add `--shard auto`, or write `--shard K/N` alone";
                mistakes.push(Reason::new(what).hint(hint).at("--shards", 0));
            }
            None
        }
        // An explicit part wins over the environment of a job.
        Some(ShardSpec::Part(shard)) => Some(shard),
        Some(ShardSpec::Auto) => match auto(args.shards, env) {
            Ok(shard) => Some(shard),
            Err(reason) => {
                mistakes.push(reason.at("--shard auto", 0));
                None
            }
        },
    }
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

/// Reads the part from the environment of a job: from Kubernetes first, if a process has both.
fn auto(count: Option<u32>, env: impl Fn(&str) -> Option<String>) -> Result<Shard, Reason> {
    if let Some(index) = number(&env, "JOB_COMPLETION_INDEX")? {
        let count = count.ok_or_else(|| {
            let what =
                "JOB_COMPLETION_INDEX gives the number of the shard, but Kubernetes has no variable for their count";
            Reason::new(what).hint("set LLMLOAD_SHARDS or --shards to the job's `completions`")
        })?;
        return shard_at(u64::from(index), count, "JOB_COMPLETION_INDEX");
    }
    let Some(id) = number(&env, "SLURM_ARRAY_TASK_ID")? else {
        let what = "neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set";
        return Err(Reason::new(what)
            .hint("`auto` needs a Kubernetes Indexed Job or a Slurm array; elsewhere use `--shard K/N`"));
    };
    let least = number(&env, "SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    let step = number(&env, "SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
    let said = number(&env, "SLURM_ARRAY_TASK_COUNT")?;
    let count = match (said, count) {
        (Some(said), Some(count)) if said != count => {
            let what = format!("SLURM_ARRAY_TASK_COUNT is {said}, but --shards is {count}");
            return Err(Reason::new(what).hint("remove --shards (check LLMLOAD_SHARDS as well)"));
        }
        (Some(count), _) | (None, Some(count)) => count,
        (None, None) => {
            let what = "SLURM_ARRAY_TASK_ID is set, but SLURM_ARRAY_TASK_COUNT, the number of tasks, is not";
            return Err(Reason::new(what).hint("set LLMLOAD_SHARDS or --shards to the number of tasks"));
        }
    };
    match id.checked_sub(least) {
        Some(above) if above % step == 0 => shard_at(u64::from(above / step), count, "SLURM_ARRAY_TASK_ID"),
        _ => {
            let what =
                format!("SLURM_ARRAY_TASK_ID is {id}, which is not a multiple of {step} above {least}");
            Err(Reason::new(what).hint("number the array evenly: `--array=1-4`"))
        }
    }
}

fn shard_at(index: u64, count: u32, variable: &str) -> Result<Shard, Reason> {
    if count == 0 || count > SHARDS_MAX {
        return Err(Reason::new(format!(
            "the number of shards is {count}, not between 1 and {SHARDS_MAX}"
        )));
    }
    u32::try_from(index)
        .ok()
        .and_then(|index| Shard::new(index, count))
        .ok_or_else(|| {
            let what = format!("{variable} makes this number {} of {count} shards", index + 1);
            Reason::new(what)
                .hint("the count must be that of all tasks of the job, and their numbers must have no gaps")
        })
}

fn number(env: &impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<u32>, Reason> {
    let Some(text) = env(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Reason::new(format!(
            "{name} is {}, which is not a whole number",
            quoted(&text)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: Option<u32>, env: &[(&str, &str)]) -> Result<String, String> {
        let args = ShardArgs {
            shard: Some(ShardSpec::Auto),
            shards: count,
            start_at: None,
        };
        let mut mistakes = Vec::new();
        let look = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let shard = shard(&args, look, &mut mistakes);
        match mistakes.first() {
            None => Ok(shard.unwrap().to_string()),
            Some(mistake) => Err(mistake.to_string()),
        }
    }

    #[test]
    fn an_indexed_job_counts_from_0_and_needs_a_count() {
        let index = |n| [("JOB_COMPLETION_INDEX", n)];
        assert_eq!(found(Some(4), &index("0")).as_deref(), Ok("1/4"));
        assert_eq!(found(Some(4), &index("3")).as_deref(), Ok("4/4"));
        let missing = found(None, &index("0")).unwrap_err();
        assert!(missing.contains("set LLMLOAD_SHARDS or --shards"), "{missing}");
        let above = found(Some(4), &index("4")).unwrap_err();
        assert!(above.contains("makes this number 5 of 4 shards"), "{above}");
        assert!(
            found(Some(4), &index("x"))
                .unwrap_err()
                .contains("is not a whole number")
        );
        assert!(
            found(Some(0), &index("0"))
                .unwrap_err()
                .contains("not between 1 and")
        );
    }

    #[test]
    fn a_slurm_array_may_have_any_start_and_step() {
        let array = |id, min, step, count| {
            [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_STEP", step),
                ("SLURM_ARRAY_TASK_COUNT", count),
            ]
        };
        assert_eq!(found(None, &array("2", "1", "1", "4")).as_deref(), Ok("2/4"));
        assert_eq!(found(None, &array("0", "0", "", "4")).as_deref(), Ok("1/4"));
        assert_eq!(found(None, &array("7", "1", "2", "4")).as_deref(), Ok("4/4"));
        assert_eq!(found(Some(4), &array("7", "1", "2", "4")).as_deref(), Ok("4/4"));
        let gap = found(None, &array("9", "1", "1", "4")).unwrap_err();
        assert!(gap.contains("have no gaps"), "{gap}");
        let uneven = found(None, &array("6", "1", "2", "4")).unwrap_err();
        assert!(uneven.contains("number the array evenly"), "{uneven}");
        let both = found(Some(3), &array("1", "1", "1", "4")).unwrap_err();
        assert!(
            both.contains("SLURM_ARRAY_TASK_COUNT is 4, but --shards is 3"),
            "{both}"
        );
        let missing = found(None, &[("SLURM_ARRAY_TASK_ID", "1")]).unwrap_err();
        assert!(missing.contains("SLURM_ARRAY_TASK_COUNT"), "{missing}");
    }

    #[test]
    fn auto_needs_a_job_and_an_explicit_part_wins_over_one() {
        assert!(
            found(Some(4), &[])
                .unwrap_err()
                .contains("neither JOB_COMPLETION_INDEX nor")
        );
        let args = ShardArgs {
            shard: "2/3".parse().ok(),
            shards: Some(9),
            start_at: None,
        };
        let env = |_: &str| Some("1".to_owned());
        let mut mistakes = Vec::new();
        let alone = ShardArgs {
            shard: None,
            ..args.clone()
        };
        assert_eq!(super::shard(&alone, env, &mut mistakes), None);
        assert!(
            mistakes[0]
                .to_string()
                .contains("--shards: says that there are 9 shards"),
            "{mistakes:?}"
        );
        let shard = shard(&args, env, &mut Vec::new()).unwrap();
        assert_eq!(shard.to_string(), "2/3");
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
