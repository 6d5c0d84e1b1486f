//! Refuses a request that an API has no words for.

use crate::api::{Api, Setting, Texts};
use crate::config::{Config, RequestConfig};
use crate::error::{Mistake, Reason};
use crate::workload::Call;

/// Returns why the request cannot be made over the API.
pub(super) fn unfit(request: &RequestConfig, api: Api) -> Option<Reason> {
    let Call::Chat(chat) = &request.call else {
        return None;
    };
    if chat.settings.system().is_some() && api.row().texts != Texts::One {
        let title = api.row().title;
        let what = format!("request `{}`: {title} has no system prompt", request.name);
        return Some(Reason::new(what).hint("leave `system` out"));
    }
    let setting = chat.settings.unknown_to(api)?;
    let key = setting.key();
    let what = format!("request `{}`: {} have no `{key}`", request.name, api.row().title);
    let hint = match setting {
        Setting::MinTokens => "`ignore_eos: true` makes answers as long as `max_tokens`",
        _ => "leave it out, or put it into `extra_body` under the name that the server has for it",
    };
    Some(Reason::new(what).hint(hint))
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
