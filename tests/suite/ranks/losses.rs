//! Ranks that die or fall silent, each of them in each phase of a run.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A load that is over soon, and warns of no rank that waits.
const SHORT: &str = "executor: constant-vus\nvus: 6\nduration: 1s\nthink_time: 20ms\ngraceful_stop: 1s\n";
/// How long the slow way takes, in each direction.
const SLOW: Duration = Duration::from_millis(150);

/// Runs one rank over a way to rank 0 on which a round trip takes 300 ms, so that measuring its clock takes 5 s.
fn slow_way_to(address: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let way = listener.local_addr().unwrap();
    let address = address.to_owned();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(&address) else {
                return;
            };
            let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || carry(ends.0, ends.1));
            std::thread::spawn(move || carry(far, near));
        }
    });
    way
}

/// Carries bytes until one side has ended, each chunk after its time on the way.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 65536];
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        std::thread::sleep(SLOW);
        if to.write_all(&chunk[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Kills one of three and expects that the others end with this code. Returns what they said on standard error.
#[track_caller]
fn kill_one(team: Vec<Live>, lost: usize, code: i32) -> Vec<String> {
    team[lost].signal(Signal::KILL);
    let mut said = Vec::new();
    for (number, run) in team.into_iter().enumerate() {
        let ended = run.wait();
        match number == lost {
            true => assert_eq!(ended.code, None),
            false => said.push(ended.expect(code).stderr),
        }
    }
    said
}

#[test]
fn without_a_rank_0_that_waits_the_others_end_and_nothing_is_sent() {
    let mock = quick_mock();
    let target = url(&mock);
    let words = ["quick-smoke", "--target", &target, "--wait-for-ranks", "1s"];
    let (mut first, address) = rank_0_of(3, &words);
    let second = rank(1, 3, &[&words[..], &["--coordinate", &address]].concat());
    first.wait_for_stderr("rank 1 on ");
    first.signal(Signal::KILL);
    second
        .wait()
        .expect(117)
        .one_error("could not be joined within 1s");
    assert_eq!(mock_requests(mock.address), 0);
}

#[test]
fn a_rank_that_dies_while_clocks_are_measured_ends_the_run_and_nothing_is_sent() {
    for lost in 0..3 {
        let scene = Scene::of(&format!("{LONG}{MIX}"));
        let words = scene.words(&[]);
        let (mut first, address) = rank_0_of(3, &words);
        let way = slow_way_to(&address).to_string();
        let second = rank(1, 3, &[&words[..], &["--coordinate", &way]].concat());
        first.wait_for_stderr("rank 1 on ");
        let third = rank(2, 3, &[&words[..], &["--coordinate", &address]].concat());
        first.wait_for_stderr("rank 2 on ");
        // All are there, and rank 1 has 16 round trips before it.
        let said = kill_one(vec![first, second, third], lost, 117);
        let expected = match lost {
            0 => "rank 0 was lost: ".to_owned(),
            _ => format!("error: --coordinate: rank {lost} on "),
        };
        for said in said {
            assert!(said.contains(&expected), "{said}");
            assert!(
                lost == 0 || said.contains("was lost before the load began: "),
                "{said}"
            );
        }
        assert_eq!(scene.requested(), 0, "rank {lost}");
        assert!(!Path::new(&scene.output).exists());
    }
}

#[test]
fn a_rank_that_falls_silent_before_the_load_ends_the_run_and_nothing_is_sent() {
    let scene = Scene::of(&format!("{LONG}{MIX}"));
    let words = scene.words(&[]);
    let (mut first, address) = rank_0_of(3, &words);
    let words = [&words[..], &["--coordinate", &address]].concat();
    let second = rank(1, 3, &words);
    first.wait_for_stderr("rank 1 on ");
    second.signal(Signal::STOP);
    let third = rank(2, 3, &words);
    for run in [first, third] {
        let ended = run.wait().expect(117);
        ended.one_error("was lost before the load began: nothing came from it for 5s");
    }
    second.signal(Signal::CONT);
    second.wait().expect(117);
    assert_eq!(scene.requested(), 0);
}

#[test]
fn each_rank_can_be_killed_during_warm_up_and_load() {
    for (phase, more) in [("warm-up", "warmup: 30s\n"), ("load", "")] {
        for lost in 0..3 {
            let scene = Scene::of(&format!("{LONG}{MIX}{more}"));
            let team = scene.under_load(3, &[]);
            let said = kill_one(team, lost, 117);
            for said in said {
                assert!(
                    said.contains(&format!("rank {lost} was lost: ")),
                    "{phase}: {said}"
                );
            }
            let left = (0..3).filter(|number| *number != lost);
            let parts: Vec<Value> = left.map(|number| scene.own(number)).collect();
            for part in &parts {
                assert_eq!(part["run"]["stopped_by"], "rank", "{phase}");
                assert_eq!(requests(part) > 0, phase == "load", "{phase}");
            }
            match lost {
                0 => assert!(!Path::new(&scene.output).exists()),
                _ => {
                    let whole = scene.whole();
                    assert_eq!(whole["run"]["merged"]["missing_shards"], json!([lost + 1]));
                    assert_eq!(requests(&whole), parts.iter().map(requests).sum::<u64>());
                }
            }
        }
    }
}

#[test]
fn a_rank_that_falls_silent_under_load_is_lost_and_keeps_what_it_has_measured() {
    let scene = Scene::of(&format!("{LONG}{MIX}"));
    let mut team = scene.under_load(3, &[]);
    team[1].signal(Signal::STOP);
    team[0].wait_for_stderr("rank 1 was lost: nothing came from it for 5s");
    let silent = team.remove(1);
    for run in team {
        run.wait().expect(117);
    }
    assert_eq!(scene.whole()["run"]["merged"]["missing_shards"], json!([2]));
    silent.signal(Signal::CONT);
    let ended = silent.wait().expect(117);
    assert!(ended.stderr.contains("rank 0 was lost: "), "{}", ended.stderr);
    assert!(requests(&scene.own(1)) > 0);
    // With what it has kept, nothing is missing.
    assert_eq!(
        scene.merged(3, 117)["kinds"]["stream"]["totals"]["requests"],
        scene.streams()
    );
}

#[test]
fn a_rank_0_that_falls_silent_is_lost_to_the_others() {
    let scene = Scene::of(&format!("{LONG}{MIX}"));
    let mut team = scene.under_load(3, &[]);
    team[0].signal(Signal::STOP);
    let silent = team.remove(0);
    for run in team {
        let ended = run.wait().expect(117);
        let expected = "rank 0 was lost: nothing came from it for 5s";
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    // It finds itself alone, and writes what it has.
    silent.signal(Signal::CONT);
    silent.wait().expect(117);
    let whole = scene.whole();
    assert_eq!(whole["run"]["merged"]["missing_shards"], json!([2, 3]));
    assert_eq!(requests(&whole), requests(&scene.own(0)));
}

#[test]
fn each_rank_can_be_killed_while_results_are_given() {
    for lost in 0..3 {
        let scene = Scene::of(&format!("{SHORT}{MIX}"));
        let team = team(3, &scene.words(&[]));
        wait_until("requests are made", || scene.requested() > 20);
        // The others have ended their load, and wait for the result of rank 2.
        team[2].signal(Signal::STOP);
        wait_until("two results are written", || {
            [0, 1]
                .iter()
                .all(|rank| Path::new(&scene.own_path(*rank)).exists())
        });
        team[lost].signal(Signal::KILL);
        team[2].signal(Signal::CONT);
        let codes: Vec<Option<i32>> = team.into_iter().map(|run| run.wait().code).collect();
        assert_eq!(codes[lost], None, "{codes:?}");
        if lost == 0 {
            assert_eq!(codes[1..], [Some(117), Some(117)]);
            assert!(!Path::new(&scene.output).exists());
            assert!((0..3).all(|rank| requests(&scene.own(rank)) > 0));
            continue;
        }
        let whole = scene.whole();
        let missing = whole["run"]["merged"]["missing_shards"].clone();
        // Rank 1 may have given its result before it was killed. On a slow machine the silence of rank 2 may be a loss.
        let named: Vec<u64> = serde_json::from_value(missing.clone()).unwrap_or_default();
        match lost {
            1 => assert!(named.iter().all(|shard| [2, 3].contains(shard)), "{named:?}"),
            _ => assert_eq!(named, [3]),
        }
        assert_eq!(codes[0], Some(if named.is_empty() { 0 } else { 117 }));
        let is_missing = |number: usize| missing.as_array().is_some_and(|m| m.contains(&json!(number + 1)));
        let left = (0..3).filter(|number| !is_missing(*number));
        assert_eq!(
            requests(&whole),
            left.map(|number| requests(&scene.own(number))).sum::<u64>()
        );
    }
}
