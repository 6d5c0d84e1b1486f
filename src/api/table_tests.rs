use super::*;
use std::collections::HashSet;

fn all_different(of: impl Fn(&Row) -> &'static str) {
    let found: HashSet<&str> = Api::ALL.iter().map(|api| of(api.row())).collect();
    assert_eq!(found.len(), Api::ALL.len(), "{found:?}");
}

#[test]
fn each_row_has_a_name_a_title_and_an_end_of_its_own() {
    all_different(|row| row.name);
    all_different(|row| row.title);
    all_different(|row| row.end);
}

#[test]
fn each_row_is_one_that_documents_and_urls_can_hold() {
    for (i, api) in Api::ALL.into_iter().enumerate() {
        let row = api.row();
        assert_eq!(api as usize, i);
        assert!(row.name.bytes().all(|b| b.is_ascii_lowercase()), "{row:?}");
        assert_eq!(Api::from_name(row.name), Some(api));
        assert_eq!(serde_json::to_value(api).unwrap(), row.name);
        for part in row.prefixes.iter().chain([&row.end]) {
            assert!(part.starts_with('/') && !part.ends_with('/'), "{row:?}");
        }
        assert!(!ENDS_WITHOUT_ROW.contains(&row.end), "{row:?}");
    }
    assert_eq!(Api::from_name("Chat"), None);
}

#[test]
fn a_path_means_the_api_of_its_longest_end() {
    for api in Api::ALL {
        for prefix in ["", "/v1", "/a/b"] {
            assert_eq!(Api::from_path(&format!("{prefix}{}", api.row().end)), Some(api));
        }
    }
    for path in ["", "/v1", "/v1/models", "/v1/chat/completions/x", "completion"] {
        assert_eq!(Api::from_path(path), None, "{path}");
    }
    for end in ENDS_WITHOUT_ROW {
        assert_eq!(Api::from_path(end), None);
    }
}
