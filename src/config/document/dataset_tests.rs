use crate::config::document::read_document;
use crate::config::{Config, read_profile};
use crate::dataset::{Filter, Format};
use crate::documents_tests::{document, rows};
use crate::workload::Sampling;

fn read(text: &str) -> (Config, Vec<String>) {
    let (config, mistakes) = read_document("p", "p.yaml", text).unwrap();
    (config, mistakes.iter().map(|m| m.to_string()).collect())
}

const HEAD: &str = "executor: constant-vus\nvus: 1\nduration: 1s\nmodels: [m]\n";

#[test]
fn a_dataset_of_the_document_is_that_of_its_kinds_unless_they_have_prompts_of_their_own() {
    let text = format!(
        "{HEAD}dataset:\n  format: mooncake\n  file: t.jsonl\n  sample: shuffle\n  block: 16\n  output_length: kind\n\
         requests:\n  - name: a\n  - {{ name: b, prompts: [hi], max_tokens: 5 }}\n  - {{ name: c, dataset: \
         'custom:c.jsonl' }}\n  - {{ name: d, dataset: {{ format: sharegpt, file: '-', filter: vllm }} }}\n"
    );
    let (config, mistakes) = read(&text);
    assert_eq!(mistakes, [""; 0]);
    let of = |i: usize| config.requests[i].dataset.as_ref();
    let a = of(0).unwrap();
    assert_eq!(
        (a.format.name(), a.file.as_str(), a.block),
        ("mooncake", "t.jsonl", Some(16))
    );
    assert_eq!(
        (a.sample, a.own_lengths, a.filter),
        (Sampling::Shuffle, false, Filter::None)
    );
    assert!(of(1).is_none());
    assert_eq!(
        (of(2).unwrap().format.name(), of(2).unwrap().own_lengths),
        ("custom", true)
    );
    assert_eq!(
        (of(3).unwrap().filter, of(3).unwrap().shown()),
        (Filter::Vllm, "standard input")
    );
}

#[test]
fn a_configuration_with_datasets_reads_back_as_itself_without_its_files() {
    let text = format!(
        "{HEAD}dataset: {{ format: bailian, file: no-such-file, sample: random, token_ids: 3-511 }}\n\
         requests: [{{ name: a }}]\n"
    );
    let (config, _) = read(&text);
    let json = serde_json::to_string(&config.requests).unwrap();
    assert!(
        json.contains(
            "\"dataset\":{\"format\":\"bailian\",\"file\":\"no-such-file\",\"sample\":\"random\",\"token_ids\":\"3-511\"}"
        )
    );
    assert!(!json.contains("prompts"));
    let (again, mistakes) = read(&format!(
        "executor: constant-vus\nvus: 1\nduration: 1s\nrequests: {json}\n"
    ));
    assert_eq!(mistakes, [""; 0]);
    assert_eq!(again.requests, config.requests);
    assert!(read_profile("p.yaml", &text).is_ok(), "a plan without rows");
}

#[test]
fn mistakes_name_the_line_and_what_to_write() {
    let mistakes = |dataset: &str| {
        read(&format!("{HEAD}{dataset}requests: [{{ name: a }}]\n"))
            .1
            .join("\n")
    };
    let all = mistakes("dataset: { format: mooncak, file: x }\n");
    assert!(
        all.contains("p.yaml:5: `dataset.format`: `mooncak` is no format of a dataset"),
        "{all}"
    );
    assert!(
        all.contains("did you mean `mooncake`? formats are sharegpt,"),
        "{all}"
    );
    let all = mistakes("dataset: { file: x }\n");
    assert!(
        all.contains("p.yaml:5: missing key `dataset.format`\nhint: formats are"),
        "{all}"
    );
    let all = mistakes("dataset: trace.jsonl\n");
    assert!(all.contains("`trace.jsonl` is no format of a dataset"), "{all}");
    let all = mistakes("dataset: custom\n");
    assert!(all.contains("`dataset`: does not say the file"), "{all}");
    let all = mistakes("prompts: [x]\ndataset: custom:x\n");
    assert!(
        all.contains("p.yaml:6: key `dataset` contradicts `prompts` of line 5"),
        "{all}"
    );
    let all = mistakes("dataset: { format: custom, file: x, block: 16 }\n");
    assert!(
        all.contains("`dataset.block` has no effect with format `custom`"),
        "{all}"
    );
    let all = mistakes("dataset: { format: mooncake, file: x, token_ids: 9-3 }\n");
    assert!(all.contains("p.yaml:5: `dataset.token_ids`"), "{all}");
    let all = mistakes("dataset: { format: custom, file: x, filter: vllm }\n");
    assert!(
        all.contains("`dataset.filter` has no effect with format `custom`"),
        "{all}"
    );
    let all = mistakes("dataset: { format: custom, file: x, sample: shuffled, blok: 3 }\n");
    assert!(
        all.contains("did you mean `shuffle`?") && all.contains("did you mean `block`?"),
        "{all}"
    );
}

#[test]
fn the_page_has_every_format_under_each_of_its_names_and_every_key() {
    let page = document("docs/DATASETS.md");
    let first = |heading: &str| -> Vec<String> {
        let cells = rows(&page, heading).into_iter();
        cells.map(|row| row[0].replace('`', "")).collect()
    };
    assert_eq!(first("## Formats"), Format::names().collect::<Vec<_>>());
    let keys = first("## Keys").join(", ");
    assert_eq!(keys, super::KEYS.join(", "));
    for row in rows(&page, "## Formats") {
        let format = Format::from_name(&row[0].replace('`', "")).unwrap();
        for name in row[1].split('`').filter(|name| !name.trim().is_empty()) {
            assert_eq!(Format::from_name(name), Some(format), "{name}");
        }
    }
}
