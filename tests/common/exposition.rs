//! Reads Prometheus' text format, strictly: whatever the format forbids fails the test.

use std::collections::BTreeMap;

/// Name and sorted labels of a sample.
pub type Key = (String, Vec<(String, String)>);

#[derive(Debug, Default)]
pub struct Exposition {
    /// Of each metric, in the order of the text.
    pub types: Vec<(String, String)>,
    pub samples: BTreeMap<Key, f64>,
}

impl Exposition {
    pub fn parse(text: &str) -> Exposition {
        assert!(text.ends_with('\n'), "the last line is not ended");
        let mut read = Exposition::default();
        let mut helped = Vec::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(!helped.contains(&name.to_owned()), "{name} has two HELP lines");
                assert!(!help.is_empty());
                helped.push(name.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
                assert_eq!(
                    helped.last().map(String::as_str),
                    Some(name),
                    "HELP comes before TYPE"
                );
                read.types.push((name.to_owned(), kind.to_owned()));
            } else {
                read.sample(line);
            }
        }
        read.check_histograms();
        read
    }

    fn sample(&mut self, line: &str) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        assert!(name.chars().all(valid) && !name.starts_with(|c: char| c.is_ascii_digit()));
        // All samples of a metric stand together, behind its TYPE.
        let (metric, kind) = self.types.last().expect("a sample before any TYPE");
        let belongs = match kind.as_str() {
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.strip_suffix(end) == Some(metric)),
            _ => name == metric,
        };
        assert!(belongs, "`{line}` stands under {metric}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Vec::new(), rest),
        };
        let value = value.strip_prefix(' ').unwrap();
        assert!(
            !value.contains(' '),
            "a time stamp, which a Pushgateway refuses: {line}"
        );
        let number: f64 = value.parse().unwrap();
        assert!(number.is_finite() && number >= 0.0, "{line}");
        let before = self.samples.insert((name.to_owned(), labels), number);
        assert!(before.is_none(), "twice: {line}");
    }

    /// Buckets ascend up to `+Inf`, which is the count; there is a sum.
    fn check_histograms(&self) {
        for (metric, _) in self.types.iter().filter(|(_, kind)| kind == "histogram") {
            for endpoint in self.endpoints(&format!("{metric}_count")) {
                let buckets = self.buckets(metric, &endpoint);
                assert!(
                    buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1),
                    "{buckets:?}"
                );
                let (bound, all) = *buckets.last().unwrap();
                assert_eq!(bound, f64::INFINITY);
                assert_eq!(all, self.of(&format!("{metric}_count"), &endpoint).unwrap());
                assert!(self.of(&format!("{metric}_sum"), &endpoint).is_some());
            }
        }
    }

    /// Bound and how many values do not exceed it, in order.
    pub fn buckets(&self, metric: &str, endpoint: &str) -> Vec<(f64, f64)> {
        let label = |labels: &[(String, String)], name: &str| {
            let found = labels.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let mut buckets: Vec<(f64, f64)> = self
            .samples
            .iter()
            .filter(|((name, labels), _)| {
                *name == format!("{metric}_bucket") && label(labels, "endpoint").as_deref() == Some(endpoint)
            })
            .map(|((_, labels), n)| (label(labels, "le").unwrap().parse().unwrap(), *n))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// Of all endpoints together: a sample without labels.
    pub fn all(&self, name: &str) -> Option<f64> {
        self.samples.get(&(name.to_owned(), Vec::new())).copied()
    }

    pub fn of(&self, name: &str, endpoint: &str) -> Option<f64> {
        let labels = vec![("endpoint".to_owned(), endpoint.to_owned())];
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// Those that have a sample of that name.
    pub fn endpoints(&self, name: &str) -> Vec<String> {
        let of_name = self.samples.keys().filter(|(known, _)| known == name);
        let labels = of_name.flat_map(|(_, labels)| labels);
        labels
            .filter(|(name, _)| name == "endpoint")
            .map(|(_, value)| value.clone())
            .collect()
    }
}

/// What stands between braces, sorted, and what follows them.
fn labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("`\\{c}` is no escape"),
                }),
                (_, c) => value.push(c),
            }
        };
        found.push((name.to_owned(), value));
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    found.sort();
    (found, &rest[1..])
}
