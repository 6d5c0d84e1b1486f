use super::*;
use base64::engine::general_purpose::URL_SAFE;

const KEY: &str = "sk-CANARY/47+11=&\"x";

fn masks() -> Masks {
    Masks::of_headers(&[("Authorization".to_owned(), format!("Bearer {KEY}"))])
}

fn percent(text: &str, upper: bool) -> String {
    let one = |byte: u8| match upper {
        true => format!("%{byte:02X}"),
        false => format!("%{byte:02x}"),
    };
    text.bytes().map(one).collect()
}

#[test]
fn a_key_is_hidden_in_every_form_in_which_a_server_may_repeat_it() {
    let json = serde_json::to_string(KEY).unwrap();
    let json = json.trim_matches('"');
    let unicode: String = KEY.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let forms = [
        KEY.to_owned(),
        KEY.to_ascii_uppercase(),
        json.to_owned(),
        json.replace('/', "\\/"),
        unicode.clone(),
        unicode.to_ascii_uppercase().replace("\\U", "\\u"),
        unicode.replace('\\', "\\\\"),
        percent(KEY, true),
        percent(KEY, false),
        KEY.replace('/', "%2f").replace('+', "%2B").replace('&', "%26"),
        percent(&percent(KEY, true), true),
        STANDARD.encode(KEY),
        URL_SAFE.encode(KEY),
        STANDARD.encode(KEY).replace('=', "%3D"),
        KEY.bytes().map(|b| format!("{b:02x}")).collect(),
        KEY.bytes().map(|b| format!("\\x{b:02x}")).collect(),
        KEY.bytes().map(|b| format!("&#{b};")).collect(),
        KEY.bytes().map(|b| format!("&#x{b:x};")).collect(),
        KEY.replace('&', "&amp;").replace('"', "&quot;"),
    ];
    for form in forms {
        let text = format!("größer: '{form}', no");
        assert_eq!(masks().hide(&text), "größer: '***', no", "{form}");
    }
}

#[test]
fn base64_of_a_longer_text_is_hidden_at_each_alignment() {
    for before in ["", "a", "ab", "abc", "Bearer ", "{\"key\": \""] {
        for after in ["", "z", "zz", "\"}"] {
            for code in [
                STANDARD.encode(format!("{before}{KEY}{after}")),
                URL_SAFE.encode(format!("{before}{KEY}{after}")),
            ] {
                assert_eq!(
                    masks().hide(&format!("got {code} .")),
                    "got *** .",
                    "{before:?} {after:?}"
                );
            }
        }
    }
}

#[test]
fn a_key_that_was_cut_is_hidden_as_far_as_it_is_there() {
    let cut = Cut {
        before: true,
        after: true,
    };
    for n in EDGE_BYTES_MIN..KEY.len() {
        let text = format!("{} and {}", &KEY[KEY.len() - n..], &KEY[..n]);
        assert_eq!(masks().hide_in_part(&text, cut), "*** and ***", "{n}");
        let escaped = format!("the {}\\u00", &KEY[..n]);
        let shown = masks().hide_in_part(&escaped, cut);
        assert!(shown.starts_with("the ***"), "{shown}");
        let code = STANDARD.encode(KEY);
        let shown = masks().hide_in_part(&format!("the {}", &code[..n]), cut);
        assert_eq!(shown, "the ***");
    }
}

#[test]
fn text_without_a_secret_stays_as_it_is() {
    for text in [
        "",
        "100 % of \\u00 and \\",
        "&amp; & a&b;",
        "no such model `m`",
        "größer \\u00fc %zz %4",
    ] {
        assert_eq!(masks().hide(text), text);
        assert_eq!(Masks::new().hide(text), text);
    }
}

#[test]
fn values_of_headers_and_urls_are_secrets_unless_they_are_short() {
    let mut masks = Masks::of_headers(&[
        ("x-api-key".to_owned(), "abcdef".to_owned()),
        ("x-team".to_owned(), "a".to_owned()),
        (
            "authorization".to_owned(),
            format!("Basic {}", STANDARD.encode("me:hunter22")),
        ),
    ]);
    masks.add_url("https://user99:pass%2Fword@host:1/v1?key=QUERYKEY&n=1#f");
    let text = "abcdef a hunter22 me:hunter22 user99 pass/word pass%2Fword QUERYKEY n=1 host";
    assert_eq!(masks.hide(text), "*** a *** *** *** *** *** *** n=1 host");
    assert_eq!(format!("{masks:?}"), "Masks");
}

#[test]
fn a_secret_that_somebody_cut_and_ended_with_dots_is_hidden() {
    for (text, shown) in [
        (format!("no such key: {}...", &KEY[..9]), "no such key: ***..."),
        (
            format!("no such key: {}… and more", &KEY[..9]),
            "no such key: ***… and more",
        ),
        (
            "and so on... until the end…".to_owned(),
            "and so on... until the end…",
        ),
    ] {
        assert_eq!(masks().hide(&text), shown);
    }
}
