use super::*;

/// A name, labels, and a value.
type Read = (String, Vec<(String, String)>, f64);

fn samples(text: &str) -> Vec<Read> {
    let samples = lines(text.as_bytes()).map(|line| match line.unwrap() {
        Line::Sample(Sample { name, labels, value }) => {
            let labels = labels.iter().map(|(n, v)| (n.to_owned(), v.into_owned()));
            (name.to_owned(), labels.collect(), value)
        }
        Line::Type(..) => panic!("a type"),
    });
    samples.collect()
}

fn one(text: &str) -> Read {
    let mut all = samples(text);
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}

fn why(text: &[u8]) -> &'static str {
    lines(text).next().unwrap().unwrap_err().why
}

#[test]
fn names_labels_and_values_are_read_in_every_form_that_servers_write() {
    let no_labels: &[(&str, &str)] = &[];
    for (text, name, labels, value) in [
        ("up 1", "up", no_labels, 1.0),
        ("  up\t 1.5e3  ", "up", no_labels, 1_500.0),
        ("up{} 1\r", "up", no_labels, 1.0),
        ("a:b_c{} -0.5 1700000000000", "a:b_c", no_labels, -0.5),
        (
            r#"vllm:num_requests_running{engine="0",model_name="m"} 3.0"#,
            "vllm:num_requests_running",
            &[("engine", "0"), ("model_name", "m")],
            3.0,
        ),
        (r#"a { x = "1" , y="2", } 4"#, "a", &[("x", "1"), ("y", "2")], 4.0),
        // Everything that could end a value too early stands in quotes.
        (
            r#"a{x="}\"{,= # \\ \n \q"} 5"#,
            "a",
            &[("x", "}\"{,= # \\ \n \\q")],
            5.0,
        ),
        // OpenMetrics: seconds as a timestamp, and an exemplar.
        (
            r#"a_bucket{le="0.1"} 7 1700000000.123 # {trace_id="x"} 0.05 1.5"#,
            "a_bucket",
            &[("le", "0.1")],
            7.0,
        ),
        (r#"a_total 7 # {t="x"} 1"#, "a_total", no_labels, 7.0),
        // Prometheus 3: names in quotes.
        (r#"{"my.metric", "a.b"="c"} 8"#, "my.metric", &[("a.b", "c")], 8.0),
        (
            "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-1\"} 97",
            "DCGM_FI_DEV_GPU_UTIL",
            &[("gpu", "0"), ("UUID", "GPU-1")],
            97.0,
        ),
        (
            "a{x=\"\u{e4}\u{1f600}\"} 9",
            "a",
            &[("x", "\u{e4}\u{1f600}")],
            9.0,
        ),
    ] {
        let expected: Vec<(String, String)> = labels
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(one(text), (name.to_owned(), expected, value), "{text}");
    }
}

#[test]
fn infinities_and_what_is_not_a_number_are_values() {
    assert_eq!(one("a +Inf").2, f64::INFINITY);
    assert_eq!(one("a -Inf").2, f64::NEG_INFINITY);
    assert!(one("a NaN").2.is_nan());
    assert_eq!(one("a 1e400").2, f64::INFINITY);
}

#[test]
fn comments_say_nothing_but_types() {
    let text = "# HELP a what \\n it is\n# TYPE a counter\n# UNIT a seconds\n# TYPE \" gauge\n\n# a comment\n#\n# EOF\n";
    let found: Vec<_> = lines(text.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(found, [Line::Type("a", FamilyKind::Counter)]);
    for (word, kind) in [
        ("gauge", FamilyKind::Gauge),
        ("histogram", FamilyKind::Histogram),
        ("summary", FamilyKind::Summary),
        ("untyped", FamilyKind::Other),
        ("stateset", FamilyKind::Other),
    ] {
        let text = format!("# TYPE a {word}");
        assert_eq!(lines(text.as_bytes()).next(), Some(Ok(Line::Type("a", kind))));
    }
}

#[test]
fn a_bad_line_is_named_and_the_others_are_read() {
    let text = b"a 1\nb{x=\"1} 2\n\xff\xfe 3\nd 4\n";
    let found: Vec<_> = lines(text).collect();
    assert_eq!(found.len(), 4);
    assert_eq!(
        found[1],
        Err(BadLine {
            line: 2,
            why: "has quotes that do not close"
        })
    );
    assert_eq!(found[2].unwrap_err().why, "is not UTF-8");
    assert!(found[0].is_ok() && found[3].is_ok());
    for (text, says) in [
        ("a", "has no value"),
        ("a{x=\"1\"}", "has no value"),
        ("a x", "has a value that is not a number"),
        ("a 1 x", "has a timestamp that is not a number"),
        ("a 1 2 3", "has more than a value and a timestamp"),
        ("{x=\"1\"} 1", "has no name"),
        ("a{\"b\"} 1", "has two names"),
        ("a{x=\"1\",\"b\"} 1", "has a label without a value"),
        ("a{x} 1", "has a label without a value"),
        ("a{x=1} 1", "has a label without quotes"),
        ("a{=\"1\"} 1", "has a label without a name"),
        ("a{x=\"1\" y=\"2\"} 1", "has labels without a comma between them"),
        ("a{x=\"1\" 1", "has labels without a comma between them"),
        ("a{x=\"1\",", "has labels without an end"),
        ("a{", "has labels without an end"),
        ("1a 1", "has a name that begins with none of its letters"),
        ("a!b 1", "has a name with a wrong character"),
        ("<html>", "has a name with a wrong character"),
    ] {
        assert_eq!(why(text.as_bytes()), says, "{text}");
    }
    let long = [b"a{x=\"".as_slice(), &vec![b'x'; LINE_BYTES_MAX], b"\"} 1"].concat();
    assert_eq!(why(&long), "is too long");
}

/// Any bytes give lines, good or bad, and never a panic; every good sample can be asked for its labels.
#[test]
fn hostile_bytes_cost_only_their_lines() {
    let good = br#"a_bucket{le="+Inf",x="\\\"\n"} 1e3 17 # {t="v"} 0.5"#;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let rounds = if cfg!(miri) { 100 } else { 20_000 };
    for round in 0..rounds {
        let mut bytes = good.to_vec();
        for _ in 0..=round % 4 {
            let at = next() as usize % bytes.len();
            match next() % 3 {
                0 => bytes[at] = next() as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"{}\"\\,=# \n\t"[next() as usize % 10]),
            }
        }
        for line in lines(&bytes) {
            if let Ok(Line::Sample(sample)) = line {
                assert!(!sample.name.is_empty());
                assert!(sample.labels.iter().count() <= bytes.len());
            }
        }
    }
    // Every cut of a good line is a bad line or a shorter good one.
    for end in 0..good.len() {
        let _ = lines(&good[..end]).count();
    }
}
