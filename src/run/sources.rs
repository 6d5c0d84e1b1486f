//! The addresses that connections are made from (`--source-address`), beside those of the targets.

use std::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::discover::{self, Discovery};
use crate::error::{Failure, Reason};

/// Checks that the source addresses are this host's, and that each is of a family in which a server has an address. A
/// name that is not found is none of this check's business: it may appear later, or is reported by who looks for it.
pub fn check(config: &Config) -> Result<(), Failure> {
    let sources = &config.source_address;
    if sources.is_empty() {
        return Ok(());
    }
    let wrong = |reason: Reason| Failure::from(config.source_place.mistake(reason));
    sources.check_on_this_host().map_err(wrong)?;
    let mut targets = Vec::new();
    for server in config.servers() {
        match discover::addresses(&server.base_url, &server.place) {
            Ok(mut found) => {
                keep_reachable(&sources.addresses, &mut found).map_err(wrong)?;
                targets.extend(found);
            }
            Err(_) => return Ok(()),
        }
    }
    all_used(&sources.addresses, &targets).map_err(wrong)
}

/// Leaves each target the addresses that a connection can be made to.
pub fn fit(config: &Config, found: &mut [Discovery]) -> Result<(), Failure> {
    let sources = &config.source_address.addresses;
    let wrong = |reason: Reason| Failure::from(config.source_place.mistake(reason));
    for server in found.iter_mut() {
        keep_reachable(sources, &mut server.target.addresses).map_err(wrong)?;
    }
    let targets: Vec<SocketAddr> = found
        .iter()
        .flat_map(|server| server.target.addresses.clone())
        .collect();
    all_used(sources, &targets).map_err(wrong)
}

/// Returns from how many addresses each target can be reached at least.
pub fn in_use(config: &Config, found: &[Discovery]) -> u32 {
    let sources = &config.source_address.addresses;
    let targets = found.iter().flat_map(|server| &server.target.addresses);
    let counts = targets.map(|to| sources.iter().filter(|from| is_same_family(from, to)).count());
    counts.min().unwrap_or(1).max(1) as u32
}

fn is_same_family(from: &IpAddr, to: &SocketAddr) -> bool {
    from.is_ipv4() == to.is_ipv4()
}

fn family(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "IPv4" } else { "IPv6" }
}

/// Drops the addresses of a target that are of no source's family, as a resolver would that has only one family.
fn keep_reachable(sources: &[IpAddr], targets: &mut Vec<SocketAddr>) -> Result<(), Reason> {
    let (Some(source), Some(target)) = (sources.first(), targets.first().copied()) else {
        return Ok(());
    };
    targets.retain(|to| sources.iter().any(|from| is_same_family(from, to)));
    if !targets.is_empty() {
        return Ok(());
    }
    let (have, need) = (family(source.is_ipv4()), family(target.is_ipv4()));
    let what = format!(
        "{source} is an {have} address, but the target has only {need} ones, such as {}",
        target.ip()
    );
    Err(Reason::new(what).hint(format!("add an {need} address of this host")))
}

fn all_used(sources: &[IpAddr], targets: &[SocketAddr]) -> Result<(), Reason> {
    let unused = sources
        .iter()
        .find(|from| !targets.iter().any(|to| is_same_family(from, to)));
    match unused.filter(|_| !targets.is_empty()) {
        None => Ok(()),
        Some(from) => {
            let what = format!(
                "{from} is never used: no server has an {} address",
                family(from.is_ipv4())
            );
            Err(Reason::new(what).hint("remove it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<IpAddr> {
        text.split(' ').map(|one| one.parse().unwrap()).collect()
    }

    fn targets(text: &str) -> Vec<SocketAddr> {
        text.split(' ')
            .map(|one| SocketAddr::new(one.parse().unwrap(), 80))
            .collect()
    }

    #[test]
    fn a_target_keeps_the_addresses_of_the_sources_families() {
        for (from, to, expected) in [
            ("127.0.0.2", "127.0.0.1 ::1", "127.0.0.1"),
            ("::1", "127.0.0.1 ::1", "::1"),
            ("::1 127.0.0.2", "127.0.0.1 ::1", "127.0.0.1 ::1"),
        ] {
            let mut kept = targets(to);
            assert_eq!(keep_reachable(&sources(from), &mut kept), Ok(()));
            assert_eq!(kept, targets(expected));
        }
        let mut kept = targets("127.0.0.1 ::1");
        assert_eq!(keep_reachable(&[], &mut kept), Ok(()));
        assert_eq!(kept.len(), 2);
    }

    #[test]
    fn a_source_of_another_family_than_the_target_is_refused() {
        let reason = keep_reachable(&sources("127.0.0.2"), &mut targets("::1")).unwrap_err();
        assert_eq!(
            reason.what,
            "127.0.0.2 is an IPv4 address, but the target has only IPv6 ones, such as ::1"
        );
        assert_eq!(
            all_used(&sources("127.0.0.2 ::1"), &targets("127.0.0.1 ::1")),
            Ok(())
        );
        let reason = all_used(&sources("127.0.0.2 ::1"), &targets("127.0.0.1")).unwrap_err();
        assert_eq!(reason.what, "::1 is never used: no server has an IPv6 address");
    }
}
