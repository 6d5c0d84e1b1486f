//! The merged document out of its parts.

use crate::config::reread;
use crate::error::{ExitCode, Reason};
use crate::merge::belong::{self, check, listed};
use crate::merge::part::PartTraffic;
use crate::merge::{Part, timeline, verdict};
use crate::metrics::{Distribution, METRICS, SeriesCounts, SeriesTotals, TlsFailure, TokenSource};
use crate::plan::Plan;
use crate::result::{
    Client, CoreFigures, Fitness, Grouping, MergedFigures, MetricFigures, Ordered, PassFigures, RULES, Rows,
    Run, RunResult, SCHEMA, ServerCounts, ServerFigures, ServerTimings, Shape, StampSource, TlsFigures,
    Totals, WarmUp, Warning, analyse, metrics, rates, rfc3339, traffic, warnings_of,
};
use crate::units::Nanos;
use serde_json::{Map, Value};

/// Processes that began further apart did not load the server together.
const SKEW_MAX_SECONDS: f64 = 1.0;
/// Of a sample that is too small, said of a part, nothing is left to say when the whole is large enough.
const RULES_OF_THE_WHOLE: [&str; 1] = ["few_samples"];

/// `summary` is still empty, `details` are the caller's. `parts` are in order of their shards afterwards.
pub fn merge(parts: &mut [Part], partial: bool) -> Result<RunResult, Reason> {
    let missing = check(parts, partial)?;
    let parts = &*parts;
    let (config, plan) = reread(&parts[0].config, &parts[0].name).map_err(|e| {
        let what = format!("{}: its configuration cannot be read back: {e}", parts[0].name);
        Reason::new(what).hint("merge documents with the version that wrote them")
    })?;
    for part in parts {
        part.adds_up()?;
    }
    let series = series(parts, &plan)?;
    let total = total(parts, &series)?;

    let Times {
        begun,
        offsets,
        duration,
        skew,
    } = Times::of(parts);
    let thresholds = verdict::thresholds(&plan, parts, &series, duration);
    let run = Run {
        started_at: rfc3339(begun),
        duration_seconds: crate::units::seconds(duration),
        merged: Some(MergedFigures {
            shards: parts[0].shard.count(),
            missing_shards: missing.clone(),
            start_skew_seconds: skew,
        }),
        ..run(parts)
    };
    let occurred = verdict::occurred(parts, &thresholds);
    let (endpoints, requests) = rows(&plan, &series, duration);
    let mut result = RunResult {
        schema: SCHEMA,
        config: of_the_whole(parts),
        run,
        host: side_by_side(parts),
        totals: totals(parts, &total),
        rates: rates(&total, duration),
        metrics: metrics(&total),
        endpoints,
        requests,
        server_timings: ServerTimings::of(&total),
        timeline: timeline::merge(parts, &offsets),
        // Of each process, in its part.
        server_timeline: Vec::new(),
        thresholds,
        steps: None,
        passes: passes(parts),
        client: client(parts)?,
        server: server(parts),
        // Of each process, in its part.
        pushes: None,
        warnings: Vec::new(),
        analysis: Vec::new(),
        parts: parts.iter().map(|part| part.own.clone()).collect(),
        summary: String::new(),
        shape: Shape::of(&config),
    };
    result.warnings = warnings(&result, parts, &missing, skew);
    result.analysis = analyse(&result, &config.analysis);
    result.judge_generator(config.require_fit, occurred);
    Ok(result)
}

/// A shard is a part of one run: it repeats nothing.
fn passes(parts: &[Part]) -> PassFigures {
    PassFigures {
        warmup: parts.iter().filter_map(|part| part.warmup).reduce(WarmUp::merge),
        ..PassFigures::default()
    }
}

/// All requests of all parts.
fn total(parts: &[Part], series: &[SeriesTotals]) -> Result<SeriesTotals, Reason> {
    let mut total = SeriesTotals::new();
    series.iter().for_each(|s| total.merge(s));
    for part in parts {
        // Counted by request, and in no histogram.
        if let Some(timings) = part.server_timings {
            total.server_prompt_over += timings.prompt.server_over;
            total.server_decode_over += timings.decode.server_over;
        }
    }
    Ok(total)
}

/// When the parts ran.
struct Times {
    /// The first start of a load, nanoseconds since 1970.
    begun: i128,
    /// How much later than that each part began, seconds.
    offsets: Vec<f64>,
    /// From the first start to the last end.
    duration: Nanos,
    /// The largest of `offsets`.
    skew: f64,
}

impl Times {
    fn of(parts: &[Part]) -> Times {
        let begun = begun(parts);
        // A shard without VUs has no load that could have begun too early.
        let offsets: Vec<f64> = parts
            .iter()
            .map(|part| (part.started_at - begun).max(0) as f64 / 1e9)
            .collect();
        let ends = parts
            .iter()
            .zip(&offsets)
            .map(|(part, offset)| part.run.duration_seconds + offset);
        Times {
            begun,
            duration: timeline::nanos(ends.fold(0.0, f64::max)),
            skew: offsets.iter().copied().fold(0.0, f64::max),
            offsets,
        }
    }
}

fn rows(plan: &Plan, series: &[SeriesTotals], duration: Nanos) -> Rows {
    let kinds = &plan.workload.kinds;
    let names: Vec<String> = kinds.iter().map(|kind| kind.name.clone()).collect();
    let servers: Vec<u16> = kinds.iter().map(|kind| kind.endpoint).collect();
    let grouping = Grouping {
        kinds: &names,
        servers: &plan.server_names(),
        server_of_kind: &servers,
    };
    grouping.rows(series, duration)
}

/// When the first load began, nanoseconds since 1970.
fn begun(parts: &[Part]) -> i128 {
    let loaded = parts.iter().filter(|part| part.totals.requests > 0);
    let first = loaded.map(|part| part.started_at).min();
    first
        .or_else(|| parts.iter().map(|part| part.started_at).min())
        .unwrap_or(0)
}

/// What needs no reckoning of time.
fn run(parts: &[Part]) -> Run {
    let first = &parts[0].run;
    Run {
        profile: first.profile.clone(),
        target: targets(parts).join(", "),
        started_at: String::new(),
        startup_seconds: parts
            .iter()
            .map(|part| part.run.startup_seconds)
            .fold(0.0, f64::max),
        duration_seconds: 0.0,
        stopped_by: verdict::stopped_by(parts),
        shard: None,
        start: None,
        merged: None,
        // Of the whole, once its figures are known.
        verdict: ExitCode::Ok.verdict(),
        exit_code: ExitCode::Ok,
        versions: first.versions.clone().into_iter().collect(),
    }
}

/// One of each of the plan's kinds, all parts together.
fn series(parts: &[Part], plan: &Plan) -> Result<Vec<SeriesTotals>, Reason> {
    let kinds = plan.workload.kinds.iter();
    kinds
        .map(|kind| {
            let mut sum = SeriesTotals::new();
            for part in parts {
                let wrong = |what: String| {
                    let hint = "was it changed? merge takes what --output FILE wrote";
                    Reason::new(format!("{}: requests `{}`: {what}", part.name, kind.name)).hint(hint)
                };
                let endpoint = part
                    .kinds
                    .get(&kind.name)
                    .ok_or_else(|| wrong("missing".into()))?;
                sum.merge_counts(&counts(&endpoint.totals))
                    .map_err(|outcome| wrong(format!("unknown outcome `{outcome}`")))?;
                for metric in &METRICS {
                    let figures = match endpoint.metrics.get(metric.key) {
                        Some(figures) => figures,
                        None if metric.rare => continue,
                        None => return Err(wrong(format!("no metric `{}`", metric.key))),
                    };
                    let values = figures.distribution();
                    let values = values.map_err(|e| wrong(format!("`{}`: {e}", metric.key)))?;
                    sum.merge_values(metric.id, &values);
                }
            }
            Ok(sum)
        })
        .collect()
}

fn counts(from: &PartTraffic) -> SeriesCounts {
    SeriesCounts {
        started: from.requests,
        by_outcome: from
            .by_outcome
            .iter()
            .map(|(name, n)| (name.clone(), *n))
            .collect(),
        by_status: from.by_status.iter().map(|(status, n)| (*status, *n)).collect(),
        output_tokens: from.output_tokens,
        token_sources: match from.token_source.as_str() {
            "server" => vec![TokenSource::Server],
            "events" => vec![TokenSource::Events],
            "mixed" => vec![TokenSource::Server, TokenSource::Events],
            _ => Vec::new(),
        },
        interrupted_elapsed_max: timeline::nanos(from.interrupted_elapsed_max_seconds),
    }
}

fn totals(parts: &[Part], total: &SeriesTotals) -> Totals {
    let sum = |pick: fn(&Part) -> u64| parts.iter().map(pick).sum::<u64>();
    Totals {
        traffic: traffic(total),
        in_flight: sum(|p| p.totals.in_flight),
        dropped_iterations: sum(|p| p.totals.dropped_iterations),
        stale_reconnects: sum(|p| p.totals.stale_reconnects),
        token_events: sum(|p| p.totals.token_events),
        coalesced_events: sum(|p| p.totals.coalesced_events),
        bytes_sent: sum(|p| p.totals.bytes_sent),
        bytes_received: sum(|p| p.totals.bytes_received),
        connections_opened: sum(|p| p.totals.connections_opened),
        // Upper bounds, as over the cores of one process.
        peak_connections: sum(|p| p.totals.peak_connections),
        peak_vus: sum(|p| p.totals.peak_vus),
    }
}

fn client(parts: &[Part]) -> Result<Client, Reason> {
    let sum = |pick: fn(&Part) -> u64| parts.iter().map(pick).sum::<u64>();
    let lag = |name: &str, pick: fn(&Part) -> &MetricFigures| {
        let mut all = Distribution::new();
        for part in parts {
            let values = pick(part).distribution().map_err(|e| {
                let hint = "was it changed? merge takes what --output FILE wrote";
                Reason::new(format!("{}: client.{name}: {e}", part.name)).hint(hint)
            })?;
            all.merge(&values);
        }
        Ok(MetricFigures::of(&all))
    };
    let user_stamps = parts.iter().any(|p| p.client.stamp_source == StampSource::User);
    Ok(Client {
        fitness: Fitness::default(),
        stamp_source: match user_stamps {
            true => StampSource::User,
            false => StampSource::Kernel,
        },
        quickack: parts.iter().all(|p| p.client.quickack),
        stamps_missing: sum(|p| p.client.stamps_missing),
        clock_steps: sum(|p| p.client.clock_steps),
        details_lost: sum(|p| p.client.details_lost),
        out_of_range: sum(|p| p.client.out_of_range),
        reap_lag: lag("reap_lag", |p| &p.client.reap_lag)?,
        stamp_lag: lag("stamp_lag", |p| &p.client.stamp_lag)?,
        tls: tls(parts),
        cores: parts.iter().flat_map(cores).collect(),
    })
}

fn cores(part: &Part) -> impl Iterator<Item = CoreFigures> {
    let shard = Some(part.shard.number());
    let cores = part.client.cores.iter();
    cores.map(move |core| CoreFigures {
        shard,
        ..core.clone()
    })
}

fn tls(parts: &[Part]) -> Option<TlsFigures> {
    let figures: Vec<_> = parts.iter().filter_map(|part| part.client.tls.as_ref()).collect();
    if figures.is_empty() {
        return None;
    }
    let of = |name: &str| {
        figures
            .iter()
            .filter_map(|tls| tls.failures.get(name))
            .sum::<u64>()
    };
    Some(TlsFigures {
        verified: figures.iter().all(|tls| tls.verified),
        handshakes: figures.iter().map(|tls| tls.handshakes).sum(),
        resumed: figures.iter().map(|tls| tls.resumed).sum(),
        failures: TlsFailure::ALL
            .into_iter()
            .map(|reason| (reason.name(), of(reason.name())))
            .filter(|(_, n)| *n > 0)
            .collect::<Ordered<u64>>(),
    })
}

/// What servers of the shards' own counted; their memory and CPU do not add, and stay in the parts.
fn server(parts: &[Part]) -> Option<ServerFigures> {
    let counts: Vec<ServerCounts> = parts.iter().filter_map(|part| part.server_counts).collect();
    (counts.len() == parts.len()).then(|| ServerFigures {
        counts: Some(
            counts
                .into_iter()
                .fold(ServerCounts::default(), ServerCounts::merge),
        ),
        resources: None,
    })
}

/// That of the plan as a whole: what belongs to one process is in the parts.
fn of_the_whole(parts: &[Part]) -> Value {
    let mut config = parts[0].config.clone();
    if let Some(fields) = config.as_object_mut() {
        belong::WHERE_IT_GOES
            .iter()
            .for_each(|key| drop(fields.remove(*key)));
    }
    if let Some(run) = config.get_mut("run").and_then(Value::as_object_mut) {
        run.remove("shard");
        run.remove("output");
    }
    config
}

/// Each key of the hosts: its value where all agree, else those of the parts in order.
fn side_by_side(parts: &[Part]) -> Value {
    let Value::Object(first) = &parts[0].host else {
        return parts[0].host.clone();
    };
    let mut out = Map::new();
    for (key, value) in first {
        let all: Vec<Value> = parts.iter().map(|part| part.host[key].clone()).collect();
        let joined = match all.iter().all(|other| other == value) {
            true => value.clone(),
            false => Value::Array(all),
        };
        out.insert(key.clone(), joined);
    }
    Value::Object(out)
}

/// In order, each once.
fn targets(parts: &[Part]) -> Vec<String> {
    let mut targets: Vec<String> = Vec::new();
    for part in parts {
        if !targets.contains(&part.run.target) {
            targets.push(part.run.target.clone());
        }
    }
    targets
}

/// Those of the whole, then what only a part has to say.
fn warnings(result: &RunResult, parts: &[Part], missing: &[u32], skew: f64) -> Vec<Warning> {
    let mut out = Vec::new();
    if !missing.is_empty() {
        out.push(Warning {
            rule: "shards_missing",
            message: format!("shards {} of {} are not in here", listed(missing), parts[0].shard.count()),
            advice: "all figures are of the shards that are: the plan's whole load was higher, if the others ran",
        });
    }
    if skew > SKEW_MAX_SECONDS {
        out.push(Warning {
            rule: "start_skew",
            message: format!("the shards began {skew:.3} s apart"),
            advice: "their ramps do not add up to the plan's: start them with the same --start-at",
        });
    }
    if targets(parts).len() > 1 {
        out.push(Warning {
            rule: "several_targets",
            message: format!(
                "the shards loaded different servers: {}",
                targets(parts).join(", ")
            ),
            advice: "name one server for all with --target",
        });
    }
    out.extend(warnings_of(result));
    for part in parts {
        for warning in &part.warnings {
            let known = out.iter().any(|w| w.rule == warning.rule);
            let rule = RULES.iter().find(|rule| rule.name == warning.rule);
            if let Some(rule) = rule.filter(|r| !known && !RULES_OF_THE_WHOLE.contains(&r.name)) {
                out.push(Warning {
                    rule: rule.name,
                    message: format!("shard {}: {}", part.shard, warning.message),
                    advice: rule.advice,
                });
            } else if warning.rule == "started_late" {
                out.push(Warning {
                    rule: "started_late",
                    message: format!("shard {}: {}", part.shard, warning.message),
                    advice: "start the program earlier",
                });
            }
        }
    }
    out
}
