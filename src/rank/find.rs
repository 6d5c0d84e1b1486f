//! Reads the rank of this process from the variables of the engine that started it.

use crate::error::{Reason, quoted};
use crate::plan::{SHARDS_MAX, Shard};

/// The number of this process and of all, and the variable that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    pub shard: Shard,
    /// The variable with the number.
    pub from: &'static str,
}

/// How near to the process an engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nearness {
    /// It started this very process: torchrun, mpirun.
    Launcher,
    /// `srun` started this process, or the launcher that did.
    Step,
    /// It started the job around it: a task of a Slurm array, a pod of an Indexed Job.
    Job,
}

/// What one engine says.
#[derive(Clone, Copy, Debug)]
struct Claim {
    nearness: Nearness,
    rank: u32,
    rank_from: &'static str,
    count: Option<u32>,
    count_from: &'static str,
}

/// Engines that give a number from 0 and a count, the nearest to the process first. Those that share a name with
/// other programs (`RANK`) count only with both.
///
/// Sources: torchrun's "Environment Variables"; Open MPI's mpirun(1), "Environment variables"; MPICH's Hydra and
/// Slurm's `--mpi=pmi2`, which set PMI-1's names; MVAPICH2's user guide, 9.6; srun(1), "OUTPUT ENVIRONMENT VARIABLES".
/// PMIx names no count in the environment.
const PAIRS: [(Nearness, &str, &[&str], bool); 6] = [
    (Nearness::Launcher, "RANK", &["WORLD_SIZE"], true),
    (
        Nearness::Launcher,
        "OMPI_COMM_WORLD_RANK",
        &["OMPI_COMM_WORLD_SIZE"],
        false,
    ),
    (
        Nearness::Launcher,
        "MV2_COMM_WORLD_RANK",
        &["MV2_COMM_WORLD_SIZE"],
        false,
    ),
    (Nearness::Launcher, "PMI_RANK", &["PMI_SIZE"], false),
    (Nearness::Launcher, "PMIX_RANK", &[], false),
    (
        Nearness::Step,
        "SLURM_PROCID",
        &["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"],
        false,
    ),
];

const ELSEWHERE: &str = "`auto` needs Slurm, an MPI launcher, torchrun or a Kubernetes Indexed Job; elsewhere use \
                         `--shard K/N`, or `--rank R --ranks N` with R from 0";
const SAY_COUNT: &str = "set LLMLOAD_SHARDS or --shards to the number of processes";
const SAY_WHICH: &str =
    "say which is meant with `--rank R --ranks N` (R from 0), for example `--rank $SLURM_PROCID`";

/// Finds the rank of this process. `count` is the number of processes that the user has given; `env` looks up an
/// environment variable.
///
/// # Errors
/// Fails if no engine says anything, if two say different things, or if a number is missing or out of range. A count
/// of 1 gives way to any other engine: Slurm gives it to each script of an array.
pub fn find(count: Option<u32>, env: impl Fn(&str) -> Option<String>) -> Result<Rank, Reason> {
    let claims = claims(&env, count)?;
    let Some(first) = claims.first() else {
        let what = "no engine's variables are set (SLURM_PROCID, SLURM_ARRAY_TASK_ID, OMPI_COMM_WORLD_RANK, PMI_RANK, \
                    PMIX_RANK, JOB_COMPLETION_INDEX, RANK with WORLD_SIZE)";
        return Err(Reason::new(what).hint(ELSEWHERE));
    };
    if let Some(other) = claims.iter().find(|other| other.contradicts(first)) {
        let what = format!("{first} and {other} contradict each other");
        return Err(Reason::new(what).hint(SAY_WHICH));
    }
    let said = claims.iter().find(|claim| claim.count.is_some());
    let said = said.and_then(|claim| Some((claim.count?, claim.count_from)));
    let count = match (said, count) {
        (Some((said, from)), Some(count)) if said != count => {
            let what = format!("{from} is {said}, but --shards is {count}");
            return Err(Reason::new(what).hint("remove --shards (check LLMLOAD_SHARDS as well)"));
        }
        (Some((count, _)), _) | (None, Some(count)) => count,
        (None, None) => return Err(no_count(first)),
    };
    let shard = shard_at(first.rank, count, first.rank_from)?;
    Ok(Rank {
        shard,
        from: first.rank_from,
    })
}

impl Claim {
    fn contradicts(&self, other: &Claim) -> bool {
        let counts = self.count.zip(other.count);
        self.rank != other.rank || counts.is_some_and(|(a, b)| a != b)
    }

    /// Tells whether the engine started one process only, or does not know of others.
    fn is_single(&self) -> bool {
        self.count == Some(1) || (self.nearness == Nearness::Step && self.count.is_none())
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (number {} from 0", self.rank_from, self.rank)?;
        match self.count {
            None => f.write_str(")"),
            Some(count) => write!(f, ", {} {count})", self.count_from),
        }
    }
}

/// Returns what the engines say that count, the nearest first.
fn claims(env: &impl Fn(&str) -> Option<String>, count: Option<u32>) -> Result<Vec<Claim>, Reason> {
    let mut claims = Vec::new();
    for (nearness, rank_from, counts, both) in PAIRS {
        let Some(rank) = number(env, rank_from)? else {
            continue;
        };
        let mut found = (None, "");
        for name in counts {
            if found.0.is_none() {
                found = (number(env, name)?, name);
            }
        }
        if both && found.0.is_none() {
            continue;
        }
        claims.push(Claim {
            nearness,
            rank,
            rank_from,
            count: found.0,
            count_from: found.1,
        });
    }
    if let Some(rank) = number(env, "JOB_COMPLETION_INDEX")? {
        claims.push(Claim {
            nearness: Nearness::Job,
            rank,
            rank_from: "JOB_COMPLETION_INDEX",
            count: None,
            count_from: "",
        });
    }
    claims.extend(of_array(env, count)?);
    prefer_launchers(&mut claims);
    if !claims.iter().all(Claim::is_single) {
        claims.retain(|claim| !claim.is_single());
    }
    Ok(claims)
}

/// Drops what `srun` says where it started a launcher and not this process: a daemon on each node, or the script
/// around it, has a number of its own. Where the numbers agree it is the same process, and gives PMIx the count.
fn prefer_launchers(claims: &mut Vec<Claim>) {
    let launched = claims.iter().filter(|claim| claim.nearness == Nearness::Launcher);
    let launched: Vec<Claim> = launched.copied().collect();
    if let Some(first) = launched.first() {
        let has_count = launched.iter().any(|claim| claim.count.is_some());
        claims.retain(|claim| claim.nearness != Nearness::Step || (!has_count && claim.rank == first.rank));
    }
}

/// Reads the number within a Slurm array, whose tasks may begin anywhere and go up in steps.
fn of_array(env: &impl Fn(&str) -> Option<String>, count: Option<u32>) -> Result<Option<Claim>, Reason> {
    const ID: &str = "SLURM_ARRAY_TASK_ID";
    let Some(id) = number(env, ID)? else {
        return Ok(None);
    };
    let least = number(env, "SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    let step = number(env, "SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
    let said = number(env, "SLURM_ARRAY_TASK_COUNT")?;
    if said.or(count).is_none() {
        let what = "SLURM_ARRAY_TASK_ID is set, but SLURM_ARRAY_TASK_COUNT, the number of tasks, is not";
        return Err(Reason::new(what).hint("set LLMLOAD_SHARDS or --shards to the number of tasks"));
    }
    match id.checked_sub(least) {
        Some(above) if above % step == 0 => Ok(Some(Claim {
            nearness: Nearness::Job,
            rank: above / step,
            rank_from: ID,
            count: said,
            count_from: "SLURM_ARRAY_TASK_COUNT",
        })),
        _ => {
            let what = format!("{ID} is {id}, which is not a multiple of {step} above {least}");
            Err(Reason::new(what).hint("number the array evenly: `--array=1-4`"))
        }
    }
}

fn no_count(claim: &Claim) -> Reason {
    match claim.rank_from {
        "JOB_COMPLETION_INDEX" => Reason::new(
            "JOB_COMPLETION_INDEX gives the number of the shard, but Kubernetes has no variable for their count",
        )
        .hint("set LLMLOAD_SHARDS or --shards to the job's `completions`"),
        from => {
            let counts = PAIRS.iter().find(|(_, rank, ..)| *rank == from);
            let missing = match counts.map_or(&[][..], |(_, _, counts, _)| *counts) {
                [] => "and it comes without a count".to_owned(),
                names => format!("but {} is not", names.join(" or ")),
            };
            Reason::new(format!("{from} is set, {missing}")).hint(SAY_COUNT)
        }
    }
}

fn shard_at(rank: u32, count: u32, variable: &str) -> Result<Shard, Reason> {
    if count == 0 || count > SHARDS_MAX {
        return Err(Reason::new(format!(
            "the number of shards is {count}, not between 1 and {SHARDS_MAX}"
        ))
        .hint("check the count that the job gives, or say it with --shards"));
    }
    Shard::new(rank, count).ok_or_else(|| {
        let what = format!(
            "{variable} makes this number {} of {count} shards",
            u64::from(rank) + 1
        );
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
        Err(_) => {
            let what = format!("{name} is {}, which is not a whole number", quoted(&text));
            Err(Reason::new(what).hint("unset it, or say the number with `--shard K/N`"))
        }
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
