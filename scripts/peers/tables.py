"""Prints what the tools cost and what they say as Markdown, from the rows that compare.py keeps."""

import statistics

from tools import TOOLS

COST = [
    "load",
    "tool",
    "requests/s",
    "it reports",
    "CPU per request, us",
    "core busy",
    "start, s",
    "CPU of the start, s",
    "peak memory, MiB",
    "requests",
]
TRUTH = ["load", "tool", "TTFT p50", "TTFT p99", "gap p50", "gap p99", "latency p50", "latency p99"]

HEART = ["load", "tool", "requests/s", "TTFT p50", "gap p50", "latency p50", "CPU per request", "memory"]
HEART_LOADS = ("500 streams", "200/s")


def line(cells):
    return "| " + " | ".join(cells) + " |\n"


def head(kept, columns):
    host = kept["host"]
    # The second row of vLLM is the same program.
    present = [key for key in TOOLS if key in kept["versions"] and key != "vllm-completions"]
    versions = ", ".join(f"{TOOLS[key].name} {kept['versions'][key]}" for key in present)
    about = f"{host['date']}, {host['cpus']} CPUs ({host['model']}), kernel {host['kernel']}: {versions}\n\n"
    return about + line(columns) + line(["---"] * len(columns))


def rows(kept):
    """Yields load, tool and its runs, in the order in which loads were run and tools are listed."""
    names = list(dict.fromkeys(place.split("|")[0] for place in kept["rows"]))
    for load in sorted(names, key=lambda name: ("/" in name, int(name.split("/")[0].split()[0].replace(",", "")))):
        for key, tool in TOOLS.items():
            if runs := kept["rows"].get(f"{load}|{key}"):
                yield load, tool, runs


def middle(runs, value, form):
    """The median over repeats, with the range if there are several; `-` where a tool has no such figure."""
    values = [value(run) for run in runs if "skipped" not in run]
    values = [each for each in values if each is not None]
    if not values:
        return "-"
    text = form.format(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({form.format(min(values))} to {form.format(max(values))})"


def rate(run):
    """Requests per second as the server saw them: arrivals at a rate, else answers from first arrival to end."""
    truth = run["truth"]
    arrivals = truth["arrivals_per_second"]
    if not arrivals or run["open"]:
        return arrivals
    return truth["requests"] / ((truth["requests"] - 1) / arrivals + truth["latency_ms"]["p50"] / 1000)


def cpu_per_request(run):
    """CPU after the first request: imports and tokenizers are in the start, the evaluation at the end is in here."""
    used = run["usage"]
    return (used["cpu_s"] - used["startup_cpu_s"]) * 1e6 / max(1, run["truth"]["ok"])


def busy(run):
    share = run["usage"]["busy"]
    return share and 100 * share


def cost_table(kept):
    text = head(kept, COST)
    for load, tool, runs in rows(kept):
        if all("skipped" in run for run in runs):
            text += line([load, tool.name, runs[0]["skipped"], *["-"] * (len(COST) - 3)])
            continue
        text += line(
            [
                load,
                tool.name,
                middle(runs, rate, "{:,.0f}"),
                middle(runs, lambda run: run["said"]["rate"], "{:,.0f}"),
                middle(runs, cpu_per_request, "{:,.0f}"),
                middle(runs, busy, "{:.0f} %"),
                middle(runs, lambda run: run["usage"]["startup_s"], "{:.2f}"),
                middle(runs, lambda run: run["usage"]["startup_cpu_s"], "{:.2f}"),
                middle(runs, lambda run: run["usage"]["peak_mib"], "{:,.0f}"),
                middle(runs, lambda run: run["said"]["requests"], "{:,.0f}")
                + (
                    f", {sum(run['said']['failed'] for run in runs)} failed"
                    if any(run["said"]["failed"] for run in runs)
                    else ""
                ),
            ]
        )
    return text


def truth_table(kept):
    """Each cell: what the tool says / what the server did, in milliseconds."""
    text = head(kept, TRUTH)
    for load, tool, runs in rows(kept):
        runs = [run for run in runs if "skipped" not in run]
        if not runs:
            continue
        cells = [load, tool.name]
        for name in ("ttft", "gap", "latency"):
            for place, percentile in enumerate(("p50", "p99")):
                told = middle(runs, lambda run: run["said"][name] and run["said"][name][place], "{:.2f}")
                true = middle(runs, lambda run: run["truth"][f"{name}_ms"][percentile], "{:.2f}")
                cells.append("-" if told == "-" else f"{told} / {true}")
        text += line(cells)
    return text


def sources(kept):
    """Where each tool's figures come from; the truth is the mock's `/mock/stats`."""
    text = line(["tool", "figures"]) + line(["---", "---"])
    for key, tool in TOOLS.items():
        if key in kept["versions"]:
            text += line([tool.name, tool.source])
    return text


def heart_table(kept):
    """What the README has of both tables: one closed and one open loop."""
    text = line(HEART) + line(["---"] * len(HEART))
    for load, tool, runs in rows(kept):
        runs = [run for run in runs if "skipped" not in run]
        if load not in HEART_LOADS or not runs:
            continue
        cells = [load, tool.name, middle(runs, rate, "{:,.0f}")]
        for name in ("ttft", "gap", "latency"):
            told = middle(runs, lambda run, name=name: run["said"][name] and run["said"][name][0], "{:.1f}")
            true = middle(runs, lambda run, name=name: run["truth"][f"{name}_ms"]["p50"], "{:.1f}")
            cells.append("-" if told == "-" else f"{told} / {true}")
        cells.append(middle(runs, cpu_per_request, "{:,.0f} us"))
        cells.append(middle(runs, lambda run: run["usage"]["peak_mib"], "{:,.0f} MiB"))
        text += line(cells)
    return text


def write_into(path, tables):
    """Replaces each table in a document, between a comment with its name and the next `<!-- end -->`."""
    text = path.read_text()
    for name, table in tables.items():
        begin = f"<!-- compare-peers: {name} -->\n"
        before, mark, rest = text.partition(begin)
        if mark:
            text = before + mark + table + "<!-- end -->" + rest.partition("<!-- end -->")[2]
    path.write_text(text)
