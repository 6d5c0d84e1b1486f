//! Frames: each message is its length in four bytes, the first one the highest, and that many bytes of JSON.

use super::Message;
use std::fmt;

/// The longest frame of a peer that has not shown yet that it knows the secret.
pub const HELLO_BYTES_MAX: usize = 4 * 1024;
/// The longest frame: a plan or a document.
pub const FRAME_BYTES_MAX: usize = 64 << 20;
/// The length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// Why bytes are no frame. The connection is of no use after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    TooLong { bytes: usize, limit: usize },
    NotAMessage(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong { bytes, limit } => {
                write!(f, "a frame of {bytes} bytes is above the limit of {limit}")
            }
            FrameError::NotAMessage(why) => write!(f, "a frame is no message: {why}"),
        }
    }
}

/// Returns the bytes of a message on the wire, or its length if that is above [`FRAME_BYTES_MAX`].
pub fn encode(message: &Message) -> Result<Vec<u8>, FrameError> {
    let json = serde_json::to_vec(message).map_err(|e| FrameError::NotAMessage(e.to_string()))?;
    if json.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong {
            bytes: json.len(),
            limit: FRAME_BYTES_MAX,
        });
    }
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + json.len());
    bytes.extend_from_slice(&(json.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&json);
    Ok(bytes)
}

/// The frames of a connection, whose bytes come in pieces.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Those of `bytes` that have been read.
    read: usize,
    limit: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Frames {
            bytes: Vec::new(),
            read: 0,
            limit: HELLO_BYTES_MAX,
        }
    }
}

impl Frames {
    /// Lets frames be as long as those of a peer that knows the secret.
    pub fn trust(&mut self) {
        self.limit = FRAME_BYTES_MAX;
    }

    /// Adds bytes that have arrived. Call [`Self::next_message`] until it has none left before more are added: what is
    /// kept is less than a frame then.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next message; `None` if its frame is not complete.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        let rest = &self.bytes[self.read..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let bytes = u32::from_be_bytes(*length) as usize;
        if bytes > self.limit {
            let limit = self.limit;
            return Err(FrameError::TooLong { bytes, limit });
        }
        let Some(json) = rest.get(..bytes) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(json).map_err(|e| FrameError::NotAMessage(e.to_string()))?;
        self.read += LENGTH_BYTES + bytes;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all(frames: &mut Frames) -> Vec<Message> {
        std::iter::from_fn(|| frames.next_message().unwrap()).collect()
    }

    #[test]
    fn messages_are_the_same_however_their_bytes_are_cut() {
        let messages = [
            Message::Beat,
            Message::Join {
                rank: 1,
                ranks: 4,
                host: "gpu\u{1b}1".into(),
                plan: json!({ "vus": 4, "a": [1, null, 1.5] }),
            },
            Message::Begin {
                pass: 0,
                at: u64::MAX,
                wall_offset: i64::MIN,
            },
        ];
        let bytes: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
        for piece in [1, 2, 3, 7, 64, bytes.len()] {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for part in bytes.chunks(piece) {
                frames.push(part);
                found.extend(all(&mut frames));
            }
            assert_eq!(found, messages, "pieces of {piece}");
        }
    }

    #[test]
    fn garbage_is_an_error_and_reserves_no_memory() {
        let error = |bytes: &[u8], trusted: bool| {
            let mut frames = Frames::default();
            if trusted {
                frames.trust();
            }
            frames.push(bytes);
            frames.next_message().unwrap_err().to_string()
        };
        assert_eq!(
            error(b"GET / HTTP/1.1\r\n\r\n", false),
            "a frame of 1195725856 bytes is above the limit of 4096"
        );
        assert!(error(&[0xff; 9], true).contains("above the limit of 67108864"));
        for json in [
            "",
            "{",
            "null",
            "[]",
            "\"beast\"",
            "{\"stop\":1}",
            "{\"begin\":{\"pass\":-1}}",
            "\"beat\"x",
        ] {
            let length = (json.len() as u32).to_be_bytes();
            let bytes = [&length[..], json.as_bytes()].concat();
            assert!(
                error(&bytes, true).starts_with("a frame is no message: "),
                "{json}"
            );
        }
        let deep = "[".repeat(4000);
        let bytes = [&(deep.len() as u32).to_be_bytes()[..], deep.as_bytes()].concat();
        assert!(error(&bytes, false).starts_with("a frame is no message"));
    }

    #[test]
    fn a_long_frame_is_for_those_who_know_the_secret() {
        let long = encode(&Message::Leave {
            why: "x".repeat(HELLO_BYTES_MAX),
        })
        .unwrap();
        let mut frames = Frames::default();
        frames.push(&long);
        assert!(matches!(frames.next_message(), Err(FrameError::TooLong { .. })));
        frames.trust();
        assert!(matches!(frames.next_message(), Ok(Some(Message::Leave { .. }))));
    }
}
