use super::*;
use std::collections::HashSet;

fn all_different(of: impl Fn(&Row) -> &'static str) {
    let found: HashSet<&str> = Api::ALL.iter().map(|api| of(api.row())).collect();
    assert_eq!(found.len(), Api::ALL.len(), "{found:?}");
}

#[test]
fn no_two_apis_share_a_name_a_title_or_a_path_end() {
    all_different(|row| row.name);
    all_different(|row| row.title);
    all_different(|row| row.end);
}

#[test]
fn names_and_path_ends_of_apis_are_valid_in_documents_and_urls() {
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
fn a_path_means_the_api_with_the_longest_matching_end() {
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
