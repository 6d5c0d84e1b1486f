//! k6's options from a file to a run.

use crate::common::live::*;
use crate::common::*;

#[test]
fn an_imported_profile_runs_and_what_it_does_not_carry_is_said_on_standard_error_and_in_it() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let script = dir.write(
        "script.js",
        "import http from 'k6/http';\nexport const options = { vus: 2, iterations: 7, tags: { a: 'b' },\n\
         thresholds: { http_req_failed: ['rate<0.1'], my_metric: ['count>1'] } };\n",
    );
    let profile = dir.path("mine.yaml");
    let ended = ran(&["import-k6", &script, "-o", &profile]).expect(0);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("not carried: threshold on `my_metric`: "),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("not carried: `tags`: "), "{}", ended.stderr);
    let text = std::fs::read_to_string(&profile).unwrap();
    assert!(
        text.contains("#   `tags`: ") && text.contains("#   threshold on `my_metric`"),
        "{text}"
    );
    assert_eq!(
        ran(&["import-k6", &script]).expect(0).stdout,
        text,
        "without -o it is printed"
    );

    let url = format!("http://{}", mock.address);
    let ended = ran(&[&profile, "--target", &url, "--think-time", "0"]).expect(0);
    assert!(ended.stdout.contains("requests    7  ok 7"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("pass  http_req_failed: rate<0.1"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_is_no_k6_options_is_one_error() {
    let dir = Dir::new();
    let wrong = dir.write("wrong.json", "{\"vus\": \"many\", \"duration\": \"1s\"}");
    let ended = ran(&["import-k6", &wrong]).expect(104);
    ended.one_error("`vus`: `\"many\"` is no count");
    assert_eq!(ended.stdout, "");
    ran(&["import-k6", "/nowhere/options.json"])
        .expect(104)
        .one_error("cannot be read");
    let good = dir.write("good.json", "{\"vus\": 1, \"duration\": \"1s\"}");
    ran(&["import-k6", &good, "-o", "/nowhere/mine.yaml"])
        .expect(112)
        .one_error("/nowhere/mine.yaml");
}
