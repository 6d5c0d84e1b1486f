//! Decides, before anything is sent, whether this host can run the load.

use std::fmt;

use crate::error::{ExitCode, Failure, Mistakes, Reason};

use super::facts::HostFacts;
use super::trial;
use super::uring::UringRefusal;

/// Files besides those of connections and cores: standard streams, the result and its spool, the child's pipes, /proc
/// reads, probes, and name lookups.
pub const FILES_RESERVED: u64 = 64;
/// Files of one core: an executor's three rings and its eventfds, our ring, its eventfd, and channels.
pub const FILES_PER_CORE: u64 = 16;

/// glommio refuses to start an executor below this limit, even for root.
pub const EXECUTOR_MEMLOCK_BYTES_MIN: u64 = 512 * 1024;
/// Bytes that an executor's own rings lock at depth 128 with `io_memory(0)`: 34 of them fit into 8 MiB.
pub const EXECUTOR_MEMLOCK_BYTES: u64 = 8 * 1024 * 1024 / 34;

/// Threads of one core: the worker, and one that its executor keeps for blocking calls.
const THREADS_PER_CORE: u32 = 2;
/// Threads besides those of cores: signals, name lookup, the pusher, and those that read what a managed server says.
const THREADS_OF_PROGRAM: u32 = 6;
/// Address space of one thread: 2 MiB of stack and the 64 MiB that the C library reserves for its allocations.
const THREAD_ADDRESS_BYTES: u64 = 66 * 1024 * 1024;
/// Memory of one connection and its user, rounded up: task, request, unread answer.
const MEMORY_PER_VU: u64 = 16 * 1024;
/// Memory of one core besides its buffers, rounded up: figures, snapshots, an executor.
const MEMORY_PER_CORE: u64 = 8 * 1024 * 1024;

/// Returns the bytes that one ring locks: 64 per submission entry and 4 for its index, 16 per completion entry, and a
/// page for the end of each of the two regions.
pub const fn ring_bytes(submissions: u32, completions: u32) -> u64 {
    submissions as u64 * 68 + completions as u64 * 16 + 2 * 4096
}

/// The resources that a run needs from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Largest number of connections at a time, over all cores.
    pub vus: u32,
    /// Worker cores, 1 or more.
    pub cores: u32,
    /// Addresses of the target that connections are spread over, 1 or more.
    pub addresses: u32,
    /// Bytes that each core's own ring locks, from `ring_bytes`.
    pub ring_bytes: u64,
    /// Length of the managed server's listen queue; 0 if the server is not managed by us.
    pub backlog: u32,
}

impl Need {
    /// Returns how many threads the run has at most.
    pub(super) fn threads(&self) -> u32 {
        self.cores * THREADS_PER_CORE + THREADS_OF_PROGRAM + self.addresses
    }

    /// Returns the bytes of memory that the run may use.
    pub(super) fn memory_bytes(&self) -> u64 {
        u64::from(self.cores) * (MEMORY_PER_CORE + self.ring_bytes) + u64::from(self.vus) * MEMORY_PER_VU
    }

    /// Returns the bytes of address space that the run needs in addition.
    fn address_bytes(&self) -> u64 {
        self.memory_bytes() + u64::from(self.threads()) * THREAD_ADDRESS_BYTES
    }
}

/// A remark for the user that does not prevent the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource that is missing on this host. Ends the run with [`ExitCode::Host`].
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
    /// All values are in bytes.
    Memlock {
        found: u64,
        needed: u64,
        cores: u32,
    },
    Uring(UringRefusal),
    /// The kernel refuses sched_setaffinity.
    Affinity {
        reason: String,
    },
    /// All values are in bytes.
    AddressSpace {
        limit: u64,
        used: u64,
        needed: u64,
    },
    Memory {
        /// Bytes.
        needed: u64,
    },
    Threads {
        found: u32,
        needed: u32,
        reason: String,
    },
}

impl HostError {
    /// Returns what is missing, and the command that fixes it.
    pub fn reason(&self) -> Reason {
        match self {
            HostError::Affinity { reason } => Reason::new(format!(
                "sched_setaffinity is refused ({reason}), so no worker can be pinned to its CPU"
            ))
            .hint("allow the call in the seccomp profile, as container engines do by default"),
            HostError::AddressSpace { limit, used, needed } => Reason::new(format!(
                "address space: the limit is {} MiB, of which {} MiB are in use, but {} MiB more are needed",
                limit >> 20,
                used >> 20,
                (needed >> 20) + 1
            ))
            .hint("ulimit -v unlimited, or use fewer --cores"),
            HostError::Memory { needed } => Reason::new(format!(
                "memory: the {} MiB that the run may use cannot be reserved",
                (needed >> 20) + 1
            ))
            .hint("free some memory, or use fewer --vus"),
            HostError::Threads {
                found,
                needed,
                reason,
            } => Reason::new(format!(
                "threads: {needed} are needed, but the system refuses to start more than {found}: {reason}"
            ))
            .hint("ulimit -u unlimited, or docker run --pids-limit -1, or use fewer --cores"),
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
                    "open files: the limit is {found}, but {needed} are needed: {vus} for connections, {FILES_RESERVED} \
                     for the program, {FILES_PER_CORE} for {each}"
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
                    "local ports: the range {first}-{last} has {found}, but {needed} are needed for each of {addresses} target address{s}"
                );
                Reason::new(what).hint("sudo sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\", or give the target more addresses, or use fewer --vus")
            }
            HostError::Memlock { found, needed, cores } => {
                let what = format!(
                    "locked memory: the limit is {} KiB, but {} KiB are needed for the rings of {cores} core{}",
                    found / 1024,
                    needed.div_ceil(1024),
                    if *cores == 1 { "" } else { "s" }
                );
                Reason::new(what).hint(format!(
                    "sudo prlimit --pid $$ --memlock={needed}:{needed}, or docker run --ulimit memlock={needed}:{needed}, or use fewer --cores"
                ))
            }
            HostError::Uring(refusal) => refusal.reason(),
        }
    }
}

/// Reports all missing resources as one failure.
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

/// Raises the soft limits where that is enough, then decides. Returns all missing resources at once. Afterwards `facts`
/// has the new limits.
pub fn check(facts: &mut HostFacts, need: &Need) -> Result<Vec<Note>, Vec<HostError>> {
    assert!(
        need.cores > 0 && need.addresses > 0,
        "a plan has at least one core and one address: {need:?}"
    );
    let (old_files, old_memlock) = (facts.open_files, facts.memlock);
    facts.raise_limits(files_needed(need), memlock_needed(facts.ipc_lock, need));
    let mut notes = Vec::new();
    let amount = |n: Option<u64>| n.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    if facts.open_files != old_files {
        notes.push(Note(format!(
            "raised the limit of open files from {} to {}",
            amount(old_files.soft),
            amount(facts.open_files.soft)
        )));
    }
    if facts.memlock != old_memlock {
        notes.push(Note(format!(
            "raised the limit of locked memory from {} to {} bytes",
            amount(old_memlock.soft),
            amount(facts.memlock.soft)
        )));
    }
    notes.extend(decide(facts, need)?);
    trial::reserve_memory(need).map_err(|e| vec![e])?;
    trial::start_threads(need).map_err(|e| vec![e])?;
    Ok(notes)
}

/// Decides from the facts alone, and changes no limit.
pub fn decide(facts: &HostFacts, need: &Need) -> Result<Vec<Note>, Vec<HostError>> {
    let memlock = missing_memlock(facts, need);
    let uring = match &facts.uring {
        // The same problem, which also shows by its effect.
        Err(UringRefusal::Memory) if memlock.is_some() => None,
        Err(refusal) => Some(HostError::Uring(refusal.clone())),
        Ok(_) => None,
    };
    let errors: Vec<HostError> = [
        missing_files(facts, need),
        missing_ports(facts, need),
        memlock,
        uring,
        facts
            .affinity
            .clone()
            .err()
            .map(|reason| HostError::Affinity { reason }),
        missing_address_space(facts, need),
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

/// Returns the number of open files that a run needs.
pub fn files_needed(need: &Need) -> u64 {
    u64::from(need.vus) + FILES_RESERVED + u64::from(need.cores) * FILES_PER_CORE
}

fn missing_files(facts: &HostFacts, need: &Need) -> Option<HostError> {
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

/// Checks the number of local ports. Each serves one connection per destination address.
fn missing_ports(facts: &HostFacts, need: &Need) -> Option<HostError> {
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

/// Returns the bytes of locked memory that a run needs.
pub fn memlock_needed(ipc_lock: bool, need: &Need) -> u64 {
    if ipc_lock {
        EXECUTOR_MEMLOCK_BYTES_MIN
    } else {
        (u64::from(need.cores) * (EXECUTOR_MEMLOCK_BYTES + need.ring_bytes)).max(EXECUTOR_MEMLOCK_BYTES_MIN)
    }
}

fn missing_memlock(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let needed = memlock_needed(facts.ipc_lock, need);
    let found = facts.memlock.soft?;
    (found < needed).then_some(HostError::Memlock {
        found,
        needed,
        cores: need.cores,
    })
}

fn missing_address_space(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let (limit, used, needed) = (
        facts.address_space.soft?,
        facts.address_space_used,
        need.address_bytes(),
    );
    (limit < used + needed).then_some(HostError::AddressSpace { limit, used, needed })
}

fn notes(facts: &HostFacts, need: &Need) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Ok(uring) = &facts.uring {
        if !uring.min_wait {
            notes.push(Note(format!(
                "the io_uring of kernel {} has no minimum wait (Linux 6.12 has): the loop wakes up for each event",
                facts.kernel
            )));
        }
        if !uring.defer_taskrun {
            notes.push(Note(format!(
                "the io_uring of kernel {} has no deferred task work (Linux 6.1 has): an event takes more CPU time",
                facts.kernel
            )));
        }
    }
    let backlog = need.vus.min(need.backlog);
    if facts.somaxconn < backlog {
        notes.push(Note(format!(
            "net.core.somaxconn is {}, less than {backlog}: connections made at the same time may wait a second",
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
            affinity: Ok(()),
            address_space: Limit::UNKNOWN,
            address_space_used: 0,
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
            "open files: the limit is 10079, but 10080 are needed: 10000 for connections, 64 for the program, 16 for the core"
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
            "local ports: the range 40000-40019 has 20, but 41 are needed for each of 1 target address"
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
                .starts_with("locked memory: the limit is 8192 KiB, but ")
        );
        facts.ipc_lock = true;
        assert!(decide(&facts, &need).is_ok());
        facts.memlock = limit(EXECUTOR_MEMLOCK_BYTES_MIN - 1, MIB);
        assert!(
            decide(&facts, &need).is_err(),
            "the executor's own minimum also applies to root"
        );
        facts.memlock = Limit {
            soft: None,
            hard: None,
        };
        assert!(decide(&facts, &need).is_ok());
    }

    #[test]
    fn a_limit_of_address_space_and_a_refused_affinity_are_lacks_with_a_fix() {
        let mut facts = able();
        facts.address_space = limit(200 * MIB, 200 * MIB);
        facts.address_space_used = 50 * MIB;
        facts.affinity = Err("Operation not permitted".into());
        let errors = decide(&facts, &Need { vus: 1, ..NEED }).unwrap_err();
        let text = Failure::from(errors).to_string();
        assert!(
            text.contains("the limit is 200 MiB, of which 50 MiB are in use"),
            "{text}"
        );
        assert!(
            text.contains("sched_setaffinity is refused (Operation not permitted)"),
            "{text}"
        );
        assert_eq!(text.matches("hint: ").count(), 2, "{text}");
        facts.affinity = Ok(());
        facts.address_space = limit(64 * 1024 * MIB, 64 * 1024 * MIB);
        assert!(decide(&facts, &NEED).is_ok());
    }

    #[test]
    fn threads_and_memory_are_tried() {
        let need = Need { vus: 1, ..NEED };
        assert_eq!(trial::start_threads(&need), Ok(()));
        assert_eq!(trial::reserve_memory(&need), Ok(()));
        // More than any address space has.
        let endless = Need {
            ring_bytes: 1 << 62,
            ..need
        };
        assert_eq!(
            trial::reserve_memory(&endless),
            Err(HostError::Memory {
                needed: endless.memory_bytes()
            })
        );
    }

    #[test]
    fn all_missing_resources_are_reported_at_once() {
        let mut facts = able();
        facts.open_files = limit(1024, 1024);
        facts.local_ports = (40_000, 40_019);
        facts.memlock = limit(0, 0);
        facts.uring = Err(UringRefusal::Sysctl { value: 2 });
        let errors = decide(&facts, &NEED).unwrap_err();
        assert_eq!(errors.len(), 4);
        let hints: std::collections::HashSet<_> = errors.iter().map(|e| e.reason().hint).collect();
        assert_eq!(hints.len(), 4, "each problem has its own fix");
        let text = Failure::from(errors).to_string();
        assert_eq!(
            text.lines().count(),
            8,
            "a line for each, and one for its hint: {text}"
        );
        facts.uring = Err(UringRefusal::Memory);
        assert_eq!(decide(&facts, &NEED).unwrap_err().len(), 3, "reported once");
    }

    #[test]
    fn optional_features_that_are_missing_are_notes() {
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
