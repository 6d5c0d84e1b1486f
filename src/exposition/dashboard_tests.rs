//! The dashboard for Grafana, compared with the table of metrics.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{FAMILIES, Kind};
use crate::documents_tests::document;

fn dashboard() -> Value {
    serde_json::from_str(&document("dashboards/llmload-uring.json")).unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// The words in a text that begin as our metrics do.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("llm_")).collect()
}

#[test]
fn every_metric_of_ours_on_the_dashboard_is_in_the_table_and_is_used_as_its_type_demands() {
    let text = document("dashboards/llmload-uring.json");
    let used = metrics_in(&text);
    let is_known = |name: &&str| {
        FAMILIES.iter().any(|family| match family.kind {
            Kind::Histogram(_) => name.strip_suffix("_bucket") == Some(family.name),
            _ => **name == *family.name,
        })
    };
    let unknown: Vec<&&str> = used.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // The dashboard shows all histograms and all counters but those of single shares.
    let shown = FAMILIES.iter().filter(|family| match family.kind {
        Kind::Histogram(_) => used.contains(format!("{}_bucket", family.name).as_str()),
        _ => used.contains(family.name),
    });
    assert!(shown.count() > 17, "{used:?}");
    for target in panels(&dashboard())
        .iter()
        .flat_map(|panel| panel["targets"].as_array())
        .flatten()
    {
        let expression = target["expr"].as_str().unwrap();
        let depth = expression.chars().try_fold(0, |depth: i32, c| match c {
            '(' => Some(depth + 1),
            ')' => (depth > 0).then_some(depth - 1),
            _ => Some(depth),
        });
        assert_eq!(depth, Some(0), "{expression}");
        for name in metrics_in(expression)
            .iter()
            .filter(|name| name.ends_with("_total") || name.ends_with("_bucket"))
        {
            let rates = ["rate", "increase"].map(|of| format!("{of}({name}{{"));
            assert!(rates.iter().any(|rate| expression.contains(rate)), "{expression}");
        }
    }
}

#[test]
fn the_dashboard_can_be_imported_beside_any_prometheus() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 38);
    assert_eq!(dashboard["id"], Value::Null);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance", "endpoint", "server"]);
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for cell in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert(cell), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                target["expr"]
                    .as_str()
                    .is_some_and(|expression| !expression.is_empty()),
                "{title}"
            );
        }
    }
    assert!(ids.len() > 20, "{}", ids.len());
}
