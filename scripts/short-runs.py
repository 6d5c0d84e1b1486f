#!/usr/bin/env python3
"""Makes many short runs under load, and keeps the state of each that takes longer than planned.

usage: scripts/short-runs.py BINARY [RUNS] [AT_A_TIME] [FOLDER]

Each run lasts 3 s with 1 s of grace, so it has to end within 4 s, and a few more for its start, its validation and its
report. One that is still there after LATE seconds has the stack, the wait channel and the system call of each thread, the
state of its rings (fdinfo), its sockets and, with gdb, the stacks in user space written to FOLDER, again every 2 s until it
ends. One that is there after 90 s is ended. At the end the program prints how long the runs took and lists the late ones;
its exit code is 1 if there are any. Everything is on 127.0.0.1.
"""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

PLANNED = 4.0
LATE = 7.0
GIVE_UP = 90.0

KINDS = {
    "simulator": ["smoke", "--vus", "20"],
    "mock": ["load", "--vus", "100", "--think-time", "1ms"],
    "many": ["high-concurrency", "--vus", "400"],
    "per-request": ["smoke", "--vus", "50", "--connection", "per-request", "--think-time", "5ms"],
    "rate": ["smoke", "--rate", "200"],
    "faults": ["load", "--vus", "50"],
    "signal": ["load", "--vus", "50"],
}


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError as error:
        return f"({error.strerror})"


def state(pid):
    """Returns what the kernel says of each thread and each descriptor of a process."""
    out = [read(f"/proc/{pid}/status")]
    for thread in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        at = f"/proc/{pid}/task/{thread}"
        out.append(f"--- thread {thread} {read(at + '/comm')}: {read(at + '/wchan')}, system call {read(at + '/syscall')}")
        out.append(read(at + "/stack"))
    for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        out.append(f"--- fd {fd} {name}")
        if "io_uring" in name or "eventfd" in name or "timerfd" in name:
            out.append(read(f"/proc/{pid}/fdinfo/{fd}"))
    for command in (["ss", "-tanpo"], ["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt"]):
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            lines = done.stdout.splitlines()
            out.append("--- " + " ".join(command))
            out.extend(line for line in lines if command[0] == "gdb" or f"pid={pid}," in line)
    return "\n".join(out)


class Run:
    def __init__(self, number, kind, command, folder):
        self.number, self.kind, self.folder = number, kind, folder
        self.output = open(f"{folder}/{number}.out", "w+", encoding="utf-8")
        self.began = time.monotonic()
        self.looked = 0.0
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.signalled = kind != "signal"
        self.took = None

    def poll(self):
        took = time.monotonic() - self.began
        if self.process.poll() is not None:
            self.took = took
            return True
        if not self.signalled and took > 2.0:
            self.process.send_signal(signal.SIGINT)
            self.signalled = True
        if took > LATE and took - self.looked > 2.0:
            self.looked = took
            with open(f"{self.folder}/{self.number}.late", "a", encoding="utf-8") as file:
                try:
                    print(f"=== after {took:.1f} s\n{state(self.process.pid)}", file=file)
                except OSError as error:
                    print(f"=== after {took:.1f} s: {error}", file=file)
        if took > GIVE_UP:
            self.process.kill()
        return False

    def close(self):
        self.output.close()
        if self.took <= LATE:
            os.unlink(f"{self.folder}/{self.number}.out")


def servers(binary, folder):
    """Starts two mock servers, one with faults, and returns them with their addresses."""
    started = []
    for name, options in (("mock", []), ("faults", ["--faults", "503=20,cut=20,hang=5"])):
        record = f"{folder}/{name}.address"
        command = [binary, "mock", "--listen", "127.0.0.1:0", "--ttft", "20ms", "--gap", "5ms", "--tokens", "30", *options]
        process = subprocess.Popen(command, stdout=open(record, "w", encoding="utf-8"), stderr=subprocess.STDOUT)
        while "http://" not in read(record):
            if process.poll() is not None:
                sys.exit(f"{name} did not start: {read(record)}")
            time.sleep(0.05)
        words = read(record).replace(",", " ").split()
        started.append((process, next(word for word in words if word.startswith("http://"))))
    return started


def command_of(binary, kind, mock, faults):
    words = [binary, *KINDS[kind], "--duration", "3s", "--graceful-stop", "1s", "--quiet"]
    target = {"simulator": None, "faults": faults}.get(kind, mock)
    return words + (["--target", target] if target else [])


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    at_a_time = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    folder = sys.argv[4] if len(sys.argv) > 4 else "short-runs"
    os.makedirs(folder, exist_ok=True)
    (mock_process, mock), (faults_process, faults) = servers(binary, folder)
    chosen = random.Random(1)
    runs, ended, number = [], [], 0
    codes = collections.Counter()
    try:
        while runs or number < count:
            while len(runs) < at_a_time and number < count:
                kind = chosen.choice(list(KINDS))
                runs.append(Run(number, kind, command_of(binary, kind, mock, faults), folder))
                number += 1
            time.sleep(0.02)
            for run in [run for run in runs if run.poll()]:
                runs.remove(run)
                run.close()
                ended.append(run)
                codes[run.kind, run.process.returncode] += 1
                if run.took > LATE:
                    print(f"run {run.number} ({run.kind}) took {run.took:.1f} s", flush=True)
    finally:
        for run in runs:
            run.process.kill()
        mock_process.terminate()
        faults_process.terminate()
    for kind in KINDS:
        took = sorted(run.took for run in ended if run.kind == kind)
        if took:
            print(f"{kind:12} {len(took):5} runs   median {took[len(took) // 2]:5.2f} s   longest {took[-1]:5.2f} s   "
                  f"exit codes {json.dumps({code: n for (k, code), n in sorted(codes.items()) if k == kind})}")
    late = [run for run in ended if run.took > LATE]
    print(f"{len(ended)} runs of {PLANNED:.0f} s, {len(late)} of them longer than {LATE:.0f} s")
    sys.exit(1 if late else 0)


if __name__ == "__main__":
    main()
