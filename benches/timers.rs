//! The control of `scripts/bench-arrivals.sh`: how late a thread of this host wakes up that does nothing but wait for
//! instants at a rate.
//!
//! `timers nanosleep|uring|spin RATE SECONDS CPU` prints one line: how late the wake-ups were, in microseconds, and the
//! share of the core that they took. `nanosleep` waits in clock_nanosleep, `uring` in the ring as the engine does, and
//! `spin` reads the clock, which shows what is taken from this core from outside.
#![allow(clippy::print_stdout, clippy::print_stderr)] // This program prints a measurement.

use io_uring::IoUring;
use io_uring::types::{SubmitArgs, Timespec};
use llmload_uring::net::clock;
use llmload_uring::units::{Nanos, SECOND};
use rustix::thread::{ClockId, clock_nanosleep_absolute};

/// The instants before this one are left out: caches are cold.
const WARM_UP: Nanos = SECOND / 2;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, method, rate, seconds, cpu] = args.as_slice() else {
        eprintln!("usage: timers nanosleep|uring|spin RATE SECONDS CPU");
        std::process::exit(2);
    };
    let rate: u64 = rate.parse().expect("RATE is a number per second");
    let seconds: u64 = seconds.parse().expect("SECONDS is a number");
    core_affinity::set_for_current(core_affinity::CoreId {
        id: cpu.parse().expect("CPU is a number"),
    });
    rustix::thread::set_current_timer_slack(Some(std::num::NonZeroU64::MIN))
        .expect("the timer slack can be set");
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(8)
        .expect("io_uring");
    let begun = clock::monotonic();
    let (mut late, mut cpu_from) = (Vec::new(), (begun, clock::thread_cpu()));
    for number in 1..=rate * seconds {
        let due = begun + number * SECOND / rate;
        match method.as_str() {
            "nanosleep" => wait_in_nanosleep(due),
            "uring" => wait_in_ring(&mut ring, due),
            "spin" => while clock::monotonic() < due {},
            other => panic!("there is no method `{other}`"),
        }
        let now = clock::monotonic();
        if due - begun < WARM_UP {
            cpu_from = (now, clock::thread_cpu());
        } else {
            late.push(now.saturating_sub(due));
        }
    }
    late.sort_unstable();
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    let busy = (clock::thread_cpu() - cpu_from.1) as f64 / (clock::monotonic() - cpu_from.0) as f64;
    println!(
        "late_us p50 {:.1} p99 {:.1} p999 {:.1} cpu_percent {:.1}",
        at(0.5),
        at(0.99),
        at(0.999),
        100.0 * busy
    );
}

fn wait_in_nanosleep(due: Nanos) {
    let until = rustix::thread::Timespec {
        tv_sec: (due / SECOND) as i64,
        tv_nsec: (due % SECOND) as i64,
    };
    if clock::monotonic() < due {
        clock_nanosleep_absolute(ClockId::Monotonic, &until).expect("no signal comes");
    }
}

fn wait_in_ring(ring: &mut IoUring, due: Nanos) {
    loop {
        let left = due.saturating_sub(clock::monotonic());
        if left == 0 {
            return;
        }
        let timeout = Timespec::new().sec(0).nsec(left as u32);
        // Ends with ETIME: nothing is submitted.
        let _ = ring
            .submitter()
            .submit_with_args(1, &SubmitArgs::new().timespec(&timeout));
    }
}
