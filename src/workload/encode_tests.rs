use super::*;
use crate::api::{Api, BodySettings, Members, Setting};
use crate::lengths::Lengths;
use crate::units::SECOND;
use crate::units::Span;
use crate::workload::{LightPath, NamedPaths, RequestKind, Server, Timeouts};

fn two_kinds() -> (Workload, Target) {
    let timeouts = Timeouts {
        connect: None,
        first_token: None,
        idle: None,
        total: SECOND,
    };
    let kind = |name: &str, call| RequestKind {
        name: name.to_string(),
        weight: 1,
        call,
        timeouts,
        goodput: Default::default(),
        headers: Vec::new(),
        server: 0,
    };
    let chat = Call::Chat(Chat {
        stream: true,
        max_tokens: Lengths::range(5, 9),
        models: vec!["a".to_string(), "b".to_string()],
        prompts: Prompts::List(vec!["Hi".to_string(), "x".repeat(2000)]),
        ..Chat::default()
    });
    let workload = Workload {
        servers: vec![Server {
            name: None,
            weight: 1,
        }],
        kinds: vec![kind("stream", chat), kind("light", Call::Light)],
        think_time: Span { min: 0, max: 0 },
        each_kind_first: false,
        users: 1,
        is_warm_up: false,
        load: 0,
    };
    let target = Target {
        origin: "http://h:1".to_string(),
        authority: "h:1".to_string(),
        addresses: vec![([127, 0, 0, 1], 1).into()],
        api: Api::Chat,
        api_path: "/v1/chat/completions".to_string(),
        stream_path: "/v1/chat/completions".to_string(),
        light_paths: vec!["/health".to_string(), "/stats".to_string()],
        named_paths: NamedPaths {
            health: "/h".to_string(),
            models: "/v1/models".to_string(),
            model: "/v1/models/m".to_string(),
            stats: "/s".to_string(),
        },
        headers: vec![("Authorization".to_string(), "Bearer x".to_string())],
        wording: Default::default(),
    };
    (workload, target)
}

#[test]
fn a_request_is_the_one_drawn() {
    let (workload, target) = two_kinds();
    let (mut out, mut scratch) = (Vec::new(), b"left over".to_vec());
    let draw = Draw {
        kind: 0,
        model: 1,
        prompt: 0,
        prompt_tokens: 0,
        max_tokens: 7,
        bust: 0,
        think: 0,
    };
    encode_request(&mut out, &mut scratch, &target, &workload, (&draw, None), None);
    let text = String::from_utf8(out.clone()).unwrap();
    let (head, sent) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nHost: h:1\r\n") && head.contains("Authorization: Bearer x"));
    assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}", sent.len())),
        "{head}"
    );
    let mut wanted = Vec::new();
    let asked = Generation {
        model: "b",
        content: Content::Text(&"Hi"),
        documents: None,
        max_tokens: 7,
        stream: true,
        cache_prompt: false,
        wording: Default::default(),
        system: None,
        members: Members::none(),
    };
    (Api::Chat.row().write_body)(&mut wanted, &asked);
    assert_eq!(sent.as_bytes(), wanted);

    out.clear();
    let light = Draw {
        kind: 1,
        model: 0,
        prompt: 1,
        prompt_tokens: 0,
        max_tokens: 0,
        bust: 0,
        think: 0,
    };
    encode_request(&mut out, &mut scratch, &target, &workload, (&light, None), None);
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("GET /stats HTTP/1.1\r\n") && text.ends_with("\r\n\r\n"));
    assert!(!text.contains("Content-"));
}

#[test]
fn the_number_of_answers_is_that_of_the_settings_in_the_words_of_the_api() {
    let (mut workload, mut target) = two_kinds();
    let draw = Draw {
        kind: 0,
        model: 0,
        prompt: 0,
        prompt_tokens: 0,
        max_tokens: 7,
        bust: 0,
        think: 0,
    };
    let chat = |settings: BodySettings| {
        Call::Chat(Chat {
            models: vec!["a".to_string()],
            prompts: Prompts::List(vec!["Hi \"n\": 5".to_string()]),
            settings: Box::new(settings),
            ..Chat::default()
        })
    };
    let mut by_key = BodySettings::default();
    by_key.set(Setting::N, "3".to_string());
    let mut by_member = by_key.clone();
    by_member.set_extra(Members::parse(r#"{"n": 2}"#).unwrap());
    let mut removed = by_key.clone();
    removed.set_extra(Members::parse(r#"{"n": null}"#).unwrap());
    for (settings, api, answers) in [
        (BodySettings::default(), Api::Chat, 1),
        (by_key.clone(), Api::Chat, 3),
        (by_key, Api::Completions, 3),
        (by_member.clone(), Api::Chat, 2),
        // It has no word for several answers, and what it makes of this is its own affair.
        (by_member, Api::LlamaCpp, 1),
        (removed, Api::Chat, 1),
    ] {
        workload.kinds[0].call = chat(settings);
        target.api = api;
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        let asked = encode_request(&mut out, &mut scratch, &target, &workload, (&draw, None), None);
        assert_eq!(asked, answers, "{}", String::from_utf8_lossy(&scratch));
    }
}

#[test]
fn a_get_that_names_its_path_goes_there() {
    let (mut workload, target) = two_kinds();
    let draw = Draw {
        kind: 1,
        model: 0,
        prompt: 0,
        prompt_tokens: 0,
        max_tokens: 0,
        bust: 0,
        think: 0,
    };
    for (path, line) in LightPath::ALL
        .into_iter()
        .zip(["/h", "/v1/models", "/v1/models/m", "/s"])
    {
        workload.kinds[1].call = Call::Get { path };
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        encode_request(&mut out, &mut scratch, &target, &workload, (&draw, None), None);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&format!("GET {line} HTTP/1.1\r\n")), "{text}");
    }
}

#[test]
fn encoding_further_requests_does_not_grow_the_buffers() {
    let (workload, target) = two_kinds();
    let (mut out, mut scratch) = (Vec::new(), Vec::new());
    let mut grown = None;
    for (prompt, model) in [(1, 0), (0, 1), (1, 1), (0, 0)] {
        let draw = Draw {
            kind: 0,
            model,
            prompt,
            prompt_tokens: 0,
            max_tokens: 9,
            bust: 0,
            think: 0,
        };
        out.clear();
        encode_request(&mut out, &mut scratch, &target, &workload, (&draw, None), None);
        let now = (out.as_ptr(), out.capacity(), scratch.as_ptr(), scratch.capacity());
        assert_eq!(*grown.get_or_insert(now), now);
    }
}

#[test]
fn the_headers_of_a_kind_replace_the_targets_of_the_same_name() {
    let (mut workload, target) = two_kinds();
    let header = |name: &str, value: &str| (name.to_string(), value.to_string());
    workload.kinds[0].headers = vec![header("authorization", "Bearer own"), header("X-Priority", "low")];
    let head_of = |kind: u16| {
        let draw = Draw {
            kind,
            model: 0,
            prompt: 0,
            prompt_tokens: 0,
            max_tokens: 5,
            bust: 0,
            think: 0,
        };
        let mut out = Vec::new();
        encode_request(&mut out, &mut Vec::new(), &target, &workload, (&draw, None), None);
        String::from_utf8(out).unwrap()
    };
    let own = head_of(0);
    assert!(
        own.contains("authorization: Bearer own\r\nX-Priority: low\r\n"),
        "{own}"
    );
    assert!(!own.contains("Bearer x"), "{own}");
    let other = head_of(1);
    assert!(
        other.contains("Authorization: Bearer x") && !other.contains("X-Priority"),
        "{other}"
    );
}
