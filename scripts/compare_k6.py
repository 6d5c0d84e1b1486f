"""Measures for scripts/compare-k6.sh, which installs what this needs and says how to call it."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

PROFILE, VUS, REPEATS, SCALE, K6, OURS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], *sys.argv[5:7]
# The mock's times: 50 ms to the first of 50 tokens, 10 ms between tokens.
TTFT_MS, GAP_MS, TOKENS = 50, 10, 50
CPUS = sorted(os.sched_getaffinity(0))
# The server has a CPU of its own if there are two; the clients share the rest.
SERVER_CPU = str(CPUS[0])
CLIENT_CPUS = ",".join(map(str, CPUS[1:] or CPUS))


def start_server(arguments):
    server = subprocess.Popen([OURS, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in server.stdout:
        if found := re.search(r"http://(127\.0\.0\.1:\d+)", line) or re.search(r"(127\.0\.0\.1:\d+)", line):
            return server, f"http://{found.group(1)}"
    sys.exit(f"the server did not start: {' '.join(arguments)}")


def stop_server(server):
    server.terminate()
    server.wait(10)


def measured(command, environment):
    """CPU seconds and peak memory in KiB of the whole process; ends this script if it could not run."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        # 99: a threshold failed, which does not matter here.
        if code not in (0, 99):
            said.seek(0)
            sys.exit(f"{command[0]} ended with {code}:\n{said.read().decode(errors='replace')[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss


def k6_command(out, extra):
    return ["taskset", "-c", CLIENT_CPUS, K6, "run", "--quiet", "--summary-export", str(out), *extra, "scripts/k6/load.js"]


def our_command(out, target):
    vus = ["--vus", str(VUS)] if VUS else []
    return [OURS, PROFILE, "--no-server", "--target", target, "--time-scale", SCALE, "--cpus", CLIENT_CPUS, "--quiet",
            "--no-validate", "--output", str(out), *vus]


def compare(title, base, new):
    print(f"\n--- {title}\n")
    sys.stdout.flush()
    subprocess.run([OURS, "compare", str(base), str(new)], check=False)


def part(title, server_arguments, prefix, light, folder):
    """Runs both tools in turn and returns the two files of each repeat."""
    print(f"\n=== {title}\n")
    server, origin = start_server(server_arguments)
    target = origin + prefix
    environment = {"TARGET": target, "LIGHT": origin + light, "PROFILE": PROFILE, "MAX_VUS": str(VUS), "TIME_SCALE": SCALE}
    rows = {"k6": [], "llmload-uring": []}
    files = []
    for n in range(REPEATS):
        theirs, ours = folder / f"k6-{n}.json", folder / f"llmload-{n}.json"
        cpu, rss = measured(k6_command(theirs, []), environment)
        count = json.loads(theirs.read_text())["metrics"]["http_reqs"]["count"]
        rows["k6"].append((cpu, rss, count))
        cpu, rss = measured(our_command(ours, target + "/chat/completions"), {})
        count = json.loads(ours.read_text())["totals"]["requests"]
        rows["llmload-uring"].append((cpu, rss, count))
        files.append((theirs, ours))
    # Once more with every point written out, for intervals: this costs k6 CPU time, so it is in no figure above.
    points = folder / "points.json.gz"
    measured(k6_command(folder / "points-summary.json", ["--out", f"json={points}"]), environment)
    stop_server(server)
    print(f"{'':<15}{'requests':>10}{'CPU s':>9}{'us/request':>12}{'peak MiB':>10}   medians of {REPEATS} (lowest to highest)")
    for tool, runs in rows.items():
        each = [cpu * 1e6 / count for cpu, _, count in runs]
        middle = statistics.median
        print(f"{tool:<15}{middle(r[2] for r in runs):>10.0f}{middle(r[0] for r in runs):>9.2f}{middle(each):>12.0f}"
              f"{middle(r[1] for r in runs) / 1024:>10.1f}   {min(each):.0f} to {max(each):.0f} us/request")
    compare("the summaries of the last pair", *files[-1])
    compare("k6's own points compared with our last run", points, files[-1][1])
    return files


def truth(files):
    """Compares what the mock did with what each tool says about its streams."""
    theirs, ours = (json.loads(path.read_text()) for path in files[-1])
    k6 = theirs["metrics"]
    streams = next(e for name, e in ours["kinds"].items() if name.startswith("stream"))["metrics"]
    print(f"\n--- streams of the mock, ms at the median\n\n{'':<34}{'truth':>8}{'k6':>10}{'llmload-uring':>15}")
    print(f"{'time to first token':<34}{TTFT_MS:>8}{k6['time_to_first_token']['med']:>10.2f}{streams['ttft']['p50']:>15.2f}")
    between = "-"
    print(f"{'time between tokens':<34}{GAP_MS:>8}{between:>10}{streams['tbt']['p50']:>15.2f}")
    whole = TTFT_MS + GAP_MS * (TOKENS - 1)
    print(f"{'whole stream':<34}{whole:>8}{'(mixed)':>10}{streams['latency']['p50']:>15.2f}")


def main():
    print(f"{datetime.date.today()}  kernel {platform.release()}  {len(CPUS)} CPUs  profile {PROFILE}  "
          f"VUs {VUS or 'of the profile'}  time scale {SCALE}  repeats {REPEATS}")
    version = subprocess.run([K6, "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    print(f"k6 {version}; server on CPU {SERVER_CPU}, clients on CPU {CLIENT_CPUS}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        simulator = ["__llmsim", "--listen", "127.0.0.1:0", "--cpus", SERVER_CPU, "--latency", "fast", "--tokens", "20"]
        part("the simulator", simulator, "/openai/v1", "/health", folder)
        mock = ["mock", "--cpus", SERVER_CPU, "--ttft", f"{TTFT_MS}ms", "--gap", f"{GAP_MS}ms", "--tokens", str(TOKENS)]
        truth(part("the mock, whose times are known", mock, "/v1", "/health", folder))


main()
