//! What waits in a channel, taken at once before a row of figures is closed.

use crossbeam_channel::Receiver;

/// Handles each message that waits now. One that comes meanwhile is left: on a busy host there is always one more.
pub fn take_waiting<T>(from: &Receiver<T>, mut handle: impl FnMut(T)) {
    for _ in 0..from.len() {
        match from.try_recv() {
            Ok(message) => handle(message),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn a_sender_that_always_has_one_more_does_not_keep_the_reporter() {
        let (sender, receiver) = unbounded();
        (0..3).for_each(|number| sender.send(number).unwrap());
        let mut taken = Vec::new();
        take_waiting(&receiver, |number| {
            assert!(taken.len() < 100, "it does not end");
            sender.send(number + 10).unwrap();
            taken.push(number);
        });
        assert_eq!(taken, [0, 1, 2]);
        assert_eq!(receiver.len(), 3, "what came meanwhile is left");
        drop(sender);
        take_waiting(&receiver, |number| taken.push(number));
        assert_eq!(taken, [0, 1, 2, 10, 11, 12]);
        take_waiting(&receiver, |_| unreachable!("nothing waits"));
    }
}
