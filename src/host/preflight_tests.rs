use super::*;
use crate::host::{Limit, UringFacts};

const MIB: u64 = 1024 * 1024;

fn limit(soft: u64, hard: u64) -> Limit {
    Limit {
        soft: Some(soft),
        hard: Some(hard),
    }
}

fn able() -> HostFacts {
    HostFacts {
        kernel: "6.18.44".into(),
        cpu_model: "made up".into(),
        allowed_cpus: vec![0, 1],
        open_files: limit(20_000, 20_000),
        memlock: limit(8 * MIB, 8 * MIB),
        ipc_lock: false,
        local_ports: (32768, 60999),
        somaxconn: 4096,
        refused_call: None,
        address_space: Limit::UNKNOWN,
        address_space_used: 0,
        memory_available: Some(4096 * MIB),
        uring: Ok(UringFacts {
            defer_taskrun: true,
            min_wait: true,
        }),
    }
}

const NEED: Need = Need {
    io: Io::Uring,
    vus: 10_000,
    cores: 1,
    addresses: 1,
    sources: 1,
    closing: 0,
    ring_bytes: ring_bytes(1024, 8192),
    backlog: 4096,
};

#[test]
fn users_beyond_the_memory_are_refused_with_both_figures() {
    let need = Need {
        vus: 1_000_000,
        sources: 40,
        ..NEED
    };
    let host = HostFacts {
        open_files: limit(2_000_000, 2_000_000),
        ..able()
    };
    let errors = decide(&host, &need).unwrap_err();
    let reasons: Vec<String> = errors.iter().map(|error| error.reason().what).collect();
    assert_eq!(
        reasons,
        ["memory: 4096 MiB are free, but 1000000 users need 5868 MiB"]
    );
    let roomy = HostFacts {
        memory_available: Some(6000 * MIB),
        ..host.clone()
    };
    assert_eq!(decide(&roomy, &need), Ok(vec![]));
    let unknown = HostFacts {
        memory_available: None,
        ..host
    };
    assert_eq!(decide(&unknown, &need), Ok(vec![]));
}

#[test]
fn an_able_host_passes_without_a_note() {
    assert_eq!(decide(&able(), &NEED), Ok(vec![]));
}

#[test]
fn one_open_file_too_few_is_refused_with_both_numbers_and_the_fix() {
    let needed = 10_000 + FILES_RESERVED + FILES_PER_CORE;
    let mut facts = able();
    facts.open_files = limit(needed, needed);
    assert!(decide(&facts, &NEED).is_ok());
    facts.open_files = limit(needed - 1, needed - 1);
    let error = decide(&facts, &NEED).unwrap_err().remove(0);
    assert_eq!(
        error.reason().what,
        "open files: the limit is 10079, but 10080 are needed: 10000 for connections, 64 for the program, 16 for the core"
    );
    let two = decide(&facts, &Need { cores: 2, ..NEED }).unwrap_err().remove(0);
    assert!(
        two.reason()
            .what
            .ends_with("64 for the program, 16 for each of 2 cores"),
        "{two:?}"
    );
    let hint = |error: &HostError| error.reason().hint.unwrap_or_default();
    assert!(hint(&error).contains("prlimit --pid $$ --nofile=10080"));
    facts.open_files.hard = None;
    let error = decide(&facts, &NEED).unwrap_err().remove(0);
    assert_eq!(hint(&error), "ulimit -n 10080");
}

#[test]
fn ports_count_per_address_of_the_target() {
    let mut facts = able();
    facts.local_ports = (40_000, 40_019);
    let need = Need { vus: 41, ..NEED };
    let error = decide(&facts, &need).unwrap_err().remove(0);
    assert_eq!(
        error.reason().what,
        "local ports: the range 40000-40019 has 20, but 41 are needed for each of 1 target address"
    );
    let hint = error.reason().hint.unwrap_or_default();
    assert!(
        hint.starts_with("connect from 3 addresses of this host (--source-address "),
        "{hint}"
    );
    assert!(decide(&facts, &Need { addresses: 2, ..need }).is_err());
    assert!(decide(&facts, &Need { addresses: 3, ..need }).is_ok());
}

#[test]
fn ports_count_per_source_address_as_well() {
    let mut facts = able();
    facts.local_ports = (40_000, 40_019);
    let need = Need {
        vus: 40,
        sources: 2,
        ..NEED
    };
    assert!(decide(&facts, &need).is_ok());
    let error = decide(&facts, &Need { vus: 41, ..need }).unwrap_err().remove(0);
    assert_eq!(
        error.reason().what,
        "local ports: the range 40000-40019 has 20, but 21 are needed for each of 1 target address and 2 source addresses"
    );
    let several = Need {
        vus: 80,
        addresses: 2,
        ..need
    };
    assert!(decide(&facts, &several).is_ok());
    assert!(decide(&facts, &Need { vus: 81, ..several }).is_err());
}

#[test]
fn connections_that_are_still_closing_need_files_but_no_second_port() {
    let mut facts = able();
    facts.local_ports = (1, 10_000);
    let per_request = Need {
        closing: NEED.vus,
        ..NEED
    };
    let error = decide(&facts, &per_request).unwrap_err().remove(0);
    assert!(error.reason().what.contains("20000 for connections"), "{error:?}");
    facts.open_files = limit(30_000, 30_000);
    assert!(decide(&facts, &per_request).is_ok());
}

#[test]
fn locked_memory_grows_with_cores_unless_the_process_is_exempt() {
    let mut facts = able();
    let need = Need { cores: 64, ..NEED };
    let error = decide(&facts, &need).unwrap_err().remove(0);
    assert!(matches!(
        error,
        HostError::Memlock {
            found: 8_388_608,
            cores: 64,
            ..
        }
    ));
    assert!(
        error
            .reason()
            .what
            .starts_with("locked memory: the limit is 8192 KiB, but ")
    );
    facts.ipc_lock = true;
    assert!(decide(&facts, &need).is_ok());
    facts.memlock = limit(EXECUTOR_MEMLOCK_BYTES_MIN - 1, MIB);
    assert!(
        decide(&facts, &need).is_err(),
        "the executor's own minimum also applies to root"
    );
    facts.memlock = Limit {
        soft: None,
        hard: None,
    };
    assert!(decide(&facts, &need).is_ok());
}

#[test]
fn a_limit_of_address_space_and_a_refused_call_are_reported_with_a_fix() {
    let mut facts = able();
    facts.address_space = limit(200 * MIB, 200 * MIB);
    facts.address_space_used = 50 * MIB;
    facts.refused_call = Some(("sched_setaffinity", "Operation not permitted".into()));
    let errors = decide(&facts, &Need { vus: 1, ..NEED }).unwrap_err();
    let text = Failure::from(errors).to_string();
    assert!(
        text.contains("the limit is 200 MiB, of which 50 MiB are in use"),
        "{text}"
    );
    assert!(
        text.contains("sched_setaffinity is refused (Operation not permitted)"),
        "{text}"
    );
    assert_eq!(text.matches("hint: ").count(), 2, "{text}");
    facts.refused_call = None;
    facts.address_space = limit(64 * 1024 * MIB, 64 * 1024 * MIB);
    assert!(decide(&facts, &NEED).is_ok());
}

#[test]
fn missing_threads_and_memory_are_detected_by_trying() {
    let need = Need { vus: 1, ..NEED };
    assert_eq!(trial::start_threads(&need), Ok(()));
    assert_eq!(trial::reserve_memory(&need), Ok(()));
    // More than any address space has.
    let endless = Need {
        ring_bytes: 1 << 62,
        ..need
    };
    assert_eq!(
        trial::reserve_memory(&endless),
        Err(HostError::Memory {
            needed: endless.memory_bytes()
        })
    );
}

#[test]
fn all_missing_resources_are_reported_at_once() {
    let mut facts = able();
    facts.open_files = limit(1024, 1024);
    facts.local_ports = (40_000, 40_019);
    facts.memlock = limit(0, 0);
    facts.uring = Err(UringRefusal::Sysctl { value: 2 });
    let errors = decide(&facts, &NEED).unwrap_err();
    assert_eq!(errors.len(), 4);
    let hints: std::collections::HashSet<_> = errors.iter().map(|e| e.reason().hint).collect();
    assert_eq!(hints.len(), 4, "each problem has its own fix");
    let text = Failure::from(errors).to_string();
    assert_eq!(
        text.lines().count(),
        8,
        "a line for each, and one for its hint: {text}"
    );
    facts.uring = Err(UringRefusal::Memory);
    assert_eq!(decide(&facts, &NEED).unwrap_err().len(), 3, "reported once");
}

#[test]
fn optional_features_that_are_missing_are_notes() {
    let mut facts = able();
    facts.kernel = "6.1.0".into();
    facts.somaxconn = 128;
    facts.uring = Ok(UringFacts {
        defer_taskrun: true,
        min_wait: false,
    });
    let notes = decide(&facts, &NEED).unwrap();
    assert_eq!(notes.len(), 2);
    assert!(notes[0].0.contains("6.12"));
    assert!(notes[1].0.contains("128"));
    let remote = Need { backlog: 0, ..NEED };
    assert_eq!(decide(&facts, &remote).unwrap().len(), 1);
}

#[test]
fn the_host_of_the_tests_passes_a_small_check() {
    let mut facts = HostFacts::read();
    let need = Need {
        vus: 1,
        cores: 1,
        ..NEED
    };
    if let Err(errors) = check(&mut facts, &need) {
        let test = "the_host_of_the_tests_passes_a_small_check";
        crate::skipped::skipped(test, &format!("a host for one user: {}", errors[0].reason()));
    }
}
