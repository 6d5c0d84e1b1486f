"""Samples the processes of a soak, and judges its results. Called by scripts/soak.sh:

    idle MOCK_PID                            prints resident KiB, descriptors and threads of the mock before the load
    sample SECONDS GENERATOR_PID MOCK_PID    prints those of both, until the first ends, and once more of the mock when
                                             its connections are closed
    table FOLDER SECONDS USERS DRIVER...     prints tables from what the script kept; exit code 1 if something is wrong
"""

import json
import os
import sys
import time

# What a fault of the mock is called by the generator.
CLASSES = {
    "http_429": ["429"],
    "http_5xx": ["500"],
    "http_503": ["503"],
    "http_4xx": ["404"],
    "reset": ["reset"],
    "truncated": ["cut", "unfinished"],
    "stream_error": ["error_event"],
    "malformed": ["bad_json", "bad_chunk"],
    "timeout": ["hang", "stall"],
}
# Above this the memory of a process grows. A row of the timeline each second is 60 of it.
SLOPE_MAX_KIB_PER_MINUTE = 150
# The slope of a shorter run is the start of the program.
SECONDS_MIN = 500
# A user may cancel in the moment in which the answer ends or fails: at most so many of all requests.
CROSSED_MAX = 1e-4
# On a host whose CPUs are taken for as long as the limits of the load, requests time out that have no fault.
LATE_MIN_SECONDS, LATE_MAX = 10, 0.01


def process(pid):
    """Resident KiB, descriptors and threads; nothing of a process that has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        return [int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"])]
    except (OSError, KeyError):
        return None


def idle(mock):
    print(json.dumps({"at": 0, "mock": process(mock)}))
    return 0


def sample(every, generator, mock):
    start = due = time.monotonic()
    while (ours := process(generator)) is not None:
        now = time.monotonic()
        print(json.dumps({"at": now - start, "generator": ours, "mock": process(mock)}), flush=True)
        # A generator that ends is noticed within a second.
        due += every
        while (left := due - time.monotonic()) > 0 and process(generator) is not None:
            time.sleep(min(left, 1))
    # The mock closes a connection when it has read its end. Silence for 2 s means that it has read them all.
    quiet, last = time.monotonic(), process(mock)
    while time.monotonic() - quiet < 2:
        time.sleep(0.1)
        if (now := process(mock)) != last:
            quiet, last = time.monotonic(), now
    print(json.dumps({"at": time.monotonic() - start, "mock": process(mock)}), flush=True)
    return 0


def slope(points):
    """KiB per minute, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    width = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / width * 60 if width else 0.0


class Soak:
    def __init__(self, folder, seconds, driver):
        def text(ending):
            with open(os.path.join(folder, f"{driver}.{ending}")) as file:
                return file.read()

        self.driver, self.wrong = driver, []
        self.status = int(text("status"))
        self.document, self.mock = json.loads(text("json")), json.loads(text("after"))
        self.samples = [json.loads(line) for line in text("samples").splitlines()]
        self.load = [row for row in self.samples if row.get("generator") and row["at"] <= seconds]
        self.totals = self.document["totals"]

    def check(self, holds, what):
        if not holds:
            self.wrong.append(what)

    def outcomes(self):
        """Rows of a class, ours and the mock's count. What is told apart by us alone stands in one row."""
        by = self.totals["by_outcome"]
        left, faults = self.mock["left_before_fault"], self.mock["faults"]
        timeouts = sum(count for name, count in by.items() if name.startswith("timeout_"))
        rows = [("ok", by.get("ok", 0), self.mock["ok"])]
        for name, theirs in CLASSES.items():
            ours = timeouts if name == "timeout" else by.get(name, 0)
            rows.append((name, ours, sum(faults.get(fault, 0) - left.get(fault, 0) for fault in theirs)))
        abandoned = self.mock["abandoned"] + sum(left.values())
        rows.append(("cancelled", by.get("cancelled", 0), abandoned - by.get("interrupted", 0)))
        known = {*CLASSES, "ok", "cancelled", "interrupted"}
        for name in sorted(by):
            if name not in known and not name.startswith("timeout_") and by[name]:
                rows.append((name, by[name], 0))
        rows.append(("all", self.totals["requests"], self.mock["requests"]))
        return rows

    def judge_outcomes(self, rows):
        """Equal, but for requests that were cancelled in the moment in which they ended, and for those that timed out
        because the host, which the mock shares, stood still. Returns both in words."""
        *classes, (_, ours, theirs) = rows
        by_name = {name: ours - theirs for name, ours, theirs in classes}
        crossed, late = by_name.pop("cancelled"), by_name.pop("timeout")
        others = -sum(by_name.values())
        differ = f"outcomes differ: {by_name | {'cancelled': crossed, 'timeout': late}}, of {ours} and {theirs}"
        never_more = all(difference <= 0 for difference in by_name.values())
        if late > 0:
            # The mock tells how late it was itself. A connect that timed out is a request that it has not seen.
            stood_still = max(self.mock["late_ms"]["max"], self.mock["gap_ms"]["max"]) / 1000
            self.check(never_more and late - others + crossed == ours - theirs, differ)
            self.check(stood_still > LATE_MIN_SECONDS and late <= LATE_MAX * ours, differ)
            return [f"{late} timed out without a fault: the mock's sends were late by up to {stood_still:.1f} s"]
        self.check(ours == theirs, f"requests: ours {ours}, the mock's {theirs}")
        self.check(never_more and late <= 0 and crossed == others - late <= CROSSED_MAX * ours, differ)
        return [f"{crossed} cancelled in the moment in which they ended"] if crossed else []

    def memory(self, who):
        """The slope after the first fifth, and the resident memory there and at the end."""
        end = self.load[-1]["at"]
        points = [(row["at"], row[who][0]) for row in self.load if row["at"] >= end / 5]
        growth = slope(points)
        if end >= SECONDS_MIN:
            self.check(growth <= SLOPE_MAX_KIB_PER_MINUTE, f"memory of the {who} grows by {growth:.0f} KiB/min")
        return f"{points[0][1]} to {points[-1][1]}, {growth:+.1f} KiB/min"

    def descriptors(self, who, users):
        """The most, and those of the mock before and after the load, when nobody is connected."""
        most = max(row[who][1] for row in self.load)
        self.check(most <= users + 100, f"{who}: {most} descriptors for {users} users")
        if who == "generator":
            fifth = [row for row in self.load if row["at"] >= self.load[-1]["at"] / 5]
            return f"{fifth[0][who][1]} to {fifth[-1][who][1]}, most {most}"
        before, after = self.samples[0][who][1], self.samples[-1][who][1]
        self.check(after <= before, f"{who}: {after} descriptors when nobody is connected, {before} before the load")
        return f"{before} before, {after} after, most {most}"

    def threads(self, who):
        seen = sorted({row[who][2] for row in self.load[1:] or self.load})
        return f"{seen[0]}" if len(seen) == 1 else f"{seen[0]} to {seen[-1]}"

    def fitness(self):
        """Whether the generator was fast enough, which concerns the times alone: no figure here is one."""
        reasons = [reason["rule"] for reason in self.document["client"]["limit_reasons"]]
        return f"not fit: {', '.join(reasons)}" if reasons else "fit"

    def rows(self, users):
        run, totals = self.document["run"], self.totals
        self.check(self.status == run["exit_code"], f"exit code {self.status}, the document's {run['exit_code']}")
        self.check(self.status in (0, 113), f"exit code {self.status}")
        sum_of = totals["ok"] + totals["failed"] + totals["interrupted"] + totals.get("cancelled", 0)
        self.check(totals["requests"] == sum_of, f"requests {totals['requests']}, the sum of outcomes {sum_of}")
        rows = [
            ("load", f"{run['duration_seconds']:.1f} s, exit code {self.status}, {run['verdict']}"),
            ("generator", self.fitness()),
            ("connections opened", f"{totals['connections_opened']} by {users} users"),
        ]
        for who in ("generator", "mock"):
            rows.append((f"{who}: resident KiB", self.memory(who)))
            rows.append((f"{who}: descriptors", self.descriptors(who, users)))
            rows.append((f"{who}: threads", self.threads(who)))
        return rows


def table(folder, seconds, users, drivers):
    soaks = [Soak(folder, seconds, driver) for driver in drivers]
    rows = [dict(soak.rows(users)) for soak in soaks]
    print(f"\n| | {' | '.join(drivers)} |\n| --- |{' --- |' * len(drivers)}")
    for name in rows[0]:
        print(f"| {name} | {' | '.join(row[name] for row in rows)} |")
    counts = [soak.outcomes() for soak in soaks]
    names = list(dict.fromkeys(name for rows in counts for name, _, _ in rows))
    print(f"\n| outcome | the mock's faults | {' | '.join(f'{d}, ours | the mock' for d in drivers)} |")
    print(f"| --- | --- |{' --- | --- |' * len(drivers)}")
    for name in names:
        cells = []
        for rows in counts:
            cells += next(((str(ours), str(theirs)) for row, ours, theirs in rows if row == name), ("0", "0"))
        print(f"| {name} | {', '.join(CLASSES.get(name, []))} | {' | '.join(cells)} |")
    print()
    for soak, rows in zip(soaks, counts):
        named, cut = soak.judge_outcomes(rows), soak.totals["interrupted"]
        for wrong in soak.wrong:
            print(f"FAIL  {soak.driver}: {wrong}")
        if not soak.wrong:
            agrees = ["every outcome agrees with the mock", f"{cut} interrupted", *named]
            print(f"PASS  {soak.driver}: {', '.join(agrees)}")
    return 1 if any(soak.wrong for soak in soaks) else 0


if __name__ == "__main__":
    command, first, *more = sys.argv[1:]
    if command == "idle":
        sys.exit(idle(int(first)))
    if command == "sample":
        sys.exit(sample(float(first), int(more[0]), int(more[1])))
    sys.exit(table(first, int(more[0]), int(more[1]), more[2:]))
