//! How many requests a server holds, by the gauges that each kind of server shows.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::prometheus::{Labels, Line, lines};

/// The gauges of one kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerGauges {
    /// Name of the gauge of requests that are being computed.
    pub running: &'static str,
    /// Name of the gauge of those that wait for it.
    pub waiting: &'static str,
}

/// vLLM, SGLang, llama.cpp, TGI, and the mock.
const GAUGES: [ServerGauges; 5] = [
    ServerGauges {
        running: "vllm:num_requests_running",
        waiting: "vllm:num_requests_waiting",
    },
    ServerGauges {
        running: "sglang:num_running_reqs",
        waiting: "sglang:num_queue_reqs",
    },
    ServerGauges {
        running: "llamacpp:requests_processing",
        waiting: "llamacpp:requests_deferred",
    },
    ServerGauges {
        running: "tgi_batch_current_size",
        waiting: "tgi_queue_size",
    },
    ServerGauges {
        running: "mock:requests_running",
        waiting: "mock:requests_waiting",
    },
];

/// Labels that tell the processes of one engine apart, each of which may show the same requests.
const RANKS: [&str; 3] = ["tp_rank", "pp_rank", "pid"];
/// The most groups of labels that are told apart; beyond them a server's gauges are taken for one.
const GROUPS_MAX: usize = 1_024;

/// What a server holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub gauges: &'static ServerGauges,
    pub running: f64,
    /// 0 where the server does not show it.
    pub waiting: f64,
}

impl Held {
    pub fn all(&self) -> f64 {
        self.running + self.waiting
    }
}

/// Finds the gauges in what a server shows. The engines behind one address are added up. `None` if no gauge of running
/// requests is known, or none has a number.
pub fn held(text: &[u8]) -> Option<Held> {
    let mut sums = GAUGES.map(|_| [Sum::default(), Sum::default()]);
    for line in lines(text) {
        let Ok(Line::Sample(sample)) = line else { continue };
        for (gauges, [running, waiting]) in GAUGES.iter().zip(&mut sums) {
            if sample.name == gauges.running {
                running.add(sample.labels, sample.value);
            } else if sample.name == gauges.waiting {
                waiting.add(sample.labels, sample.value);
            }
        }
    }
    let mut found = GAUGES.iter().zip(&sums);
    found.find_map(|(gauges, [running, waiting])| {
        Some(Held {
            gauges,
            running: running.total()?,
            waiting: waiting.total().unwrap_or(0.0),
        })
    })
}

/// The sum of a gauge over its engines. Of the processes of one engine it takes the highest.
#[derive(Default)]
struct Sum {
    groups: Vec<(u64, f64)>,
}

impl Sum {
    fn add(&mut self, labels: Labels<'_>, value: f64) {
        if !(0.0..1e15).contains(&value) {
            return;
        }
        let group = group(labels);
        let room = self.groups.len() < GROUPS_MAX;
        match self.groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, highest)) => *highest = highest.max(value),
            None if room => self.groups.push((group, value)),
            None => {}
        }
    }

    fn total(&self) -> Option<f64> {
        (!self.groups.is_empty()).then(|| self.groups.iter().map(|(_, value)| value).sum())
    }
}

/// Returns what tells engines apart: all labels but the ranks, in any order.
fn group(labels: Labels<'_>) -> u64 {
    let of_engine = labels.iter().filter(|(name, _)| !RANKS.contains(name));
    of_engine.fold(0, |sum, label| {
        let mut hasher = DefaultHasher::new();
        label.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Option<(f64, f64)> {
        held(text.as_bytes()).map(|held| (held.running, held.waiting))
    }

    #[test]
    fn every_server_is_known_by_its_gauges() {
        for gauges in &GAUGES {
            let text = format!(
                "other 9\n{} 3\n{}{{a=\"b\"}} 2.0\n",
                gauges.running, gauges.waiting
            );
            let found = held(text.as_bytes()).unwrap();
            assert_eq!((found.gauges, found.running, found.waiting), (gauges, 3.0, 2.0));
            assert_eq!(found.all(), 5.0);
            // One that shows no queue has none.
            assert_eq!(all(&format!("{} 3", gauges.running)), Some((3.0, 0.0)));
            assert_eq!(all(&format!("{} 3", gauges.waiting)), None);
        }
        assert_eq!(all("vllm:num_requests_running_total 3"), None);
        assert_eq!(all("<html>\n"), None);
    }

    #[test]
    fn engines_are_added_and_ranks_of_one_engine_are_not() {
        let engines =
            "vllm:num_requests_running{engine=\"0\"} 3\nvllm:num_requests_running{engine=\"1\"} 4\n";
        assert_eq!(all(engines), Some((7.0, 0.0)));
        let ranks = "sglang:num_running_reqs{model_name=\"m\",tp_rank=\"0\"} 3\n\
                     sglang:num_running_reqs{tp_rank=\"1\",model_name=\"m\"} 3\n\
                     sglang:num_running_reqs{model_name=\"m\",tp_rank=\"4\",dp_rank=\"1\"} 5\n";
        assert_eq!(all(ranks), Some((8.0, 0.0)));
    }

    #[test]
    fn what_is_no_number_of_requests_is_passed_over() {
        for value in ["NaN", "+Inf", "-1"] {
            assert_eq!(all(&format!("tgi_batch_current_size {value}")), None);
        }
        assert_eq!(
            all("tgi_batch_current_size NaN\ntgi_batch_current_size{x=\"\"} 2"),
            Some((2.0, 0.0))
        );
    }
}
