use crate::compare::read::run_of_bytes;
use crate::compare::{Run, Values};
use std::io::Write;

fn try_read(bytes: &[u8]) -> Result<Run, crate::error::Reason> {
    run_of_bytes(bytes, "csv")
}

const HEADER: &str = "metric_name,timestamp,metric_value,group,name,url,extra_tags,metadata";

fn file(times: [&str; 3]) -> String {
    let [a, b, c] = times;
    format!(
        "{HEADER}\nhttp_reqs,{a},1.000000,::setup,n,http://[::1]:80/v1/x,,\n\
         http_req_duration,{a},10.000000,,\"a, \"\"b\"\"\",http://[::1]:80/v1/x,k=v,\n\
         http_req_duration,{b},30.500000,,n,,,\nhttp_req_failed,{b},1.000000,,n,,,\nvus,{c},4.000000,,,,,\n\
         own,{c},7.000000,,,,,\n"
    )
}

#[test]
fn every_time_format_of_the_csv_gives_the_same_run() {
    let forms = [
        ["1795291790", "1795291791", "1795291792"],
        ["1795291790000", "1795291791000", "1795291792000"],
        ["1795291790000000", "1795291791000000", "1795291792000000"],
        [
            "1795291790000000000",
            "1795291791000000000",
            "1795291792000000000",
        ],
        [
            "2026-11-21T20:09:50Z",
            "2026-11-21T20:09:51Z",
            "2026-11-21T20:09:52Z",
        ],
        [
            "2026-11-21T21:09:50+01:00",
            "2026-11-21T20:09:51.000000000Z",
            "2026-11-21T20:09:52Z",
        ],
    ];
    for form in forms {
        let run = try_read(file(form).as_bytes()).unwrap();
        // The first request began 10 ms before it ended.
        assert!(
            (run.facts.duration_seconds.unwrap() - 2.01).abs() < 1e-9,
            "{form:?}"
        );
        assert_eq!(
            run.facts.started_at.as_deref(),
            Some("2026-11-21T20:09:49.99Z"),
            "{form:?}"
        );
        assert_eq!(run.facts.target.as_deref(), Some("http://[::1]:80"));
        assert_eq!((run.facts.peak_vus, run.facts.requests), (Some(4), Some(1)));
        let service = &run.trends[0];
        assert!(matches!(&service.values, Values::Raw(v) if *v == [10.0, 30.5]));
        let counts: Vec<u64> = service.slices.iter().map(|s| s.count).collect();
        assert_eq!(counts, [0, 1, 1, 0], "by the end of each request");
        let coarse = run.notes.iter().any(|n| n.contains("whole seconds"));
        assert_eq!(coarse, form[0].len() == 10, "{form:?}");
    }
}

#[test]
fn a_packed_csv_is_read_as_the_plain_one() {
    let plain = file(["1", "2", "3"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(plain.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let (a, b) = (try_read(plain.as_bytes()).unwrap(), try_read(&packed).unwrap());
    assert_eq!(a.scalars, b.scalars);
    let cut = try_read(&packed[..packed.len() - 9]).unwrap_err().to_string();
    assert!(cut.contains("gzip data ends before its end mark"), "{cut}");
}

#[test]
fn a_wrong_record_names_its_line() {
    let say = |text: String| try_read(text.as_bytes()).unwrap_err().to_string();
    let bad = say(format!("{HEADER}\nvus,1,1,,,,,\nvus,1,one,,,,,\n"));
    assert!(bad.contains("line 3: value `one` is not a number"), "{bad}");
    let bad = say(format!("{HEADER}\nvus,1,NaN,,,,,\n"));
    assert!(bad.contains("line 2: value `NaN`"), "{bad}");
    let bad = say(format!("{HEADER}\nvus,1,1,,,,,\nvus,1"));
    assert!(
        bad.contains("line 3: has 2 columns, but the header has 8"),
        "{bad}"
    );
    let bad = say(format!("{HEADER}\nvus,noon,1,,,,,\n"));
    assert!(bad.contains("time stamp `noon`"), "{bad}");
    let bad = say(HEADER.to_string());
    assert!(bad.contains("only the header"), "{bad}");
}

#[test]
fn an_unclosed_quote_is_an_error_and_does_not_fill_memory() {
    let mut text = format!("{HEADER}\nvus,1,\"");
    text.push_str(&"x\n".repeat(600_000));
    let bad = try_read(text.as_bytes()).unwrap_err().to_string();
    assert!(bad.contains("line 2: is longer than the limit"), "{bad}");
}
