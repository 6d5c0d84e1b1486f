use std::sync::Arc;

use super::*;
use crate::dataset::{Format, ReadOptions, Turns, read};
use crate::plan::{Executor, OpenLoop, TraceSettings};
use crate::plan::{Tail, Trace};
use crate::units::{MILLISECOND, SECOND, Span};
use crate::workload::{
    Call, Chat, Conversation, Prompts, RequestKind, Rows, Sampling, Server, Timeouts, Workload,
};

/// Makes a plan whose only kind is conversations of these lines of Mooncake's form.
fn plan(lines: &str, executor: Executor, conversation: Conversation) -> Plan {
    let options = ReadOptions {
        turns: Turns::All { answers: false },
        ..ReadOptions::of(Format::from_name("mooncake").unwrap())
    };
    let found = read(Box::new(lines.as_bytes()), "t", options, &mut || {
        Err(std::io::Error::other("none"))
    });
    let rows = Rows {
        dataset: Arc::new(found.unwrap().dataset),
        sampling: Sampling::Sequential,
        own_lengths: true,
        own_model: true,
        tokens: Default::default(),
        seed: 1,
        replaying: Default::default(),
    };
    let mut plan = Plan::with_executor(executor);
    plan.workload = Workload {
        servers: vec![Server {
            name: None,
            weight: 1,
        }],
        kinds: vec![RequestKind {
            name: "talk".into(),
            weight: 1,
            call: Call::Chat(Chat {
                models: vec!["m".into()],
                prompts: Prompts::Rows(Box::new(rows)),
                conversation: Some(Box::new(conversation)),
                ..Chat::default()
            }),
            timeouts: Timeouts {
                connect: None,
                first_token: None,
                idle: None,
                total: SECOND,
            },
            goodput: Default::default(),
            headers: Vec::new(),
            server: 0,
        }],
        think_time: Span { min: 0, max: 0 },
        each_kind_first: false,
        users: 1,
        is_warm_up: false,
        load: 0,
    };
    plan
}

const TALK: &str = r#"{"session_id":"a","timestamp":1000,"text_input":"one"}
{"session_id":"a","delay":400,"text_input":"two"}
{"session_id":"a","timestamp":3000,"text_input":"three"}
{"session_id":"a","text_input":"four"}"#;

fn users() -> Executor {
    Executor::ConstantVus {
        vus: 1,
        duration: SECOND,
    }
}

fn trace(settings: TraceSettings) -> Executor {
    Executor::Trace(Trace::new(settings, OpenLoop::default()))
}

/// Returns the pauses in milliseconds before the second, third and fourth turn, 100 ms after the first was due, with a
/// think time of 7 ms.
fn pauses(executor: Executor, conversation: Conversation) -> [Nanos; 3] {
    let plan = plan(TALK, executor, conversation);
    let draw = plan.workload.draw(1, 0, 0, 0, 1);
    let key = SessionKey::of(1, 0, 0, &draw);
    [1, 2, 3]
        .map(|turn| plan.pause_before((key, turn), 100 * MILLISECOND, 7 * MILLISECOND))
        .map(|pause| pause / MILLISECOND)
}

#[test]
fn a_turn_follows_after_its_delay_or_at_its_instant_or_when_its_user_has_thought() {
    assert_eq!(pauses(users(), Conversation::default()), [400, 7, 7]);
    let replayed = trace(TraceSettings::default());
    assert_eq!(pauses(replayed, Conversation::default()), [400, 1_900, 7]);
}

#[test]
fn delays_and_instants_have_a_scale_each() {
    let twice = Conversation {
        delay_scale: Some(2.0),
        ..Conversation::default()
    };
    assert_eq!(pauses(users(), twice.clone()), [800, 7, 7]);
    let half = || {
        trace(TraceSettings {
            time_scale: 0.5,
            delay_scale: 0.1,
            ..TraceSettings::default()
        })
    };
    assert_eq!(pauses(half(), Conversation::default()), [40, 900, 7]);
    assert_eq!(pauses(half(), twice), [800, 900, 7], "the conversation's own");
    let at_once = trace(TraceSettings {
        time_scale: 0.01,
        ..TraceSettings::default()
    });
    assert_eq!(
        pauses(at_once, Conversation::default())[1],
        0,
        "it is late already"
    );
}

#[test]
fn a_trace_of_sessions_lasts_until_the_last_turn_of_each() {
    let settings = TraceSettings {
        time_scale: 2.0,
        delay_scale: 3.0,
        ..TraceSettings::default()
    };
    let mut replayed = Trace::new(settings, OpenLoop::default());
    let starts = [0, 10 * SECOND];
    replayed.take_rows(2, &|session| Some(starts[session as usize]), 1);
    replayed.take_tails(&|session| match session {
        0 => Tail {
            following: 3,
            until: 60 * SECOND,
            delays: SECOND,
        },
        _ => Tail {
            following: 1,
            until: 0,
            delays: 40 * SECOND,
        },
    });
    assert_eq!(replayed.following(), 4);
    // The first ends at 2 * 60 + 3 * 1, the second at 2 * 10 + 3 * 40 seconds.
    assert_eq!(Executor::Trace(replayed).duration(), 140 * SECOND);
}

#[test]
fn no_more_sessions_are_planned_for_than_are_begun() {
    let at_rate = |per_second: f64, duration| Executor::ConstantArrivalRate {
        rate: crate::units::Rate::per_second_of(per_second),
        duration,
        open: OpenLoop {
            max_vus: 10_000,
            ..OpenLoop::default()
        },
    };
    let planned = |executor| {
        let plan = plan(TALK, executor, Conversation::default());
        plan.planned_histories().unwrap().sessions
    };
    assert_eq!(planned(users()), 1);
    let few = planned(at_rate(2.0, 50 * SECOND));
    assert!((100..=170).contains(&few), "{few}");
    assert_eq!(planned(at_rate(1_000.0, 3_600 * SECOND)), 10_000);
    assert_eq!(
        planned(Executor::SharedIterations {
            vus: 50,
            iterations: 3,
            max_duration: SECOND
        }),
        3
    );
}
