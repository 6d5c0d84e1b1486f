use super::*;
use crate::api::{Api, BodySettings, Setting, Texts};
use proptest::prelude::*;
use serde_json::{Value, json};

fn body(api: Api, asked: Generation) -> String {
    let mut out = b"before".to_vec();
    (api.row().write_body)(&mut out, &asked);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("before").unwrap().to_string()
}

const WHOLE: Generation = Generation {
    model: "m",
    content: Content::Text(&"Say \"hi\"\n"),
    documents: None,
    max_tokens: 20,
    stream: false,
    cache_prompt: false,
    wording: Wording {
        token_limit: None,
        stream_options: None,
    },
    system: None,
    members: &Members::NONE,
};
const STREAM: Generation = Generation {
    content: Content::Text(&"é"),
    max_tokens: u32::MAX,
    stream: true,
    cache_prompt: true,
    ..WHOLE
};

#[test]
fn bodies_are_written_as_expected_and_only_llama_cpp_gets_the_cache_key() {
    for (api, asked, text) in [
        (
            Api::Chat,
            WHOLE,
            r#"{"model":"m","messages":[{"role":"user","content":"Say \"hi\"\n"}],"max_tokens":20,"stream":false}"#,
        ),
        (
            Api::Chat,
            STREAM,
            r#"{"model":"m","messages":[{"role":"user","content":"é"}],"max_tokens":4294967295,"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            Api::Completions,
            WHOLE,
            r#"{"model":"m","prompt":"Say \"hi\"\n","max_tokens":20,"stream":false}"#,
        ),
        (
            Api::Completions,
            STREAM,
            r#"{"model":"m","prompt":"é","max_tokens":4294967295,"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            Api::LlamaCpp,
            WHOLE,
            r#"{"model":"m","prompt":"Say \"hi\"\n","n_predict":20,"stream":false,"cache_prompt":false}"#,
        ),
        (
            Api::LlamaCpp,
            STREAM,
            r#"{"model":"m","prompt":"é","n_predict":4294967295,"stream":true,"cache_prompt":true}"#,
        ),
    ] {
        assert_eq!(body(api, asked), text);
    }
}

#[test]
fn bodies_of_the_other_apis_are_written_as_expected() {
    for (api, whole, stream) in [
        (
            Api::Responses,
            r#"{"model":"m","input":"Say \"hi\"\n","max_output_tokens":20,"stream":false}"#,
            r#"{"model":"m","input":"é","max_output_tokens":4294967295,"stream":true}"#,
        ),
        (
            Api::Messages,
            r#"{"model":"m","max_tokens":20,"messages":[{"role":"user","content":"Say \"hi\"\n"}],"stream":false}"#,
            r#"{"model":"m","max_tokens":4294967295,"messages":[{"role":"user","content":"é"}],"stream":true}"#,
        ),
        (
            Api::Ollama,
            r#"{"model":"m","prompt":"Say \"hi\"\n","stream":false,"options":{"num_predict":20}}"#,
            r#"{"model":"m","prompt":"é","stream":true,"options":{"num_predict":4294967295}}"#,
        ),
        (
            Api::OllamaChat,
            r#"{"model":"m","messages":[{"role":"user","content":"Say \"hi\"\n"}],"stream":false,"options":{"num_predict":20}}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"é"}],"stream":true,"options":{"num_predict":4294967295}}"#,
        ),
        (
            Api::Sglang,
            r#"{"text":"Say \"hi\"\n","sampling_params":{"max_new_tokens":20},"stream":false}"#,
            r#"{"text":"é","sampling_params":{"max_new_tokens":4294967295},"stream":true}"#,
        ),
        (
            Api::Tgi,
            r#"{"inputs":"Say \"hi\"\n","parameters":{"max_new_tokens":20,"details":true}}"#,
            r#"{"inputs":"é","parameters":{"max_new_tokens":4294967295,"details":true}}"#,
        ),
        (
            Api::Triton,
            r#"{"text_input":"Say \"hi\"\n","max_tokens":20,"stream":false}"#,
            r#"{"text_input":"é","max_tokens":4294967295,"stream":true}"#,
        ),
        (
            Api::Embeddings,
            r#"{"model":"m","input":"Say \"hi\"\n","encoding_format":"float"}"#,
            r#"{"model":"m","input":"é","encoding_format":"float"}"#,
        ),
        (
            Api::Rerank,
            r#"{"model":"m","query":"Say \"hi\"\n","documents":["Say \"hi\"\n"]}"#,
            r#"{"model":"m","query":"é","documents":["é"]}"#,
        ),
        (
            Api::Score,
            r#"{"model":"m","text_1":"Say \"hi\"\n","text_2":["Say \"hi\"\n"]}"#,
            r#"{"model":"m","text_1":"é","text_2":["é"]}"#,
        ),
    ] {
        assert_eq!(body(api, WHOLE), whole);
        assert_eq!(body(api, STREAM), stream);
    }
}

#[test]
fn token_ids_and_messages_go_where_an_api_has_them() {
    struct Raw(&'static str);
    impl Prompt for Raw {
        fn write_json(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.0.as_bytes());
        }
    }
    let ids = Raw("[5,70000]");
    let tokens = |api| {
        let content = Content::Tokens(&ids);
        serde_json::from_str::<Value>(&body(api, Generation { content, ..WHOLE })).unwrap()
    };
    for (api, key) in [
        (Api::Completions, "prompt"),
        (Api::LlamaCpp, "prompt"),
        (Api::Sglang, "input_ids"),
        (Api::Embeddings, "input"),
    ] {
        assert!(api.row().carries.contains(&ContentKind::Tokens));
        assert_eq!(tokens(api)[key], json!([5, 70000]), "{api:?}");
    }
    let both = Raw(r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#);
    for (api, key) in [
        (Api::Chat, "messages"),
        (Api::Responses, "input"),
        (Api::Messages, "messages"),
        (Api::OllamaChat, "messages"),
    ] {
        assert!(api.row().carries.contains(&ContentKind::Messages));
        let content = Content::Messages(&both);
        let text = body(api, Generation { content, ..WHOLE });
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[key][1]["content"], "b", "{api:?}");
    }
}

#[test]
fn token_limit_and_stream_options_follow_the_wording() {
    let wording = Wording {
        token_limit: Some(TokenLimitKey::MaxCompletionTokens),
        stream_options: Some(false),
    };
    for api in [Api::Chat, Api::Completions] {
        let text = body(api, Generation { wording, ..STREAM });
        assert!(
            text.ends_with(r#","max_completion_tokens":4294967295,"stream":true}"#),
            "{text}"
        );
    }
    let own = body(Api::LlamaCpp, Generation { wording, ..STREAM });
    assert_eq!(own, body(Api::LlamaCpp, STREAM));
}

#[test]
fn configured_wording_wins_over_discovered_wording() {
    let found = Wording {
        token_limit: Some(TokenLimitKey::MaxCompletionTokens),
        stream_options: Some(false),
    };
    assert_eq!(Wording::default().or(found), found);
    let asked = Wording {
        stream_options: Some(true),
        ..Wording::default()
    };
    assert_eq!(
        (asked.or(found).asks_usage(), asked.or(found).token_limit),
        (true, found.token_limit)
    );
}

#[test]
fn a_prompt_writes_itself_in_the_same_way_in_every_api() {
    struct Tokens;
    impl Prompt for Tokens {
        fn write_json(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"[5,70000]");
        }
    }
    for api in Api::ALL {
        let asked = Generation {
            content: Content::Text(&Tokens),
            ..STREAM
        };
        let read: Value = serde_json::from_str(&body(api, asked)).unwrap();
        let places = [
            "/prompt",
            "/messages/0/content",
            "/input",
            "/text",
            "/inputs",
            "/text_input",
            "/query",
            "/text_1",
        ];
        let found = places.iter().find_map(|at| read.pointer(at));
        assert_eq!(found, Some(&json!([5, 70000])), "{api:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed()),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_body_is_json_that_reads_back_as_its_values(
        model in any::<String>(),
        prompt in "\\PC*|[\\x00-\\x7f]*",
        max_tokens: u32,
        stream: bool,
    ) {
        let asked = Generation { model: &model, content: Content::Text(&prompt.as_str()), max_tokens, stream, ..WHOLE };
        let read: Value = serde_json::from_str(&body(Api::Chat, asked)).unwrap();
        let mut wanted = json!({
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "stream": stream,
        });
        if stream {
            wanted["stream_options"] = json!({"include_usage": true});
        }
        prop_assert_eq!(read, wanted);
    }
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or(1, |text| text.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    seed
}

/// Every setting and a further member, as a user gives them.
fn every_setting() -> BodySettings {
    let mut settings = BodySettings::default();
    for (setting, json) in [
        (Setting::IgnoreEos, "true"),
        (Setting::MinTokens, "5"),
        (Setting::Temperature, "0.70"),
        (Setting::TopP, "0.9"),
        (Setting::TopK, "-1"),
        (Setting::Seed, "7"),
        (Setting::Stop, r#"["END"]"#),
        (Setting::N, "2"),
        (Setting::Tools, r#"[{"type":"function"}]"#),
    ] {
        settings.set(setting, json.to_owned());
    }
    settings.set_extra(Members::parse(r#"{"priority":3,"model":"other"}"#).unwrap());
    settings
}

#[test]
fn every_setting_has_its_exact_text_in_every_api() {
    let settings = every_setting();
    for (api, text) in [
        (
            Api::Chat,
            r#"{"model":"other","messages":[{"role":"system","content":"Be\n\"brief\"."},{"role":"user","content":"é"}],"max_tokens":20,"stream":true,"stream_options":{"include_usage":true},"ignore_eos":true,"min_tokens":5,"temperature":0.70,"top_p":0.9,"top_k":-1,"seed":7,"stop":["END"],"n":2,"tools":[{"type":"function"}],"priority":3}"#,
        ),
        (
            Api::Completions,
            r#"{"model":"other","prompt":"Be\n\"brief\".\n\né","max_tokens":20,"stream":true,"stream_options":{"include_usage":true},"ignore_eos":true,"min_tokens":5,"temperature":0.70,"top_p":0.9,"top_k":-1,"seed":7,"stop":["END"],"n":2,"priority":3}"#,
        ),
        (
            Api::LlamaCpp,
            r#"{"model":"other","prompt":"Be\n\"brief\".\n\né","n_predict":20,"stream":true,"cache_prompt":true,"ignore_eos":true,"temperature":0.70,"top_p":0.9,"top_k":-1,"seed":7,"stop":["END"],"priority":3}"#,
        ),
        (
            Api::Responses,
            r#"{"model":"other","input":"é","instructions":"Be\n\"brief\".","max_output_tokens":20,"stream":true,"ignore_eos":true,"temperature":0.70,"top_p":0.9,"tools":[{"type":"function"}],"priority":3}"#,
        ),
        (
            Api::Messages,
            r#"{"model":"other","max_tokens":20,"system":"Be\n\"brief\".","messages":[{"role":"user","content":"é"}],"stream":true,"temperature":0.70,"top_p":0.9,"top_k":-1,"stop_sequences":["END"],"tools":[{"type":"function"}],"priority":3}"#,
        ),
        (
            Api::Ollama,
            r#"{"model":"other","prompt":"é","system":"Be\n\"brief\".","stream":true,"options":{"num_predict":20,"temperature":0.70,"top_p":0.9,"top_k":-1,"seed":7,"stop":["END"]},"priority":3}"#,
        ),
        (
            Api::OllamaChat,
            r#"{"model":"other","messages":[{"role":"system","content":"Be\n\"brief\"."},{"role":"user","content":"é"}],"stream":true,"options":{"num_predict":20,"temperature":0.70,"top_p":0.9,"top_k":-1,"seed":7,"stop":["END"]},"tools":[{"type":"function"}],"priority":3}"#,
        ),
        (
            Api::Tgi,
            r#"{"inputs":"Be\n\"brief\".\n\né","parameters":{"max_new_tokens":20,"details":true,"temperature":0.70,"top_p":0.9,"top_k":-1,"seed":7,"stop":["END"]},"priority":3,"model":"other"}"#,
        ),
        (
            Api::Sglang,
            r#"{"text":"Be\n\"brief\".\n\né","sampling_params":{"max_new_tokens":20,"ignore_eos":true,"min_new_tokens":5,"temperature":0.70,"top_p":0.9,"top_k":-1,"sampling_seed":7,"stop":["END"]},"stream":true,"priority":3,"model":"other"}"#,
        ),
        (
            Api::Triton,
            r#"{"text_input":"Be\n\"brief\".\n\né","max_tokens":20,"stream":true,"temperature":0.70,"top_p":0.9,"top_k":-1,"priority":3,"model":"other"}"#,
        ),
    ] {
        let asked = Generation {
            max_tokens: 20,
            system: Some("Be\n\"brief\"."),
            members: settings.members(api),
            ..STREAM
        };
        assert_eq!(body(api, asked), text);
    }
}

#[test]
fn every_api_carries_a_system_prompt_and_what_is_added() {
    let mut settings = BodySettings::default();
    settings.set_extra(Members::parse(r#"{"added":[1]}"#).unwrap());
    for api in Api::ALL {
        // What has no generation has no system prompt.
        let generates = api.row().texts == Texts::One;
        let asked = Generation {
            system: Some("the system prompt"),
            members: settings.members(api),
            ..STREAM
        };
        let text = body(api, asked);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["added"], json!([1]), "{api:?}");
        assert_eq!(
            text.matches("the system prompt").count(),
            usize::from(generates),
            "{api:?}: {text}"
        );
    }
}

#[test]
fn a_system_prompt_goes_before_the_messages_of_a_conversation() {
    struct Messages(&'static str);
    impl Prompt for Messages {
        fn write_json(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.0.as_bytes());
        }
    }
    for (messages, expected) in [
        (
            r#"[{"role":"user","content":"a"}]"#,
            r#"[{"role":"system","content":"s"},{"role":"user","content":"a"}]"#,
        ),
        ("[ ]", r#"[{"role":"system","content":"s"} ]"#),
        ("[]", r#"[{"role":"system","content":"s"}]"#),
    ] {
        let mut out = b"x".to_vec();
        Content::Messages(&Messages(messages)).write_messages(&mut out, Some("s"));
        assert_eq!(String::from_utf8(out).unwrap(), format!("x{expected}"));
    }
}

#[test]
fn a_limit_that_is_given_as_a_member_is_the_only_one() {
    for (key, other) in [
        ("max_tokens", None),
        ("max_completion_tokens", Some(TokenLimitKey::MaxCompletionTokens)),
    ] {
        for given in ["max_tokens", "max_completion_tokens"] {
            let mut settings = BodySettings::default();
            settings.set_extra(Members::parse(&format!("{{\"{given}\":3}}")).unwrap());
            let wording = Wording {
                token_limit: other,
                ..Wording::default()
            };
            let asked = Generation {
                wording,
                members: settings.members(Api::Chat),
                ..WHOLE
            };
            let text = body(Api::Chat, asked);
            assert_eq!(text.matches("_tokens\"").count(), 1, "{key}: {text}");
            assert!(text.contains(&format!("\"{given}\":3")), "{key}: {text}");
        }
    }
}
