//! How much memory this host, its container or its limits leave to a run.

use super::facts::{HostFacts, Limit, kibibytes, read_text};

/// The most memory that unfinished answers may take, all users together.
const ANSWER_BYTES_MOST: u64 = 48 << 20;
/// The least: one answer of the usual size always fits.
const ANSWER_BYTES_LEAST: u64 = 4 << 20;
/// The part of the memory that unfinished answers may take where there is little.
const SHARE: u64 = 8;

/// Returns how many bytes unfinished events and answers may take, all users together: 48 MiB, or an eighth of the
/// memory of the host, of its control group, or of the address space that is left.
pub fn answer_bytes_max(facts: &HostFacts) -> usize {
    let host = kibibytes(&read_text("/proc/meminfo"), "MemTotal:") * 1024;
    let group = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let groups = group
        .iter()
        .filter_map(|path| read_text(path).trim().parse().ok());
    let space = facts.address_space.soft;
    let space = space.map(|limit| limit.saturating_sub(facts.address_space_used));
    let known = groups.chain(space).chain((host > 0).then_some(host));
    share_of(known.min())
}

/// Returns how many bytes of memory are free for the run: on the host, in its control group, and in the address space
/// that is left. `None` if none of these can be read.
pub(super) fn available_bytes(space: Limit, space_used: u64) -> Option<u64> {
    let host = kibibytes(&read_text("/proc/meminfo"), "MemAvailable:") * 1024;
    let groups = ["/sys/fs/cgroup/memory.", "/sys/fs/cgroup/memory/memory."].map(|start| {
        let read = |name: &str| read_text(&format!("{start}{name}"));
        let first = |names: [&str; 2]| names.iter().find_map(|name| read(name).trim().parse().ok());
        let limit = first(["max", "limit_in_bytes"])?;
        let used = first(["current", "usage_in_bytes"])?;
        Some(left_in_group(limit, used, &read("stat")))
    });
    let groups = groups.into_iter().flatten();
    let space = space.soft.map(|limit| limit.saturating_sub(space_used));
    groups.chain(space).chain((host > 0).then_some(host)).min()
}

/// Returns what a control group may still use. Pages of files count as used, but are given back when they are needed.
fn left_in_group(limit: u64, used: u64, stat: &str) -> u64 {
    let pages_of_files = stat.lines().filter_map(|line| match line.split_once(' ')? {
        ("inactive_file" | "active_file", bytes) => bytes.trim().parse::<u64>().ok(),
        _ => None,
    });
    limit.saturating_sub(used.saturating_sub(pages_of_files.sum()))
}

fn share_of(memory: Option<u64>) -> usize {
    let share = memory.map_or(ANSWER_BYTES_MOST, |memory| memory / SHARE);
    share.clamp(ANSWER_BYTES_LEAST, ANSWER_BYTES_MOST) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_in_a_control_group_are_free() {
        let stat = "anon 300\nfile 650\ninactive_file 400\nactive_file 250\ninactive_anon 100\n";
        assert_eq!(left_in_group(1_000, 990, stat), 660);
        assert_eq!(left_in_group(1_000, 990, ""), 10);
        assert_eq!(left_in_group(1_000, 1_100, ""), 0);
    }

    #[test]
    fn little_memory_leaves_an_eighth_and_much_the_most() {
        assert_eq!(share_of(None), 48 << 20);
        assert_eq!(share_of(Some(64 << 30)), 48 << 20);
        assert_eq!(share_of(Some(256 << 20)), 32 << 20);
        assert_eq!(share_of(Some(1 << 20)), 4 << 20);
        let facts = HostFacts::read();
        assert!((4 << 20..=48 << 20).contains(&answer_bytes_max(&facts)));
        assert!(facts.memory_available.is_none_or(|bytes| bytes > 0));
    }
}
