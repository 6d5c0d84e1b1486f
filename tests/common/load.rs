//! A load in this process: a mock on an ephemeral port, a plan, an engine that runs it, and what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llmload_uring::api::Api;
use llmload_uring::engine::{Engine, EngineOptions, Report};
use llmload_uring::host::{HostFacts, Io, allowed_cpus};
use llmload_uring::lengths::Lengths;
use llmload_uring::metrics::{Merged, Sample};
use llmload_uring::mock::exposition::MetricsForm;
use llmload_uring::mock::fault::FaultPlan;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::plan::{Assignment, ConnectionUse, Executor, Plan};
use llmload_uring::units::{MILLISECOND, Nanos, SECOND, Span};
use llmload_uring::workload::{
    Call, Chat, NamedPaths, Prompts, RequestKind, Server, Target, Timeouts, Workload,
};

/// What drives the sockets of loads and mocks of this process: what LLMLOAD_IO says, as for the program.
pub fn io() -> Io {
    match std::env::var("LLMLOAD_IO").as_deref() {
        Ok("epoll") => Io::Epoll,
        Ok("uring") => Io::Uring,
        _ if HostFacts::read().uring.is_err() => Io::Epoll,
        _ => Io::Uring,
    }
}

pub fn mock_options() -> MockOptions {
    MockOptions {
        io: io(),
        listen: "127.0.0.1:0".parse().unwrap(),
        ttft: 2 * MILLISECOND,
        gap: MILLISECOND,
        tokens: 10,
        events_per_write: 1,
        unpaced: false,
        stamp: true,
        event_bytes: 200,
        faults: FaultPlan::default(),
        spread: false,
        close_after_stream: false,
        budget: None,
        capacity: Arc::default(),
        nagle: false,
        record: 0,
        prefix_cache: false,
        reasoning: None,
        tokenize: None,
        metrics: MetricsForm::Mock,
        miscount: 0.0,
        cpus: vec![allowed_cpus()[0]],
        connections: 256,
    }
}

pub fn mock(options: MockOptions) -> Mock {
    Mock::start(options).unwrap()
}

pub fn timeouts(total: Nanos) -> Timeouts {
    Timeouts {
        connect: Some(5 * SECOND),
        first_token: None,
        idle: None,
        total,
    }
}

pub fn kind(name: &str, weight: u32, stream: bool, total: Nanos) -> RequestKind {
    RequestKind {
        name: name.into(),
        weight,
        call: Call::Chat(Chat {
            stream,
            max_tokens: Lengths::range(10, 20),
            models: vec!["a".into(), "b".into(), "c".into()],
            prompts: Prompts::List(vec!["Hi".into(), "Tell me \"more\"\n".into()]),
            ..Chat::default()
        }),
        timeouts: timeouts(total),
        goodput: Default::default(),
        headers: Vec::new(),
        server: 0,
    }
}

pub fn light(weight: u32) -> RequestKind {
    RequestKind {
        name: "light".into(),
        weight,
        call: Call::Light,
        timeouts: timeouts(10 * SECOND),
        goodput: Default::default(),
        headers: Vec::new(),
        server: 0,
    }
}

pub fn plan(executor: Executor, kinds: Vec<RequestKind>) -> Plan {
    Plan {
        profile: "test".into(),
        seed: 42,
        executor,
        graceful_stop: 5 * SECOND,
        workload: Workload {
            servers: vec![Server {
                name: None,
                weight: 1,
            }],
            kinds,
            think_time: Span { min: 0, max: 0 },
            each_kind_first: false,
            users: 1,
            is_warm_up: false,
            load: 0,
        },
        warmup: 0,
        assignment: Assignment::Weighted,
        connection: ConnectionUse::KeepAlive,
        thresholds: Vec::new(),
        steps: Vec::new(),
        shard: llmload_uring::plan::Shard::WHOLE,
    }
}

pub fn shared(vus: u32, iterations: u64) -> Executor {
    Executor::SharedIterations {
        vus,
        iterations,
        max_duration: 60 * SECOND,
    }
}

pub fn target(address: SocketAddr) -> Target {
    Target {
        origin: format!("http://{address}"),
        authority: address.to_string(),
        addresses: vec![address],
        api: Api::Chat,
        api_path: "/v1/chat/completions".into(),
        stream_path: "/v1/chat/completions".into(),
        light_paths: vec!["/health".into()],
        named_paths: NamedPaths::all("/v1/models"),
        headers: Vec::new(),
        wording: Default::default(),
    }
}

/// So many workers; on a smaller machine they share CPUs.
pub fn engine_options(cores: usize) -> EngineOptions {
    let allowed = allowed_cpus();
    EngineOptions {
        cpus: (0..cores)
            .map(|i| allowed[(allowed.len() - 1 + i) % allowed.len()])
            .collect(),
        io: io(),
        kernel_stamps: true,
        min_wait_us: 1_000,
        quickack: true,
        answer_bytes_max: 128 << 20,
        history_bytes_max: 128 << 20,
        details: true,
        gaps: false,
        verify_stamps: true,
        source_addresses: Vec::new(),
        settle: None,
        tls: vec![None],
        request_ids: None,
        masks: Arc::default(),
    }
}

pub struct Ran {
    pub merged: Merged,
    pub samples: Vec<Sample>,
    pub elapsed: Duration,
}

/// Runs a plan to its end; `during` is called with each report, to send commands.
pub fn run(plan: Plan, address: SocketAddr, options: EngineOptions, during: impl FnMut(&Engine)) -> Ran {
    run_against(plan, &[target(address)], options, during)
}

/// The same against a target for each endpoint.
pub fn run_against(
    plan: Plan,
    targets: &[Target],
    mut options: EngineOptions,
    mut during: impl FnMut(&Engine),
) -> Ran {
    options.tls.resize(targets.len(), None);
    let series = plan.workload.kinds.len();
    let mut left = options.cpus.len();
    let mut merged = Merged::new(left, series);
    let engine = Engine::start(Arc::new(plan), Arc::from(targets), options).unwrap();
    let mut samples = Vec::new();
    let begun = Instant::now();
    engine.begin();
    while left > 0 {
        match engine.reports.recv_timeout(Duration::from_millis(50)) {
            Ok(Report::Snapshot(snapshot)) => {
                merged.append_snapshot(&snapshot);
                samples.extend_from_slice(&snapshot.details);
                engine.recycle(snapshot);
            }
            Ok(Report::Done) => left -= 1,
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
        during(&engine);
    }
    let elapsed = begun.elapsed();
    engine.join().unwrap();
    assert_eq!(merged.ledger(&[], true).imbalance(), [""; 0]);
    for sample in &samples {
        sample.invariants();
    }
    Ran {
        merged,
        samples,
        elapsed,
    }
}
