"""Runs one client beside the mock and measures the client's whole process tree."""

import ctypes
import dataclasses
import http.client
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

# Before the first request the mock is asked often, for the time of the start; then rarely, to leave its core alone.
BEFORE_LOAD_S, DURING_LOAD_S = 0.02, 0.5
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass
class Usage:
    """What a client used. `busy` is the share of its core in the middle of the load.

    Memory is that of the largest process, or what the host's grew by if that is more: it counts pages once that forked
    processes share, but also what others take meanwhile, so it is limited by the sum over the client's processes.
    """

    code: int
    wall_s: float
    startup_s: float | None
    startup_cpu_s: float
    cpu_s: float
    peak_mib: float
    busy: float | None


class Mock:
    """`llmload-uring mock` on a CPU of its own, and its own figures."""

    def __init__(self, program, cpu, options):
        command = [program, "mock", "--cpus", str(cpu), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if found := re.search(r"127\.0\.0\.1:(\d+)", line):
                self.port = int(found.group(1))
                self.origin = f"http://127.0.0.1:{self.port}"
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
                return
        raise SystemExit("the mock did not start")

    def stats(self):
        self.connection.request("GET", "/mock/stats")
        return json.loads(self.connection.getresponse().read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def adopt_orphans():
    """Makes this process the parent of all that its children leave behind, so that their CPU time is not lost."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def processes():
    """All processes, each with its parent and the CPU seconds of itself and of its children that have ended."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            found[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / TICKS)
    return found


def tree(not_pid):
    """The descendants of this process, without `not_pid`, and their CPU seconds."""
    all_of_them = processes()
    members, cpu = set(), 0.0
    parents = {os.getpid()}
    while parents:
        children = {pid for pid, (parent, _) in all_of_them.items() if parent in parents and pid != not_pid}
        members |= children
        cpu += sum(all_of_them[pid][1] for pid in children)
        parents = children
    return members, cpu


def largest_mib(pids):
    """The most that one of them has had so far. (`ru_maxrss` would do, but has that of this process as its minimum.)"""
    peaks = [0]
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        peaks += [int(kib) / 1024 for kib in re.findall(r"^VmHWM:\s+(\d+) kB", text, re.M)]
    return max(peaks)


def private_mib(pids):
    """Memory of their own, added up: too much where a process shares pages with the one that it was forked from."""
    pages = 0
    for pid in pids:
        try:
            resident, shared = map(int, pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1:3])
        except OSError:
            continue
        pages += resident - shared
    return pages * PAGE / 2**20


def anonymous_mib():
    """Memory of all processes of the host, each page once. (smaps_rollup tells more and takes a second to read.)"""
    return int(re.search(r"^AnonPages:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text(), re.M).group(1)) / 1024


def end_rest(mock_pid, grace_s):
    """Waits for what the client left behind, ends what does not end by itself, and returns its usage."""
    used, patience = [], time.monotonic() + grace_s
    while rest := [pid for pid, (parent, _) in processes().items() if parent == os.getpid() and pid != mock_pid]:
        for pid in rest:
            if time.monotonic() > patience:
                os.kill(pid, signal.SIGKILL)
            done, _, usage = os.wait4(pid, os.WNOHANG)
            if done:
                used.append(usage)
        time.sleep(0.02)
    return used


def middle_share(samples):
    """CPU seconds per second between the second sample of the load and the last one that saw new requests."""
    growing = [new for old, new in zip(samples, samples[1:]) if new[2] > old[2]]
    if len(growing) < 4:
        return None
    first, last = growing[1], growing[-2]
    return (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else None


def watch(child, mock, limit_s, begun):
    """Looks at a client until it ends; ends it at the limit. Returns its start and samples of what it uses."""
    anonymous_before = anonymous_mib()
    startup_s, startup_cpu_s, peak, samples = None, 0.0, 0.0, []
    ended = os.pidfd_open(child.pid)
    while not select.select([ended], [], [], DURING_LOAD_S if startup_s else BEFORE_LOAD_S)[0]:
        if time.monotonic() - begun > limit_s:
            child.terminate()
            select.select([ended], [], [], 5)
            child.kill()
            break
        requests = mock.stats()["requests"]
        if startup_s is None and not requests:
            continue
        # The mock may have answered late, and the CPU time is that of now.
        now = time.monotonic()
        members, cpu = tree(mock.process.pid)
        if startup_s is None:
            startup_s, startup_cpu_s = now - begun, cpu
        together = min(private_mib(members), anonymous_mib() - anonymous_before)
        peak = max(peak, together, largest_mib(members))
        samples.append((now, cpu, requests))
    os.close(ended)
    return startup_s, startup_cpu_s, peak, samples


def run(command, environment, mock, limit_s, log):
    """Runs `command` to its end, at most `limit_s`, with its output in the file `log`."""
    begun = time.monotonic()
    with open(log, "wb") as said:
        child = subprocess.Popen(command, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
    try:
        startup_s, startup_cpu_s, peak, samples = watch(child, mock, limit_s, begun)
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        # Ctrl-C, above all: nothing of the client stays behind.
        child.kill()
        child.wait()
        end_rest(mock.process.pid, 0)
        raise
    child.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - begun
    used = [usage, *end_rest(mock.process.pid, 5)]
    return Usage(
        code=child.returncode,
        wall_s=wall_s,
        startup_s=startup_s,
        startup_cpu_s=startup_cpu_s,
        cpu_s=sum(each.ru_utime + each.ru_stime for each in used),
        peak_mib=peak,
        busy=middle_share(samples),
    )
