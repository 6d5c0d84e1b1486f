use super::super::conversation::tests::workload;
use super::*;
use crate::api::Api;
use crate::lengths::Lengths;
use crate::workload::types::Call;
use crate::workload::{NamedPaths, Prompts, Target, encode_request};
use serde_json::{Value, json};

pub fn target(api: Api) -> Target {
    Target {
        origin: "http://127.0.0.1:1".into(),
        authority: "127.0.0.1:1".into(),
        addresses: vec!["127.0.0.1:1".parse().unwrap()],
        api,
        api_path: "/v1/x".into(),
        stream_path: "/v1/x".into(),
        light_paths: vec!["/health".into()],
        named_paths: NamedPaths::all("/v1/models"),
        headers: Vec::new(),
        wording: Default::default(),
    }
}

fn key() -> SessionKey {
    SessionKey {
        seed: 3,
        owner: 12,
        session: 4,
        kind: 0,
        model: 0,
        of_dataset: 0,
    }
}

/// Returns the head and the body of turn `turn` after these answers.
fn sent(workload: &Workload, api: Api, turn: u16, answered: &[(u16, &str)]) -> (String, Value) {
    let mut history = History::default();
    for (turn, reply) in answered {
        history.keep(*turn, reply.as_bytes());
    }
    let draw = workload.draw_turn(key(), turn);
    let turn = Turn {
        key: key(),
        number: turn,
        history: &history,
        id: "3-v12-4",
    };
    let (mut out, mut body) = (Vec::new(), Vec::new());
    encode_request(
        &mut out,
        &mut body,
        &target(api),
        workload,
        (&draw, Some(&turn)),
        None,
    );
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

/// Makes a conversation whose user says one of two things.
fn talk(conversation: Conversation) -> Workload {
    let mut workload = workload(conversation);
    let Call::Chat(chat) = &mut workload.kinds[0].call else {
        panic!()
    };
    chat.prompts = Prompts::List(vec!["Say \"hi\"".into()]);
    chat.max_tokens = Lengths::fixed(5);
    chat.stream = false;
    workload
}

fn five() -> Conversation {
    Conversation {
        turns: Some(Lengths::range(5, 5)),
        ..Conversation::default()
    }
}

#[test]
fn a_turn_repeats_what_was_said_and_what_the_server_answered() {
    let workload = talk(Conversation {
        system: "Be brief.".into(),
        affinity_header: Some("X-Session-Affinity".into()),
        ..five()
    });
    let (head, body) = sent(
        &workload,
        Api::Chat,
        2,
        &[(0, r#"Hi \u00e9\n"#), (1, r#"\"Bye\""#)],
    );
    let user = json!({"role": "user", "content": "Say \"hi\""});
    let said = |text: &str| json!({"role": "assistant", "content": text});
    let wanted = json!([
        {"role": "system", "content": "Be brief."},
        user,
        said("Hi é\n"),
        user,
        said("\"Bye\""),
        user,
    ]);
    assert_eq!(body["messages"], wanted);
    assert!(head.contains("\r\nX-Session-Affinity: 3-v12-4\r\n"), "{head}");
    let (_, first) = sent(&workload, Api::Chat, 0, &[]);
    assert_eq!(first["messages"], json!([wanted[0], wanted[1]]));
}

#[test]
fn apis_without_messages_get_one_text() {
    let workload = talk(Conversation {
        system: "Be brief.".into(),
        ..five()
    });
    for api in [Api::Completions, Api::LlamaCpp] {
        let (head, body) = sent(&workload, api, 1, &[(0, r#" Hello.\t"#)]);
        assert_eq!(
            body["prompt"], "Be brief.\n\nSay \"hi\" Hello.\t\n\nSay \"hi\"",
            "{api:?}"
        );
        assert!(!head.to_lowercase().contains("affinity"), "{head}");
    }
}

#[test]
fn a_delta_has_only_what_is_new_and_what_was_not_answered_is_left_out() {
    let delta = talk(Conversation {
        history: HistoryMode::Delta,
        ..five()
    });
    let (_, body) = sent(&delta, Api::Chat, 2, &[(0, "a"), (1, "b")]);
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": "Say \"hi\""}])
    );
    let (_, body) = sent(&talk(five()), Api::Chat, 3, &[(0, "a"), (2, "c")]);
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"]);
}

#[test]
fn a_turn_is_made_of_the_same_words_whenever_it_is_sent() {
    let made = workload(Conversation {
        system_tokens: 20,
        session_tokens: Lengths::range(10, 10),
        ..five()
    });
    let (_, first) = sent(&made, Api::Chat, 0, &[]);
    let (_, second) = sent(&made, Api::Chat, 1, &[(0, "a")]);
    let (first, second) = (
        first["messages"].as_array().unwrap(),
        second["messages"].as_array().unwrap(),
    );
    assert_eq!(first[..], second[..2]);
    let system = first[0]["content"].as_str().unwrap();
    assert_eq!(system.split(' ').count(), 30);
    // All sessions of a run share the first words, and no other has the last.
    let other = SessionKey { owner: 13, ..key() };
    assert_eq!(other.common_words(), key().common_words());
    let conversation = made.conversation(0).unwrap();
    assert_ne!(other.own_words(conversation), key().own_words(conversation));
}

#[test]
fn the_memory_of_a_history_is_that_of_its_answers() {
    let mut history = History::default();
    assert_eq!(history.held_bytes(), 0);
    for turn in 0..100 {
        history.keep(turn, &[b'x'; 1_000]);
    }
    assert!(
        (100_000..250_000).contains(&history.held_bytes()),
        "{}",
        history.held_bytes()
    );
    assert_eq!(
        history.each().map(|(_, reply)| reply.len()).sum::<usize>(),
        100_000
    );
}
