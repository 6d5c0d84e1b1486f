//! Where rank 0 is, as far as an engine says it.

/// The most bytes of a list of nodes that are read.
const LIST_BYTES_MAX: usize = 64 * 1024;

/// The host of rank 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    pub host: String,
    /// The port that the engine chose, if it did.
    pub port: Option<u16>,
    /// The variable that named it.
    pub from: &'static str,
}

/// Returns the host of rank 0. torchrun names it; in Slurm it is the first node of the step, where rank 0 is unless
/// `--distribution=arbitrary` puts it elsewhere. The tasks of an array are jobs with nodes of their own, and Kubernetes
/// and mpirun name nobody.
pub fn leader(env: impl Fn(&str) -> Option<String>) -> Option<Leader> {
    let set = |name: &str| env(name).filter(|text| !text.is_empty());
    if let Some(host) = set("MASTER_ADDR") {
        let port = set("MASTER_PORT").and_then(|port| port.parse().ok());
        return Some(Leader {
            host,
            port,
            from: "MASTER_ADDR",
        });
    }
    if set("SLURM_ARRAY_TASK_ID").is_some() && set("SLURM_STEP_NODELIST").is_none() {
        return None;
    }
    let lists = ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"];
    lists.into_iter().find_map(|from| {
        let host = first_host(&set(from)?)?;
        Some(Leader {
            host,
            port: None,
            from,
        })
    })
}

/// Returns the first host of a list in Slurm's form: `gpu[03-05,9],login` begins with `gpu03`. `None` if it is no such
/// list.
pub fn first_host(list: &str) -> Option<String> {
    if list.len() > LIST_BYTES_MAX {
        return None;
    }
    let mut host = String::new();
    let mut rest = list.trim();
    while let Some(at) = rest.find(['[', ']', ',']) {
        host.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b',' => return named(host),
            b'[' => {
                let (inside, after) = rest[at + 1..].split_once(']')?;
                let first = inside.split([',', '-']).next()?;
                if first.is_empty() || !first.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                host.push_str(first);
                rest = after;
            }
            _ => return None,
        }
    }
    host.push_str(rest);
    named(host)
}

/// Returns the name if a host may have it.
fn named(host: String) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!host.is_empty() && host.len() <= 253 && host.bytes().all(allowed)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vars: &[(&str, &str)]) -> Option<String> {
        let env = |name: &str| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        leader(env).map(|leader| match leader.port {
            Some(port) => format!("{}:{port} {}", leader.host, leader.from),
            None => format!("{} {}", leader.host, leader.from),
        })
    }

    #[test]
    fn the_first_host_of_a_list_is_expanded() {
        for (list, first) in [
            ("gpu3", "gpu3"),
            ("gpu[3-5]", "gpu3"),
            ("gpu[003-005,9],login", "gpu003"),
            ("gpu[7,9]", "gpu7"),
            ("a,b[1-2]", "a"),
            ("rack[2-3]node[07-08]", "rack2node07"),
            ("gpu[1-2].cluster", "gpu1.cluster"),
            ("10.0.0.4", "10.0.0.4"),
        ] {
            assert_eq!(first_host(list).as_deref(), Some(first), "{list}");
        }
        for wrong in [
            "", ",", "[1-2", "a]", "a[]", "a[x-y]", "a[-3]", "a b", "a[1;rm]", "\x1b[1]m",
        ] {
            assert_eq!(first_host(wrong), None, "{wrong:?}");
        }
        assert_eq!(first_host(&"a".repeat(LIST_BYTES_MAX + 1)), None);
    }

    #[test]
    fn engines_name_the_host_of_rank_0_or_nobody() {
        let torch = [
            ("MASTER_ADDR", "gpu7"),
            ("MASTER_PORT", "29500"),
            ("SLURM_JOB_NODELIST", "gpu[1-2]"),
        ];
        assert_eq!(of(&torch).as_deref(), Some("gpu7:29500 MASTER_ADDR"));
        let step = [
            ("SLURM_STEP_NODELIST", "gpu[5-6]"),
            ("SLURM_JOB_NODELIST", "gpu[1-9]"),
        ];
        assert_eq!(of(&step).as_deref(), Some("gpu5 SLURM_STEP_NODELIST"));
        assert_eq!(of(&step[1..]).as_deref(), Some("gpu1 SLURM_JOB_NODELIST"));
        let array = [("SLURM_ARRAY_TASK_ID", "2"), ("SLURM_JOB_NODELIST", "gpu2")];
        assert_eq!(of(&array), None, "each task has a node of its own");
        assert_eq!(of(&[("OMPI_COMM_WORLD_RANK", "2")]), None);
    }
}
