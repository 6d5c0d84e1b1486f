//! What to do when an address cannot be listened on.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use super::{ExitCode, Failure, Reason, hint_for_shortage};

/// Returns the failure of an `option` whose address cannot be listened on: the address, or what this host is short of.
pub fn listen_failure(option: &str, listen: SocketAddr, e: &Error) -> Failure {
    let hint = match (e.kind(), e.raw_os_error().and_then(hint_for_shortage)) {
        (ErrorKind::AddrInUse, _) if listen.port() == 0 => {
            "no local port is free: close connections, or widen net.ipv4.ip_local_port_range with sysctl"
        }
        (ErrorKind::AddrInUse, _) => {
            "something listens there: name a free port, or use port 0 for any free port"
        }
        (ErrorKind::AddrNotAvailable, _) => "name an address of this host, such as 127.0.0.1 or 0.0.0.0",
        (ErrorKind::PermissionDenied, _) if listen.port() > 0 && listen.port() < 1024 => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE: use a higher port, or port 0 for any free port"
        }
        (_, Some(hint)) => hint,
        (_, None) => "`llmload-uring probe` says what this host does not allow",
    };
    let reason = Reason::new(format!("`{listen}`: {e}")).hint(hint);
    Failure::new(ExitCode::Host, reason.at(option, 0))
}
