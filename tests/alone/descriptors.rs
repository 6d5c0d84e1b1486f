//! What runs leave behind in their process: when every request fails in another way, and when there are many of them.

use std::time::{Duration, Instant};

use llmload_uring::mock::fault::{Fault, FaultPlan};
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::{MILLISECOND, SECOND};

use crate::alone;
use crate::load::{engine_options, kind, mock_options, plan, run, shared};

/// What a run may leave in memory: allocators keep some of what they had.
const LEFT_KIB_MAX: u64 = 16 << 10;

/// What the descriptors of this process are, in order, without the numbers of sockets.
fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let mut kinds: Vec<String> = links
        .map(|link| {
            link.to_string_lossy()
                .split(":[")
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    kinds.sort();
    kinds
}

/// The memory that the process holds, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn failing() {
    let faults = [
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(302),
        Fault::Reset,
        Fault::Cut,
        Fault::Unfinished,
        Fault::ErrorEvent,
        Fault::BadJson,
        Fault::BadChunk,
        Fault::Hang,
        Fault::Stall,
        Fault::Close,
    ];
    let counts = faults.map(|fault| (fault, 8));
    let mock = Mock::start(MockOptions {
        faults: FaultPlan::new(&counts, 96, 7),
        ..mock_options()
    });
    let mock = mock.unwrap();
    let mut kinds = vec![kind("stream", 1, true, 300 * MILLISECOND)];
    kinds[0].timeouts.idle = Some(200 * MILLISECOND);
    let ran = run(
        plan(shared(16, 192), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    let total = &ran.merged.total;
    assert_eq!(total.started, 192);
    // Only the answers behind which the server closed its connection were good.
    assert_eq!(total.ok(), 16);
}

#[test]
fn a_run_in_which_everything_fails_leaves_no_descriptor_and_no_memory() {
    let _alone = alone();
    // What is made once in a process is made by the first.
    failing();
    let (files, kib) = (descriptors(), memory());
    for _ in 0..4 {
        failing();
    }
    assert_eq!(descriptors(), files);
    let grown = memory().saturating_sub(kib);
    assert!(grown < LEFT_KIB_MAX, "{grown} KiB more than after the first");
}

/// As repetitions, probes of a search and passes are: each begins and ends its cores.
#[test]
fn twenty_runs_on_two_cores_leave_no_descriptor() {
    let _alone = alone();
    let mock = Mock::start(mock_options()).unwrap();
    let mut files = None;
    for _ in 0..20 {
        let kinds = vec![kind("stream", 1, true, 10 * SECOND)];
        let ran = run(plan(shared(4, 8), kinds), mock.address, engine_options(2), |_| {});
        assert_eq!(ran.merged.total.ok(), 8);
        // Connections close at the mock's end, too.
        let before = files.get_or_insert_with(descriptors).clone();
        let deadline = Instant::now() + Duration::from_secs(20);
        while descriptors() != before && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(descriptors(), before);
    }
}
