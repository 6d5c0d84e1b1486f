//! Reads lists of source addresses, such as `10.0.0.5,10.0.0.8-10.0.0.11,192.168.7.0/28`, and tells whether this host
//! has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use serde::{Serialize, Serializer};

use crate::error::{Reason, ValueError, is_shortage, quoted};

/// The largest number of source addresses. Each is good for about 28,000 connections to one address of a target.
pub const SOURCES_MAX: usize = 1_024;

const HINT: &str =
    "write addresses, ranges or prefixes of this host: `10.0.0.5`, `10.0.0.5-10.0.0.8`, `10.0.0.0/28`";

/// Addresses that connections are made from, in turn. None is listed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceList {
    /// As it was written, which a serialised configuration repeats.
    text: String,
    pub addresses: Vec<IpAddr>,
}

impl SourceList {
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Adds the addresses of a further list.
    pub fn extend(&mut self, other: SourceList) -> Result<(), ValueError> {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(&other.text);
        for address in other.addresses {
            self.push(address)?;
        }
        Ok(())
    }

    fn push(&mut self, address: IpAddr) -> Result<(), ValueError> {
        if self.addresses.contains(&address) {
            let reason = Reason::new(format!("{address} is listed twice")).hint("list each address once");
            return Err(ValueError::Refused(reason));
        }
        if address.is_unspecified() || address.is_multicast() {
            let what = format!("{address} is no address that a connection can come from");
            return Err(ValueError::Refused(Reason::new(what).hint(HINT)));
        }
        if self.addresses.len() == SOURCES_MAX {
            let what = format!("the list has more addresses than the limit of {SOURCES_MAX}");
            return Err(ValueError::Refused(Reason::new(what).hint("use fewer addresses")));
        }
        self.addresses.push(address);
        Ok(())
    }

    /// Returns why a connection cannot be made from one of the addresses, if one is not this host's. Nothing is sent.
    pub fn check_on_this_host(&self) -> Result<(), Reason> {
        for address in &self.addresses {
            match TcpListener::bind((*address, 0)) {
                Ok(_) => {}
                Err(e) if e.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {
                    let what = format!("{address} is not an address of this host");
                    let hint = "`ip address` lists those it has; `sudo ip address add ADDRESS/PREFIX dev DEVICE` adds one";
                    return Err(Reason::new(what).hint(hint));
                }
                // Descriptors and ports are checked by others, who say what is missing.
                Err(e) if e.raw_os_error().is_some_and(is_shortage) => return Ok(()),
                Err(e) => {
                    let what = format!("no connection can be made from {address}: {e}");
                    return Err(Reason::new(what).hint("use an address of a network interface of this host"));
                }
            }
        }
        Ok(())
    }
}

impl Serialize for SourceList {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl std::str::FromStr for SourceList {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<SourceList, ValueError> {
        let mut list = SourceList {
            text: text.split(',').map(str::trim).collect::<Vec<_>>().join(","),
            addresses: Vec::new(),
        };
        for part in text.split(',').map(str::trim) {
            let (first, last) = bounds(part)?;
            for bits in first..=last {
                list.push(address_of(bits, part.contains(':')))?;
            }
        }
        Ok(list)
    }
}

/// Returns the first and the last address of a part of the list, as numbers.
fn bounds(part: &str) -> Result<(u128, u128), ValueError> {
    if let Some((first, last)) = part.split_once('-') {
        return range(part, address(first.trim())?, address(last.trim())?);
    }
    let Some((base, bits)) = part.split_once('/') else {
        let bits = bits_of(address(part)?);
        return Ok((bits, bits));
    };
    prefix(part, address(base)?, bits)
}

fn range(part: &str, first: IpAddr, last: IpAddr) -> Result<(u128, u128), ValueError> {
    if first.is_ipv4() != last.is_ipv4() {
        let what = format!(
            "the range {} begins in one family of addresses and ends in the other",
            quoted(part)
        );
        return Err(ValueError::Refused(Reason::new(what).hint("write two ranges")));
    }
    let (from, to) = (bits_of(first), bits_of(last));
    if from > to {
        let what = format!("the range {} begins above its end", quoted(part));
        return Err(ValueError::Refused(
            Reason::new(what).hint("write the smaller address first"),
        ));
    }
    Ok((from, to))
}

/// Returns the hosts of a prefix. As in k6, the first and the last address of an IPv4 network with more than two are
/// left out: they name the network and its broadcasts.
fn prefix(part: &str, base: IpAddr, bits: &str) -> Result<(u128, u128), ValueError> {
    let most = if base.is_ipv4() { 32 } else { 128 };
    let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        let what = format!("{} has no length of a prefix after its slash", quoted(part));
        return Err(Reason::new(what).hint(HINT).into());
    }
    let Some(length) = bits.parse::<u32>().ok().filter(|bits| *bits <= most) else {
        let what = format!("the prefix {} is longer than {most} bits", quoted(part));
        return Err(ValueError::Refused(Reason::new(what).hint(HINT)));
    };
    let rest = most - length;
    let hosts = if rest == 0 { 0 } else { u128::MAX >> (128 - rest) };
    let first = bits_of(base) & !hosts;
    let last = first | hosts;
    Ok(match base.is_ipv4() && rest >= 2 {
        true => (first + 1, last - 1),
        false => (first, last),
    })
}

fn address(text: &str) -> Result<IpAddr, ValueError> {
    let parsed = text.parse::<IpAddr>();
    parsed.map_err(|_| {
        let what = format!("{} is not an IP address", quoted(text));
        Reason::new(what).hint(HINT).into()
    })
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address_of(bits: u128, is_v6: bool) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if !is_v6 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, (u8, String)> {
        let list = text.parse::<SourceList>();
        list.map(|list| list.addresses.iter().map(IpAddr::to_string).collect())
            .map_err(|e| (e.exit() as u8, e.to_string()))
    }

    #[test]
    fn addresses_ranges_and_prefixes_of_both_families_are_read() {
        for (text, expected) in [
            ("127.0.0.2", &["127.0.0.2"][..]),
            (" 127.0.0.2 , ::1 ", &["127.0.0.2", "::1"]),
            (
                "127.0.0.254-127.0.1.1",
                &["127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1"],
            ),
            ("10.0.0.9/30", &["10.0.0.9", "10.0.0.10"]),
            ("10.0.0.8/31", &["10.0.0.8", "10.0.0.9"]),
            ("10.0.0.8/32", &["10.0.0.8"]),
            ("fd00::/127", &["fd00::", "fd00::1"]),
            ("::1/128", &["::1"]),
            ("fd00::a-fd00::b", &["fd00::a", "fd00::b"]),
        ] {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        let usage = crate::error::ExitCode::Usage as u8;
        for text in [
            "",
            "a",
            "1.2.3",
            "127.0.0.1,",
            "127.0.0.1:80",
            "127.0.0.1-",
            "10.0.0.0/",
            "10.0.0.0/x",
            "eth0",
            "[::1]",
        ] {
            assert_eq!(read(text).unwrap_err().0, usage, "{text}");
        }
        let config = crate::error::ExitCode::Config as u8;
        for text in [
            "10.0.0.2-10.0.0.1",
            "10.0.0.1-::1",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.1,10.0.0.1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "10.0.0.1-10.0.0.3,10.0.0.2",
        ] {
            assert_eq!(read(text).unwrap_err().0, config, "{text}");
        }
        assert!(
            read("10.0.0.1,10.0.0.1")
                .unwrap_err()
                .1
                .contains("10.0.0.1 is listed twice")
        );
        assert_eq!(read("10.0.0.0/22").unwrap().len(), 1_022);
    }

    #[test]
    fn lists_are_joined_and_repeat_what_was_written() {
        let mut list: SourceList = "127.0.0.2-127.0.0.3".parse().unwrap();
        list.extend("127.0.0.9".parse().unwrap()).unwrap();
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            "\"127.0.0.2-127.0.0.3,127.0.0.9\""
        );
        assert_eq!(list.addresses.len(), 3);
        assert!(list.extend("127.0.0.3".parse().unwrap()).is_err());
    }

    #[test]
    fn an_address_of_another_host_is_refused_with_its_name() {
        let own: SourceList = "127.0.0.1,127.0.0.77".parse().unwrap();
        assert_eq!(own.check_on_this_host(), Ok(()));
        // Reserved for documentation (RFC 5737), so no host has it.
        let other: SourceList = "127.0.0.1,192.0.2.7".parse().unwrap();
        let reason = other.check_on_this_host().unwrap_err();
        assert_eq!(reason.what, "192.0.2.7 is not an address of this host");
    }
}
