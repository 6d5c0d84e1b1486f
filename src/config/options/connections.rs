//! Applies `--connection` and `--source-address`.

use crate::cli::ConnectionArgs;
use crate::config::Config;
use crate::error::{Mistake, Place};
use crate::host::SourceList;
use crate::plan::ConnectionUse;

const SOURCE: &str = "--source-address";

pub fn overlay_connections(config: &mut Config, args: &ConnectionArgs, mistakes: &mut Vec<Mistake>) {
    if let Some(name) = &args.connection {
        config.connection = ConnectionUse::named(name);
    }
    if args.source_addresses.is_empty() {
        return;
    }
    let mut sources = SourceList::default();
    for more in &args.source_addresses {
        if let Err(e) = sources.extend(more.clone()) {
            mistakes.push(e.reason().clone().at(SOURCE, 0));
            return;
        }
    }
    config.source_address = sources;
    config.source_place = Place::option(SOURCE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn overlaid(words: &[&str]) -> (Config, Vec<Mistake>) {
        let document = "executor: constant-vus\nduration: 1s\nsource_address: 127.0.0.9\n\
                        requests: [{name: a, max_tokens: 5}]\n";
        let (mut config, _) = crate::config::document::read_document("a", "a", document).unwrap();
        let line = ["llmload-uring", "smoke"].iter().chain(words);
        let args = crate::cli::Cli::try_parse_from(line).unwrap().run;
        let mut mistakes = Vec::new();
        overlay_connections(&mut config, &args.connections, &mut mistakes);
        (config, mistakes)
    }

    #[test]
    fn options_replace_what_the_document_says() {
        let (config, mistakes) = overlaid(&[]);
        assert_eq!((config.source_address.addresses.len(), mistakes), (1, vec![]));
        let words =
            "--connection per-request --source-address 127.0.0.2,127.0.0.3 --source-address 127.0.0.4";
        let (config, mistakes) = overlaid(&words.split(' ').collect::<Vec<_>>());
        assert_eq!((config.source_address.addresses.len(), mistakes), (3, vec![]));
        assert!(config.connection.is_per_request() && config.source_place.is_option());
    }

    #[test]
    fn an_address_in_two_options_is_a_mistake() {
        let words = ["--source-address", "127.0.0.2", "--source-address", "127.0.0.2"];
        let mistakes = overlaid(&words).1;
        assert_eq!(mistakes[0].reason.what, "127.0.0.2 is listed twice");
    }
}
