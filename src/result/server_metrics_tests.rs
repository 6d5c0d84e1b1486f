use super::*;
use crate::result::sample as documents;

#[test]
fn figures_are_those_of_the_account() {
    let account = sample();
    let running = account.gauge("running").unwrap();
    assert_eq!(
        (running.before, running.mean, running.after),
        (Some(0.0), Some(3.0), Some(1.0))
    );
    assert_eq!(running.series.len(), 2);
    let hits = account.counters.get("prefix_cache_hits").unwrap();
    assert_eq!(
        (hits.before, hits.after, hits.increase, hits.resets),
        (Some(100.0), Some(50.0), 70.0, 1)
    );
    assert_eq!(account.prefix_cache_hit_share, Some(0.1));
    let queue = account.histogram("queue_time").unwrap();
    assert_eq!((queue.count, queue.p99), (7, Some([Some(0.0), Some(300.0)])));
    assert_eq!(queue.buckets, [(Some(300.0), 7), (None, 0)]);
    let read: ServerAccount = serde_json::from_str(&serde_json::to_string(&account).unwrap()).unwrap();
    assert_eq!(read, account);
}

#[test]
fn a_server_that_several_shards_read_is_one() {
    let mut second = sample();
    let requests = |before: f64, after: f64| CounterFigures {
        before: Some(before),
        after: Some(after),
        increase: after - before,
        ..CounterFigures::default()
    };
    let mut first = sample();
    first.counters = Ordered::from_iter([("requests", requests(100.0, 180.0))]);
    second.counters = Ordered::from_iter([("requests", requests(102.0, 200.0))]);
    second.readings_failed = 2;
    let other = ServerAccount {
        url: "http://127.0.0.1:9400/metrics".to_owned(),
        ..sample()
    };
    let merged = ServerAccount::merge([(&first, 0.0), (&second, 0.5), (&other, 0.5)].into_iter());
    assert_eq!(merged.len(), 2);
    let all = merged[0].counters.get("requests").unwrap();
    assert_eq!(
        (all.before, all.after, all.increase),
        (Some(100.0), Some(200.0), 100.0)
    );
    assert_eq!((merged[0].readings, merged[0].readings_failed), (3, 3));
    assert_eq!(merged[1].timeline[0].elapsed_seconds, 1.5);
}

#[test]
fn an_account_speaks_of_the_requests_to_its_server() {
    let mut result = documents::full();
    let names = |result: &RunResult| -> Vec<Option<String>> {
        let sides = result.sides();
        sides
            .iter()
            .map(|(side, _)| side.server.map(str::to_owned))
            .collect()
    };
    // It shows no requests and no tokens.
    assert_eq!(names(&result), []);
    let requests = ("requests".to_owned(), CounterFigures::default());
    result.server_metrics[0].counters.0.push(requests);
    assert_eq!(names(&result), [Some("vllm".to_owned())]);
    // A URL that was given speaks of all together, if no server that is loaded speaks for itself.
    result.server_metrics[0].is_target = false;
    assert_eq!(names(&result), [None]);
}
