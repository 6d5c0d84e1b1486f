//! Decides, before anything is sent, whether this host can carry the run.

use std::fmt;

use crate::error::{ExitCode, Failure, Mistakes, Reason};

use super::facts::HostFacts;
use super::uring::UringRefusal;

/// Files beside connections and cores: standard streams, the result and its spool, the child's pipes,
/// /proc reads, probes, name lookups.
pub const FILES_RESERVED: u64 = 64;
/// Files of one core: an executor's three rings and its eventfds, our ring, its wake-up, channels.
pub const FILES_PER_CORE: u64 = 16;

/// glommio starts no executor below this, not even for root.
pub const EXECUTOR_MEMLOCK_BYTES_MIN: u64 = 512 * 1024;
/// What an executor's own rings lock at depth 128 with `io_memory(0)`: 34 of them fit into 8 MiB.
pub const EXECUTOR_MEMLOCK_BYTES: u64 = 8 * 1024 * 1024 / 34;

/// Bytes that one ring locks: 64 a submission entry and 4 for its index, 16 a completion, and a page for
/// each of the two regions' ends.
pub const fn ring_bytes(submissions: u32, completions: u32) -> u64 {
    submissions as u64 * 68 + completions as u64 * 16 + 2 * 4096
}

/// What a run asks of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Most connections at once, over all cores.
    pub vus: u32,
    /// Worker cores, 1 or more.
    pub cores: u32,
    /// Addresses of the target that connections are spread over, 1 or more.
    pub addresses: u32,
    /// Locked by each core's own ring: `ring_bytes`.
    pub ring_bytes: u64,
    /// Length of the managed server's listen queue; 0 where the server is not ours.
    pub backlog: u32,
}

/// Something worth a line in the report that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that this host lacks. Ends the run with [`ExitCode::Host`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    OpenFiles {
        found: u64,
        hard: Option<u64>,
        needed: u64,
        vus: u32,
        cores: u32,
    },
    Ports {
        found: u64,
        needed: u64,
        range: (u16, u16),
        addresses: u32,
    },
    /// Bytes.
    Memlock {
        found: u64,
        needed: u64,
        cores: u32,
    },
    Uring(UringRefusal),
}

impl HostError {
    /// What is missing, and the command that fixes it.
    pub fn reason(&self) -> Reason {
        match self {
            HostError::OpenFiles {
                found,
                hard,
                needed,
                vus,
                cores,
            } => {
                let each = match cores {
                    1 => "the core".to_owned(),
                    n => format!("each of {n} cores"),
                };
                let what = format!(
                    "open files: limit is {found}, needed {needed}: {vus} for connections, {FILES_RESERVED} for the \
                     program, {FILES_PER_CORE} for {each}"
                );
                Reason::new(what).hint(match hard {
                    Some(hard) if hard < needed => format!(
                        "raise the hard limit of {hard} first: sudo prlimit --pid $$ --nofile={needed}:{needed}, or docker run --ulimit nofile={needed}:{needed}"
                    ),
                    _ => format!("ulimit -n {needed}"),
                })
            }
            HostError::Ports {
                found,
                needed,
                range: (first, last),
                addresses,
            } => {
                let s = if *addresses == 1 { "" } else { "es" };
                let what = format!(
                    "local ports: range {first}-{last} has {found}, needed {needed} for each of {addresses} target address{s}"
                );
                Reason::new(what).hint("sudo sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\", or give the target more addresses, or fewer --vus")
            }
            HostError::Memlock { found, needed, cores } => {
                let what = format!(
                    "locked memory: limit is {} KiB, needed {} KiB for the rings of {cores} core{}",
                    found / 1024,
                    needed.div_ceil(1024),
                    if *cores == 1 { "" } else { "s" }
                );
                Reason::new(what).hint(format!(
                    "sudo prlimit --pid $$ --memlock={needed}:{needed}, or docker run --ulimit memlock={needed}:{needed}, or fewer --cores"
                ))
            }
            HostError::Uring(refusal) => refusal.reason(),
        }
    }
}

/// All that is missing as one failure.
impl From<&[HostError]> for Failure {
    fn from(errors: &[HostError]) -> Failure {
        let mistakes = errors.iter().map(|error| error.reason().into());
        Failure::new(ExitCode::Host, Mistakes::new(mistakes.collect()))
    }
}

impl From<Vec<HostError>> for Failure {
    fn from(errors: Vec<HostError>) -> Failure {
        errors.as_slice().into()
    }
}

/// Lifts the soft limits where that is enough, then decides. All lacks at once; `facts` has the limits as
/// they are afterwards.
pub fn check(facts: &mut HostFacts, need: &Need) -> Result<Vec<Note>, Vec<HostError>> {
    assert!(
        need.cores > 0 && need.addresses > 0,
        "a plan has a core and an address: {need:?}"
    );
    let before = (facts.open_files, facts.memlock);
    facts.raise_limits(files_needed(need), memlock_needed(facts.ipc_lock, need));
    let mut notes = Vec::new();
    let amount = |n: Option<u64>| n.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    if facts.open_files != before.0 {
        notes.push(Note(format!(
            "limit of open files raised from {} to {}",
            amount(before.0.soft),
            amount(facts.open_files.soft)
        )));
    }
    if facts.memlock != before.1 {
        notes.push(Note(format!(
            "limit of locked memory raised from {} to {} bytes",
            amount(before.1.soft),
            amount(facts.memlock.soft)
        )));
    }
    notes.extend(decide(facts, need)?);
    Ok(notes)
}

/// The decision alone: no limit is touched.
pub fn decide(facts: &HostFacts, need: &Need) -> Result<Vec<Note>, Vec<HostError>> {
    let memlock = lack_of_memlock(facts, need);
    let uring = match &facts.uring {
        // The same lack once more, by its effect.
        Err(UringRefusal::Memory) if memlock.is_some() => None,
        Err(refusal) => Some(HostError::Uring(refusal.clone())),
        Ok(_) => None,
    };
    let errors: Vec<HostError> = [
        lack_of_files(facts, need),
        lack_of_ports(facts, need),
        memlock,
        uring,
    ]
    .into_iter()
    .flatten()
    .collect();
    if errors.is_empty() {
        Ok(notes(facts, need))
    } else {
        Err(errors)
    }
}

/// Open files of a run.
pub fn files_needed(need: &Need) -> u64 {
    u64::from(need.vus) + FILES_RESERVED + u64::from(need.cores) * FILES_PER_CORE
}

fn lack_of_files(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let needed = files_needed(need);
    let found = facts.open_files.soft?;
    (found < needed).then_some(HostError::OpenFiles {
        found,
        hard: facts.open_files.hard,
        needed,
        vus: need.vus,
        cores: need.cores,
    })
}

/// A local port serves one connection to each destination.
fn lack_of_ports(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let (first, last) = facts.local_ports;
    let found = u64::from(last) - u64::from(first) + 1;
    let needed = u64::from(need.vus.div_ceil(need.addresses));
    (found < needed).then_some(HostError::Ports {
        found,
        needed,
        range: facts.local_ports,
        addresses: need.addresses,
    })
}

/// Bytes of locked memory of a run.
pub fn memlock_needed(ipc_lock: bool, need: &Need) -> u64 {
    if ipc_lock {
        EXECUTOR_MEMLOCK_BYTES_MIN
    } else {
        (u64::from(need.cores) * (EXECUTOR_MEMLOCK_BYTES + need.ring_bytes)).max(EXECUTOR_MEMLOCK_BYTES_MIN)
    }
}

fn lack_of_memlock(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let needed = memlock_needed(facts.ipc_lock, need);
    let found = facts.memlock.soft?;
    (found < needed).then_some(HostError::Memlock {
        found,
        needed,
        cores: need.cores,
    })
}

fn notes(facts: &HostFacts, need: &Need) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Ok(uring) = &facts.uring {
        if !uring.min_wait {
            notes.push(Note(format!(
                "kernel {} has no minimum wait in io_uring (Linux 6.12): the loop wakes for each event",
                facts.kernel
            )));
        }
        if !uring.defer_taskrun {
            notes.push(Note(format!(
                "kernel {} has no deferred task work in io_uring (Linux 6.1): more CPU per event",
                facts.kernel
            )));
        }
    }
    let backlog = need.vus.min(need.backlog);
    if facts.somaxconn < backlog {
        notes.push(Note(format!(
            "net.core.somaxconn is {}, less than {backlog}: connections that come at once may wait a second",
            facts.somaxconn
        )));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Limit, UringFacts};

    const MIB: u64 = 1024 * 1024;

    fn limit(soft: u64, hard: u64) -> Limit {
        Limit {
            soft: Some(soft),
            hard: Some(hard),
        }
    }

    fn able() -> HostFacts {
        HostFacts {
            kernel: "6.18.44".into(),
            cpu_model: "made up".into(),
            allowed_cpus: vec![0, 1],
            open_files: limit(20_000, 20_000),
            memlock: limit(8 * MIB, 8 * MIB),
            ipc_lock: false,
            local_ports: (32768, 60999),
            somaxconn: 4096,
            uring: Ok(UringFacts {
                defer_taskrun: true,
                min_wait: true,
            }),
        }
    }

    const NEED: Need = Need {
        vus: 10_000,
        cores: 1,
        addresses: 1,
        ring_bytes: ring_bytes(1024, 8192),
        backlog: 4096,
    };

    #[test]
    fn an_able_host_passes_without_a_note() {
        assert_eq!(decide(&able(), &NEED), Ok(vec![]));
    }

    #[test]
    fn one_file_too_few_is_refused_with_both_numbers_and_the_command() {
        let needed = 10_000 + FILES_RESERVED + FILES_PER_CORE;
        let mut facts = able();
        facts.open_files = limit(needed, needed);
        assert!(decide(&facts, &NEED).is_ok());
        facts.open_files = limit(needed - 1, needed - 1);
        let error = decide(&facts, &NEED).unwrap_err().remove(0);
        assert_eq!(
            error.reason().what,
            "open files: limit is 10079, needed 10080: 10000 for connections, 64 for the program, 16 for the core"
        );
        let two = decide(&facts, &Need { cores: 2, ..NEED }).unwrap_err().remove(0);
        assert!(
            two.reason()
                .what
                .ends_with("64 for the program, 16 for each of 2 cores"),
            "{two:?}"
        );
        let hint = |error: &HostError| error.reason().hint.unwrap_or_default();
        assert!(hint(&error).contains("prlimit --pid $$ --nofile=10080"));
        facts.open_files.hard = None;
        let error = decide(&facts, &NEED).unwrap_err().remove(0);
        assert_eq!(hint(&error), "ulimit -n 10080");
    }

    #[test]
    fn ports_count_per_address_of_the_target() {
        let mut facts = able();
        facts.local_ports = (40_000, 40_019);
        let need = Need { vus: 41, ..NEED };
        let error = decide(&facts, &need).unwrap_err().remove(0);
        assert_eq!(
            error.reason().what,
            "local ports: range 40000-40019 has 20, needed 41 for each of 1 target address"
        );
        assert!(decide(&facts, &Need { addresses: 2, ..need }).is_err());
        assert!(decide(&facts, &Need { addresses: 3, ..need }).is_ok());
    }

    #[test]
    fn locked_memory_grows_with_cores_unless_the_process_is_exempt() {
        let mut facts = able();
        let need = Need { cores: 64, ..NEED };
        let error = decide(&facts, &need).unwrap_err().remove(0);
        assert!(matches!(
            error,
            HostError::Memlock {
                found: 8_388_608,
                cores: 64,
                ..
            }
        ));
        assert!(
            error
                .reason()
                .what
                .starts_with("locked memory: limit is 8192 KiB, needed ")
        );
        facts.ipc_lock = true;
        assert!(decide(&facts, &need).is_ok());
        facts.memlock = limit(EXECUTOR_MEMLOCK_BYTES_MIN - 1, MIB);
        assert!(
            decide(&facts, &need).is_err(),
            "the executor's own minimum holds for root too"
        );
        facts.memlock = Limit {
            soft: None,
            hard: None,
        };
        assert!(decide(&facts, &need).is_ok());
    }

    #[test]
    fn all_lacks_are_told_at_once() {
        let mut facts = able();
        facts.open_files = limit(1024, 1024);
        facts.local_ports = (40_000, 40_019);
        facts.memlock = limit(0, 0);
        facts.uring = Err(UringRefusal::Sysctl { value: 2 });
        let errors = decide(&facts, &NEED).unwrap_err();
        assert_eq!(errors.len(), 4);
        let hints: std::collections::HashSet<_> = errors.iter().map(|e| e.reason().hint).collect();
        assert_eq!(hints.len(), 4, "each lack has its own remedy");
        let text = Failure::from(errors).to_string();
        assert_eq!(
            text.lines().count(),
            8,
            "a line for each, and one for its hint: {text}"
        );
        facts.uring = Err(UringRefusal::Memory);
        assert_eq!(decide(&facts, &NEED).unwrap_err().len(), 3, "told once");
    }

    #[test]
    fn what_the_kernel_lacks_but_does_not_need_is_a_note() {
        let mut facts = able();
        facts.kernel = "6.1.0".into();
        facts.somaxconn = 128;
        facts.uring = Ok(UringFacts {
            defer_taskrun: true,
            min_wait: false,
        });
        let notes = decide(&facts, &NEED).unwrap();
        assert_eq!(notes.len(), 2);
        assert!(notes[0].0.contains("6.12"));
        assert!(notes[1].0.contains("128"));
        let remote = Need { backlog: 0, ..NEED };
        assert_eq!(decide(&facts, &remote).unwrap().len(), 1);
    }

    #[test]
    fn the_real_host_is_checked_without_asking_for_more_than_it_has() {
        let mut facts = HostFacts::read();
        let need = Need {
            vus: 1,
            cores: 1,
            ..NEED
        };
        if let Err(errors) = check(&mut facts, &need) {
            let test = "the_real_host_is_checked_without_asking_for_more_than_it_has";
            crate::skipped::skipped(test, &format!("a host for one user: {}", errors[0].reason()));
        }
    }
}
