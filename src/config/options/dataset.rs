//! Applies the options about datasets to the kinds of request.

use crate::cli::{RunArgs, TurnsAsked};
use crate::config::options::refuse_without_chat;
use crate::config::{Config, DatasetConfig, RequestConfig};
use crate::error::{Mistake, Place, Reason};
use crate::workload::{Call, Chat, Prompts, Sampling, Tokens};

/// Gives every chat request the dataset of the command line, and lays the other options over the datasets that there
/// are. It reads no file.
pub(super) fn overlay_dataset(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let options = &args.datasets;
    let others = [
        ("--prompt", !args.prompts.is_empty()),
        ("--prompt-tokens", args.lengths.prompt_tokens.is_some()),
        ("--prefix-groups", args.lengths.prefix_groups.is_some()),
    ];
    let other = others.into_iter().find(|(_, is_given)| *is_given);
    if let (Some(_), Some((other, _))) = (&options.dataset, other) {
        let what = format!("contradicts `{other}`: prompts come from one of them");
        let hint = "remove one of them (check LLMLOAD_… variables as well)";
        mistakes.push(Reason::new(what).hint(hint).at("--dataset", 0));
        return;
    }
    if let Some(asked) = &options.dataset {
        let place = Place::option("--dataset");
        let dataset = DatasetConfig::new(asked.format, asked.file.clone(), place);
        for request in &mut config.requests {
            set(request, dataset.clone());
        }
        refuse_without_chat(config, ["--dataset"], mistakes);
    } else if other.is_some() {
        config
            .requests
            .iter_mut()
            .for_each(|request| request.dataset = None);
    }
    let mut wrong = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
    for (option, is_given) in [
        ("--dataset-sample", options.dataset_sample.is_some()),
        ("--dataset-block", options.dataset_block.is_some()),
    ] {
        if is_given && config.requests.iter().all(|request| request.dataset.is_none()) {
            let what = "has no effect: no request takes its prompts from a dataset";
            wrong(option, Reason::new(what).hint("add `--dataset FORMAT:FILE`"));
        }
    }
    if let Some(place) = options.dataset_block.and_then(|_| without_blocks(config)) {
        wrong("--dataset-block", place);
    }
    // Beside made prompts, a dataset of texts may ignore `--token-ids`.
    let is_made = |request: &RequestConfig| request.call.chat().is_some() && request.dataset.is_none();
    let only_datasets = !config.requests.iter().any(is_made);
    for request in &mut config.requests {
        overlay_request(request, args, only_datasets);
    }
    if args.turns == Some(TurnsAsked::All) {
        refuse_turns_of_nothing(config, mistakes);
    }
    let scaled = overlay_delay_scale(config, args);
    // Without a conversation it was refused as an option of a trace.
    let talks = config
        .requests
        .iter()
        .any(|request| request.call.conversation().is_some());
    if talks && args.trace.delay_scale.is_some() && !scaled && config.executor.trace().is_none() {
        let what = "has no effect: neither a trace nor a conversation has the delays of a dataset";
        let hint = "add --replay, or --turns all, and --dataset FORMAT:FILE";
        mistakes.push(Reason::new(what).hint(hint).at("--delay-scale", 0));
    }
}

/// Refuses `--turns all` where requests have no dataset whose sessions could say how many turns there are.
fn refuse_turns_of_nothing(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    let mut first = None;
    for request in &mut config.requests {
        if let (None, Call::Chat(chat)) = (&request.dataset, &mut request.call) {
            // It must not cause a second mistake.
            chat.conversation = None;
            first.get_or_insert_with(|| request.name.clone());
        }
    }
    if let Some(name) = first {
        let what = format!("takes the turns of a dataset, and request `{name}` has none");
        let hint = "add `--dataset FORMAT:FILE`, or say how many turns a session has: `--turns 5`";
        mistakes.push(Reason::new(what).hint(hint).at("--turns", 0));
    }
}

/// Lays the scale of delays over the conversations whose turns are rows. Returns true if there are any.
fn overlay_delay_scale(config: &mut Config, args: &RunArgs) -> bool {
    let mut any = false;
    for request in &mut config.requests {
        // Those of graphs are scaled where they are read.
        any |= request
            .dataset
            .as_ref()
            .is_some_and(|dataset| dataset.format.row().is_graph);
        let Call::Chat(chat) = &mut request.call else {
            continue;
        };
        if let (Some(_), Some(own), Some(scale)) =
            (&request.dataset, &mut chat.conversation, args.trace.delay_scale)
        {
            own.delay_scale = Some(scale);
            any = true;
        }
    }
    any
}

/// Reports options about the wording of bodies, if the rows of datasets, which have been read, are whole bodies.
pub fn refuse_for_whole_bodies(config: &Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let mut chats = config
        .requests
        .iter()
        .filter_map(|request| request.call.chat())
        .peekable();
    let is_of_bodies = |chat: &Chat| match &chat.prompts {
        Prompts::Rows(rows) => rows.dataset.first_payload().is_some(),
        _ => false,
    };
    if chats.peek().is_none() || !chats.all(is_of_bodies) {
        return;
    }
    for (option, is_given) in [
        ("--max-tokens-key", args.max_tokens_key.is_some()),
        ("--stream-options", args.stream_options.is_some()),
    ] {
        if is_given {
            let what = "has no effect: the rows of the dataset are whole bodies, in which it is said already";
            let hint = "leave it out; `--extra-body` changes members of all bodies";
            mistakes.push(Reason::new(what).hint(hint).at(option, 0));
        }
    }
}

/// Says which dataset has no hash ids, if all have none.
fn without_blocks(config: &Config) -> Option<Reason> {
    let mut datasets = config
        .requests
        .iter()
        .filter_map(|request| request.dataset.as_ref());
    let first = datasets.clone().next()?;
    datasets.all(|dataset| dataset.format.row().block == 0).then(|| {
        let what = format!("has no effect with format `{}`", first.format.name());
        Reason::new(what).hint("its rows have no `hash_ids`: leave the option out")
    })
}

fn overlay_request(request: &mut RequestConfig, args: &RunArgs, only_datasets: bool) {
    let Some(mut dataset) = request.dataset.clone() else {
        return;
    };
    if let Some(sample) = args
        .datasets
        .dataset_sample
        .as_deref()
        .and_then(Sampling::from_name)
    {
        dataset.sample = sample;
    }
    if dataset.format.row().block > 0 && args.datasets.dataset_block.is_some() {
        dataset.block = args.datasets.dataset_block;
    }
    if let Some(vocabulary) = args.lengths.token_ids {
        dataset.tokens = Tokens::Ids(vocabulary);
        dataset.tokens_place = only_datasets.then(|| Place::option("--token-ids"));
    }
    if let (true, Some(scale)) = (dataset.format.row().is_graph, args.trace.delay_scale) {
        dataset.delay_scale = scale;
    }
    dataset.own_lengths &= args.max_tokens.is_none();
    dataset.own_model &= args.models.is_empty();
    set(request, dataset);
}

/// Makes a dataset the prompts of a chat request.
fn set(request: &mut RequestConfig, dataset: DatasetConfig) {
    if let Call::Chat(Chat { prompts, .. }) = &mut request.call {
        *prompts = dataset.unread();
        request.prompts_file = None;
        // Its rows have lengths, or get the default.
        request.has_limit = true;
        request.dataset = Some(dataset);
    }
}
