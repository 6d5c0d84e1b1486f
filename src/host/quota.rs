//! Reads the limit of CPU time that a control group sets for this process, as containers do (`docker run --cpus`).

use super::facts::read_text;

/// The control groups that limit the CPU time of this process, and what they have counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuQuota(Vec<Group>);

#[derive(Clone, Debug, PartialEq)]
struct Group {
    /// Quota as a number of CPUs.
    cpus: f64,
    /// The file in which the kernel counts.
    counts: String,
    then: Throttled,
}

/// What a quota has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttled {
    /// Periods, usually of 0.1 s, in which the group ran at all.
    pub periods: u64,
    /// Those of them in which the quota was used up and every thread stopped.
    pub throttled: u64,
}

impl CpuQuota {
    /// Reads the groups and their counts. Each level limits the levels below it.
    pub fn read() -> CpuQuota {
        let groups = read_text("/proc/self/cgroup");
        let v2 = group_path(&groups, "")
            .into_iter()
            .flat_map(ancestors)
            .map(|dir| {
                let dir = format!("/sys/fs/cgroup{dir}");
                (parse_cpu_max(&read_text(&format!("{dir}/cpu.max"))), dir)
            });
        let v1 = group_path(&groups, "cpu")
            .into_iter()
            .flat_map(ancestors)
            .map(|dir| {
                let dir = format!("/sys/fs/cgroup/cpu{dir}");
                let read = |name: &str| read_text(&format!("{dir}/cpu.cfs_{name}_us"));
                (parse_cfs(&read("quota"), &read("period")), dir)
            });
        let limited = v2.chain(v1).filter_map(|(cpus, dir)| {
            let counts = format!("{dir}/cpu.stat");
            let then = parse_counts(&read_text(&counts));
            Some(Group {
                cpus: cpus?,
                counts,
                then,
            })
        });
        CpuQuota(limited.collect())
    }

    /// Returns the quota as a number of CPUs; `None` if there is no limit.
    pub fn cpus(&self) -> Option<f64> {
        self.0.iter().map(|group| group.cpus).reduce(f64::min)
    }

    /// Returns the same groups, whose counts begin now.
    pub fn counted_from_now(&self) -> CpuQuota {
        let groups = self.0.iter().map(|group| Group {
            then: parse_counts(&read_text(&group.counts)),
            ..group.clone()
        });
        CpuQuota(groups.collect())
    }

    /// Returns what the quota has cost since it was read, in the group that was throttled most; `None` if there is no
    /// limit.
    pub fn throttled(&self) -> Option<Throttled> {
        let since = self.0.iter().map(|group| {
            let now = parse_counts(&read_text(&group.counts));
            Throttled {
                periods: now.periods.saturating_sub(group.then.periods),
                throttled: now.throttled.saturating_sub(group.then.throttled),
            }
        });
        since.max_by_key(|group| group.throttled)
    }
}

/// Reads cpu.stat; what is missing is 0.
fn parse_counts(text: &str) -> Throttled {
    let count = |name: &str| {
        let of = |line: &str| {
            line.split_once(' ')
                .filter(|(key, _)| *key == name)?
                .1
                .trim()
                .parse()
                .ok()
        };
        text.lines().find_map(of).unwrap_or(0)
    };
    Throttled {
        periods: count("nr_periods"),
        throttled: count("nr_throttled"),
    }
}

/// Returns the path of this process in the hierarchy of `controller`, which is empty for the unified one. A line is
/// `ID:CONTROLLERS:PATH`.
fn group_path(groups: &str, controller: &str) -> Option<String> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let found = controllers.split(',').any(|c| c == controller);
        // A path with `/..` is above the part that a container can see.
        (found && path.starts_with('/') && !path.contains("/.."))
            .then(|| path.trim_end_matches('/').to_owned())
    })
}

/// Returns a path and all above it: `/a/b`, `/a` and the root.
fn ancestors(path: String) -> Vec<String> {
    let mut all = vec![path];
    while let Some(above) = all[all.len() - 1]
        .rsplit_once('/')
        .map(|(above, _)| above.to_owned())
    {
        all.push(above);
    }
    all
}

/// Reads `QUOTA PERIOD` or `max PERIOD`, in microseconds.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    parse_cfs(quota, period)
}

/// Divides quota by period. A quota that is not a positive number means no limit.
fn parse_cfs(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_of_both_kinds_of_control_groups_are_read() {
        assert_eq!(parse_cpu_max("150000 100000\n"), Some(1.5));
        assert_eq!(parse_cpu_max("max 100000\n"), None);
        assert_eq!(parse_cpu_max(""), None);
        assert_eq!(parse_cfs("50000\n", "100000\n"), Some(0.5));
        assert_eq!(parse_cfs("-1\n", "100000\n"), None);
    }

    #[test]
    fn counts_of_the_most_throttled_group_are_read_from_cpu_stat() {
        let text = "usage_usec 5\nnr_periods 87\nnr_throttled 80\nthrottled_usec 3\n";
        let found = Throttled {
            periods: 87,
            throttled: 80,
        };
        assert_eq!(parse_counts(text), found);
        assert_eq!(parse_counts("nr_periods x\n"), Throttled::default());
        assert_eq!(CpuQuota::default().throttled(), None);
        let dir = std::env::temp_dir().join(format!("quota-{}", std::process::id()));
        std::fs::write(&dir, text).unwrap();
        let group = |cpus, throttled| Group {
            cpus,
            counts: dir.display().to_string(),
            then: Throttled {
                periods: 7,
                throttled,
            },
        };
        let quota = CpuQuota(vec![group(1.5, 79), group(0.5, 0)]);
        assert_eq!(quota.cpus(), Some(0.5));
        assert_eq!(
            quota.throttled(),
            Some(Throttled {
                periods: 80,
                throttled: 80
            })
        );
        let nothing_since = Throttled::default();
        assert_eq!(quota.counted_from_now().throttled(), Some(nothing_since));
        std::fs::remove_file(&dir).unwrap();
    }

    #[test]
    fn the_group_of_each_hierarchy_and_all_above_it_are_found() {
        let mixed = "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n0::/user.slice/a.scope\n";
        assert_eq!(group_path(mixed, "").unwrap(), "/user.slice/a.scope");
        assert_eq!(group_path(mixed, "cpu").unwrap(), "/docker/abc");
        assert_eq!(group_path("0::/\n", "").unwrap(), "");
        assert_eq!(group_path("0::/../..\n", ""), None);
        assert_eq!(group_path("", ""), None);
        assert_eq!(ancestors("/a/b".into()), ["/a/b", "/a", ""]);
        assert_eq!(ancestors(String::new()), [""]);
    }
}
