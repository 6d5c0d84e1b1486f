//! A document with every key, for tests of writing and reading. Its figures are consistent.

mod load;

use self::load::load;
use crate::error::ExitCode;
use crate::judge::{BreakingPoint, Judged, StepResult, StepTimes, StepsResult, ThresholdResult};
use crate::metrics::{GraphEnded, Outcome, Pair, Pairs, SessionEnd, SessionEnded, Sessions, TurnEnded};
use crate::paired::PairTotals;
use crate::plan::{AnalysisLimits, Hold, PairedPrompts};
use crate::report::Aggregator;
use crate::result::{
    Budget, Contention, ErrorBudget, FailureFigures, GeneratorFacts, Grouping, Host, IoFigures, Layout,
    ManagedServerFigures, ManagedServerRow, MergedFigures, Ordered, Paired, PartFigures, PassFigures,
    PhaseTimes, Pushes, Repeat, RepeatFacts, Required, Run, RunFacts, RunResult, ServerCounts,
    SessionFigures, ShardFigures, StampSource, StartFigures, StoppedBy, WarmUp, spread,
};
use crate::sessions::SessionTotals;
use crate::units::{MILLISECOND, Nanos, SECOND, seconds};
use crate::workload::PlannedHistories;
use serde_json::json;

const KINDS: [&str; 3] = ["llama/stream", "llama/plain", "vllm"];
const SERVER_OF_KIND: [u16; 3] = [0, 0, 1];
/// 2026-01-02 03:04:05 UTC.
const STARTED: i128 = 1_767_323_045_000_000_000;
const REPEATS: u32 = 2;
const DURATION: Nanos = 3 * SECOND;
/// What ends after that has ended in the wind-down.
const LOADED: Nanos = 2_500 * MILLISECOND;

/// When the load is steady: it ends a little after the load, so that both phases have requests that did.
const STEADY: [Nanos; 2] = [SECOND, LOADED + 100 * MILLISECOND];

fn thresholds() -> Vec<ThresholdResult> {
    let result = |metric: &str, observed, ok| ThresholdResult {
        metric: metric.to_owned(),
        expression: "p(95)<40".to_owned(),
        observed,
        ok,
        ..ThresholdResult::default()
    };
    vec![
        ThresholdResult {
            decided: Some(true),
            interval: Some([10.5, 11.0]),
            ..result("ttft{stream:true}", Some(11.0), true)
        },
        ThresholdResult {
            breaking_point: Some(BreakingPoint {
                elapsed_seconds: 2.0,
                vus: 5,
                vus_running: 5,
                rate_per_second: Some(30.0),
            }),
            not_recomputed: Some("steps are judged while a run goes on".to_owned()),
            ..result("latency", Some(71.5), false)
        },
        ThresholdResult {
            not_applicable: true,
            ..result("tls", None, true)
        },
    ]
}

fn failures() -> Vec<FailureFigures> {
    let cut = FailureFigures {
        server: Some("vllm".to_owned()),
        outcome: "http_503".to_owned(),
        status: Some(503),
        cause: Some("cut_in_body".to_owned()),
        count: 2,
        place: Some("after byte 200 of the response".to_owned()),
        body: Some("{\"error\":{\"message\":\"overloaded, re…".to_owned()),
        location: Some("https://other/v1".to_owned()),
        hint: Some("load the address that it leads to: --target https://other/v1".to_owned()),
    };
    let plain = FailureFigures {
        server: Some("llama".to_owned()),
        count: 1,
        cause: None,
        place: None,
        location: None,
        hint: None,
        ..cut.clone()
    };
    vec![cut, plain]
}

fn judged() -> Judged {
    let step = StepResult {
        vus: 5,
        from_seconds: 1.0,
        to_seconds: 3.0,
        requests: 60,
        requests_per_second: 30.0,
        output_tokens: 600,
        output_tokens_per_second: 300.0,
        ttft: Some(StepTimes {
            count: 30,
            p50: Some(11.0),
            p90: Some(14.0),
            p99: Some(19.0),
        }),
        latency: Some(StepTimes {
            count: 60,
            p50: Some(71.5),
            p90: Some(80.0),
            p99: Some(95.0),
        }),
        ok: false,
        thresholds: thresholds(),
    };
    Judged {
        thresholds: thresholds(),
        steps: Some(StepsResult {
            peak_vus: Some(4),
            judged: vec![step],
        }),
    }
}

fn passes(loads: &[Aggregator], together: &Aggregator, grouping: &Grouping) -> PassFigures {
    let mut warmup = WarmUp::default();
    warmup.append(&loads[0], DURATION);
    let repeats: Vec<Repeat> = (1..)
        .zip(loads)
        .map(|(number, load)| {
            let facts = RepeatFacts {
                started_at_unix_ns: STARTED,
                duration: DURATION,
                loaded: LOADED,
                stopped_by: StoppedBy::Plan,
            };
            Repeat::new(number, facts, load, &judged())
        })
        .collect();
    let by_server = |load: &Aggregator, loaded| {
        grouping
            .by_server(&load.merged().series, loaded)
            .expect("two servers")
    };
    let (alone, all) = (
        by_server(&loads[0], LOADED),
        by_server(together, u64::from(REPEATS) * LOADED),
    );
    let pairs = alone.iter().zip(all.iter());
    let pairs: Vec<_> = pairs
        .map(|((name, alone), (_, all))| (name, 5, alone, all))
        .collect();
    PassFigures {
        warmup: Some(warmup),
        spread: spread(&repeats),
        repeats,
        contention: Some(Contention::from_pairs(&pairs)),
        paired: Some(paired()),
        sessions: Some(sessions()),
    }
}

/// Makes pairs at both servers, of which the second is slower and fails at times. One pair is cancelled.
fn paired() -> Paired {
    let mut pairs = Pairs {
        incomplete: 1,
        lost: 2,
        ..Pairs::default()
    };
    for n in 0..60u64 {
        let (fails, cancelled) = (n % 20 == 19, n == 7);
        let ns = |ms: i64| Some((ms + n as i64 % 5 - 2) * MILLISECOND as i64).filter(|_| !fails);
        pairs.ended.push(Pair {
            // As few blocks as an interval takes, because tests look at each of their members.
            ended: n * 3 * MILLISECOND,
            other_first: n / 2 % 2 == 1,
            outcomes: match cancelled {
                true => [Outcome::Cancelled; 2],
                false => [Outcome::Ok, if fails { Outcome::Http503 } else { Outcome::Ok }],
            },
            differences: [ns(3), ns(0), ns(9).filter(|_| !cancelled)],
            same_length: true,
        });
    }
    let mut totals = PairTotals::default();
    totals.add(&pairs);
    Paired::from_pairs(["llama", "vllm"], PairedPrompts::Same, &totals)
}

/// Makes four sessions of up to three turns, of which one failed and one was cancelled.
fn sessions() -> SessionFigures {
    let turn = |turn: u16, outcome| TurnEnded {
        turn,
        outcome,
        ttft: Some(u64::from(8 + 2 * turn) * MILLISECOND),
        latency: 40 * MILLISECOND,
        prompt_tokens: Some(50 * u32::from(turn)),
        output_tokens: 10,
    };
    let ended = |end, turns| SessionEnded {
        end,
        turns,
        duration: 700 * MILLISECOND,
        graph: Some(GraphEnded {
            recorded: SECOND,
            delays: 300 * MILLISECOND,
        }),
    };
    let mut totals = SessionTotals::default();
    let ok = |number| turn(number, Outcome::Ok);
    totals.add(&Sessions {
        turns: [[1, 2, 3], [1, 2, 1]]
            .concat()
            .into_iter()
            .map(ok)
            .chain([turn(2, Outcome::Http503), turn(1, Outcome::Cancelled)])
            .collect(),
        ended: vec![
            ended(SessionEnd::Completed, 3),
            ended(SessionEnd::Incomplete, 2),
            ended(SessionEnd::Failed, 2),
            ended(SessionEnd::Cancelled, 1),
        ],
        started: 4,
        ..Sessions::default()
    });
    totals.history_peak = 5_000;
    let planned = PlannedHistories {
        sessions: 2,
        each: 3_000,
        all: 6_000,
        requests: 8_000,
    };
    let mut figures = SessionFigures::from_totals(&totals, &planned, seconds(DURATION));
    // As if there were more than have rows.
    figures.turns[2].and_later = true;
    figures
}

fn run() -> Run {
    Run {
        profile: "sample".to_owned(),
        target: "http://127.0.0.1:8001, http://127.0.0.1:8002".to_owned(),
        models: Some(vec!["m".to_owned()]),
        token_counts: Some("9c3f5a1e70b2d468".to_owned()),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        startup_seconds: 0.031,
        duration_seconds: seconds(u64::from(REPEATS) * DURATION),
        stopped_by: StoppedBy::Plan,
        layout: Layout::Workload,
        shard: Some(ShardFigures { number: 1, count: 2 }),
        start: Some(StartFigures::from_instants(STARTED - 5_000_000, STARTED)),
        merged: Some(MergedFigures {
            shards: 2,
            missing_shards: vec![2],
            start_skew_seconds: 0.002,
        }),
        verdict: String::new(),
        exit_code: ExitCode::Ok,
        versions: Ordered::from_iter([("llmload-uring", "0.1.0".to_owned())]),
    }
}

fn host() -> Host {
    Host {
        kernel: Some("6.18.0".to_owned()),
        cpu: Some("Some CPU".to_owned()),
        cpus_allowed: Some(vec![0, 1]),
        worker_cpus: Some(vec![1]),
        server_cpus: Some(vec![0]),
        reporter_cpu: Some(0),
        open_files: Some(1024),
        memlock_bytes: Some(8 << 20),
        local_ports: Some([32768, 60999]),
        min_wait_us: Some(50),
        cpu_quota: Some(1.5),
    }
}

fn error_budget() -> ErrorBudget {
    let budget = |ms: f64| Budget {
        p50: Some(ms / 2.0),
        p99: Some(ms),
    };
    ErrorBudget {
        host: "some-host".to_owned(),
        date: "2026-01-01T00:00:00Z".to_owned(),
        condition: "half busy".to_owned(),
        busy_percent: 48.0,
        covered: true,
        arrival: budget(0.1),
        ttft: budget(0.2),
        gap: budget(0.04),
        latency: budget(0.3),
    }
}

/// Makes a document with every key that a document may have, even if they do not occur together in one.
pub(crate) fn full() -> RunResult {
    static FULL: std::sync::LazyLock<RunResult> = std::sync::LazyLock::new(make);
    FULL.clone()
}

fn phase_times() -> PhaseTimes {
    let [start, end] = STEADY;
    PhaseTimes {
        steady: u64::from(REPEATS) * (LOADED - start),
        holds: vec![Hold { start, end }],
    }
}

fn grouping() -> Grouping {
    Grouping {
        kinds: KINDS.map(str::to_owned).to_vec(),
        servers: vec!["llama".to_owned(), "vllm".to_owned()],
        server_of_kind: SERVER_OF_KIND.to_vec(),
    }
}

fn make() -> RunResult {
    let loads = [load(0), load(10)];
    let mut together = load(0);
    together.append(&loads[1]);
    let grouping = grouping();
    let samples = super::managed_server::samples();
    let facts = RunFacts {
        config: json!({"profile": "sample", "servers": [{"name": "llama"}, {"name": "vllm"}], "seed": 7}),
        host: host(),
        run: run(),
        duration: u64::from(REPEATS) * DURATION,
        loaded: u64::from(REPEATS) * LOADED,
        phases: phase_times(),
        passes: passes(&loads, &together, &grouping),
        slot_free: vec![super::slots::sample()],
        server_metrics: vec![super::server_metrics::sample()],
        trace: super::trace::sample(&together, u64::from(REPEATS), LOADED),
        grouping,
        generator: GeneratorFacts {
            cpus: vec![1],
            stamp_source: StampSource::Kernel,
            io: IoFigures::uring(),
            quickack: true,
            tls_verified: Some(true),
            details_unwritten: 0,
            run_delay_counted: true,
            suspended: 5 * MILLISECOND,
            throttled: Some((600, 6)),
        },
        judged: judged(),
        failures: failures(),
        managed_server: Some(ManagedServerFigures {
            counts: Some(ServerCounts {
                requests: 180,
                client_requests: 180,
                ..ServerCounts::default()
            }),
            resources: samples.summary(),
        }),
        managed_server_timeline: samples.rows.iter().map(ManagedServerRow::from_sample).collect(),
        pushes: Some(Pushes {
            sent: 3,
            last_error: Some("status 500".to_owned()),
            ..Pushes::default()
        }),
    };
    let mut result = RunResult::build(facts, &together);
    result.client.error_budget = Some(error_budget());
    for core in &mut result.client.cores {
        core.shard = Some(1);
    }
    let required = Required {
        fit: true,
        decided: false,
    };
    result.judge(&AnalysisLimits::default(), required, Vec::new());
    result.parts = vec![PartFigures {
        file: "1.json".to_owned(),
        run: result.run.clone(),
        host: result.host.clone(),
        client: result.client.clone(),
        thresholds: result.thresholds.clone(),
        steps: result.steps.clone(),
        managed_server: result.managed_server,
        managed_server_timeline: result.managed_server_timeline.clone(),
        pushes: result.pushes.clone(),
        warnings: result.warnings.clone(),
    }];
    result.summary = "sample: 6.0 s, as planned\n".to_owned();
    result
}
