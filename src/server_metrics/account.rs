//! What the readings of one server come to.

use std::mem::take;

use super::buckets::Buckets;
use super::known::{ServerKind, Together};
use super::reading::{Labels, Reading, Shown};
use crate::units::{Nanos, seconds};

/// The most rows: one per second for a day. When a longer run reaches them, they are merged in pairs.
const ROWS_MAX: usize = 24 * 3_600;

/// When a server was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the load.
    Before,
    /// So long after its start.
    During(Nanos),
    /// When nothing was in flight any more, so long after its start.
    After(Nanos),
}

/// One series of a figure, with its labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series<T> {
    pub labels: Labels,
    pub of: T,
}

/// A gauge: its values before and after, and those during the load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GaugeAccount {
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// Readings during the load, and their sum.
    pub readings: u64,
    pub sum: f64,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// A counter: where it stood, and what came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CounterAccount {
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub increase: f64,
    /// Times that it fell, because the server began anew.
    pub resets: u64,
}

/// A histogram: what came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramAccount {
    pub came: Buckets,
    pub resets: u64,
    latest: Buckets,
}

/// A figure: all its series together, and each.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<T> {
    pub key: String,
    /// The server's own name of it.
    pub name: String,
    pub total: T,
    pub series: Vec<Series<T>>,
}

/// What a server showed at one moment of the load: values of gauges and rates of counters, by the place of the figure
/// in [`Account::columns`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub at: Nanos,
    pub values: Vec<(usize, f64)>,
}

/// The account of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    pub kind: Option<ServerKind>,
    pub gauges: Vec<(Kept<GaugeAccount>, Together)>,
    pub counters: Vec<Kept<CounterAccount>>,
    /// Those of times are in milliseconds.
    pub histograms: Vec<(Kept<HistogramAccount>, bool)>,
    pub readings: u64,
    pub bad_lines: u64,
    pub left_out: u64,
    /// The names of the columns of `rows`.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// When the last reading was, and what the counters came to then.
    last: Option<(Nanos, Vec<f64>)>,
    /// The readings of which each row is the mean.
    per_row: u32,
    in_last: u32,
}

impl GaugeAccount {
    fn add(&mut self, value: f64, moment: Moment) {
        match moment {
            Moment::Before => self.before = Some(value),
            Moment::After(_) => self.after = Some(value),
            Moment::During(_) => {
                self.readings += 1;
                self.sum += value;
                self.min = Some(self.min.map_or(value, |min| min.min(value)));
                self.max = Some(self.max.map_or(value, |max| max.max(value)));
            }
        }
    }

    /// Returns the mean of the readings during the load; of a load that was shorter than the time between two, of those
    /// before and after.
    pub fn mean(&self) -> Option<f64> {
        if self.readings > 0 {
            return Some(self.sum / self.readings as f64);
        }
        let ends: Vec<f64> = self.before.into_iter().chain(self.after).collect();
        (!ends.is_empty()).then(|| ends.iter().sum::<f64>() / ends.len() as f64)
    }

    fn append(&mut self, later: &GaugeAccount) {
        self.before = self.before.or(later.before);
        self.after = later.after.or(self.after);
        self.readings += later.readings;
        self.sum += later.sum;
        let both = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        self.min = both(self.min, later.min, f64::min);
        self.max = both(self.max, later.max, f64::max);
    }
}

impl CounterAccount {
    /// Adds a value. A series that the server shows for the first time after its first answer began at 0 meanwhile.
    fn add(&mut self, value: f64, is_first_reading: bool) {
        let before = match (self.after, is_first_reading) {
            (Some(latest), _) => latest,
            (None, true) => value,
            (None, false) => 0.0,
        };
        self.before.get_or_insert(before);
        match value >= before {
            true => self.increase += value - before,
            false => {
                self.increase += value;
                self.resets += 1;
            }
        }
        self.after = Some(value);
    }

    fn append(&mut self, later: &CounterAccount) {
        self.before = self.before.or(later.before);
        self.after = later.after.or(self.after);
        self.increase += later.increase;
        self.resets += later.resets;
    }
}

impl HistogramAccount {
    fn add(&mut self, shown: &Buckets, is_first_reading: bool) {
        let (came, anew) = match (self.latest.ends.is_empty(), is_first_reading) {
            (true, true) => (shown.since(shown).0, false),
            (true, false) => (shown.clone(), false),
            (false, _) => shown.since(&self.latest),
        };
        self.resets += u64::from(anew);
        // A server that began anew with other buckets has none in common with what came before.
        if self.came.add(&came) {
            self.latest = shown.clone();
        }
    }

    fn append(&mut self, later: &HistogramAccount) {
        self.came.add(&later.came);
        self.resets += later.resets;
    }
}

/// Finds the figure of a key, or begins it.
fn kept<'a, T: Default, S>(
    all: &'a mut Vec<S>,
    shown: (&str, &str),
    new: impl FnOnce(Kept<T>) -> S,
    of: fn(&mut S) -> &mut Kept<T>,
) -> &'a mut Kept<T> {
    let (key, name) = shown;
    let at = match all.iter_mut().position(|one| of(one).key == key) {
        Some(at) => at,
        None => {
            all.push(new(Kept {
                key: key.to_owned(),
                name: name.to_owned(),
                total: T::default(),
                series: Vec::new(),
            }));
            all.len() - 1
        }
    };
    of(&mut all[at])
}

impl<T: Default> Kept<T> {
    fn series(&mut self, labels: &Labels) -> &mut T {
        let at = match self.series.iter().position(|series| series.labels == *labels) {
            Some(at) => at,
            None => {
                self.series.push(Series {
                    labels: labels.clone(),
                    of: T::default(),
                });
                self.series.len() - 1
            }
        };
        &mut self.series[at].of
    }
}

/// Returns what the series of a gauge come to.
fn together(shown: &Shown<f64>, how: Together) -> Option<f64> {
    let values = shown.series.iter().map(|(_, value)| *value);
    let count = shown.series.len();
    if count == 0 {
        return None;
    }
    Some(match how {
        Together::Sum => values.sum(),
        Together::Mean => values.sum::<f64>() / count as f64,
        Together::Max => values.fold(f64::NEG_INFINITY, f64::max),
    })
}

impl Account {
    /// Adds a reading, which is later than all others.
    pub fn add(&mut self, reading: &Reading, moment: Moment) {
        let is_first = self.readings == 0;
        self.readings += 1;
        self.kind = self.kind.or(reading.kind);
        self.bad_lines += reading.bad_lines;
        self.left_out = self.left_out.max(reading.left_out);
        let mut row = Vec::new();
        for (shown, how) in &reading.gauges {
            let Some(total) = together(shown, *how) else {
                continue;
            };
            let own = kept(
                &mut self.gauges,
                (&shown.key, &shown.name),
                |new| (new, *how),
                |one| &mut one.0,
            );
            own.total.add(total, moment);
            for (labels, value) in &shown.series {
                own.series(labels).add(*value, moment);
            }
            row.push((shown.key.clone(), total));
        }
        for shown in &reading.counters {
            let own = kept(
                &mut self.counters,
                (&shown.key, &shown.name),
                |new| new,
                |one| one,
            );
            for (labels, value) in &shown.series {
                own.series(labels).add(*value, is_first);
            }
            own.sum();
        }
        for (shown, is_times) in &reading.histograms {
            let own = kept(
                &mut self.histograms,
                (&shown.key, &shown.name),
                |new| (new, *is_times),
                |one| &mut one.0,
            );
            for (labels, buckets) in &shown.series {
                own.series(labels).add(buckets, is_first);
            }
            own.sum();
        }
        match moment {
            Moment::Before => self.last = Some((0, self.increases())),
            Moment::During(at) | Moment::After(at) => self.add_row(at, row),
        }
    }

    fn increases(&self) -> Vec<f64> {
        self.counters.iter().map(|own| own.total.increase).collect()
    }

    /// Adds a row with the gauges, and with the rates of the counters since the reading before it.
    fn add_row(&mut self, at: Nanos, gauges: Vec<(String, f64)>) {
        let now = self.increases();
        let mut values: Vec<(usize, f64)> = Vec::new();
        for (key, value) in gauges {
            values.push((self.column(key), value));
        }
        if let Some((last, before)) = &self.last
            && at > *last
        {
            let took = seconds(at - last);
            let rates: Vec<(String, f64)> = self
                .counters
                .iter()
                .zip(now.iter().enumerate())
                .map(|(own, (index, now))| {
                    let came = now - before.get(index).copied().unwrap_or(0.0);
                    (format!("{}_per_second", own.key), came / took)
                })
                .collect();
            for (key, rate) in rates {
                values.push((self.column(key), rate));
            }
        }
        self.last = Some((at, now));
        self.push(Row { at, values });
    }

    fn column(&mut self, key: String) -> usize {
        match self.columns.iter().position(|column| *column == key) {
            Some(at) => at,
            None => {
                self.columns.push(key);
                self.columns.len() - 1
            }
        }
    }

    fn push(&mut self, row: Row) {
        let per_row = self.per_row.max(1);
        if self.in_last < per_row
            && self.in_last > 0
            && let Some(last) = self.rows.last_mut()
        {
            *last = last.mean_with(&row, self.in_last);
            self.in_last += 1;
            return;
        }
        if self.rows.len() >= ROWS_MAX {
            let rows = take(&mut self.rows);
            let pairs = rows.chunks(2);
            self.rows = pairs
                .map(|pair| match pair {
                    [first, second] => first.mean_with(second, 1),
                    rest => rest[0].clone(),
                })
                .collect();
            self.per_row = per_row * 2;
        }
        self.rows.push(row);
        self.in_last = 1;
    }

    /// Adds the account of a later load, whose rows come `offset` later.
    pub fn append(&mut self, later: Account, offset: Nanos) {
        if self.readings == 0 && self.rows.is_empty() {
            *self = later;
            self.rows.iter_mut().for_each(|row| row.at += offset);
            return;
        }
        self.kind = self.kind.or(later.kind);
        self.readings += later.readings;
        self.bad_lines += later.bad_lines;
        self.left_out = self.left_out.max(later.left_out);
        for (own, how) in &later.gauges {
            let sum = kept(
                &mut self.gauges,
                (&own.key, &own.name),
                |new| (new, *how),
                |one| &mut one.0,
            );
            sum.total.append(&own.total);
            for series in &own.series {
                sum.series(&series.labels).append(&series.of);
            }
        }
        for own in &later.counters {
            let sum = kept(&mut self.counters, (&own.key, &own.name), |new| new, |one| one);
            sum.total.append(&own.total);
            for series in &own.series {
                sum.series(&series.labels).append(&series.of);
            }
        }
        for (own, is_times) in &later.histograms {
            let sum = kept(
                &mut self.histograms,
                (&own.key, &own.name),
                |new| (new, *is_times),
                |one| &mut one.0,
            );
            sum.total.append(&own.total);
            for series in &own.series {
                sum.series(&series.labels).append(&series.of);
            }
        }
        for row in later.rows {
            let values = row
                .values
                .iter()
                .map(|(column, value)| (later.columns[*column].clone(), *value));
            let values: Vec<(String, f64)> = values.collect();
            let values = values
                .into_iter()
                .map(|(key, value)| (self.column(key), value))
                .collect();
            self.push(Row {
                at: row.at + offset,
                values,
            });
        }
    }

    /// Returns the counter of a key.
    pub fn counter(&self, key: &str) -> Option<&CounterAccount> {
        let own = self.counters.iter().find(|own| own.key == key);
        own.map(|own| &own.total)
    }

    /// Returns the gauge of a key.
    pub fn gauge(&self, key: &str) -> Option<&GaugeAccount> {
        let own = self.gauges.iter().find(|(own, _)| own.key == key);
        own.map(|(own, _)| &own.total)
    }
}

impl Kept<CounterAccount> {
    /// Makes the total from the series: what is shown, and what came.
    fn sum(&mut self) {
        let add = |of: fn(&CounterAccount) -> Option<f64>| {
            let values = self.series.iter().filter_map(|series| of(&series.of));
            Some(values.sum())
        };
        self.total = CounterAccount {
            before: add(|own| own.before),
            after: add(|own| own.after),
            increase: self.series.iter().map(|series| series.of.increase).sum(),
            resets: self
                .series
                .iter()
                .map(|series| series.of.resets)
                .max()
                .unwrap_or(0),
        };
    }
}

impl Kept<HistogramAccount> {
    /// Makes the total of the series whose buckets are those of the first.
    fn sum(&mut self) {
        let mut total = HistogramAccount::default();
        for series in &self.series {
            total.came.add(&series.of.came);
            total.resets = total.resets.max(series.of.resets);
        }
        self.total = total;
    }
}

impl Row {
    /// Returns the mean of this row, which stands for `weight` readings, and a later one.
    fn mean_with(&self, later: &Row, weight: u32) -> Row {
        let mut values = self.values.clone();
        for (column, value) in &later.values {
            match values.iter_mut().find(|(own, _)| own == column) {
                Some((_, mean)) => *mean += (value - *mean) / f64::from(weight + 1),
                None => values.push((*column, *value)),
            }
        }
        Row { at: later.at, values }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
