"""Runs the tools for scripts/compare-peers.sh, which installs them and says how to call it, and prints the tables."""

import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import tempfile

from measure import Mock, adopt_orphans, run
from tables import cost_table, heart_table, sources, truth_table, write_into
from tools import TOOLS, Load, Place, write_prompts

# The mock's times: a first token after 50 to 60 ms, by connection, then 49 more, 10 ms apart.
TTFT_MS, GAP_MS, TOKENS = 50, 10, 50
MOCK = ["--ttft", f"{TTFT_MS}ms", "--gap", f"{GAP_MS}ms", "--tokens", str(TOKENS), "--spread", "--max-seconds", "600"]
STREAM_S = (TTFT_MS + GAP_MS / 2 + GAP_MS * (TOKENS - 1)) / 1000
# What a tool may take beyond its load: imports, tokenizers, and a client that cannot keep up.
SLACK_S = 90

HOME = pathlib.Path("target/peers").absolute()
RESULTS = pathlib.Path(os.environ.get("RESULTS") or HOME / "results.json")


def loads():
    seconds = int(os.environ.get("SECONDS_EACH") or 15)
    for streams in (os.environ.get("STREAMS", "100 500 1000")).split():
        yield Load(int(streams), None, seconds, int(streams) / STREAM_S)
    for rate in os.environ.get("RATES", "200").split():
        yield Load(None, int(rate), seconds, int(rate))


def environment():
    """Nothing is sent home, and nothing is looked up on a hub."""
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HOME": str(HOME / "hf"),
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "K6_NO_USAGE_REPORT": "true",
        "K6_AUTO_EXTENSION_RESOLUTION": "false",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return {**os.environ, **quiet}


def one(tool, load, cpus):
    """Runs a tool once; returns its row, or the reason why there is none."""
    server_cpu, client_cpu = cpus
    with tempfile.TemporaryDirectory() as work, Mock(os.environ["LLMLOAD"], server_cpu, MOCK) as mock:
        place = Place(HOME, pathlib.Path(work), mock.origin)
        command = tool.command(load, place)
        if command is None:
            return {"skipped": "it cannot send at a rate"}
        log = pathlib.Path(work) / "printed"
        limit_s = 2 * load.seconds + SLACK_S
        usage = run(["taskset", "-c", str(client_cpu), *command], environment(), mock, limit_s, log)
        truth = mock.stats()
        try:
            if usage.startup_s is None:
                raise ValueError("it sent no request")
            figures = tool.figures(place, log)
        except (OSError, KeyError, ValueError, AttributeError, TypeError) as error:
            kept = HOME / f"failed-{tool.name.replace(' ', '-')}.txt"
            shutil.copy(log, kept)
            what = f"no figures ({type(error).__name__}: {error}), exit code {usage.code}"
            return {"skipped": f"{what}; it printed {kept.relative_to(pathlib.Path.cwd())}"}
    return {"open": bool(load.rate), "usage": vars(usage), "truth": truth, "said": figures}


def host():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = names[0] if names else platform.machine()
    return {"date": str(datetime.date.today()), "kernel": platform.release(), "cpus": os.cpu_count(), "model": model}


def short(row):
    if "skipped" in row:
        return f"skipped: {row['skipped']}"
    used, truth, said = row["usage"], row["truth"], row["said"]
    pairs = {name: said[name] and f"{said[name][0]:.2f}/{said[name][1]:.2f}" for name in ("ttft", "gap", "latency")}
    true = " ".join(f"{name} {truth[name + '_ms']['p50']:.2f}/{truth[name + '_ms']['p99']:.2f}" for name in pairs)
    told = " ".join(f"{name} {pair}" for name, pair in pairs.items() if pair)
    return (
        f"{said['requests']} ok, {used['wall_s']:.0f} s, start {used['startup_s']:.2f} s, CPU {used['cpu_s']:.1f} s, "
        f"{used['peak_mib']:.0f} MiB; says {told}; true {true}"
    )


def measure(kept, present, cpus):
    """Runs every tool with every load, and keeps each row as soon as there is one."""
    fresh = set()
    for _ in range(int(os.environ.get("REPEATS") or 1)):
        for load in loads():
            for key in (name for name in TOOLS if name in present):
                row = one(TOOLS[key], load, cpus)
                print(f"{load.name:<14}{TOOLS[key].name:<32}{short(row)}", flush=True)
                place = f"{load.name}|{key}"
                # A row of an earlier call is replaced, one of this call is another repeat.
                kept["rows"][place] = [*(kept["rows"][place] if place in fresh else []), row]
                fresh.add(place)
                RESULTS.write_text(json.dumps(kept, indent=1))


def main():
    present = dict(pair.split("=", 1) for pair in os.environ["VERSIONS"].splitlines() if pair)
    cpus = sorted(os.sched_getaffinity(0))
    cpus = (cpus[0], cpus[-1])
    os.sched_setaffinity(0, {cpus[0]})
    if cpus[0] == cpus[1]:
        print("note: there is one CPU, which the server and the client share")
    adopt_orphans()
    write_prompts(HOME)
    # So that a limit of time from outside also ends the mock and the client.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kept = {"rows": {}, "versions": {}}
    if os.environ.get("KEEP") and RESULTS.exists():
        kept = json.loads(RESULTS.read_text())
    kept["host"] = host()
    kept["versions"].update(present)
    code = 0
    try:
        measure(kept, present, cpus)
    except KeyboardInterrupt:
        print("interrupted: the tables have what was measured until then")
        code = 130
    show(kept)
    return code


def show(kept):
    """Prints the tables, and keeps them beside the rows."""
    text = f"{cost_table(kept)}\n{truth_table(kept)}\n{sources(kept)}"
    RESULTS.with_suffix(".md").write_text(text)
    print(f"\n{text}\nkept in {RESULTS} and {RESULTS.with_suffix('.md')}")


def from_rows(what):
    """Prints the tables of earlier calls, or writes them into the documents."""
    if not RESULTS.exists():
        sys.exit(f"{RESULTS}: there are no rows yet; call the script without `{what}` first")
    kept = json.loads(RESULTS.read_text())
    if what == "tables":
        return show(kept)
    tables = {
        "cost": cost_table(kept),
        "truth": truth_table(kept),
        "sources": sources(kept),
        "heart": heart_table(kept),
    }
    for path in map(pathlib.Path, ("docs/PEERS.md", "README.md")):
        write_into(path, tables)
        print(f"the tables of {path} are those of {RESULTS}")


if __name__ == "__main__":
    sys.exit(from_rows(sys.argv[1]) if sys.argv[1:] else main())
