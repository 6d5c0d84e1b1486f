//! The notice before load goes to a public address: which target gets it, how much, and for how long.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::discover;
use crate::error::{Failure, one_line};
use crate::plan::Plan;
use crate::run::servers::label;
use crate::units::{format_duration, redact};

/// The pause before a public target is loaded: long enough to read the notice and to press Ctrl-C.
const WAIT: Duration = Duration::from_secs(3);
/// The number of addresses that are named; further ones are only counted.
const ADDRESSES_SHOWN: usize = 3;

/// Prints the notice for each public target and, on a terminal, waits. A signal during the wait ends the program. Only
/// DNS has been queried so far; nothing has been sent to the target.
///
/// # Errors
/// Fails if a name has no address, so that a silent name service is waited for only once. If the run waits for its
/// target, such a name is not an error yet, because it may appear together with the target.
pub fn announce(
    config: &Config,
    plan: &Plan,
    args: &RunArgs,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let mut texts = Vec::new();
    for server in config.servers() {
        let url = &server.base_url;
        match (discover::addresses(url, &server.place), &server.name) {
            (Ok(addresses), _) => texts.extend(notice_text(&one_line(&redact(url)), &addresses, plan)),
            (Err(_), _) if args.wait_for_target.is_some() => {}
            (Err(e), Some(name)) => return Err(e.within(&label(name))),
            (Err(e), None) => return Err(e),
        }
    }
    if texts.is_empty() {
        return Ok(());
    }
    for text in &texts {
        note(text);
    }
    let terminal = std::io::stderr().is_terminal();
    if should_wait(args.yes, args.quiet, terminal) {
        note(&format!(
            "starting in {} s; Ctrl-C ends the program before anything is sent, --yes skips this pause",
            WAIT.as_secs()
        ));
        std::thread::sleep(WAIT);
    }
    Ok(())
}

/// Prints which part of the plan this process runs, if there are several.
pub fn announce_shard(plan: &Plan, note: &mut dyn FnMut(&str)) {
    if plan.shard.is_whole() {
        return;
    }
    let (shard, all) = (plan.shard, plan.executor.vus_of_all());
    match plan.vus_of_shard() {
        0 => note(&format!(
            "shard {shard} has none of the plan's {all} VUs: nothing will be sent"
        )),
        mine => note(&format!(
            "shard {shard} runs up to {mine} of the plan's {all} VUs"
        )),
    }
}

/// Tells whether anyone is there to read the notice, and wants to.
fn should_wait(yes: bool, quiet: bool, terminal: bool) -> bool {
    terminal && !yes && !quiet
}

/// Returns the notice for a target; `None` if none of its addresses is public.
fn notice_text(target: &str, addresses: &[SocketAddr], plan: &Plan) -> Option<String> {
    let mut public: Vec<String> = addresses
        .iter()
        .filter(|a| is_public(a.ip()))
        .map(SocketAddr::to_string)
        .collect();
    let count = public.len();
    if count == 0 {
        return None;
    }
    public.truncate(ADDRESSES_SHOWN);
    let more = match count - public.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let vus = plan.vus_of_shard();
    let duration = format_duration(plan.executor.duration());
    Some(format!(
        "target {target} is on a public address ({}{more}): up to {vus} VU{} for {}{duration}",
        public.join(", "),
        if vus == 1 { "" } else { "s" },
        match plan.iterations_of_shard() {
            Some(n) => format!("{n} requests, at most "),
            None => String::new(),
        },
    ))
}

/// Tells whether the address may belong to anyone outside this host and its private networks.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public_v4(ip),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    // 100.64.0.0/10 is shared by carrier-grade NAT (RFC 6598); 0.0.0.0/8 is this host.
    let shared = a == 100 && (64..128).contains(&b);
    !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared || a == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Executor;
    use crate::units::SECOND;

    #[test]
    fn private_networks_are_not_public_and_their_neighbours_are() {
        for own in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "::",
            "fd00::1",
            "fc00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(own.parse().unwrap()), "{own}");
        }
        for public in [
            "8.8.8.8",
            "126.255.255.255",
            "128.0.0.1",
            "11.0.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "2001:db8::1",
            "fec0::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn the_notice_names_the_addresses_the_users_and_the_time() {
        let plan = Plan::with_executor(Executor::ConstantVus {
            vus: 200,
            duration: 90 * SECOND,
        });
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|t| t.parse().unwrap()).collect() };
        let two = addresses(&["10.0.0.1:443", "203.0.113.5:443", "[2001:db8::1]:443"]);
        assert_eq!(
            notice_text("https://llm.example.com", &two, &plan).unwrap(),
            "target https://llm.example.com is on a public address (203.0.113.5:443, [2001:db8::1]:443): \
             up to 200 VUs for 1m30s"
        );
        let five = addresses(&["1.0.0.1:1", "1.0.0.2:1", "1.0.0.3:1", "1.0.0.4:1", "1.0.0.5:1"]);
        let shown = notice_text("http://x", &five, &plan).unwrap();
        assert!(shown.contains("1.0.0.3:1 and 2 more)"), "{shown}");
        assert_eq!(
            notice_text("http://x", &addresses(&["127.0.0.1:80", "[::1]:80"]), &plan),
            None
        );
    }

    #[test]
    fn a_run_that_counts_requests_says_how_many() {
        let plan = Plan::with_executor(Executor::SharedIterations {
            vus: 1,
            iterations: 3,
            max_duration: 60 * SECOND,
        });
        let shown = notice_text("http://x", &["1.0.0.1:1".parse().unwrap()], &plan).unwrap();
        assert!(
            shown.ends_with("up to 1 VU for 3 requests, at most 1m"),
            "{shown}"
        );
    }

    #[test]
    fn the_pause_is_only_for_someone_who_can_read_the_notice() {
        assert!(should_wait(false, false, true));
        assert!(!should_wait(true, false, true), "--yes");
        assert!(!should_wait(false, true, true), "--quiet shows no notice");
        assert!(!should_wait(false, false, false), "a pipe or a file");
    }
}
