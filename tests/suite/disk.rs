//! A disk that fills up while the load goes on.

use std::path::Path;
use std::process::Command;

use crate::common::live::*;
use crate::common::*;

/// Mounts a small disk on `$0`, in a namespace that ends with the shell, and runs the rest there.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=256k tmpfs \"$0\" || exit 77
cd \"$0\" || exit 77
echo OLD >result.json
\"$@\"
code=$?
printf '%s\\n' \"-- $(cat result.json) --\"
ls -A
exit $code";

/// Where such a namespace is not allowed, nothing was tested.
const NO_NAMESPACE: [Option<i32>; 2] = [Some(77), Some(1)];

#[test]
#[allow(clippy::too_many_lines)] // One disk, filled step by step.
fn a_disk_that_fills_up_exits_112_with_the_whole_summary_and_a_whole_document() {
    let mut options = mock_options();
    options.unpaced = true;
    let mock = mock(options);
    let dir = Dir::new();
    let target = format!("http://{}", mock.address);
    let mut command = Command::new("unshare");
    command
        .args([
            "-rm",
            "sh",
            "-c",
            ON_A_SMALL_DISK,
            &dir.path(""),
            env!("CARGO_BIN_EXE_llmload-uring"),
        ])
        .args([
            "quick-smoke",
            "--target",
            &target,
            "--vus",
            "4",
            "--iterations",
            "5000",
            "--think-time",
            "0",
        ])
        // All warnings are shown, so that none that a busy machine adds hides the one about the details.
        .args([
            "--no-validate",
            "--details",
            "--summary",
            "full",
            "--output",
            "result.json",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let can = Command::new("unshare")
        .args(["-rm", "sh", "-c", ON_A_SMALL_DISK, &dir.path(""), "true"])
        .output();
    if can
        .as_ref()
        .map_or(true, |done| NO_NAMESPACE.contains(&done.status.code()))
    {
        skipped(
            "a_disk_that_fills_up_exits_112_with_the_whole_summary_and_a_whole_document",
            "user and mount namespaces",
        );
        return;
    }
    let ended = Live::spawn(&mut command).wait().expect(112);
    assert!(ended.stderr.contains("error: "), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("result.json.details.jsonl: cannot write"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("No space left on device"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stdout.contains("requests   5,000   ok 5,000 (100.00 %)"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("requests are missing from the details"),
        "{}",
        ended.stdout
    );
    // The figures take the place of the older document where there is room for them without the details.
    let (_, document) = ended.stdout.split_once("\n-- ").unwrap();
    let (document, files) = document.split_once(" --\n").unwrap();
    if document != "OLD" {
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["totals"]["requests"], 5000);
        assert_eq!(document["details"], serde_json::Value::Null);
        assert!(ended.stderr.contains("without its details"), "{}", ended.stderr);
    }
    assert_eq!(files, "result.json\nresult.json.details.jsonl\n");
    assert!(!ended.stdout.contains(".tmp"), "{}", ended.stdout);
    assert!(
        !Path::new(&dir.path("result.json")).exists(),
        "the disk was a namespace's own"
    );
}
