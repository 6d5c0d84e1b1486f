//! Asks each server of a run once before the load, as the load will ask it: with its headers, those of its kinds of
//! request included, and from its source addresses.

use std::net::IpAddr;
use std::time::Instant;

use crate::api::{Api, BodySettings};
use crate::discover::{self, Access, Extent, Question, VALIDATION_LIMIT};
use crate::error::Failure;
use crate::plan::Plan;
use crate::run::servers::label;
use crate::tls::TlsTarget;
use crate::workload::{Call, Chat, Prompts, RequestKind, Target};

/// The servers to ask, and how to reach them.
pub struct Asked<'a> {
    pub targets: &'a [Target],
    /// For each target; `None` for plain text.
    pub tls: &'a [Option<TlsTarget>],
    pub sources: &'a [IpAddr],
}

impl Asked<'_> {
    fn access(&self, target: usize) -> Access<'_> {
        Access {
            tls: self.tls[target].as_ref(),
            sources: self.sources,
        }
    }

    /// Asks each server once in its own API. Returns the targets with the wording that each of them accepts.
    pub fn validate(&self, plan: &Plan, note: &mut dyn FnMut(&str)) -> Result<Vec<Target>, Failure> {
        let mut validated = self.targets.to_vec();
        for (index, target) in (0u16..).zip(&mut validated) {
            let name = match self.targets.len() {
                1 => None,
                _ => plan.workload.servers[usize::from(index)].name.as_deref(),
            };
            let mut say = |line: &str| match name {
                Some(name) => note(&format!("{}, {line}", label(name))),
                None => note(line),
            };
            let access = self.access(usize::from(index));
            validate(plan, index, target, access, &mut say).map_err(|e| match name {
                Some(name) => e.within(&label(name)),
                None => e,
            })?;
        }
        Ok(validated)
    }

    /// Asks each target of which `unknown` is true for the wording that it takes, before a load that is not validated.
    pub fn find_wording(&self, plan: &Plan, unknown: &[bool], note: &mut dyn FnMut(&str)) -> Vec<Target> {
        let mut found = self.targets.to_vec();
        for (index, target) in (0u16..).zip(&mut found) {
            let place = usize::from(index);
            let Some((kind, asked)) = questions(plan, index, self.targets[usize::from(index)].api)
                .next()
                .filter(|_| unknown[place])
            else {
                continue;
            };
            let wording = asked.wording.or(target.wording);
            if wording.token_limit.is_none() || wording.stream_options.is_none() {
                let sent = with_headers(target, kind);
                target.wording = discover::find_wording(&sent, self.access(place), asked, note);
            }
        }
        found
    }
}

/// Asks a server, and gives the target the wording that it accepts. Its first kind of request for text shows whether it
/// works at all. Each further one with headers or members of its own is asked once more: they may name a tenant, a key
/// or a setting that the server does not know.
fn validate(
    plan: &Plan,
    server: u16,
    target: &mut Target,
    access: Access<'_>,
    say: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let deadline = Instant::now() + VALIDATION_LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut of_server = plan.workload.kinds.iter().filter(|kind| kind.server == server);
    let mut asked = questions(plan, server, target.api);
    let (first, question) = match asked.next() {
        Some((kind, question)) => (Some(kind), Some(question)),
        None => (of_server.next(), None),
    };
    let sent = first.map_or_else(|| target.clone(), |kind| with_headers(target, kind));
    target.wording = discover::validate(&sent, access, question, Extent::All, left(), say)?;
    let first = first.zip(question.map(|question| question.settings));
    let mut seen: Vec<(&RequestKind, &BodySettings)> = first.into_iter().collect();
    for (kind, question) in asked {
        let is_seen = |(other, settings): &(&RequestKind, &BodySettings)| {
            other.headers == kind.headers && *settings == question.settings
        };
        if seen.iter().any(is_seen) {
            continue;
        }
        seen.push((kind, question.settings));
        let question = Question {
            wording: question.wording.or(target.wording),
            ..question
        };
        let name = kind.name_in_mix();
        let mut say = |line: &str| say(&format!("request `{name}`, {line}"));
        let extent = Extent::Completion {
            stream: kind.call.stream() == Some(true),
        };
        let sent = with_headers(target, kind);
        discover::validate(&sent, access, Some(question), extent, left(), &mut say)
            .map_err(|e| e.within(&format!("request `{name}`")))?;
    }
    Ok(())
}

/// Returns the target with the headers that requests of a kind have there.
pub(super) fn with_headers(target: &Target, kind: &RequestKind) -> Target {
    Target {
        headers: kind
            .headers_at(target)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..target.clone()
    }
}

/// Returns the questions that validation asks an endpoint: one for each kind of completion in its mix.
fn questions(plan: &Plan, endpoint: u16, api: Api) -> impl Iterator<Item = (&RequestKind, Question<'_>)> {
    let kinds = plan
        .workload
        .kinds
        .iter()
        .filter(move |kind| kind.server == endpoint);
    kinds.filter_map(move |kind| match &kind.call {
        Call::Chat(Chat {
            models,
            prompts,
            wording,
            settings,
            ..
        }) => {
            let question = Question {
                wording: *wording,
                settings,
                model: models.first()?,
                ids: prompts.ids_at(api),
                prompt: match prompts {
                    Prompts::List(texts) => texts.first()?,
                    Prompts::Made { prefix, .. } if !prefix.is_empty() => prefix,
                    // An empty prompt is refused by vLLM.
                    Prompts::Made { .. } | Prompts::Ids { .. } | Prompts::Shared(_) | Prompts::Rows(_) => {
                        "Hi"
                    }
                },
            };
            Some((kind, question))
        }
        Call::Light | Call::Get { .. } => None,
    })
}
