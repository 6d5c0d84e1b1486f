//! Where a run answers Prometheus. It is an option and no key of the document: a document is passed on, and must not
//! open a port on somebody else's host.

use crate::cli::MetricsListenArgs;
use crate::error::{Mistake, Reason, quoted};
use crate::metrics_listen::{LINGER, ListenConfig};
use crate::units::check_duration;

/// Reads the options; `None` means that nothing listens.
pub(super) fn listen_config(args: &MetricsListenArgs, mistakes: &mut Vec<Mistake>) -> Option<ListenConfig> {
    if let Some(linger) = args.metrics_linger
        && let Err(reason) = check_duration(linger, &LINGER)
    {
        mistakes.push(reason.at("--metrics-linger", 0));
    }
    let Some(address) = args.metrics_listen else {
        let alone = [
            ("--metrics-listen-any", args.metrics_listen_any),
            ("--metrics-linger", args.metrics_linger.is_some()),
        ];
        for (option, _) in alone.into_iter().filter(|(_, given)| *given) {
            let reason = Reason::new("has no effect without `--metrics-listen`");
            mistakes.push(reason.hint("add `--metrics-listen 127.0.0.1:9464`").at(option, 0));
        }
        return None;
    };
    if !address.ip().to_canonical().is_loopback() && !args.metrics_listen_any {
        let what = format!(
            "{} is not a loopback address: other hosts could read the figures",
            quoted(&address.to_string())
        );
        let hint = format!(
            "listen on `127.0.0.1:{}`, or allow it with `--metrics-listen-any`",
            address.port()
        );
        mistakes.push(Reason::new(what).hint(hint).at("--metrics-listen", 0));
    }
    Some(ListenConfig {
        address,
        linger: args.metrics_linger,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: Option<&str>, any: bool) -> (Option<ListenConfig>, Vec<String>) {
        let args = MetricsListenArgs {
            metrics_listen: address.map(|text| text.parse().unwrap()),
            metrics_listen_any: any,
            metrics_linger: None,
        };
        let mut mistakes = Vec::new();
        let config = listen_config(&args, &mut mistakes);
        (config, mistakes.iter().map(Mistake::to_string).collect())
    }

    #[test]
    fn only_loopback_is_listened_on_unless_it_is_allowed() {
        for loopback in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:9464", "[::ffff:127.0.0.1]:1"] {
            let (config, mistakes) = read(Some(loopback), false);
            assert_eq!(mistakes, [""; 0], "{loopback}");
            assert_eq!(config.unwrap().address, loopback.parse().unwrap());
        }
        for other in [
            "0.0.0.0:9464",
            "[::]:9464",
            "10.0.0.1:9464",
            "[::ffff:10.0.0.1]:9464",
        ] {
            let (_, mistakes) = read(Some(other), false);
            assert_eq!(mistakes.len(), 1, "{other}");
            for part in [other, "`127.0.0.1:9464`", "`--metrics-listen-any`"] {
                assert!(mistakes[0].contains(part), "{}", mistakes[0]);
            }
            assert_eq!(read(Some(other), true).1, [""; 0]);
        }
    }

    #[test]
    fn options_that_have_no_effect_are_refused() {
        let (config, mistakes) = read(None, true);
        assert_eq!(config, None);
        assert!(
            mistakes[0].starts_with("error: --metrics-listen-any: has no effect"),
            "{mistakes:?}"
        );
        assert_eq!(read(None, false), (None, Vec::new()));
    }
}
