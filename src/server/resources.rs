//! Samples what a managed server uses during the load: CPU and resident memory of all its processes, once per second.

use serde::{Deserialize, Serialize};

use super::tree::{self, Stat};
use crate::units::{MILLISECOND, Nanos, SECOND};

/// Number of rows for 24 h. A longer run joins its rows in pairs each time it reaches the limit, as its timeline does.
pub const ROWS_MAX: usize = 24 * 3600;
/// Number of samples between two searches of the process tree. Reading all of /proc takes milliseconds, and servers
/// start their workers before they are ready.
const SEARCH_EVERY: u32 = 10;
/// Shortest interval of a sample. CPU time comes in clock ticks of 10 ms, so a share over a shorter time would be
/// noise.
const INTERVAL_MIN: Nanos = 250 * MILLISECOND;

/// One row of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerSample {
    /// Time since the start of the load.
    pub elapsed: Nanos,
    /// CPU use since the previous row, in percent of one CPU: 250 means two and a half CPUs. `None` in the first row.
    pub cpu_percent: Option<f64>,
    /// Sum over its processes; memory that they share counts once for each.
    pub rss_bytes: u64,
}

/// All rows of a run, with ascending `elapsed`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSamples {
    pub rows: Vec<ServerSample>,
    /// Number of samples in a row.
    per_row: u32,
    /// Number of samples in the last row.
    in_last: u32,
}

impl Default for ServerSamples {
    fn default() -> Self {
        ServerSamples {
            rows: Vec::new(),
            per_row: 1,
            in_last: 1,
        }
    }
}

/// A summary of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerResources {
    pub cpu_percent_mean: Option<f64>,
    pub cpu_percent_max: Option<f64>,
    pub rss_bytes_start: u64,
    pub rss_bytes_end: u64,
    pub rss_bytes_max: u64,
}

impl ServerSamples {
    /// Returns resident bytes over time since the start of the load.
    pub fn rss_over_time(&self) -> Vec<(Nanos, u64)> {
        self.rows.iter().map(|row| (row.elapsed, row.rss_bytes)).collect()
    }

    pub fn push(&mut self, row: ServerSample) {
        self.push_within(row, ROWS_MAX);
    }

    fn push_within(&mut self, row: ServerSample, rows_max: usize) {
        if self.in_last < self.per_row
            && let Some(last) = self.rows.last_mut()
        {
            *last = join(*last, row);
            self.in_last += 1;
            return;
        }
        if self.rows.len() == rows_max {
            self.rows = self
                .rows
                .chunks(2)
                .map(|pair| pair[1..].iter().fold(pair[0], |a, b| join(a, *b)))
                .collect();
            self.per_row *= 2;
        }
        self.rows.push(row);
        self.in_last = 1;
    }

    /// Returns the summary; `None` without a row.
    pub fn summary(&self) -> Option<ServerResources> {
        let (first, last) = (self.rows.first()?, self.rows.last()?);
        let mut cpu_time = 0.0;
        let mut time = 0.0;
        let mut previous = first.elapsed;
        for row in &self.rows {
            if let Some(percent) = row.cpu_percent {
                let interval = row.elapsed.saturating_sub(previous) as f64;
                cpu_time += percent * interval;
                time += interval;
            }
            previous = row.elapsed;
        }
        let shares = self.rows.iter().filter_map(|row| row.cpu_percent);
        Some(ServerResources {
            cpu_percent_mean: (time > 0.0).then(|| cpu_time / time),
            cpu_percent_max: shares.reduce(f64::max),
            rss_bytes_start: first.rss_bytes,
            rss_bytes_end: last.rss_bytes,
            rss_bytes_max: self.rows.iter().map(|row| row.rss_bytes).max()?,
        })
    }
}

/// Joins two neighbouring rows of equal length: takes the mean of the CPU use and the larger memory, an upper bound.
fn join(earlier: ServerSample, later: ServerSample) -> ServerSample {
    ServerSample {
        elapsed: later.elapsed,
        cpu_percent: match (earlier.cpu_percent, later.cpu_percent) {
            (Some(a), Some(b)) => Some((a + b) / 2.0),
            (a, b) => a.or(b),
        },
        rss_bytes: earlier.rss_bytes.max(later.rss_bytes),
    }
}

/// Samples a server's processes.
#[derive(Debug)]
pub struct Sampler {
    root: i32,
    /// The root is our supervisor, whose use does not count as the server's.
    without_root: bool,
    processes: Vec<i32>,
    samples_until_search: u32,
    /// The processes as of the last sample.
    last_stats: Vec<Stat>,
    sampled_at: Option<Nanos>,
    ticks_per_second: u64,
    page_bytes: u64,
    pub samples: ServerSamples,
}

impl Sampler {
    /// Creates a sampler for a server that is one process.
    pub fn for_process(pid: u32) -> Sampler {
        Sampler {
            root: pid as i32,
            without_root: false,
            processes: Vec::new(),
            samples_until_search: 0,
            last_stats: Vec::new(),
            sampled_at: None,
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            page_bytes: rustix::param::page_size() as u64,
            samples: ServerSamples::default(),
        }
    }

    /// Creates a sampler for all descendants of `pid`, without `pid` itself.
    pub fn for_descendants(pid: u32) -> Sampler {
        Sampler {
            without_root: true,
            ..Sampler::for_process(pid)
        }
    }

    /// Adds a row, unless the server has ended or the last row is too recent.
    pub fn sample(&mut self, elapsed: Nanos) {
        if self
            .sampled_at
            .is_some_and(|at| elapsed < at.saturating_add(INTERVAL_MIN))
        {
            return;
        }
        self.search();
        let now: Vec<Stat> = self.processes.iter().filter_map(|pid| tree::stat(*pid)).collect();
        let pages: Vec<u64> = self
            .processes
            .iter()
            .filter_map(|pid| tree::resident_pages(*pid))
            .collect();
        if now.is_empty() || pages.is_empty() {
            return;
        }
        let interval = self.sampled_at.map(|at| elapsed - at);
        let cpu_percent = interval.map(|interval| {
            let seconds = interval as f64 / SECOND as f64;
            ticks_between(&self.last_stats, &now) as f64 * 100.0 / self.ticks_per_second as f64 / seconds
        });
        self.samples.push(ServerSample {
            elapsed,
            cpu_percent,
            rss_bytes: pages.iter().sum::<u64>() * self.page_bytes,
        });
        self.last_stats = now;
        self.sampled_at = Some(elapsed);
    }

    fn search(&mut self) {
        if !self.without_root {
            self.processes = vec![self.root];
            return;
        }
        if self.samples_until_search == 0 {
            self.processes = tree::descendants(self.root);
            self.samples_until_search = SEARCH_EVERY;
        }
        self.samples_until_search -= 1;
    }
}

/// Returns the CPU time between two samples, in clock ticks. A process that is seen for the first time counts from then
/// on, because it is unknown when it used its time.
fn ticks_between(before: &[Stat], now: &[Stat]) -> u64 {
    let same = |a: &Stat, b: &Stat| a.pid == b.pid && a.started_ticks == b.started_ticks;
    now.iter()
        .filter_map(|now| {
            let earlier = before.iter().find(|before| same(before, now))?;
            Some(now.cpu_ticks.saturating_sub(earlier.cpu_ticks))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u64, cpu_percent: Option<f64>, rss_bytes: u64) -> ServerSample {
        ServerSample {
            elapsed: second * SECOND,
            cpu_percent,
            rss_bytes,
        }
    }

    #[test]
    fn a_summary_weighs_each_row_by_its_length() {
        let mut samples = ServerSamples::default();
        assert_eq!(samples.summary(), None);
        samples.push(row(0, None, 10));
        assert_eq!(samples.summary().unwrap().cpu_percent_mean, None);
        samples.push(row(1, Some(100.0), 50));
        samples.push(row(4, Some(20.0), 30));
        let expected = ServerResources {
            cpu_percent_mean: Some(40.0),
            cpu_percent_max: Some(100.0),
            rss_bytes_start: 10,
            rss_bytes_end: 30,
            rss_bytes_max: 50,
        };
        assert_eq!(samples.summary(), Some(expected));
        let over_time = [(0, 10), (SECOND, 50), (4 * SECOND, 30)];
        assert_eq!(samples.rss_over_time(), over_time);
    }

    #[test]
    fn a_full_list_joins_its_rows_in_pairs_and_keeps_the_largest_memory() {
        let mut samples = ServerSamples::default();
        for second in 0..23 {
            let rss = if second == 5 { 1_000 } else { second };
            samples.push_within(row(second, Some(50.0), rss), 4);
            assert!(samples.rows.len() <= 4);
        }
        let ends: Vec<u64> = samples.rows.iter().map(|row| row.elapsed / SECOND).collect();
        assert_eq!(ends, [7, 15, 22]);
        assert_eq!(samples.summary().unwrap().rss_bytes_max, 1_000);
        assert!(samples.rows.iter().all(|row| row.cpu_percent == Some(50.0)));
    }

    #[test]
    fn cpu_time_counts_for_processes_seen_twice_and_a_reused_pid_is_another_process() {
        let stat = |pid, cpu_ticks, started_ticks| Stat {
            pid,
            parent: 1,
            cpu_ticks,
            started_ticks,
        };
        let before = [stat(1, 100, 7), stat(2, 50, 7), stat(3, 9, 7)];
        let now = [stat(1, 130, 7), stat(2, 4, 8), stat(4, 999, 7)];
        assert_eq!(ticks_between(&before, &now), 30);
    }

    #[test]
    fn memory_and_cpu_time_of_this_process_are_measured() {
        let mut sampler = Sampler::for_process(std::process::id());
        sampler.sample(0);
        let begun = crate::net::clock::thread_cpu();
        while crate::net::clock::thread_cpu() < begun + 300 * MILLISECOND {
            std::hint::spin_loop();
        }
        sampler.sample(SECOND);
        // This is too early for another row.
        sampler.sample(SECOND + MILLISECOND);
        let rows = &sampler.samples.rows;
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].cpu_percent, None);
        // Two ticks of the clock may be missing.
        assert!(rows[1].cpu_percent.unwrap() >= 28.0, "{rows:?}");
        assert!(rows.iter().all(|row| row.rss_bytes > 100_000), "{rows:?}");
    }

    #[test]
    fn a_server_that_has_ended_gives_no_row() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let mut sampler = Sampler::for_process(pid);
        sampler.sample(0);
        assert_eq!(sampler.samples, ServerSamples::default());
        let mut sampler = Sampler::for_descendants(pid);
        sampler.sample(0);
        assert_eq!(sampler.samples.summary(), None);
    }
}
