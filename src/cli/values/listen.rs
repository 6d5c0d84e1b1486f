//! The address that the mock listens on: `127.0.0.1:8080`.

use std::net::SocketAddr;

use crate::error::{Reason, ValueError, quoted};

pub fn listen_address(text: &str) -> Result<SocketAddr, ValueError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port_of = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u16>())
    };
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let (is_name, is_port) = (host.eq_ignore_ascii_case("localhost"), port_of(port));
    match is_port {
        Some(Err(_)) if !port.is_empty() => {
            let what = format!("{}: the port is above the limit of {}", quoted(text), u16::MAX);
            Err(ValueError::Refused(
                Reason::new(what).hint("0 takes any free port"),
            ))
        }
        Some(Ok(port)) if is_name || host.is_empty() => {
            let what = format!("{} is not an IP address with a port", quoted(text));
            Err(Reason::new(what).hint(format!("write `127.0.0.1:{port}`")).into())
        }
        _ => {
            let what = format!("{} is not an IP address with a port", quoted(text));
            let hint = "write `127.0.0.1:8080` or `[::1]:8080`; port 0 takes any free port";
            Err(Reason::new(what).hint(hint).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        let hint = |text: &str| {
            let error = listen_address(text).unwrap_err();
            (error.exit().code(), error.reason().hint.clone().unwrap())
        };
        assert_eq!(listen_address("127.0.0.1:9").map(|a| a.port()), Ok(9));
        assert_eq!(listen_address("[::1]:0").map(|a| a.port()), Ok(0));
        for text in ["8080", ":8080", "localhost:8080"] {
            assert_eq!(hint(text), (2, "write `127.0.0.1:8080`".to_owned()), "{text}");
        }
        assert_eq!(hint("127.0.0.1:99999").0, 104);
        for text in [
            "",
            "nowhere",
            "nowhere:80",
            "127.0.0.1",
            "127.0.0.1:",
            "http://127.0.0.1:80",
        ] {
            assert!(hint(text).1.contains("`[::1]:8080`"), "{text}");
        }
    }
}
