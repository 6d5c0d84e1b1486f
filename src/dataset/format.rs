//! The table of the formats, with one row for each.

use super::formats::{agents, aiperf, custom, evalscope, guidellm, lengths, openai, raw, sharegpt};
use super::members::Members;
use super::read::Sink;
use super::source::Container;
use super::store::Zero;
use crate::error::{Reason, nearest, quoted};
use serde::{Serialize, Serializer};

/// Makes rows of one record.
pub type ReadRecord = fn(&Members<'_>, &mut Sink<'_>) -> Result<(), Reason>;

/// Everything that the program knows about one format.
pub struct FormatRow {
    /// Its name in documents and on the command line.
    pub name: &'static str,
    /// What other tools call it.
    pub aliases: &'static [&'static str],
    /// What it is, for messages: "Mooncake's traces".
    pub title: &'static str,
    pub container: Container,
    /// The columns that a CSV file of it must have.
    pub columns: &'static [&'static str],
    /// The number of tokens that a hash id stands for; 0 if it has none.
    pub block: u32,
    /// Where its instants count from.
    pub zero: Zero,
    /// It says which rows of a session wait for which, so that a session is replayed as a whole.
    pub is_graph: bool,
    pub read: ReadRecord,
    /// Groups of members, one of which a first record has that looks like this format; empty if nothing is typical.
    pub typical: &'static [&'static [&'static str]],
}

const LINES: FormatRow = FormatRow {
    name: "",
    aliases: &[],
    title: "",
    container: Container::Json,
    columns: &[],
    block: 0,
    zero: Zero::Own,
    is_graph: false,
    read: custom::read,
    typical: &[],
};

static FORMATS: [FormatRow; 17] = [
    FormatRow {
        name: "sharegpt",
        aliases: &["share_gpt", "shareGPT"],
        title: "ShareGPT's conversations",
        read: sharegpt::read,
        typical: &[&["conversations"], &["conversation"]],
        ..LINES
    },
    FormatRow {
        name: "custom",
        aliases: &["vllm_custom"],
        title: "vLLM's own prompts",
        read: custom::read,
        typical: &[&["prompt"]],
        ..LINES
    },
    FormatRow {
        name: "openai",
        aliases: &["openai_messages"],
        title: "SGLang's chat messages",
        read: openai::read,
        typical: &[&["messages"]],
        ..LINES
    },
    FormatRow {
        name: "raw",
        aliases: &["raw_payload"],
        title: "whole bodies",
        read: raw::read,
        typical: &[&["payload"]],
        ..LINES
    },
    FormatRow {
        name: "inputs",
        container: Container::Member("data"),
        aliases: &["inputs_json"],
        title: "AIPerf's inputs.json",
        read: raw::read_inputs,
        typical: &[&["data"], &["payloads"]],
        ..LINES
    },
    FormatRow {
        name: "guidellm",
        aliases: &[],
        title: "guidellm's rows",
        container: Container::JsonOrCsv,
        read: guidellm::read,
        typical: &[&["prompt_0"], &["output_tokens_count"]],
        ..LINES
    },
    FormatRow {
        name: "guidellm_trace",
        aliases: &["trace_synthetic"],
        title: "guidellm's traces, in seconds",
        container: Container::JsonOrCsv,
        block: 512,
        read: lengths::read_seconds,
        typical: &[&["timestamp", "input_length", "output_length"]],
        ..LINES
    },
    FormatRow {
        name: "single_turn",
        aliases: &["single-turn"],
        title: "AIPerf's single turns",
        read: aiperf::read_single_turn,
        typical: &[&["text"], &["texts"]],
        ..LINES
    },
    FormatRow {
        name: "multi_turn",
        aliases: &["multi-turn"],
        title: "AIPerf's conversations",
        read: aiperf::read_multi_turn,
        typical: &[&["turns"]],
        ..LINES
    },
    FormatRow {
        name: "mooncake",
        aliases: &["mooncake_trace", "mooncake-trace"],
        title: "Mooncake's traces and what AIPerf adds to them, in milliseconds",
        block: 512,
        read: aiperf::read_mooncake,
        typical: &[&["text_input"], &["timestamp", "input_length", "output_length"]],
        ..LINES
    },
    FormatRow {
        name: "timed_trace",
        aliases: &["timed-trace"],
        title: "vLLM's timed traces, in seconds",
        block: 16,
        read: lengths::read_seconds,
        typical: &[&["timestamp", "input_length", "output_length"]],
        ..LINES
    },
    FormatRow {
        name: "bailian",
        aliases: &["bailian_trace", "qwen_trace"],
        title: "Bailian's traces, in seconds",
        block: 16,
        read: lengths::read_bailian,
        typical: &[&["chat_id"]],
        ..LINES
    },
    FormatRow {
        name: "azure",
        aliases: &["azure_trace", "AzurePublicDataset"],
        title: "Azure's traces of 2023 and 2024",
        container: Container::Csv,
        columns: &["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
        zero: Zero::First,
        read: lengths::read_azure,
        typical: &[&["ContextTokens"]],
        ..LINES
    },
    FormatRow {
        name: "burstgpt",
        aliases: &["burst_gpt", "burst_gpt_trace"],
        title: "BurstGPT's traces",
        container: Container::Csv,
        columns: &["Timestamp", "Request tokens", "Response tokens"],
        zero: Zero::First,
        read: lengths::read_burstgpt,
        typical: &[&["Request tokens"]],
        ..LINES
    },
    FormatRow {
        name: "weka",
        aliases: &["weka_trace", "weka-trace", "cc_traces_weka"],
        title: "Weka's traces of agents",
        block: 64,
        is_graph: true,
        read: agents::read_weka,
        typical: &[&["hash_id_scope"], &["block_size", "requests"]],
        ..LINES
    },
    FormatRow {
        name: "agentic_trace",
        aliases: &["agentic-trace", "agentic"],
        title: "SGLang's traces of agents",
        read: agents::read_agentic,
        typical: &[&["metadata", "conversations"]],
        ..LINES
    },
    FormatRow {
        name: "workload_trace",
        aliases: &["workload-trace", "evalscope"],
        title: "evalscope's recorded requests",
        zero: Zero::First,
        read: evalscope::read,
        typical: &[&["body"]],
        ..LINES
    },
];

/// A format of datasets.
#[derive(Clone, Copy)]
pub struct Format(&'static FormatRow);

impl Format {
    pub fn row(self) -> &'static FormatRow {
        self.0
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the format with this name, or with this name in another tool.
    pub fn from_name(name: &str) -> Option<Format> {
        let is_named = |row: &&FormatRow| row.name == name || row.aliases.contains(&name);
        FORMATS.iter().find(is_named).map(Format)
    }

    /// Returns the names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().map(|row| row.name)
    }

    /// Returns the format with this name, or a reason that lists the names. `first` is the first record of the file, if
    /// it could be read: the reason says what it looks like.
    pub fn parse(name: &str, first: Option<&str>) -> Result<Format, Reason> {
        Format::from_name(name).ok_or_else(|| {
            let what = format!("{} is no format of a dataset", quoted(name));
            Reason::new(what).hint(Format::advice(Some(name), first))
        })
    }

    /// Says which formats there are, which one a wrong name may mean, and which one a file looks like.
    pub fn advice(name: Option<&str>, first: Option<&str>) -> String {
        let names: Vec<&str> = Format::names().collect();
        let list = format!("formats are {}", names.join(", "));
        let alike = first.map(looks_like).unwrap_or_default();
        let close = name.and_then(|name| nearest(&name.to_lowercase().replace('-', "_"), &names));
        match (alike.as_slice(), close) {
            ([], None) => list,
            ([], Some(close)) => format!("did you mean `{close}`? {list}"),
            (alike, _) => format!("{}; {list}", alike_in_words(alike)),
        }
    }
}

/// Says which formats, at least one, the first record of a file looks like.
pub fn alike_in_words(alike: &[&str]) -> String {
    let names: Vec<String> = alike.iter().map(|name| format!("`{name}`")).collect();
    format!("the first record looks like {}", names.join(" or "))
}

/// Returns the names of the formats whose typical members the first record of a file has, or whose columns its first
/// line names.
pub fn looks_like(first: &str) -> Vec<&'static str> {
    let names: Vec<String> = match Members::read(first) {
        Ok(members) => members.all().map(|(name, _)| name.to_owned()).collect(),
        Err(_) => first.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let has = |name: &&str| names.iter().any(|other| other == *name);
    let fits = |row: &&FormatRow| row.typical.iter().any(|group| group.iter().all(has));
    let mut alike: Vec<&'static str> = FORMATS.iter().filter(fits).map(|row| row.name).collect();
    // What a longer list of members is typical of is typical of the shorter ones as well.
    for (special, general) in [
        ("guidellm", "custom"),
        ("agentic_trace", "sharegpt"),
        ("bailian", "mooncake"),
        ("bailian", "timed_trace"),
        ("bailian", "guidellm_trace"),
    ] {
        if alike.contains(&special) {
            alike.retain(|name| *name != general);
        }
    }
    alike
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name() == other.name()
    }
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}
