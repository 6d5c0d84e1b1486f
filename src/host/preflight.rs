//! Decides, before anything is sent, whether this host can run the load.

use std::fmt;

use crate::error::{ExitCode, Failure, Mistakes, Reason};

use super::facts::HostFacts;
use super::io::Io;
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
/// The same where users wait for their next token, as most do: what a run is refused for if it is missing.
const MEMORY_PER_WAITING_VU: u64 = 6 * 1024;
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
    /// What drives the sockets.
    pub io: Io,
    /// Largest number of connections at a time, over all cores.
    pub vus: u32,
    /// Worker cores, 1 or more.
    pub cores: u32,
    /// Addresses of the target that connections are spread over, 1 or more.
    pub addresses: u32,
    /// Addresses of this host that connections are made from, 1 or more.
    pub sources: u32,
    /// Connections that may still be closing while their users have opened the next.
    pub closing: u32,
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

    /// Returns the bytes of memory without which the run cannot go on.
    pub fn memory_bytes_min(&self) -> u64 {
        u64::from(self.cores) * (MEMORY_PER_CORE + self.ring_bytes)
            + u64::from(self.vus) * MEMORY_PER_WAITING_VU
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
        sources: u32,
        /// The number of source addresses that would do.
        sources_needed: u32,
    },
    /// All values are in bytes.
    Memlock {
        found: u64,
        needed: u64,
        cores: u32,
    },
    Uring(UringRefusal),
    /// A filter refuses a call without which no worker starts.
    Call {
        name: &'static str,
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
    /// All values are in bytes.
    AvailableMemory {
        found: u64,
        needed: u64,
        vus: u32,
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
            HostError::Call { name, reason } => Reason::new(format!(
                "{name} is refused ({reason}), and no worker starts without it"
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
            HostError::AvailableMemory { found, needed, vus } => Reason::new(format!(
                "memory: {} MiB are free, but {vus} users need {} MiB",
                found >> 20,
                (needed >> 20) + 1
            ))
            .hint("free some memory, use fewer --vus, or divide the run among hosts (--shard)"),
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
            } => open_files_reason(*found, *hard, *needed, *vus, *cores),
            HostError::Ports { .. } => self.ports_reason(),
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

impl HostError {
    /// Returns why the local ports do not suffice. Empty if something else is missing.
    fn ports_reason(&self) -> Reason {
        let HostError::Ports {
            found,
            needed,
            range: (first, last),
            addresses,
            sources,
            sources_needed,
        } = self
        else {
            return Reason::new("");
        };
        let s = |count: u32| if count == 1 { "" } else { "es" };
        let mut what = format!(
            "local ports: the range {first}-{last} has {found}, but {needed} are needed for each of {addresses} target \
             address{}",
            s(*addresses)
        );
        if *sources > 1 {
            what.push_str(&format!(" and {sources} source address{}", s(*sources)));
        }
        Reason::new(what).hint(format!(
            "connect from {sources_needed} addresses of this host (--source-address ADDRESS,ADDRESS…), or \
             sudo sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\", or give the target more addresses, or use \
             fewer --vus"
        ))
    }
}

/// Returns why the open files do not suffice, and how to raise the limit that is in the way.
fn open_files_reason(found: u64, hard: Option<u64>, needed: u64, vus: u32, cores: u32) -> Reason {
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
            "raise the hard limit of {hard} first: sudo prlimit --pid $$ --nofile={needed}:{needed}, \
             or docker run --ulimit nofile={needed}:{needed}"
        ),
        _ => format!("ulimit -n {needed}"),
    })
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
        need.cores > 0 && need.addresses > 0 && need.sources > 0,
        "a plan has at least one core, and one address at each end: {need:?}"
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
        Err(_) if need.io == Io::Epoll => None,
        Err(refusal) => Some(HostError::Uring(refusal.clone())),
        Ok(_) => None,
    };
    let errors: Vec<HostError> = [
        missing_files(facts, need),
        missing_ports(facts, need),
        memlock,
        uring,
        facts
            .refused_call
            .clone()
            .filter(|(name, _)| need.io.needs_call(name))
            .map(|(name, reason)| HostError::Call { name, reason }),
        missing_address_space(facts, need),
        missing_memory(facts, need),
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
    u64::from(need.vus) + u64::from(need.closing) + FILES_RESERVED + u64::from(need.cores) * FILES_PER_CORE
}

fn missing_files(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let needed = files_needed(need);
    let found = facts.open_files.soft?;
    (found < needed).then_some(HostError::OpenFiles {
        found,
        hard: facts.open_files.hard,
        needed,
        vus: need.vus + need.closing,
        cores: need.cores,
    })
}

/// Checks the number of local ports. Each serves one connection per pair of source and destination address.
fn missing_ports(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let (first, last) = facts.local_ports;
    let found = u64::from(last) - u64::from(first) + 1;
    let pairs = u64::from(need.addresses) * u64::from(need.sources);
    let needed = u64::from(need.vus).div_ceil(pairs);
    (found < needed).then_some(HostError::Ports {
        found,
        needed,
        range: facts.local_ports,
        addresses: need.addresses,
        sources: need.sources,
        sources_needed: u64::from(need.vus).div_ceil(found * u64::from(need.addresses)) as u32,
    })
}

/// Returns the bytes of locked memory that a run needs. Only rings lock any.
pub fn memlock_needed(ipc_lock: bool, need: &Need) -> u64 {
    if need.io == Io::Epoll {
        0
    } else if ipc_lock {
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

fn missing_memory(facts: &HostFacts, need: &Need) -> Option<HostError> {
    let (found, needed) = (facts.memory_available?, need.memory_bytes_min());
    (found < needed).then_some(HostError::AvailableMemory {
        found,
        needed,
        vus: need.vus,
    })
}

fn notes(facts: &HostFacts, need: &Need) -> Vec<Note> {
    let mut notes = Vec::new();
    if let (Ok(uring), Io::Uring) = (&facts.uring, need.io) {
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
#[path = "preflight_tests.rs"]
mod tests;
