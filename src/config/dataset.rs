//! The datasets of a configuration: what is asked for, and the rows that are read from the files.

use crate::api::Api;
use crate::config::row_sessions::{self, refused_form, refused_rows};
use crate::config::{Config, ServerEntry};
use crate::dataset::{Dataset, Filter, Format, Found, ReadOptions, Turns, read};
use crate::error::{Mistake, Place, Reason, quoted};
use crate::output::unnamed;
use crate::units::{Span, cannot_be_read, format_span, grouped, open_input};
use crate::workload::{
    Call, Conversation, HistoryMode, OnFailure, Prompts, Replaying, Rows, Sampling, Tokens,
};
use serde::Serialize;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// The name that means standard input instead of a file.
pub const STANDARD: &str = "-";
const BUFFER_BYTES: usize = 256 << 10;

/// A dataset as a document or an option asks for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DatasetConfig {
    pub format: Format,
    pub file: String,
    #[serde(skip_serializing_if = "is_sequential")]
    pub sample: Sampling,
    /// The number of tokens that a hash id stands for, instead of the format's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u32>,
    #[serde(skip_serializing_if = "is_unfiltered")]
    pub filter: Filter,
    /// Rows' own output lengths count, not the kind's token limit.
    #[serde(
        rename = "output_length",
        serialize_with = "output_length_text",
        skip_serializing_if = "is_true"
    )]
    pub own_lengths: bool,
    /// Whole bodies keep the model that they name.
    #[serde(skip)]
    pub own_model: bool,
    #[serde(
        rename = "token_ids",
        serialize_with = "tokens_form",
        skip_serializing_if = "are_as_taken"
    )]
    pub tokens: Tokens,
    /// Where `tokens` was asked for.
    #[serde(skip)]
    pub tokens_place: Option<Place>,
    /// Factor of the delays within a session, in formats that say which rows wait for which.
    #[serde(skip_serializing_if = "is_one")]
    pub delay_scale: f64,
    /// What becomes of such a session when a request fails.
    #[serde(skip_serializing_if = "is_end")]
    pub on_failure: OnFailure,
    /// The header in which each request of such a session names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity_header: Option<String>,
    #[serde(skip)]
    pub place: Place,
}

impl DatasetConfig {
    pub fn new(format: Format, file: String, place: Place) -> DatasetConfig {
        DatasetConfig {
            format,
            file,
            sample: Sampling::default(),
            block: None,
            filter: Filter::None,
            own_lengths: true,
            own_model: true,
            tokens: Tokens::AsTaken,
            tokens_place: None,
            delay_scale: 1.0,
            on_failure: OnFailure::default(),
            affinity_header: None,
            place,
        }
    }

    /// Returns the prompts of a kind that has these rows; they are read later, once all options are known.
    pub fn unread(&self) -> Prompts {
        self.prompts(Arc::new(Dataset::unread()), 0)
    }

    fn prompts(&self, dataset: Arc<Dataset>, seed: u64) -> Prompts {
        Prompts::Rows(Box::new(Rows {
            dataset,
            sampling: self.sample,
            own_lengths: self.own_lengths,
            own_model: self.own_model,
            tokens: self.tokens,
            seed,
            replaying: Replaying {
                delay_scale: self.delay_scale,
                on_failure: self.on_failure,
                affinity_header: self.affinity_header.clone(),
            },
        }))
    }

    fn options(&self, conversation: Option<&Conversation>) -> ReadOptions {
        ReadOptions {
            format: self.format,
            block: self.block,
            filter: self.filter,
            turns: match conversation {
                None => Turns::First,
                Some(conversation) => Turns::All {
                    answers: conversation.history == HistoryMode::Dataset,
                },
            },
        }
    }

    /// Returns the name of the file in messages.
    pub fn shown(&self) -> &str {
        match self.file.as_str() {
            STANDARD => "standard input",
            file => file,
        }
    }
}

/// How a file is read, and its name.
type Source = (ReadOptions, String);

/// Reads the files of all kinds of request, each once, and gives the kinds their rows. What is left out of a file is
/// added to the notes.
pub fn read_datasets(config: &mut Config, document_is_standard: bool, mistakes: &mut Vec<Mistake>) {
    let mut known: Vec<(Source, Option<Arc<Dataset>>)> = Vec::new();
    for index in 0..config.requests.len() {
        let Some(asked) = config.requests[index].dataset.clone() else {
            continue;
        };
        let conversation = config.requests[index].call.conversation().cloned();
        let refused = conversation.as_ref().and_then(|_| refused_form(&asked));
        if let Some(reason) = refused {
            report(mistakes, asked.place.mistake(reason));
            continue;
        }
        let options = asked.options(conversation.as_ref());
        let key = (options, asked.file.clone());
        let dataset = match known.iter().find(|(other, _)| *other == key) {
            Some((_, dataset)) => dataset.clone(),
            None => {
                let taken = document_is_standard || known.iter().any(|((_, file), _)| file == STANDARD);
                let dataset = match asked.file == STANDARD && taken {
                    true => Err(vec![asked.place.mistake(standard_is_taken(document_is_standard))]),
                    false => read_noted(config, &asked, options),
                };
                let dataset = dataset.map_err(|more| mistakes.extend(more)).ok();
                known.push((key, dataset.clone()));
                dataset
            }
        };
        let refused = dataset.as_ref().zip(conversation.as_ref());
        let refused = refused.and_then(|(dataset, own)| refused_rows(&asked, dataset, own));
        if let Some(reason) = refused {
            report(mistakes, asked.place.mistake(reason));
        }
        if let (Some(dataset), Some(place)) = (&dataset, &asked.tokens_place)
            && !dataset.has_lengths()
        {
            let what = format!(
                "`token_ids` has no effect: no row of {} has only a length, whose tokens would be made",
                quoted(asked.shown())
            );
            mistakes.push(place.mistake(Reason::new(what).hint("leave it out (`--token-ids` as well)")));
        }
        if let (Some(dataset), Call::Chat(chat)) = (dataset, &mut config.requests[index].call) {
            chat.prompts = asked.prompts(dataset, config.seed);
        }
    }
    let apis: Vec<Api> = config
        .servers()
        .iter()
        .filter_map(ServerEntry::known_api)
        .collect();
    mistakes.extend(refused_contents(config, &apis));
}

/// Reports a mistake once, however many kinds of request have it.
fn report(mistakes: &mut Vec<Mistake>, mistake: Mistake) {
    if !mistakes.contains(&mistake) {
        mistakes.push(mistake);
    }
}

/// Reads a file, and adds to the notes what a user should know of its rows.
fn read_noted(
    config: &mut Config,
    asked: &DatasetConfig,
    options: ReadOptions,
) -> Result<Arc<Dataset>, Vec<Mistake>> {
    let Found { dataset, left_out } = read_one(asked, options)?;
    config.notes.push(note(asked, &dataset, &left_out));
    let are_conversations = options.turns != Turns::First;
    let more = note_use(config, asked, &dataset, are_conversations);
    config.notes.extend(more);
    Ok(Arc::new(dataset))
}

/// Returns what the API of a server cannot carry of the rows, for each kind of request that has such rows. `apis` are
/// those of the servers, as far as they are known.
pub fn refused_contents(config: &Config, apis: &[Api]) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = Vec::new();
    for request in &config.requests {
        let (Some(dataset), Call::Chat(chat)) = (&request.dataset, &request.call) else {
            continue;
        };
        let Prompts::Rows(rows) = &chat.prompts else {
            continue;
        };
        let has_system = chat.settings.system().is_some()
            || chat.conversation.as_ref().is_some_and(|own| own.has_system());
        let refused = apis.iter().find_map(|api| rows.refused_by(*api, has_system));
        let mistake = refused.map(|reason| dataset.place.mistake(reason));
        mistakes.extend(mistake.filter(|mistake| !mistakes.contains(mistake)));
    }
    mistakes
}

/// Returns a number of things in words.
pub(super) fn counted(count: u64, thing: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {thing}{s}", grouped(count))
}

/// Says what a load does with rows that may surprise: it has too few of them, or they belong to sessions.
fn note_use(
    config: &Config,
    asked: &DatasetConfig,
    dataset: &Dataset,
    are_conversations: bool,
) -> Vec<String> {
    let shown = quoted(asked.shown());
    let mut notes = Vec::new();
    let (choices, [taker, choice]) = match dataset.graph() {
        Some(graph) => (graph.len(), ["iteration", "session"]),
        None if are_conversations => (dataset.sessions().len() as usize, ["conversation", "session"]),
        None => (dataset.len(), ["request", "row"]),
    };
    if let Some(takers) = config.executor.iterations_of_all()
        && takers > choices as u64
        && asked.sample != Sampling::Random
    {
        notes.push(format!(
            "dataset {shown}: {} take its {} more than once",
            counted(takers, taker),
            counted(choices as u64, choice)
        ));
    }
    if let Some(graph) = dataset.graph() {
        notes.push(format!(
            "dataset {shown}: {} of up to {}, of which up to {} are in flight at once: each iteration is a session, \
             whose requests wait for one another as the trace has it",
            counted(graph.len() as u64, "session"),
            counted(u64::from(graph.nodes_max()), "request"),
            graph.width()
        ));
        return notes;
    }
    if are_conversations {
        notes.push(row_sessions::note(asked, dataset));
        return notes;
    }
    // A trace says itself how it sends them.
    if !dataset.sessions().are_single() && config.executor.trace().is_none() {
        notes.push(format!(
            "dataset {shown}: rows of {}, each of which is sent without the turns before it: --turns all makes them \
             conversations",
            counted(u64::from(dataset.sessions().len()), "session")
        ));
    }
    notes
}

fn standard_is_taken(document_is_standard: bool) -> Reason {
    let what = match document_is_standard {
        true => "standard input is the document, so it cannot be a dataset as well",
        false => "standard input is a dataset of another kind of request already",
    };
    Reason::new(what).hint("name a file")
}

fn read_one(asked: &DatasetConfig, options: ReadOptions) -> Result<Found, Vec<Mistake>> {
    let input: Box<dyn BufRead> = match asked.file.as_str() {
        STANDARD => Box::new(io::stdin().lock()),
        path => match open_input(Path::new(path)) {
            Ok(file) => Box::new(BufReader::with_capacity(BUFFER_BYTES, file)),
            Err(e) => return Err(vec![asked.place.mistake(cannot_be_read(path, &e))]),
        },
    };
    read(input, asked.shown(), options, &mut unnamed)
}

/// Says how many rows there are, and what is left out.
fn note(asked: &DatasetConfig, dataset: &Dataset, left_out: &[String]) -> String {
    let mut text = format!(
        "dataset {}: {}, {}",
        quoted(asked.shown()),
        counted(dataset.len() as u64, "row"),
        asked.format.row().title
    );
    if !left_out.is_empty() {
        text.push_str("; left out: ");
        text.push_str(&left_out.join("; "));
    }
    text
}

fn is_sequential(sample: &Sampling) -> bool {
    *sample == Sampling::Sequential
}

fn is_unfiltered(filter: &Filter) -> bool {
    *filter == Filter::None
}

fn is_one(factor: &f64) -> bool {
    *factor == 1.0
}

fn is_end(on_failure: &OnFailure) -> bool {
    *on_failure == OnFailure::End
}

fn is_true(is: &bool) -> bool {
    *is
}

fn are_as_taken(tokens: &Tokens) -> bool {
    *tokens == Tokens::AsTaken
}

fn tokens_form<S: serde::Serializer>(tokens: &Tokens, to: S) -> Result<S::Ok, S::Error> {
    match tokens {
        Tokens::AsTaken => to.serialize_none(),
        Tokens::Words => to.serialize_bool(false),
        Tokens::Ids(vocabulary) => to.serialize_str(&ids_text(*vocabulary)),
    }
}

/// Returns ids as a document has them.
pub fn ids_text(vocabulary: Span<u32>) -> String {
    format_span(vocabulary, |id| id.to_string())
}

fn output_length_text<S: serde::Serializer>(own: &bool, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if *own { "row" } else { "kind" })
}
