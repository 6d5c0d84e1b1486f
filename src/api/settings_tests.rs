use super::*;

fn settings(values: &[(Setting, &str)], extra: &str) -> BodySettings {
    let mut settings = BodySettings::default();
    for (setting, json) in values {
        settings.set(*setting, (*json).to_owned());
    }
    settings.set_extra(Members::parse(extra).unwrap());
    settings
}

fn said(settings: &BodySettings, api: Api) -> String {
    serde_json::to_string(settings.members(api)).unwrap()
}

#[test]
fn every_setting_has_a_place_of_its_own_and_a_word_in_some_api() {
    for (index, setting) in Setting::ALL.into_iter().enumerate() {
        assert_eq!(setting as usize, index);
        assert!(
            Api::ALL.iter().any(|api| api.row().word_for(setting).is_some()),
            "{setting:?}"
        );
    }
    for api in Api::ALL {
        let words = api.row().words.concat();
        for (index, (setting, word)) in words.iter().enumerate() {
            let others = &words[..index];
            assert!(
                others
                    .iter()
                    .all(|(other, taken)| other != setting && taken != word),
                "{api:?} {word}"
            );
        }
    }
}

#[test]
fn settings_are_said_in_the_words_of_each_api_and_members_win_over_them() {
    let asked = settings(
        &[
            (Setting::IgnoreEos, "true"),
            (Setting::Seed, "7"),
            (Setting::N, "2"),
        ],
        r#"{"seed":8,"priority":3}"#,
    );
    assert_eq!(
        said(&asked, Api::Chat),
        r#"{"ignore_eos":true,"seed":8,"n":2,"priority":3}"#
    );
    assert_eq!(
        said(&asked, Api::LlamaCpp),
        r#"{"ignore_eos":true,"seed":8,"priority":3}"#
    );
    assert_eq!(asked.unknown_to(Api::Chat), None);
    assert_eq!(asked.unknown_to(Api::LlamaCpp), Some(Setting::N));
}

#[test]
fn a_kind_keeps_what_it_does_not_say_itself() {
    let mut outer = settings(
        &[(Setting::Temperature, "0.5"), (Setting::TopK, "3")],
        r#"{"a":{"x":1},"b":1}"#,
    );
    outer.set_system(SystemPrompt {
        text: "outer".into(),
        file: None,
    });
    let own = settings(&[(Setting::Temperature, "0")], r#"{"a":{"y":2},"b":null}"#);
    let both = outer.with(&own);
    assert_eq!(
        said(&both, Api::Chat),
        r#"{"temperature":0,"top_k":3,"a":{"x":1,"y":2},"b":null}"#
    );
    assert_eq!(both.system().unwrap().text.as_ref(), "outer");
    assert_eq!(outer.with(&BodySettings::default()), outer);
    assert!(BodySettings::default().is_empty() && !outer.is_empty());
}

#[test]
fn tools_remember_the_file_that_they_came_from() {
    let mut outer = BodySettings::default();
    outer.set_tools_of("tools.json", "[{}]".to_owned());
    assert_eq!(
        outer.with(&BodySettings::default()).tools_file(),
        Some("tools.json")
    );
    let own = settings(&[(Setting::Tools, "[{\"a\":1}]")], "{}");
    assert_eq!(outer.with(&own).tools_file(), None);
}
