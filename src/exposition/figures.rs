//! The figures that Prometheus gets, as numbers.

use crate::metrics::{
    CoreCounters, Distribution, GoodCounts, Merged, MetricId, Outcome, SeriesTotals, Snapshot, TokenUsage,
    WithinLoad,
};
use crate::report::Sliding;
use crate::units::{MICROSECOND, Nanos, seconds};

const PER_DECADE: [Nanos; 6] = [100, 150, 200, 300, 500, 700];
const DECADES: usize = 7;
pub const BOUNDS_COUNT: usize = PER_DECADE.len() * DECADES + 1;

/// Upper bounds of the buckets, 100 us to 1000 s. They are the same for every metric and every run, so that any buckets
/// can be added. With six per decade, a quantile read from them is at most two thirds above the true one. Values above
/// the last bound are in `+Inf` only.
pub const BOUNDS: [Nanos; BOUNDS_COUNT] = bounds();

const fn bounds() -> [Nanos; BOUNDS_COUNT] {
    let mut all = [0; BOUNDS_COUNT];
    let mut scale = MICROSECOND;
    let mut decade = 0;
    while decade < DECADES {
        let mut i = 0;
        while i < PER_DECADE.len() {
            all[decade * PER_DECADE.len() + i] = PER_DECADE[i] * scale;
            i += 1;
        }
        scale *= 10;
        decade += 1;
    }
    all[BOUNDS_COUNT - 1] = PER_DECADE[0] * scale;
    all
}

/// The groups of the run's series, and their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    names: Vec<String>,
    /// Index into `names` for each series.
    of_series: Vec<usize>,
}

impl Grouping {
    /// Makes one group of the series with the same name; groups are in the order of their first series.
    pub fn new(series_names: &[String]) -> Grouping {
        let mut names: Vec<String> = Vec::new();
        let mut group_of = |name: &String| {
            names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            })
        };
        let of_series = series_names.iter().map(&mut group_of).collect();
        Grouping { names, of_series }
    }

    /// Returns an empty slot for each group.
    fn slots(&self) -> Vec<Slot> {
        vec![Slot::default(); self.names.len()]
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    pub p50: Option<Nanos>,
    pub p90: Option<Nanos>,
    pub p99: Option<Nanos>,
}

impl Quantiles {
    fn from_distribution(d: &Distribution) -> Quantiles {
        Quantiles {
            p50: d.quantile(0.5),
            p90: d.quantile(0.9),
            p99: d.quantile(0.99),
        }
    }
}

/// The gauges: of the last seconds during the run, of the whole run when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    pub latency: Quantiles,
    pub ttft: Quantiles,
    pub output_tokens_per_second: f64,
    /// `None` while no answer states its prompt tokens.
    pub input_tokens_per_second: Option<f64>,
    /// Share of cached among prompt tokens, of the answers that state both.
    pub cached_share: Option<f64>,
    /// Rate of ok and failed requests.
    pub requests_per_second: f64,
    /// Share of failed among ok and failed requests; `None` while there are none.
    pub error_rate: Option<f64>,
    /// Share of timeouts and 503s among ok and failed requests.
    pub contention_error_rate: Option<f64>,
    /// Share of good requests among those that have limits.
    pub goodput: Option<f64>,
    /// `None` if users belong to no endpoint.
    pub active_users: Option<u64>,
}

/// The counts of one distribution since the start. `counts[i]` holds the values above `BOUNDS[i - 1]` up to
/// `BOUNDS[i]`; the values that are missing from `count` lie above the last bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    pub counts: [u64; BOUNDS_COUNT],
    pub count: u64,
    pub sum_ns: u128,
}

impl Buckets {
    fn new() -> Buckets {
        Buckets {
            counts: [0; BOUNDS_COUNT],
            count: 0,
            sum_ns: 0,
        }
    }

    pub fn append_distribution(&mut self, d: &Distribution) {
        d.count_into(&BOUNDS, &mut self.counts);
        self.count += d.offered();
        self.sum_ns += d.sum_ns();
    }
}

/// What an endpoint counted since the start, over all repetitions of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointCounts {
    /// Ok and failed requests.
    pub requests: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Arrivals that found nobody to take them.
    pub dropped: u64,
    /// Indexed by `Outcome as usize`.
    pub by_outcome: [u64; Outcome::COUNT],
    pub goodput: GoodCounts,
    pub output_tokens: u64,
    pub usage: TokenUsage,
    pub latency: Buckets,
    pub ttft: Buckets,
    pub tbt: Buckets,
    pub schedule_lag: Buckets,
}

impl EndpointCounts {
    fn new() -> EndpointCounts {
        EndpointCounts {
            requests: 0,
            failed: 0,
            cancelled: 0,
            dropped: 0,
            by_outcome: [0; Outcome::COUNT],
            goodput: GoodCounts::default(),
            output_tokens: 0,
            usage: TokenUsage::default(),
            latency: Buckets::new(),
            ttft: Buckets::new(),
            tbt: Buckets::new(),
            schedule_lag: Buckets::new(),
        }
    }

    fn append_series(&mut self, series: &SeriesTotals) {
        self.requests += series.completed();
        self.failed += series.failed();
        self.cancelled += series.cancelled();
        self.dropped += series.dropped_iterations;
        for outcome in Outcome::ALL {
            self.by_outcome[outcome as usize] += series.outcome(outcome);
        }
        self.goodput.merge(&series.goodput);
        self.output_tokens += series.output_tokens;
        self.usage.merge(&series.usage);
        let lag = series.metric(MetricId::ScheduleLag);
        self.latency.append_distribution(series.metric(MetricId::Latency));
        self.ttft.append_distribution(series.metric(MetricId::Ttft));
        self.tbt.append_distribution(series.metric(MetricId::Tbt));
        self.schedule_lag.append_distribution(lag);
    }
}

/// What one worker core counted since the start, over all repetitions of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    pub busy_ns: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub connections: u64,
}

impl WorkerCounts {
    fn from_counters(counters: &CoreCounters) -> WorkerCounts {
        WorkerCounts {
            busy_ns: counters.busy_ns,
            sent_bytes: counters.bytes_sent,
            received_bytes: counters.bytes_received,
            connections: counters.connections_opened,
        }
    }

    fn merge(&mut self, other: &WorkerCounts) {
        let WorkerCounts {
            busy_ns,
            sent_bytes,
            received_bytes,
            connections,
        } = other;
        self.busy_ns += busy_ns;
        self.sent_bytes += sent_bytes;
        self.received_bytes += received_bytes;
        self.connections += connections;
    }
}

/// Everything that is counted since the start: per endpoint, and per worker core.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counts {
    endpoints: Vec<EndpointCounts>,
    workers: Vec<WorkerCounts>,
}

impl Counts {
    fn new(grouping: &Grouping) -> Counts {
        Counts {
            endpoints: vec![EndpointCounts::new(); grouping.names.len()],
            workers: Vec::new(),
        }
    }

    fn append_merged(&mut self, merged: &Merged, grouping: &Grouping) {
        for (series, group) in merged.series.iter().zip(&grouping.of_series) {
            self.endpoints[*group].append_series(series);
        }
        if self.workers.len() < merged.cores.len() {
            self.workers.resize(merged.cores.len(), WorkerCounts::default());
        }
        for (worker, core) in self.workers.iter_mut().zip(&merged.cores) {
            worker.merge(&WorkerCounts::from_counters(&core.counters));
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct EndpointFigures {
    pub name: String,
    pub gauges: Gauges,
    pub counts: EndpointCounts,
}

/// What a run is, for the labels of `llm_run_info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInfo {
    /// The name of a built-in profile, or the path of a file.
    pub profile: String,
    /// The part of a plan that this process runs, `1/4`; empty if it runs all of it.
    pub shard: String,
    pub version: String,
}

/// All figures at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub info: RunInfo,
    /// Gauges of all endpoints together.
    pub all: Gauges,
    pub endpoints: Vec<EndpointFigures>,
    pub workers: Vec<WorkerCounts>,
    /// The run is over, and gauges cover all of it.
    pub is_last: bool,
}

/// The figures of what finished in one group during an interval or the run.
#[derive(Clone, Debug, Default)]
struct Slot {
    completed: u64,
    failed: u64,
    contention: u64,
    goodput: GoodCounts,
    /// The requests and tokens that rates count.
    rated_requests: u64,
    rated_tokens: u64,
    rated_prompt_tokens: u64,
    usage: TokenUsage,
    latency: Distribution,
    ttft: Distribution,
}

impl Slot {
    /// Adds a series, of which rates count what is `rated`.
    fn merge_series(&mut self, series: &SeriesTotals, rated: WithinLoad) {
        self.completed += series.completed();
        self.failed += series.failed();
        self.contention += series.contention_errors();
        self.goodput.merge(&series.goodput);
        self.rated_requests += rated.completed();
        self.rated_tokens += rated.output_tokens;
        self.rated_prompt_tokens += rated.prompt_tokens;
        self.usage.merge(&series.usage);
        self.latency.merge(series.metric(MetricId::Latency));
        self.ttft.merge(series.metric(MetricId::Ttft));
    }

    fn merge(&mut self, other: &Slot) {
        let Slot {
            completed,
            failed,
            contention,
            goodput,
            rated_requests,
            rated_tokens,
            rated_prompt_tokens,
            usage,
            latency,
            ttft,
        } = other;
        self.completed += completed;
        self.failed += failed;
        self.contention += contention;
        self.goodput.merge(goodput);
        self.rated_requests += rated_requests;
        self.rated_tokens += rated_tokens;
        self.rated_prompt_tokens += rated_prompt_tokens;
        self.usage.merge(usage);
        self.latency.merge(latency);
        self.ttft.merge(ttft);
    }

    fn reset(&mut self) {
        let Slot {
            completed,
            failed,
            contention,
            goodput,
            rated_requests,
            rated_tokens,
            rated_prompt_tokens,
            usage,
            latency,
            ttft,
        } = self;
        *goodput = GoodCounts::default();
        *usage = TokenUsage::default();
        for n in [
            completed,
            failed,
            contention,
            rated_requests,
            rated_tokens,
            rated_prompt_tokens,
        ] {
            *n = 0;
        }
        latency.reset();
        ttft.reset();
    }

    fn gauges(&self, span: Nanos, active_users: Option<u64>) -> Gauges {
        let per_second = |n: u64| if span == 0 { 0.0 } else { n as f64 / seconds(span) };
        let states_prompts = self.usage.prompt.requests > 0;
        let share = |n: u64| (self.completed > 0).then(|| n as f64 / self.completed as f64);
        Gauges {
            latency: Quantiles::from_distribution(&self.latency),
            ttft: Quantiles::from_distribution(&self.ttft),
            output_tokens_per_second: per_second(self.rated_tokens),
            input_tokens_per_second: states_prompts.then(|| per_second(self.rated_prompt_tokens)),
            cached_share: self.usage.cached.share(),
            requests_per_second: per_second(self.rated_requests),
            error_rate: share(self.failed),
            contention_error_rate: share(self.contention),
            goodput: self.goodput.share(),
            active_users,
        }
    }
}

/// The figures that the reporter keeps for Prometheus: two distributions per group and interval, for as many intervals
/// as make ten seconds; an interval that is longer is kept alone.
#[derive(Clone, Debug)]
pub struct FiguresView {
    info: RunInfo,
    grouping: Grouping,
    /// Slot of each group since the last figures.
    open: Vec<Slot>,
    window: Sliding<Vec<Slot>>,
    /// What was counted in repetitions that are over.
    earlier: Counts,
}

impl FiguresView {
    pub fn new(grouping: Grouping, info: RunInfo) -> FiguresView {
        FiguresView {
            info,
            open: grouping.slots(),
            window: Sliding::new(),
            earlier: Counts::new(&grouping),
            grouping,
        }
    }

    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        for (index, _, series) in snapshot.each() {
            let group = self.grouping.of_series[index];
            self.open[group].merge_series(series, series.rated());
        }
    }

    /// Ends an interval at `elapsed` since the start. Its gauges cover the last ten seconds, or the time since the last
    /// figures if that is longer.
    pub fn figures(&mut self, merged: &Merged, elapsed: Nanos) -> Figures {
        let closed = std::mem::take(&mut self.open);
        let recycled = self.window.push(closed, elapsed);
        self.open = recycled.unwrap_or_else(|| self.grouping.slots());
        self.open.iter_mut().for_each(Slot::reset);
        let mut slots = self.grouping.slots();
        for interval in self.window.slots() {
            slots
                .iter_mut()
                .zip(interval)
                .for_each(|(all, one)| all.merge(one));
        }
        let users = merged.counters().vus_running;
        let mut counts = self.earlier.clone();
        counts.append_merged(merged, &self.grouping);
        let mut figures = self.make(&slots, counts, (self.window.span(), users), false);
        for (series, group) in merged.series.iter().zip(&self.grouping.of_series) {
            let under_way = series.started.saturating_sub(series.finished());
            let gauges = &mut figures.endpoints[*group].gauges;
            gauges.active_users = gauges.active_users.map(|n| n + under_way);
        }
        figures
    }

    /// Ends a repetition of the load, so that counts go on in the next one, whose `Merged` begins at 0.
    pub fn end_pass(&mut self, merged: &Merged) {
        self.earlier.append_merged(merged, &self.grouping);
    }

    /// Returns the figures before anything was sent: counts of 0, so that a scraper sees them grow.
    pub fn first_figures(&self) -> Figures {
        self.make(&self.grouping.slots(), self.earlier.clone(), (0, 0), false)
    }

    /// Returns the figures after the end of the run, with gauges of all of it. Rates are those of the load, as in the
    /// result document: `loaded` is how long it went on. `total` has all repetitions.
    pub fn last_figures(&self, total: &Merged, loaded: Nanos) -> Figures {
        let mut slots = self.grouping.slots();
        for (series, group) in total.series.iter().zip(&self.grouping.of_series) {
            slots[*group].merge_series(series, series.within_load());
        }
        let mut counts = Counts::new(&self.grouping);
        counts.append_merged(total, &self.grouping);
        self.make(&slots, counts, (loaded, 0), true)
    }

    fn make(&self, slots: &[Slot], counts: Counts, (span, users): (Nanos, u64), is_last: bool) -> Figures {
        let mut all = Slot::default();
        slots.iter().for_each(|slot| all.merge(slot));
        let named = self.grouping.names.iter().zip(counts.endpoints);
        let endpoints = named.zip(slots).map(|((name, counts), slot)| EndpointFigures {
            name: name.clone(),
            gauges: slot.gauges(span, Some(0)),
            counts,
        });
        Figures {
            info: self.info.clone(),
            all: all.gauges(span, Some(users)),
            endpoints: endpoints.collect(),
            workers: counts.workers,
            is_last,
        }
    }
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
