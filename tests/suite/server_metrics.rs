//! The servers' own account of a load: what a mock with vLLM's metrics counts of itself, servers whose /metrics is
//! broken, and what is planted between a server and its client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::exposition::MetricsForm;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::MILLISECOND;
use serde_json::Value;

/// A mock that shows vLLM's metrics.
fn vllm(miscount: f64) -> Mock {
    mock(MockOptions {
        ttft: 20 * MILLISECOND,
        gap: 2 * MILLISECOND,
        tokens: 10,
        metrics: MetricsForm::Vllm,
        miscount,
        ..mock_options()
    })
}

/// 40 streams by four users. A busy machine may delay what it likes by as much as the server takes.
const LOAD: &str = "\
executor: per-vu-iterations
vus: 4
iterations: 10
models: [m]
prompts: [hello]
analysis: { server_time_difference_max: 1 }
requests:
  - { name: chat, stream: true, max_tokens: 10, timeout: 20s }
";

/// Runs the load, and returns the document and what was printed.
fn loaded(address: SocketAddr, load: &str, more: &[&str]) -> (Value, Ended) {
    let dir = Dir::new();
    let (file, output) = (dir.write("l.yaml", load), dir.path("r.json"));
    let target = format!("http://{address}/v1/chat/completions");
    let ended = ran(&[&[&file, "--target", &target, "-o", &output], more].concat()).expect(0);
    (document(&output), ended)
}

/// The message of a rule that compares both sides.
fn finding(document: &Value, rule: &str) -> Option<String> {
    let all = document["analysis"].as_array().unwrap();
    let found = all.iter().find(|finding| finding["rule"] == rule)?;
    Some(found["message"].as_str().unwrap().to_owned())
}

/// What the summary says of the first server, on one line.
fn says(stdout: &str) -> Option<String> {
    let mut lines = stdout.lines().skip_while(|line| !line.starts_with("server "));
    let first = lines.next()?;
    let more = lines.take_while(|line| line.starts_with(' '));
    let words = std::iter::once(first).chain(more).flat_map(str::split_whitespace);
    Some(words.collect::<Vec<_>>().join(" "))
}

fn assert_silent(document: &Value) {
    for rule in ["server_requests", "server_tokens", "server_ttft", "server_gaps"] {
        assert_eq!(finding(document, rule), None, "{document}");
    }
}

/// What a front does with a question for metrics; everything else goes to the server behind it.
#[derive(Clone, Copy)]
enum Manner {
    /// Passes it on as well.
    Pass,
    Hang,
    /// Sends for as long as somebody reads.
    Endless,
    Says(&'static str),
}

/// A server in front of another one.
struct Front {
    address: SocketAddr,
    /// Questions for metrics so far.
    asked: Arc<AtomicU64>,
}

impl Front {
    /// Listens until the test ends. Each request is held back for `delay`.
    fn of(behind: SocketAddr, manner: Manner, delay: Duration) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                std::thread::spawn(move || serve(stream, behind, manner, delay, &count));
            }
        });
        Front { address, asked }
    }
}

fn serve(mut client: TcpStream, behind: SocketAddr, manner: Manner, delay: Duration, asked: &AtomicU64) {
    let Ok(mut server) = TcpStream::connect(behind) else {
        return;
    };
    let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let mut bytes = [0; 1 << 16];
    while let Ok(n @ 1..) = client.read(&mut bytes) {
        let is_metrics = bytes.starts_with(b"GET /metrics");
        asked.fetch_add(u64::from(is_metrics), Ordering::Relaxed);
        match manner {
            Manner::Hang if is_metrics => {
                let _ = client.read(&mut bytes);
                return;
            }
            Manner::Endless if is_metrics => {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
                while client.write_all(&[b'#'; 1 << 16]).is_ok() {}
                return;
            }
            Manner::Says(text) if is_metrics => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
                let _ = client.write_all(format!("{head}{text}").as_bytes());
                let _ = client.read(&mut bytes);
                return;
            }
            _ => {}
        }
        if !delay.is_zero() && !is_metrics {
            std::thread::sleep(delay);
        }
        if server.write_all(&bytes[..n]).is_err() {
            return;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

#[test]
fn the_account_of_a_server_is_what_it_counted() {
    let mock = vllm(0.0);
    let (found, ended) = loaded(mock.address, LOAD, &[]);
    let account = &found["server_metrics"][0];
    assert_eq!(account["kind"], "vllm");
    assert_eq!(account["is_target"], true);
    assert_eq!(account["url"], format!("http://{}/metrics", mock.address));
    for (key, expected) in [
        ("requests", 40.0),
        ("aborted", 0.0),
        ("generation_tokens", 400.0),
        ("prompt_tokens", 320.0),
        ("preemptions", 0.0),
    ] {
        assert_eq!(account["counters"][key]["increase"], expected, "{key}: {account}");
    }
    for (key, expected) in [("ttft", 40), ("inter_token_latency", 360), ("e2e_latency", 40)] {
        assert_eq!(account["histograms"][key]["count"], expected, "{key}: {account}");
    }
    // No token came before its time, so no lower end is below it.
    let p50 = &account["histograms"]["ttft"]["p50"];
    assert!(
        p50[0].as_f64().unwrap() >= 20.0 && p50[1].as_f64() > p50[0].as_f64(),
        "{p50}"
    );
    assert!(account["first_seconds"].as_f64().unwrap() <= 0.0, "{account}");
    assert!(!account["timeline"].as_array().unwrap().is_empty());
    assert_silent(&found);
    assert!(says(&ended.stdout).is_some(), "{}", ended.stdout);
    let text = says(&ended.stdout).unwrap();
    assert!(text.contains("320 prompt and 400 generated tokens"), "{text}");
}

#[test]
fn a_server_that_counts_otherwise_is_found() {
    let mock = vllm(0.5);
    let (found, ended) = loaded(mock.address, LOAD, &[]);
    let message = finding(&found, "server_requests").unwrap();
    assert!(
        message.contains("finished 20 requests, ours are 40 ok"),
        "{message}"
    );
    assert!(ended.stdout.contains("disagrees"), "{}", ended.stdout);
}

#[test]
fn requests_of_another_user_are_found() {
    let mock = vllm(0.0);
    let address = mock.address;
    let front = Front::of(address, Manner::Pass, Duration::from_millis(5));
    // Whenever the load has been asked for its metrics once, somebody else sends 30 requests.
    let asked = front.asked.clone();
    let other = std::thread::spawn(move || {
        wait_until("the load begins", || {
            asked.load(Ordering::Relaxed) > 0 && mock_requests(address) > 0
        });
        for _ in 0..30 {
            let mut stream = TcpStream::connect(address).unwrap();
            let body = r#"{"messages":[],"stream":false}"#;
            write!(
                stream,
                "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                body.len(),
                body
            )
            .unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let long = LOAD.replace("iterations: 10", "iterations: 100");
    let (found, _) = loaded(front.address, &long, &[]);
    other.join().unwrap();
    let message = finding(&found, "server_requests").unwrap();
    assert!(
        message.contains("finished 430 requests, ours are 400 ok"),
        "{message}"
    );
    assert!(message.contains("30 of them are somebody else's"), "{message}");
}

#[test]
fn a_proxy_that_holds_requests_back_is_found() {
    let mock = vllm(0.0);
    let front = Front::of(
        mock.address,
        Manner::Says("proxy_up 1\n"),
        Duration::from_millis(150),
    );
    let given = format!("http://{}/metrics", mock.address);
    let (found, _) = loaded(front.address, LOAD, &["--server-metrics", &given]);
    assert_eq!(found["server_metrics"].as_array().unwrap().len(), 1, "{found}");
    let message = finding(&found, "server_ttft").unwrap();
    assert!(
        message.contains("a queue that the engine does not see"),
        "{message}"
    );
    assert_eq!(finding(&found, "server_requests"), None);
}

#[test]
fn a_server_whose_metrics_are_broken_costs_nothing_but_the_figures() {
    let mock = vllm(0.0);
    for (manner, why) in [
        (Manner::Hang, "no answer within"),
        (Manner::Endless, "exceeds a size limit"),
        (Manner::Says("<html>\u{1b}[2J</html>\n"), "has no metrics"),
        (Manner::Says(""), "has no metrics"),
    ] {
        let front = Front::of(mock.address, manner, Duration::ZERO);
        // Unless somebody asks for them nothing is said.
        let (found, ended) = loaded(front.address, LOAD, &[]);
        assert_eq!(found.get("server_metrics"), None, "{why}");
        assert_eq!(found["totals"]["ok"], 40);
        assert_eq!(says(&ended.stdout), None);
        let (found, ended) = loaded(front.address, LOAD, &["--server-metrics"]);
        let account = &found["server_metrics"][0];
        assert_eq!(
            (&account["readings"], &found["totals"]["ok"]),
            (&0.into(), &40.into())
        );
        assert!(account["readings_failed"].as_u64().unwrap() > 0, "{account}");
        let said = account["last_error"].as_str().unwrap();
        assert!(said.contains(why), "{said}");
        assert!(ended.stdout.contains("no metrics at"), "{}", ended.stdout);
    }
}

#[test]
fn names_and_labels_of_a_server_break_no_text() {
    let mock = vllm(0.0);
    let hostile = "vllm:num_requests_running{model_name=\"\u{1b}[31m</script><b>&|\"} 1\n\
                   vllm:num_requests_running{model_name=\"other\"} 2\n\
                   vllm:num_requests_running{model_name=\"other\"} 3\n";
    let front = Front::of(mock.address, Manner::Says(hostile), Duration::ZERO);
    let dir = Dir::new();
    let page = dir.path("page.html");
    let (found, ended) = loaded(front.address, LOAD, &["--report", &page]);
    let running = &found["server_metrics"][0]["gauges"]["running"];
    assert_eq!(
        (&running["before"], running["series"].as_array().unwrap().len()),
        (&4.0.into(), 2)
    );
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(!page.contains("</script><b>") && !page.contains('\u{1b}'));
}

#[test]
fn no_server_is_asked_if_none_is_to_be() {
    let mock = vllm(0.0);
    let front = Front::of(mock.address, Manner::Pass, Duration::ZERO);
    for option in [&["--no-server-metrics"][..], &["--server-metrics", "none"]] {
        let (found, _) = loaded(front.address, LOAD, option);
        assert_eq!(found.get("server_metrics"), None);
    }
    assert_eq!(front.asked.load(Ordering::Relaxed), 0);
    loaded(front.address, LOAD, &[]);
    assert!(front.asked.load(Ordering::Relaxed) >= 2);
}

#[test]
fn other_servers_and_names_are_read_on_request() {
    let mock = vllm(0.0);
    let gpu = "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 90\nDCGM_FI_DEV_GPU_UTIL{gpu=\"1\"} 50\n\
               # TYPE jobs counter\njobs_total 7\n";
    let exporter = Front::of(mock.address, Manner::Says(gpu), Duration::ZERO);
    let given = format!("{}", exporter.address);
    let (found, ended) = loaded(
        mock.address,
        LOAD,
        &["--server-metrics", &given, "--server-metrics-name", "jobs"],
    );
    let accounts = found["server_metrics"].as_array().unwrap();
    let kinds: Vec<&Value> = accounts.iter().map(|account| &account["kind"]).collect();
    assert_eq!(kinds, ["dcgm", "vllm"]);
    assert_eq!(accounts[0]["gauges"]["gpu_utilization"]["mean"], 0.7);
    assert_eq!(accounts[0]["counters"]["jobs"]["after"], 7.0);
    let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("GPU 70.00 %"), "{text}");
    // The requests are still those of the server that is loaded.
    assert_silent(&found);
}

#[test]
fn shards_of_one_server_have_one_account() {
    let mock = vllm(0.0);
    let dir = Dir::new();
    let file = dir.write("l.yaml", LOAD);
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("{}.json", &shard[..1]));
        ran(&[&file, "--target", &target, "-o", &output, "--shard", shard]).expect(0);
        assert_silent(&document(&output));
        output
    });
    let merged = dir.path("merged.json");
    ran(&["merge", &parts[0], &parts[1], "-o", &merged]).expect(0);
    let found = document(&merged);
    let accounts = found["server_metrics"].as_array().unwrap();
    assert_eq!(accounts.len(), 1);
    // The shards ran one after the other, and each saw its own half.
    assert_eq!(accounts[0]["counters"]["requests"]["increase"], 40.0);
    assert_silent(&found);
}

#[test]
fn repetitions_add_up_without_the_warm_up() {
    let mock = vllm(0.0);
    let timed = "executor: constant-vus\nvus: 2\nduration: 600ms\nmodels: [m]\nprompts: [hello]\n\
                 analysis: { server_time_difference_max: 1 }\nwarmup: 300ms\nrepeat: 2\n\
                 requests:\n  - { name: chat, stream: true, max_tokens: 10, timeout: 20s }\n";
    let (found, _) = loaded(mock.address, timed, &[]);
    let counted = &found["server_metrics"][0]["counters"]["requests"];
    assert_eq!(
        counted["increase"].as_f64(),
        found["totals"]["ok"].as_f64(),
        "{counted}"
    );
    assert_silent(&found);
}

#[test]
fn runs_are_compared_by_what_their_servers_say() {
    let mock = vllm(0.0);
    let dir = Dir::new();
    let files = ["a.json", "b.json"].map(|name| {
        let (found, _) = loaded(mock.address, LOAD, &[]);
        dir.write(name, &found.to_string())
    });
    let compared = ran(&["compare", &files[0], &files[1]]).expect(0);
    for row in [
        "server_running",
        "server_kv_cache_usage",
        "server_queue_time_mean",
    ] {
        assert!(compared.stdout.contains(row), "{}", compared.stdout);
    }
}
