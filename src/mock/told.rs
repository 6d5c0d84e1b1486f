//! Checks what a conversation repeats: the answers that this mock gave, which are all the same.

use serde_json::Value;

/// How many answers a request repeats, and how many of them are not what the mock said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub answers: u64,
    pub wrong: u64,
}

impl Told {
    /// Looks into the body of a request. `answer` is the mock's.
    pub fn in_body(body: &[u8], answer: &str) -> Told {
        let mut told = Told::default();
        // Most requests repeat nothing, and need not be read for it.
        if memchr::memmem::find(body, b"\"assistant\"").is_none() {
            return told;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        for message in body["messages"].as_array().into_iter().flatten() {
            if message["role"] == "assistant" {
                told.answers += 1;
                told.wrong += u64::from(message["content"] != answer);
            }
        }
        told
    }

    pub fn merge(&mut self, other: &Told) {
        self.answers += other.answers;
        self.wrong += other.wrong;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_were_never_given_are_wrong() {
        let body = br#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"tok tok "},
            {"role":"user","content":"b"},{"role":"assistant","content":"other"},{"role":"user","content":"c"}]}"#;
        let told = Told::in_body(body, "tok tok ");
        assert_eq!(told, Told { answers: 2, wrong: 1 });
        let alone = br#"{"messages":[{"role":"user","content":"assistant"}]}"#;
        assert_eq!(Told::in_body(alone, "tok "), Told::default());
        assert_eq!(Told::in_body(b"\"assistant\"", "tok "), Told::default());
    }
}
