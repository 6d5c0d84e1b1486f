use super::*;
use crate::host::CpuList;
use crate::units::{MILLISECOND, SECOND};
use clap::CommandFactory;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("llmload-uring").chain(line.split_whitespace()))
}

fn mock(line: &str) -> MockArgs {
    match parse(&format!("mock {line}")).unwrap().command {
        Some(Command::Mock(args)) => *args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_profile_is_accepted_instead_of_a_command() {
    let cli = parse("high-concurrency --vus 1000").unwrap();
    assert!(cli.command.is_none());
    assert_eq!((cli.run.profile(), cli.run.vus), ("high-concurrency", Some(1000)));
    assert_eq!((cli.run.stamp, cli.run.min_wait), (Stamp::Kernel, MILLISECOND));
    let cli = parse("--vus 1000 high-concurrency").unwrap();
    assert_eq!(cli.run.profile(), "high-concurrency");
}

#[test]
fn a_profile_and_a_command_exclude_each_other() {
    assert!(parse("quick-smoke mock").is_err());
    assert_eq!(
        parse("--vus 3").unwrap_err().kind(),
        ErrorKind::MissingRequiredArgument
    );
    assert_eq!(
        parse("mock --vus 3").unwrap_err().kind(),
        ErrorKind::UnknownArgument
    );
    let nothing = parse("").unwrap_err();
    // An option that a variable gives is one.
    let kind = match std::env::var_os("LLMLOAD_IO") {
        Some(_) => ErrorKind::MissingRequiredArgument,
        None => ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    };
    assert_eq!(nothing.kind(), kind);
    assert_eq!(nothing.exit_code(), 2);
}

#[test]
fn a_run_by_command_has_the_options_of_one_without() {
    let run = |line: &str| match parse(line).unwrap().command {
        Some(Command::Run(args)) => *args,
        other => panic!("{other:?}"),
    };
    let args = run("run --config w.yaml --vus 7 --repeat 3 --results-dir r");
    assert_eq!(args.document.config.as_deref(), Some("w.yaml".as_ref()));
    assert_eq!(
        (args.vus, args.document.repeat, args.profile()),
        (Some(7), Some(3), "")
    );
    assert_eq!(run("run high-concurrency --vus 7").profile(), "high-concurrency");
    let nothing = parse("run --vus 7").unwrap_err().kind();
    assert_eq!(nothing, ErrorKind::MissingRequiredArgument);
    let Some(Command::Config(args)) = parse("config check w.yaml --vus 3").unwrap().command else {
        panic!()
    };
    let ConfigAction::Check(run) = args.action;
    assert_eq!((run.profile(), run.vus), ("w.yaml", Some(3)));
}

#[test]
fn every_option_of_a_run_has_its_variable_and_every_secret_is_hidden() {
    for arg in Cli::command().get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !matches!(*long, "help" | "version")) else {
            continue;
        };
        let expected = match long {
            "target" => "LLMLOAD_TARGET_URL".to_owned(),
            "k6-target-url" => "K6_TARGET_URL".to_owned(),
            _ => format!("LLMLOAD_{}", long.replace('-', "_").to_uppercase()),
        };
        let variable = arg.get_env().and_then(|name| name.to_str());
        assert_eq!(variable, Some(expected.as_str()), "--{long}");
        let secrets = [
            "api-key",
            "header",
            "target",
            "k6-target-url",
            "server-cmd",
            "health-url",
        ];
        let secret = secrets.contains(&long);
        assert!(!secret || arg.is_hide_env_values_set(), "--{long}");
    }
}

#[test]
fn secrets_are_not_in_the_debug_text_of_what_was_typed() {
    let cli = parse("quick-smoke --api-key s3cret --header X:s3cret").unwrap();
    assert!(!format!("{cli:?}").contains("s3cret"));
}

#[test]
fn help_has_its_sections_and_hides_internal_options() {
    let help = Cli::command().render_help().to_string();
    for word in [
        "Load:",
        "Requests:",
        "Target:",
        "Managed server:",
        "Measurement:",
        "Output:",
        "Examples:",
        "mock",
    ] {
        assert!(help.contains(word), "{word}");
    }
    for hidden in [
        "__llmsim",
        "__supervise",
        "verify-stamps",
        "--api-key ",
        "k6-target-url",
    ] {
        assert!(!help.contains(hidden), "{hidden}");
    }
    assert!(
        Cli::command()
            .render_long_help()
            .to_string()
            .contains("Exit codes:")
    );
}

#[test]
fn the_mock_has_its_defaults() {
    let args = mock("");
    assert_eq!(args.listen, ["127.0.0.1:0".parse().unwrap()]);
    assert_eq!(
        (args.ttft, args.gap, args.tokens),
        (50 * MILLISECOND, 10 * MILLISECOND, 100)
    );
    assert_eq!(
        (args.events_per_write, args.fault_cycle, args.max_seconds),
        (1, 1_000, 3_600)
    );
    assert!(args.check().is_ok() && !args.unpaced && !args.stamp);
}

#[test]
fn the_mocks_options_are_read() {
    let args = mock(
        "--listen 127.0.0.1:9000 --listen [::1]:0 --token-rate 500 --close-after-stream --ttft 1s --gap 0 --unpaced --faults 503=37,hang=2 --cpus 1",
    );
    assert_eq!((args.listen[0].port(), args.ttft, args.gap), (9000, SECOND, 0));
    assert_eq!((args.listen.len(), args.token_rate), (2, Some(500)));
    assert!(args.close_after_stream);
    assert_eq!(args.faults.as_ref().map(FaultSpec::total), Some(39));
    assert_eq!(args.cpus, Some(CpuList(vec![1])));
    assert!(args.check().is_ok());
}

#[test]
fn the_mocks_limits_are_checked_together() {
    let args =
        mock("--ttft 2h --tokens 0 --events-per-write 1000 --faults 503=11 --fault-cycle 10 --max-seconds 0");
    let text = args.check().unwrap_err().to_string();
    for option in [
        "--ttft",
        "--tokens",
        "--events-per-write",
        "--faults",
        "--max-seconds",
    ] {
        assert!(text.contains(&format!("error: {option}: ")), "{option} in {text}");
    }
}

#[test]
fn the_simulator_is_a_hidden_command() {
    let Some(Command::Llmsim(args)) = parse("__llmsim --listen 127.0.0.1:5").unwrap().command else {
        panic!()
    };
    assert_eq!(args.listen, "127.0.0.1:5".parse().unwrap());
}

/// The word is not believed to be seconds by any option that takes a time.
#[test]
fn every_option_that_takes_a_time_asks_for_the_unit_of_a_large_number() {
    let mut options = Vec::new();
    let of = |prefix: &str, command: &clap::Command, options: &mut Vec<String>| {
        for arg in command.get_arguments() {
            let names = arg.get_value_names().unwrap_or_default();
            let value = match names.first().map(|name| name.as_str()) {
                Some("DURATION" | "SPAN") => "30000",
                Some("STAGES") => "30000:5",
                Some("TIME") => "+30000",
                _ => continue,
            };
            let name = arg.get_long().expect("times are options with a long name");
            options.push(format!("{prefix} --{name} {value}"));
        }
    };
    of("load", &Cli::command(), &mut options);
    for command in Cli::command().get_subcommands().filter(|sub| !sub.is_hide_set()) {
        if !["run", "config"].contains(&command.get_name()) {
            let name = match command.get_name() {
                // It runs a profile.
                "find-limit" => "find-limit load",
                name => name,
            };
            of(name, command, &mut options);
        }
    }
    let count = |name: &str| options.iter().filter(|option| option.contains(name)).count();
    for name in [
        "--duration",
        "--stages",
        "--graceful-stop",
        "--think-time",
        "--warmup",
        "--wait-for-target",
        "--min-wait",
        "--start-at",
        "--ttft",
        "--gap",
    ] {
        assert!(count(name) >= 1, "{name} in {options:?}");
    }
    for option in &options {
        let words = std::iter::once("llmload-uring").chain(option.split(' '));
        let Err(Stop::Refused(refused)) = parse_from(words.map(OsString::from).collect(), |_| None) else {
            panic!("{option}");
        };
        let refused = refused.to_string();
        assert!(
            refused.contains("`30000` has no unit, and would be 8h20m as seconds"),
            "{option}: {refused}"
        );
        assert!(
            refused.contains("write `30000ms` or `30000s`"),
            "{option}: {refused}"
        );
        assert!(parse(&option.replace("30000", "5s")).is_ok(), "{option}");
        assert!(parse(&option.replace("30000", "0")).is_ok(), "{option}");
    }
    for small in [
        "--duration 30",
        "--think-time 0.1-2",
        "--stages 10:5",
        "--min-wait 0.001",
    ] {
        assert!(parse(&format!("load {small}")).is_ok(), "{small}");
    }
}

#[test]
fn help_has_the_target_first_and_its_own_lines_fit_80_columns() {
    let help = Cli::command().render_long_help().to_string();
    let at = |heading: &str| help.find(&format!("\n{heading}:\n")).unwrap();
    let headings = [
        "Target",
        "Load",
        "Requests",
        "Managed server",
        "Several processes",
        "Measurement",
        "Output",
    ];
    assert!(
        headings.windows(2).all(|pair| at(pair[0]) < at(pair[1])),
        "{help}"
    );
    assert!(at("Output") < at("Examples") && help.find("Exit codes:") > help.find("Examples:"));
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        for text in [command.get_after_help(), command.get_after_long_help()]
            .into_iter()
            .flatten()
        {
            let text = text.to_string();
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{}: {wide:#?}", command.get_name());
        }
        commands.extend(
            command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set())
                .cloned(),
        );
    }
}

#[test]
fn the_mocks_limits_are_taken_and_one_beyond_is_refused_with_the_limit() {
    for (option, least, most) in [
        ("--tokens", 1, 1_000_000_u64),
        ("--events-per-write", 1, 256),
        ("--event-bytes", 0, 16_384),
        ("--fault-cycle", 1, 1_000_000),
        ("--token-rate", 1, 1_000_000_000),
        ("--max-seconds", 1, 86_400),
    ] {
        for value in [least, most] {
            assert!(
                mock(&format!("{option} {value}")).check().is_ok(),
                "{option} {value}"
            );
        }
        let refused = mock(&format!("{option} {}", most + 1))
            .check()
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(&format!("{option}: `{}` is above the limit of {most}", most + 1)),
            "{refused}"
        );
        if least > 0 {
            let refused = mock(&format!("{option} 0")).check().unwrap_err().to_string();
            assert!(
                refused.contains(&format!("{option}: `0` is below the minimum of {least}")),
                "{refused}"
            );
        }
    }
    assert!(mock("--ttft 1h --gap 1h").check().is_ok());
}

#[test]
fn the_mocks_capacity_contradicts_what_makes_its_times_unknown() {
    let refused = |line: &str| mock(line).check().unwrap_err().to_string();
    assert!(
        refused("--concurrency 4 --token-rate 100").contains("--concurrency: contradicts `--token-rate`")
    );
    assert!(refused("--queue 4").contains("--queue: has no effect"));
    assert!(refused("--cliff 0").contains("--cliff: `0` is below the minimum of 1"));
    for option in ["--concurrency 4", "--cliff 4", "--slope 1ms", "--jitter 5%"] {
        assert!(refused(&format!("--unpaced {option}")).contains("contradicts `--unpaced`"));
    }
    let options = mock("--concurrency 4 --queue 0 --cliff 9 --slope 2ms --jitter 20% --seed 3").capacity();
    assert_eq!(
        (options.concurrency, options.queue, options.cliff),
        (Some(4), Some(0), Some(9))
    );
    assert_eq!(
        (options.slope, options.jitter, options.seed),
        (2_000_000, 200_000, 3)
    );
}
