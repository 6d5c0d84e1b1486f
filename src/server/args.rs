//! Defines the simulator's options, and the arguments of the hidden subcommand that pass them to the child.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::{ExitCode, Failure, Reason, quoted};
use crate::host::CpuList;
use crate::host::cpus::cpu_list;

/// Name of the hidden subcommand.
pub const SUBCOMMAND: &str = "__llmsim";

/// Latency profile if neither an option nor a file names one: 10 ms to the first token, and about 2.2 ms between
/// events.
pub const LATENCY_DEFAULT: &str = "fast";

/// Default number of tokens in each answer. The simulator ignores `max_tokens`, and most requests of the
/// high-concurrency mix ask for 20. With 20 tokens, a plain answer takes 0.09 ms of a core, and a stream of 30 events
/// in 80 ms takes 0.5 ms; with 100 tokens it would be 0.14 ms and 1.7 ms (2-core virtual machine, kernel 6.18). For
/// the whole mix this means about 6000 requests per second and core instead of 2300.
pub const TARGET_TOKENS_DEFAULT: usize = 20;

/// Longest answer in tokens that the simulator may be asked for.
pub const TARGET_TOKENS_MAX: usize = 1_000_000;

/// Latency profiles that the simulator knows. Names are checked here, because it silently uses `gpt5` for unknown ones.
pub const LATENCY_PROFILES: [&str; 26] = [
    "instant",
    "fast",
    "gpt5",
    "gpt-5",
    "gpt5-mini",
    "gpt-5-mini",
    "o3",
    "o4",
    "o-series",
    "gpt4",
    "gpt-4",
    "gpt4o",
    "gpt-4o",
    "claude-opus",
    "opus",
    "claude-sonnet",
    "sonnet",
    "claude-haiku",
    "haiku",
    "gemini",
    "gemini-pro",
    "gemini-flash",
    "deepseek",
    "deepseek-chat",
    "deepseek-reasoner",
    "jev",
];

/// Shares of injected errors, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRates {
    /// Share of answers with status 429.
    pub rate_limit: f64,
    /// Share of answers with status 500 or 503.
    pub server_error: f64,
    /// Share of answers with status 504, which come at once.
    pub timeout: f64,
}

impl ErrorRates {
    /// The rates of `--chaos`.
    pub const CHAOS: ErrorRates = ErrorRates {
        rate_limit: 0.10,
        server_error: 0.05,
        timeout: 0.02,
    };
}

/// Options of the simulator. `None` leaves a value to `config`, or to the defaults above.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimOptions {
    /// CPUs that its threads run on; empty for any.
    pub cpus: Vec<usize>,
    pub latency: Option<String>,
    pub target_tokens: Option<usize>,
    /// llmsim's own TOML document.
    pub config: Option<PathBuf>,
    pub errors: Option<ErrorRates>,
}

impl SimOptions {
    pub fn validate(&self) -> Result<(), Failure> {
        let wrong =
            |what: String, hint: String| Err(Failure::new(ExitCode::Config, Reason::new(what).hint(hint)));
        if let Some(name) = &self.latency
            && !LATENCY_PROFILES.contains(&name.as_str())
        {
            return wrong(
                format!("simulator latency {}: there is no such profile", quoted(name)),
                format!("use one of {}", LATENCY_PROFILES.join(", ")),
            );
        }
        if let Some(tokens) = self.target_tokens
            && !(1..=TARGET_TOKENS_MAX).contains(&tokens)
        {
            return wrong(
                format!("simulator tokens {tokens}: not between 1 and {TARGET_TOKENS_MAX}"),
                format!("the default is {TARGET_TOKENS_DEFAULT}"),
            );
        }
        if let Some(rates) = &self.errors {
            let all = [rates.rate_limit, rates.server_error, rates.timeout];
            if all.iter().any(|rate| !(0.0..=1.0).contains(rate)) || all.iter().sum::<f64>() > 1.0 {
                return wrong(
                    format!(
                        "simulator error rates {all:?}: each must be from 0 to 1, and their sum at most 1"
                    ),
                    "write for example 0.1 for 10 %".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Returns the child's command line, which `SimArgs` reads back.
    pub(super) fn to_args(&self, listen: SocketAddr) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![SUBCOMMAND.into()];
        let mut push = |name: &str, value: OsString| args.extend([name.into(), value]);
        push("--listen", listen.to_string().into());
        if !self.cpus.is_empty() {
            push("--cpus", cpu_list(&self.cpus).into());
        }
        if let Some(latency) = &self.latency {
            push("--latency", latency.into());
        }
        if let Some(tokens) = self.target_tokens {
            push("--tokens", tokens.to_string().into());
        }
        if let Some(config) = &self.config {
            push("--config", config.into());
        }
        if let Some(rates) = &self.errors {
            push("--rate-limit-rate", rates.rate_limit.to_string().into());
            push("--server-error-rate", rates.server_error.to_string().into());
            push("--timeout-rate", rates.timeout.to_string().into());
        }
        args
    }
}

/// Arguments of the hidden subcommand `__llmsim`.
#[derive(Clone, Debug, clap::Args)]
pub struct SimArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// CPUs to run on, such as 0-3,5
    #[arg(long)]
    cpus: Option<CpuList>,
    /// Latency profile of llmsim
    #[arg(long)]
    latency: Option<String>,
    /// Tokens of each answer
    #[arg(long)]
    tokens: Option<usize>,
    /// Configuration file of llmsim
    #[arg(long)]
    config: Option<PathBuf>,
    /// Share of 429 answers
    #[arg(long)]
    rate_limit_rate: Option<f64>,
    /// Share of 500 and 503 answers
    #[arg(long)]
    server_error_rate: Option<f64>,
    /// Share of 504 answers
    #[arg(long)]
    timeout_rate: Option<f64>,
}

impl SimArgs {
    /// Returns the validated options.
    pub fn options(self) -> Result<SimOptions, Failure> {
        let rates = [self.rate_limit_rate, self.server_error_rate, self.timeout_rate];
        let errors = rates.iter().any(Option::is_some).then(|| ErrorRates {
            rate_limit: self.rate_limit_rate.unwrap_or(0.0),
            server_error: self.server_error_rate.unwrap_or(0.0),
            timeout: self.timeout_rate.unwrap_or(0.0),
        });
        let options = SimOptions {
            cpus: self.cpus.map(|list| list.0).unwrap_or_default(),
            latency: self.latency,
            target_tokens: self.tokens,
            config: self.config,
            errors,
        };
        options.validate()?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    enum Line {
        #[command(name = "__llmsim")]
        Llmsim(SimArgs),
    }

    fn there_and_back(options: &SimOptions) -> SimOptions {
        let listen = "127.0.0.1:0".parse().unwrap();
        let line = std::iter::once(OsString::from("x")).chain(options.to_args(listen));
        let Line::Llmsim(args) = Line::try_parse_from(line).unwrap();
        assert_eq!(args.listen, listen);
        args.options().unwrap()
    }

    #[test]
    fn options_reach_the_child_unchanged() {
        let default = SimOptions::default();
        assert_eq!(there_and_back(&default), default);
        let full = SimOptions {
            cpus: vec![0, 1, 2, 5],
            latency: Some("gpt4o".into()),
            target_tokens: Some(100),
            config: Some("a b.toml".into()),
            errors: Some(ErrorRates::CHAOS),
        };
        assert_eq!(there_and_back(&full), full);
    }

    #[test]
    fn unknown_profiles_and_impossible_rates_are_refused() {
        let refused = |options: SimOptions| options.validate().unwrap_err();
        let error = refused(SimOptions {
            latency: Some("gtp4\u{1b}".into()),
            ..Default::default()
        });
        assert_eq!(
            error.to_string().lines().next(),
            Some("error: simulator latency `gtp4\\u{1b}`: there is no such profile")
        );
        assert_eq!(error.exit, ExitCode::Config);
        refused(SimOptions {
            target_tokens: Some(0),
            ..Default::default()
        });
        for rate in [-0.1, 1.1, f64::NAN] {
            refused(SimOptions {
                errors: Some(ErrorRates {
                    rate_limit: rate,
                    ..ErrorRates::CHAOS
                }),
                ..Default::default()
            });
        }
    }

    #[test]
    fn the_simulator_knows_every_profile_that_we_offer() {
        let default = llmsim::LatencyProfile::gpt5();
        for name in LATENCY_PROFILES {
            let mut config = llmsim::cli::Config::default();
            config.latency.profile = Some(name.to_owned());
            let found = config.latency_profile();
            let is_default =
                (found.ttft_mean_ms, found.tbt_mean_ms) == (default.ttft_mean_ms, default.tbt_mean_ms);
            assert_eq!(is_default, name == "gpt5" || name == "gpt-5", "{name}");
        }
    }
}
