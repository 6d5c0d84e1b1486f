"""Compares the counts of a result document with what vLLM counted meanwhile; exit code 1 where they differ.

usage: vllm_counts.py RESULT.json OUTPUT METRICS_BEFORE METRICS_AFTER HEALTH

OUTPUT is what the run printed. Each completion that it asked for to validate the target is a line there; the server
counts those requests, and up to 16 tokens for each, and the document does not. HEALTH is the number of completions that
a GET of /health causes: none at vLLM, one per model at a LiteLLM proxy, which is asked when the target is found and
again to validate it. A request that the end of the run cut may still have finished on the server, or been aborted
there, so such a run is compared within their number.
"""

import json
import re
import sys

SETUP_TOKENS_MAX = 16


def counters(path):
    """The sums over all labels but `finished_reason`."""
    out = {}
    with open(path) as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            name, value = line.rsplit(" ", 1)
            metric, _, labels = name.partition("{")
            if metric == "vllm:request_success_total":
                reason = labels.split('finished_reason="')[1].split('"')[0]
                metric = f"finished {reason}"
            out[metric] = out.get(metric, 0.0) + float(value)
    return out


def main(result, output, before, after, health):
    with open(result) as file:
        document = json.load(file)
    before, after = counters(before), counters(after)
    grown = {name: int(after[name] - before.get(name, 0.0)) for name in after if name in after}
    finished = sum(n for name, n in grown.items() if name.startswith("finished ") and name != "finished abort")
    aborted = grown.get("finished abort", 0)
    tokens = grown.get("vllm:generation_tokens_total", 0)
    # Light requests are GETs, which the engine of the server never sees.
    kinds = document["kinds"].values()
    completions = [kind for kind in kinds if kind["totals"]["output_tokens"] or "ttft" in kind.get("metrics", {})]
    ok = sum(kind["totals"]["ok"] for kind in completions)
    cut = sum(kind["totals"]["interrupted"] for kind in completions)
    ours = sum(kind["totals"]["output_tokens"] for kind in completions)
    with open(output) as file:
        lines = file.readlines()
    asked = sum(1 for line in lines if re.match(r"validation: POST .*: 200\b", line))
    asked += int(health) * (1 + sum(1 for line in lines if line.startswith("validation: GET /health:")))
    print(f"completions  ours ok {ok}, cut {cut}   server finished {finished}, aborted {aborted}, {asked} before the load")
    print(f"tokens       ours {ours}   server {tokens}, up to {asked * SETUP_TOKENS_MAX} before the load")
    agrees = ok + asked <= finished <= ok + asked + cut and aborted <= cut
    agrees &= tokens >= ours + asked
    if cut == 0:
        agrees &= tokens <= ours + asked * SETUP_TOKENS_MAX
    print("agrees" if agrees else "DIFFERS")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
