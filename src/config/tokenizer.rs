//! Who counts the tokens of made prompts before the load: the key `tokenizer` and the option `--tokenizer`.

use crate::cli::RunArgs;
use crate::config::Config;
use crate::config::document::reader::{Fields, Reader};
use crate::error::{Mistake, Place, Reason};
use crate::tokenizer::LocalTokenizer;
use crate::workload::{Call, Prompts};
use serde::{Serialize, Serializer};
use std::sync::Arc;

const NONE: &str = "none";
const SERVER: &str = "server";

/// Who counts the tokens of words, so that made prompts of text have exactly the tokens that are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TokenizerChoice {
    /// Nobody: each word counts as one token.
    #[default]
    None,
    /// The server, by its `/tokenize`.
    Server,
    /// A `tokenizer.json`, or a folder that has one.
    File(String),
}

impl TokenizerChoice {
    pub fn parse(text: &str) -> Result<TokenizerChoice, Reason> {
        match text {
            NONE => Ok(TokenizerChoice::None),
            SERVER => Ok(TokenizerChoice::Server),
            "" => {
                Err(Reason::new("is empty").hint("write `server`, `none`, or the path of a tokenizer.json"))
            }
            path => Ok(TokenizerChoice::File(path.to_owned())),
        }
    }

    /// Returns the text that [`TokenizerChoice::parse`] reads.
    pub fn text(&self) -> &str {
        match self {
            TokenizerChoice::None => NONE,
            TokenizerChoice::Server => SERVER,
            TokenizerChoice::File(path) => path,
        }
    }
}

impl Serialize for TokenizerChoice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.text())
    }
}

/// The choice of a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenizerConfig {
    pub choice: TokenizerChoice,
    pub place: Place,
    /// The tokenizer of the file, once it has been read.
    pub local: Option<Arc<LocalTokenizer>>,
}

impl TokenizerConfig {
    pub fn is_none(&self) -> bool {
        self.choice == TokenizerChoice::None
    }
}

impl Serialize for TokenizerConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.choice.serialize(to)
    }
}

/// Reads the key `tokenizer`.
pub fn read_tokenizer(reader: &mut Reader<'_>, fields: &Fields<'_>) -> TokenizerConfig {
    let expected = "`server`, `none`, or the path of a tokenizer.json";
    let choice = reader.parsed(fields, "tokenizer", expected, TokenizerChoice::parse);
    TokenizerConfig {
        choice: choice.unwrap_or_default(),
        place: reader.place(fields.line_of("tokenizer")),
        local: None,
    }
}

/// Lays the option over the key, and reads the file that either names.
pub fn overlay_tokenizer(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let place = Place::option("--tokenizer");
    if let Some(text) = &args.lengths.tokenizer {
        match TokenizerChoice::parse(text) {
            Ok(choice) => {
                config.tokenizer = TokenizerConfig {
                    choice,
                    place,
                    local: None,
                }
            }
            Err(reason) => return mistakes.push(place.mistake(reason)),
        }
    }
    if config.tokenizer.is_none() {
        return;
    }
    if !config.requests.iter().any(|request| may_be_words(&request.call)) {
        let what = format!(
            "{}: has no effect: no request has prompts that are made of words",
            config.tokenizer.choice.text()
        );
        let hint = "ask for their lengths with `--prompt-tokens 512` (`prompts: {tokens: 512}`), or leave it out; token \
                    ids are exact as they are";
        return mistakes.push(config.tokenizer.place.mistake(Reason::new(what).hint(hint)));
    }
    if let TokenizerChoice::File(path) = &config.tokenizer.choice {
        match LocalTokenizer::read(path) {
            Ok(local) => config.tokenizer.local = Some(Arc::new(local)),
            Err(reason) => mistakes.push(config.tokenizer.place.mistake(reason)),
        }
    }
}

/// Tells whether a request may have prompts of words that are made for it; which rows do depends on the API.
fn may_be_words(call: &Call) -> bool {
    let Some(chat) = call.chat() else { return false };
    let has_system = chat.conversation.as_ref().is_some_and(|own| own.has_system());
    chat.prompts.are_words() || matches!(chat.prompts, Prompts::Rows(_)) || has_system
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
