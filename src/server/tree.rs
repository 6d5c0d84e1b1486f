//! Processes as /proc shows them: who descends from whom, what each has used.

use rustix::process::Pid;

/// Processes of one tree that are looked at; a server with more of them shows less than it uses.
pub const PROCESSES_MAX: usize = 4_096;

/// Of one process, `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    pub parent: i32,
    /// User and system time of all its threads, clock ticks.
    pub cpu_ticks: u64,
    /// Since boot, clock ticks: with the number, what tells a process from a later one of the same number.
    pub started_ticks: u64,
}

/// Reads `/proc/PID/stat` (proc_pid_stat(5)). The name stands in parentheses and may hold anything, blanks and
/// parentheses too: what counts comes after the last one.
pub fn parse_stat(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    // Field 3, the state, is the first of these.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        cpu_ticks: field(14)?.checked_add(field(15)?)?,
        started_ticks: field(22)?,
    })
}

/// Reads `/proc/PID/statm` (proc_pid_statm(5)): resident pages.
pub fn parse_statm(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

pub fn resident_pages(pid: i32) -> Option<u64> {
    parse_statm(&std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?)
}

/// All that descend from `root`, without it, as they are now.
pub fn descendants(root: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let all: Vec<(i32, i32)> = pids
        .filter_map(stat)
        .map(|stat| (stat.pid, stat.parent))
        .collect();
    below(root, &all)
}

/// Of pairs of process and parent, those under `root`, nearest first.
fn below(root: i32, all: &[(i32, i32)]) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() && found.len() <= PROCESSES_MAX {
        let parent = found[next];
        next += 1;
        // A listing that was taken while processes came and went may hold a circle.
        let children = all.iter().filter(|(_, of)| *of == parent);
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

/// As system calls take it.
pub fn pid(number: i32) -> Option<Pid> {
    Pid::from_raw(number).filter(|_| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a real process, its name changed.
    fn line(name: &str) -> String {
        format!(
            "4711 ({name}) S 4242 4711 4711 0 -1 4194560 1022 0 0 0 150 23 7 9 20 0 8 0 987654 \
             70000000 5000 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 3 0 0 0 0 0\n"
        )
    }

    #[test]
    fn a_stat_line_is_read_whatever_the_process_is_called() {
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
    fn a_line_that_is_cut_or_no_stat_at_all_gives_nothing() {
        let whole = line("x");
        let needed = whole.find("987654").unwrap() + "987654".len();
        for cut in 0..needed - "987654".len() {
            assert_eq!(parse_stat(&whole[..cut]), None, "at {cut}");
        }
        assert_eq!(parse_stat("garbage"), None);
        assert_eq!(parse_stat("1 (x) S a b c"), None);
    }

    #[test]
    fn resident_pages_are_the_second_number() {
        assert_eq!(parse_statm("10000 1234 800 3 0 5000 0\n"), Some(1234));
        assert_eq!(parse_statm("10000"), None);
        assert_eq!(parse_statm(""), None);
    }

    #[test]
    fn a_tree_is_followed_to_its_leaves_and_no_further() {
        let all = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 9), (7, 2)];
        assert_eq!(below(2, &all), [3, 7, 4]);
        assert_eq!(below(9, &all), [6]);
        assert_eq!(below(4, &all), [0; 0]);
        let circle = [(2, 3), (3, 2)];
        assert_eq!(below(2, &circle), [3]);
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
