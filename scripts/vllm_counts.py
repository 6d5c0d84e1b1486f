"""Compares the counts of a result document with what vLLM counted meanwhile; exit code 1 where they differ.

usage: vllm_counts.py RESULT.json METRICS_BEFORE METRICS_AFTER

The server counts a request when it ends. One that the end of the run cut may have ended there or been aborted, and its
tokens are the server's alone, so a run with such requests is compared within their number.
"""

import json
import sys


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


def main(result, before, after):
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
    validation = 1 if document["config"].get("validate") else 0
    print(f"completions  ours ok {ok}, cut {cut}   server finished {finished}, aborted {aborted} (validation {validation})")
    print(f"tokens       ours {ours}   server {tokens}")
    agrees = ok <= finished <= ok + cut + 2 * validation
    agrees &= tokens >= ours and (cut > 0 or validation > 0 or tokens == ours)
    print("agrees" if agrees else "DIFFERS")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
