"""Checks the result document of a run against what vLLM counted meanwhile; exit code 1 where they differ.

usage: vllm_traffic.py CHECK RESULT.json METRICS_BEFORE METRICS_AFTER

CHECK is `plain`, `ids` (made prompts of token ids), `groups:GROUPS:PREFIX_TOKENS` (prompts that share prefixes),
`cancel:MAX_TOKENS` (a share of the requests is cancelled) or `turns:N` (conversations). The result has its details, and
nothing but the run used the server between the two looks at its metrics.
"""

import json
import re
import sys
from collections import defaultdict

HIT_RATE_TOLERANCE = 0.02


class Metrics:
    """What the server counted between two looks, and what it was doing at the second."""

    def __init__(self, before, after):
        self.before, self.now = self.read(before), self.read(after)
        with open(after) as file:
            self.block = int(re.search(r'cache_config_info{.*?[{,]block_size="(\d+)"', file.read()).group(1))

    @staticmethod
    def read(path):
        """Sums over all labels but `finished_reason`."""
        sums = defaultdict(float)
        with open(path) as file:
            for line in file:
                if line.startswith("vllm:"):
                    name, value = line.rsplit(" ", 1)
                    name, _, labels = name.partition("{")
                    reason = re.search(r'finished_reason="(\w+)"', labels)
                    sums[f"{name} {reason.group(1)}" if reason else name] += float(value)
        return sums

    def grown(self, name):
        name = f"vllm:{name}"
        if name not in self.now:
            sys.exit(f"FAIL  the server has no metric {name}")
        return int(self.now[name] - self.before[name])

    def finished(self):
        return sum(self.grown(f"request_success_total {reason}") for reason in ("stop", "length"))

    def in_flight(self):
        return int(self.now["vllm:num_requests_running"] + self.now["vllm:num_requests_waiting"])


class Report:
    def __init__(self):
        self.failed = False

    def check(self, holds, text):
        print(f"{'PASS' if holds else 'FAIL'}  {text}")
        self.failed |= not holds

    def same(self, what, ours, theirs):
        self.check(ours == theirs, f"{what}: ours {ours}, the server's {theirs}")


def common(report, totals, metrics):
    """What holds of every run: nothing failed, and both sides count the same."""
    ok, cancelled = totals["ok"], totals.get("cancelled", 0)
    report.check(
        totals["requests"] == ok + cancelled and ok > 0,
        f"requests: {totals['requests']}, ok {ok}, cancelled {cancelled}, failed {totals['failed']}",
    )
    report.same("finished requests", ok, metrics.finished())
    report.check(metrics.in_flight() == 0, f"requests in flight on the server afterwards: {metrics.in_flight()}")
    if not cancelled:
        report.same("output tokens", totals["output_tokens"], metrics.grown("generation_tokens_total"))


def ids(report, totals, metrics):
    prompt = totals["lengths"]["prompt"]
    report.check(
        prompt["close"] == prompt["requests"] == totals["ok"] and prompt["asked"] == prompt["served"],
        f"prompt tokens: asked {prompt['asked']}, `usage` says {prompt['served']},"
        f" within 1 % in {prompt['close']} of {prompt['requests']} requests",
    )
    report.same("prompt tokens", prompt["asked"], metrics.grown("prompt_tokens_total"))


def groups(report, totals, metrics, count, prefix):
    """The first request of a group finds nothing, each later one the whole blocks of the prefix."""
    ids(report, totals, metrics)
    asked = totals["lengths"]["prompt"]["asked"]
    expected = (totals["ok"] - count) * (prefix // metrics.block * metrics.block) / asked
    hits, queries = metrics.grown("prefix_cache_hits_total"), metrics.grown("prefix_cache_queries_total")
    rate = hits / queries
    report.check(
        abs(rate - expected) <= HIT_RATE_TOLERANCE * expected,
        f"prefix cache: expected hit rate {expected:.4f}, the server's {rate:.4f} ({hits} of {queries} tokens,"
        f" blocks of {metrics.block})",
    )


def cancel(report, totals, metrics, max_tokens):
    """A server that did not notice would have generated `max_tokens` for each request that was cancelled."""
    cancelled, chosen = totals["cancelled"], totals["chosen_to_cancel"]
    report.check(
        cancelled == chosen == totals["requests"] // 5,
        f"cancelled: {cancelled}, chosen {chosen}, 20 % of {totals['requests']}",
    )
    wasted = (metrics.grown("generation_tokens_total") - totals["ok"] * max_tokens) / cancelled
    report.check(
        0 < wasted < max_tokens / 2,
        f"tokens that the server made for a cancelled request: {wasted:.1f} on average, of {max_tokens}",
    )


def turns(report, document, metrics, count):
    """Each turn's prompt begins with that of the turn before, and goes on with its answer."""
    sessions, details = defaultdict(dict), document["details"]
    for request in details:
        sessions[request["session"]][request["turn"]] = request
    complete = all(sorted(turns) == list(range(1, count + 1)) for turns in sessions.values())
    report.check(complete, f"sessions: {len(sessions)}, each with turns 1 to {count}")
    if not complete:
        return
    report.same("prompt tokens", sum(r["prompt_tokens"] for r in details), metrics.grown("prompt_tokens_total"))
    least = most = 0
    grows = True
    for session in sessions.values():
        for turn in range(2, count + 1):
            known, answer = session[turn - 1]["prompt_tokens"], session[turn - 1]["output_tokens"]
            grows &= session[turn]["prompt_tokens"] > known
            # The last token of a prompt may be another one once an answer follows it.
            least += (known - 1) // metrics.block * metrics.block
            most += (known + answer) // metrics.block * metrics.block
    report.check(grows, "prompts grow with every turn")
    hits = metrics.grown("prefix_cache_hits_total")
    report.check(least <= hits <= most and hits > 0, f"prefix cache: {hits} tokens hit, {least} to {most} expected")


def main(check, result, before, after):
    with open(result) as file:
        document = json.load(file)
    totals, metrics, report = document["totals"], Metrics(before, after), Report()
    kind, *numbers = check.split(":")
    numbers = [int(number) for number in numbers]
    common(report, totals, metrics)
    if kind == "turns":
        turns(report, document, metrics, *numbers)
    elif kind != "plain":
        {"ids": ids, "groups": groups, "cancel": cancel}[kind](report, totals, metrics, *numbers)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
