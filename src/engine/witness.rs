//! Compares the times of a stream with what its server says about them, with `--verify-stamps`.

use crate::api::{Stamps, find_stamps};
use crate::metrics::{Outcome, Recorder, Sample};
use crate::units::Nanos;

/// What the mock has said about the stream that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// The request arrived at the mock.
    arrived: Nanos,
    first_sent: Nanos,
    last_sent: Nanos,
    /// Our stamp of the last event.
    last_read: Nanos,
}

impl Witness {
    /// Hears an event that arrived at `read`, by our stamp.
    pub fn hear(witness: &mut Option<Witness>, data: &[u8], read: Nanos, recorder: &mut Recorder) {
        let Some(Stamps { sent, arrived }) = find_stamps(data) else {
            return;
        };
        recorder.stamp_lag(read.saturating_sub(sent));
        match witness {
            None => {
                *witness = Some(Witness {
                    arrived,
                    first_sent: sent,
                    last_sent: sent,
                    last_read: read,
                });
            }
            Some(before) => {
                let truth = sent.saturating_sub(before.last_sent);
                recorder.error(|errors| &mut errors.gap, read - before.last_read, truth);
                (before.last_sent, before.last_read) = (sent, read);
            }
        }
    }

    /// Compares the times of the whole request. `connecting` is the time it took to connect, of which the mock knows
    /// nothing.
    pub fn judge(&self, sample: &Sample, connecting: Nanos, recorder: &mut Recorder) {
        if sample.outcome != Outcome::Ok {
            return;
        }
        let began = sample.due + connecting;
        // Both are instants of one clock, so the difference is the delay on the way, ours included.
        recorder.error(|errors| &mut errors.arrival, self.arrived, began);
        let since = |at: Nanos| at.saturating_sub(began);
        if let Some(first) = sample.first_token {
            let truth = self.first_sent.saturating_sub(self.arrived);
            recorder.error(|errors| &mut errors.ttft, since(first), truth);
        }
        let truth = self.last_sent.saturating_sub(self.arrived);
        recorder.error(|errors| &mut errors.latency, since(sample.done), truth);
    }
}
