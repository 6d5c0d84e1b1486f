"""A real llama.cpp HTTP server on a free loopback port, from the wheel `xllamacpp`; prints its address when it is
healthy, ends with its standard input. It tells of its slots and metrics.
Called by scripts/llama-cpp.sh and scripts/llamacpp-traffic.sh: MODEL NAME SLOTS CONTEXT [embeddings]"""

import socket
import sys
import time
import urllib.request

import xllamacpp

model, name, slots, context = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
params = xllamacpp.CommonParams()
params.model.path = model
params.hostnames = ["127.0.0.1"]
params.port = port
params.n_parallel = slots
params.n_ctx = context
# One thread each: with more, every token waits for all threads, and the cores are shared.
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.warmup = False
params.endpoint_metrics = True
params.endpoint_slots = True
if "embeddings" in sys.argv[5:]:
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(params)
until = time.monotonic() + 120
while True:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            if answer.status == 200:
                break
    except OSError:
        if time.monotonic() > until:
            sys.exit(f"{name}: not healthy within 120 s")
    time.sleep(0.1)
print(f"{name} 127.0.0.1:{port}", flush=True)
sys.stdin.read()
