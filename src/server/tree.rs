//! Reads the process tree from /proc, and the resources that each process has used.

use rustix::process::Pid;

/// Largest number of processes that are read of one tree. The use of a server with more is underestimated.
pub const PROCESSES_MAX: usize = 4_096;

/// The facts about one process, from `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    pub parent: i32,
    /// User and system time of all its threads, in clock ticks.
    pub cpu_ticks: u64,
    /// Its start in clock ticks since boot, which distinguishes it from a later process with the same id.
    pub started_ticks: u64,
}

/// Parses `/proc/PID/stat` (proc_pid_stat(5)). The name is in parentheses and may itself contain blanks and
/// parentheses, so the fields begin after the last closing one.
pub fn parse_stat(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    // The first of these is field 3, the state.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        cpu_ticks: field(14)?.checked_add(field(15)?)?,
        started_ticks: field(22)?,
    })
}

/// Parses `/proc/PID/statm` (proc_pid_statm(5)) and returns the number of resident pages.
pub fn parse_statm(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

pub fn resident_pages(pid: i32) -> Option<u64> {
    parse_statm(&std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?)
}

/// Returns the current descendants of `root`, without `root` itself.
pub fn descendants(root: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let all: Vec<(i32, i32)> = pids
        .filter_map(stat)
        .map(|stat| (stat.pid, stat.parent))
        .collect();
    descendants_in(root, &all)
}

/// Returns the descendants of `root` in a list of pairs of process and parent, nearest first.
fn descendants_in(root: i32, all: &[(i32, i32)]) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() && found.len() <= PROCESSES_MAX {
        let parent = found[next];
        next += 1;
        // A list that was read while processes started and ended may contain a cycle.
        let children = all.iter().filter(|(_, parent_of)| *parent_of == parent);
        let new: Vec<i32> = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !found.contains(pid))
            .collect();
        found.extend(new);
    }
    found.remove(0);
    found.truncate(PROCESSES_MAX);
    found
}

/// Converts a process id to the type that system calls take; `None` unless it is positive.
pub fn pid(number: i32) -> Option<Pid> {
    Pid::from_raw(number).filter(|_| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of a real process with another name.
    fn line(name: &str) -> String {
        format!(
            "4711 ({name}) S 4242 4711 4711 0 -1 4194560 1022 0 0 0 150 23 7 9 20 0 8 0 987654 \
             70000000 5000 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 3 0 0 0 0 0\n"
        )
    }

    #[test]
    fn a_stat_line_is_read_with_any_process_name() {
        for name in ["llama-server", "a b", "x) R 1 (y", "", "S 1 2 3"] {
            let read = parse_stat(&line(name)).unwrap();
            let expected = Stat {
                pid: 4711,
                parent: 4242,
                cpu_ticks: 173,
                started_ticks: 987_654,
            };
            assert_eq!(read, expected, "{name}");
        }
    }

    #[test]
    fn an_incomplete_or_missing_stat_line_gives_nothing() {
        let whole = line("x");
        let needed = whole.find("987654").unwrap() + "987654".len();
        for cut in 0..needed - "987654".len() {
            assert_eq!(parse_stat(&whole[..cut]), None, "at {cut}");
        }
        assert_eq!(parse_stat("garbage"), None);
        assert_eq!(parse_stat("1 (x) S a b c"), None);
    }

    #[test]
    fn resident_memory_is_the_second_number_of_statm() {
        assert_eq!(parse_statm("10000 1234 800 3 0 5000 0\n"), Some(1234));
        assert_eq!(parse_statm("10000"), None);
        assert_eq!(parse_statm(""), None);
    }

    #[test]
    fn a_process_tree_contains_exactly_the_descendants() {
        let all = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 9), (7, 2)];
        assert_eq!(descendants_in(2, &all), [3, 7, 4]);
        assert_eq!(descendants_in(9, &all), [6]);
        assert_eq!(descendants_in(4, &all), [0; 0]);
        let cycle = [(2, 3), (3, 2)];
        assert_eq!(descendants_in(2, &cycle), [3]);
    }

    #[test]
    fn this_process_is_found_with_its_memory_and_its_children() {
        let own = std::process::id() as i32;
        assert_eq!(stat(own).unwrap().pid, own);
        assert!(resident_pages(own).unwrap() > 0);
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read x"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        assert!(descendants(own).contains(&(child.id() as i32)));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
