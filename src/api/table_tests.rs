use super::*;
use std::collections::HashSet;

fn all_different(of: impl Fn(&Row) -> &'static str) {
    let found: HashSet<&str> = Api::ALL.iter().map(|api| of(api.row())).collect();
    assert_eq!(found.len(), Api::ALL.len(), "{found:?}");
}

#[test]
fn no_two_apis_share_a_name_or_a_title_and_two_that_share_a_path_are_told_apart_by_name() {
    all_different(|row| row.name);
    all_different(|row| row.title);
    let hidden = Api::ALL.into_iter().filter(|api| {
        let row = api.row();
        let path = format!("{}x{}", row.within.unwrap_or_default(), row.end);
        Api::from_path(&path) != Some(*api)
    });
    // Its streams have a path of their own.
    assert_eq!(hidden.collect::<Vec<_>>(), [Api::Tgi]);
    assert_eq!(Api::from_path("/generate_stream"), Some(Api::Tgi));
}

#[test]
fn names_and_path_ends_of_apis_are_valid_in_documents_and_urls() {
    for (i, api) in Api::ALL.into_iter().enumerate() {
        let row = api.row();
        assert_eq!(api as usize, i);
        assert!(
            row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{row:?}"
        );
        assert_eq!(Api::from_name(row.name), Some(api));
        assert_eq!(serde_json::to_value(api).unwrap(), row.name);
        let ends = [Some(row.end), row.stream_end, row.models].into_iter().flatten();
        for part in row
            .prefixes
            .iter()
            .copied()
            .chain(ends)
            .filter(|part| !part.is_empty())
        {
            assert!(part.starts_with('/') && !part.ends_with('/'), "{row:?}");
        }
        assert!(!ENDS_WITHOUT_ROW.contains(&row.end), "{row:?}");
        // Prefixes are told apart by their models lists.
        assert!(row.models.is_some() || row.prefixes.is_empty(), "{row:?}");
    }
    assert_eq!(Api::from_name("Chat"), None);
}

#[test]
fn a_path_means_the_api_with_the_longest_matching_end() {
    for api in Api::ALL.into_iter().filter(|api| *api != Api::Tgi) {
        let row = api.row();
        let within = row.within.map_or(String::new(), |part| format!("{part}m"));
        for prefix in ["", "/v1", "/a/b"] {
            for end in [Some(row.end), row.stream_end].into_iter().flatten() {
                let path = format!("{prefix}{within}{end}");
                assert_eq!(Api::from_path(&path), Some(api), "{path}");
            }
        }
    }
    for path in [
        "",
        "/v1",
        "/v1/models",
        "/v1/chat/completions/x",
        "completion",
        "/v2/models/m",
    ] {
        assert_eq!(Api::from_path(path), None, "{path}");
    }
    for end in ENDS_WITHOUT_ROW {
        assert_eq!(Api::from_path(end), None);
    }
}
