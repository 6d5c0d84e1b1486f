//! The text at the end of a run, one golden file for each way in which a run can end and be shown.

use crate::common::live::*;
use crate::common::*;
use crate::output_golden::{assert_golden, result, result_of, run};
use llmload_uring::error::ExitCode;
use llmload_uring::judge::{StepResult, StepsResult};
use llmload_uring::metrics::{Outcome, PartOfTokens};
use llmload_uring::mock::fault::Fault;
use llmload_uring::output::{SUMMARY_LINES_MAX, View, summary};
use llmload_uring::plan::AnalysisLimits;
use llmload_uring::report::Aggregator;
use llmload_uring::result::{
    GroupFigures, Layout, Ordered, PhaseFigures, Pushes, RampFigures, Required, RunResult, SteadyFigures,
    StoppedBy,
};
use serde_json::json;

fn saved(full: bool) -> View {
    View::plain(full).saved_as(vec!["results.json".to_owned()])
}

fn rejudged(mut result: RunResult) -> RunResult {
    result.judge(&AnalysisLimits::default(), Required::default(), Vec::new());
    result
}

/// A run of a usual profile against a server with a usual name.
fn usual() -> RunResult {
    let mut result = result(&run(None));
    result.run.profile = "high-concurrency".to_owned();
    result.run.target = "http://10.0.0.5:8000".to_owned();
    result.config = json!({"requests": [{"models": ["Llama-3.1-8B"]}]});
    result.managed_server = None;
    result
}

fn passed() -> RunResult {
    let mut result = usual();
    result.thresholds.retain(|t| t.ok);
    result
        .client
        .cores
        .iter_mut()
        .for_each(|core| core.busy_percent = Some(35.0));
    rejudged(result)
}

#[track_caller]
fn golden(name: &str, result: &RunResult, view: &View) -> String {
    let text = summary(result, view);
    assert_golden(&format!("summary_{name}.txt"), &text);
    text
}

/// Holds for everything that is not `full`.
#[track_caller]
fn assert_fits(text: &str, columns: usize) {
    let lines = text.lines().count();
    assert!(lines <= SUMMARY_LINES_MAX, "{lines} lines: {text}");
    for line in text.lines() {
        assert!(line.chars().count() <= columns, "{line}");
    }
}

#[test]
fn a_run_that_passed_opens_with_it_and_closes_with_the_file() {
    let text = golden("passed", &passed(), &saved(false));
    assert!(text.starts_with("PASSED  "), "{text}");
    assert!(text.ends_with("\nsaved      results.json\n"), "{text}");
    assert_fits(&text, 80);
}

#[test]
fn a_run_that_failed_says_what_failed_with_units() {
    let text = golden("failed", &usual(), &saved(false));
    assert!(
        text.starts_with("FAILED  exit 99: 2 of 4 thresholds failed"),
        "{text}"
    );
    assert!(
        text.contains("FAIL  ttft{stream:true} p99 < 40 ms\n        44.0 ms   "),
        "{text}"
    );
    assert_fits(&text, 80);
}

#[test]
fn a_run_without_thresholds_is_done_and_names_the_simulator_in_its_first_line() {
    let mut result = passed();
    result.thresholds.clear();
    result.config = json!({"managed_server": {"simulator": {}}});
    let text = golden("done", &rejudged(result), &View::plain(false));
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("DONE  nothing judged: no thresholds"),
        "{first}"
    );
    assert!(first.contains("simulator"), "{first}");
    assert_fits(&text, 80);
}

#[test]
fn a_run_that_was_interrupted_says_when() {
    let mut result = passed();
    result.run.stopped_by = StoppedBy::Signal;
    let text = golden("interrupted", &rejudged(result), &saved(false));
    assert!(
        text.starts_with("INTERRUPTED  exit 105: by a signal after 6.2 s"),
        "{text}"
    );
    assert_fits(&text, 80);
}

/// Of requests that were all still running when time was out.
fn unanswered() -> RunResult {
    let mut result = passed();
    let nothing = result_of(&Aggregator::new(2, 3), &[], &[0; 3]);
    (result.metrics, result.rates, result.kinds) = (nothing.metrics, nothing.rates, nothing.kinds);
    let t = &mut result.totals;
    (t.requests, t.ok, t.failed, t.interrupted) = (20, 0, 0, 20);
    t.by_outcome = [(Outcome::Interrupted.name(), 20)].into_iter().collect();
    (t.by_status, t.by_finish) = (Ordered::default(), Ordered::default());
    t.interrupted_elapsed_max_seconds = 6.2;
    result
        .thresholds
        .iter_mut()
        .for_each(|t| (t.ok, t.observed) = (t.not_applicable, None));
    rejudged(result)
}

#[test]
fn a_run_in_which_nothing_finished_has_no_word_about_quicker_requests() {
    let mut result = unanswered();
    let text = golden("no_answer", &result, &saved(false));
    assert!(
        text.contains("0 of 20 finished, 20 still running after up to 6.20 s"),
        "{text}"
    );
    assert!(text.contains("none: no request finished"), "{text}");
    assert_fits(&text, 80);
    result.run.layout = Layout::Workload;
    let text = summary(&result, &saved(false));
    assert!(!text.contains("quick"), "{text}");
}

#[test]
fn several_servers_have_a_row_each() {
    let mut result = result_of(&run(None), &["Thinker", "Flash"], &[1, 0, 1]);
    result.managed_server = None;
    result.run.target = "http://10.0.0.5:8000, http://10.0.0.6:8000".to_owned();
    let text = golden("servers", &result, &saved(false));
    for name in ["Thinker  ", "Flash  "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
    }
    assert_fits(&text, 80);
}

#[test]
fn a_narrow_terminal_has_fewer_columns_and_no_wider_line() {
    let view = |columns| View {
        size: Some((columns, 30)),
        ..saved(false)
    };
    golden("narrow", &usual(), &view(60));
    for columns in [40, 50, 60, 79] {
        for line in summary(&usual(), &view(columns)).lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
    }
    let wide = summary(&usual(), &view(200));
    assert!(wide.lines().all(|line| line.chars().count() <= 100), "{wide}");
}

#[test]
fn the_full_summary_has_everything() {
    let full = View::plain(true);
    let text = golden("full", &result(&run(None)), &full);
    for label in [
        "transfer ",
        "server ",
        "schedule_lag ",
        "by request ",
        "statuses ",
        "analysis ",
        "stamps ",
        "cores ",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(label)),
            "{label}: {text}"
        );
    }
    assert!(!text.contains("--summary full"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_document_of_servers_keeps_the_sections_of_its_users_below_the_same_head() {
    let mut result = usual();
    result.run.layout = Layout::Workload;
    let text = golden("workload", &result, &saved(false));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        summary(&usual(), &saved(false)).lines().collect::<Vec<&str>>()[..2]
    );
    assert_eq!(lines[3], "=== Test Summary ===");
}

#[test]
fn colours_are_only_for_terminals_and_say_what_the_words_say() {
    let colour = |result: &RunResult| {
        summary(
            result,
            &View {
                colour: true,
                ..saved(false)
            },
        )
    };
    let (failed, passed) = (usual(), passed());
    assert!(colour(&failed).starts_with("\x1b[31mFAILED\x1b[0m  exit 99"));
    assert!(colour(&failed).contains("\n  \x1b[31mFAIL\x1b[0m  ttft"));
    assert!(colour(&passed).starts_with("\x1b[32mPASSED\x1b[0m  both "));
    for result in [failed, passed] {
        let plain = summary(&result, &saved(false));
        assert!(!plain.contains('\x1b'));
        let mut bare = colour(&result);
        for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, plain);
    }
}

#[test]
fn the_decisive_warning_is_whole_and_the_others_are_counted() {
    let mut result = usual();
    result.warnings = vec![result.warnings[0].clone(); 9];
    for (i, warning) in result.warnings.iter_mut().enumerate() {
        warning.message = format!("number {i} {}", "and a long story ".repeat(12));
    }
    for full in [false, true] {
        let text = summary(&result, &saved(full));
        let words = text.split_whitespace().collect::<Vec<&str>>().join(" ");
        assert!(words.contains(result.warnings[0].message.trim()), "{text}");
        assert!(words.contains(&result.warnings[0].advice), "{text}");
        assert_eq!(words.contains("8 more warnings"), !full, "{text}");
    }
    result.warnings.truncate(2);
    let text = summary(&result, &saved(false));
    let words = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    assert!(
        words.contains("and 1 more warning (worker_busy): --summary full or results.json"),
        "{text}"
    );
}

#[test]
fn whatever_a_run_brings_fits_the_screen() {
    let mut result = result_of(&run(None), &["Thinker", "Flash"], &[1, 0, 1]);
    let many = |n: usize| (0..n).map(move |i| i.to_string().repeat(9));
    result.totals.dropped_iterations = 1;
    result.pushes = Some(Pushes {
        failed: 1,
        ..Pushes::default()
    });
    let (_, group) = result.kinds.0[0].clone();
    result.kinds = many(500).map(|name| (name, group.clone())).collect();
    result.servers = Some(many(50).map(|name| (name, group.clone())).collect());
    result.thresholds = vec![result.thresholds[0].clone(); 50];
    result.warnings = vec![result.warnings[0].clone(); 50];
    result.totals.by_status = many(500).map(|s| (s, 1)).collect();
    result.totals.by_outcome = Outcome::ALL
        .into_iter()
        .take(4)
        .map(|o| (o.name(), 1 << 40))
        .collect();
    result.client.fit_required = true;
    assert_fits(&summary(&result, &saved(false)), 80);
}

#[test]
fn times_of_tokens_have_their_rows_before_anything_is_added_to_the_figures() {
    let mut result = passed();
    result.warnings.truncate(1);
    let GroupFigures {
        totals,
        rates,
        metrics,
    } = result.kinds.0[0].1.clone();
    let kinds = result.kinds.clone();
    result.phases = Some(PhaseFigures {
        periods: Vec::new(),
        ramp: RampFigures {
            totals: totals.clone(),
            rates: rates.clone(),
            metrics: metrics.clone(),
        },
        steady: SteadyFigures {
            totals,
            rates,
            metrics,
            kinds,
        },
    });
    result.rates.input_tokens_per_second = Some(98_485.0);
    result.rates.total_tokens_per_second = Some(607_269.0);
    result.totals.usage.reasoning = PartOfTokens {
        requests: 885_834,
        tokens: 3,
        of: 4,
    };
    // Each advice is another line below the rows, as long as an advice can be.
    for words in [0, 4, 8, 12] {
        result.warnings[0].advice = "look after the server ".repeat(words);
        for full in ["latency", "first token (ttft)", "next token (tbt)"] {
            let text = summary(&result, &View::plain(false));
            assert_fits(&text, 80);
            let times = text.lines().filter(|line| line.starts_with(full)).count();
            assert!(times >= 1, "{full}: {text}");
        }
    }
}

#[test]
fn an_exit_code_that_came_up_after_the_document_was_written_is_the_verdict_on_the_screen() {
    let view = View {
        exit: Some(ExitCode::Output),
        ..View::plain(false)
    };
    let text = summary(&passed(), &view);
    assert!(
        text.starts_with("FAILED  exit 112: the output could not be written"),
        "{text}"
    );
}

#[test]
fn the_summary_is_brief_unless_all_of_it_is_asked_for_by_option_or_variable() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let args = ["quick-smoke", "--think-time", "0", "--target", &target];
    let has_all = |stdout: &str| stdout.contains("\nstamps ");
    let brief = ran(&args).expect(0);
    assert!(!has_all(&brief.stdout), "{}", brief.stdout);
    let full = ran(&[&args[..], &["--summary", "full"]].concat()).expect(0);
    assert!(has_all(&full.stdout), "{}", full.stdout);
    let by_variable = Live::spawn(program().args(args).env("LLMLOAD_SUMMARY", "full"));
    let by_variable = by_variable.wait().expect(0);
    assert!(has_all(&by_variable.stdout), "{}", by_variable.stdout);
}

#[test]
fn every_exit_code_but_0_has_an_error_that_says_why() {
    let mut result = usual();
    for exit in ExitCode::ALL {
        result.run.exit_code = exit;
        let failure = result.failure();
        assert_eq!(failure.is_none(), exit == ExitCode::Ok, "{exit:?}");
        if let Some(failure) = failure {
            assert_eq!(failure.exit, exit);
            let text = failure.to_string();
            assert!(text.starts_with("error: ") && text.contains("\nhint: "), "{text}");
        }
    }
}

#[test]
fn a_merge_that_ends_with_another_code_than_0_prints_an_error() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Status(503), 10)], 10);
    let mock = mock(options);
    let (dir, target) = (Dir::new(), format!("http://{}", mock.address));
    let merged = |thresholds: &str| {
        let text = format!(
            "executor: per-vu-iterations\nvus: 2\niterations: 2\nmax_duration: 20s\nmodels: [m]\nprompts: [Hi]\n\
             requests:\n  - {{ name: stream, weight: 1, kind: chat, stream: true, max_tokens: 5, timeout: 20s }}\n\
             {thresholds}"
        );
        let profile = dir.write("shared.yaml", &text);
        let paths = ["1/2", "2/2"].map(|shard| {
            let path = dir.path(&format!("{}.json", &shard[..1]));
            ran(&[&profile, "--shard", shard, "--target", &target, "-o", &path]);
            path
        });
        ran(&["merge", &paths[0], &paths[1]])
    };
    let nothing = merged("").expect(115);
    nothing.one_error("not one of 4 requests succeeded: 4 failed, 0 were still running at the end");
    let failed = merged("thresholds: { failed: \"rate<0.5\" }\n").expect(99);
    failed.one_error("the only threshold failed");
    assert!(
        failed.stdout.contains("FAIL  failed < 50 %   100 %"),
        "{}",
        failed.stdout
    );
}

#[test]
fn what_a_profile_is_about_has_its_rows_on_one_screen() {
    // The kinds of `endpoints`, the most frequent first.
    let mut result = passed();
    result.warnings.truncate(1);
    result.thresholds.retain(|t| !t.not_applicable);
    let totals = &mut result.totals;
    (totals.failed, totals.interrupted, totals.requests) = (0, 0, totals.ok);
    totals.by_outcome.0.retain(|(name, _)| name == "ok");
    result.failures = Default::default();
    let (_, kind) = result.kinds.0[0].clone();
    result.kinds = ["health", "models", "model", "stats", "stream", "plain"]
        .into_iter()
        .zip([3, 2, 4, 1, 9, 8])
        .map(|(name, requests)| {
            let mut kind = kind.clone();
            kind.totals.requests = requests;
            (name.to_owned(), kind)
        })
        .collect();
    let text = summary(&result, &View::plain(false));
    assert_fits(&text, 80);
    let names = [
        "\nstream ",
        "\nplain ",
        "\nmodel ",
        "\nhealth ",
        "\nmodels ",
        "\nstats ",
    ];
    let places: Vec<usize> = names.iter().map(|name| text.find(name).expect(&text)).collect();
    assert!(places.is_sorted(), "{text}");
    // The steps of `throughput`, of which some fail.
    let step = |vus: u32| StepResult {
        vus,
        from_seconds: 1.0,
        to_seconds: 30.0,
        requests: 100,
        requests_per_second: 3.4,
        output_tokens: 1_600,
        output_tokens_per_second: 55.2,
        ttft: None,
        latency: None,
        ok: vus < 64,
        thresholds: Vec::new(),
    };
    result.kinds.0.truncate(1);
    result.steps = Some(StepsResult {
        peak_vus: Some(32),
        judged: [16, 32, 64, 128, 256].map(step).into(),
    });
    let text = summary(&result, &View::plain(false));
    assert_fits(&text, 80);
    assert!(text.contains("  FAIL     256 "), "{text}");
    assert!(
        text.contains("  PASS      16 ") && !text.contains("more steps"),
        "{text}"
    );
}
