//! What was asked for: the document with the command line laid over it. `Plan::build` says what it means.

use crate::config::duration::{format_duration, format_duration_span, format_span};
use crate::config::{Mistake, Reason, Settings};
use crate::plan::Executor;
use crate::units::Nanos;
use crate::workload::{LightPath, Span};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Serialised, and without `profile` and `run`, it is a document that reads back as itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Name of a built-in profile, or the path of a file.
    pub profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Each endpoint is asked once before the load.
    pub validate: bool,
    /// A generator that was the limit is exit code 113.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_fit: bool,
    pub seed: u64,
    #[serde(flatten)]
    pub executor: Executor,
    #[serde(serialize_with = "duration_text")]
    pub graceful_stop: Nanos,
    #[serde(serialize_with = "duration_span_text")]
    pub think_time: Span<Nanos>,
    pub requests: Vec<RequestConfig>,
    /// Thresholds are judged step by step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub steps: bool,
    /// How the built-in simulator is set up where no option says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorConfig>,
    #[serde(serialize_with = "threshold_map", skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdConfig>,
    pub run: Settings,
    /// Where the shape was given.
    #[serde(skip)]
    pub shape_place: Place,
    #[serde(skip)]
    pub requests_place: Place,
}

/// One kind of request in the mix, with what it inherits from the document filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestConfig {
    pub name: String,
    pub weight: u32,
    #[serde(flatten)]
    pub call: CallConfig,
    #[serde(serialize_with = "duration_text")]
    pub timeout: Nanos,
    #[serde(serialize_with = "duration_text")]
    pub connect_timeout: Nanos,
    #[serde(
        serialize_with = "optional_duration_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_token_timeout: Option<Nanos>,
    #[serde(
        serialize_with = "optional_duration_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub idle_timeout: Option<Nanos>,
    #[serde(skip)]
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum CallConfig {
    Chat {
        stream: bool,
        #[serde(serialize_with = "count_span_text")]
        max_tokens: Span<u32>,
        models: Vec<String>,
        prompts: Vec<String>,
    },
    Light,
    /// In a document it is a light request with a path.
    #[serde(rename = "light")]
    Get {
        path: LightPath,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulatorConfig {
    /// Name of a latency profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// Tokens of each answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdConfig {
    pub metric: String,
    pub expression: String,
    /// The run ends when it fails.
    pub abort_on_fail: bool,
    /// But not before this much of the run.
    pub delay_abort_eval: Option<Nanos>,
    pub place: Place,
}

/// A file and a line in it, or an option and 0. All places are equal, so that what was asked for compares
/// equal wherever it was written.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub name: String,
    pub line: usize,
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Place {
    pub fn file(name: &str, line: usize) -> Place {
        Place {
            name: name.to_owned(),
            line,
        }
    }

    pub fn option(name: &str) -> Place {
        Place {
            name: name.to_owned(),
            line: 0,
        }
    }

    pub fn mistake(&self, reason: Reason) -> Mistake {
        reason.at(self.name.as_str(), self.line)
    }
}

pub fn duration_text<S: Serializer>(nanos: &Nanos, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_duration(*nanos))
}

fn optional_duration_text<S: Serializer>(nanos: &Option<Nanos>, to: S) -> Result<S::Ok, S::Error> {
    nanos.map(format_duration).serialize(to)
}

fn duration_span_text<S: Serializer>(span: &Span<Nanos>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_duration_span(*span))
}

fn count_span_text<S: Serializer>(span: &Span<u32>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_span(*span, |count| count.to_string()))
}

/// Metric -> its expressions, as in the document.
fn threshold_map<S: Serializer>(list: &[ThresholdConfig], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    for (i, first) in list.iter().enumerate() {
        if list[..i].iter().any(|before| before.metric == first.metric) {
            continue;
        }
        let same = list.iter().filter(|other| other.metric == first.metric);
        let forms: Vec<ThresholdForm<'_>> = same.map(ThresholdForm::of).collect();
        map.serialize_entry(&first.metric, &forms)?;
    }
    map.end()
}

/// k6's two forms.
#[derive(Serialize)]
#[serde(untagged)]
enum ThresholdForm<'a> {
    Short(&'a str),
    Long {
        threshold: &'a str,
        #[serde(rename = "abortOnFail")]
        abort_on_fail: bool,
        #[serde(
            rename = "delayAbortEval",
            serialize_with = "optional_duration_text",
            skip_serializing_if = "Option::is_none"
        )]
        delay_abort_eval: Option<Nanos>,
    },
}

impl ThresholdForm<'_> {
    fn of(threshold: &ThresholdConfig) -> ThresholdForm<'_> {
        match threshold.abort_on_fail {
            false => ThresholdForm::Short(&threshold.expression),
            true => ThresholdForm::Long {
                threshold: &threshold.expression,
                abort_on_fail: true,
                delay_abort_eval: threshold.delay_abort_eval,
            },
        }
    }
}
