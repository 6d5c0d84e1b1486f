//! The settings of pushing: where, how often, and under which names.

use crate::error::Place;
use crate::units::{Nanos, SECOND, Secret, duration_text, redact};
use serde::{Serialize, Serializer};

const JOB_DEFAULT: &str = "llmload";
const INTERVAL_DEFAULT: Nanos = 10 * SECOND;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PushConfig {
    pub enabled: bool,
    /// URL with its scheme, without a slash at the end.
    #[serde(rename = "pushgateway_url", serialize_with = "redacted")]
    pub url: String,
    #[serde(rename = "job_name")]
    pub job: String,
    /// `None` means the host's name.
    #[serde(rename = "instance_name", skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    #[serde(rename = "push_interval_seconds", serialize_with = "duration_text")]
    pub interval: Nanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    #[serde(skip)]
    pub place: Place,
}

impl Default for PushConfig {
    fn default() -> PushConfig {
        PushConfig {
            enabled: false,
            url: String::new(),
            job: JOB_DEFAULT.to_owned(),
            instance: None,
            interval: INTERVAL_DEFAULT,
            username: None,
            password: None,
            place: Place::default(),
        }
    }
}

fn redacted<S: Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&redact(url))
}
