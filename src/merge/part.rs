//! One process's document, read without its details: these are streamed.

use crate::error::Reason;
use crate::plan::Shard;
use crate::result::{
    CoreFigures, MetricFigures, SCHEMA, ServerCounts, ShardFigures, StampSource, StoppedBy, WarmUp,
};
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a merge reads of a document; `details` and `summary` are passed over.
#[derive(Deserialize)]
struct Sections {
    schema: Option<String>,
    config: Option<Value>,
    host: Option<Value>,
    run: Option<Value>,
    totals: Option<Value>,
    endpoints: Option<Value>,
    /// With several servers, whose rows `endpoints` then are.
    requests: Option<Value>,
    server_timings: Option<Value>,
    timeline: Option<Vec<Row>>,
    server_timeline: Option<Value>,
    warmup: Option<WarmUp>,
    thresholds: Option<Value>,
    steps: Option<Value>,
    client: Option<Value>,
    server: Option<Value>,
    pushes: Option<Value>,
    warnings: Option<Value>,
}

/// One process's part of a run.
#[derive(Debug)]
pub struct Part {
    /// As errors and the merged document name it.
    pub name: String,
    pub shard: Shard,
    /// Nanoseconds since 1970.
    pub started_at: i128,
    pub config: Value,
    pub host: Value,
    pub run: PartRun,
    pub totals: PartTotals,
    /// Of each of the plan's kinds of request, by its name.
    pub kinds: HashMap<String, PartEndpoint>,
    pub server_timings: Option<PartTimings>,
    pub warmup: Option<WarmUp>,
    pub timeline: Vec<Row>,
    pub thresholds: Vec<PartThreshold>,
    pub client: PartClient,
    pub server_counts: Option<ServerCounts>,
    pub warnings: Vec<PartWarning>,
    /// What is kept as it is, side by side.
    pub own: Value,
}

#[derive(Debug, Deserialize)]
pub struct PartRun {
    pub profile: String,
    pub target: String,
    pub started_at: String,
    pub startup_seconds: f64,
    pub duration_seconds: f64,
    pub stopped_by: StoppedBy,
    pub exit_code: u8,
    pub versions: BTreeMap<String, String>,
    pub shard: Option<ShardFigures>,
    /// Of a merged document.
    pub shards: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub struct PartTraffic {
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    pub by_outcome: BTreeMap<String, u64>,
    pub by_status: BTreeMap<u16, u64>,
    pub output_tokens: u64,
    pub token_source: String,
    pub interrupted_elapsed_max_seconds: f64,
}

#[derive(Debug, Deserialize)]
pub struct PartTotals {
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    pub in_flight: u64,
    pub dropped_iterations: u64,
    pub stale_reconnects: u64,
    pub token_events: u64,
    pub coalesced_events: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub connections_opened: u64,
    pub peak_connections: u64,
    pub peak_vus: u64,
}

#[derive(Debug, Deserialize)]
pub struct PartEndpoint {
    pub totals: PartTraffic,
    pub metrics: HashMap<String, MetricFigures>,
}

/// Of what a server says of its own times, all that its histograms do not.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct PartTimings {
    pub prompt: PartClocks,
    pub decode: PartClocks,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct PartClocks {
    pub server_over: u64,
}

/// A row of the timeline; times in seconds, sums and quantiles in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Row {
    pub elapsed: f64,
    pub vus_planned: u64,
    pub vus_running: u64,
    pub connections: u64,
    pub requests: u64,
    pub errors: u64,
    pub output_tokens: u64,
    pub latency: RowSpread,
    pub ttft: RowSpread,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RowSpread {
    pub count: u64,
    pub sum: f64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PartThreshold {
    pub metric: String,
    pub expression: String,
    pub observed: Option<f64>,
    pub ok: bool,
    #[serde(default)]
    pub not_applicable: bool,
}

#[derive(Debug, Deserialize)]
pub struct PartClient {
    pub stamp_source: StampSource,
    pub quickack: bool,
    pub stamps_missing: u64,
    pub clock_steps: u64,
    pub details_lost: u64,
    pub out_of_range: u64,
    pub reap_lag: MetricFigures,
    pub stamp_lag: MetricFigures,
    pub tls: Option<PartTls>,
    pub cores: Vec<CoreFigures>,
}

#[derive(Debug, Deserialize)]
pub struct PartTls {
    pub verified: bool,
    pub handshakes: u64,
    pub resumed: u64,
    pub failures: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PartWarning {
    pub rule: String,
    pub message: String,
}

impl Part {
    /// `name` is the document's in errors.
    pub fn read(name: &str, from: impl Read) -> Result<Part, Reason> {
        let wrong = |what: String, hint: &'static str| Reason::new(format!("{name}: {what}")).hint(hint);
        let sections: Sections = serde_json::from_reader(from).map_err(|e| match e.classify() {
            serde_json::error::Category::Eof => wrong(
                format!("cut off: {e}"),
                "the document of a finished run; what a killed run left is beside it, FILE.details.jsonl",
            ),
            serde_json::error::Category::Io => wrong(format!("cannot be read: {e}"), ""),
            _ => wrong(
                format!("no result document: {e}"),
                "merge takes what --output FILE wrote",
            ),
        })?;
        match sections.schema.as_deref() {
            Some(SCHEMA) => {}
            Some(other) => {
                let what = format!("schema `{other}`, this program reads `{SCHEMA}`");
                return Err(wrong(what, "merge documents with the version that wrote them"));
            }
            None => {
                let what = "no result document: it has no schema".to_owned();
                return Err(wrong(what, "merge takes what --output FILE wrote"));
            }
        }
        let run: PartRun = section(name, "run", sections.run.clone())?;
        if run.shards.is_some() {
            let what = "it is a merged document itself".to_owned();
            return Err(wrong(what, "merge all documents of the run at once"));
        }
        let shard = run.shard.and_then(ShardFigures::shard).ok_or_else(|| {
            let what = "the document of a whole run, not of a shard".to_owned();
            wrong(
                what,
                "merge joins the parts of one run (--shard K/N); `compare` sets runs side by side",
            )
        })?;
        let started_at = OffsetDateTime::parse(&run.started_at, &Rfc3339)
            .map_err(|e| wrong(format!("run.started_at `{}`: {e}", run.started_at), ""))?;
        let server = sections.server.clone();
        Ok(Part {
            name: name.to_owned(),
            shard,
            started_at: started_at.unix_timestamp_nanos(),
            own: own(name, &sections),
            config: section(name, "config", sections.config)?,
            host: section(name, "host", sections.host)?,
            totals: section(name, "totals", sections.totals)?,
            kinds: match sections.requests {
                None => section(name, "endpoints", sections.endpoints)?,
                by_kind => section(name, "requests", by_kind)?,
            },
            server_timings: match sections.server_timings {
                None => None,
                timings => Some(section(name, "server_timings", timings)?),
            },
            warmup: sections.warmup,
            timeline: sections.timeline.unwrap_or_default(),
            thresholds: section(name, "thresholds", sections.thresholds)?,
            client: section(name, "client", sections.client)?,
            server_counts: server.and_then(|value| serde_json::from_value(value).ok()),
            warnings: section(name, "warnings", sections.warnings)?,
            run,
        })
    }
}

fn section<T: DeserializeOwned>(name: &str, key: &str, value: Option<Value>) -> Result<T, Reason> {
    let hint = "was it changed? merge takes what --output FILE wrote";
    let value = value.ok_or_else(|| Reason::new(format!("{name}: no `{key}`")).hint(hint))?;
    serde_json::from_value(value).map_err(|e| Reason::new(format!("{name}: `{key}`: {e}")).hint(hint))
}

/// What belongs to this process alone.
fn own(name: &str, sections: &Sections) -> Value {
    let mut own = serde_json::Map::new();
    own.insert("file".into(), name.into());
    for (key, value) in [
        ("run", &sections.run),
        ("host", &sections.host),
        ("client", &sections.client),
        ("thresholds", &sections.thresholds),
        ("steps", &sections.steps),
        ("server", &sections.server),
        ("server_timeline", &sections.server_timeline),
        ("pushes", &sections.pushes),
        ("warnings", &sections.warnings),
    ] {
        if let Some(value) = value {
            own.insert(key.into(), value.clone());
        }
    }
    Value::Object(own)
}

/// Hands each element of `details` to `take`, one at a time. How many there were; `None`: the document has none.
/// `Err` of the outer kind is the file's, of the inner kind is `take`'s.
pub fn stream_details<E>(
    from: impl Read,
    mut take: impl FnMut(&str) -> Result<(), E>,
) -> Result<Result<Option<u64>, E>, serde_json::Error> {
    let mut stream = Stream {
        take: &mut take,
        count: None,
        failed: None,
    };
    let mut reader = serde_json::Deserializer::from_reader(from);
    reader.deserialize_map(&mut stream)?;
    Ok(match stream.failed {
        Some(e) => Err(e),
        None => Ok(stream.count),
    })
}

struct Stream<'a, E> {
    take: &'a mut dyn FnMut(&str) -> Result<(), E>,
    count: Option<u64>,
    failed: Option<E>,
}

impl<'de, E> Visitor<'de> for &mut Stream<'_, E> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a result document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "details" => map.next_value_seed(Elements(self))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Elements<'a, 'b, E>(&'a mut Stream<'b, E>);

impl<'de, E> DeserializeSeed<'de> for Elements<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, E> Visitor<'de> for Elements<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of requests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let count = self.0.count.get_or_insert(0);
        while let Some(element) = seq.next_element::<Box<RawValue>>()? {
            *count += 1;
            if self.0.failed.is_none()
                && let Err(e) = (self.0.take)(element.get())
            {
                self.0.failed = Some(e);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Detail<'a> {
    request_id: &'a str,
}

/// Whether a request is one of this shard's: by its VU where its id is `v12-3`, by its number among those that all
/// VUs share where it is `i12`.
pub fn belongs(detail: &str, shard: Shard) -> bool {
    let Ok(Detail { request_id }) = serde_json::from_str(detail) else {
        return false;
    };
    if let Some(iteration) = request_id.strip_prefix('i') {
        return iteration.parse().is_ok_and(|n| shard.has_iteration(n));
    }
    let vu = request_id.strip_prefix('v').and_then(|id| id.split_once('-'));
    vu.is_some_and(|(vu, _)| vu.parse().is_ok_and(|vu| shard.has_vu(vu)))
}
