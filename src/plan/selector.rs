//! Selects the requests that a threshold looks at: `metric{tag:value,...}`, as k6 writes sub-metrics.

use crate::error::{Reason, nearest, quoted};
use crate::plan::{Executor, Phases};
use crate::workload::{RequestKind, Server};

const TAGS: [&str; 7] = [
    "endpoint",
    "server",
    "stream",
    "expected_response",
    "request",
    "kind",
    "steady",
];

/// A selection of requests. Each tag narrows it; without tags it contains all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// Required value of `Call::endpoint`.
    pub endpoint: Option<String>,
    /// Required value of `Call::stream`; a GET is neither a stream nor a whole answer.
    pub stream: Option<bool>,
    /// True selects requests that did not fail, false those that did.
    pub expected_response: Option<bool>,
    /// Name in the mix, with or without the server's name in front.
    pub request: Option<String>,
    /// Only requests that were due while the load was steady.
    pub steady: bool,
    /// Index of the server that the tag `endpoint` names, if the run has several.
    server: Option<u16>,
    /// The run has several servers, so names of kinds begin with a server's name.
    several: bool,
}

impl Selector {
    /// Returns true if requests of this kind are selected; `expected_response` then looks at their outcome.
    pub fn selects(&self, kind: &RequestKind) -> bool {
        let endpoint = self.endpoint.as_deref();
        endpoint.is_none_or(|endpoint| endpoint == kind.call.endpoint())
            && self
                .stream
                .is_none_or(|stream| kind.call.stream() == Some(stream))
            && self.server.is_none_or(|server| server == kind.server)
            && self
                .request
                .as_ref()
                .is_none_or(|request| *request == kind.name || self.several && *request == base_name(kind))
    }

    /// Decides what the tag `endpoint` means: a server if one has that name, otherwise a kind of path.
    pub fn resolve(&mut self, servers: &[Server]) {
        let asked = |server: &Server| server.name.is_some() && server.name == self.endpoint;
        self.several = servers.len() > 1;
        if self.several
            && let Some(index) = servers.iter().position(asked)
        {
            self.endpoint = None;
            self.server = u16::try_from(index).ok();
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Selector::default()
    }

    /// Refuses to look at the steady part of a load that has none.
    pub fn check_phases(&self, executor: &Executor) -> Result<(), Reason> {
        if !self.steady || !Phases::of(executor).holds().is_empty() {
            return Ok(());
        }
        let what = "the load is never steady: no stage holds its target";
        Err(Reason::new(what).hint("add a stage with the target of the one before it, or remove `steady`"))
    }

    /// Refuses a selector that selects none of the kinds of a mix on these servers.
    pub fn check(&self, kinds: &[RequestKind], servers: &[Server]) -> Result<(), Reason> {
        if kinds.iter().any(|kind| self.selects(kind)) {
            return Ok(());
        }
        let of = |pick: &dyn Fn(&RequestKind) -> String| -> Vec<String> {
            let mut names: Vec<String> = kinds.iter().map(pick).collect();
            names.dedup();
            names
        };
        let requests = of(&|kind| kind.name.clone());
        let servers = servers.iter().filter(|_| servers.len() > 1);
        let mut endpoints: Vec<String> = servers.filter_map(|server| server.name.clone()).collect();
        endpoints.extend(of(&|kind| kind.call.endpoint().to_owned()));
        let unknown = |tag: &str, asked: &Option<String>, known: &[String]| {
            let asked = asked.as_ref().filter(|asked| !known.contains(asked))?;
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = match nearest(asked, &words) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("the mix has {}", words.join(", ")),
            };
            Some(Reason::new(format!("no {tag} {} in the mix", quoted(asked))).hint(hint))
        };
        let wrong = unknown("request", &self.request, &requests)
            .or_else(|| unknown("endpoint", &self.endpoint, &endpoints));
        Err(wrong.unwrap_or_else(|| {
            let hint = format!("the mix has the requests {}", requests.join(", "));
            Reason::new("the tags select none of the requests in the mix").hint(hint)
        }))
    }

    fn set(&mut self, tag: &str, value: &str) -> Result<(), Reason> {
        let twice = match tag {
            // With several servers an endpoint is one of them.
            "endpoint" | "server" => self.endpoint.replace(value.to_owned()).is_some(),
            // The glossary's word for an entry of the mix.
            "request" | "kind" => self.request.replace(value.to_owned()).is_some(),
            "stream" => self.stream.replace(parse_bool(tag, value)?).is_some(),
            "steady" => match parse_bool(tag, value)? {
                true => std::mem::replace(&mut self.steady, true),
                false => {
                    let what = "tag `steady` is false, and selects nothing";
                    return Err(
                        Reason::new(what).hint("write `steady:true`, or leave it out for all requests")
                    );
                }
            },
            "expected_response" => self.expected_response.replace(parse_bool(tag, value)?).is_some(),
            _ => {
                let hint = match nearest(tag, &TAGS) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("tags are {}", TAGS.join(", ")),
                };
                return Err(Reason::new(format!("unknown tag {}", quoted(tag))).hint(hint));
            }
        };
        match twice {
            true => Err(Reason::new(format!("tag `{tag}` appears twice"))),
            false => Ok(()),
        }
    }
}

/// Returns the name in the mix of a kind called `server/name`; a server's name has no slash.
fn base_name(kind: &RequestKind) -> &str {
    kind.name.split_once('/').map_or("", |(_, name)| name)
}

fn parse_bool(tag: &str, value: &str) -> Result<bool, Reason> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Reason::new(format!(
            "tag `{tag}` is {}, which is neither true nor false",
            quoted(value)
        ))),
    }
}

/// Splits `metric{tag:value,...}` into the metric's name and the tags. Blanks around names and values, and quotes
/// around values, are not part of them (k6's `metrics.ParseMetricName`).
pub fn split_key(key: &str) -> Result<(&str, Selector), Reason> {
    let Some((name, rest)) = key.split_once('{') else {
        return Ok((key.trim(), Selector::default()));
    };
    let malformed =
        |what: &str| Reason::new(format!("{}: {what}", quoted(key))).hint("write `metric{tag:value,...}`");
    let Some(tags) = rest.trim_end().strip_suffix('}') else {
        return Err(malformed("the tags do not end with `}`"));
    };
    let mut selector = Selector::default();
    for pair in tags.split(',') {
        let (tag, value) = pair
            .split_once(':')
            .ok_or_else(|| malformed("a tag has no value"))?;
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).trim().to_owned();
        let (tag, value) = (bare(tag), bare(value));
        if value.is_empty() {
            return Err(malformed("a tag has no value"));
        }
        selector.set(&tag, &value)?;
    }
    Ok((name.trim(), selector))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lengths::Lengths;
    use crate::units::SECOND;
    use crate::workload::{Call, Chat, LightPath, Prompts, Timeouts};

    fn kind(name: &str, call: Call) -> RequestKind {
        RequestKind {
            name: name.into(),
            weight: 1,
            call,
            timeouts: Timeouts {
                connect: None,
                first_token: None,
                idle: None,
                total: SECOND,
            },
            goodput: Default::default(),
            headers: Vec::new(),
            server: 0,
        }
    }

    fn kinds() -> Vec<RequestKind> {
        let chat = |stream| {
            Call::Chat(Chat {
                stream,
                max_tokens: Lengths::fixed(1),
                models: vec!["m".into()],
                prompts: Prompts::List(vec!["p".into()]),
                ..Chat::default()
            })
        };
        let path = LightPath::Models;
        vec![
            kind("slow", chat(true)),
            kind("plain", chat(false)),
            kind("list", Call::Get { path }),
            kind("light", Call::Light),
        ]
    }

    fn chosen(key: &str) -> Vec<String> {
        let (_, selector) = split_key(key).unwrap();
        let kinds = kinds();
        let chosen = kinds.iter().filter(|kind| selector.selects(kind));
        chosen.map(|kind| kind.name.clone()).collect()
    }

    fn refused(key: &str) -> String {
        split_key(key).unwrap_err().to_string()
    }

    #[test]
    fn each_tag_narrows_the_choice() {
        assert_eq!(chosen("latency").len(), 4);
        assert_eq!(chosen("latency{stream:true}"), ["slow"]);
        assert_eq!(chosen("latency{stream:false}"), ["plain"]);
        assert_eq!(chosen("latency{endpoint:chat}"), ["slow", "plain"]);
        assert_eq!(chosen("latency{endpoint:models}"), ["list"]);
        assert_eq!(chosen("latency{request:light}"), ["light"]);
        assert_eq!(
            chosen("latency{endpoint:chat,stream:false,request:plain}"),
            ["plain"]
        );
        assert_eq!(chosen("latency{expected_response:true}").len(), 4);
    }

    #[test]
    fn blanks_and_quotes_are_not_part_of_names_and_values() {
        let (name, selector) = split_key(" ttft { stream : true , request:'slow' } ").unwrap();
        assert_eq!((name, selector.stream), ("ttft", Some(true)));
        assert_eq!(selector.request.as_deref(), Some("slow"));
        assert_eq!(
            split_key("ttft{request:\"slow\"}").unwrap().1.request.as_deref(),
            Some("slow")
        );
    }

    #[test]
    fn an_unknown_tag_is_refused_with_a_suggestion() {
        assert!(refused("ttft{stream:yes}").contains("neither true nor false"));
        assert!(refused("ttft{strem:true}").contains("did you mean `stream`?"));
        assert!(refused("ttft{status:200}").contains("tags are endpoint, server"));
        assert!(refused("ttft{stream:true").contains("do not end with `}`"));
        assert!(refused("ttft{}").contains("no value"));
        assert!(refused("ttft{stream:}").contains("no value"));
        assert!(refused("ttft{stream}").contains("no value"));
        assert!(refused("ttft{stream:true,stream:true}").contains("twice"));
    }

    #[test]
    fn tags_that_select_no_request_are_refused_with_the_requests_in_the_mix() {
        let check = |key: &str| {
            let (_, selector) = split_key(key).unwrap();
            selector.check(&kinds(), &[]).map_err(|reason| reason.to_string())
        };
        assert_eq!(check("latency{request:plain}"), Ok(()));
        assert!(
            check("latency{request:plian}")
                .unwrap_err()
                .contains("did you mean `plain`?")
        );
        assert!(
            check("latency{endpoint:stats}")
                .unwrap_err()
                .contains("the mix has chat, models, light")
        );
        assert!(
            check("latency{request:plain,stream:true}")
                .unwrap_err()
                .contains("select none")
        );
    }
}
