//! One sample of each format, as other tools and public traces write it.

use super::*;
use crate::dataset::format::looks_like;
use crate::dataset::read::Found;
use std::io::Cursor;

pub fn read_text(format: &str, text: &str) -> Result<Found, Vec<String>> {
    read_bytes(
        ReadOptions::of(Format::from_name(format).unwrap()),
        text.as_bytes(),
    )
}

pub fn read_bytes(options: ReadOptions, bytes: &[u8]) -> Result<Found, Vec<String>> {
    let input = Box::new(Cursor::new(bytes.to_vec()));
    let no_file: MakeFile<'_> = &mut || panic!("small files need no file");
    read(input, "f", options, no_file).map_err(|mistakes| mistakes.iter().map(|m| m.to_string()).collect())
}

/// What a row says, in one line.
fn shown(found: &Found, index: u64) -> String {
    let bytes = found.dataset.bytes(index).unwrap();
    let row = bytes.row();
    let mut out = match &row.content {
        Content::Text(json) => format!("text {json}"),
        Content::Messages(json) => format!("messages {json}"),
        Content::Payload(json) => format!("payload {json}"),
        Content::Blocks(blocks) => {
            let ids: Vec<u64> = blocks.ids.iter().collect();
            format!("{} tokens in {ids:?} of {}", blocks.input_tokens, blocks.block)
        }
    };
    if let Some(tokens) = found.dataset.output_tokens(index) {
        out += &format!(" -> {tokens}");
    }
    if let Some(at) = found.dataset.at(index) {
        out += &format!(" at {}", at as f64 / 1e9);
    }
    if let Some(delay) = row.delay {
        out += &format!(" after {}", delay as f64 / 1e9);
    }
    if let Some(session) = row.session {
        let is_earlier = |other: &u64| found.dataset.bytes(*other).unwrap().row().session == row.session;
        out += &format!(" in {session}#{}", (0..index).filter(is_earlier).count());
    }
    if row.is_delta {
        out += " delta";
    }
    for (name, json) in [("tools", row.tools), ("extra", row.extra)] {
        if let Some(json) = json {
            out += &format!(" {name} {json}");
        }
    }
    for (name, value) in row.headers {
        out += &format!(" {name}: {value}");
    }
    out
}

pub fn rows(format: &str, text: &str) -> Vec<String> {
    let found = read_text(format, text).unwrap_or_else(|e| panic!("{format}: {e:?}"));
    (0..found.dataset.len() as u64)
        .map(|i| shown(&found, i))
        .collect()
}

fn left_out(format: &str, text: &str) -> Vec<String> {
    read_text(format, text).unwrap().left_out
}

#[test]
fn vllm_custom() {
    let text = "{\"prompt\":\"Say hi\",\"output_tokens\":16}\n\n{\"prompt\":\"caf\\u00e9\"}";
    assert_eq!(
        rows("custom", text),
        ["text \"Say hi\" -> 16", "text \"caf\\u00e9\""]
    );
}

#[test]
fn sglang_openai_sends_other_members_as_they_are() {
    let text = "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}],\
                \"max_tokens\":64,\"temperature\":0,\"tools\":[{\"type\":\"function\"}],\"model\":\"m\",\"stream\":true}";
    let messages = "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]";
    assert_eq!(
        rows("openai", text),
        [format!(
            "messages {messages} -> 64 tools [{{\"type\":\"function\"}}] extra {{\"temperature\":0}}"
        )]
    );
    assert_eq!(
        left_out("openai", text),
        [
            "`model` of rows, which the kind of request says: 1",
            "`stream` of rows, which the kind of request says: 1"
        ]
    );
}

#[test]
fn whole_bodies() {
    let text = "{\"payload\":{\"model\":\"m\",\"prompt\":\"x\",\"max_tokens\":8}}\n{\"model\":\"m\",\"messages\":[]}\n";
    assert_eq!(
        rows("raw_payload", text),
        [
            "payload {\"model\":\"m\",\"prompt\":\"x\",\"max_tokens\":8} -> 8",
            "payload {\"model\":\"m\",\"messages\":[]}"
        ]
    );
    let inputs = "{\n \"data\": [\n {\"session_id\": \"a\", \"payloads\": [{\"messages\": [1]}, {\"max_tokens\": 3}]}]}";
    let one_line = inputs.replace('\n', "");
    for text in [inputs, &one_line] {
        assert_eq!(
            rows("inputs", text),
            [
                "payload {\"messages\": [1]} in a#0",
                "payload {\"max_tokens\": 3} -> 3 in a#1"
            ]
        );
    }
}

#[test]
fn guidellm_rows_as_lines_and_as_csv() {
    let lines = "{\"prompt\":\"a\",\"output_tokens_count\":16,\"prefix\":\"Be brief.\"}\n{\"text\":\"b\"}";
    assert_eq!(
        rows("guidellm", lines),
        ["text \"Be brief. a\" -> 16", "text \"b\""]
    );
    let csv = "prompt,output_tokens_count\r\n\"a, \"\"b\"\"\nc\",16\r\nd,\r\n";
    assert_eq!(
        rows("guidellm", csv),
        ["text \"a, \\\"b\\\"\\nc\" -> 16", "text \"d\""]
    );
    let turns = "{\"prefix\":\"p\",\"prompt_0\":\"a\",\"output_tokens_count_0\":5,\"prompt_1\":\"b\"}";
    assert_eq!(
        rows("guidellm", turns),
        ["text \"p a\" -> 5 in #0#0 delta", "text \"b\" in #0#1 delta"]
    );
    assert_eq!(
        rows(
            "guidellm_trace",
            "timestamp,input_length,output_length\n0,3,4\n1.25,5,6\n"
        ),
        [
            "3 tokens in [] of 512 -> 4 at 0",
            "5 tokens in [] of 512 -> 6 at 1.25"
        ]
    );
}

#[test]
fn aiperf_single_and_multi_turn() {
    let single = "{\"text\":\"a\",\"timestamp\":250,\"output_length\":3,\"extra\":{\"seed\":1}}\n\
                  {\"texts\":[\"b\",\"c\"],\"session_id\":7,\"delay\":1.5,\"image\":\"x.png\"}\n\
                  {\"image\":\"y.png\"}\n{\"text\":\"d\",\"role\":\"tool\"}";
    let parts = "[{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\",\"text\":\"c\"}]";
    assert_eq!(
        rows("single_turn", single),
        [
            "text \"a\" -> 3 at 0.25 extra {\"seed\":1}".to_owned(),
            format!("messages [{{\"role\":\"user\",\"content\":{parts}}}] after 0.0015 in 7#0 delta"),
            "messages [{\"role\":\"tool\",\"content\":\"d\"}]".to_owned(),
        ]
    );
    assert_eq!(
        left_out("single_turn", single),
        [
            "`image` of turns, whose texts are sent: 2",
            "turns without a text: 1"
        ]
    );
    let multi = "{\"session_id\":\"s1\",\"turns\":[{\"text\":\"a\",\"output_length\":32},{\"text\":\"b\",\"delay\":800}]}\n\
                 {\"turns\":[\"c\"]}";
    assert_eq!(
        rows("multi_turn", multi),
        [
            "text \"a\" -> 32 in s1#0 delta",
            "text \"b\" after 0.8 in s1#1 delta",
            "text \"c\" in #2#0 delta"
        ]
    );
}

#[test]
fn mooncake_and_what_aiperf_adds_to_it() {
    let trace = "{\"timestamp\": 0, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0, 1, 2, 3, 4, 5, 6, \
                 7, 8, 9, 10, 11, 12, 13]}\n{\"timestamp\": 3000, \"input_length\": 600, \"output_length\": 0, \
                 \"hash_ids\": [0, 14]}\n";
    assert_eq!(
        rows("mooncake", trace),
        ["6758 tokens in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] of 512 -> 500 at 0"]
    );
    assert_eq!(
        left_out("mooncake", trace),
        ["rows without an answer (`output_length` is 0): 1"]
    );
    let more = "{\"session_id\":\"s1\",\"timestamp\":0,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\
                \"message_mode\":\"delta\",\"output_length\":64}\n\
                {\"session_id\":\"s1\",\"delay\":1500,\"messages\":[{\"role\":\"user\",\"content\":\"b\"}],\
                \"message_mode\":\"delta\",\"output_length\":64,\"extra\":{\"temperature\":0},\"tools\":[]}\n\
                {\"text_input\":\"c\",\"timestamp\":9}\n{\"payload\":{\"max_tokens\":4},\"timestamp\":10}";
    assert_eq!(
        rows("mooncake_trace", more),
        [
            "messages [{\"role\":\"user\",\"content\":\"a\"}] -> 64 at 0 in s1#0 delta",
            "messages [{\"role\":\"user\",\"content\":\"b\"}] -> 64 after 1.5 in s1#1 delta tools [] extra \
             {\"temperature\":0}",
            "text \"c\" at 0.009",
            "payload {\"max_tokens\":4} -> 4 at 0.01",
        ]
    );
}

#[test]
fn traces_of_vllm_and_bailian_count_seconds_and_have_blocks_of_16() {
    let trace =
        "{\"timestamp\": 12.4, \"input_length\": 42, \"output_length\": 8, \"hash_ids\": [981, 4412, 7]}";
    assert_eq!(
        rows("timed_trace", trace),
        ["42 tokens in [981, 4412, 7] of 16 -> 8 at 12.4"]
    );
    let chats = "{\"chat_id\":1,\"parent_chat_id\":-1,\"timestamp\":0.3,\"input_length\":40,\"output_length\":12,\
                 \"type\":\"text\",\"turn\":1,\"hash_ids\":[1,2,3]}\n\
                 {\"chat_id\":5,\"parent_chat_id\":1,\"timestamp\":2,\"input_length\":4,\"output_length\":1,\"turn\":2}\n\
                 {\"chat_id\":9,\"parent_chat_id\":5,\"timestamp\":3,\"input_length\":4,\"output_length\":1,\"turn\":3}\n";
    assert_eq!(
        rows("bailian", chats),
        [
            "40 tokens in [1, 2, 3] of 16 -> 12 at 0.3 in 1#0",
            "4 tokens in [] of 16 -> 1 at 2 in 1#1",
            "4 tokens in [] of 16 -> 1 at 3 in 1#2"
        ]
    );
    assert!(left_out("bailian", chats).is_empty());
}

#[test]
fn azure_of_both_years() {
    let first = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n\
                 2023-11-16 18:15:50.9951690,396,109";
    assert_eq!(
        rows("azure", first),
        [
            "374 tokens in [] of 1 -> 44 at 0",
            "396 tokens in [] of 1 -> 109 at 4.314579"
        ]
    );
    let second = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-12 00:00:01+00:00,10,0\n\
                  2024-05-12 00:00:02.5+00:00,11,3\n2024-05-12 00:00:02+00:00,12,4\n";
    assert_eq!(
        rows("azure", second),
        [
            "11 tokens in [] of 1 -> 3 at 0.5",
            "12 tokens in [] of 1 -> 4 at 0"
        ]
    );
    assert_eq!(
        left_out("azure", second),
        ["rows without an answer (`GeneratedTokens` is 0): 1"]
    );
}

#[test]
fn burstgpt_finds_its_columns_by_their_names_and_leaves_out_failed_requests() {
    let old = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
               19440110.0,ChatGPT,472,18,490,API log\n19440111.5,GPT-4,5,0,5,API log\n19440112.5,GPT-4,7,9,16,API log\n";
    assert_eq!(
        rows("burstgpt", old),
        [
            "472 tokens in [] of 1 -> 18 at 0",
            "7 tokens in [] of 1 -> 9 at 2.5"
        ]
    );
    assert_eq!(
        left_out("burstgpt", old),
        ["rows without an answer (`Response tokens` is 0): 1"]
    );
    let new = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
               5.0,,1.2,ChatGPT,472,18,490,API log\n45.0,7b0c,3.4,GPT-4,1087,230,1317,Conversation log\n";
    assert_eq!(
        rows("burst_gpt_trace", new),
        [
            "472 tokens in [] of 1 -> 18 at 0",
            "1087 tokens in [] of 1 -> 230 at 40 in 7b0c#0"
        ]
    );
}

#[test]
fn evalscope_keeps_bodies_and_headers_but_those_of_the_connection() {
    let text = "{\"timestamp\":\"2026-05-01T10:00:00.250Z\",\"body\":{\"model\":\"m\",\"stream\":true},\
                \"headers\":{\"x-tenant\":\"a\",\"Content-Length\":\"9\"},\"completion_tokens\":120}\n\
                {\"timestamp\":1777629601.25,\"body\":\"{\\\"max_tokens\\\": 5}\",\"completion_tokens\":120}";
    assert_eq!(
        rows("workload_trace", text),
        [
            "payload {\"model\":\"m\",\"stream\":true} -> 120 at 0 x-tenant: a",
            "payload {\"max_tokens\": 5} -> 5 at 1"
        ]
    );
    assert_eq!(
        left_out("workload_trace", text),
        ["headers that belong to a connection: 1"]
    );
}

const SHAREGPT: &str = "[{\"id\":\"a_0\",\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},\
    {\"from\":\"gpt\",\"value\":\"four tokens long.\"},{\"from\":\"human\",\"value\":\"q2\"}]},\n\
    {\"id\":\"b\",\"conversations\":[{\"from\":\"human\",\"value\":\"alone\"}]},\n\
    {\"id\":\"c\",\"conversations\":[{\"from\":\"human\",\"value\":\" \"},{\"from\":\"gpt\",\"value\":\"r\"}]}]\n";

#[test]
fn sharegpt_takes_the_first_two_turns_and_says_what_it_leaves_out() {
    assert_eq!(rows("sharegpt", SHAREGPT), ["text \"q\" -> 5"]);
    assert_eq!(
        left_out("sharegpt", SHAREGPT),
        [
            "conversations with fewer than two turns: 1",
            "conversations with an empty first turn: 1"
        ]
    );
    let lines = "{\"conversation\":[{\"role\":\"user\",\"content\":\"q\"},{\"content\":\"\"}]}";
    assert_eq!(rows("sharegpt", lines), ["text \"q\""]);
}

#[test]
fn sharegpt_with_the_filter_of_vllm_and_with_all_turns() {
    let of = |filter, turns| {
        let options = ReadOptions {
            filter,
            turns,
            ..ReadOptions::of(Format::from_name("sharegpt").unwrap())
        };
        read_bytes(options, SHAREGPT.as_bytes())
    };
    let mistakes = of(Filter::Vllm, Turns::First).unwrap_err();
    assert!(
        mistakes[0].contains("contains no rows that can be sent") && mistakes[0].contains("below 4 tokens")
    );
    let all = of(Filter::None, Turns::All { answers: false }).unwrap();
    let shown: Vec<String> = (0..3).map(|i| shown(&all, i)).collect();
    assert_eq!(
        shown,
        [
            "text \"q\" -> 5 in #0#0 delta",
            "text \"q2\" in #0#1 delta",
            "text \"alone\" in #2#0 delta"
        ]
    );
    let sessions = all.dataset.sessions();
    assert_eq!((sessions.len(), sessions.turns(0), sessions.row(0, 1)), (2, 2, 1));
}

#[test]
fn members_that_nothing_is_made_of_are_said() {
    let text = "{\"prompt\":\"a\",\"id\":1,\"answer\":\"x\"}\n{\"prompt\":\"b\",\"id\":2}";
    assert_eq!(
        left_out("custom", text),
        ["members that nothing is made of: `id` of 2, `answer` of 1"]
    );
}

#[test]
fn a_wrong_name_lists_the_names_and_says_what_the_file_looks_like() {
    let wrong = |name: &str, first: Option<&str>| Format::parse(name, first).unwrap_err().to_string();
    assert!(wrong("mooncak", None).contains("did you mean `mooncake`? formats are sharegpt, custom,"));
    let looks = |first: &str| looks_like(first).join(" ");
    assert_eq!(
        looks("{\"timestamp\":0,\"input_length\":1,\"output_length\":1}"),
        "guidellm_trace mooncake timed_trace"
    );
    for (first, name) in [
        ("{\"id\":\"a\",\"conversations\":[]}", "sharegpt"),
        ("{\"prompt\":\"a\"}", "custom"),
        ("{\"prompt\":\"a\",\"output_tokens_count\":3}", "guidellm"),
        ("{\"messages\":[]}", "openai"),
        ("{\"payload\":{}}", "raw"),
        ("{\"text\":\"a\"}", "single_turn"),
        ("{\"turns\":[]}", "multi_turn"),
        ("{\"text_input\":\"a\"}", "mooncake"),
        (
            "{\"chat_id\":1,\"timestamp\":0,\"input_length\":1,\"output_length\":1}",
            "bailian",
        ),
        ("{\"body\":{},\"timestamp\":0}", "workload_trace"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens", "azure"),
        (
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type",
            "burstgpt",
        ),
        ("prompt,output_tokens_count\n", "guidellm"),
    ] {
        assert_eq!(looks(first), name, "{first}");
        assert!(wrong("x", Some(first)).contains(&format!("looks like `{name}`; formats are")));
    }
    assert_eq!(looks("Hello, world"), "");
    // Every name is found under itself and its other names, and no name means two formats.
    let mut all: Vec<&str> = Vec::new();
    for name in Format::names() {
        let format = Format::from_name(name).unwrap();
        assert_eq!(format.name(), name);
        all.push(name);
        all.extend(format.row().aliases);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
