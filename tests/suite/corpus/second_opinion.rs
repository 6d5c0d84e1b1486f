//! The vectors and captures that stand beside the project, in `../shared`: each is of a class that the project's own
//! corpus has, and where one of ours names it under `covers`, both say the same.

use std::collections::{BTreeMap, BTreeSet};

use llmload_uring::engine::response::ResponseReader;
use serde_json::Value;

use crate::common::shared_material;
use crate::reading::read;

use super::http::Level;
use super::pieces::asked;
use super::{api, http, responses, sse, vectors};

/// Two HTTP vectors that we decided otherwise than they propose; `docs/CONFORMANCE.md` says why.
const NOT_AS_PROPOSED: [&str; 2] = ["hdr-value-ctl1", "hdr-value-esc"];

/// APIs with events of their own, not spoken here: ours says what becomes of them when read as chat.
const OTHER_APIS: [&str; 2] = ["anthropic-messages", "openai-responses"];

fn shared_vectors(test: &str, file: &str) -> Option<Vec<Value>> {
    let path = shared_material(test, file)?;
    let text = std::fs::read_to_string(path).expect("readable vectors");
    Some(serde_json::from_str(&text).expect("a list of vectors"))
}

fn name(vector: &Value) -> String {
    vector["name"].as_str().expect("a name").to_string()
}

/// Which of ours covers which of theirs.
fn covering<T>(ours: &[T], covers: impl Fn(&T) -> &Vec<String>) -> BTreeMap<String, &T> {
    let mut found = BTreeMap::new();
    for vector in ours {
        for name in covers(vector) {
            assert!(
                found.insert(name.clone(), vector).is_none(),
                "{name} is covered twice"
            );
        }
    }
    found
}

/// Each of `theirs`, given with its class, is named by one of ours; one that is new may be of a class that one of
/// ours covers already.
fn check_classes(theirs: &[(String, String)], covered: &BTreeSet<&String>) {
    let is_covered = |name: &String| covered.contains(name);
    let ours = theirs.iter().filter(|(name, _)| is_covered(name));
    let classes: BTreeSet<&String> = ours.map(|(_, class)| class).collect();
    let mut missing = Vec::new();
    for (name, class) in theirs.iter().filter(|(name, _)| !is_covered(name)) {
        match classes.contains(class) {
            true => println!("{name} is named by none of ours, its class ({class}) is covered"),
            false => missing.push(format!("{name} ({class})")),
        }
    }
    println!(
        "{} vectors of {} classes are covered",
        theirs.len(),
        classes.len()
    );
    assert!(missing.is_empty(), "none of ours covers {missing:#?}");
}

/// The family of a vector's name, how binding it is, and its end.
fn class_of_http(vector: &Value) -> String {
    let name = name(vector);
    let family = name.split('-').next().unwrap_or_default();
    let level = vector["level"].as_str().unwrap_or_default();
    let end = vector["expect"]["error"].as_str().unwrap_or("good");
    format!("{family}, {level}, {end}")
}

#[test]
fn every_class_of_the_shared_http_vectors_is_covered_with_the_same_verdict() {
    let test = "every_class_of_the_shared_http_vectors_is_covered_with_the_same_verdict";
    let Some(theirs) = shared_vectors(test, "vectors/http_response.json") else {
        return;
    };
    let ours = vectors::<http::Vector>();
    let covering = covering(&ours, |v| &v.covers);
    for vector in &theirs {
        let name = name(vector);
        let Some(our) = covering.get(&name) else { continue };
        let level = match our.level {
            Level::Must => "must",
            Level::Should => "should",
            Level::May => "may",
        };
        assert_eq!(vector["level"], level, "{name} and {}", our.name);
        let end = our
            .ends
            .split(' ')
            .next()
            .filter(|end| !["kept", "closed"].contains(end));
        let same = vector["expect"]["error"].as_str() == end;
        assert_eq!(
            same,
            !NOT_AS_PROPOSED.contains(&&*name),
            "{name} and {}",
            our.name
        );
    }
    let classes: Vec<_> = theirs.iter().map(|v| (name(v), class_of_http(v))).collect();
    check_classes(&classes, &covering.keys().collect());
}

#[test]
fn every_class_of_the_shared_event_streams_is_covered() {
    let test = "every_class_of_the_shared_event_streams_is_covered";
    let Some(theirs) = shared_vectors(test, "vectors/sse.json") else {
        return;
    };
    let (streams, events) = (vectors::<sse::Vector>(), vectors::<api::Vector>());
    let of_streams = covering(&streams, |v| &v.covers);
    let of_events = covering(&events, |v| &v.covers);
    for vector in theirs.iter().filter(|v| v["llm"].is_object()) {
        let (name, llm) = (name(vector), &vector["llm"]);
        // Events of no API in particular show only that nothing counts behind `[DONE]`.
        let spoken = !OTHER_APIS.contains(&llm["api"].as_str().unwrap_or_default());
        if let Some(our) = of_events
            .get(&name)
            .filter(|_| spoken && name != "llm-done-then-garbage")
        {
            let outcome = match llm["outcome"].as_str() {
                Some("malformed_json") => "malformed",
                Some("no_events") => "not_streamed",
                other => other.unwrap_or_default(),
            };
            assert_eq!(our.outcome, outcome, "{name} and {}", our.name);
        }
    }
    let class = |v: &Value| match v["llm"]["api"].as_str() {
        Some(api) => format!("{api}, {}", v["llm"]["outcome"]),
        None => v["category"].to_string(),
    };
    let classes: Vec<_> = theirs.iter().map(|v| (name(v), class(v))).collect();
    check_classes(&classes, &of_streams.keys().chain(of_events.keys()).collect());
}

#[test]
fn every_capture_of_a_real_server_has_the_outcome_of_the_like_vector() {
    let test = "every_capture_of_a_real_server_has_the_outcome_of_the_like_vector";
    let Some(folder) = shared_material(test, "wire-samples") else {
        return;
    };
    let ours = vectors::<responses::Vector>();
    let covering = covering(&ours, |v| &v.covers);
    let mut theirs = Vec::new();
    for server in ["llamacpp", "llmsim", "guidellm-mock", "nginx", "vllm"] {
        for entry in std::fs::read_dir(folder.join(server)).expect("a folder of captures") {
            let file = entry.expect("a capture").file_name();
            theirs.push((format!("{server}/{}", file.to_string_lossy()), server.to_string()));
        }
    }
    for (file, _) in &theirs {
        let Some(our) = covering.get(file) else { continue };
        let bytes = std::fs::read(folder.join(file)).expect("a readable capture");
        let every: Vec<usize> = (1..bytes.len()).collect();
        for cuts in [&[][..], &every] {
            let seen = read(&mut ResponseReader::new(), asked(&our.asked), &bytes, cuts);
            let end = (seen.outcome.name(), seen.after);
            assert_eq!(end, (&*our.outcome, our.after), "{file} and {}", our.name);
        }
    }
    check_classes(&theirs, &covering.keys().collect());
}
