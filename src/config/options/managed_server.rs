//! The options of the server that a run starts itself.

use crate::cli::RunArgs;
use crate::config::SimulatorConfig;
use crate::error::{Mistake, Reason};
use crate::plan::{SERVER_WAIT_MAX, SERVER_WAIT_MIN};
use crate::server::args::TARGET_TOKENS_MAX;
use crate::server::{CommandOptions, ErrorRates, SimOptions, command};
use crate::units::redact;
use crate::units::{Nanos, SECOND, within};
use crate::units::{Secret, check_duration, duration_text, optional_path_text};
use serde::{Serialize, Serializer};
use std::path::PathBuf;
use std::time::Duration;

/// The default wait for a server. Loading a model of many gigabytes from a slow disk takes minutes.
const WAIT_DEFAULT: Nanos = 120 * SECOND;

/// The settings of the simulator. Only those that were given are serialised.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulatorSettings {
    /// The port; `None` for any free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub chaos: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// The number of tokens in each answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    #[serde(
        serialize_with = "optional_path_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub config: Option<PathBuf>,
    /// The first option given that only the simulator has.
    #[serde(skip)]
    pub option: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CommandSettings {
    /// The first word of the command.
    pub program: String,
    /// The other words, which are never shown, because one may be a key.
    pub arguments: Vec<Secret>,
    #[serde(serialize_with = "redacted")]
    pub health_url: String,
    #[serde(serialize_with = "duration_text")]
    pub wait: Nanos,
}

fn redacted<S: Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&redact(url))
}

impl SimulatorSettings {
    /// Combines the options with the document's settings. It opens no file.
    pub fn read(
        args: &RunArgs,
        document: Option<&SimulatorConfig>,
        mistakes: &mut Vec<Mistake>,
    ) -> SimulatorSettings {
        let asked = &args.server;
        let mut wrong = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
        if let Some(tokens) = asked.sim_tokens
            && let Err(reason) = within(Some(tokens), &tokens.to_string(), &(1..=TARGET_TOKENS_MAX))
        {
            wrong("--sim-tokens", reason);
        }
        let document = SimulatorSettings::of_document(document);
        SimulatorSettings {
            port: args.port,
            chaos: asked.chaos,
            latency: asked.sim_latency.clone().or(document.latency),
            tokens: asked.sim_tokens.or(document.tokens),
            config: asked.sim_config.clone(),
            option: SimulatorSettings::option_given(args),
        }
    }

    /// Returns the settings of a document, without options.
    pub fn of_document(document: Option<&SimulatorConfig>) -> SimulatorSettings {
        SimulatorSettings {
            latency: document.and_then(|document| document.latency.clone()),
            tokens: document.and_then(|document| document.tokens),
            ..SimulatorSettings::default()
        }
    }

    /// Returns the first option given that only the simulator has.
    pub fn option_given(args: &RunArgs) -> Option<&'static str> {
        let asked = &args.server;
        [
            (asked.chaos, "--chaos"),
            (asked.sim_latency.is_some(), "--sim-latency"),
            (asked.sim_tokens.is_some(), "--sim-tokens"),
            (asked.sim_config.is_some(), "--sim-config"),
        ]
        .into_iter()
        .find_map(|(given, option)| given.then_some(option))
    }

    /// Returns the simulator's own options, to run on `cpus`.
    pub fn options(&self, cpus: &[usize]) -> SimOptions {
        SimOptions {
            cpus: cpus.to_vec(),
            latency: self.latency.clone(),
            target_tokens: self.tokens,
            config: self.config.clone(),
            errors: self.chaos.then_some(ErrorRates::CHAOS),
        }
    }
}

impl CommandSettings {
    /// Reads `--server-cmd` and the options that belong to it; returns `None` if it is not given or cannot be used.
    pub fn read(args: &RunArgs, mistakes: &mut Vec<Mistake>) -> Option<CommandSettings> {
        let mut wrong = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
        let asked = &args.server;
        let Some(line) = &asked.server_cmd else {
            for (given, option) in [
                (asked.health_url.is_some(), "--health-url"),
                (asked.server_wait.is_some(), "--server-wait"),
            ] {
                if given {
                    let what = "has no effect without `--server-cmd`, the server that it waits for";
                    wrong(option, Reason::new(what).hint("add `--server-cmd 'COMMAND'`"));
                }
            }
            return None;
        };
        if args.no_server {
            let what = "contradicts `--server-cmd`, which starts one";
            wrong("--no-server", Reason::new(what).hint("remove one of them"));
        }
        let wait = asked.server_wait.unwrap_or(WAIT_DEFAULT);
        if let Err(reason) = check_duration(wait, &(SERVER_WAIT_MIN..=SERVER_WAIT_MAX)) {
            wrong("--server-wait", reason);
        }
        let words = command::split(line.expose());
        if let Err(why) = words {
            let what = format!("is not a command line: {why}");
            let hint =
                "write `--server-cmd 'PROGRAM ARGUMENT …'`, or `sh -c '…'` if it needs pipes or variables";
            wrong("--server-cmd", Reason::new(what).hint(hint));
        }
        let Some(health_url) = asked.health_url.clone() else {
            let what = "needs `--health-url`, which tells when the server is ready";
            let hint = "add for example `--health-url http://127.0.0.1:8080/health`";
            wrong("--server-cmd", Reason::new(what).hint(hint));
            return None;
        };
        let mut words = words.ok()?.into_iter();
        Some(CommandSettings {
            program: words.next()?,
            arguments: words.map(Secret::from).collect(),
            health_url,
            wait,
        })
    }

    pub fn options(&self) -> CommandOptions {
        let arguments = self.arguments.iter().map(|word| word.expose().to_owned());
        CommandOptions {
            words: std::iter::once(self.program.clone()).chain(arguments).collect(),
            health_url: self.health_url.clone(),
            wait: Duration::from_nanos(self.wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::config::{ServerChoice, load_plan};
    use clap::Parser;

    fn args(words: &[&str]) -> RunArgs {
        let line = ["llmload-uring", "quick-smoke"].iter().chain(words);
        Cli::try_parse_from(line).unwrap().run
    }

    fn mistakes(words: &[&str]) -> Vec<String> {
        match load_plan(&args(words)) {
            Ok(_) => Vec::new(),
            Err(error) => error.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn options_of_the_simulator_are_refused_for_another_server() {
        for option in [
            &["--chaos"][..],
            &["--sim-latency", "fast"],
            &["--sim-tokens", "5"],
            &["--sim-config", "x.toml"],
        ] {
            for other in [
                &["--target", "http://127.0.0.1:1"][..],
                &["--no-server", "--port", "1"],
                &["--server-cmd", "x", "--health-url", "http://127.0.0.1:1"],
            ] {
                let words = [option, other].concat();
                let found = mistakes(&words);
                assert_eq!(found.len(), 1, "{words:?}: {found:?}");
                let start = format!("{}: is for the simulator, but `", option[0]);
                assert!(found[0].contains(&start), "{found:?}");
            }
            assert_eq!(mistakes(option), [""; 0]);
        }
        assert!(mistakes(&["--sim-tokens", "0"])[0].contains("`0` is below the minimum of 1"));
    }

    #[test]
    fn a_command_and_a_health_url_need_each_other() {
        let health = ["--health-url", "http://127.0.0.1:1/health"];
        let with = |more: &[&'static str]| [&["--server-cmd", "a b"][..], &health, more].concat();
        assert_eq!(mistakes(&with(&[])), [""; 0]);
        assert!(mistakes(&["--server-cmd", "a"])[0].contains("needs `--health-url`"));
        assert!(mistakes(&health)[0].contains("without `--server-cmd`"));
        assert!(mistakes(&["--server-wait", "5s"])[0].contains("without `--server-cmd`"));
        assert!(mistakes(&with(&["--no-server"]))[0].contains("contradicts `--server-cmd`"));
        assert!(mistakes(&with(&["--port", "81"]))[0].contains("--port: is for the simulator"));
        assert!(mistakes(&with(&["--server-wait", "1ms"]))[0].contains("--server-wait: "));
        let open = [&["--server-cmd", "a 'b"][..], &health].concat();
        assert!(mistakes(&open)[0].contains("a quote is not closed"));
    }

    #[test]
    fn the_command_is_kept_word_by_word_and_its_arguments_are_never_shown() {
        let words = [
            "--server-cmd",
            "srv --api-key CANARY",
            "--health-url",
            "http://u:CANARY@127.0.0.1:1/h?k=CANARY",
            "--target",
            "http://127.0.0.1:1/v1",
        ];
        let (config, _) = load_plan(&args(&words)).unwrap();
        let ServerChoice::Command { command, server } = &config.server else {
            panic!("{:?}", config.server);
        };
        assert_eq!(command.options().words, ["srv", "--api-key", "CANARY"]);
        assert_eq!(command.options().wait, Duration::from_secs(120));
        assert_eq!(server.as_ref().unwrap().base_url, "http://127.0.0.1:1/v1");
        let json = serde_json::to_string(&config).unwrap();
        assert!(!json.contains("CANARY"), "{json}");
        assert!(json.contains("\"program\":\"srv\""), "{json}");
    }

    #[test]
    fn chaos_sets_the_rates_in_its_help() {
        let (config, _) = load_plan(&args(&["--chaos", "--sim-tokens", "7"])).unwrap();
        let ServerChoice::Simulator(settings) = &config.server else {
            panic!("{:?}", config.server);
        };
        let options = settings.options(&[1]);
        let rates = options.errors.unwrap();
        assert_eq!(
            (rates.rate_limit, rates.server_error, rates.timeout),
            (0.10, 0.05, 0.02)
        );
        assert_eq!((options.target_tokens, options.cpus), (Some(7), vec![1]));
    }
}
