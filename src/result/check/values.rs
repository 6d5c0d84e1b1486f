//! Checks values of metrics: percentiles ascend, histograms agree with them, and rows add up to all requests.

use super::counts::Counted;
use super::{Contradiction, Result, ensure};
use crate::metrics::MetricId;
use crate::result::{MetricFigures, Ordered, RowFigures, SpreadFigures};

/// The relative difference between sums of floats that counts as rounding.
const ROUNDING: f64 = 1e-6;

/// Metrics with at most one value per request.
const ONE_A_REQUEST: [MetricId; 6] = [
    MetricId::ServiceTime,
    MetricId::Ttfb,
    MetricId::Ttft,
    MetricId::Tpot,
    MetricId::ScheduleLag,
    MetricId::QueueWait,
];

pub(super) fn check_metrics(key: &str, c: &Counted<'_>, metrics: &Ordered<MetricFigures>) -> Result {
    for (name, figures) in metrics.iter() {
        check_figures(&format!("{key}.{name}"), figures)?;
    }
    let count = |id: MetricId| metrics.get(id.key()).map(|figures| figures.count);
    let exact = [
        (MetricId::Latency, c.completed(), "ok and failed requests"),
        (MetricId::LatencyOk, u128::from(c.ok), "ok requests"),
    ];
    for (id, expected, what) in exact {
        if let Some(found) = count(id).filter(|found| u128::from(*found) != expected) {
            let what = format!("{found} values of {expected} {what}");
            return Err(Contradiction::new(format!("{key}.{}.count", id.key()), what));
        }
    }
    for id in ONE_A_REQUEST {
        if let Some(found) = count(id).filter(|found| *found > c.requests) {
            let what = format!("{found} values of {} requests", c.requests);
            return Err(Contradiction::new(format!("{key}.{}.count", id.key()), what));
        }
    }
    Ok(())
}

/// Checks the figures of one metric against each other and against its histogram.
pub(super) fn check_figures(key: &str, figures: &MetricFigures) -> Result {
    let MetricFigures {
        count,
        min,
        mean,
        max,
        p50,
        p90,
        p95,
        p99,
        p999,
        out_of_range,
        ref hdr,
        ..
    } = *figures;
    let rising = [
        ("min", min),
        ("p50", p50),
        ("p90", p90),
        ("p95", p95),
        ("p99", p99),
        ("p999", p999),
        ("max", max),
    ];
    if count == 0 {
        let figures = rising.into_iter().chain([("mean", mean)]);
        let there = figures
            .filter(|(_, figure)| figure.is_some())
            .map(|(name, _)| name)
            .next();
        let there = there.or(hdr.as_ref().map(|_| "hdr"));
        let there = there.or((out_of_range > 0).then_some("out_of_range"));
        return match there {
            None => Ok(()),
            Some(name) => Err(Contradiction::new(
                format!("{key}.{name}"),
                "is present, but `count` is 0",
            )),
        };
    }
    let mut before = ("0", 0.0);
    for (name, figure) in rising {
        let Some(figure) = figure else {
            return Err(Contradiction::new(
                format!("{key}.{name}"),
                format!("is null, but `count` is {count}"),
            ));
        };
        ensure(figure >= before.1, format!("{key}.{name}"), || {
            format!("{figure} is less than {}, {}", before.0, before.1)
        })?;
        before = (name, figure);
    }
    check_percentiles(key, figures)
}

/// Checks the percentiles of a metric that has values against its histogram, and their intervals against them.
fn check_percentiles(key: &str, figures: &MetricFigures) -> Result {
    let MetricFigures {
        count,
        p50,
        p90,
        p95,
        p99,
        p999,
        p50_interval,
        p90_interval,
        p95_interval,
        p99_interval,
        p999_interval,
        independent,
        ..
    } = *figures;
    let values = figures
        .distribution()
        .map_err(|what| Contradiction::new(key, what))?;
    let again = MetricFigures::from_distribution(&values, figures.independent());
    ensure(
        independent.is_none_or(|n| n < count),
        format!("{key}.independent"),
        || format!("not less than `count`, {count}"),
    )?;
    for (name, said, meant, interval) in [
        ("p50", p50, again.p50, p50_interval),
        ("p90", p90, again.p90, p90_interval),
        ("p95", p95, again.p95, p95_interval),
        ("p99", p99, again.p99, p99_interval),
        ("p999", p999, again.p999, p999_interval),
    ] {
        let (said, meant) = (said.unwrap_or(0.0), meant.unwrap_or(0.0));
        let has_it = |[low, high]: [f64; 2]| low <= said && said <= high;
        ensure(
            interval.is_none_or(has_it),
            format!("{key}.{name}_interval"),
            || format!("does not contain {name}, {said}"),
        )?;
        ensure(
            (said - meant).abs() <= meant * ROUNDING,
            format!("{key}.{name}"),
            || format!("{said} is not that of its histogram, {meant}"),
        )?;
    }
    Ok(())
}

/// Checks the figures `{key}_p50` and `{key}_p99`.
pub(super) fn check_pair(key: &str, p50: Option<f64>, p99: Option<f64>) -> Result {
    let in_order = match (p50, p99) {
        (Some(p50), Some(p99)) => 0.0 <= p50 && p50 <= p99,
        (p50, p99) => p50.is_none() && p99.is_none(),
    };
    ensure(in_order, format!("{key}_p50"), || {
        let shown = |ms: Option<f64>| ms.map_or("null".to_owned(), |ms| ms.to_string());
        format!("{} with a p99 of {}", shown(p50), shown(p99))
    })
}

/// Checks that the rows add up to all of the requests.
pub(super) fn check_timeline(
    key: &str,
    c: &Counted<'_>,
    metrics: &Ordered<MetricFigures>,
    rows: &[RowFigures],
) -> Result {
    let mut end = 0.0;
    for (i, row) in rows.iter().enumerate() {
        let key = format!("{key}[{i}]");
        ensure(row.elapsed > end, format!("{key}.elapsed_seconds"), || {
            format!("{} does not come after {end}", row.elapsed)
        })?;
        end = row.elapsed;
        check_spread(&format!("{key}.latency"), &row.latency, row.requests)?;
        check_spread(&format!("{key}.ttft"), &row.ttft, row.requests)?;
        check_spread(&format!("{key}.tbt"), &row.tbt, u64::MAX)?;
    }
    let sum = |pick: fn(&RowFigures) -> u64| rows.iter().map(|row| u128::from(pick(row))).sum::<u128>();
    for (name, sum, all) in [
        ("requests", sum(|row| row.requests), c.ended()),
        ("errors", sum(|row| row.errors), u128::from(c.failed)),
        (
            "goodput.judged",
            sum(|row| row.goodput.judged),
            u128::from(c.goodput.judged),
        ),
        (
            "goodput.good",
            sum(|row| row.goodput.good),
            u128::from(c.goodput.good),
        ),
        (
            "output_tokens",
            sum(|row| row.output_tokens),
            u128::from(c.output_tokens),
        ),
    ] {
        ensure(sum == all, format!("{key}[].{name}"), || {
            format!("{sum} in its rows, {all} in the totals")
        })?;
    }
    check_rows_of(&format!("{key}[].latency"), metrics.get("latency"), rows, |row| {
        row.latency
    })?;
    check_rows_of(&format!("{key}[].ttft"), metrics.get("ttft"), rows, |row| {
        row.ttft
    })?;
    // Documents of earlier versions have no such times in their rows.
    let any = rows.iter().any(|row| row.tbt.count > 0);
    let tbt = metrics.get("tbt").filter(|_| any);
    check_rows_of(&format!("{key}[].tbt"), tbt, rows, |row| row.tbt)
}

fn check_spread(key: &str, spread: &SpreadFigures, requests: u64) -> Result {
    ensure(spread.count <= requests, format!("{key}.count"), || {
        format!("{} values of {requests} requests", spread.count)
    })?;
    ensure(
        spread.sum >= 0.0 && (spread.count > 0 || spread.sum == 0.0),
        format!("{key}.sum"),
        || format!("{} of {} values", spread.sum, spread.count),
    )?;
    ensure(
        spread.p50.is_some() == (spread.count > 0),
        format!("{key}.p50"),
        || {
            format!(
                "contradicts a count of {}: it is null exactly if there are no values",
                spread.count
            )
        },
    )?;
    check_pair(&format!("{key}."), spread.p50, spread.p99)?;
    let known = [
        ("p50", spread.p50),
        ("p90", spread.p90),
        ("p99", spread.p99),
        ("max", spread.max),
    ];
    let known: Vec<(&str, f64)> = known
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    known.windows(2).try_for_each(|pair| {
        let [(lower, low), (upper, high)] = [pair[0], pair[1]];
        ensure(low <= high, format!("{key}.{upper}"), || {
            format!("{high} is below {lower}, {low}")
        })
    })
}

/// Checks that the values in all rows add up to those of the metric, in number and sum.
fn check_rows_of(
    key: &str,
    figures: Option<&MetricFigures>,
    rows: &[RowFigures],
    of: fn(&RowFigures) -> SpreadFigures,
) -> Result {
    let Some(figures) = figures else { return Ok(()) };
    let count: u128 = rows.iter().map(|row| u128::from(of(row).count)).sum();
    ensure(count == u128::from(figures.count), format!("{key}.count"), || {
        format!("{count} in its rows, {} in the metric", figures.count)
    })?;
    let sum: f64 = rows.iter().map(|row| of(row).sum).sum();
    let whole = figures.mean.unwrap_or(0.0) * figures.count as f64;
    ensure(
        (sum - whole).abs() <= whole * ROUNDING,
        format!("{key}.sum"),
        || format!("{sum} ms in its rows, {whole} ms by mean and count of the metric"),
    )
}
