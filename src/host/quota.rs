//! Reads the limit of CPU time that a control group sets for this process, as containers do (`docker run --cpus`).

use super::facts::read_text;

/// Returns the quota as a number of CPUs; `None` if there is no limit.
pub fn cpu_quota() -> Option<f64> {
    let groups = read_text("/proc/self/cgroup");
    let v2 = group_path(&groups, "")
        .into_iter()
        .flat_map(ancestors)
        .filter_map(|dir| parse_cpu_max(&read_text(&format!("/sys/fs/cgroup{dir}/cpu.max"))));
    let v1 = group_path(&groups, "cpu")
        .into_iter()
        .flat_map(ancestors)
        .filter_map(|dir| {
            let read = |name: &str| read_text(&format!("/sys/fs/cgroup/cpu{dir}/cpu.cfs_{name}_us"));
            parse_cfs(&read("quota"), &read("period"))
        });
    // Each level limits the levels below it.
    v2.chain(v1).reduce(f64::min)
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
