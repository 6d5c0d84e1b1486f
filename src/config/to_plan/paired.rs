//! Pairs: whether every request goes to both of two servers, and what has to hold for that.

use crate::config::{Config, RequestConfig};
use crate::error::{Mistake, Reason};
use crate::plan::{Assignment, PairedPrompts};
use crate::workload::{Call, Chat, Prompts};

/// Returns the rule that assigns requests to servers.
pub(super) fn assignment(config: &Config, mistakes: &mut Vec<Mistake>) -> Assignment {
    let mut wrong = |what: String, hint: &str| {
        let reason = Reason::new(what).hint(hint.to_owned());
        mistakes.push(config.paired_place.mistake(reason));
    };
    let distinct = config.paired_prompts == PairedPrompts::Distinct;
    if !config.paired {
        if distinct {
            let what = "`distinct` prompts are for pairs, and the run has none".to_owned();
            wrong(what, "add `--paired`, or `paired: true` to the document");
        }
        return Assignment::Weighted;
    }
    let servers = config.servers().len();
    if servers != 2 {
        let what = format!("pairs need exactly two servers, but the document has {servers}");
        wrong(
            what,
            "list two under `servers`, each with `name` and `base_url`; the first is the base of the comparison",
        );
    }
    if config.contention {
        let what = "`paired` contradicts `contention`, which gives each server its own users".to_owned();
        wrong(what, "remove one of them");
    }
    refuse_more_than_requests(config, &mut wrong);
    if distinct {
        let listed = config.requests.iter().find(|request| {
            let call = &request.call;
            matches!(
                call,
                Call::Chat(Chat {
                    prompts: Prompts::List(_) | Prompts::Rows(_) | Prompts::Shared(_),
                    ..
                })
            )
        });
        if let Some(request) = listed {
            let what = format!(
                "`distinct` prompts must be made from the seed, but request `{}` has prompts that others have too",
                request.name
            );
            wrong(
                what,
                "give it `prompts: {prompt_tokens: 200}`, or leave `distinct` out",
            );
        }
    }
    Assignment::Paired(config.paired_prompts)
}

/// Refuses kinds of request that are more, or less, than single requests.
fn refuse_more_than_requests(config: &Config, wrong: &mut dyn FnMut(String, &str)) {
    let requests = &config.requests;
    let talks = |request: &&RequestConfig| request.call.conversation().is_some();
    if let Some(request) = requests.iter().find(talks) {
        let what = format!(
            "pairs are single requests, but request `{}` is a conversation, whose later turns depend on its answers",
            request.name
        );
        wrong(what, "remove `conversation`, or `paired`");
    }
    let is_replayed = |request: &&RequestConfig| request.call.chat().is_some_and(Chat::is_graph);
    if let Some(request) = requests.iter().find(is_replayed) {
        let what = format!(
            "pairs are single requests, but those of request `{}` are sessions, whose requests wait for one another",
            request.name
        );
        wrong(what, "use a dataset of another format, or remove `paired`");
    }
}
