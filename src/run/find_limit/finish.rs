//! The figures of each probe, and the document and the text of a search.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::probe::Ran;
use super::seen::Seen;
use super::{Hunt, decided};
use crate::cli::FindLimitArgs;
use crate::coordination::Ending;
use crate::coordinator::Command;
use crate::error::{ExitCode, Failure, Reason};
use crate::host::CpuQuota;
use crate::judge::Judged;
use crate::limit::{
    self, Decision, End, LimitResult, Percentiles, Period, ProbeRow, Purpose, RunFigures, SearchClient,
    SearchFigures, Slo, SloFigures, SloRow,
};
use crate::metrics::{Distribution, MetricId, SeriesTotals};
use crate::net::clock;
use crate::output::{OutputFile, OutputFiles};
use crate::plan::{AnalysisLimits, Plan};
use crate::report::Aggregator;
use crate::result::{
    GeneratorFacts, Grouping, Layout, LimitReason, Ordered, PassFigures, Required, Run, RunFacts, RunResult,
    StoppedBy, rfc3339,
};
use crate::run::beside::Beside;
use crate::run::finish::{generator, host, io_figures, origins};
use crate::run::ranks::Ranks;
use crate::run::{Finished, Ready};
use crate::run::{failures, server_metrics};
use crate::units::{Nanos, seconds};

/// A server that takes no connection within this time does not answer any more.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// What the machine had counted before a probe.
pub struct Before {
    /// For how long it had slept.
    suspended: Nanos,
    quota: CpuQuota,
}

impl Before {
    pub fn now(ready: &Ready) -> Before {
        Before {
            suspended: clock::suspended(),
            quota: ready.quota.counted_from_now(),
        }
    }
}

/// Returns the figures of a probe.
pub fn row(
    hunt: &Hunt<'_>,
    plan: &Plan,
    ran: &Ran,
    (level, purpose): (f64, Purpose),
    began_seconds: f64,
) -> ProbeRow {
    let slos = &hunt.asked.slos;
    let seen = &ran.seen;
    let counted = &seen.counted;
    let sum = |of: fn(&SeriesTotals) -> u64| counted.iter().map(of).sum::<u64>();
    let probed = seen.watch.clone().into_probed(level, slos);
    let broken = seen.watch.broken(slos);
    let grouping = Grouping::from_plan(plan);
    let shows_kind = counted.len() > 1;
    let decision = probed.decision;
    let seems_to_hold = slos
        .iter()
        .zip(&probed.periods)
        .all(|(slo, periods)| slo.seems_to_hold(periods));
    let holds = decision == Decision::Holds || decision == Decision::Open && seems_to_hold;
    let rows = slos.iter().zip(&probed.periods).zip(broken);
    let rows = rows.map(|((slo, periods), broke)| {
        let worst = slo.worst_series(counted).filter(|_| broke && shows_kind);
        SloRow {
            decision: slo.decide(periods, hunt.search.error_of_probe()),
            broke: broke && !holds,
            worst_kind: worst.and_then(|index| grouping.kinds.get(index).cloned()),
            ..slo_row(slo, periods, seen)
        }
    });
    let figures = failures::figures(&seen.failures, &grouping, &hunt.ready);
    ProbeRow {
        level,
        purpose,
        decision,
        seems_to_hold,
        began_seconds,
        counted_seconds: seconds(seen.counted_for),
        seconds: seconds(ran.took),
        requests: sum(SeriesTotals::completed),
        failed: sum(SeriesTotals::failed),
        cut: seen.interrupted(),
        dropped: sum(|series| series.dropped_iterations),
        ok_per_second: seen.per_second(seen.ok),
        output_tokens_per_second: seen.per_second(seen.tokens),
        ttft: percentiles(counted, MetricId::Ttft),
        latency: percentiles(counted, MetricId::Latency),
        tbt: percentiles(counted, MetricId::Tbt),
        goodput: goodput(counted),
        slos: rows.collect(),
        generator_limits: ran.limits.clone(),
        servers: server_metrics::of_probe(&hunt.ready, &ran.servers),
        failure: figures.first().map(|failure| failure.in_words()),
        ended_early: false,
    }
}

/// Returns what the requests of a probe show of an SLO.
fn slo_row(slo: &Slo, periods: &[Period], seen: &Seen) -> SloRow {
    let (threshold, counted) = (slo.threshold(), &seen.counted);
    let tally = slo.tally(counted);
    let observed = tally.figure(threshold.metric, threshold.aggregation, seen.counted_for);
    let (dropped, cut) = match slo.counts_lost() {
        true => (slo.dropped(counted), slo.cut(counted)),
        false => (0, 0),
    };
    SloRow {
        slo: slo.text(),
        observed,
        decision: Decision::Open,
        broke: false,
        worst_kind: None,
        violated_percent: slo.violated(periods).map(|share| share * 100.0),
        dropped,
        cut,
        shown: observed.map(|observed| threshold.shown(observed)),
    }
}

fn percentiles(counted: &[SeriesTotals], metric: MetricId) -> Percentiles {
    let mut values = Distribution::new();
    counted
        .iter()
        .for_each(|series| values.merge(series.metric(metric)));
    Percentiles::of(&values)
}

/// Returns the share of good requests among those that have limits.
fn goodput(counted: &[SeriesTotals]) -> Option<f64> {
    let judged: u64 = counted.iter().map(|series| series.goodput.judged).sum();
    let good: u64 = counted.iter().map(|series| series.goodput.good).sum();
    (judged > 0).then(|| good as f64 / judged as f64)
}

/// Returns why the generator itself may have been the limit, by the rules of a run's warnings.
pub fn generator_limits(
    ready: &Ready,
    plan: &Plan,
    (all, took): (&Aggregator, Nanos),
    before: &Before,
) -> Vec<LimitReason> {
    let facts = RunFacts {
        config: Value::Null,
        host: host(ready),
        run: Run {
            profile: plan.profile.clone(),
            target: origins(ready),
            models: None,
            token_counts: None,
            started_at: rfc3339(0),
            startup_seconds: 0.0,
            duration_seconds: seconds(took),
            stopped_by: StoppedBy::Plan,
            layout: Layout::Profile,
            shard: None,
            start: None,
            merged: None,
            verdict: String::new(),
            exit_code: ExitCode::Ok,
            versions: Ordered::default(),
        },
        duration: took,
        loaded: took,
        phases: Default::default(),
        grouping: Grouping::from_plan(plan),
        trace: None,
        generator: GeneratorFacts {
            throttled: before.quota.throttled().map(|t| (t.periods, t.throttled)),
            ..generator(ready, 0, before.suspended)
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
    };
    let mut result = RunResult::build(facts, all);
    result.judge(&AnalysisLimits::default(), Required::default(), Vec::new());
    result.client.limit_reasons
}

/// Returns the line of progress of a probe that is over.
pub fn line(label: &str, row: &ProbeRow) -> String {
    let slos = row.slos.iter().filter_map(|slo| {
        let metric = slo.slo.split(':').next().unwrap_or_default();
        Some(format!("{metric} {}", slo.shown.as_ref()?))
    });
    let slos: Vec<String> = slos.collect();
    format!(
        "{label} {} ({} requests in {:.0} s, {:.1} ok/s; {})",
        decided(row),
        row.requests,
        row.counted_seconds,
        row.ok_per_second,
        slos.join(", ")
    )
}

/// Tells whether a server takes a connection at one of its addresses.
pub fn accepts(addresses: &[SocketAddr]) -> bool {
    let mut addresses = addresses.iter();
    addresses.any(|address| TcpStream::connect_timeout(address, CONNECT_WITHIN).is_ok())
}

/// Tells whether nothing listens at any address of a server. A busy one lets connections wait, and refuses none.
pub fn refuses(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| {
        let tried = TcpStream::connect_timeout(address, CONNECT_WITHIN);
        tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
}

pub fn vanished(origin: &str) -> Failure {
    let what = format!("{origin}: takes no connection any more");
    let hint = "look at the server's log; the answer is what was known before";
    Failure::new(ExitCode::Target, Reason::new(what).hint(hint))
}

/// Where a search writes to.
pub struct Destinations<'a> {
    pub files: &'a OutputFiles,
    pub picture: Option<&'a OutputFile>,
    pub beside: &'a Beside,
}

/// Writes the document and the picture, and stops the server that the search started.
pub fn finish(
    args: &FindLimitArgs,
    mut hunt: Hunt<'_>,
    end: End,
    Destinations {
        files,
        picture,
        beside,
    }: Destinations<'_>,
    begun: Nanos,
    started: OffsetDateTime,
) -> Finished {
    let found = hunt.search.found();
    let answer = limit::answer(&found, hunt.search.less_sure(), end, &hunt.rows, args.expect);
    let is_expected = answer.expected.as_ref().is_none_or(|expected| expected.ok);
    let unfit = hunt.asked.config.require_fit && answer.generator_first.is_some();
    let exit = ExitCode::combine(&hunt.exit(end, is_expected, unfit));
    let mut result = LimitResult {
        schema: limit::SCHEMA,
        config: serde_json::to_value(&hunt.asked.config).unwrap_or(Value::Null),
        host: host(&hunt.ready),
        client: SearchClient {
            io: io_figures(&hunt.ready),
        },
        run: RunFigures {
            profile: hunt.asked.plan.profile.clone(),
            target: origins(&hunt.ready),
            started_at: rfc3339(started.unix_timestamp_nanos()),
            duration_seconds: seconds(clock::monotonic() - begun),
            verdict: exit.verdict().to_owned(),
            exit_code: exit,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ranks: hunt.ranks.map(Ranks::of_search).unwrap_or_default(),
        },
        search: search_figures(&hunt),
        answer,
        probes: std::mem::take(&mut hunt.rows),
        lost_probes: std::mem::take(&mut hunt.lost_rows),
        summary: String::new(),
    };
    result.summary = limit::text(&result);
    let (mut saved, unwritten) = files.write(&result, None);
    let mut errors = std::mem::take(&mut hunt.failures);
    errors.extend(unwritten);
    let mut summary = result.summary.clone();
    if let Some(picture) = picture {
        match picture.write_text(&limit::svg(&result)) {
            Ok(()) => saved.push(picture.name()),
            Err(failure) => errors.push(failure),
        }
    }
    saved.extend(beside.write_search(&result, &mut errors));
    if !saved.is_empty() {
        summary.push_str(&format!("\nSaved to {}\n", saved.join(", ")));
    }
    match hunt.in_a_hurry {
        true => hunt.ready.managed.kill(),
        false => hunt.ready.managed.stop(&mut errors),
    }
    let mut exits: Vec<ExitCode> = errors.iter().map(|failure| failure.exit).collect();
    exits.push(exit);
    let exit = ExitCode::combine(&exits);
    if let Some(ranks) = hunt.ranks {
        ranks.ask(Command::End(Ending::Verdict(exit.code())));
    }
    if hunt.quiet {
        summary.clear();
    }
    Finished {
        exit,
        summary,
        standard_output_taken: files.use_standard_output() || beside.uses_standard_output(),
        errors,
        linger: None,
    }
}

fn search_figures(hunt: &Hunt<'_>) -> SearchFigures {
    let asked = hunt.asked;
    let slos = asked.slos.iter().map(|slo| SloFigures {
        metric: slo.threshold().key.clone(),
        expression: slo.threshold().text.clone(),
        added: slo.is_added(),
    });
    SearchFigures {
        over: asked.range.over,
        from: asked.range.from,
        to: asked.range.to,
        resolution: asked.range.resolution,
        settle_seconds: seconds(asked.settle),
        probe_min_seconds: seconds(asked.probe.min),
        probe_max_seconds: seconds(asked.probe.max),
        max_seconds: seconds(asked.max_time),
        slos: slos.collect(),
    }
}
