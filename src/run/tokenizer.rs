//! Counts before the load what words are in tokens, so that made prompts have exactly the tokens that are asked for.
//!
//! The tokenizer counts each word once, after another one. What the server adds to a prompt (its template, marks at the
//! ends, a system prompt) it says itself: it is asked for a completion of the first word alone, and its own count of
//! that prompt's tokens is what all prompts have besides their words.

use std::sync::Arc;

use crate::api::Setting;
use crate::config::{Config, TokenizerChoice};
use crate::discover::{Access, ServerTokenizer, counted_prompt};
use crate::error::{ExitCode, Failure, Reason, quoted, shown_path};
use crate::plan::{Assignment, Plan};
use crate::run::Ready;
use crate::run::validation::with_headers;
use crate::tokenizer::LocalTokenizer;
use crate::workload::random::keyed;
use crate::workload::{
    Call, Chat, Draw, Prompts, RequestKind, Target, WORDS, WordCosts, Workload, body_of, made_text,
};

/// The number of prompts of each kind that are counted whole, to see whether the words add up.
const CHECKED: u32 = 8;
/// The words that are asked about at once. If all of them together are as many tokens as words, each is one.
const WORDS_AT_ONCE: usize = 64;
/// Keeps the prompts that are checked apart from those of the load, which a cache must not know.
const CHECK_SEED: u64 = 0x746f_6b65;
/// The longest prompt that a server is asked to read before the load.
const READ_TOKENS_MAX: u32 = 2_048;
/// The token limit of such a question: the minimum of the Responses API.
const ANSWER_TOKENS: u32 = 16;

/// Who counts tokens.
enum Counter<'a> {
    Server(ServerTokenizer<'a>),
    Local(&'a LocalTokenizer),
}

impl Counter<'_> {
    fn count(&mut self, text: &str) -> Result<u32, Failure> {
        match self {
            Counter::Server(server) => server.count(text),
            Counter::Local(local) => local.count(text).map_err(|reason| {
                let reason = reason.within(shown_path(local.path()));
                Failure::new(ExitCode::Config, reason.at("tokenizer", 0))
            }),
        }
    }
}

/// Measures the words of every kind of request that has made prompts of text, if the configuration asks for it, and
/// puts what they are in tokens into the plan.
///
/// # Errors
/// Fails if a tokenizer or a server does not answer, or prompts are asked for that are shorter than what the server
/// adds to them. The server that the run has started is stopped then.
pub fn measure(
    config: &Config,
    plan: &mut Plan,
    ready: &mut Ready,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    if config.tokenizer.is_none() {
        return Ok(());
    }
    let measured = measure_kinds(config, plan, ready, note);
    let measured = measured.and_then(|()| ready.managed.reset_baseline());
    measured.map_err(|e| {
        let mut failures = vec![e];
        ready.managed.stop(&mut failures);
        failures.remove(0)
    })
}

fn measure_kinds(
    config: &Config,
    plan: &mut Plan,
    ready: &Ready,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let mut known: Vec<(u16, String, WordCosts)> = Vec::new();
    // Both requests of a pair are the same, whoever else counts them.
    let is_paired = matches!(plan.assignment, Assignment::Paired(_));
    let in_mix = usize::from(plan.workload.kinds_in_mix());
    for index in 0..plan.workload.kinds.len() {
        if is_paired && index >= in_mix {
            let same = plan.workload.kinds[index % in_mix]
                .call
                .chat()
                .map(|chat| chat.word_costs.clone());
            set_costs(&mut plan.workload, index, same.unwrap_or_default());
            continue;
        }
        let kind = &plan.workload.kinds[index];
        let (server, place) = (kind.server, usize::from(kind.server));
        let Call::Chat(chat) = &kind.call else { continue };
        let target = with_headers(&ready.targets[place], kind);
        if !is_made(chat, &target) {
            continue;
        }
        let access = Access {
            tls: ready.engine.tls[place].as_ref(),
            sources: &config.source_address.addresses,
        };
        let mut of_models = Vec::new();
        for (number, model) in chat.models.iter().enumerate() {
            let mut counter = match (&config.tokenizer.choice, &config.tokenizer.local) {
                (TokenizerChoice::File(_), Some(local)) => Counter::Local(local),
                _ => Counter::Server(ServerTokenizer::new(&target, access, model)),
            };
            let costs = match known.iter().find(|(s, m, _)| (*s, m) == (server, model)) {
                Some((_, _, costs)) => costs.clone(),
                None => {
                    let costs = word_costs(&mut counter)?;
                    known.push((server, model.clone(), costs.clone()));
                    costs
                }
            };
            let asked = Asked {
                target: &target,
                access,
                workload: &plan.workload,
                kind: index,
                model: number as u32,
                seed: keyed([plan.seed, CHECK_SEED, 0, 0]),
            };
            of_models.push(Arc::new(asked.fit(&mut counter, costs, note)?));
        }
        set_costs(&mut plan.workload, index, of_models.into());
    }
    Ok(())
}

/// Tells whether a kind has texts that are made of words.
fn is_made(chat: &Chat, target: &Target) -> bool {
    let has_system = chat.conversation.as_ref().is_some_and(|own| own.has_system());
    let has_words = match &chat.prompts {
        Prompts::Rows(rows) => {
            rows.dataset.first_blocks().is_some() && chat.prompts.ids_at(target.api).is_none()
        }
        prompts => prompts.are_words(),
    };
    has_words || has_system
}

fn set_costs(workload: &mut Workload, index: usize, costs: Box<[Arc<WordCosts>]>) {
    if let Call::Chat(Chat { word_costs, .. }) = &mut workload.kinds[index].call {
        *word_costs = costs;
    }
}

/// Returns the tokens of each word with a blank before it.
fn word_costs(counter: &mut Counter<'_>) -> Result<WordCosts, Failure> {
    let lead = counter.count(WORDS[0])?;
    let mut costs = [0; WORDS.len()];
    let mut groups: Vec<(usize, usize)> = (0..WORDS.len())
        .step_by(WORDS_AT_ONCE)
        .map(|begin| (begin, begin + WORDS_AT_ONCE))
        .collect();
    while let Some((begin, end)) = groups.pop() {
        let text = format!("{} {}", WORDS[0], WORDS[begin..end].join(" "));
        let count = counter.count(&text)?.saturating_sub(lead) as usize;
        if count == end - begin {
            costs[begin..end].fill(1);
        } else if end - begin == 1 {
            costs[begin] = u8::try_from(count).unwrap_or(0);
        } else {
            let middle = usize::midpoint(begin, end);
            groups.extend([(begin, middle), (middle, end)]);
        }
    }
    WordCosts::new(costs).ok_or_else(|| {
        let reason = Reason::new("tokenizer: by its count no word of made prompts has any tokens");
        Failure::new(
            ExitCode::Target,
            reason.hint("leave out --tokenizer (`tokenizer`)"),
        )
    })
}

/// One kind of request to one of its models.
struct Asked<'a> {
    target: &'a Target,
    access: Access<'a>,
    workload: &'a Workload,
    kind: usize,
    model: u32,
    seed: u64,
}

impl Asked<'_> {
    fn kind(&self) -> &RequestKind {
        &self.workload.kinds[self.kind]
    }

    /// Measures what a prompt of the kind has besides its words, and checks prompts of the kind.
    fn fit(
        &self,
        counter: &mut Counter<'_>,
        costs: WordCosts,
        note: &mut dyn FnMut(&str),
    ) -> Result<WordCosts, Failure> {
        let name = quoted(self.kind().name_in_mix());
        let first_word = costs.first_word();
        let first = counter.count(first_word)?;
        let Some(chat) = self.kind().call.chat() else {
            return Ok(costs);
        };
        let opening = match &chat.prompts {
            Prompts::Made { .. } => {
                let text = self.text(chat, costs.clone(), 0).map(|(text, _)| text);
                counter.count(text.as_deref().unwrap_or(first_word))?
            }
            _ => first,
        };
        let (costs, own) = if chat.conversation.is_some() {
            (costs.with_first(first, opening, opening), String::new())
        } else {
            match counted_prompt(self.target, self.access, &self.body(&costs, 0))? {
                Some(base) => {
                    let own = format!(", {} of them what the server adds", base.saturating_sub(opening));
                    (costs.with_first(first, opening, base), own)
                }
                None => {
                    let own =
                        "; the server does not say how many tokens its template adds, so those come on top";
                    (costs.with_first(first, opening, opening), own.to_owned())
                }
            }
        };
        self.check_shortest(chat, &costs, &name)?;
        let off = self.off(counter, chat, &costs)?;
        let how = match off {
            None => "the words of its conversations are counted".to_owned(),
            Some((0, _)) => "its prompts have exactly the tokens asked for".to_owned(),
            Some((off, asked)) => {
                format!("its prompts are up to {off} tokens off what is asked for (of {asked})")
            }
        };
        note(&format!("tokenizer: request {name}: {how}{own}"));
        self.check_usage(chat, &costs, note)?;
        Ok(costs)
    }

    /// Refuses prompts that are shorter than what the server adds to them.
    fn check_shortest(&self, chat: &Chat, costs: &WordCosts, name: &str) -> Result<(), Failure> {
        let shortest = match &chat.prompts {
            Prompts::Made { tokens, .. } => tokens.min(),
            Prompts::Shared(shared) => shared.shortest(),
            Prompts::List(_) | Prompts::Ids { .. } | Prompts::Rows(_) => return Ok(()),
        };
        let (least, whose) = match chat.conversation {
            Some(_) => (costs.opening(), "the first word and what stands before it are"),
            None => (costs.base(), "the first word and what the server adds are"),
        };
        if shortest >= least {
            return Ok(());
        }
        let what = format!(
            "tokenizer: request {name}: prompts of {shortest} tokens are asked for, and {whose} {least} already"
        );
        let hint = format!("ask for prompts of at least {least} tokens, or leave the tokenizer out");
        Err(Failure::new(ExitCode::Config, Reason::new(what).hint(hint)))
    }

    /// Returns by how many tokens prompts are off at most, and of how many, as the tokenizer counts the words of whole
    /// prompts; `None` if the kind has no such prompts.
    fn off(
        &self,
        counter: &mut Counter<'_>,
        chat: &Chat,
        costs: &WordCosts,
    ) -> Result<Option<(u32, u32)>, Failure> {
        let mut worst = None;
        for number in 0..CHECKED {
            let Some((text, asked)) = self.text(chat, costs.clone(), number) else {
                return Ok(None);
            };
            let around = costs.base().saturating_sub(costs.opening());
            let off = (counter.count(&text)? + around).abs_diff(asked.max(costs.base()));
            if worst.is_none_or(|(most, _)| off > most) {
                worst = Some((off, asked));
            }
        }
        Ok(worst)
    }

    /// Asks the server for one whole prompt, and says if it counts other tokens than the tokenizer.
    fn check_usage(&self, chat: &Chat, costs: &WordCosts, note: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let Some((_, asked)) = self.text(chat, costs.clone(), CHECKED) else {
            return Ok(());
        };
        if asked > READ_TOKENS_MAX || asked <= costs.base() {
            return Ok(());
        }
        let counted = counted_prompt(self.target, self.access, &self.body(costs, CHECKED))?;
        if let Some(counted) = counted.filter(|counted| *counted != asked) {
            note(&format!(
                "tokenizer: the server counts {counted} tokens in a prompt that should have {asked}: it does not count \
                 as this tokenizer does"
            ));
        }
        Ok(())
    }

    /// Returns the draw of a request that is not part of the load.
    fn draw(&self, number: u32) -> Draw {
        let draw = self
            .workload
            .draw_of_kind(self.seed, number, u64::from(number), self.kind as u16, 1);
        let row = match self.kind().call.chat().map(|chat| &chat.prompts) {
            Some(Prompts::Rows(rows)) => rows.dataset.first_blocks(),
            _ => None,
        };
        Draw {
            model: self.model,
            prompt: row.unwrap_or(draw.prompt),
            ..draw
        }
    }

    /// Returns the text of such a request and its tokens, if it is made of words and stands alone.
    fn text(&self, chat: &Chat, costs: WordCosts, number: u32) -> Option<(String, u32)> {
        if chat.conversation.is_some() {
            return None;
        }
        made_text(&counted(chat, costs, self.model), &self.draw(number))
    }

    /// Returns the body of such a request, for a short answer in one piece.
    fn body(&self, costs: &WordCosts, number: u32) -> Vec<u8> {
        let mut kind = self.kind().clone();
        let mut draw = self.draw(number);
        if let Call::Chat(chat) = &mut kind.call {
            let least = chat.settings.value(Setting::MinTokens);
            let least = least.and_then(|json| json.parse().ok()).unwrap_or(0);
            draw.max_tokens = ANSWER_TOKENS.max(least);
            *chat = Chat {
                stream: false,
                ..counted(chat, costs.clone(), self.model)
            };
        }
        draw.kind = 0;
        let workload = Workload {
            kinds: vec![kind],
            servers: self.workload.servers.clone(),
            ..*self.workload
        };
        body_of(self.target, &workload, &draw)
    }
}

/// Returns the request with the tokens of words for one of its models.
fn counted(chat: &Chat, costs: WordCosts, model: u32) -> Chat {
    let costs = Arc::new(costs);
    Chat {
        word_costs: vec![costs; model as usize + 1].into(),
        ..chat.clone()
    }
}
