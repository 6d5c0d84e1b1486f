"""Checks the documents of a run of several ranks. Prints one line of figures, or a reason with exit code 1.

usage: ranks_check.py same ONE.json ONE_STATS.json WHOLE.json STATS.json
       ranks_check.py has WHOLE.json KEY.KEY=JSON...
       ranks_check.py sum WHOLE.json PART.json...
       ranks_check.py streams WHOLE.json STATS.json

`same` compares the document of several processes with that of one, and what the mock of each has counted. `has`
compares single values. `sum` adds the requests of the parts. `streams` compares those of the document with those that
the mock has seen.
"""

import json
import sys

# What several processes have to agree on with one: all that does not depend on time.
SAME = ["totals.requests", "totals.ok", "totals.failed", "totals.by_outcome", "kinds.stream.totals.requests",
        "kinds.light.totals.requests", "run.verdict", "run.exit_code"]
# What the mock counts, of which the digest says that the same bodies came, in any order.
SAME_STATS = ["requests", "streams", "bodies_digest"]


def read(path):
    with open(path) as file:
        return json.load(file)


def at(document, keys):
    for key in keys.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def differ(keys, a, b):
    for key in keys:
        if at(a, key) != at(b, key) or at(a, key) is None:
            sys.exit(f"{key}: {json.dumps(at(a, key))} in one process, {json.dumps(at(b, key))} here")


def figures(document):
    text, merged = f"{at(document, 'totals.requests')} requests", at(document, "run.merged")
    if merged:
        text += f" of {merged['shards']} ranks, begun within {merged['start_skew_seconds'] * 1e3:.0f} ms"
    return text


def same(one, one_stats, many, many_stats):
    one, many = read(one), read(many)
    differ(SAME, one, many)
    differ(SAME_STATS, read(one_stats), read(many_stats))
    thresholds = [[t.get("expression"), t.get("ok")] for t in one["thresholds"]]
    if thresholds != [[t.get("expression"), t.get("ok")] for t in many["thresholds"]] or not thresholds:
        sys.exit(f"thresholds: {thresholds} in one process, {many['thresholds']} here")
    if at(many, "run.merged.shards") != 4 or at(many, "run.merged.missing_shards"):
        sys.exit(f"run.merged: {at(many, 'run.merged')}")
    print(figures(many))


def has(path, *expected):
    document = read(path)
    for pair in expected:
        keys, _, value = pair.partition("=")
        if at(document, keys) != json.loads(value):
            sys.exit(f"{keys} is {json.dumps(at(document, keys))}, not {value}")
    print(figures(document) + "; " + ", ".join(pair.rpartition(".")[2] for pair in expected))


def total(whole, *parts):
    counts = [at(read(part), "totals.requests") for part in parts]
    if sum(counts) != at(read(whole), "totals.requests") or not all(counts):
        sys.exit(f"totals.requests: {at(read(whole), 'totals.requests')}, and the parts have {counts}")
    print(" + ".join(map(str, counts)), "=", sum(counts), "requests")


def streams(whole, stats):
    found, seen = at(read(whole), "kinds.stream.totals.requests"), read(stats)["streams"]
    if found != seen or not seen:
        sys.exit(f"{found} streams are in the document, and the mock has seen {seen}")
    print(f"{found} streams, as the mock has seen")


{"same": same, "has": has, "sum": total, "streams": streams}[sys.argv[1]](*sys.argv[2:])
