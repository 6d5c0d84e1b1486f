//! The target for what the ranks of a run send each other.

use super::{chosen, cuts, pieces};
use llmload_uring::coordination::{
    BINDING_BYTES, FRAME_BYTES_MAX, FrameError, Frames, HELLO_BYTES_MAX, Heard, Key, LinkId, Member,
    MemberOutput, MemberTerms, Message, Notice, OnLoss, Output, PROTOCOL, Roll, RollTerms, SILENCE_MAX, Side,
    encode,
};
use llmload_uring::units::{MILLISECOND, Nanos, SECOND, Secret};
use serde_json::{Value, json};

const BYTES_MAX: usize = 16 << 10;
const BINDING: [u8; BINDING_BYTES] = [7; BINDING_BYTES];
const START: Nanos = 100 * SECOND;
/// A rank of the run, and somebody who does not know the secret.
const RANK: LinkId = 1;
const STRANGER: LinkId = 2;

/// Frames: the messages and the error of a naive reading, at any cut. Messages are written as they are read, and
/// whatever comes, neither side panics, and a stranger moves nothing.
pub fn frames(data: &[u8]) {
    let (which, bytes) = chosen(data);
    if bytes.len() > BYTES_MAX {
        return;
    }
    let is_trusted = which & 1 == 1;
    let read = read_in(&pieces(bytes, &cuts(bytes)), is_trusted);
    assert_eq!(read, read_in(&[bytes], is_trusted));
    assert_eq!(read, naive(bytes, is_trusted));
    for message in &read.0 {
        check_written(message);
    }
    let on_loss = if which & 2 == 2 {
        OnLoss::Continue
    } else {
        OnLoss::Stop
    };
    roll_hears(&read.0, on_loss);
    stranger_speaks(&read.0);
    member_hears(&read.0);
}

type Read = (Vec<Message>, Option<FrameError>);

fn read_in(pieces: &[&[u8]], is_trusted: bool) -> Read {
    let mut frames = Frames::default();
    if is_trusted {
        frames.trust();
    }
    let mut messages = Vec::new();
    for piece in pieces {
        frames.push(piece);
        loop {
            match frames.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// Reads frames from all bytes at once.
fn naive(bytes: &[u8], is_trusted: bool) -> Read {
    let limit = if is_trusted {
        FRAME_BYTES_MAX
    } else {
        HELLO_BYTES_MAX
    };
    let (mut messages, mut at) = (Vec::new(), 0);
    while at + 4 <= bytes.len() {
        let length = bytes[at..at + 4]
            .iter()
            .fold(0, |sum, byte| sum * 256 + usize::from(*byte));
        if length > limit {
            let bytes = length;
            return (messages, Some(FrameError::TooLong { bytes, limit }));
        }
        if at + 4 + length > bytes.len() {
            break;
        }
        match serde_json::from_slice(&bytes[at + 4..at + 4 + length]) {
            Ok(message) => messages.push(message),
            Err(e) => return (messages, Some(FrameError::NotAMessage(e.to_string()))),
        }
        at += 4 + length;
    }
    (messages, None)
}

/// A message that was read is the same after it was written and read again.
fn check_written(message: &Message) {
    let bytes = encode(message).expect("what was read can be written");
    let (again, error) = read_in(&[&bytes], true);
    assert_eq!(error, None);
    // The reader of JSON may take the neighbour of a fraction with many digits.
    if !has_floats(&serde_json::to_value(message).expect("it was written before")) {
        assert_eq!(again, std::slice::from_ref(message));
    }
}

fn has_floats(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_floats),
        Value::Object(fields) => fields.values().any(has_floats),
        _ => false,
    }
}

fn key() -> Key {
    Key::new(&Secret::from("a secret of sixteen bytes"))
}

fn roll(on_loss: OnLoss) -> Roll {
    let terms = RollTerms {
        ranks: 2,
        plan: json!({ "vus": 4 }),
        version: "1".into(),
        key: key(),
        on_loss,
        differ: |ours, theirs| (ours != theirs).then(|| format!("{ours} and {theirs}")),
    };
    Roll::new(terms, START)
}

/// Brings rank 1 to its seat.
fn seated(roll: &mut Roll) {
    roll.connected(RANK, "peer".into(), BINDING, START);
    let hello = Message::Hello {
        protocol: PROTOCOL,
        version: "1".into(),
        proof: key().prove(Side::Rank, &BINDING),
    };
    let join = Message::Join {
        rank: 1,
        ranks: 2,
        host: "host1".into(),
        plan: json!({ "vus": 4 }),
    };
    roll.message(RANK, hello, START);
    roll.message(RANK, join, START);
    assert!(roll.missing().is_empty());
    roll.outputs();
}

/// Rank 0 hears anything from a rank that knows the secret.
fn roll_hears(messages: &[Message], on_loss: OnLoss) {
    let mut roll = roll(on_loss);
    seated(&mut roll);
    roll.ready(0, json!({ "vus": 4 }), START);
    let mut now = START;
    let mut documents = 0;
    for message in messages {
        now += 10 * MILLISECOND;
        roll.message(RANK, message.clone(), now);
        roll.tick(now);
        let outputs = roll.outputs();
        assert!(outputs.len() <= 8, "{outputs:?}");
        for output in outputs {
            match output {
                Output::Tell(Notice::Begin { pass, at }) => {
                    assert!(at > now, "all begin at {at}, and it is {now}");
                    roll.announce(pass, at, 0);
                }
                Output::Tell(Notice::Document { rank, .. }) => {
                    assert_eq!(rank, 1);
                    documents += 1;
                }
                _ => {}
            }
        }
    }
    assert!(documents <= messages.len());
    // Silence is a loss, whatever was said before: nobody is waited for without end.
    roll.tick(now + 2 * SILENCE_MAX);
    assert!(roll.outstanding().is_empty(), "{:?}", roll.outstanding());
}

/// Rank 0 hears the same from somebody who cannot know the secret, while rank 1 takes part.
fn stranger_speaks(messages: &[Message]) {
    let mut roll = roll(OnLoss::Stop);
    seated(&mut roll);
    roll.connected(STRANGER, "stranger".into(), [9; BINDING_BYTES], START);
    for message in messages {
        roll.message(STRANGER, message.clone(), START);
        for output in roll.outputs() {
            let is_harmless = match &output {
                Output::Send(link, message) => {
                    *link == STRANGER && matches!(message, Message::Refused { .. })
                }
                Output::Close(link) => *link == STRANGER,
                Output::Trust(_) => false,
                Output::Tell(notice) => matches!(notice, Notice::Note(_)),
            };
            assert!(is_harmless, "a stranger's {message:?} made {output:?}");
        }
    }
    assert_eq!(roll.outstanding(), [1]);
}

/// A rank hears anything, first from whoever answers at the address, then from rank 0.
fn member_hears(messages: &[Message]) {
    for is_welcome in [false, true] {
        let terms = MemberTerms {
            rank: 1,
            ranks: 2,
            host: "host1".into(),
            plan: json!({ "vus": 4 }),
            version: "1".into(),
            key: key(),
        };
        let mut member = Member::new(terms, BINDING, START);
        if is_welcome {
            let proof = key().prove(Side::Coordinator, &BINDING);
            let version = "1".into();
            member.message(Message::Welcome { version, proof }, START);
            member.ready(0, json!({ "vus": 4 }), START);
        }
        member.outputs();
        let mut now = START;
        for message in messages {
            now += 10 * MILLISECOND;
            member.message(message.clone(), now);
            member.tick(now);
            let outputs = member.outputs();
            assert!(outputs.len() <= 4, "{outputs:?}");
            for output in outputs {
                let obeys = match &output {
                    MemberOutput::Send(_) => false,
                    MemberOutput::Trust => true,
                    MemberOutput::Tell(heard) => !matches!(heard, Heard::Refused { .. } | Heard::Lost { .. }),
                };
                assert!(is_welcome || !obeys, "somebody's {message:?} made {output:?}");
            }
        }
    }
}
