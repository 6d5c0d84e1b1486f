//! Tests that everything that is not carried over is named.

use super::tests::{import_with, imported, refused};
use crate::config::read_profile;
use crate::units::SECOND;
use serde_json::json;

/// Every form in which thresholds can be in a script without being written out. Each has to be named.
#[test]
#[allow(clippy::too_many_lines)] // A list of forms, one per line or two.
fn every_threshold_of_a_script_is_imported_or_listed_as_lost() {
    let head = "import { COMMON, LIMIT } from './limits.js';\nconst read = JSON.parse(open('./t.json'));\n\
                const shared = { ...COMMON };\nfunction build() { return {}; }\n";
    for (thresholds, named) in [
        ("...COMMON", "`...COMMON`"),
        ("...COMMON.chat", "`...COMMON.chat`"),
        ("...read", "`...read`"),
        ("...build()", "`...build()`"),
        ("...(LIMIT ? { checks: ['rate>0'] } : {})", "LIMIT"),
        ("...shared", "`...COMMON`"),
        ("[LIMIT]: ['rate<1']", "`[LIMIT]`"),
        ("[`http_req_duration{x:${LIMIT}}`]: ['max<1']", "LIMIT"),
        ("checks: LIMIT", "`LIMIT`"),
        ("checks: [LIMIT]", "`LIMIT`"),
        ("checks: [...LIMIT]", "`...LIMIT`"),
        ("checks: [`rate>${LIMIT}`]", "LIMIT"),
        ("checks: ['rate>' + LIMIT]", "LIMIT"),
        ("checks: [{ threshold: LIMIT, abortOnFail: true }]", "`LIMIT`"),
        ("checks: [{ ...LIMIT }]", "`...LIMIT`"),
        ("checks: ['rate>0'].concat(LIMIT)", "LIMIT"),
        ("checks: build", "`build`"),
        ("checks: ['rate>0', 7]", "threshold on `checks`"),
        ("checks: [['rate>0']]", "threshold on `checks`"),
        (
            "checks: [{ threshold: 'rate>0', abortOnFial: true }]",
            "`abortOnFial`",
        ),
        (
            "checks: [{ threshold: 'rate>0', abortOnFail: LIMIT }]",
            "`abortOnFail`: `LIMIT`",
        ),
        (
            "checks: [{ threshold: 'rate>0', delayAbortEval: 'soon' }]",
            "`delayAbortEval`",
        ),
    ] {
        let script = format!(
            "{head}export const options = {{ vus: 1, duration: '1s',\n thresholds: {{ {thresholds},\n \
             http_req_failed: ['rate<0.5'] }} }};"
        );
        let (plan, left_out) = imported(&script);
        let carried = plan.thresholds.iter().any(|t| t.key == "http_req_failed");
        assert!(carried, "{thresholds}");
        assert!(
            left_out.iter().any(|line| line.contains(named)),
            "{thresholds}: {left_out:?}"
        );
    }
    for (options, named) in [
        (
            "{ vus: 1, duration: '1s', thresholds: COMMON }",
            "`thresholds`: `COMMON`",
        ),
        (
            "{ vus: 1, duration: '1s', thresholds: read }",
            "`thresholds`: `read`",
        ),
        (
            "{ vus: 1, duration: '1s', thresholds: build(LIMIT) }",
            "`thresholds`: `build(LIMIT)`",
        ),
        ("{ vus: 1, duration: '1s', ...COMMON }", "`...COMMON`"),
        ("{ ...build(), vus: 1, duration: '1s' }", "`...build()`"),
        ("Object.assign({ vus: 1, duration: '1s' }, COMMON)", "`...COMMON`"),
        ("{ vus: 1, duration: '1s', [LIMIT]: {} }", "`[LIMIT]`"),
        ("{ ...shared, vus: 1, duration: '1s' }", "`...COMMON`"),
    ] {
        let (plan, left_out) = imported(&format!("{head}export const options = {options};"));
        assert_eq!(plan.thresholds.len(), 0);
        assert!(
            left_out.iter().any(|line| line.contains(named)),
            "{options}: {left_out:?}"
        );
    }
    let shorthand =
        "import { thresholds, stages } from './k.js';\nexport const options = { thresholds, vus: 1, ";
    let (_, left_out) = imported(&format!("{shorthand} duration: '1s' }};"));
    assert!(
        left_out[0].starts_with("`thresholds`: `thresholds` (line 2)"),
        "{left_out:?}"
    );
    assert!(refused(&format!("{shorthand} stages }};")).contains("`stages`: `stages` (line 2)"));
}

/// A load that is not known is refused, and the message quotes the expression.
#[test]
fn a_script_without_a_load_gets_none() {
    let head = "import { X } from './x.js';\n";
    for (options, what) in [
        (
            "{ vus: X, duration: '1s' }",
            "options: `vus`: `X` (line 2): `X` comes from",
        ),
        ("{ vus: 1, duration: `${X}s` }", "options: `duration`: "),
        ("{ vus: 1, iterations: X * 2 }", "options: `iterations`: `X * 2`"),
        ("{ stages: X }", "options: `stages`: `X`"),
        ("{ stages: [X] }", "options: stage 1: `X`"),
        ("{ stages: [...X] }", "options: stage 1: `...X`"),
        ("{ stages: [{ ...X, target: 1 }] }", "options: stage 1: `...X`"),
        (
            "{ stages: [{ duration: '1s', target: X }] }",
            "options: stage 1: `target`: `X`",
        ),
        ("{ scenarios: X }", "`scenarios`: `X`"),
        ("{ scenarios: { a: X } }", "scenario `a`: `X`"),
        ("{ scenarios: { ...X } }", "scenarios: `...X`"),
        (
            "{ scenarios: { a: { ...X } } }",
            "scenario `a`: no `executor`, unless it is in `...X`",
        ),
        (
            "{ scenarios: { a: { executor: X } } }",
            "scenario `a`: `executor`: `X`",
        ),
        (
            "{ ...X }",
            "no load: there is none of `stages`, `duration`, `iterations` and `scenarios`, unless it is in `...X`",
        ),
    ] {
        let found = refused(&format!("{head}export const options = {options};"));
        assert!(found.starts_with(what), "{options}: {found}");
    }
    let (plan, left_out) = imported(&format!(
        "{head}export const options = {{ scenarios: {{ a: {{ executor: 'constant-vus', vus: 2, duration: '1s', \
         env: {{ K: X }}, exec: X, tags: X, ...X }}, ...X }} }};"
    ));
    assert_eq!(plan.executor.vus_of_all(), 2);
    assert_eq!(left_out.len(), 5, "{left_out:#?}");
}

#[test]
fn metrics_of_extensions_and_the_tag_of_the_scenario_are_carried_under_our_names() {
    let script = "import llm from 'k6/x/llm';\nimport { Trend, Counter } from 'k6/metrics';\n\
        const first = new Trend('first', true), tokens = new Counter('tokens'), waiting = new Trend('ttft_x');\n\
        const ttft_s = new Trend('ttft', true);\n\
        export const options = { scenarios: { chat: { executor: 'constant-vus', vus: 1, duration: '1s' } },\n\
        thresholds: { 'llm_ttft{scenario:chat}': ['p(95)<2000'], llm_errors: [{ threshold: 'count<10', \
        abortOnFail: true, delayAbortEval: '5s' }], ttft: ['p( 95 ) < 1.5'], \
        'http_req_duration{scenario:chat,expected_response:true}': ['p(99)<500'], first: ['max<1'], \
        tokens: ['count>0'], 'checks{scenario:other}': ['rate>0'], llm_tpot: 'avg<50' } };\n\
        export default () => { ttft_s.add((Date.now() - begun) / 1000); };";
    let imported = import_with(script, &[]).unwrap();
    let plan = read_profile("imported.yaml", &imported.profile).unwrap();
    let mut rows: Vec<(&str, &str, Option<u64>)> = plan
        .thresholds
        .iter()
        .map(|t| (t.key.as_str(), t.text.as_str(), t.abort_after))
        .collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        [
            ("failures", "count<10", Some(5 * SECOND)),
            ("http_req_duration{expected_response:true}", "p(99)<500", None),
            ("tpot", "avg<50", None),
            ("ttft", "p( 95 ) <1500", None),
            ("ttft", "p(95)<2000", None),
        ]
    );
    assert_eq!(imported.renamed.len(), 5, "{:?}", imported.renamed);
    for (line, (metric, why)) in imported.left_out.iter().zip([
        ("checks{scenario:other}", "that of scenario `chat`"),
        ("first", "the script creates it itself"),
        ("tokens", "thresholds cannot use the count"),
    ]) {
        assert!(
            line.starts_with(&format!("threshold on `{metric}`")) && line.contains(why),
            "{line}"
        );
    }
    assert_eq!(imported.left_out.len(), 3, "{:?}", imported.left_out);
}

#[test]
fn keys_outside_the_options_in_json_are_named_as_well() {
    let summary = json!({
        "options": {"vus": 1, "duration": "1s"}, "thresholds": {"checks": ["rate>0"]},
        "metrics": {"http_req_duration": {"type": "trend", "thresholds": {"p(95)<500": {"ok": true}}},
                    "checks": {"thresholds": {"rate>0.9": false}}, "http_reqs": {"count": 1}},
    });
    let (_, left_out) = imported(&summary.to_string());
    let wanted = [
        "`thresholds`: it is outside `options`",
        "threshold on `checks`: `rate>0.9`",
        "threshold on `http_req_duration`: `p(95)<500`",
    ];
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    for (line, wanted) in left_out.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{line}");
    }
    for thresholds in [json!([]), json!("rate<1"), json!(3)] {
        let options = json!({"vus": 1, "duration": "1s", "thresholds": thresholds});
        assert!(refused(&options.to_string()).starts_with("`thresholds` is"));
    }
}
