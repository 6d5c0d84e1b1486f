use super::*;

#[test]
fn each_form_reads_the_count_of_its_server() {
    let vllm = br#"{"count":4,"max_model_len":2048,"tokens":[306,304,305,301],"token_strs":null}"#;
    assert_eq!(Form::Prompt.count(vllm), Some(4));
    assert_eq!(Form::Prompt.count(br#"{"tokens":[1,2]}"#), Some(2));
    assert_eq!(Form::LlamaCpp.count(br#"{"tokens":[1,2,3]}"#), Some(3));
    assert_eq!(
        Form::LlamaCpp.count(br#"{"tokens":[{"id":1,"piece":"a"},{"id":2,"piece":"b"}]}"#),
        Some(2)
    );
    assert_eq!(
        Form::Inputs.count(br#"[{"id":1,"text":"a","start":0,"stop":1}]"#),
        Some(1)
    );
    // What answers another question has not read the text.
    for other in [
        &br#"{"tokens":[]}"#[..],
        b"{}",
        b"[]",
        b"not JSON",
        br#"{"count":-1}"#,
    ] {
        for form in Form::ALL {
            assert_eq!(form.count(other), None, "{form:?}");
        }
    }
}

#[test]
fn tokenize_is_beside_the_prefix_of_the_api() {
    let at = |api: crate::api::Api, path: &str| {
        let target = Target {
            api,
            api_path: path.to_owned(),
            ..crate::discover::validate::tests::target(([127, 0, 0, 1], 1).into())
        };
        root(&target).to_owned()
    };
    use crate::api::Api;
    assert_eq!(at(Api::Chat, "/v1/chat/completions"), "");
    assert_eq!(at(Api::Chat, "/gateway/v1/chat/completions?key=1"), "/gateway");
    assert_eq!(at(Api::Completions, "/x/openai/v1/completions/"), "/x");
    assert_eq!(at(Api::LlamaCpp, "/completion"), "");
    assert_eq!(at(Api::Tgi, "/m/generate"), "/m");
}
