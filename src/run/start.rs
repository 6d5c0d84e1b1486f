//! `--start-at`: the load begins at an instant of the wall clock, so that several processes begin together.

use std::time::Duration;

use crate::cli::StartAt;
use crate::error::{Failure, Reason};
use crate::net::clock;
use crate::run::Ready;
use crate::units::format_duration;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// Who waits longer has mistaken the day.
const AHEAD_MAX: Nanos = 24 * 3600 * SECOND;
/// The wall clock may be set meanwhile, and the server may end: both are looked at this often.
const LOOK_EVERY: Nanos = 250 * MILLISECOND;

/// The instant in nanoseconds since 1970; `now` is the program's start on the same clock.
pub fn instant(asked: Option<StartAt>, now: Nanos) -> Result<Option<Nanos>, Failure> {
    let at = match asked {
        None => return Ok(None),
        Some(StartAt::In(length)) => now.saturating_add(length),
        Some(StartAt::Instant(at)) => at,
    };
    let refuse = |what: String, hint: &str| Err(Reason::new(what).hint(hint).at("--start-at", 0).into());
    if at < now {
        let ago = rounded(now - at);
        return refuse(
            format!("that was {ago} ago"),
            "an instant to come, or `+30s` from the program's start; are the hosts' clocks the same?",
        );
    }
    if at - now > AHEAD_MAX {
        let ahead = rounded(at - now);
        return refuse(
            format!("that is {ahead} ahead, more than the limit, 24h"),
            "start the program later",
        );
    }
    Ok(Some(at))
}

/// Whole milliseconds.
fn rounded(length: Nanos) -> String {
    format_duration((length / MILLISECOND).max(1) * MILLISECOND)
}

/// Returns at the instant, or at once where it has passed: the result says how late. A signal meanwhile ends the
/// program, as all through its setup. Gives CLOCK_REALTIME less CLOCK_MONOTONIC as they are now: over hours of
/// waiting the one that was taken at the setup has grown old.
pub fn wait(at: Nanos, ready: &mut Ready, quiet: bool, say: &mut dyn FnMut(&str)) -> Result<i64, Failure> {
    let mut told = quiet;
    loop {
        let left = at.saturating_sub(clock::realtime());
        if left == 0 {
            return Ok(clock::realtime() as i64 - clock::monotonic() as i64);
        }
        if !told {
            say(&format!("ready; the load begins in {}", rounded(left)));
            told = true;
        }
        if let Err(e) = ready.owned.check() {
            let mut failures = vec![e];
            ready.owned.stop(&mut failures);
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
    fn an_instant_to_come_is_taken_and_a_length_counts_from_now() {
        assert_eq!(instant(None, NOW), Ok(None));
        assert_eq!(instant(Some(StartAt::Instant(NOW)), NOW), Ok(Some(NOW)));
        assert_eq!(
            instant(Some(StartAt::In(30 * SECOND)), NOW),
            Ok(Some(NOW + 30 * SECOND))
        );
    }

    #[test]
    fn the_past_and_the_day_after_tomorrow_are_refused_with_how_far_they_are() {
        let past = instant(Some(StartAt::Instant(NOW - 1_500 * MILLISECOND)), NOW).unwrap_err();
        assert_eq!(past.exit, ExitCode::Config);
        assert_eq!(past.reason().what, "that was 1s500ms ago");
        let far = instant(Some(StartAt::In(AHEAD_MAX + SECOND)), NOW).unwrap_err();
        assert_eq!(far.exit, ExitCode::Config);
        assert!(
            far.to_string().starts_with("error: --start-at: that is "),
            "{far}"
        );
        assert!(
            far.to_string().contains("ahead, more than the limit, 24h"),
            "{far}"
        );
        assert!(instant(Some(StartAt::In(AHEAD_MAX)), NOW).is_ok());
    }
}
