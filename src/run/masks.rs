//! The secrets of a run, which nothing that it shows or writes may repeat.

use crate::config::{Config, ServerChoice};
use crate::units::Masks;

/// The variables that a key may be in, even if this run does not use it: a child may have it from there.
const KEY_VARIABLES: [&str; 2] = ["LLMLOAD_API_KEY", "OPENAI_API_KEY"];

/// Returns masks for all keys and headers of the run and its servers, and for what their URLs contain.
pub fn of(config: &Config) -> Masks {
    let mut masks = Masks::new();
    for name in KEY_VARIABLES {
        masks.add(&std::env::var(name).unwrap_or_default());
    }
    for header in &config.run.headers {
        masks.add_header(header.value.expose());
    }
    for header in config.requests.iter().flat_map(|request| &request.sent) {
        masks.add_header(header.value.expose());
    }
    if let ServerChoice::Command { command, .. } = &config.server {
        masks.add_url(&command.health_url);
    }
    for server in config.servers() {
        masks.add_url(&server.base_url);
        server
            .sent
            .iter()
            .for_each(|header| masks.add_header(header.value.expose()));
    }
    for (url, _) in &config.server_metrics.urls {
        masks.add_url(url);
    }
    if let Some(push) = &config.push {
        masks.add_url(&push.url);
        masks.add(push.password.as_ref().map_or("", |password| password.expose()));
    }
    masks
}
