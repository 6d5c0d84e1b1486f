//! Random JSON around the shape of chat events: any key order, blanks, nulls, wrong kinds, equal keys, escapes.

/// Turns a string of bytes into JSON, each byte one choice; after the last byte every choice is 0, the plainest.
struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    /// Spellings that are not JSON are let in.
    wild: bool,
    out: Vec<u8>,
}

/// A document in the shape of a chat event, more or less.
pub fn document(choices: &[u8]) -> Vec<u8> {
    let mut writer = Writer {
        choices: choices.iter(),
        wild: false,
        out: Vec::new(),
    };
    writer.wild = writer.pick(4) == 3;
    writer.event();
    writer.out
}

impl Writer<'_> {
    fn pick(&mut self, below: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % below)
    }

    fn one_of(&mut self, all: &[&str]) {
        let i = self.pick(all.len() as u8);
        self.out.extend_from_slice(all[usize::from(i)].as_bytes());
    }

    /// One of `good`, or of `bad` too where the document is wild.
    fn one_of_or(&mut self, good: &[&str], bad: &[&str]) {
        if self.wild && self.pick(4) == 3 {
            self.one_of(bad);
        } else {
            self.one_of(good);
        }
    }

    fn blank(&mut self) {
        self.one_of_or(
            &["", "", "", "", "", " ", "\n", "\t", "\r\n", "  "],
            &["", "", "", "", "", "\u{b}", "\u{a0}"],
        );
    }

    fn string(&mut self) {
        self.out.push(b'"');
        for _ in 0..self.pick(4) {
            if self.pick(12) == 11 {
                self.out.push(0xff);
            }
            self.one_of_or(&GOOD_PIECES, &BAD_PIECES);
        }
        self.out.push(b'"');
    }

    fn number(&mut self) {
        self.one_of_or(&GOOD_NUMBERS, &BAD_NUMBERS);
    }

    fn list(&mut self, depth: u8, item: fn(&mut Self, u8)) {
        self.out.push(b'[');
        self.blank();
        let count = self.pick(4);
        for i in 0..count {
            item(self, depth + 1);
            self.blank();
            if i + 1 < count {
                self.out.push(b',');
                self.blank();
            }
        }
        self.out.push(b']');
    }

    fn object(&mut self, depth: u8, keys: &[&str], value: fn(&mut Self, u8, &str)) {
        self.out.push(b'{');
        self.blank();
        let count = self.pick(6);
        for i in 0..count {
            let mut key = keys[usize::from(self.pick(keys.len() as u8))];
            if self.wild && self.pick(16) == 15 {
                key = "$serde_json::private::RawValue";
            }
            self.out.extend_from_slice(format!("\"{key}\"").as_bytes());
            self.blank();
            self.out.push(b':');
            self.blank();
            // One member in 16 is of a kind it should not be.
            match self.pick(16) {
                15 => self.any(depth + 1),
                14 => self.out.extend_from_slice(b"null"),
                _ => value(self, depth + 1, key),
            }
            self.blank();
            if i + 1 < count {
                self.out.push(b',');
                self.blank();
            }
        }
        self.out.push(b'}');
    }

    fn any(&mut self, depth: u8) {
        match self.pick(if depth > 6 { 5 } else { 8 }) {
            0 => self.string(),
            1 => self.number(),
            2 => self.one_of_or(&["null", "true", "false"], &["nul", "True", "nullx"]),
            3 => self.out.extend_from_slice(b"[]"),
            4 => self.out.extend_from_slice(b"{}"),
            5 => self.list(depth, Self::any),
            _ => self.object(depth, &EVENT_KEYS, |w, depth, _| w.any(depth)),
        }
    }

    fn event(&mut self) {
        self.blank();
        self.object(0, &EVENT_KEYS, |w, depth, key| match key {
            "choices" => w.list(depth, Self::choice),
            "usage" | "timings" => w.object(depth, &COUNT_KEYS, |w, _, _| w.number()),
            "content" => w.string(),
            "stop" => w.one_of(&["false", "true", "null", "1"]),
            "tokens_predicted" | "tokens_evaluated" => w.number(),
            "object" | "type" => {
                w.one_of(&["\"chat.completion.chunk\"", "\"error\"", "\"\\u0065rror\"", "1"]);
            }
            "error" => w.one_of(&[
                "null",
                "\"\"",
                "false",
                "{}",
                "\"bad\"",
                "{\"message\":\"x\"}",
                "0",
            ]),
            _ => w.any(depth),
        });
        self.blank();
        self.one_of_or(&[""], &["", "}", "x", ",", "{}", "\0"]);
    }

    fn choice(&mut self, depth: u8) {
        self.object(depth, &CHOICE_KEYS, |w, depth, key| match key {
            "delta" | "message" => w.object(depth, &DELTA_KEYS, Self::delta_value),
            "finish_reason" => w.one_of(&["null", "\"stop\"", "\"\"", "\"\\n\"", "false", "{}", "0"]),
            "text" => w.string(),
            _ => w.any(depth),
        });
    }

    fn delta_value(&mut self, depth: u8, key: &str) {
        const CALL_KEYS: [&str; 4] = ["name", "arguments", "input", "id"];
        match key {
            "tool_calls" => self.list(depth, |w, depth| {
                w.object(
                    depth,
                    &["function", "custom", "index", "function"],
                    |w, depth, key| match key {
                        "index" => w.number(),
                        _ => w.object(depth, &CALL_KEYS, |w, _, _| w.string()),
                    },
                );
            }),
            "function_call" => self.object(depth, &CALL_KEYS, |w, _, _| w.string()),
            _ => match self.pick(8) {
                7 => self.list(depth, |w, depth| {
                    w.object(depth, &["type", "text", "thinking"], |w, _, _| w.string());
                }),
                _ => self.string(),
            },
        }
    }
}

const GOOD_PIECES: [&str; 18] = [
    "",
    "a",
    "Hello world",
    " ",
    "\\n",
    "\\\"",
    "\\\\",
    "\\u4e2d",
    "\\ud83d\\ude00",
    "é",
    "😀",
    "\\/",
    "error",
    "stop",
    "\\\"choices\\\":[",
    "{\\\"finish_reason\\\":\\\"stop\\\"}",
    "\u{7f}",
    "0123456789abcdef0123456789",
];
const BAD_PIECES: [&str; 12] = [
    "\\ud800",
    "\\udc00",
    "\\ud83dx",
    "\\ud83d\\n",
    "\\ud83d\\u0041",
    "\\ud83d\\ud83d",
    "\\x",
    "\\u12g4",
    "\\u+123",
    "\t",
    "\0",
    "\"",
];
const GOOD_NUMBERS: [&str; 16] = [
    "0",
    "7",
    "123",
    "-1",
    "1.5",
    "1e5",
    "2E-7",
    "-0",
    "4294967295",
    "4294967296",
    "999999999",
    "1000000000",
    "18446744073709551616",
    "1e-400",
    "3.0",
    "1000000000000000000000000000000000000000000000000000000000000000000000000000000000",
];
const BAD_NUMBERS: [&str; 13] = [
    "1e999",
    "01",
    "-01",
    "1.",
    ".5",
    "-",
    "1e400000000000",
    "+1",
    "0x1",
    "1e",
    "1e+",
    "1.5.5",
    "--1",
];
const EVENT_KEYS: [&str; 18] = [
    "content",
    "stop",
    "stop",
    "tokens_predicted",
    "tokens_evaluated",
    "choices",
    "id",
    "object",
    "usage",
    "timings",
    "error",
    "type",
    "created",
    "choices",
    "choice\\u0073",
    "",
    "delta",
    "x\\n",
];
const COUNT_KEYS: [&str; 10] = [
    "prompt_ms",
    "predicted_ms",
    "completion_tokens",
    "prompt_tokens",
    "total_tokens",
    "predicted_n",
    "prompt_n",
    "cache_n",
    "completion_tokens_details",
    "completion_tokens",
];
const CHOICE_KEYS: [&str; 8] = [
    "delta",
    "index",
    "finish_reason",
    "text",
    "message",
    "logprobs",
    "delt\\u0061",
    "delta",
];
const DELTA_KEYS: [&str; 11] = [
    "content",
    "role",
    "reasoning_content",
    "reasoning",
    "refusal",
    "tool_calls",
    "function_call",
    "content",
    "audio",
    "conten\\u0074",
    "Content",
];
