//! Result documents of runs that took place in simulated time.

use std::path::Path;

use llmload_uring::error::ExitCode;
use llmload_uring::json::Scanner;
use llmload_uring::judge::Judged;
use llmload_uring::result::{
    GeneratorFacts, Grouping, Host, IoFigures, Layout, Ordered, PassFigures, Run, RunFacts, RunResult,
    StampSource, StoppedBy, read,
};
use llmload_uring::units::{Nanos, seconds};
use serde_json::{Value, json};

/// A run against one server on two cores, as planned, of 2026-01-02 03:04:05 UTC.
pub fn facts(profile: &str, duration: Nanos, grouping: Grouping) -> RunFacts {
    RunFacts {
        config: json!({"profile": profile, "seed": 42}),
        host: Host {
            kernel: Some("6.18.0".to_owned()),
            worker_cpus: Some(vec![1, 2]),
            ..Host::default()
        },
        run: Run {
            profile: profile.to_owned(),
            target: "http://127.0.0.1:8080".to_owned(),
            models: None,
            token_counts: None,
            started_at: "2026-01-02T03:04:05Z".to_owned(),
            startup_seconds: 0.031,
            duration_seconds: seconds(duration),
            stopped_by: StoppedBy::Plan,
            layout: Layout::Profile,
            shard: None,
            start: None,
            merged: None,
            verdict: String::new(),
            exit_code: ExitCode::Ok,
            versions: Ordered::from_iter([("llmload-uring", "0.1.0".to_owned())]),
        },
        duration,
        loaded: duration,
        phases: Default::default(),
        grouping,
        trace: None,
        generator: GeneratorFacts {
            cpus: vec![1, 2],
            stamp_source: StampSource::Kernel,
            io: IoFigures::uring(),
            quickack: true,
            tls_verified: None,
            details_unwritten: 0,
            run_delay_counted: true,
            suspended: 0,
            throttled: None,
        },
        judged: Judged {
            thresholds: Vec::new(),
            steps: None,
        },
        failures: Vec::new(),
        passes: PassFigures::default(),
        slot_free: Vec::new(),
        server_metrics: Vec::new(),
        managed_server: None,
        managed_server_timeline: Vec::new(),
        pushes: None,
    }
}

/// Of one server.
pub fn kinds(names: &[&str]) -> Grouping {
    Grouping {
        kinds: names.iter().map(|name| (*name).to_owned()).collect(),
        servers: Vec::new(),
        server_of_kind: vec![0; names.len()],
    }
}

/// The document at `path`: all of it must be as it was once it is read and written again, and go together.
#[track_caller]
pub fn read_back(path: &Path) -> RunResult {
    let text = std::fs::read(path).unwrap();
    let document = read(text.as_slice()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // serde_json would read some numbers as their neighbours.
    let mut written: Value = Scanner::new(text.as_slice()).parse().unwrap();
    if let Some(details) = written.as_object_mut().unwrap().remove("details") {
        assert_eq!(document.details, Some(details.as_array().unwrap().len() as u64));
    }
    let again = serde_json::to_value(&document).unwrap();
    if again != written {
        let (a, b) = (written.as_object().unwrap(), again.as_object().unwrap());
        let key = a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key));
        let key = key.map_or("", String::as_str);
        panic!(
            "{}: {key}: {} became {}",
            path.display(),
            written[key],
            again[key]
        );
    }
    assert_eq!(document.check(), Ok(()), "{}", path.display());
    document
}
