//! The servers a run talks to: the embedded simulator in a child process, and targets found by their URL.

pub mod args;
pub mod command;
pub mod discover;
mod error;
pub mod managed;
mod owned;
mod paths;
pub mod probe;
mod process;
pub mod resources;
pub mod simulator;
pub mod supervisor;
mod totals;
mod tree;
mod url;
mod validate;
mod wire;

pub use args::{ErrorRates, SimArgs, SimOptions};
pub use command::{CommandOptions, CommandServer};
pub use discover::{Choice, Discovery, Service, addresses, choose, resolve, resolve_over};
pub use error::ServerError;
pub use managed::ManagedServer;
pub use owned::OwnedServer;
pub use resources::{Sampler, ServerResources, ServerSample, ServerSamples};
pub use supervisor::SuperviseArgs;
pub use totals::ServerTotals;
pub(crate) use url::Url;
pub use validate::{Question, VALIDATION_LIMIT, validate};

/// Connections that may wait to be accepted, of the simulator: a ramp that starts thousands at once then
/// loses no SYN, which would cost each loser a second. The kernel caps it at net.core.somaxconn.
pub const LISTEN_BACKLOG: u32 = 4096;

/// Whether a run could go to this URL, an API of the path included. What is wrong, without its user and query, and a
/// hint.
pub fn check_url(text: &str) -> Result<(), (String, String)> {
    let url = url::Url::read(text).map_err(|(what, hint)| (what, hint.to_owned()))?;
    paths::check(&url.path)
}

/// Text from elsewhere, safe for a terminal: control characters and those that turn the writing direction
/// are escaped, and it ends after `chars` characters.
pub(crate) fn printable(text: &str, chars: usize) -> String {
    let mut safe = String::new();
    for c in text.chars().take(chars) {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escape_sequences_and_direction_marks_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}\r\u{202e}ä", 80),
            "a\\u{1b}[2J\\u{9b}\\r\\u{202e}ä"
        );
        assert_eq!(printable("abcdef", 3), "abc");
    }
}
