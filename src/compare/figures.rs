//! One run prepared for comparison: its figures, and their changes compared with another run's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::compare::stats::{
    Change, Ecdf, Serial, Side, Why, has_interval, mean_change, quantile_change, welch_change,
};
use crate::compare::{Run, Scalar, Slice, Stat, Trend, Values, matching};

/// The metrics whose rows per second are used for metrics that have none. `latency` comes first, because it counts
/// every request.
const DONORS: [&str; 4] = ["latency", "service_time", "ttft", "ttfb"];

/// A figure of a trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// A percentile, in percent from 0 to 100.
    Percentile(f64),
    Mean,
}

impl Statistic {
    pub const ALL: [Statistic; 6] = [
        Statistic::Percentile(50.0),
        Statistic::Percentile(90.0),
        Statistic::Percentile(95.0),
        Statistic::Percentile(99.0),
        Statistic::Percentile(99.9),
        Statistic::Mean,
    ];
    /// The percentile that is shown only if there are enough values for its interval.
    const RARE: Statistic = Statistic::Percentile(99.9);

    /// Parses `p50`, ..., `p99.9` or `mean`.
    pub fn parse(text: &str) -> Option<Statistic> {
        Statistic::ALL.into_iter().find(|stat| stat.to_string() == text)
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Percentile(p) => write!(f, "p{p}"),
            Statistic::Mean => f.write_str("mean"),
        }
    }
}

/// A trend with its values in order. There are none for a summary.
pub struct ReadyTrend<'a> {
    pub trend: &'a Trend,
    ecdf: Option<Ecdf>,
}

impl ReadyTrend<'_> {
    fn figure(&self, stat: Statistic) -> Option<f64> {
        if let Some(stated) = find(&self.trend.stated, stat) {
            return Some(stated);
        }
        match (&self.ecdf, &self.trend.values, stat) {
            (Some(ecdf), _, Statistic::Mean) => Some(ecdf.mean()),
            (Some(ecdf), _, Statistic::Percentile(p)) => Some(ecdf.quantile(p / 100.0)),
            (None, Values::Summary { stats, .. }, wanted) => find(stats, wanted),
            (None, _, _) => None,
        }
    }
}

/// Finds a statistic among those that a file states.
fn find(stats: &[(Stat, f64)], wanted: Statistic) -> Option<f64> {
    let is = |stat: &Stat| match (stat, wanted) {
        (Stat::Mean, Statistic::Mean) => true,
        (Stat::Percentile(a), Statistic::Percentile(b)) => (a - b).abs() < 1e-9,
        _ => false,
    };
    stats.iter().find(|(stat, _)| is(stat)).map(|(_, value)| *value)
}

/// A distribution to draw, as points of milliseconds and the share of values up to there.
pub enum Curve {
    /// All values of the run.
    Whole(Vec<(f64, f64)>),
    /// Single percentiles, with nothing known in between.
    Points(Vec<(f64, f64)>),
}

/// A run with its values in order, and its repetitions, if they are compared.
pub struct Prepared<'a> {
    pub run: &'a Run,
    trends: HashMap<&'static str, ReadyTrend<'a>>,
    repeats: Vec<Prepared<'a>>,
}

impl<'a> Prepared<'a> {
    /// Prepares a run; with `with_repeats` its repetitions as well.
    pub fn new(run: &'a Run, with_repeats: bool) -> Prepared<'a> {
        let ready = |trend: &'a Trend| ReadyTrend {
            trend,
            ecdf: Ecdf::from_values(&trend.values),
        };
        let named = run.trends.iter().map(|trend| trend.metric);
        let found = named.filter_map(|metric| Some((metric, ready(matching::trend(run, metric)?))));
        let repeats = run.repeats.iter().filter(|_| with_repeats);
        Prepared {
            run,
            trends: found.collect(),
            repeats: repeats.map(|run| Prepared::new(run, false)).collect(),
        }
    }

    pub fn trend(&self, metric: &str) -> Option<&ReadyTrend<'a>> {
        self.trends.get(metric)
    }

    pub fn scalar(&self, metric: &str) -> Option<&'a Scalar> {
        self.run.scalars.iter().find(|s| s.metric == metric)
    }

    /// Returns a scalar's value; for repeated runs their mean.
    pub fn scalar_value(&self, metric: &str) -> Option<f64> {
        match self.scalar_repeats(metric) {
            Some(values) => Some(values.iter().sum::<f64>() / values.len() as f64),
            None => self.scalar(metric).map(|s| s.value),
        }
    }

    /// Returns the amount in each second. A rate has the rows of its count.
    pub fn rate_rows(&self, metric: &str) -> Cow<'a, [Slice]> {
        let rows = |name: &str| self.scalar(name).map_or(&[][..], |s| &s.slices);
        let own = rows(metric);
        if !own.is_empty() {
            return Cow::Borrowed(own);
        }
        match metric {
            "requests_per_second" => Cow::Borrowed(rows("requests")),
            "iterations_per_second" => Cow::Borrowed(rows("iterations")),
            "output_tokens_per_second" => Cow::Borrowed(rows("output_tokens")),
            "ok_requests_per_second" => {
                let pairs = rows("requests").iter().zip(rows("error_rate"));
                let ok = |(all, failed): (&Slice, &Slice)| Slice {
                    sum: all.sum - failed.sum,
                    ..*all
                };
                pairs.map(ok).collect()
            }
            _ => Cow::Borrowed(&[]),
        }
    }

    pub fn scalar_repeats(&self, metric: &str) -> Option<Vec<f64>> {
        let values = self.repeats.iter().map(|run| run.scalar(metric).map(|s| s.value));
        let values: Option<Vec<f64>> = values.collect();
        values.filter(|values| !values.is_empty())
    }

    fn repeated(&self, metric: &str, stat: Statistic) -> Option<Vec<f64>> {
        let values = self.repeats.iter().map(|run| run.trend(metric)?.figure(stat));
        let values: Option<Vec<f64>> = values.collect();
        values.filter(|values| !values.is_empty())
    }

    /// Returns a figure in milliseconds. For repeated runs it is the geometric mean, because changes are ratios of it.
    pub fn figure(&self, metric: &str, stat: Statistic) -> Option<f64> {
        match self.repeated(metric, stat) {
            Some(values) if values.iter().all(|v| *v > 0.0) => {
                let logs: f64 = values.iter().map(|v| v.ln()).sum();
                Some((logs / values.len() as f64).exp())
            }
            _ => self.trend(metric)?.figure(stat),
        }
    }

    /// Returns where a percentile lies by itself, if the file says so. A mean over repetitions has no such interval.
    pub fn own(&self, metric: &str, stat: Statistic) -> Option<[f64; 2]> {
        let Statistic::Percentile(p) = stat else {
            return None;
        };
        if self.repeated(metric, stat).is_some() {
            return None;
        }
        let intervals = &self.trend(metric)?.trend.intervals;
        let found = intervals.iter().find(|(of, _)| (of - p).abs() < 1e-9);
        found.map(|(_, interval)| *interval)
    }

    /// Tells whether to show the statistic: a rare one needs enough values if the run has the metric.
    pub fn shows(&self, metric: &str, stat: Statistic) -> bool {
        let Statistic::Percentile(p) = stat else {
            return true;
        };
        let ecdf = self.trend(metric).and_then(|t| t.ecdf.as_ref());
        stat != Statistic::RARE || ecdf.is_none_or(|ecdf| has_interval(p / 100.0, ecdf.count()))
    }

    /// Returns the curve to draw: all values or, for a summary, its percentiles.
    pub fn curve(&self, metric: &str) -> Option<Curve> {
        let ready = self.trend(metric)?;
        Some(match (&ready.ecdf, &ready.trend.values) {
            (Some(ecdf), _) => Curve::Whole(ecdf.points().collect()),
            (None, Values::Summary { stats, .. }) => {
                let point = |(stat, ms): &(Stat, f64)| match stat {
                    Stat::Percentile(p) if *p < 100.0 => Some((*ms, p / 100.0)),
                    _ => None,
                };
                let mut points: Vec<(f64, f64)> = stats.iter().filter_map(point).collect();
                points.sort_by(|a, b| a.1.total_cmp(&b.1));
                Curve::Points(points)
            }
            (None, _) => return None,
        })
    }

    /// Tells whether no metric of the run has its values.
    pub fn only_summary(&self) -> bool {
        self.trends.values().all(|t| t.ecdf.is_none())
    }

    fn side(&self, metric: &str) -> Option<Side<'_>> {
        let ecdf = self.trend(metric)?.ecdf.as_ref()?;
        let latency = self
            .trend("latency")
            .and_then(|t| t.ecdf.as_ref())
            .map(Ecdf::count);
        let independent = self.run.facts.requests.or(latency).unwrap_or(u64::MAX).max(1);
        Some(Side { ecdf, independent })
    }

    /// Returns the change of a figure from this run to `new`.
    pub fn change(&self, new: &Prepared, metric: &str, stat: Statistic) -> Option<Change> {
        let (at_a, at_b) = (self.figure(metric, stat)?, new.figure(metric, stat)?);
        if self.sense(metric) != new.sense(metric) {
            return Some(Change::without_interval(at_a, at_b, Why::OtherSense));
        }
        if let Some((a, b)) = self.repeated(metric, stat).zip(new.repeated(metric, stat))
            && at_a > 0.0
            && at_b > 0.0
        {
            return Some(welch_change(&a, &b));
        }
        if self.counts_differently(new, metric) {
            return Some(Change::without_interval(at_a, at_b, Why::OtherValues));
        }
        let Some((a, b)) = self.side(metric).zip(new.side(metric)) else {
            return Some(Change::without_interval(at_a, at_b, Why::OnlySummary));
        };
        let serial = self.serial(new, metric);
        let change = match stat {
            Statistic::Mean => mean_change(a, b, serial),
            Statistic::Percentile(p) => quantile_change(p / 100.0, a, b, serial),
        };
        Some(change.shown_as(at_a, at_b))
    }

    /// Returns what the values of a metric are of; empty for our metric's own.
    pub fn sense(&self, metric: &str) -> &'static str {
        self.trend(metric).map_or("", |ready| ready.trend.sense)
    }

    /// Tells whether the two runs count different things: k6 has a 0 for each request on an open connection, and we
    /// have a value for each new connection.
    fn counts_differently(&self, new: &Prepared, metric: &str) -> bool {
        let differs = |run: &Prepared| run.trend(metric).and_then(|t| t.trend.differs);
        matches!(metric, "connect" | "tls") && differs(self) != differs(new)
    }

    /// Returns what rows per second tell about a metric in both runs: its own rows or, in a run without them, those of
    /// a donor.
    fn serial(&self, new: &Prepared, metric: &str) -> Result<Serial, Why> {
        let (in_a, in_b) = self.rows_of(new, metric).ok_or(Why::NoTimeline)?;
        let serial = self.serial_of(new, in_a, in_b).ok_or(Why::TooFew)?;
        if in_a == metric && in_b == metric {
            return Ok(serial);
        }
        let (a, b) = self.side(metric).zip(new.side(metric)).ok_or(Why::OnlySummary)?;
        Ok(serial.borrowed(a, b))
    }

    fn serial_of(&self, new: &Prepared, in_a: &str, in_b: &str) -> Option<Serial> {
        let (a, b) = (self.trend(in_a)?.trend, new.trend(in_b)?.trend);
        Serial::new((self.side(in_a)?, &a.slices), (new.side(in_b)?, &b.slices))
    }

    fn has_rows(&self, metric: &str) -> bool {
        self.trend(metric)
            .is_some_and(|t| !t.trend.slices.is_empty() && t.ecdf.is_some())
    }

    /// Returns the metrics whose rows are used in this run and in `new`. One that both have is preferred to two
    /// different ones.
    fn rows_of<'m>(&self, new: &Prepared, metric: &'m str) -> Option<(&'m str, &'m str)> {
        if self.has_rows(metric) && new.has_rows(metric) {
            return Some((metric, metric));
        }
        if let Some(common) = DONORS
            .into_iter()
            .find(|donor| self.has_rows(donor) && new.has_rows(donor))
        {
            return Some((common, common));
        }
        let own_or_donor = |run: &Prepared| {
            let own = run.has_rows(metric).then_some(metric);
            own.or_else(|| DONORS.into_iter().find(|donor| run.has_rows(donor)))
        };
        own_or_donor(self).zip(own_or_donor(new))
    }

    /// Returns the metric whose rows are used because `metric` has none in at least one of the runs.
    pub fn donor<'m>(&self, new: &Prepared, metric: &'m str) -> Option<&'m str> {
        let (_, _) = self.side(metric).zip(new.side(metric))?;
        let (in_a, in_b) = self.rows_of(new, metric)?;
        [in_b, in_a].into_iter().find(|donor| *donor != metric)
    }
}
