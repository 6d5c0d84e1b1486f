"""Checks the result document of a run against what a real server counted meanwhile; exit code 1 where they differ.

usage: traffic_checks.py SERVER CHECK RESULT.json METRICS_BEFORE METRICS_AFTER [TRACE.jsonl]

SERVER is `vllm` or `llamacpp`. CHECK is

    plain              nothing but counts
    ids                made prompts of token ids
    words:QUESTIONS    made prompts of words that a tokenizer has counted, for which the server completed so many
                       prompts before the load
    groups:N:TOKENS    prompts of N groups with prefixes of so many tokens
    trace:BLOCK        the rows of TRACE.jsonl, with hash ids for blocks of so many tokens
    cancel:TOKENS      a fifth of the requests is cancelled, of answers of so many tokens
    goes_on:TOKENS     the same, where the server notices late that a user has gone, or not at all
    turns:N            conversations
    inputs             embeddings, rerank and score

The result has its details, and nothing but the run used the server between the two looks at its metrics.
"""

import json
import re
import sys
from collections import defaultdict

HIT_RATE_TOLERANCE = 0.02
# Of the time that tokens took: those of cancelled requests need not have the pace of the others.
PACE_TOLERANCE = 0.25


class Metrics:
    """What the server counted between two looks, and what it was doing at the second. Subclasses name its metrics."""

    def __init__(self, before, after):
        self.before, self.now = self.read(before), self.read(after)
        with open(after) as file:
            self.block = self.block_of(file.read())

    @classmethod
    def read(cls, path):
        """Sums over all labels but `finished_reason`."""
        sums = defaultdict(float)
        with open(path) as file:
            for line in file:
                if line.startswith(cls.PREFIX):
                    name, value = line.rsplit(" ", 1)
                    name, _, labels = name.partition("{")
                    reason = re.search(r'finished_reason="(\w+)"', labels)
                    sums[f"{name} {reason.group(1)}" if reason else name] += float(value)
        return sums

    def grown(self, name):
        name = self.PREFIX + name
        if name not in self.now:
            sys.exit(f"FAIL  the server has no metric {name}")
        return int(self.now[name] - self.before[name])

    def in_flight(self):
        return int(sum(self.now[self.PREFIX + name] for name in self.BUSY))

    def generated(self):
        return self.grown(self.GENERATED)


class Vllm(Metrics):
    PREFIX, GENERATED = "vllm:", "generation_tokens_total"
    BUSY = ("num_requests_running", "num_requests_waiting")

    @staticmethod
    def block_of(text):
        return int(re.search(r'cache_config_info{.*?[{,]block_size="(\d+)"', text).group(1))

    def finished(self):
        return sum(self.grown(f"request_success_total {reason}") for reason in ("stop", "length"))

    def prompt_tokens(self):
        return self.grown("prompt_tokens_total")

    def cached_tokens(self):
        return self.grown("prefix_cache_hits_total")


class LlamaCpp(Metrics):
    PREFIX, GENERATED = "llamacpp:", "tokens_predicted_total"
    BUSY = ("requests_processing", "requests_deferred")

    @staticmethod
    def block_of(text):
        """Its cache keeps every token, and knows no blocks."""
        return 1

    def finished(self):
        """It does not count requests."""
        return None

    def prompt_tokens(self):
        return self.grown("prompt_tokens_total") + self.cached_tokens()

    def cached_tokens(self):
        return self.grown("prompt_tokens_cached_total")


class Report:
    def __init__(self):
        self.failed = False

    def check(self, holds, text):
        print(f"{'PASS' if holds else 'FAIL'}  {text}")
        self.failed |= not holds

    def same(self, what, ours, theirs):
        self.check(ours == theirs, f"{what}: ours {ours}, the server's {theirs}")


def common(report, totals, metrics, questions):
    """What holds of every run: nothing failed, and both sides count the same, but for questions before the load."""
    ok, cancelled = totals["ok"], totals.get("cancelled", 0)
    report.check(
        totals["requests"] == ok + cancelled and ok > 0,
        f"requests: {totals['requests']}, ok {ok}, cancelled {cancelled}, failed {totals['failed']}",
    )
    # A rerank is several requests to vLLM: one for each text.
    if metrics.finished() is not None and totals["output_tokens"]:
        before = f", with {questions} before the load" if questions else ""
        report.same(f"finished requests{before}", ok + questions, metrics.finished())
    report.check(metrics.in_flight() == 0, f"requests in flight on the server afterwards: {metrics.in_flight()}")
    if not cancelled and not questions:
        report.same("output tokens", totals["output_tokens"], metrics.generated())
        usage(report, totals, metrics)


def usage(report, totals, metrics):
    """The tokens of prompts, as the answers state them, are those that the server counted."""
    prompt, cached = totals["usage"]["prompt"], totals["usage"].get("cached")
    report.check(prompt["requests"] == totals["ok"], f"answers that state their prompt tokens: {prompt['requests']}")
    report.same("prompt tokens", prompt["tokens"], metrics.prompt_tokens())
    if cached and cached["requests"] == totals["ok"]:
        report.same("cached tokens", cached["tokens"], metrics.cached_tokens())


def ids(report, document, metrics):
    details = [request for request in document["details"] if not request["error"]]
    exact = sum(request["asked_prompt_tokens"] == request["prompt_tokens"] for request in details)
    asked, served = (sum(request[key] for request in details) for key in ("asked_prompt_tokens", "prompt_tokens"))
    report.check(
        exact == len(details) == document["totals"]["ok"],
        f"prompt tokens: asked {asked}, `usage` says {served}, the same in {exact} of {len(details)} requests",
    )


def words(report, document, metrics, questions):
    """What a server adds to a prompt is part of the length that was asked for."""
    ids(report, document, metrics)


def hit_rate(report, metrics, expected, tokens):
    """Compares the share of prompt tokens that the server found in its cache with the one that it should have found."""
    hits, expected = metrics.cached_tokens(), expected / tokens
    rate = hits / metrics.prompt_tokens()
    report.check(
        abs(rate - expected) <= HIT_RATE_TOLERANCE * expected,
        f"prefix cache: expected hit rate {expected:.4f}, the server's {rate:.4f} ({hits} of {tokens} tokens,"
        f" blocks of {metrics.block})",
    )


def groups(report, document, metrics, count, prefix):
    """The first request of a group finds nothing, each later one the whole blocks of the prefix."""
    ids(report, document, metrics)
    totals = document["totals"]
    expected = (totals["ok"] - count) * (prefix // metrics.block * metrics.block)
    hit_rate(report, metrics, expected, totals["lengths"]["prompt"]["asked"])


def trace(report, document, metrics, block, path):
    """A prompt finds the blocks with which it and an earlier one begin, as far as they fill blocks of the server. The
    last token of a prompt is always computed."""
    ids(report, document, metrics)
    known, found, theirs, tokens = {}, 0, 0, 0
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        hashes, length = row["hash_ids"], row["input_length"]
        begins = [tuple(hashes[:end]) for end in range(1, len(hashes) + 1)]
        # How many tokens of each beginning an earlier row had: the last block of a prompt is not full.
        alike = max((min(known[begin], length) for begin in begins if begin in known), default=0)
        theirs += alike
        found += min(alike, length - 1) // metrics.block * metrics.block
        tokens += length
        for end, begin in enumerate(begins, 1):
            known[begin] = max(known.get(begin, 0), min(end * block, length))
    print(f"      hash ids of {block} tokens: {theirs / tokens:.4f} of all tokens are in blocks that came before")
    report.same("tokens of the trace's prompts", document["totals"]["usage"]["prompt"]["tokens"], tokens)
    hit_rate(report, metrics, found, tokens)


def inputs(report, document, metrics):
    """Who reads alone makes no tokens."""
    totals = document["totals"]
    report.check(totals["output_tokens"] == 0 and totals["ok"] > 0, f"output tokens: {totals['output_tokens']}")


def cancel(report, document, metrics, max_tokens):
    """A server that did not notice would have generated `max_tokens` for each request that was cancelled."""
    wasted = made_for_nobody(report, document, metrics, max_tokens)
    report.check(0 < wasted < max_tokens / 2, made_text(wasted, max_tokens))
    slot_free(report, document, wasted)


def goes_on(report, document, metrics, max_tokens):
    wasted = made_for_nobody(report, document, metrics, max_tokens)
    report.check(0 < wasted <= max_tokens, f"{made_text(wasted, max_tokens)}, since it hardly notices")
    slot_free(report, document, wasted)


def made_text(wasted, max_tokens):
    return f"tokens that the server made for a cancelled request: {wasted:.1f} on average, of {max_tokens}"


def made_for_nobody(report, document, metrics, max_tokens):
    totals = document["totals"]
    cancelled, chosen = totals["cancelled"], totals["chosen_to_cancel"]
    report.check(
        cancelled == chosen == totals["requests"] // 5,
        f"cancelled: {cancelled}, chosen {chosen}, 20 % of {totals['requests']}",
    )
    return (metrics.generated() - totals["ok"] * max_tokens) / cancelled


def slot_free(report, document, made):
    """The time for which the server's gauges show it with a cancelled request is the one in which it made the tokens
    that came after the cut, at the pace of those requests that it finished."""
    figures = document["slot_free"][0]
    cut, held, reason = figures["cut"], figures["still_held"], figures.get("not_judged")
    report.check(
        reason is None and cut == document["totals"]["cancelled"] and held == 0,
        f"slot_free: {cut} cut, {held} still held, {figures['readings']} readings of {' and '.join(figures['gauges'])}"
        + (f"; not judged: {reason}" if reason else ""),
    )
    if reason:
        return
    details = document["details"]
    ok = [request for request in details if not request["error"]]
    cancelled = [request for request in details if request["error"] == "cancelled"]

    # Of a stream the time from its first token on, else all of it.
    def life(request):
        return request["latency"] - (request["ttft"] or 0)

    pace = sum(map(life, ok)) / sum(request["output_tokens"] for request in ok)
    expected = max(made * pace - sum(map(life, cancelled)) / len(cancelled), 0) * 1000
    least, most, error = figures["mean"], figures["mean_at_most"], figures["error"]
    slack = error + PACE_TOLERANCE * made * pace * 1000
    report.check(
        least - slack <= expected <= most + slack,
        f"slot_free: {least:.0f} to {most:.0f} ms after the cut, error {error:.0f} ms; the tokens made took until"
        f" about {expected:.0f} ms after it, at {pace * 1000:.2f} ms each",
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
    least = most = 0
    grows = True
    for session in sessions.values():
        for turn in range(2, count + 1):
            known, answer = session[turn - 1]["prompt_tokens"], session[turn - 1]["output_tokens"]
            grows &= session[turn]["prompt_tokens"] > known
            # The end of a prompt may be other tokens once an answer follows it.
            least += (known - 1) // metrics.block * metrics.block
            most += (known + answer) // metrics.block * metrics.block
    report.check(grows, "prompts grow with every turn")
    by_turn = [0] * count
    for request in details:
        by_turn[request["turn"] - 1] += request.get("cached_tokens", 0)
    report.check(by_turn == sorted(by_turn), f"cached tokens of turns 1 to {count}: {by_turn}")
    # The first turns may share what a template puts before every chat.
    hits = metrics.cached_tokens() - by_turn[0]
    report.check(
        least <= hits <= most and hits > 0,
        f"prefix cache: {hits} tokens hit by later turns, {least} to {most} expected",
    )


CHECKS = {check.__name__: check for check in (ids, words, groups, trace, cancel, goes_on, turns, inputs)}


def main(server, check, result, before, after, *more):
    with open(result) as file:
        document = json.load(file)
    metrics = {"vllm": Vllm, "llamacpp": LlamaCpp}[server](before, after)
    report = Report()
    kind, *numbers = check.split(":")
    questions = int(numbers[0]) if kind == "words" else 0
    common(report, document["totals"], metrics, questions)
    if kind != "plain":
        CHECKS[kind](report, document, metrics, *[int(number) for number in numbers], *more)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
