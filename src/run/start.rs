//! The `--start-at` option: the load begins at an instant of the wall clock, so that several processes begin together.

use std::time::Duration;

use crate::cli::StartAt;
use crate::error::{Failure, Reason};
use crate::net::clock;
use crate::run::Ready;
use crate::units::format_duration;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// The longest wait. A start time further ahead than this is almost certainly a wrong date.
const AHEAD_MAX: Nanos = 24 * 3600 * SECOND;
/// The time between two looks at the wall clock, which may be set during the wait, and at the server, which may end.
const LOOK_EVERY: Nanos = 250 * MILLISECOND;

/// Returns the instant in nanoseconds since 1970. `now` is the program's start on the same clock.
pub fn start_instant(asked: Option<StartAt>, now: Nanos) -> Result<Option<Nanos>, Failure> {
    let at = match asked {
        None => return Ok(None),
        Some(StartAt::After(length)) => now.saturating_add(length),
        Some(StartAt::Instant(at)) => at,
    };
    let refuse = |what: String, hint: &str| Err(Reason::new(what).hint(hint).at("--start-at", 0).into());
    if at < now {
        let ago = rounded(now - at);
        return refuse(
            format!("the start time was {ago} ago"),
            "give a time in the future, or `+30s` from now; if several hosts take part, check that their clocks agree",
        );
    }
    if at - now > AHEAD_MAX {
        let ahead = rounded(at - now);
        return refuse(
            format!("the start time is {ahead} ahead, more than the limit of 24h"),
            "start the program later, or check the date",
        );
    }
    Ok(Some(at))
}

/// Formats a length of time in whole milliseconds.
fn rounded(length: Nanos) -> String {
    format_duration((length / MILLISECOND).max(1) * MILLISECOND)
}

/// Waits until the instant, or not at all if it has passed; the result says how late the load began. A signal during
/// the wait ends the program, as during all of the setup. Returns CLOCK_REALTIME minus CLOCK_MONOTONIC as of now,
/// because the difference taken during the setup may be hours old.
pub fn wait(at: Nanos, ready: &mut Ready, quiet: bool, say: &mut dyn FnMut(&str)) -> Result<i64, Failure> {
    let mut announced = quiet;
    loop {
        let left = at.saturating_sub(clock::realtime());
        if left == 0 {
            return Ok(clock::realtime() as i64 - clock::monotonic() as i64);
        }
        if !announced {
            say(&format!("ready; the load begins in {}", rounded(left)));
            announced = true;
        }
        if let Err(e) = ready.managed.check() {
            let mut failures = vec![e];
            ready.managed.stop(&mut failures);
            return Err(failures.remove(0));
        }
        std::thread::sleep(Duration::from_nanos(left.min(LOOK_EVERY)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitCode;

    const NOW: Nanos = 1_767_323_045 * SECOND;

    #[test]
    fn a_future_instant_and_a_time_from_now_are_accepted() {
        assert_eq!(start_instant(None, NOW), Ok(None));
        assert_eq!(start_instant(Some(StartAt::Instant(NOW)), NOW), Ok(Some(NOW)));
        assert_eq!(
            start_instant(Some(StartAt::After(30 * SECOND)), NOW),
            Ok(Some(NOW + 30 * SECOND))
        );
    }

    #[test]
    fn past_and_distant_instants_are_refused_with_their_distance() {
        let past = start_instant(Some(StartAt::Instant(NOW - 1_500 * MILLISECOND)), NOW).unwrap_err();
        assert_eq!(past.exit, ExitCode::Config);
        assert!(
            past.to_string()
                .starts_with("error: --start-at: the start time was 1s500ms ago\n"),
            "{past}"
        );
        let far = start_instant(Some(StartAt::After(AHEAD_MAX + SECOND)), NOW).unwrap_err();
        assert_eq!(far.exit, ExitCode::Config);
        assert!(
            far.to_string()
                .starts_with("error: --start-at: the start time is "),
            "{far}"
        );
        assert!(
            far.to_string().contains("ahead, more than the limit of 24h"),
            "{far}"
        );
        assert!(start_instant(Some(StartAt::After(AHEAD_MAX)), NOW).is_ok());
    }
}
