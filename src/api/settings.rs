//! Settings of a completion that most APIs have: their names in documents, and their words in each API.

use std::sync::Arc;

use super::{Api, Members};

/// A setting of a completion. Documents and options have one name for each; an API may have another one, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// Generation goes on at the model's end of sequence, so that an answer is as long as its limit.
    IgnoreEos,
    /// The least tokens of an answer.
    MinTokens,
    Temperature,
    TopP,
    TopK,
    /// The seed of the server's sampling, which is not the run's.
    Seed,
    /// Texts that end generation.
    Stop,
    /// The number of answers to one request.
    N,
    /// The tools that the model may call.
    Tools,
}

impl Setting {
    pub const COUNT: usize = 9;
    pub const ALL: [Setting; Setting::COUNT] = [
        Setting::IgnoreEos,
        Setting::MinTokens,
        Setting::Temperature,
        Setting::TopP,
        Setting::TopK,
        Setting::Seed,
        Setting::Stop,
        Setting::N,
        Setting::Tools,
    ];

    /// Returns its key in a document.
    pub const fn key(self) -> &'static str {
        match self {
            Setting::IgnoreEos => "ignore_eos",
            Setting::MinTokens => "min_tokens",
            Setting::Temperature => "temperature",
            Setting::TopP => "top_p",
            Setting::TopK => "top_k",
            Setting::Seed => "sampling_seed",
            Setting::Stop => "stop",
            Setting::N => "n",
            Setting::Tools => "tools",
        }
    }

    /// Returns the name of its option: its key with dashes, but for the number of answers, because `-n` is the number
    /// of requests in many tools.
    pub fn option(self) -> String {
        match self {
            Setting::N => "choices".to_owned(),
            _ => self.key().replace('_', "-"),
        }
    }
}

/// The members of an API's body that hold settings, in lists that APIs share; the names of inner objects come first,
/// separated by dots. A setting that is in none of the lists cannot be sent.
pub type Words = &'static [WordList];
pub(in crate::api) type WordList = &'static [(Setting, &'static str)];

/// The words of OpenAI's older APIs, with those that vLLM and SGLang add.
pub(in crate::api) const OPENAI: WordList = &[
    (Setting::IgnoreEos, "ignore_eos"),
    (Setting::MinTokens, "min_tokens"),
    (Setting::Temperature, "temperature"),
    (Setting::TopP, "top_p"),
    (Setting::TopK, "top_k"),
    (Setting::Seed, "seed"),
    (Setting::Stop, "stop"),
    (Setting::N, "n"),
];

/// The word of every API that has tools.
pub(in crate::api) const TOOLS: WordList = &[(Setting::Tools, "tools")];

/// The words of llama.cpp's own completions. Several answers would come as a list, which no reader expects.
pub(in crate::api) const LLAMA_CPP: WordList = &[
    (Setting::IgnoreEos, "ignore_eos"),
    (Setting::Temperature, "temperature"),
    (Setting::TopP, "top_p"),
    (Setting::TopK, "top_k"),
    (Setting::Seed, "seed"),
    (Setting::Stop, "stop"),
];

/// The words of OpenAI's responses. vLLM takes `ignore_eos` here as well.
pub(in crate::api) const RESPONSES: WordList = &[
    (Setting::IgnoreEos, "ignore_eos"),
    (Setting::Temperature, "temperature"),
    (Setting::TopP, "top_p"),
];

/// The words of Anthropic's messages.
pub(in crate::api) const MESSAGES: WordList = &[
    (Setting::Temperature, "temperature"),
    (Setting::TopP, "top_p"),
    (Setting::TopK, "top_k"),
    (Setting::Stop, "stop_sequences"),
];

/// The words of Ollama, which has them among its options.
pub(in crate::api) const OLLAMA: WordList = &[
    (Setting::Temperature, "options.temperature"),
    (Setting::TopP, "options.top_p"),
    (Setting::TopK, "options.top_k"),
    (Setting::Seed, "options.seed"),
    (Setting::Stop, "options.stop"),
];

/// The words of Text Generation Inference.
pub(in crate::api) const TGI: WordList = &[
    (Setting::Temperature, "parameters.temperature"),
    (Setting::TopP, "parameters.top_p"),
    (Setting::TopK, "parameters.top_k"),
    (Setting::Seed, "parameters.seed"),
    (Setting::Stop, "parameters.stop"),
];

/// The words of SGLang. Several answers would come as a list, which no reader expects.
pub(in crate::api) const SGLANG: WordList = &[
    (Setting::IgnoreEos, "sampling_params.ignore_eos"),
    (Setting::MinTokens, "sampling_params.min_new_tokens"),
    (Setting::Temperature, "sampling_params.temperature"),
    (Setting::TopP, "sampling_params.top_p"),
    (Setting::TopK, "sampling_params.top_k"),
    (Setting::Seed, "sampling_params.sampling_seed"),
    (Setting::Stop, "sampling_params.stop"),
];

/// The words that Triton's back ends for TensorRT-LLM share.
pub(in crate::api) const TRITON: WordList = &[
    (Setting::Temperature, "temperature"),
    (Setting::TopP, "top_p"),
    (Setting::TopK, "top_k"),
];

/// A system prompt, and the file that it came from, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemPrompt {
    pub text: Arc<str>,
    pub file: Option<String>,
}

/// The part of a body that is the same in all requests of a kind, apart from its model and its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodySettings {
    /// The JSON text of each setting that is there.
    values: [Option<String>; Setting::COUNT],
    /// The file that the tools came from, if any.
    tools_file: Option<String>,
    system: Option<SystemPrompt>,
    extra: Members,
    /// What all of these result in for each API; empty if there are none.
    by_api: Vec<Members>,
}

impl BodySettings {
    pub fn is_empty(&self) -> bool {
        self.by_api.is_empty() && self.system.is_none()
    }

    /// Returns the JSON text of a setting.
    pub fn value(&self, setting: Setting) -> Option<&str> {
        self.values[setting as usize].as_deref()
    }

    /// Returns the settings that are there, with their JSON text.
    pub fn values(&self) -> impl Iterator<Item = (Setting, &str)> {
        Setting::ALL
            .into_iter()
            .filter_map(|setting| Some((setting, self.value(setting)?)))
    }

    pub fn system(&self) -> Option<&SystemPrompt> {
        self.system.as_ref()
    }

    pub fn tools_file(&self) -> Option<&str> {
        self.tools_file.as_deref()
    }

    /// Returns the members that were given as such, `extra_body`.
    pub fn extra(&self) -> &Members {
        &self.extra
    }

    /// Sets the JSON text of a setting.
    pub fn set(&mut self, setting: Setting, json: String) {
        if setting == Setting::Tools {
            self.tools_file = None;
        }
        self.values[setting as usize] = Some(json);
        self.prepare();
    }

    /// Sets the tools, which a file listed.
    pub fn set_tools_of(&mut self, file: &str, json: String) {
        self.set(Setting::Tools, json);
        self.tools_file = Some(file.to_owned());
    }

    pub fn set_system(&mut self, system: SystemPrompt) {
        self.system = Some(system);
    }

    pub fn set_extra(&mut self, extra: Members) {
        self.extra = extra;
        self.prepare();
    }

    /// Returns these settings with those of `above` over them. Members are merged.
    pub fn with(&self, above: &BodySettings) -> BodySettings {
        let mut merged = self.clone();
        for (value, above) in merged.values.iter_mut().zip(&above.values) {
            if above.is_some() {
                value.clone_from(above);
            }
        }
        if above.value(Setting::Tools).is_some() {
            merged.tools_file.clone_from(&above.tools_file);
        }
        if above.system.is_some() {
            merged.system.clone_from(&above.system);
        }
        merged.extra = self.extra.with(&above.extra);
        merged.prepare();
        merged
    }

    /// Returns the members that a body has in an API because of them.
    pub fn members(&self, api: Api) -> &Members {
        self.by_api.get(api as usize).unwrap_or(Members::none())
    }

    /// Returns the number of answers that a body asks for in an API because of them.
    pub fn answers(&self, api: Api) -> u32 {
        let json = api
            .row()
            .word_for(Setting::N)
            .and_then(|word| self.members(api).value(word));
        json.and_then(|json| json.parse().ok()).unwrap_or(1)
    }

    /// Returns a setting that the API has no word for.
    pub fn unknown_to(&self, api: Api) -> Option<Setting> {
        let mut given = self.values().map(|(setting, _)| setting);
        given.find(|setting| api.row().word_for(*setting).is_none())
    }

    /// Says the settings in the words of each API, once for all requests.
    fn prepare(&mut self) {
        let is_empty = self.extra.is_empty() && self.values().next().is_none();
        self.by_api = match is_empty {
            true => Vec::new(),
            false => Api::ALL.map(|api| self.said_to(api)).to_vec(),
        };
    }

    fn said_to(&self, api: Api) -> Members {
        let mut said = Members::NONE;
        for (setting, json) in self.values() {
            if let Some(word) = api.row().word_for(setting) {
                said.set(word, json);
            }
        }
        said.with(&self.extra)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
