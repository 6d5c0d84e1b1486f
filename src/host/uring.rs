//! Finds out whether io_uring works here by setting up a ring of two entries, and if not, why.

use std::io;

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use crate::error::Reason;

use super::facts::{field, kernel_release, read_number};

/// Features of this kernel's io_uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UringFacts {
    /// IORING_SETUP_DEFER_TASKRUN with SINGLE_ISSUER (Linux 6.1). Without it, a saturated ring costs 2.5 times as much.
    pub defer_taskrun: bool,
    /// IORING_FEAT_MIN_TIMEOUT (Linux 6.12), which gives waits a minimum.
    pub min_wait: bool,
}

/// The reason why io_uring cannot be used. Each has its own fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UringRefusal {
    /// Nobody asked for it.
    NotTried,
    /// kernel.io_uring_disabled is 1 (for most users) or 2 (for all).
    Sysctl { value: u32 },
    /// A seccomp filter refuses one of the calls, as in the default profiles of container engines.
    Seccomp { call: &'static str },
    /// EPERM for neither of the two reasons above, so a security module refuses.
    Forbidden { call: &'static str },
    /// The kernel has no io_uring, or one without multishot receive (Linux 6.0).
    Kernel { release: String },
    /// ENOMEM: the limit of locked memory is reached, or memory itself has run out.
    Memory,
    /// EMFILE or ENFILE.
    Files,
    /// Any other error, with its errno.
    Other { call: &'static str, errno: i32 },
}

impl UringRefusal {
    /// Returns the problem and the command that fixes it.
    pub fn reason(&self) -> Reason {
        let (what, hint) = match self {
            UringRefusal::NotTried => (
                "it was not tried, because epoll was asked for".to_owned(),
                "use --io auto",
            ),
            UringRefusal::Sysctl { value } => (
                format!("it is disabled by kernel.io_uring_disabled = {value}, which must be 0"),
                "sudo sysctl -w kernel.io_uring_disabled=0",
            ),
            UringRefusal::Seccomp { call } => (
                format!("{call} is refused by this process's seccomp filter (Seccomp: 2)"),
                "docker run --security-opt seccomp=PROFILE.json, with a profile that allows io_uring_setup, io_uring_enter and io_uring_register",
            ),
            UringRefusal::Forbidden { call } => (
                format!("{call} is not permitted (EPERM), neither by sysctl nor by seccomp"),
                "look for the security module that forbids it: sudo dmesg | grep -i -e io_uring -e avc",
            ),
            UringRefusal::Kernel { release } => (
                format!("kernel {release} has no multishot receive, which needs Linux 6.0 or later"),
                "boot a newer kernel, best 6.12 or later, which also has the minimum wait",
            ),
            UringRefusal::Memory => (
                "no memory for a ring of 2 entries (ENOMEM): the limit of locked memory is used up"
                    .to_owned(),
                "ulimit -l unlimited, or docker run --ulimit memlock=-1:-1; the rings of a run that has just ended are freed within seconds",
            ),
            UringRefusal::Files => (
                "no file descriptor is left for a ring of 2 entries".to_owned(),
                "ulimit -n 65536",
            ),
            UringRefusal::Other { call, errno } => (
                format!("{call} failed: {}", io::Error::from_raw_os_error(*errno)),
                "try another kernel; `sudo dmesg | tail` may say more",
            ),
        };
        Reason::new(what).within("io_uring").hint(hint)
    }
}

/// Sets up a ring and drops it. `status` is the text of /proc/self/status.
pub(super) fn try_ring(status: &str) -> Result<UringFacts, UringRefusal> {
    let refusal = |call: &'static str, error: io::Error| {
        explain(
            call,
            error.raw_os_error().unwrap_or(0),
            read_number("/proc/sys/kernel/io_uring_disabled"),
            field(status, "Seccomp:") == Some("2"),
            &kernel_release(),
        )
    };
    let ring = IoUring::new(2).map_err(|error| refusal("io_uring_setup", error))?;
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|error| refusal("io_uring_register", error))?;
    // Nothing is queued: this only finds out whether the call is allowed.
    ring.submit().map_err(|error| refusal("io_uring_enter", error))?;
    // There is no flag for multishot receive. SendZc came with the same release, 6.0, and backports of io_uring
    // take a whole release.
    if !probe.is_supported(opcode::SendZc::CODE) {
        return Err(UringRefusal::Kernel {
            release: kernel_release(),
        });
    }
    let min_wait = ring.params().is_feature_min_timeout();
    drop(ring);
    let defer_taskrun = IoUring::<squeue::Entry, cqueue::Entry>::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(2)
        .is_ok();
    Ok(UringFacts {
        defer_taskrun,
        min_wait,
    })
}

/// Finds the reason for an errno. `sysctl` is kernel.io_uring_disabled, if the kernel has it (6.6 and later).
fn explain(
    call: &'static str,
    errno: i32,
    sysctl: Option<u32>,
    seccomp: bool,
    release: &str,
) -> UringRefusal {
    match errno {
        libc::EPERM | libc::EACCES => match sysctl {
            Some(value) if value > 0 => UringRefusal::Sysctl { value },
            _ if seccomp => UringRefusal::Seccomp { call },
            _ => UringRefusal::Forbidden { call },
        },
        // Some filters return ENOSYS, so that programs think the kernel is old. io_uring came with 5.1.
        libc::ENOSYS if seccomp && at_least(release, 5, 1) => UringRefusal::Seccomp { call },
        libc::ENOSYS | libc::EINVAL => UringRefusal::Kernel {
            release: release.to_owned(),
        },
        libc::ENOMEM => UringRefusal::Memory,
        libc::EMFILE | libc::ENFILE => UringRefusal::Files,
        errno => UringRefusal::Other { call, errno },
    }
}

fn at_least(release: &str, major: u32, minor: u32) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTER: &str = "io_uring_enter";

    #[test]
    fn a_ring_of_this_host_works_or_its_refusal_is_explained() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        if let Err(refusal) = try_ring(&status) {
            crate::skipped::skipped(
                "a_ring_of_this_host_works_or_its_refusal_is_explained",
                &refusal.reason().to_string(),
            );
        }
    }

    #[test]
    fn a_sysctl_a_filter_and_a_security_module_are_distinguished() {
        let kernel = "6.18.4";
        assert_eq!(
            explain(ENTER, libc::EPERM, Some(2), true, kernel),
            UringRefusal::Sysctl { value: 2 }
        );
        assert_eq!(
            explain(ENTER, libc::EPERM, Some(1), false, kernel),
            UringRefusal::Sysctl { value: 1 }
        );
        assert_eq!(
            explain(ENTER, libc::EPERM, Some(0), true, kernel),
            UringRefusal::Seccomp { call: ENTER }
        );
        assert_eq!(
            explain(ENTER, libc::EPERM, None, true, "5.15.0"),
            UringRefusal::Seccomp { call: ENTER }
        );
        assert_eq!(
            explain(ENTER, libc::EPERM, Some(0), false, kernel),
            UringRefusal::Forbidden { call: ENTER }
        );
    }

    #[test]
    fn enosys_is_an_old_kernel_unless_a_filter_says_it_on_a_new_one() {
        let old = UringRefusal::Kernel {
            release: "4.19.0-25-amd64".into(),
        };
        assert_eq!(explain(ENTER, libc::ENOSYS, None, true, "4.19.0-25-amd64"), old);
        assert_eq!(
            explain(ENTER, libc::ENOSYS, Some(0), true, "6.1.0"),
            UringRefusal::Seccomp { call: ENTER }
        );
        assert_eq!(
            explain(ENTER, libc::ENOSYS, Some(0), false, "6.1.0"),
            UringRefusal::Kernel {
                release: "6.1.0".into()
            }
        );
    }

    #[test]
    fn each_errno_of_a_ring_has_its_own_explanation() {
        assert_eq!(
            explain(ENTER, libc::ENOMEM, Some(0), true, "6.1.0"),
            UringRefusal::Memory
        );
        assert_eq!(
            explain(ENTER, libc::EMFILE, Some(0), true, "6.1.0"),
            UringRefusal::Files
        );
        assert_eq!(
            explain(ENTER, libc::EIO, Some(0), true, "6.1.0"),
            UringRefusal::Other {
                call: ENTER,
                errno: libc::EIO
            }
        );
    }

    #[test]
    fn releases_compare_by_number() {
        assert!(at_least("5.1", 5, 1));
        assert!(at_least("6.0.0-rc1", 5, 1));
        assert!(at_least("5.10.0", 5, 9));
        assert!(!at_least("5.0.21", 5, 1));
        assert!(!at_least("", 5, 1));
    }
}
