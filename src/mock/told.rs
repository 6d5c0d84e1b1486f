//! Checks what a conversation repeats: the answers that this mock gave, which are all the same.

use serde_json::Value;

use super::dialect::text;

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
        let token = text(1);
        // Most requests repeat nothing, and need not be read for it.
        let has = |part: &[u8]| memchr::memmem::find(body, part).is_some();
        if !has(b"\"assistant\"") && !has(token.as_bytes()) {
            return told;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        for messages in [&body["messages"], &body["input"]] {
            let messages = messages.as_array().into_iter().flatten();
            for message in messages.filter(|message| message["role"] == "assistant") {
                told.add(message["content"] == answer);
            }
        }
        for prompt in ["prompt", "input", "inputs", "text", "text_input"] {
            told.add_text(body[prompt].as_str().unwrap_or_default(), &token, answer);
        }
        told
    }

    fn add(&mut self, is_right: bool) {
        self.answers += 1;
        self.wrong += u64::from(!is_right);
    }

    /// Looks into a conversation in one text, in which each answer follows what it answers, and a blank line ends it.
    fn add_text(&mut self, text: &str, token: &str, answer: &str) {
        let Some((before, _)) = text.rsplit_once("\n\n") else {
            return;
        };
        for said in before.split("\n\n").filter(|said| said.ends_with(token)) {
            let asked = said.strip_suffix(answer);
            self.add(asked.is_some_and(|asked| !asked.ends_with(token)));
        }
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

    #[test]
    fn answers_within_a_text_are_those_at_the_ends_of_its_parts() {
        for (text, answers, wrong) in [
            ("You help.\n\nhellotok tok \n\nmore?tok tok \n\nand?", 2, 0),
            ("hellotok \n\nmore?tok tok tok \n\nand?", 2, 2),
            ("hellotok tok tok tok \n\nmore?", 1, 1),
            ("tok tok \n\n and so on, which no answer follows: tok tok ", 1, 0),
            ("a question about tok tok ", 0, 0),
        ] {
            for member in ["prompt", "input", "inputs", "text", "text_input"] {
                let body = serde_json::json!({ member: text }).to_string();
                let told = Told::in_body(body.as_bytes(), "tok tok ");
                assert_eq!(told, Told { answers, wrong }, "{text}");
            }
        }
    }
}
