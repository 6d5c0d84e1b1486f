//! Makes the servers of a plan from those of a document, each with the whole mix.

use crate::api::{Api, Texts};
use crate::config::to_plan::build_kind;
use crate::config::to_plan::fit::unfit;
use crate::config::{Config, RequestConfig, ServerEntry};
use crate::error::{Mistake, Reason, quoted};
use crate::plan::{KINDS_MAX, SERVERS_MAX};
use crate::workload::{Call, Chat, Prompts, RequestKind, Server};

/// The endpoints and kinds of request that servers and mix result in.
pub(super) struct Built {
    pub servers: Vec<Server>,
    pub kinds: Vec<RequestKind>,
    /// Every kind is there; false if a wrong one was left out.
    pub complete: bool,
}

pub(super) fn build(config: &Config, mistakes: &mut Vec<Mistake>) -> Built {
    check_count(config, mistakes);
    check_servers(config.servers(), mistakes);
    let mut built = Built {
        servers: Vec::new(),
        kinds: Vec::new(),
        complete: true,
    };
    if config.servers().is_empty() {
        built.add(config, None, mistakes);
    }
    for server in config.servers() {
        built.add(config, Some(server), mistakes);
    }
    built
}

impl Built {
    fn add(&mut self, config: &Config, server: Option<&ServerEntry>, mistakes: &mut Vec<Mistake>) {
        let index = self.servers.len() as u16;
        for request in &config.requests {
            let mut asked = with_alias(request, server, config.seed);
            let api = server.and_then(ServerEntry::known_api);
            // Answers that are no text have no length.
            asked.has_limit |= api.is_some_and(|api| api.row().texts != Texts::One);
            let built = match api.and_then(|api| unfit(&asked, api)) {
                Some(reason) => Err(vec![reason]),
                None => build_kind(&asked).and_then(|kind| carried(kind, api)),
            };
            match built {
                Ok(kind) => self.kinds.push(RequestKind {
                    name: kind_name(config, server, request),
                    server: index,
                    ..kind
                }),
                Err(reasons) => {
                    self.complete = false;
                    // A mistake in the mix is reported once, not for each server.
                    for reason in reasons {
                        let mistake = request.place.mistake(reason);
                        if !mistakes.contains(&mistake) {
                            mistakes.push(mistake);
                        }
                    }
                }
            }
        }
        self.servers.push(Server {
            name: server.and_then(|server| server.name.clone()),
            weight: server.map_or(1, |server| server.weight),
        });
    }
}

/// Returns the name of a kind: with one server the name in the mix; with several also the server's name, or that alone
/// if the mix has only one kind.
fn kind_name(config: &Config, server: Option<&ServerEntry>, request: &RequestConfig) -> String {
    match server.and_then(|server| server.name.as_ref()) {
        Some(name) if config.servers().len() > 1 => match config.requests.len() {
            1 => name.clone(),
            _ => format!("{name}/{}", request.name),
        },
        _ => request.name.clone(),
    }
}

/// Checks that the API of the server carries what the requests give the model to read.
fn carried(kind: RequestKind, api: Option<Api>) -> Result<RequestKind, Vec<Reason>> {
    let Call::Chat(chat) = &kind.call else {
        return Ok(kind);
    };
    let api = api.unwrap_or(Api::DEFAULT);
    let content = chat.prompts.content();
    if api.row().carries.contains(&content) {
        return Ok(kind);
    }
    let others = Api::ALL.iter().map(|api| api.row());
    let others = others.filter(|row| row.carries.contains(&content));
    let others: Vec<String> = others
        .map(|row| format!("`{}` ({})", row.name, row.end))
        .collect();
    let what = format!(
        "request `{}` sends {}, which {} do not take",
        kind.name,
        content.name(),
        api.row().title
    );
    let hint = format!(
        "name an API that does in the URL or with `api`: {}",
        others.join(", ")
    );
    Err(vec![Reason::new(what).hint(hint)])
}

/// Returns the request as it goes to the server: with its model there, and the seed of the run.
fn with_alias(request: &RequestConfig, server: Option<&ServerEntry>, seed: u64) -> RequestConfig {
    let mut request = request.clone();
    if let Call::Chat(Chat {
        prompts: Prompts::Shared(shared),
        ..
    }) = &mut request.call
    {
        shared.seed = seed;
    }
    if let (Some(alias), Call::Chat(Chat { models, .. })) = (
        server.and_then(|server| server.model_alias.as_ref()),
        &mut request.call,
    ) {
        *models = vec![alias.clone()];
    }
    request
}

fn check_count(config: &Config, mistakes: &mut Vec<Mistake>) {
    let (requests, servers) = (config.requests.len(), config.servers().len());
    let place = &config.requests_place;
    if requests == 0 || requests > KINDS_MAX {
        let what = format!("the number of kinds of request is {requests}, not between 1 and {KINDS_MAX}");
        mistakes.push(place.mistake(Reason::new(what)));
    } else if servers.min(SERVERS_MAX) * requests > KINDS_MAX {
        let what = format!(
            "{servers} servers with {requests} kinds of request each make {}, more than the limit of {KINDS_MAX}",
            servers * requests
        );
        mistakes.push(place.mistake(Reason::new(what).hint("use fewer servers, or fewer kinds of request")));
    }
    if servers > SERVERS_MAX {
        let what = format!("{servers} servers are more than the limit of {SERVERS_MAX}");
        mistakes.push(config.servers()[0].place.mistake(Reason::new(what)));
    }
}

fn check_servers(servers: &[ServerEntry], mistakes: &mut Vec<Mistake>) {
    for (index, server) in servers.iter().enumerate() {
        let mut wrong = |reason: Reason| mistakes.push(server.place.mistake(reason));
        if server.weight == 0 {
            wrong(Reason::new("a server has weight 0").hint("leave it out"));
        }
        let Some(name) = &server.name else {
            if servers.len() > 1 {
                wrong(
                    Reason::new("a server has no name, which is required with several").hint("add `name:`"),
                );
            }
            continue;
        };
        if name.is_empty() || name.contains('/') {
            let what = format!("{} is not a server's name", quoted(name));
            wrong(
                Reason::new(what)
                    .hint("use at least one character and no `/`, which separates it from requests"),
            );
        }
        if servers[..index]
            .iter()
            .any(|before| before.name.as_ref() == Some(name))
        {
            wrong(
                Reason::new(format!("there is a second server {}", quoted(name)))
                    .hint("give each a name of its own"),
            );
        }
    }
}

#[cfg(test)]
#[path = "endpoints_tests.rs"]
mod tests;
