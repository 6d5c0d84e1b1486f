//! The settings of a run apart from the load itself: where it goes and how it is measured.

use crate::calibration::Calibration;
use crate::cli::{RunArgs, ShardSpec, Stamp};
use crate::config::coordinate::coordinate_config;
use crate::config::metrics_listen::listen_config;
use crate::config::options::calibration::calibration;
use crate::config::to_plan::shard::shard;
use crate::config::variable;
use crate::coordinator::CoordinateConfig;
use crate::error::{Mistake, Reason, quoted};
use crate::export::Export;
use crate::host::{CpuList, IoChoice};
use crate::http1::request::is_ours;
use crate::metrics_listen::ListenConfig;
use crate::plan::{CORES_MAX, MIN_WAIT_MAX, Shard};
use crate::units::{MILLISECOND, Nanos};
use crate::units::{Secret, check_duration, duration_text, open_input, optional_path_text, within};
use serde::{Serialize, Serializer};
use std::io::Read;
use std::path::{Path, PathBuf};

pub const MIN_WAIT_DEFAULT: Nanos = MILLISECOND;
pub const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 8 << 10;
const USUAL_KEY: &str = "OPENAI_API_KEY";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// A PEM file with certificates to trust in addition to the system's.
    #[serde(serialize_with = "optional_path_text")]
    pub cacert: Option<PathBuf>,
    /// Any certificate is accepted.
    pub insecure: bool,
    pub cores: Option<u32>,
    pub cpus: Option<CpuList>,
    pub stamp: Stamp,
    pub io: IoChoice,
    #[serde(serialize_with = "duration_text")]
    pub min_wait: Nanos,
    pub quickack: bool,
    pub details: bool,
    /// The files of other tools that the run writes.
    #[serde(skip)]
    pub exports: Vec<Export>,
    #[serde(serialize_with = "optional_path_text")]
    pub output: Option<PathBuf>,
    /// A failed push counts as output that could not be written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub push_required: bool,
    /// Where the run answers Prometheus. It is nothing that was measured, so no document has it.
    #[serde(skip)]
    pub metrics_listen: Option<ListenConfig>,
    /// The headers of every request, including the API key as `authorization`.
    pub headers: Vec<Header>,
    /// A note for the user about the key that is sent.
    #[serde(skip)]
    pub key_note: Option<String>,
    /// The file of a calibration of this host, which the run cites.
    #[serde(
        rename = "calibration",
        serialize_with = "optional_path_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub calibration_file: Option<PathBuf>,
    /// What it says.
    #[serde(skip)]
    pub calibration: Option<Calibration>,
    /// The part of the plan that this process runs; `None` for all of it.
    #[serde(serialize_with = "shard_text", skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The run of several processes that this one takes part in. Each has a part of its own, so no document has it.
    #[serde(skip)]
    pub coordinate: Option<CoordinateConfig>,
}

/// A header that can be sent: its name is a token, and its value has no control characters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Header {
    pub name: String,
    pub value: Secret,
}

impl Header {
    /// Tells whether the header has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns a key in the form that most servers accept.
    pub fn bearer(key: &str) -> Header {
        Header {
            name: "authorization".into(),
            value: Secret::from(format!("Bearer {key}")),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            cacert: None,
            insecure: false,
            cores: None,
            cpus: None,
            stamp: Stamp::Kernel,
            io: IoChoice::Auto,
            min_wait: MIN_WAIT_DEFAULT,
            quickack: true,
            details: false,
            exports: Vec::new(),
            output: None,
            push_required: false,
            metrics_listen: None,
            headers: Vec::new(),
            key_note: None,
            calibration_file: None,
            calibration: None,
            shard: None,
            coordinate: None,
        }
    }
}

/// Reads the settings, and the key file and the calibration if they are named. It opens nothing else.
pub fn settings(args: &RunArgs, mistakes: &mut Vec<Mistake>) -> Settings {
    let mut wrong = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
    if args.insecure && args.cacert.is_some() {
        let what = "contradicts `--cacert`, because it accepts any certificate";
        wrong("--insecure", Reason::new(what).hint("remove one of them"));
    }
    if args.cores.is_some() && args.cpus.is_some() {
        let what = "cannot be combined with `--cpus`, which already fixes the number of cores";
        wrong("--cores", Reason::new(what).hint("remove one of them"));
    }
    if let Some(cores) = args.cores
        && let Err(reason) = within(Some(cores), &cores.to_string(), &(1..=CORES_MAX))
    {
        wrong("--cores", reason);
    }
    if let Err(reason) = check_duration(args.min_wait, &(0..=MIN_WAIT_MAX)) {
        wrong("--min-wait", reason);
    }
    let (headers, key_note) = headers(args, variable, mistakes);
    let mut sharding = args.sharding.clone();
    if args.coordination.coordinate.is_some() && sharding.rank.is_none() {
        sharding.shard.get_or_insert(ShardSpec::Auto);
    }
    let shard = shard(&sharding, |name| std::env::var(name).ok(), mistakes);
    let coordinate = coordinate_config(&args.coordination, shard, variable, mistakes);
    Settings {
        cacert: args.cacert.clone(),
        insecure: args.insecure,
        cores: args.cores,
        cpus: args.cpus.clone(),
        stamp: args.stamp,
        io: args.io,
        min_wait: args.min_wait,
        quickack: !args.no_quickack,
        details: args.details,
        exports: args.exports.clone(),
        output: args.output.clone(),
        push_required: args.push.push_required,
        metrics_listen: listen_config(&args.metrics, mistakes),
        headers,
        key_note,
        calibration_file: args.calibration.clone(),
        calibration: calibration(args, mistakes),
        shard,
        coordinate,
    }
}

/// Returns the headers, including the key, and the note about it. `env` looks up an environment variable.
fn headers(
    args: &RunArgs,
    env: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> (Vec<Header>, Option<String>) {
    let mut headers: Vec<Header> = Vec::new();
    if args.headers.len() > HEADERS_MAX {
        let what = format!(
            "{} headers are above the limit of {HEADERS_MAX}",
            args.headers.len()
        );
        mistakes.push(Reason::new(what).hint("use fewer headers").at("--header", 0));
        return (headers, None);
    }
    for text in &args.headers {
        match parse_header(text.expose()) {
            Ok(header) => headers.push(header),
            Err(reason) => mistakes.push(reason.at("--header", 0)),
        }
    }
    let authorized = headers.iter().any(|header| header.is("authorization"));
    let (place, key) = match (&args.api_key_file, &args.api_key) {
        (Some(path), _) => ("--api-key-file", read_key(path)),
        (None, Some(key)) => ("LLMLOAD_API_KEY", check_key(key.expose())),
        (None, None) if authorized => return (headers, None),
        (None, None) => {
            let (key, note) = usual_key(env(USUAL_KEY)).unzip();
            headers.extend(key.flatten());
            return (headers, note);
        }
    };
    match key {
        Ok(_) if authorized => {
            let what = "contradicts `--header 'Authorization: …'`";
            mistakes.push(Reason::new(what).hint("remove one of them").at(place, 0));
        }
        Ok(key) => headers.push(Header::bearer(&key)),
        Err(reason) => mistakes.push(reason.at(place, 0)),
    }
    (headers, None)
}

/// Returns the key in the variable that most clients of these APIs read, which is used if ours is not set, with a note.
/// It is not this program's own variable, so an invalid key in it is ignored, and the note says so.
fn usual_key(value: Option<String>) -> Option<(Option<Header>, String)> {
    let value = value.filter(|value| !value.trim().is_empty())?;
    Some(match check_key(&value) {
        Ok(key) => {
            let note = format!(
                "the API key is that of {USUAL_KEY} and is sent only to the target; LLMLOAD_API_KEY takes precedence"
            );
            (Some(Header::bearer(&key)), note)
        }
        Err(reason) => (None, format!("{USUAL_KEY} is ignored: {}", reason.what)),
    })
}

/// Parses `Name: value`. Errors only ever repeat the name, because the value may be a secret.
pub fn parse_header(text: &str) -> Result<Header, Reason> {
    let hint = "write `--header 'Name: value'`";
    let Some((name, value)) = text.split_once(':') else {
        return Err(Reason::new("a header has no colon").hint(hint));
    };
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Reason::new(format!("{} is not a valid header name", quoted(name))).hint(hint));
    }
    if is_ours(name) {
        let what = format!("header `{name}` is set by the program");
        return Err(Reason::new(what).hint("leave it out"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.bytes().any(|b| b != b'\t' && (b < b' ' || b == 0x7f)) {
        return Err(Reason::new(format!(
            "the value of header `{name}` has control characters"
        )));
    }
    if text.len() > HEADER_BYTES_MAX {
        let what = format!(
            "header `{name}` has {} bytes, more than the limit of {HEADER_BYTES_MAX}",
            text.len()
        );
        return Err(Reason::new(what));
    }
    Ok(Header {
        name: name.to_owned(),
        value: value.into(),
    })
}

fn read_key(path: &Path) -> Result<String, Reason> {
    let shown = path.display().to_string();
    let mut text = String::new();
    let limit = HEADER_BYTES_MAX as u64;
    open_input(path)
        .and_then(|file| file.take(limit + 1).read_to_string(&mut text))
        .map_err(|e| {
            let what = format!("{} cannot be read: {e}", quoted(&shown));
            Reason::new(what).hint("name a file that holds the key, in one line")
        })?;
    check_key(&text)
}

/// Checks a key and removes blanks around it. Errors never repeat the key.
pub(super) fn check_key(text: &str) -> Result<String, Reason> {
    let key = text.trim();
    if key.is_empty() {
        return Err(Reason::new("the key is empty")
            .hint("give a key, or none at all: unset the variable, or leave out the option"));
    }
    if key.len() >= HEADER_BYTES_MAX {
        return Err(Reason::new(format!(
            "the key is longer than {HEADER_BYTES_MAX} bytes"
        )));
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Reason::new("the key has blanks or characters outside ASCII")
            .hint("use a single key on one line"));
    }
    Ok(key.to_owned())
}

fn shard_text<S: Serializer>(shard: &Option<Shard>, to: S) -> Result<S::Ok, S::Error> {
    shard.map(|shard| shard.to_string()).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_values_never_shown() {
        let header = parse_header("X-Key:  s3cret: yes\t").unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.expose()),
            ("X-Key", "s3cret: yes")
        );
        assert!(!format!("{header:?}").contains("s3cret"));
        assert!(parse_header("X-Empty:").unwrap().value.expose().is_empty());
        for text in [
            "nocolon",
            ": s3cret",
            "a b: s3cret",
            "X: s3cret\r\nY: 1",
            "X: s3cret\0",
            "Host: s3cret",
        ] {
            let reason = parse_header(text).unwrap_err().to_string();
            assert!(!reason.contains("s3cret"), "{reason}");
        }
    }

    #[test]
    fn openais_variable_is_read_if_ours_is_not_set() {
        use clap::Parser;
        let read = |words: &[&str], usual: Option<&str>| {
            let line = ["llmload-uring", "smoke"].iter().chain(words);
            let args = crate::cli::Cli::try_parse_from(line).unwrap().run;
            let mut mistakes = Vec::new();
            let env = |name: &str| (name == USUAL_KEY).then_some(usual?.to_owned());
            let (headers, note) = headers(&args, env, &mut mistakes);
            assert_eq!(mistakes, []);
            let values: Vec<String> = headers.iter().map(|h| h.value.expose().to_owned()).collect();
            (values, note)
        };
        let (sent, note) = read(&[], Some("sk-s3cret"));
        assert_eq!(sent, ["Bearer sk-s3cret"]);
        let note = note.unwrap();
        assert!(note.contains(USUAL_KEY) && !note.contains("s3cret"), "{note}");
        assert_eq!(
            read(&["--api-key", "ours"], Some("sk-s3cret")),
            (vec!["Bearer ours".into()], None)
        );
        let own = ["--header", "Authorization: Basic x"];
        assert_eq!(read(&own, Some("sk-s3cret")), (vec!["Basic x".into()], None));
        for none in [None, Some(""), Some(" ")] {
            assert_eq!(read(&[], none), (vec![], None));
        }
        let (sent, note) = read(&[], Some("two s3crets"));
        assert!(sent.is_empty());
        let note = note.unwrap();
        assert!(note.contains("ignored") && !note.contains("s3cret"), "{note}");
    }

    #[test]
    fn keys_are_trimmed_and_checked_without_being_repeated() {
        assert_eq!(check_key(" abc\n"), Ok("abc".into()));
        for key in ["", " \n", "two keys", "käy"] {
            assert!(check_key(key).is_err(), "{key}");
        }
        assert!(check_key(&"k".repeat(9_000)).is_err());
    }
}
