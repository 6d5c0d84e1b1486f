#!/usr/bin/env python3
"""Measures the time from the start of the process to the first request of the load, at a server that is running.

A server on an ephemeral loopback port notes when the first POST has arrived whole; the clock is CLOCK_MONOTONIC.

    cargo build --release && scripts/startup.py [STARTS] [PROGRAM]
"""

import datetime
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

ANSWER = b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)


def serve(connection, arrived):
    data = b""
    while piece := connection.recv(65536):
        now = time.monotonic_ns()
        data += piece
        while b"\r\n\r\n" in data:
            head, _, rest = data.partition(b"\r\n\r\n")
            lengths = [l.split(b":")[1] for l in head.lower().split(b"\r\n") if l.startswith(b"content-length:")]
            length = int(lengths[0]) if lengths else 0
            if len(rest) < length:
                break
            data = rest[length:]
            if head.startswith(b"POST"):
                arrived.append(now)
            connection.sendall(HEAD + ANSWER)


def accept(listener, arrived):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection, arrived), daemon=True).start()


def one_start(program):
    listener = socket.create_server(("127.0.0.1", 0))
    arrived = []
    threading.Thread(target=accept, args=(listener, arrived), daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
    options = ["--iterations", "1", "--vus", "1", "--streaming-ratio", "0", "--seed", "3", "--target", url, "--quiet"]
    begun = time.monotonic_ns()
    subprocess.run([program, "high-concurrency", *options], check=True)
    listener.close()
    return (arrived[0] - begun) / 1e6


starts = int(sys.argv[1]) if len(sys.argv) > 1 else 15
program = sys.argv[2] if len(sys.argv) > 2 else "target/release/llmload-uring"
times = sorted(one_start(program) for _ in range(starts))
print(f"host: {os.uname().release}, {os.cpu_count()} CPUs, {datetime.date.today()}")
print(f"{starts} starts: median {statistics.median(times):.1f} ms ({times[0]:.1f} to {times[-1]:.1f})")
