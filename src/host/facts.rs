//! Reads the facts about the host, without judging them.

use std::fs;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::cpus::parse_cpu_list;
use super::io::IoChoice;
use super::memory::available_bytes;
use super::uring::{self, UringFacts, UringRefusal};

/// Number of CPUs that our affinity masks can hold.
pub const CPU_COUNT_MAX: usize = CpuSet::MAX_CPU;

/// Bit of CAP_IPC_LOCK in the capability masks of /proc/self/status. Rings of a process that has it are not charged to
/// RLIMIT_MEMLOCK.
const CAP_IPC_LOCK: u32 = 14;

/// A resource limit in files or bytes; `None` means unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

impl Limit {
    /// No limit is known, which is treated as if there were none. A shortage then shows by its effect.
    pub const UNKNOWN: Limit = Limit {
        soft: None,
        hard: None,
    };

    /// Reads one line of /proc/self/limits. The system call is not an alternative: if a filter refuses it, libraries
    /// return memory that was never written.
    fn read(name: &str) -> Self {
        Limit::parse(&read_text("/proc/self/limits"), name).unwrap_or(Limit::UNKNOWN)
    }

    fn parse(limits: &str, name: &str) -> Option<Self> {
        let mut words = field(limits, name)?.split_ascii_whitespace();
        let mut next = || match words.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some(Limit {
            soft: next()?,
            hard: next()?,
        })
    }

    /// Returns true if the soft limit allows `need`.
    pub fn allows(self, need: u64) -> bool {
        self.soft.is_none_or(|soft| soft >= need)
    }
}

/// The facts that preflight needs, which are also the `host` part of the result document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    pub cpu_model: String,
    /// CPUs from sched_getaffinity, ascending. In a container they may be fewer than are online.
    pub allowed_cpus: Vec<usize>,
    pub open_files: Limit,
    /// Limit of locked memory in bytes.
    pub memlock: Limit,
    /// Locked memory of this process is exempt from `memlock`.
    pub ipc_lock: bool,
    /// First and last local port that connect() uses.
    pub local_ports: (u16, u16),
    /// Longest listen queue, net.core.somaxconn.
    pub somaxconn: u32,
    pub uring: Result<UringFacts, UringRefusal>,
    /// A call without which no worker starts and that is refused, and its error.
    pub refused_call: Option<(&'static str, String)>,
    /// Limit of the address space in bytes, and how much of it is in use.
    pub address_space: Limit,
    pub address_space_used: u64,
    /// Bytes of memory that are free, on the host, in its control group and below its limits, if that is known.
    pub memory_available: Option<u64>,
}

const OPEN_FILES: &str = "Max open files";
const LOCKED_MEMORY: &str = "Max locked memory";
const ADDRESS_SPACE: &str = "Max address space";

impl HostFacts {
    /// Reads a few small files of /proc and sets up one tiny ring. Takes less than a millisecond on an idle host.
    pub fn read() -> Self {
        HostFacts::read_for(IoChoice::Auto)
    }

    /// The same for a run that asks for `io`: where that is epoll, io_uring is not even tried, because some filters
    /// kill a process that does.
    pub fn read_for(io: IoChoice) -> Self {
        let status = read_text("/proc/self/status");
        let address_space = Limit::read(ADDRESS_SPACE);
        let address_space_used = kibibytes(&status, "VmSize:") * 1024;
        HostFacts {
            kernel: kernel_release(),
            cpu_model: cpu_model(),
            allowed_cpus: allowed_cpus(),
            open_files: Limit::read(OPEN_FILES),
            memlock: Limit::read(LOCKED_MEMORY),
            ipc_lock: has_capability(&status, CAP_IPC_LOCK),
            local_ports: parse_ports(&read_text("/proc/sys/net/ipv4/ip_local_port_range"))
                .unwrap_or(LOCAL_PORTS_DEFAULT),
            somaxconn: read_number("/proc/sys/net/core/somaxconn").unwrap_or(SOMAXCONN_DEFAULT),
            uring: match io {
                IoChoice::Epoll => Err(UringRefusal::NotTried),
                IoChoice::Auto | IoChoice::Uring => uring::try_ring(&status),
            },
            refused_call: refused_call(),
            address_space,
            address_space_used,
            memory_available: available_bytes(address_space, address_space_used),
        }
    }

    /// Raises the soft limits to what is needed, as far as the hard limits allow, and reads them back.
    pub(super) fn raise_limits(&mut self, files: u64, memlock: u64) {
        self.open_files = raise(Resource::Nofile, OPEN_FILES, files);
        self.memlock = raise(Resource::Memlock, LOCKED_MEMORY, memlock);
    }
}

/// Linux's own defaults, for hosts that hide /proc/sys.
const LOCAL_PORTS_DEFAULT: (u16, u16) = (32768, 60999);
const SOMAXCONN_DEFAULT: u32 = 4096;

/// Returns the CPUs that the calling thread may use, ascending and never empty. Call it before anything is pinned.
pub fn allowed_cpus() -> Vec<usize> {
    let mut ids: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| core.id)
        .collect();
    if ids.is_empty() {
        // A kernel built for more CPUs than fit into core_affinity's mask refuses the call.
        let status = read_text("/proc/self/status");
        ids = field(&status, "Cpus_allowed_list:")
            .and_then(|list| parse_cpu_list(list).ok())
            .unwrap_or_default();
    }
    if ids.is_empty() {
        ids.push(0);
    }
    ids.sort_unstable();
    ids
}

/// Raises the soft limit of open files to the hard one, and returns the new limit.
pub fn raise_open_files() -> Limit {
    raise(Resource::Nofile, OPEN_FILES, u64::MAX)
}

fn raise(resource: Resource, name: &str, need: u64) -> Limit {
    let limit = Limit::read(name);
    if limit.allows(need) {
        return limit;
    }
    let wanted = Rlimit {
        current: limit.hard,
        maximum: limit.hard,
    };
    // If this fails, the old limit stays, and is read back and judged.
    let _ = setrlimit(resource, wanted);
    Limit::read(name)
}

/// Sets the affinity of this thread and its limit of open files to what they are.
fn refused_call() -> Option<(&'static str, String)> {
    let pinned = sched_getaffinity(None).and_then(|cpus| sched_setaffinity(None, &cpus));
    let Limit { soft, hard } = Limit::read(OPEN_FILES);
    let limited = match soft.and(hard) {
        Some(_) => setrlimit(
            Resource::Nofile,
            Rlimit {
                current: soft,
                maximum: hard,
            },
        ),
        None => Ok(()),
    };
    let error = |name, result: rustix::io::Result<()>| Some((name, result.err()?.to_string()));
    error("sched_setaffinity", pinned).or_else(|| error("prlimit64", limited))
}

/// Returns a value of a status file that is given in kB; 0 without it.
pub(super) fn kibibytes(status: &str, name: &str) -> u64 {
    field(status, name)
        .and_then(|value| value.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

pub(super) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Reads the model of the first CPU. Reading all of /proc/cpuinfo takes milliseconds on a large host.
fn cpu_model() -> String {
    use std::io::Read;
    let mut head = [0u8; 1024];
    let length = fs::File::open("/proc/cpuinfo")
        .and_then(|mut file| file.read(&mut head))
        .unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..length]);
    head.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

pub(super) fn read_text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub(super) fn read_number(path: &str) -> Option<u32> {
    read_text(path).trim().parse().ok()
}

/// Returns the value of one `Name:` line of a /proc status file.
pub(super) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn has_capability(status: &str, bit: u32) -> bool {
    field(status, "CapEff:")
        .and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .is_some_and(|mask| mask & (1 << bit) != 0)
}

fn parse_ports(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?.parse().ok()?;
    let last = words.next()?.parse().ok()?;
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_cpus_ports_and_a_kernel() {
        let facts = HostFacts::read();
        assert!(!facts.allowed_cpus.is_empty());
        assert!(facts.allowed_cpus.is_sorted());
        assert!(facts.local_ports.0 <= facts.local_ports.1);
        assert!(facts.kernel.contains('.'));
    }

    #[test]
    fn fields_of_a_status_file_are_found_and_trimmed() {
        let status = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\nCapEff:\t0000000000004000\n";
        assert_eq!(field(status, "Seccomp:"), Some("2"));
        assert!(has_capability(status, CAP_IPC_LOCK));
        assert!(!has_capability("CapEff:\t0000000000003fff\n", CAP_IPC_LOCK));
        assert!(!has_capability("", CAP_IPC_LOCK));
    }

    #[test]
    fn limits_are_parsed_and_invalid_lines_are_unknown() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 unlimited            files     \n\
                      Max address space         unlimited            unlimited            bytes     \n\
                      Max locked memory         x\n";
        let files = Limit {
            soft: Some(1024),
            hard: None,
        };
        assert_eq!(Limit::parse(limits, OPEN_FILES), Some(files));
        assert_eq!(Limit::parse(limits, ADDRESS_SPACE), Some(Limit::UNKNOWN));
        assert_eq!(Limit::parse(limits, LOCKED_MEMORY), None);
        assert_eq!(Limit::parse("", OPEN_FILES), None);
        assert_eq!(kibibytes("VmSize:\t   2048 kB\n", "VmSize:"), 2048);
    }

    #[test]
    fn port_ranges_are_parsed_and_invalid_ones_refused() {
        assert_eq!(parse_ports("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(parse_ports("60999 32768"), None);
        assert_eq!(parse_ports("1"), None);
        assert_eq!(parse_ports(""), None);
    }
}
