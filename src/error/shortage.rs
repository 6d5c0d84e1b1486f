//! Recognises the errors that mean that this host has run out of something.

/// Returns the fix for an error of the operating system that means a shortage of this host; `None` for any other.
pub fn hint_for_shortage(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EMFILE | libc::ENFILE => "raise the limit of open files: ulimit -n 65536",
        libc::ENOMEM | libc::ENOBUFS => {
            "free some memory, or raise the limits of memory: ulimit -v unlimited; ulimit -l unlimited"
        }
        libc::EAGAIN => {
            "raise the limit of processes and threads: ulimit -u unlimited, or docker run --pids-limit -1"
        }
        libc::EPERM | libc::EACCES | libc::ENOSYS => {
            "a seccomp filter or a security module forbids the call: `llmload-uring probe` says which are needed"
        }
        libc::EADDRNOTAVAIL => {
            "no local port is left: wait until connections have left TIME_WAIT, or sudo sysctl -w \
             net.ipv4.ip_local_port_range=\"1024 65535\""
        }
        _ => return None,
    })
}

/// Returns true for an error of a socket call that is about this host and not about the peer.
pub fn is_shortage(errno: i32) -> bool {
    !matches!(errno, libc::EAGAIN | libc::EACCES) && hint_for_shortage(errno).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortages_have_a_fix_and_other_errors_have_none() {
        for errno in [
            libc::EMFILE,
            libc::ENOMEM,
            libc::EAGAIN,
            libc::EPERM,
            libc::EADDRNOTAVAIL,
        ] {
            assert!(hint_for_shortage(errno).is_some(), "{errno}");
        }
        for errno in [libc::ECONNREFUSED, libc::EINVAL, libc::EIO, 0] {
            assert!(
                hint_for_shortage(errno).is_none() && !is_shortage(errno),
                "{errno}"
            );
        }
    }
}
