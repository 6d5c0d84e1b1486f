use super::*;
use crate::api::Api;
use crate::dataset::{Format, ReadOptions, Turns, read};
use crate::lengths::Lengths;
use crate::units::{MILLISECOND, SECOND};
use crate::workload::conversation::{Conversation, HistoryMode};
use crate::workload::dialogue::{History, Turn};
use crate::workload::{Sampling, encode_request};
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes a workload whose only kind is conversations of these rows.
fn talk(format: &str, text: &str, conversation: Conversation) -> Workload {
    let options = ReadOptions {
        turns: Turns::All {
            answers: conversation.history == HistoryMode::Dataset,
        },
        ..ReadOptions::of(Format::from_name(format).unwrap())
    };
    let found = read(Box::new(text.as_bytes()), "t", options, &mut || {
        Err(std::io::Error::other("none"))
    });
    let mut workload = crate::workload::conversation::tests::workload(conversation);
    let Call::Chat(chat) = &mut workload.kinds[0].call else {
        panic!()
    };
    chat.prompts = Prompts::Rows(Box::new(Rows {
        dataset: Arc::new(found.unwrap().dataset),
        sampling: Sampling::Sequential,
        own_lengths: true,
        own_model: true,
        tokens: Default::default(),
        seed: 1,
        replaying: Default::default(),
    }));
    chat.max_tokens = Lengths::fixed(5);
    chat.models = vec!["m".into()];
    chat.stream = false;
    workload
}

fn key(session: u32) -> SessionKey {
    SessionKey {
        seed: 3,
        owner: 0,
        session: 0,
        kind: 0,
        model: 0,
        of_dataset: session,
    }
}

/// Returns the body of turn `number` of the first session after these answers.
fn sent(workload: &Workload, api: Api, number: u16, answered: &[(u16, &str)]) -> Value {
    let mut history = History::default();
    for (turn, reply) in answered {
        history.keep(*turn, reply.as_bytes());
    }
    let draw = workload.draw_turn(key(0), number);
    let turn = Turn {
        key: key(0),
        number,
        history: &history,
        id: "3-v0-0",
    };
    let (mut out, mut body) = (Vec::new(), Vec::new());
    let target = crate::workload::dialogue::tests::target(api);
    encode_request(&mut out, &mut body, &target, workload, (&draw, Some(&turn)), None);
    serde_json::from_slice(&body).unwrap()
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

const SHAREGPT: &str = r#"[{"conversations":[{"from":"system","value":"Be \"brief\"."},{"from":"human","value":"q0"},
{"from":"gpt","value":"r0"},{"from":"human","value":"q1"},{"from":"gpt","value":"r1r1r1"},{"from":"human","value":"q2"}]}]"#;

#[test]
fn a_turn_has_the_rows_before_it_and_the_servers_answers() {
    let workload = talk("sharegpt", SHAREGPT, Conversation::default());
    assert_eq!(workload.turns(key(0)), 3);
    let answered = [(0, r"Hi \u00e9"), (1, r#"\"Bye\""#)];
    let body = sent(&workload, Api::Chat, 2, &answered);
    let system = json!({"role": "system", "content": "Be \"brief\"."});
    let wanted = json!([
        system,
        user("q0"),
        assistant("Hi é"),
        user("q1"),
        assistant("\"Bye\""),
        user("q2")
    ]);
    assert_eq!(body["messages"], wanted);
    let first = sent(&workload, Api::Chat, 0, &[]);
    assert_eq!(first["messages"], json!([wanted[0], wanted[1]]));
    // The length of a turn's own answer in the file, at 4 bytes a token, and the kind's limit without one.
    let limits = [0, 1, 2].map(|turn| workload.draw_turn(key(0), turn).max_tokens);
    assert_eq!(limits, [1, 2, 5]);
    // What failed is left out.
    let body = sent(&workload, Api::Chat, 2, &answered[1..]);
    assert_eq!(
        body["messages"],
        json!([user("q1"), assistant("\"Bye\""), user("q2")])
    );
}

#[test]
fn the_answers_of_the_dataset_or_none_go_before_a_turn_where_that_is_asked_for() {
    let with = |history| {
        let conversation = Conversation {
            history,
            ..Conversation::default()
        };
        talk("sharegpt", SHAREGPT, conversation)
    };
    let own = sent(&with(HistoryMode::Dataset), Api::Chat, 2, &[]);
    let roles = own["messages"].as_array().unwrap();
    assert_eq!(roles.len(), 6);
    assert_eq!((&roles[2], &roles[4]), (&assistant("r0"), &assistant("r1r1r1")));
    let alone = sent(&with(HistoryMode::Delta), Api::Chat, 2, &[(0, "x"), (1, "y")]);
    assert_eq!(alone["messages"], json!([user("q2")]));
}

#[test]
fn messages_are_split_into_turns_with_what_tools_say() {
    let call = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
    let row = format!(
        r#"{{"messages":[{{"role":"system","content":"S"}},{{"role":"user","content":"a"}},{call},{{"role":"tool","content":"7","tool_call_id":"c"}},{{"role":"user","content":"b"}}],"max_tokens":9,"temperature":0}}"#
    );
    let conversation = Conversation {
        history: HistoryMode::Dataset,
        ..Conversation::default()
    };
    let workload = talk("openai", &row, conversation);
    assert_eq!(workload.turns(key(0)), 2);
    let body = sent(&workload, Api::Chat, 1, &[]);
    let all: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(body["messages"], all["messages"]);
    assert_eq!(
        (&body["max_tokens"], &body["temperature"]),
        (&json!(9), &json!(0))
    );
    let workload = talk("openai", &row, Conversation::default());
    let body = sent(&workload, Api::Chat, 1, &[(0, "Hm")]);
    let (list, all) = (body["messages"].as_array().unwrap(), &all["messages"]);
    assert_eq!(list[..2], all.as_array().unwrap()[..2]);
    assert_eq!(list[2], assistant("Hm"));
    assert_eq!(list[3..], all.as_array().unwrap()[3..]);
}

#[test]
fn a_row_with_all_that_was_said_begins_anew() {
    let rows = r#"{"session_id":"s","timestamp":0,"text_input":"a"}
{"session_id":"s","delay":10,"messages":[{"role":"user","content":"all"}],"message_mode":"history"}
{"session_id":"s","delay":20,"messages":[{"role":"user","content":"b"}],"message_mode":"delta","extra":{"top_p":0.5}}
{"session_id":"s","delay":30,"payload":{"messages":[],"x":1}}
{"session_id":"t","timestamp":9,"text_input":"only"}"#;
    let workload = talk("mooncake", rows, Conversation::default());
    assert_eq!((workload.turns(key(0)), workload.turns(key(1))), (4, 1));
    let answered = [(0, "A"), (1, "B"), (2, "C")];
    let of = |turn| sent(&workload, Api::Chat, turn, &answered[..usize::from(turn)]);
    assert_eq!(of(1)["messages"], json!([user("all")]));
    assert_eq!(of(2)["messages"], json!([user("all"), assistant("B"), user("b")]));
    assert_eq!(of(2)["top_p"], json!(0.5));
    assert_eq!((&of(3)["messages"], &of(3)["x"]), (&json!([]), &json!(1)));
    let kept = [0, 1, 2, 3].map(|turn| workload.keeps_answer(key(0), turn));
    assert_eq!(
        kept,
        [false, true, false, false],
        "nothing is kept that nobody sends"
    );
    let delays = [1, 2, 3].map(|turn| workload.follows(key(0), turn).delay.unwrap() / MILLISECOND);
    assert_eq!(delays, [10, 20, 30]);
}

#[test]
fn tokens_of_whole_prompts_stay_ids_and_new_ones_become_words() {
    let rows = r#"{"chat_id":1,"parent_chat_id":-1,"timestamp":0.5,"input_length":40,"output_length":3,"hash_ids":[1,2,3]}
{"chat_id":2,"parent_chat_id":1,"timestamp":2.5,"input_length":60,"output_length":4,"hash_ids":[1,2,3,4]}"#;
    let workload = talk("bailian", rows, Conversation::default());
    let body = sent(&workload, Api::Completions, 1, &[]);
    assert_eq!(body["prompt"].as_array().unwrap().len(), 60);
    assert!(!workload.keeps_answer(key(0), 0));
    assert_eq!(workload.follows(key(0), 1).since_first, Some(2 * SECOND));
    let rows = r#"{"session_id":"s","timestamp":0,"input_length":3,"output_length":3,"message_mode":"delta"}
{"session_id":"s","delay":5,"input_length":4,"output_length":3,"message_mode":"delta"}"#;
    let workload = talk("mooncake", rows, Conversation::default());
    let body = sent(&workload, Api::Completions, 1, &[(0, " and")]);
    let text = body["prompt"].as_str().unwrap();
    let (before, now) = text.split_once("\n\n").unwrap();
    assert_eq!(
        (before.split(' ').count(), now.split(' ').count()),
        (4, 4),
        "{text}"
    );
    assert!(before.ends_with(" and"), "{text}");
}

#[test]
fn apis_without_messages_get_one_text_and_the_systems_words_first() {
    let conversation = Conversation {
        system: "Be brief.".into(),
        ..Conversation::default()
    };
    let workload = talk("multi_turn", r#"{"turns":["a","b \"c\""]}"#, conversation.clone());
    let body = sent(&workload, Api::Completions, 1, &[(0, " A")]);
    assert_eq!(body["prompt"], "Be brief.\n\na A\n\nb \"c\"");
    let body = sent(&workload, Api::Chat, 1, &[]);
    assert_eq!(
        body["messages"],
        json!([{"role": "system", "content": "Be brief."}, user("b \"c\"")])
    );
}

#[test]
fn sessions_are_taken_as_rows_are_and_turns_may_be_cut() {
    let text = "{\"turns\":[\"a\",\"b\",\"c\"]}\n{\"turns\":[\"d\"]}\n{\"turns\":[\"e\",\"f\"]}";
    let workload = talk("multi_turn", text, Conversation::default());
    let taken: Vec<u64> = (0..7).map(|n| workload.draw(7, 0, n, 0, 1).prompt).collect();
    assert_eq!(taken, [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!([0, 1, 2].map(|session| workload.turns(key(session))), [3, 1, 2]);
    assert_eq!(workload.draw_turn(key(2), 1).prompt, 5);
    let two = Conversation {
        turns: Some(Lengths::fixed(2)),
        ..Conversation::default()
    };
    let workload = talk("multi_turn", text, two);
    assert_eq!([0, 1, 2].map(|session| workload.turns(key(session))), [2, 1, 2]);
}
