//! Assigns CPUs to workers, server and reporter.

use crate::error::{Mistake, Reason, quoted};

/// CPUs by their kernel number. `workers` and `server` share a CPU only if there are too few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuPlan {
    /// CPUs of the workers, one each; not empty, ascending, without repeats.
    pub workers: Vec<usize>,
    /// CPUs of the managed server; empty without one.
    pub server: Vec<usize>,
    /// CPU of the reporter, apart from the workers if there is room.
    pub reporter: usize,
}

impl CpuPlan {
    /// Returns true if the server shares a CPU with a worker.
    pub fn is_shared(&self) -> bool {
        self.server.iter().any(|cpu| self.workers.contains(cpu))
    }
}

/// Divides the CPUs. By default all allowed CPUs are used. A managed server gets the upper half of them, rounded down
/// but at least one, because it needs more time for an event than the client, and because a load generator that shares
/// CPUs with its server measures itself. If `cores` or `cpus` is given, the server gets the CPUs that are left, or
/// shares all of them if none are left.
pub fn plan_cpus(
    allowed: &[usize],
    cores: Option<usize>,
    cpus: Option<&[usize]>,
    managed: bool,
) -> Result<CpuPlan, Mistake> {
    assert!(!allowed.is_empty(), "a process may use at least one CPU");
    let workers = match (cores, cpus) {
        (Some(_), Some(_)) => {
            let what = "cannot be combined with `--cpus`, which already fixes the number of cores";
            return Err(Reason::new(what).hint("remove one of the two").at("--cores", 0));
        }
        (None, Some(cpus)) => chosen(allowed, cpus)?,
        (Some(0), None) => return Err(Reason::new("0 is not allowed; the minimum is 1").at("--cores", 0)),
        (Some(cores), None) if cores > allowed.len() => {
            let (most, list) = (allowed.len(), cpu_list(allowed));
            let what = format!("{cores} are too many: this process may use {most} ({list})");
            return Err(Reason::new(what).at("--cores", 0));
        }
        (Some(cores), None) => allowed[..cores].to_vec(),
        (None, None) if managed => allowed[..allowed.len().div_ceil(2)].to_vec(),
        (None, None) => allowed.to_vec(),
    };
    let rest: Vec<usize> = allowed
        .iter()
        .copied()
        .filter(|cpu| !workers.contains(cpu))
        .collect();
    let reporter = rest.last().or(workers.last()).copied();
    let server = match (managed, rest.is_empty()) {
        (false, _) => Vec::new(),
        (true, false) => rest,
        (true, true) => allowed.to_vec(),
    };
    Ok(CpuPlan {
        workers,
        server,
        reporter: reporter.expect("workers are never empty"),
    })
}

fn chosen(allowed: &[usize], cpus: &[usize]) -> Result<Vec<usize>, Mistake> {
    let most = cpu_list(allowed);
    let wrong = |what: String| {
        Reason::new(what)
            .hint(format!("choose from {most}, each once"))
            .at("--cpus", 0)
    };
    if cpus.is_empty() {
        return Err(wrong("the list is empty".to_owned()));
    }
    if let Some(&cpu) = cpus.iter().find(|cpu| !allowed.contains(cpu)) {
        return Err(wrong(format!(
            "CPU {cpu} is not among those that this process may use"
        )));
    }
    let mut workers = cpus.to_vec();
    workers.sort_unstable();
    match workers.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(wrong(format!("CPU {} is listed twice", pair[0]))),
        None => Ok(workers),
    }
}

/// Reads a list in the kernel's notation, such as `1-3,5`. Keeps order and repeats.
pub fn parse_cpu_list(text: &str) -> Result<Vec<usize>, Reason> {
    let refuse = || {
        let what = format!(
            "CPU list {}: not a list of numbers and ranges below {}",
            quoted(text),
            super::CPU_COUNT_MAX
        );
        Reason::new(what).hint("write it like 1-3,5")
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| refuse());
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= super::CPU_COUNT_MAX {
            return Err(refuse());
        }
        cpus.extend(first..=last);
        if cpus.len() > super::CPU_COUNT_MAX {
            return Err(refuse());
        }
    }
    Ok(cpus)
}

/// Writes an ascending list in the kernel's notation, such as `0-3,5`.
pub fn cpu_list(cpus: &[usize]) -> String {
    let mut ranges: Vec<String> = Vec::new();
    let mut rest = cpus;
    while let Some(&first) = rest.first() {
        let run = rest
            .iter()
            .enumerate()
            .take_while(|(i, cpu)| **cpu == first + i)
            .count();
        ranges.push(match run {
            1 => first.to_string(),
            _ => format!("{first}-{}", first + run - 1),
        });
        rest = &rest[run..];
    }
    ranges.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(allowed: &[usize], cores: Option<usize>, managed: bool) -> CpuPlan {
        plan_cpus(allowed, cores, None, managed).unwrap()
    }

    #[test]
    fn without_a_server_every_allowed_cpu_is_used() {
        let plan = plan(&[2, 3, 7], None, false);
        assert_eq!(plan.workers, [2, 3, 7]);
        assert!(plan.server.is_empty());
        assert_eq!(plan.reporter, 7);
    }

    #[test]
    fn a_server_gets_half_rounded_down_and_at_least_one() {
        for (n, workers) in [(2, 1), (3, 2), (4, 2), (5, 3), (64, 32)] {
            let allowed: Vec<usize> = (0..n).collect();
            let plan = plan(&allowed, None, true);
            assert_eq!((plan.workers.len(), plan.server.len()), (workers, n - workers));
            assert!(!plan.is_shared());
            assert!(plan.server.contains(&plan.reporter));
        }
    }

    #[test]
    fn on_one_cpu_all_three_share_it() {
        let plan = plan(&[5], None, true);
        assert_eq!(
            (plan.workers.as_slice(), plan.server.as_slice()),
            (&[5][..], &[5][..])
        );
        assert_eq!(plan.reporter, 5);
        assert!(plan.is_shared());
    }

    #[test]
    fn a_choice_leaves_the_rest_to_the_server() {
        let four = [0, 1, 2, 3];
        assert_eq!(plan(&four, Some(1), true).server, [1, 2, 3]);
        assert_eq!(plan(&four, Some(3), false).reporter, 3);
        let chosen = plan_cpus(&four, None, Some(&[3, 1]), true).unwrap();
        assert_eq!(chosen.workers, [1, 3]);
        assert_eq!(chosen.server, [0, 2]);
        let all = plan(&four, Some(4), true);
        assert_eq!(all.server, four);
        assert!(all.is_shared());
    }

    #[test]
    fn impossible_choices_are_refused_with_the_allowed_values() {
        let allowed = [0, 1, 2, 5];
        let message = |cores, cpus| plan_cpus(&allowed, cores, cpus, false).unwrap_err().to_string();
        assert_eq!(
            message(None, Some(&[1, 4][..])),
            "error: --cpus: CPU 4 is not among those that this process may use\nhint: choose from 0-2,5, each once"
        );
        assert_eq!(
            message(Some(8), None),
            "error: --cores: 8 are too many: this process may use 4 (0-2,5)"
        );
        assert_eq!(
            message(Some(0), None),
            "error: --cores: 0 is not allowed; the minimum is 1"
        );
        assert_eq!(
            message(None, Some(&[1, 1][..])),
            "error: --cpus: CPU 1 is listed twice\nhint: choose from 0-2,5, each once"
        );
        assert!(message(None, Some(&[][..])).contains("the list is empty"));
        assert!(message(Some(1), Some(&[1][..])).contains("cannot be combined"));
    }

    #[test]
    fn cpu_lists_read_and_write_the_kernels_notation() {
        assert_eq!(parse_cpu_list("1-3,5").unwrap(), [1, 2, 3, 5]);
        assert_eq!(parse_cpu_list("0\n").unwrap(), [0]);
        for bad in ["", ",", "a", "3-1", "1-", "-1", "0-99999999999", "1-3,", "99999"] {
            assert!(parse_cpu_list(bad).is_err(), "{bad:?}");
        }
        for text in ["0", "0-3,5", "1,3,5-6"] {
            assert_eq!(cpu_list(&parse_cpu_list(text).unwrap()), text);
        }
        assert_eq!(cpu_list(&[]), "");
    }
}
