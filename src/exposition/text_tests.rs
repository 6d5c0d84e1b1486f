use super::*;
use crate::exposition::{FiguresView, Grouping};

/// The figures of two endpoints before anything was counted.
fn figures(names: [&str; 2], info: RunInfo) -> Figures {
    let names = names.map(str::to_owned);
    FiguresView::new(Grouping::new(&names), info).first_figures()
}

fn text(format: Format) -> String {
    let mut figures = figures(["a", "b"], RunInfo::default());
    figures.workers = vec![Default::default(); 2];
    render(&figures, format)
}

#[test]
fn each_metric_is_described_once_in_both_formats() {
    let (plain, open) = (text(Format::Text), text(Format::OpenMetrics));
    for family in &FAMILIES {
        let name = family.name;
        assert_eq!(plain.matches(&format!("# HELP {name} ")).count(), 1, "{name}");
        assert_eq!(plain.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
        let described = Format::OpenMetrics.described(family);
        let kind = family.kind.name();
        let line = format!("\n# TYPE {described} {kind}\n");
        assert_eq!(format!("\n{open}").matches(&line).count(), 1, "{name}");
        // A name ends as its type demands.
        let ends_right = match kind {
            "counter" => name.ends_with("_total"),
            "info" => name.ends_with("_info"),
            _ => !name.ends_with("_total") && !name.ends_with("_info"),
        };
        assert!(ends_right, "{name}");
        assert!(
            !family.help.ends_with('.') && !family.help.contains(['\n', '\\', '"']),
            "{name}"
        );
    }
}

#[test]
fn open_metrics_states_units_and_its_end_and_the_older_format_does_not() {
    let (plain, open) = (text(Format::Text), text(Format::OpenMetrics));
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
    assert!(open.contains("\n# UNIT llm_ttft_seconds seconds\n"));
    assert!(open.contains("\n# UNIT llm_sent_bytes bytes\nllm_sent_bytes_total{worker=\"0\"} 0\n"));
    assert!(!open.contains("# UNIT llm_tokens_per_second"));
    assert!(!plain.contains("# EOF") && !plain.contains("# UNIT"));
    assert!(plain.contains("# TYPE llm_run_info gauge\n") && open.contains("# TYPE llm_run info\n"));
    let samples = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(samples(&plain), samples(&open));
}

#[test]
fn bounds_are_spelled_as_numbers_with_a_point() {
    let text = text(Format::Text);
    let bounds: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("llm_ttft_seconds_bucket{endpoint=\"a\",le=\""))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(bounds.len(), 44);
    assert_eq!((bounds[0], bounds[24], bounds[42]), ("0.0001", "1.0", "1000.0"));
    assert_eq!(bounds[43], "+Inf");
    assert!(bounds[..43].iter().all(|bound| bound.contains('.')), "{bounds:?}");
}

#[test]
fn names_cannot_leave_their_labels() {
    let info = RunInfo {
        profile: "p\"} 1\n# EOF\n\\".to_owned(),
        ..RunInfo::default()
    };
    let figures = figures(["a\"b\\c\nd", "\u{1b}[2J"], info);
    for format in [Format::Text, Format::OpenMetrics] {
        let text = render(&figures, format);
        assert!(text.contains("llm_requests_total{endpoint=\"a\\\"b\\\\c\\nd\"} 0\n"));
        assert!(
            text.contains("llm_run_info{profile=\"p\\\"} 1\\n# EOF\\n\\\\\",shard=\"\",version=\"\"} 1\n")
        );
        assert!(
            text.lines()
                .all(|line| line.starts_with("# ") || line.starts_with("llm_"))
        );
    }
}
