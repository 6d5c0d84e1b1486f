//! What a search is asked for: its range, its SLOs, and the load of each level.

use std::path::Path;
use std::sync::Arc;

use crate::cli::{FindLimitArgs, MAX_TIME, PROBE_TIME, RESOLUTION, RunArgs, SETTLE};
use crate::config::{Config, load_plan, to_plan};
use crate::error::{Failure, Mistake, Mistakes, Place, Reason, one_line, quoted, shown_path};
use crate::limit::{Over, Purpose, Range, Slo};
use crate::plan::{Executor, Plan, Threshold, VUS_MAX};
use crate::units::{
    MINUTE, Nanos, RATE_MAX, Rate, SECOND, Span, check_duration, decimal, format_duration, within,
};

/// The highest loads to try, if none is given.
const USERS: f64 = 2_048.0;
const PER_SECOND: f64 = 10_000.0;
/// The most time of a probe, if none is given, and the part of the whole time that it may take.
const PROBE_MAX: Nanos = 60 * SECOND;
const PROBE_PART: u64 = 10;

/// A search, ready to begin.
pub struct Asked {
    pub config: Config,
    /// The plan of the highest load, without thresholds.
    pub plan: Plan,
    pub range: Range,
    pub slos: Vec<Slo>,
    pub settle: Nanos,
    pub probe: Span<Nanos>,
    /// The longest time of a probe was given, so that no probe is longer.
    pub is_probe_given: bool,
    pub max_time: Nanos,
    /// The load of the profile, whose rates the search changes.
    load: Executor,
}

impl Asked {
    /// Returns the longest time in which a probe counts requests, if the search has `left`. The last probe takes what
    /// would be too short for another one.
    pub fn longest(&self, purpose: Purpose, left: Nanos) -> Nanos {
        let longest = purpose.time_of(self.probe.max).max(self.probe.min);
        let another = self.settle + self.probe.min;
        let all = left.saturating_sub(self.settle);
        match all < longest + another && !self.is_probe_given {
            true => all.max(longest),
            false => longest,
        }
    }

    /// Returns how many probes there is time for.
    pub fn probes_max(&self) -> usize {
        let time = self
            .max_time
            .saturating_sub(first_settling(&self.config, self.settle));
        (time / (self.settle + self.probe.min)) as usize
    }

    /// Returns the plan of a level, for as long as a probe of `counted` may take.
    pub fn plan_at(&self, level: f64, counted: Nanos) -> Arc<Plan> {
        let duration = self.settle + counted + self.config.graceful_stop + SECOND;
        Arc::new(Plan {
            executor: executor(self.range.over, level, duration, &self.load),
            ..self.plan.clone()
        })
    }
}

/// Returns how long the server answers the lowest load before the first probe.
pub fn first_settling(config: &Config, settle: Nanos) -> Nanos {
    config.warmup.max(settle)
}

fn executor(over: Over, level: f64, duration: Nanos, load: &Executor) -> Executor {
    match over {
        Over::Users => Executor::of_users(level as u32, duration),
        Over::Rate => load.at_rate(level, duration),
    }
}

/// Reads the profile and the options. All mistakes are reported at once.
pub fn asked(args: &FindLimitArgs) -> Result<Asked, Failure> {
    let mut mistakes = Vec::new();
    refuse_other_loads(&args.run, &mut mistakes);
    check_times(args, &mut mistakes);
    check_slos(args, &mut mistakes);
    if let Some(path) = &args.svg {
        check_svg(path, &mut mistakes);
    }
    let run = run_args(args, mistakes.is_empty());
    let mut config = match load(args, run) {
        Ok(config) => config,
        Err(more) => {
            return Err(Mistakes::new(mistakes.into_iter().chain(renamed(more, args)).collect()).into());
        }
    };
    refuse_runs_of_pairs(&config, &mut mistakes);
    config.notes.extend(without_effect(&config));
    let load = config.executor.clone();
    let over = match (args.over, load.open_loop()) {
        (Some(over), _) => over.into(),
        (None, Some(_)) => Over::Rate,
        (None, None) => Over::Users,
    };
    if over == Over::Users && (args.run.vus.is_some() || args.run.max_in_flight.is_some()) {
        let option = if args.run.vus.is_some() {
            "--vus"
        } else {
            "--max-in-flight"
        };
        let reason = Reason::new("contradicts `find-limit`, which chooses the number of users itself");
        mistakes.push(reason.hint("use --from and --to, or --over rate").at(option, 0));
    }
    let range = range(args, over, &mut mistakes);
    let probe = probe_time(args);
    check_time_for_a_probe(args, &config, probe.min, &mut mistakes);
    let (config, plan, slos) = plan(args, config, (over, range.to), probe, &load, &mut mistakes);
    let (Some(plan), true) = (plan, mistakes.is_empty()) else {
        return Err(Mistakes::new(mistakes).into());
    };
    Ok(Asked {
        config,
        plan,
        range,
        slos,
        settle: args.settle,
        probe,
        is_probe_given: args.probe_time.is_some(),
        max_time: args.max_time,
        load,
    })
}

/// Refuses options that make another load than the search does, or that have no meaning for many short ones.
fn refuse_other_loads(run: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let own = "contradicts `find-limit`, which chooses the load itself";
    let range = "use --from and --to for the loads to try, --probe-time for how long, --over rate for rates";
    let one = "does not go with `find-limit`: it is about one run";
    let alone = "make a run at the limit that was found";
    let is_alone = run.coordination.coordinate.is_none();
    let unheard = "does not go with `find-limit` alone: what all shards have measured decides";
    let together = "add `--coordinate HOST:PORT`, or run it on one host without a shard";
    for (option, given, what, hint) in [
        ("--stages", run.stages.is_some(), own, range),
        ("--rate", run.rate.is_some(), own, range),
        ("--duration", run.duration.is_some(), own, range),
        ("--iterations", run.iterations.is_some(), own, range),
        ("--time-scale", run.time_scale.is_some(), own, range),
        (
            "--repeat",
            run.document.repeat.is_some(),
            one,
            "levels at the edge are repeated anyway",
        ),
        ("--contention", run.document.contention, one, alone),
        ("--paired", run.document.paired, one, alone),
        ("--details", run.details, one, alone),
        ("--export", !run.exports.is_empty(), one, alone),
        ("--gather-details", run.coordination.gather_details, one, alone),
        (
            "--shard",
            is_alone && run.sharding.shard.is_some(),
            unheard,
            together,
        ),
        (
            "--rank",
            is_alone && run.sharding.rank.is_some(),
            unheard,
            together,
        ),
        (
            "--start-at",
            run.sharding.start_at.is_some(),
            one,
            "start it when you need it",
        ),
        ("--pushgateway", run.push.pushgateway.is_some(), one, alone),
        (
            "--metrics-listen",
            run.metrics.metrics_listen.is_some(),
            one,
            alone,
        ),
        ("--fail-on-findings", run.fail_on_findings, one, alone),
    ] {
        if given {
            mistakes.push(Reason::new(what).hint(hint).at(option, 0));
        }
    }
}

fn check_times(args: &FindLimitArgs, mistakes: &mut Vec<Mistake>) {
    let mut check = |option: &str, time: Nanos, [least, most]: [Nanos; 2]| {
        if let Err(reason) = check_duration(time, &(least..=most)) {
            mistakes.push(reason.at(option, 0));
        }
    };
    check("--max-time", args.max_time, MAX_TIME);
    check("--settle", args.settle, SETTLE);
    if let Some(probe) = args.probe_time {
        check("--probe-time", probe.min, PROBE_TIME);
        if probe.max != probe.min {
            check("--probe-time", probe.max, PROBE_TIME);
        }
    }
    debug_assert!((RESOLUTION[0]..=RESOLUTION[1]).contains(&args.resolution));
}

/// Refuses times in which not even one probe can be made.
fn check_time_for_a_probe(args: &FindLimitArgs, config: &Config, least: Nanos, mistakes: &mut Vec<Mistake>) {
    let first = first_settling(config, args.settle);
    let needed = first.saturating_add(args.settle).saturating_add(least);
    // What is exactly as long leaves no time for connecting.
    if needed >= args.max_time && !mistakes.iter().any(is_about_times) {
        let [max_time, first, settle, probe, needed] =
            [args.max_time, first, args.settle, least, needed].map(format_duration);
        let what = format!(
            "{max_time} is too short for one probe: settling at first ({first}), settling ({settle}) and the shortest \
             probe ({probe}) take {needed}, and connecting a moment more"
        );
        let hint = match config.warmup > args.settle {
            true => "use a longer --max-time, or a shorter --warmup or --settle",
            false => "use a longer --max-time, or a shorter --settle",
        };
        mistakes.push(Reason::new(what).hint(hint).at("--max-time", 0));
    }
}

fn is_about_times(mistake: &Mistake) -> bool {
    let options = ["--max-time", "--settle", "--probe-time", "--warmup"];
    mistake
        .place
        .as_ref()
        .is_some_and(|place| options.contains(&place.name.as_str()))
}

/// Returns what of the profile has no meaning for a search, and why.
fn without_effect(config: &Config) -> Vec<String> {
    let aborts = config.thresholds.iter().any(|threshold| threshold.abort_on_fail);
    let pushes = config.push.is_some();
    let all = [
        (
            "repeat",
            config.repeat > 1,
            "loads at the edge are tried again anyway",
        ),
        (
            "steps",
            config.steps,
            "the search chooses the loads, and judges each of them",
        ),
        (
            "abort_on_fail",
            aborts,
            "a load that does not hold ends by itself",
        ),
        (
            "prometheus",
            pushes,
            "figures of one load are pushed by a run at that load",
        ),
    ];
    let given = all.into_iter().filter(|(_, given, _)| *given);
    let profile = one_line(&config.profile);
    given
        .map(|(key, _, why)| format!("{profile}: `{key}` has no effect in a search: {why}"))
        .collect()
}

/// Checks the form of the SLOs at their own option, because they go on as thresholds.
fn check_slos(args: &FindLimitArgs, mistakes: &mut Vec<Mistake>) {
    let texts = args.slos.iter().flat_map(|text| text.split(';'));
    for text in texts.filter(|text| !text.trim().is_empty()) {
        let tags_end = text.find('}').unwrap_or(0);
        let parsed = match text[tags_end..].split_once(':') {
            Some((metric, expression)) => {
                let metric = format!("{}{metric}", &text[..tags_end]);
                Threshold::parse(metric.trim(), expression.trim()).map(drop)
            }
            None => Err(
                Reason::new(format!("{} has no metric and expression", quoted(text)))
                    .hint("write `--slo 'ttft: p(95)<500'`"),
            ),
        };
        mistakes.extend(parsed.err().map(|reason| reason.at("--slo", 0)));
    }
}

fn check_svg(path: &Path, mistakes: &mut Vec<Mistake>) {
    if path.extension().is_none_or(|ending| ending != "svg") {
        let hint = format!("write `--svg {}`", shown_path(path.with_extension("svg")));
        let what = format!(
            "{} does not end in .svg, and nothing else is drawn",
            quoted(&path.to_string_lossy())
        );
        mistakes.push(Reason::new(what).hint(hint).at("--svg", 0));
    }
}

/// Returns the options of the run that reads the profile: with the SLOs as thresholds, if nothing is wrong so far.
fn run_args(args: &FindLimitArgs, right: bool) -> RunArgs {
    let mut run = args.run.clone();
    let slos = args.slos.iter().filter(|_| right);
    run.thresholds = slos.chain(&args.run.thresholds).cloned().collect();
    // These were refused, and would hide what else is wrong.
    (run.stages, run.rate, run.iterations, run.duration) = (None, None, None, None);
    (run.details, run.document.contention, run.document.paired) = (false, false, false);
    run.files.no_details = true;
    run
}

/// Reads the profile. One without rates becomes a load at a rate if rates are asked for, so that options of such loads
/// go with it. A ramp is held if it has to be: a probe holds its load, whatever the profile's own does.
fn load(args: &FindLimitArgs, run: RunArgs) -> Result<Config, Mistakes> {
    let wants_rate = args.over.map(Over::from) == Some(Over::Rate);
    let held = RunArgs {
        duration: Some(MINUTE),
        ..run.clone()
    };
    let at_a_rate = RunArgs {
        rate: Some(Rate::per_second_of(1.0)),
        ..run.clone()
    };
    let fits = |config: &Config| !wants_rate || config.executor.open_loop().is_some();
    let read = |run: &RunArgs| load_plan(run).map(|(config, _)| config);
    let last = if wants_rate { &at_a_rate } else { &run };
    let mut tries = [&run, &held].into_iter();
    match tries.find_map(|run| read(run).ok().filter(fits)) {
        Some(config) => Ok(config),
        None => read(last),
    }
}

/// Refuses documents whose requests do not go to one server each, or whose servers have their own users.
fn refuse_runs_of_pairs(config: &Config, mistakes: &mut Vec<Mistake>) {
    for (key, given, place) in [
        ("paired", config.paired, config.paired_place.clone()),
        ("contention", config.contention, config.shape_place.clone()),
    ] {
        if given {
            let what = format!("`{key}` does not go with `find-limit`: it compares servers in one run");
            let hint = "remove it, and leave the server to search in the document";
            mistakes.push(place.mistake(Reason::new(what).hint(hint)));
        }
    }
}

/// Returns mistakes of thresholds at the option that they were given with. Those that were found already are left out.
fn renamed(mistakes: Mistakes, args: &FindLimitArgs) -> Vec<Mistake> {
    let is_slo = |option: &str| option == "--threshold" && args.run.thresholds.is_empty();
    let renamed = mistakes.with_places(|option| is_slo(option).then(|| "--slo".to_owned()));
    // Nobody gave this one (see `load`).
    let is_made = |mistake: &Mistake| mistake.place.as_ref().is_some_and(|place| place.name == "--rate");
    let (made, rest): (Vec<Mistake>, Vec<Mistake>) = renamed.iter().cloned().partition(is_made);
    if rest.is_empty() { made } else { rest }
}

fn range(args: &FindLimitArgs, over: Over, mistakes: &mut Vec<Mistake>) -> Range {
    let most = match over {
        Over::Users => USERS,
        Over::Rate => PER_SECOND,
    };
    refuse_rates(args, over, mistakes);
    let from = args.from.map_or(1.0, |from| from.value);
    let to = args.to.map_or(most.max(from), |to| to.value);
    for (option, level) in [("--from", from), ("--to", to)] {
        let wrong = match over {
            Over::Users if level.fract() != 0.0 => Some(
                Reason::new(format!("{} is not a whole number of users", decimal(level)))
                    .hint("use --over rate for a rate"),
            ),
            Over::Users => within(Some(level as u64), &decimal(level), &(1..=u64::from(VUS_MAX))).err(),
            Over::Rate if level > 0.0 && level <= RATE_MAX => None,
            Over::Rate => Some(Reason::new("a rate of 0 sends nothing").hint("use a rate above 0")),
        };
        mistakes.extend(wrong.map(|reason| reason.at(option, 0)));
    }
    if from > to {
        let what = format!("{} is more than --to, {}", decimal(from), decimal(to));
        mistakes.push(Reason::new(what).hint("the search goes upwards").at("--from", 0));
    }
    Range {
        over,
        from,
        to,
        resolution: args.resolution,
    }
}

/// Refuses rates where users are counted.
fn refuse_rates(args: &FindLimitArgs, over: Over, mistakes: &mut Vec<Mistake>) {
    for (option, load) in [
        ("--from", args.from),
        ("--to", args.to),
        ("--expect", args.expect.map(|expected| expected.load)),
    ] {
        if over == Over::Users && load.is_some_and(|load| load.has_time) {
            let what = "a rate is given, but the search is over users";
            let hint = "use --over rate, or write the number of users alone";
            mistakes.push(Reason::new(what).hint(hint).at(option, 0));
        }
    }
}

fn probe_time(args: &FindLimitArgs) -> Span<Nanos> {
    let min = PROBE_TIME[0];
    args.probe_time.unwrap_or(Span {
        min,
        max: (args.max_time / PROBE_PART).clamp(min, PROBE_MAX),
    })
}

/// Makes the plan of the highest load, and the SLOs of its thresholds.
fn plan(
    args: &FindLimitArgs,
    mut config: Config,
    (over, to): (Over, f64),
    probe: Span<Nanos>,
    load: &Executor,
    mistakes: &mut Vec<Mistake>,
) -> (Config, Option<Plan>, Vec<Slo>) {
    if !args.slos.is_empty() {
        config.thresholds.retain(|threshold| threshold.place.is_option());
    }
    if mistakes.is_empty() {
        let duration = args.settle + probe.max + config.graceful_stop + SECOND;
        config.executor = executor(over, to, duration, load);
        config.shape_place = Place::option("--to");
    }
    (config.repeat, config.contention, config.steps, config.paired) = (1, false, false, false);
    let mut plan = match to_plan(&config) {
        Ok(plan) => plan,
        Err(more) => {
            mistakes.extend(more);
            return (config, None, Vec::new());
        }
    };
    let kinds = &plan.workload.kinds;
    let mut slos = Vec::new();
    for (threshold, asked) in plan.thresholds.iter().zip(&config.thresholds) {
        match Slo::new(threshold.clone(), kinds) {
            Ok(slo) => slos.push(slo),
            Err(reason) => mistakes.push(match asked.place.is_option() {
                true => reason.at(
                    if args.slos.is_empty() {
                        "--threshold"
                    } else {
                        "--slo"
                    },
                    0,
                ),
                false => asked.place.mistake(reason),
            }),
        }
    }
    if slos.is_empty() && mistakes.is_empty() {
        let what = "no SLO is given, and the profile has no thresholds";
        let hint =
            "say what a load has to meet, for example --slo 'ttft: p(95)<500' --slo 'failed: rate<0.01'";
        mistakes.push(Reason::new(what).hint(hint).at("--slo", 0));
    }
    slos.extend(Slo::about_failures(&slos, kinds));
    plan.thresholds.clear();
    plan.steps.clear();
    (config, Some(plan), slos)
}
