//! The subcommand `probe`: checks what this host can run, and prints a fix for each problem. Reading the host is
//! separate from writing the report, so that tests can write reports about made-up hosts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::ProbeArgs;
use crate::error::{ExitCode, Failure, Reason, one_line, safe_json};
use crate::host::cpus::cpu_list;
use crate::host::preflight::{files_needed, memlock_needed, ring_bytes};
use crate::host::{self, CpuQuota, HostError, HostFacts, Io, IoChoice, IoUse, Limit, Need, Note};
use crate::net::{self, Acks, Net, Options};
use crate::server::LISTEN_BACKLOG;

/// The outcome of a probe, for `main` to print.
#[derive(Debug)]
pub struct Probed {
    pub text: String,
    /// The problems for standard error, each with the command that fixes it. `None` if the run fits.
    pub problems: Option<Failure>,
}

/// The facts about this host, and what they mean for the run.
struct Findings {
    facts: HostFacts,
    /// The features of a ring like a worker's, with its provided buffers, which was created and dropped again.
    ring: Result<net::Features, String>,
    /// What would drive the sockets of a run.
    io: IoUse,
    /// The CPU time that the control group allows, in CPUs.
    cpu_quota: Option<f64>,
    need: Need,
    verdict: Result<Vec<Note>, Vec<HostError>>,
}

/// Reads the host, creates a ring, and decides as a run would.
pub fn probe(args: &ProbeArgs) -> Probed {
    let mut facts = HostFacts::read_for(args.io);
    // If no server is started, all CPUs are workers, which needs more than with a server.
    let cores = args.cores.unwrap_or(facts.allowed_cpus.len() as u32);
    let mut need = Need {
        io: Io::Uring,
        vus: args.vus,
        cores,
        addresses: 1,
        sources: 1,
        closing: 0,
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(args.vus)),
        backlog: LISTEN_BACKLOG,
    };
    let io = IoUse::choose(args.io, &facts, &need);
    need.io = io.io;
    let verdict = host::check(&mut facts, &need);
    let ring = match &facts.uring {
        Ok(_) => Net::new(ring_options(args.vus))
            .map(|net| net.features())
            .map_err(|e| e.to_string()),
        Err(refusal) => Err(refusal.reason().what),
    };
    let found = Findings {
        cpu_quota: CpuQuota::read().cpus(),
        facts,
        ring,
        io,
        need,
        verdict,
    };
    let text = match args.json {
        true => safe_json(&format!("{:#}\n", document(&found))).into_owned(),
        false => text(&found),
    };
    Probed {
        text,
        problems: problems(&found),
    }
}

/// Returns the options of a worker's ring, but without an address to connect to.
fn ring_options(connections: u32) -> Options {
    Options {
        io: Io::Uring,
        kernel_stamps: true,
        acks: Acks::AtOnce,
        nagle: false,
        min_wait_us: 0,
        timer_slack: 0,
        connections,
        addresses: Vec::new(),
        sources: Vec::new(),
        sends_at_once: false,
        connects_in_flight_max: 1,
        connect_turn_max: u64::MAX,
    }
}

/// Returns the problems that keep a run from starting. The ring's own failure counts only if preflight found nothing
/// that explains it.
fn problems(found: &Findings) -> Option<Failure> {
    match (&found.verdict, &found.ring) {
        (Err(errors), _) => Some(Failure::from(errors.as_slice())),
        (Ok(_), Err(reason)) if found.io.io == Io::Uring => {
            let what = format!("io_uring: a worker's ring cannot be created: {reason}");
            let hint = "try: sudo prlimit --pid $$ --memlock=unlimited:unlimited (or see: sudo dmesg | tail)";
            Some(Failure::new(ExitCode::Host, Reason::new(what).hint(hint)))
        }
        (Ok(_), _) => None,
    }
}

/// Returns notes about what makes a run worse but does not prevent it, each with its fix.
fn advice(found: &Findings) -> Vec<String> {
    let mut all: Vec<String> = match &found.verdict {
        Ok(notes) => notes.iter().map(Note::to_string).collect(),
        Err(_) => Vec::new(),
    };
    if let (Some(_), Err(refusal)) = (&found.io.reason, &found.facts.uring) {
        all.extend(
            refusal
                .reason()
                .hint
                .map(|hint| format!("fix for io_uring: {hint}")),
        );
    }
    if found.facts.somaxconn < LISTEN_BACKLOG.min(found.need.vus) {
        all.push(format!("fix: sudo sysctl -w net.core.somaxconn={LISTEN_BACKLOG}"));
    }
    if let Some(quota) = found.cpu_quota
        && quota < f64::from(found.need.cores)
    {
        let whole = (quota.floor() as u32).max(1);
        all.push(format!(
            "the control group allows {quota:.2} CPUs of time: {} cores would be throttled, for up to 0.1 s at a time",
            found.need.cores
        ));
        all.push(format!(
            "fix: --cores {whole}, or docker run --cpuset-cpus instead of --cpus"
        ));
    }
    all
}

fn text(found: &Findings) -> String {
    let (facts, need) = (&found.facts, &found.need);
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        writeln!(out, "{name:<16}{value}").expect("writing to a string does not fail");
    };
    row("kernel", one_line(&facts.kernel).into_owned());
    row(
        "CPUs",
        format!(
            "{} ({}), {}",
            facts.allowed_cpus.len(),
            cpu_list(&facts.allowed_cpus),
            one_line(&facts.cpu_model)
        ),
    );
    row(
        "CPU quota",
        found.cpu_quota.map_or("none".to_owned(), |q| {
            format!("{q:.2} CPUs of time, set by the control group")
        }),
    );
    let io = &found.io;
    let because = io
        .reason
        .as_ref()
        .map_or("", |_| ", because io_uring cannot be used");
    row("sockets", format!("driven by {}{because}", io.io.name()));
    for (name, value) in ring_rows(found) {
        row(name, value);
    }
    row("open files", limit(facts.open_files, files_needed(need), 1, ""));
    let exempt = if facts.ipc_lock {
        "; CAP_IPC_LOCK exempts rings"
    } else {
        ""
    };
    let locked = limit(facts.memlock, memlock_needed(facts.ipc_lock, need), 1024, " KiB");
    row("locked memory", format!("{locked}{exempt}"));
    row("memory", memory(found));
    let (first, last) = facts.local_ports;
    row(
        "local ports",
        format!(
            "{} ({first}-{last}), needed {} per address of the target",
            u32::from(last) - u32::from(first) + 1,
            need.vus
        ),
    );
    row(
        "listen queue",
        format!("{} (net.core.somaxconn)", facts.somaxconn),
    );
    let size = size(need);
    row(
        "verdict",
        match problems(found) {
            None => format!("a run of {size} fits"),
            Some(_) => format!("a run of {size} does NOT fit"),
        },
    );
    for line in advice(found) {
        row("note", line);
    }
    out
}

fn memory(found: &Findings) -> String {
    let available = found.facts.memory_available;
    let free = available.map_or("unknown".to_owned(), |bytes| format!("{} MiB free", bytes >> 20));
    let needed = found.need.memory_bytes_min().div_ceil(1 << 20);
    format!("{free}, needed {needed} MiB and what the kernel keeps for connections")
}

fn ring_rows(found: &Findings) -> Vec<(&'static str, String)> {
    let features = match &found.ring {
        Ok(features) => features,
        Err(reason) => {
            let no = if was_tried(found) { "NO: " } else { "" };
            let reason = reason.strip_prefix("io_uring: ").unwrap_or(reason);
            return vec![("io_uring", format!("{no}{reason}"))];
        }
    };
    let has = |there: bool| if there { "yes" } else { "no" };
    let deferred = has(features.defer_taskrun);
    vec![
        ("io_uring", "allowed".to_owned()),
        ("  multishot", "yes, recvmsg into provided buffers".to_owned()),
        (
            "  deferred work",
            format!("{deferred} (SINGLE_ISSUER and DEFER_TASKRUN, Linux 6.1)"),
        ),
        (
            "  minimum wait",
            format!("{} (Linux 6.12)", has(features.min_wait)),
        ),
    ]
}

/// Returns false if nobody knows whether io_uring is allowed: some filters kill a process that asks.
fn was_tried(found: &Findings) -> bool {
    found.io.asked != IoChoice::Epoll
}

fn size(need: &Need) -> String {
    let s = |n: u32| if n == 1 { "" } else { "s" };
    format!(
        "{} VU{} on {} core{}",
        need.vus,
        s(need.vus),
        need.cores,
        s(need.cores)
    )
}

fn limit(limit: Limit, needed: u64, unit: u64, name: &str) -> String {
    let show = |n: Option<u64>| n.map_or("unlimited".to_owned(), |n| format!("{}{name}", n / unit));
    let mut text = show(limit.soft);
    if limit.hard != limit.soft {
        text.push_str(&format!(" (hard limit {})", show(limit.hard)));
    }
    format!("{text}, needed {}{name}", needed.div_ceil(unit))
}

fn document(found: &Findings) -> Value {
    let facts = &found.facts;
    let errors = found.verdict.as_ref().err().map_or(&[][..], Vec::as_slice);
    let ring = match &found.ring {
        Ok(f) => json!({
            "allowed": true,
            "multishot_recvmsg": true,
            "provided_buffers": true,
            "defer_taskrun": f.defer_taskrun,
            "min_wait": f.min_wait,
        }),
        Err(reason) => json!({ "allowed": was_tried(found).then_some(false), "reason": reason }),
    };
    json!({
        "schema": "llmload-uring-probe/1",
        "fits": problems(found).is_none(),
        "vus": found.need.vus,
        "cores": found.need.cores,
        "kernel": facts.kernel,
        "cpu": facts.cpu_model,
        "cpus_allowed": facts.allowed_cpus,
        "cpu_quota": found.cpu_quota,
        "io": { "driver": found.io.io.name(), "reason": found.io.reason },
        "io_uring": ring,
        "open_files": { "soft": facts.open_files.soft, "hard": facts.open_files.hard,
            "needed": files_needed(&found.need) },
        "memlock_bytes": { "soft": facts.memlock.soft, "hard": facts.memlock.hard,
            "needed": memlock_needed(facts.ipc_lock, &found.need), "exempt": facts.ipc_lock },
        "memory_bytes": { "available": facts.memory_available, "needed": found.need.memory_bytes_min() },
        "local_ports": { "first": facts.local_ports.0, "last": facts.local_ports.1, "needed": found.need.vus },
        "somaxconn": facts.somaxconn,
        "problems": errors.iter().map(HostError::reason)
            .map(|r| json!({ "what": r.what, "fix": r.hint })).collect::<Vec<_>>(),
        "notes": advice(found),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::preflight::decide;
    use crate::host::{UringFacts, UringRefusal};

    const MIB: u64 = 1024 * 1024;

    fn findings(change: impl Fn(&mut HostFacts), vus: u32) -> Findings {
        findings_of(IoChoice::Uring, change, vus)
    }

    fn findings_of(asked: IoChoice, change: impl Fn(&mut HostFacts), vus: u32) -> Findings {
        let same = |n| Limit {
            soft: Some(n),
            hard: Some(n),
        };
        let mut facts = HostFacts {
            kernel: "6.18.4".into(),
            cpu_model: "made up".into(),
            allowed_cpus: vec![0, 1, 3],
            open_files: same(4096),
            memlock: same(8 * MIB),
            ipc_lock: false,
            local_ports: (32768, 60999),
            somaxconn: 4096,
            refused_call: None,
            address_space: Limit::UNKNOWN,
            address_space_used: 0,
            memory_available: Some(8192 * MIB),
            uring: Ok(UringFacts {
                defer_taskrun: true,
                min_wait: true,
            }),
        };
        change(&mut facts);
        let mut need = Need {
            io: Io::Uring,
            vus,
            cores: 3,
            addresses: 1,
            sources: 1,
            closing: 0,
            ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(vus)),
            backlog: LISTEN_BACKLOG,
        };
        let io = IoUse::choose(asked, &facts, &need);
        need.io = io.io;
        Findings {
            io,
            verdict: decide(&facts, &need),
            ring: match &facts.uring {
                Ok(u) => Ok(net::Features {
                    io: Io::Uring,
                    defer_taskrun: u.defer_taskrun,
                    min_wait: u.min_wait,
                }),
                Err(refusal) => Err(refusal.reason().what),
            },
            facts,
            cpu_quota: None,
            need,
        }
    }

    #[test]
    fn a_host_that_fits_is_described_line_by_line() {
        let found = findings(|_| {}, 1000);
        assert!(problems(&found).is_none());
        let needed = memlock_needed(false, &found.need).div_ceil(1024);
        assert_eq!(
            text(&found),
            format!(
                "kernel          6.18.4\n\
                 CPUs            3 (0-1,3), made up\n\
                 CPU quota       none\n\
                 sockets         driven by io_uring\n\
                 io_uring        allowed\n\
                 \x20 multishot     yes, recvmsg into provided buffers\n\
                 \x20 deferred work yes (SINGLE_ISSUER and DEFER_TASKRUN, Linux 6.1)\n\
                 \x20 minimum wait  yes (Linux 6.12)\n\
                 open files      4096, needed 1112\n\
                 locked memory   8192 KiB, needed {needed} KiB\n\
                 memory          8192 MiB free, needed 31 MiB and what the kernel keeps for connections\n\
                 local ports     28232 (32768-60999), needed 1000 per address of the target\n\
                 listen queue    4096 (net.core.somaxconn)\n\
                 verdict         a run of 1000 VUs on 3 cores fits\n"
            )
        );
        let document = document(&found);
        assert_eq!(document["fits"], true);
        assert_eq!(document["problems"], json!([]));
    }

    #[test]
    fn each_problem_comes_with_its_fix_in_both_forms() {
        let found = findings(
            |facts| {
                facts.uring = Err(UringRefusal::Seccomp {
                    call: "io_uring_setup",
                })
            },
            10_000,
        );
        let failure = problems(&found).unwrap();
        assert_eq!(failure.exit, ExitCode::Host);
        assert_eq!(failure.to_string().matches("error: ").count(), 2);
        assert_eq!(failure.to_string().matches("hint: ").count(), 2);
        assert!(text(&found).contains("io_uring        NO: io_uring_setup is refused"));
        assert!(text(&found).contains("a run of 10000 VUs on 3 cores does NOT fit"));
        let document = document(&found);
        assert_eq!(document["fits"], false);
        let listed = document["problems"].as_array().unwrap();
        assert_eq!(listed.len(), 2);
        assert!(
            listed
                .iter()
                .all(|problem| problem["fix"].as_str().is_some_and(|m| !m.is_empty()))
        );
    }

    #[test]
    fn a_host_that_forbids_io_uring_fits_by_epoll_and_says_how_to_allow_it() {
        let forbid = |facts: &mut HostFacts| facts.uring = Err(UringRefusal::Sysctl { value: 2 });
        let found = findings_of(IoChoice::Auto, forbid, 1000);
        assert!(problems(&found).is_none());
        let text = text(&found);
        for part in [
            "sockets         driven by epoll, because io_uring cannot be used\n",
            "io_uring        NO: it is disabled by kernel.io_uring_disabled = 2",
            "locked memory   8192 KiB, needed 0 KiB\n",
            "a run of 1000 VUs on 3 cores fits\n",
            "fix for io_uring: sudo sysctl -w kernel.io_uring_disabled=0\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let document = document(&found);
        assert_eq!(document["io"]["driver"], "epoll");
        assert_eq!(document["fits"], true);
        assert!(problems(&findings_of(IoChoice::Uring, forbid, 1000)).is_some());
    }

    /// Some filters kill a process that only tries, so that nothing is known then, and nothing is claimed.
    #[test]
    fn whoever_asks_for_epoll_is_told_nothing_about_io_uring() {
        let not_tried = |facts: &mut HostFacts| facts.uring = Err(UringRefusal::NotTried);
        let found = findings_of(IoChoice::Epoll, not_tried, 1000);
        assert!(problems(&found).is_none());
        let row = "io_uring        it was not tried, because epoll was asked for\n";
        assert!(text(&found).contains(row), "{}", text(&found));
        assert_eq!(document(&found)["io_uring"]["allowed"], Value::Null);
    }

    #[test]
    fn a_ring_that_cannot_be_created_does_not_fit() {
        let mut found = findings(|_| {}, 1);
        found.ring = Err("Cannot allocate memory".into());
        assert!(
            problems(&found)
                .unwrap()
                .to_string()
                .contains("Cannot allocate memory")
        );
        assert_eq!(document(&found)["fits"], false);
    }

    #[test]
    fn a_quota_below_the_cores_and_a_short_queue_are_notes() {
        let mut found = findings(|facts| facts.somaxconn = 128, 1000);
        found.cpu_quota = Some(1.5);
        assert!(problems(&found).is_none());
        let text = text(&found);
        assert!(text.contains("1.50 CPUs of time"), "{text}");
        assert!(text.contains("--cores 1"), "{text}");
        assert!(text.contains("sysctl -w net.core.somaxconn=4096"), "{text}");
    }
}
