//! Sessions in simulated time.

use super::*;
use crate::dataset::{Node, SessionGraph};
use crate::units::SECOND;
use proptest::prelude::*;

fn graph(nodes: Vec<Node>) -> Graph {
    let mut graph = Graph::default();
    graph.push(&SessionGraph {
        nodes,
        ..SessionGraph::default()
    });
    graph
}

fn node(after: &[u16], delay: Nanos) -> Node {
    Node {
        after: after.to_vec(),
        delay,
    }
}

/// When each request began and ended, if request `n` takes `took[n]`; and the delays on the critical path.
fn carried_out(graph: &Graph, begun: Nanos, scale: f64, took: &[Nanos]) -> (Vec<Option<[Nanos; 2]>>, Nanos) {
    let mut progress = Progress::begin(graph, 0, begun, scale);
    let mut times = vec![None; took.len()];
    let mut in_flight: BinaryHeap<Reverse<(Nanos, u16)>> = BinaryHeap::new();
    loop {
        while let Some(Ready { due, node }) = progress.take() {
            let end = due + took[usize::from(node)];
            times[usize::from(node)] = Some([due, end]);
            in_flight.push(Reverse((end, node)));
        }
        let Some(Reverse((end, node))) = in_flight.pop() else {
            break;
        };
        progress.ended(node, end);
    }
    assert!(progress.is_over());
    assert_eq!(progress.is_complete(), times.iter().all(Option::is_some));
    (times, progress.delays_on_path())
}

#[test]
fn a_list_is_a_conversation_each_request_follows_the_answer_before_it_and_its_delay() {
    let list = graph(vec![node(&[], 0), node(&[0], 5), node(&[1], 7)]);
    let (times, delays) = carried_out(&list, 100, 1.0, &[10, 20, 30]);
    assert_eq!(times, [Some([100, 110]), Some([115, 135]), Some([142, 172])]);
    assert_eq!(delays, 12);
    let (times, _) = carried_out(&list, 100, 2.0, &[10, 20, 30]);
    assert_eq!(times[2], Some([154, 184]));
}

#[test]
fn subagents_go_on_side_by_side_and_what_joins_them_waits_for_the_slower_one() {
    // 0, then 1 beside 2 and 3, then 4.
    let tree = graph(vec![
        node(&[], 0),
        node(&[0], 5),
        node(&[0], 1),
        node(&[2], 2),
        node(&[1, 3], 4),
    ]);
    let (times, delays) = carried_out(&tree, 0, 1.0, &[10, 100, 20, 30, 1]);
    assert_eq!(times[1], Some([15, 115]));
    assert_eq!(times[2], Some([11, 31]));
    assert_eq!(times[3], Some([33, 63]));
    assert_eq!(times[4], Some([119, 120]));
    // The way through request 1.
    assert_eq!(delays, 9);
    let (times, delays) = carried_out(&tree, 0, 1.0, &[10, 1, 20, 300, 1]);
    assert_eq!((times[4], delays), (Some([337, 338]), 7));
}

#[test]
fn a_session_that_is_stopped_is_over_when_what_is_in_flight_has_ended() {
    let list = graph(vec![node(&[], 0), node(&[], 0), node(&[0], 0)]);
    let mut progress = Progress::begin(&list, 0, 0, 1.0);
    let [first, second] = [progress.take(), progress.take()].map(|ready| ready.map(|ready| ready.node));
    assert_eq!((first, second), (Some(0), Some(1)));
    progress.stop();
    progress.ended(0, 5);
    assert_eq!((progress.take(), progress.is_over()), (None, false));
    progress.give_up();
    assert!(progress.is_over() && !progress.is_complete());
    assert_eq!(progress.made(), 1);
}

/// Any requests that wait for earlier ones only.
fn any_graph() -> impl Strategy<Value = (Vec<Node>, Vec<Nanos>)> {
    let each = (
        proptest::collection::vec(any::<u16>(), 0..4),
        0..3 * SECOND,
        0..3 * SECOND,
    );
    proptest::collection::vec(each, 1..20).prop_map(|rows| {
        let mut nodes = Vec::new();
        let mut took = Vec::new();
        for (number, (after, delay, takes)) in (0u16..).zip(rows) {
            let mut after: Vec<u16> = match number {
                0 => Vec::new(),
                number => after.into_iter().map(|any| any % number).collect(),
            };
            after.sort_unstable();
            after.dedup();
            nodes.push(Node { after, delay });
            took.push(takes);
        }
        (nodes, took)
    })
}

proptest! {
    #[test]
    fn each_request_begins_after_all_that_it_waits_for_and_its_delay(
        (nodes, took) in any_graph(),
        scale in 0.0..3.0f64,
    ) {
        let (times, delays) = carried_out(&graph(nodes.clone()), 50, scale, &took);
        let mut longest = 0;
        for (node, time) in nodes.iter().zip(&times) {
            let [begun, end] = time.unwrap();
            let since = node.after.iter().map(|before| times[usize::from(*before)].unwrap()[1]).max();
            let delay = (node.delay as f64 * scale).round() as Nanos;
            prop_assert_eq!(begun, since.unwrap_or(50) + delay);
            longest = longest.max(end);
        }
        prop_assert!(delays <= longest - 50);
    }
}
