"""Runs ranks against mocks and compares what both counted; hundred-thousand.sh says how it is called."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

GAP_SECONDS = int(os.environ.get("GAP", "6"))
# A stream lasts two minutes.
TOKENS = max(1, 120 // GAP_SECONDS)
# A ramp of so many streams a second: a connection costs both sides more than a token.
RAMP_PER_SECOND = 1500
# Beside its streams: files, rings, the coordinator.
FILES_BESIDE = 200
# A user goes to the next mock after each stream, with a whole rank's users: for a while a mock has those who arrive and
# those who have not left.
MOCKS_PER_RANK = 2
HERTZ = os.sysconf("SC_CLK_TCK")


def usage_of(pids):
    """Resident memory in KiB and CPU seconds of some processes together; those that have ended count nothing."""
    kib = cpu = 0
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found = re.search(r"VmRSS:\s+(\d+)", status)
        kib += int(found[1]) if found else 0
        cpu += (int(fields[11]) + int(fields[12])) / HERTZ
    return kib, cpu


def available_kib():
    return int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])


def count(url, *names):
    """Sums of the metrics of a mock."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return [
        sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{re.escape(name)}[{{ ]", line))
        for name in names
    ]


def document(urls, streams, seconds):
    ramp = max(1, streams // RAMP_PER_SECOND)
    servers = "".join(f"  - {{ name: mock{i}, base_url: \"{url}/v1\", weight: 1 }}\n" for i, url in enumerate(urls))
    return ramp, (
        f"executor: ramping-vus\nstart_vus: 0\nstages:\n"
        f"  - {{ duration: {ramp}s, target: {streams} }}\n  - {{ duration: {seconds}s, target: {streams} }}\n"
        f"graceful_stop: {GAP_SECONDS * (TOKENS + 5)}s\nthink_time: 0s\nconnection: per-request\nmodels: [m]\n"
        f"validate: false\nservers:\n{servers}prompts: [Hi]\nrequests:\n"
        f"  - {{ name: stream, kind: chat, stream: true, max_tokens: {TOKENS}, "
        f"timeout: {GAP_SECONDS * TOKENS * 3}s }}\n"
    )


def start_mocks(binary, number, cpus, seconds, folder):
    mocks, urls = [], []
    for i in range(number):
        log = folder / f"mock{i}"
        words = [
            binary, "mock", "--cpus", cpus, "--ttft", f"{GAP_SECONDS}s", "--gap", f"{GAP_SECONDS}s",
            "--tokens", str(TOKENS), "--spread", "--metrics", "vllm", "--max-seconds", str(seconds),
        ]
        mocks.append(subprocess.Popen(words, stdout=log.open("w"), stderr=subprocess.STDOUT))
        while not (found := re.search(r"^listening (http://\S+)", log.read_text(), re.M)):
            if mocks[-1].poll() is not None:
                sys.exit(f"error: a mock ended: {log.read_text()}")
            time.sleep(0.05)
        urls.append(found[1])
    return mocks, urls


def start_ranks(binary, ranks, cpus, profile, folder):
    address = f"127.0.0.1:{7117 + os.getpid() % 1000}"
    started = []
    for rank in range(ranks):
        # Rank 0's own result, and that of the whole, are in its folder.
        words = [
            binary, str(profile), "--coordinate", address, "--rank", str(rank), "--ranks", str(ranks),
            "--cpus", cpus, "--source-address", f"127.1.0.{rank + 1}", "--output", str(folder / "run.json"),
        ]
        out = (folder / f"rank{rank}").open("w")
        started.append(subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT))
    return started


def watch(ranks, mocks, urls, wanted):
    """Prints a line every ten seconds until the ranks have ended. Returns the most streams and memory, and how long all
    of the streams were there."""
    began = time.monotonic()
    free = available_kib()
    peak = {"streams": 0, "client": 0, "server": 0, "all": 0, "held": 0.0, "cpu": 0.0}
    last = {"at": began, "client": 0.0, "server": 0.0}
    print(f"{'s':>5} {'streams':>8} {'client MiB':>10} {'mocks MiB':>10} {'host MiB':>10} {'client CPU':>10} {'mock CPU':>9}")
    while any(rank.poll() is None for rank in ranks):
        time.sleep(10)
        now = time.monotonic()
        client, client_cpu = usage_of([rank.pid for rank in ranks])
        server, server_cpu = usage_of([mock.pid for mock in mocks])
        try:
            streams = sum(count(url, "vllm:num_requests_running")[0] for url in urls)
        except OSError as error:
            print(f"{now - began:5.0f} a mock did not answer: {error}", flush=True)
            continue
        passed = now - last["at"]
        used = [(client_cpu - last["client"]) / passed, (server_cpu - last["server"]) / passed]
        taken = free - available_kib()
        print(f"{now - began:5.0f} {streams:8.0f} {client / 1024:10.0f} {server / 1024:10.0f} {taken / 1024:10.0f} "
              f"{max(used[0], 0):10.2f} {max(used[1], 0):9.2f}", flush=True)
        peak["held"] += passed if streams >= wanted * 0.999 else 0
        for name, value in (
            ("streams", streams), ("client", client), ("server", server), ("all", taken), ("cpu", client_cpu),
        ):
            peak[name] = max(peak[name], value)
        last = {"at": now, "client": client_cpu, "server": server_cpu}
    return peak


def judge(result, urls, exits):
    """Prints both sides' counts for each mock. Returns what is wrong."""
    wrong = [f"rank {rank} ended with {code}" for rank, code in enumerate(exits) if code != 0]
    totals = result["totals"]
    print(f"requests {totals['requests']}, ok {totals['ok']}, failed {totals['failed']}, "
          f"interrupted {totals['interrupted']}")
    counted = [count(url, "vllm:request_success_total", "vllm:generation_tokens_total") for url in urls]
    print(f"{'':<8} {'ok':>10} {'mock says':>10}")
    for i, (requests, _) in enumerate(counted):
        ours = result["servers"][f"mock{i}"]["totals"]["ok"]
        print(f"{'mock' + str(i):<8} {ours:>10} {requests:>10.0f}")
        if ours != requests:
            wrong.append(f"mock{i} counts other requests")
    tokens = sum(each for _, each in counted)
    print(f"tokens that arrived {totals['token_events']}, that the mocks sent {tokens:.0f}")
    if totals["token_events"] != tokens:
        wrong.append("the mocks count other tokens")
    if totals["failed"] or totals["interrupted"] or totals["requests"] != totals["ok"]:
        wrong.append(f"not all requests are ok: {totals['by_outcome']}")
    return wrong


def main():
    binary, ranks, server_cpus, client_cpus, streams, seconds = sys.argv[1:]
    ranks, streams, seconds = int(ranks), int(streams), int(seconds)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = -(-streams // ranks) + FILES_BESIDE
    if needed > files:
        sys.exit(f"error: {needed} files are needed in each of {ranks} processes, and {files} may be open\n"
                 f"hint: RANKS={int(streams / files * 1.1) + 1}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hundred-thousand-"))
    started = []
    try:
        print(f"host: {os.uname().release}, {os.cpu_count()} CPUs, {time.strftime('%F')}; {files} files a process")
        length = streams // RAMP_PER_SECOND + seconds + 3 * GAP_SECONDS * TOKENS + 120
        count_of_mocks = ranks * MOCKS_PER_RANK
        mocks, urls = start_mocks(binary, count_of_mocks, server_cpus, length, folder)
        started += mocks
        ramp, text = document(urls, streams, seconds)
        profile = folder / "streams.yaml"
        profile.write_text(text)
        print(f"{streams} streams in {ramp} s, held for {seconds} s: {ranks} ranks on CPU {client_cpus}, "
              f"{count_of_mocks} mocks on CPU {server_cpus}")
        running = start_ranks(binary, ranks, client_cpus, profile, folder)
        started += running
        peak = watch(running, mocks, urls, streams)
        exits = [rank.wait() for rank in running]
        print((folder / "rank0").read_text())
        if not (folder / "run.json").is_file():
            sys.exit("error: there is no result\n" + "".join((folder / f"rank{i}").read_text() for i in range(ranks)))
        result = json.loads((folder / "run.json").read_text())
        wrong = judge(result, urls, exits)
    finally:
        for process in reversed(started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait()
        if os.environ.get("KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    print(f"most streams at once {peak['streams']:.0f}, all of them for {peak['held']:.0f} s; resident memory at its peak: "
          f"clients {peak['client'] / 1024:.0f} MiB ({peak['client'] / streams:.1f} KiB a stream), mocks "
          f"{peak['server'] / 1024:.0f} MiB, all of the host {peak['all'] / 1024:.0f} MiB more than before")
    print(f"CPU of the clients {peak['cpu']:.0f} s, {peak['cpu'] * 1e6 / result['totals']['token_events']:.2f} us per token")
    if peak["streams"] < streams * 0.999:
        wrong.append("not all streams were there at once")
    print("\n".join(wrong) or "all streams accounted for")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
