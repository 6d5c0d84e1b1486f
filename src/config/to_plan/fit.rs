//! Refuses a request that an API has no words for.

use crate::api::{Api, ContentKind, Setting, Texts};
use crate::cli::RunArgs;
use crate::config::{Config, RequestConfig};
use crate::error::{Mistake, Place, Reason};
use crate::units::{Span, grouped};
use crate::workload::{CancelAt, Chat, Prompts};

/// Returns why the request cannot be made over the API.
pub(super) fn unfit(request: &RequestConfig, api: Api) -> Option<Reason> {
    let chat = request.call.chat()?;
    if let Some((what, hint)) = beyond(chat, api) {
        let what = format!("request `{}`: {} have no {what}", request.name, api.row().title);
        return Some(Reason::new(what).hint(hint));
    }
    if chat.settings.system().is_some() && chat.prompts.ids_at(api).is_some() {
        return Some(ids_with_system(&request.name));
    }
    if chat.batch_size.is_some() && api.row().texts == Texts::One {
        let title = api.row().title;
        let what = format!(
            "request `{}`: `batch_size` means nothing to {title}",
            request.name
        );
        let hint = "leave it out (`--batch-size`), or name `api: embeddings`, `rerank` or `score`";
        return Some(Reason::new(what).hint(hint));
    }
    if chat.cache_bust.is_some() && api.row().texts != Texts::One {
        let title = api.row().title;
        let what = format!(
            "request `{}` has `cache_bust`, but {title} has no prompt whose beginning a prefix cache could hold",
            request.name
        );
        return Some(Reason::new(what).hint("leave `cache_bust` (`--cache-bust`) out"));
    }
    let setting = chat.settings.unknown_to(api)?;
    let key = setting.key();
    let what = format!(
        "request `{}`: `{key}` has no place in {}",
        request.name,
        api.row().title
    );
    let hint = match setting {
        Setting::MinTokens => "`ignore_eos: true` makes answers as long as `max_tokens`",
        _ => "leave it out, or put it into `extra_body` under the name that the server has for it",
    };
    Some(Reason::new(what).hint(hint))
}

/// Returns what a request has that belongs to answers of generated text alone, or to streams of it, and what to do.
fn beyond(chat: &Chat, api: Api) -> Option<(&'static str, &'static str)> {
    let at_token = chat
        .cancel
        .as_ref()
        .is_some_and(|cancel| matches!(cancel.at, CancelAt::Tokens(_)));
    match api.row().texts {
        Texts::One => None,
        _ if chat.settings.system().is_some() => Some(("system prompt", "leave `system` out")),
        _ if chat.conversation.is_some() => {
            Some(("conversations", "leave `conversation` out (`--turns` as well)"))
        }
        _ if at_token => Some((
            "tokens on the way, after which a request could be cancelled",
            "cancel after a time: `10% after 500ms`",
        )),
        _ => None,
    }
}

/// Reports options about generated text, if none of the servers generates any.
pub fn check_options(args: &RunArgs, spoken: impl Iterator<Item = Api>) -> Result<(), Vec<Mistake>> {
    let mut spoken = spoken.peekable();
    let Some(first) = spoken.peek().copied() else {
        return Ok(());
    };
    if spoken.any(|api| api.row().texts == Texts::One) {
        return Ok(());
    }
    let given = [
        ("--max-tokens", args.max_tokens.is_some()),
        ("--max-tokens-key", args.max_tokens_key.is_some()),
        ("--stream-options", args.stream_options.is_some()),
        ("--streaming-ratio", args.streaming_ratio.is_some()),
    ];
    let given = given.into_iter().filter(|(_, is_given)| *is_given);
    let wrong: Vec<Mistake> = given
        .map(|(option, _)| {
            let what = format!("has no effect: {} generate no text", first.row().title);
            Reason::new(what).hint("leave it out").at(option, 0)
        })
        .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

fn ids_with_system(name: &str) -> Reason {
    let what = format!("request `{name}` sends token ids, which no system prompt can stand before");
    Reason::new(what).hint("leave `system` out, or send texts: `token_ids: false`, or another API")
}

/// Refuses several texts where requests are whole ones of a dataset, or turns.
pub(super) fn check_batch_size(name: &str, chat: &Chat) -> Option<Reason> {
    chat.batch_size?;
    let what = match chat.prompts {
        _ if chat.conversation.is_some() => "is a conversation, whose turns have one text",
        Prompts::Rows(_) => "takes whole rows of a dataset",
        _ => return None,
    };
    let what = format!("request `{name}` {what}, and has a `batch_size`");
    Some(Reason::new(what).hint("leave `batch_size` (`--batch-size`) out"))
}

/// Refuses a system prompt that would be sent twice, or not at all.
pub(super) fn check_system(name: &str, chat: &Chat) -> Option<Reason> {
    let of_conversation = chat.conversation.as_ref().is_some_and(|own| own.has_system());
    if let (Prompts::Rows(rows), true) = (&chat.prompts, of_conversation || chat.settings.system().is_some())
        && let Some(why) = rows.without_room_for_system()
    {
        let what = format!("request `{name}` has a system prompt, but {why}");
        let hint = match of_conversation {
            true => "leave `system`, `system_tokens` and `session_tokens` of `conversation` out",
            false => "leave `system` (`--system`) out",
        };
        return Some(Reason::new(what).hint(hint));
    }
    chat.settings.system()?;
    if chat.conversation.as_ref().is_some_and(|own| own.has_system()) {
        let what = format!("request `{name}` has a system prompt of its own and one of its conversation");
        let hint =
            "keep `system` or `conversation.system` (and its `system_tokens`, `session_tokens`), not both";
        return Some(Reason::new(what).hint(hint));
    }
    (chat.prompts.content() == ContentKind::Tokens).then(|| ids_with_system(name))
}

/// Refuses to vary the beginnings of prompts that are meant to begin alike, or cannot be changed.
pub(super) fn check_cache_bust(name: &str, chat: &Chat) -> Option<Reason> {
    chat.cache_bust.as_ref()?;
    let (why, hint) = match &chat.prompts {
        Prompts::Shared(_) => (
            "its prompts have shared prefixes, which are there for a prefix cache".to_owned(),
            "leave `cache_bust` (`--cache-bust`) out, or the keys of shared prefixes (`--prefix-groups`)",
        ),
        Prompts::Rows(rows) => (
            format!(
                "row {} of the dataset is a whole body, which is sent as it is",
                rows.dataset.first_payload()? + 1
            ),
            "leave `cache_bust` (`--cache-bust`) out",
        ),
        Prompts::List(_) | Prompts::Made { .. } | Prompts::Ids { .. } => return None,
    };
    let what = format!("request `{name}` has `cache_bust`, but {why}");
    Some(Reason::new(what).hint(hint))
}

/// Refuses ids of tokens that a model does not have, for servers that say how many it has.
pub fn check_vocabularies(
    config: &Config,
    args: &RunArgs,
    servers: impl Iterator<Item = (Api, Option<u64>)>,
) -> Result<(), Mistake> {
    for (api, known) in servers {
        let Some(known) = known else { continue };
        for request in &config.requests {
            let ids = request.call.chat().and_then(|chat| chat.prompts.ids_at(api));
            let Some(Span { min, max }) = ids.filter(|ids| u64::from(ids.max) >= known) else {
                continue;
            };
            let what = format!(
                "request `{}` sends token ids up to {max}, but the server's model has only {}, 0 to {}",
                request.name,
                grouped(known),
                known.saturating_sub(1)
            );
            let lowest = u64::from(min).min(known / 10);
            let hint = format!(
                "write `--token-ids={lowest}-{}`, or `token_ids` in the document",
                known - 1
            );
            let place = match args.lengths.token_ids {
                Some(_) => Place::option("--token-ids"),
                None => request.place.clone(),
            };
            return Err(place.mistake(Reason::new(what).hint(hint)));
        }
    }
    Ok(())
}

/// Checks the requests against the APIs that the servers turned out to speak. The configuration knows only those that
/// it names.
pub fn check_apis(config: &Config, spoken: impl Iterator<Item = Api>) -> Result<(), Mistake> {
    for api in spoken {
        for request in &config.requests {
            if let Some(reason) = unfit(request, api) {
                return Err(request.place.mistake(reason));
            }
        }
    }
    Ok(())
}
