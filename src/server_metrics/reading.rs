//! One reading: the figures that a text shows.

use std::collections::HashMap;

use super::buckets::Buckets;
use super::known::{NAMES, Name, Only, ServerKind, Sort, Together, figure};
use crate::prometheus::{FamilyKind, Line, Sample, lines};

/// Labels that tell the processes of one engine apart, each of which may show the same figures.
const RANKS: [&str; 3] = ["tp_rank", "pp_rank", "pid"];
/// The most series of a figure, and ends of buckets of one; further ones are counted and left out.
const SERIES_MAX: usize = 64;
const ENDS_MAX: usize = 256;
/// The most labels of a series, and characters of a label that are kept.
const LABELS_MAX: usize = 16;
const LABEL_CHARS_MAX: usize = 128;

/// The labels of a series, sorted, without those that tell the processes of one engine apart.
pub type Labels = Vec<(String, String)>;

/// Part of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Bucket,
    Sum,
    Count,
}

/// Where the value of a name goes.
#[derive(Clone, Copy, Debug)]
enum Goes {
    /// To a known figure: an index into `NAMES`.
    Known(usize, Part),
    /// To a name that was asked for: its index.
    Asked(usize, Part),
}

/// The names that are looked for.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    goes: HashMap<String, Vec<Goes>>,
    asked: Vec<String>,
}

/// A histogram while its lines are read.
#[derive(Debug, Default)]
struct Open {
    below: Vec<(f64, u64)>,
    sum: f64,
    count: Option<u64>,
}

/// The series of one name.
#[derive(Debug, Default)]
struct Found {
    values: Vec<(Labels, f64)>,
    histograms: Vec<(Labels, Open)>,
}

/// A figure with its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown<T> {
    /// Its key, or the name that was asked for.
    pub key: String,
    /// The server's own name of it.
    pub name: String,
    pub series: Vec<(Labels, T)>,
}

/// The figures of one text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub kind: Option<ServerKind>,
    pub gauges: Vec<(Shown<f64>, Together)>,
    pub counters: Vec<Shown<f64>>,
    /// Those of times are in milliseconds.
    pub histograms: Vec<(Shown<Buckets>, bool)>,
    /// Lines that could be read, and those that could not.
    pub samples: u64,
    pub bad_lines: u64,
    /// Series that were left out, because there are too many.
    pub left_out: u64,
}

impl Reading {
    /// Tells whether the text shows any figure that is looked for.
    pub fn is_empty(&self) -> bool {
        self.gauges.is_empty() && self.counters.is_empty() && self.histograms.is_empty()
    }
}

impl Vocabulary {
    /// Makes the vocabulary of all known names, and of those that were asked for.
    pub fn new(asked: &[String]) -> Vocabulary {
        let mut goes: HashMap<String, Vec<Goes>> = HashMap::new();
        let mut add = |name: String, to: Goes| goes.entry(name).or_default().push(to);
        for (index, name) in NAMES.iter().enumerate() {
            let is_histogram = figure(name.key).is_some_and(|figure| figure.sort == Sort::Times);
            if !is_histogram {
                add(name.name.to_owned(), Goes::Known(index, Part::Value));
                continue;
            }
            for (end, part) in PARTS {
                add(format!("{}{end}", name.name), Goes::Known(index, part));
            }
        }
        for (index, name) in asked.iter().enumerate() {
            add(name.clone(), Goes::Asked(index, Part::Value));
            add(format!("{name}_total"), Goes::Asked(index, Part::Value));
            for (end, part) in PARTS {
                add(format!("{name}{end}"), Goes::Asked(index, part));
            }
        }
        Vocabulary {
            goes,
            asked: asked.to_vec(),
        }
    }

    /// Reads a text. Lines that cannot be read are counted and passed over.
    pub fn read(&self, text: &[u8]) -> Reading {
        let mut reading = Reading::default();
        let mut known: Vec<Found> = NAMES.iter().map(|_| Found::default()).collect();
        let mut asked: Vec<Found> = self.asked.iter().map(|_| Found::default()).collect();
        let mut counters: Vec<bool> = self.asked.iter().map(|name| name.ends_with("_total")).collect();
        for line in lines(text) {
            match line {
                Err(_) => reading.bad_lines += 1,
                Ok(Line::Type(name, kind)) => {
                    let is = |own: &String| own == name || own.strip_suffix("_total") == Some(name);
                    if kind == FamilyKind::Counter
                        && let Some(index) = self.asked.iter().position(is)
                    {
                        counters[index] = true;
                    }
                }
                Ok(Line::Sample(sample)) => {
                    reading.samples += 1;
                    for to in self.goes.get(sample.name).into_iter().flatten() {
                        let room = match *to {
                            Goes::Known(index, part) if NAMES[index].takes(&sample) => {
                                known[index].add(&sample, part, NAMES[index].scale)
                            }
                            Goes::Known(..) => true,
                            Goes::Asked(index, part) => {
                                counters[index] |= sample.name.ends_with("_total");
                                asked[index].add(&sample, part, 1.0)
                            }
                        };
                        reading.left_out += u64::from(!room);
                    }
                }
            }
        }
        reading.take_known(known);
        reading.take_asked(&self.asked, asked, &counters);
        reading
    }
}

const PARTS: [(&str, Part); 3] = [
    ("_bucket", Part::Bucket),
    ("_sum", Part::Sum),
    ("_count", Part::Count),
];

impl Name {
    fn takes(&self, sample: &Sample<'_>) -> bool {
        let has = |label: &str, values: &[&str]| {
            let own = sample.labels.get(label).unwrap_or_default();
            values.contains(&own.as_ref())
        };
        match self.only {
            Only::All => true,
            Only::With(label, values) => has(label, values),
            Only::Without(label, values) => !has(label, values),
        }
    }
}

impl Found {
    /// Adds a sample. Of the processes of one engine, and of a series that stands twice, the highest counts. Returns
    /// false if there is no room for it.
    fn add(&mut self, sample: &Sample<'_>, part: Part, scale: f64) -> bool {
        let value = sample.value * scale;
        if !value.is_finite() {
            return true;
        }
        let labels = labels_of(sample, part == Part::Bucket);
        if part == Part::Value {
            let room = self.values.len() < SERIES_MAX;
            return match self.values.iter_mut().find(|(own, _)| *own == labels) {
                Some((_, highest)) => {
                    *highest = highest.max(value);
                    true
                }
                None if !room => false,
                None => {
                    self.values.push((labels, value));
                    true
                }
            };
        }
        let at = self.histograms.iter().position(|(own, _)| *own == labels);
        let at = match at {
            Some(at) => at,
            None if self.histograms.len() >= SERIES_MAX => return false,
            None => {
                self.histograms.push((labels, Open::default()));
                self.histograms.len() - 1
            }
        };
        self.histograms[at].1.add(sample, part)
    }
}

impl Open {
    fn add(&mut self, sample: &Sample<'_>, part: Part) -> bool {
        let count = sample.value.max(0.0) as u64;
        match part {
            Part::Value => {}
            Part::Sum => self.sum = self.sum.max(sample.value),
            Part::Count => self.count = self.count.max(Some(count)),
            Part::Bucket => {
                let end = sample.labels.get("le").and_then(|le| le.parse::<f64>().ok());
                let Some(end) = end.filter(|end| !end.is_nan()) else {
                    return true;
                };
                let room = self.below.len() < ENDS_MAX;
                match self.below.iter_mut().find(|(own, _)| *own == end) {
                    Some((_, highest)) => *highest = count.max(*highest),
                    None if !room => return false,
                    None => self.below.push((end, count)),
                }
            }
        }
        true
    }

    /// Returns the buckets, whose ends and sum are multiplied by `scale`; `None` if the parts do not make a histogram.
    fn close(self, scale: f64) -> Option<Buckets> {
        if self.below.is_empty() {
            return None;
        }
        let below = self.below.into_iter().map(|(end, count)| (end * scale, count));
        Buckets::from_cumulative(below.collect(), self.sum * scale, self.count)
    }
}

fn labels_of(sample: &Sample<'_>, is_bucket: bool) -> Labels {
    let kept = sample
        .labels
        .iter()
        .filter(|(name, _)| !(RANKS.contains(name) || is_bucket && *name == "le"));
    let short = |text: &str| text.chars().take(LABEL_CHARS_MAX).collect::<String>();
    let mut labels: Labels = kept
        .take(LABELS_MAX)
        .map(|(name, value)| (short(name), short(&value)))
        .collect();
    labels.sort_unstable();
    labels
}

/// Milliseconds in a second.
const MILLIS: f64 = 1e3;

impl Reading {
    /// Takes the known figures: of several names of one the first that has a value.
    fn take_known(&mut self, found: Vec<Found>) {
        let mut by_kind: Vec<(ServerKind, usize)> = Vec::new();
        let mut taken: Vec<(&str, ServerKind)> = Vec::new();
        for (name, found) in NAMES.iter().zip(found) {
            let is_empty = found.values.is_empty() && found.histograms.is_empty();
            let is_taken = taken.iter().any(|(key, _)| *key == name.key);
            if is_empty {
                continue;
            }
            if is_taken {
                if name.is_added {
                    self.add_to(name, found);
                }
                continue;
            }
            let Some(figure) = figure(name.key) else { continue };
            let before = self.figures();
            self.take(name.key, name.name, found, figure.sort);
            if self.figures() > before {
                taken.push((name.key, name.kind));
                match by_kind.iter_mut().find(|(kind, _)| *kind == name.kind) {
                    Some((_, names)) => *names += 1,
                    None => by_kind.push((name.kind, 1)),
                }
            }
        }
        self.kind = by_kind
            .into_iter()
            .max_by_key(|(_, names)| *names)
            .map(|(kind, _)| kind);
    }

    /// Adds the values of a name to the counter that stands already.
    fn add_to(&mut self, name: &Name, found: Found) {
        let Some(sum) = self.counters.iter_mut().find(|shown| shown.key == name.key) else {
            return;
        };
        for (labels, value) in found.values {
            match sum.series.iter_mut().find(|(own, _)| *own == labels) {
                Some((_, own)) => *own += value,
                None => sum.series.push((labels, value)),
            }
            if !sum.name.ends_with(name.name) {
                sum.name.push_str(&format!(" + {}", name.name));
            }
        }
    }

    fn take_asked(&mut self, names: &[String], found: Vec<Found>, counters: &[bool]) {
        for ((name, found), is_counter) in names.iter().zip(found).zip(counters) {
            // The known figure has another key; both are told.
            let has_buckets = found.histograms.iter().any(|(_, open)| !open.below.is_empty());
            let sort = match (has_buckets, is_counter) {
                (true, _) if name.ends_with("_seconds") => Sort::Times,
                (true, _) => Sort::Histogram,
                (false, true) => Sort::Counter,
                (false, false) => Sort::Gauge(Together::Sum),
            };
            if !found.values.is_empty() || has_buckets {
                self.take(name, name, found, sort);
            }
        }
    }

    fn figures(&self) -> usize {
        self.gauges.len() + self.counters.len() + self.histograms.len()
    }

    fn take(&mut self, key: &str, name: &str, found: Found, sort: Sort) {
        let values = Shown {
            key: key.to_owned(),
            name: name.to_owned(),
            series: found.values,
        };
        match sort {
            Sort::Gauge(together) => self.gauges.push((values, together)),
            Sort::Counter => self.counters.push(values),
            Sort::Times | Sort::Histogram => {
                let is_times = sort == Sort::Times;
                let scale = if is_times { MILLIS } else { 1.0 };
                let closed = found.histograms.into_iter();
                let series = closed.filter_map(|(labels, open)| Some((labels, open.close(scale)?)));
                let shown = Shown {
                    key: key.to_owned(),
                    name: name.to_owned(),
                    series: series.collect(),
                };
                if !shown.series.is_empty() {
                    self.histograms.push((shown, is_times));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
